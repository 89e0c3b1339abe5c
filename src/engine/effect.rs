//! What leaves the engine: orders to the host and news for the clients.

use super::ids::{CheckId, DescriptorId, JobId, ProcessId, RequestId, Streams, UnitId};
use super::probe::Verdict;
use super::process::Role;
use super::state::{JobKind, JobResult};
use crate::unit::config::{Condition, ProbeKind, SystemAction, UnitConfig};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An order to start a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spawn {
    /// The process's name from now on.
    pub process: ProcessId,
    /// Whose it is.
    pub unit: UnitId,
    /// The configuration to start it with; written down, only its name.
    #[serde(with = "super::snapshot::name_only")]
    pub config: Arc<UnitConfig>,
    /// Which generation of the unit's processes it belongs to; 0 is the unit's own group.
    #[serde(default)]
    pub generation: u32,
    /// What it is for.
    pub role: Role,
    /// Which list of commands the command stands in; that of a probe stands in its section, and
    /// it is run as one of ExecStartPost= is.
    pub kind: crate::unit::config::CommandKind,
    /// Which command of the list.
    pub index: usize,
    /// The unit's current invocation ID.
    #[serde(with = "super::snapshot::hexadecimal")]
    pub invocation: u128,
    /// Whether it gets NOTIFY_SOCKET (E7).
    pub notify: bool,
    /// What the engine alone knows of its environment: MAINPID, SERVICE_RESULT, EXIT_CODE,
    /// EXIT_STATUS, WATCHDOG_USEC, MONITOR_..., TRIGGER_...; above the built-ins, below Environment=.
    pub environment: Vec<(String, String)>,
    /// First command of a start: managed directories are made.
    pub first: bool,
    /// The descriptors that it gets, from 3 on or as a standard stream.
    pub passed: Vec<Passed>,
    /// Its standard streams, where a client gave some: in place of what the unit says.
    pub streams: Streams,
    /// A first connection that was taken already, and the variable that tells its number.
    pub client: Option<(DescriptorId, String)>,
}

/// An order to make an attempt of a probe that needs no process: HTTPGet= or TCPSocket=.
#[derive(Debug, Clone)]
pub struct ProbeOrder {
    /// Whose probe.
    pub unit: UnitId,
    /// Number of the answer.
    pub order: u64,
    /// Which.
    pub kind: ProbeKind,
    /// The configuration that says what it does.
    pub config: Arc<UnitConfig>,
}

/// A descriptor that a process gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Which.
    pub source: PassedSource,
    /// Its name in LISTEN_FDNAMES.
    pub name: String,
}

/// Where a passed descriptor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PassedSource {
    /// A socket of a socket unit, by its place among Listen...=.
    Socket {
        /// The socket unit.
        unit: UnitId,
        /// The place.
        index: usize,
    },
    /// A connection that was accepted for it.
    Connection(DescriptorId),
    /// Out of its store.
    Stored(DescriptorId),
}

/// An order to signal the processes of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillOrder {
    /// Whose processes.
    pub unit: UnitId,
    /// Answered under this number.
    pub order: u64,
    /// Main and control processes to signal, if there.
    pub processes: Vec<ProcessId>,
    /// What they get.
    pub signal: Signal,
    /// What every other process of the group gets; `None` leaves them alone.
    pub group_signal: Option<Signal>,
    /// The generation that `group_signal` is for; `None` for all of them.
    #[serde(default)]
    pub generation: Option<u32>,
    /// SIGCONT behind every signal that is not SIGKILL or SIGCONT, so that stopped processes
    /// see it (M11).
    pub resume: bool,
    /// SIGHUP behind it (SendSIGHUP=).
    pub hangup: bool,
}

/// How to find a main process that we did not start as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MainSource {
    /// From a PID file; with `wait`, the answer comes when the file holds a process of the
    /// unit, until `Effect::ForgetMain`.
    PidFile {
        /// Absolute path.
        path: String,
        /// Wait for it to appear.
        wait: bool,
    },
    /// The only process of the group, if there is exactly one (GuessMainPID=).
    OnlyProcess,
    /// MAINPID= told by this sender.
    Told {
        /// The pid named.
        pid: i32,
        /// The inode of its pidfd, if the sender named that too (MAINPIDFDID=, 257): the number
        /// alone may be another process's by now.
        inode: Option<u64>,
    },
}

/// How loud a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
}

/// What a request became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// This job, new or merged into; its end is an `Effect::JobRemoved`.
    Job(JobId),
    /// It is done.
    Done,
}

/// Why a request was refused; each is one D-Bus error (dbus-errors.tsv).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// org.freedesktop.systemd1.NoSuchUnit.
    #[error("Unit {0} not found.")]
    NotFound(String),
    /// org.freedesktop.systemd1.NoSuchUnit, for stop and kin.
    #[error("Unit {0} not loaded.")]
    NotLoaded(String),
    /// org.freedesktop.systemd1.UnitMasked.
    #[error("Unit {0} is masked.")]
    Masked(String),
    /// org.freedesktop.systemd1.BadUnitSetting.
    #[error("Unit {0} has a bad unit file setting.")]
    BadSetting(String),
    /// org.freedesktop.systemd1.LoadFailed.
    #[error("Unit {0} failed to load properly: {1}")]
    LoadFailed(String, String),
    /// org.freedesktop.systemd1.JobTypeNotApplicable.
    #[error("Job type {1} is not applicable for unit {0}.")]
    NotApplicable(String, String),
    /// org.freedesktop.systemd1.OnlyByDependency.
    #[error(
        "Operation refused, unit {0} may be requested by dependency only (it is configured to refuse manual start/stop)."
    )]
    OnlyByDependency(String),
    /// org.freedesktop.systemd1.TransactionIsDestructive.
    #[error("{0}")]
    Destructive(String),
    /// org.freedesktop.systemd1.TransactionJobsConflicting.
    #[error("{0}")]
    Conflicting(String),
    /// org.freedesktop.systemd1.TransactionOrderIsCyclic.
    #[error("{0}")]
    Cyclic(String),
    /// org.freedesktop.systemd1.ShuttingDown.
    #[error("Operation refused: the manager is shutting down.")]
    ShuttingDown,
    /// org.freedesktop.systemd1.NoIsolation.
    #[error("Operation refused, unit may not be isolated.")]
    NotIsolatable,
    /// org.freedesktop.systemd1.NoSuchJob.
    #[error("Job {0} does not exist.")]
    NoSuchJob(u32),
    /// org.freedesktop.systemd1.ScopeNotRunning.
    #[error("Scope {0} is not running, cannot abandon.")]
    ScopeNotRunning(String),
    /// org.freedesktop.DBus.Error.InvalidArgs: what does not go with the verb or the unit.
    #[error("{0}")]
    Invalid(String),
    /// org.freedesktop.systemd1.NoSuchProcess and kin: nothing to signal.
    #[error("{0}")]
    NoProcess(String),
    /// org.freedesktop.systemd1.NotReferenced: there is no hold to take back.
    #[error("Unit has not been referenced yet.")]
    NotHeld,
    /// org.freedesktop.DBus.Error.NotSupported: a unit type or setting this build does not run.
    #[error("{0}")]
    NotSupported(String),
}

/// What traffic at a socket means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchManner {
    /// It wakes the service, whatever it is.
    Any,
    /// It wakes the service unless a client leaves without a byte: the connection is taken to
    /// look at it (IgnoreEmptyConnections=).
    NotEmpty,
    /// Connections are taken, each for a service of its own (Accept=yes).
    Accept,
}

/// Something is to be done, or has changed.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Start a process; answered by `Spawned` or `SpawnFailed`.
    Spawn(Arc<Spawn>),
    /// Signal processes; answered by `Killed`.
    Kill(KillOrder),
    /// Evaluate conditions and asserts in this order; answered by `Checked`.
    Check {
        /// Number of the answer.
        check: CheckId,
        /// Whose.
        unit: UnitId,
        /// What.
        conditions: Vec<Condition>,
    },
    /// Find and watch a main process; answered by `MainFound` or `MainNotFound`.
    FindMain {
        /// Its name from now on, if it is found.
        process: ProcessId,
        /// Whose it is.
        unit: UnitId,
        /// How.
        source: MainSource,
    },
    /// Stop looking for a main process, or stop watching one that is no longer it.
    ForgetMain {
        /// As ordered before.
        process: ProcessId,
    },
    /// Watch for owners of a name on the bus; answered by `BusNameWatched`, and by
    /// `BusNameOwned` again and again until `ForgetBusName`.
    WatchBusName {
        /// Whose.
        unit: UnitId,
        /// Which name.
        name: String,
    },
    /// Watch no longer.
    ForgetBusName {
        /// Whose.
        unit: UnitId,
    },
    /// The unit is dead: unlink its PID file, release its group, and remove its runtime
    /// directories if `runtime_directories`.
    CleanUp {
        /// Whose.
        unit: UnitId,
        /// Whether RuntimeDirectory= goes too (RuntimeDirectoryPreserve=).
        runtime_directories: bool,
    },
    /// Move the processes that a client has handed over for a scope into its group, and watch
    /// them; answered by `TakenIn`.
    TakeIn {
        /// Whose.
        unit: UnitId,
        /// Number of the answer.
        order: u64,
        /// The configuration to make the group with.
        config: Arc<UnitConfig>,
        /// The unit's invocation ID.
        invocation: u128,
    },
    /// Ask the client that looks after a scope to stop it.
    RequestStop {
        /// Which.
        unit: UnitId,
        /// The client's name on the bus.
        controller: String,
    },
    /// Make the sockets of a unit; answered by `SocketsOpened`. What a `CloseSockets` overtakes
    /// is dropped without an answer.
    OpenSockets {
        /// Whose.
        unit: UnitId,
        /// Number of the answer.
        order: u64,
        /// The configuration to make them with.
        config: Arc<UnitConfig>,
    },
    /// Close the sockets of a unit, and remove their nodes if `remove` (RemoveOnStop=).
    CloseSockets {
        /// Whose.
        unit: UnitId,
        /// Whether nodes and links go, too.
        remove: bool,
    },
    /// Wait for traffic at the sockets of a unit; answered by `Traffic` once, or by `Connected`
    /// for each connection if `accept`, until `UnwatchSockets`.
    WatchSockets {
        /// Whose.
        unit: UnitId,
        /// Number of the answers.
        watch: u64,
        /// How.
        manner: WatchManner,
    },
    /// Stop waiting for traffic.
    UnwatchSockets {
        /// Whose.
        unit: UnitId,
    },
    /// Throw away what waits at the sockets of a unit (FlushPending=).
    FlushSockets {
        /// Whose.
        unit: UnitId,
    },
    /// Watch the paths of a unit in place of what was watched for it, and look at them then;
    /// answered by `PathsSeen`, and by `PathTouched` again and again until `UnwatchPaths` or the
    /// next one.
    WatchPaths {
        /// Whose.
        unit: UnitId,
        /// Number of the answers.
        order: u64,
        /// The configuration that names them.
        config: Arc<UnitConfig>,
        /// Make directories that are to be watched first (MakeDirectory=).
        make: bool,
    },
    /// Watch no longer.
    UnwatchPaths {
        /// Whose.
        unit: UnitId,
    },
    /// Read when a timer last elapsed (Persistent=); answered by `StampRead`.
    ReadStamp {
        /// Whose.
        unit: UnitId,
        /// Number of the answer.
        order: u64,
    },
    /// Write down when a timer last elapsed.
    WriteStamp {
        /// Whose.
        unit: UnitId,
        /// When, CLOCK_REALTIME in microseconds.
        time: u64,
    },
    /// Read the unit for a connection; answered by `Load` and then `InstanceLoaded`.
    LoadInstance {
        /// The socket unit.
        socket: UnitId,
        /// The connection.
        connection: DescriptorId,
        /// The unit.
        instance: UnitName,
        /// Who the peer is, added to the unit's description.
        peer: String,
    },
    /// Watch a descriptor that goes into a store, and say `DescriptorGone` when it hangs up, if
    /// `poll`, or if it is there already.
    StoreDescriptor {
        /// Whose store.
        unit: UnitId,
        /// Which.
        descriptor: DescriptorId,
        /// FDPOLL=.
        poll: bool,
    },
    /// Close a descriptor that is held.
    CloseDescriptor {
        /// Which.
        descriptor: DescriptorId,
    },
    /// Make an attempt of a probe within its TimeoutSec=; answered by `Probed`. What a
    /// `CancelProbe` overtakes is dropped without an answer.
    RunProbe(Box<ProbeOrder>),
    /// Call an attempt off.
    CancelProbe {
        /// As ordered.
        order: u64,
    },
    /// The verdict of a probe has changed.
    ProbeTurned {
        /// Whose.
        unit: UnitId,
        /// Which.
        kind: ProbeKind,
        /// What it is now.
        verdict: Verdict,
        /// Why, if it is bad.
        reason: String,
    },
    /// Answer of a request.
    Reply {
        /// Its number.
        request: RequestId,
        /// What became of it.
        result: Result<Outcome, Refusal>,
    },
    /// A unit is in the graph that was not.
    UnitNew {
        /// Which.
        unit: UnitId,
    },
    /// A unit has gone from the graph; its number is never given again.
    UnitRemoved {
        /// Which.
        unit: UnitId,
        /// Its name.
        name: UnitName,
    },
    /// A job was queued.
    JobNew {
        /// Its number.
        job: JobId,
        /// Whose.
        unit: UnitId,
        /// What it does.
        kind: JobKind,
    },
    /// A job ended.
    JobRemoved {
        /// Its number.
        job: JobId,
        /// Whose.
        unit: UnitId,
        /// What it did.
        kind: JobKind,
        /// How it ended.
        result: JobResult,
    },
    /// Something that can be shown of a unit changed.
    Changed {
        /// Which.
        unit: UnitId,
    },
    /// A line for the log.
    Log {
        /// How loud.
        level: LogLevel,
        /// About whom.
        unit: Option<UnitId>,
        /// The line.
        message: String,
    },
    /// A unit's SuccessAction=, FailureAction= or kin is due: what becomes of the manager is
    /// for the host to decide. An orderly end comes back as `Event::Shutdown`.
    Act {
        /// Whose.
        unit: UnitId,
        /// What is asked for; never `none`.
        action: SystemAction,
        /// The exit status that goes with it, if there is one.
        status: Option<u8>,
        /// What happened, for the log: `failed`, `the start job timed out` ...
        reason: String,
    },
    /// `Shutdown` is complete: no job, no process.
    Finished,
}
