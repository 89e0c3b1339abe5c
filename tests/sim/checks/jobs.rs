//! Requests, jobs and their ends.

use super::{Check, Sight, Verdict};
use procmgr::engine::{Effect, Event, JobId, JobKind, JobResult, Outcome, RequestId, UnitId};
use std::collections::BTreeSet;

/// Every job is told of once when it comes and once when it goes, a unit has one at a time,
/// the engine shows exactly these, and at rest there is none.
#[derive(Default)]
pub(crate) struct Accounts {
    ever: BTreeSet<JobId>,
}

impl Check for Accounts {
    fn name(&self) -> &'static str {
        "job accounts"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match effect {
            Effect::JobNew { job, unit, kind } => {
                if !self.ever.insert(*job) {
                    return Err(format!("job {} was told of twice", job.0));
                }
                match sight.picture().job_of(*unit) {
                    // One that does nothing stands beside others.
                    Some(_) if *kind == JobKind::Nop => Ok(()),
                    Some((other, _)) => Err(format!(
                        "{unit:?} gets job {} while it has job {}",
                        job.0, other.0
                    )),
                    None => Ok(()),
                }
            }
            Effect::JobRemoved { job, .. } if !sight.picture().jobs.contains_key(job) => {
                Err(format!("job {} ended that was not there", job.0))
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let shown: Vec<JobId> = sight.world.engine.jobs().iter().map(|job| job.id).collect();
        let told: Vec<JobId> = sight.picture().jobs.keys().copied().collect();
        if shown == told {
            return Ok(());
        }
        Err(format!("jobs {shown:?} are there, {told:?} were told of"))
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let left: Vec<String> = sight
            .world
            .engine
            .jobs()
            .iter()
            .map(|job| format!("{} {} of {}", job.id.0, job.kind.as_str(), job.unit))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(format!("nothing is going on, but jobs are left: {left:?}"))
    }
}

/// Every request is answered once, before the next event; a job that is answered with is one
/// that was told of.
#[derive(Default)]
pub(crate) struct Replies {
    open: Option<RequestId>,
    jobs: BTreeSet<JobId>,
}

impl Check for Replies {
    fn name(&self) -> &'static str {
        "one reply a request"
    }

    fn before(&mut self, _: &Sight<'_, '_>, event: &Event) -> Verdict {
        self.open = match event {
            Event::Request { request, .. }
            | Event::Kill { request, .. }
            | Event::Cancel { request, .. }
            | Event::Hold { request, .. }
            | Event::Release { request, .. }
            | Event::Abandon { request, .. }
            | Event::ResetFailed { request, .. } => Some(*request),
            _ => None,
        };
        Ok(())
    }

    fn effect(&mut self, _: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match effect {
            Effect::JobNew { job, .. } => {
                self.jobs.insert(*job);
                Ok(())
            }
            Effect::Reply { request, result } => {
                if self.open.take() != Some(*request) {
                    return Err(format!("a reply to {request:?} that nobody waits for"));
                }
                match result {
                    Ok(Outcome::Job(job)) if !self.jobs.contains(job) => Err(format!(
                        "{request:?} is answered with unknown job {}",
                        job.0
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, _: &Sight<'_, '_>, _: bool) -> Verdict {
        match self.open {
            Some(request) => Err(format!("{request:?} got no reply")),
            None => Ok(()),
        }
    }
}

/// A stop job that is done leaves its unit down, unless something started it again.
#[derive(Default)]
pub(crate) struct Stops {
    done: BTreeSet<UnitId>,
}

impl Check for Stops {
    fn name(&self) -> &'static str {
        "stop reaches quiet"
    }

    fn effect(&mut self, _: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match effect {
            Effect::JobRemoved {
                unit,
                kind: JobKind::Stop,
                result: JobResult::Done,
                ..
            } => {
                self.done.insert(*unit);
            }
            Effect::JobNew { unit, .. } => {
                self.done.remove(unit);
            }
            _ => {}
        }
        Ok(())
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        for unit in std::mem::take(&mut self.done) {
            let seen = sight.picture().unit(unit);
            if !seen.is_down() {
                return Err(format!("{} is {} after its stop", seen.name(), seen.sub));
            }
        }
        Ok(())
    }
}
