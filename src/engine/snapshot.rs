//! The whole state of the engine as a value: taken between two events, written down by the host,
//! and taken up again by another process (re-execution) or after a crash.
//!
//! What unit files say is no part of it: it is given again by name, as after a daemon-reload. A
//! unit whose file has gone meanwhile is handled as there: what runs of it goes on and can be
//! stopped. With the same files, the restored engine answers every event as the first one would
//! have.
//!
//! The form is serde's and meant for JSON. [`VERSION`] changes with every change of it that an
//! older reader would misunderstand; a version that is not known is refused before anything
//! else is read. Must not be relied on for anything but [`Engine::restore`].

use super::effect::Effect;
use super::engine::{Engine, Timed};
use super::graph::Graph;
use super::ids::{CheckId, JobId, ProcessId, Timestamp, UnitId};
use super::job::Job;
use super::ledger::Ledger;
use super::service::{Numbers, Service};
use crate::unit::config::UnitConfig;
use crate::unit::name::UnitName;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The version of the form that this build writes, and the only one it reads.
const VERSION: u32 = 2;

/// The state of an engine between two events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    // Stands first, so that it is looked at first.
    #[serde(deserialize_with = "known_version")]
    version: u32,
    state: State,
}

/// Why there is no engine for a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Its parts do not belong together: it was damaged, or made by hand.
    #[error("the snapshot contradicts itself: {0}")]
    Inconsistent(String),
}

impl Snapshot {
    /// The units that it knows, whose files are to be read for [`Engine::restore`].
    pub fn unit_names(&self) -> BTreeSet<UnitName> {
        let units = self.state.graph.iter();
        units.map(|unit| unit.config.name.clone()).collect()
    }
}

/// What the engine keeps from one event to the next; see [`Engine`] for each.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    now: Timestamp,
    graph: Graph,
    jobs: BTreeMap<JobId, Job>,
    next_job: u32,
    processes: BTreeMap<ProcessId, UnitId>,
    checks: BTreeMap<CheckId, UnitId>,
    next_check: u64,
    numbers: Numbers,
    foreign_orders: BTreeSet<u64>,
    ledger: Ledger,
    #[serde(with = "hexadecimal")]
    random: u128,
    shutting_down: bool,
    finished: bool,
    #[serde(default)]
    began: Timestamp,
}

impl Engine {
    /// A picture of everything the engine knows, for [`Engine::restore`]. To be taken when
    /// [`Engine::poll_effect`] has nothing left: effects that wait are not in it.
    pub fn snapshot(&self) -> Snapshot {
        // All fields by name: whoever adds one decides whether it outlives an event.
        let Engine {
            now,
            graph,
            jobs,
            next_job,
            processes,
            checks,
            next_check,
            numbers,
            foreign_orders,
            ledger,
            random,
            shutting_down,
            finished,
            began,
            // Each unit and each job has its own.
            deadlines: _,
            // After a restore every unit is looked at.
            collect_queue: _,
            // Each of them knows that it is held back.
            idle_queue: _,
            // Empty between two events.
            run_queue: _,
            restart_queue: _,
            bound_queue: _,
            upheld_queue: _,
            unneeded_queue: _,
            returning_queue: _,
            changes: _,
            wanted: _,
            due: _,
            // Said again by the host.
            time_place: _,
            socket_activation: _,
            order_suspect: _,
            triggered: _,
            effects,
        } = self;
        debug_assert!(effects.is_empty(), "effects are carried out first");
        Snapshot {
            version: VERSION,
            state: State {
                now: *now,
                graph: graph.clone(),
                jobs: jobs.clone(),
                next_job: *next_job,
                processes: processes.clone(),
                checks: checks.clone(),
                next_check: *next_check,
                numbers: numbers.clone(),
                foreign_orders: foreign_orders.clone(),
                ledger: ledger.clone(),
                random: *random,
                shutting_down: *shutting_down,
                finished: *finished,
                began: *began,
            },
        }
    }

    /// The engine that a snapshot was taken of, with what the units' files say now: one
    /// configuration a unit, closed as for [`super::Event::Load`]. Units of the snapshot that
    /// none is given for count as not found; others than in the snapshot are new. Effects may
    /// be waiting afterwards: of new units, and of what changed files imply.
    ///
    /// # Errors
    /// The snapshot contradicts itself.
    pub fn restore(
        snapshot: Snapshot,
        configs: Vec<Arc<UnitConfig>>,
    ) -> Result<Engine, RestoreError> {
        let state = snapshot.state;
        state.check().map_err(RestoreError::Inconsistent)?;
        let timers = state.graph.iter();
        let of_units = timers.filter_map(|unit| Some((unit.deadline?, Timed::Unit(unit.id))));
        let limits = state.jobs.values();
        let of_jobs = limits.filter_map(|job| Some((job.deadline?, Timed::Job(job.id))));
        let deadlines = of_units.chain(of_jobs).collect();
        let held = state
            .graph
            .iter()
            .filter(|unit| unit.machine.service().is_some_and(Service::is_held));
        let idle_queue = held.map(|unit| unit.id).collect();
        let mut engine = Engine {
            now: state.now,
            graph: state.graph,
            jobs: state.jobs,
            next_job: state.next_job,
            processes: state.processes,
            checks: state.checks,
            next_check: state.next_check,
            numbers: state.numbers,
            foreign_orders: state.foreign_orders,
            ledger: state.ledger,
            shutting_down: state.shutting_down,
            finished: state.finished,
            began: state.began,
            deadlines,
            idle_queue,
            ..Engine::new(state.random)
        };
        let taken = engine.graph.load_anew(configs).into_iter();
        for unit in taken.filter(|it| it.is_new).map(|it| it.id) {
            engine.effects.push_back(Effect::UnitNew { unit });
        }
        // As after a daemon-reload; where nothing has changed, nothing follows.
        engine.queue_all_jobs();
        engine.order_suspect = true;
        let all: Vec<UnitId> = engine.graph.iter().map(|unit| unit.id).collect();
        for unit in &all {
            engine.with_service(*unit, Service::look_at_probes);
        }
        engine.collect_queue.extend(all);
        engine.settle();
        Ok(engine)
    }
}

impl State {
    /// Every number leads to something that agrees.
    fn check(&self) -> Result<(), String> {
        let exists = |unit: UnitId| self.graph.lookup(unit).is_some();
        if !self.graph.is_in_order() {
            return Err("a unit is not in its place".to_owned());
        }
        for unit in self.graph.iter() {
            let job = unit.job.map(|id| self.jobs.get(&id).map(|job| job.unit));
            if job.is_some_and(|of| of != Some(unit.id)) {
                return Err(format!("{} has a job that is not its own", unit.name()));
            }
            if let Some(lost) = unit.lost.iter().find(|lost| !exists(**lost)) {
                return Err(format!("{} has lost unit {}", unit.name(), lost.0));
            }
        }
        for (id, job) in &self.jobs {
            if *id != job.id || !exists(job.unit) {
                return Err(format!("job {} is not in its place", id.0));
            }
        }
        let owners = self.processes.values().chain(self.checks.values()).copied();
        match owners.chain(self.graph.named()).find(|it| !exists(*it)) {
            Some(unit) => Err(format!("there is no unit {}", unit.0)),
            None => Ok(()),
        }
    }
}

fn known_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    if version == VERSION {
        return Ok(version);
    }
    Err(serde::de::Error::custom(format!(
        "a snapshot of version {version}; this build reads version {VERSION}"
    )))
}

/// A configuration in a snapshot: its unit's name, under which it is given again.
pub(super) mod name_only {
    use crate::unit::config::UnitConfig;
    use crate::unit::name::UnitName;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::sync::Arc;

    pub(in crate::engine) fn serialize<S: Serializer>(
        config: &Arc<UnitConfig>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        config.name.serialize(to)
    }

    /// Nothing but the name, until the configuration is given.
    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<UnitConfig>, D::Error> {
        UnitName::deserialize(from).map(|name| Arc::new(UnitConfig::not_found(name)))
    }
}

/// The same for several.
pub(super) mod names_only {
    use crate::unit::config::UnitConfig;
    use crate::unit::name::UnitName;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(in crate::engine) fn serialize<S: Serializer>(
        configs: &[Arc<UnitConfig>],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(configs.iter().map(|config| &config.name))
    }

    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Arc<UnitConfig>>, D::Error> {
        let names = Vec::<UnitName>::deserialize(from)?;
        let configs = names.into_iter().map(UnitConfig::not_found);
        Ok(configs.map(Arc::new).collect())
    }
}

/// 128 bits as 32 digits, as invocation IDs are shown; not every reader of JSON has numbers
/// that large.
pub(super) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::engine) fn serialize<S: Serializer>(
        value: &u128,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:032x}"))
    }

    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<u128, D::Error> {
        let digits = String::deserialize(from)?;
        u128::from_str_radix(&digits, 16)
            .map_err(|_| D::Error::custom(format!("{digits:?} is not a hexadecimal number")))
    }
}
