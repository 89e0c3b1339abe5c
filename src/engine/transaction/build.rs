//! Collects what a wish pulls in.

use super::{ANCHOR, Candidate, Cause, Dropped, Pull, Transaction, Wish};
use crate::engine::effect::Refusal;
use crate::engine::graph::{Edge, Graph};
use crate::engine::ids::UnitId;
use crate::engine::job;
use crate::engine::scopes::was_begun;
use crate::engine::service::can_reload;
use crate::engine::state::JobKind;
use crate::engine::unit::{Machine, Unit};
use crate::unit::config::{JobMode, LoadState};

/// What a kind of edge adds to a transaction.
struct Follow {
    edge: Edge,
    job: Added,
    matters: bool,
    conflicts: bool,
}

/// A job whose edges are being followed.
struct Frame {
    job: usize,
    pulls: std::vec::IntoIter<(&'static Follow, UnitId)>,
}

/// The job that an edge adds at its other end.
#[derive(Clone, Copy)]
enum Added {
    Kind(JobKind),
    TryRestart,
    TryReload,
}

const fn follow(edge: Edge, kind: JobKind, matters: bool, conflicts: bool) -> Follow {
    Follow {
        edge,
        job: Added::Kind(kind),
        matters,
        conflicts,
    }
}

const ON_START: [Follow; 7] = [
    follow(Edge::Requires, JobKind::Start, true, false),
    follow(Edge::BindsTo, JobKind::Start, true, false),
    follow(Edge::Wants, JobKind::Start, false, false),
    follow(Edge::Upholds, JobKind::Start, false, false),
    follow(Edge::Requisite, JobKind::VerifyActive, true, false),
    follow(Edge::Conflicts, JobKind::Stop, true, true),
    follow(Edge::ConflictedBy, JobKind::Stop, false, false),
];

const ON_STOP: [Follow; 5] = [
    follow(Edge::RequiredBy, JobKind::Stop, true, false),
    follow(Edge::RequisiteOf, JobKind::Stop, true, false),
    follow(Edge::BoundBy, JobKind::Stop, true, false),
    follow(Edge::ConsistsOf, JobKind::Stop, true, false),
    follow(Edge::PropagatesStopTo, JobKind::Stop, true, false),
];

const fn try_restart(edge: Edge) -> Follow {
    Follow {
        edge,
        job: Added::TryRestart,
        matters: true,
        conflicts: false,
    }
}

const ON_RESTART: [Follow; 4] = [
    try_restart(Edge::RequiredBy),
    try_restart(Edge::RequisiteOf),
    try_restart(Edge::BoundBy),
    try_restart(Edge::ConsistsOf),
];

const ON_RELOAD: [Follow; 1] = [Follow {
    edge: Edge::PropagatesReloadTo,
    job: Added::TryReload,
    matters: false,
    conflicts: false,
}];

/// Why a dependency does not get its job.
enum Missing {
    /// The job means nothing for that unit: never a reason to fail (J2's EBADR).
    Pointless,
    /// It is needed and cannot be had.
    Refused(Refusal),
}

impl Transaction {
    /// The anchor and everything it pulls in, directly and through others.
    ///
    /// # Errors
    /// Something the anchor needs cannot be had.
    pub(super) fn build(
        graph: &Graph,
        wish: Wish,
        notes: &mut Vec<(UnitId, String)>,
    ) -> Result<Transaction, Refusal> {
        let mut transaction = Transaction::default();
        match admissible(graph.get(wish.unit), wish.kind) {
            Ok(()) => {}
            Err(Missing::Refused(refusal)) => return Err(refusal),
            Err(Missing::Pointless) => {
                let name = graph.get(wish.unit).name().to_owned();
                return Err(Refusal::NotApplicable(name, wish.kind.as_str().to_owned()));
            }
        }
        transaction.add(wish.unit, wish.kind, None);
        if matches!(
            wish.mode,
            JobMode::IgnoreDependencies | JobMode::IgnoreRequirements
        ) {
            return Ok(transaction);
        }
        let restart_dependents =
            wish.restart_dependents || wish.mode == JobMode::RestartDependencies;
        let first = transaction.pulls(graph, ANCHOR, restart_dependents);
        transaction.pull_in(graph, first, notes)?;
        let more = match wish.mode {
            JobMode::Isolate => transaction.to_isolate(graph),
            JobMode::Triggering => transaction.triggers(graph, wish.unit),
            JobMode::Replace
            | JobMode::Fail
            | JobMode::ReplaceIrreversibly
            | JobMode::Flush
            | JobMode::IgnoreDependencies
            | JobMode::IgnoreRequirements
            | JobMode::RestartDependencies => Vec::new(),
        };
        for unit in more {
            transaction.stop_too(graph, unit, notes)?;
        }
        Ok(transaction)
    }

    /// Follows the edges of a job, of those it pulls in, and so on.
    fn pull_in(
        &mut self,
        graph: &Graph,
        first: Frame,
        notes: &mut Vec<(UnitId, String)>,
    ) -> Result<(), Refusal> {
        // Depth first, as systemd: where a unit gets two jobs, which of them is the younger one
        // decides what an ordering cycle is (see `order`).
        let mut path = vec![first];
        while let Some(frame) = path.last_mut() {
            let (by, pull) = (frame.job, frame.pulls.next());
            // The job may have gone meanwhile, with something that it needed.
            let Some(pull) = pull.filter(|_| self.job(by).is_some()) else {
                path.pop();
                continue;
            };
            match self.follow(graph, by, &pull) {
                Ok(Some(fresh)) => path.push(self.pulls(graph, fresh, false)),
                Ok(None) => {}
                Err(refusal) => {
                    let job = self.job(by).map(|job| (job.unit, job.kind));
                    self.delete(by, true, Cause::Refused(refusal.clone()));
                    if self.job(ANCHOR).is_none() {
                        return Err(refusal);
                    }
                    if let Some((unit, kind)) = job {
                        notes.push((unit, format!("cannot be started: {refusal}")));
                        self.refused.insert((unit, kind), refusal);
                    }
                }
            }
        }
        Ok(())
    }

    /// What isolating the anchor stops: every unit that is up, or about to be, and that neither
    /// the anchor pulls in nor says it stays (systemctl(1), isolate). What a unit that stays
    /// activates stays, too.
    fn to_isolate(&self, graph: &Graph) -> Vec<UnitId> {
        let goes =
            |unit: &Unit| !unit.config.unit.stays_on_isolate() && self.of_unit(unit.id).is_empty();
        graph
            .iter()
            .filter(|unit| goes(unit))
            .filter(|unit| {
                let mut triggers = unit.edges.of(Edge::TriggeredBy);
                triggers.all(|other| goes(graph.get(other)))
            })
            .filter(|unit| unit.job.is_some() || !unit.active_state().is_inactive_or_failed())
            .map(|unit| unit.id)
            .collect()
    }

    /// What would start the unit again once it is stopped, and is up or about to be.
    fn triggers(&self, graph: &Graph, unit: UnitId) -> Vec<UnitId> {
        let triggers = graph.get(unit).edges.of(Edge::TriggeredBy);
        triggers
            .map(|other| graph.get(other))
            .filter(|other| self.of_unit(other.id).is_empty())
            .filter(|other| other.job.is_some() || !other.active_state().is_inactive_or_failed())
            .map(|other| other.id)
            .collect()
    }

    /// Adds a stop that the mode of the request brings along, with what that pulls in.
    fn stop_too(
        &mut self,
        graph: &Graph,
        unit: UnitId,
        notes: &mut Vec<(UnitId, String)>,
    ) -> Result<(), Refusal> {
        if admissible(graph.get(unit), JobKind::Stop).is_err() {
            return Ok(());
        }
        let pull = Pull {
            by: ANCHOR,
            edge: None,
            matters: true,
            conflicts: false,
        };
        match self.add(unit, JobKind::Stop, Some(pull)) {
            Some(fresh) => self.pull_in(graph, self.pulls(graph, fresh, false), notes),
            None => Ok(()),
        }
    }

    /// What one job pulls in, to be followed one by one.
    fn pulls(&self, graph: &Graph, index: usize, restart_dependents: bool) -> Frame {
        let mut pulls = Vec::new();
        if let Some(job) = self.job(index) {
            let edges = &graph.get(job.unit).edges;
            let rules = rules(job.kind, restart_dependents);
            for rule in rules.filter(|rule| edges.has_any(rule.edge)) {
                let others = edges.of(rule.edge);
                pulls.extend(others.map(|other| (rule, other)));
            }
        }
        Frame {
            job: index,
            pulls: pulls.into_iter(),
        }
    }

    /// Adds what one edge pulls in; the index if it is new.
    fn follow(
        &mut self,
        graph: &Graph,
        by: usize,
        (rule, other): &(&'static Follow, UnitId),
    ) -> Result<Option<usize>, Refusal> {
        let target = graph.get(*other);
        let Some(kind) = settle(rule.job, target) else {
            return Ok(None);
        };
        let verdict = match self.refused.get(&(*other, kind)) {
            Some(refusal) => Err(Missing::Refused(refusal.clone())),
            None => admissible(target, kind),
        };
        let pull = Pull {
            by,
            edge: Some(rule.edge),
            matters: rule.matters,
            conflicts: rule.conflicts,
        };
        match verdict {
            Ok(()) => {}
            Err(Missing::Refused(refusal)) if rule.matters => return Err(refusal),
            Err(Missing::Refused(refusal)) => {
                self.dropped.push(Dropped {
                    unit: *other,
                    kind,
                    pull: Some(pull),
                    cause: Cause::Refused(refusal),
                });
                return Ok(None);
            }
            Err(Missing::Pointless) => return Ok(None),
        }
        Ok(self.add(*other, kind, Some(pull)))
    }

    /// Adds a job, or another reason for one that is there; the index if it is new.
    fn add(&mut self, unit: UnitId, kind: JobKind, pull: Option<Pull>) -> Option<usize> {
        let there = self
            .of_unit(unit)
            .iter()
            .copied()
            .find(|i| self.job(*i).is_some_and(|job| job.kind == kind));
        let index = there.unwrap_or(self.jobs.len());
        if there.is_none() {
            let wants = Vec::new();
            self.jobs.push(Some(Candidate {
                unit,
                kind,
                wanted_by: Vec::new(),
                wants,
                matters: false,
            }));
            self.by_unit.entry(unit).or_default().push(index);
            self.origins.push((unit, kind, pull));
        }
        if let Some(pull) = pull {
            if let Some(job) = self.jobs.get_mut(index).and_then(Option::as_mut) {
                job.wanted_by.push(pull);
            }
            if let Some(by) = self.jobs.get_mut(pull.by).and_then(Option::as_mut) {
                by.wants.push(index);
            }
        }
        there.is_none().then_some(index)
    }

    /// Marks the jobs that the anchor needs, through however many others.
    pub(super) fn find_what_matters(&mut self) {
        let mut pending = vec![ANCHOR];
        while let Some(index) = pending.pop() {
            let Some(job) = self.jobs.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            if std::mem::replace(&mut job.matters, true) {
                continue;
            }
            let wants = job.wants.clone();
            pending.extend(wants.into_iter().filter(|wanted| {
                self.job(*wanted).is_some_and(|job| {
                    job.wanted_by
                        .iter()
                        .any(|pull| pull.by == index && pull.matters)
                })
            }));
        }
    }
}

fn rules(kind: JobKind, restart_dependents: bool) -> impl Iterator<Item = &'static Follow> {
    // A restart with an overlap may have to become a start, too.
    let starts = matches!(kind, JobKind::Start | JobKind::Restart | JobKind::Overlap);
    let restarts = kind == JobKind::Restart || (kind == JobKind::Start && restart_dependents);
    let pick = |list: &'static [Follow], wanted: bool| if wanted { list } else { &[] };
    pick(&ON_START, starts)
        .iter()
        .chain(pick(&ON_STOP, kind == JobKind::Stop))
        .chain(pick(&ON_RESTART, restarts))
        .chain(pick(&ON_RELOAD, kind == JobKind::Reload))
}

/// The job an edge adds, given what its target is doing; `None` if there is nothing to do.
fn settle(added: Added, target: &Unit) -> Option<JobKind> {
    let state = target.active_state();
    match added {
        Added::Kind(kind) => Some(kind),
        Added::TryRestart => Some(job::try_restart(state)).filter(|kind| *kind != JobKind::Nop),
        Added::TryReload => (!state.is_inactive_or_deactivating()).then_some(JobKind::Reload),
    }
}

/// Whether a unit can get such a job.
fn admissible(unit: &Unit, kind: JobKind) -> Result<(), Missing> {
    if kind != JobKind::Stop {
        load_allows(unit).map_err(Missing::Refused)?;
    }
    match (&unit.machine, kind) {
        (_, JobKind::VerifyActive | JobKind::Nop) => Ok(()),
        (
            Machine::Service(_) | Machine::Socket(_) | Machine::Timer(_) | Machine::Path(_),
            JobKind::Start | JobKind::Stop | JobKind::Restart,
        ) => Ok(()),
        (Machine::Service(_), JobKind::Reload) => {
            if can_reload(&unit.config) {
                Ok(())
            } else {
                Err(Missing::Pointless)
            }
        }
        (Machine::Service(_), JobKind::Overlap) => Ok(()),
        // Its processes come once: whoever has them may only start and stop it.
        (Machine::Scope(_), JobKind::Restart) if was_begun(unit) => Err(Missing::Pointless),
        (Machine::Scope(_), JobKind::Start | JobKind::Stop | JobKind::Restart) => Ok(()),
        (
            Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. },
            JobKind::Reload | JobKind::Overlap,
        ) => Err(Missing::Pointless),
        (Machine::Target { .. }, _) | (Machine::Fact, JobKind::Start) => Ok(()),
        (Machine::Fact, _)
        | (Machine::Inert, JobKind::Stop | JobKind::Reload | JobKind::Overlap) => {
            Err(Missing::Pointless)
        }
        (Machine::Inert, JobKind::Start | JobKind::Restart) => {
            Err(Missing::Refused(Refusal::NotSupported(format!(
                "{} units are not run by this build ({}).",
                unit.config.name.unit_type(),
                unit.name()
            ))))
        }
    }
}

fn load_allows(unit: &Unit) -> Result<(), Refusal> {
    let name = unit.name().to_owned();
    match unit.config.load {
        LoadState::Loaded => Ok(()),
        LoadState::NotFound => Err(Refusal::NotFound(name)),
        LoadState::Masked => Err(Refusal::Masked(name)),
        LoadState::BadSetting => Err(Refusal::BadSetting(match &unit.config.load_error {
            Some(why) => format!("{name} ({why})"),
            None => name,
        })),
        LoadState::Error => {
            let why = unit
                .config
                .load_error
                .clone()
                .unwrap_or_else(|| "unknown reason".to_owned());
            Err(Refusal::LoadFailed(name, why))
        }
    }
}
