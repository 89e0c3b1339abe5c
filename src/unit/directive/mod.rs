//! The table of directives: one row each, the single place that knows a directive's name,
//! section, spelling of old, value, D-Bus property and level of support.
//!
//! The loader, `show`, the D-Bus properties and the manuals are derived from it. A row's
//! parser only records the value in the configuration; acting on it is the engine's and the
//! exec plan's part. A directive without a row is unknown: a warning, never an error. So every
//! setting that protects something has a row, if only one that keeps the unit from starting.
//!
//! Dependencies, commands and everything else that changes while a unit runs have no
//! property here: the engine shows them.

mod activation;
mod apply;
mod capability;
mod conditions;
mod dependencies;
mod directories;
mod endings;
mod exec;
mod exec_more;
mod hint;
mod install;
mod kill;
mod limits;
mod parse;
mod path;
mod probe;
mod procmgr;
mod read;
mod resource;
mod row;
mod sandbox;
mod scope;
mod service;
mod service_more;
mod shape;
mod socket;
mod socket_options;
mod stdio;
mod timer;
mod unit;

#[cfg(test)]
mod tests;

pub use apply::{NOT_RUN, apply, fail};
pub use hint::{nearest, nearest_of};
pub use read::{Draft, Reading, Trouble};
pub use row::{Get, Kind, Parse, Property, PropertyValue, Row, Shape, Support};
pub use socket::read_listen;

use super::name::UnitType;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// \[Unit\].
const UNIT: &[&str] = &["Unit"];
/// \[Install\].
const INSTALL: &[&str] = &["Install"];
/// \[Service\].
const SERVICE: &[&str] = &["Service"];
/// \[Socket\].
const SOCKET: &[&str] = &["Socket"];
/// \[Path\].
const PATH: &[&str] = &["Path"];
/// \[Timer\].
const TIMER: &[&str] = &["Timer"];
/// The sections of systemd.exec(5).
const EXEC: &[&str] = &["Service", "Socket", "Mount", "Swap"];
/// The sections of systemd.kill(5).
const KILL: &[&str] = &["Service", "Socket", "Mount", "Swap", "Scope"];
/// The sections of systemd.resource-control(5).
const RESOURCE: &[&str] = &["Service", "Socket", "Mount", "Swap", "Slice", "Scope"];

/// The section of our own settings; systemd leaves alone what begins with X-.
const PROCMGR: &[&str] = &["X-Procmgr"];
/// The sections of probes.
const PROBES: &[&str] = &["X-LivenessProbe", "X-ReadinessProbe", "X-StartupProbe"];

/// Every section of a unit file.
const SECTIONS: &[&str] = &[
    "Unit",
    "Install",
    "Service",
    "Socket",
    "Timer",
    "Path",
    "Mount",
    "Automount",
    "Swap",
    "Slice",
    "Scope",
    "X-Procmgr",
    "X-LivenessProbe",
    "X-ReadinessProbe",
    "X-StartupProbe",
];

/// The parts of the table in the order of the manual pages.
const PARTS: &[&[Row]] = &[
    unit::ROWS,
    dependencies::ROWS,
    conditions::ROWS,
    conditions::ASSERT_ROWS,
    install::ROWS,
    service::ROWS,
    endings::ROWS,
    service_more::ROWS,
    exec::ROWS,
    capability::ROWS,
    directories::ROWS,
    limits::ROWS,
    stdio::ROWS,
    exec_more::ROWS,
    sandbox::ROWS,
    kill::ROWS,
    resource::ROWS,
    socket::ROWS,
    socket_options::ROWS,
    scope::ROWS,
    path::ROWS,
    timer::ROWS,
    activation::LOOKED_UP_ROWS,
    procmgr::ROWS,
    probe::ROWS,
];

/// All rows, in the order of the manual pages.
pub fn table() -> impl Iterator<Item = &'static Row> {
    PARTS.iter().flat_map(|part| part.iter())
}

/// The row of a directive, also by a spelling of old.
pub fn find(section: &str, name: &str) -> Option<&'static Row> {
    static BY_NAME: LazyLock<BTreeMap<(&str, &str), &Row>> = LazyLock::new(|| {
        let mut index = BTreeMap::new();
        for row in table() {
            for section in row.sections {
                index.insert((*section, row.name), row);
            }
            for alias in row.aliases {
                index.insert(*alias, row);
            }
        }
        index
    });
    BY_NAME.get(&(section, name)).copied()
}

/// Settings of \[Service\] that a run takes from its beginning.
const FROM_THE_BEGINNING: &[&str] = &[
    "Type",
    "ExitType",
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "PIDFile",
    "BusName",
    "WatchdogSec",
    "Sockets",
    "OpenFile",
    "NonBlocking",
    "RootDirectoryStartOnly",
    "PermissionsStartOnly",
    "USBFunctionDescriptors",
    "USBFunctionStrings",
];

/// The same of control groups: where they lie, what is handed over, what processes are told.
const OF_A_NEW_GROUP: &[&str] = &[
    "Slice",
    "Delegate",
    "DelegateSubgroup",
    "DisableControllers",
    "MemoryPressureWatch",
    "MemoryPressureThresholdSec",
];

/// Whether a unit that is up takes a new value over only when it is started again: what its
/// processes and its control group were made with. Everything else, limits too, counts from
/// the next time it is looked at.
pub fn takes_effect_at_start(row: &Row) -> bool {
    row.sections == EXEC
        || FROM_THE_BEGINNING.contains(&row.name)
        || OF_A_NEW_GROUP.contains(&row.name)
}

/// Whether a directive is about the processes of a unit: of systemd.exec(5) or
/// systemd.resource-control(5).
pub fn is_about_processes(name: &str) -> bool {
    let row = find("Service", name);
    row.is_some_and(|row| row.sections == EXEC || row.sections == RESOURCE)
}

/// Whether a directive is a probe's: some of those are called as others of other sections are.
fn is_of_probes(row: &Row) -> bool {
    row.sections == PROBES
}

/// Every section name there is.
pub fn known_sections() -> &'static [&'static str] {
    SECTIONS
}

/// The sections that a unit of this type may have.
pub fn sections_of(unit_type: UnitType) -> &'static [&'static str] {
    match unit_type {
        UnitType::Service => &[
            "Unit",
            "Install",
            "Service",
            "X-Procmgr",
            "X-LivenessProbe",
            "X-ReadinessProbe",
            "X-StartupProbe",
        ],
        UnitType::Socket => &["Unit", "Install", "Socket", "X-Procmgr"],
        UnitType::Timer => &["Unit", "Install", "Timer", "X-Procmgr"],
        UnitType::Path => &["Unit", "Install", "Path", "X-Procmgr"],
        UnitType::Slice => &["Unit", "Install", "Slice", "X-Procmgr"],
        UnitType::Scope => &["Unit", "Install", "Scope", "X-Procmgr"],
        UnitType::Mount => &["Unit", "Install", "Mount", "X-Procmgr"],
        UnitType::Automount => &["Unit", "Install", "Automount", "X-Procmgr"],
        UnitType::Swap => &["Unit", "Install", "Swap", "X-Procmgr"],
        UnitType::Target | UnitType::Device => &["Unit", "Install", "X-Procmgr"],
    }
}

/// The D-Bus properties of \[Unit\], in the table's order.
pub fn unit_properties() -> impl Iterator<Item = &'static Property> {
    properties_of("Unit")
}

/// The D-Bus properties of a type's own section, in the table's order; of a unit of another
/// type they show the defaults.
pub fn type_properties(unit_type: UnitType) -> impl Iterator<Item = &'static Property> {
    let own = sections_of(unit_type).get(2).copied().unwrap_or("");
    properties_of(if PROCMGR.contains(&own) { "" } else { own })
}

/// The properties of our own settings, which no interface of systemd's has.
pub fn own_properties() -> impl Iterator<Item = &'static Property> {
    properties_of("X-Procmgr")
}

fn properties_of(section: &'static str) -> impl Iterator<Item = &'static Property> {
    table()
        .filter(move |row| row.sections.contains(&section))
        .flat_map(|row| row.properties.iter().flatten())
}
