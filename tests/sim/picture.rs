//! What an observer knows: units as they were last told to have changed, jobs by the news of
//! them, and the edges as the configurations say them. Built without the engine's own graph
//! and queue, so that the checks do not ask whom they check. A unit that was unloaded is not in
//! it any more; one of the same name that is loaded later is another unit.

use procmgr::engine::{ActiveState, Effect, Engine, JobId, JobKind, JobResult, Outcome, UnitId};
use procmgr::unit::config::{DependencyKind, KillMode, UnitBody, UnitConfig};
use procmgr::unit::name::UnitName;
use procmgr::unit::value::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A unit as it was seen last.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) active: ActiveState,
    pub(crate) sub: &'static str,
    /// 0 if none is known.
    pub(crate) main_pid: i32,
    /// Which run it is in, or was in last; 0 if it never was in any.
    pub(crate) run: u128,
    pub(crate) config: Arc<UnitConfig>,
}

impl Seen {
    pub(crate) fn name(&self) -> &str {
        self.config.name.as_str()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.active.is_active_or_reloading()
    }

    pub(crate) fn is_down(&self) -> bool {
        self.active.is_inactive_or_failed()
    }

    /// Down, or waiting for a restart.
    pub(crate) fn is_at_its_end(&self) -> bool {
        self.is_down() || self.is_restarted()
    }

    fn is_restarted(&self) -> bool {
        self.sub.starts_with("auto-restart")
    }

    /// Whether its end starts other units.
    fn starts_others(&self) -> bool {
        let mut edges = self.config.dependencies.iter();
        edges.any(|edge| {
            matches!(
                edge.kind,
                DependencyKind::OnSuccess | DependencyKind::OnFailure
            )
        })
    }

    pub(crate) fn is_fact(&self) -> bool {
        matches!(self.config.body, UnitBody::Fact)
    }

    /// Whether the unit's settings allow even its main process to live on.
    pub(crate) fn may_leave_main(&self) -> bool {
        self.config.service().is_none_or(|service| {
            let kill = &service.kill;
            kill.mode == KillMode::None || !kill.send_sigkill || kill.final_signal != Signal::KILL
        })
    }

    /// Whether the unit's settings allow a process of it to live on when the unit is down.
    pub(crate) fn may_leave_processes(&self) -> bool {
        let service = self.config.service().map(|service| &service.kill);
        let kill = service.or_else(|| Some(&self.config.scope()?.kill));
        kill.is_none_or(|kill| {
            matches!(kill.mode, KillMode::Process | KillMode::None)
                || !kill.send_sigkill
                || kill.final_signal != Signal::KILL
        })
    }
}

/// A job as its news told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queued {
    pub(crate) unit: UnitId,
    /// What it was queued as; it may have been merged with others since.
    pub(crate) kind: JobKind,
    pub(crate) ignores_order: bool,
}

/// Edges by kind, both directions, as stated.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    edges: Ends,
    inverse: Ends,
}

impl Relations {
    /// The edges that the configurations of these units state.
    fn of(units: &BTreeMap<UnitId, Seen>) -> Relations {
        let names = units.iter().map(|(id, unit)| (unit.name(), *id));
        let numbers: BTreeMap<&str, UnitId> = names.collect();
        let mut relations = Relations::default();
        for (from, unit) in units {
            for edge in &unit.config.dependencies {
                let to = numbers.get(edge.target.as_str()).copied();
                if let Some(to) = to.filter(|to| to != from) {
                    let (edges, inverse) = (&mut relations.edges, &mut relations.inverse);
                    edges.entry((edge.kind, *from)).or_default().insert(to);
                    inverse.entry((edge.kind, to)).or_default().insert(*from);
                }
            }
        }
        relations
    }

    /// Where edges of a kind lead to.
    pub(crate) fn to(
        &self,
        kind: DependencyKind,
        from: UnitId,
    ) -> impl Iterator<Item = UnitId> + '_ {
        ends(&self.edges, kind, from)
    }

    /// Where edges of a kind come from.
    pub(crate) fn from(
        &self,
        kind: DependencyKind,
        to: UnitId,
    ) -> impl Iterator<Item = UnitId> + '_ {
        ends(&self.inverse, kind, to)
    }

    /// The units that this one comes after, whoever said so.
    pub(crate) fn earlier(&self, unit: UnitId) -> BTreeSet<UnitId> {
        let said = self.to(DependencyKind::After, unit);
        said.chain(self.from(DependencyKind::Before, unit))
            .collect()
    }

    /// The units that come after this one.
    pub(crate) fn later(&self, unit: UnitId) -> BTreeSet<UnitId> {
        let said = self.to(DependencyKind::Before, unit);
        said.chain(self.from(DependencyKind::After, unit)).collect()
    }

    /// The units that exclude this one, whoever said so.
    pub(crate) fn rivals(&self, unit: UnitId) -> BTreeSet<UnitId> {
        let said = self.to(DependencyKind::Conflicts, unit);
        said.chain(self.from(DependencyKind::Conflicts, unit))
            .collect()
    }
}

type Ends = BTreeMap<(DependencyKind, UnitId), BTreeSet<UnitId>>;

fn ends(edges: &Ends, kind: DependencyKind, unit: UnitId) -> impl Iterator<Item = UnitId> + '_ {
    edges.get(&(kind, unit)).into_iter().flatten().copied()
}

/// The whole picture.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Those that are loaded.
    pub(crate) units: BTreeMap<UnitId, Seen>,
    /// What the files of all units say, loaded or not.
    pub(crate) files: BTreeMap<UnitName, Arc<UnitConfig>>,
    pub(crate) jobs: BTreeMap<JobId, Queued>,
    pub(crate) relations: Relations,
    /// Units came or went, or said something else, since `relations` was made.
    outdated: bool,
    /// Units that were told to have changed in this step.
    pub(crate) touched: BTreeSet<UnitId>,
    /// Units whose files were read anew during the run; what holds between them and others
    /// may have come about under other rules.
    pub(crate) reread: BTreeSet<UnitId>,
    /// Units that were started or stopped without regard to their dependencies, or whose job
    /// was dropped to break a cycle of the order, was canceled, or took too long.
    pub(crate) loose: BTreeSet<UnitId>,
    /// Units of which a stop was refused in this step, so that they stop alone.
    pub(crate) stopped_alone: BTreeSet<UnitId>,
    /// Units of which a stop was called off in this step.
    pub(crate) stop_called_off: BTreeSet<UnitId>,
    /// Units that stayed up because a reload, or a look whether they are active, took the place
    /// of their stop. What the stop was to make way for does not hear of it, here as in systemd
    /// 252 (observed: `start a`, which conflicts with b, then `try-reload-or-restart b` while the
    /// stop of b waits; both are active in the end).
    pub(crate) reprieved: BTreeSet<UnitId>,
    /// Units that were restarted or ended, and by that started others, of late.
    pub(crate) circling: BTreeSet<UnitId>,
    /// Somebody cancels jobs in this step, or displaces them by a job mode.
    pub(crate) displacing: bool,
    pub(crate) shutting_down: bool,
}

impl Picture {
    pub(crate) fn unit(&self, unit: UnitId) -> &Seen {
        &self.units[&unit]
    }

    /// The number of a loaded unit.
    pub(crate) fn find(&self, name: &UnitName) -> Option<UnitId> {
        let mut units = self.units.iter();
        let found = units.find(|(_, unit)| unit.config.name == *name);
        found.map(|(id, _)| *id)
    }

    /// What has to be read so that these units and all that they name are loaded.
    pub(crate) fn missing(
        &self,
        names: impl IntoIterator<Item = UnitName>,
    ) -> Vec<Arc<UnitConfig>> {
        let loaded = self.units.values().map(|unit| &unit.config.name);
        let mut known: BTreeSet<&UnitName> = loaded.collect();
        let mut pending: Vec<UnitName> = names.into_iter().collect();
        let mut missing = BTreeMap::new();
        while let Some(name) = pending.pop() {
            if let Some((name, config)) = self.files.get_key_value(&name)
                && known.insert(name)
            {
                pending.extend(config.dependencies.iter().map(|edge| edge.target.clone()));
                missing.insert(name, config.clone());
            }
        }
        missing.into_values().collect()
    }

    /// The job of a unit; one that does nothing aside.
    pub(crate) fn job_of(&self, unit: UnitId) -> Option<(JobId, Queued)> {
        let mut jobs = self.jobs.iter();
        jobs.find(|(_, job)| job.unit == unit && job.kind != JobKind::Nop)
            .map(|(id, job)| (*id, *job))
    }

    /// Takes an effect's news in. `loose_anchor` is the unit of a request that ignores order.
    pub(crate) fn note(&mut self, effect: &Effect, loose_anchor: Option<UnitId>) {
        match effect {
            Effect::Changed { unit } => {
                self.touched.insert(*unit);
            }
            // The engine says so when it stops a unit without regard to others.
            Effect::Log {
                unit: Some(unit),
                message,
                ..
            } if message.starts_with("no stop job") => {
                self.stopped_alone.insert(*unit);
            }
            Effect::Log {
                unit: Some(unit),
                message,
                ..
            } if message.starts_with("job dropped to break")
                || message.starts_with("not stopped:") =>
            {
                self.loose.insert(*unit);
            }
            // It has ended, if perhaps not for long.
            Effect::CleanUp { unit, .. } if self.end_starts_something(*unit) => {
                self.circling.insert(*unit);
            }
            // Traffic that nobody takes wakes a service that does not come up again and again; the
            // limit slows that down and does not end it, as in systemd 255.
            Effect::Log {
                unit: Some(unit),
                message,
                ..
            } if message.starts_with("wakes up too often") => {
                self.circling.insert(*unit);
            }
            Effect::UnitRemoved { unit, .. } => self.forget(*unit),
            // Out of order from now on: there is none that all of a circle could keep. (Where
            // systemd lets such a circle come about, by a daemon-reload, its jobs wait for ever.)
            Effect::Log {
                unit: Some(unit),
                message,
                ..
            } if message.starts_with("the order of queued jobs is cyclic") => {
                for job in self.jobs.values_mut().filter(|job| job.unit == *unit) {
                    job.ignores_order = true;
                }
            }
            Effect::JobNew { job, unit, kind } => {
                if matches!(kind, JobKind::Reload | JobKind::VerifyActive)
                    && self.stop_called_off.contains(unit)
                {
                    self.reprieved.insert(*unit);
                }
                let alone = *kind == JobKind::Stop && self.stopped_alone.contains(unit);
                let ignores_order = loose_anchor == Some(*unit) || alone;
                self.jobs.insert(
                    *job,
                    Queued {
                        unit: *unit,
                        kind: *kind,
                        ignores_order,
                    },
                );
            }
            Effect::JobRemoved {
                job,
                unit,
                kind,
                result,
            } => {
                // It has failed, though the unit itself did nothing.
                let failed = matches!(result, JobResult::Dependency | JobResult::Timeout);
                // What waits at a socket wakes a service again that did not come up.
                let woken = *kind == JobKind::Start
                    && *result != JobResult::Done
                    && self.is_triggered(*unit);
                if failed && self.unit(*unit).starts_others() || woken {
                    self.circling.insert(*unit);
                }
                let cut = self.displacing && *result == JobResult::Canceled;
                if cut || *result == JobResult::Timeout {
                    self.loose.insert(*unit);
                }
                self.jobs.remove(job);
                if (*kind, *result) == (JobKind::Stop, JobResult::Canceled) {
                    self.stop_called_off.insert(*unit);
                }
            }
            // Merged into one that was there.
            Effect::Reply {
                result: Ok(Outcome::Job(job)),
                ..
            } if loose_anchor.is_some() => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.ignores_order = true;
                }
            }
            _ => {}
        }
    }

    /// Unit files change. It is not said yet that anybody has read them.
    pub(crate) fn write(&mut self, configs: &[Arc<UnitConfig>]) {
        let named = configs.iter().map(|it| (it.name.clone(), it.clone()));
        self.files.extend(named);
    }

    /// Whether the end of a unit starts others, or itself again.
    fn end_starts_something(&self, unit: UnitId) -> bool {
        let seen = self.unit(unit);
        let mut upholders = self.relations.from(DependencyKind::Upholds, unit);
        seen.starts_others()
            || seen.config.procmgr.restart_with_dependency
            || upholders.next().is_some()
            || self.is_triggered(unit)
            || seen.config.socket().is_some()
    }

    /// Whether a socket starts it.
    fn is_triggered(&self, unit: UnitId) -> bool {
        let mut sockets = self.relations.from(DependencyKind::Triggers, unit);
        sockets.next().is_some()
    }

    /// Takes new readings of loaded units in: what they say holds from now on.
    pub(crate) fn read_again(&mut self, configs: &[Arc<UnitConfig>]) {
        for (id, seen) in &mut self.units {
            if let Some(config) = configs.iter().find(|it| it.name == seen.config.name) {
                seen.config = config.clone();
                self.reread.insert(*id);
                self.outdated = true;
            }
        }
    }

    /// Takes a unit in that was not loaded before.
    pub(crate) fn meet(&mut self, engine: &Engine, unit: UnitId) {
        self.touched.insert(unit);
        self.refresh(engine, unit);
        self.outdated = true;
    }

    /// The unit is not loaded any more.
    fn forget(&mut self, unit: UnitId) {
        self.units.remove(&unit);
        for set in [
            &mut self.touched,
            &mut self.reread,
            &mut self.loose,
            &mut self.reprieved,
        ] {
            set.remove(&unit);
        }
        self.outdated = true;
    }

    /// Units that came or went are told of one by one; the edges count once all are there.
    pub(crate) fn relate(&mut self) {
        if std::mem::take(&mut self.outdated) {
            self.relations = Relations::of(&self.units);
        }
    }

    /// Looks again at a unit that was told to have changed, unless it has gone since.
    pub(crate) fn refresh(&mut self, engine: &Engine, unit: UnitId) {
        let Some(view) = engine.unit_by_id(unit) else {
            return;
        };
        let seen = Seen {
            active: view.active,
            sub: view.sub,
            main_pid: view.service.as_ref().map_or(0, |it| it.main_pid),
            run: view.invocation,
            config: view.config,
        };
        if seen.is_down() {
            self.reprieved.remove(&unit);
        }
        if seen.is_restarted() {
            self.circling.insert(unit);
        }
        self.units.insert(unit, seen);
    }
}
