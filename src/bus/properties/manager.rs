//! The manager as it was at one moment.

use super::row::Row;
use super::unit::clock;
use super::{Shown, manager_rows, masked};
use crate::bus::value::Value;
use crate::engine::{ActiveState, Timestamp};
use crate::host::{ManagerFacts, View};

/// Properties that need all units to be counted.
const COUNTED: [&str; 3] = ["NNames", "NFailedUnits", "SystemState"];

/// Everything that is shown of the manager.
#[derive(Debug, Clone)]
pub(in crate::bus) struct ManagerSnapshot {
    /// What the host knows.
    pub(in crate::bus) facts: ManagerFacts,
    /// Loaded units.
    pub(in crate::bus) units: u32,
    /// Their names, aliases included.
    pub(in crate::bus) names: u32,
    /// Failed units.
    pub(in crate::bus) failed: u32,
    /// Installed jobs.
    pub(in crate::bus) jobs: u32,
    /// Everything is being stopped.
    pub(in crate::bus) stopping: bool,
}

impl ManagerSnapshot {
    /// Counts and copies.
    pub(in crate::bus) fn take(view: &View<'_>) -> ManagerSnapshot {
        ManagerSnapshot::take_for(view, None)
    }

    /// The same; units are only counted if this property needs it.
    pub(in crate::bus) fn take_for(view: &View<'_>, wanted: Option<&str>) -> ManagerSnapshot {
        let mut snapshot = ManagerSnapshot {
            facts: view.facts.manager(),
            units: 0,
            names: 0,
            failed: 0,
            jobs: count(view.engine.job_count()),
            stopping: view.engine.is_shutting_down(),
        };
        if wanted.is_some_and(|it| !COUNTED.contains(&it)) {
            return snapshot;
        }
        for unit in view.engine.listed_units() {
            snapshot.units += 1;
            snapshot.names += 1 + count(unit.config.aliases.len());
            snapshot.failed += u32::from(unit.active == ActiveState::Failed);
        }
        snapshot
    }

    /// As `is-system-running` says it (systemctl(1)).
    pub(in crate::bus) fn state(&self) -> &'static str {
        if self.stopping {
            "stopping"
        } else if self.facts.startup.finished == Timestamp::default() {
            "starting"
        } else if self.failed > 0 {
            "degraded"
        } else {
            "running"
        }
    }

    /// All properties, in order.
    pub(in crate::bus) fn properties(&self) -> Vec<Shown> {
        manager_rows()
            .iter()
            .filter_map(|row| Some((row.name, row.signature, self.value(row)?)))
            .collect()
    }

    /// One property of a row.
    pub(in crate::bus) fn value(&self, row: &Row) -> Option<Value> {
        self.live(row.name)
            .or_else(|| row.default_value())
            .map(|value| masked(row.name, value))
    }

    fn live(&self, name: &str) -> Option<Value> {
        let facts = &self.facts;
        Some(match name {
            "Version" => Value::from(version()),
            "Architecture" => Value::from(architecture()),
            "NNames" => Value::U32(self.names),
            "NFailedUnits" => Value::U32(self.failed),
            "NJobs" => Value::U32(self.jobs),
            "Environment" => Value::strings(
                facts
                    .environment
                    .iter()
                    .map(|(name, value)| format!("{name}={value}")),
            ),
            "UnitPath" => Value::strings(facts.unit_path.iter().map(String::as_str)),
            "ControlGroup" => Value::from(facts.control_group.as_str()),
            "UserspaceTimestamp" => clock(facts.startup.begun, false),
            "UserspaceTimestampMonotonic" => clock(facts.startup.begun, true),
            "UnitsLoadStartTimestamp" => clock(facts.startup.loading, false),
            "UnitsLoadStartTimestampMonotonic" => clock(facts.startup.loading, true),
            "UnitsLoadFinishTimestamp" => clock(facts.startup.loaded, false),
            "UnitsLoadFinishTimestampMonotonic" => clock(facts.startup.loaded, true),
            "FinishTimestamp" => clock(facts.startup.finished, false),
            "FinishTimestampMonotonic" => clock(facts.startup.finished, true),
            "DefaultCPUAccounting" => Value::Bool(facts.load.accounting.cpu.unwrap_or(true)),
            "DefaultMemoryAccounting" => Value::Bool(facts.load.accounting.counts_memory()),
            "DefaultTasksAccounting" => Value::Bool(facts.load.accounting.counts_tasks()),
            "SystemState" => Value::from(self.state()),
            _ => return None,
        })
    }
}

/// Begins with the release of systemd whose interface this is: clients read a number there.
fn version() -> String {
    format!("252 (dd-procmgr {})", env!("CARGO_PKG_VERSION"))
}

/// systemd's word for the architecture this was built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn count(number: usize) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}
