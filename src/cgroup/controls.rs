//! What is set on the groups of units, by controller and hierarchy: turns a plan into the steps
//! that lead there from what was set before, and carries them out.
//!
//! Steps are made at once and in order; carrying them out may take its time (the kernel takes
//! memory away from a group before it returns from lowering its limit), so that is left to the
//! caller. A step that fails is a finding, and the next ones go on.

use super::controller::{Controller, Version};
use super::device;
use super::own::{self, OwnGroup};
use super::plan::{Finding, Plan, Write, set_bits, set_text};
use super::{Tree, below, make_directory, processes_below, remove_recursively};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The way from our subtree to a group, a directory each; empty for the subtree itself.
pub type GroupPath = Vec<String>;

/// The controllers that can be used, and what was done with them.
#[derive(Debug)]
pub struct Controls {
    own: Option<OwnGroup>,
    /// Our subtree in version 2.
    unified: Option<PathBuf>,
    /// Our subtree in each hierarchy of version 1; made when it is needed.
    legacy: BTreeMap<Controller, PathBuf>,
    versions: BTreeMap<Controller, Version>,
    absent: String,
    /// Groups below which a controller is enabled.
    enabled: BTreeSet<(PathBuf, Controller)>,
    applied: BTreeMap<GroupPath, Plan>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Enable a controller below a group.
    Enable(PathBuf, Controller),
    /// Make a group in a hierarchy of version 1.
    Make(PathBuf, Controller),
    /// Write a value into a file of the group at a directory.
    Write(PathBuf, Write),
    /// The same, where the file is there and nobody minds if it is not.
    Forget(PathBuf, &'static str, &'static str),
    /// Move all processes of a group of version 2 into one of version 1.
    Gather(PathBuf, PathBuf),
}

/// What is to be done for one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// In this order.
    pub steps: Vec<Step>,
    /// What the plan has found already.
    pub findings: Vec<Finding>,
}

/// Values of version 2 that a group may have from an earlier daemon.
const UNIFIED_DEFAULTS: [(Controller, &str, &str); 13] = [
    (Controller::Cpu, "cpu.idle", "0"),
    (Controller::Cpu, "cpu.weight", "100"),
    (Controller::Cpu, "cpu.max", "max 100000"),
    (Controller::CpuSet, "cpuset.cpus", ""),
    (Controller::CpuSet, "cpuset.mems", ""),
    (Controller::Memory, "memory.min", "0"),
    (Controller::Memory, "memory.low", "0"),
    (Controller::Memory, "memory.high", "max"),
    (Controller::Memory, "memory.max", "max"),
    (Controller::Memory, "memory.swap.max", "max"),
    (Controller::Memory, "memory.zswap.max", "max"),
    (Controller::Tasks, "pids.max", "max"),
    (Controller::Io, "io.weight", "default 100"),
];

/// The same of version 1.
const LEGACY_DEFAULTS: [(Controller, &str, &str); 6] = [
    (Controller::Cpu, "cpu.shares", "1024"),
    (Controller::Cpu, "cpu.cfs_quota_us", "-1"),
    (Controller::Memory, "memory.memsw.limit_in_bytes", "-1"),
    (Controller::Memory, "memory.limit_in_bytes", "-1"),
    (Controller::Tasks, "pids.max", "max"),
    (Controller::Io, "blkio.weight", "500"),
];

const MEMORY_AND_SWAP: &str = "memory.memsw.limit_in_bytes";

impl Controls {
    /// None can be used, for this reason.
    pub fn none(reason: &str) -> Controls {
        Controls {
            own: None,
            unified: None,
            legacy: BTreeMap::new(),
            versions: BTreeMap::new(),
            absent: reason.to_owned(),
            enabled: BTreeSet::new(),
            applied: BTreeMap::new(),
        }
    }

    /// Looks for the controllers of both versions. The daemon may go into a group of its own for
    /// those of version 2.
    pub fn open(tree: Option<&Tree>, label: &str) -> Controls {
        let mut controls = Controls::none("no control group can be written");
        let read = |name| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let leaf = super::leaf(label);
        for (controller, own) in super::layout::own_legacy(&read("mountinfo"), &read("cgroup")) {
            // A subtree of an earlier daemon, or the right to make one.
            if own.join(&leaf).is_dir() || may_write(&own) {
                controls.legacy.insert(controller, own.join(&leaf));
                controls.versions.insert(controller, Version::One);
            }
        }
        let Some(tree) = tree else {
            return controls;
        };
        controls.unified = Some(tree.root().to_owned());
        match OwnGroup::take(
            tree.own_directory(),
            tree.own_name(),
            &super::daemon_leaf(label),
        ) {
            Ok(own) => {
                let unified = own.controllers.iter().map(|c| (*c, Version::Two));
                controls.versions.extend(unified);
                controls.own = Some(own);
                controls.absent = "this machine does not have it".to_owned();
            }
            Err(reason) if controls.versions.is_empty() => controls.absent = reason,
            Err(_) => controls.absent = "this machine does not have it".to_owned(),
        }
        controls
    }

    /// Where each controller is that can be used.
    pub fn versions(&self) -> &BTreeMap<Controller, Version> {
        &self.versions
    }

    /// Why the others cannot.
    pub fn absent(&self) -> &str {
        &self.absent
    }

    /// What was last asked to be set on a group.
    pub fn applied(&self, path: &[String]) -> Option<&Plan> {
        self.applied.get(path)
    }

    /// The steps from what is set on a group to a plan for it. What lies above the group must be
    /// there. `found`: it was there before this daemon knew of it.
    pub fn change(&mut self, path: &[String], plan: Plan, found: bool) -> Change {
        let mut steps = Vec::new();
        let before = self.applied.get(path);
        if plan.asks_nothing() && before.map_or(!found, |before| *before == plan) {
            // A group of which nothing is asked, as most are.
            let findings = plan.findings.clone();
            if before.is_none() {
                self.applied.insert(path.to_vec(), plan);
            }
            return Change { steps, findings };
        }
        let before = self.applied.remove(path);
        for controller in &plan.needed {
            match self.versions.get(controller) {
                Some(Version::Two) => self.add_enabling(&mut steps, path, *controller),
                Some(Version::One) => self.add_groups(&mut steps, path, *controller),
                None => {}
            }
        }
        if before.is_none() && found {
            self.add_defaults(&mut steps, path, &plan);
        }
        let joined = before.as_ref().map(|plan| plan.needed.clone());
        let old = before.map(|plan| plan.writes).unwrap_or_default();
        for write in differences(&old, &plan.writes) {
            if let Some(directory) = self.directory(write.controller, path) {
                steps.push(Step::Write(directory, write));
            }
        }
        // Processes that are there already come along.
        let fresh = plan
            .needed
            .iter()
            .filter(|c| joined.as_ref().is_some_and(|j| !j.contains(c)));
        for controller in fresh.filter(|c| self.versions.get(c) == Some(&Version::One)) {
            let legacy = self.directory(*controller, path);
            if let (Some(unified), Some(legacy)) = (&self.unified, legacy) {
                steps.push(Step::Gather(below(unified, path), legacy));
            }
        }
        let findings = plan.findings.clone();
        self.applied.insert(path.to_vec(), plan);
        Change { steps, findings }
    }

    /// Enables the controller in every group from our own down to the one above.
    fn add_enabling(&mut self, steps: &mut Vec<Step>, path: &[String], controller: Controller) {
        let (Some(own), Some(unified)) = (&self.own, &self.unified) else {
            return;
        };
        let mut levels = vec![own.directory().to_owned()];
        let mut level = unified.clone();
        for part in path {
            levels.push(level.clone());
            level.push(part);
        }
        for level in levels {
            if self.enabled.insert((level.clone(), controller)) {
                steps.push(Step::Enable(level, controller));
            }
        }
    }

    fn add_groups(&self, steps: &mut Vec<Step>, path: &[String], controller: Controller) {
        let Some(root) = self.legacy.get(&controller) else {
            return;
        };
        let mut level = root.clone();
        steps.push(Step::Make(level.clone(), controller));
        for part in path {
            level.push(part);
            steps.push(Step::Make(level.clone(), controller));
        }
    }

    /// Takes back what an earlier daemon may have set and the plan does not.
    fn add_defaults(&self, steps: &mut Vec<Step>, path: &[String], plan: &Plan) {
        let unified = UNIFIED_DEFAULTS.iter().map(|row| (Version::Two, row));
        let legacy = LEGACY_DEFAULTS.iter().map(|row| (Version::One, row));
        for (version, (controller, file, value)) in unified.chain(legacy) {
            let planned = plan.writes.iter().any(|write| write.file == *file);
            if self.versions.get(controller) != Some(&version) || planned {
                continue;
            }
            if let Some(directory) = self.directory(*controller, path) {
                steps.push(Step::Forget(directory, file, value));
            }
        }
    }

    /// Where the files of a controller are for a group.
    fn directory(&self, controller: Controller, path: &[String]) -> Option<PathBuf> {
        let root = match self.versions.get(&controller)? {
            Version::Two => self.unified.as_ref()?,
            Version::One => self.legacy.get(&controller)?,
        };
        Some(below(root, path))
    }

    /// The groups of version 1 that processes of a group have to join, each once, with the
    /// directive that is lost without.
    pub fn legacy_groups(&self, path: &[String]) -> Vec<(PathBuf, &'static str)> {
        let Some(plan) = self.applied.get(path) else {
            return Vec::new();
        };
        let mut groups: Vec<(PathBuf, &'static str)> = Vec::new();
        let needed = plan.needed.iter();
        for controller in needed.filter(|c| self.versions.get(c) == Some(&Version::One)) {
            let Some(directory) = self.directory(*controller, path) else {
                continue;
            };
            let mut writes = plan.writes.iter();
            let write = writes.find(|write| write.controller == *controller);
            if !groups.iter().any(|(known, _)| *known == directory) {
                groups.push((directory, write.map_or("Slice", |write| write.directive)));
            }
        }
        groups
    }

    /// The steps that bring all processes of a group into its groups of version 1. What is known
    /// to be not applied stays so.
    pub fn gathering(&self, path: &[String]) -> Change {
        let legacy = self.legacy_groups(path).into_iter();
        let group = self.unified.as_ref().map(|unified| below(unified, path));
        let steps = group.into_iter().flat_map(|group| {
            let gather = |(legacy, _)| Step::Gather(group.clone(), legacy);
            legacy.clone().map(gather).collect::<Vec<_>>()
        });
        Change {
            steps: steps.collect(),
            findings: Vec::new(),
        }
    }

    /// The directory of a group for a controller of version 1, if processes are in one.
    pub fn legacy_group(&self, path: &[String], controller: Controller) -> Option<PathBuf> {
        let needed = &self.applied.get(path)?.needed;
        let is_legacy = self.versions.get(&controller) == Some(&Version::One);
        let is_joined = is_legacy && needed.contains(&controller);
        is_joined.then(|| self.directory(controller, path))?
    }

    /// Our subtree in the hierarchy of version 1 that has a controller.
    pub(super) fn legacy_root(&self, controller: Controller) -> Option<PathBuf> {
        self.legacy.get(&controller).cloned()
    }

    /// A group is gone and a new one is where it was. If nothing was asked of that, nothing was set on
    /// it either, and what is known of the one is true of the other.
    pub fn renew(&mut self, path: &[String]) {
        if !self.applied(path).is_some_and(Plan::asks_nothing) {
            self.forget(path);
        }
    }

    /// A group is gone: its groups of version 1 go, too.
    pub fn forget(&mut self, path: &[String]) {
        self.applied.remove(path);
        if let Some(unified) = &self.unified {
            let directory = below(unified, path);
            self.enabled
                .retain(|(level, _)| !level.starts_with(&directory));
        }
        for root in self.legacy.values() {
            // Most were never made; one that is still in use is tried again at the end.
            let _ = fs::remove_dir(below(root, path));
        }
    }

    /// Removes what was made, and leaves the daemon's own group as it was found.
    pub fn close(self) {
        for root in self.legacy.values().filter(|root| root.is_dir()) {
            if let Err(error) = remove_recursively(root) {
                tracing::warn!("cannot remove {}: {error}", root.display());
            }
        }
        if let Some(own) = self.own {
            own.give_back();
        }
    }
}

/// Whether groups can be made below one: it belongs to us or we may write everywhere, and the
/// file system is not read-only.
fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
}

/// The writes from one list to another: what is taken back first.
fn differences(before: &[Write], after: &[Write]) -> Vec<Write> {
    let gone = before
        .iter()
        .filter(|old| !after.iter().any(|new| new.replaces(old)));
    let fresh = after.iter().filter(|new| !before.contains(new));
    let mut writes: Vec<Write> = gone.map(Write::undone).collect();
    writes.extend(fresh.cloned());
    // The limit of memory and swap together may never be below that of memory: it is lifted
    // first and set last.
    let both = |list: &[Write]| {
        let mut list = list.iter();
        list.find(|write| write.file == MEMORY_AND_SWAP).cloned()
    };
    let memory = writes
        .iter()
        .any(|write| write.file == "memory.limit_in_bytes");
    if let (true, Some(old)) = (memory, both(before)) {
        writes.retain(|write| write.file != MEMORY_AND_SWAP);
        writes.insert(0, old.undone());
        writes.extend(both(after));
    }
    writes
}

impl Change {
    /// Does what makes room for the values: enables controllers and makes groups. That never
    /// waits for processes of the unit.
    pub fn make_room(&mut self) {
        let mut broken: BTreeMap<Controller, String> = BTreeMap::new();
        let mut rest = Vec::new();
        for step in std::mem::take(&mut self.steps) {
            match step {
                Step::Enable(directory, controller) => {
                    if let Err(error) = own::enable(&directory, controller) {
                        let place = directory.join("cgroup.subtree_control");
                        let text = format!("{}: {error}", place.display());
                        broken.entry(controller).or_insert(text);
                    }
                }
                Step::Make(directory, controller) => {
                    if let Err(error) = make(&directory, controller) {
                        let text = format!("{}: {error}", directory.display());
                        broken.entry(controller).or_insert(text);
                    }
                }
                Step::Write(_, ref write) => match broken.get(&write.controller) {
                    Some(reason) => self.findings.push(Finding {
                        directive: write.directive,
                        reason: reason.clone(),
                        reduced: false,
                    }),
                    None => rest.push(step),
                },
                Step::Forget(..) | Step::Gather(..) => rest.push(step),
            }
        }
        self.steps = rest;
    }

    /// Whether what is left takes no longer than a few file operations if the group has no
    /// processes: nobody has to be moved, and no path of the unit's choice is looked up.
    pub fn is_quick(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Write(_, write) => write.device.is_none(),
            Step::Enable(..) | Step::Make(..) | Step::Forget(..) => true,
            Step::Gather(..) => false,
        })
    }

    /// Carries out what is left; what did not work is added to the findings.
    pub fn carry_out(mut self) -> Vec<Finding> {
        self.make_room();
        let mut findings = self.findings;
        for step in self.steps {
            match step {
                // Done above.
                Step::Enable(..) | Step::Make(..) => {}
                Step::Forget(directory, file, value) => {
                    // It may not be there, or never have been changed.
                    let _ = own::write(&directory.join(file), &with_line(value));
                }
                Step::Write(directory, write) => {
                    if let Err((reason, reduced)) = set(&directory, &write) {
                        findings.push(Finding {
                            directive: write.directive,
                            reason,
                            reduced,
                        });
                    }
                }
                Step::Gather(group, legacy) => {
                    if let Err(error) = gather(&group, &legacy) {
                        tracing::warn!("cannot move processes to {}: {error}", legacy.display());
                    }
                }
            }
        }
        findings
    }
}

/// An empty value is a line of its own: nothing at all would not be written.
fn with_line(value: &str) -> String {
    match value {
        "" => "\n".to_owned(),
        value => value.to_owned(),
    }
}

/// Makes a group of version 1. A group of cpuset takes nobody before it has processors and
/// nodes: it gets those of the one above.
fn make(directory: &Path, controller: Controller) -> io::Result<()> {
    make_directory(directory)?;
    if controller == Controller::CpuSet {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let path = directory.join(file);
            if fs::read_to_string(&path)?.trim().is_empty() {
                inherit(directory, file)?;
            }
        }
    }
    Ok(())
}

/// Gives a file the value that it has in the group above.
fn inherit(directory: &Path, file: &str) -> io::Result<()> {
    let above = directory.parent().unwrap_or(directory);
    let value = fs::read_to_string(above.join(file))?;
    own::write(&directory.join(file), value.trim())
}

/// Writes a value. The error says why not, and whether it was done in part.
fn set(directory: &Path, write: &Write) -> Result<(), (String, bool)> {
    let prefix = match &write.device {
        Some(path) => {
            let device = device::backing(Path::new(path)).map_err(|reason| (reason, false))?;
            format!("{device} ")
        }
        None => String::new(),
    };
    let mut tried = (write.file, format!("{prefix}{}", write.value));
    let mut result = own::write(&directory.join(tried.0), &with_line(&tried.1));
    if let (Err(error), Some((file, value))) = (&result, &write.otherwise)
        && error.kind() == io::ErrorKind::NotFound
    {
        tried = (file, format!("{prefix}{value}"));
        result = own::write(&directory.join(file), &with_line(&tried.1));
    }
    match result {
        Ok(()) if write.controller == Controller::CpuSet => check_set(directory, write),
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err((format!("this kernel has no {}", write.file), false))
        }
        Err(_) if write.controller == Controller::CpuSet => set_part(directory, write),
        Err(error) => Err((format!("{}={}: {error}", tried.0, tried.1), false)),
    }
}

/// Version 2 takes any set, and uses of it what is there.
fn check_set(directory: &Path, write: &Write) -> Result<(), (String, bool)> {
    let effective = fs::read_to_string(directory.join(format!("{}.effective", write.file)));
    let Ok(effective) = effective else {
        return Ok(());
    };
    let wanted = set_bits(&write.value);
    if wanted.is_empty() || set_bits(&effective) == wanted {
        return Ok(());
    }
    Err((format!("to {}, of what is there", effective.trim()), true))
}

/// Version 1 takes only what the group above has, version 2 no numbers that no machine of its
/// kind could have; an empty value is all that is there.
fn set_part(directory: &Path, write: &Write) -> Result<(), (String, bool)> {
    let failed = |error: io::Error| (format!("{}={}: {error}", write.file, write.value), false);
    if write.value.is_empty() {
        return inherit(directory, write.file).map_err(failed);
    }
    let above = directory.parent().unwrap_or(directory);
    let effective = fs::read_to_string(above.join(format!("{}.effective", write.file)));
    let there = effective.or_else(|_| fs::read_to_string(above.join(write.file)));
    let there = set_bits(&there.map_err(failed)?);
    let wanted = set_bits(&write.value);
    let left: Vec<u32> = wanted.intersection(&there).copied().collect();
    let most = left.last().copied().unwrap_or(0) as usize;
    let mut bits = vec![0u8; most / 8 + 1];
    for number in &left {
        bits[*number as usize / 8] |= 1 << (number % 8);
    }
    let text = set_text(&bits);
    if left.is_empty() {
        return Err((format!("none of {} is there", write.value), false));
    }
    own::write(&directory.join(write.file), &text).map_err(failed)?;
    Err((format!("to {text}, of what is there"), true))
}

/// Moves processes until none is left elsewhere: those that are made meanwhile come along only
/// once their parents have.
pub(super) fn gather(group: &Path, legacy: &Path) -> io::Result<()> {
    const ROUNDS: usize = 100;
    for _ in 0..ROUNDS {
        let members = processes_below(legacy)?;
        let all = processes_below(group)?;
        let outside = all.iter().filter(|pid| !members.contains(pid));
        let mut moved = false;
        for pid in outside {
            match own::write(&legacy.join("cgroup.procs"), &pid.to_string()) {
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                result => {
                    result?;
                    moved = true;
                }
            }
        }
        if !moved {
            return Ok(());
        }
    }
    Err(io::Error::other(
        "processes are made faster than they can be moved",
    ))
}

#[cfg(test)]
mod tests;
