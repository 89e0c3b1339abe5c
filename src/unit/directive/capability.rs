//! Capabilities and new privileges (systemd.exec(5), "CAPABILITIES" and "SECURITY").

use super::EXEC;
use super::parse::{boolean, exec};
use super::read::Reading;
use super::row::{Kind, PropertyValue, Row};
use crate::unit::value::CapabilitySet;

/// Every capability that Linux has, as the bounding set is shown when nothing limits it.
const ALL: u64 = (1 << 41) - 1;

/// What an assignment makes of the set before it: words without `~` join, with `~` are taken
/// out; the first assignment, and one without words, replaces. A word that names no capability
/// is left out with a warning, so that a limit never falls away for one word.
fn merge(reading: &mut Reading<'_>, value: &str, before: Option<u64>) -> u64 {
    let (invert, list) = match value.strip_prefix('~') {
        Some(list) => (true, list),
        None => (false, value),
    };
    let start = value.len() - list.len();
    let mut named = 0;
    for (offset, word) in super::parse::raw_words(list) {
        match CapabilitySet::parse(word) {
            Ok(set) => named |= set.0,
            Err(error) => reading.warn(start + offset, &format!("{error}, ignored")),
        }
    }
    match before {
        Some(before) if named != 0 && invert => before & !named,
        Some(before) if named != 0 => before | named,
        Some(_) | None if invert => ALL & !named,
        Some(_) | None => named,
    }
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        EXEC,
        "CapabilityBoundingSet",
        33,
        Kind::List,
        |r, v| {
            let before = r.exec()?.capability_bounding_set;
            let before = before.map(|set| set.0).filter(|set| set & ALL != ALL);
            let set = merge(r, v, before);
            r.exec()?.capability_bounding_set = Some(CapabilitySet(set));
            Ok(())
        },
        "The capabilities that processes can ever have; with ~ all but these.",
    )
    .show("CapabilityBoundingSet", "t", |c| {
        let set = exec(c).capability_bounding_set;
        PropertyValue::U64(set.map_or(ALL, |set| set.0))
    }),
    Row::new(
        EXEC,
        "AmbientCapabilities",
        229,
        Kind::List,
        |r, v| {
            let before = Some(r.exec()?.ambient_capabilities.0).filter(|set| *set != 0);
            let set = merge(r, v, before);
            r.exec()?.ambient_capabilities = CapabilitySet(set);
            Ok(())
        },
        "The capabilities that processes have though their user is not root.",
    )
    .show("AmbientCapabilities", "t", |c| {
        PropertyValue::U64(exec(c).ambient_capabilities.0)
    }),
    Row::new(
        EXEC,
        "NoNewPrivileges",
        198,
        Kind::Boolean,
        |r, v| {
            r.exec()?.no_new_privileges = boolean(v)?;
            Ok(())
        },
        "Whether executing a program can no longer add privileges.",
    )
    .show("NoNewPrivileges", "b", |c| {
        PropertyValue::Bool(exec(c).no_new_privileges)
    }),
];
