//! Transactions: what one request pulls in, made consistent before anything is queued
//! (checklist section 5).
//!
//! A transaction is built over the graph and the installed jobs without changing either; only
//! `queue` applies it. `build` collects jobs, `trim` drops and merges, `order` breaks cycles.

mod build;
mod order;
mod trim;

use super::effect::Refusal;
use super::graph::Graph;
use super::ids::{JobId, UnitId};
use super::job::{self, Job};
use super::state::JobKind;
use crate::unit::config::JobMode;
use std::collections::BTreeMap;

/// What a transaction is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// The unit.
    pub(super) unit: UnitId,
    /// The job that must come out of it.
    pub(super) kind: JobKind,
    /// How it meets installed jobs.
    pub(super) mode: JobMode,
    /// A start also restarts those that a restart would take along (automatic restarts, J1).
    pub(super) restart_dependents: bool,
    /// Mode fail as people and unit files ask for it also leaves alone what is up, where the
    /// unit can do without stopping it.
    pub(super) spares: bool,
}

/// A job of a transaction.
#[derive(Debug)]
struct Candidate {
    unit: UnitId,
    kind: JobKind,
    /// Who pulled this in, and whether they need it.
    wanted_by: Vec<Pull>,
    /// What this pulled in: indices.
    wants: Vec<usize>,
    /// The anchor needs it, directly or through others.
    matters: bool,
}

/// Why a candidate is in the transaction.
#[derive(Debug, Clone, Copy)]
struct Pull {
    by: usize,
    matters: bool,
    conflicts: bool,
}

/// The jobs of one request; index 0 is the anchor.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    jobs: Vec<Option<Candidate>>,
    by_unit: BTreeMap<UnitId, Vec<usize>>,
    /// Jobs that were found not to be had; units that need each other in a circle would have
    /// them tried for ever.
    refused: BTreeMap<(UnitId, JobKind), Refusal>,
}

const ANCHOR: usize = 0;

/// What is to be installed, and what was noticed on the way.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// One job a unit; the anchor's first.
    pub(super) jobs: Vec<(UnitId, JobKind)>,
    /// For the log: dropped dependencies, broken cycles.
    pub(super) notes: Vec<(UnitId, String)>,
}

/// The installed jobs, as a transaction sees them.
pub(super) type Installed = BTreeMap<JobId, Job>;

/// Works out everything one wish implies.
///
/// # Errors
/// The wish cannot be met: what it needs cannot be loaded or run, contradicts itself, is
/// cyclic, or would replace jobs it must not.
pub(super) fn plan(graph: &Graph, installed: &Installed, wish: Wish) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut transaction = Transaction::build(graph, wish, &mut plan.notes)?;
    transaction.find_what_matters();
    if wish.mode == JobMode::Fail && wish.spares {
        transaction.minimize_impact(graph, installed, &mut plan.notes);
    }
    transaction.drop_redundant(graph, installed);
    transaction.collect_garbage();
    let stops = transaction.stops();
    transaction.break_cycles(graph, installed, wish.mode, &mut plan.notes)?;
    transaction.merge(graph)?;
    // Of two jobs of a unit the other one may have gone than the one that was looked at.
    transaction.break_cycles(graph, installed, wish.mode, &mut plan.notes)?;
    for unit in stops.difference(&transaction.stops()) {
        let text = "not stopped: other jobs of the same request, or their order, are against it";
        plan.notes.push((*unit, text.to_owned()));
    }
    transaction.drop_redundant(graph, installed);
    transaction.refuse_if_destructive(graph, installed, wish.mode)?;
    plan.jobs = transaction.into_jobs();
    Ok(plan)
}

impl Transaction {
    fn job(&self, index: usize) -> Option<&Candidate> {
        self.jobs.get(index).and_then(Option::as_ref)
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        self.jobs
            .iter()
            .enumerate()
            .filter_map(|(i, j)| j.as_ref().map(|j| (i, j)))
    }

    fn of_unit(&self, unit: UnitId) -> &[usize] {
        self.by_unit.get(&unit).map_or(&[], Vec::as_slice)
    }

    /// Takes a job out. With `dependents`, those who need it go too.
    fn delete(&mut self, index: usize, dependents: bool) {
        let mut pending = vec![index];
        while let Some(index) = pending.pop() {
            let Some(job) = self.jobs.get_mut(index).and_then(Option::take) else {
                continue;
            };
            if let Some(list) = self.by_unit.get_mut(&job.unit) {
                list.retain(|i| *i != index);
            }
            for wanted in &job.wants {
                if let Some(other) = self.jobs.get_mut(*wanted).and_then(Option::as_mut) {
                    other.wanted_by.retain(|pull| pull.by != index);
                }
            }
            for pull in &job.wanted_by {
                if let Some(other) = self.jobs.get_mut(pull.by).and_then(Option::as_mut) {
                    other.wants.retain(|w| *w != index);
                    if pull.matters && dependents {
                        pending.push(pull.by);
                    }
                }
            }
        }
    }

    fn refuse_if_destructive(
        &self,
        graph: &Graph,
        installed: &Installed,
        mode: JobMode,
    ) -> Result<(), Refusal> {
        for (_, candidate) in self.live() {
            let Some(there) = graph
                .get(candidate.unit)
                .job
                .and_then(|id| installed.get(&id))
            else {
                continue;
            };
            let fixed = mode == JobMode::Fail || there.irreversible;
            if fixed && job::conflicts(there.kind, candidate.kind) {
                let name = graph.get(candidate.unit).name();
                let anchor = self.job(ANCHOR).unwrap_or(candidate);
                return Err(Refusal::Destructive(format!(
                    "Transaction for {}/{} is destructive ({name} has '{}' job queued, but '{}' is included in transaction).",
                    graph.get(anchor.unit).name(),
                    anchor.kind.as_str(),
                    there.kind.as_str(),
                    candidate.kind.as_str(),
                )));
            }
        }
        Ok(())
    }

    /// One job a unit is left; the anchor's comes first.
    fn into_jobs(self) -> Vec<(UnitId, JobKind)> {
        self.jobs
            .into_iter()
            .flatten()
            .map(|job| (job.unit, job.kind))
            .collect()
    }
}
