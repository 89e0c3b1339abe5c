//! What units ask of each other for as long as they are up: BindsTo= takes a unit down with
//! another, Upholds= brings one back, StopWhenUnneeded= lets one go (systemd.unit(5)).
//!
//! A unit is put into the queue of a question by whatever may change the answer, and the answer
//! is found once all changes have been passed on: by then, what was about to happen anyway has
//! its job, and nothing is done twice.

use super::effect::LogLevel;
use super::engine::Engine;
use super::graph::Edge;
use super::ids::UnitId;
use super::state::{ActiveState, JobKind};
use crate::unit::config::JobMode;

/// What a unit needs, and may leave behind unneeded.
const NEEDS: [Edge; 5] = [
    Edge::Requires,
    Edge::Requisite,
    Edge::Wants,
    Edge::BindsTo,
    Edge::Upholds,
];

impl Engine {
    /// Puts into the queues whom a change of a unit's state may concern.
    pub(super) fn look_at_neighbours(&mut self, unit: UnitId, from: ActiveState, to: ActiveState) {
        let edges = &self.graph.get(unit).edges;
        self.unneeded_queue.insert(unit);
        if to.is_inactive_or_failed() {
            self.upheld_queue.insert(unit);
            self.returning_queue.insert(unit);
            let needed = NEEDS.iter().flat_map(|edge| edges.of(*edge));
            self.unneeded_queue.extend(needed);
        }
        if to.is_active_or_reloading() && !from.is_active_or_reloading() {
            self.bound_queue.insert(unit);
            self.upheld_queue.extend(edges.of(Edge::Upholds));
            self.look_at_returning(unit);
        }
    }

    /// A start ended as soon as it ran, for a condition perhaps: what was started for the unit
    /// beforehand may not be needed after all.
    pub(super) fn look_at_needs(&mut self, unit: UnitId) {
        let edges = &self.graph.get(unit).edges;
        let needed = NEEDS.iter().flat_map(|edge| edges.of(*edge));
        self.unneeded_queue.extend(needed);
    }

    /// A unit that is up while what it is bound to is down, and no job will bring that up, goes
    /// down too (BindsTo= without After= lets it come up first).
    pub(super) fn stop_if_bound_to_inactive(&mut self, unit: UnitId) {
        if !self.graph.get(unit).active_state().is_active_or_reloading() {
            return;
        }
        let is_gone = |other: &UnitId| {
            let other = self.graph.get(*other);
            other.job.is_none() && other.active_state().is_inactive_or_failed()
        };
        let bound = self.graph.get(unit).edges.of(Edge::BindsTo);
        let gone: Vec<UnitId> = bound.filter(is_gone).collect();
        if !gone.is_empty() {
            let text = "stopped too: it is bound to a unit that is not active".to_owned();
            self.log(LogLevel::Info, unit, text);
            self.stop_bound(unit, &gone);
        }
    }

    /// A unit that is down while one that upholds it is up, and no job will change either, is
    /// started again.
    pub(super) fn start_if_upheld(&mut self, unit: UnitId) {
        let down = self.graph.get(unit);
        let rests = down.job.is_none() && down.active_state().is_inactive_or_failed();
        let upheld = down.edges.of(Edge::UpheldBy).any(|other| {
            let other = self.graph.get(other);
            other.job.is_none() && other.active_state().is_active_or_reloading()
        });
        if rests && upheld && self.may_act(unit, "started again, though an active unit upholds it")
        {
            let text = "started again: an active unit upholds it".to_owned();
            self.log(LogLevel::Info, unit, text);
            self.add_quietly(unit, JobKind::Start, JobMode::Fail);
        }
    }

    /// A unit with StopWhenUnneeded= that nobody who is up or has a job needs goes down (J14).
    pub(super) fn stop_if_unneeded(&mut self, unit: UnitId) {
        let up = self.graph.get(unit);
        let rests = up.job.is_none() && up.active_state() == ActiveState::Active;
        if !up.config.unit.stop_when_unneeded || !rests {
            return;
        }
        let needed = NEEDS.iter().any(|edge| {
            up.edges.of(edge.inverse()).any(|other| {
                let other = self.graph.get(other);
                other.job.is_some() || !other.active_state().is_inactive_or_failed()
            })
        });
        if !needed && self.may_act(unit, "stopped, though no active unit needs it") {
            let text = "stopped: no active unit needs it any more".to_owned();
            self.log(LogLevel::Info, unit, text);
            self.add_quietly(unit, JobKind::Stop, JobMode::Fail);
        }
    }

    /// Whether the engine may start or stop a unit of its own accord once more; it gives up on
    /// one where that does not help.
    pub(super) fn may_act(&mut self, unit: UnitId, what: &str) -> bool {
        if self.shutting_down {
            return false;
        }
        let now = self.now.monotonic;
        let limit = &mut self.graph.get_mut(unit).own_accord;
        let before = limit.is_exceeded();
        let allowed = limit.allow(now);
        if !allowed && !before {
            let text = format!("not {what}: that was tried too often of late");
            self.log(LogLevel::Warning, unit, text);
        }
        allowed
    }
}
