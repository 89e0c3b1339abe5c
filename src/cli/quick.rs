//! `is-active` and `is-failed` as scripts write them, answered without reading the command line in
//! all its generality: that took three quarters of the time of the whole process.
//!
//! Invariant: what is answered here is answered as the ordinary way would. Everything else - other
//! options, patterns, several daemons, anything that goes wrong - is left to it.

use super::client::brief;
use super::daemons;
use super::names;
use super::state::{self, Question};
use std::ffi::OsString;
use std::path::PathBuf;

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    question: Question,
    units: Vec<String>,
    socket: Option<PathBuf>,
    quiet: bool,
}

/// The exit status, once all is printed; `None` if it is not for here.
pub(super) fn answer(arguments: impl Iterator<Item = OsString>) -> Option<u8> {
    let asked = read(arguments)?;
    if asked.socket.is_none() && std::env::var_os("DD_PM_SOCKET_DIR").is_some() {
        return None;
    }
    let socket = asked
        .socket
        .unwrap_or_else(|| daemons::default_socket(None));
    let states = brief::states(&socket, &asked.units)?;
    let states = state::of(asked.units, states);
    if !asked.quiet {
        state::print(&states);
    }
    Some(state::exit_status(asked.question, &states))
}

/// Reads the arguments behind the program's name.
fn read(arguments: impl Iterator<Item = OsString>) -> Option<Asked> {
    let mut arguments = arguments.map(|argument| argument.into_string().ok());
    let (mut question, mut socket, mut quiet) = (None, None, false);
    let mut units: Vec<String> = Vec::new();
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        match (argument.as_str(), question) {
            ("-q" | "--quiet", _) if !quiet => quiet = true,
            ("--socket", _) if socket.is_none() => {
                let path = arguments.next()??;
                if path.is_empty() || path.starts_with('-') {
                    return None;
                }
                socket = Some(PathBuf::from(path));
            }
            ("is-active", None) => question = Some(Question::Active),
            ("is-failed", None) => question = Some(Question::Failed),
            (name, Some(_)) if !name.starts_with('-') && !names::is_pattern(name) => {
                let unit = names::complete(name);
                if !units.contains(&unit) {
                    units.push(unit);
                }
            }
            _ => return None,
        }
    }
    Some(Asked {
        question: question.filter(|_| !units.is_empty())?,
        units,
        socket,
        quiet,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Arguments, Command};
    use clap::Parser;

    fn words(line: &str) -> impl Iterator<Item = OsString> {
        line.split_whitespace().map(OsString::from)
    }

    #[test]
    fn what_is_read_here_is_read_alike_by_all() {
        for line in [
            "is-active a",
            "is-failed a.service b.socket a",
            "-q is-active a",
            "is-active --quiet a b",
            "--socket /a/b is-active a",
            "is-failed a --socket /a/b",
        ] {
            let ours = read(words(line)).expect(line);
            let whole = ["dd-procmgr".into()].into_iter().chain(words(line));
            let whole = Arguments::try_parse_from(whole).expect(line);
            let (question, units) = match whole.command {
                Command::IsActive { units } => (Question::Active, units.units),
                Command::IsFailed { units } => (Question::Failed, units.units),
                other => panic!("{line}: {other:?}"),
            };
            let mut units: Vec<String> = units.iter().map(|unit| names::complete(unit)).collect();
            let mut seen = Vec::new();
            units.retain(|unit| {
                !seen.contains(unit) && {
                    seen.push(unit.clone());
                    true
                }
            });
            let theirs = Asked {
                question,
                units,
                socket: whole.common.socket,
                quiet: whole.common.quiet,
            };
            assert_eq!(ours, theirs, "{line}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_ordinary_way() {
        for line in [
            "",
            "is-active",
            "is-active --help",
            "is-active -- a",
            "is-active a*",
            "-q is-active a -q",
            "is-active -o json a",
            "--daemon x is-active a",
            "--socket=/a is-active a",
            "--socket /a --socket /b is-active a",
            "is-active a --socket",
            "status a",
            "a is-active",
        ] {
            assert_eq!(read(words(line)), None, "{line}");
        }
    }
}
