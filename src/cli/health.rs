//! `health`: whether units are well, as a table and as the exit status.

use super::args::more::HealthOf;
use super::client::{Client, Properties};
use super::error::{FAILURE, Problem, UNKNOWN};
use super::fields::Fields;
use super::names;
use super::output::{BAD, GOOD, MOVING, Output, STRONG, complain};
use super::pager::show;
use super::table::{Cell, render};
use crate::unit::value::TimeSpan;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Column headers.
const HEADER: [&str; 6] = [
    "UNIT",
    "HEALTH",
    "LIVENESS",
    "READINESS",
    "STARTUP",
    "REASON",
];

/// A unit and what the daemon says of it.
type Row = (String, Properties);

/// Prints how units are, those that count if none is named; 0 if all are well.
///
/// # Errors
/// The daemon cannot be asked, or the timeout is none.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    wanted: &HealthOf,
) -> Result<u8, Problem> {
    let deadline = deadline(wanted)?;
    let units = names::expand(client, &wanted.units).await?;
    let mut missing = Vec::new();
    for unit in &units {
        // Loads it, if need be.
        if client.unit(unit).await?.text("LoadState") == "not-found" {
            complain(&format!("Unit {unit} could not be found."));
            missing.push(unit.clone());
        }
    }
    let there: Vec<String> = units
        .iter()
        .filter(|unit| !missing.contains(unit))
        .cloned()
        .collect();
    if !units.is_empty() && there.is_empty() {
        return Ok(UNKNOWN);
    }
    let rows = match wanted.wait {
        true => until_well(client, &there, deadline).await?,
        false => client.health(&there).await?,
    };
    if output.is_text() {
        show(output, &table(&rows, output));
    } else {
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    let well = rows.iter().all(is_well);
    Ok(match (missing.is_empty(), well) {
        (false, _) => UNKNOWN,
        (true, true) => 0,
        (true, false) => FAILURE,
    })
}

fn deadline(wanted: &HealthOf) -> Result<Option<Instant>, Problem> {
    let Some(text) = &wanted.timeout else {
        return Ok(None);
    };
    let span = TimeSpan::parse(text)
        .map_err(|error| Problem::local(format!("--timeout={text}: {error}")))?;
    let length = Duration::from_micros(span.as_micros());
    // Too far away to be written down is never.
    Ok(Instant::now().checked_add(length))
}

/// Asks whenever something has changed, until all are well, one is given up, or it is time.
async fn until_well(
    client: &mut Client,
    units: &[String],
    deadline: Option<Instant>,
) -> Result<Vec<Row>, Problem> {
    loop {
        let rows = client.health(units).await?;
        let given_up = rows.iter().any(|(_, row)| !row.truth("Live"));
        if given_up || rows.iter().all(is_well) {
            return Ok(rows);
        }
        let change = client.next_signal();
        let changed = match deadline {
            Some(deadline) => timeout_at(deadline, change).await.ok().transpose()?,
            None => Some(change.await?),
        };
        if changed.is_none() {
            return Ok(rows);
        }
    }
}

fn is_well((_, row): &Row) -> bool {
    row.truth("Live") && row.truth("Ready")
}

/// The probes of a row: kind, what it does, verdict, row of equal answers, successes, failures,
/// last answer, how long it took, last failure, why.
fn probes(row: &Properties) -> impl Iterator<Item = &[Json]> {
    let probes = row.items("Probes").iter();
    probes.filter_map(|probe| probe.as_array().map(Vec::as_slice))
}

fn object((name, row): &Row) -> Json {
    const KEYS: [&str; 10] = [
        "probe",
        "action",
        "verdict",
        "streak",
        "successes",
        "failures",
        "last",
        "took",
        "failed",
        "failure",
    ];
    let probe = |values: &[Json]| {
        let pairs = KEYS.into_iter().zip(values);
        pairs
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
    };
    json!({
        "unit": name,
        "health": row.text("Health"),
        "live": row.truth("Live"),
        "ready": row.truth("Ready"),
        "wanted": row.truth("Wanted"),
        "active": row.text("ActiveState"),
        "sub": row.text("SubState"),
        "reason": row.text("Reason"),
        "probes": probes(row).map(probe).collect::<Vec<_>>(),
    })
}

fn table(rows: &[Row], output: &Output) -> String {
    let mut lines = Vec::new();
    if output.legend {
        let color = output.color(STRONG);
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        lines.push(HEADER.into_iter().map(cell).collect());
    }
    lines.extend(rows.iter().map(|row| cells(row, output)));
    render(&lines, output.width)
}

fn cells((name, row): &Row, output: &Output) -> Vec<Cell> {
    let health = row.text("Health");
    let painted = |text: &str| Cell {
        text: text.to_owned(),
        color: output.color(match text {
            "healthy" | "done" | "good" => GOOD,
            "starting" | "unknown" => MOVING,
            "unhealthy" | "bad" => BAD,
            _ => "",
        }),
    };
    let verdict = |kind: &str| {
        let mut all = probes(row);
        let found = all.find(|probe| probe.first().and_then(Json::as_str) == Some(kind));
        painted(
            found
                .and_then(|probe| probe.get(2)?.as_str())
                .unwrap_or("-"),
        )
    };
    vec![
        Cell::plain(name.as_str()),
        painted(health),
        verdict("liveness"),
        verdict("readiness"),
        verdict("startup"),
        Cell::plain(row.text("Reason")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(live: bool, ready: bool, reason: &str) -> Row {
        let probe = json!(["readiness", "tcp 1:2", "bad", 3, 1, 3, 7, 8, 9, "refused"]);
        let properties = [
            ("Health", json!(if ready { "healthy" } else { "unhealthy" })),
            ("Live", json!(live)),
            ("Ready", json!(ready)),
            ("Reason", json!(reason)),
            ("Probes", json!([probe])),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        ("a.service".to_owned(), properties.to_vec())
    }

    #[test]
    fn a_unit_is_well_if_it_is_live_and_ready() {
        assert!(is_well(&row(true, true, "")));
        assert!(!is_well(&row(true, false, "")) && !is_well(&row(false, true, "")));
    }

    #[test]
    fn what_is_printed() {
        let rows = [row(true, false, "the readiness probe failed: refused")];
        assert_eq!(
            table(&rows, &Output::plain()),
            "UNIT       HEALTH     LIVENESS  READINESS  STARTUP  REASON\n\
             a.service  unhealthy  -         bad        -        the readiness probe failed: \
             refused\n"
        );
        let json = object(&rows[0]);
        assert_eq!(json["probes"][0]["failure"], "refused");
        assert_eq!(json["probes"][0]["streak"], 3);
        assert_eq!(json["ready"], false);
    }
}
