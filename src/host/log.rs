//! The log: every line of a service and of the manager about a unit, kept in a bounded ring
//! per unit, told to whoever listens, and written to the daemon's own log.
//!
//! Shared by the loop and the tasks that read pipes. The lock is held for a push or a copy
//! only, never across a wait.

use super::clock;
use super::console::{Console, Form};
use super::handle::LogLine;
use super::line_rules::{Counts, LineRules, Settings, is_within};
use super::log_writer::Writer;
use super::output::From;
use super::spawning::invocation_id;
use super::store::Segments;
use super::store::batch::{Batch, Origin};
use crate::engine::LogLevel;
use crate::unit::config::{ExecConfig, LogSink};
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Memory that the kept lines of a unit may take, in bytes; whole batches go.
const RING_BYTES: usize = 128 * 1024;
/// A batch that is smaller is shown at once where nothing is in the way.
const SMALL: usize = 2048;
/// Under this target the daemon's log shows lines of and about units, whatever its level.
pub const UNIT_TARGET: &str = "unit";

/// Where lines go.
#[derive(Debug, Clone)]
pub struct LogPlaces {
    /// The daemon's standard streams.
    pub console: Arc<Console>,
    /// Directories for the log on the disk, each with the bytes it may take there; the first that
    /// can be written to is taken. None: memory only.
    pub directories: Vec<(PathBuf, u64)>,
}

/// The log of all units.
#[derive(Debug)]
pub(super) struct Log {
    store: Mutex<Store>,
    /// What is kept of the lines of units.
    told: Mutex<BTreeMap<UnitName, Told>>,
    /// What the manager has said and is to be taken in by [`Log::pass_on`]; `None`: at once.
    said: Mutex<Option<Vec<Said>>>,
    console: Arc<Console>,
    writer: Writer,
    /// Where the log is on the disk.
    directory: Option<PathBuf>,
    last: watch::Sender<u64>,
}

/// What lasts of the rules for a unit's lines when its processes are gone.
#[derive(Debug, Default)]
struct Told {
    counts: Arc<Counts>,
    /// LogLevelMax= of its last process.
    level_max: Option<u8>,
}

/// Something that the manager says.
#[derive(Debug)]
struct Said {
    unit: Option<UnitName>,
    /// The run of the unit that it is about, by its invocation ID; 0 if it is of none.
    run: u128,
    text: String,
    realtime: u64,
    how: How,
}

#[derive(Debug)]
enum How {
    /// A line for people.
    Line(LogLevel),
    /// A record for programs: its level of syslog(3) and its fields.
    Record(u8, BTreeMap<String, String>),
}

#[derive(Debug, Default)]
struct Store {
    last: u64,
    rings: BTreeMap<Option<UnitName>, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// Lines that there ever were.
    count: u64,
}

impl Ring {
    fn push(&mut self, batch: Arc<Batch>) {
        self.count += u64::from(batch.count());
        self.bytes += batch.size();
        self.batches.push_back(batch);
        while self.bytes > RING_BYTES && self.batches.len() > 1 {
            let Some(old) = self.batches.pop_front() else {
                break;
            };
            self.bytes -= old.size();
        }
    }

    /// The last lines, in order.
    fn last(&self, count: usize) -> Vec<Arc<LogLine>> {
        let (mut missing, mut begin) = (count, self.batches.len());
        while missing > 0 && begin > 0 {
            begin -= 1;
            missing = missing.saturating_sub(self.batches[begin].count() as usize);
        }
        let batches = self.batches.range(begin..);
        let lines: Vec<_> = batches
            .flat_map(|batch| batch.lines())
            .map(Arc::new)
            .collect();
        let surplus = lines.len().saturating_sub(count);
        lines.into_iter().skip(surplus).collect()
    }

    /// The lines with a higher number, in order.
    fn after(&self, number: u64) -> Vec<Arc<LogLine>> {
        let is_older = |batch: &Arc<Batch>| {
            (batch.first + u64::from(batch.count())).saturating_sub(1) <= number
        };
        let begin = self.batches.partition_point(is_older);
        let lines = self.batches.range(begin..).flat_map(|batch| batch.lines());
        lines
            .filter(|line| line.number > number)
            .map(Arc::new)
            .collect()
    }
}

impl Log {
    /// A log, which goes on behind the lines that are on the disk.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn new(places: &LogPlaces) -> io::Result<Log> {
        let (segments, last) = match Segments::open(&places.directories) {
            Ok((segments, last)) => (Some(segments), last),
            Err(error) => {
                if !places.directories.is_empty() {
                    tracing::warn!("the log is kept in memory only: {error}");
                }
                (None, 0)
            }
        };
        let directory = segments.as_ref().map(|it| it.directory().to_owned());
        let store = Store {
            last,
            rings: BTreeMap::new(),
        };
        Ok(Log {
            store: Mutex::new(store),
            told: Mutex::default(),
            said: Mutex::default(),
            console: places.console.clone(),
            writer: Writer::start(places.console.clone(), segments)?,
            directory,
            last: watch::Sender::new(last),
        })
    }

    /// In memory only.
    #[cfg(test)]
    pub(super) fn in_memory() -> Log {
        let places = LogPlaces {
            console: Arc::new(Console::nowhere()),
            directories: Vec::new(),
        };
        Log::new(&places).unwrap()
    }

    /// Where the log is on the disk, if it is there.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Word of when everything so far is written.
    pub(super) fn written(&self) -> oneshot::Receiver<()> {
        self.catch_up();
        self.writer.mark()
    }

    /// Waits until everything so far is written, but not for ever.
    pub(super) fn wait_written(&self, patience: Duration) {
        self.catch_up();
        if !self.writer.wait(patience) {
            tracing::warn!("the log is not taken; its last lines may be lost");
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
        let settings = Settings::new(unit, exec, program, invocation);
        let mut all = self.told();
        let told = all.entry(unit.clone()).or_default();
        told.level_max = settings.logging.level_max;
        Arc::new(LineRules::new(settings, told.counts.clone()))
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<UnitName, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many lines of a unit were left out.
    pub(super) fn lost(&self, unit: &UnitName) -> u64 {
        self.told().get(unit).map_or(0, |told| told.counts.lost())
    }

    /// The unit is gone.
    pub(super) fn forget_rules(&self, unit: &UnitName) {
        self.told().remove(unit);
    }

    /// Goes on behind the lines of an earlier daemon, the last of which had this number.
    pub(super) fn take_over(&self, lines: Vec<LogLine>, last: u64) {
        let mut store = self.lock();
        let newest = lines.last().map_or(0, |line| line.number);
        store.last = store.last.max(last).max(newest);
        for mut line in lines {
            let identifier = line.fields.remove("identifier").unwrap_or_default();
            let origin = Origin {
                unit: line.unit.clone(),
                pid: line.pid,
                stream: line.stream,
                invocation: line.invocation,
                identifier,
            };
            let mut batch = Batch::new(Arc::new(origin), line.realtime);
            batch.first = line.number;
            match line.fields.is_empty() {
                true => batch.add(line.priority, &line.text, false),
                false => batch.add_with(line.priority, &line.text, &line.fields),
            }
            store
                .rings
                .entry(line.unit)
                .or_default()
                .push(Arc::new(batch));
        }
        self.last.send_replace(store.last);
    }

    /// From here on what the manager says waits for [`Log::pass_on`], or for a line of a unit or
    /// somebody who asks: to put it in form, and to wake a thread for each, would take the processor
    /// from what is being started.
    pub(super) fn gather(&self) {
        self.lock_said().get_or_insert_default();
        self.console.gather();
        self.writer.gather();
    }

    /// Passes on what has waited.
    pub(super) fn pass_on(&self) {
        let said = self.lock_said().take();
        self.take_in(said);
        self.console.pass_on();
        self.writer.pass_on();
    }

    /// Takes in what has waited so far.
    fn catch_up(&self) {
        let said = self.lock_said().as_mut().map(std::mem::take);
        self.take_in(said);
    }

    fn take_in(&self, said: Option<Vec<Said>>) {
        for said in said.into_iter().flatten() {
            self.say(said);
        }
    }

    /// Says something, now or with what waits.
    fn say_in_turn(&self, said: Said) {
        let mut waiting = self.lock_said();
        if let Some(waiting) = waiting.as_mut() {
            return waiting.push(said);
        }
        drop(waiting);
        self.say(said);
    }

    fn lock_said(&self) -> MutexGuard<'_, Option<Vec<Said>>> {
        // Every change is one step.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether lines have to wait for those before them.
    pub(super) fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    /// Takes lines that a process of a unit wrote. The answer comes when they are written; whoever
    /// may lose lines need not wait for it.
    pub(super) fn take(&self, from: &From, batch: Batch) -> oneshot::Receiver<()> {
        self.catch_up();
        let batch = self.keep(batch);
        let route = from.rules.route(from.origin.stream);
        let elsewhere: Option<LogSink> = route.sink;
        let mut show = true;
        if elsewhere.is_none() && !route.console && batch.size() <= SMALL && self.writer.is_idle() {
            let mut text = Vec::new();
            self.console.render(&batch, Some(&from.rules), &mut text);
            show = !self.console.write_if_free(&text);
        }
        self.writer.write(batch, Some(from.rules.clone()), show)
    }

    /// Whether LogLevelMax= of a unit leaves out a line of the manager about it.
    fn leaves_out(&self, unit: &UnitName, level: LogLevel) -> bool {
        let all = self.told();
        all.get(unit)
            .is_some_and(|told| !is_within(priority(level), told.level_max))
    }

    /// Takes a line of the manager, about a unit or not.
    pub(super) fn manager(&self, level: LogLevel, unit: Option<&UnitName>, text: &str) {
        self.about(level, unit, 0, text);
    }

    /// The same about a run of the unit, by its invocation ID; 0 if it is of none.
    pub(super) fn about(&self, level: LogLevel, unit: Option<&UnitName>, run: u128, text: &str) {
        let is_heard = level > LogLevel::Debug || tracing::enabled!(tracing::Level::DEBUG);
        if !is_heard || unit.is_some_and(|unit| self.leaves_out(unit, level)) {
            return;
        }
        self.say_in_turn(Said {
            unit: unit.cloned(),
            run,
            text: text.to_owned(),
            realtime: clock::now().realtime,
            how: How::Line(level),
        });
    }

    /// Takes a record of what happened to a unit. It is said in words, too, so that it is shown only
    /// where programs read, and not kept in memory.
    pub(super) fn event(
        &self,
        unit: &UnitName,
        run: u128,
        priority: u8,
        text: &str,
        fields: BTreeMap<String, String>,
    ) {
        self.say_in_turn(Said {
            unit: Some(unit.clone()),
            run,
            text: text.to_owned(),
            realtime: clock::now().realtime,
            how: How::Record(priority, fields),
        });
    }

    fn say(&self, said: Said) {
        let invocation = match said.run {
            0 => String::new(),
            run => invocation_id(run),
        };
        if let How::Line(level) = said.how {
            trace(level, &said, &invocation);
        }
        let origin = Origin {
            invocation,
            ..Origin::of_manager(said.unit)
        };
        let mut batch = Batch::new(Arc::new(origin), said.realtime);
        let (batch, show) = match said.how {
            How::Line(LogLevel::Debug) => return,
            How::Line(level) => {
                batch.add(priority(level), &said.text, false);
                (self.keep(batch), false)
            }
            How::Record(priority, fields) => {
                batch.add_with(priority, &said.text, &fields);
                let mut store = self.lock();
                store.last += 1;
                batch.first = store.last;
                drop(store);
                let is_read = matches!(self.console.form(), Form::Json { .. });
                (Arc::new(batch), is_read)
            }
        };
        // What nobody takes is lost for the disk; lines are in memory.
        if !self.writer.is_behind() {
            self.writer.write_later(batch, None, show);
        }
    }

    /// The last `count` lines of a unit, or of all, oldest first.
    pub(super) fn last(&self, unit: Option<&UnitName>, count: usize) -> Vec<Arc<LogLine>> {
        self.catch_up();
        let store = self.lock();
        let mut lines: Vec<Arc<LogLine>> = match unit {
            Some(unit) => store
                .rings
                .get(&Some(unit.clone()))
                .map_or_else(Vec::new, |ring| ring.last(count)),
            None => store
                .rings
                .values()
                .flat_map(|ring| ring.last(count))
                .collect(),
        };
        drop(store);
        lines.sort_by_key(|line| line.number);
        lines.split_off(lines.len().saturating_sub(count))
    }

    /// How many lines there were of each unit and about it.
    pub(super) fn counts(&self) -> BTreeMap<UnitName, u64> {
        self.catch_up();
        let store = self.lock();
        let rings = store.rings.iter();
        rings
            .filter_map(|(unit, ring)| Some((unit.clone()?, ring.count)))
            .collect()
    }

    /// The lines of a unit, or of all, with a number above `after`, oldest first.
    pub(super) fn after(&self, unit: Option<&UnitName>, after: u64) -> Vec<Arc<LogLine>> {
        self.catch_up();
        let store = self.lock();
        let newer = |ring: &Ring| ring.after(after);
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

    /// Gives lines their numbers and keeps them in memory.
    fn keep(&self, mut batch: Batch) -> Arc<Batch> {
        let mut store = self.lock();
        batch.first = store.last + 1;
        store.last += u64::from(batch.count());
        let last = store.last;
        let batch = Arc::new(batch);
        let ring = store.rings.entry(batch.origin.unit.clone()).or_default();
        ring.push(batch.clone());
        drop(store);
        self.last.send_replace(last);
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // A push cannot leave the rings half changed in a way that matters.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line into the daemon's own log.
fn trace(level: LogLevel, said: &Said, invocation: &str) {
    let text = &said.text;
    let invocation = (!invocation.is_empty()).then_some(invocation);
    match (&said.unit, level) {
        (Some(unit), LogLevel::Debug) => tracing::debug!(unit = %unit, invocation, "{text}"),
        // tracing has no notice; it is shown as info.
        (Some(unit), LogLevel::Info | LogLevel::Notice) => {
            tracing::info!(unit = %unit, invocation, "{text}");
        }
        (Some(unit), LogLevel::Warning) => tracing::warn!(unit = %unit, invocation, "{text}"),
        (Some(unit), LogLevel::Error) => tracing::error!(unit = %unit, invocation, "{text}"),
        (None, LogLevel::Debug) => tracing::debug!("{text}"),
        (None, LogLevel::Info | LogLevel::Notice) => tracing::info!("{text}"),
        (None, LogLevel::Warning) => tracing::warn!("{text}"),
        (None, LogLevel::Error) => tracing::error!("{text}"),
    }
}

/// The level of syslog(3).
fn priority(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 3,
        LogLevel::Warning => 4,
        LogLevel::Notice => 5,
        LogLevel::Info => 6,
        LogLevel::Debug => 7,
    }
}

#[cfg(test)]
mod tests;
