//! Scopes among the other units: who looks after them, and that they start but once.

use super::effect::Refusal;
use super::engine::Engine;
use super::event::Event;
use super::ids::UnitId;
use super::scope::{Context, Outbox, Scope, Transition};
use super::unit::{Machine, Unit};
use crate::unit::name::UnitName;

impl Engine {
    /// Lets a scope act, and takes in what it leaves behind.
    pub(super) fn with_scope<T>(
        &mut self,
        id: UnitId,
        act: impl FnOnce(&mut Scope, &mut Context<'_>) -> T,
    ) -> Option<T> {
        // News may come of a unit that has gone since.
        self.graph.lookup(id)?;
        let unit = self.graph.get_mut(id);
        let Machine::Scope(scope) = &mut unit.machine else {
            return None;
        };
        let mut out = Outbox::default();
        let value = act(
            scope,
            &mut Context {
                now: self.now,
                unit: id,
                config: &unit.config,
                invocation: unit.invocation,
                numbers: &mut self.numbers,
                random: &mut self.random,
                out: &mut out,
            },
        );
        let deadline = scope.deadline();
        self.set_deadline(id, deadline);
        self.effects.extend(out.effects);
        for Transition { from, to } in out.transitions {
            self.change(id, from.active_state(), to.active_state());
        }
        Some(value)
    }

    /// What only scopes are concerned by.
    pub(super) fn scope_event(&mut self, event: Event) {
        match event {
            Event::TakenIn {
                unit,
                order,
                result,
            } => {
                self.with_scope(unit, |scope, cx| scope.on_taken_in(cx, order, result));
            }
            Event::Control { unit, controller } => {
                if let Some(id) = self.graph.find(unit.as_str()) {
                    self.with_scope(id, |scope, cx| scope.set_controller(cx, controller));
                }
            }
            Event::Abandon { request, unit } => {
                let result = self.abandon(&unit);
                self.reply_done(request, result);
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
            | Event::Probed { .. }
            | Event::ProbeSkipped { .. }
            | Event::Streams { .. }
            | Event::Checked { .. }
            | Event::StampRead { .. }
            | Event::PathsSeen { .. }
            | Event::PathTouched { .. }
            | Event::ClockJumped
            | Event::ZoneChanged
            | Event::Elapsed => {}
        }
    }

    /// Nobody looks after a scope any more.
    fn abandon(&mut self, name: &UnitName) -> Result<(), Refusal> {
        let id = self.graph.find(name.as_str());
        let id = id.ok_or_else(|| Refusal::NotLoaded(name.to_string()))?;
        let own = self.graph.get(id).name().to_owned();
        match self.with_scope(id, |scope, cx| scope.abandon(cx)) {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::ScopeNotRunning(own)),
            None => Err(Refusal::Invalid(format!(
                "Unit '{own}' is not a scope unit, refusing."
            ))),
        }
    }

    /// A client has gone: it looks after nothing any more.
    pub(super) fn controller_gone(&mut self, holder: u64) {
        let units = self.graph.iter();
        let scopes = units.filter(|unit| matches!(unit.machine, Machine::Scope(_)));
        for id in scopes.map(|unit| unit.id).collect::<Vec<_>>() {
            self.with_scope(id, |scope, cx| scope.client_gone(cx, holder));
        }
    }
}

/// Whether a unit can be started but once, and was: processes are handed over a single time.
pub(super) fn has_had_its_run(unit: &Unit) -> bool {
    matches!(unit.machine, Machine::Scope(_)) && unit.times.inactive_enter.monotonic != 0
}

/// Whether a unit can be started (again) at all: what is asked of a restart.
pub(super) fn was_begun(unit: &Unit) -> bool {
    matches!(unit.machine, Machine::Scope(_)) && unit.times.inactive_exit.monotonic != 0
}
