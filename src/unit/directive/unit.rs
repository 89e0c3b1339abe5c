//! [Unit], apart from dependencies and conditions.

use super::UNIT;
use super::parse::{Choice, boolean, micros, raw_words, span, string, strings, text, unsigned};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use crate::unit::config::JobMode;

const JOB_MODE: Choice<JobMode> = Choice {
    words: &[
        "fail",
        "replace",
        "replace-irreversibly",
        "isolate",
        "flush",
        "ignore-dependencies",
        "ignore-requirements",
    ],
    values: &[
        JobMode::Fail,
        JobMode::Replace,
        JobMode::ReplaceIrreversibly,
        JobMode::Isolate,
        JobMode::Flush,
        JobMode::IgnoreDependencies,
        JobMode::IgnoreRequirements,
    ],
};

/// Words of FailureAction= and its kin.
const ACTIONS: &[&str] = &[
    "none",
    "reboot",
    "reboot-force",
    "reboot-immediate",
    "poweroff",
    "poweroff-force",
    "poweroff-immediate",
    "exit",
    "exit-force",
    "soft-reboot",
    "soft-reboot-force",
    "kexec",
    "kexec-force",
    "halt",
    "halt-force",
    "halt-immediate",
];

const ACTION: &str = "actions of the whole system are not built yet; nothing is done";
const JOBS: &str = "time limits of jobs are not built yet; jobs wait without";
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

const fn action(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: super::Parse = |r, v| r.not_applied(v, ACTION, false);
    Row::new(UNIT, name, since, Kind::Choice(ACTIONS), parse, doc)
        .neutral(&["none"])
        .support(Support::Planned(ACTION))
        .show(name, "s", |_| PropertyValue::String("none".to_owned()))
        .kept(shape::word)
}

const fn action_text(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: super::Parse = |r, v| r.not_applied(v, ACTION, false);
    Row::new(UNIT, name, since, Kind::Text, parse, doc).support(Support::Planned(ACTION))
}

const fn job_limit(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: super::Parse = |r, v| r.not_applied(v, JOBS, false);
    Row::new(UNIT, name, since, Kind::Span, parse, doc)
        .neutral(&["infinity"])
        .support(Support::Planned(JOBS))
}

const fn graph(name: &'static str, since: u16, doc: &'static str) -> Row {
    let parse: super::Parse = |r, v| r.not_applied(v, GRAPH, false);
    Row::new(UNIT, name, since, Kind::Boolean, parse, doc)
        .support(Support::Planned(GRAPH))
        .off()
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
        "What becomes of the system when the start limit is hit.",
    )
    .also(&[("Service", "StartLimitAction")]),
    action(
        "FailureAction",
        236,
        "What becomes of the system when the unit fails.",
    )
    .also(&[("Service", "FailureAction")]),
    action(
        "SuccessAction",
        236,
        "What becomes of the system when the unit ends well.",
    ),
    action_text(
        "FailureActionExitStatus",
        240,
        "The exit status of the manager when FailureAction= ends it.",
    )
    .show("FailureActionExitStatus", "i", |_| PropertyValue::I32(-1))
    .kept(shape::integer),
    action_text(
        "SuccessActionExitStatus",
        240,
        "The exit status of the manager when SuccessAction= ends it.",
    )
    .show("SuccessActionExitStatus", "i", |_| PropertyValue::I32(-1))
    .kept(shape::integer),
    action_text(
        "RebootArgument",
        229,
        "What the kernel is told when an action reboots.",
    )
    .also(&[("Service", "RebootArgument")])
    .no_text(),
    job_limit(
        "JobTimeoutSec",
        33,
        "How long a job of the unit may take from when it is queued.",
    )
    .unlimited("JobTimeoutUSec", shape::timeout),
    job_limit(
        "JobRunningTimeoutSec",
        234,
        "How long a job of the unit may take from when it runs.",
    )
    .show("JobRunningTimeoutUSec", "t", |c| {
        let whole = c.written.get("JobTimeoutUSec").cloned();
        whole.unwrap_or(PropertyValue::U64(u64::MAX))
    })
    .kept(shape::timeout),
    action(
        "JobTimeoutAction",
        217,
        "What becomes of the system when a job of the unit takes too long.",
    ),
    action_text(
        "JobTimeoutRebootArgument",
        217,
        "What the kernel is told when JobTimeoutAction= reboots.",
    )
    .no_text(),
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
    graph(
        "AllowIsolate",
        33,
        "Whether a request may make this unit the only one that runs.",
    ),
    graph(
        "IgnoreOnIsolate",
        33,
        "Whether the unit stays when another is isolated.",
    ),
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
        Kind::Choice(&["inactive", "inactive-or-failed"]),
        |r, v| r.not_applied(v, GRAPH, false),
        "Whether a failed unit that nothing refers to is forgotten like an inactive one.",
    )
    .neutral(&["inactive"])
    .support(Support::Planned(GRAPH))
    .show("CollectMode", "s", |_| text("inactive"))
    .kept(shape::word),
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
