//! Requests from outside, checked before they become jobs.

use super::effect::{Effect, KillOrder, Refusal};
use super::engine::Engine;
use super::event::{KillWhom, Verb};
use super::ids::{JobId, UnitId};
use super::service::can_reload;
use super::state::{ActiveState, JobKind};
use super::transaction::Wish;
use super::unit::Machine;
use crate::unit::config::{JobMode, LoadState};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;

impl Engine {
    /// A job somebody asked for.
    pub(super) fn request(
        &mut self,
        name: &UnitName,
        verb: Verb,
        mode: JobMode,
    ) -> Result<JobId, Refusal> {
        let wish = self.wish_of(name, verb, mode)?;
        let job = self.enqueue(wish)?;
        if verb == Verb::Stop {
            // Whoever stops it does not want it back.
            self.graph.get_mut(wish.unit).lost.clear();
        }
        Ok(job)
    }

    /// What a request comes to.
    ///
    /// # Errors
    /// It is refused for what it asks, whatever it would lead to.
    pub(super) fn wish_of(
        &self,
        name: &UnitName,
        verb: Verb,
        mode: JobMode,
    ) -> Result<Wish, Refusal> {
        let unit = self.find(name)?;
        self.refuse_what_cannot_be(unit, verb)?;
        Ok(Wish {
            unit,
            kind: self.kind_for(unit, verb),
            mode,
            restart_dependents: false,
            spares: true,
        })
    }

    /// reload-or-restart reloads where it can and restarts where it cannot.
    fn kind_for(&self, id: UnitId, verb: Verb) -> JobKind {
        let unit = self.graph.get(id);
        let state = unit.active_state();
        let can_reload = match &unit.machine {
            Machine::Service(_) => can_reload(&unit.config),
            Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => false,
        };
        let up = state.is_active_or_reloading();
        match verb {
            // There is nothing to be beside of.
            Verb::RestartOverlap if !up => JobKind::Restart,
            Verb::Restart if up && unit.config.procmgr.restart_overlap => {
                match self.refuses_overlap(id) {
                    None => JobKind::Overlap,
                    Some(_) => JobKind::Restart,
                }
            }
            Verb::ReloadOrRestart if !can_reload => JobKind::Restart,
            Verb::ReloadOrTryRestart if !can_reload => super::job::try_restart(state),
            Verb::ReloadOrTryRestart if state.is_inactive_or_deactivating() => JobKind::Nop,
            verb => Engine::settle_verb(verb, state),
        }
    }

    fn find(&self, name: &UnitName) -> Result<UnitId, Refusal> {
        self.graph
            .find(name.as_str())
            .ok_or_else(|| Refusal::NotFound(name.to_string()))
    }

    fn refuse_what_cannot_be(&self, id: UnitId, verb: Verb) -> Result<(), Refusal> {
        let unit = self.graph.get(id);
        let name = unit.name().to_owned();
        if self.shutting_down && verb != Verb::Stop {
            return Err(Refusal::ShuttingDown);
        }
        let section = &unit.config.unit;
        let refused = match verb {
            Verb::Start => section.refuse_manual_start,
            Verb::Stop => section.refuse_manual_stop,
            Verb::Restart
            | Verb::RestartOverlap
            | Verb::TryRestart
            | Verb::ReloadOrRestart
            | Verb::ReloadOrTryRestart => section.refuse_manual_start || section.refuse_manual_stop,
            Verb::Reload => false,
        };
        if refused {
            return Err(Refusal::OnlyByDependency(name));
        }
        if verb == Verb::RestartOverlap
            && unit.active_state().is_active_or_reloading()
            && let Some(reason) = self.refuses_overlap(id)
        {
            let text = format!("{name} cannot be restarted with an overlap: {reason}.");
            return Err(Refusal::Invalid(text));
        }
        let idle = unit.active_state() == ActiveState::Inactive;
        match (verb, unit.config.load) {
            (Verb::Stop, LoadState::NotFound | LoadState::Error | LoadState::BadSetting)
                if idle =>
            {
                Err(Refusal::NotLoaded(name))
            }
            (_, _) => Ok(()),
        }
    }

    /// A signal somebody asked for. That there is nobody to get it is an error only for one who
    /// asked for the main or the control process.
    pub(super) fn kill(
        &mut self,
        name: &UnitName,
        whom: KillWhom,
        signal: Signal,
    ) -> Result<(), Refusal> {
        let unit = self.graph.find(name.as_str());
        let unit = unit.ok_or_else(|| Refusal::NotLoaded(name.to_string()))?;
        let (main, control) = match &self.graph.get(unit).machine {
            Machine::Service(service) => (service.main_process(), service.control_process()),
            Machine::Socket(socket) => (None, socket.control_process()),
            Machine::Scope(_) => (None, None),
            Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => {
                return Err(Refusal::NoProcess(format!("Unit {name} has no processes.")));
            }
        };
        let (processes, group_signal, which) = match whom {
            KillWhom::Main => (main.into_iter().collect::<Vec<_>>(), None, "main"),
            KillWhom::Control => (control.into_iter().collect(), None, "control"),
            KillWhom::All => (main.into_iter().chain(control).collect(), Some(signal), ""),
        };
        if processes.is_empty() && group_signal.is_none() {
            return Err(Refusal::NoProcess(format!(
                "Unit {name} has no {which} process to signal."
            )));
        }
        let order = self.numbers.order();
        self.foreign_orders.insert(order);
        self.effects.push_back(Effect::Kill(KillOrder {
            unit,
            order,
            processes,
            signal,
            group_signal,
            generation: None,
            resume: false,
            hangup: false,
        }));
        Ok(())
    }

    /// Forgets failures and counted starts.
    pub(super) fn reset_failed(&mut self, name: Option<&UnitName>) -> Result<(), Refusal> {
        let units: Vec<UnitId> = match name {
            Some(name) => vec![
                self.graph
                    .find(name.as_str())
                    .ok_or_else(|| Refusal::NotLoaded(name.to_string()))?,
            ],
            None => self.graph.iter().map(|unit| unit.id).collect(),
        };
        for id in units {
            let unit = self.graph.get_mut(id);
            unit.start_limit.clear();
            unit.start_limit_hit = false;
            self.with_service(id, |service, cx| service.reset_failed(cx));
            self.with_socket(id, |socket, cx| socket.reset_failed(cx));
            self.with_scope(id, |scope, cx| scope.reset_failed(cx));
            self.with_timer(id, |timer, cx| timer.reset_failed(cx));
            self.with_path(id, |path, cx| path.reset_failed(cx));
            self.effects.push_back(Effect::Changed { unit: id });
        }
        Ok(())
    }
}
