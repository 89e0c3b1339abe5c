//! Jobs that end before their unit has done what they ask for: canceled, displaced by the modes
//! isolate and flush, or out of time (systemd.unit(5), JobTimeoutSec=; checklist J7, J14).
//!
//! Only the job ends. What its unit is doing goes on.

use super::effect::Refusal;
use super::engine::{Engine, Timed};
use super::ids::{JobId, UnitId};
use super::service::deadline_after;
use super::state::{JobKind, JobResult, ServiceResult};
use super::transaction::Wish;
use crate::unit::config::JobMode;
use crate::unit::value::TimeSpan;
use std::collections::BTreeSet;

impl Engine {
    /// Ends one job on request, and those that need it, or all jobs if `None`.
    ///
    /// # Errors
    /// There is no such job, or the manager is going down, which nothing takes back.
    pub(super) fn cancel_jobs(&mut self, job: Option<JobId>) -> Result<(), Refusal> {
        if self.shutting_down {
            return Err(Refusal::ShuttingDown);
        }
        match job {
            Some(id) if self.jobs.contains_key(&id) => self.cut_short(id, JobResult::Canceled),
            Some(id) => return Err(Refusal::NoSuchJob(id.0)),
            None => {
                let all: Vec<JobId> = self.jobs.keys().copied().collect();
                let cut = self.drop_jobs(&all);
                self.resettle(cut);
            }
        }
        Ok(())
    }

    /// Ends a job before its time, with those that need it.
    pub(super) fn cut_short(&mut self, id: JobId, result: JobResult) {
        let Some((unit, kind)) = self.jobs.get(&id).map(|job| (job.unit, job.kind)) else {
            return;
        };
        self.finish(id, result, true);
        self.resettle([(unit, kind)]);
    }

    /// Modes isolate and flush: ends every job that the new transaction has nothing to say of,
    /// but for units that isolating leaves alone. Whose jobs they were is for
    /// [`Engine::resettle`], once the transaction is in place.
    pub(super) fn displace_jobs(
        &mut self,
        wish: Wish,
        planned: &BTreeSet<UnitId>,
    ) -> Vec<(UnitId, JobKind)> {
        if !matches!(wish.mode, JobMode::Isolate | JobMode::Flush) {
            return Vec::new();
        }
        self.drop_jobs(&self.jobs_displaced(planned))
    }

    /// The jobs that isolating or flushing cancels, but for those of its own units.
    pub(super) fn jobs_displaced(&self, planned: &BTreeSet<UnitId>) -> Vec<JobId> {
        self.jobs
            .values()
            .filter(|job| !planned.contains(&job.unit))
            .filter(|job| !self.graph.get(job.unit).config.unit.stays_on_isolate())
            .map(|job| job.id)
            .collect()
    }

    fn drop_jobs(&mut self, jobs: &[JobId]) -> Vec<(UnitId, JobKind)> {
        let mut cut = Vec::new();
        for id in jobs {
            if let Some(job) = self.jobs.get(id) {
                cut.push((job.unit, job.kind));
                self.finish(*id, JobResult::Canceled, false);
            }
        }
        cut
    }

    /// A service whose automatic restart the job was to carry out must not wait for ever: the
    /// restart is given up with its job. (Where a stop was taken back, it goes on by itself.)
    pub(super) fn resettle(&mut self, cut: impl IntoIterator<Item = (UnitId, JobKind)>) {
        for (unit, kind) in cut {
            if kind != JobKind::Stop && self.graph.get(unit).job.is_none() {
                self.with_service(unit, |service, cx| {
                    service.give_up_restart(cx, ServiceResult::Success);
                });
            }
        }
    }

    /// Lets a job take only so long from now on; what ends earlier still does.
    pub(super) fn limit_job(&mut self, id: JobId, limit: TimeSpan) {
        // What stops at the end is bounded by its own time limits and must not be given up.
        if self.shutting_down {
            return;
        }
        let Some(due) = deadline_after(self.now.monotonic, limit) else {
            return;
        };
        let earlier = |old: u64| old <= due;
        if self
            .jobs
            .get(&id)
            .is_some_and(|job| !job.deadline.is_some_and(earlier))
        {
            self.set_job_deadline(id, Some(due));
        }
    }

    pub(super) fn set_job_deadline(&mut self, id: JobId, deadline: Option<u64>) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if let Some(old) = std::mem::replace(&mut job.deadline, deadline) {
            self.deadlines.remove(&(old, Timed::Job(id)));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, Timed::Job(id)));
        }
    }

    /// A job has taken too long. The unit goes on with what it is doing.
    pub(super) fn job_timed_out(&mut self, id: JobId) {
        let Some((unit, kind)) = self.jobs.get(&id).map(|job| (job.unit, job.kind)) else {
            return;
        };
        self.cut_short(id, JobResult::Timeout);
        let action = self.graph.get(unit).config.unit.job_timeout_action;
        let reason = format!("its {} job timed out", kind.as_str());
        self.act(unit, action, None, reason);
    }
}
