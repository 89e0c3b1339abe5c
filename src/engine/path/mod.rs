//! The life of one path unit: what it waits for, when that starts the unit it activates, and
//! what changes of that unit mean (systemd.path(5); checklist section 8).
//!
//! The host watches and looks; what it saw comes as an event, and whether that starts anything is
//! decided here. Knows the unit that it activates only by [`Triggered`]. Must not act on anything
//! but its own state and the [`Context`].
//!
//! Invariants: every change of state goes through `Path::set_state`; the host watches in waiting
//! only; an answer to a look that was overtaken is ignored.

mod machine;
#[cfg(test)]
mod tests;

pub use machine::Path;

use super::activation::Triggered;
use super::effect::{Effect, LogLevel};
use super::ids::{Timestamp, UnitId};
use super::service::Numbers;
use super::state::{JobKind, PathState};
use crate::unit::config::{PathConfig, UnitConfig};
use std::sync::{Arc, OnceLock};

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: PathState,
    /// The state that was entered.
    pub to: PathState,
}

/// What the path machine leaves behind for the engine.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Orders, in order.
    pub effects: Vec<Effect>,
    /// State changes, in order.
    pub transitions: Vec<Transition>,
    /// What it activates is to be started, then [`Path::triggered`] or
    /// [`Path::activation_failed`] to be called.
    pub due: bool,
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
    /// The job installed for the unit.
    pub job: Option<JobKind>,
    /// The unit that it activates; `None` if that has gone.
    pub triggered: Option<Triggered>,
    /// Numbers for orders.
    pub numbers: &'a mut Numbers,
    /// What is left behind.
    pub out: &'a mut Outbox,
}

impl<'a> Context<'a> {
    /// The path section; the defaults if a daemon-reload took the file away.
    fn settings(&self) -> &'a PathConfig {
        static NOTHING: OnceLock<PathConfig> = OnceLock::new();
        let config = self.config.path();
        config.unwrap_or_else(|| NOTHING.get_or_init(PathConfig::default))
    }

    /// Writes a line about the unit.
    fn log(&mut self, level: LogLevel, message: impl Into<String>) {
        self.out.effects.push(Effect::Log {
            level,
            unit: Some(self.unit),
            message: message.into(),
        });
    }
}
