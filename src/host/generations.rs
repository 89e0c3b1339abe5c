//! Generations of a unit's processes: while a restart with an overlap goes on, each has a control
//! group of its own below that of the unit. Where there are no control groups it has a session and who
//! descends from it, and a variable by which those are known that made themselves independent.
//!
//! Generation 0 is whoever is in the unit's own group. A process that cannot be counted to any
//! generation is counted to none, so that no signal for one of them hits it.

use super::groups::{Groups, Known};
use super::process_table::{self, Table};
use crate::engine::UnitId;
use crate::sys::proc;
use std::fs;
use std::path::Path;

/// The beginning of the names of their groups; the number follows.
const PREFIX: &str = "generation-";

/// The variable that tells a generation but the first, where there are no control groups.
const VARIABLE: &str = "DD_PM_GENERATION";

/// The variable of a generation where there are no control groups.
pub(super) fn variable_of(generation: u32) -> Option<(String, String)> {
    (generation > 0).then(|| (VARIABLE.to_owned(), generation.to_string()))
}

/// The group of a generation, below that of its unit.
pub(super) fn group_of(generation: u32) -> Option<String> {
    (generation > 0).then(|| format!("{PREFIX}{generation}"))
}

impl Groups {
    /// The living processes of one generation of a unit.
    pub(super) fn processes_of(&self, unit: UnitId, generation: u32, known: &Known) -> Vec<i32> {
        let table = match self.has_tree() {
            true => None,
            false => Some(process_table::scan()),
        };
        let mut pids = self.processes(unit, known);
        pids.retain(|pid| self.generation_of(unit, *pid, table.as_ref()) == Some(generation));
        pids
    }

    /// Nobody of a generation is left: neither is its group.
    pub(super) fn generation_gone(&mut self, unit: UnitId, generation: u32) {
        self.forget_started(unit, generation);
        if let (Some(unit), Some(group)) = (self.directory_of(unit), group_of(generation)) {
            // If there are groups below, it goes with that of the unit.
            let _ = fs::remove_dir(unit.join(group));
        }
    }

    /// The generation of a process of a unit; `table` is for where there are no control groups.
    pub(super) fn generation_of(
        &self,
        unit: UnitId,
        pid: i32,
        table: Option<&Table>,
    ) -> Option<u32> {
        let Some(table) = table else {
            let name = proc::control_group(pid).ok()??;
            let own = self.group_name(unit)?;
            let below = Path::new(&name).strip_prefix(own).ok()?;
            let first = below.iter().next().and_then(|first| first.to_str());
            let number = first.and_then(|first| first.strip_prefix(PREFIX)?.parse().ok());
            return Some(number.unwrap_or(0));
        };
        // The way up from the process leads to one that was started for a generation.
        let mut current = pid;
        for _ in 0..table.len() {
            let Some(stat) = table.get(&current) else {
                break;
            };
            let found = [stat.session, stat.group, current];
            let mut found = found.iter().filter_map(|it| self.session_of(unit, *it));
            if let Some(generation) = found.next() {
                return Some(generation);
            }
            current = stat.parent;
        }
        self.executed_for(unit, pid)
    }

    /// The generation that a process was executed for, by its environment.
    fn executed_for(&self, unit: UnitId, pid: i32) -> Option<u32> {
        let variable = |name| process_table::environment_variable(pid, name);
        if !self.has_invocation(unit, &variable("INVOCATION_ID")?) {
            return None;
        }
        variable(VARIABLE).map_or(Some(0), |number| number.parse().ok())
    }
}
