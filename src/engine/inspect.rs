//! What can be read of the engine: the only way `bus`, `http` and `cli` see it.

use super::effect::Refusal;
use super::ids::{JobId, Timestamp, UnitId};
use super::probe::ProbeRecord;
use super::process::ProcessStatus;
use super::state::{
    ActiveState, JobKind, PathResult, ScopeResult, ServiceResult, SocketResult, TimerResult,
};
use crate::unit::compare::Difference;
use crate::unit::config::{CommandKind, LoadState, ProbeConfig, ProbeKind, UnitConfig};
use crate::unit::name::UnitName;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A unit as it is now; cheap to make, owns what it shows.
#[derive(Debug, Clone)]
pub struct UnitView {
    /// Its number in the engine.
    pub id: UnitId,
    /// Its configuration.
    pub config: Arc<UnitConfig>,
    /// ActiveState.
    pub active: ActiveState,
    /// SubState.
    pub sub: &'static str,
    /// The word of `dd-procmgr list`: created, starting, running, stopping, stopped, exited,
    /// failed or crashed.
    pub list_state: &'static str,
    /// The installed job.
    pub job: Option<JobView>,
    /// InvocationID, 0 if there was none.
    pub invocation: u128,
    /// The last start was refused by the start limit (M17: Result keeps the earlier failure).
    pub start_limit_hit: bool,
    /// When states changed; zero if never.
    pub times: StateTimes,
    /// ConditionResult and its time.
    pub condition: CheckView,
    /// AssertResult and its time.
    pub assert: CheckView,
    /// What a service adds.
    pub service: Option<ServiceView>,
    /// What a socket adds.
    pub socket: Option<SocketView>,
    /// What a scope adds.
    pub scope: Option<ScopeView>,
    /// What a timer adds.
    pub timer: Option<TimerView>,
    /// Result of a path.
    pub path: Option<PathResult>,
    /// What started the current run: TRIGGER_... of a timer or path.
    pub details: Vec<(String, String)>,
    /// How many descriptors are kept for it.
    pub stored: u32,
}

impl UnitView {
    /// The unit's name.
    pub fn name(&self) -> &UnitName {
        &self.config.name
    }

    /// LoadState.
    pub fn load(&self) -> LoadState {
        self.config.load
    }
}

/// What a list shows of a unit, without a copy of any of it.
#[derive(Debug, Clone, Copy)]
pub struct ListedUnit<'a> {
    /// Its configuration.
    pub config: &'a UnitConfig,
    /// ActiveState.
    pub active: ActiveState,
    /// SubState.
    pub sub: &'static str,
    /// The installed job.
    pub job: Option<(JobId, JobKind)>,
}

/// How far a unit is, without a copy of any of it: for who looks at every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// ActiveState.
    pub active: ActiveState,
    /// SubState.
    pub sub: &'static str,
    /// NRestarts; 0 of what is no service.
    pub restarts: u32,
    /// Result is `success`, or the unit is no service.
    pub succeeded: bool,
}

/// A job as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// Its number.
    pub id: JobId,
    /// Its unit.
    pub unit: UnitName,
    /// What it does.
    pub kind: JobKind,
    /// Running, or waiting for its turn.
    pub running: bool,
}

/// When a unit changed state last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateTimes {
    /// StateChangeTimestamp.
    pub change: Timestamp,
    /// InactiveExitTimestamp.
    pub inactive_exit: Timestamp,
    /// ActiveEnterTimestamp.
    pub active_enter: Timestamp,
    /// ActiveExitTimestamp.
    pub active_exit: Timestamp,
    /// InactiveEnterTimestamp.
    pub inactive_enter: Timestamp,
}

/// The last result of conditions or asserts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// Whether they held.
    pub result: bool,
    /// When they were looked at; zero if never.
    pub time: Timestamp,
}

/// A service as it is now.
#[derive(Debug, Clone, Default)]
pub struct ServiceView {
    /// MainPID, 0 if there is none.
    pub main_pid: i32,
    /// ControlPID, 0 if there is none.
    pub control_pid: i32,
    /// Result.
    pub result: ServiceResult,
    /// ReloadResult.
    pub reload_result: ServiceResult,
    /// NRestarts.
    pub restarts: u32,
    /// How often a main process was started since the unit was loaded (the RUNS column).
    pub runs: u64,
    /// StatusText.
    pub status_text: String,
    /// StatusErrno.
    pub status_errno: i32,
    /// The D-Bus error it last told of (BUSERROR=).
    pub status_bus_error: String,
    /// The Varlink error it last told of (VARLINKERROR=).
    pub status_varlink_error: String,
    /// What it set in place of WatchdogSec=.
    pub watchdog_told: Option<TimeSpan>,
    /// WatchdogTimestamp: when it last fed its watchdog; zero if never.
    pub watchdog_fed: Timestamp,
    /// ExecMainPID: the last main process, also after it ended.
    pub exec_main_pid: i32,
    /// ExecMainStartTimestamp.
    pub exec_main_start: Timestamp,
    /// ExecMainExitTimestamp.
    pub exec_main_exit: Timestamp,
    /// ExecMainCode and ExecMainStatus, once it ended.
    pub exec_main_status: Option<ProcessStatus>,
    /// What the commands did last: kind, index, pid, start, exit, status.
    pub commands: Vec<CommandView>,
    /// What is known of its probes.
    pub probes: BTreeMap<ProbeKind, ProbeRecord>,
    /// How often runs ended with each result since the unit was loaded.
    pub ends: BTreeMap<ServiceResult, u64>,
    /// Somebody asked for the stop that it is in, or that ended it.
    pub stop_asked: bool,
}

/// How a unit is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Up, and its probes are good.
    Healthy,
    /// There is nothing it should be up for.
    Done,
    /// On its way up, or a probe has no verdict yet.
    Starting,
    /// Down, or on its way there, because somebody wanted it, or never started.
    Stopped,
    /// Failed, or a probe is bad.
    Unhealthy,
}

impl Health {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Done => "done",
            Health::Starting => "starting",
            Health::Stopped => "stopped",
            Health::Unhealthy => "unhealthy",
        }
    }

    /// Whether nothing is missing.
    pub fn is_ready(self) -> bool {
        match self {
            Health::Healthy | Health::Done => true,
            Health::Starting | Health::Stopped | Health::Unhealthy => false,
        }
    }
}

/// Whether a unit is well, and why not.
#[derive(Debug, Clone)]
pub struct UnitHealth {
    /// Which.
    pub unit: UnitName,
    /// Its configuration.
    pub config: Arc<UnitConfig>,
    /// ActiveState.
    pub active: ActiveState,
    /// SubState.
    pub sub: &'static str,
    /// Whether it counts without being named.
    pub wanted: bool,
    /// In a word.
    pub health: Health,
    /// Not given up.
    pub live: bool,
    /// Why it is not healthy; empty if it is.
    pub reason: String,
    /// What is known of its probes.
    pub probes: BTreeMap<ProbeKind, ProbeRecord>,
}

impl UnitHealth {
    /// The probes that it has, with what is known of each.
    pub fn probes(&self) -> impl Iterator<Item = (ProbeKind, &ProbeConfig, ProbeRecord)> {
        let probes = self.config.service().map(|service| &service.probes);
        let there = probes.into_iter().flat_map(|probes| {
            let kinds = probes.kinds();
            kinds.filter_map(|kind| Some((kind, probes.get(kind)?)))
        });
        there.map(|(kind, probe)| {
            let record = self.probes.get(&kind).cloned().unwrap_or_default();
            (kind, probe, record)
        })
    }
}

/// A socket as it is now.
#[derive(Debug, Clone, Default)]
pub struct SocketView {
    /// ControlPID, 0 if there is none.
    pub control_pid: i32,
    /// Result.
    pub result: SocketResult,
    /// NAccepted.
    pub accepted: u32,
    /// NConnections.
    pub connections: u32,
    /// NRefused.
    pub refused: u32,
    /// What the commands did last.
    pub commands: Vec<CommandView>,
}

/// A scope as it is now.
#[derive(Debug, Clone, Default)]
pub struct ScopeView {
    /// Result.
    pub result: ScopeResult,
    /// Controller, the bus name of the client that looks after it.
    pub controller: Option<String>,
}

/// A timer as it is now.
#[derive(Debug, Clone, Default)]
pub struct TimerView {
    /// Result.
    pub result: TimerResult,
    /// NextElapseUSecMonotonic and NextElapseUSecRealtime; 0 if there is none on that clock, 2^64-1
    /// if it waits for none.
    pub next: Timestamp,
    /// LastTriggerUSec.
    pub last_trigger: Timestamp,
    /// For each time in the configuration, in its order, when next or when last; 0 if it was
    /// never looked at.
    pub elapses: Vec<u64>,
}

/// The last run of one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandView {
    /// Which list.
    pub kind: CommandKind,
    /// Which of the list.
    pub index: usize,
    /// Its pid.
    pub pid: i32,
    /// When it started.
    pub start: Timestamp,
    /// When it ended, zero if it has not.
    pub exit: Timestamp,
    /// How it ended.
    pub status: Option<ProcessStatus>,
}

/// What requests would do.
#[derive(Debug, Clone, Default)]
pub struct PlanView {
    /// The requests in their order.
    pub requests: Vec<RequestPlan>,
    /// The jobs that would be queued or changed, one a unit, in the order they would run.
    pub jobs: Vec<PlannedJob>,
    /// Queued jobs that would be canceled.
    pub canceled: Vec<JobView>,
}

/// What one request would come to.
#[derive(Debug, Clone)]
pub struct RequestPlan {
    /// The unit it is for.
    pub unit: UnitName,
    /// Why it would be refused.
    pub refusal: Option<Refusal>,
    /// What would be left out.
    pub dropped: Vec<DroppedJob>,
}

/// A job that would be queued.
#[derive(Debug, Clone)]
pub struct PlannedJob {
    /// Its unit.
    pub unit: UnitName,
    /// What it would do.
    pub kind: JobKind,
    /// The request that brings it, as an index.
    pub request: usize,
    /// When it would begin: jobs of one step begin together, from 1.
    pub step: u32,
    /// When the start half of a restart would.
    pub start_step: Option<u32>,
    /// Units whose jobs it would wait for first.
    pub waits_for: Vec<UnitName>,
    /// The way back to the request; empty if it is what was asked for.
    pub why: Vec<Reason>,
    /// What it would find in the queue.
    pub meets: Meets,
    /// It would find nothing to do.
    pub idle: bool,
}

/// What brings a job in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The dependency, as a property of that unit: `Requires`, `RequiredBy`, `ConsistsOf` ...
    pub relation: &'static str,
    /// The unit whose job brings it in.
    pub unit: UnitName,
    /// What that job does.
    pub kind: JobKind,
}

/// What a planned job finds in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// No job of its unit.
    Nothing,
    /// A job of this kind that it would become one with.
    Merges(JobKind),
    /// A job of this kind that it would take the place of.
    Replaces(JobKind),
}

/// A job that would not be queued though something asks for it.
#[derive(Debug, Clone)]
pub struct DroppedJob {
    /// Its unit.
    pub unit: UnitName,
    /// What it would have done.
    pub kind: JobKind,
    /// What asks for it.
    pub why: Vec<Reason>,
    /// Why it is left out.
    pub cause: DropReason,
}

/// Why a job would be left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// The unit is already as the job would make it.
    #[error("nothing to do")]
    NothingToDo,
    /// Only jobs that are left out themselves ask for it.
    #[error("only asked for by what is left out")]
    NotNeeded,
    /// It cannot be had.
    #[error("{0}")]
    Refused(Refusal),
    /// It needs a job that cannot be had.
    #[error("needs the {kind} job of {0}, which is left out", kind = .1.as_str())]
    Lacks(UnitName, JobKind),
    /// It would stop what is up, or reverse what is queued (job mode fail).
    #[error("the job mode fail leaves alone what is up")]
    Spared,
    /// Another job for the same unit excludes it.
    #[error("the same request has a {} job for it", .0.as_str())]
    Against(JobKind),
    /// It goes to break this ordering cycle.
    #[error("dropped to break the ordering cycle {}", cycle(.0))]
    Cycle(Vec<UnitName>),
}

impl DropReason {
    /// A word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            DropReason::NothingToDo => "nothing-to-do",
            DropReason::NotNeeded => "not-needed",
            DropReason::Refused(Refusal::NotFound(_)) => "not-found",
            DropReason::Refused(Refusal::Masked(_)) => "masked",
            DropReason::Refused(_) => "refused",
            DropReason::Lacks(..) => "dependency",
            DropReason::Spared => "spared",
            DropReason::Against(_) => "conflict",
            DropReason::Cycle(_) => "cycle",
        }
    }
}

/// What reading its files again would make of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitChange {
    /// Which.
    pub unit: UnitName,
    /// In short.
    pub turned: Turned,
    /// Why it cannot be used, if it could not be then.
    pub problem: Option<String>,
    /// Its main file then.
    pub fragment: Option<String>,
    /// Its drop-ins then.
    pub drop_ins: Vec<String>,
    /// It is up now, so some settings have to wait.
    pub up: bool,
    /// The settings that differ.
    pub settings: Vec<Difference>,
}

/// What becomes of a unit whose files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// It has a file, and had none.
    Appeared,
    /// It has none any more.
    Vanished,
    /// Its file is empty or a link to /dev/null now.
    Masked,
    /// It can be used no longer.
    Broken,
    /// It can be used again.
    Repaired,
    /// Settings or files are others.
    Changed,
}

impl Turned {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Turned::Appeared => "appeared",
            Turned::Vanished => "vanished",
            Turned::Masked => "masked",
            Turned::Broken => "broken",
            Turned::Repaired => "repaired",
            Turned::Changed => "changed",
        }
    }
}

fn cycle(units: &[UnitName]) -> String {
    let names: Vec<&str> = units.iter().map(UnitName::as_str).collect();
    names.join(" -> ")
}

/// The dependency properties of a unit on D-Bus, inverses included (systemctl
/// list-dependencies reads them): `Requires`, `RequiredBy`, `ConsistsOf`, `After` ...
pub const DEPENDENCY_PROPERTIES: [&str; 27] = [
    "Requires",
    "Requisite",
    "Wants",
    "BindsTo",
    "PartOf",
    "Upholds",
    "RequiredBy",
    "RequisiteOf",
    "WantedBy",
    "BoundBy",
    "UpheldBy",
    "ConsistsOf",
    "Conflicts",
    "ConflictedBy",
    "Before",
    "After",
    "OnFailure",
    "OnFailureOf",
    "OnSuccess",
    "OnSuccessOf",
    "Triggers",
    "TriggeredBy",
    "PropagatesReloadTo",
    "ReloadPropagatedFrom",
    "PropagatesStopTo",
    "StopPropagatedFrom",
    "JoinsNamespaceOf",
];
