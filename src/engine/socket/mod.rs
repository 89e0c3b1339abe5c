//! The life of one socket unit: from its configuration, orders and traffic to orders for the
//! host, for the engine, and state changes (systemd.socket(5); checklist section 7).
//!
//! Knows the service that it activates only by [`Triggered`], a picture the engine makes for
//! every call; which units that are, and their jobs, is the engine's business (`sockets`).
//! Must not act on anything but its own state and the [`Context`].
//!
//! `start`, `traffic` and `stop` are the phases of the life; beside them the ends of commands
//! (`control`), and the pure rules about states (`facts`).
//!
//! Invariants: every change of state goes through `Socket::set_state`; traffic is waited for in
//! listening only; the host holds sockets only in states between start-chown and
//! stop-pre-sigkill; an answer to an order of a state that was left is ignored.

mod control;
mod facts;
mod machine;
mod start;
mod stop;
#[cfg(test)]
mod tests;
mod traffic;
mod view;

pub use machine::Socket;

use super::effect::{Effect, LogLevel};
use super::ids::{DescriptorId, Timestamp, UnitId};
use super::service::Numbers;
use super::state::{JobKind, ServiceState, SocketState};
use crate::unit::config::{SocketConfig, UnitConfig};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: SocketState,
    /// The state that was entered.
    pub to: SocketState,
}

/// What is wanted of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A start job for the service.
    Service,
    /// An instance of the service for a connection.
    Instance {
        /// The connection.
        connection: DescriptorId,
        /// The instance's name, without that of the template.
        instance: String,
        /// Who the peer is.
        peer: String,
    },
    /// A start job for the socket itself: its pause is over.
    Itself,
}

/// What the socket machine leaves behind for the engine.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Orders, in order.
    pub effects: Vec<Effect>,
    /// State changes, in order.
    pub transitions: Vec<Transition>,
    /// What is to be queued once they have been passed on.
    pub wanted: Vec<Wanted>,
}

/// The service that the socket activates, as it is now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Triggered {
    /// It was read and is a service.
    pub loaded: bool,
    /// What it is doing.
    pub state: Option<ServiceState>,
    /// It, or another unit that the socket activates, is up or coming up.
    pub up: bool,
    /// A job is installed for it.
    pub has_job: bool,
    /// Its last start was refused by its limit.
    pub start_limit_hit: bool,
    /// It takes a first connection that was accepted already.
    pub takes_client: bool,
}

/// What a call to the machine may know and use.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time of the event being handled.
    pub now: Timestamp,
    /// The unit.
    pub unit: UnitId,
    /// Its configuration.
    pub config: &'a Arc<UnitConfig>,
    /// The invocation ID of the current or coming run.
    pub invocation: u128,
    /// The job installed for the unit.
    pub job: Option<JobKind>,
    /// The service.
    pub service: Triggered,
    /// Whether sockets are opened at all (not in kubernetes mode).
    pub activation: bool,
    /// Numbers for processes and orders.
    pub numbers: &'a mut Numbers,
    /// What is left behind.
    pub out: &'a mut Outbox,
}

impl<'a> Context<'a> {
    /// The socket section; the defaults if a daemon-reload took the file away.
    fn settings(&self) -> &'a SocketConfig {
        static NOTHING: OnceLock<SocketConfig> = OnceLock::new();
        let config = self.config.socket();
        config.unwrap_or_else(|| NOTHING.get_or_init(SocketConfig::default))
    }

    /// Writes a line about the unit.
    fn log(&mut self, level: LogLevel, message: impl Into<String>) {
        self.out.effects.push(Effect::Log {
            level,
            unit: Some(self.unit),
            message: message.into(),
        });
    }

    /// Says that something that can be shown has changed.
    fn changed(&mut self) {
        let unit = self.unit;
        self.out.effects.push(Effect::Changed { unit });
    }
}

/// Why a start cannot be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// The job has to wait for the next change of state.
    Again,
    /// It is up.
    Already,
    /// It cannot be (K7); the log says why.
    Failed,
}

/// The connection of an instance (Accept=yes).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// The connection itself.
    pub descriptor: DescriptorId,
    /// The socket unit that took it.
    pub socket: UnitId,
    /// REMOTE_ADDR and REMOTE_PORT.
    pub remote: Option<(String, String)>,
}
