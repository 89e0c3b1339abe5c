//! Why each job is in a transaction, and why others are not.

use super::{ANCHOR, Dropped, Pull, Transaction};
use crate::engine::effect::Refusal;
use crate::engine::graph::Edge;
use crate::engine::ids::UnitId;
use crate::engine::state::JobKind;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Why a job that something asks for is not carried out.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Cause {
    /// The unit is already what the job would make of it.
    NothingToDo,
    /// Only jobs that went themselves had asked for it.
    NotNeeded,
    /// It cannot be had.
    Refused(Refusal),
    /// It needs this one, which cannot be had.
    Lacks(UnitId, JobKind),
    /// The job mode fail leaves alone what is up.
    Spared,
    /// A job of another kind for the same unit is in the same request.
    Against(JobKind),
    /// It went to break this ordering cycle.
    Cycle(Vec<UnitId>),
}

/// One step on the way from a job to the request: the edge as seen from the unit whose job
/// brought this one in; none where the mode of the request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Step {
    pub(in crate::engine) edge: Option<Edge>,
    pub(in crate::engine) by: UnitId,
    pub(in crate::engine) kind: JobKind,
}

/// A job with the way back to the request; an empty way is the request itself.
#[derive(Debug)]
pub(in crate::engine) struct Planned {
    pub(in crate::engine) unit: UnitId,
    pub(in crate::engine) kind: JobKind,
    pub(in crate::engine) way: Vec<Step>,
}

/// A transaction for people.
#[derive(Debug)]
pub(in crate::engine) struct Explained {
    /// The jobs to be installed, the anchor's first.
    pub(in crate::engine) jobs: Vec<Planned>,
    /// What is left out, with the way by which it had come in.
    pub(in crate::engine) dropped: Vec<(Planned, Cause)>,
}

impl Transaction {
    /// The jobs and what was left out, each with its way.
    pub(super) fn explain(mut self) -> Explained {
        let dropped = std::mem::take(&mut self.dropped);
        let shortest = self.shortest_pulls();
        let jobs = self
            .live()
            .map(|(index, job)| Planned {
                unit: job.unit,
                kind: job.kind,
                way: self.way(
                    &shortest,
                    shortest.get(&index).copied().or(self.origin(index)),
                ),
            })
            .collect();
        let mut told: BTreeSet<(UnitId, JobKind)> =
            self.live().map(|(_, job)| (job.unit, job.kind)).collect();
        let mut left_out: Vec<(Planned, Cause)> = Vec::new();
        for Dropped {
            unit,
            kind,
            pull,
            cause,
        } in dropped
        {
            if told.insert((unit, kind)) {
                let way = self.way(&shortest, pull);
                left_out.push((Planned { unit, kind, way }, cause));
            }
        }
        Explained {
            jobs,
            dropped: left_out,
        }
    }

    /// For each job that is left, the pull on the shortest way from the anchor.
    fn shortest_pulls(&self) -> BTreeMap<usize, Pull> {
        // Jobs for one unit were merged into its first.
        let index_of = |index: usize| {
            let (unit, _, _) = self.origins.get(index)?;
            self.of_unit(*unit).first().copied()
        };
        let mut wants: BTreeMap<usize, Vec<(usize, Pull)>> = BTreeMap::new();
        for (index, job) in self.live() {
            for pull in &job.wanted_by {
                if let Some(by) = index_of(pull.by) {
                    wants.entry(by).or_default().push((index, *pull));
                }
            }
        }
        let mut found = BTreeMap::new();
        let mut pending = VecDeque::from([ANCHOR]);
        while let Some(by) = pending.pop_front() {
            for (index, pull) in wants.get(&by).into_iter().flatten() {
                if *index != ANCHOR && !found.contains_key(index) {
                    found.insert(*index, *pull);
                    pending.push_back(*index);
                }
            }
        }
        found
    }

    /// What first brought a job in.
    fn origin(&self, index: usize) -> Option<Pull> {
        self.origins.get(index).and_then(|(_, _, pull)| *pull)
    }

    /// The way back to the anchor that begins with this pull.
    fn way(&self, shortest: &BTreeMap<usize, Pull>, pull: Option<Pull>) -> Vec<Step> {
        let mut way = Vec::new();
        let mut next = pull;
        while let Some(pull) = next {
            let Some((by, kind, origin)) = self.origins.get(pull.by).copied() else {
                break;
            };
            way.push(Step {
                edge: pull.edge,
                by,
                kind,
            });
            // This ends: shortest ways lead to the anchor, origins through ever earlier jobs.
            next = match self.of_unit(by).first() {
                Some(&ANCHOR) => None,
                Some(kept) => shortest.get(kept).copied().or(origin),
                None => origin,
            };
        }
        way
    }
}
