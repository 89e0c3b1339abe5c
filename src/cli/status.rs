//! `status`: a unit at a glance: where it comes from, what it does, its processes, its last
//! words.

use super::client::{Client, Line, Properties};
use super::error::{NOT_ACTIVE, Problem, UNKNOWN};
use super::fields::Fields;
use super::output::{BAD, FAINT, Output, STRONG, complain, say};
use super::property::code_word;
use super::{logs, names, pager, process, table, time};
use serde_json::{Map, Value as Json, json};

/// Columns of the labels, as in systemctl.
const LABELS: usize = 11;

/// How to print.
pub(super) struct Style<'a> {
    /// Colours and format.
    pub(super) output: &'a Output,
    /// Lines of log.
    pub(super) lines: u32,
    /// Do not cut long lines.
    pub(super) full: bool,
}

/// What is shown of one unit.
struct Unit {
    properties: Properties,
    /// Why it is down, in our own words: `start-limit-hit` also where the Result property
    /// keeps the failure before.
    reason: String,
    /// A line for each probe.
    probes: Vec<String>,
    processes: Vec<(u32, String)>,
    log: Vec<Line>,
}

/// Prints the status of units, or of the manager if none is named.
pub(super) async fn run(
    client: &mut Client,
    style: &Style<'_>,
    units: &[String],
) -> Result<u8, Problem> {
    if units.is_empty() {
        return manager(client, style.output).await;
    }
    let mut status = 0;
    let mut shown = Vec::new();
    for name in names::expand(client, units).await? {
        let properties = client.unit(&name).await?;
        status = status.max(exit_status(&properties));
        if exit_status(&properties) == UNKNOWN {
            complain(&format!("Unit {name} could not be found."));
            continue;
        }
        let id = properties.text("Id").to_owned();
        shown.push(Unit {
            reason: reason(client, &id).await?,
            probes: probes(client, &id).await?,
            processes: client.processes(&id).await.unwrap_or_default(),
            log: client.log(&[id], style.lines, false).await?,
            properties,
        });
    }
    if style.output.is_text() {
        let now = time::now();
        let texts: Vec<String> = shown.iter().map(|u| text(u, style, now)).collect();
        pager::show(style.output, &texts.join("\n"));
    } else {
        style
            .output
            .json(&shown.iter().map(object).collect::<Vec<_>>());
    }
    Ok(status)
}

async fn reason(client: &mut Client, id: &str) -> Result<String, Problem> {
    let rows = client.list(&[id.to_owned()]).await?;
    let row = rows.iter().find(|(name, _)| name == id);
    Ok(row.map_or_else(String::new, |(_, row)| row.text("Result").to_owned()))
}

async fn probes(client: &mut Client, id: &str) -> Result<Vec<String>, Problem> {
    let own = client.own_unit(id).await?;
    let lines = own.texts("Probes").into_iter();
    Ok(lines.map(str::to_owned).collect())
}

/// systemctl's: 0 active or reloading, 4 not there, 3 anything else.
fn exit_status(unit: &Properties) -> u8 {
    match (unit.text("ActiveState"), unit.text("LoadState")) {
        ("active" | "reloading", _) => 0,
        ("inactive", "not-found") => UNKNOWN,
        _ => NOT_ACTIVE,
    }
}

async fn manager(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let status = client.status().await?;
    if !output.is_text() {
        output.json(&status.into_iter().collect::<Map<String, Json>>());
        return Ok(0);
    }
    let state = status.text("State");
    let color = if state == "running" { "" } else { BAD };
    let mut text = format!(
        "{} {}\n",
        output.painted("●", output.state_color(state)),
        output.painted(status.text("Name"), STRONG)
    );
    let failed = status.number("FailedUnits");
    for (label, value) in [
        ("State", output.painted(state, color)),
        ("Version", status.text("Version").to_owned()),
        ("Main PID", status.number("PID").to_string()),
        ("Mode", status.text("Mode").to_owned()),
        (
            "Units",
            format!("{} loaded, {failed} failed", status.number("Units")),
        ),
        ("Jobs", status.number("Jobs").to_string()),
        ("Unit path", status.texts("UnitPath").join(":")),
        ("CGroup", status.text("ControlGroup").to_owned()),
    ] {
        if !value.is_empty() {
            text.push_str(&labelled(label, &value));
        }
    }
    say(&text);
    Ok(0)
}

fn object(unit: &Unit) -> Json {
    let properties = unit.properties.iter().cloned().collect::<Map<_, _>>();
    let process = |(pid, command): &(u32, String)| json!({"pid": pid, "command": command});
    json!({
        "properties": properties,
        "probes": unit.probes,
        "processes": unit.processes.iter().map(process).collect::<Vec<_>>(),
        "log": unit.log,
    })
}

fn labelled(label: &str, value: &str) -> String {
    format!("{label:>LABELS$}: {value}\n")
}

fn text(unit: &Unit, style: &Style<'_>, now: u64) -> String {
    let p = &unit.properties;
    let output = style.output;
    let mut text = head(p, output);
    text.push_str(&labelled("Loaded", &loaded(p)));
    let drop_ins = p.texts("DropInPaths");
    if !drop_ins.is_empty() {
        text.push_str(&labelled("Drop-In", &drop_ins.join(", ")));
    }
    text.push_str(&labelled("Active", &active(unit, output, now)));
    for line in process::finished_commands(p) {
        text.push_str(&labelled("Process", &line));
    }
    for (label, value) in [
        ("Docs", p.texts("Documentation").join(" ")),
        ("Main PID", process::main_pid(p)),
        ("Status", quoted(p.text("StatusText"))),
        ("Restarts", restarts(p)),
    ] {
        if !value.is_empty() {
            text.push_str(&labelled(label, &value));
        }
    }
    for probe in &unit.probes {
        text.push_str(&labelled("Probe", probe));
    }
    for (label, value) in process::usage(p) {
        text.push_str(&labelled(label, &value));
    }
    text.push_str(&processes(unit, style));
    if !unit.log.is_empty() {
        text.push('\n');
    }
    for line in &unit.log {
        text.push_str(&logs::text(line, output, style.width()));
    }
    text
}

fn head(p: &Properties, output: &Output) -> String {
    let state = p.text("ActiveState");
    let dot = match state {
        "inactive" => "○",
        "failed" => "×",
        _ => "●",
    };
    let id = p.text("Id");
    let description = match p.text("Description") {
        "" => String::new(),
        same if same == id => String::new(),
        description => format!(" - {description}"),
    };
    let dot = table::paint(dot, output.state_color(state));
    format!("{dot} {id}{description}\n")
}

fn loaded(p: &Properties) -> String {
    let load = p.text("LoadState");
    let error = p.items("LoadError").get(1).and_then(Json::as_str);
    let details: Vec<&str> = [p.text("FragmentPath"), p.text("UnitFileState")]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    match (load, error) {
        ("loaded", _) | (_, None | Some("")) if details.is_empty() => load.to_owned(),
        ("loaded", _) | (_, None | Some("")) => format!("{load} ({})", details.join("; ")),
        (_, Some(error)) => format!("{load} (Reason: {error})"),
    }
}

/// `exit-code`, or `exit-code, start-limit-hit` where the start limit came on top.
fn result(result: &str, reason: &str) -> String {
    if reason == "start-limit-hit" && result != reason {
        format!("{result}, {reason}")
    } else {
        result.to_owned()
    }
}

fn active(unit: &Unit, output: &Output, now: u64) -> String {
    let p = &unit.properties;
    let state = p.text("ActiveState");
    let sub = match (state, result(p.text("Result"), &unit.reason).as_str()) {
        ("failed" | "inactive", result) if !matches!(result, "" | "success") => {
            format!(" (Result: {result})")
        }
        _ => format!(" ({})", p.text("SubState")),
    };
    let since = p.number(match state {
        "active" | "reloading" => "ActiveEnterTimestamp",
        "inactive" | "failed" => "InactiveEnterTimestamp",
        "activating" => "InactiveExitTimestamp",
        _ => "ActiveExitTimestamp",
    });
    let color = output.state_color(state);
    let words = table::paint(&format!("{state}{sub}"), color);
    match since {
        0 => words,
        since => format!(
            "{words} since {}; {}",
            time::timestamp(since),
            time::ago(since, now)
        ),
    }
}

fn quoted(status: &str) -> String {
    match status {
        "" => String::new(),
        status => format!("\"{status}\""),
    }
}

fn restarts(p: &Properties) -> String {
    match p.number("NRestarts") {
        0 => String::new(),
        number => number.to_string(),
    }
}

fn processes(unit: &Unit, style: &Style<'_>) -> String {
    let group = unit.properties.text("ControlGroup");
    if unit.processes.is_empty() {
        return String::new();
    }
    let mut text = match group {
        "" => labelled("Processes", "").trim_end().to_owned() + "\n",
        group => labelled("CGroup", group),
    };
    let margin = " ".repeat(LABELS + 2);
    for (index, (pid, command)) in unit.processes.iter().enumerate() {
        let last = index + 1 == unit.processes.len();
        let branch = if last { "└─" } else { "├─" };
        let room = style
            .width()
            .map_or(usize::MAX, |w| w.saturating_sub(LABELS + 4));
        let process = table::shorten(&format!("{pid} {command}"), room);
        let branch = style.output.painted(branch, FAINT);
        text.push_str(&format!("{margin}{branch}{process}\n"));
    }
    text
}

impl Style<'_> {
    /// Where lines are cut.
    fn width(&self) -> Option<usize> {
        self.output.width.filter(|_| !self.full)
    }
}

/// `exited, status=1/FAILURE` and the like.
pub(super) fn ended(code: i64, status: i64) -> String {
    let kind = if code == 1 { "status" } else { "signal" };
    format!(
        "code={}, {kind}={}",
        code_word(code),
        process::status_word(code, status)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(entries: &[(&str, Json)]) -> Properties {
        entries
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn exit_statuses() {
        for (active, load, wanted) in [
            ("active", "loaded", 0),
            ("reloading", "loaded", 0),
            ("activating", "loaded", 3),
            ("inactive", "loaded", 3),
            ("failed", "loaded", 3),
            ("failed", "not-found", 3),
            ("inactive", "not-found", 4),
        ] {
            let p = properties(&[("ActiveState", json!(active)), ("LoadState", json!(load))]);
            assert_eq!(exit_status(&p), wanted, "{active} {load}");
        }
    }

    #[test]
    fn a_failed_service_shows_why() {
        let unit = Unit {
            properties: properties(&[
                ("Id", json!("a.service")),
                ("Description", json!("An agent")),
                ("LoadState", json!("loaded")),
                ("FragmentPath", json!("/u/a.service")),
                ("ActiveState", json!("failed")),
                ("SubState", json!("failed")),
                ("Result", json!("exit-code")),
                ("ExecMainPID", json!(71)),
                ("ExecMainCode", json!(1)),
                ("ExecMainStatus", json!(1)),
                ("StatusText", json!("busy")),
            ]),
            reason: "start-limit-hit".to_owned(),
            probes: Vec::new(),
            processes: vec![(7, "/bin/x".to_owned()), (8, "/bin/y".to_owned())],
            log: Vec::new(),
        };
        let output = Output::plain();
        let style = Style {
            output: &output,
            lines: 10,
            full: true,
        };
        let text = text(&unit, &style, 0);
        assert_eq!(
            text,
            "× a.service - An agent\n\
             \u{20}    Loaded: loaded (/u/a.service)\n\
             \u{20}    Active: failed (Result: exit-code, start-limit-hit)\n\
             \u{20}  Main PID: 71 (code=exited, status=1/FAILURE)\n\
             \u{20}    Status: \"busy\"\n\
             \u{20} Processes:\n\
             \u{20}            ├─7 /bin/x\n\
             \u{20}            └─8 /bin/y\n"
        );
    }
}
