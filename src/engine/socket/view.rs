//! What can be seen of a socket.

use super::machine::Socket;
use crate::engine::ids::ProcessId;
use crate::engine::inspect::SocketView;
use crate::engine::state::SocketState;

impl Socket {
    /// The present state.
    pub fn state(&self) -> SocketState {
        self.state
    }

    /// The command that runs.
    pub fn control_process(&self) -> Option<ProcessId> {
        self.control.as_ref().map(|process| process.id)
    }

    /// Whether the unit's group may hold a process, now or in a moment.
    pub fn may_be_populated(&self) -> bool {
        self.populated || self.coming > 0
    }

    /// Whether it has sockets to pass.
    pub fn has_sockets(&self) -> bool {
        self.made
    }

    /// A picture of everything that is shown of a socket.
    pub fn view(&self) -> SocketView {
        SocketView {
            control_pid: self.control.as_ref().map_or(0, |process| process.pid),
            result: self.result,
            accepted: self.accepted,
            connections: u32::try_from(self.served()).unwrap_or(u32::MAX),
            refused: self.refused,
            commands: self.commands.clone(),
        }
    }
}
