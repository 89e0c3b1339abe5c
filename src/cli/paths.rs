//! `list-paths`: one line per watched path.

use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG, say};
use super::table::{Cell, render};
use serde_json::{Value as Json, json};

/// One path of a path unit.
struct Row {
    path: String,
    condition: String,
    unit: String,
    activates: Vec<String>,
    active: bool,
}

/// Prints the paths of units that match; without patterns of those that are active, or all.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
    all: bool,
) -> Result<u8, Problem> {
    let asked = names::patterns_as(patterns, "path");
    let mut rows = Vec::new();
    for (unit, row) in client.list(&asked).await? {
        let there = row.text("ActiveState") != "inactive" || all || !patterns.is_empty();
        if unit.ends_with(".path") && there {
            rows.extend(paths(&unit, &client.unit(&unit).await?));
        }
    }
    rows.sort_by(|a, b| (&a.path, &a.condition, &a.unit).cmp(&(&b.path, &b.condition, &b.unit)));
    if output.is_text() {
        say(&table(&rows, output));
    } else {
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn paths(unit: &str, properties: &Properties) -> Vec<Row> {
    let row = |entry: &Json| {
        let text = |at: usize| entry.get(at)?.as_str().map(str::to_owned);
        let activates = properties.texts("Triggers").into_iter();
        Some(Row {
            path: text(1)?,
            condition: text(0)?,
            unit: unit.to_owned(),
            activates: activates.map(str::to_owned).collect(),
            active: properties.text("ActiveState") == "active",
        })
    };
    properties.items("Paths").iter().filter_map(row).collect()
}

fn object(row: &Row) -> Json {
    json!({
        "path": row.path,
        "condition": row.condition,
        "unit": row.unit,
        "activates": row.activates,
        "active": row.active,
    })
}

fn table(rows: &[Row], output: &Output) -> String {
    let mut lines = Vec::new();
    if output.legend {
        let color = output.color(STRONG);
        let header = ["PATH", "CONDITION", "UNIT", "ACTIVATES"].map(str::to_owned);
        lines.push(header.map(|text| Cell { text, color }).into());
    }
    for row in rows {
        let color = if row.active { "" } else { output.color(FAINT) };
        let texts = [
            row.path.clone(),
            row.condition.clone(),
            row.unit.clone(),
            row.activates.join(" "),
        ];
        lines.push(texts.map(|text| Cell { text, color }).into());
    }
    render(&lines, output.width)
}
