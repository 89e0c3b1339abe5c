//! What many rows share: reading values of one kind, and showing configuration.

use super::read::{Reading, Trouble};
use super::row::PropertyValue;
use crate::unit::config::{
    DependencyKind, DependencyOrigin, ExecConfig, KillConfig, ScopeConfig, ServiceConfig,
    SocketConfig, UnitConfig,
};
use crate::unit::name::UnitName;
use crate::unit::value::{self, TimeSpan};
use crate::unit::words;
use std::sync::LazyLock;

/// The words of an enumeration and what they stand for, in the same order.
#[derive(Debug)]
pub(super) struct Choice<T: 'static> {
    pub(super) words: &'static [&'static str],
    pub(super) values: &'static [T],
}

impl<T: Copy + PartialEq> Choice<T> {
    /// What a word stands for.
    pub(super) fn read(&self, value: &str) -> Result<T, Trouble> {
        let at = self.words.iter().position(|word| *word == value);
        at.map(|at| self.values[at]).ok_or_else(|| {
            let words = self.words.join(", ");
            Trouble::ignored(format!("\"{value}\" is none of {words}"))
        })
    }

    /// The word for a value.
    pub(super) fn show(&self, value: T) -> PropertyValue {
        let at = self.values.iter().position(|other| *other == value);
        text(at.map_or("", |at| self.words[at]))
    }
}

pub(super) fn boolean(value: &str) -> Result<bool, Trouble> {
    Ok(value::parse_boolean(value)?)
}

pub(super) fn span(value: &str) -> Result<TimeSpan, Trouble> {
    Ok(TimeSpan::parse(value)?)
}

/// A timeout, where 0 means none at all (U15).
pub(super) fn timeout(value: &str) -> Result<TimeSpan, Trouble> {
    let span = span(value)?;
    Ok(if span == TimeSpan::ZERO {
        TimeSpan::INFINITY
    } else {
        span
    })
}

pub(super) fn unsigned(value: &str) -> Result<u32, Trouble> {
    let number = value::parse_integer(value, 0, i64::from(u32::MAX))?;
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn small(value: &str, low: i32, high: i32) -> Result<i32, Trouble> {
    let number = value::parse_integer(value, i64::from(low), i64::from(high))?;
    Ok(i32::try_from(number).unwrap_or(high))
}

/// Any text with specifiers; an empty one unsets.
pub(super) fn string(reading: &Reading<'_>, value: &str) -> Result<Option<String>, Trouble> {
    let expanded = reading.expand(value)?;
    Ok(Some(expanded).filter(|text| !text.is_empty()))
}

/// An absolute path with specifiers, tidied up.
pub(super) fn path(reading: &Reading<'_>, value: &str) -> Result<String, Trouble> {
    let expanded = reading.expand(value)?;
    absolute(&expanded)
}

/// Checks that a path is absolute and takes doubled slashes and `.` out of it.
pub(super) fn absolute(path: &str) -> Result<String, Trouble> {
    if !path.starts_with('/') {
        return Err(Trouble::ignored(format!(
            "\"{path}\" is not an absolute path"
        )));
    }
    if path.contains('\0') {
        return Err(Trouble::ignored("a path cannot hold a NUL byte"));
    }
    Ok(tidy(path))
}

/// An absolute path without doubled slashes, `.` and a slash at the end.
pub(super) fn tidy(path: &str) -> String {
    let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
    let joined: Vec<&str> = parts.collect();
    format!("/{}", joined.join("/"))
}

/// The path with the old name of /run replaced.
pub(super) fn modern_run(path: String) -> String {
    match path.strip_prefix("/var/run/") {
        Some(rest) => format!("/run/{rest}"),
        None => path,
    }
}

/// Words with quotes and C escapes, each with specifiers expanded, with their offsets; a word
/// with a bad specifier is left out with a warning.
pub(super) fn words(
    reading: &mut Reading<'_>,
    value: &str,
) -> Result<Vec<(usize, String)>, Trouble> {
    let split = words::split(value).map_err(|(offset, error)| Trouble::Ignored {
        offset,
        message: error.0,
    })?;
    let mut found = Vec::new();
    for word in split {
        match reading.expand(&word.text) {
            Ok(text) => found.push((word.offset, text)),
            Err(error) => reading.warn(word.offset, &format!("{error}, ignored")),
        }
    }
    Ok(found)
}

/// Words with quotes but without escapes (unit names hold `\x2d` as it stands), with their
/// offsets.
pub(super) fn raw_words(value: &str) -> Result<Vec<(usize, String)>, Trouble> {
    let split =
        words::split_keeping_escapes(value).map_err(|(offset, error)| Trouble::Ignored {
            offset,
            message: error.0,
        })?;
    Ok(split
        .into_iter()
        .map(|word| (word.offset, word.text))
        .collect())
}

/// Unit names with specifiers; what is none is left out with a warning.
pub(super) fn unit_names(
    reading: &mut Reading<'_>,
    value: &str,
) -> Result<Vec<(usize, UnitName)>, Trouble> {
    let mut names = Vec::new();
    for (offset, word) in raw_words(value)? {
        let name = reading
            .expand(&word)
            .map_err(|error| error.0)
            .and_then(|text| UnitName::parse(&text).map_err(|error| error.to_string()));
        match name {
            Ok(name) => names.push((offset, name)),
            Err(message) => reading.warn(offset, &format!("{message}, ignored")),
        }
    }
    Ok(names)
}

/// Adds an edge of one kind to each unit named; there is no way to take edges back (U10).
pub(super) fn depend(
    reading: &mut Reading<'_>,
    value: &str,
    kind: DependencyKind,
) -> Result<(), Trouble> {
    for (offset, name) in unit_names(reading, value)? {
        if !reading.draft.depend(kind, &name, DependencyOrigin::File) {
            reading.warn(offset, "a unit cannot depend on itself, ignored");
        }
    }
    Ok(())
}

pub(super) fn text(value: &str) -> PropertyValue {
    PropertyValue::String(value.to_owned())
}

pub(super) fn optional(value: Option<&String>) -> PropertyValue {
    text(value.map_or("", String::as_str))
}

pub(super) fn strings(list: &[String]) -> PropertyValue {
    PropertyValue::Strings(list.to_vec())
}

pub(super) fn micros(span: TimeSpan) -> PropertyValue {
    PropertyValue::U64(span.as_micros())
}

static SERVICE: LazyLock<ServiceConfig> = LazyLock::new(ServiceConfig::default);
static SOCKET: LazyLock<SocketConfig> = LazyLock::new(SocketConfig::default);
static SCOPE: LazyLock<ScopeConfig> = LazyLock::new(ScopeConfig::default);

/// The service part, or the defaults where there is none.
pub(super) fn service(config: &UnitConfig) -> &ServiceConfig {
    config.service().unwrap_or(&SERVICE)
}

/// The execution environment, or the defaults where there is none.
pub(super) fn exec(config: &UnitConfig) -> &ExecConfig {
    config.exec().unwrap_or(&SERVICE.exec)
}

/// The name that a file descriptor is passed under (sd_listen_fds_with_names(3)).
pub(super) fn descriptor_name(name: &str) -> Result<String, Trouble> {
    let fits = |c: char| c.is_ascii() && !c.is_ascii_control() && c != ':';
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) {
        return Err(Trouble::ignored(format!(
            "\"{name}\" cannot be the name of a file descriptor (up to 255 printable ASCII \
             characters but colons)"
        )));
    }
    Ok(name.to_owned())
}

/// The kill settings, or the defaults where there are none.
pub(super) fn kill(config: &UnitConfig) -> &KillConfig {
    config.kill().unwrap_or(&SERVICE.kill)
}

/// The socket part, or the defaults where there is none.
pub(super) fn socket(config: &UnitConfig) -> &SocketConfig {
    config.socket().unwrap_or(&SOCKET)
}

/// The scope part, or the defaults where there is none.
pub(super) fn scope(config: &UnitConfig) -> &ScopeConfig {
    config.scope().unwrap_or(&SCOPE)
}
