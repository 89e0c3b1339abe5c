//! What comes into the engine: requests and kernel facts.

use super::ids::{CheckId, DescriptorId, JobId, ProcessId, RequestId, Streams, UnitId};
use super::probe::ProbeResult;
use super::process::ProcessStatus;
use super::scope::Controller;
use crate::unit::config::{JobMode, UnitConfig};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is asked of a unit (systemctl(1), "Unit Commands").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Verb {
    Start,
    Stop,
    Reload,
    Restart,
    /// With a new generation beside the old one.
    RestartOverlap,
    TryRestart,
    ReloadOrRestart,
    ReloadOrTryRestart,
}

/// Which processes a kill request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum KillWhom {
    All,
    Main,
    Control,
}

/// A message from sd_notify(3), split into lines, the first occurrence of a key kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why sockets could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenFailure {
    /// The kernel refused, or something is in the way (result `resources`).
    Resources(String),
    /// SocketUser= or SocketGroup= is unknown, or cannot be given the nodes (`exit-code`, as
    /// systemd has a process do it).
    Owner(String),
}

/// Who has connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The instance's name behind its number (K8): `local:port-remote:port`, `PID-UID` ...
    pub instance: String,
    /// What MaxConnectionsPerSource= counts by, if it counts such peers.
    pub source: Option<String>,
    /// REMOTE_ADDR and REMOTE_PORT.
    pub remote: Option<(String, String)>,
    /// As people read it.
    pub description: String,
}

/// Something happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Units were read: new ones, or new readings of known ones. Closed: every dependency's
    /// target is among them or known already.
    Load {
        /// The configurations; written down, only their names.
        #[serde(with = "super::snapshot::names_only")]
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
        /// Descriptors that came along; whoever does not keep them closes them.
        descriptors: Vec<DescriptorId>,
    },
    /// Answer to `Effect::OpenSockets`.
    SocketsOpened {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        order: u64,
        /// Why there are none.
        result: Result<(), OpenFailure>,
    },
    /// Answer to `Effect::WatchSockets`: something waits to be read.
    Traffic {
        /// At whose sockets.
        unit: UnitId,
        /// As ordered.
        watch: u64,
        /// A connection that was taken to look at it, and at which of the sockets.
        client: Option<(DescriptorId, usize)>,
    },
    /// Answer to `Effect::WatchSockets`: a client has connected.
    Connected {
        /// To whose sockets.
        unit: UnitId,
        /// As ordered.
        watch: u64,
        /// The connection.
        connection: DescriptorId,
        /// Whose it is.
        peer: Peer,
    },
    /// Answer to `Effect::WatchSockets`: traffic cannot be waited for (any more).
    WatchFailed {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        watch: u64,
        /// Why.
        reason: String,
    },
    /// Answer to `Effect::LoadInstance`: the unit was read, if only as not found.
    InstanceLoaded {
        /// The socket unit.
        socket: UnitId,
        /// The connection.
        connection: DescriptorId,
        /// The unit.
        instance: UnitName,
    },
    /// A stored descriptor was hung up, or was in the store already; the host has closed it.
    DescriptorGone {
        /// Whose store.
        unit: UnitId,
        /// Which.
        descriptor: DescriptorId,
    },
    /// A client gives the standard streams of a service that it makes, which is loaded.
    Streams {
        /// The service.
        unit: UnitName,
        /// The descriptors.
        streams: Streams,
    },
    /// Answer to `Effect::TakeIn`.
    TakenIn {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        order: u64,
        /// Why no process is in the unit's group.
        result: Result<(), String>,
    },
    /// A client looks after a scope, which is loaded (Controller=); `None`: nobody does.
    Control {
        /// The scope.
        unit: UnitName,
        /// The client.
        controller: Option<Controller>,
    },
    /// Nobody looks after a scope any more. Answered by `Effect::Reply`.
    Abandon {
        /// To be answered under this number.
        request: RequestId,
        /// The scope.
        unit: UnitName,
    },
    /// Answer to `Effect::RunProbe`.
    Probed {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        order: u64,
        /// How long it took, microseconds.
        took: u64,
        /// What was found.
        result: ProbeResult,
    },
    /// Answer to `Effect::Spawn` for a probe: it says nothing to make an attempt now (the unit is
    /// frozen).
    ProbeSkipped {
        /// As ordered.
        process: ProcessId,
    },
    /// Answer to `Effect::WatchPaths`: the paths are watched, and this is how they are.
    PathsSeen {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        order: u64,
        /// For each path of the configuration, in its order, whether it exists, something matches
        /// it, or something is in it; or why they cannot be watched.
        result: Result<Vec<bool>, String>,
    },
    /// Answer to `Effect::WatchPaths`: something has happened at a path.
    PathTouched {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        watch: u64,
        /// Which path of the configuration.
        index: usize,
        /// It changed in a way that was waited for, and not just something on the way to it.
        changed: bool,
    },
    /// Answer to `Effect::ReadStamp`.
    StampRead {
        /// Whose.
        unit: UnitId,
        /// As ordered.
        order: u64,
        /// When the timer last elapsed, CLOCK_REALTIME in microseconds; `None` if it never has,
        /// or nobody knows.
        time: Option<u64>,
    },
    /// The clock on the wall was set, or the machine has slept.
    ClockJumped,
    /// The machine's time zone is another one, which was said before.
    ZoneChanged,
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

impl Event {
    /// An event that was written down, with the configurations that it says no more than the
    /// names of.
    #[must_use]
    pub fn with_units(self, read: &BTreeMap<UnitName, Arc<UnitConfig>>) -> Event {
        let Event::Load { units } = self else {
            return self;
        };
        let units = units.into_iter();
        let units = units.map(|unit| read.get(&unit.name).cloned().unwrap_or(unit));
        Event::Load {
            units: units.collect(),
        }
    }

    /// The units that an event brings in.
    pub fn loads(&self) -> &[Arc<UnitConfig>] {
        let Event::Load { units } = self else {
            return &[];
        };
        units
    }
}
