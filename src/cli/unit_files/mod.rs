//! enable and its kin, is-enabled, list-unit-files, get-default, set-default: through the
//! daemon if it answers, else on the files themselves.
//!
//! Without a daemon the unit path is that of DD_PM_UNIT_PATH or the user's own. A daemon that
//! was chosen by `--socket` or DD_PM_SOCKET may have other directories; if it does not answer,
//! nothing is done, unless DD_PM_UNIT_PATH says where the units are.

pub(super) mod edit;

use super::args::{Edits, Format, Jobs, PresetChoice};
use super::client::{Client, row};
use super::error::{FAILURE, Problem};
use super::jobs;
use super::names;
use super::output::{Output, STRONG, complain, say};
use super::pager;
use super::table::{Cell, render};
use super::verify;
use crate::offline::unit_files as files;
use crate::unit::install::{FileState, PresetMode, Request, Verb};
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use serde_json::{Map, Value as Json, json};
use std::io::ErrorKind;
use std::path::Path;

/// Who does the work.
pub(super) enum Desk {
    /// A daemon.
    Daemon(Box<Client>),
    /// Nobody answers: the files.
    Disk(Box<Settings>),
}

impl Desk {
    /// Looks who is there; `chosen`: the user named this daemon.
    ///
    /// # Errors
    /// A daemon was named that does not answer, or may not be talked to.
    pub(super) async fn open(socket: &Path, chosen: bool) -> Result<Desk, Problem> {
        let nobody = match std::os::unix::net::UnixStream::connect(socket) {
            Ok(_) => false,
            Err(error) => matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ),
        };
        let place_known = std::env::var_os("DD_PM_UNIT_PATH").is_some_and(|v| !v.is_empty());
        if nobody && (!chosen || place_known) {
            return Ok(Desk::Disk(Box::new(verify::settings(None)?)));
        }
        Ok(Desk::Daemon(Box::new(Client::connect(socket).await?)))
    }
}

/// A verb as people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling {
    /// Behind "Failed to".
    attempt: &'static str,
    /// The jobs that `--now` adds.
    now: Option<jobs::Verb>,
    /// Whether a unit without \[Install\] is worth a word.
    advise: bool,
}

/// The spelling of a verb.
fn spelling(verb: &Verb) -> Spelling {
    let (attempt, now, advise) = match verb {
        Verb::Enable => ("enable", Some(jobs::Verb::Start), true),
        Verb::Disable => ("disable", Some(jobs::Verb::Other("StopUnit", "stop")), true),
        Verb::Reenable => (
            "reenable",
            Some(jobs::Verb::Other("TryRestartUnit", "try-restart")),
            true,
        ),
        Verb::Mask => ("mask", Some(jobs::Verb::Other("StopUnit", "stop")), false),
        Verb::Unmask => ("unmask", None, false),
        Verb::Link => ("link", None, false),
        Verb::Preset(_) => ("preset", None, false),
        Verb::PresetAll(_) => ("preset-all", None, false),
        Verb::Revert => ("revert", None, false),
        Verb::AddWants(_) | Verb::AddRequires(_) => ("add dependency on", None, false),
        Verb::SetDefault => ("set default", None, false),
    };
    Spelling {
        attempt,
        now,
        advise,
    }
}

/// The mode that `--preset-mode` names.
pub(super) fn preset_mode(choice: PresetChoice) -> PresetMode {
    match choice {
        PresetChoice::Full => PresetMode::Full,
        PresetChoice::EnableOnly => PresetMode::EnableOnly,
        PresetChoice::DisableOnly => PresetMode::DisableOnly,
    }
}

/// Carries a verb out, tells what was done, reloads, and starts or stops with `--now`.
pub(super) async fn run(
    desk: &mut Desk,
    output: &Output,
    verb: Verb,
    options: &Edits,
) -> Result<u8, Problem> {
    let spelling = spelling(&verb);
    let units = typed(&verb, &options.units)?;
    let request = Request {
        verb,
        names: units.clone(),
        runtime: options.runtime,
        force: options.force,
    };
    let plan = match desk {
        Desk::Daemon(client) => {
            if request.verb == Verb::Mask {
                warn_of_missing(client, &units).await?;
            }
            let attempt = format!("Failed to {} unit", spelling.attempt);
            let plan = client.edit_unit_files(&request).await;
            plan.map_err(|problem| problem.during(&attempt))?
        }
        Desk::Disk(_) if options.now => {
            return Err(Problem::local("--now needs a daemon, and none answers"));
        }
        Desk::Disk(settings) => on_disk(&request, settings, spelling.attempt)?,
    };
    if !output.quiet {
        tell(output, &plan);
    }
    if spelling.advise && !plan.carries_install_info && !output.quiet {
        complain(
            "None of these units has an [Install] section that says what should want or require \
             it, or what\nelse it is called: they are there for others to start, and cannot be \
             enabled or disabled.",
        );
    }
    let Desk::Daemon(client) = desk else {
        return Ok(0);
    };
    if !options.no_reload {
        let reloaded = client.reload().await;
        reloaded.map_err(|p| p.during("Failed to reload the units"))?;
    }
    match spelling.now {
        Some(verb) if options.now => start_or_stop(client, output, verb, &units).await,
        Some(_) | None => Ok(0),
    }
}

fn on_disk(
    request: &Request,
    settings: &Settings,
    attempt: &str,
) -> Result<crate::unit::install::Plan, Problem> {
    files::edit(request, settings).map_err(|error| match error {
        files::EditError::Refused(troubles) => {
            let lines: Vec<String> = troubles.iter().map(|t| t.line(attempt)).collect();
            Problem::local(lines.join("\n"))
        }
        files::EditError::Failed(error) => {
            Problem::local(format!("Failed to {attempt} unit: {error}"))
        }
    })
}

/// Names with their types, paths made absolute.
fn typed(verb: &Verb, units: &[String]) -> Result<Vec<String>, Problem> {
    let takes_paths = matches!(verb, Verb::Enable | Verb::Reenable | Verb::Link);
    let name = |text: &String| {
        if names::is_pattern(text) {
            let message = format!("\"{text}\" is a pattern; unit files are named one by one.");
            return Err(Problem::local(message));
        }
        if takes_paths && (text.contains('/') || *verb == Verb::Link) {
            let path = std::path::absolute(text);
            let path = path.map_err(|e| Problem::local(format!("{text}: {e}")))?;
            return Ok(path.to_string_lossy().into_owned());
        }
        Ok(names::complete(text))
    };
    units.iter().map(name).collect()
}

async fn warn_of_missing(client: &mut Client, units: &[String]) -> Result<(), Problem> {
    for unit in units {
        let state = client.unit_file_state(unit).await;
        if state.is_err_and(|problem| problem.name.ends_with("FileNotFound")) {
            complain(&format!("Unit {unit} does not exist, proceeding anyway."));
        }
    }
    Ok(())
}

async fn start_or_stop(
    client: &mut Client,
    output: &Output,
    verb: jobs::Verb,
    units: &[String],
) -> Result<u8, Problem> {
    let base = |unit: &String| unit.rsplit('/').next().unwrap_or(unit).to_owned();
    let jobs = Jobs {
        units: units.iter().map(base).collect(),
        no_block: false,
        wait: false,
        job_mode: "replace".to_owned(),
    };
    // What was done to the files has been told already; two JSON documents would be one too many.
    let mut quiet = output.clone();
    quiet.format = Format::Text;
    jobs::run(client, &quiet, verb, &jobs).await
}

fn tell(output: &Output, plan: &crate::unit::install::Plan) {
    if output.is_text() {
        for change in &plan.changes {
            complain(&change.to_string());
        }
        return;
    }
    let changes: Vec<Json> = plan
        .changes
        .iter()
        .map(|c| json!({"type": c.kind.as_str(), "path": c.path, "source": c.source}))
        .collect();
    output.json(&json!({
        "changes": changes,
        "carries_install_info": plan.carries_install_info,
    }));
}

/// Prints the state of each unit file; success if one of them is enabled in some way.
pub(super) async fn is_enabled(
    desk: &mut Desk,
    output: &Output,
    units: &[String],
    quiet: bool,
    full: bool,
) -> Result<u8, Problem> {
    let mut enabled = false;
    let mut failed = false;
    let mut entries = Map::new();
    for unit in units {
        let unit = names::complete(unit);
        match state(desk, &unit).await {
            Ok(state) => {
                enabled |= FileState::is_enabled(&state);
                if !quiet && output.is_text() {
                    say(&format!("{state}\n"));
                    if full {
                        print_links(desk, &unit).await?;
                    }
                }
                entries.insert(unit, Json::from(state));
            }
            Err(problem) => {
                failed = true;
                complain(&format!(
                    "Failed to get unit file state for {unit}: {}",
                    problem.message
                ));
            }
        }
    }
    if !quiet && !output.is_text() {
        output.json(&entries);
    }
    Ok(if enabled && !failed { 0 } else { FAILURE })
}

async fn state(desk: &mut Desk, unit: &str) -> Result<String, Problem> {
    match desk {
        Desk::Daemon(client) => client.unit_file_state(unit).await,
        Desk::Disk(settings) => {
            let name = UnitName::parse(unit).map_err(|e| Problem::local(e.to_string()))?;
            let state = files::state(&name, settings);
            let state = state.map_err(|e| Problem::local(e.to_string()))?;
            Ok(state.to_string())
        }
    }
}

async fn print_links(desk: &mut Desk, unit: &str) -> Result<(), Problem> {
    let links = match desk {
        Desk::Daemon(client) => client.unit_file_links(unit).await?,
        // What cannot be disabled has none.
        Desk::Disk(settings) => files::links(unit, settings).unwrap_or_default(),
    };
    say(&links.iter().map(|l| format!("  {l}\n")).collect::<String>());
    Ok(())
}

/// Prints the table of unit files.
pub(super) async fn list(
    desk: &mut Desk,
    output: &Output,
    states: &[String],
    types: &[String],
    patterns: &[String],
) -> Result<u8, Problem> {
    let patterns = names::patterns(patterns);
    let mut rows = match desk {
        Desk::Daemon(client) => client.list_unit_files(states, &patterns).await?,
        Desk::Disk(settings) => {
            let files = files::list(settings, states, &patterns).into_iter();
            files.map(row).collect()
        }
    };
    rows.retain(|(path, _, _)| {
        let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        types.is_empty() || types.iter().any(|wanted| wanted == suffix)
    });
    if output.is_text() {
        pager::show(output, &table(&rows, output));
    } else {
        let object = |(path, state, preset): &(String, String, String)| {
            let preset = Some(preset).filter(|word| !word.is_empty());
            json!({"unit_file": last(path), "state": state, "preset": preset})
        };
        output.json(&rows.iter().map(object).collect::<Vec<_>>());
    }
    Ok(0)
}

fn table(files: &[(String, String, String)], output: &Output) -> String {
    let mut rows = Vec::new();
    if output.legend {
        let color = output.color(STRONG);
        let header = ["UNIT FILE", "STATE", "PRESET"].into_iter();
        let cell = |text: &str| Cell {
            text: text.to_owned(),
            color,
        };
        rows.push(header.map(cell).collect());
    }
    rows.extend(files.iter().map(|(path, state, preset)| {
        let preset = if preset.is_empty() { "-" } else { preset };
        vec![
            Cell::plain(last(path)),
            Cell::plain(state.as_str()),
            Cell::plain(preset),
        ]
    }));
    let mut text = render(&rows, output.width);
    if output.legend {
        text.push_str(&format!("\n{} unit files listed.\n", files.len()));
    }
    text
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Prints what default.target stands for.
pub(super) async fn get_default(desk: &mut Desk, output: &Output) -> Result<u8, Problem> {
    let target = match desk {
        Desk::Daemon(client) => client.default_target().await,
        Desk::Disk(settings) => {
            files::default_target(settings).map_err(|e| Problem::local(e.to_string()))
        }
    };
    let target = target.map_err(|p| p.during("Failed to get default target"))?;
    if output.is_text() {
        say(&format!("{target}\n"));
    } else {
        output.json(&json!({"default_target": target}));
    }
    Ok(0)
}
