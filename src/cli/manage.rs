//! Commands about the manager and about settings at run time: environment, log level, state,
//! freezing, cleaning, set-property, help.

use super::Outcome;
use super::client::Client;
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::names;
use super::output::{Output, complain, say};
use crate::cli::client::Signal;
use serde_json::{Value as Json, json};
use std::process::Command;

/// `clean`.
pub(super) async fn clean(
    client: &mut Client,
    output: &Output,
    units: &[String],
    kinds: &[String],
) -> Result<u8, Problem> {
    let mut outcome = Outcome::default();
    for unit in names::expand(client, units).await? {
        let cleaned = client.clean(&unit, kinds).await;
        outcome.note(&unit, &format!("Failed to clean unit {unit}"), cleaned);
    }
    Ok(outcome.print(output))
}

/// `freeze` and `thaw`.
pub(super) async fn freeze(
    client: &mut Client,
    output: &Output,
    units: &[String],
    freeze: bool,
) -> Result<u8, Problem> {
    let word = if freeze { "freeze" } else { "thaw" };
    let mut outcome = Outcome::default();
    for unit in names::expand(client, units).await? {
        let done = client.freeze(&unit, freeze).await;
        outcome.note(&unit, &format!("Failed to {word} unit {unit}"), done);
    }
    Ok(outcome.print(output))
}

/// `set-property`.
pub(super) async fn set_property(
    client: &mut Client,
    output: &Output,
    unit: &str,
    runtime: bool,
    assignments: &[String],
) -> Result<u8, Problem> {
    let unit = names::complete(unit);
    let mut outcome = Outcome::default();
    let set = client.set_settings(&unit, runtime, assignments).await;
    let attempt = format!("Failed to set unit properties on {unit}");
    outcome.note(&unit, &attempt, set);
    Ok(outcome.print(output))
}

/// `is-system-running`: the state, and success if it is `running`.
pub(super) async fn is_running(
    client: &mut Client,
    output: &Output,
    wait: bool,
    quiet: bool,
) -> Result<u8, Problem> {
    let mut state = state(client).await?;
    while wait && matches!(state.as_str(), "initializing" | "starting") {
        // Told of before the first question, so none is missed.
        while client.next_signal().await? != Signal::StartupFinished {}
        state = self::state(client).await?;
    }
    if !quiet {
        if output.is_text() {
            say(&format!("{state}\n"));
        } else {
            output.json(&json!({ "state": state }));
        }
    }
    Ok(if state == "running" { 0 } else { FAILURE })
}

async fn state(client: &mut Client) -> Result<String, Problem> {
    let state = client.manager_property("SystemState").await?;
    Ok(state.as_str().unwrap_or_default().to_owned())
}

/// `show-environment`.
pub(super) async fn show_environment(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let environment = client.manager_property("Environment").await?;
    if output.is_text() {
        let lines = environment.as_array().map_or(&[][..], Vec::as_slice);
        let lines = lines.iter().filter_map(Json::as_str);
        say(&lines.map(|line| format!("{line}\n")).collect::<String>());
    } else {
        output.json(&environment);
    }
    Ok(0)
}

/// `set-environment` and `unset-environment`.
pub(super) async fn change_environment(
    client: &mut Client,
    output: &Output,
    unset: &[String],
    set: &[String],
) -> Result<u8, Problem> {
    let changed = client.change_environment(unset, set).await;
    changed.map_err(|p| p.during("Failed to change the environment"))?;
    Ok(Outcome::default().print(output))
}

/// `import-environment`: variables that are not set here are told of and left alone.
pub(super) async fn import_environment(
    client: &mut Client,
    output: &Output,
    names: &[String],
) -> Result<u8, Problem> {
    let mut set = Vec::new();
    for name in names {
        match std::env::var(name) {
            Ok(value) => set.push(format!("{name}={value}")),
            Err(_) => complain(&format!("{name} is not set here, or not text")),
        }
    }
    change_environment(client, output, &[], &set).await
}

/// `log-level`.
pub(super) async fn log_level(
    client: &mut Client,
    output: &Output,
    level: Option<&str>,
) -> Result<u8, Problem> {
    if let Some(level) = level {
        let set = client.set_log_level(level).await;
        set.map_err(|p| p.during("Failed to set the log level"))?;
        return Ok(Outcome::default().print(output));
    }
    let level = client.log_level().await?;
    if output.is_text() {
        say(&format!("{level}\n"));
    } else {
        output.json(&json!({ "level": level }));
    }
    Ok(0)
}

/// `help`: opens the pages that units name, man pages with man(1), the others are printed.
pub(super) async fn help(client: &mut Client, units: &[String]) -> Result<u8, Problem> {
    let mut status = 0;
    for unit in names::expand(client, units).await? {
        let properties = client.unit(&unit).await?;
        if properties.text("LoadState") == "not-found" {
            complain(&format!("Unit {unit} could not be found."));
            status = FAILURE;
            continue;
        }
        let pages = properties.texts("Documentation");
        if pages.is_empty() {
            complain(&format!("Documentation for {unit} not known."));
        }
        for page in pages {
            match page.strip_prefix("man:") {
                Some(page) => status = status.max(open_page(page)),
                None => say(&format!("{page}\n")),
            }
        }
    }
    Ok(status)
}

/// `sleep(1)` is page sleep of section 1.
fn open_page(page: &str) -> u8 {
    let mut man = Command::new("man");
    match page.trim_end_matches(')').rsplit_once('(') {
        Some((name, section)) => man.args([section, name]),
        None => man.arg(page),
    };
    match man.status() {
        Ok(status) if status.success() => 0,
        Ok(_) => FAILURE,
        Err(error) => {
            complain(&format!("cannot run man: {error}"));
            FAILURE
        }
    }
}
