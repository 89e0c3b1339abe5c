//! Properties of the objects: a table row says a property's type and place, the value comes
//! from the state (`unit`, `service`, `manager`), else from the directive table, else from the
//! row.
//!
//! Everything is read from a snapshot, so that the loop is held no longer than a copy takes.

pub(super) mod row;

mod manager;
mod service;
mod socket;
mod table_context;
mod table_manager;
mod table_service;
mod table_types;
mod table_unit;
#[cfg(test)]
mod tests;
mod timer;
mod unit;
mod usage;

use super::secret;
use super::value::Value;
use crate::unit::directive::{self, Property};
use crate::unit::name::UnitType;
use row::Row;
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) use manager::ManagerSnapshot;
pub(super) use unit::{OF_CHANGES, OF_TYPE, UnitSnapshot};
pub(super) use usage::{NEWER as NEWER_USAGE, newer as newer_usage};

/// A property ready to be sent: name, type, value.
pub(super) type Shown = (&'static str, &'static str, Value);

/// The interface of all units.
pub(super) const UNIT_INTERFACE: &str = "org.freedesktop.systemd1.Unit";
/// The interface of the manager object.
pub(super) const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
/// The interface of jobs.
pub(super) const JOB_INTERFACE: &str = "org.freedesktop.systemd1.Job";

/// The interface that a unit has beside [`UNIT_INTERFACE`].
pub(super) fn type_interface(unit_type: UnitType) -> &'static str {
    match unit_type {
        UnitType::Service => "org.freedesktop.systemd1.Service",
        UnitType::Socket => "org.freedesktop.systemd1.Socket",
        UnitType::Target => "org.freedesktop.systemd1.Target",
        UnitType::Timer => "org.freedesktop.systemd1.Timer",
        UnitType::Path => "org.freedesktop.systemd1.Path",
        UnitType::Slice => "org.freedesktop.systemd1.Slice",
        UnitType::Scope => "org.freedesktop.systemd1.Scope",
        UnitType::Mount => "org.freedesktop.systemd1.Mount",
        UnitType::Automount => "org.freedesktop.systemd1.Automount",
        UnitType::Swap => "org.freedesktop.systemd1.Swap",
        UnitType::Device => "org.freedesktop.systemd1.Device",
    }
}

/// The rows of the manager, in order.
pub(super) fn manager_rows() -> &'static [Row] {
    table_manager::MANAGER
}

/// The rows of a job, in order.
pub(super) fn job_rows() -> &'static [Row] {
    table_types::JOB
}

/// The rows of org.freedesktop.LogControl1, in order.
pub(super) fn log_control_rows() -> &'static [Row] {
    table_types::LOG_CONTROL
}

/// The rows of [`UNIT_INTERFACE`], in order; directives newer than systemd 252 at the end.
pub(super) fn unit_rows() -> &'static [Row] {
    &UNIT_ROWS
}

/// The rows of a type's interface, in order; directives newer than systemd 252 at the end.
pub(super) fn type_rows(unit_type: UnitType) -> &'static [Row] {
    TYPE_ROWS.get(&unit_type).map_or(&[], Vec::as_slice)
}

/// The rows of our own interface of units.
pub(super) fn own_rows() -> Vec<Row> {
    with_newer(&[], directive::own_properties())
}

static UNIT_ROWS: LazyLock<Vec<Row>> =
    LazyLock::new(|| with_newer(table_unit::UNIT, directive::unit_properties()));

static TYPE_ROWS: LazyLock<BTreeMap<UnitType, Vec<Row>>> = LazyLock::new(|| {
    UnitType::ALL
        .into_iter()
        .map(|t| {
            let table = type_tables(t).concat();
            (t, with_newer(&table, directive::type_properties(t)))
        })
        .collect()
});

/// The tables of a type's interface.
fn type_tables(unit_type: UnitType) -> Vec<&'static [Row]> {
    use table_context::{CONTROL_GROUP, EXEC, KILL};
    match unit_type {
        UnitType::Service => vec![table_service::SERVICE, CONTROL_GROUP, EXEC, KILL],
        UnitType::Socket => vec![table_types::SOCKET, CONTROL_GROUP, EXEC, KILL],
        UnitType::Mount => vec![table_types::MOUNT, CONTROL_GROUP, EXEC, KILL],
        UnitType::Swap => vec![table_types::SWAP, CONTROL_GROUP, EXEC, KILL],
        UnitType::Scope => vec![table_types::SCOPE, CONTROL_GROUP, KILL],
        UnitType::Slice => vec![CONTROL_GROUP],
        UnitType::Timer => vec![table_types::TIMER],
        UnitType::Path => vec![table_types::PATH],
        UnitType::Automount => vec![table_types::AUTOMOUNT],
        UnitType::Device => vec![table_types::DEVICE],
        UnitType::Target => Vec::new(),
    }
}

/// The table, and behind it rows for the directives that systemd 252 does not have; each row with
/// its directive.
fn with_newer(table: &[Row], properties: impl Iterator<Item = &'static Property>) -> Vec<Row> {
    let mut rows = table.to_vec();
    for property in properties {
        let mut known = false;
        for row in rows.iter_mut().filter(|row| row.name == property.name) {
            row.directive = Some(property);
            known = true;
        }
        if !known {
            let (emits, default) = (row::Emits::Const, row::Default::Omit);
            rows.push(Row {
                directive: Some(property),
                ..row::row(property.name, property.signature, emits, default)
            });
        }
    }
    rows
}

/// Hides secrets in what holds environment assignments.
fn masked(name: &str, value: Value) -> Value {
    match value {
        Value::Array(values) if name == "Environment" => Value::Array(
            values
                .into_iter()
                .map(|value| match value {
                    Value::String(assignment) => Value::String(secret::mask(&assignment)),
                    other => other,
                })
                .collect(),
        ),
        other => other,
    }
}
