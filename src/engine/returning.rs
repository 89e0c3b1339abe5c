//! RestartWithDependency=: a unit that went down because something it needs had failed, or could
//! not start for that reason, comes back when that is active again.
//!
//! What was lost is noted where it happens, forgotten when the unit starts or somebody stops it,
//! and looked at again whenever a unit needed becomes active or the unit itself comes to rest.
//! What is lost is always something that the unit needs by what its files say now.
//! Its own start limit counts, so two units that fail by each other do not go round for ever.

use super::effect::LogLevel;
use super::engine::Engine;
use super::graph::Edge;
use super::ids::UnitId;
use super::state::{JobKind, JobResult};
use super::unit::Unit;
use crate::unit::config::JobMode;
use std::collections::BTreeSet;

/// What a unit cannot be up without.
const NEEDS: [Edge; 2] = [Edge::Requires, Edge::BindsTo];

/// Forgets what a unit has lost and does not need, or would not come back with, any more: its
/// files were read again.
pub(super) fn forget_needless(unit: &mut Unit) {
    let returns = unit.config.procmgr.restart_with_dependency;
    let edges = &unit.edges;
    let needs = |other| NEEDS.iter().any(|edge| edges.has(*edge, other));
    unit.lost.retain(|other| returns && needs(*other));
}

impl Engine {
    /// Units are stopped because others are down that nobody had asked to go down.
    pub(super) fn note_losses(&mut self, down: &[UnitId], jobs: &[(UnitId, JobKind)]) {
        let stopped = jobs.iter().filter(|(_, kind)| *kind == JobKind::Stop);
        let stopped: Vec<UnitId> = stopped.map(|(unit, _)| *unit).collect();
        let going: BTreeSet<UnitId> = down.iter().chain(&stopped).copied().collect();
        for unit in stopped {
            let edges = &self.graph.get(unit).edges;
            let needs = NEEDS.iter().flat_map(|edge| edges.of(*edge));
            let lost: Vec<UnitId> = needs.filter(|other| going.contains(other)).collect();
            self.lose(unit, lost);
        }
    }

    /// A start job ends since that of a unit needed has ended so.
    pub(super) fn note_missed_start(&mut self, unit: UnitId, other: UnitId, result: JobResult) {
        let edges = &self.graph.get(unit).edges;
        let needed = NEEDS.iter().any(|edge| edges.has(*edge, other));
        // Somebody wanted it so.
        if needed && result != JobResult::Canceled {
            self.lose(unit, vec![other]);
        }
    }

    fn lose(&mut self, unit: UnitId, lost: Vec<UnitId>) {
        let unit = self.graph.get_mut(unit);
        if unit.config.procmgr.restart_with_dependency {
            unit.lost.extend(lost);
        }
    }

    /// A unit has become active: those that lost it may come back.
    pub(super) fn look_at_returning(&mut self, unit: UnitId) {
        let edges = &self.graph.get(unit).edges;
        let needing = NEEDS.iter().flat_map(|edge| edges.of(edge.inverse()));
        let waiting = needing.filter(|other| self.graph.get(*other).lost.contains(&unit));
        self.returning_queue.extend(waiting);
    }

    /// Starts a unit that rests, if everything it had lost is active again.
    pub(super) fn bring_back(&mut self, id: UnitId) {
        let unit = self.graph.get(id);
        let rests = unit.job.is_none() && unit.active_state().is_inactive_or_failed();
        let wanted = unit.config.procmgr.restart_with_dependency && !unit.lost.is_empty();
        let is_up = |other: &UnitId| {
            self.graph
                .get(*other)
                .active_state()
                .is_active_or_reloading()
        };
        if !rests || !wanted || !unit.lost.iter().all(is_up) {
            return;
        }
        self.graph.get_mut(id).lost.clear();
        if self.may_act(id, "started again with what it depends on") {
            let text = "started again: what it depends on is active again".to_owned();
            self.log(LogLevel::Info, id, text);
            self.add_quietly(id, JobKind::Start, JobMode::Fail);
        }
    }
}
