//! What happened to a service, from how it was before and how it is now.

use crate::engine::inspect::UnitView;
use crate::engine::{ActiveState, Verdict};
use crate::unit::config::ProbeKind;
use crate::unit::name::UnitName;

/// What matters of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    up: bool,
    failed: bool,
    given_up: bool,
    restarts: u32,
    starts: u64,
    ends: u64,
    result: &'static str,
}

impl Life {
    /// Of a service; other units have none.
    pub(super) fn of(unit: &UnitView) -> Option<Life> {
        let service = unit.service.as_ref()?;
        Some(Life {
            up: unit.active.is_active_or_reloading(),
            failed: unit.active == ActiveState::Failed,
            given_up: unit.start_limit_hit,
            restarts: service.restarts,
            starts: service.runs,
            ends: service.ends.values().sum(),
            result: service.result.as_str(),
        })
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happened {
    /// `process.started` and so on.
    pub(super) title: &'static str,
    /// Whose.
    pub(super) unit: UnitName,
    /// In a sentence.
    pub(super) text: String,
    /// `info`, `success`, `warning` or `error`.
    pub(super) kind: &'static str,
}

impl Happened {
    /// The verdict of a probe has changed.
    pub(super) fn health(
        unit: UnitName,
        probe: ProbeKind,
        verdict: Verdict,
        reason: String,
    ) -> Happened {
        let (kind, word) = match verdict {
            Verdict::Good => ("success", "good"),
            Verdict::Bad => ("error", "bad"),
            Verdict::Unknown => ("info", "unknown"),
        };
        let reason = if reason.is_empty() {
            reason
        } else {
            format!(": {reason}")
        };
        Happened {
            title: "process.health",
            text: format!("the {} probe of {unit} is {word}{reason}", probe.as_str()),
            unit,
            kind,
        }
    }
}

/// What lies between two looks at a service, in order.
pub(super) fn happened(unit: &UnitName, before: Life, now: Life) -> Vec<Happened> {
    let mut list = Vec::new();
    let mut tell = |title, kind, text: String| {
        list.push(Happened {
            title,
            unit: unit.clone(),
            text,
            kind,
        });
    };
    let result = now.result;
    // It may have failed and be coming up again already.
    let bad_end = now.ends > before.ends && (now.failed || now.restarts > before.restarts);
    if bad_end || now.failed && !before.failed {
        let end = match now.given_up {
            true => format!("{unit} was started too often and is given up"),
            false if now.failed => format!("{unit} has failed with result '{result}'"),
            false => format!("{unit} has ended"),
        };
        tell("process.crashed", "error", end);
    } else if before.up && !now.up && now.ends > before.ends {
        tell("process.stopped", "info", format!("{unit} has stopped"));
    }
    if now.restarts > before.restarts {
        let count = now.restarts;
        let text = format!("{unit} is restarted, number {count}");
        tell("process.restarted", "warning", text);
    } else if now.up && now.starts > before.starts {
        tell("process.started", "success", format!("{unit} has started"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(before: Life, now: Life) -> Vec<&'static str> {
        let unit = UnitName::parse("a.service").unwrap();
        let list = happened(&unit, before, now);
        list.iter().map(|event| event.title).collect()
    }

    #[test]
    fn what_lies_between() {
        let down = Life::default();
        let up = Life {
            up: true,
            starts: 1,
            ..down
        };
        let stopped = Life {
            starts: 1,
            ends: 1,
            ..down
        };
        let failed = Life {
            failed: true,
            ..stopped
        };
        let again = Life {
            restarts: 1,
            ends: 1,
            starts: 2,
            ..up
        };
        assert_eq!(titles(down, up), ["process.started"]);
        assert_eq!(titles(up, up), [""; 0]);
        assert_eq!(titles(up, stopped), ["process.stopped"]);
        assert_eq!(titles(up, failed), ["process.crashed"]);
        assert_eq!(titles(failed, failed), [""; 0]);
        assert_eq!(titles(up, again), ["process.crashed", "process.restarted"]);
        let by_hand = Life {
            restarts: 0,
            ..again
        };
        assert_eq!(
            titles(
                failed,
                Life {
                    starts: 3,
                    ..by_hand
                }
            ),
            ["process.started"]
        );
    }
}
