//! The life of one service: from its configuration, orders and kernel facts to spawn and kill
//! orders and state changes (checklist section 6).
//!
//! Knows nothing of other units, jobs' ordering or the start limit: the engine around it calls
//! [`Service::start`] when a job may run, and reads the [`Transition`]s it leaves behind.
//! Must not act on anything but its own state and the [`Context`].
//!
//! One file per phase of the life: `start`, `running`, `reload`, `stop`, `dead`; beside them what
//! ends a process (`exit`), what starts one (`spawn`, `environment`), how main processes are
//! found (`find`), a second generation beside the first (`overlap`), what a service says (`notify`), its name on a bus (`bus`), waiting until all
//! is quiet (`idle`), probes (`probes`), want of memory (`memory`), time (`timeout`), and the pure rules
//! (`result`, `restart`, `facts`).
//!
//! Invariants: every change of state goes through `Service::set_state`; at most one main process
//! and one control process of each generation are on the books; a timer runs only in states that end by it; an
//! answer to an order of a state that was left is recognised by its number and ignored.

mod bus;
mod dead;
mod environment;
mod exit;
mod facts;
mod find;
mod idle;
mod machine;
mod memory;
mod notify;
mod overlap;
mod probes;
pub(super) mod process;
mod reload;
mod restart;
mod rested;
pub(super) mod result;
mod running;
mod spawn;
mod start;
mod stop;
#[cfg(test)]
mod tests;
mod timeout;
mod view;

pub(in crate::engine) use machine::deadline_after;
pub use machine::{Service, can_reload};
pub use overlap::overlap_refusal;
pub use rested::Rested;

use super::effect::{Effect, LogLevel};
use super::ids::{ProcessId, Timestamp, UnitId};
use super::state::{JobKind, ServiceState};
use crate::unit::config::UnitConfig;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One change of state, in the order they happened within one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: ServiceState,
    /// The state that was entered; may equal `from` when only a reload ended.
    pub to: ServiceState,
    /// Whom this is told beyond those who look (RestartMode=direct).
    pub told: Told,
    /// The reload that this ends failed (its job fails, the service stays).
    pub reload_failed: bool,
}

/// Whether units that depend on a service are concerned by a change of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As by any change.
    AsAlways,
    /// It goes down only to come up again: they are not.
    Nobody,
    /// It was going down with nobody being told, and does not come up again: they are now.
    Late,
}

/// What the service machine leaves behind for the engine.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Orders, in order.
    pub effects: Vec<Effect>,
    /// State changes, in order.
    pub transitions: Vec<Transition>,
    /// The automatic restart is due: a restart job is to be queued (M18).
    pub restart_due: bool,
    /// A process is to be started once there are no jobs: [`Service::release`] is to be called.
    pub held: bool,
    /// A readiness probe has become good: others may have waited for that.
    pub ready: bool,
    /// ExecCondition= did not hold, which counts as a condition that did not (M3).
    pub condition_failed: bool,
    /// An overlap restart has ended, well or with the reason why the old generation goes on.
    pub overlapped: Option<Result<(), String>>,
}

impl Outbox {
    /// Has lines that are only for debugging logged like any other.
    pub fn speak_up(&mut self) {
        for effect in &mut self.effects {
            if let Effect::Log { level, .. } = effect
                && *level == LogLevel::Debug
            {
                *level = LogLevel::Info;
            }
        }
    }
}

/// Numbers for new processes and kill orders; never reused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Numbers {
    next_process: u64,
    next_order: u64,
}

impl Numbers {
    /// A name for a new process.
    pub fn process(&mut self) -> ProcessId {
        self.next_process += 1;
        ProcessId(self.next_process)
    }

    /// A number for a new kill order.
    pub fn order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}

/// What a call to the machine may know and use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time of the event being handled.
    pub now: Timestamp,
    /// The unit.
    pub unit: UnitId,
    /// Its configuration; always a service.
    pub config: &'a Arc<UnitConfig>,
    /// The invocation ID of the current or coming run.
    pub invocation: u128,
    /// The job installed for the unit, waiting or running: a pending stop job forbids an
    /// automatic restart (M15), a restart job decides for RestartKillSignal (M11).
    pub job: Option<JobKind>,
    /// The manager is stopping everything: no automatic restart.
    pub shutting_down: bool,
    /// MONITOR_... of the unit that triggered this one, if exactly one did (E9).
    pub monitor: &'a [(String, String)],
    /// TRIGGER_... of the timer or path that started the run.
    pub details: &'a [(String, String)],
    /// Numbers for processes and orders.
    pub numbers: &'a mut Numbers,
    /// The engine's chance.
    pub random: &'a mut u128,
    /// What is left behind.
    pub out: &'a mut Outbox,
}

/// Why a start or stop cannot be carried out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// The job has to wait for the next change of state (stopping, or waiting for the restart
    /// timer; J9).
    Again,
    /// There is nothing to do: the job is done.
    Already,
}
