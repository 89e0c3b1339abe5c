//! The end of the loop: no process and no control group is left behind.

use super::killing::Shot;
use super::run::Host;
use crate::engine::UnitId;
use crate::sys::pidfd;
use crate::unit::value::Signal;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Signals to what is left, and how long to wait for each to work. Short: whoever stops a
/// container does not wait long either, and the units have had their own time.
const LAST_SIGNALS: [(Signal, Duration); 2] = [
    (Signal::TERM, Duration::from_secs(1)),
    (Signal::KILL, Duration::from_secs(5)),
];
/// How often it is looked whether they are gone.
const LOOK: Duration = Duration::from_millis(10);
/// Time for directories of the last units to go.
const CLEANING: Duration = Duration::from_secs(5);
/// Time for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

impl Host {
    pub(super) async fn wind_up(mut self) {
        for (_, task) in std::mem::take(&mut self.cleaning) {
            if timeout(CLEANING, task).await.is_err() {
                tracing::warn!("a clean-up hangs; not waited for further");
            }
        }
        self.searches.clear();
        // Whoever is started next begins anew.
        if let Some(journal) = self.journal.take() {
            journal.remove();
        }
        self.custody.close();
        // Starts that wait for a thread find out; those that are under way are seen below.
        self.common.closing.store(true, Ordering::Relaxed);
        let polite = usize::from(self.ending.at_once);
        for (signal, patience) in LAST_SIGNALS.into_iter().skip(polite) {
            if self.end_leftovers(signal, patience).await {
                break;
            }
        }
        if timeout(LAST_LINES, self.capture.finish()).await.is_err() {
            tracing::warn!("somebody still holds the output of a service; not read further");
        }
        self.groups.close();
        self.log.wait_written(LAST_LINES);
    }

    /// Ends what units left behind on purpose (KillMode=process, KillMode=none, SendSIGKILL=no),
    /// and what nobody has heard of yet since its start is under way; whether nothing is left.
    async fn end_leftovers(&mut self, signal: Signal, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut told: BTreeMap<i32, OwnedFd> = BTreeMap::new();
        loop {
            self.take_facts();
            self.reap_everything();
            let left = self.groups.all(&BTreeMap::<i32, UnitId>::new());
            let starting = self.processes.any_starting();
            if left.is_empty() && !starting {
                return true;
            }
            if Instant::now() >= until {
                let starts = if starting { ", and a start hangs" } else { "" };
                tracing::warn!("{} processes do not end on {signal}{starts}", left.len());
                return false;
            }
            for pid in left {
                if told.contains_key(&pid) {
                    continue;
                }
                let Ok(process) = pidfd::open(pid) else {
                    continue;
                };
                // Opened first, looked at again after: the number may have been used anew.
                if !self.groups.all(&BTreeMap::new()).contains(&pid) {
                    continue;
                }
                tracing::info!(pid, "ending a process that was left behind");
                Shot::plain(signal).send(process.as_fd());
                Shot::plain(Signal::CONT).send(process.as_fd());
                told.insert(pid, process);
            }
            sleep(LOOK).await;
        }
    }

    fn reap_everything(&mut self) {
        while let Ok(Some(ended)) = pidfd::peek_any() {
            if pidfd::reap_child(ended.pid).is_err() {
                return;
            }
        }
    }
}
