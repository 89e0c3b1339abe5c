//! Standard input, output and error (systemd.exec(5), "LOGGING AND STANDARD INPUT/OUTPUT").

use super::EXEC;
use super::parse::{exec, optional, path, string, text};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::config::{InputSource, OutputTarget};
use crate::unit::value::parse_base64;
use crate::unit::words;

const UNSERVED: &str = "this kind of standard stream is not built yet";
/// Most data for standard input, in bytes, as in systemd 252.
const MAX_INPUT: usize = 64 * 1024 * 1024;
const NO_CONSOLE: &str = "output goes to the log but not to the console, too";

/// Words for a terminal or a passed descriptor.
fn is_unserved(value: &str) -> bool {
    matches!(value, "tty" | "tty-force" | "tty-fail" | "fd") || value.starts_with("fd:")
}

fn input(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let source = if value == "null" {
        InputSource::Null
    } else if value == "socket" {
        InputSource::Socket
    } else if value == "data" {
        InputSource::Data
    } else if let Some(file) = value.strip_prefix("file:") {
        InputSource::File(path(reading, file)?)
    } else if is_unserved(value) {
        InputSource::Unsupported(value.to_owned())
    } else {
        return Err(Trouble::ignored(format!(
            "\"{value}\" is not a source of input"
        )));
    };
    let unserved = matches!(source, InputSource::Unsupported(_));
    reading.exec()?.standard_input = source;
    reading.not_applied(if unserved { value } else { "" }, UNSERVED, true)
}

/// A line of StandardInputText=, without the end of the line that is added to it.
fn input_text(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let text = words::unescape_known(value).map_err(|(offset, error)| Trouble::Ignored {
        offset,
        message: error.0,
    })?;
    let line = reading.expand(&text)? + "\n";
    add_input(reading, value, line.into_bytes())
}

fn input_data(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let data = parse_base64(value)?;
    add_input(reading, value, data)
}

/// Adds what a value stands for; an empty one takes all back.
fn add_input(reading: &mut Reading<'_>, value: &str, data: Vec<u8>) -> Result<(), Trouble> {
    let all = &mut reading.exec()?.input_data;
    if value.is_empty() {
        all.clear();
    } else if all.len() + data.len() > MAX_INPUT {
        return Err(Trouble::ignored("data for standard input beyond 64 MiB"));
    } else {
        all.extend(data);
    }
    Ok(())
}

/// Reads one of the words that output and error share.
fn target(reading: &Reading<'_>, value: &str) -> Result<OutputTarget, Trouble> {
    Ok(match value {
        "inherit" => OutputTarget::Inherit,
        "null" => OutputTarget::Null,
        "socket" => OutputTarget::Socket,
        "journal" | "syslog" | "kmsg" | "journal+console" | "syslog+console" | "kmsg+console" => {
            OutputTarget::Log
        }
        other if is_unserved(other) => OutputTarget::Unsupported(other.to_owned()),
        other => match other.split_once(':') {
            Some(("file", file)) => OutputTarget::File(path(reading, file)?),
            Some(("append", file)) => OutputTarget::Append(path(reading, file)?),
            Some(("truncate", file)) => OutputTarget::Truncate(path(reading, file)?),
            Some(_) | None => {
                let message = format!("\"{other}\" is not a target of output");
                return Err(Trouble::ignored(message));
            }
        },
    })
}

/// Keeps the word for the log that was written, to be shown.
fn keep_word(reading: &mut Reading<'_>, property: &'static str, value: &str) {
    let written = &mut reading.draft.config.written;
    match value.strip_suffix("+console").unwrap_or(value) {
        "journal" | "syslog" | "kmsg" => {
            let word = value.replace("syslog", "journal");
            written.insert(property, PropertyValue::String(word));
        }
        _ => {
            written.remove(property);
        }
    }
}

/// Records that a target is served in part or not at all.
fn unserved(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if is_unserved(value) {
        reading.not_applied(value, UNSERVED, true)
    } else if value.ends_with("+console") {
        reading.not_applied(value, NO_CONSOLE, false)
    } else {
        reading.not_applied("", UNSERVED, false)
    }
}

/// The kind alone, as systemd shows it.
fn show(target: &OutputTarget) -> PropertyValue {
    match target {
        OutputTarget::Log => text("journal"),
        OutputTarget::Inherit => text("inherit"),
        OutputTarget::Null => text("null"),
        OutputTarget::File(_) => text("file"),
        OutputTarget::Append(_) => text("append"),
        OutputTarget::Truncate(_) => text("truncate"),
        OutputTarget::Socket => text("socket"),
        OutputTarget::Unsupported(word) => text(word),
    }
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        EXEC,
        "StandardInput",
        33,
        Kind::Text,
        input,
        "What processes read from descriptor 0.",
    )
    .show("StandardInput", "s", |c| match &exec(c).standard_input {
        InputSource::Null => text("null"),
        InputSource::File(_) => text("file"),
        InputSource::Socket => text("socket"),
        InputSource::Data => text("data"),
        InputSource::Unsupported(word) => text(word),
    }),
    Row::new(
        EXEC,
        "StandardInputText",
        236,
        Kind::List,
        input_text,
        "Lines of text for StandardInput=data.",
    ),
    Row::new(
        EXEC,
        "StandardInputData",
        236,
        Kind::List,
        input_data,
        "Base64 data for StandardInput=data.",
    )
    .show("StandardInputData", "ay", |c| {
        PropertyValue::Bytes(exec(c).input_data.clone())
    }),
    Row::new(
        EXEC,
        "StandardOutput",
        33,
        Kind::Text,
        |r, v| {
            let target = target(r, v)?;
            r.exec()?.standard_output = target;
            keep_word(r, "StandardOutput", v);
            unserved(r, v)
        },
        "Where descriptor 1 of processes leads.",
    )
    .show("StandardOutput", "s", |c| show(&exec(c).standard_output)),
    Row::new(
        EXEC,
        "StandardError",
        33,
        Kind::Text,
        |r, v| {
            let target = target(r, v)?;
            r.exec()?.standard_error = target;
            keep_word(r, "StandardError", v);
            unserved(r, v)
        },
        "Where descriptor 2 of processes leads.",
    )
    .show("StandardError", "s", |c| show(&exec(c).standard_error)),
    Row::new(
        EXEC,
        "SyslogIdentifier",
        33,
        Kind::Text,
        |r, v| {
            let identifier = string(r, v)?;
            r.exec()?.syslog_identifier = identifier;
            Ok(())
        },
        "The name that the unit's lines have in the log.",
    )
    .show("SyslogIdentifier", "s", |c| {
        optional(exec(c).syslog_identifier.as_ref())
    }),
];
