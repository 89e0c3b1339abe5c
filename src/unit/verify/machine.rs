//! What a service needs of the machine and does not find there: programs, users and groups,
//! files, directories (systemd.exec(5)).

use super::places::Places;
use super::{Machine, Program};
use crate::unit::config::{
    Command, CommandKind, DirectoryKind, ExecConfig, LoadState, UnitConfig, WorkingDirectoryPlace,
};
use crate::unit::diagnostic::{Diagnostic, Rule};
use crate::unit::load::Settings;

/// What is missing for one unit.
pub(super) fn check(
    unit: &UnitConfig,
    settings: &Settings,
    machine: &dyn Machine,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let asks_for = |name: &str| {
        let root = service_root(unit).filter(|_| name == "RootDirectory");
        root.is_some() || unit.not_applied.iter().any(|r| r.directive == name)
    };
    let Some(service) = unit.service().filter(|_| unit.load == LoadState::Loaded) else {
        return Vec::new();
    };
    // What is in another root cannot be seen from here.
    if asks_for("RootDirectory") || asks_for("RootImage") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for kind in CommandKind::ALL {
        let commands = service.commands.get(kind).iter();
        let found = commands
            .filter_map(|command| program(unit, kind, command, &service.exec, machine, places));
        findings.extend(found);
    }
    if !asks_for("DynamicUser") {
        findings.extend(accounts(unit, &service.exec, machine, places));
    }
    findings.extend(files(unit, &service.exec, machine, places));
    findings.extend(directory(unit, &service.exec, settings, machine, places));
    findings
}

fn service_root(unit: &UnitConfig) -> Option<&str> {
    unit.service()?.exec.isolation.root.as_deref()
}

fn program(
    unit: &UnitConfig,
    kind: CommandKind,
    command: &Command,
    exec: &ExecConfig,
    machine: &dyn Machine,
    places: &mut Places<'_>,
) -> Option<Diagnostic> {
    if command.ignore_failure {
        return None;
    }
    let program = &command.program;
    let found = if program.starts_with('/') {
        machine.program(program)
    } else if machine.finds_program(program, &exec.search_path) {
        Program::Executable
    } else {
        Program::Missing
    };
    let (rule, what) = match found {
        Program::Executable => return None,
        Program::NotExecutable => (Rule::NotExecutable, "is not an executable file"),
        Program::Missing => (Rule::MissingProgram, "does not exist"),
    };
    let row = kind.directive();
    let place = places.at(unit, row, &command.position);
    Some(place.warning(rule, format!("{row}=: the program {program} {what}")))
}

fn accounts(
    unit: &UnitConfig,
    exec: &ExecConfig,
    machine: &dyn Machine,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let named = |name: &&String| !name.is_empty();
    let mut findings = Vec::new();
    if let Some(user) = exec
        .user
        .as_ref()
        .filter(named)
        .filter(|u| !machine.has_user(u))
    {
        let place = places.of_value(unit, "User");
        let message = format!("User=: there is no user {user}");
        findings.push(place.warning(Rule::MissingUser, message));
    }
    if let Some(group) = exec
        .group
        .as_ref()
        .filter(named)
        .filter(|g| !machine.has_group(g))
    {
        let place = places.of_value(unit, "Group");
        let message = format!("Group=: there is no group {group}");
        findings.push(place.warning(Rule::MissingGroup, message));
    }
    let others = exec.supplementary_groups.iter();
    for group in others.filter(|group| !machine.has_group(group)) {
        let place = places.of_word(unit, "SupplementaryGroups", group);
        let message = format!("SupplementaryGroups=: there is no group {group}");
        findings.push(place.warning(Rule::MissingGroup, message));
    }
    findings
}

fn files(
    unit: &UnitConfig,
    exec: &ExecConfig,
    machine: &dyn Machine,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let needed = exec.environment_files.iter().filter(|file| !file.optional);
    let missing = needed.filter(|file| !machine.has_file(&file.path));
    missing
        .map(|file| {
            let place = places.of_word(unit, "EnvironmentFile", &file.path);
            let message = format!("EnvironmentFile=: {} does not exist", file.path);
            let hint = format!("-{} would be read only if it is there", file.path);
            place.warning(Rule::MissingFile, message).hint(Some(hint))
        })
        .collect()
}

fn directory(
    unit: &UnitConfig,
    exec: &ExecConfig,
    settings: &Settings,
    machine: &dyn Machine,
    places: &mut Places<'_>,
) -> Option<Diagnostic> {
    let directory = exec.working_directory.as_ref().filter(|d| !d.optional)?;
    let WorkingDirectoryPlace::Path(path) = &directory.place else {
        return None;
    };
    if machine.has_directory(path) || is_made_at_start(path, exec, settings) {
        return None;
    }
    let place = places.of_value(unit, "WorkingDirectory");
    let message = format!("WorkingDirectory=: {path} is not a directory");
    Some(place.warning(Rule::MissingDirectory, message))
}

/// Whether RuntimeDirectory= or one of its kin makes the directory.
fn is_made_at_start(path: &str, exec: &ExecConfig, settings: &Settings) -> bool {
    let system = &settings.system;
    exec.directories.iter().any(|(kind, directories)| {
        let base = match kind {
            DirectoryKind::Runtime => &system.runtime_directory,
            DirectoryKind::State => &system.state_directory,
            DirectoryKind::Cache => &system.cache_directory,
            DirectoryKind::Logs => &system.logs_directory,
            DirectoryKind::Configuration => &system.configuration_directory,
        };
        let made = directories.paths.iter().map(|p| format!("{base}/{p}"));
        made.into_iter().any(|made| made == path)
    })
}
