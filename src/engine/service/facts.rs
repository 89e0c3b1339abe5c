//! Facts about states that do not depend on the service: what a state keeps and what it waits for.

use crate::engine::state::{ServicePhase as Phase, ServiceState};
use crate::unit::config::{KillMode, ServiceConfig};
use crate::unit::value::TimeSpan;

/// Whether a timer armed for the state before may go on. A state that needs a fresh one arms it
/// after it was entered.
pub(super) fn keeps_timer(state: ServiceState) -> bool {
    match state.phase() {
        Phase::Prepare | Phase::Start | Phase::Reload | Phase::Stop | Phase::Final => true,
        Phase::Up => state == ServiceState::Running,
        Phase::Pause => state == ServiceState::AutoRestart,
        Phase::Rest => false,
    }
}

/// Whether there can be a main process. In `exited`, too: one that has lost its name on the bus.
pub(super) fn keeps_main(state: ServiceState) -> bool {
    match state.phase() {
        Phase::Start | Phase::Up | Phase::Reload | Phase::Stop | Phase::Final => true,
        Phase::Rest | Phase::Prepare | Phase::Pause => false,
    }
}

/// Whether there can be a control process.
pub(super) fn keeps_control(state: ServiceState) -> bool {
    match state.phase() {
        Phase::Prepare | Phase::Start | Phase::Stop | Phase::Final => true,
        Phase::Reload => state == ServiceState::Reload,
        Phase::Rest | Phase::Up | Phase::Pause => false,
    }
}

/// Whether the service is up or coming up: the watchdog runs, MAINPID= is listened to, and a
/// dying main process may have a successor.
pub(super) fn is_up(state: ServiceState) -> bool {
    match state.phase() {
        Phase::Start | Phase::Reload => true,
        Phase::Up => state == ServiceState::Running,
        Phase::Rest | Phase::Prepare | Phase::Stop | Phase::Final | Phase::Pause => false,
    }
}

/// Whether a reload is going on.
pub(super) fn is_reloading(state: ServiceState) -> bool {
    state.phase() == Phase::Reload
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
    const ALL: [KillStage; 6] = [
        KillStage::StopWatchdog,
        KillStage::StopSigterm,
        KillStage::StopSigkill,
        KillStage::FinalWatchdog,
        KillStage::FinalSigterm,
        KillStage::FinalSigkill,
    ];

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
        KillStage::ALL
            .into_iter()
            .find(|stage| stage.state() == state)
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
