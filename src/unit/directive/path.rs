//! \[Path\] (systemd.path(5)): what is watched, and what it activates.

use super::activation::{UNIT, activated, unit};
use super::parse::{absolute, boolean, micros, span, string, text, unsigned};
use super::read::{Reading, Trouble};
use super::row::{Get, Kind, PropertyValue, Row};
use super::{PATH, Parse};
use crate::unit::config::{PathConfig, PathKind, UnitConfig, WatchedPath};
use crate::unit::value::parse_mode;
use std::sync::LazyLock;

static DEFAULTS: LazyLock<PathConfig> = LazyLock::new(PathConfig::default);

/// The path part, or the defaults where there is none.
fn path(config: &UnitConfig) -> &PathConfig {
    config.path().unwrap_or(&DEFAULTS)
}

/// Adds a path; an empty value drops those of every kind.
fn watch(reading: &mut Reading<'_>, value: &str, kind: PathKind) -> Result<(), Trouble> {
    match string(reading, value)? {
        None => reading.path()?.paths.clear(),
        Some(value) => {
            let path = absolute(&value)?;
            reading.path()?.paths.push(WatchedPath { kind, path });
        }
    }
    Ok(())
}

/// `a(ss)`: the directive and the path; the last one that was written stands first.
fn show_paths(config: &UnitConfig) -> PropertyValue {
    let shown = path(config).paths.iter().rev().map(|watched| {
        PropertyValue::Struct(vec![text(watched.kind.directive()), text(&watched.path)])
    });
    PropertyValue::Array(shown.collect())
}

const fn row(name: &'static str, since: u16, kind: Kind, parse: Parse, doc: &'static str) -> Row {
    Row::new(PATH, name, since, kind, parse, doc)
}

const fn limit(
    name: &'static str,
    kind: Kind,
    parse: Parse,
    (property, signature, get): (&'static str, &'static str, Get),
    doc: &'static str,
) -> Row {
    row(name, 250, kind, parse, doc).show(property, signature, get)
}

pub(super) static ROWS: &[Row] = &[
    row(
        "PathExists",
        33,
        Kind::List,
        |r, v| watch(r, v, PathKind::Exists),
        "A path that activates while it exists.",
    )
    .show("Paths", "a(ss)", show_paths),
    row(
        "PathExistsGlob",
        33,
        Kind::List,
        |r, v| watch(r, v, PathKind::ExistsGlob),
        "A pattern that activates while something matches it.",
    ),
    row(
        "PathChanged",
        33,
        Kind::List,
        |r, v| watch(r, v, PathKind::Changed),
        "A path that activates when it was changed.",
    ),
    row(
        "PathModified",
        38,
        Kind::List,
        |r, v| watch(r, v, PathKind::Modified),
        "A path that activates when it was written to.",
    ),
    row(
        "DirectoryNotEmpty",
        33,
        Kind::List,
        |r, v| watch(r, v, PathKind::DirectoryNotEmpty),
        "A directory that activates while something is in it.",
    ),
    Row::new(PATH, "Unit", 33, Kind::Text, unit, UNIT).show("Unit", "s", activated),
    row(
        "MakeDirectory",
        33,
        Kind::Boolean,
        |r, v| {
            r.path()?.make_directory = boolean(v)?;
            Ok(())
        },
        "Whether directories to watch are made.",
    )
    .show("MakeDirectory", "b", |c| {
        PropertyValue::Bool(path(c).make_directory)
    }),
    row(
        "DirectoryMode",
        33,
        Kind::Number,
        |r, v| {
            r.path()?.directory_mode = parse_mode(v)?;
            Ok(())
        },
        "The access mode of directories that are made.",
    )
    .show("DirectoryMode", "u", |c| {
        PropertyValue::U32(path(c).directory_mode)
    }),
    limit(
        "TriggerLimitIntervalSec",
        Kind::Span,
        |r, v| {
            r.path()?.trigger_limit_interval = span(v)?;
            Ok(())
        },
        ("TriggerLimitIntervalUSec", "t", |c| {
            micros(path(c).trigger_limit_interval)
        }),
        "The time within which TriggerLimitBurst= activations are allowed.",
    ),
    limit(
        "TriggerLimitBurst",
        Kind::Number,
        |r, v| {
            r.path()?.trigger_limit_burst = unsigned(v)?;
            Ok(())
        },
        ("TriggerLimitBurst", "u", |c| {
            PropertyValue::U32(path(c).trigger_limit_burst)
        }),
        "How many activations are allowed within TriggerLimitIntervalSec=.",
    ),
];
