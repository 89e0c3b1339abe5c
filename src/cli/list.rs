//! `list`: one line per service.

use super::client::{Client, Properties};
use super::daemons::{self, Daemon};
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG};
use super::pager::show;
use super::table::{Cell, render};
use serde_json::{Map, Value as Json};

/// Column headers of a unit.
const HEADER: [&str; 5] = ["NAME", "PID", "STATE", "RUNS", "COMMAND"];

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

/// Where rows come from, if there are several daemons.
struct Origin {
    daemon: String,
    pod: String,
    container: String,
}

/// Prints the units of several daemons as one list, with the daemon in front, and with
/// `--show-k8s`, or where one has a pod, pod and container too.
pub(super) async fn run_all(
    daemons: &[Daemon],
    output: &Output,
    patterns: &[String],
    all: bool,
    show_k8s: bool,
) -> Result<u8, Problem> {
    let mut rows = Vec::new();
    let mut status = 0;
    let connected = daemons::connect(daemons).await;
    if connected.len() < daemons.len() {
        status = FAILURE;
    }
    let mut shows_pods = show_k8s;
    for (daemon, mut client) in connected {
        let about = client.status().await?;
        shows_pods |= !about.text("Pod").is_empty();
        for (name, row) in wanted(&mut client, patterns, all).await? {
            let origin = Origin {
                daemon: daemon.name.clone(),
                pod: about.text("Pod").to_owned(),
                container: about.text("Container").to_owned(),
            };
            rows.push((origin, name, row));
        }
    }
    if output.is_text() {
        show(output, &table_of_all(&rows, output, shows_pods));
    } else {
        output.json(&rows.iter().map(object_of_all).collect::<Vec<_>>());
    }
    Ok(status)
}

fn object_of_all((origin, name, row): &(Origin, String, Properties)) -> Json {
    let mut value = object(&(name.clone(), row.clone()));
    if let Json::Object(object) = &mut value {
        for (key, text) in [
            ("daemon", &origin.daemon),
            ("pod", &origin.pod),
            ("container", &origin.container),
        ] {
            object.insert(key.to_owned(), Json::from(text.as_str()));
        }
    }
    value
}

fn table_of_all(
    rows: &[(Origin, String, Properties)],
    output: &Output,
    shows_pods: bool,
) -> String {
    let mut lines = Vec::new();
    if output.legend {
        let mut words = vec!["DAEMON"];
        if shows_pods {
            words.extend(["POD", "CONTAINER"]);
        }
        words.extend(HEADER);
        let color = output.color(STRONG);
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        lines.push(words.into_iter().map(cell).collect());
    }
    for (origin, name, row) in rows {
        let mut line = vec![Cell::plain(origin.daemon.as_str())];
        if shows_pods {
            let or_dash = |text: &str| Cell::plain(if text.is_empty() { "-" } else { text });
            line.extend([or_dash(&origin.pod), or_dash(&origin.container)]);
        }
        line.extend(cells(name, row, output));
        lines.push(line);
    }
    render(&lines, output.width)
}

/// Prints the units that match; without patterns, all services that are there.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
    all: bool,
) -> Result<u8, Problem> {
    let units = wanted(client, patterns, all).await?;
    if output.is_text() {
        show(output, &table(&units, output));
    } else {
        output.json(&units.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

async fn wanted(
    client: &mut Client,
    patterns: &[String],
    all: bool,
) -> Result<Vec<(String, Properties)>, Problem> {
    let asked = !patterns.is_empty();
    let units = client.list(&names::patterns(patterns)).await?.into_iter();
    let listed = units.filter(|(name, row)| all || asked || is_listed(name, row));
    Ok(listed.collect())
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
        let color = output.color(STRONG);
        rows.push(
            HEADER
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
