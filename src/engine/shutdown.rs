//! Stopping everything: one irreversible stop job for each unit that is up, in the reverse
//! order of the start.

use super::effect::Effect;
use super::engine::Engine;
use super::ids::{JobId, UnitId};
use super::state::{JobKind, JobResult, ServiceState};
use super::unit::{Machine, Unit};

impl Engine {
    /// From here on nothing starts.
    pub(super) fn begin_shutdown(&mut self) {
        if std::mem::replace(&mut self.shutting_down, true) {
            return;
        }
        let starting: Vec<JobId> = self
            .jobs
            .values()
            .filter(|job| job.kind != JobKind::Stop)
            .map(|job| job.id)
            .collect();
        for job in starting {
            self.finish(job, JobResult::Canceled, false);
        }
        // From here on only the units' own time limits count.
        let stopping: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in stopping {
            self.set_job_deadline(job, None);
        }
        let up: Vec<UnitId> = self
            .graph
            .iter()
            .filter(|unit| is_up(unit))
            .map(|unit| unit.id)
            .collect();
        for unit in up {
            self.install(unit, JobKind::Stop, true, false);
        }
        // No transaction has looked at the order among them.
        self.order_suspect = true;
    }

    /// Called when nothing is left to do at this moment: says when all is done.
    pub(super) fn advance_shutdown(&mut self) {
        if !self.shutting_down || self.finished {
            return;
        }
        if !self.jobs.is_empty() || self.anything_moves() || self.graph.iter().any(is_up) {
            return;
        }
        self.finished = true;
        self.effects.push_back(Effect::Finished);
    }

    /// Whether a unit is on its way somewhere and a change of state is to come.
    fn anything_moves(&self) -> bool {
        self.graph.iter().any(|unit| match &unit.machine {
            // A restart whose job was canceled waits for nothing but its stop job.
            Machine::Service(service) => {
                service.state() != ServiceState::AutoRestartQueued
                    && service.state().active_state().is_moving()
            }
            Machine::Socket(socket) => socket.state().active_state().is_moving(),
            Machine::Scope(scope) => scope.state().active_state().is_moving(),
            Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => false,
        })
    }
}

fn is_up(unit: &Unit) -> bool {
    !matches!(unit.machine, Machine::Fact) && !unit.active_state().is_inactive_or_failed()
}
