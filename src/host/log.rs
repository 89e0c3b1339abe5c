//! The log: every line of a service and of the manager about a unit, kept in a bounded ring
//! per unit, told to whoever listens, and written to the daemon's own log.
//!
//! Shared by the loop and the tasks that read pipes. The lock is held for a push or a copy
//! only, never across a wait.

use super::clock;
use super::handle::{LogLine, Stream};
use super::line_rules::{LineRules, Settings};
use super::output::From;
use super::sinks::Sinks;
use crate::engine::LogLevel;
use crate::unit::config::ExecConfig;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Memory that the kept lines of a unit may take, in bytes.
const RING_BYTES: usize = 128 * 1024;
/// What a line costs beside its text (the line, its counts, two allocations), so that many short
/// lines are bounded too.
const LINE_OVERHEAD: usize = size_of::<LogLine>() + 48;
/// Under this target the daemon's log shows lines of and about units, whatever its level.
pub const UNIT_TARGET: &str = "unit";

/// The log of all units.
#[derive(Debug)]
pub(super) struct Log {
    store: Mutex<Store>,
    /// What is done with the lines of units, by the last process of each.
    rules: Mutex<BTreeMap<UnitName, Arc<LineRules>>>,
    sinks: Sinks,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Store {
    last: u64,
    rings: BTreeMap<Option<UnitName>, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    /// All that there ever were.
    count: u64,
}

impl Ring {
    fn push(&mut self, line: Arc<LogLine>) {
        self.count += 1;
        self.bytes += line.text.len() + LINE_OVERHEAD;
        self.lines.push_back(line);
        while self.bytes > RING_BYTES {
            let Some(old) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= old.text.len() + LINE_OVERHEAD;
        }
    }
}

impl Log {
    pub(super) fn new() -> Log {
        Log {
            store: Mutex::default(),
            rules: Mutex::default(),
            sinks: Sinks::default(),
            last: watch::Sender::new(0),
        }
    }

    /// The number of the last line, and word of the next.
    pub(super) fn lines(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// What is to become of the lines of a new process of a unit, which runs `program`.
    pub(super) fn rules(
        &self,
        unit: &UnitName,
        exec: Option<&ExecConfig>,
        program: &str,
        invocation: &str,
    ) -> Arc<LineRules> {
        let mut all = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = Settings::new(unit, exec, program, invocation);
        let rules = Arc::new(LineRules::new(settings, all.get(unit).map(Arc::as_ref)));
        all.insert(unit.clone(), rules.clone());
        rules
    }

    /// The unit is gone.
    pub(super) fn forget_rules(&self, unit: &UnitName) {
        let mut all = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(unit);
    }

    /// Goes on behind the lines of an earlier daemon, the last of which had this number.
    pub(super) fn take_over(&self, lines: Vec<LogLine>, last: u64) {
        let mut store = self.lock();
        let newest = lines.last().map_or(0, |line| line.number);
        store.last = store.last.max(last).max(newest);
        for line in lines {
            let ring = store.rings.entry(line.unit.clone()).or_default();
            ring.push(Arc::new(line));
        }
        self.last.send_replace(store.last);
    }

    /// Takes a line that a process of a unit wrote.
    pub(super) fn service(&self, from: &From, line: &str) {
        let judged = from.rules.judge(line, clock::now().monotonic);
        if let Some(text) = &judged.notice {
            self.manager(LogLevel::Notice, Some(&from.unit), text);
        }
        let Some((level, text)) = judged.line else {
            return;
        };
        if !self.sinks.take(from, level, text) {
            let (unit, pid) = (&from.unit, from.pid);
            let identifier = from.rules.identifier();
            match level {
                0..=3 => {
                    tracing::error!(target: UNIT_TARGET, unit = %unit, identifier, pid, "{text}")
                }
                4 => tracing::warn!(target: UNIT_TARGET, unit = %unit, identifier, pid, "{text}"),
                7 => tracing::debug!(target: UNIT_TARGET, unit = %unit, identifier, pid, "{text}"),
                _ => tracing::info!(target: UNIT_TARGET, unit = %unit, identifier, pid, "{text}"),
            }
        }
        self.keep(Some(from.unit.clone()), from.pid, from.stream, text);
    }

    /// Whether LogLevelMax= of a unit leaves out a line of the manager about it.
    fn leaves_out(&self, unit: &UnitName, level: LogLevel) -> bool {
        let level = match level {
            LogLevel::Error => 3,
            LogLevel::Warning => 4,
            LogLevel::Notice => 5,
            LogLevel::Info => 6,
            LogLevel::Debug => 7,
        };
        let all = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(unit).is_some_and(|rules| !rules.is_wanted(level))
    }

    /// Takes a line of the manager, about a unit or not.
    pub(super) fn manager(&self, level: LogLevel, unit: Option<&UnitName>, text: &str) {
        if unit.is_some_and(|unit| self.leaves_out(unit, level)) {
            return;
        }
        match (unit, level) {
            (Some(unit), LogLevel::Debug) => tracing::debug!(unit = %unit, "{text}"),
            (Some(unit), LogLevel::Info) => tracing::info!(unit = %unit, "{text}"),
            // tracing has no notice; it is shown as info.
            (Some(unit), LogLevel::Notice) => tracing::info!(unit = %unit, "{text}"),
            (Some(unit), LogLevel::Warning) => tracing::warn!(unit = %unit, "{text}"),
            (Some(unit), LogLevel::Error) => tracing::error!(unit = %unit, "{text}"),
            (None, LogLevel::Debug) => tracing::debug!("{text}"),
            (None, LogLevel::Info | LogLevel::Notice) => tracing::info!("{text}"),
            (None, LogLevel::Warning) => tracing::warn!("{text}"),
            (None, LogLevel::Error) => tracing::error!("{text}"),
        }
        if level > LogLevel::Debug {
            self.keep(unit.cloned(), 0, Stream::Manager, text);
        }
    }

    /// The last `count` lines of a unit, or of all, oldest first.
    pub(super) fn last(&self, unit: Option<&UnitName>, count: usize) -> Vec<Arc<LogLine>> {
        let store = self.lock();
        let mut lines: Vec<Arc<LogLine>> = match unit {
            Some(unit) => store
                .rings
                .get(&Some(unit.clone()))
                .map_or_else(Vec::new, |ring| ring.lines.iter().cloned().collect()),
            None => store
                .rings
                .values()
                .flat_map(|ring| ring.lines.iter().cloned())
                .collect(),
        };
        drop(store);
        lines.sort_by_key(|line| line.number);
        lines.split_off(lines.len().saturating_sub(count))
    }

    /// How many lines there were of each unit and about it.
    pub(super) fn counts(&self) -> BTreeMap<UnitName, u64> {
        let store = self.lock();
        let rings = store.rings.iter();
        rings
            .filter_map(|(unit, ring)| Some((unit.clone()?, ring.count)))
            .collect()
    }

    /// The lines of a unit, or of all, with a number above `after`, oldest first.
    pub(super) fn after(&self, unit: Option<&UnitName>, after: u64) -> Vec<Arc<LogLine>> {
        let store = self.lock();
        let newer = |ring: &Ring| {
            let from = ring.lines.partition_point(|line| line.number <= after);
            ring.lines.range(from..).cloned().collect::<Vec<_>>()
        };
        let mut lines: Vec<_> = match unit {
            Some(unit) => store
                .rings
                .get(&Some(unit.clone()))
                .map_or_else(Vec::new, newer),
            None => store.rings.values().flat_map(newer).collect(),
        };
        drop(store);
        lines.sort_by_key(|line| line.number);
        lines
    }

    fn keep(&self, unit: Option<UnitName>, pid: i32, stream: Stream, text: &str) {
        let realtime = clock::now().realtime;
        let mut store = self.lock();
        store.last += 1;
        let number = store.last;
        let line = Arc::new(LogLine {
            number,
            realtime,
            unit: unit.clone(),
            pid,
            stream,
            text: text.to_owned(),
        });
        store.rings.entry(unit).or_default().push(line);
        drop(store);
        self.last.send_replace(number);
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A push cannot leave the rings half changed in a way that matters.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UnitName {
        UnitName::parse(text).unwrap()
    }

    #[test]
    fn rings_are_bounded_and_apart() {
        let log = Log::new();
        let heard = log.lines();
        let loud = name("loud.service");
        let quiet = name("quiet.service");
        let from = |unit: &UnitName, pid, stream| From {
            unit: unit.clone(),
            pid,
            stream,
            rules: log.rules(unit, None, "a", ""),
        };
        log.service(&from(&quiet, 7, Stream::Stdout), "<4>hello");
        for _ in 0..100 {
            log.service(&from(&loud, 8, Stream::Stderr), &"x".repeat(10_000));
        }
        log.manager(LogLevel::Info, Some(&quiet), "stopped");
        let lines = log.last(Some(&quiet), 10);
        assert_eq!(lines[0].text, "hello");
        assert_eq!(lines[1].stream, Stream::Manager);
        let kept = log.last(Some(&loud), 1000);
        assert!(kept.iter().map(|l| l.text.len()).sum::<usize>() <= RING_BYTES);
        assert_eq!(kept.last().unwrap().number, 101);
        let all = log.last(None, 3);
        assert_eq!(all.len(), 3);
        assert_eq!(all[2].number, 102);
        assert_eq!(*heard.borrow(), 102);
        let after = |unit, number| log.after(unit, number).len();
        assert_eq!(after(Some(&quiet), 1), 1);
        assert_eq!(after(Some(&quiet), 102), 0);
        assert_eq!(after(None, 100), 2);
    }
}
