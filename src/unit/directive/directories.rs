//! Directories that come and go with a unit (systemd.exec(5), "SANDBOXING", RuntimeDirectory=).

use super::EXEC;
use super::parse::{Choice, exec, strings, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, Parse, PropertyValue, Row};
use crate::unit::config::{DirectoryKind, NotApplied, PreserveMode, UnitConfig};
use crate::unit::value;

const PRESERVE: Choice<PreserveMode> = Choice {
    words: &["no", "restart", "yes"],
    values: &[PreserveMode::No, PreserveMode::Restart, PreserveMode::Yes],
};

const LINKS: &str = "links to managed directories are not built yet; the directory is made without";

/// Adds relative paths; an absolute one, or one that leads upwards or into `private`, is left
/// out with a warning (M20).
fn paths(reading: &mut Reading<'_>, value: &str, kind: DirectoryKind) -> Result<(), Trouble> {
    if value.is_empty() {
        reading
            .exec()?
            .directories
            .entry(kind)
            .or_default()
            .paths
            .clear();
        return Ok(());
    }
    for (offset, word) in words(reading, value)? {
        let (path, link) = match word.split_once(':') {
            Some((path, link)) => (path, Some(link)),
            None => (word.as_str(), None),
        };
        let parts: Vec<&str> = path
            .split('/')
            .filter(|p| !p.is_empty() && *p != ".")
            .collect();
        let inside = !path.starts_with('/')
            && !parts.is_empty()
            && parts.first() != Some(&"private")
            && !parts.contains(&"..");
        if !inside {
            let message = format!("\"{path}\" is not a relative path that stays inside, ignored");
            reading.warn(offset, &message);
            continue;
        }
        let directories = reading.exec()?.directories.entry(kind).or_default();
        directories.paths.push(parts.join("/"));
        if link.is_some() {
            reading.draft.record(NotApplied {
                directive: reading.row.name,
                value: word.clone(),
                reason: LINKS,
                refuses_start: false,
            });
        }
    }
    Ok(())
}

fn mode(reading: &mut Reading<'_>, value: &str, kind: DirectoryKind) -> Result<(), Trouble> {
    let mode = value::parse_mode(value)?;
    reading.exec()?.directories.entry(kind).or_default().mode = mode;
    Ok(())
}

fn show_paths(config: &UnitConfig, kind: DirectoryKind) -> PropertyValue {
    let directories = exec(config).directories.get(&kind);
    let mut paths = directories.map(|d| d.paths.clone()).unwrap_or_default();
    paths.sort();
    strings(&paths)
}

fn show_mode(config: &UnitConfig, kind: DirectoryKind) -> PropertyValue {
    let directories = exec(config).directories.get(&kind);
    PropertyValue::U32(directories.map_or(0o755, |d| d.mode))
}

const fn list(name: &'static str, since: u16, parse: Parse, doc: &'static str) -> Row {
    Row::new(EXEC, name, since, Kind::List, parse, doc)
}

const fn bits(name: &'static str, since: u16, parse: Parse, doc: &'static str) -> Row {
    Row::new(EXEC, name, since, Kind::Number, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        EXEC,
        "RuntimeDirectoryPreserve",
        235,
        Kind::Choice(PRESERVE.words),
        |r, v| {
            r.exec()?.runtime_directory_preserve = match value::parse_boolean(v) {
                Ok(true) => PreserveMode::Yes,
                Ok(false) => PreserveMode::No,
                Err(_) => PRESERVE.read(v)?,
            };
            Ok(())
        },
        "Whether RuntimeDirectory= outlives the unit, or a restart of it.",
    )
    .show("RuntimeDirectoryPreserve", "s", |c| {
        PRESERVE.show(exec(c).runtime_directory_preserve)
    }),
    list(
        "RuntimeDirectory",
        211,
        |r, v| paths(r, v, DirectoryKind::Runtime),
        "Directories below /run that are made for the unit and removed with it.",
    )
    .show("RuntimeDirectory", "as", |c| {
        show_paths(c, DirectoryKind::Runtime)
    }),
    bits(
        "RuntimeDirectoryMode",
        211,
        |r, v| mode(r, v, DirectoryKind::Runtime),
        "The access mode of RuntimeDirectory=.",
    )
    .show("RuntimeDirectoryMode", "u", |c| {
        show_mode(c, DirectoryKind::Runtime)
    }),
    list(
        "StateDirectory",
        235,
        |r, v| paths(r, v, DirectoryKind::State),
        "Directories below /var/lib that are made for the unit.",
    )
    .show("StateDirectory", "as", |c| {
        show_paths(c, DirectoryKind::State)
    }),
    bits(
        "StateDirectoryMode",
        235,
        |r, v| mode(r, v, DirectoryKind::State),
        "The access mode of StateDirectory=.",
    )
    .show("StateDirectoryMode", "u", |c| {
        show_mode(c, DirectoryKind::State)
    }),
    list(
        "CacheDirectory",
        235,
        |r, v| paths(r, v, DirectoryKind::Cache),
        "Directories below /var/cache that are made for the unit.",
    )
    .show("CacheDirectory", "as", |c| {
        show_paths(c, DirectoryKind::Cache)
    }),
    bits(
        "CacheDirectoryMode",
        235,
        |r, v| mode(r, v, DirectoryKind::Cache),
        "The access mode of CacheDirectory=.",
    )
    .show("CacheDirectoryMode", "u", |c| {
        show_mode(c, DirectoryKind::Cache)
    }),
    list(
        "LogsDirectory",
        235,
        |r, v| paths(r, v, DirectoryKind::Logs),
        "Directories below /var/log that are made for the unit.",
    )
    .show("LogsDirectory", "as", |c| {
        show_paths(c, DirectoryKind::Logs)
    }),
    bits(
        "LogsDirectoryMode",
        235,
        |r, v| mode(r, v, DirectoryKind::Logs),
        "The access mode of LogsDirectory=.",
    )
    .show("LogsDirectoryMode", "u", |c| {
        show_mode(c, DirectoryKind::Logs)
    }),
    list(
        "ConfigurationDirectory",
        235,
        |r, v| paths(r, v, DirectoryKind::Configuration),
        "Directories below /etc that are made for the unit.",
    )
    .show("ConfigurationDirectory", "as", |c| {
        show_paths(c, DirectoryKind::Configuration)
    }),
    bits(
        "ConfigurationDirectoryMode",
        235,
        |r, v| mode(r, v, DirectoryKind::Configuration),
        "The access mode of ConfigurationDirectory=.",
    )
    .show("ConfigurationDirectoryMode", "u", |c| {
        show_mode(c, DirectoryKind::Configuration)
    }),
];
