//! What requests would do: the jobs they would queue, in the order they would run, each with the
//! reason why it is there. Nothing is done.
//!
//! The transactions are those of [`super::transaction`], the meeting with installed jobs that of
//! [`super::queue`]. Only the order is found here, by letting every job that may run end at once,
//! round by round.

use super::engine::Engine;
use super::event::Verb;
use super::graph::Edge;
use super::ids::{JobId, UnitId};
use super::inspect::{DropReason, DroppedJob, Meets, PlanView, PlannedJob, Reason, RequestPlan};
use super::job::{self, Job, Ordered};
use super::queue::Meeting;
use super::state::JobKind;
use super::transaction::{self, Cause, Explained, Installed, Planned};
use super::unit::Machine;
use crate::unit::config::JobMode;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};

/// The queue as it would be.
#[derive(Default)]
struct Draft {
    /// The jobs that would be there in the place of those that are.
    queue: BTreeMap<UnitId, Job>,
    planned: Vec<PlannedJob>,
    /// Where a unit's job stands in `planned`.
    place: BTreeMap<UnitId, usize>,
    /// Units whose installed job would be canceled for the mode of a request.
    displaced: BTreeSet<UnitId>,
    /// Installed jobs that would be canceled.
    canceled: Vec<JobId>,
}

/// When a job would run.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    step: u32,
    /// When the start half of a restart would.
    start: Option<u32>,
}

impl Engine {
    /// What these requests would do, one after the other, with nothing happening in between.
    /// The units are loaded.
    pub fn plan(&self, verb: Verb, units: &[UnitName], mode: JobMode) -> PlanView {
        let mut draft = Draft::default();
        let mut requests = Vec::new();
        for unit in units {
            let installed = Installed {
                jobs: &self.jobs,
                planned: Some(&draft.queue),
            };
            let explained = self.wish_of(unit, verb, mode).and_then(|wish| {
                self.refuse_mode(wish)?;
                transaction::explain(&self.graph, &installed, wish)
            });
            let own = self.unit(unit.as_str()).map(|view| view.name().clone());
            let mut request = RequestPlan {
                unit: own.unwrap_or_else(|| unit.clone()),
                refusal: None,
                dropped: Vec::new(),
            };
            match explained {
                Ok(explained) => {
                    request.dropped = self.dropped(&explained);
                    self.displace_in(&mut draft, &explained, mode);
                    self.install_in(&mut draft, explained, requests.len(), mode);
                }
                Err(refusal) => request.refusal = Some(refusal),
            }
            requests.push(request);
        }
        self.put_in_order(&mut draft);
        PlanView {
            requests,
            canceled: self.views_of(&draft.canceled),
            jobs: draft.planned,
        }
    }

    fn dropped(&self, explained: &Explained) -> Vec<DroppedJob> {
        // What holds by itself was never to be started.
        let holds = |unit| matches!(self.graph.get(unit).machine, Machine::Fact);
        let dropped = explained.dropped.iter().filter(|(job, _)| !holds(job.unit));
        dropped
            .map(|(job, cause)| DroppedJob {
                unit: self.name_of(job.unit),
                kind: job.kind,
                why: self.reasons(job),
                cause: match cause {
                    Cause::NothingToDo => DropReason::NothingToDo,
                    Cause::NotNeeded => DropReason::NotNeeded,
                    Cause::Refused(refusal) => DropReason::Refused(refusal.clone()),
                    Cause::Lacks(unit, kind) => DropReason::Lacks(self.name_of(*unit), *kind),
                    Cause::Spared => DropReason::Spared,
                    Cause::Against(kind) => DropReason::Against(*kind),
                    Cause::Cycle(units) => {
                        DropReason::Cycle(units.iter().map(|unit| self.name_of(*unit)).collect())
                    }
                },
            })
            .collect()
    }

    fn name_of(&self, unit: UnitId) -> UnitName {
        self.graph.get(unit).config.name.clone()
    }

    fn reasons(&self, job: &Planned) -> Vec<Reason> {
        let steps = job.way.iter();
        steps
            .map(|step| Reason {
                relation: step.edge.map_or("JobMode", Edge::property),
                unit: self.name_of(step.by),
                kind: step.kind,
            })
            .collect()
    }

    /// Cancels what the modes isolate and flush do, as [`Engine::displace_jobs`] would.
    fn displace_in(&self, draft: &mut Draft, explained: &Explained, mode: JobMode) {
        if !matches!(mode, JobMode::Isolate | JobMode::Flush) {
            return;
        }
        let planned: BTreeSet<UnitId> = explained.jobs.iter().map(|job| job.unit).collect();
        let others = self.jobs_displaced(&planned);
        draft.displaced.extend(
            others
                .iter()
                .filter_map(|id| self.jobs.get(id))
                .map(|j| j.unit),
        );
        draft.canceled.extend(others);
    }

    /// Puts the jobs of one request where [`Engine::install`] would.
    fn install_in(&self, draft: &mut Draft, explained: Explained, request: usize, mode: JobMode) {
        for planned in explained.jobs {
            let (unit, kind) = (planned.unit, planned.kind);
            let installed = Installed {
                jobs: &self.jobs,
                planned: Some(&draft.queue),
            };
            let there = installed.of(&self.graph, unit).cloned();
            let meeting = self.meet(there.as_ref(), kind);
            let (kind, meets) = match (meeting, &there) {
                (Meeting::Merge(merged), Some(there)) => (merged, Meets::Merges(there.kind)),
                (Meeting::Replace, Some(there)) => (kind, Meets::Replaces(there.kind)),
                (Meeting::Nobody | Meeting::Beside, _) | (_, None) => (kind, Meets::Nothing),
            };
            let covers = there.as_ref().is_some_and(|there| {
                matches!(meeting, Meeting::Merge(_))
                    && there.running
                    && kind == there.kind
                    && job::covers(there.kind, planned.kind)
            });
            let job = Job {
                // Behind all that are there, in the order they come.
                id: match (&there, meeting) {
                    (Some(there), Meeting::Merge(_)) => there.id,
                    _ => JobId(self.next_job.saturating_add(draft.planned.len() as u32)),
                },
                unit,
                kind,
                running: covers,
                irreversible: mode == JobMode::ReplaceIrreversibly,
                ignore_order: mode == JobMode::IgnoreDependencies,
                monitor: Vec::new(),
                details: Vec::new(),
                deadline: None,
                blocked_by: None,
            };
            let view = PlannedJob {
                unit: self.name_of(unit),
                kind,
                request,
                step: 0,
                start_step: None,
                waits_for: Vec::new(),
                why: self.reasons(&planned),
                meets,
                idle: job::is_redundant(kind, self.graph.get(unit).active_state()),
            };
            draft.add(view, job, meeting, there.as_ref(), &self.jobs);
        }
    }

    /// Finds the turn of every job and sorts by it.
    fn put_in_order(&self, draft: &mut Draft) {
        let mut queue: BTreeMap<UnitId, Job> = self
            .jobs
            .values()
            .filter(|job| self.graph.get(job.unit).job == Some(job.id))
            .filter(|job| !draft.displaced.contains(&job.unit))
            .map(|job| (job.unit, job.clone()))
            .collect();
        queue.extend(draft.queue.iter().map(|(unit, job)| (*unit, job.clone())));
        for (unit, place) in &draft.place {
            if let Some(planned) = draft.planned.get_mut(*place) {
                let others = self.waits_for_in(&queue, *unit);
                planned.waits_for = others.into_iter().map(|u| self.name_of(u)).collect();
            }
        }
        let turns = self.turns(queue);
        for (unit, place) in &draft.place {
            let turn = turns.get(unit).copied().unwrap_or_default();
            if let Some(planned) = draft.planned.get_mut(*place) {
                planned.step = turn.step;
                planned.start_step = turn.start;
            }
        }
        // Stable: within a step they run in the order they are queued.
        draft.planned.sort_by_key(|planned| planned.step);
    }

    /// Plays the queue, every job ending in the round in which it may begin.
    fn turns(&self, mut queue: BTreeMap<UnitId, Job>) -> BTreeMap<UnitId, Turn> {
        let mut turns: BTreeMap<UnitId, Turn> = BTreeMap::new();
        let mut round = 1;
        let mut look: BTreeSet<UnitId> = queue.keys().copied().collect();
        loop {
            let ready: Vec<UnitId> = look
                .into_iter()
                .filter(|unit| {
                    queue.get(unit).is_some_and(|job| job.running)
                        || queue.contains_key(unit) && self.waits_for_in(&queue, *unit).is_empty()
                })
                .collect();
            if ready.is_empty() {
                break;
            }
            look = BTreeSet::new();
            for unit in ready {
                let Some(job) = queue.get_mut(&unit) else {
                    continue;
                };
                match turns.get_mut(&unit) {
                    Some(turn) => turn.start = Some(round),
                    None => {
                        let turn = Turn {
                            step: round,
                            start: None,
                        };
                        turns.insert(unit, turn);
                    }
                }
                if job.kind == JobKind::Restart {
                    job.kind = JobKind::Start;
                    job.running = false;
                    look.insert(unit);
                } else {
                    queue.remove(&unit);
                }
                let edges = &self.graph.get(unit).edges;
                look.extend(edges.of(Edge::After).chain(edges.of(Edge::Before)));
            }
            round += 1;
        }
        // What waits in a circle would be settled by the queue's own way out, at the end.
        for unit in queue.into_keys() {
            turns.entry(unit).or_insert(Turn {
                step: round,
                start: None,
            });
        }
        turns
    }

    /// The units whose jobs have to end before this one's may run.
    fn waits_for_in(&self, queue: &BTreeMap<UnitId, Job>, unit: UnitId) -> Vec<UnitId> {
        let ordered = |job: &Job| Ordered {
            kind: job.kind,
            ignore_order: job.ignore_order,
        };
        let Some(mine) = queue.get(&unit).map(ordered) else {
            return Vec::new();
        };
        let edges = &self.graph.get(unit).edges;
        [Edge::After, Edge::Before]
            .into_iter()
            .flat_map(|edge| edges.of(edge).map(move |other| (edge, other)))
            .filter(|(edge, other)| {
                let theirs = queue.get(other).map(ordered);
                theirs.is_some_and(|theirs| job::must_wait(mine, theirs, *edge))
            })
            .map(|(_, other)| other)
            .collect()
    }
}

impl Draft {
    /// Takes a job in; one that an earlier request had planned for the unit goes with it.
    fn add(
        &mut self,
        view: PlannedJob,
        job: Job,
        meeting: Meeting,
        there: Option<&Job>,
        installed: &BTreeMap<JobId, Job>,
    ) {
        let unit = job.unit;
        if meeting == Meeting::Beside {
            self.planned.push(view);
            return;
        }
        if let (Meeting::Replace, Some(there)) = (meeting, there)
            && installed.contains_key(&there.id)
        {
            self.canceled.push(there.id);
        }
        match self.place.get(&unit) {
            // One job a unit: the reason that came first stands, what it is now comes last.
            Some(place) => {
                let place = *place;
                if let Some(earlier) = self.planned.get_mut(place) {
                    match meeting {
                        Meeting::Merge(_) => {
                            earlier.kind = view.kind;
                            earlier.idle &= view.idle;
                        }
                        Meeting::Replace | Meeting::Nobody | Meeting::Beside => *earlier = view,
                    }
                }
            }
            None => {
                self.place.insert(unit, self.planned.len());
                self.planned.push(view);
            }
        }
        self.queue.insert(unit, job);
    }
}
