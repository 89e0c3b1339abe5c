//! Between timers and the units that they start: who is whose, the job, and what is told when
//! the other one changes.

use super::effect::LogLevel;
use super::engine::Engine;
use super::graph::Edge;
use super::ids::{Timestamp, UnitId};
use super::sockets::start_of;
use super::state::ActiveState;
use super::timer::{Context, Outbox, Timer, Transition};
use super::unit::Machine;
use crate::unit::config::LoadState;

/// The unit that a timer activates, as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Triggered {
    /// It was read.
    pub loaded: bool,
    /// What it is doing.
    pub state: ActiveState,
    /// When it was last started.
    pub inactive_exit: Timestamp,
    /// When it last ended.
    pub inactive_enter: Timestamp,
}

/// Why a start or a stop is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// There is nothing to do.
    Already,
    /// It cannot be; the log says why.
    Failed,
}

impl Engine {
    /// Lets a timer act, and takes in what it leaves behind.
    pub(super) fn with_timer<T>(
        &mut self,
        id: UnitId,
        act: impl FnOnce(&mut Timer, &mut Context<'_>) -> T,
    ) -> Option<T> {
        // News may come of a unit that has gone since.
        if !matches!(self.graph.lookup(id)?.machine, Machine::Timer(_)) {
            return None;
        }
        let triggered = self.activated_by(id).map(|unit| self.picture_of(unit));
        let unit = self.graph.get_mut(id);
        let job = unit
            .job
            .and_then(|job| self.jobs.get(&job))
            .map(|job| job.kind);
        let Machine::Timer(timer) = &mut unit.machine else {
            return None;
        };
        let mut out = Outbox::default();
        let value = act(
            timer,
            &mut Context {
                now: self.now,
                unit: id,
                config: &unit.config,
                inactive_exit: unit.times.inactive_exit,
                job,
                triggered,
                began: self.began,
                place: &self.time_place,
                numbers: &mut self.numbers,
                random: &mut self.random,
                out: &mut out,
            },
        );
        let deadline = timer.deadline();
        self.set_deadline(id, deadline);
        self.effects.extend(out.effects);
        for Transition { from, to } in out.transitions {
            self.change(id, from.active_state(), to.active_state());
        }
        if out.due {
            self.due.push_back(id);
        }
        Some(value)
    }

    /// Calls every timer.
    pub(super) fn with_timers(&mut self, act: impl Fn(&mut Timer, &mut Context<'_>)) {
        let timers = self.graph.iter();
        let timers = timers.filter(|unit| matches!(unit.machine, Machine::Timer(_)));
        let timers: Vec<UnitId> = timers.map(|unit| unit.id).collect();
        for timer in timers {
            self.with_timer(timer, &act);
        }
    }

    /// The unit that a timer starts.
    fn activated_by(&self, unit: UnitId) -> Option<UnitId> {
        self.graph.get(unit).edges.of(Edge::Triggers).next()
    }

    fn picture_of(&self, unit: UnitId) -> Triggered {
        let unit = self.graph.get(unit);
        Triggered {
            loaded: unit.config.load == LoadState::Loaded,
            state: unit.active_state(),
            inactive_exit: unit.times.inactive_exit,
            inactive_enter: unit.times.inactive_enter,
        }
    }

    /// Starts what a timer activates, now that it has elapsed.
    pub(super) fn activate(&mut self, unit: UnitId) {
        let queued = match self.activated_by(unit) {
            Some(other) => self
                .enqueue(start_of(other))
                .map_err(|refusal| format!("cannot start what it activates: {refusal}")),
            None => Err("the unit that it activates is gone".to_owned()),
        };
        match queued {
            Ok(job) => {
                self.with_timer(unit, Timer::triggered);
                let details = self.activation_details(unit);
                // Who came first counts.
                if let Some(job) = self.jobs.get_mut(&job).filter(|job| job.details.is_empty()) {
                    job.details = details;
                }
            }
            Err(text) => {
                self.log(LogLevel::Warning, unit, text);
                self.with_timer(unit, Timer::activation_failed);
            }
        }
    }

    /// What the unit that is started is told of why (systemd.exec(5), "$TRIGGER_UNIT").
    fn activation_details(&self, unit: UnitId) -> Vec<(String, String)> {
        let unit = self.graph.get(unit);
        let mut list = vec![("TRIGGER_UNIT", unit.name().to_owned())];
        if let Machine::Timer(timer) = &unit.machine {
            let time = timer.last_trigger();
            list.push(("TRIGGER_TIMER_REALTIME_USEC", time.realtime.to_string()));
            list.push(("TRIGGER_TIMER_MONOTONIC_USEC", time.monotonic.to_string()));
        }
        let named = |(name, value): (&str, String)| (name.to_owned(), value);
        list.into_iter().map(named).collect()
    }

    /// Lets those that activate a unit know that it changed, or that its job has ended.
    pub(super) fn tell_activators(&mut self, unit: UnitId) {
        self.tell_sockets(unit);
        let edges = &self.graph.get(unit).edges;
        let others: Vec<UnitId> = edges.of(Edge::TriggeredBy).collect();
        for other in others {
            self.with_timer(other, Timer::on_triggered_changed);
        }
    }
}
