//! What can be read of the engine: the only way `bus`, `http` and `cli` see it.

use super::ids::{JobId, Timestamp, UnitId};
use super::process::ProcessStatus;
use super::state::{ActiveState, JobKind, ServiceResult};
use crate::unit::config::{CommandKind, LoadState, UnitConfig};
use crate::unit::name::UnitName;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
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

/// The dependency properties of a unit on D-Bus, inverses included (systemctl
/// list-dependencies reads them): `Requires`, `RequiredBy`, `ConsistsOf`, `After` ...
pub const DEPENDENCY_PROPERTIES: [&str; 24] = [
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
];
