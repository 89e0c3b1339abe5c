//! `run`: a command as a service, or within a scope, that is made for it, as systemd-run does.

mod scope;
mod terminal;

use super::args::more::Run;
use super::client::{Client, Properties};
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::jobs;
use super::names;
use super::output::{Output, complain};
use super::status::ended;
use super::time;
use crate::unit::transient::command_line;
use serde_json::json;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use terminal::{Connected, Terminal};

/// How often it is looked how things are, if nothing is told.
const POLL: Duration = Duration::from_millis(100);

/// Runs it; with `--wait`, `--pipe` or `--pty` the exit status is the command's.
pub(super) async fn run(client: &mut Client, output: &Output, wanted: &Run) -> Result<u8, Problem> {
    if wanted.scope {
        return scope::run(client, output, wanted).await;
    }
    let unit = match &wanted.unit {
        Some(unit) => names::complete(unit),
        None => format!("run-{}.service", std::process::id()),
    };
    let service = (unit.clone(), assignments(wanted));
    let times = times(wanted);
    let (what, starter) = if !times.is_empty() {
        ("timer", Some(timer_settings(wanted, times)))
    } else if !wanted.path_properties.is_empty() {
        ("path", Some(path_settings(wanted)))
    } else {
        ("service", None)
    };
    let first = match &starter {
        Some(_) => names::with_type(&unit, what),
        None => unit.clone(),
    };
    let starter = starter.map(|settings| (first.clone(), settings));
    let units: Vec<_> = starter.into_iter().chain([service]).collect();
    let terminal = wanted.pty.then(Terminal::open).transpose()?;
    let (input, standard, error) = (io::stdin(), io::stdout(), io::stderr());
    let streams = match &terminal {
        Some(terminal) => vec![terminal.inside(); 3],
        None if wanted.pipe => vec![input.as_fd(), standard.as_fd(), error.as_fd()],
        None => Vec::new(),
    };
    let started = client.start_transient(&units, &streams).await;
    let job = started.map_err(|p| p.during(&format!("Failed to start transient {what} unit")))?;
    if !output.quiet && output.is_text() {
        let kind = if first == unit {
            String::new()
        } else {
            format!("{what} ")
        };
        complain(&format!("Running {kind}as unit: {first}"));
        if first != unit {
            complain(&format!("Will run service as unit: {unit}"));
        }
    }
    // From here on the terminal is the service's.
    let terminal = terminal.map(Terminal::connect).transpose()?;
    let mut status = 0;
    if !wanted.no_block {
        status = jobs::wait_for(client, &first, &job).await?;
    }
    let follows = wanted.wait || wanted.pipe || wanted.pty;
    if follows {
        let ended = wait_for_end(client, &unit, terminal.as_ref()).await?;
        // What was written last is still on its way.
        if let Some(terminal) = terminal {
            terminal.finish();
        }
        let Some(properties) = ended else {
            complain(&format!("Disconnected; {unit} goes on."));
            return Ok(0);
        };
        if !output.quiet && output.is_text() {
            complain(&summary(&properties));
        }
        status = exit_status(&properties);
    }
    if !output.is_text() {
        output.json(&json!({ "unit": unit, "status": status, "ended": follows }));
    }
    Ok(status)
}

/// When the command is to be run, as settings of a timer; none if at once.
fn times(wanted: &Run) -> Vec<String> {
    let lists = [
        ("OnActiveSec", &wanted.on_active),
        ("OnBootSec", &wanted.on_boot),
        ("OnStartupSec", &wanted.on_startup),
        ("OnUnitActiveSec", &wanted.on_unit_active),
        ("OnUnitInactiveSec", &wanted.on_unit_inactive),
        ("OnCalendar", &wanted.on_calendar),
    ];
    let mut times: Vec<String> = lists
        .into_iter()
        .flat_map(|(name, list)| list.iter().map(move |value| format!("{name}={value}")))
        .collect();
    for (name, is_set) in [
        ("OnTimezoneChange", wanted.on_timezone_change),
        ("OnClockChange", wanted.on_clock_change),
    ] {
        times.extend(is_set.then(|| format!("{name}=yes")));
    }
    times
}

/// The settings of the timer, which goes once it has elapsed for the last time.
fn timer_settings(wanted: &Run, times: Vec<String>) -> Vec<String> {
    let mut list = vec![description(wanted), "RemainAfterElapse=no".to_owned()];
    list.extend(times);
    list.extend(wanted.timer_properties.iter().cloned());
    list
}

/// The settings of the path unit.
fn path_settings(wanted: &Run) -> Vec<String> {
    let mut list = vec![description(wanted)];
    list.extend(wanted.path_properties.iter().cloned());
    list
}

/// The settings of the service, as they stand in a unit file.
fn assignments(wanted: &Run) -> Vec<String> {
    let mut list = vec![description(wanted)];
    for (name, value) in [
        ("Type", &wanted.service_type),
        ("User", &wanted.uid),
        ("Group", &wanted.gid),
        ("WorkingDirectory", &wanted.working_directory),
    ] {
        list.extend(value.iter().map(|value| format!("{name}={value}")));
    }
    if let (true, Ok(kind)) = (wanted.pty, std::env::var("TERM")) {
        let word = command_line(&[format!("TERM={kind}")]);
        list.push(format!("Environment={}", word.trim_start_matches(':')));
    }
    if wanted.remain_after_exit {
        list.push("RemainAfterExit=yes".to_owned());
    }
    for variable in &wanted.environment {
        let assignment = match variable.contains('=') {
            true => variable.clone(),
            false => format!("{variable}={}", std::env::var(variable).unwrap_or_default()),
        };
        // One word, nothing in it expanded.
        let word = command_line(&[assignment]);
        list.push(format!("Environment={}", word.trim_start_matches(':')));
    }
    list.extend(wanted.properties.iter().cloned());
    list.push(format!("ExecStart={}", command_line(&wanted.command)));
    list
}

/// Description=, the command itself unless something else is said.
fn description(wanted: &Run) -> String {
    let text = wanted.description.clone();
    let text = text.unwrap_or_else(|| wanted.command.join(" "));
    let text = text.replace('%', "%%").replace(['\n', '\t'], " ");
    format!("Description={text}")
}

/// Waits until the unit is down again; nothing if the user has had enough of its terminal.
async fn wait_for_end(
    client: &mut Client,
    unit: &str,
    terminal: Option<&Connected>,
) -> Result<Option<Properties>, Problem> {
    loop {
        let properties = client.unit(unit).await?;
        let is_down = matches!(properties.text("ActiveState"), "inactive" | "failed");
        let has_job = properties
            .items("Job")
            .first()
            .and_then(|id| id.as_u64())
            .is_some_and(|id| id != 0);
        if is_down && !has_job {
            return Ok(Some(properties));
        }
        if let Some(terminal) = terminal {
            terminal.follow_size();
            if terminal.is_left() {
                return Ok(None);
            }
        }
        let signal = tokio::time::timeout(POLL, client.next_signal()).await;
        if let Ok(Err(problem)) = signal {
            return Err(problem);
        }
    }
}

/// The command's own status, or failure if it did not end by itself or the service failed.
fn exit_status(properties: &Properties) -> u8 {
    let code = properties.signed("ExecMainCode");
    let status = properties.signed("ExecMainStatus");
    match (code, u8::try_from(status)) {
        (1, Ok(status)) if status > 0 => status,
        _ if properties.text("Result") == "success" => 0,
        _ => FAILURE,
    }
}

fn summary(properties: &Properties) -> String {
    let mut text = format!("Finished with result: {}", properties.text("Result"));
    let code = properties.signed("ExecMainCode");
    if code > 0 {
        let how = ended(code, properties.signed("ExecMainStatus"));
        text.push_str(&format!("\nMain process terminated with: {how}"));
    }
    let at = |name: &str| properties.number(name);
    let (start, end) = (
        at("ExecMainStartTimestampMonotonic"),
        at("ExecMainExitTimestampMonotonic"),
    );
    if start > 0 && end >= start {
        text.push_str(&format!("\nService runtime: {}", time::rough(end - start)));
    }
    match at("CPUUsageNSec") {
        u64::MAX | 0 => {}
        nanoseconds => {
            let cpu = time::rough(nanoseconds / 1000);
            text.push_str(&format!("\nCPU time consumed: {cpu}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::more::More;
    use crate::cli::args::{Arguments, Command};
    use clap::Parser;

    fn wanted(line: &[&str]) -> Run {
        let line = ["dd-procmgr", "run"].iter().chain(line);
        match Arguments::try_parse_from(line).unwrap().command {
            Command::More(More::Run(run)) => *run,
            _ => panic!("not run"),
        }
    }

    #[test]
    fn options_become_settings() {
        let run = wanted(&[
            "-p",
            "Nice=5",
            "-E",
            "A=x y",
            "--uid",
            "nobody",
            "-r",
            "--",
            "/bin/echo",
            "--wait",
            "a b",
        ]);
        assert!(!run.wait);
        assert_eq!(
            assignments(&run),
            [
                "Description=/bin/echo --wait a b",
                "User=nobody",
                "RemainAfterExit=yes",
                "Environment=\"A=x y\"",
                "Nice=5",
                "ExecStart=:/bin/echo --wait \"a b\"",
            ]
        );
    }

    #[test]
    fn the_commands_status_is_ours() {
        let of = |code: i64, status: i64, result: &str| {
            exit_status(&vec![
                ("ExecMainCode".to_owned(), json!(code)),
                ("ExecMainStatus".to_owned(), json!(status)),
                ("Result".to_owned(), json!(result)),
            ])
        };
        assert_eq!(of(1, 7, "exit-code"), 7);
        assert_eq!(of(1, 0, "success"), 0);
        assert_eq!(of(2, 9, "signal"), 1);
        assert_eq!(of(2, 15, "success"), 0);
    }
}
