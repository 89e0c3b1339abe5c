//! \[Unit\], apart from dependencies and conditions.

use super::UNIT;
use super::parse::{
    Choice, boolean, micros, raw_words, small, span, string, strings, text, timeout, unsigned,
};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use crate::unit::config::{CollectMode, JobMode, SystemAction};

const JOB_MODE: Choice<JobMode> = Choice {
    words: &[
        "fail",
        "replace",
        "replace-irreversibly",
        "isolate",
        "flush",
        "ignore-dependencies",
        "ignore-requirements",
        "triggering",
        "restart-dependencies",
    ],
    values: &[
        JobMode::Fail,
        JobMode::Replace,
        JobMode::ReplaceIrreversibly,
        JobMode::Isolate,
        JobMode::Flush,
        JobMode::IgnoreDependencies,
        JobMode::IgnoreRequirements,
        JobMode::Triggering,
        JobMode::RestartDependencies,
    ],
};

const COLLECT_MODE: Choice<CollectMode> = Choice {
    words: &["inactive", "inactive-or-failed"],
    values: &[CollectMode::Inactive, CollectMode::InactiveOrFailed],
};

/// Words of FailureAction= and its kin.
const ACTIONS: &[&str] = &{
    let mut words = [""; SystemAction::WORDS.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = SystemAction::WORDS[at].0;
        at += 1;
    }
    words
};

const REBOOT: &str = "the daemon reboots no machine; it is only shown";
const GRAPH: &str = "not built yet; units are kept or stopped without regard to it";
const NO_EFFECT: &str = "only says where the file came from";
const OBSOLETE: &str = "systemd dropped it; it has no effect";

/// A directive that systemd itself ignores with a warning.
pub(super) fn obsolete(_: &mut Reading<'_>, _: &str) -> Result<(), Trouble> {
    Err(Trouble::ignored("systemd no longer has this setting"))
}

/// A row for something systemd itself ignores.
pub(super) const fn dropped(
    sections: &'static [&'static str],
    name: &'static str,
    since: u16,
) -> Row {
    let doc = "Was taken out of systemd; a warning is all it gives.";
    Row::new(sections, name, since, Kind::Text, obsolete, doc).support(Support::Accepted(OBSOLETE))
}

const fn action(name: &'static str, since: u16, parse: super::Parse, doc: &'static str) -> Row {
    Row::new(UNIT, name, since, Kind::Choice(ACTIONS), parse, doc)
}

/// Reads an action of the manager.
fn read_action(value: &str) -> Result<SystemAction, Trouble> {
    let known = SystemAction::WORDS.iter().find(|(word, _)| *word == value);
    known.map(|(_, action)| *action).ok_or_else(|| {
        let words = ACTIONS.join(", ");
        Trouble::ignored(format!("\"{value}\" is none of {words}"))
    })
}

/// Reads an exit status; an empty one unsets.
fn read_status(value: &str) -> Result<Option<u8>, Trouble> {
    if value.is_empty() {
        return Ok(None);
    }
    let status = small(value, 0, 255)?;
    Ok(u8::try_from(status).ok())
}

fn show_action(action: SystemAction) -> PropertyValue {
    text(action.as_str())
}

/// An exit status as D-Bus has it: -1 if it is not set.
fn show_status(status: Option<u8>) -> PropertyValue {
    PropertyValue::I32(status.map_or(-1, i32::from))
}

const fn reboot_text(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: super::Parse = |r, v| r.not_applied(v, REBOOT, false);
    Row::new(UNIT, name, since, Kind::Text, parse, doc)
        .support(Support::Accepted(REBOOT))
        .no_text()
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        UNIT,
        "Description",
        33,
        Kind::Text,
        |r, v| {
            let text = string(r, v)?;
            let name = r.draft.config.name.to_string();
            r.draft.config.unit.description = text.unwrap_or(name);
            Ok(())
        },
        "What people are told the unit is.",
    )
    .show("Description", "s", |c| text(&c.unit.description))
    .settable(),
    Row::new(
        UNIT,
        "Documentation",
        183,
        Kind::List,
        documentation,
        "Where more can be read: addresses that begin with http:, https:, file:, info: or man:.",
    )
    .show("Documentation", "as", |c| strings(&c.unit.documentation)),
    Row::new(
        UNIT,
        "SourcePath",
        183,
        Kind::Text,
        |_, _| Ok(()),
        "The file that this one was generated from.",
    )
    .support(Support::Accepted(NO_EFFECT)),
    Row::new(
        UNIT,
        "DefaultDependencies",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.default_dependencies = boolean(v)?;
            Ok(())
        },
        "Whether the unit gets the dependencies that units of its type usually have.",
    )
    .show("DefaultDependencies", "b", |c| {
        PropertyValue::Bool(c.unit.default_dependencies)
    }),
    Row::new(
        UNIT,
        "RefuseManualStart",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.refuse_manual_start = boolean(v)?;
            Ok(())
        },
        "Whether only dependencies may start the unit, not a request.",
    )
    .show("RefuseManualStart", "b", |c| {
        PropertyValue::Bool(c.unit.refuse_manual_start)
    }),
    Row::new(
        UNIT,
        "RefuseManualStop",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.refuse_manual_stop = boolean(v)?;
            Ok(())
        },
        "Whether only dependencies may stop the unit, not a request.",
    )
    .show("RefuseManualStop", "b", |c| {
        PropertyValue::Bool(c.unit.refuse_manual_stop)
    }),
    Row::new(
        UNIT,
        "OnSuccessJobMode",
        249,
        Kind::Choice(JOB_MODE.words),
        |r, v| {
            r.draft.config.unit.on_success_job_mode = JOB_MODE.read(v)?;
            Ok(())
        },
        "How the jobs of OnSuccess= meet jobs that are queued.",
    )
    .show("OnSuccessJobMode", "s", |c| {
        JOB_MODE.show(c.unit.on_success_job_mode)
    }),
    Row::new(
        UNIT,
        "OnFailureJobMode",
        209,
        Kind::Choice(JOB_MODE.words),
        |r, v| {
            r.draft.config.unit.on_failure_job_mode = JOB_MODE.read(v)?;
            Ok(())
        },
        "How the jobs of OnFailure= meet jobs that are queued.",
    )
    .show("OnFailureJobMode", "s", |c| {
        JOB_MODE.show(c.unit.on_failure_job_mode)
    }),
    Row::new(
        UNIT,
        "OnFailureIsolate",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.on_failure_job_mode = if boolean(v)? {
                JobMode::Isolate
            } else {
                JobMode::Replace
            };
            Ok(())
        },
        "The spelling of old for OnFailureJobMode=isolate.",
    ),
    Row::new(
        UNIT,
        "StartLimitIntervalSec",
        230,
        Kind::Span,
        |r, v| {
            r.draft.config.unit.start_limit_interval = span(v)?;
            Ok(())
        },
        "The time within which StartLimitBurst= starts are allowed; 0 is no limit.",
    )
    .also(&[
        ("Unit", "StartLimitInterval"),
        ("Service", "StartLimitInterval"),
    ])
    .show("StartLimitIntervalUSec", "t", |c| {
        micros(c.unit.start_limit_interval)
    }),
    Row::new(
        UNIT,
        "StartLimitBurst",
        229,
        Kind::Number,
        |r, v| {
            r.draft.config.unit.start_limit_burst = unsigned(v)?;
            Ok(())
        },
        "How many starts are allowed within StartLimitIntervalSec=; 0 is no limit.",
    )
    .also(&[("Service", "StartLimitBurst")])
    .show("StartLimitBurst", "u", |c| {
        PropertyValue::U32(c.unit.start_limit_burst)
    }),
    action(
        "StartLimitAction",
        229,
        |r, v| {
            r.draft.config.unit.start_limit_action = read_action(v)?;
            Ok(())
        },
        "What the manager does when the start limit is hit.",
    )
    .also(&[("Service", "StartLimitAction")])
    .show("StartLimitAction", "s", |c| {
        show_action(c.unit.start_limit_action)
    }),
    action(
        "FailureAction",
        236,
        |r, v| {
            r.draft.config.unit.failure_action = read_action(v)?;
            Ok(())
        },
        "What the manager does when the unit fails.",
    )
    .also(&[("Service", "FailureAction")])
    .show("FailureAction", "s", |c| show_action(c.unit.failure_action)),
    action(
        "SuccessAction",
        236,
        |r, v| {
            r.draft.config.unit.success_action = read_action(v)?;
            Ok(())
        },
        "What the manager does when the unit ends well.",
    )
    .show("SuccessAction", "s", |c| show_action(c.unit.success_action)),
    Row::new(
        UNIT,
        "FailureActionExitStatus",
        240,
        Kind::Number,
        |r, v| {
            r.draft.config.unit.failure_action_status = read_status(v)?;
            Ok(())
        },
        "The exit status of the manager when FailureAction= ends it; else the unit's own.",
    )
    .show("FailureActionExitStatus", "i", |c| {
        show_status(c.unit.failure_action_status)
    }),
    Row::new(
        UNIT,
        "SuccessActionExitStatus",
        240,
        Kind::Number,
        |r, v| {
            r.draft.config.unit.success_action_status = read_status(v)?;
            Ok(())
        },
        "The exit status of the manager when SuccessAction= ends it; else the unit's own.",
    )
    .show("SuccessActionExitStatus", "i", |c| {
        show_status(c.unit.success_action_status)
    }),
    reboot_text(
        "RebootArgument",
        229,
        "What the kernel is told when an action reboots.",
    )
    .also(&[("Service", "RebootArgument")]),
    Row::new(
        UNIT,
        "JobTimeoutSec",
        33,
        Kind::Span,
        |r, v| {
            r.draft.config.unit.job_timeout = timeout(v)?;
            Ok(())
        },
        "How long a job of the unit may take from when it is queued; 0 is no limit.",
    )
    .show("JobTimeoutUSec", "t", |c| micros(c.unit.job_timeout)),
    Row::new(
        UNIT,
        "JobRunningTimeoutSec",
        234,
        Kind::Span,
        |r, v| {
            r.draft.config.unit.job_running_timeout = Some(timeout(v)?);
            Ok(())
        },
        "How long a job of the unit may take from when it runs; 0 is no limit.",
    )
    .show("JobRunningTimeoutUSec", "t", |c| {
        micros(c.unit.job_running_timeout())
    }),
    action(
        "JobTimeoutAction",
        217,
        |r, v| {
            r.draft.config.unit.job_timeout_action = read_action(v)?;
            Ok(())
        },
        "What the manager does when a job of the unit takes too long.",
    )
    .show("JobTimeoutAction", "s", |c| {
        show_action(c.unit.job_timeout_action)
    }),
    reboot_text(
        "JobTimeoutRebootArgument",
        217,
        "What the kernel is told when JobTimeoutAction= reboots.",
    ),
    Row::new(
        UNIT,
        "StopWhenUnneeded",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.stop_when_unneeded = boolean(v)?;
            Ok(())
        },
        "Whether the unit stops when no other active unit needs it.",
    )
    .show("StopWhenUnneeded", "b", |c| {
        PropertyValue::Bool(c.unit.stop_when_unneeded)
    }),
    Row::new(
        UNIT,
        "AllowIsolate",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.allow_isolate = boolean(v)?;
            Ok(())
        },
        "Whether a request may make this unit the only one that runs.",
    )
    .show("AllowIsolate", "b", |c| {
        PropertyValue::Bool(c.unit.allow_isolate)
    }),
    Row::new(
        UNIT,
        "IgnoreOnIsolate",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.unit.ignore_on_isolate = Some(boolean(v)?);
            Ok(())
        },
        "Whether the unit stays when another is isolated.",
    )
    .show("IgnoreOnIsolate", "b", |c| {
        PropertyValue::Bool(c.unit.stays_on_isolate())
    }),
    Row::new(
        UNIT,
        "SurviveFinalKillSignal",
        255,
        Kind::Boolean,
        |r, v| r.not_applied(v, GRAPH, false),
        "Whether processes outlive the last kill of a shutdown.",
    )
    .support(Support::Planned(GRAPH)),
    Row::new(
        UNIT,
        "CollectMode",
        236,
        Kind::Choice(COLLECT_MODE.words),
        |r, v| {
            r.draft.config.unit.collect_mode = COLLECT_MODE.read(v)?;
            Ok(())
        },
        "Whether a failed unit that nothing refers to is forgotten like an inactive one.",
    )
    .show("CollectMode", "s", |c| {
        COLLECT_MODE.show(c.unit.collect_mode)
    }),
    dropped(UNIT, "IgnoreOnSnapshot", 33),
];

/// Adds addresses; what does not look like one is left out with a warning.
fn documentation(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    const KINDS: [&str; 5] = ["http://", "https://", "file:/", "info:", "man:"];
    if value.is_empty() {
        reading.draft.config.unit.documentation.clear();
    }
    for (offset, word) in raw_words(value)? {
        let address = reading.expand(&word)?;
        if KINDS.iter().any(|kind| address.starts_with(kind)) {
            reading.draft.config.unit.documentation.push(address);
        } else {
            reading.warn(offset, &format!("\"{address}\" is not an address, ignored"));
        }
    }
    Ok(())
}
