//! dd-procmgr: the command line.
//!
//! Talks to the daemon over its control socket and nothing else; `client` alone knows the
//! protocol. Exit statuses are systemctl's: 0 success, 1 failure, 3 not active, 4 no such unit
//! or no permission, 5 a unit to act on is not there.

mod analyze;
mod args;
mod cat;
mod client;
mod completion;
mod daemons;
mod dependencies;
mod error;
mod fields;
mod health;
mod import;
mod jobs;
mod list;
mod list_units;
mod logs;
mod manage;
mod names;
mod output;
mod pager;
mod paths;
mod plan;
mod process;
mod progress;
mod property;
mod queue;
mod quick;
mod run;
mod show;
mod since;
mod socket_activate;
mod sockets;
mod state;
mod status;
mod table;
mod time;
mod timers;
mod top;
mod unit_files;
mod verify;

use crate::offline;
use crate::unit::value::Signal;
use args::more::{Analyze, More};
use args::{Arguments, Command, Destination, Format, Whom};
use clap::Parser;
use client::Client;
use error::{FAILURE, Problem};
use fields::Fields;
use jobs::Verb;
use output::{Output, complain, say};
use serde_json::{Value as Json, json};
use std::process::ExitCode;
use unit_files::Desk;

/// Runs the command line; returns its exit status (systemctl's: 0, 1, 3, 4, 5).
pub fn main() -> ExitCode {
    if let Some(status) = quick::answer(std::env::args_os().skip(1)) {
        return ExitCode::from(status);
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&arguments)),
        Err(error) => Err(Problem::local(format!("cannot begin: {error}"))),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(problem) => {
            complain(&problem.to_string());
            ExitCode::from(FAILURE)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<u8, Problem> {
    let common = &arguments.common;
    let command = &arguments.command;
    let output = Output::new(common);
    if let Command::More(More::Import(arguments)) = command {
        return import::run(&output, &common.output, arguments);
    }
    if let Destination::Directory(path) = &common.output {
        let message = format!("-o {}: there is no such format", path.display());
        return Err(Problem::local(message));
    }
    if let Some(done) = without_daemon(&output, command) {
        return done;
    }
    if let Command::SocketActivate(activation) = command {
        return socket_activate::run(activation).await;
    }
    if let (Command::List { .. }, Some(all)) = (command, daemons::all(common)?) {
        return list_of_all(&all, &output, command).await;
    }
    let socket = daemons::choose(common, units_of(command)).await?;
    if matches!(command, Command::Version) {
        return version(&socket, &output).await;
    }
    if let Some(verb) = unit_file_command(command) {
        let chosen = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
        let chosen = common.socket.is_some() || chosen("DD_PM_SOCKET");
        let mut desk = Desk::open(&socket, chosen).await?;
        return on_unit_files(&mut desk, &output, verb).await;
    }
    if let Command::Logs { .. } = command {
        return logs::run(common, &output, command, &socket).await;
    }
    if let Command::More(More::Top) = command {
        return top::run(&socket).await;
    }
    let mut client = Client::connect(&socket).await?;
    match command {
        Command::More(more) => execute_more(&mut client, &output, more).await,
        command => execute(&mut client, &output, command).await,
    }
}

/// `list` over several daemons.
async fn list_of_all(
    all: &[daemons::Daemon],
    output: &Output,
    command: &Command,
) -> Result<u8, Problem> {
    let Command::List {
        patterns,
        all: every,
        show_k8s,
    } = command
    else {
        return Ok(FAILURE);
    };
    list::run_all(all, output, patterns, *every, *show_k8s).await
}

/// The units that a command names, to find the daemon that has them.
fn units_of(command: &Command) -> &[String] {
    match command {
        Command::Status { units, .. }
        | Command::Show(args::Show { units, .. })
        | Command::ResetFailed { units }
        | Command::Logs { units, .. } => units,
        Command::Start(jobs)
        | Command::Stop(jobs)
        | Command::Restart(args::Restart { jobs, .. })
        | Command::Reload(jobs)
        | Command::TryRestart(jobs)
        | Command::ReloadOrRestart(jobs)
        | Command::TryReloadOrRestart(jobs) => &jobs.units,
        Command::Cat(units)
        | Command::Kill { units, .. }
        | Command::IsActive { units, .. }
        | Command::IsFailed { units, .. }
        | Command::More(
            More::Help(units) | More::Freeze(units) | More::Thaw(units) | More::Clean { units, .. },
        ) => &units.units,
        Command::More(More::Health(wanted)) => &wanted.units,
        _ => &[],
    }
}

async fn execute_more(client: &mut Client, output: &Output, more: &More) -> Result<u8, Problem> {
    match more {
        More::ListUnits(wanted) => list_units::run(client, output, wanted).await,
        More::ListDependencies(wanted) => dependencies::run(client, output, wanted).await,
        More::Health(wanted) => health::run(client, output, wanted).await,
        More::Help(units) => manage::help(client, &units.units).await,
        More::Clean { units, what } => manage::clean(client, output, &units.units, what).await,
        More::Freeze(units) => manage::freeze(client, output, &units.units, true).await,
        More::Thaw(units) => manage::freeze(client, output, &units.units, false).await,
        More::IsSystemRunning { wait } => {
            manage::is_running(client, output, *wait, output.quiet).await
        }
        More::SetProperty {
            unit,
            assignments,
            runtime,
        } => manage::set_property(client, output, unit, *runtime, assignments).await,
        More::Run(wanted) => run::run(client, output, wanted).await,
        More::ShowEnvironment => manage::show_environment(client, output).await,
        More::SetEnvironment { assignments } => {
            manage::change_environment(client, output, &[], assignments).await
        }
        More::UnsetEnvironment { names } => {
            manage::change_environment(client, output, names, &[]).await
        }
        More::ImportEnvironment { names } => {
            manage::import_environment(client, output, names).await
        }
        More::LogLevel { level } => manage::log_level(client, output, level.as_deref()).await,
        More::Analyze(wanted) => analyze::run(client, output, wanted).await,
        // Answered before there is a connection.
        More::Top | More::Import(_) | More::Completions { .. } => Ok(FAILURE),
    }
}

/// A command about unit files; nothing if it is about something else.
fn unit_file_command(command: &Command) -> Option<&Command> {
    let is = matches!(
        command,
        Command::Enable(_)
            | Command::Disable(_)
            | Command::Reenable(_)
            | Command::Mask(_)
            | Command::Unmask(_)
            | Command::Link(_)
            | Command::Preset { .. }
            | Command::PresetAll { .. }
            | Command::Revert(_)
            | Command::AddWants { .. }
            | Command::AddRequires { .. }
            | Command::GetDefault
            | Command::SetDefault { .. }
            | Command::IsEnabled { .. }
            | Command::ListUnitFiles { .. }
            | Command::Edit(_)
            | Command::Cat(_)
    );
    is.then_some(command)
}

async fn on_unit_files(desk: &mut Desk, output: &Output, command: &Command) -> Result<u8, Problem> {
    use crate::unit::install::Verb;
    use unit_files::{preset_mode, run};
    match command {
        Command::Enable(edits) => run(desk, output, Verb::Enable, edits).await,
        Command::Disable(edits) => run(desk, output, Verb::Disable, edits).await,
        Command::Reenable(edits) => run(desk, output, Verb::Reenable, edits).await,
        Command::Mask(edits) => run(desk, output, Verb::Mask, edits).await,
        Command::Unmask(edits) => run(desk, output, Verb::Unmask, edits).await,
        Command::Link(edits) => run(desk, output, Verb::Link, edits).await,
        Command::Revert(edits) => run(desk, output, Verb::Revert, edits).await,
        Command::Preset {
            edits,
            preset_mode: m,
        } => run(desk, output, Verb::Preset(preset_mode(*m)), edits).await,
        Command::PresetAll {
            edits,
            preset_mode: m,
        } => {
            let edits = edits.of(Vec::new());
            run(desk, output, Verb::PresetAll(preset_mode(*m)), &edits).await
        }
        Command::AddWants { target, edits } => {
            let verb = Verb::AddWants(names::complete_as(target, "target"));
            run(desk, output, verb, edits).await
        }
        Command::AddRequires { target, edits } => {
            let verb = Verb::AddRequires(names::complete_as(target, "target"));
            run(desk, output, verb, edits).await
        }
        Command::SetDefault { target, edits } => {
            let edits = edits.of(vec![names::complete_as(target, "target")]);
            run(desk, output, Verb::SetDefault, &edits).await
        }
        Command::GetDefault => unit_files::get_default(desk, output).await,
        Command::IsEnabled { units, full } => {
            unit_files::is_enabled(desk, output, &units.units, output.quiet, *full).await
        }
        Command::ListUnitFiles {
            patterns,
            states,
            types,
        } => unit_files::list(desk, output, states, types, patterns).await,
        Command::Edit(arguments) => unit_files::edit::run(desk, output, arguments).await,
        Command::Cat(units) => match desk {
            Desk::Daemon(client) => cat::run(client, output, &units.units).await,
            Desk::Disk(settings) => cat::offline(output, &units.units, settings),
        },
        // The others never come here.
        _ => Ok(FAILURE),
    }
}

/// What is answered from the files alone; nothing if the daemon has to be asked.
fn without_daemon(output: &Output, command: &Command) -> Option<Result<u8, Problem>> {
    if output.format == Format::Dot && !matches!(command, Command::Plan { .. }) {
        return Some(Err(Problem::local("the format dot is for plan only")));
    }
    match command {
        Command::More(More::Completions { shell }) => Some(Ok(completion::run(*shell))),
        Command::More(More::Analyze(Analyze::Calendar {
            expressions,
            iterations,
            base_time,
        })) => {
            let zones = offline::zones(&|name| std::env::var(name).ok());
            let base = base_time.as_deref();
            Some(analyze::calendar(
                output,
                &zones,
                expressions,
                *iterations,
                base,
            ))
        }
        Command::More(More::Analyze(Analyze::Timespan { spans })) => {
            Some(analyze::timespan(output, spans))
        }
        Command::Verify {
            names,
            strict,
            unit_path,
        } => Some(verify::run(output, names, unit_path.as_deref(), *strict)),
        _ if matches!(output.format, Format::Short | Format::Sarif) => {
            let message = "the formats short and sarif are for verify only";
            Some(Err(Problem::local(message)))
        }
        Command::Show(wanted) if wanted.offline => Some(show::offline(output, wanted)),
        _ => None,
    }
}

async fn execute(client: &mut Client, output: &Output, command: &Command) -> Result<u8, Problem> {
    match command {
        Command::List { patterns, all, .. } => list::run(client, output, patterns, *all).await,
        Command::ListSockets { patterns, all } => {
            sockets::run(client, output, patterns, *all).await
        }
        Command::ListPaths { patterns, all } => paths::run(client, output, patterns, *all).await,
        Command::ListTimers { patterns, all } => timers::run(client, output, patterns, *all).await,
        Command::Status { units, lines, full } => {
            let style = status::Style {
                output,
                lines: *lines,
                full: *full,
            };
            status::run(client, &style, units).await
        }
        Command::Show(wanted) => show::run(client, output, wanted).await,
        Command::Kill {
            units,
            signal,
            kill_whom,
        } => kill(client, output, &units.units, signal, *kill_whom).await,
        Command::Isolate { unit, no_block } => {
            let jobs = args::Jobs {
                units: vec![names::complete_as(unit, "target")],
                no_block: *no_block,
                wait: false,
                job_mode: "isolate".to_owned(),
            };
            jobs::run(client, output, Verb::Start, &jobs).await
        }
        Command::ListJobs { patterns } => queue::list(client, output, patterns).await,
        Command::Cancel { jobs } => queue::cancel(client, output, jobs).await,
        Command::ResetFailed { units } => reset_failed(client, output, units).await,
        Command::IsActive { units } => {
            let question = state::Question::Active;
            state::run(client, output, question, &units.units, output.quiet).await
        }
        Command::IsFailed { units } => {
            let question = state::Question::Failed;
            state::run(client, output, question, &units.units, output.quiet).await
        }
        Command::DaemonReload => daemon_reload(client, output).await,
        Command::DaemonReexec => daemon_reexec(client, output).await,
        Command::Plan {
            verb,
            units,
            job_mode,
        } => plan::run(client, output, *verb, units, job_mode).await,
        Command::Start(jobs)
        | Command::Stop(jobs)
        | Command::Restart(args::Restart { jobs, .. })
        | Command::Reload(jobs)
        | Command::TryRestart(jobs)
        | Command::ReloadOrRestart(jobs)
        | Command::TryReloadOrRestart(jobs) => jobs::run(client, output, verb(command), jobs).await,
        // Answered before there is a connection, or by `on_unit_files`.
        _ => Ok(0),
    }
}

/// What a job command asks for.
fn verb(command: &Command) -> Verb {
    match command {
        Command::Stop(_) => Verb::Other("StopUnit", "stop"),
        Command::Restart(restart) if restart.overlap => Verb::Overlap,
        Command::Restart(_) => Verb::Other("RestartUnit", "restart"),
        Command::Reload(_) => Verb::Other("ReloadUnit", "reload"),
        Command::TryRestart(_) => Verb::Other("TryRestartUnit", "try-restart"),
        Command::ReloadOrRestart(_) => Verb::Other("ReloadOrRestartUnit", "reload-or-restart"),
        Command::TryReloadOrRestart(_) => {
            Verb::Other("ReloadOrTryRestartUnit", "try-reload-or-restart")
        }
        _ => Verb::Start,
    }
}

async fn kill(
    client: &mut Client,
    output: &Output,
    units: &[String],
    signal: &str,
    whom: Whom,
) -> Result<u8, Problem> {
    let signal = Signal::parse(signal).map_err(|e| Problem::local(e.to_string()))?;
    let mut outcome = Outcome::default();
    for unit in names::expand(client, units).await? {
        let killed = client.kill(&unit, whom.as_str(), signal.0).await;
        outcome.note(&unit, &format!("Failed to kill unit {unit}"), killed);
    }
    Ok(outcome.print(output))
}

async fn reset_failed(
    client: &mut Client,
    output: &Output,
    units: &[String],
) -> Result<u8, Problem> {
    let mut outcome = Outcome::default();
    if units.is_empty() {
        let reset = client.reset_failed(None).await;
        reset.map_err(|p| p.during("Failed to reset failed state"))?;
    }
    for unit in names::expand(client, units).await? {
        let reset = client.reset_failed(Some(&unit)).await;
        let attempt = format!("Failed to reset failed state of unit {unit}");
        outcome.note(&unit, &attempt, reset);
    }
    Ok(outcome.print(output))
}

async fn daemon_reload(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let reloaded = client.reload().await;
    reloaded.map_err(|p| p.during("Failed to reload the units"))?;
    Ok(Outcome::default().print(output))
}

async fn daemon_reexec(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let executed = client.reexecute().await;
    executed.map_err(|p| p.during("Failed to execute the daemon anew"))?;
    Ok(Outcome::default().print(output))
}

/// What became of commands that answer with nothing but success.
#[derive(Default)]
struct Outcome {
    status: u8,
    entries: Vec<Json>,
}

impl Outcome {
    fn note(&mut self, unit: &str, attempt: &str, result: Result<(), Problem>) {
        let message = result.err().map(|problem| problem.during(attempt).message);
        if let Some(message) = &message {
            complain(message);
            self.status = FAILURE;
        }
        let word = if message.is_none() { "done" } else { "failed" };
        self.entries
            .push(json!({"unit": unit, "result": word, "message": message}));
    }

    fn print(self, output: &Output) -> u8 {
        if !output.is_text() {
            output.json(&self.entries);
        }
        self.status
    }
}

/// This program's version, and the daemon's if it answers.
async fn version(socket: &std::path::Path, output: &Output) -> Result<u8, Problem> {
    let own = env!("CARGO_PKG_VERSION");
    let daemon = match Client::connect(socket).await {
        Ok(mut client) => Some(client.status().await?.text("Version").to_owned()),
        Err(_) => None,
    };
    if output.is_text() {
        let daemon = daemon.as_deref().unwrap_or("not reached");
        say(&format!("dd-procmgr {own}\ndd-procmgrd {daemon}\n"));
    } else {
        output.json(&json!({"dd-procmgr": own, "dd-procmgrd": daemon}));
    }
    Ok(0)
}
