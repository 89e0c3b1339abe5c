//! Standard input, output and error (systemd.exec(5), "LOGGING AND STANDARD INPUT/OUTPUT").

use super::EXEC;
use super::parse::{exec, optional, path, string, text};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::config::{InputSource, LogPattern, LogSink, OutputTarget, TerminalWay};
use crate::unit::value::parse_base64;
use crate::unit::words;

/// Most data for standard input, in bytes, as in systemd 252.
const MAX_INPUT: usize = 64 * 1024 * 1024;

/// The name of a passed descriptor, behind `fd:` or by default.
fn descriptor(value: &str, usual: &str) -> Option<Result<String, Trouble>> {
    let name = match value.strip_prefix("fd") {
        Some("") => usual,
        Some(rest) => rest.strip_prefix(':')?,
        None => return None,
    };
    let valid = !name.is_empty()
        && name.len() <= 255
        && name
            .chars()
            .all(|c| c.is_ascii() && !c.is_ascii_control() && c != ':');
    Some(if valid {
        Ok(name.to_owned())
    } else {
        let message = format!("\"{name}\" cannot be the name of a descriptor");
        Err(Trouble::ignored(message))
    })
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
    } else if let Some(name) = descriptor(value, "stdin") {
        InputSource::Descriptor(name?)
    } else if let Some(way) = terminal_way(value) {
        InputSource::Terminal(way)
    } else {
        return Err(Trouble::ignored(format!(
            "\"{value}\" is not a source of input"
        )));
    };
    reading.exec()?.standard_input = source;
    Ok(())
}

fn terminal_way(value: &str) -> Option<TerminalWay> {
    match value {
        "tty" => Some(TerminalWay::Wait),
        "tty-force" => Some(TerminalWay::Force),
        "tty-fail" => Some(TerminalWay::Fail),
        _ => None,
    }
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

/// Reads one of the words that output and error share; `usual` is the name of a descriptor that
/// is not named.
fn target(reading: &Reading<'_>, value: &str, usual: &str) -> Result<OutputTarget, Trouble> {
    if let Some(name) = descriptor(value, usual) {
        return name.map(OutputTarget::Descriptor);
    }
    let (word, console) = match value.strip_suffix("+console") {
        Some(word) => (word, true),
        None => (value, false),
    };
    let log = match word {
        "journal" | "syslog" => Some(LogSink::Journal),
        "kmsg" => Some(LogSink::Kernel),
        _ => None,
    };
    if let Some(sink) = log {
        return Ok(OutputTarget::LogTo { sink, console });
    }
    Ok(match value {
        "inherit" => OutputTarget::Inherit,
        "null" => OutputTarget::Null,
        "socket" => OutputTarget::Socket,
        "tty" => OutputTarget::Terminal,
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

/// The kind alone, as systemd shows it.
fn show(target: &OutputTarget) -> PropertyValue {
    let word = match target {
        OutputTarget::Log => "journal",
        OutputTarget::LogTo { sink, console } => match (sink, console) {
            (LogSink::Journal, false) => "journal",
            (LogSink::Journal, true) => "journal+console",
            (LogSink::Kernel, false) => "kmsg",
            (LogSink::Kernel, true) => "kmsg+console",
        },
        OutputTarget::Inherit => "inherit",
        OutputTarget::Null => "null",
        OutputTarget::File(_) => "file",
        OutputTarget::Append(_) => "append",
        OutputTarget::Truncate(_) => "truncate",
        OutputTarget::Socket => "socket",
        OutputTarget::Terminal => "tty",
        OutputTarget::Descriptor(_) => "fd",
    };
    text(word)
}

fn show_descriptor(target: &OutputTarget) -> PropertyValue {
    match target {
        OutputTarget::Descriptor(name) => text(name),
        _ => text(""),
    }
}

/// LogFilterPatterns=: one regular expression, denied behind `~`.
fn pattern(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.logging.patterns.clear();
        return Ok(());
    }
    let (denies, pattern) = match value.strip_prefix('~') {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    if let Err(error) = regex_lite::Regex::new(pattern) {
        let message = format!("\"{pattern}\" is no regular expression: {error}");
        return Err(Trouble::ignored(message));
    }
    let text = pattern.to_owned();
    reading
        .exec()?
        .logging
        .patterns
        .push(LogPattern { denies, text });
    Ok(())
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
        InputSource::Terminal(TerminalWay::Wait) => text("tty"),
        InputSource::Terminal(TerminalWay::Force) => text("tty-force"),
        InputSource::Terminal(TerminalWay::Fail) => text("tty-fail"),
        InputSource::Descriptor(_) => text("fd"),
    })
    .show("StandardInputFileDescriptorName", "s", |c| {
        match &exec(c).standard_input {
            InputSource::Descriptor(name) => text(name),
            _ => text(""),
        }
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
            let target = target(r, v, "stdout")?;
            r.exec()?.standard_output = target;
            Ok(())
        },
        "Where descriptor 1 of processes leads.",
    )
    .show("StandardOutput", "s", |c| show(&exec(c).standard_output))
    .show("StandardOutputFileDescriptorName", "s", |c| {
        show_descriptor(&exec(c).standard_output)
    }),
    Row::new(
        EXEC,
        "StandardError",
        33,
        Kind::Text,
        |r, v| {
            let target = target(r, v, "stderr")?;
            r.exec()?.standard_error = target;
            Ok(())
        },
        "Where descriptor 2 of processes leads.",
    )
    .show("StandardError", "s", |c| show(&exec(c).standard_error))
    .show("StandardErrorFileDescriptorName", "s", |c| {
        show_descriptor(&exec(c).standard_error)
    }),
    Row::new(
        EXEC,
        "SyslogIdentifier",
        33,
        Kind::Text,
        |r, v| {
            let identifier = string(r, v)?;
            r.exec()?.logging.identifier = identifier;
            Ok(())
        },
        "The name that the unit's lines have in the log.",
    )
    .show("SyslogIdentifier", "s", |c| {
        optional(exec(c).logging.identifier.as_ref())
    }),
    Row::new(
        EXEC,
        "LogFilterPatterns",
        253,
        Kind::List,
        pattern,
        "Regular expressions that decide which lines are logged.",
    ),
];
