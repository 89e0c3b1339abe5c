//! Which processes belong to a unit: by its control group where there is a tree of them,
//! otherwise by what it started and what descends from that.
//!
//! Without control groups a process is counted to a unit if it descends from this daemon (it
//! is the subreaper, so every orphan does) and it is a process the unit started, shares a
//! session or process group with one, has an ancestor that does, or was executed with the
//! unit's INVOCATION_ID. Nothing that does not descend from the daemon is ever counted, so
//! that no signal can hit a stranger. What was taken in by a scope is the exception: it and what
//! descends from it are the scope's (`guests`).

mod ahead;
mod release;

use super::guests::{self, Guest};
use super::process_table::{self, Table};
use super::readiness::Readable;
use super::run::Fact;
use crate::cgroup::controller::Controller;
use crate::cgroup::controls::{Controls, GroupPath};
use crate::cgroup::usage::Places;
use crate::cgroup::watch::{WatchId, Watcher};
use crate::cgroup::{self, Group, Tree, TreePlace};
use crate::engine::UnitId;
use crate::sys::proc::{self, Stat};
use crate::unit::config::{Accounting, Cold, ResourceConfig};
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What is kept of one unit.
#[derive(Debug, Default)]
struct Members {
    name: Option<UnitName>,
    /// Where its group is in every hierarchy.
    path: GroupPath,
    /// The settings that say so, where it was not found.
    resource: Option<Cold<ResourceConfig>>,
    group: Option<Arc<Group>>,
    watch: Option<WatchId>,
    /// The watch for kills for want of memory, where the kernel counts them.
    memory_watch: Option<WatchId>,
    /// Its group where memory is in a hierarchy of version 1.
    legacy_memory: Option<PathBuf>,
    /// Those that were told.
    memory_kills: u64,
    /// Sessions and process groups that began with a process of the unit.
    sessions: BTreeSet<i32>,
    /// The generation for which each of these was started, as far as that is known.
    generations: BTreeMap<i32, u32>,
    /// Invocation IDs in use, as the environment carries them.
    invocations: Vec<String>,
    /// A process was started since the group was last empty.
    occupied: bool,
    /// Processes of a scope that are not in its group, or for which there is none.
    guests: Vec<Guest>,
}

impl Members {
    /// How many of its processes the kernel has killed for want of memory, as far as it counts.
    fn kills(&self) -> u64 {
        let watched = self.group.as_ref().filter(|_| self.memory_watch.is_some());
        let unified = watched.map_or(0, |group| group.memory_kills());
        let legacy = self.legacy_memory.as_deref();
        unified + legacy.map_or(0, cgroup::legacy_memory_kills)
    }
}

/// The groups of all units.
#[derive(Debug)]
pub(super) struct Groups {
    tree: Option<Tree>,
    /// What is set on the groups.
    pub(super) controls: Controls,
    watcher: Option<(Watcher, Readable)>,
    units: BTreeMap<UnitId, Box<Members>>,
    /// Whose the watches are that `units` has.
    watches: BTreeMap<WatchId, UnitId>,
    /// Groups of runs that are to come.
    ahead: ahead::Ahead,
    /// Units whose group may have become empty.
    suspects: BTreeSet<UnitId>,
    /// Units one of whose processes was killed for want of memory.
    out_of_memory: BTreeSet<UnitId>,
    /// Without control groups: processes of an earlier daemon are no descendants of this one.
    orphaned: bool,
}

impl Groups {
    /// Works on the tree, or by /proc alone.
    ///
    /// # Errors
    /// The kernel gives no inotify instance.
    pub(super) fn new(tree: Option<Tree>, controls: Controls) -> io::Result<Groups> {
        let watcher = match &tree {
            Some(_) => {
                let watcher = Watcher::new()?;
                let readable = Readable::of(&watcher)?;
                Some((watcher, readable))
            }
            None => None,
        };
        Ok(Groups {
            tree,
            controls,
            watcher,
            units: BTreeMap::new(),
            watches: BTreeMap::new(),
            ahead: ahead::Ahead::default(),
            suspects: BTreeSet::new(),
            out_of_memory: BTreeSet::new(),
            orphaned: false,
        })
    }

    /// Where the subtree is.
    pub(super) fn place(&self) -> Option<TreePlace> {
        self.tree.as_ref().map(Tree::place)
    }

    /// Takes over what an earlier daemon has left of a unit: its group, if it has one, and the
    /// processes of it that are known by number; says whether there is anything. `path` is where
    /// the group should be.
    ///
    /// # Errors
    /// The group cannot be opened.
    pub(super) fn take_over(
        &mut self,
        unit: UnitId,
        name: &UnitName,
        path: GroupPath,
        invocation: &str,
        pids: &[i32],
    ) -> io::Result<bool> {
        let path = match &self.tree {
            Some(tree) => match tree.find(path) {
                Some(path) => path,
                None => return Ok(false),
            },
            None if pids.is_empty() => return Ok(false),
            None => path,
        };
        let group = self.prepare(unit, name, path, invocation)?;
        self.orphaned |= group.is_none();
        let populated = group.map_or(!pids.is_empty(), |group| group.populated().unwrap_or(false));
        let members = self.units.entry(unit).or_default();
        members.sessions.extend(pids);
        members.occupied = populated;
        Ok(true)
    }

    /// Processes that the engine does not know and that lead a session of their own, executed
    /// with this invocation ID: those that were started as a command of the unit, and others
    /// that made themselves independent.
    pub(super) fn leaders(&self, unit: UnitId, invocation: &str, known: &Known) -> Vec<(i32, u64)> {
        let table = process_table::scan();
        let members = self.units.get(&unit).and_then(|it| it.group.as_ref());
        let members = members.map(|group| group.processes().unwrap_or_default());
        let is_one = |pid: i32, stat: &Stat| {
            stat.session == pid
                && !process_table::is_dead(stat)
                && !known.contains_key(&pid)
                && members.as_ref().is_none_or(|it| it.contains(&pid))
                && process_table::environment_variable(pid, "INVOCATION_ID").as_deref()
                    == Some(invocation)
        };
        let found = table.iter().filter(|(pid, stat)| is_one(**pid, stat));
        found.map(|(pid, stat)| (*pid, stat.start_time)).collect()
    }

    /// Whether a process of the unit's group has not executed its program yet: it still runs ours,
    /// and nothing tells what it was started for.
    pub(super) fn has_unborn(&self, unit: UnitId, known: &Known) -> bool {
        let members = self.units.get(&unit).and_then(|it| it.group.as_ref());
        let pids = members.map_or_else(Vec::new, |group| group.processes().unwrap_or_default());
        let mut pids = pids.into_iter().filter(|pid| !known.contains_key(pid));
        pids.any(process_table::runs_our_program)
    }

    /// The subtree's name, empty if there is none.
    pub(super) fn root_name(&self) -> &str {
        self.tree.as_ref().map_or("", Tree::name)
    }

    /// The unit's group as /proc/PID/cgroup names it, empty if it has none or nobody is in it.
    pub(super) fn name_of(&self, unit: UnitId) -> String {
        let members = self.units.get(&unit).filter(|members| members.occupied);
        let group = members.and_then(|members| members.group.as_ref());
        group.map_or_else(String::new, |group| group.name().to_owned())
    }

    /// The directory of the unit's group, if it has one.
    pub(super) fn directory_of(&self, unit: UnitId) -> Option<PathBuf> {
        let group = self.units.get(&unit)?.group.as_ref()?;
        Some(group.path().to_owned())
    }

    /// The way to the unit's group.
    pub(super) fn path_of(&self, unit: UnitId) -> Option<&GroupPath> {
        self.units.get(&unit).map(|members| &members.path)
    }

    /// The units that have a group at a path or below it.
    pub(super) fn units_below(&self, path: &[String]) -> Vec<UnitId> {
        let units = self.units.iter();
        let below = units.filter(|(_, members)| members.path.starts_with(path));
        below.map(|(unit, _)| *unit).collect()
    }

    /// Where the groups at a path are, as far as they are there.
    pub(super) fn places(&self, path: &[String], accounting: Accounting) -> Places {
        let unified = self.slice_directory(path);
        let legacy = Controller::ALL.into_iter().filter_map(|controller| {
            let directory = self.controls.legacy_group(path, controller)?;
            Some((controller, directory))
        });
        Places {
            unified,
            root: self
                .tree
                .as_ref()
                .map(|tree| tree.root().to_owned())
                .unwrap_or_default(),
            legacy: legacy.collect(),
            counts_traffic: accounting.counts_ip(),
        }
    }

    /// The directory of the group of a slice, if there is one.
    pub(super) fn slice_directory(&self, path: &[String]) -> Option<PathBuf> {
        let directory = self.tree.as_ref()?.directory(path);
        directory.is_dir().then_some(directory)
    }

    /// Its name, as /proc/PID/cgroup would have it.
    pub(super) fn slice_name(&self, path: &[String]) -> Option<String> {
        self.slice_directory(path)?;
        Some(self.tree.as_ref()?.name_of(path))
    }

    /// Whether units have groups at all.
    pub(super) fn has_tree(&self) -> bool {
        self.tree.is_some()
    }

    /// Gets a unit ready for a new process; `None` where there are no control groups.
    ///
    /// # Errors
    /// The group cannot be made.
    pub(super) fn prepare(
        &mut self,
        unit: UnitId,
        name: &UnitName,
        path: GroupPath,
        invocation: &str,
    ) -> io::Result<Option<Arc<Group>>> {
        let ready = self.take_ready(unit, &path);
        let members = self.units.entry(unit).or_default();
        members.name = Some(name.clone());
        members.invocations.retain(|it| it != invocation);
        members.invocations.reserve_exact(1);
        members.invocations.push(invocation.to_owned());
        let Some(tree) = &self.tree else {
            members.path = path;
            return Ok(None);
        };
        if let Some(group) = &members.group {
            return Ok(Some(group.clone()));
        }
        let (group, mut watch) = match ready {
            Some(ready) => (ready.group, ready.watch),
            None => (Arc::new(tree.group(&path)?), None),
        };
        if let (None, Some((watcher, _))) = (watch, &self.watcher) {
            watch = Some(watcher.add(&group)?);
        }
        members.watch = watch;
        self.watches.extend(watch.map(|watch| (watch, unit)));
        members.path = path;
        members.group = Some(group.clone());
        Ok(Some(group))
    }

    /// These settings say that the group of a unit is at a path. It may be where others said when it
    /// was made, and then stays there for this run.
    pub(super) fn is_placed_by(
        &mut self,
        unit: UnitId,
        path: &[String],
        resource: &Cold<ResourceConfig>,
    ) {
        let members = self.units.get_mut(&unit);
        if let Some(members) = members.filter(|members| members.path == path) {
            members.resource = Some(resource.clone());
        }
    }

    /// Whether the groups of a unit may have counted kills for want of memory before this run: from
    /// how many on they are this run's is then found out before it begins.
    pub(super) fn may_have_kills(&self, unit: UnitId) -> bool {
        let Some(members) = self.units.get(&unit) else {
            return false;
        };
        let found = members.group.as_ref().is_some_and(|it| it.was_found());
        let legacy = |path| self.controls.legacy_group(path, Controller::Memory);
        found || legacy(&members.path).is_some()
    }

    /// Watches for kills for want of memory from now on, if the kernel counts them by now.
    ///
    /// # Errors
    /// There are too many watches.
    pub(super) fn watch_memory(&mut self, unit: UnitId) -> io::Result<()> {
        let Some(members) = self.units.get_mut(&unit) else {
            return Ok(());
        };
        if let (Some(group), None, Some((watcher, _))) =
            (&members.group, members.memory_watch, &self.watcher)
        {
            members.memory_watch = watcher.add_memory(group)?;
            self.watches
                .extend(members.memory_watch.map(|watch| (watch, unit)));
        }
        let legacy = self
            .controls
            .legacy_group(&members.path, Controller::Memory);
        if legacy != members.legacy_memory || !members.occupied {
            members.legacy_memory = legacy;
            // A group that an earlier daemon left may have counted some.
            members.memory_kills = members.kills();
        }
        Ok(())
    }

    /// Notes that a process of the unit exists; its session is its own.
    pub(super) fn joined(&mut self, unit: UnitId, pid: i32, generation: Option<u32>) {
        let members = self.units.entry(unit).or_default();
        members.sessions.insert(pid);
        members.generations.extend(generation.map(|it| (pid, it)));
        members.occupied = true;
    }

    /// Notes what a process was started for that is known to be of the unit.
    pub(super) fn started_for(&mut self, unit: UnitId, pid: i32, generation: u32) {
        if let Some(members) = self.units.get_mut(&unit) {
            members.generations.insert(pid, generation);
        }
    }

    /// The generation that the leader of a session was started for.
    pub(super) fn session_of(&self, unit: UnitId, pid: i32) -> Option<u32> {
        self.units.get(&unit)?.generations.get(&pid).copied()
    }

    /// Whether processes of the unit were started with this invocation ID.
    pub(super) fn has_invocation(&self, unit: UnitId, invocation: &str) -> bool {
        let members = self.units.get(&unit);
        members.is_some_and(|it| it.invocations.iter().any(|it| it == invocation))
    }

    /// Whether processes of the unit were started for different generations.
    pub(super) fn has_generations(&self, unit: UnitId) -> bool {
        let members = self.units.get(&unit);
        members.is_some_and(|members| members.generations.values().any(|it| *it > 0))
    }

    /// Forgets the processes that were started for a generation of which none is left.
    pub(super) fn forget_started(&mut self, unit: UnitId, generation: u32) {
        let Some(members) = self.units.get_mut(&unit) else {
            return;
        };
        let gone = |pid: &i32| members.generations.get(pid) == Some(&generation);
        members.sessions.retain(|pid| !gone(pid));
        members.generations.retain(|_, of| *of != generation);
    }

    /// The name of the unit's group, if it has one.
    pub(super) fn group_name(&self, unit: UnitId) -> Option<&str> {
        let group = self.units.get(&unit)?.group.as_ref()?;
        Some(group.name())
    }

    /// Takes processes in that are not in the unit's group; notes that it has some.
    ///
    /// # Errors
    /// The runtime cannot watch one.
    pub(super) fn welcome(
        &mut self,
        unit: UnitId,
        guests: Vec<Guest>,
        facts: &UnboundedSender<Fact>,
    ) -> io::Result<()> {
        let members = self.units.entry(unit).or_default();
        members.occupied = true;
        for mut guest in guests {
            guest.watch(unit, facts.clone())?;
            members.guests.push(guest);
        }
        Ok(())
    }

    /// Such a process has ended.
    pub(super) fn guest_ended(&mut self, unit: UnitId, pid: i32) {
        if let Some(members) = self.units.get_mut(&unit) {
            members.guests.retain(|guest| guest.pid() != pid);
            self.suspects.insert(unit);
        }
    }

    fn guests(&self) -> impl Iterator<Item = (UnitId, &Guest)> + Clone {
        let units = self.units.iter();
        units.flat_map(|(unit, members)| members.guests.iter().map(|guest| (*unit, guest)))
    }

    /// The processes that may be of units: those that the engine knows, guests, and who descends from
    /// them or the daemon. What units of an earlier daemon have left may be anywhere. The first process
    /// of a namespace has none but its own around it.
    fn table(&self, known: &Known) -> Table {
        let me = std::process::id() as i32;
        if self.orphaned || me == 1 {
            return process_table::scan();
        }
        let mut roots = BTreeSet::from([me]);
        roots.extend(known.keys());
        roots.extend(self.guests().map(|(_, guest)| guest.pid()));
        process_table::scan_below(&roots)
    }

    /// The living processes of a unit that it has by descent from a guest.
    fn guests_of(&self, unit: UnitId) -> Vec<i32> {
        let has_any = self.units.get(&unit).is_some_and(|m| !m.guests.is_empty());
        if !has_any {
            return Vec::new();
        }
        let table = self.table(&Known::new());
        let living = table
            .iter()
            .filter(|(_, stat)| !process_table::is_dead(stat));
        let pids = living.map(|(pid, _)| *pid);
        pids.filter(|pid| guests::host_of(*pid, self.guests(), &table) == Some(unit))
            .collect()
    }

    /// The unit's group may have become empty.
    pub(super) fn suspect(&mut self, unit: UnitId) {
        self.suspects.insert(unit);
    }

    /// Any unit may have lost a process that nobody watched.
    pub(super) fn suspect_all(&mut self) {
        let occupied = self.units.iter().filter(|(_, members)| members.occupied);
        self.suspects.extend(occupied.map(|(unit, _)| *unit));
    }

    /// Waits until a control group has become empty or occupied.
    pub(super) async fn changed(&self) {
        match &self.watcher {
            Some((_, readable)) => readable.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Takes the kernel's news in.
    pub(super) fn read_changes(&mut self) {
        let Some((watcher, _)) = &self.watcher else {
            return;
        };
        let changed = match watcher.changed() {
            Ok(changed) if !changed.overflow => changed.groups,
            Ok(_) => return self.look_at_all(),
            Err(error) => {
                tracing::warn!("cannot watch control groups: {error}");
                return self.look_at_all();
            }
        };
        for watch in changed {
            let unit = self.watches.get(&watch).copied();
            let members = unit.and_then(|unit| Some((unit, self.units.get(&unit)?)));
            let Some((unit, members)) = members else {
                continue;
            };
            if members.memory_watch == Some(watch) {
                self.look_at_memory(unit);
            } else {
                self.suspects.insert(unit);
            }
        }
    }

    fn look_at_all(&mut self) {
        self.suspect_all();
        for unit in self.units.keys().copied().collect::<Vec<_>>() {
            self.look_at_memory(unit);
        }
    }

    /// Looks whether the kernel has killed a process of the unit for want of memory.
    pub(super) fn look_at_memory(&mut self, unit: UnitId) {
        let Some(members) = self.units.get_mut(&unit) else {
            return;
        };
        let kills = members.kills();
        if kills > members.memory_kills {
            members.memory_kills = kills;
            self.out_of_memory.insert(unit);
        }
    }

    /// The units of which that was seen since this was last asked.
    pub(super) fn take_out_of_memory(&mut self) -> BTreeSet<UnitId> {
        std::mem::take(&mut self.out_of_memory)
    }

    /// Has the kernel kill all processes of the unit when it kills one for want of memory
    /// (OOMPolicy=kill); where it does not count memory there is nothing to set.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn kill_together(&self, unit: UnitId, together: bool) -> io::Result<()> {
        if !together && self.is_untouched(unit) {
            return Ok(());
        }
        let group = self.units.get(&unit).and_then(|m| m.group.as_ref());
        group.map_or(Ok(()), |group| group.kill_together(together))
    }

    /// Whether the check in [`Groups::take_empty`] has anything to look at.
    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// The units whose last process went since they were last asked for. `busy` says whether
    /// the engine knows a process of the unit; such a unit is left for later.
    pub(super) fn take_empty(
        &mut self,
        known: impl FnOnce() -> Known,
        busy: impl Fn(UnitId) -> bool,
    ) -> Vec<UnitId> {
        let suspects: Vec<UnitId> = std::mem::take(&mut self.suspects)
            .into_iter()
            .filter(|unit| self.units.get(unit).is_some_and(|members| members.occupied))
            .filter(|unit| !busy(*unit))
            .collect();
        if suspects.is_empty() {
            return suspects;
        }
        let table = self.tree.is_none().then(|| self.classify(&known()));
        let is_empty = |unit: &UnitId| match &table {
            Some(table) => !table.values().any(|of| of == unit),
            None => !self.populated(*unit),
        };
        let empty: Vec<UnitId> = suspects.into_iter().filter(is_empty).collect();
        for unit in &empty {
            if let Some(members) = self.units.get_mut(unit) {
                members.occupied = false;
                members.sessions.clear();
                members.generations.clear();
                members.invocations.clear();
                members.guests.clear();
            }
        }
        empty
    }

    /// Whether any unit has a group or processes.
    pub(super) fn has_any(&self) -> bool {
        !self.units.is_empty()
    }

    /// Whether the unit's group is as the kernel makes one: it was not there before, and nobody was
    /// in it yet.
    pub(super) fn is_untouched(&self, unit: UnitId) -> bool {
        self.units.get(&unit).is_some_and(|members| {
            let made = members.group.as_ref().is_some_and(|it| !it.was_found());
            made && !members.occupied && members.guests.is_empty()
        })
    }

    /// Whether there may be processes in the unit's group.
    pub(super) fn is_populated(&self, unit: UnitId) -> bool {
        self.populated(unit)
    }

    fn populated(&self, unit: UnitId) -> bool {
        let group = self.units.get(&unit).and_then(|m| m.group.as_ref());
        // A group that cannot be read is gone, and so are its processes.
        group.is_some_and(|group| group.populated().unwrap_or(false))
            || !self.guests_of(unit).is_empty()
    }

    /// The living processes of a unit, known ones included.
    pub(super) fn processes(&self, unit: UnitId, known: &Known) -> Vec<i32> {
        let Some(members) = self.units.get(&unit) else {
            return Vec::new();
        };
        let mut pids: BTreeSet<i32> = match &members.group {
            Some(group) => group.processes().unwrap_or_default().into_iter().collect(),
            None => self
                .classify(known)
                .into_iter()
                .filter(|(_, of)| *of == unit)
                .map(|(pid, _)| pid)
                .collect(),
        };
        pids.extend(self.guests_of(unit));
        pids.extend(known.iter().filter(|(_, of)| **of == unit).map(|(p, _)| *p));
        pids.into_iter().collect()
    }

    /// How many processes that the engine does not know are in the unit's group: left by an
    /// earlier run, or by a daemon that was killed.
    pub(super) fn left_over(&self, unit: UnitId, known: impl FnOnce() -> Known) -> usize {
        let Some(members) = self.units.get(&unit) else {
            return 0;
        };
        let possible = match &members.group {
            Some(_) => !self.is_untouched(unit) && self.populated(unit),
            None => members.occupied,
        };
        if !possible {
            return 0;
        }
        let known = known();
        let pids = self.processes(unit, &known);
        pids.iter().filter(|pid| !known.contains_key(pid)).count()
    }

    /// The unit a process belongs to, if any.
    pub(super) fn unit_of(&self, pid: i32, known: &Known) -> Option<UnitId> {
        if let Some(unit) = known.get(&pid) {
            return Some(*unit);
        }
        if self.tree.is_none() {
            return self.classify_all(known, &self.table(known)).remove(&pid);
        }
        let name = proc::control_group(pid).ok()??;
        // Slices have groups, too, around those of their units: the innermost one says it.
        let groups = self.units.iter();
        let groups = groups.filter_map(|(unit, members)| Some((*unit, members.group.as_ref()?)));
        let by_group = groups
            .filter(|(_, group)| group.contains(&name))
            .max_by_key(|(_, group)| group.name().len())
            .map(|(unit, _)| unit);
        if by_group.is_some() || self.guests().next().is_none() {
            return by_group;
        }
        guests::host_of(pid, self.guests(), &self.table(known))
    }

    /// Removes everything; processes must be gone.
    pub(super) fn close(mut self) {
        for (_, members) in std::mem::take(&mut self.units) {
            if let Some(group) = members.group.and_then(Arc::into_inner)
                && let Err(error) = group.remove()
            {
                tracing::warn!("cannot remove a control group: {error}");
            }
        }
        if let Some(tree) = self.tree.take()
            && let Err(error) = tree.remove()
        {
            tracing::warn!("cannot remove the tree of control groups: {error}");
        }
        self.controls.close();
    }

    /// All processes that belong to any unit: what is still there when everything was stopped.
    pub(super) fn all(&self, known: &Known) -> Vec<i32> {
        let units = self.units.keys();
        let mut pids: BTreeSet<i32> = units
            .flat_map(|unit| self.processes(*unit, known))
            .collect();
        pids.extend(self.classify_descendants(&self.table(known)));
        pids.into_iter().collect()
    }

    /// Living processes by unit, without control groups.
    fn classify(&self, known: &Known) -> BTreeMap<i32, UnitId> {
        let table = self.table(known);
        let mut units = self.classify_all(known, &table);
        units.retain(|pid, _| {
            table
                .get(pid)
                .is_some_and(|stat| !process_table::is_dead(stat))
        });
        units
    }

    /// Processes by unit, those that ended but were not reaped included.
    fn classify_all(&self, known: &Known, table: &Table) -> BTreeMap<i32, UnitId> {
        let me = std::process::id() as i32;
        let mut units = BTreeMap::new();
        for pid in table.keys() {
            let Some(way) = process_table::way_up(*pid, me, table) else {
                if self.orphaned
                    && let Some(unit) = self.orphan_of(*pid, known, table)
                {
                    units.insert(*pid, unit);
                }
                continue;
            };
            // From the daemon downwards: a process belongs where it says itself, else where
            // its parent belongs.
            let mut inherited = None;
            for (pid, stat) in way.into_iter().rev() {
                inherited = match units.get(&pid) {
                    Some(unit) => Some(*unit),
                    None => self
                        .own_unit(pid, stat, known, inherited.is_none())
                        .or(inherited),
                };
                if let Some(unit) = inherited {
                    units.insert(pid, unit);
                }
            }
        }
        // Who was taken in by a scope is no longer where it came from.
        if self.guests().next().is_some() {
            let of = |pid: &i32| Some((*pid, guests::host_of(*pid, self.guests(), table)?));
            units.extend(table.keys().filter_map(of));
        }
        units.extend(known.iter().map(|(pid, unit)| (*pid, *unit)));
        units
    }

    /// The unit a process shows by itself. Its environment is only read if nothing else can
    /// tell.
    fn own_unit(&self, pid: i32, stat: &Stat, known: &Known, look_inside: bool) -> Option<UnitId> {
        if let Some(unit) = known.get(&pid) {
            return Some(*unit);
        }
        let by_session = self.units.iter().find(|(_, members)| {
            members.sessions.contains(&stat.session) || members.sessions.contains(&stat.group)
        });
        if let Some((unit, _)) = by_session {
            return Some(*unit);
        }
        if !look_inside {
            return None;
        }
        let invocation = process_table::environment_variable(pid, "INVOCATION_ID")?;
        self.units
            .iter()
            .find(|(_, members)| members.invocations.contains(&invocation))
            .map(|(unit, _)| *unit)
    }

    /// The unit of a process that an earlier daemon's units have left: it descends from one that
    /// is known, or was executed with the invocation ID of the unit, which nobody can guess.
    fn orphan_of(&self, pid: i32, known: &Known, table: &Table) -> Option<UnitId> {
        let root = known.iter().find(|(root, _)| {
            let descends = process_table::way_up(pid, **root, table).is_some();
            descends || pid == **root
        });
        if let Some((_, unit)) = root {
            return Some(*unit);
        }
        let invocation = process_table::environment_variable(pid, "INVOCATION_ID")?;
        let mut units = self.units.iter();
        let unit = units.find(|(_, members)| members.invocations.contains(&invocation));
        unit.map(|(unit, _)| *unit)
    }

    fn classify_descendants(&self, table: &Table) -> Vec<i32> {
        let me = std::process::id() as i32;
        table
            .iter()
            .filter(|(pid, stat)| {
                !process_table::is_dead(stat) && process_table::way_up(**pid, me, table).is_some()
            })
            .map(|(pid, _)| *pid)
            .collect()
    }
}

/// Numbers of the processes the engine knows, with their units.
pub(super) type Known = BTreeMap<i32, UnitId>;

#[cfg(test)]
mod tests {
    use super::*;

    /// The files as the kernel makes them where the memory controller is on.
    fn fake_group(root: &std::path::Path, name: &str) -> std::path::PathBuf {
        let group = root.join(name);
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        std::fs::write(group.join("memory.oom.group"), "0\n").unwrap();
        write_kills(&group, 2);
        group
    }

    fn fake_groups(root: &std::path::Path) -> Groups {
        Groups::new(Some(Tree::fake(root)), Controls::none("a test")).unwrap()
    }

    fn write_kills(group: &std::path::Path, kills: u64) {
        let text = format!("low 0\nhigh 0\nmax 31\noom 7\noom_kill {kills}\noom_group_kill 9\n");
        std::fs::write(group.join("memory.events"), text).unwrap();
    }

    #[tokio::test]
    async fn kills_for_want_of_memory_are_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let group = fake_group(directory.path(), "a.service");
        let mut groups = fake_groups(directory.path());
        let unit = UnitId(1);
        let name = UnitName::parse("a.service").unwrap();
        let path = vec!["a.service".to_owned()];
        groups.prepare(unit, &name, path, "id").unwrap();
        groups.watch_memory(unit).unwrap();
        groups.look_at_memory(unit);
        assert!(groups.take_out_of_memory().is_empty(), "those were before");
        write_kills(&group, 3);
        groups.changed().await;
        groups.read_changes();
        assert_eq!(groups.take_out_of_memory(), [unit].into());
        groups.look_at_memory(unit);
        assert!(groups.take_out_of_memory().is_empty());
        // At the end of a process it is looked for without waiting for news.
        write_kills(&group, 4);
        groups.look_at_memory(unit);
        assert_eq!(groups.take_out_of_memory(), [unit].into());
        groups.read_changes();
        assert!(groups.take_out_of_memory().is_empty());
    }

    #[tokio::test]
    async fn all_are_killed_together_where_the_kernel_counts_memory() {
        let directory = tempfile::tempdir().unwrap();
        let group = fake_group(directory.path(), "a.service");
        let plain = directory.path().join("b.service");
        std::fs::create_dir(&plain).unwrap();
        std::fs::write(plain.join("cgroup.events"), "populated 0\n").unwrap();
        let mut groups = fake_groups(directory.path());
        for (number, name) in [(1, "a.service"), (2, "b.service")] {
            let path = vec![name.to_owned()];
            let name = UnitName::parse(name).unwrap();
            groups.prepare(UnitId(number), &name, path, "id").unwrap();
        }
        let written = || std::fs::read_to_string(group.join("memory.oom.group")).unwrap();
        groups.kill_together(UnitId(1), true).unwrap();
        assert!(written().starts_with('1'));
        groups.kill_together(UnitId(1), false).unwrap();
        assert!(written().starts_with('0'));
        groups.kill_together(UnitId(2), true).unwrap();
        assert!(!plain.join("memory.oom.group").exists());
        groups.look_at_memory(UnitId(2));
        assert!(groups.take_out_of_memory().is_empty());
    }
}
