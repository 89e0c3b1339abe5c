//! What is executed: program, command line, environment. Pure.

use super::{PlanError, PlanInput, c_string, status, variable};
use crate::exec::environment::is_unset;
use crate::sys::program::Image;
use crate::unit::expand::expand_argv;
use std::ffi::CString;

/// Where a bare name is looked for without ExecSearchPath= (systemd.exec(5); X10). The last two
/// are links to the ones before on most machines.
const DEFAULT_SEARCH_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The image, and the variables that its command line uses but that are not set.
pub(super) fn image(input: &PlanInput<'_>) -> Result<(Image, Vec<String>), PlanError> {
    let command = input.command;
    let lookup = |name: &str| variable(input.environment, name).map(str::to_owned);
    let (words, unset) = if command.no_expand {
        (command.argv.clone(), Vec::new())
    } else {
        expand_argv(&command.argv, &lookup)
    };
    let pid_variables = pid_variables(input);
    let image = Image {
        candidates: candidates(input)?,
        name: command.program.clone(),
        arguments: c_strings(words.iter().map(String::as_str))?,
        environment: environment(input, &pid_variables)?,
        pid_variables: c_strings(pid_variables)?,
        exit_status: status::EXEC,
        // With `-` a program that is not there is no failure; one that is there but that
        // the kernel does not take is one, which is ignored later.
        missing_status: if command.ignore_failure {
            0
        } else {
            status::EXEC
        },
    };
    Ok((image, unset))
}

fn candidates(input: &PlanInput<'_>) -> Result<Vec<CString>, PlanError> {
    let program = input.command.program.as_str();
    if program.contains('/') {
        return Ok(vec![c_string(program)?]);
    }
    let own = &input.exec.search_path;
    let directories: Vec<&str> = if own.is_empty() {
        DEFAULT_SEARCH_PATH.to_vec()
    } else {
        own.iter().map(String::as_str).collect()
    };
    directories
        .into_iter()
        .map(|directory| c_string(format!("{directory}/{program}")))
        .collect()
}

/// Variables that hold the child's own pid. What the unit itself says of them wins.
fn pid_variables(input: &PlanInput<'_>) -> Vec<&'static str> {
    let wanted = [
        ("SYSTEMD_EXEC_PID", true),
        ("LISTEN_PID", input.listened > 0),
        (
            "WATCHDOG_PID",
            variable(input.environment, "WATCHDOG_USEC").is_some(),
        ),
    ];
    let exec = input.exec;
    wanted
        .into_iter()
        .filter(|(name, wanted)| *wanted && !is_set_by_unit(input, name))
        .map(|(name, _)| name)
        .filter(|name| !is_unset(exec, name, None))
        .collect()
}

fn is_set_by_unit(input: &PlanInput<'_>, name: &str) -> bool {
    let own = &input.exec.environment;
    own.iter().any(|(n, _)| n == name)
}

fn environment(
    input: &PlanInput<'_>,
    replaced: &[&'static str],
) -> Result<Vec<CString>, PlanError> {
    let listened = input.listened.to_string();
    let count = (input.listened > 0
        && !is_set_by_unit(input, "LISTEN_FDS")
        && !is_unset(input.exec, "LISTEN_FDS", Some(&listened)))
    .then_some(("LISTEN_FDS", listened.as_str()));
    let all = input.environment.iter();
    let kept = all
        .map(|(name, value)| (&**name, &**value))
        .filter(|(name, _)| !replaced.contains(name))
        .filter(|(name, _)| count.is_none_or(|(own, _)| own != *name));
    let mut assignments = Vec::with_capacity(input.environment.len() + 1);
    for (name, value) in kept.chain(count) {
        assignments.push(assignment(name, value)?);
    }
    Ok(assignments)
}

/// `name=value`, made in one piece: there are dozens of them at each start.
fn assignment(name: &str, value: &str) -> Result<CString, PlanError> {
    // With room for the end that every C string has.
    let mut text = String::with_capacity(name.len() + value.len() + 2);
    text.push_str(name);
    text.push('=');
    text.push_str(value);
    c_string(text)
}

fn c_strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<CString>, PlanError> {
    texts.into_iter().map(c_string).collect()
}
