//! Facts about the states of sockets.

use crate::engine::state::{SocketPhase as Phase, SocketState};

/// Whether a timer may run and a command may be at work.
pub(super) fn takes_time(state: SocketState) -> bool {
    match state.phase() {
        Phase::Start | Phase::Stop | Phase::Final => true,
        Phase::Rest | Phase::Up => false,
    }
}

/// Whether the sockets are there, or being made.
pub(super) fn keeps_sockets(state: SocketState) -> bool {
    match state.phase() {
        Phase::Start => state != SocketState::StartPre,
        Phase::Up | Phase::Stop => true,
        Phase::Rest | Phase::Final => false,
    }
}

/// The stages in which processes are signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillStage {
    StopPreSigterm,
    StopPreSigkill,
    FinalSigterm,
    FinalSigkill,
}

impl KillStage {
    const ALL: [KillStage; 4] = [
        KillStage::StopPreSigterm,
        KillStage::StopPreSigkill,
        KillStage::FinalSigterm,
        KillStage::FinalSigkill,
    ];

    /// The state of the stage.
    pub(super) fn state(self) -> SocketState {
        match self {
            KillStage::StopPreSigterm => SocketState::StopPreSigterm,
            KillStage::StopPreSigkill => SocketState::StopPreSigkill,
            KillStage::FinalSigterm => SocketState::FinalSigterm,
            KillStage::FinalSigkill => SocketState::FinalSigkill,
        }
    }

    /// The stage of a state.
    pub(super) fn of(state: SocketState) -> Option<KillStage> {
        KillStage::ALL
            .into_iter()
            .find(|stage| stage.state() == state)
    }

    /// Whether this is one of the last resorts.
    pub(super) fn is_kill(self) -> bool {
        match self {
            KillStage::StopPreSigkill | KillStage::FinalSigkill => true,
            KillStage::StopPreSigterm | KillStage::FinalSigterm => false,
        }
    }
}
