//! From dead to listening: ExecStartPre=, the sockets, ExecStartPost= (K7, K9).

use super::facts::KillStage;
use super::machine::Socket;
use super::{Context, NotStarted, Wanted};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::event::OpenFailure;
use crate::engine::state::{ServicePhase, SocketPhase as Phase, SocketResult, SocketState};
use crate::unit::config::CommandKind;
use std::sync::Arc;

impl Socket {
    /// Runs a start job: conditions hold, the start limit was passed.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start(&mut self, cx: &mut Context<'_>) -> Result<(), NotStarted> {
        match self.state.phase() {
            Phase::Rest => {}
            Phase::Start => return Ok(()),
            Phase::Up => return Err(NotStarted::Already),
            Phase::Stop | Phase::Final => return Err(NotStarted::Again),
        }
        if cx.activation && !cx.settings().accept {
            may_activate(cx)?;
        }
        self.result = SocketResult::Success;
        self.timer = None;
        self.fresh = true;
        self.commands.clear();
        if cx.activation {
            self.enter_start_pre(cx);
        } else {
            self.be_passive(cx);
        }
        Ok(())
    }

    /// Sockets are not activated here: the service is started at once and opens its own.
    fn be_passive(&mut self, cx: &mut Context<'_>) {
        let text = if cx.settings().accept {
            "socket activation is off in this mode; a service that is started for each connection \
             is not started at all (--sockets=on turns it on)"
        } else {
            "socket activation is off in this mode; the service is started at once and opens its \
             own sockets (--sockets=on turns it on)"
        };
        cx.log(LogLevel::Notice, text);
        self.passive = true;
        self.set_state(cx, SocketState::Running);
        if !cx.settings().accept && !cx.service.up {
            cx.out.wanted.push(Wanted::Service);
        }
    }

    /// ExecStartPre=.
    fn enter_start_pre(&mut self, cx: &mut Context<'_>) {
        if self.enter_commands(cx, CommandKind::StartPre, SocketState::StartPre) {
            return;
        }
        self.enter_start_chown(cx);
    }

    /// Has the sockets made.
    pub(super) fn enter_start_chown(&mut self, cx: &mut Context<'_>) {
        self.control = None;
        self.set_state(cx, SocketState::StartChown);
        let order = cx.numbers.order();
        self.order = Some(order);
        self.open = true;
        // A path may lie on a file system that hangs.
        self.arm(cx, cx.settings().timeout);
        cx.out.effects.push(Effect::OpenSockets {
            unit: cx.unit,
            order,
            config: Arc::clone(cx.config),
        });
    }

    /// Takes in that the sockets are there, or why they are not.
    pub fn on_opened(&mut self, cx: &mut Context<'_>, order: u64, result: Result<(), OpenFailure>) {
        if self.order != Some(order) || self.state != SocketState::StartChown {
            return;
        }
        self.order = None;
        let (result, reason) = match result {
            Ok(()) => {
                self.made = true;
                return self.enter_start_post(cx);
            }
            Err(OpenFailure::Resources(reason)) => (SocketResult::Resources, reason),
            Err(OpenFailure::Owner(reason)) => (SocketResult::ExitCode, reason),
        };
        cx.log(LogLevel::Error, format!("cannot listen: {reason}"));
        self.enter_stop_pre(cx, result);
    }

    /// ExecStartPost=.
    fn enter_start_post(&mut self, cx: &mut Context<'_>) {
        if self.enter_commands(cx, CommandKind::StartPost, SocketState::StartPost) {
            return;
        }
        self.enter_listening(cx);
    }

    /// Where a list of commands of the start has ended, or failed on the way.
    pub(super) fn start_commands_over(&mut self, cx: &mut Context<'_>, result: SocketResult) {
        let fine = result == SocketResult::Success;
        debug_assert_eq!(self.state.phase(), Phase::Start, "a start is going on");
        match (self.state == SocketState::StartPre, fine) {
            (true, true) => self.enter_start_chown(cx),
            (true, false) => self.enter_signal(cx, KillStage::FinalSigterm, result),
            (false, true) => self.enter_listening(cx),
            (false, false) => self.enter_stop_pre(cx, result),
        }
    }

    /// The start limit forbids the start.
    pub fn start_limit_hit(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, SocketResult::StartLimitHit);
    }
}

/// The service has to be there and must not run without the sockets already (K7).
fn may_activate(cx: &mut Context<'_>) -> Result<(), NotStarted> {
    if !cx.service.loaded {
        cx.log(
            LogLevel::Error,
            "not started: the service that it activates is not there",
        );
        return Err(NotStarted::Failed);
    }
    let runs = cx.service.state.is_some_and(|state| match state.phase() {
        ServicePhase::Rest | ServicePhase::Pause => false,
        ServicePhase::Prepare
        | ServicePhase::Start
        | ServicePhase::Up
        | ServicePhase::Reload
        | ServicePhase::Stop
        | ServicePhase::Final => true,
    });
    if runs {
        cx.log(
            LogLevel::Error,
            "not started: the service that it activates is active already",
        );
        return Err(NotStarted::Failed);
    }
    Ok(())
}
