//! `list`: one line per service.

use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG, say};
use super::table::{Cell, render};
use serde_json::{Map, Value as Json};

/// Keys of the JSON rows and the properties they come from.
const KEYS: [(&str, &str); 10] = [
    ("pid", "MainPID"),
    ("state", "State"),
    ("runs", "Runs"),
    ("restarts", "Restarts"),
    ("command", "Command"),
    ("description", "Description"),
    ("load", "LoadState"),
    ("active", "ActiveState"),
    ("sub", "SubState"),
    ("result", "Result"),
];

/// Prints the units that match; without patterns, all services that are there.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
    all: bool,
) -> Result<u8, Problem> {
    let patterns: Vec<String> = patterns
        .iter()
        .map(|text| match names::is_pattern(text) {
            true => text.clone(),
            false => names::complete(text),
        })
        .collect();
    let asked = !patterns.is_empty();
    let units: Vec<_> = client
        .list(&patterns)
        .await?
        .into_iter()
        .filter(|(name, row)| all || asked || is_listed(name, row))
        .collect();
    if output.is_text() {
        say(&table(&units, output));
    } else {
        output.json(&units.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

/// Services that have a file, or run although it is gone.
fn is_listed(name: &str, row: &Properties) -> bool {
    let there = row.text("LoadState") != "not-found" || row.text("ActiveState") != "inactive";
    name.ends_with(".service") && there
}

fn object((name, row): &(String, Properties)) -> Json {
    let mut object = Map::new();
    object.insert("name".to_owned(), Json::from(name.as_str()));
    for (key, property) in KEYS {
        let value = row.value(property).cloned().unwrap_or(Json::Null);
        object.insert(key.to_owned(), value);
    }
    Json::Object(object)
}

fn table(units: &[(String, Properties)], output: &Output) -> String {
    let mut rows = Vec::new();
    if output.legend {
        let header = ["NAME", "PID", "STATE", "RUNS", "COMMAND"];
        let color = output.color(STRONG);
        rows.push(
            header
                .into_iter()
                .map(|text| Cell {
                    text: text.to_owned(),
                    color,
                })
                .collect(),
        );
    }
    rows.extend(units.iter().map(|(name, row)| cells(name, row, output)));
    render(&rows, output.width)
}

fn cells(name: &str, row: &Properties, output: &Output) -> Vec<Cell> {
    let pid = match row.number("MainPID") {
        0 => "-".to_owned(),
        pid => pid.to_string(),
    };
    let there = row.text("LoadState") == "loaded";
    // A unit that could not be loaded has no state worth showing but that.
    let state = if there || row.text("ActiveState") != "inactive" {
        row.text("State")
    } else {
        row.text("LoadState")
    };
    let color = if there {
        output.state_color(state)
    } else {
        output.color(FAINT)
    };
    vec![
        Cell::plain(name),
        Cell::plain(pid),
        Cell {
            text: state.to_owned(),
            color,
        },
        Cell::plain(row.number("Runs").to_string()),
        Cell::plain(row.text("Command")),
    ]
}
