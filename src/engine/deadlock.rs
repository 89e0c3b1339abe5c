//! Jobs that wait for each other in a circle.
//!
//! Transactions never install such jobs. They come to be when unit files are read again while
//! jobs wait, when a job becomes another one as it is merged into one that waits, when the stop
//! half of a restart is done and a start is left whose order was none of its concern before, or
//! in a shutdown, whose stops no transaction has looked at.
//! Nothing would ever end them.

use super::effect::LogLevel;
use super::engine::Engine;
use super::graph::Edge;
use super::ids::JobId;
use super::job::{self, Job, Ordered};
use super::state::{JobKind, JobResult};
use std::collections::BTreeSet;

impl Engine {
    /// Ends one job of a circle, if there is one; whether there was. A job that starts is
    /// canceled, with those that need it; where all of them stop, one does it out of order.
    pub(super) fn break_deadlock(&mut self) -> bool {
        let Some(circle) = self.find_deadlock() else {
            return false;
        };
        let starts = |id: &JobId| {
            self.jobs
                .get(id)
                .is_some_and(|job| !matches!(job.kind, JobKind::Stop | JobKind::Restart))
        };
        let victim = circle.iter().copied().find(starts);
        let Some(id) = victim.or(circle.first().copied()) else {
            return false;
        };
        let Some(unit) = self.jobs.get(&id).map(|job| job.unit) else {
            return false;
        };
        let names: Vec<&str> = circle
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .map(|job| self.graph.get(job.unit).name())
            .collect();
        let text = format!("the order of queued jobs is cyclic: {}", names.join(" -> "));
        self.log(LogLevel::Warning, unit, text);
        if victim.is_some() {
            self.cut_short(id, JobResult::Canceled);
        } else if let Some(job) = self.jobs.get_mut(&id) {
            job.ignore_order = true;
            self.queue_job(id);
            self.wake_neighbours(unit);
        }
        true
    }

    /// Walks from every waiting job to those it waits for, without recursion.
    fn find_deadlock(&self) -> Option<Vec<JobId>> {
        let mut done: BTreeSet<JobId> = BTreeSet::new();
        for start in self.jobs.keys() {
            let mut path = vec![(*start, self.waits_for(*start))];
            while let Some((id, next)) = path.last_mut() {
                let Some(other) = next.pop() else {
                    done.insert(*id);
                    path.pop();
                    continue;
                };
                if let Some(from) = path.iter().position(|(id, _)| *id == other) {
                    return Some(path[from..].iter().map(|(id, _)| *id).collect());
                }
                if !done.contains(&other) {
                    path.push((other, self.waits_for(other)));
                }
            }
        }
        None
    }

    /// The jobs that have to end before this one may run; none if it runs.
    fn waits_for(&self, id: JobId) -> Vec<JobId> {
        match self.jobs.get(&id) {
            Some(job) if !job.running => self.comes_after(job),
            Some(_) | None => Vec::new(),
        }
    }

    /// The jobs that come before this one, whether it waits or not.
    pub(super) fn comes_after(&self, job: &Job) -> Vec<JobId> {
        let ordered = |job: &Job| Ordered {
            kind: job.kind,
            ignore_order: job.ignore_order,
        };
        let edges = &self.graph.get(job.unit).edges;
        [Edge::After, Edge::Before]
            .into_iter()
            .flat_map(|edge| edges.of(edge).map(move |other| (edge, other)))
            .filter_map(|(edge, other)| {
                let other = self.jobs.get(&self.graph.get(other).job?)?;
                job::must_wait(ordered(job), ordered(other), edge).then_some(other.id)
            })
            .collect()
    }
}
