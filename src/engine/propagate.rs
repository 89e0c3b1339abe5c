//! What a change of one unit's state means for its job and for other units.
//!
//! Changes wait in a queue and are passed on one by one, so that nothing recurses and every
//! observer sees them in the order they happened.

use super::effect::{Effect, LogLevel};
use super::engine::Engine;
use super::event::Verb;
use super::graph::Edge;
use super::ids::UnitId;
use super::service::{Told, Transition};
use super::state::{ActiveState, JobKind, JobResult, ServiceResult, ServiceState};
use super::transaction::Wish;
use super::unit::Machine;
use crate::unit::config::{JobMode, RestartMode, ServiceType};

/// A change of state that others have not heard of yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    unit: UnitId,
    from: ActiveState,
    to: ActiveState,
    told: Told,
    reload_failed: bool,
    will_restart: bool,
}

/// How often the end of a unit may start others. Units that start each other go round for ever
/// unless something limits them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Often {
    /// Whenever a run ends: the start limit limits runs.
    AsItRuns,
    /// As whatever the engine does of its own accord: nothing ran, or it has no start limit.
    Limited,
}

impl Change {
    /// The change that a service's transition is to others.
    pub(super) fn of_service(unit: UnitId, transition: Transition) -> Change {
        let will_restart = matches!(
            transition.to,
            ServiceState::DeadBeforeAutoRestart | ServiceState::FailedBeforeAutoRestart
        );
        Change {
            unit,
            from: transition.from.active_state(),
            to: transition.to.active_state(),
            told: transition.told,
            reload_failed: transition.reload_failed,
            will_restart,
        }
    }
}

impl Engine {
    /// Notes a change of a unit that neither reloads nor restarts by itself.
    pub(super) fn change(&mut self, unit: UnitId, from: ActiveState, to: ActiveState) {
        let (reload_failed, will_restart) = (false, false);
        self.changes.push_back(Change {
            unit,
            from,
            to,
            told: Told::AsAlways,
            reload_failed,
            will_restart,
        });
    }

    /// Starts or stops a target, which takes no time.
    pub(super) fn set_target(&mut self, unit: UnitId, up: bool) {
        let Machine::Target { active } = &mut self.graph.get_mut(unit).machine else {
            return;
        };
        let word = |up| {
            if up {
                ActiveState::Active
            } else {
                ActiveState::Inactive
            }
        };
        let (from, to) = (word(*active), word(up));
        *active = up;
        self.change(unit, from, to);
    }

    /// Passes one change on.
    pub(super) fn propagate(&mut self, change: Change) {
        self.stamp(change);
        self.effects
            .push_back(Effect::Changed { unit: change.unit });
        let unexpected = self.judge_job(change);
        self.release_descriptors(change.unit);
        self.tell_sockets(change.unit);
        self.tell_those_who_wait_for_a_probe(change.unit);
        self.tell_timers_and_paths(change.unit);
        if unexpected {
            self.follow_unasked(change);
        }
        if change.from.is_inactive_or_failed() && change.to.is_active_or_activating() {
            self.graph.get_mut(change.unit).lost.clear();
        }
        self.look_at_neighbours(change.unit, change.from, change.to);
        if change.from == change.to {
            return;
        }
        if change.to.is_inactive_or_failed() {
            self.collect_queue.insert(change.unit);
            // Those that came up while it was going down heard of no end of it.
            let bound = self.graph.get(change.unit).edges.of(Edge::BoundBy);
            self.bound_queue.extend(bound);
        }
        self.act_on_end(change.unit, change.from, change.to);
        if change.to == ActiveState::Failed && !change.will_restart {
            self.trigger(change.unit, Edge::OnFailure, self.how_often(change.unit));
        }
        if change.to == ActiveState::Inactive
            && !change.from.is_inactive_or_failed()
            && !change.will_restart
        {
            self.trigger(change.unit, Edge::OnSuccess, self.how_often(change.unit));
        }
    }

    fn stamp(&mut self, change: Change) {
        let now = self.now;
        let unit = self.graph.get_mut(change.unit);
        let simple = unit.config.service().map(|service| service.service_type);
        let times = &mut unit.times;
        // Making the process is no part of the start of a simple service that had nothing to run
        // before: as in systemd, which makes it within the step, it is up as soon as it is begun.
        let in_one_step = simple == Some(ServiceType::Simple)
            && change.from == ActiveState::Activating
            && change.to == ActiveState::Active
            && times.inactive_exit == times.change;
        if in_one_step {
            times.inactive_exit = now;
        }
        times.change = now;
        match (
            change.from.is_inactive_or_failed(),
            change.to.is_inactive_or_failed(),
        ) {
            (true, false) => times.inactive_exit = now,
            (false, true) => times.inactive_enter = now,
            (true, true) | (false, false) => {}
        }
        match (
            change.from.is_active_or_reloading(),
            change.to.is_active_or_reloading(),
        ) {
            (false, true) => times.active_enter = now,
            (true, false) => times.active_exit = now,
            (true, true) | (false, false) => {}
        }
    }

    /// Whether the new state ends the unit's job or contradicts it; true if no job asked for
    /// this change.
    fn judge_job(&mut self, change: Change) -> bool {
        let Some(job) = self
            .graph
            .get(change.unit)
            .job
            .and_then(|id| self.jobs.get(&id))
            .cloned()
        else {
            return true;
        };
        if !job.running {
            // It may have been refused for the state the unit was in.
            self.queue_job(job.id);
        }
        let to = change.to;
        let end = match job.kind {
            JobKind::Start | JobKind::VerifyActive if to.is_active_or_reloading() => {
                Some(JobResult::Done)
            }
            JobKind::Start | JobKind::VerifyActive => (job.running
                && to != ActiveState::Activating)
                .then(|| ended_as(to))
                .flatten(),
            JobKind::Reload | JobKind::Overlap if !job.running => None,
            // It ends by its own word.
            JobKind::Overlap => ended_as(to).map(|_| JobResult::Failed),
            JobKind::Reload => match to {
                ActiveState::Active if change.reload_failed => Some(JobResult::Failed),
                ActiveState::Active => Some(JobResult::Done),
                _ => ended_as(to),
            },
            // It may have gone on to wait for its restart already, which the job has to end.
            JobKind::Stop | JobKind::Restart if to.is_inactive_or_failed() => {
                let now = self.graph.get(change.unit).active_state();
                now.is_inactive_or_failed().then_some(JobResult::Done)
            }
            JobKind::Stop | JobKind::Restart => {
                (job.running && to != ActiveState::Deactivating).then_some(JobResult::Failed)
            }
            JobKind::Nop => None,
        };
        let expected = match job.kind {
            JobKind::Start | JobKind::VerifyActive => {
                to.is_active_or_reloading() || !job.running || to == ActiveState::Activating
            }
            JobKind::Reload | JobKind::Overlap => {
                !job.running
                    || matches!(
                        to,
                        ActiveState::Active | ActiveState::Activating | ActiveState::Reloading
                    )
            }
            JobKind::Stop | JobKind::Restart => end != Some(JobResult::Failed),
            JobKind::Nop => true,
        };
        if let Some(result) = end {
            self.finish(job.id, result, true);
        }
        !expected
    }

    /// A change nobody asked for: those who need this unit up, or down, follow (J16).
    fn follow_unasked(&mut self, change: Change) {
        let unit = change.unit;
        if change.from.is_inactive_or_failed() && change.to.is_active_or_activating() {
            for (edge, mode) in [
                (Edge::Requires, JobMode::Replace),
                (Edge::BindsTo, JobMode::Replace),
                (Edge::Wants, JobMode::Fail),
            ] {
                let unordered: Vec<UnitId> = {
                    let edges = &self.graph.get(unit).edges;
                    edges
                        .of(edge)
                        .filter(|other| !edges.has(Edge::After, *other))
                        .collect()
                };
                for other in unordered {
                    if !self
                        .graph
                        .get(other)
                        .active_state()
                        .is_active_or_activating()
                    {
                        self.add_quietly(other, JobKind::Start, mode);
                    }
                }
            }
            self.stop_neighbours(unit, &[Edge::Conflicts, Edge::ConflictedBy]);
        } else if match change.told {
            Told::AsAlways => {
                change.from.is_active_or_activating() && change.to.is_inactive_or_deactivating()
            }
            Told::Nobody => false,
            Told::Late => true,
        } {
            for edge in [Edge::BoundBy, Edge::PropagatesStopTo] {
                self.stop_neighbours(unit, &[edge]);
            }
        }
    }

    fn stop_neighbours(&mut self, unit: UnitId, edges: &[Edge]) {
        let others: Vec<UnitId> = edges
            .iter()
            .flat_map(|edge| self.graph.get(unit).edges.of(*edge))
            .collect();
        for other in others {
            let down = self
                .graph
                .get(other)
                .active_state()
                .is_inactive_or_deactivating();
            if !down && edges == [Edge::BoundBy] {
                self.stop_bound(other, &[unit]);
            } else if !down {
                self.add_quietly(other, JobKind::Stop, JobMode::Replace);
            }
        }
    }

    /// Stops a unit that is up without what it is bound to, `gone`: with those that need it, or,
    /// where their jobs or their order stand in the way, alone. It must not stay.
    pub(super) fn stop_bound(&mut self, unit: UnitId, gone: &[UnitId]) {
        let modes = [
            JobMode::Replace,
            JobMode::IgnoreRequirements,
            JobMode::IgnoreDependencies,
        ];
        for mode in modes {
            if let Some(jobs) = self.add_quietly(unit, JobKind::Stop, mode) {
                return self.note_losses(gone, &jobs);
            }
        }
    }

    /// Starts what OnFailure= or OnSuccess= names (J12), once for one event: a unit that is
    /// needed by what its failure starts, and fails again at the same moment (a start limit),
    /// would otherwise go round for ever.
    pub(super) fn trigger(&mut self, unit: UnitId, edge: Edge, often: Often) {
        let mut others = self.graph.get(unit).edges.of(edge).peekable();
        if others.peek().is_none() {
            return;
        }
        let others: Vec<UnitId> = others.collect();
        if !self.triggered.insert((unit, edge)) {
            let text = "ended once more at the same moment; nothing is started for it again";
            self.log(LogLevel::Warning, unit, text.to_owned());
            return;
        }
        let what = "followed by what OnFailure= or OnSuccess= names";
        if often == Often::Limited && !self.may_act(unit, what) {
            return;
        }
        let section = &self.graph.get(unit).config.unit;
        let mode = match edge {
            Edge::OnSuccess => section.on_success_job_mode,
            _ => section.on_failure_job_mode,
        };
        let monitor = self.monitor_environment(unit);
        for other in others {
            let waiting = self.graph.get(other).job;
            self.wish_quietly(Wish {
                unit: other,
                kind: JobKind::Start,
                mode,
                restart_dependents: false,
                spares: true,
            });
            let Some(id) = self.graph.get(other).job else {
                continue;
            };
            let several = waiting == Some(id);
            if let Some(job) = self.jobs.get_mut(&id) {
                job.monitor = if several { Vec::new() } else { monitor.clone() };
            }
        }
    }

    fn how_often(&self, unit: UnitId) -> Often {
        match self.graph.get(unit).machine {
            Machine::Service(_)
            | Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_) => Often::AsItRuns,
            Machine::Target { .. } | Machine::Fact | Machine::Inert => Often::Limited,
        }
    }

    /// MONITOR_...: what the triggered unit is told of the one that ended (E9).
    fn monitor_environment(&self, unit: UnitId) -> Vec<(String, String)> {
        let unit = self.graph.get(unit);
        let Machine::Service(service) = &unit.machine else {
            return Vec::new();
        };
        let view = service.view();
        let mut list = vec![("MONITOR_SERVICE_RESULT", view.result.as_str().to_owned())];
        if let Some(status) = view.exec_main_status {
            list.push(("MONITOR_EXIT_CODE", status.code_word().to_owned()));
            list.push(("MONITOR_EXIT_STATUS", status.status_word()));
        }
        list.push(("MONITOR_INVOCATION_ID", format!("{:032x}", unit.invocation)));
        list.push(("MONITOR_UNIT", unit.name().to_owned()));
        list.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The time for an automatic restart has come: a start that takes those along that need
    /// the unit (J1, M18).
    pub(super) fn restart_due(&mut self, unit: UnitId) {
        let stopping = self.graph.get(unit).job.and_then(|id| self.jobs.get(&id));
        if stopping.is_some_and(|job| job.kind == JobKind::Stop) || self.shutting_down {
            return;
        }
        let direct = self
            .graph
            .get(unit)
            .config
            .service()
            .is_some_and(|service| service.restart_mode == RestartMode::Direct);
        // With RestartMode=direct a start that somebody waits for outlives the failure, and is
        // carried out once more.
        let job = self.graph.get(unit).job;
        let waiting = job.and_then(|id| self.jobs.get_mut(&id));
        let waiting = waiting.filter(|job| job.running && job.kind == JobKind::Start);
        let waiting = waiting.map(|job| {
            job.running = false;
            job.id
        });
        let wish = Wish {
            unit,
            kind: JobKind::Start,
            mode: JobMode::Replace,
            restart_dependents: !direct,
            spares: false,
        };
        if let Err(refusal) = self.enqueue(wish) {
            let text = format!("cannot be restarted: {refusal}");
            self.log(LogLevel::Error, unit, text);
            // It is not carried out after all, and ends with the service.
            if let Some(job) = waiting.and_then(|id| self.jobs.get_mut(&id)) {
                job.running = true;
            }
            self.with_service(unit, |service, cx| {
                service.give_up_restart(cx, ServiceResult::Resources);
            });
        }
    }

    /// A restart that came due while a stop waited is carried out by the start that takes the
    /// stop's place. Where another job does, or none, it is asked for once more.
    pub(super) fn restart_if_left_waiting(&mut self, unit: UnitId) {
        let job = self.graph.get(unit).job.and_then(|id| self.jobs.get(&id));
        let seen_to = job.is_some_and(|job| match job.kind {
            JobKind::Start | JobKind::Stop | JobKind::Restart | JobKind::Overlap => true,
            JobKind::VerifyActive | JobKind::Reload | JobKind::Nop => false,
        });
        if !seen_to && !self.shutting_down {
            self.with_service(unit, |service, cx| service.resume_restart(cx));
        }
    }

    /// Queues a job on the engine's own account; a refusal is only logged. All jobs that come with
    /// it, if it is queued.
    pub(super) fn add_quietly(
        &mut self,
        unit: UnitId,
        kind: JobKind,
        mode: JobMode,
    ) -> Option<Vec<(UnitId, JobKind)>> {
        self.wish_quietly(Wish {
            unit,
            kind,
            mode,
            restart_dependents: false,
            spares: false,
        })
    }

    fn wish_quietly(&mut self, wish: Wish) -> Option<Vec<(UnitId, JobKind)>> {
        match self.enqueue_all(wish) {
            Ok((_, jobs)) => Some(jobs),
            Err(refusal) => {
                let text = format!("no {} job: {refusal}", wish.kind.as_str());
                self.log(LogLevel::Info, wish.unit, text);
                None
            }
        }
    }

    /// The job that a verb becomes for what the unit is doing (J6).
    pub(super) fn settle_verb(verb: Verb, state: ActiveState) -> JobKind {
        match verb {
            Verb::Start => JobKind::Start,
            Verb::Stop => JobKind::Stop,
            Verb::Reload => JobKind::Reload,
            Verb::Restart => JobKind::Restart,
            Verb::RestartOverlap => JobKind::Overlap,
            Verb::TryRestart => super::job::try_restart(state),
            Verb::ReloadOrRestart | Verb::ReloadOrTryRestart => super::job::reload_or_start(state),
        }
    }
}

/// How a job ends with a unit that came to rest; `None` if it has not.
fn ended_as(state: ActiveState) -> Option<JobResult> {
    match state {
        ActiveState::Failed => Some(JobResult::Failed),
        ActiveState::Inactive => Some(JobResult::Done),
        ActiveState::Active
        | ActiveState::Reloading
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Maintenance => None,
    }
}
