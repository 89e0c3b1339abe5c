//! `list-units`: loaded units as systemctl lists them.

use super::args::more::ListUnits;
use super::client::{Client, UnitRow};
use super::error::Problem;
use super::names;
use super::output::{FAINT, Output, STRONG};
use super::pager::show;
use super::table::{Cell, render};
use serde_json::{Value as Json, json};

/// Prints the units that match; without `--all` those that are active, failed or have a job.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    wanted: &ListUnits,
) -> Result<u8, Problem> {
    let mut states = wanted.states.clone();
    if wanted.failed {
        states.push("failed".to_owned());
    }
    let patterns = names::patterns(&wanted.patterns);
    let mut units = client.list_units(&states, &patterns).await?;
    let all = wanted.all || !states.is_empty();
    units.retain(|unit| (all || is_shown(unit)) && has_type(unit, &wanted.types));
    units.sort_by(|a, b| (suffix(&a.name), &a.name).cmp(&(suffix(&b.name), &b.name)));
    if output.is_text() {
        let mut text = table(&units, output, wanted.plain);
        if output.legend {
            text.push_str(&legend(units.len(), wanted.all));
        }
        show(output, &text);
    } else {
        output.json(&units.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn is_shown(unit: &UnitRow) -> bool {
    unit.active != "inactive" || !unit.job.is_empty()
}

fn suffix(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, suffix)| suffix)
}

/// `--type` takes load states, too, as systemctl's does.
fn has_type(unit: &UnitRow, types: &[String]) -> bool {
    let words = [suffix(&unit.name), unit.load.as_str()];
    types.is_empty() || types.iter().any(|t| words.contains(&t.as_str()))
}

fn object(unit: &UnitRow) -> Json {
    json!({
        "unit": unit.name,
        "load": unit.load,
        "active": unit.active,
        "sub": unit.sub,
        "description": unit.description,
        "job": unit.job,
    })
}

fn table(units: &[UnitRow], output: &Output, plain: bool) -> String {
    let has_jobs = units.iter().any(|unit| !unit.job.is_empty());
    let mut rows = Vec::new();
    if output.legend {
        let mut header = vec![
            if plain { "UNIT" } else { "  UNIT" },
            "LOAD",
            "ACTIVE",
            "SUB",
        ];
        if has_jobs {
            header.push("JOB");
        }
        header.push("DESCRIPTION");
        let color = output.color(STRONG);
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        rows.push(header.into_iter().map(cell).collect());
    }
    for unit in units {
        let mark = match (unit.active.as_str(), unit.load.as_str()) {
            _ if plain => "",
            ("failed", _) | (_, "not-found" | "error" | "bad-setting") => "● ",
            (_, "masked") => "○ ",
            _ => "  ",
        };
        let color = match unit.load.as_str() {
            "loaded" => output.state_color(&unit.active),
            _ => output.color(FAINT),
        };
        let colored = |text: String| Cell { text, color };
        let mut row = vec![
            colored(format!("{mark}{}", unit.name)),
            Cell::plain(unit.load.as_str()),
            colored(unit.active.clone()),
            colored(unit.sub.clone()),
        ];
        if has_jobs {
            row.push(Cell::plain(unit.job.as_str()));
        }
        row.push(Cell::plain(unit.description.as_str()));
        rows.push(row);
    }
    render(&rows, output.width)
}

fn legend(count: usize, all: bool) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let more = if all {
        ""
    } else {
        " With --all those that are not active are listed, too."
    };
    format!("\n{count} unit{plural} listed.{more}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str, load: &str, active: &str) -> UnitRow {
        UnitRow {
            name: name.to_owned(),
            description: "What".to_owned(),
            load: load.to_owned(),
            active: active.to_owned(),
            sub: "x".to_owned(),
            job: String::new(),
        }
    }

    #[test]
    fn what_is_listed_without_all() {
        assert!(is_shown(&unit("a.service", "loaded", "failed")));
        assert!(!is_shown(&unit("a.service", "loaded", "inactive")));
        let mut queued = unit("a.service", "loaded", "inactive");
        queued.job = "start".to_owned();
        assert!(is_shown(&queued));
        let types = ["socket".to_owned(), "not-found".to_owned()];
        assert!(has_type(&unit("a.socket", "loaded", "active"), &types));
        assert!(has_type(
            &unit("a.service", "not-found", "inactive"),
            &types
        ));
        assert!(!has_type(&unit("a.service", "loaded", "inactive"), &types));
    }

    #[test]
    fn marks_and_columns() {
        let output = Output::plain();
        let units = [
            unit("a.service", "loaded", "failed"),
            unit("b.target", "loaded", "active"),
        ];
        assert_eq!(
            table(&units, &output, false),
            "  UNIT       LOAD    ACTIVE  SUB  DESCRIPTION\n\
             ● a.service  loaded  failed  x    What\n\
             \u{20} b.target   loaded  active  x    What\n"
        );
        let text = table(&units, &output, true);
        assert!(
            text.starts_with("UNIT ") && text.contains("\na.service"),
            "{text}"
        );
    }
}
