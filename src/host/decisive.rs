//! The unit whose end is the daemon's (`--exit-with`), and what is told of an end.
//!
//! A container often has one service that it is there for. When that one has ended for good, with
//! no restart to come and no job to bring it back, everything is stopped and the daemon leaves
//! with its exit status, as a shell would tell it: 128 and the number for a signal.

use super::run::Host;
use crate::engine::inspect::UnitView;
use crate::engine::{Effect, Event, JobResult, LogLevel, ProcessStatus, UnitId};
use crate::unit::name::UnitName;

/// What a process ended by a signal adds to its number, as shells do.
const SIGNALLED: u8 = 128;
/// The status for a unit that never ran because of a failure.
const NEVER_RAN: u8 = 1;
/// The status for a unit whose main process ended while nobody could see how.
const UNKNOWN: u8 = 255;
/// How many of the unit's last lines go with the reason.
const LAST_LINES: usize = 20;

/// How the loop ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The daemon's exit status.
    pub status: u8,
    /// Why it leaves, if nobody asked it to: a sentence, and the last lines of the unit it is
    /// about.
    pub reason: Option<String>,
}

/// What is known of the unit.
#[derive(Debug, Default)]
pub(super) struct Decisive {
    /// How its last job ended.
    last_job: Option<JobResult>,
}

impl Host {
    /// Looks whether the unit has ended, after something changed.
    pub(super) fn look_at_decisive(&mut self, effect: &Effect) {
        let (unit, result) = match effect {
            Effect::Changed { unit } => (*unit, None),
            Effect::JobRemoved { unit, result, .. } => (*unit, Some(*result)),
            _ => return,
        };
        let name = self.options.exit_with.as_ref();
        if name.and_then(|name| self.engine.id_of(name.as_str())) != Some(unit) {
            return;
        }
        if let Some(result) = result {
            self.decisive.last_job = Some(result);
        }
        let Some(view) = self.decisive_unit() else {
            return;
        };
        if self.ending.is_begun() || self.engine.is_shutting_down() || !self.has_ended(&view) {
            return;
        }
        let status = self.decisive_status(&view);
        let reason = format!("{} has ended, {}", view.name(), how(&view, status));
        let text = "the daemon ends with this unit: everything is stopped";
        self.log.manager(LogLevel::Notice, Some(view.name()), text);
        self.ending.begin(Some(status));
        self.leave_because(&reason, Some(unit));
        self.tell_stopping();
        self.tell(Event::Shutdown);
    }

    /// Remembers why the daemon leaves, with the last words of the unit; the first reason stays.
    pub(super) fn leave_because(&mut self, reason: &str, unit: Option<UnitId>) {
        if self.ending.reason.is_some() {
            return;
        }
        let name = unit.and_then(|unit| self.name(unit));
        let lines = name.map_or_else(Vec::new, |name| self.log.last(Some(&name), LAST_LINES));
        let mut text = reason.to_owned();
        for line in lines {
            text.push('\n');
            text.push_str(&line.text);
        }
        self.ending.reason = Some(text);
    }

    /// What the daemon leaves with, once everything was stopped.
    pub(super) fn outcome(&mut self) -> Outcome {
        let status = match (
            self.ending.status.or(self.ending.asked),
            self.decisive_unit(),
        ) {
            (Some(status), _) => status,
            (None, Some(view)) => self.decisive_status(&view),
            (None, None) => 0,
        };
        Outcome {
            status,
            reason: self.ending.reason.take(),
        }
    }

    fn decisive_unit(&self) -> Option<UnitView> {
        let name: &UnitName = self.options.exit_with.as_ref()?;
        self.engine.unit(name.as_str())
    }

    /// Down, with nothing under way that would bring it up, after it was asked to start.
    fn has_ended(&self, view: &UnitView) -> bool {
        let was_asked = self.decisive.last_job.is_some() || view.invocation != 0;
        was_asked && view.job.is_none() && view.active.is_inactive_or_failed()
    }

    fn decisive_status(&self, view: &UnitView) -> u8 {
        let main = view.service.as_ref().and_then(|it| it.exec_main_status);
        match (main, self.decisive.last_job) {
            (Some(status), _) => as_shells_do(status),
            (None, None | Some(JobResult::Done | JobResult::Skipped)) => 0,
            (None, Some(_)) => NEVER_RAN,
        }
    }
}

fn as_shells_do(status: ProcessStatus) -> u8 {
    match status {
        ProcessStatus::Exited(status) => status,
        ProcessStatus::Killed(signal) | ProcessStatus::Dumped(signal) => {
            SIGNALLED.saturating_add(u8::try_from(signal.0).unwrap_or_default())
        }
        ProcessStatus::Unknown => UNKNOWN,
    }
}

fn how(view: &UnitView, status: u8) -> String {
    let main = view.service.as_ref().and_then(|it| it.exec_main_status);
    match main {
        Some(ProcessStatus::Exited(status)) => format!("exit status {status}"),
        Some(ProcessStatus::Killed(signal) | ProcessStatus::Dumped(signal)) => {
            format!("{signal}, exit status {status}")
        }
        Some(ProcessStatus::Unknown) => format!("how is not known, exit status {status}"),
        None => format!("it never ran, exit status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::value::Signal;

    #[test]
    fn statuses_are_those_of_a_shell() {
        assert_eq!(as_shells_do(ProcessStatus::Exited(3)), 3);
        assert_eq!(as_shells_do(ProcessStatus::Killed(Signal::TERM)), 143);
        assert_eq!(as_shells_do(ProcessStatus::Dumped(Signal(64))), 192);
    }
}
