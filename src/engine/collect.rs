//! Units that nobody needs any more go (checklist L10): what they counted, their results and the
//! history of their starts are forgotten, and their names are free to be read anew.
//!
//! A unit stays for its own sake while it is up or on its way, has failed (unless
//! CollectMode= says otherwise), has a job or a process, descriptors
//! are kept for it, it waits to come back, or is held. It
//! stays for the sake of another one that stays and whose files name it, whatever the kind of
//! dependency, directly or through others. As in systemd, the other direction does not count.
//!
//! Candidates are noted where something changes; nothing ever looks at all units. What holds by
//! itself (built-in targets, mounts) never stays for its own sake.

use super::effect::{Effect, Refusal};
use super::engine::Engine;
use super::ids::UnitId;
use super::state::ActiveState;
use super::unit::{Machine, Unit};
use crate::unit::config::{CollectMode, LoadState};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;

impl Engine {
    /// Whether `Event::Collect` has anything to look at.
    pub fn has_candidates(&self) -> bool {
        !self.shutting_down && (!self.collect_queue.is_empty() || self.graph.has_loose())
    }

    /// Unloads the candidates that nobody needs.
    pub(super) fn collect(&mut self) {
        if self.shutting_down {
            return;
        }
        // Found to stay, this time.
        let mut staying = BTreeSet::new();
        self.collect_queue.extend(self.graph.take_loose());
        while let Some(candidate) = self.collect_queue.pop_first() {
            for unit in self.superfluous_with(candidate, &mut staying) {
                self.unload(unit);
            }
            self.collect_queue.extend(self.graph.take_loose());
        }
        // What the kernel never reported the end of, although nothing was left to be seen.
        let graph = &self.graph;
        self.processes
            .retain(|_, unit| graph.lookup(*unit).is_some());
    }

    /// A unit with all that name it, if none of these stays; else nothing.
    fn superfluous_with(
        &self,
        candidate: UnitId,
        staying: &mut BTreeSet<UnitId>,
    ) -> BTreeSet<UnitId> {
        let mut seen = BTreeSet::from([candidate]);
        let mut pending = vec![candidate];
        while let Some(id) = pending.pop() {
            let Some(unit) = self.graph.lookup(id) else {
                seen.remove(&id);
                continue;
            };
            if staying.contains(&id) || stays(unit) {
                staying.extend([candidate, id]);
                return BTreeSet::new();
            }
            pending.extend(unit.edges.referrers().filter(|other| seen.insert(*other)));
        }
        seen
    }

    fn unload(&mut self, id: UnitId) {
        self.set_deadline(id, None);
        let queues = [
            &mut self.bound_queue,
            &mut self.upheld_queue,
            &mut self.unneeded_queue,
            &mut self.returning_queue,
            &mut self.restart_queue,
            &mut self.idle_queue,
            &mut self.collect_queue,
        ];
        for queue in queues {
            queue.remove(&id);
        }
        if let Some(unit) = self.graph.remove(id) {
            for descriptor in unit.streams.into_iter().flatten() {
                self.close(descriptor);
            }
            let name = unit.config.name.clone();
            self.effects
                .push_back(Effect::UnitRemoved { unit: id, name });
        }
    }

    /// The daemon was told to run it.
    pub(super) fn keep(&mut self, name: &UnitName) {
        if let Some(id) = self.graph.find(name.as_str()) {
            self.graph.get_mut(id).kept = true;
        }
    }

    /// Whether the daemon was told to run it, and has asked for its start.
    pub fn is_kept(&self, name: &str) -> bool {
        let unit = self.graph.find(name);
        unit.is_some_and(|id| self.graph.get(id).kept)
    }

    /// A client wants it to stay loaded.
    pub(super) fn hold(&mut self, name: &UnitName, holder: u64) -> Result<(), Refusal> {
        let id = self.graph.find(name.as_str());
        let id = id.ok_or_else(|| Refusal::NotLoaded(name.to_string()))?;
        *self.graph.get_mut(id).holders.entry(holder).or_insert(0) += 1;
        Ok(())
    }

    /// A client takes one hold back.
    pub(super) fn release(&mut self, name: &UnitName, holder: u64) -> Result<(), Refusal> {
        let id = self.graph.find(name.as_str());
        let id = id.ok_or_else(|| Refusal::NotLoaded(name.to_string()))?;
        let holders = &mut self.graph.get_mut(id).holders;
        let count = holders.get_mut(&holder).ok_or(Refusal::NotHeld)?;
        *count -= 1;
        if *count == 0 {
            holders.remove(&holder);
        }
        self.collect_queue.insert(id);
        Ok(())
    }

    /// Clients that hold units.
    pub fn holders(&self) -> BTreeSet<u64> {
        let units = || self.graph.iter();
        let holding = units().flat_map(|unit| unit.holders.keys().copied());
        let controlling = units().filter_map(|unit| {
            let Machine::Scope(scope) = &unit.machine else {
                return None;
            };
            scope.holder()
        });
        holding.chain(controlling).collect()
    }

    /// A client has gone: it holds nothing any more.
    pub(super) fn holder_gone(&mut self, holder: u64) {
        let held = self
            .graph
            .iter()
            .filter(|unit| unit.holders.contains_key(&holder));
        let held: Vec<UnitId> = held.map(|unit| unit.id).collect();
        for id in held {
            self.graph.get_mut(id).holders.remove(&holder);
            self.collect_queue.insert(id);
        }
        self.controller_gone(holder);
    }
}

/// Whether a unit stays loaded for its own sake.
fn stays(unit: &Unit) -> bool {
    if matches!(unit.machine, Machine::Fact) {
        return unit.job.is_some() || !unit.holders.is_empty();
    }
    let kept = unit.kept && unit.config.load != LoadState::NotFound;
    let rests = match unit.active_state() {
        ActiveState::Inactive => true,
        ActiveState::Failed => unit.config.unit.collect_mode == CollectMode::InactiveOrFailed,
        ActiveState::Active
        | ActiveState::Reloading
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Maintenance => false,
    };
    let runs = match &unit.machine {
        Machine::Service(service) => service.has_processes(),
        Machine::Socket(socket) => socket.may_be_populated(),
        Machine::Scope(scope) => scope.may_be_populated(),
        Machine::Timer(_)
        | Machine::Path(_)
        | Machine::Target { .. }
        | Machine::Fact
        | Machine::Inert => false,
    };
    !rests
        || runs
        || kept
        || unit.job.is_some()
        || unit.connection.is_some()
        || !unit.store.is_empty()
        || !unit.lost.is_empty()
        || !unit.holders.is_empty()
}
