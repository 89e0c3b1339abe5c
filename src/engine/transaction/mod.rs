//! Transactions: what one request pulls in, made consistent before anything is queued
//! (checklist section 5).
//!
//! A transaction is built over the graph and the installed jobs without changing either; only
//! `queue` applies it. `build` collects jobs, `trim` drops and merges, `order` breaks cycles.

mod build;
mod order;
mod reasons;
mod trim;

pub(super) use reasons::{Cause, Explained, Planned};

use super::effect::Refusal;
use super::graph::{Edge, Graph};
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
    /// The edge that leads from the unit of `by`; `None`: the mode of the request itself.
    edge: Option<Edge>,
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
    /// What is not going to happen though something asked for it, in the order it went.
    dropped: Vec<Dropped>,
    /// Every job that was ever in, by index, and what brought it in.
    origins: Vec<(UnitId, JobKind, Option<Pull>)>,
}

/// A job that is not in the transaction any more.
#[derive(Debug)]
struct Dropped {
    unit: UnitId,
    kind: JobKind,
    /// What had brought it in.
    pull: Option<Pull>,
    cause: Cause,
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Installed<'a> {
    /// Those that are there.
    pub(super) jobs: &'a BTreeMap<JobId, Job>,
    /// Those that would be there, in the place of the unit's own, by the time a planned request
    /// comes.
    pub(super) planned: Option<&'a BTreeMap<UnitId, Job>>,
}

impl Installed<'_> {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.planned.is_none_or(BTreeMap::is_empty)
    }

    /// The job of a unit.
    pub(super) fn of(&self, graph: &Graph, unit: UnitId) -> Option<&Job> {
        let planned = self.planned.and_then(|planned| planned.get(&unit));
        planned.or_else(|| graph.get(unit).job.and_then(|id| self.jobs.get(&id)))
    }
}

/// Works out everything one wish implies.
///
/// # Errors
/// The wish cannot be met: what it needs cannot be loaded or run, contradicts itself, is
/// cyclic, or would replace jobs it must not.
pub(super) fn plan(graph: &Graph, installed: &Installed<'_>, wish: Wish) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    plan.jobs = work_out(graph, installed, wish, &mut plan.notes)?.into_jobs();
    Ok(plan)
}

/// The same for people: every job with why it is there, and what was left out.
///
/// # Errors
/// As [`plan`].
pub(super) fn explain(
    graph: &Graph,
    installed: &Installed<'_>,
    wish: Wish,
) -> Result<Explained, Refusal> {
    Ok(work_out(graph, installed, wish, &mut Vec::new())?.explain())
}

fn work_out(
    graph: &Graph,
    installed: &Installed<'_>,
    wish: Wish,
    notes: &mut Vec<(UnitId, String)>,
) -> Result<Transaction, Refusal> {
    let mut transaction = Transaction::build(graph, wish, notes)?;
    transaction.find_what_matters();
    if wish.mode == JobMode::Fail && wish.spares {
        transaction.minimize_impact(graph, installed, notes);
    }
    transaction.drop_redundant(graph, installed);
    transaction.collect_garbage();
    if installed.is_empty() && transaction.live().nth(1).is_none() {
        // One job that meets no other: nothing can be in its way.
        return Ok(transaction);
    }
    let stops = transaction.stops();
    transaction.break_cycles(graph, installed, wish.mode, notes)?;
    if transaction.by_unit.values().any(|jobs| jobs.len() > 1) {
        transaction.merge(graph)?;
        // Of two jobs of a unit the other one may have gone than the one that was looked at.
        transaction.break_cycles(graph, installed, wish.mode, notes)?;
    }
    for unit in stops.difference(&transaction.stops()) {
        let text = "not stopped: other jobs of the same request, or their order, are against it";
        notes.push((*unit, text.to_owned()));
    }
    transaction.drop_redundant(graph, installed);
    transaction.refuse_if_destructive(graph, installed, wish.mode)?;
    Ok(transaction)
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
    fn delete(&mut self, index: usize, dependents: bool, cause: Cause) {
        let mut pending = vec![(index, cause)];
        while let Some((index, cause)) = pending.pop() {
            let Some(job) = self.jobs.get_mut(index).and_then(Option::take) else {
                continue;
            };
            self.dropped.push(Dropped {
                unit: job.unit,
                kind: job.kind,
                pull: self.origins.get(index).and_then(|(_, _, pull)| *pull),
                cause,
            });
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
                        pending.push((pull.by, Cause::Lacks(job.unit, job.kind)));
                    }
                }
            }
        }
    }

    fn refuse_if_destructive(
        &self,
        graph: &Graph,
        installed: &Installed<'_>,
        mode: JobMode,
    ) -> Result<(), Refusal> {
        for (_, candidate) in self.live() {
            let Some(there) = installed.of(graph, candidate.unit) else {
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
        let jobs = self.jobs.into_iter().flatten();
        jobs.map(|job| (job.unit, job.kind)).collect()
    }
}
