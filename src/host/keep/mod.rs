//! What lets another process take over: after an execve of a new program, or after this one was
//! killed.
//!
//! Three things outlive the daemon. The descriptors, which a small process of its own or the
//! service manager above holds ([`custody`], [`keeper`]). The state, of which there is a picture on the
//! disk and every event since ([`saved`], [`journal`]): the engine does the same again for the
//! same events. And the processes themselves, which are known by pidfd, or else by number, time
//! of start and inode together ([`identity`]).
//!
//! Invariant: an event is written down before the engine hears of it, and a descriptor is in
//! custody before anything is ordered with it, so that whenever the daemon is killed, at most
//! the orders of one event are not known to be carried out; those are looked after by [`resume`].

pub(super) mod custody;
pub(super) mod identity;
pub(super) mod journal;
pub(super) mod keeper;
mod reexec;
pub(super) mod resume;
pub(super) mod saved;
pub(super) mod state;
#[cfg(test)]
mod tests;

pub use custody::{Keep, KeepError, Recovered, recover};
pub use keeper::run as run_keeper;
pub use reexec::{Carried, check_state, let_signals_through};
pub use saved::ReadError;

/// The key of the connection to the keeper; only over execve.
const KEEPER: &str = "keeper";
/// The key of the notify socket.
pub(super) const NOTIFY: &str = "notify";
/// The key of the control socket.
pub const CONTROL: &str = "control";

/// The key of a socket of a unit.
pub(super) fn socket_key(unit: crate::engine::UnitId, index: usize) -> String {
    format!("socket-{}-{index}", unit.0)
}

/// The key of a connection or a stored descriptor.
pub(super) fn held_key(descriptor: crate::engine::DescriptorId) -> String {
    format!("held-{}", descriptor.0)
}

/// The key of a process's pidfd.
pub(super) fn process_key(process: crate::engine::ProcessId) -> String {
    format!("pidfd-{}", process.0)
}

/// The key of the reading end of a pipe.
pub(super) fn pipe_key(pipe: u64) -> String {
    format!("pipe-{pipe}")
}
