//! The life of one timer unit: when it elapses next, and what changes of the unit that it
//! activates, of the clock and of the time zone mean for that (systemd.timer(5); checklist
//! section 8).
//!
//! Knows the unit that it activates only by [`Triggered`], a picture the engine makes for every
//! call; whose job that is, is the engine's business (`activation`). Must not act on anything
//! but its own state and the [`Context`].
//!
//! `schedule` computes times, `coalesce` puts them where other timers elapse, too.
//!
//! Invariants: every change of state goes through `Timer::set_state`; a deadline is armed in
//! waiting only; times of the wall come with the event, never from anywhere else.

mod coalesce;
mod machine;
mod schedule;
#[cfg(test)]
mod tests;

pub use machine::Timer;

use super::activation::Triggered;
use super::effect::{Effect, LogLevel};
use super::ids::{Timestamp, UnitId};
use super::service::Numbers;
use super::state::{JobKind, TimerState};
use crate::unit::config::{TimerConfig, UnitConfig};
use crate::unit::value::Zone;
use std::sync::{Arc, OnceLock};

/// Where the engine runs, as far as time is concerned.
#[derive(Debug, Clone, Default)]
pub struct TimePlace {
    /// The machine's time zone.
    pub zone: Zone,
    /// OnBootSec= counts from the start of the manager: a container has no boot.
    pub container: bool,
    /// Where within a minute timers of this boot elapse if they can choose, in microseconds.
    pub perturbation: u64,
    /// What tells this machine and user from others (FixedRandomDelay=).
    pub identity: u64,
}

/// One change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The state that was left.
    pub from: TimerState,
    /// The state that was entered.
    pub to: TimerState,
}

/// What the timer machine leaves behind for the engine.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Orders, in order.
    pub effects: Vec<Effect>,
    /// State changes, in order.
    pub transitions: Vec<Transition>,
    /// It has elapsed: what it activates is to be started, then [`Timer::triggered`] or
    /// [`Timer::activation_failed`] to be called.
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
    /// When it was last started.
    pub inactive_exit: Timestamp,
    /// The job installed for the unit.
    pub job: Option<JobKind>,
    /// The unit that it activates; `None` if that has gone.
    pub triggered: Option<Triggered>,
    /// When the manager was started.
    pub began: Timestamp,
    /// Where that was.
    pub place: &'a TimePlace,
    /// Numbers for orders.
    pub numbers: &'a mut Numbers,
    /// The engine's chance.
    pub random: &'a mut u128,
    /// What is left behind.
    pub out: &'a mut Outbox,
}

impl<'a> Context<'a> {
    /// The timer section; the defaults if a daemon-reload took the file away.
    fn settings(&self) -> &'a TimerConfig {
        static NOTHING: OnceLock<TimerConfig> = OnceLock::new();
        let config = self.config.timer();
        config.unwrap_or_else(|| NOTHING.get_or_init(TimerConfig::default))
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
