//! The \[Timer\] section (systemd.timer(5)).

use crate::unit::value::{Calendar, TimeSpan};

/// What a span of time is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerBase {
    /// The timer's own start.
    Active,
    /// The start of the machine; of the manager in a container.
    Boot,
    /// The start of the manager.
    Startup,
    /// The last start of what is triggered.
    UnitActive,
    /// The last end of what is triggered.
    UnitInactive,
}

impl TimerBase {
    /// All, with the names of their directives without `Sec`.
    pub const NAMES: [(TimerBase, &'static str); 5] = [
        (TimerBase::Active, "OnActive"),
        (TimerBase::Boot, "OnBoot"),
        (TimerBase::Startup, "OnStartup"),
        (TimerBase::UnitActive, "OnUnitActive"),
        (TimerBase::UnitInactive, "OnUnitInactive"),
    ];

    /// The directive's name without `Sec`.
    pub fn name(self) -> &'static str {
        TimerBase::NAMES[self as usize].1
    }
}

/// One of the times at which a timer elapses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerValue {
    /// So long after something.
    After(TimerBase, TimeSpan),
    /// OnCalendar=.
    Calendar(Box<Calendar>),
}

/// \[Timer\].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerConfig {
    /// On...Sec= and OnCalendar= in order.
    pub values: Vec<TimerValue>,
    /// OnClockChange=.
    pub on_clock_change: bool,
    /// OnTimezoneChange=.
    pub on_timezone_change: bool,
    /// AccuracySec=: how late it may be.
    pub accuracy: TimeSpan,
    /// RandomizedDelaySec=.
    pub randomized_delay: TimeSpan,
    /// FixedRandomDelay=.
    pub fixed_random_delay: bool,
    /// RandomizedOffsetSec= (258).
    pub randomized_offset: TimeSpan,
    /// DeferReactivation= (257).
    pub defer_reactivation: bool,
    /// Persistent=.
    pub persistent: bool,
    /// RemainAfterElapse=.
    pub remain_after_elapse: bool,
}

impl Default for TimerConfig {
    fn default() -> TimerConfig {
        TimerConfig {
            values: Vec::new(),
            on_clock_change: false,
            on_timezone_change: false,
            accuracy: TimeSpan::from_secs(60),
            randomized_delay: TimeSpan::ZERO,
            fixed_random_delay: false,
            randomized_offset: TimeSpan::ZERO,
            defer_reactivation: false,
            persistent: false,
            remain_after_elapse: true,
        }
    }
}
