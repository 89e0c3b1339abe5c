//! The life of one scope: processes that somebody else has started, taken in as they are and
//! ended as a service's are (systemd.scope(5)).
//!
//! Knows its processes as a group only: the host has them, moves them in when told to, and says
//! when the last one has gone. Must not act on anything but its own state and the [`Context`].
//!
//! Invariants: every change of state goes through `Scope::set_state`; a scope is started at most
//! once; a timer runs in states that end by themselves only; a scope that was abandoned has
//! nobody to be asked to stop it.

mod machine;
#[cfg(test)]
mod tests;

pub use machine::Scope;

use super::effect::{Effect, LogLevel};
use super::ids::{Timestamp, UnitId};
use super::service::Numbers;
use super::state::ScopeState;
use crate::unit::config::{ScopeConfig, UnitConfig};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: ScopeState,
    /// The state that was entered.
    pub to: ScopeState,
}

/// What the scope machine leaves behind for the engine.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Orders, in order.
    pub effects: Vec<Effect>,
    /// State changes, in order.
    pub transitions: Vec<Transition>,
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
    /// Numbers for orders.
    pub numbers: &'a mut Numbers,
    /// The engine's chance.
    pub random: &'a mut u128,
    /// What is left behind.
    pub out: &'a mut Outbox,
}

impl<'a> Context<'a> {
    /// The scope section; the defaults if a daemon-reload took the file away.
    fn settings(&self) -> &'a ScopeConfig {
        static NOTHING: OnceLock<ScopeConfig> = OnceLock::new();
        let config = self.config.scope();
        config.unwrap_or_else(|| NOTHING.get_or_init(ScopeConfig::default))
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

/// The client that looks after a scope (Controller=): it is asked to stop it, in place of a
/// first signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its name on the bus, as it gave it.
    pub name: String,
    /// Who it is; numbered by the host.
    pub holder: u64,
}
