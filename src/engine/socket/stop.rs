//! Going down: ExecStopPre=, closing, ExecStopPost=, and the signals for commands that hang.

use super::facts::KillStage;
use super::machine::Socket;
use super::{Context, Wanted};
use crate::engine::effect::{Effect, KillOrder, LogLevel};
use crate::engine::service::NotNow;
use crate::engine::state::{SocketPhase as Phase, SocketResult, SocketState};
use crate::unit::config::{CommandKind, KillMode, PreserveMode};
use crate::unit::value::{Signal, TimeSpan};

impl Socket {
    /// Runs a stop job, or the stopping half of a restart job. The service goes on (K7).
    ///
    /// # Errors
    /// [`NotNow::Already`] if it is down.
    pub fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        match self.state.phase() {
            Phase::Rest => return Err(NotNow::Already),
            Phase::Start => {
                self.enter_signal(cx, KillStage::StopPreSigterm, SocketResult::Success);
            }
            Phase::Up => self.enter_stop_pre(cx, SocketResult::Success),
            Phase::Stop | Phase::Final => {}
        }
        Ok(())
    }

    /// ExecStopPre=.
    pub(super) fn enter_stop_pre(&mut self, cx: &mut Context<'_>, result: SocketResult) {
        self.note_result(result);
        if self.enter_commands(cx, CommandKind::StopPre, SocketState::StopPre) {
            return;
        }
        self.enter_stop_post(cx, SocketResult::Success);
    }

    /// The sockets go; ExecStopPost=.
    pub(super) fn enter_stop_post(&mut self, cx: &mut Context<'_>, result: SocketResult) {
        self.note_result(result);
        if self.enter_commands(cx, CommandKind::StopPost, SocketState::StopPost) {
            return;
        }
        self.enter_signal(cx, KillStage::FinalSigterm, SocketResult::Success);
    }

    /// Signals what is left of the commands, or goes on where nothing is.
    pub(super) fn enter_signal(
        &mut self,
        cx: &mut Context<'_>,
        stage: KillStage,
        result: SocketResult,
    ) {
        self.note_result(result);
        match self.kill_order(cx, stage) {
            Some(order) => {
                self.set_state(cx, stage.state());
                self.order = Some(order.order);
                self.arm(cx, cx.settings().timeout);
                cx.out.effects.push(Effect::Kill(order));
            }
            None => self.stage_over(cx, stage),
        }
    }

    fn kill_order(&self, cx: &mut Context<'_>, stage: KillStage) -> Option<KillOrder> {
        let kill = &cx.settings().kill;
        let processes: Vec<_> = self.control.iter().map(|process| process.id).collect();
        let reaches_group = match kill.mode {
            KillMode::ControlGroup => true,
            KillMode::Mixed => stage.is_kill(),
            KillMode::Process => false,
            KillMode::None => return None,
        };
        let group = self.may_be_populated() && reaches_group;
        if processes.is_empty() && !group {
            return None;
        }
        let signal = if stage.is_kill() {
            kill.final_signal
        } else {
            kill.signal
        };
        Some(KillOrder {
            unit: cx.unit,
            order: cx.numbers.order(),
            processes,
            signal,
            group_signal: group.then_some(signal),
            generation: None,
            resume: signal != Signal::KILL && signal != Signal::CONT,
            hangup: kill.send_sighup && !stage.is_kill() && signal != Signal::HUP,
        })
    }

    /// Takes in the answer to a kill order: whether anybody was there to be waited for.
    pub fn on_killed(&mut self, cx: &mut Context<'_>, order: u64, remaining: bool) {
        if self.order != Some(order) {
            return;
        }
        self.order = None;
        if remaining || self.control.is_some() {
            return;
        }
        if let Some(stage) = KillStage::of(self.state) {
            self.stage_over(cx, stage);
        }
    }

    /// Goes on behind a stage that has nobody (left) to wait for.
    pub(super) fn stage_over(&mut self, cx: &mut Context<'_>, stage: KillStage) {
        let kill_too = cx.settings().kill.send_sigkill;
        let fine = SocketResult::Success;
        match stage {
            // The signal may have gone to the command alone (KillMode=mixed).
            KillStage::StopPreSigterm if kill_too => {
                self.enter_signal(cx, KillStage::StopPreSigkill, fine);
            }
            KillStage::StopPreSigterm | KillStage::StopPreSigkill => {
                self.enter_stop_post(cx, fine);
            }
            KillStage::FinalSigterm if kill_too => {
                self.enter_signal(cx, KillStage::FinalSigkill, fine);
            }
            KillStage::FinalSigterm | KillStage::FinalSigkill => self.enter_dead(cx, fine),
        }
    }

    /// The end: dead or failed; with PauseSec= not for ever.
    pub(super) fn enter_dead(&mut self, cx: &mut Context<'_>, result: SocketResult) {
        self.note_result(result);
        let result = self.result;
        if result == SocketResult::Success {
            self.set_state(cx, SocketState::Dead);
        } else {
            let text = format!("failed with result '{}'", result.as_str());
            cx.log(LogLevel::Warning, text);
            self.set_state(cx, SocketState::Failed);
            self.pause(cx);
        }
        cx.out.effects.push(Effect::CleanUp {
            unit: cx.unit,
            runtime_directories: cx.settings().exec.runtime_directory_preserve == PreserveMode::No,
        });
    }

    /// PauseSec=: a socket that failed because its service cannot be started listens again
    /// after that time.
    fn pause(&mut self, cx: &mut Context<'_>) {
        let pause = cx.settings().pause;
        let of_service = match self.result {
            SocketResult::TriggerLimitHit
            | SocketResult::ServiceStartLimitHit
            | SocketResult::StartLimitHit => true,
            SocketResult::Success
            | SocketResult::Resources
            | SocketResult::Timeout
            | SocketResult::ExitCode
            | SocketResult::Signal
            | SocketResult::CoreDump => false,
        };
        if !of_service || pause.is_infinite() {
            return;
        }
        cx.log(
            LogLevel::Notice,
            format!("listens again in {pause} (PauseSec=)"),
        );
        self.arm(cx, pause.max(TimeSpan::from_millis(1)));
    }

    /// When [`Socket::on_elapsed`] is due, on the monotonic clock in microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.timer
    }

    /// Takes in that time has passed.
    pub fn on_elapsed(&mut self, cx: &mut Context<'_>) {
        if self.timer.is_none_or(|due| due > cx.now.monotonic) {
            return;
        }
        self.timer = None;
        let timeout = SocketResult::Timeout;
        let kill_too = cx.settings().kill.send_sigkill;
        match self.state {
            SocketState::StartPre => {
                cx.log(LogLevel::Warning, "ExecStartPre= timed out");
                self.enter_signal(cx, KillStage::FinalSigterm, timeout);
            }
            SocketState::StartChown | SocketState::StartPost => {
                cx.log(LogLevel::Warning, "the start timed out");
                self.enter_stop_pre(cx, timeout);
            }
            SocketState::StopPre => {
                cx.log(LogLevel::Warning, "ExecStopPre= timed out");
                self.enter_signal(cx, KillStage::StopPreSigterm, timeout);
            }
            SocketState::StopPreSigterm if kill_too => {
                self.enter_signal(cx, KillStage::StopPreSigkill, timeout);
            }
            SocketState::StopPreSigterm | SocketState::StopPreSigkill => {
                self.control = None;
                self.enter_stop_post(cx, timeout);
            }
            SocketState::StopPost => {
                cx.log(LogLevel::Warning, "ExecStopPost= timed out");
                self.enter_signal(cx, KillStage::FinalSigterm, timeout);
            }
            SocketState::FinalSigterm if kill_too => {
                self.enter_signal(cx, KillStage::FinalSigkill, timeout);
            }
            SocketState::FinalSigterm | SocketState::FinalSigkill => {
                self.enter_dead(cx, timeout);
            }
            // PollLimitIntervalSec= has passed.
            SocketState::Listening => {
                self.drop_client(cx);
                self.watch(cx);
            }
            SocketState::Failed => cx.out.wanted.push(Wanted::Itself),
            SocketState::Dead | SocketState::Running => {}
        }
    }

    /// Takes in that no process is left in the unit's group.
    pub fn on_group_empty(&mut self, cx: &mut Context<'_>) {
        self.populated = false;
        if self.control.is_some() {
            return;
        }
        if let Some(stage) = KillStage::of(self.state) {
            self.stage_over(cx, stage);
        }
    }

    /// Forgets a failure.
    pub fn reset_failed(&mut self, cx: &mut Context<'_>) {
        if self.state == SocketState::Failed {
            self.set_state(cx, SocketState::Dead);
        }
        self.result = SocketResult::Success;
        cx.changed();
    }
}
