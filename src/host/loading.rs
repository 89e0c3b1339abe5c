//! Reads units from the disk on a pool thread and hands them to the engine.

use super::clock;
use super::disk::LoadSource;
use super::handle::{Answer, Compare, Job, Look};
use super::remembered::Remembered;
use super::run::{Fact, Host};
use super::view::HostFacts;
use crate::engine::{Event, LogLevel, Timestamp, Verb};
use crate::exec::foresight;
use crate::sys::memory::give_back;
use crate::unit::config::{ExecConfig, JobMode, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Severity};
use crate::unit::effective::{Extent, LeftOut};
use crate::unit::load;
use crate::unit::name::UnitName;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

/// With so many units read at once the memory that it took is worth giving back.
const MANY: usize = 500;
/// Units of which it is remembered what was said; instances may come and go without end.
const MOST_REMEMBERED: usize = 1000;

/// What is done with the units once they are read.
pub(super) enum After {
    /// A job is asked for.
    Job {
        unit: UnitName,
        verb: Verb,
        mode: JobMode,
        reset: bool,
        stays: bool,
        answer: Answer<Job>,
    },
    /// It stays loaded for a client.
    Hold {
        unit: UnitName,
        holder: u64,
        answer: Answer<()>,
    },
    /// They are looked at.
    Look(Look),
    /// A unit was read again; answered when its limits are set, too.
    Refreshed { unit: UnitName, answer: Answer<()> },
    /// They are compared with what is loaded, not taken in.
    Compare(Compare),
    /// All files were read again.
    Reloaded(Answer<()>),
}

/// What was read, and why.
pub(super) struct Loaded {
    units: Vec<Arc<UnitConfig>>,
    unreadable: Vec<Diagnostic>,
    remembered: Remembered,
    after: After,
}

impl Host {
    /// Reads units and everything they name; other requests wait meanwhile.
    pub(super) fn load(
        &mut self,
        names: BTreeSet<UnitName>,
        loaded: BTreeSet<UnitName>,
        after: After,
    ) {
        self.requests.loading = true;
        if self.startup.loading == Timestamp::default() {
            self.startup.loading = clock::now();
        }
        let settings = self.options.load.clone();
        let facts = self.facts.clone();
        // There is one load at a time.
        let mut remembered = std::mem::take(&mut self.remembered);
        tokio::task::spawn_blocking(move || {
            let source = LoadSource::with_stamps(SystemTime::now());
            let readings = remembered.for_load();
            let closure = load::load_again(&names, &loaded, &settings, &source, readings);
            let _ = facts.send(Fact::Loaded(Box::new(Loaded {
                units: unique(closure.units.into_values()),
                unreadable: closure.unreadable,
                remembered,
                after,
            })));
        });
    }

    /// Units were read.
    pub(super) fn loaded(&mut self, loaded: Loaded) {
        self.requests.loading = false;
        self.remembered = loaded.remembered;
        if let After::Compare(compare) = loaded.after {
            compare(&HostFacts(self).view(), &loaded.units);
            return self.next_requests();
        }
        if let After::Reloaded(_) = loaded.after {
            self.said.clear();
        }
        if self.startup.loaded == Timestamp::default() {
            self.startup.loaded = clock::now();
        }
        let many = loaded.units.len() >= MANY;
        self.take_units(loaded.units, &loaded.unreadable);
        self.picture_is_due();
        if many {
            // What was there before, and what it took to read them.
            tokio::task::spawn_blocking(give_back);
        }
        self.go_on(loaded.after);
        self.next_requests();
    }

    /// Says what was found in the files, and hands the units to the engine.
    pub(super) fn take_units(&mut self, units: Vec<Arc<UnitConfig>>, unreadable: &[Diagnostic]) {
        for finding in unreadable {
            let text = finding.to_string();
            self.log.manager(LogLevel::Warning, None, &text);
        }
        for unit in &units {
            self.show_findings(unit);
        }
        self.tell(Event::Load {
            units: units.clone(),
        });
        self.limit_anew(&units);
    }

    /// Says what is wrong with a unit's files; once, however often it is loaded between two
    /// reloads.
    fn show_findings(&mut self, unit: &UnitConfig) {
        let mut lines = findings(unit);
        let standing = &self.common.standing;
        if let Some(exec) = unit.exec() {
            let foreseen = foresight::foresee(exec, &unit.resource, standing).into_iter();
            lines.extend(foreseen.map(|found| warning(exec, &found)));
        }
        if self.said.get(&unit.name) == Some(&lines) {
            return;
        }
        for (level, line) in &lines {
            self.log.manager(*level, Some(&unit.name), line);
        }
        if self.said.len() >= MOST_REMEMBERED {
            self.said.clear();
        }
        if lines.is_empty() {
            self.said.remove(&unit.name);
        } else {
            self.said.insert(unit.name.clone(), lines);
        }
    }
}

/// What a daemon without the privilege says beforehand.
fn warning(exec: &ExecConfig, found: &LeftOut) -> (LogLevel, String) {
    let LeftOut {
        directive, reason, ..
    } = found;
    match found.extent {
        Extent::Part => (
            LogLevel::Notice,
            format!("{directive}= will be reduced: {reason}"),
        ),
        Extent::Nothing if exec.allow_degraded.contains(directive) => (
            LogLevel::Notice,
            format!("{directive}= will be left out: {reason}"),
        ),
        Extent::Nothing => {
            let text = format!(
                "{directive}= cannot be carried out, the unit will not start: {reason}; \
                 AllowDegraded={directive} would leave it out"
            );
            (LogLevel::Warning, text)
        }
    }
}

/// What is to be said of a unit's files.
fn findings(unit: &UnitConfig) -> Vec<(LogLevel, String)> {
    let mut lines = Vec::new();
    for finding in &unit.diagnostics {
        let level = match finding.severity {
            Severity::Warning => LogLevel::Warning,
            Severity::Error => LogLevel::Error,
        };
        lines.push((level, finding.to_string()));
    }
    // An error among the findings is the reason itself, and was just said.
    let said = unit
        .diagnostics
        .iter()
        .any(|f| f.severity == Severity::Error);
    if let (LoadState::BadSetting | LoadState::Error, Some(error), false) =
        (unit.load, &unit.load_error, said)
    {
        lines.push((LogLevel::Error, error.clone()));
    }
    for skipped in &unit.not_applied {
        let level = if skipped.refuses_start {
            LogLevel::Warning
        } else {
            LogLevel::Notice
        };
        let text = format!(
            "{}={} is not applied: {}",
            skipped.directive, skipped.value, skipped.reason
        );
        lines.push((level, text));
    }
    lines
}

/// A unit that was read under several of its names counts once.
fn unique(units: impl Iterator<Item = Arc<UnitConfig>>) -> Vec<Arc<UnitConfig>> {
    let mut seen = BTreeSet::new();
    units
        .filter(|unit| seen.insert(unit.name.clone()))
        .collect()
}
