//! Time spans in microseconds (systemd.time(7), "PARSING TIME SPANS"; checklist U14).

use super::ValueError;
use super::scalar::BLANKS;
use super::size::take_digits;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A length of time in microseconds; [`TimeSpan::INFINITY`] is systemd's `infinity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeSpan(pub u64);

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// 30.44 days.
const MONTH: u64 = 2_629_800 * SECOND;
/// 365.25 days.
const YEAR: u64 = 31_557_600 * SECOND;

/// Every spelling of a unit. The first one that a text begins with counts, so a longer name
/// stands before its own beginnings.
const UNITS: [(&str, u64); 29] = [
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("min", MINUTE),
    ("months", MONTH),
    ("month", MONTH),
    ("M", MONTH),
    ("msec", 1_000),
    ("ms", 1_000),
    ("m", MINUTE),
    ("hours", HOUR),
    ("hour", HOUR),
    ("hr", HOUR),
    ("h", HOUR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("weeks", WEEK),
    ("week", WEEK),
    ("w", WEEK),
    ("years", YEAR),
    ("year", YEAR),
    ("y", YEAR),
    ("usec", 1),
    ("us", 1),
    ("\u{b5}s", 1),
];

/// What spans are printed in, from the largest.
const PRINTED: [(&str, u64); 9] = [
    ("y", YEAR),
    ("month", MONTH),
    ("w", WEEK),
    ("d", DAY),
    ("h", HOUR),
    ("min", MINUTE),
    ("s", SECOND),
    ("ms", 1_000),
    ("us", 1),
];

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

    /// Both one after the other; infinite if that is too long to say.
    pub const fn saturating_add(self, other: TimeSpan) -> TimeSpan {
        TimeSpan(self.0.saturating_add(other.0))
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
        TimeSpan::parse_unit(text, SECOND)
    }

    /// As [`TimeSpan::parse`], a bare number counting `unit` microseconds (1 or more).
    ///
    /// # Errors
    /// As [`TimeSpan::parse`].
    pub fn parse_unit(text: &str, unit: u64) -> Result<TimeSpan, ValueError> {
        let trimmed = text.trim_matches(BLANKS);
        if trimmed == "infinity" {
            return Ok(TimeSpan::INFINITY);
        }
        let bad = || {
            ValueError(format!(
                "\"{text}\" is not a time span (90, 1min 30s, 500ms, infinity)"
            ))
        };
        if trimmed.is_empty() {
            return Err(bad());
        }
        let mut rest = trimmed;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let part;
            (part, rest) = take_part(rest).ok_or_else(bad)?;
            total = part
                .micros(unit)
                .and_then(|n| n.checked_add(total))
                .filter(|n| *n != u64::MAX)
                .ok_or_else(|| ValueError(format!("\"{text}\" is too long a time span")))?;
            rest = rest.trim_start_matches(BLANKS);
        }
        Ok(TimeSpan(total))
    }
}

/// One number with its unit, the way it is written.
struct Part<'a> {
    whole: &'a str,
    fraction: &'a str,
    /// Microseconds; `None` for a bare number.
    unit: Option<u64>,
}

impl Part<'_> {
    /// The microseconds, digits below a microsecond dropped; `None` if they do not fit.
    fn micros(&self, default_unit: u64) -> Option<u64> {
        let unit = self.unit.unwrap_or(default_unit);
        let whole: u64 = match self.whole {
            "" => 0,
            digits => digits.parse().ok()?,
        };
        // systemd draws the line here, below what would still fit.
        if unit == 0 || whole >= u64::MAX / unit {
            return None;
        }
        let mut total = whole * unit;
        let mut place = unit;
        for digit in self.fraction.bytes() {
            place /= 10;
            if place == 0 {
                break;
            }
            total = total.checked_add(u64::from(digit - b'0') * place)?;
        }
        Some(total)
    }
}

/// Takes a number and its unit off the front of a text that begins with no blank.
fn take_part(text: &str) -> Option<(Part<'_>, &str)> {
    let signed = text.strip_prefix('+');
    let (whole, mut rest) = take_digits(signed.unwrap_or(text));
    let mut fraction = "";
    if let Some(behind_point) = rest.strip_prefix('.') {
        (fraction, rest) = take_digits(behind_point);
        if fraction.is_empty() {
            return None;
        }
    }
    if whole.is_empty() && (fraction.is_empty() || signed.is_some()) {
        return None;
    }
    let behind_blanks = rest.trim_start_matches(BLANKS);
    match find_unit(behind_blanks) {
        Some((name, unit)) => {
            let part = Part {
                whole,
                fraction,
                unit: Some(unit),
            };
            Some((part, &behind_blanks[name.len()..]))
        }
        // A bare number ends at a blank or at the end: "12.34.56" is nothing.
        None if rest.is_empty() || behind_blanks.len() < rest.len() => {
            let part = Part {
                whole,
                fraction,
                unit: None,
            };
            Some((part, behind_blanks))
        }
        None => None,
    }
}

/// The unit a text begins with.
fn find_unit(text: &str) -> Option<(&'static str, u64)> {
    /// The Greek letter, which looks like the micro sign in [`UNITS`].
    const GREEK: &str = "\u{3bc}s";
    if text.starts_with(GREEK) {
        return Some((GREEK, 1));
    }
    UNITS.into_iter().find(|(name, _)| text.starts_with(name))
}

impl fmt::Display for TimeSpan {
    /// As systemd prints spans: `1min 30s`, `1.500000s`, `infinity`, `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinite() {
            return f.write_str("infinity");
        }
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut left = self.0;
        let mut separator = "";
        for (name, unit) in PRINTED {
            if left < unit {
                continue;
            }
            let (whole, below) = (left / unit, left % unit);
            // Below a minute the rest goes behind a point; nobody reads "1s 7ms 9us".
            if left < MINUTE && below > 0 {
                let width = unit.ilog10() as usize;
                return write!(f, "{separator}{whole}.{below:0width$}{name}");
            }
            write!(f, "{separator}{whole}{name}")?;
            separator = " ";
            left = below;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn u14_time_spans() {
        for (text, micros) in [
            ("90", 90 * SECOND),
            ("0", 0),
            ("1us", 1),
            ("1 \u{b5}s", 1),
            ("1\u{3bc}s", 1),
            ("1usec", 1),
            ("7ms", 7_000),
            ("7msec", 7_000),
            ("1m", MINUTE),
            ("1min", MINUTE),
            ("2minutes", 2 * MINUTE),
            ("1M", MONTH),
            ("1month", MONTH),
            ("1h", HOUR),
            ("1hr", HOUR),
            ("2 hours", 2 * HOUR),
            ("3d", 3 * DAY),
            ("1w", WEEK),
            ("1year", YEAR),
            ("1min 30s", 90 * SECOND),
            ("1min30s", 90 * SECOND),
            ("2h30", 2 * HOUR + 30 * SECOND),
            ("2h 30", 2 * HOUR + 30 * SECOND),
            ("1 2 3", 6 * SECOND),
            ("1s2", 3 * SECOND),
            ("1y1y", 2 * YEAR),
            ("1.5s", 1_500_000),
            (".5s", 500_000),
            ("1.23456789s", 1_234_567),
            ("1.5us", 1),
            ("0.0000001", 0),
            ("+5", 5 * SECOND),
            (" 5 s ", 5 * SECOND),
            ("1y 2M 3w 4d 5h 6min 7s 8ms 9us", 38_995_567_008_009),
            ("584541y", 584_541 * YEAR),
        ] {
            assert_eq!(TimeSpan::parse(text), Ok(TimeSpan(micros)), "{text}");
        }
        assert_eq!(TimeSpan::parse(" infinity "), Ok(TimeSpan::INFINITY));
    }

    #[test]
    fn u14_what_is_no_time_span() {
        for text in [
            "",
            " ",
            "Infinity",
            "infinity 5",
            "1h infinity",
            "-1",
            "-0",
            "0.-0",
            "1e3",
            "0x10",
            "1.",
            "1.s",
            "5 ..5",
            "1.5.5",
            "1s.",
            "1ss",
            "1mins",
            "+.5",
            "+ 5",
            "s",
            "1 parsec",
            "584542y",
            "18446744073709",
            "18446744073709551615us",
            "99999999999999999999",
            "584541y 584541y",
        ] {
            assert!(TimeSpan::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_number_counts_the_unit_asked_for() {
        assert_eq!(TimeSpan::parse_unit("5", 1), Ok(TimeSpan(5)));
        assert_eq!(TimeSpan::parse_unit("5s", 1), Ok(TimeSpan(5 * SECOND)));
        assert_eq!(TimeSpan::parse_unit("1s 5", 1_000), Ok(TimeSpan(1_005_000)));
    }

    #[test]
    fn spans_print_as_systemd_prints_them() {
        for (micros, text) in [
            (0, "0"),
            (1, "1us"),
            (1_500, "1.500ms"),
            (500_000, "500ms"),
            (1_500_000, "1.500000s"),
            (1_234_567, "1.234567s"),
            (61_500_000, "1min 1.500000s"),
            (3_600_001_000, "1h 1ms"),
            (90 * SECOND, "1min 30s"),
            (40 * DAY, "1month 1w 2d 13h 30min"),
            (38_995_567_008_009, "1y 2month 3w 4d 5h 6min 7.008009s"),
            (u64::MAX, "infinity"),
        ] {
            assert_eq!(TimeSpan(micros).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn print_then_parse_is_identity(
            micros in prop_oneof![0..584_542 * YEAR, 0..DAY, 0..MINUTE],
        ) {
            let span = TimeSpan(micros);
            prop_assert_eq!(TimeSpan::parse(&span.to_string()), Ok(span));
        }

        #[test]
        fn any_text_is_answered(text in "[0-9.smhdwyuM +-]{0,32}|.*") {
            let _ = TimeSpan::parse(&text);
            let _ = TimeSpan::parse_unit(&text, u64::MAX);
        }
    }
}
