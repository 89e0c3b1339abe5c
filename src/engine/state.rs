//! The words for states and results, spelled as systemd spells them.

use serde::{Deserialize, Serialize};

/// What a unit is doing, the same for all types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ActiveState {
    Active,
    Reloading,
    Inactive,
    Failed,
    Activating,
    Deactivating,
    Maintenance,
}

impl ActiveState {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ActiveState::Active => "active",
            ActiveState::Reloading => "reloading",
            ActiveState::Inactive => "inactive",
            ActiveState::Failed => "failed",
            ActiveState::Activating => "activating",
            ActiveState::Deactivating => "deactivating",
            ActiveState::Maintenance => "maintenance",
        }
    }

    /// Active or reloading.
    pub fn is_active_or_reloading(self) -> bool {
        matches!(self, ActiveState::Active | ActiveState::Reloading)
    }

    /// Active, reloading or on the way there.
    pub fn is_active_or_activating(self) -> bool {
        matches!(
            self,
            ActiveState::Active | ActiveState::Reloading | ActiveState::Activating
        )
    }

    /// Inactive or failed.
    pub fn is_inactive_or_failed(self) -> bool {
        matches!(self, ActiveState::Inactive | ActiveState::Failed)
    }

    /// On the way to another state, which will come.
    pub fn is_moving(self) -> bool {
        matches!(self, ActiveState::Activating | ActiveState::Deactivating)
    }

    /// Inactive, failed or on the way there.
    pub fn is_inactive_or_deactivating(self) -> bool {
        matches!(
            self,
            ActiveState::Inactive | ActiveState::Failed | ActiveState::Deactivating
        )
    }
}

/// The states of a service (checklist section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ServiceState {
    Dead,
    Condition,
    StartPre,
    Start,
    StartPost,
    Running,
    Exited,
    Reload,
    ReloadSignal,
    ReloadNotify,
    Stop,
    StopWatchdog,
    StopSigterm,
    StopSigkill,
    StopPost,
    FinalWatchdog,
    FinalSigterm,
    FinalSigkill,
    Failed,
    DeadBeforeAutoRestart,
    FailedBeforeAutoRestart,
    AutoRestart,
    AutoRestartQueued,
}

impl ServiceState {
    /// systemd's SubState word.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceState::Dead => "dead",
            ServiceState::Condition => "condition",
            ServiceState::StartPre => "start-pre",
            ServiceState::Start => "start",
            ServiceState::StartPost => "start-post",
            ServiceState::Running => "running",
            ServiceState::Exited => "exited",
            ServiceState::Reload => "reload",
            ServiceState::ReloadSignal => "reload-signal",
            ServiceState::ReloadNotify => "reload-notify",
            ServiceState::Stop => "stop",
            ServiceState::StopWatchdog => "stop-watchdog",
            ServiceState::StopSigterm => "stop-sigterm",
            ServiceState::StopSigkill => "stop-sigkill",
            ServiceState::StopPost => "stop-post",
            ServiceState::FinalWatchdog => "final-watchdog",
            ServiceState::FinalSigterm => "final-sigterm",
            ServiceState::FinalSigkill => "final-sigkill",
            ServiceState::Failed => "failed",
            ServiceState::DeadBeforeAutoRestart => "dead-before-auto-restart",
            ServiceState::FailedBeforeAutoRestart => "failed-before-auto-restart",
            ServiceState::AutoRestart => "auto-restart",
            ServiceState::AutoRestartQueued => "auto-restart-queued",
        }
    }

    /// What the state means to other units (Type=idle counts as simple here).
    pub fn active_state(self) -> ActiveState {
        match self {
            ServiceState::Dead | ServiceState::DeadBeforeAutoRestart => ActiveState::Inactive,
            ServiceState::Failed | ServiceState::FailedBeforeAutoRestart => ActiveState::Failed,
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => ActiveState::Activating,
            ServiceState::Running | ServiceState::Exited => ActiveState::Active,
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                ActiveState::Reloading
            }
            ServiceState::Stop
            | ServiceState::StopWatchdog
            | ServiceState::StopSigterm
            | ServiceState::StopSigkill
            | ServiceState::StopPost
            | ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill => ActiveState::Deactivating,
        }
    }
}

/// The stretches of its life that the states of a service belong to, in order. Where states of
/// one stretch are alike, the stretch is what is asked for, so that the list of them stands in
/// [`ServiceState::phase`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServicePhase {
    /// Dead or failed.
    Rest,
    /// ExecCondition= and ExecStartPre=: no main process yet.
    Prepare,
    /// ExecStart= and ExecStartPost=.
    Start,
    /// Running or exited.
    Up,
    /// Up, and reloading.
    Reload,
    /// ExecStop= and the signals behind it.
    Stop,
    /// ExecStopPost= and the last signals.
    Final,
    /// Ended, and to be restarted automatically.
    Pause,
}

impl ServiceState {
    /// The stretch of its life.
    pub(super) fn phase(self) -> ServicePhase {
        match self {
            ServiceState::Dead | ServiceState::Failed => ServicePhase::Rest,
            ServiceState::Condition | ServiceState::StartPre => ServicePhase::Prepare,
            ServiceState::Start | ServiceState::StartPost => ServicePhase::Start,
            ServiceState::Running | ServiceState::Exited => ServicePhase::Up,
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                ServicePhase::Reload
            }
            ServiceState::Stop
            | ServiceState::StopWatchdog
            | ServiceState::StopSigterm
            | ServiceState::StopSigkill => ServicePhase::Stop,
            ServiceState::StopPost
            | ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill => ServicePhase::Final,
            ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => ServicePhase::Pause,
        }
    }
}

/// The states of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SocketState {
    Dead,
    StartPre,
    /// The sockets are being made, and given to SocketUser=.
    StartChown,
    StartPost,
    Listening,
    Running,
    StopPre,
    StopPreSigterm,
    StopPreSigkill,
    StopPost,
    FinalSigterm,
    FinalSigkill,
    Failed,
}

impl SocketState {
    /// systemd's SubState word.
    pub fn as_str(self) -> &'static str {
        match self {
            SocketState::Dead => "dead",
            SocketState::StartPre => "start-pre",
            SocketState::StartChown => "start-chown",
            SocketState::StartPost => "start-post",
            SocketState::Listening => "listening",
            SocketState::Running => "running",
            SocketState::StopPre => "stop-pre",
            SocketState::StopPreSigterm => "stop-pre-sigterm",
            SocketState::StopPreSigkill => "stop-pre-sigkill",
            SocketState::StopPost => "stop-post",
            SocketState::FinalSigterm => "final-sigterm",
            SocketState::FinalSigkill => "final-sigkill",
            SocketState::Failed => "failed",
        }
    }

    /// What the state means to other units.
    pub fn active_state(self) -> ActiveState {
        match self {
            SocketState::Dead => ActiveState::Inactive,
            SocketState::Failed => ActiveState::Failed,
            SocketState::StartPre | SocketState::StartChown | SocketState::StartPost => {
                ActiveState::Activating
            }
            SocketState::Listening | SocketState::Running => ActiveState::Active,
            SocketState::StopPre
            | SocketState::StopPreSigterm
            | SocketState::StopPreSigkill
            | SocketState::StopPost
            | SocketState::FinalSigterm
            | SocketState::FinalSigkill => ActiveState::Deactivating,
        }
    }
}

/// The stretches of its life that the states of a socket belong to, as [`ServicePhase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketPhase {
    /// Dead or failed.
    Rest,
    /// On the way up.
    Start,
    /// Listening or running.
    Up,
    /// ExecStopPre= and the signals behind it; the sockets are there still.
    Stop,
    /// ExecStopPost= and the last signals.
    Final,
}

impl SocketState {
    /// The stretch of its life.
    pub(super) fn phase(self) -> SocketPhase {
        match self {
            SocketState::Dead | SocketState::Failed => SocketPhase::Rest,
            SocketState::StartPre | SocketState::StartChown | SocketState::StartPost => {
                SocketPhase::Start
            }
            SocketState::Listening | SocketState::Running => SocketPhase::Up,
            SocketState::StopPre | SocketState::StopPreSigterm | SocketState::StopPreSigkill => {
                SocketPhase::Stop
            }
            SocketState::StopPost | SocketState::FinalSigterm | SocketState::FinalSigkill => {
                SocketPhase::Final
            }
        }
    }
}

/// Why a socket ended, the Result property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SocketResult {
    #[default]
    Success,
    Resources,
    Timeout,
    ExitCode,
    Signal,
    CoreDump,
    StartLimitHit,
    TriggerLimitHit,
    ServiceStartLimitHit,
}

impl SocketResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            SocketResult::Success => "success",
            SocketResult::Resources => "resources",
            SocketResult::Timeout => "timeout",
            SocketResult::ExitCode => "exit-code",
            SocketResult::Signal => "signal",
            SocketResult::CoreDump => "core-dump",
            SocketResult::StartLimitHit => "start-limit-hit",
            SocketResult::TriggerLimitHit => "trigger-limit-hit",
            SocketResult::ServiceStartLimitHit => "service-start-limit-hit",
        }
    }
}

/// The states of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ScopeState {
    Dead,
    /// Its processes are being moved into its group.
    StartChown,
    Running,
    Abandoned,
    StopSigterm,
    StopSigkill,
    Failed,
}

impl ScopeState {
    /// systemd's SubState word.
    pub fn as_str(self) -> &'static str {
        match self {
            ScopeState::Dead => "dead",
            ScopeState::StartChown => "start-chown",
            ScopeState::Running => "running",
            ScopeState::Abandoned => "abandoned",
            ScopeState::StopSigterm => "stop-sigterm",
            ScopeState::StopSigkill => "stop-sigkill",
            ScopeState::Failed => "failed",
        }
    }

    /// What the state means to other units.
    pub fn active_state(self) -> ActiveState {
        match self {
            ScopeState::Dead => ActiveState::Inactive,
            ScopeState::StartChown => ActiveState::Activating,
            ScopeState::Running | ScopeState::Abandoned => ActiveState::Active,
            ScopeState::StopSigterm | ScopeState::StopSigkill => ActiveState::Deactivating,
            ScopeState::Failed => ActiveState::Failed,
        }
    }
}

/// Why a scope ended, the Result property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ScopeResult {
    #[default]
    Success,
    Resources,
    Timeout,
    OomKill,
}

impl ScopeResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ScopeResult::Success => "success",
            ScopeResult::Resources => "resources",
            ScopeResult::Timeout => "timeout",
            ScopeResult::OomKill => "oom-kill",
        }
    }
}

/// The states of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TimerState {
    Dead,
    /// For the next time.
    Waiting,
    /// What it activates runs.
    Running,
    /// There is no next time.
    Elapsed,
    Failed,
}

impl TimerState {
    /// systemd's SubState word.
    pub fn as_str(self) -> &'static str {
        match self {
            TimerState::Dead => "dead",
            TimerState::Waiting => "waiting",
            TimerState::Running => "running",
            TimerState::Elapsed => "elapsed",
            TimerState::Failed => "failed",
        }
    }

    /// What the state means to other units.
    pub fn active_state(self) -> ActiveState {
        match self {
            TimerState::Dead => ActiveState::Inactive,
            TimerState::Waiting | TimerState::Running | TimerState::Elapsed => ActiveState::Active,
            TimerState::Failed => ActiveState::Failed,
        }
    }
}

/// Why a timer ended, the Result property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TimerResult {
    #[default]
    Success,
    Resources,
    StartLimitHit,
}

impl TimerResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            TimerResult::Success => "success",
            TimerResult::Resources => "resources",
            TimerResult::StartLimitHit => "start-limit-hit",
        }
    }
}

/// The states of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum PathState {
    Dead,
    Waiting,
    /// What it activates runs, or is about to.
    Running,
    Failed,
}

impl PathState {
    /// systemd's SubState word.
    pub fn as_str(self) -> &'static str {
        match self {
            PathState::Dead => "dead",
            PathState::Waiting => "waiting",
            PathState::Running => "running",
            PathState::Failed => "failed",
        }
    }

    /// What the state means to other units.
    pub fn active_state(self) -> ActiveState {
        match self {
            PathState::Dead => ActiveState::Inactive,
            PathState::Waiting | PathState::Running => ActiveState::Active,
            PathState::Failed => ActiveState::Failed,
        }
    }
}

/// Why a path ended, the Result property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum PathResult {
    #[default]
    Success,
    Resources,
    StartLimitHit,
    UnitStartLimitHit,
    TriggerLimitHit,
}

impl PathResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            PathResult::Success => "success",
            PathResult::Resources => "resources",
            PathResult::StartLimitHit => "start-limit-hit",
            PathResult::UnitStartLimitHit => "unit-start-limit-hit",
            PathResult::TriggerLimitHit => "trigger-limit-hit",
        }
    }
}

/// Why a service ended, the Result property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ServiceResult {
    #[default]
    Success,
    Resources,
    Protocol,
    Timeout,
    ExitCode,
    Signal,
    CoreDump,
    Watchdog,
    /// The liveness or startup probe failed; not of systemd's.
    Probe,
    StartLimitHit,
    OomKill,
    ExecCondition,
}

impl ServiceResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceResult::Success => "success",
            ServiceResult::Resources => "resources",
            ServiceResult::Protocol => "protocol",
            ServiceResult::Timeout => "timeout",
            ServiceResult::ExitCode => "exit-code",
            ServiceResult::Signal => "signal",
            ServiceResult::CoreDump => "core-dump",
            ServiceResult::Watchdog => "watchdog",
            ServiceResult::Probe => "probe",
            ServiceResult::StartLimitHit => "start-limit-hit",
            ServiceResult::OomKill => "oom-kill",
            ServiceResult::ExecCondition => "exec-condition",
        }
    }
}

/// What an installed job does. `Nop` and the collapsing kinds (try-restart ...) are settled
/// when the job is queued (J6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum JobKind {
    Start,
    VerifyActive,
    Stop,
    Reload,
    Restart,
    /// A restart in which the new process is ready before the old one is told to stop; ours.
    Overlap,
    Nop,
}

impl JobKind {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Start => "start",
            JobKind::VerifyActive => "verify-active",
            JobKind::Stop => "stop",
            JobKind::Reload => "reload",
            JobKind::Restart => "restart",
            JobKind::Overlap => "restart-overlap",
            JobKind::Nop => "nop",
        }
    }
}

/// How a job ended (org.freedesktop.systemd1(5), signal JobRemoved).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobResult {
    /// It was carried out, or there was nothing to do, or a condition did not hold (J11).
    Done,
    /// Another job took its place, somebody took it back, or a circle of waiting jobs was
    /// broken.
    Canceled,
    /// JobTimeoutSec= or JobRunningTimeoutSec= was over; the unit goes on.
    Timeout,
    /// The unit did not get where the job should have brought it.
    Failed,
    /// A job that this one needs did not end well.
    Dependency,
    /// The unit cannot have such a job, or was found inactive by a look at Requisite=.
    Skipped,
    /// A reload of a unit that is not active.
    Invalid,
    /// An assertion did not hold.
    Assert,
    /// A setting or a unit type that is not carried out here.
    Unsupported,
    /// Nobody needed it any more. systemd drops only start jobs of device units like that, and
    /// devices are not waited for here: it does not arise.
    Collected,
    /// The unit can be started but once, and was: true of scopes alone.
    Once,
}

impl JobResult {
    /// systemd's word.
    pub fn as_str(self) -> &'static str {
        match self {
            JobResult::Done => "done",
            JobResult::Canceled => "canceled",
            JobResult::Timeout => "timeout",
            JobResult::Failed => "failed",
            JobResult::Dependency => "dependency",
            JobResult::Skipped => "skipped",
            JobResult::Invalid => "invalid",
            JobResult::Assert => "assert",
            JobResult::Unsupported => "unsupported",
            JobResult::Collected => "collected",
            JobResult::Once => "once",
        }
    }
}
