//! Going down: ExecStop=, the signals, ExecStopPost=, the last signals.

use super::facts::KillStage;
use super::machine::{Service, settings};
use super::{Context, NotNow};
use crate::engine::effect::{Effect, KillOrder};
use crate::engine::state::{JobKind, ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ExitType, KillMode};
use crate::unit::value::Signal;

impl Service {
    /// Runs a stop job, or the stopping half of a restart job.
    ///
    /// # Errors
    /// [`NotNow::Already`] if it is down.
    pub fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        match self.state.phase() {
            Phase::Rest => return Err(NotNow::Already),
            Phase::Pause => self.cancel_restart(cx),
            // ExecStop= is for services that were up (checklist row J10).
            Phase::Prepare | Phase::Start | Phase::Reload => self.stop_without_command(cx),
            Phase::Stop if self.state == ServiceState::StopWatchdog => {
                self.stop_without_command(cx);
            }
            Phase::Stop | Phase::Final => self.forbid_restart = true,
            Phase::Up => {
                self.forbid_restart = true;
                self.enter_stop(cx, ServiceResult::Success);
            }
        }
        Ok(())
    }

    fn stop_without_command(&mut self, cx: &mut Context<'_>) {
        self.forbid_restart = true;
        self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Success);
    }

    /// ExecStop=.
    pub(super) fn enter_stop(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        self.bury_main(cx);
        self.note_result(result);
        self.control = None;
        let config = settings(cx);
        if config.commands.get(CommandKind::Stop).is_empty() {
            self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Success);
            return;
        }
        self.set_state(cx, ServiceState::Stop);
        self.run_control(cx, CommandKind::Stop, 0, config.timeout_stop);
    }

    /// The service said STOPPING=1: as if it had been sent SIGTERM, without sending it.
    pub(super) fn enter_stop_by_notify(&mut self, cx: &mut Context<'_>) {
        if !self.may_be_populated() && self.main.process().is_none() && self.control.is_none() {
            // The message was slower than the news of the end; no other end is to come.
            self.enter_stop_post(cx, ServiceResult::Success);
            return;
        }
        self.set_state(cx, ServiceState::StopSigterm);
        self.arm(cx, settings(cx).timeout_stop);
    }

    /// Signals what is left of the service and waits for it; a stage that reaches nobody is
    /// over at once.
    pub(super) fn enter_signal(
        &mut self,
        cx: &mut Context<'_>,
        stage: KillStage,
        result: ServiceResult,
    ) {
        self.bury_main(cx);
        self.note_result(result);
        let Some(order) = self.kill_order(cx, stage) else {
            self.stage_over(cx, stage);
            return;
        };
        self.set_state(cx, stage.state());
        self.arm(cx, stage.timeout(settings(cx)));
        self.order = Some(order.order);
        cx.out.effects.push(Effect::Kill(order));
    }

    /// The order of a stage (checklist row M11), `None` if there is nobody to signal.
    fn kill_order(&self, cx: &mut Context<'_>, stage: KillStage) -> Option<KillOrder> {
        let kill = &settings(cx).kill;
        if kill.mode == KillMode::None {
            return None;
        }
        let processes = self.processes();
        let group = self.may_be_populated() && stage.reaches_group(kill.mode);
        if processes.is_empty() && !group {
            return None;
        }
        let signal = stage_signal(cx, stage);
        // A restart uses its own signal and gets no SIGHUP behind it.
        let asks = match stage {
            KillStage::StopSigterm => cx.job != Some(JobKind::Restart),
            KillStage::FinalSigterm => true,
            KillStage::StopWatchdog
            | KillStage::FinalWatchdog
            | KillStage::StopSigkill
            | KillStage::FinalSigkill => false,
        };
        Some(KillOrder {
            unit: cx.unit,
            order: cx.numbers.order(),
            processes,
            signal,
            group_signal: group.then_some(signal),
            generation: None,
            resume: signal != Signal::KILL && signal != Signal::CONT,
            hangup: kill.send_sighup && asks && signal != Signal::HUP,
        })
    }

    /// Takes in the answer to a kill order: whether anybody was there to be waited for.
    pub fn on_killed(&mut self, cx: &mut Context<'_>, order: u64, remaining: bool) {
        if self.killed_beside(cx, order, remaining) || self.order != Some(order) {
            return;
        }
        self.order = None;
        let Some(stage) = KillStage::of(self.state) else {
            return;
        };
        // A process on the books will still be reported as ended, or as never made; its status
        // belongs to the result, so that report is waited for.
        if remaining || !self.processes().is_empty() {
            return;
        }
        if stage.reaches_group(settings(cx).kill.mode) {
            self.populated = false;
        }
        self.stage_over(cx, stage);
    }

    /// Goes on behind a stage that has nobody (left) to wait for.
    fn stage_over(&mut self, cx: &mut Context<'_>, stage: KillStage) {
        let kill_too = settings(cx).kill.send_sigkill;
        let fine = ServiceResult::Success;
        match stage {
            // Signals may have gone to main and control only (KillMode=mixed); the next stage
            // reaches the others.
            KillStage::StopWatchdog | KillStage::StopSigterm if kill_too => {
                self.enter_signal(cx, KillStage::StopSigkill, fine);
            }
            KillStage::StopWatchdog | KillStage::StopSigterm | KillStage::StopSigkill => {
                self.enter_stop_post(cx, fine);
            }
            KillStage::FinalWatchdog | KillStage::FinalSigterm if kill_too => {
                self.enter_signal(cx, KillStage::FinalSigkill, fine);
            }
            KillStage::FinalWatchdog | KillStage::FinalSigterm | KillStage::FinalSigkill => {
                self.enter_dead(cx, fine, true);
            }
        }
    }

    /// Main and control process are gone in one of the last stages. Others that have heard no
    /// SIGKILL yet are waited for, so that none is left behind unless the settings say so.
    pub(super) fn final_process_gone(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        let kill = &settings(cx).kill;
        let others = match kill.mode {
            KillMode::ControlGroup | KillMode::Mixed => {
                self.may_be_populated() && kill.send_sigkill
            }
            KillMode::Process | KillMode::None => false,
        };
        match KillStage::of(self.state) {
            Some(stage) if others && !stage.is_kill() => {
                self.note_result(result);
                if !stage.reaches_group(kill.mode) {
                    self.stage_over(cx, stage);
                }
            }
            Some(_) | None => self.enter_dead(cx, result, true),
        }
    }

    /// ExecStopPost=; others of the group may be alive still (checklist row M12).
    pub(super) fn enter_stop_post(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        self.note_result(result);
        self.control = None;
        let config = settings(cx);
        if config.commands.get(CommandKind::StopPost).is_empty() {
            self.enter_signal(cx, KillStage::FinalSigterm, ServiceResult::Success);
            return;
        }
        self.set_state(cx, ServiceState::StopPost);
        self.run_control(cx, CommandKind::StopPost, 0, config.timeout_stop);
    }

    /// Takes in that no process is left in the unit's group. Where main or control process are
    /// known, their own ends say more and are waited for.
    pub fn on_group_empty(&mut self, cx: &mut Context<'_>) {
        self.populated = false;
        let beside = !self.nobody_beside();
        if self.main.process().is_some() || self.control.is_some() || beside {
            return;
        }
        let fine = ServiceResult::Success;
        match self.state.phase() {
            Phase::Start => self.nobody_left_to_start(cx),
            Phase::Up if self.state == ServiceState::Running => self.enter_running(cx, fine),
            Phase::Reload
                if self.state != ServiceState::Reload
                    && settings(cx).exit_type == ExitType::Cgroup =>
            {
                self.enter_running(cx, fine);
            }
            Phase::Stop if self.state != ServiceState::Stop => self.enter_stop_post(cx, fine),
            Phase::Final => self.enter_dead(cx, fine, true),
            // Before a main process there is only the control process; a reload ends by its
            // command, its message or its timeout; ExecStop= by its own end.
            Phase::Prepare
            | Phase::Up
            | Phase::Reload
            | Phase::Stop
            | Phase::Rest
            | Phase::Pause => {}
        }
    }
}

/// What a stage sends (systemd.kill(5)).
fn stage_signal(cx: &Context<'_>, stage: KillStage) -> Signal {
    let kill = &settings(cx).kill;
    match stage {
        KillStage::StopWatchdog | KillStage::FinalWatchdog => kill.watchdog_signal,
        KillStage::StopSigterm if cx.job == Some(JobKind::Restart) => {
            kill.restart_signal.unwrap_or(kill.signal)
        }
        KillStage::StopSigterm | KillStage::FinalSigterm => kill.signal,
        KillStage::StopSigkill | KillStage::FinalSigkill => kill.final_signal,
    }
}
