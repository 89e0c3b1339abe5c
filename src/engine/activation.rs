//! Between timers and paths and the units that they start: who is whose, the job, and what is told when
//! the other one changes.

use super::effect::LogLevel;
use super::engine::Engine;
use super::event::Event;
use super::graph::Edge;
use super::ids::{Timestamp, UnitId};
use super::path::{self, Path};
use super::sockets::start_of;
use super::state::ActiveState;
use super::timer::{Context, Outbox, Timer, Transition};
use super::unit::Machine;
use crate::unit::config::LoadState;

/// The unit that a timer or path activates, as it is now.
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
    /// A job is installed for it.
    pub has_job: bool,
    /// Its last start was refused by its limit.
    pub start_limit_hit: bool,
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
        let job = self.job_kind(id);
        let unit = self.graph.get_mut(id);
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

    /// Lets a path act, and takes in what it leaves behind.
    pub(super) fn with_path<T>(
        &mut self,
        id: UnitId,
        act: impl FnOnce(&mut Path, &mut path::Context<'_>) -> T,
    ) -> Option<T> {
        // News may come of a unit that has gone since.
        if !matches!(self.graph.lookup(id)?.machine, Machine::Path(_)) {
            return None;
        }
        let triggered = self.activated_by(id).map(|unit| self.picture_of(unit));
        let job = self.job_kind(id);
        let unit = self.graph.get_mut(id);
        let Machine::Path(machine) = &mut unit.machine else {
            return None;
        };
        let mut out = path::Outbox::default();
        let value = act(
            machine,
            &mut path::Context {
                now: self.now,
                unit: id,
                config: &unit.config,
                job,
                triggered,
                numbers: &mut self.numbers,
                out: &mut out,
            },
        );
        self.effects.extend(out.effects);
        for path::Transition { from, to } in out.transitions {
            self.change(id, from.active_state(), to.active_state());
        }
        if out.due {
            self.due.push_back(id);
        }
        Some(value)
    }

    /// Something happened that timers and paths wait for.
    pub(super) fn activation_event(&mut self, event: Event) {
        match event {
            Event::StampRead { unit, order, time } => {
                self.with_timer(unit, |timer, cx| timer.on_stamp(cx, order, time));
            }
            Event::ClockJumped => self.with_timers(Timer::on_clock_jumped),
            Event::ZoneChanged => self.with_timers(Timer::on_zone_changed),
            Event::PathsSeen {
                unit,
                order,
                result,
            } => {
                self.with_path(unit, |path, cx| path.on_seen(cx, order, result));
            }
            Event::PathTouched {
                unit,
                watch,
                index,
                changed,
            } => {
                self.with_path(unit, |path, cx| path.on_touched(cx, watch, index, changed));
            }
            Event::Load { .. }
            | Event::Request { .. }
            | Event::Kill { .. }
            | Event::Cancel { .. }
            | Event::ResetFailed { .. }
            | Event::Keep { .. }
            | Event::Hold { .. }
            | Event::Release { .. }
            | Event::HolderGone { .. }
            | Event::Collect
            | Event::Shutdown
            | Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::Exited { .. }
            | Event::Killed { .. }
            | Event::GroupEmpty { .. }
            | Event::OutOfMemory { .. }
            | Event::BusNameWatched { .. }
            | Event::BusNameOwned { .. }
            | Event::MainFound { .. }
            | Event::MainNotFound { .. }
            | Event::Notified { .. }
            | Event::SocketsOpened { .. }
            | Event::Traffic { .. }
            | Event::Connected { .. }
            | Event::WatchFailed { .. }
            | Event::InstanceLoaded { .. }
            | Event::DescriptorGone { .. }
            | Event::Streams { .. }
            | Event::Probed { .. }
            | Event::ProbeSkipped { .. }
            | Event::Checked { .. }
            | Event::TakenIn { .. }
            | Event::Control { .. }
            | Event::Abandon { .. }
            | Event::Elapsed => {}
        }
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

    /// The unit that a timer or path starts.
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
            has_job: unit.job.is_some(),
            start_limit_hit: unit.start_limit_hit,
        }
    }

    /// Starts what a timer or path activates, now that it is due.
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
                self.with_path(unit, Path::triggered);
                let details = self.activation_details(unit);
                // Who came first counts.
                if let Some(job) = self.jobs.get_mut(&job).filter(|job| job.details.is_empty()) {
                    job.details = details;
                }
            }
            Err(text) => {
                self.log(LogLevel::Warning, unit, text);
                self.with_timer(unit, Timer::activation_failed);
                self.with_path(unit, Path::activation_failed);
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
        if let Machine::Path(path) = &unit.machine {
            list.push(("TRIGGER_PATH", path.trigger_path().to_owned()));
        }
        let named = |(name, value): (&str, String)| (name.to_owned(), value);
        list.into_iter().map(named).collect()
    }

    /// Lets those that activate a unit know that it changed, or that its job has ended.
    pub(super) fn tell_activators(&mut self, unit: UnitId) {
        self.tell_sockets(unit);
        self.tell_timers_and_paths(unit);
    }

    /// The same of timers and paths.
    pub(super) fn tell_timers_and_paths(&mut self, unit: UnitId) {
        let edges = &self.graph.get(unit).edges;
        let others: Vec<UnitId> = edges.of(Edge::TriggeredBy).collect();
        for other in others {
            self.with_timer(other, Timer::on_triggered_changed);
            self.with_path(other, Path::on_triggered_changed);
        }
    }
}
