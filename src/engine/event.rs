//! What comes into the engine: requests and kernel facts.

use super::ids::{CheckId, JobId, ProcessId, RequestId, UnitId};
use super::process::ProcessStatus;
use crate::unit::config::{JobMode, UnitConfig};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use std::sync::Arc;

/// What is asked of a unit (systemctl(1), "Unit Commands").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Start,
    Stop,
    Reload,
    Restart,
    TryRestart,
    ReloadOrRestart,
    ReloadOrTryRestart,
}

/// Which processes a kill request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KillWhom {
    All,
    Main,
    Control,
}

/// A message from sd_notify(3), split into lines, the first occurrence of a key kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// `KEY=value` pairs in order.
    pub fields: Vec<(String, String)>,
}

impl Notification {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Units were read: new ones, or new readings of known ones. Closed: every dependency's
    /// target is among them or known already.
    Load {
        /// The configurations.
        units: Vec<Arc<UnitConfig>>,
    },
    /// A job is asked for; the unit is loaded. Answered by `Effect::Reply`.
    Request {
        /// To be answered under this number.
        request: RequestId,
        /// The unit, by any of its names.
        unit: UnitName,
        /// What is asked.
        verb: Verb,
        /// How it meets queued jobs.
        mode: JobMode,
    },
    /// A signal is to be sent. Answered by `Effect::Reply`.
    Kill {
        /// To be answered under this number.
        request: RequestId,
        /// The unit.
        unit: UnitName,
        /// To whom.
        whom: KillWhom,
        /// Which.
        signal: Signal,
    },
    /// A queued job is to be ended with result `canceled`, or all of them if `None`; what the
    /// units do goes on. Answered by `Effect::Reply`.
    Cancel {
        /// To be answered under this number.
        request: RequestId,
        /// Which.
        job: Option<JobId>,
    },
    /// Failed states and start-limit counters are to be forgotten; all units' if `None`.
    /// Answered by `Effect::Reply`.
    ResetFailed {
        /// To be answered under this number.
        request: RequestId,
        /// The unit.
        unit: Option<UnitName>,
    },
    /// The daemon was told to run this unit, which is loaded: it stays so as long as it has a
    /// file.
    Keep {
        /// The unit.
        unit: UnitName,
    },
    /// A client wants a unit to stay loaded. Answered by `Effect::Reply`.
    Hold {
        /// To be answered under this number.
        request: RequestId,
        /// The unit.
        unit: UnitName,
        /// Who; numbered by the host.
        holder: u64,
    },
    /// A client takes back one `Hold`. Answered by `Effect::Reply`.
    Release {
        /// To be answered under this number.
        request: RequestId,
        /// The unit.
        unit: UnitName,
        /// Who.
        holder: u64,
    },
    /// A client that may hold units has gone.
    HolderGone {
        /// Who.
        holder: u64,
    },
    /// There is nothing else to do at this moment: units that nobody needs may go. To be sent
    /// when [`super::Engine::has_candidates`] says so, but not between the reading of units and
    /// what they were read for.
    Collect,
    /// Everything is to be stopped; from here on nothing starts. Ends in `Effect::Finished`.
    Shutdown,
    /// Answer to `Effect::Spawn`: there is a process. `executed` is false if a step before
    /// execve failed: the process then leaves by itself with one of the codes 200-243.
    Spawned {
        /// As ordered.
        process: ProcessId,
        /// Its number, to be shown and passed on, never to be signalled.
        pid: i32,
        /// Whether execve succeeded.
        executed: bool,
    },
    /// Answer to `Effect::Spawn`: there is no process (result `resources`).
    SpawnFailed {
        /// As ordered.
        process: ProcessId,
        /// What was attempted and how it failed.
        reason: String,
    },
    /// A process ended.
    Exited {
        /// Which.
        process: ProcessId,
        /// How.
        status: ProcessStatus,
    },
    /// Answer to `Effect::Kill`.
    Killed {
        /// The order's unit.
        unit: UnitId,
        /// The order's number.
        order: u64,
        /// Whether any process was there to be signalled and waited for.
        remaining: bool,
    },
    /// The unit's group has no process left. Sent whenever the last one goes; never while a
    /// spawn of this unit is under way.
    GroupEmpty {
        /// Whose.
        unit: UnitId,
    },
    /// The kernel has killed a process of the unit's group for want of memory. Sent before the
    /// end of that process.
    OutOfMemory {
        /// Whose.
        unit: UnitId,
    },
    /// Answer to `Effect::WatchBusName`: from here on the unit hears of it when the name gets
    /// or loses an owner. Comes late, or never, where there is no bus.
    BusNameWatched {
        /// Whose.
        unit: UnitId,
    },
    /// The watched name has got an owner or has lost it, or the bus is back and this is how it
    /// is now.
    BusNameOwned {
        /// Whose.
        unit: UnitId,
        /// Whether it has an owner.
        owned: bool,
    },
    /// Answer to `Effect::FindMain`: this is the main process now, it is watched.
    MainFound {
        /// As ordered.
        process: ProcessId,
        /// Its number.
        pid: i32,
    },
    /// Answer to `Effect::FindMain`: there is none (yet).
    MainNotFound {
        /// As ordered.
        process: ProcessId,
        /// Why.
        reason: String,
    },
    /// A service spoke through its NOTIFY_SOCKET; the sender is known to be in the unit.
    Notified {
        /// Whose.
        unit: UnitId,
        /// The sender, if it is one of the processes the engine knows.
        process: Option<ProcessId>,
        /// The sender's pid.
        pid: i32,
        /// What was said.
        message: Notification,
    },
    /// Answer to `Effect::Check`.
    Checked {
        /// As ordered.
        check: CheckId,
        /// Whether each condition holds by itself, before `!` and `|`.
        results: Vec<bool>,
    },
    /// Time has passed; `next_deadline()` was reached.
    Elapsed,
}
