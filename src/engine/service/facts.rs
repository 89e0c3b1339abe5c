//! Facts about states that do not depend on the service: what a state keeps and what it waits for.

use crate::engine::state::ServiceState;
use crate::unit::config::{KillMode, ServiceConfig};
use crate::unit::value::TimeSpan;

/// Whether a timer armed for the state before may go on. A state that needs a fresh one arms it
/// after it was entered.
pub(super) fn keeps_timer(state: ServiceState) -> bool {
    match state {
        ServiceState::Condition
        | ServiceState::StartPre
        | ServiceState::Start
        | ServiceState::StartPost
        | ServiceState::Running
        | ServiceState::Reload
        | ServiceState::ReloadSignal
        | ServiceState::ReloadNotify
        | ServiceState::Stop
        | ServiceState::StopWatchdog
        | ServiceState::StopSigterm
        | ServiceState::StopSigkill
        | ServiceState::StopPost
        | ServiceState::FinalWatchdog
        | ServiceState::FinalSigterm
        | ServiceState::FinalSigkill
        | ServiceState::AutoRestart => true,
        ServiceState::Dead
        | ServiceState::Exited
        | ServiceState::Failed
        | ServiceState::DeadBeforeAutoRestart
        | ServiceState::FailedBeforeAutoRestart
        | ServiceState::AutoRestartQueued => false,
    }
}

/// Whether there can be a main process. In `exited`, too: one that has lost its name on the bus.
pub(super) fn keeps_main(state: ServiceState) -> bool {
    match state {
        ServiceState::Start
        | ServiceState::StartPost
        | ServiceState::Running
        | ServiceState::Exited
        | ServiceState::Reload
        | ServiceState::ReloadSignal
        | ServiceState::ReloadNotify
        | ServiceState::Stop
        | ServiceState::StopWatchdog
        | ServiceState::StopSigterm
        | ServiceState::StopSigkill
        | ServiceState::StopPost
        | ServiceState::FinalWatchdog
        | ServiceState::FinalSigterm
        | ServiceState::FinalSigkill => true,
        ServiceState::Dead
        | ServiceState::Condition
        | ServiceState::StartPre
        | ServiceState::Failed
        | ServiceState::DeadBeforeAutoRestart
        | ServiceState::FailedBeforeAutoRestart
        | ServiceState::AutoRestart
        | ServiceState::AutoRestartQueued => false,
    }
}

/// Whether there can be a control process.
pub(super) fn keeps_control(state: ServiceState) -> bool {
    match state {
        ServiceState::Condition
        | ServiceState::StartPre
        | ServiceState::Start
        | ServiceState::StartPost
        | ServiceState::Reload
        | ServiceState::Stop
        | ServiceState::StopWatchdog
        | ServiceState::StopSigterm
        | ServiceState::StopSigkill
        | ServiceState::StopPost
        | ServiceState::FinalWatchdog
        | ServiceState::FinalSigterm
        | ServiceState::FinalSigkill => true,
        ServiceState::Dead
        | ServiceState::Running
        | ServiceState::Exited
        | ServiceState::ReloadSignal
        | ServiceState::ReloadNotify
        | ServiceState::Failed
        | ServiceState::DeadBeforeAutoRestart
        | ServiceState::FailedBeforeAutoRestart
        | ServiceState::AutoRestart
        | ServiceState::AutoRestartQueued => false,
    }
}

/// Whether the service is up or coming up: the watchdog runs, MAINPID= is listened to, and a
/// dying main process may have a successor.
pub(super) fn is_up(state: ServiceState) -> bool {
    match state {
        ServiceState::Start
        | ServiceState::StartPost
        | ServiceState::Running
        | ServiceState::Reload
        | ServiceState::ReloadSignal
        | ServiceState::ReloadNotify => true,
        ServiceState::Dead
        | ServiceState::Condition
        | ServiceState::StartPre
        | ServiceState::Exited
        | ServiceState::Stop
        | ServiceState::StopWatchdog
        | ServiceState::StopSigterm
        | ServiceState::StopSigkill
        | ServiceState::StopPost
        | ServiceState::FinalWatchdog
        | ServiceState::FinalSigterm
        | ServiceState::FinalSigkill
        | ServiceState::Failed
        | ServiceState::DeadBeforeAutoRestart
        | ServiceState::FailedBeforeAutoRestart
        | ServiceState::AutoRestart
        | ServiceState::AutoRestartQueued => false,
    }
}

/// Whether a reload is going on.
pub(super) fn is_reloading(state: ServiceState) -> bool {
    state.active_state() == crate::engine::state::ActiveState::Reloading
}

/// The stages in which processes are signalled (checklist rows M8, M11, M12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillStage {
    StopWatchdog,
    StopSigterm,
    StopSigkill,
    FinalWatchdog,
    FinalSigterm,
    FinalSigkill,
}

impl KillStage {
    /// The state of the stage.
    pub(super) fn state(self) -> ServiceState {
        match self {
            KillStage::StopWatchdog => ServiceState::StopWatchdog,
            KillStage::StopSigterm => ServiceState::StopSigterm,
            KillStage::StopSigkill => ServiceState::StopSigkill,
            KillStage::FinalWatchdog => ServiceState::FinalWatchdog,
            KillStage::FinalSigterm => ServiceState::FinalSigterm,
            KillStage::FinalSigkill => ServiceState::FinalSigkill,
        }
    }

    /// The stage of a state.
    pub(super) fn of(state: ServiceState) -> Option<KillStage> {
        match state {
            ServiceState::StopWatchdog => Some(KillStage::StopWatchdog),
            ServiceState::StopSigterm => Some(KillStage::StopSigterm),
            ServiceState::StopSigkill => Some(KillStage::StopSigkill),
            ServiceState::FinalWatchdog => Some(KillStage::FinalWatchdog),
            ServiceState::FinalSigterm => Some(KillStage::FinalSigterm),
            ServiceState::FinalSigkill => Some(KillStage::FinalSigkill),
            ServiceState::Dead
            | ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::Running
            | ServiceState::Exited
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify
            | ServiceState::Stop
            | ServiceState::StopPost
            | ServiceState::Failed
            | ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => None,
        }
    }

    /// How long the stage may take.
    pub(super) fn timeout(self, config: &ServiceConfig) -> TimeSpan {
        match self {
            KillStage::StopWatchdog | KillStage::FinalWatchdog => config.abort_timeout(),
            KillStage::StopSigterm
            | KillStage::StopSigkill
            | KillStage::FinalSigterm
            | KillStage::FinalSigkill => config.timeout_stop,
        }
    }

    /// Whether this is one of the last resorts.
    pub(super) fn is_kill(self) -> bool {
        match self {
            KillStage::StopSigkill | KillStage::FinalSigkill => true,
            KillStage::StopWatchdog
            | KillStage::StopSigterm
            | KillStage::FinalWatchdog
            | KillStage::FinalSigterm => false,
        }
    }

    /// Whether the stage reaches processes of the group beyond main and control.
    pub(super) fn reaches_group(self, mode: KillMode) -> bool {
        match mode {
            KillMode::ControlGroup => true,
            KillMode::Mixed => self.is_kill(),
            KillMode::Process | KillMode::None => false,
        }
    }
}
