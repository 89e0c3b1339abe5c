//! Reloading: by command, by signal (Type=notify-reload), or because the service says so.

use super::Context;
use super::machine::{Service, log, settings};
use super::notify::Announced;
use crate::engine::effect::{Effect, KillOrder, LogLevel};
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ServiceType};
use crate::unit::value::Signal;

impl Service {
    /// Runs a reload job. Its end is a [`super::Transition`] out of the reloading states.
    /// Only a service in `running` or `exited` can be reloaded; in any other state nothing
    /// happens (the engine lets the job wait or fails it by the unit's active state).
    pub fn reload(&mut self, cx: &mut Context<'_>) {
        match self.state.phase() {
            Phase::Up => self.enter_reload(cx),
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Reload
            | Phase::Stop
            | Phase::Final
            | Phase::Pause => {}
        }
    }

    fn enter_reload(&mut self, cx: &mut Context<'_>) {
        let config = settings(cx);
        self.reload_result = ServiceResult::Success;
        self.reload_begin = cx.now.monotonic;
        let signalled = config.service_type == ServiceType::NotifyReload && self.signal_reload(cx);
        if !config.commands.get(CommandKind::Reload).is_empty() {
            self.set_state(cx, ServiceState::Reload);
            self.run_control(cx, CommandKind::Reload, 0, config.timeout_start);
        } else if signalled {
            self.set_state(cx, ServiceState::ReloadSignal);
            self.arm(cx, config.timeout_start);
        } else {
            // Through the state all the same: the reload job ends when it is left.
            self.set_state(cx, ServiceState::Reload);
            self.enter_running(cx, ServiceResult::Success);
        }
    }

    /// Sends ReloadSignal= to the main process; whether there was one.
    fn signal_reload(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(main) = self.main.running() else {
            return false;
        };
        let process = main.id;
        let order = cx.numbers.order();
        cx.out.effects.push(Effect::Kill(KillOrder {
            unit: cx.unit,
            order,
            processes: vec![process],
            signal: settings(cx).reload_signal,
            group_signal: None,
            generation: None,
            resume: true,
            hangup: false,
        }));
        true
    }

    /// The reload commands are done or cannot go on.
    pub(super) fn reload_over(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        self.reload_result = result;
        self.control = None;
        if result == ServiceResult::Success && self.search_after_reload(cx) {
            return;
        }
        self.finish_reload(cx);
    }

    /// Leaves the reload, or waits for READY=1 if the service says it is still at it.
    pub(super) fn finish_reload(&mut self, cx: &mut Context<'_>) {
        if self.announced == Announced::Reloading {
            self.set_state(cx, ServiceState::ReloadNotify);
        } else {
            self.enter_running(cx, ServiceResult::Success);
        }
    }

    /// RELOADING=1 that nobody asked for.
    pub(super) fn enter_reload_by_notify(&mut self, cx: &mut Context<'_>) {
        self.reload_result = ServiceResult::Success;
        self.set_state(cx, ServiceState::ReloadNotify);
        self.arm(cx, settings(cx).timeout_start);
    }

    /// The reload took too long: only what it started is ended (checklist row M9).
    pub(super) fn reload_timed_out(&mut self, cx: &mut Context<'_>) {
        log(
            cx,
            LogLevel::Warning,
            "reload timed out; the service goes on as it was",
        );
        if let Some(control) = self.control.take() {
            let order = cx.numbers.order();
            cx.out.effects.push(Effect::Kill(KillOrder {
                unit: cx.unit,
                order,
                processes: vec![control.id],
                signal: Signal::KILL,
                group_signal: None,
                generation: None,
                resume: false,
                hangup: false,
            }));
        }
        self.reload_result = ServiceResult::Timeout;
        // What it announced was not kept; believing it again would only start the wait anew.
        if self.announced == Announced::Reloading {
            self.announced = Announced::Nothing;
        }
        self.enter_running(cx, ServiceResult::Success);
    }
}
