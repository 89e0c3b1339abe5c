//! [Path] and [Timer]: known, still to come. What they activate is read, for it is a
//! dependency.

use super::parse::{string, unit_names};
use super::read::{Reading, Trouble};
use super::row::{Kind, Row, Support};
use super::{PATH, Parse, TIMER};

const PATHS: &str = "path units are not built yet";
const TIMERS: &str = "timer units are not built yet";

/// Unit=: what is activated.
fn unit(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if string(reading, value)?.is_none() {
        reading.draft.activates = None;
    }
    if let Some((_, name)) = unit_names(reading, value)?.pop() {
        reading.draft.activates = Some(name);
    }
    Ok(())
}

const fn path(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, PATHS, false);
    Row::new(PATH, name, since, kind, parse, doc).support(Support::Planned(PATHS))
}

const fn timer(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, TIMERS, false);
    Row::new(TIMER, name, since, kind, parse, doc).support(Support::Planned(TIMERS))
}

const UNIT: &str = "What is activated; the service of the same name if unset.";

pub(super) static PATH_ROWS: &[Row] = &[
    path(
        "PathExists",
        33,
        Kind::List,
        "A path that activates while it exists.",
    ),
    path(
        "PathExistsGlob",
        33,
        Kind::List,
        "A pattern that activates while something matches it.",
    ),
    path(
        "PathChanged",
        33,
        Kind::List,
        "A path that activates when it was changed.",
    ),
    path(
        "PathModified",
        38,
        Kind::List,
        "A path that activates when it was written to.",
    ),
    path(
        "DirectoryNotEmpty",
        33,
        Kind::List,
        "A directory that activates while something is in it.",
    ),
    Row::new(PATH, "Unit", 33, Kind::Text, unit, UNIT),
    path(
        "MakeDirectory",
        33,
        Kind::Boolean,
        "Whether directories to watch are made.",
    ),
    path(
        "DirectoryMode",
        33,
        Kind::Number,
        "The access mode of directories that are made.",
    ),
    path(
        "TriggerLimitIntervalSec",
        250,
        Kind::Span,
        "The time within which TriggerLimitBurst= activations are allowed.",
    ),
    path(
        "TriggerLimitBurst",
        250,
        Kind::Number,
        "How many activations are allowed within TriggerLimitIntervalSec=.",
    ),
];

pub(super) static TIMER_ROWS: &[Row] = &[
    timer(
        "OnCalendar",
        197,
        Kind::List,
        "Times of the calendar at which the timer fires.",
    ),
    timer(
        "OnActiveSec",
        33,
        Kind::List,
        "How long after the timer's own start it fires.",
    ),
    timer(
        "OnBootSec",
        33,
        Kind::List,
        "How long after the boot the timer fires.",
    ),
    timer(
        "OnStartupSec",
        33,
        Kind::List,
        "How long after the manager's start the timer fires.",
    ),
    timer(
        "OnUnitActiveSec",
        33,
        Kind::List,
        "How long after the last start of its unit the timer fires.",
    ),
    timer(
        "OnUnitInactiveSec",
        33,
        Kind::List,
        "How long after the last end of its unit the timer fires.",
    ),
    timer(
        "OnClockChange",
        242,
        Kind::Boolean,
        "Whether a jump of the clock fires the timer.",
    ),
    timer(
        "OnTimezoneChange",
        242,
        Kind::Boolean,
        "Whether a change of the time zone fires the timer.",
    ),
    timer(
        "Persistent",
        212,
        Kind::Boolean,
        "Whether a time that was missed is made up for.",
    ),
    timer(
        "WakeSystem",
        212,
        Kind::Boolean,
        "Whether the timer wakes the machine up.",
    ),
    timer(
        "RemainAfterElapse",
        228,
        Kind::Boolean,
        "Whether the timer stays loaded when it has fired for the last time.",
    )
    .neutral(&["yes"]),
    timer(
        "FixedRandomDelay",
        247,
        Kind::Boolean,
        "Whether the random delay is the same each time.",
    ),
    timer(
        "AccuracySec",
        209,
        Kind::Span,
        "How late the timer may fire to save wake-ups.",
    ),
    timer(
        "RandomizedDelaySec",
        229,
        Kind::Span,
        "Up to how much the timer is late by chance.",
    ),
    timer(
        "RandomizedOffsetSec",
        258,
        Kind::Span,
        "Up to how much the timer is shifted by chance, always the same.",
    ),
    timer(
        "DeferReactivation",
        257,
        Kind::Boolean,
        "Whether the timer waits for its unit to end before it counts on.",
    ),
    Row::new(TIMER, "Unit", 33, Kind::Text, unit, UNIT),
];
