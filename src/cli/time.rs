//! Times as people read them.

use crate::sys::local_time::{LocalTime, local_time};
use crate::unit::value::Zone;
use nix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const MONTH: u64 = 2_629_800 * SECOND;
const YEAR: u64 = 31_557_600 * SECOND;

/// CLOCK_REALTIME in microseconds.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros().try_into().unwrap_or(u64::MAX))
}

/// Both clocks at one moment, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// CLOCK_REALTIME.
    pub(super) realtime: u64,
    /// CLOCK_MONOTONIC.
    pub(super) monotonic: u64,
}

impl Clocks {
    /// As they are now.
    pub(super) fn now() -> Clocks {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
        let micros = |number: i64| u64::try_from(number).unwrap_or(0);
        Clocks {
            realtime: now(),
            // It cannot be missing on Linux.
            monotonic: time.map_or(0, |time| {
                micros(time.tv_sec()) * SECOND + micros(time.tv_nsec()) / 1000
            }),
        }
    }

    /// The time on the wall at a moment of the monotonic clock.
    pub(super) fn to_realtime(self, monotonic: u64) -> u64 {
        let passed = monotonic.saturating_sub(self.monotonic);
        let since = self.monotonic.saturating_sub(monotonic);
        self.realtime.saturating_add(passed).saturating_sub(since)
    }
}

/// `Mon 2026-03-30 02:30:00 CEST`, so many seconds after the epoch in a zone.
pub(super) fn in_zone(seconds: i64, zone: &Zone) -> String {
    let time = zone.wall_time(seconds);
    let weekday = usize::try_from((time.weekday() + 1) % 7).ok();
    let weekday = weekday.and_then(|day| WEEKDAYS.get(day)).copied();
    format!(
        "{} {}-{:02}-{:02} {:02}:{:02}:{:02} {}",
        weekday.unwrap_or(""),
        time.year,
        time.month,
        time.day,
        time.hour,
        time.minute,
        time.second,
        zone.abbreviation(seconds)
    )
}

/// `Sat 2026-11-21 07:44:17 UTC`; empty for 0, which means never.
pub(super) fn timestamp(micros: u64) -> String {
    local(micros).map_or_else(String::new, |t| full(&t))
}

/// `2026-11-21 07:44:17.123`, for lines of log.
pub(super) fn stamp(micros: u64) -> String {
    let millis = micros % SECOND / 1000;
    local(micros).map_or_else(
        || "-".to_owned(),
        |t| format!("{}.{millis:03}", date_and_time(&t)),
    )
}

fn local(micros: u64) -> Option<LocalTime> {
    if micros == 0 || micros == u64::MAX {
        return None;
    }
    local_time(i64::try_from(micros / SECOND).ok()?)
}

fn full(t: &LocalTime) -> String {
    let weekday = WEEKDAYS.get(usize::from(t.weekday)).copied().unwrap_or("");
    format!("{weekday} {} {}", date_and_time(t), t.zone)
}

fn date_and_time(t: &LocalTime) -> String {
    format!(
        "{}-{:02}-{:02} {:02}:{:02}:{:02}",
        t.year, t.month, t.day, t.hour, t.minute, t.second
    )
}

/// How long ago, coarser the longer: `58ms ago`, `2min 3s ago`, `1 week 2 days ago`.
pub(super) fn ago(micros: u64, now: u64) -> String {
    let Some(age) = now.checked_sub(micros) else {
        return format!("{} left", rough(micros - now));
    };
    format!("{} ago", rough(age))
}

/// A length of time in at most two units.
pub(super) fn rough(micros: u64) -> String {
    let words = |count: u64, unit: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {unit}{plural}")
    };
    let two = |big: u64, small: u64, big_unit: &str, small_unit: &str| {
        let (count, rest) = (micros / big, micros % big / small);
        match rest {
            0 => words(count, big_unit),
            _ => format!("{} {}", words(count, big_unit), words(rest, small_unit)),
        }
    };
    match micros {
        YEAR.. => two(YEAR, MONTH, "year", "month"),
        MONTH.. => two(MONTH, DAY, "month", "day"),
        WEEK.. => two(WEEK, DAY, "week", "day"),
        DAY.. if micros >= 2 * DAY => words(micros / DAY, "day"),
        DAY.. => format!("1 day {}h", (micros - DAY) / HOUR),
        HOUR.. => format!("{}h {}min", micros / HOUR, micros % HOUR / MINUTE),
        MINUTE.. => format!("{}min {}s", micros / MINUTE, micros % MINUTE / SECOND),
        SECOND.. => format!("{}s", micros / SECOND),
        1000.. => format!("{}ms", micros / 1000),
        _ => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (age, text) in [
            (5, "5us"),
            (58_400, "58ms"),
            (59 * SECOND, "59s"),
            (2 * MINUTE + 3 * SECOND, "2min 3s"),
            (HOUR + 5 * MINUTE, "1h 5min"),
            (DAY + 3 * HOUR, "1 day 3h"),
            (3 * DAY + HOUR, "3 days"),
            (WEEK + 2 * DAY, "1 week 2 days"),
            (2 * YEAR, "2 years"),
        ] {
            assert_eq!(rough(age), text);
        }
        assert_eq!(ago(10, 10 + SECOND), "1s ago");
        assert_eq!(ago(10 + SECOND, 10), "1s left");
    }

    #[test]
    fn dates() {
        let t = LocalTime {
            year: 2026,
            month: 11,
            day: 2,
            weekday: 6,
            hour: 7,
            minute: 4,
            second: 9,
            zone: "CET".to_owned(),
        };
        assert_eq!(full(&t), "Sat 2026-11-02 07:04:09 CET");
        assert_eq!(timestamp(0), "");
        assert!(stamp(1_700_000_000_123_456).ends_with(".123"));
    }
}
