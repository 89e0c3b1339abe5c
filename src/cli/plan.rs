//! `plan`: what a command would do, as a table, JSON or a graph.

use super::args::{Format, PlanVerb};
use super::client::{Client, Properties};
use super::error::Problem;
use super::fields::Fields;
use super::names;
use super::output::{FAINT, Output, STRONG, complain, say};
use super::table::{Cell, render};
use serde_json::{Map, Value as Json};
use std::fmt::Write as _;

/// Asks and prints; the exit status is what the command itself would begin with.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    verb: PlanVerb,
    units: &[String],
    mode: &str,
) -> Result<u8, Problem> {
    if verb == PlanVerb::DaemonReload && !units.is_empty() {
        return Err(Problem::local("daemon-reload is for all units; name none"));
    }
    let units = names::expand(client, units).await?;
    let plan = client.plan(verb.as_str(), &units, mode).await?;
    if output.format == Format::Dot && verb == PlanVerb::DaemonReload {
        return Err(Problem::local("a daemon-reload queues no jobs to draw"));
    }
    match output.format {
        Format::Text if verb == PlanVerb::DaemonReload => say(&changes(&plan, output)),
        Format::Text => say(&text(&plan, output)),
        Format::Dot => say(&dot(&plan)),
        Format::Json | Format::JsonPretty | Format::Short | Format::Sarif => {
            output.json(&object(plan.clone()));
        }
    }
    let mut status = 0;
    for request in plan.items("Requests") {
        let refusal = Problem {
            name: request.text("Error").to_owned(),
            message: request.text("Message").to_owned(),
        };
        if !refusal.name.is_empty() {
            let unit = request.text("Unit");
            complain(&format!(
                "{} {unit} would be refused: {refusal}",
                verb.as_str()
            ));
            status = if status == 0 {
                refusal.job_status()
            } else {
                status
            };
        }
    }
    Ok(status)
}

fn object(properties: Properties) -> Json {
    let entries = properties.into_iter();
    Json::Object(
        entries
            .map(|(name, value)| (snake(&name), keys(value)))
            .collect(),
    )
}

/// The value with the keys as they are in all of our JSON.
fn keys(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let entries = map.into_iter();
            let entries = entries.map(|(name, value)| (snake(&name), keys(value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
        Json::Array(values) => values.into_iter().map(keys).collect(),
        other => other,
    }
}

/// `WaitsFor` as `waits_for`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The jobs as a table, then what is left out.
fn text(plan: &Properties, output: &Output) -> String {
    let mut rows = Vec::new();
    if output.legend {
        let head = ["STEP", "UNIT", "JOB", "WHY"];
        rows.push(
            head.map(|text| colored(text, output.color(STRONG)))
                .to_vec(),
        );
    }
    for job in plan.items("Jobs") {
        let color = if job.truth("Idle") {
            output.color(FAINT)
        } else {
            ""
        };
        let cells = [step(job), job.text("Unit").to_owned(), doing(job), why(job)];
        rows.push(cells.map(|text| colored(text, color)).to_vec());
    }
    let mut text = if plan.items("Jobs").is_empty() {
        "No jobs.\n".to_owned()
    } else {
        render(&rows, output.width)
    };
    text.push_str(&section(
        "Canceled:",
        plan.items("Canceled").iter().map(canceled),
    ));
    let left_out: Vec<&Json> = plan
        .items("Requests")
        .iter()
        .flat_map(|request| request.items("LeftOut"))
        .collect();
    let (idle, dropped): (Vec<&Json>, Vec<&Json>) = left_out
        .into_iter()
        .partition(|job| job.text("Cause") == "nothing-to-do");
    text.push_str(&section("Left out:", dropped.into_iter().map(dropped_line)));
    // That a unit which is down need not be stopped is no news.
    let idle = idle.into_iter().filter(|job| job.text("Job") != "stop");
    text.push_str(&section("Nothing to do:", idle.map(idle_line)));
    text
}

fn colored(text: impl Into<String>, color: &'static str) -> Cell {
    Cell {
        text: text.into(),
        color,
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{title}\n{lines}")
    }
}

/// When it begins; of a restart, when its start half does, too.
fn step(job: &Json) -> String {
    match job.number("StartStep") {
        0 => job.number("Step").to_string(),
        start => format!("{}, {start}", job.number("Step")),
    }
}

fn doing(job: &Json) -> String {
    let mut text = job.text("Job").to_owned();
    if job.truth("Idle") {
        text.push_str(" (nothing to do)");
    }
    match job.text("Meets") {
        "merges" => {
            let _ = write!(text, " (one with the queued {})", job.text("MeetsJob"));
        }
        "replaces" => {
            let _ = write!(text, " (instead of the queued {})", job.text("MeetsJob"));
        }
        _ => {}
    }
    text
}

/// The way from a job to the request.
fn why(job: &Json) -> String {
    let reasons = job.items("Why").iter();
    let mut way: Vec<String> = reasons
        .map(|reason| phrase(reason.text("Relation"), reason.text("Unit")))
        .collect();
    way.push("asked for".to_owned());
    way.join(" <- ")
}

/// A dependency as the unit that states it would say it.
fn phrase(relation: &str, unit: &str) -> String {
    match relation {
        "RequiredBy" => format!("has Requires={unit}"),
        "RequisiteOf" => format!("has Requisite={unit}"),
        "BoundBy" => format!("has BindsTo={unit}"),
        "ConsistsOf" => format!("has PartOf={unit}"),
        "ConflictedBy" => format!("has Conflicts={unit}"),
        "JobMode" => format!("the job mode for {unit}"),
        _ => format!("{relation}= of {unit}"),
    }
}

fn canceled(job: &Json) -> String {
    let (id, unit) = (job.number("Id"), job.text("Unit"));
    format!("job {id}, {} {unit}", job.text("Job"))
}

fn dropped_line(job: &Json) -> String {
    let (doing, unit) = (job.text("Job"), job.text("Unit"));
    format!("{doing} {unit}: {} ({})", job.text("Message"), why(job))
}

fn idle_line(job: &Json) -> String {
    format!("{} {} ({})", job.text("Job"), job.text("Unit"), why(job))
}

/// The jobs as a graph: full arrows for what pulls in what, dashed ones for what waits.
fn dot(plan: &Properties) -> String {
    let mut text = "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    let jobs = plan.items("Jobs");
    for job in jobs {
        let label = format!(
            "{}\\n{} (step {})",
            job.text("Unit"),
            job.text("Job"),
            step(job)
        );
        let style = if job.truth("Idle") {
            ", style=dotted"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "  {} [label=\"{}\"{style}];",
            id(job.text("Unit")),
            plain(&label)
        );
    }
    for job in jobs {
        let unit = id(job.text("Unit"));
        if let Some(reason) = job.items("Why").first() {
            let by = id(reason.text("Unit"));
            let label = plain(reason.text("Relation"));
            let _ = writeln!(text, "  {by} -> {unit} [label=\"{label}\"];");
        }
        for other in job.texts("WaitsFor") {
            let _ = writeln!(
                text,
                "  {unit} -> {} [style=dashed, constraint=false];",
                id(other)
            );
        }
    }
    text.push_str("}\n");
    text
}

/// A name as graphviz reads it; unit names may hold backslashes.
fn id(unit: &str) -> String {
    format!("\"{}\"", unit.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A label whose own line breaks stay, without anything that would end it.
fn plain(label: &str) -> String {
    label.replace("\\x", "\\\\x").replace('"', "'")
}

/// What a daemon-reload would change.
fn changes(plan: &Properties, output: &Output) -> String {
    let changes = plan.items("Changes");
    if changes.is_empty() {
        return "Nothing would change.\n".to_owned();
    }
    let mut text = String::new();
    for change in changes {
        let unit = output.painted(change.text("Unit"), STRONG);
        let _ = write!(text, "{unit}: {}", change.text("Change"));
        if !change.text("Message").is_empty() {
            let _ = write!(text, " ({})", change.text("Message"));
        }
        text.push('\n');
        for setting in change.items("Settings") {
            let when = match (setting.truth("NeedsRestart"), change.truth("Active")) {
                (true, _) => ", from the next start on",
                (false, true) => ", at once",
                (false, false) => "",
            };
            let value = |name: &str| match setting.text(name) {
                "" => "(nothing)".to_owned(),
                value => value.to_owned(),
            };
            let (name, before) = (setting.text("Name"), value("Before"));
            let _ = writeln!(text, "  {name}: {before} -> {}{when}", value("After"));
        }
    }
    text.push_str("\nNo jobs.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan() -> Properties {
        let jobs = json!([
            {"Step": 1, "StartStep": 0, "Unit": "a\\x2db.service", "Job": "start", "Idle": false,
             "Meets": "replaces", "MeetsJob": "stop", "WaitsFor": [],
             "Why": [{"Relation": "Requires", "Unit": "c.service", "Job": "restart"}]},
            {"Step": 1, "StartStep": 3, "Unit": "c.service", "Job": "restart", "Idle": true,
             "Meets": "", "MeetsJob": "", "WaitsFor": ["a\\x2db.service"], "Why": []},
        ]);
        let requests = json!([{"Unit": "c.service", "Error": "", "Message": "", "LeftOut": [
            {"Unit": "d.service", "Job": "start", "Cause": "not-found",
             "Message": "Unit d.service not found.",
             "Why": [{"Relation": "Wants", "Unit": "c.service", "Job": "restart"}]},
            {"Unit": "e.service", "Job": "stop", "Cause": "nothing-to-do", "Message": "nothing to do",
             "Why": [{"Relation": "ConsistsOf", "Unit": "c.service", "Job": "restart"}]},
        ]}]);
        vec![
            ("Requests".to_owned(), requests),
            ("Jobs".to_owned(), jobs),
            (
                "Canceled".to_owned(),
                json!([{"Id": 7, "Unit": "x.service", "Job": "stop"}]),
            ),
        ]
    }

    fn output() -> Output {
        Output::plain()
    }

    #[test]
    fn the_table_says_when_what_and_why() {
        assert_eq!(
            text(&plan(), &output()),
            "STEP  UNIT            JOB                                 WHY\n\
             1     a\\x2db.service  start (instead of the queued stop)  \
             Requires= of c.service <- asked for\n\
             1, 3  c.service       restart (nothing to do)             asked for\n\
             \nCanceled:\n  job 7, stop x.service\n\
             \nLeft out:\n  start d.service: Unit d.service not found. \
             (Wants= of c.service <- asked for)\n"
        );
    }

    #[test]
    fn the_graph_is_one_that_graphviz_reads() {
        assert_eq!(
            dot(&plan()),
            "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n  \
             \"a\\\\x2db.service\" [label=\"a\\\\x2db.service\\nstart (step 1)\"];\n  \
             \"c.service\" [label=\"c.service\\nrestart (step 1, 3)\", style=dotted];\n  \
             \"c.service\" -> \"a\\\\x2db.service\" [label=\"Requires\"];\n  \
             \"c.service\" -> \"a\\\\x2db.service\" [style=dashed, constraint=false];\n}\n"
        );
    }

    #[test]
    fn json_keys_are_like_all_others() {
        let json = object(plan());
        assert_eq!(json["jobs"][1]["waits_for"][0], "a\\x2db.service");
        assert_eq!(json["requests"][0]["left_out"][0]["cause"], "not-found");
    }
}
