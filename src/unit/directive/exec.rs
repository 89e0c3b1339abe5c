//! systemd.exec(5): identity, paths, environment and process properties that are carried out.

use super::EXEC;
use super::parse::{absolute, boolean, exec, optional, path, small, string, strings, text, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::config::{EnvironmentFile, WorkingDirectory, WorkingDirectoryPlace};
use crate::unit::environment;
use crate::unit::value;

/// A user or group that cannot be one makes the unit bad-setting, so that nothing ever runs
/// as root by mistake.
fn account(reading: &Reading<'_>, value: &str) -> Result<Option<String>, Trouble> {
    let name = string(reading, value).map_err(|trouble| match trouble {
        Trouble::Ignored { offset, message } => Trouble::Fatal { offset, message },
        Trouble::Fatal { .. } | Trouble::NotRun => trouble,
    })?;
    match name {
        Some(name) if !is_account(&name) => {
            let message = format!("\"{name}\" is not a valid user or group name or number");
            Err(Trouble::fatal(message))
        }
        Some(_) | None => Ok(name),
    }
}

fn is_account(name: &str) -> bool {
    let bad = |c: char| c.is_control() || ":/".contains(c);
    let plain = !name.is_empty()
        && name.len() <= 255
        && name.trim() == name
        && name != "."
        && name != ".."
        && !name.starts_with('-')
        && !name.contains(bad);
    let number = name.chars().all(|c| c.is_ascii_digit());
    // 2^16-1 and 2^32-1 mean "no change" to the kernel.
    let usable = !number
        || name
            .parse::<u32>()
            .is_ok_and(|id| id != 65_535 && id != u32::MAX);
    plain && usable
}

fn supplementary_groups(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.supplementary_groups.clear();
    }
    for (offset, group) in words(reading, value)? {
        if !is_account(&group) {
            let message = format!("\"{group}\" is not a valid group name or number");
            return Err(Trouble::Fatal { offset, message });
        }
        reading.exec()?.supplementary_groups.push(group);
    }
    Ok(())
}

fn working_directory(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let (optional, rest) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let place = match rest {
        "" => None,
        "~" => Some(WorkingDirectoryPlace::Home),
        other => match path(reading, other) {
            Ok(path) => Some(WorkingDirectoryPlace::Path(path)),
            Err(Trouble::Ignored { offset, message }) if !optional => {
                return Err(Trouble::Fatal { offset, message });
            }
            Err(trouble) => return Err(trouble),
        },
    };
    reading.exec()?.working_directory = place.map(|place| WorkingDirectory { place, optional });
    Ok(())
}

fn show_working_directory(directory: Option<&WorkingDirectory>) -> PropertyValue {
    let Some(directory) = directory else {
        return text("");
    };
    let path = match &directory.place {
        WorkingDirectoryPlace::Path(path) => path,
        WorkingDirectoryPlace::Home => "~",
    };
    let mark = if directory.optional { "!" } else { "" };
    text(&format!("{mark}{path}"))
}

/// Environment=: later assignments of a variable take the place of earlier ones (E1).
fn environment(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.environment.clear();
        reading.draft.variables.clear();
    }
    let expand = |word: &str| reading.expand(word);
    let parsed = environment::parse_assignments(value, &expand);
    for (offset, message) in &parsed.warnings {
        reading.warn(*offset, message);
    }
    let mut variables = std::mem::take(&mut reading.draft.variables);
    let list = &mut reading.exec()?.environment;
    for (name, value) in parsed.assignments {
        let at = *variables.entry(name.clone()).or_insert(list.len());
        match list.get_mut(at) {
            Some((_, known)) => *known = value,
            None => list.push((name, value)),
        }
    }
    reading.draft.variables = variables;
    Ok(())
}

fn environment_file(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.environment_files.clear();
        return Ok(());
    }
    let (optional, rest) = match value.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let path = path(reading, rest)?;
    let files = &mut reading.exec()?.environment_files;
    files.push(EnvironmentFile { path, optional });
    Ok(())
}

/// Names, or where `assignments` allows it also exact assignments.
fn variables(
    reading: &mut Reading<'_>,
    value: &str,
    assignments: bool,
) -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    for (offset, word) in words(reading, value)? {
        let name = match word.split_once('=') {
            Some((name, _)) if assignments => name,
            Some(_) | None => word.as_str(),
        };
        if environment::is_valid_name(name) {
            found.push(word);
        } else {
            let message = format!("\"{word}\" is not the name of a variable, ignored");
            reading.warn(offset, &message);
        }
    }
    Ok(found)
}

fn search_path(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.search_path.clear();
        return Ok(());
    }
    let expanded = reading.expand(value)?;
    for directory in expanded.split(':').filter(|d| !d.is_empty()) {
        match absolute(directory) {
            Ok(path) => reading.exec()?.search_path.push(path),
            Err(_) => {
                let message = format!("\"{directory}\" is not an absolute path, ignored");
                reading.warn(0, &message);
            }
        }
    }
    Ok(())
}

fn show_environment(list: &[(String, String)]) -> PropertyValue {
    let assignments = list.iter().map(|(name, value)| format!("{name}={value}"));
    PropertyValue::Strings(assignments.collect())
}

fn show_files(files: &[EnvironmentFile]) -> PropertyValue {
    let entries = files.iter().map(|file| {
        PropertyValue::Struct(vec![text(&file.path), PropertyValue::Bool(file.optional)])
    });
    PropertyValue::Array(entries.collect())
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        EXEC,
        "User",
        33,
        Kind::Text,
        |r, v| {
            let user = account(r, v)?;
            r.exec()?.user = user;
            Ok(())
        },
        "The user that processes run as.",
    )
    .show("User", "s", |c| optional(exec(c).user.as_ref())),
    Row::new(
        EXEC,
        "Group",
        33,
        Kind::Text,
        |r, v| {
            let group = account(r, v)?;
            r.exec()?.group = group;
            Ok(())
        },
        "The group that processes run as; the user's own if unset.",
    )
    .show("Group", "s", |c| optional(exec(c).group.as_ref())),
    Row::new(
        EXEC,
        "SupplementaryGroups",
        33,
        Kind::List,
        supplementary_groups,
        "More groups that processes are in.",
    )
    .show("SupplementaryGroups", "as", |c| {
        strings(&exec(c).supplementary_groups)
    }),
    Row::new(
        EXEC,
        "WorkingDirectory",
        33,
        Kind::Text,
        working_directory,
        "The directory that processes start in; ~ is the home of User=.",
    )
    .show("WorkingDirectory", "s", |c| {
        show_working_directory(exec(c).working_directory.as_ref())
    }),
    Row::new(
        EXEC,
        "UMask",
        33,
        Kind::Number,
        |r, v| {
            r.exec()?.umask = value::parse_mode(v)?;
            Ok(())
        },
        "The access bits that files made by processes do not get.",
    )
    .show("UMask", "u", |c| PropertyValue::U32(exec(c).umask)),
    Row::new(
        EXEC,
        "Environment",
        33,
        Kind::List,
        environment,
        "Variables for the environment of processes.",
    )
    .show("Environment", "as", |c| {
        show_environment(&exec(c).environment)
    }),
    Row::new(
        EXEC,
        "EnvironmentFile",
        33,
        Kind::List,
        environment_file,
        "Files with variables that are read before each start; with - they may be missing.",
    )
    .show("EnvironmentFiles", "a(sb)", |c| {
        show_files(&exec(c).environment_files)
    }),
    Row::new(
        EXEC,
        "PassEnvironment",
        228,
        Kind::List,
        |r, v| {
            let names = variables(r, v, false)?;
            let list = &mut r.exec()?.pass_environment;
            if v.is_empty() {
                list.clear();
            }
            list.extend(names);
            Ok(())
        },
        "Variables of the manager that processes get, too.",
    )
    .show("PassEnvironment", "as", |c| {
        strings(&exec(c).pass_environment)
    }),
    Row::new(
        EXEC,
        "UnsetEnvironment",
        235,
        Kind::List,
        |r, v| {
            let names = variables(r, v, true)?;
            let list = &mut r.exec()?.unset_environment;
            if v.is_empty() {
                list.clear();
            }
            list.extend(names);
            Ok(())
        },
        "Variables, or exact assignments, that are taken out of the environment last.",
    )
    .show("UnsetEnvironment", "as", |c| {
        strings(&exec(c).unset_environment)
    }),
    Row::new(
        EXEC,
        "ExecSearchPath",
        250,
        Kind::List,
        search_path,
        "Where programs without a slash are looked for, instead of the usual PATH.",
    )
    .show("ExecSearchPath", "as", |c| strings(&exec(c).search_path)),
    Row::new(
        EXEC,
        "Nice",
        33,
        Kind::Number,
        |r, v| {
            let nice = if v.is_empty() {
                None
            } else {
                Some(small(v, -20, 19)?)
            };
            r.exec()?.nice = nice;
            Ok(())
        },
        "The niceness of processes, from -20 to 19.",
    )
    .show("Nice", "i", |c| {
        PropertyValue::I32(exec(c).nice.unwrap_or(0))
    }),
    Row::new(
        EXEC,
        "OOMScoreAdjust",
        33,
        Kind::Number,
        |r, v| {
            let adjust = if v.is_empty() {
                None
            } else {
                Some(small(v, -1000, 1000)?)
            };
            r.exec()?.oom_score_adjust = adjust;
            Ok(())
        },
        "How ready the kernel is to kill processes for memory, from -1000 to 1000.",
    )
    .show("OOMScoreAdjust", "i", |c| {
        PropertyValue::I32(exec(c).oom_score_adjust.unwrap_or(0))
    }),
    Row::new(
        EXEC,
        "IgnoreSIGPIPE",
        41,
        Kind::Boolean,
        |r, v| {
            r.exec()?.ignore_sigpipe = boolean(v)?;
            Ok(())
        },
        "Whether processes start with SIGPIPE ignored.",
    )
    .show("IgnoreSIGPIPE", "b", |c| {
        PropertyValue::Bool(exec(c).ignore_sigpipe)
    }),
];
