//! `list-sockets`: one line per address.

use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG};
use super::pager;
use super::table::{Cell, render};
use serde_json::{Value as Json, json};

/// One address of a socket unit.
struct Row {
    address: String,
    kind: String,
    unit: String,
    /// Accept=no: the service; Accept=yes: the instances that there are.
    activates: Vec<String>,
    /// Connections that got an instance, and those that were turned away.
    accepted: u64,
    refused: u64,
    active: bool,
}

/// Prints the sockets that match; without patterns those that are active, or all.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
    all: bool,
) -> Result<u8, Problem> {
    let asked = names::patterns_as(patterns, "socket");
    let mut rows = Vec::new();
    for (unit, row) in client.list(&asked).await? {
        let there = row.text("ActiveState") != "inactive" || all || !patterns.is_empty();
        if unit.ends_with(".socket") && there {
            rows.extend(addresses(&unit, &client.unit(&unit).await?));
        }
    }
    rows.sort_by(|a, b| (&a.address, &a.unit).cmp(&(&b.address, &b.unit)));
    if output.is_text() {
        pager::show(output, &table(&rows, output));
    } else {
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn addresses(unit: &str, properties: &Properties) -> Vec<Row> {
    let listen = properties.items("Listen").iter();
    listen
        .filter_map(|entry| {
            let entry = entry.as_array()?;
            let text = |at: usize| entry.get(at)?.as_str().map(str::to_owned);
            Some(Row {
                kind: text(0)?,
                address: text(1)?,
                unit: unit.to_owned(),
                activates: properties
                    .texts("Triggers")
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                accepted: properties.number("NAccepted"),
                refused: properties.number("NRefused"),
                active: properties.text("ActiveState") == "active",
            })
        })
        .collect()
}

fn object(row: &Row) -> Json {
    json!({
        "listen": row.address,
        "type": row.kind,
        "unit": row.unit,
        "activates": row.activates,
        "accepted": row.accepted,
        "refused": row.refused,
        "active": row.active,
    })
}

fn table(rows: &[Row], output: &Output) -> String {
    let mut lines = Vec::new();
    if output.legend {
        let header = ["LISTEN", "TYPE", "UNIT", "ACCEPTED", "REFUSED", "ACTIVATES"];
        let color = output.color(STRONG);
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        lines.push(header.into_iter().map(cell).collect());
    }
    for row in rows {
        let color = if row.active { "" } else { output.color(FAINT) };
        let activates = if row.activates.is_empty() {
            "-".to_owned()
        } else {
            row.activates.join(" ")
        };
        let texts = [
            row.address.clone(),
            row.kind.clone(),
            row.unit.clone(),
            row.accepted.to_string(),
            row.refused.to_string(),
            activates,
        ];
        lines.push(texts.map(|text| Cell { text, color }).into());
    }
    render(&lines, output.width)
}
