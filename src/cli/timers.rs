//! `list-timers`: one line per timer, the next one first.

use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG, say};
use super::table::{Cell, render};
use super::time::{self, Clocks};
use serde_json::{Value as Json, json};

/// One timer.
struct Row {
    /// When it elapses next, and did last; CLOCK_REALTIME in microseconds.
    next: Option<u64>,
    last: Option<u64>,
    unit: String,
    activates: Vec<String>,
}

/// Prints the timers that match; without patterns those that are active, or all.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
    all: bool,
) -> Result<u8, Problem> {
    let asked = names::patterns_as(patterns, "timer");
    let clocks = Clocks::now();
    let mut rows = Vec::new();
    for (unit, row) in client.list(&asked).await? {
        let there = row.text("ActiveState") != "inactive" || all || !patterns.is_empty();
        if unit.ends_with(".timer") && there {
            rows.push(timer(&unit, &client.unit(&unit).await?, &clocks));
        }
    }
    rows.sort_by(|a, b| {
        let soonest = |row: &Row| row.next.unwrap_or(u64::MAX);
        (soonest(a), &a.unit).cmp(&(soonest(b), &b.unit))
    });
    if output.is_text() {
        say(&table(&rows, output, clocks.realtime));
    } else {
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn timer(unit: &str, properties: &Properties, clocks: &Clocks) -> Row {
    let time =
        |name: &str| Some(properties.number(name)).filter(|time| ![0, u64::MAX].contains(time));
    let monotonic = time("NextElapseUSecMonotonic").map(|time| clocks.to_realtime(time));
    let next = monotonic.into_iter().chain(time("NextElapseUSecRealtime"));
    let activates = properties.texts("Triggers").into_iter();
    Row {
        next: next.min(),
        last: time("LastTriggerUSec"),
        unit: unit.to_owned(),
        activates: activates.map(str::to_owned).collect(),
    }
}

fn object(row: &Row) -> Json {
    json!({
        "next": row.next,
        "last": row.last,
        "unit": row.unit,
        "activates": row.activates,
    })
}

fn table(rows: &[Row], output: &Output, now: u64) -> String {
    let mut lines = Vec::new();
    if output.legend {
        let header = ["NEXT", "LEFT", "LAST", "PASSED", "UNIT", "ACTIVATES"];
        let color = output.color(STRONG);
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        lines.push(header.into_iter().map(cell).collect());
    }
    for row in rows {
        let shown = |time: Option<u64>, how: &dyn Fn(u64) -> String| {
            time.map_or_else(|| "-".to_owned(), how)
        };
        let distance = |time: u64| time::ago(time, now);
        let texts = [
            shown(row.next, &time::timestamp),
            shown(row.next, &distance),
            shown(row.last, &time::timestamp),
            shown(row.last, &distance),
            row.unit.clone(),
            match row.activates.is_empty() {
                true => "-".to_owned(),
                false => row.activates.join(" "),
            },
        ];
        let color = match row.next {
            Some(_) => "",
            None => output.color(FAINT),
        };
        lines.push(texts.map(|text| Cell { text, color }).into());
    }
    render(&lines, output.width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_of_both_clocks_is_next() {
        let clocks = Clocks {
            realtime: 1_000_000,
            monotonic: 500,
        };
        let of = |monotonic: u64, realtime: u64| {
            let properties = vec![
                ("NextElapseUSecMonotonic".to_owned(), json!(monotonic)),
                ("NextElapseUSecRealtime".to_owned(), json!(realtime)),
                ("LastTriggerUSec".to_owned(), json!(0)),
            ];
            timer("a.timer", &properties, &clocks).next
        };
        assert_eq!(of(600, 0), Some(1_000_100));
        assert_eq!(of(400, u64::MAX), Some(999_900));
        assert_eq!(of(600, 1_000_050), Some(1_000_050));
        assert_eq!(of(u64::MAX, u64::MAX), None);
    }
}
