//! The end of the loop: no process and no control group is left behind.

use super::killing::Shot;
use super::run::Host;
use crate::engine::UnitId;
use crate::sys::pidfd;
use crate::unit::value::Signal;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Time for what is left to react to SIGTERM, and again to SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether they are gone.
const LOOK: Duration = Duration::from_millis(10);
/// Time for the last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

impl Host {
    pub(super) async fn wind_up(mut self) {
        for (_, task) in std::mem::take(&mut self.cleaning) {
            let _ = task.await;
        }
        self.searches.clear();
        for signal in [Signal::TERM, Signal::KILL] {
            if self.end_leftovers(signal).await {
                break;
            }
        }
        if timeout(LAST_LINES, self.capture.finish()).await.is_err() {
            tracing::warn!("somebody still holds the output of a service; not read further");
        }
        self.groups.close();
    }

    /// Ends what units left behind on purpose (KillMode=process, KillMode=none, SendSIGKILL=no);
    /// whether nothing is left.
    async fn end_leftovers(&mut self, signal: Signal) -> bool {
        let until = Instant::now() + PATIENCE;
        let mut told: BTreeMap<i32, OwnedFd> = BTreeMap::new();
        loop {
            self.reap_everything();
            let left = self.groups.all(&BTreeMap::<i32, UnitId>::new());
            if left.is_empty() {
                return true;
            }
            if Instant::now() >= until {
                tracing::warn!("{} processes do not end", left.len());
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
