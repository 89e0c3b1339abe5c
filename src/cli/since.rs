//! Moments as systemd.time(7), "PARSING TIMESTAMPS", writes them, in the time zone of who asks.

use super::error::Problem;
use crate::offline;
use crate::unit::value::{Calendar, TimeSpan, Zone, Zones};

/// Longer than a day with its clock set back, in microseconds.
const OVER_A_DAY: u64 = 30 * 3600 * 1_000_000;

/// CLOCK_REALTIME in microseconds; `now` is the same.
///
/// # Errors
/// It is no moment.
pub(super) fn parse(text: &str, now: u64) -> Result<u64, Problem> {
    let zones = offline::zones(&|name| std::env::var(name).ok());
    moment(text.trim(), now, &zones).ok_or_else(|| {
        Problem::local(format!(
            "\"{text}\" is no time (as in \"2026-11-25 10:00\", yesterday, \"1h ago\")"
        ))
    })
}

fn moment(text: &str, now: u64, zones: &Zones) -> Option<u64> {
    let local = &zones.local();
    let span = |text: &str| {
        let span = TimeSpan::parse(text.trim()).ok()?;
        Some(span.as_micros())
    };
    if let Some(seconds) = text.strip_prefix('@') {
        return span(seconds);
    }
    if let Some(past) = text.strip_prefix('-').or_else(|| text.strip_suffix(" ago")) {
        return span(past).map(|past| now.saturating_sub(past));
    }
    if let Some(later) = text
        .strip_prefix('+')
        .or_else(|| text.strip_suffix(" left"))
    {
        return span(later).map(|later| now.saturating_add(later));
    }
    match text {
        "now" => Some(now),
        "today" => midnight(now, local, zones),
        "yesterday" => {
            let today = midnight(now, local, zones)?;
            midnight(today - 1, local, zones)
        }
        "tomorrow" => Calendar::parse("daily", zones).ok()?.next(now, local),
        _ => written_out(text, now, local, zones),
    }
}

/// The last midnight.
fn midnight(now: u64, local: &Zone, zones: &Zones) -> Option<u64> {
    let daily = Calendar::parse("daily", zones).ok()?;
    let mut last = None;
    let mut next = daily.next(now.saturating_sub(OVER_A_DAY), local);
    while let Some(found) = next.filter(|found| *found <= now) {
        last = Some(found);
        next = daily.next(found, local);
    }
    last
}

/// A date, a time of today, or both: a calendar expression that means one moment.
fn written_out(text: &str, now: u64, local: &Zone, zones: &Zones) -> Option<u64> {
    let date = text
        .split_whitespace()
        .any(|word| word.matches('-').count() == 2);
    if text.contains(['*', ',', '~', '/', ';']) && date || text.contains("..") {
        return None;
    }
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let calendar = Calendar::parse(text, zones).ok()?;
    let after = match date {
        true => 0,
        // The moment itself counts.
        false if text.contains(':') => midnight(now, local, zones)? - 1,
        false => return None,
    };
    calendar.next(after, local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let zones = Zones::default();
        // 2024-02-29 12:34:56 UTC.
        let now = 1_709_210_096_000_000;
        let second = 1_000_000;
        let at = |text: &str| moment(text, now, &zones);
        let today = now - (12 * 3600 + 34 * 60 + 56) * second;
        for (text, expected) in [
            ("now", now),
            ("today", today),
            ("yesterday", today - 86_400 * second),
            ("tomorrow", today + 86_400 * second),
            ("@1709210096", now),
            ("1h ago", now - 3600 * second),
            ("-90s", now - 90 * second),
            ("+1min", now + 60 * second),
            ("12:34:56", now),
            ("12:00", today + 12 * 3600 * second),
            ("2024-02-29", today),
            ("2024-02-29 12:34:56", now),
            ("2024-02-29 12:34:56 UTC", now),
            ("Thu 2024-02-29 12:34:56", now),
        ] {
            assert_eq!(at(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "soon",
            "2024-*-29",
            "daily",
            "5",
            "2024-13-01",
            "12:00..13:00",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
