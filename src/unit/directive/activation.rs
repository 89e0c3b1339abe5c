//! The sections of unit types that are not run, \[Mount\], \[Automount\] and \[Swap\], and of scopes;
//! and Unit= of paths and timers, which is the same for both.

use super::Parse;
use super::parse::text;
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use crate::unit::config::{DependencyKind, UnitConfig};
use crate::unit::name::UnitName;

const LOOKED_UP: &str = "units of this type are only looked up, never made";

/// Unit=: what is activated, once named for good; a unit of another type.
pub(super) fn unit(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let name = reading.expand(value)?;
    let name = UnitName::parse(&name).map_err(|error| Trouble::ignored(error.to_string()))?;
    let draft = &mut *reading.draft;
    if name.unit_type() == draft.config.name.unit_type() {
        let message = format!("\"{name}\" is of the unit's own type");
        return Err(Trouble::ignored(message));
    }
    if let Some(first) = &draft.activates {
        let message = format!("the unit activates {first} already");
        return Err(Trouble::ignored(message));
    }
    draft.activates = Some(name);
    Ok(())
}

/// What the unit activates.
pub(super) fn activated(config: &UnitConfig) -> PropertyValue {
    let target = config.dependencies_of(DependencyKind::Triggers).next();
    text(target.map_or("", |name| name.as_str()))
}

fn usual_mode(_: &UnitConfig) -> PropertyValue {
    PropertyValue::U32(0o755)
}

fn usual_timeout(_: &UnitConfig) -> PropertyValue {
    PropertyValue::U64(90_000_000)
}

pub(super) const UNIT: &str = "What is activated; the service of the same name if unset.";

const fn looked_up(
    sections: &'static [&'static str],
    name: &'static str,
    since: u16,
    kind: Kind,
    doc: &'static str,
) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, LOOKED_UP, false);
    Row::new(sections, name, since, kind, parse, doc).support(Support::Accepted(LOOKED_UP))
}

const MOUNT: &[&str] = &["Mount"];
const AUTOMOUNT: &[&str] = &["Automount"];
const SWAP: &[&str] = &["Swap"];

pub(super) static LOOKED_UP_ROWS: &[Row] = &[
    looked_up(MOUNT, "What", 33, Kind::Text, "What is mounted.").no_text(),
    looked_up(MOUNT, "Where", 33, Kind::Text, "Where it is mounted.")
        .no_text()
        .kept(shape::path),
    looked_up(
        MOUNT,
        "Type",
        33,
        Kind::Text,
        "The type of the file system.",
    )
    .no_text(),
    looked_up(MOUNT, "Options", 33, Kind::Text, "How it is mounted.").no_text(),
    looked_up(
        MOUNT,
        "SloppyOptions",
        215,
        Kind::Boolean,
        "Whether options that are not known are passed over.",
    )
    .off(),
    looked_up(
        MOUNT,
        "LazyUnmount",
        233,
        Kind::Boolean,
        "Whether it is detached at once and unmounted when it is free.",
    )
    .off(),
    looked_up(
        MOUNT,
        "ForceUnmount",
        233,
        Kind::Boolean,
        "Whether it is unmounted though it is in use.",
    )
    .off(),
    looked_up(
        MOUNT,
        "ReadWriteOnly",
        246,
        Kind::Boolean,
        "Whether a mount that cannot be written fails.",
    )
    .off(),
    looked_up(
        MOUNT,
        "DirectoryMode",
        33,
        Kind::Number,
        "The access mode of directories that are made for it.",
    )
    .show("DirectoryMode", "u", usual_mode)
    .kept(shape::mode),
    looked_up(
        MOUNT,
        "TimeoutSec",
        33,
        Kind::Span,
        "How long mounting may take.",
    )
    .show("TimeoutUSec", "t", usual_timeout)
    .kept(shape::timeout),
    looked_up(
        AUTOMOUNT,
        "Where",
        33,
        Kind::Text,
        "Where something is mounted on use.",
    )
    .no_text()
    .kept(shape::path),
    looked_up(
        AUTOMOUNT,
        "ExtraOptions",
        250,
        Kind::Text,
        "More options for the automatic mount.",
    )
    .no_text(),
    looked_up(
        AUTOMOUNT,
        "DirectoryMode",
        33,
        Kind::Number,
        "The access mode of directories that are made for the mount point.",
    )
    .show("DirectoryMode", "u", usual_mode)
    .kept(shape::mode),
    looked_up(
        AUTOMOUNT,
        "TimeoutIdleSec",
        220,
        Kind::Span,
        "How long an unused mount stays.",
    )
    .show("TimeoutIdleUSec", "t", |_| PropertyValue::U64(0))
    .kept(shape::timeout),
    looked_up(
        SWAP,
        "What",
        33,
        Kind::Text,
        "The device or file that is swapped to.",
    )
    .no_text(),
    looked_up(
        SWAP,
        "Priority",
        33,
        Kind::Number,
        "The order in which swaps are used.",
    )
    .show("Priority", "i", |_| PropertyValue::I32(-1))
    .kept(shape::integer),
    looked_up(
        SWAP,
        "Options",
        217,
        Kind::Text,
        "How swapping is switched on.",
    )
    .no_text(),
    looked_up(
        SWAP,
        "TimeoutSec",
        33,
        Kind::Span,
        "How long switching it on may take.",
    )
    .show("TimeoutUSec", "t", usual_timeout)
    .kept(shape::timeout),
];
