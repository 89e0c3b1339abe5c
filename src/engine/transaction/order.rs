//! Finds ordering cycles and breaks them by dropping jobs that the anchor can do without (J8).

use super::{Cause, Installed, Transaction};
use crate::engine::effect::Refusal;
use crate::engine::graph::{Edge, Graph};
use crate::engine::ids::UnitId;
use crate::engine::job::{self, Ordered};
use crate::engine::state::JobKind;
use crate::unit::config::JobMode;
use std::collections::BTreeMap;

/// Where the walk is with a unit.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    OnPath,
    Done,
}

/// Which halves of restarts are looked at: both have to get through.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Restarts stop.
    Now,
    /// Everything has stopped, restarts start.
    Later,
}

impl Phase {
    /// The job as it is in this phase; `None` if it is over.
    fn of(self, job: Ordered) -> Option<Ordered> {
        match (self, job.kind) {
            (Phase::Later, JobKind::Stop) => None,
            (Phase::Later, JobKind::Restart) => Some(Ordered {
                kind: JobKind::Start,
                ..job
            }),
            (Phase::Now | Phase::Later, _) => Some(job),
        }
    }
}

impl Transaction {
    /// Drops jobs until the order is free of cycles.
    ///
    /// # Errors
    /// A cycle holds only jobs that the anchor needs, or that were queued before.
    pub(super) fn break_cycles(
        &mut self,
        graph: &Graph,
        installed: &Installed<'_>,
        mode: JobMode,
        notes: &mut Vec<(UnitId, String)>,
    ) -> Result<(), Refusal> {
        if mode == JobMode::IgnoreDependencies {
            return Ok(());
        }
        while let Some(cycle) = [Phase::Now, Phase::Later]
            .into_iter()
            .find_map(|phase| self.find_cycle(graph, installed, phase))
        {
            let names: Vec<&str> = cycle.iter().map(|unit| graph.get(*unit).name()).collect();
            let text = names.join(" -> ");
            let victim = cycle.iter().copied().find(|unit| {
                let jobs = self.of_unit(*unit);
                !jobs.is_empty()
                    && jobs
                        .iter()
                        .all(|i| self.job(*i).is_some_and(|job| !job.matters))
            });
            let Some(victim) = victim else {
                return Err(Refusal::Cyclic(format!(
                    "Transaction order is cyclic: {text}."
                )));
            };
            notes.push((
                victim,
                format!("job dropped to break the ordering cycle {text}"),
            ));
            for index in self.of_unit(victim).to_vec() {
                self.delete(index, true, Cause::Cycle(cycle.clone()));
            }
            self.collect_garbage();
        }
        Ok(())
    }

    /// Walks depth first from every job to those that wait for it, without recursion.
    fn find_cycle(
        &self,
        graph: &Graph,
        installed: &Installed<'_>,
        phase: Phase,
    ) -> Option<Vec<UnitId>> {
        let mut marks: BTreeMap<UnitId, Mark> = BTreeMap::new();
        for start in self
            .by_unit
            .keys()
            .filter(|unit| !self.of_unit(**unit).is_empty())
        {
            if marks.contains_key(start) {
                continue;
            }
            let waiting = self.waiting_for(graph, installed, phase, *start);
            if waiting.is_empty() {
                // The end of every path that it is on.
                continue;
            }
            marks.insert(*start, Mark::OnPath);
            let mut path = vec![(*start, waiting)];
            while let Some((unit, next)) = path.last_mut() {
                let Some(follower) = next.pop() else {
                    marks.insert(*unit, Mark::Done);
                    path.pop();
                    continue;
                };
                match marks.get(&follower) {
                    Some(Mark::Done) => {}
                    Some(Mark::OnPath) => {
                        let from = path.iter().position(|(unit, _)| *unit == follower)?;
                        return Some(path[from..].iter().map(|(unit, _)| *unit).collect());
                    }
                    None => {
                        marks.insert(follower, Mark::OnPath);
                        path.push((
                            follower,
                            self.waiting_for(graph, installed, phase, follower),
                        ));
                    }
                }
            }
        }
        None
    }

    /// The units whose jobs must wait for the job of this one.
    fn waiting_for(
        &self,
        graph: &Graph,
        installed: &Installed<'_>,
        phase: Phase,
        unit: UnitId,
    ) -> Vec<UnitId> {
        let ordered = |unit| phase.of(self.ordered(graph, installed, unit)?);
        let Some(mine) = ordered(unit) else {
            return Vec::new();
        };
        let edges = &graph.get(unit).edges;
        let mut units = Vec::new();
        for (ours, theirs) in [(Edge::After, Edge::Before), (Edge::Before, Edge::After)] {
            units.extend(edges.of(ours).filter(|other| {
                ordered(*other).is_some_and(|job| job::must_wait(job, mine, theirs))
            }));
        }
        units
    }

    /// What ordering sees at a unit: the transaction's youngest job for it, else the installed
    /// one.
    fn ordered(&self, graph: &Graph, installed: &Installed<'_>, unit: UnitId) -> Option<Ordered> {
        let candidate = self.of_unit(unit).last().and_then(|index| self.job(*index));
        if let Some(job) = candidate {
            return Some(Ordered {
                kind: job.kind,
                ignore_order: false,
            });
        }
        let there = installed.of(graph, unit)?;
        Some(Ordered {
            kind: there.kind,
            ignore_order: there.ignore_order,
        })
    }
}
