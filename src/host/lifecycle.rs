//! What happens to units, as records of the log and as signals: names and fields that stay.
//!
//! Made from how a unit was before and how it is after each change, so that none is missing. The
//! lines for people say the same in words; `logs` shows these records with `-o json` only.

use super::handle::News;
use super::run::Host;
use crate::engine::inspect::{Standing, UnitView};
use crate::engine::{ActiveState, Effect, ProcessStatus, UnitId, Verdict};
use crate::unit::config::ProbeKind;
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The unit is active.
    Started,
    /// It is no longer, or ran to its end, as it should.
    Stopped,
    /// It ended as it should not, or could not be started.
    Failed,
    /// Restart= brings it back.
    Restarted,
    /// A probe has failed as often as it takes.
    ProbeFailed,
    /// A probe has succeeded as often as it takes.
    ProbeSucceeded,
}

impl What {
    /// Name and level of syslog(3) of each.
    const TABLE: [(What, &'static str, u8); 6] = [
        (What::Started, "unit.started", 6),
        (What::Stopped, "unit.stopped", 6),
        (What::Failed, "unit.failed", 4),
        (What::Restarted, "unit.restarted", 5),
        (What::ProbeFailed, "probe.failed", 4),
        (What::ProbeSucceeded, "probe.succeeded", 6),
    ];

    fn row(self) -> (&'static str, u8) {
        let row = What::TABLE.iter().find(|row| row.0 == self);
        row.map_or(("", 6), |row| (row.1, row.2))
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub what: What,
    /// To which unit.
    pub unit: UnitName,
    /// In a sentence.
    pub text: String,
    /// Of units `result`, `restarts`, `main_pid`, `code` and `status` of the main process where it
    /// ended; of probes `probe` and `reason`.
    pub fields: BTreeMap<String, String>,
}

/// What matters of a unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    phase: Phase,
    restarts: u32,
    succeeded: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Down,
    Failed,
    /// Until it is restarted.
    Waiting,
    Between,
    Up,
}

impl Life {
    fn of(unit: Standing) -> Life {
        Life {
            phase: match unit.active {
                ActiveState::Failed => Phase::Failed,
                ActiveState::Inactive => Phase::Down,
                _ if unit.active.is_active_or_reloading() => Phase::Up,
                _ if unit.sub.starts_with("auto-restart") => Phase::Waiting,
                _ => Phase::Between,
            },
            restarts: unit.restarts,
            succeeded: unit.succeeded,
        }
    }

    /// What lies between two of them, in order.
    fn since(self, before: Life) -> Vec<What> {
        let mut list = Vec::new();
        let came_to = |phase| self.phase == phase && before.phase != phase;
        if self.restarts > before.restarts {
            list.push(What::Restarted);
        }
        if came_to(Phase::Failed) || came_to(Phase::Waiting) && !self.succeeded {
            list.push(What::Failed);
        } else if came_to(Phase::Waiting) || came_to(Phase::Down) && before.phase != Phase::Failed {
            list.push(What::Stopped);
        } else if came_to(Phase::Up) {
            list.push(What::Started);
        }
        list
    }
}

impl Host {
    /// Tells what an effect means for a unit.
    pub(super) fn note_life(&mut self, effect: &Effect) {
        match effect {
            Effect::Changed { unit } => self.note_change(*unit),
            Effect::ProbeTurned {
                unit,
                kind,
                verdict,
                reason,
            } => self.note_probe(*unit, *kind, *verdict, reason),
            _ => {}
        }
    }

    fn note_change(&mut self, unit: UnitId) {
        let Some(standing) = self.engine.standing(unit) else {
            return;
        };
        let now = Life::of(standing);
        let before = self.lives.insert(unit, now).unwrap_or_default();
        let since = now.since(before);
        if since.is_empty() {
            return;
        }
        let Some(view) = self.engine.unit_by_id(unit) else {
            return;
        };
        for what in since {
            let happening = of_unit(what, &view);
            self.tell_happening(happening, &view);
        }
    }

    fn note_probe(&mut self, unit: UnitId, kind: ProbeKind, verdict: Verdict, reason: &str) {
        let what = match verdict {
            Verdict::Good => What::ProbeSucceeded,
            Verdict::Bad => What::ProbeFailed,
            Verdict::Unknown => return,
        };
        let Some(view) = self.engine.unit_by_id(unit) else {
            return;
        };
        let word = match verdict {
            Verdict::Bad => "has failed",
            Verdict::Good | Verdict::Unknown => "has succeeded",
        };
        let mut fields = BTreeMap::from([("probe".to_owned(), kind.as_str().to_owned())]);
        if !reason.is_empty() {
            fields.insert("reason".to_owned(), reason.to_owned());
        }
        let happening = Happening {
            what,
            unit: view.name().clone(),
            text: format!("the {} probe {word}", kind.as_str()),
            fields,
        };
        self.tell_happening(happening, &view);
    }

    fn tell_happening(&self, happening: Happening, view: &UnitView) {
        let mut fields = happening.fields.clone();
        fields.insert("event".to_owned(), happening.what.as_str().to_owned());
        let (_, priority) = happening.what.row();
        let (unit, text) = (&happening.unit, &happening.text);
        self.log
            .event(unit, view.invocation, priority, text, fields);
        // Fails only if nobody listens.
        let _ = self.news.send(News::Happened(Arc::new(happening)));
    }
}

fn of_unit(what: What, view: &UnitView) -> Happening {
    let mut fields = BTreeMap::new();
    let mut add = |name: &str, value: String| drop(fields.insert(name.to_owned(), value));
    let mut result = "";
    if let Some(service) = &view.service {
        result = match view.start_limit_hit {
            true => "start-limit-hit",
            false => service.result.as_str(),
        };
        add("result", result.to_owned());
        add("restarts", service.restarts.to_string());
        if service.main_pid != 0 {
            add("main_pid", service.main_pid.to_string());
        }
        let ended = match what {
            What::Stopped | What::Failed => service.exec_main_status,
            What::Started | What::Restarted | What::ProbeFailed | What::ProbeSucceeded => None,
        };
        if let Some(status) = ended.filter(|status| *status != ProcessStatus::Unknown) {
            add("code", status.code_word().to_owned());
            add("status", status.number().to_string());
        }
    }
    let text = match what {
        What::Started => "has started".to_owned(),
        What::Stopped => "has stopped".to_owned(),
        What::Failed if result.is_empty() => "has failed".to_owned(),
        What::Failed => format!("has failed with result '{result}'"),
        What::Restarted => "is restarted".to_owned(),
        What::ProbeFailed | What::ProbeSucceeded => String::new(),
    };
    Happening {
        what,
        unit: view.name().clone(),
        text: format!("{} {text}", view.name()),
        fields,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once() {
        for (what, name, _) in What::TABLE {
            assert_eq!(what.as_str(), name);
            assert_eq!(What::TABLE.iter().filter(|row| row.1 == name).count(), 1);
        }
    }

    #[test]
    fn a_life_in_steps() {
        let life = |phase, succeeded, restarts| Life {
            phase,
            restarts,
            succeeded,
        };
        let steps = [
            (life(Phase::Between, true, 0), vec![]),
            (life(Phase::Up, true, 0), vec![What::Started]),
            (life(Phase::Between, false, 0), vec![]),
            (life(Phase::Waiting, false, 0), vec![What::Failed]),
            (life(Phase::Waiting, false, 0), vec![]),
            (life(Phase::Between, true, 1), vec![What::Restarted]),
            (life(Phase::Up, true, 1), vec![What::Started]),
            (life(Phase::Between, true, 1), vec![]),
            (life(Phase::Failed, false, 1), vec![What::Failed]),
            (life(Phase::Down, true, 0), vec![]),
            (life(Phase::Between, true, 0), vec![]),
            (life(Phase::Down, true, 0), vec![What::Stopped]),
        ];
        let mut before = Life::default();
        for (number, (now, expected)) in steps.into_iter().enumerate() {
            assert_eq!(now.since(before), expected, "step {number}");
            before = now;
        }
    }
}
