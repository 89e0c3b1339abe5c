//! What is measured, at one moment: taken on the loop, completed on a pool thread.

use crate::engine::inspect::{UnitHealth, UnitView};
use crate::host::{Held, ManagerFacts, Usage, View, Vitals, read_usage};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Everything.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) manager: ManagerFacts,
    pub(super) vitals: Vitals,
    pub(super) jobs: usize,
    pub(super) stopping: bool,
    pub(super) units: Vec<Shown>,
    /// Bytes that the daemon keeps in memory.
    pub(super) resident: Option<u64>,
    /// Its open descriptors.
    pub(super) descriptors: Option<u64>,
}

/// One unit.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) view: UnitView,
    pub(super) health: UnitHealth,
    pub(super) held: Held,
    pub(super) usage: Usage,
    /// Open descriptors of all its processes.
    pub(super) descriptors: Option<u64>,
}

impl Shown {
    pub(super) fn name(&self) -> &str {
        self.view.config.name.as_str()
    }
}

impl Picture {
    /// What the loop knows. Cheap: nothing is read.
    pub(super) fn take(view: &View<'_>) -> Picture {
        let mut lines = view.facts.log_counts();
        let units = view.engine.health().into_iter().filter_map(|health| {
            let unit = view.engine.unit(health.unit.as_str())?;
            let mut held = view.facts.held(&health.unit);
            held.lines = lines.remove(&health.unit).unwrap_or(0);
            Some(Shown {
                view: unit,
                health,
                held,
                usage: Usage::default(),
                descriptors: None,
            })
        });
        Picture {
            units: units.collect(),
            manager: view.facts.manager(),
            vitals: view.facts.vitals(),
            jobs: view.engine.jobs().len(),
            stopping: view.engine.is_shutting_down(),
            resident: None,
            descriptors: None,
        }
    }

    /// Adds what the kernel knows; may take its time.
    pub(super) fn complete(&mut self) {
        for unit in &mut self.units {
            unit.complete();
        }
        self.resident = resident();
        self.descriptors = open_descriptors("self");
    }

    /// How many units are in each state.
    pub(super) fn states(&self) -> BTreeMap<&'static str, u64> {
        let mut states = BTreeMap::new();
        for unit in &self.units {
            *states.entry(unit.view.active.as_str()).or_default() += 1;
        }
        states
    }
}

impl Shown {
    fn complete(&mut self) {
        let main = self.view.service.as_ref().map_or(0, |it| it.main_pid);
        let pids = match &self.held.group {
            Some(group) => {
                self.usage = read_usage(&self.held.places);
                members(group)
            }
            None if main > 0 => vec![main.to_string()],
            None => Vec::new(),
        };
        self.usage.cpu = self.usage.cpu.or(self.held.cpu);
        if !pids.is_empty() {
            let counts = pids.iter().filter_map(|pid| open_descriptors(pid));
            self.descriptors = Some(counts.sum());
        }
    }
}

fn members(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// `None` of a process that has gone, or is somebody else's.
fn open_descriptors(pid: &str) -> Option<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    u64::try_from(entries.count()).ok()
}

/// proc_pid_status(5): VmRSS, in kB.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
