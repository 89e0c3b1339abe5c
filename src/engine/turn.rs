//! Whose turn it is among jobs that may run and that nothing else orders: as in systemd 252,
//! targets and other types go before services, then what gets more processor time, then what is
//! less nice, then by name.
//!
//! Invariant: the queue is empty between two events, and configurations change at the beginning
//! of one only, so that the turn of a job stays the same while it is in the queue.

use super::engine::Engine;
use super::ids::{JobId, UnitId};
use crate::unit::config::UnitConfig;
use crate::unit::directive::PropertyValue;
use crate::unit::name::{UnitName, UnitType};
use std::cmp::Reverse;

/// CPUWeight= of a unit that says nothing (systemd.resource-control(5)).
const DEFAULT_WEIGHT: u64 = 100;

/// A job's place in the queue of jobs that may run; the least is next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    unit_type: Reverse<usize>,
    weight: Reverse<u64>,
    nice: i32,
    name: UnitName,
    /// Whose place it is.
    pub(super) job: JobId,
}

impl Turn {
    fn of(job: JobId, config: &UnitConfig) -> Turn {
        let unit_type = config.name.unit_type();
        let rank = UnitType::ALL.iter().position(|it| *it == unit_type);
        Turn {
            unit_type: Reverse(rank.unwrap_or_default()),
            weight: Reverse(weight(config)),
            nice: nice(config),
            name: config.name.clone(),
            job,
        }
    }
}

fn weight(config: &UnitConfig) -> u64 {
    match config.written.get("CPUWeight") {
        Some(PropertyValue::U64(weight)) => *weight,
        Some(_) | None => DEFAULT_WEIGHT,
    }
}

fn nice(config: &UnitConfig) -> i32 {
    config.exec().and_then(|exec| exec.nice).unwrap_or(0)
}

impl Engine {
    /// A job may have become runnable: it gets another look in its turn.
    pub(super) fn queue_job(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get(&id) {
            let turn = Turn::of(id, &self.graph.get(job.unit).config);
            self.run_queue.insert(turn);
        }
    }

    /// As [`Engine::queue_job`], for all jobs.
    pub(super) fn queue_all_jobs(&mut self) {
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.queue_job(job);
        }
    }

    /// As [`Engine::queue_job`], for the jobs of some units.
    pub(super) fn queue_jobs_of(&mut self, units: impl IntoIterator<Item = UnitId>) {
        for unit in units {
            if let Some(job) = self.graph.get(unit).job {
                self.queue_job(job);
            }
        }
    }
}
