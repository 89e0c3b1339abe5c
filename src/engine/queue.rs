//! The job queue: installing what a transaction planned, running what may run, finishing.

use super::effect::{Effect, LogLevel, Refusal};
use super::engine::Engine;
use super::graph::Edge;
use super::ids::{JobId, UnitId};
use super::job::{self, Job, Ordered};
use super::propagate::Often;
use super::service::{NotNow, Service, can_reload};
use super::state::{ActiveState, JobKind, JobResult, ServiceResult};
use super::transaction::{self, Installed, Wish};
use super::unit::Machine;
use crate::unit::config::{JobMode, LoadState};
use std::collections::{BTreeSet, VecDeque};

/// What became of an attempt to run a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Under way; a change of state will end it.
    Begun,
    /// Not yet: waits for the next change of state.
    Again,
    /// At an end already.
    Ended(JobResult),
}

/// How a new job and the unit's installed one meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    /// There is none.
    Nobody,
    /// The new one does nothing and stands beside it, which goes on.
    Beside,
    /// They become one of this kind.
    Merge(JobKind),
    /// The new one takes its place.
    Replace,
}

/// Units whose start fails with ours (they need us).
pub(super) const START_FAILURE: [Edge; 3] = [Edge::RequiredBy, Edge::RequisiteOf, Edge::BoundBy];

impl Engine {
    /// Plans and installs everything one wish implies; the job that fulfils it.
    ///
    /// # Errors
    /// As [`transaction::plan`].
    pub(super) fn enqueue(&mut self, wish: Wish) -> Result<JobId, Refusal> {
        self.enqueue_all(wish).map(|(anchor, _)| anchor)
    }

    /// The same; also tells what was installed.
    ///
    /// # Errors
    /// As [`transaction::plan`].
    pub(super) fn enqueue_all(
        &mut self,
        wish: Wish,
    ) -> Result<(JobId, Vec<(UnitId, JobKind)>), Refusal> {
        if self.shutting_down && (wish.kind != JobKind::Stop || wish.mode == JobMode::Flush) {
            return Err(Refusal::ShuttingDown);
        }
        self.refuse_mode(wish)?;
        let plan = transaction::plan(&self.graph, &self.installed(), wish)?;
        for (unit, note) in plan.notes {
            self.log(LogLevel::Warning, unit, note);
        }
        let irreversible = wish.mode == JobMode::ReplaceIrreversibly;
        let ignore_order = wish.mode == JobMode::IgnoreDependencies;
        let planned: BTreeSet<UnitId> = plan.jobs.iter().map(|(unit, _)| *unit).collect();
        let displaced = self.displace_jobs(wish, &planned);
        let mut anchor = None;
        for (unit, kind) in &plan.jobs {
            let id = self.install(*unit, *kind, irreversible, ignore_order);
            anchor = anchor.or(Some(id));
        }
        self.resettle(displaced);
        // The anchor is never dropped from its own transaction.
        let empty = || Refusal::Conflicting("The transaction came out empty.".to_owned());
        Ok((anchor.ok_or_else(empty)?, plan.jobs))
    }

    /// Refuses job modes that do not go with the job or the unit.
    pub(super) fn refuse_mode(&self, wish: Wish) -> Result<(), Refusal> {
        let only = |text: &str| Err(Refusal::Invalid(text.to_owned()));
        match wish.mode {
            JobMode::Isolate if wish.kind != JobKind::Start => {
                only("Isolate is only valid for start.")
            }
            JobMode::Isolate if !self.graph.get(wish.unit).config.unit.allow_isolate => {
                Err(Refusal::NotIsolatable)
            }
            JobMode::Triggering if wish.kind != JobKind::Stop => {
                only("--job-mode=triggering is only valid for stop.")
            }
            JobMode::RestartDependencies if wish.kind != JobKind::Start => {
                only("--job-mode=restart-dependencies is only valid for start.")
            }
            JobMode::Replace
            | JobMode::Fail
            | JobMode::ReplaceIrreversibly
            | JobMode::Isolate
            | JobMode::Flush
            | JobMode::IgnoreDependencies
            | JobMode::IgnoreRequirements
            | JobMode::Triggering
            | JobMode::RestartDependencies => Ok(()),
        }
    }

    /// Puts a job in place, merging it with or replacing the one that is there.
    pub(super) fn install(
        &mut self,
        unit: UnitId,
        kind: JobKind,
        irreversible: bool,
        ignore_order: bool,
    ) -> JobId {
        let there = self.graph.get(unit).job.and_then(|id| self.jobs.get(&id));
        let there = there.cloned();
        let meeting = self.meet(there.as_ref(), kind);
        let beside = meeting == Meeting::Beside;
        match (there, meeting) {
            (Some(there), Meeting::Merge(merged)) => {
                if ignore_order && !there.ignore_order {
                    let job = self.jobs.entry(there.id);
                    job.and_modify(|job| job.ignore_order = true);
                    // Nobody waits for it any more either.
                    self.wake_neighbours(unit);
                }
                return self.merge_into(there, kind, merged, irreversible);
            }
            (Some(there), Meeting::Replace) => self.finish(there.id, JobResult::Canceled, false),
            (Some(_), Meeting::Nobody | Meeting::Beside) | (None, _) => {}
        }
        let id = JobId(self.next_job);
        self.next_job = self.next_job.wrapping_add(1).max(1);
        self.jobs.insert(
            id,
            Job {
                id,
                unit,
                kind,
                running: false,
                irreversible,
                ignore_order,
                monitor: Vec::new(),
                details: Vec::new(),
                deadline: None,
                blocked_by: None,
            },
        );
        self.limit_job(id, self.graph.get(unit).config.unit.job_timeout);
        if !beside {
            self.graph.get_mut(unit).job = Some(id);
        }
        self.effects.push_back(Effect::JobNew {
            job: id,
            unit,
            kind,
        });
        self.effects.push_back(Effect::Changed { unit });
        self.queue_job(id);
        id
    }

    /// How a new job for a unit meets the one that is there.
    pub(super) fn meet(&self, there: Option<&Job>, kind: JobKind) -> Meeting {
        match there {
            None => Meeting::Nobody,
            Some(_) if kind == JobKind::Nop => Meeting::Beside,
            Some(there) => {
                let state = self.graph.get(there.unit).active_state();
                match job::merge(there.kind, kind, state) {
                    Some(merged) => Meeting::Merge(merged),
                    None => Meeting::Replace,
                }
            }
        }
    }

    /// The jobs that are there, for a transaction.
    pub(super) fn installed(&self) -> Installed<'_> {
        Installed {
            jobs: &self.jobs,
            planned: None,
        }
    }

    /// A running job goes on if it covers the new one, else it runs again.
    fn merge_into(
        &mut self,
        there: Job,
        kind: JobKind,
        merged: JobKind,
        irreversible: bool,
    ) -> JobId {
        let covers = merged == there.kind && job::covers(there.kind, kind);
        // The transaction has looked at the order of the job as it was asked for.
        self.order_suspect |= merged != kind;
        if let Some(job) = self.jobs.get_mut(&there.id) {
            job.kind = merged;
            job.irreversible |= irreversible;
            job.running = there.running && covers;
        }
        self.queue_job(there.id);
        there.id
    }

    /// Runs a waiting job if its turn has come.
    pub(super) fn run_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        if job.running {
            return;
        }
        let blocker = self.blocker(job);
        let (unit, kind, monitor) = (job.unit, job.kind, job.monitor.clone());
        if let Some(job) = self.jobs.get_mut(&id) {
            job.running = blocker.is_none();
            job.blocked_by = blocker;
        }
        if blocker.is_some() {
            return;
        }
        let limit = self.graph.get(unit).config.unit.job_running_timeout();
        self.limit_job(id, limit);
        if kind == JobKind::Start {
            self.graph.get_mut(unit).monitor = monitor;
        }
        let outcome = match kind {
            JobKind::Start => self.start_unit(unit),
            JobKind::VerifyActive => self.verify_active(unit),
            JobKind::Stop | JobKind::Restart => self.stop_unit(unit),
            JobKind::Reload => self.reload_unit(unit),
            JobKind::Overlap => self.overlap_unit(id, unit),
            JobKind::Nop => Run::Ended(JobResult::Done),
        };
        self.conclude(id, outcome);
    }

    /// Applies the outcome of running a job.
    pub(super) fn conclude(&mut self, id: JobId, outcome: Run) {
        match outcome {
            Run::Begun => {}
            Run::Again => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.running = false;
                }
                // It waits with the others again, in an order that was none of its concern.
                self.order_suspect = true;
            }
            Run::Ended(result) => {
                let starts = |job: &&Job| job.kind == JobKind::Start;
                if let Some(unit) = self.jobs.get(&id).filter(starts).map(|job| job.unit) {
                    self.look_at_needs(unit);
                }
                self.finish(id, result, true);
            }
        }
    }

    /// A unit that a job has to wait for, if there is any. A job that waits for thousands is
    /// looked at whenever one of them is done: the look begins where the last one ended, so that
    /// all of them together are passed about once.
    fn blocker(&self, job: &Job) -> Option<UnitId> {
        let mine = Ordered {
            kind: job.kind,
            ignore_order: job.ignore_order,
        };
        let blocks = |edge: Edge, other: UnitId| {
            if edge == Edge::After && self.is_yet_to_be_ready(other, mine) {
                return true;
            }
            let other = self.graph.get(other).job.and_then(|id| self.jobs.get(&id));
            other.is_some_and(|o| {
                let theirs = Ordered {
                    kind: o.kind,
                    ignore_order: o.ignore_order,
                };
                job::must_wait(mine, theirs, edge)
            })
        };
        let edges = &self.graph.get(job.unit).edges;
        let begin = job.blocked_by.unwrap_or(UnitId(u32::MAX));
        let mut both = [Edge::After, Edge::Before].into_iter();
        both.find_map(|edge| {
            let mut others = edges.down_from(edge, begin);
            others.find(|other| blocks(edge, *other))
        })
    }

    fn verify_active(&self, unit: UnitId) -> Run {
        match self.graph.get(unit).active_state() {
            ActiveState::Active | ActiveState::Reloading => Run::Ended(JobResult::Done),
            ActiveState::Activating => Run::Again,
            ActiveState::Inactive
            | ActiveState::Failed
            | ActiveState::Deactivating
            | ActiveState::Maintenance => Run::Ended(JobResult::Skipped),
        }
    }

    fn stop_unit(&mut self, id: UnitId) -> Run {
        self.abandon_check(id);
        if self.graph.get(id).active_state().is_inactive_or_failed() {
            return Run::Ended(JobResult::Done);
        }
        match &self.graph.get(id).machine {
            Machine::Service(_) => match self.with_service(id, |service, cx| service.stop(cx)) {
                Some(Err(NotNow::Again)) => Run::Again,
                Some(Err(NotNow::Already)) | None => Run::Ended(JobResult::Done),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Socket(_) => match self.with_socket(id, |socket, cx| socket.stop(cx)) {
                Some(Err(NotNow::Again)) => Run::Again,
                Some(Err(NotNow::Already)) | None => Run::Ended(JobResult::Done),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Scope(_) => match self.with_scope(id, |scope, cx| scope.stop(cx)) {
                Some(Err(NotNow::Again)) => Run::Again,
                Some(Err(NotNow::Already)) | None => Run::Ended(JobResult::Done),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Timer(_) => match self.with_timer(id, |timer, cx| timer.stop(cx)) {
                Some(Ok(())) => Run::Begun,
                Some(Err(_)) | None => Run::Ended(JobResult::Done),
            },
            Machine::Path(_) => match self.with_path(id, |path, cx| path.stop(cx)) {
                Some(Ok(())) => Run::Begun,
                Some(Err(_)) | None => Run::Ended(JobResult::Done),
            },
            Machine::Target { .. } => {
                self.set_target(id, false);
                Run::Begun
            }
            Machine::Fact | Machine::Inert => Run::Ended(JobResult::Skipped),
        }
    }

    fn reload_unit(&mut self, id: UnitId) -> Run {
        let unit = self.graph.get(id);
        if unit.config.load != LoadState::Loaded {
            return Run::Ended(JobResult::Failed);
        }
        match unit.active_state() {
            ActiveState::Active => {}
            ActiveState::Reloading => return Run::Again,
            ActiveState::Inactive
            | ActiveState::Failed
            | ActiveState::Activating
            | ActiveState::Deactivating
            | ActiveState::Maintenance => return Run::Ended(JobResult::Invalid),
        }
        match &unit.machine {
            Machine::Service(_) if can_reload(&unit.config) => {
                self.with_service(id, |service, cx| service.reload(cx));
                Run::Begun
            }
            Machine::Service(_)
            | Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => Run::Ended(JobResult::Skipped),
        }
    }

    /// A new generation beside the old one; a restart where there is none, or where daemon-reload
    /// has changed what it takes.
    fn overlap_unit(&mut self, job: JobId, id: UnitId) -> Run {
        let unit = self.graph.get(id);
        let service = unit.machine.service();
        let there = service.is_some_and(Service::can_overlap_now);
        // While another one goes on this one waits for its end, whatever becomes of its sockets.
        let another = there && service.is_some_and(Service::is_overlapping);
        if another || unit.active_state() == ActiveState::Reloading {
            return Run::Again;
        }
        if !there || self.refuses_overlap(id).is_some() {
            if let Some(job) = self.jobs.get_mut(&job) {
                job.kind = JobKind::Restart;
            }
            self.order_suspect = true;
            return self.stop_unit(id);
        }
        match self.with_service(id, |service, cx| service.overlap(cx)) {
            Some(Ok(())) => Run::Begun,
            Some(Err(_)) | None => Run::Again,
        }
    }

    /// Why a unit cannot be restarted with a new generation beside the old one.
    pub(super) fn refuses_overlap(&self, id: UnitId) -> Option<&'static str> {
        let unit = self.graph.get(id);
        if unit.config.service().is_none() {
            return Some("it is no service");
        }
        if unit.connection.is_some() {
            return Some("it serves one connection (Accept=yes)");
        }
        if let Some(reason) = super::service::overlap_refusal(&unit.config) {
            return Some(reason);
        }
        let has_sockets = unit.edges.of(Edge::TriggeredBy).any(|other| {
            let other = &self.graph.get(other).machine;
            matches!(other, Machine::Socket(socket) if socket.has_sockets())
        });
        let shares = has_sockets || !unit.store.is_empty();
        (!shares).then_some(
            "it has no sockets of a socket unit and nothing in its descriptor store, so that two \
             generations would share nothing",
        )
    }

    /// An overlap restart has ended.
    pub(super) fn overlapped(&mut self, unit: UnitId, result: &Result<(), String>) {
        let job = self.graph.get(unit).job.and_then(|id| self.jobs.get(&id));
        let Some(job) = job.filter(|job| job.kind == JobKind::Overlap) else {
            return;
        };
        let (id, running) = (job.id, job.running);
        match (running, result) {
            (true, Ok(())) => self.finish(id, JobResult::Done, true),
            (true, Err(_)) => self.finish(id, JobResult::Failed, true),
            (false, _) => self.queue_job(id),
        }
    }

    /// Ends a job. With `spread`, those who need it fail too.
    pub(super) fn finish(&mut self, id: JobId, result: JobResult, spread: bool) {
        let mut ending = VecDeque::from([(id, result)]);
        while let Some((id, result)) = ending.pop_front() {
            let Some(job) = self.jobs.get(&id).cloned() else {
                continue;
            };
            if result == JobResult::Done && job.kind == JobKind::Restart {
                self.turn_into_start(id);
                self.wake_neighbours(job.unit);
                continue;
            }
            self.remove(&job, result);
            if spread {
                for (other, outcome) in self.who_fails_with(&job, result) {
                    if let Some(unit) = self.jobs.get(&other).map(|other| other.unit) {
                        self.note_missed_start(unit, job.unit, result);
                    }
                    ending.push_back((other, outcome));
                }
            }
            if matches!(result, JobResult::Timeout | JobResult::Dependency) {
                // No run lies between this and the next time.
                self.trigger(job.unit, Edge::OnFailure, Often::Limited);
            }
            self.wake_neighbours(job.unit);
            if job.kind == JobKind::Start && result == JobResult::Done {
                self.graph.get_mut(job.unit).lost.clear();
            }
            self.returning_queue.insert(job.unit);
            self.collect_queue.insert(job.unit);
            // The job may have been in the way of a stop.
            self.bound_queue.insert(job.unit);
            self.bound_queue
                .extend(self.graph.get(job.unit).edges.of(Edge::BoundBy));
        }
    }

    /// The stop half of a restart is done.
    fn turn_into_start(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.kind = JobKind::Start;
            job.running = false;
            let unit = job.unit;
            self.queue_job(id);
            self.order_suspect = true;
            self.effects.push_back(Effect::Changed { unit });
        }
    }

    fn remove(&mut self, job: &Job, result: JobResult) {
        self.set_job_deadline(job.id, None);
        self.jobs.remove(&job.id);
        if self.graph.get(job.unit).job == Some(job.id) {
            self.abandon_check(job.unit);
            self.graph.get_mut(job.unit).job = None;
        }
        let (unit, kind) = (job.unit, job.kind);
        if kind == JobKind::Stop && matches!(result, JobResult::Canceled | JobResult::Timeout) {
            self.restart_queue.insert(unit);
        }
        self.log_result(job, result);
        self.effects.push_back(Effect::Changed { unit });
        let starts = matches!(
            kind,
            JobKind::Start | JobKind::VerifyActive | JobKind::Reload
        );
        if starts && result != JobResult::Canceled {
            // A restart whose job ended before the service was started again (a condition, a
            // dependency): nothing else would ever end its wait. Otherwise this does nothing.
            self.with_service(unit, |service, cx| {
                service.give_up_restart(cx, ServiceResult::Success);
            });
        }
        self.release_descriptors(unit);
        self.tell_activators(unit);
        self.effects.push_back(Effect::JobRemoved {
            job: job.id,
            unit,
            kind,
            result,
        });
    }

    fn who_fails_with(&self, job: &Job, result: JobResult) -> Vec<(JobId, JobResult)> {
        let edges: &[Edge] = match (job.kind, result) {
            (JobKind::Start | JobKind::VerifyActive, JobResult::Done) => {
                // A start that ended well without the unit being active (a condition that did
                // not hold) is not enough for those who require it active.
                if self
                    .graph
                    .get(job.unit)
                    .active_state()
                    .is_active_or_reloading()
                {
                    &[]
                } else {
                    &[Edge::RequisiteOf]
                }
            }
            (_, JobResult::Done) => &[],
            (JobKind::Start | JobKind::VerifyActive, _) => &START_FAILURE,
            (JobKind::Stop, _) => &[Edge::ConflictedBy],
            (JobKind::Reload | JobKind::Restart | JobKind::Overlap | JobKind::Nop, _) => &[],
        };
        edges
            .iter()
            .flat_map(|edge| self.graph.get(job.unit).edges.of(*edge))
            .filter_map(|other| self.graph.get(other).job.and_then(|id| self.jobs.get(&id)))
            .filter(|other| matches!(other.kind, JobKind::Start | JobKind::VerifyActive))
            .filter(|other| !self.is_as_good_as_started(other))
            .map(|other| (other.id, JobResult::Dependency))
            .collect()
    }

    /// Whether the job would be done by now if processes were made in no time.
    fn is_as_good_as_started(&self, job: &Job) -> bool {
        let unit = self.graph.get(job.unit);
        let service = unit.machine.service();
        job.running && service.is_some_and(|service| service.is_being_made(&unit.config))
    }

    /// Jobs that may have waited for this unit's get another look.
    pub(super) fn wake_neighbours(&mut self, unit: UnitId) {
        let edges = &self.graph.get(unit).edges;
        let ordered = edges.of(Edge::After).chain(edges.of(Edge::Before));
        let ordered: Vec<UnitId> = ordered.collect();
        self.queue_jobs_of(ordered);
    }

    /// `started`, with what the unit is where its name does not say it all.
    fn started(&self, unit: UnitId) -> String {
        let config = &self.graph.get(unit).config;
        if config.unit.description == config.name.as_str() {
            "started".to_owned()
        } else {
            format!("started ({})", config.unit.description)
        }
    }

    fn log_result(&mut self, job: &Job, result: JobResult) {
        let up = self
            .graph
            .get(job.unit)
            .active_state()
            .is_active_or_reloading();
        let (level, text) = match (job.kind, result) {
            (JobKind::Start, JobResult::Done) if up => (LogLevel::Info, self.started(job.unit)),
            (JobKind::Stop, JobResult::Done) => (LogLevel::Info, "stopped".to_owned()),
            (JobKind::Reload, JobResult::Done) => (LogLevel::Info, "reloaded".to_owned()),
            (JobKind::Overlap, JobResult::Done) => {
                (LogLevel::Info, "restarted without a gap".to_owned())
            }
            (_, JobResult::Done | JobResult::Canceled | JobResult::Skipped) => return,
            (kind, JobResult::Dependency) => {
                let text = format!("no {}: a dependency failed", kind.as_str());
                (LogLevel::Warning, text)
            }
            (kind, result) => {
                let text = format!("the {} job ended: {}", kind.as_str(), result.as_str());
                (LogLevel::Error, text)
            }
        };
        self.log(level, job.unit, text);
    }
}
