//! \[Timer\] (systemd.timer(5)): when the timer elapses, and what it activates.

use super::activation::{UNIT, activated, unit};
use super::parse::{boolean, micros, span, string, text};
use super::read::{Reading, Trouble};
use super::row::{Get, Kind, PropertyValue, Row, Support};
use super::{Parse, TIMER};
use crate::unit::config::{TimerBase, TimerConfig, TimerValue, UnitConfig};
use crate::unit::value::{Calendar, TimeSpan};
use std::sync::LazyLock;

const NOT_WOKEN: &str = "the machine is not woken up, and timers pause while it sleeps";

static DEFAULTS: LazyLock<TimerConfig> = LazyLock::new(TimerConfig::default);

/// The timer part, or the defaults where there is none.
fn timer(config: &UnitConfig) -> &TimerConfig {
    config.timer().unwrap_or(&DEFAULTS)
}

/// Adds a time; an empty value drops those of every kind.
fn add(
    reading: &mut Reading<'_>,
    value: &str,
    read: impl FnOnce(&Reading<'_>, &str) -> Result<TimerValue, Trouble>,
) -> Result<(), Trouble> {
    match string(reading, value)? {
        None => reading.timer()?.values.clear(),
        Some(value) => {
            let value = read(reading, &value)?;
            reading.timer()?.values.push(value);
        }
    }
    Ok(())
}

fn calendar(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    add(reading, value, |reading, value| {
        let calendar = Calendar::parse(value, &reading.system.zones)?;
        Ok(TimerValue::Calendar(Box::new(calendar)))
    })
}

fn after(reading: &mut Reading<'_>, value: &str, base: TimerBase) -> Result<(), Trouble> {
    add(reading, value, |_, value| {
        Ok(TimerValue::After(base, span(value)?))
    })
}

/// A length of time, or the one that is there by default.
fn length(value: &str, default: TimeSpan) -> Result<TimeSpan, Trouble> {
    match value {
        "" => Ok(default),
        value => span(value),
    }
}

/// `a(stt)`: what is counted from, how long, when next. The last one that was written stands
/// first.
fn show_monotonic(config: &UnitConfig) -> PropertyValue {
    let shown = timer(config).values.iter().rev().filter_map(|value| {
        let TimerValue::After(base, span) = value else {
            return None;
        };
        Some(PropertyValue::Struct(vec![
            PropertyValue::String(format!("{}USec", base.name())),
            micros(*span),
            PropertyValue::U64(0),
        ]))
    });
    PropertyValue::Array(shown.collect())
}

/// `a(sst)`: the normalized form, and when next.
fn show_calendar(config: &UnitConfig) -> PropertyValue {
    let shown = timer(config).values.iter().rev().filter_map(|value| {
        let TimerValue::Calendar(calendar) = value else {
            return None;
        };
        Some(PropertyValue::Struct(vec![
            text("OnCalendar"),
            PropertyValue::String(calendar.to_string()),
            PropertyValue::U64(0),
        ]))
    });
    PropertyValue::Array(shown.collect())
}

const fn row(name: &'static str, since: u16, kind: Kind, parse: Parse, doc: &'static str) -> Row {
    Row::new(TIMER, name, since, kind, parse, doc)
}

const fn switch(name: &'static str, since: u16, parse: Parse, get: Get, doc: &'static str) -> Row {
    row(name, since, Kind::Boolean, parse, doc).show(name, "b", get)
}

pub(super) static ROWS: &[Row] = &[
    row(
        "OnCalendar",
        197,
        Kind::List,
        calendar,
        "Times of the calendar at which the timer elapses.",
    )
    .show("TimersCalendar", "a(sst)", show_calendar),
    row(
        "OnActiveSec",
        33,
        Kind::List,
        |r, v| after(r, v, TimerBase::Active),
        "How long after the timer's own start it elapses.",
    )
    .show("TimersMonotonic", "a(stt)", show_monotonic),
    row(
        "OnBootSec",
        33,
        Kind::List,
        |r, v| after(r, v, TimerBase::Boot),
        "How long after the boot the timer elapses; in a container as OnStartupSec=.",
    ),
    row(
        "OnStartupSec",
        33,
        Kind::List,
        |r, v| after(r, v, TimerBase::Startup),
        "How long after the manager's start the timer elapses.",
    ),
    row(
        "OnUnitActiveSec",
        33,
        Kind::List,
        |r, v| after(r, v, TimerBase::UnitActive),
        "How long after the last start of its unit the timer elapses.",
    ),
    row(
        "OnUnitInactiveSec",
        33,
        Kind::List,
        |r, v| after(r, v, TimerBase::UnitInactive),
        "How long after the last end of its unit the timer elapses.",
    ),
    switch(
        "OnClockChange",
        242,
        |r, v| {
            r.timer()?.on_clock_change = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).on_clock_change),
        "Whether a jump of the clock makes the timer elapse.",
    ),
    switch(
        "OnTimezoneChange",
        242,
        |r, v| {
            r.timer()?.on_timezone_change = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).on_timezone_change),
        "Whether a change of the time zone makes the timer elapse.",
    ),
    switch(
        "Persistent",
        212,
        |r, v| {
            r.timer()?.persistent = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).persistent),
        "Whether a time of the calendar that was missed is made up for.",
    ),
    row(
        "WakeSystem",
        212,
        Kind::Boolean,
        |r, v| r.not_applied(v, NOT_WOKEN, false),
        "Whether the timer wakes the machine up.",
    )
    .support(Support::Accepted(NOT_WOKEN))
    .off(),
    switch(
        "RemainAfterElapse",
        228,
        |r, v| {
            r.timer()?.remain_after_elapse = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).remain_after_elapse),
        "Whether the timer stays active when it has elapsed for the last time.",
    ),
    switch(
        "FixedRandomDelay",
        247,
        |r, v| {
            r.timer()?.fixed_random_delay = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).fixed_random_delay),
        "Whether the random delay is the same each time.",
    ),
    row(
        "AccuracySec",
        209,
        Kind::Span,
        |r, v| {
            r.timer()?.accuracy = length(v, DEFAULTS.accuracy)?;
            Ok(())
        },
        "How late the timer may elapse to save wake-ups.",
    )
    .show("AccuracyUSec", "t", |c| micros(timer(c).accuracy)),
    row(
        "RandomizedDelaySec",
        229,
        Kind::Span,
        |r, v| {
            r.timer()?.randomized_delay = length(v, DEFAULTS.randomized_delay)?;
            Ok(())
        },
        "Up to how much the timer is late by chance.",
    )
    .show("RandomizedDelayUSec", "t", |c| {
        micros(timer(c).randomized_delay)
    }),
    row(
        "RandomizedOffsetSec",
        258,
        Kind::Span,
        |r, v| {
            r.timer()?.randomized_offset = length(v, DEFAULTS.randomized_offset)?;
            Ok(())
        },
        "Up to how much the timer is shifted by chance, always the same.",
    )
    .show("RandomizedOffsetUSec", "t", |c| {
        micros(timer(c).randomized_offset)
    }),
    switch(
        "DeferReactivation",
        257,
        |r, v| {
            r.timer()?.defer_reactivation = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(timer(c).defer_reactivation),
        "Whether times of the calendar count from the end of the unit's last run.",
    ),
    Row::new(TIMER, "Unit", 33, Kind::Text, unit, UNIT).show("Unit", "s", activated),
];
