//! Facts about the states of sockets.

use crate::engine::state::SocketState;

/// Whether a timer may run and a command may be at work.
pub(super) fn takes_time(state: SocketState) -> bool {
    match state {
        SocketState::StartPre
        | SocketState::StartChown
        | SocketState::StartPost
        | SocketState::StopPre
        | SocketState::StopPreSigterm
        | SocketState::StopPreSigkill
        | SocketState::StopPost
        | SocketState::FinalSigterm
        | SocketState::FinalSigkill => true,
        SocketState::Dead | SocketState::Listening | SocketState::Running | SocketState::Failed => {
            false
        }
    }
}

/// Whether the sockets are there, or being made.
pub(super) fn keeps_sockets(state: SocketState) -> bool {
    match state {
        SocketState::StartChown
        | SocketState::StartPost
        | SocketState::Listening
        | SocketState::Running
        | SocketState::StopPre
        | SocketState::StopPreSigterm
        | SocketState::StopPreSigkill => true,
        SocketState::Dead
        | SocketState::StartPre
        | SocketState::StopPost
        | SocketState::FinalSigterm
        | SocketState::FinalSigkill
        | SocketState::Failed => false,
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
        match state {
            SocketState::StopPreSigterm => Some(KillStage::StopPreSigterm),
            SocketState::StopPreSigkill => Some(KillStage::StopPreSigkill),
            SocketState::FinalSigterm => Some(KillStage::FinalSigterm),
            SocketState::FinalSigkill => Some(KillStage::FinalSigkill),
            SocketState::Dead
            | SocketState::StartPre
            | SocketState::StartChown
            | SocketState::StartPost
            | SocketState::Listening
            | SocketState::Running
            | SocketState::StopPre
            | SocketState::StopPost
            | SocketState::Failed => None,
        }
    }

    /// Whether this is one of the last resorts.
    pub(super) fn is_kill(self) -> bool {
        match self {
            KillStage::StopPreSigkill | KillStage::FinalSigkill => true,
            KillStage::StopPreSigterm | KillStage::FinalSigterm => false,
        }
    }
}
