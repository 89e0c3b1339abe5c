//! `analyze calendar` and `analyze timespan`: what expressions of systemd.time(7) come to, as
//! systemd-analyze shows it. No daemon is asked.

use super::super::error::{FAILURE, Problem};
use super::super::output::{Output, complain, say};
use super::super::time;
use crate::unit::value::{Calendar, TimeSpan, Zone, Zones};
use serde_json::{Value as Json, json};

/// Prints when expressions come next, so many times, from now or another time on.
pub(in crate::cli) fn calendar(
    output: &Output,
    zones: &Zones,
    expressions: &[String],
    iterations: u32,
    base: Option<&str>,
) -> Result<u8, Problem> {
    let now = time::now();
    let base = match base {
        None => now,
        Some(text) => base_time(text, zones)?,
    };
    let mut texts = Vec::new();
    let mut objects = Vec::new();
    let mut status = 0;
    for expression in expressions {
        match Calendar::parse(expression, zones) {
            Ok(calendar) => {
                let times = next_times(&calendar, base, iterations, &zones.local());
                texts.push(text(expression, &calendar, &times, now, &zones.local()));
                objects.push(object(expression, &calendar, &times));
            }
            Err(error) => {
                complain(&format!("{error}."));
                status = FAILURE;
            }
        }
    }
    print(output, &texts, &objects);
    Ok(status)
}

/// Prints what spans are in microseconds, and as people write them.
pub(in crate::cli) fn timespan(output: &Output, spans: &[String]) -> Result<u8, Problem> {
    let mut texts = Vec::new();
    let mut objects = Vec::new();
    let mut status = 0;
    for text in spans {
        match TimeSpan::parse(text) {
            Ok(span) => {
                let micros = span.as_micros();
                texts.push(format!(
                    "Original: {text}\n      \u{3bc}s: {micros}\n   Human: {span}\n"
                ));
                let human = span.to_string();
                objects.push(json!({ "original": text, "micros": micros, "human": human }));
            }
            Err(error) => {
                complain(&format!("{error}."));
                status = FAILURE;
            }
        }
    }
    print(output, &texts, &objects);
    Ok(status)
}

fn print(output: &Output, texts: &[String], objects: &[Json]) {
    if output.is_text() {
        say(&texts.join("\n"));
    } else {
        output.json(&objects);
    }
}

/// A time as a calendar expression that comes but once.
fn base_time(text: &str, zones: &Zones) -> Result<u64, Problem> {
    let calendar = Calendar::parse(text, zones).ok();
    let first = calendar.as_ref().and_then(|it| it.next(0, &zones.local()));
    let later = first.and_then(|time| calendar?.next(time, &zones.local()));
    match (first, later) {
        (Some(time), None) => Ok(time),
        (_, _) => Err(Problem::local(format!(
            "\"{text}\" is not a time (@SECONDS, 2026-03-28 12:00:00 UTC)"
        ))),
    }
}

fn next_times(calendar: &Calendar, base: u64, count: u32, local: &Zone) -> Vec<u64> {
    let next = |after: &u64| calendar.next(*after, local);
    let times = std::iter::successors(next(&base), next);
    times.take(count.max(1) as usize).collect()
}

fn text(expression: &str, calendar: &Calendar, times: &[u64], now: u64, local: &Zone) -> String {
    let normal = calendar.to_string();
    let mut lines = Vec::new();
    if normal != expression {
        lines.push(format!("  Original form: {expression}"));
    }
    lines.push(format!("Normalized form: {normal}"));
    if times.is_empty() {
        lines.push("    Next elapse: never".to_owned());
    }
    for (number, at) in times.iter().enumerate() {
        let seconds = i64::try_from(at / 1_000_000).unwrap_or(i64::MAX);
        let label = match number {
            0 => "Next elapse".to_owned(),
            number => format!("Iter. #{}", number + 1),
        };
        lines.push(format!("{label:>15}: {}", time::in_zone(seconds, local)));
        if local.abbreviation(seconds) != "UTC" {
            let utc = time::in_zone(seconds, &Zone::utc());
            lines.push(format!("{:>15}: {utc}", "(in UTC)"));
        }
        lines.push(format!("{:>15}: {}", "From now", time::ago(*at, now)));
    }
    lines.join("\n") + "\n"
}

fn object(expression: &str, calendar: &Calendar, times: &[u64]) -> Json {
    json!({
        "original": expression,
        "normalized": calendar.to_string(),
        "next": times,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_systemd_analyze_shows_it() {
        let berlin = Zone::from_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let calendar = Calendar::parse("*-*-* 02:30", &Zones::default()).unwrap();
        let base = 1_774_700_000_000_000;
        let times = next_times(&calendar, base, 2, &berlin);
        assert_eq!(
            text("*-*-* 02:30", &calendar, &times, base, &berlin),
            "  Original form: *-*-* 02:30\n\
             Normalized form: *-*-* 02:30:00\n    \
                 Next elapse: Mon 2026-03-30 02:30:00 CEST\n       \
                    (in UTC): Mon 2026-03-30 00:30:00 UTC\n       \
                    From now: 1 day 12h left\n       \
                    Iter. #2: Tue 2026-03-31 02:30:00 CEST\n       \
                    (in UTC): Tue 2026-03-31 00:30:00 UTC\n       \
                    From now: 2 days left\n"
        );
        let never = Calendar::parse("2003-01-01", &Zones::default()).unwrap();
        assert!(text("x", &never, &[], base, &berlin).ends_with("Next elapse: never\n"));
    }

    #[test]
    fn a_base_time_is_one_moment() {
        let of = |text: &str| base_time(text, &Zones::default()).ok();
        assert_eq!(of("@1774700000"), Some(1_774_700_000_000_000));
        assert_eq!(of("2026-03-28 12:13:20 UTC"), Some(1_774_700_000_000_000));
        assert_eq!(of("daily"), None);
        assert_eq!(of("x"), None);
    }
}
