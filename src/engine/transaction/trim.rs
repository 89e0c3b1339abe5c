//! Drops what need not happen and merges what can happen as one.

use super::{ANCHOR, Candidate, Cause, Installed, Transaction};
use crate::engine::effect::Refusal;
use crate::engine::graph::Graph;
use crate::engine::ids::UnitId;
use crate::engine::job;
use crate::engine::state::JobKind;
use std::collections::BTreeSet;

impl Transaction {
    /// Drops the jobs of units for which all of them would find nothing to do.
    pub(super) fn drop_redundant(&mut self, graph: &Graph, installed: &Installed<'_>) {
        let units: Vec<UnitId> = self.by_unit.keys().copied().collect();
        for unit in units {
            let state = graph.get(unit).active_state();
            let there = installed.of(graph, unit).map(|job| job.kind);
            let keep = self.of_unit(unit).iter().any(|index| {
                let Some(candidate) = self.job(*index) else {
                    return false;
                };
                *index == ANCHOR
                    || !job::is_redundant(candidate.kind, state)
                    || there.is_some_and(|kind| job::conflicts(candidate.kind, kind))
            });
            if !keep {
                for index in self.of_unit(unit).to_vec() {
                    self.delete(index, false, Cause::NothingToDo);
                }
            }
        }
    }

    /// Mode fail: drops what the anchor can do without and what would stop a unit that is up or
    /// reverse a queued job, with what needs it.
    pub(super) fn minimize_impact(
        &mut self,
        graph: &Graph,
        installed: &Installed<'_>,
        notes: &mut Vec<(UnitId, String)>,
    ) {
        let stops = self.stops();

        let harms = |job: &Candidate| {
            let unit = graph.get(job.unit);
            let stops = job.kind == JobKind::Stop && unit.active_state().is_active_or_activating();
            let there = installed.of(graph, job.unit);
            let reverses = there.is_some_and(|there| job::conflicts(there.kind, job.kind));
            !job.matters && (stops || reverses)
        };
        loop {
            let victim = self.live().find(|(_, job)| harms(job));
            let Some(index) = victim.map(|(index, _)| index) else {
                break;
            };
            self.delete(index, true, Cause::Spared);
        }
        for unit in stops.difference(&self.stops()) {
            let text = "not stopped: the job mode fail leaves alone what is up";
            notes.push((*unit, text.to_owned()));
        }
    }

    /// Drops jobs that nobody in the transaction pulls in any more.
    pub(super) fn collect_garbage(&mut self) {
        let mut pending: Vec<usize> = self.live().map(|(index, _)| index).collect();
        while let Some(index) = pending.pop() {
            let Some(job) = self.job(index) else { continue };
            if index == ANCHOR || !job.wanted_by.is_empty() {
                continue;
            }
            let wants = job.wants.clone();
            self.delete(index, false, Cause::NotNeeded);
            pending.extend(wants);
        }
    }

    /// Leaves one job a unit: drops one of two that exclude each other, merges the rest.
    ///
    /// # Errors
    /// Two jobs that the anchor needs exclude each other.
    pub(super) fn merge(&mut self, graph: &Graph) -> Result<(), Refusal> {
        while let Some((a, b)) = self.find_conflict() {
            let victim = self
                .choose(a, b)
                .ok_or_else(|| self.contradiction(graph, a))?;
            let other = if victim == a { b } else { a };
            let against = self.job(other).map_or(JobKind::Nop, |job| job.kind);
            self.delete(victim, true, Cause::Against(against));
            self.collect_garbage();
        }
        let units: Vec<UnitId> = self.by_unit.keys().copied().collect();
        for unit in units {
            self.merge_unit(graph, unit);
        }
        Ok(())
    }

    /// The units that are to be stopped.
    pub(super) fn stops(&self) -> BTreeSet<UnitId> {
        let stops = self.live().filter(|(_, job)| job.kind == JobKind::Stop);
        stops.map(|(_, job)| job.unit).collect()
    }

    /// Two jobs that exclude each other. First those of which the anchor needs one: what goes
    /// with the other may settle the rest, and the rest could take away what it then lacks.
    fn find_conflict(&self) -> Option<(usize, usize)> {
        let matters = |index: usize| self.job(index).is_some_and(|job| job.matters);
        let mut all = self
            .by_unit
            .values()
            .flat_map(|list| self.conflicts_among(list));
        let first = all.next()?;
        let decided = |(a, b): &(usize, usize)| matters(*a) || matters(*b);
        Some(
            std::iter::once(first)
                .chain(all)
                .find(decided)
                .unwrap_or(first),
        )
    }

    fn conflicts_among<'a>(
        &'a self,
        list: &'a [usize],
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        list.iter().enumerate().flat_map(move |(position, a)| {
            list[position + 1..]
                .iter()
                .map(|b| (*a, *b))
                .filter(|(a, b)| {
                    let kinds = self.job(*a).zip(self.job(*b));
                    kinds.is_some_and(|(a, b)| job::conflicts(a.kind, b.kind))
                })
        })
    }

    /// Which of two contradicting jobs goes: never one that the anchor needs; else a stop,
    /// unless something conflicts with the unit.
    fn choose(&self, a: usize, b: usize) -> Option<usize> {
        let (first, second) = (self.job(a)?, self.job(b)?);
        let conflicted = |index: usize| {
            self.job(index)
                .is_some_and(|job| job.wanted_by.iter().any(|pull| pull.conflicts))
        };
        match (first.matters, second.matters) {
            (true, true) => None,
            (false, true) => Some(a),
            (true, false) => Some(b),
            (false, false) => {
                let (stop, other) = if first.kind == JobKind::Stop {
                    (a, b)
                } else {
                    (b, a)
                };
                Some(if conflicted(stop) { other } else { stop })
            }
        }
    }

    fn contradiction(&self, graph: &Graph, index: usize) -> Refusal {
        let name = self.job(index).map_or("", |job| graph.get(job.unit).name());
        Refusal::Conflicting(format!(
            "Transaction contains conflicting jobs for {name}: it would have to be started and stopped."
        ))
    }

    fn merge_unit(&mut self, graph: &Graph, unit: UnitId) {
        let list = self.of_unit(unit).to_vec();
        let Some((first, rest)) = list.split_first() else {
            return;
        };
        let state = graph.get(unit).active_state();
        for index in rest {
            let Some(kind) = self.job(*index).map(|job| job.kind) else {
                continue;
            };
            let Some(gone) = self.jobs.get_mut(*index).and_then(Option::take) else {
                continue;
            };
            if let Some(kept) = self.jobs.get_mut(*first).and_then(Option::as_mut) {
                kept.kind = job::merge(kept.kind, kind, state).unwrap_or(kept.kind);
                kept.matters |= gone.matters;
                kept.wanted_by.extend(gone.wanted_by);
                kept.wants.extend(gone.wants);
            }
        }
        self.by_unit.insert(unit, vec![*first]);
    }
}
