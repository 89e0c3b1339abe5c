//! Directories that come and go with a unit (systemd.exec(5), "SANDBOXING", RuntimeDirectory=).

use super::EXEC;
use super::parse::{Choice, exec, strings, text, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, Parse, PropertyValue, Row};
use crate::unit::config::{DirectoryKind, PreserveMode, UnitConfig};
use crate::unit::value;

const PRESERVE: Choice<PreserveMode> = Choice {
    words: &["no", "restart", "yes"],
    values: &[PreserveMode::No, PreserveMode::Restart, PreserveMode::Yes],
};

/// The path in its shortest form, if it is relative, stays inside and does not lead into
/// `private` (M20).
fn inside(path: &str) -> Option<String> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|p| !p.is_empty() && *p != ".")
        .collect();
    let stays = !path.starts_with('/')
        && !parts.is_empty()
        && parts.first() != Some(&"private")
        && !parts.contains(&"..");
    stays.then(|| parts.join("/"))
}

/// Adds relative paths, each perhaps with the path of a link to it behind a colon; bad ones are
/// left out with a warning.
fn paths(reading: &mut Reading<'_>, value: &str, kind: DirectoryKind) -> Result<(), Trouble> {
    if value.is_empty() {
        let directories = reading.exec()?.directories.entry(kind).or_default();
        directories.paths.clear();
        directories.links.clear();
        return Ok(());
    }
    for (offset, word) in words(reading, value)? {
        let (path, link) = match word.split_once(':') {
            Some((path, link)) => (path, Some(link).filter(|link| !link.is_empty())),
            None => (word.as_str(), None),
        };
        let bad = |path| format!("\"{path}\" is not a relative path that stays inside, ignored");
        let Some(path) = inside(path) else {
            reading.warn(offset, &bad(path));
            continue;
        };
        let link = match link.map(|link| inside(link).ok_or_else(|| bad(link))) {
            Some(Ok(_)) if kind == DirectoryKind::Configuration => {
                let message = "there are no links to configuration directories, ignored";
                reading.warn(offset, message);
                continue;
            }
            Some(Err(message)) => {
                reading.warn(offset, &message);
                continue;
            }
            Some(Ok(link)) => Some(link),
            None => None,
        };
        let directories = reading.exec()?.directories.entry(kind).or_default();
        if let Err(at) = directories.paths.binary_search(&path) {
            directories.paths.insert(at, path.clone());
        }
        let link = link.map(|link| (path, link));
        if let Some(link) = link.filter(|link| !directories.links.contains(link)) {
            directories.links.push(link);
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
    strings(directories.map_or(&[][..], |d| &d.paths))
}

/// `a(sst)`: directory, link, no flags.
fn show_links(config: &UnitConfig, kind: DirectoryKind) -> PropertyValue {
    let directories = exec(config).directories.get(&kind);
    let links = directories.map_or(&[][..], |d| &d.links);
    let rows = links.iter().map(|(path, link)| {
        PropertyValue::Struct(vec![text(path), text(link), PropertyValue::U64(0)])
    });
    PropertyValue::Array(rows.collect())
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
    })
    .show("RuntimeDirectorySymlink", "a(sst)", |c| {
        show_links(c, DirectoryKind::Runtime)
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
    })
    .show("StateDirectorySymlink", "a(sst)", |c| {
        show_links(c, DirectoryKind::State)
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
    })
    .show("CacheDirectorySymlink", "a(sst)", |c| {
        show_links(c, DirectoryKind::Cache)
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
    })
    .show("LogsDirectorySymlink", "a(sst)", |c| {
        show_links(c, DirectoryKind::Logs)
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
