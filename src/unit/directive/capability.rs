//! Capabilities and new privileges (systemd.exec(5), "CAPABILITIES" and "SECURITY").

use super::EXEC;
use super::parse::{boolean, exec};
use super::read::Reading;
use super::row::{Kind, PropertyValue, Row};
use crate::unit::value::CapabilitySet;

/// The capabilities that Linux has, as systemd shows a bounding set that nothing limits.
const KNOWN: u64 = (1 << 41) - 1;

/// Merges a value into a set. A word that is no capability is left out with a warning; the
/// others count, so that a limit never falls away for one word.
fn merge(reading: &mut Reading<'_>, value: &str, set: &mut CapabilitySet, unset: CapabilitySet) {
    if let Err(error) = set.merge(value, unset) {
        reading.warn(0, &format!("{error}; left out"));
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
            let mut set = before.unwrap_or(CapabilitySet::ALL);
            merge(r, v, &mut set, CapabilitySet::ALL);
            r.exec()?.capability_bounding_set = Some(set);
            Ok(())
        },
        "The capabilities that processes can ever have; with ~ all but these.",
    )
    .show("CapabilityBoundingSet", "t", |c| {
        let set = exec(c).capability_bounding_set;
        PropertyValue::U64(set.map_or(KNOWN, |set| set.0 & KNOWN))
    }),
    Row::new(
        EXEC,
        "AmbientCapabilities",
        229,
        Kind::List,
        |r, v| {
            let mut set = r.exec()?.ambient_capabilities;
            merge(r, v, &mut set, CapabilitySet::EMPTY);
            r.exec()?.ambient_capabilities = set;
            Ok(())
        },
        "The capabilities that processes have though their user is not root.",
    )
    .show("AmbientCapabilities", "t", |c| {
        PropertyValue::U64(exec(c).ambient_capabilities.0 & KNOWN)
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
