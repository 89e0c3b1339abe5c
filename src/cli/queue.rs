//! list-jobs and cancel: what is queued, and taking it back.

use super::client::{Client, QueuedJob};
use super::error::{FAILURE, Problem};
use super::names;
use super::output::{Output, STRONG, complain, say};
use super::table::{Cell, render};
use glob::Pattern;
use serde_json::{Value as Json, json};

/// A queued job.
struct Row {
    job: QueuedJob,
    /// Units whose jobs have to end first.
    waits_for: Vec<String>,
}

/// Prints the jobs of the units that match, of all without patterns.
pub(super) async fn list(
    client: &mut Client,
    output: &Output,
    patterns: &[String],
) -> Result<u8, Problem> {
    let patterns = names::patterns(patterns)
        .iter()
        .map(|text| Pattern::new(text).map_err(|e| Problem::local(format!("pattern {text}: {e}"))))
        .collect::<Result<Vec<_>, _>>()?;
    let matches = |unit: &str| patterns.is_empty() || patterns.iter().any(|p| p.matches(unit));
    let mut rows = Vec::new();
    for job in client.jobs().await? {
        let (id, unit, _, state) = &job;
        if matches(unit) {
            let waits_for = match state.as_str() {
                "waiting" => client.waits_for(*id).await?,
                _ => Vec::new(),
            };
            rows.push(Row { job, waits_for });
        }
    }
    if output.is_text() {
        say(&text(&rows, output));
    } else {
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn object(Row { job, waits_for }: &Row) -> Json {
    let (id, unit, kind, state) = job;
    json!({ "job": id, "unit": unit, "type": kind, "state": state, "waits_for": waits_for })
}

fn text(rows: &[Row], output: &Output) -> String {
    if rows.is_empty() {
        return match output.legend {
            true => "No jobs are queued.\n".to_owned(),
            false => String::new(),
        };
    }
    let mut cells = Vec::new();
    if output.legend {
        let color = output.color(STRONG);
        let header = ["JOB", "UNIT", "TYPE", "STATE", "WAITS FOR"].map(|text| Cell {
            text: text.to_owned(),
            color,
        });
        cells.push(header.into());
    }
    cells.extend(rows.iter().map(|Row { job, waits_for }| {
        let (id, unit, kind, state) = job;
        let waits_for = match waits_for.is_empty() {
            true => "-".to_owned(),
            false => waits_for.join(" "),
        };
        vec![
            Cell::plain(id.to_string()),
            Cell::plain(unit.clone()),
            Cell::plain(kind.clone()),
            Cell::plain(state.clone()),
            Cell::plain(waits_for),
        ]
    }));
    render(&cells, output.width)
}

/// Cancels the jobs of these numbers, or all without any.
pub(super) async fn cancel(
    client: &mut Client,
    output: &Output,
    jobs: &[u32],
) -> Result<u8, Problem> {
    if jobs.is_empty() {
        let cleared = client.cancel(None).await;
        cleared.map_err(|p| p.during("Failed to cancel jobs"))?;
    }
    let mut status = 0;
    let mut entries = Vec::new();
    for job in jobs {
        let canceled = client.cancel(Some(*job)).await;
        let attempt = format!("Failed to cancel job {job}");
        let message = canceled.err().map(|p| p.during(&attempt).message);
        if let Some(message) = &message {
            complain(message);
            status = FAILURE;
        }
        let word = if message.is_none() { "done" } else { "failed" };
        entries.push(json!({ "job": job, "result": word, "message": message }));
    }
    if !output.is_text() {
        output.json(&entries);
    }
    Ok(status)
}
