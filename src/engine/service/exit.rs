//! The ends of main and control process, and where the service goes from there.

use super::facts::{self, KillStage};
use super::machine::{Service, changed, log, settings};
use super::process::{Main, Process};
use super::{Context, probes, result};
use crate::engine::effect::LogLevel;
use crate::engine::ids::{ProcessId, Timestamp};
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, NotifyAccess, ServiceType};

impl Service {
    /// Takes in that a process ended. Processes that are not on the books (any more) are
    /// nobody's business here.
    pub fn on_exited(&mut self, cx: &mut Context<'_>, process: ProcessId, status: ProcessStatus) {
        if self.probing.knows(process) {
            return self.probe_ended(cx, process, probes::of_exit(status));
        }
        if self.exited_beside(cx, process, status) {
            return;
        }
        match self.book(process).map(|entry| entry.spawned) {
            Some(true) => {}
            // It was so quick that its end overtook the answer to the order.
            Some(false) => self.on_spawned(cx, process, 0, false),
            None => return,
        }
        if self.is_main(process) {
            self.main_exited(cx, status);
        } else if let Some(control) = self.control.take_if(|control| control.id == process) {
            self.control_exited(cx, control, status);
        }
        changed(cx);
    }

    fn main_exited(&mut self, cx: &mut Context<'_>, status: ProcessStatus) {
        if let Some(main) = self.main.process_mut() {
            main.ended = Some((status, cx.now));
        }
        if !self.wait_for_successor(cx) {
            self.settle_main(cx);
        }
    }

    /// Acts on the end of the main process, if it has ended and nobody took its place.
    pub(super) fn settle_main(&mut self, cx: &mut Context<'_>) {
        let Some((main, outcome)) = self.take_ended_main(cx) else {
            return;
        };
        if self.replace_ended(cx) {
            return;
        }
        self.successor_ended(cx);
        let next = main.index.map(|index| index + 1);
        let oneshot = settings(cx).service_type == ServiceType::Oneshot;
        if let Some(next) = next
            && oneshot
            && outcome == ServiceResult::Success
            && self.state == ServiceState::Start
            && self.run_main(cx, next, settings(cx).timeout_start)
        {
            return;
        }
        let heard = KillStage::of(self.state)
            .is_none_or(|stage| stage.reaches_group(settings(cx).kill.mode));
        if heard && self.others_count(cx) {
            // Not the end of the service; that comes when the group is empty. Those that are
            // not even told to end are not waited for.
            return;
        }
        self.after_main(cx, outcome);
    }

    /// Books the end of a main process that had ended but was kept for a successor to be found:
    /// the service takes another turn now, and there will be none. One that was held back is not
    /// needed any more either.
    pub(super) fn bury_main(&mut self, cx: &mut Context<'_>) {
        if self.held.take().is_some() {
            self.main = Main::Gone;
        }
        let _ = self.take_ended_main(cx);
    }

    fn take_ended_main(&mut self, cx: &mut Context<'_>) -> Option<(Process, ServiceResult)> {
        let (status, when) = self.main.process()?.ended?;
        let Main::Alive(main) = std::mem::replace(&mut self.main, Main::Gone) else {
            return None;
        };
        self.forget_successor(cx);
        self.main_record.exit = when;
        self.main_record.status = Some(status);
        self.end_record(main.kind, main.index, status, when);
        let outcome = self.main_outcome(cx, &main, status);
        self.note_main_result(outcome);
        Some((*main, outcome))
    }

    /// Records why the run ends, unless it does not end with its main process: in `exited` that
    /// one has had its say already.
    pub(super) fn note_main_result(&mut self, result: ServiceResult) {
        if self.state != ServiceState::Exited {
            self.note_result(result);
        }
    }

    /// What the end of a main process counts as. A process that was found stands for the one
    /// command of ExecStart= and shares its `-`.
    fn main_outcome(
        &self,
        cx: &mut Context<'_>,
        main: &Process,
        status: ProcessStatus,
    ) -> ServiceResult {
        let config = settings(cx);
        let outcome = result::of_process(config, CommandKind::Start, status);
        log_exit(cx, "main process", status, outcome);
        let ignored = main.ignores_failure()
            || main.is_found()
                && config
                    .commands
                    .get(CommandKind::Start)
                    .first()
                    .is_some_and(|command| command.ignore_failure);
        if ignored {
            ServiceResult::Success
        } else {
            outcome
        }
    }

    /// Where the service goes when there is no main process any more.
    pub(super) fn after_main(&mut self, cx: &mut Context<'_>, outcome: ServiceResult) {
        debug_assert!(facts::keeps_main(self.state));
        match self.state.phase() {
            Phase::Start if self.state == ServiceState::Start => {
                self.main_ended_in_start(cx, outcome);
            }
            // A command is still at it and decides when it ends; without one nobody would.
            Phase::Start | Phase::Reload => {
                if self.control.is_none() {
                    self.enter_stop(cx, outcome);
                }
            }
            Phase::Up if self.state == ServiceState::Running => self.enter_running(cx, outcome),
            // ExecStop= is at it.
            Phase::Stop if self.state == ServiceState::Stop => {}
            Phase::Stop => {
                if self.control.is_none() && self.nobody_beside() {
                    self.enter_stop_post(cx, outcome);
                }
            }
            Phase::Final if self.state == ServiceState::StopPost => {
                if self.control.is_none() {
                    self.enter_signal(cx, KillStage::FinalSigterm, outcome);
                }
            }
            Phase::Final => {
                if self.control.is_none() && self.nobody_beside() {
                    self.final_process_gone(cx, outcome);
                }
            }
            // It was up without a main process already, or there is none.
            Phase::Up | Phase::Rest | Phase::Prepare | Phase::Pause => {}
        }
    }

    fn main_ended_in_start(&mut self, cx: &mut Context<'_>, outcome: ServiceResult) {
        let config = settings(cx);
        let fine = outcome == ServiceResult::Success;
        match config.service_type {
            ServiceType::Oneshot if fine => self.enter_start_post(cx),
            ServiceType::Oneshot => self.enter_signal(cx, KillStage::StopSigterm, outcome),
            ServiceType::Notify | ServiceType::NotifyReload if !fine => {
                self.enter_signal(cx, KillStage::StopSigterm, outcome);
            }
            ServiceType::Notify | ServiceType::NotifyReload => {
                // It went without saying READY=1 (checklist row M6). Only with RemainAfterExit=
                // may somebody else of the service still say it.
                let hopeless = !config.remain_after_exit
                    || self.access(cx) == NotifyAccess::Main
                    || !self.may_be_populated();
                if hopeless {
                    self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Protocol);
                }
            }
            // The main process of a forking service told by MAINPID= while its parent has not
            // returned: the parent still has its say.
            ServiceType::Forking if self.control.is_some() => {}
            ServiceType::Simple
            | ServiceType::Exec
            | ServiceType::Forking
            | ServiceType::Dbus
            | ServiceType::Idle => self.enter_running(cx, outcome),
        }
    }

    fn control_exited(&mut self, cx: &mut Context<'_>, control: Process, status: ProcessStatus) {
        self.end_record(control.kind, control.index, status, cx.now);
        let mut outcome = result::of_process(settings(cx), control.kind, status);
        log_exit(cx, control.kind.directive(), status, outcome);
        if control.ignores_failure() {
            outcome = ServiceResult::Success;
        }
        if self.state == ServiceState::Condition {
            outcome = condition_outcome(outcome, status);
            cx.out.condition_failed |= outcome == ServiceResult::ExecCondition;
        }
        // A failed reload leaves the service as it is.
        if self.state != ServiceState::Reload {
            self.note_result(outcome);
        }
        let next = control.index.map(|index| index + 1);
        if let Some(next) = next
            && outcome == ServiceResult::Success
            && self.goes_on_with(control.kind)
        {
            let timeout = self.command_timeout(cx);
            if self.run_control(cx, control.kind, next, timeout) {
                return;
            }
        }
        self.after_control(cx, outcome);
    }

    /// Whether the state still is the one in which this list is run; a command that was ordered
    /// to end does not lead on to the next one.
    fn goes_on_with(&self, kind: CommandKind) -> bool {
        match kind {
            CommandKind::Condition => self.state == ServiceState::Condition,
            CommandKind::StartPre => self.state == ServiceState::StartPre,
            // The parent of a forking service: one command only. Services have no ExecStopPre=.
            CommandKind::Start | CommandKind::StopPre => false,
            CommandKind::StartPost => self.state == ServiceState::StartPost,
            CommandKind::Reload => self.state == ServiceState::Reload,
            CommandKind::Stop => self.state == ServiceState::Stop,
            CommandKind::StopPost => self.state == ServiceState::StopPost,
        }
    }

    fn command_timeout(&self, cx: &Context<'_>) -> crate::unit::value::TimeSpan {
        match self.state.phase() {
            Phase::Stop | Phase::Final => settings(cx).timeout_stop,
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Up
            | Phase::Reload
            | Phase::Pause => settings(cx).timeout_start,
        }
    }

    /// Where the service goes when a list of commands has ended, or failed on the way.
    pub(super) fn after_control(&mut self, cx: &mut Context<'_>, outcome: ServiceResult) {
        debug_assert!(facts::keeps_control(self.state));
        let fine = outcome == ServiceResult::Success;
        match self.state {
            ServiceState::Condition if fine => self.enter_start_pre(cx),
            ServiceState::StartPre if fine => self.enter_start(cx),
            ServiceState::Start if fine => self.search_after_start(cx),
            ServiceState::StartPost if fine => self.search_after_start_post(cx),
            ServiceState::Stop => self.enter_signal(cx, KillStage::StopSigterm, outcome),
            ServiceState::StopPost => {
                if self.main.process().is_none() {
                    self.enter_signal(cx, KillStage::FinalSigterm, outcome);
                }
            }
            other => match other.phase() {
                Phase::Prepare | Phase::Start => {
                    self.enter_signal(cx, KillStage::StopSigterm, outcome);
                }
                Phase::Reload => self.reload_over(cx, outcome),
                Phase::Stop => {
                    if self.main.process().is_none() && self.nobody_beside() {
                        self.enter_stop_post(cx, outcome);
                    }
                }
                Phase::Final => {
                    if self.main.process().is_none() && self.nobody_beside() {
                        self.final_process_gone(cx, outcome);
                    }
                }
                Phase::Rest | Phase::Up | Phase::Pause => {}
            },
        }
    }

    fn end_record(
        &mut self,
        kind: CommandKind,
        index: Option<usize>,
        status: ProcessStatus,
        when: Timestamp,
    ) {
        let record = self
            .commands
            .iter_mut()
            .find(|view| view.kind == kind && Some(view.index) == index);
        if let Some(record) = record {
            record.exit = when;
            record.status = Some(status);
        }
    }
}

/// ExecCondition= that exits with 1 to 254 skips the service instead of failing it (row M3).
fn condition_outcome(outcome: ServiceResult, status: ProcessStatus) -> ServiceResult {
    match status {
        ProcessStatus::Exited(1..=254) if outcome == ServiceResult::ExitCode => {
            ServiceResult::ExecCondition
        }
        ProcessStatus::Exited(_)
        | ProcessStatus::Killed(_)
        | ProcessStatus::Dumped(_)
        | ProcessStatus::Unknown => outcome,
    }
}

fn log_exit(cx: &mut Context<'_>, who: &str, status: ProcessStatus, outcome: ServiceResult) {
    let level = if outcome == ServiceResult::Success {
        LogLevel::Debug
    } else {
        LogLevel::Notice
    };
    log(cx, level, format!("{who} {}", result::describe(status)));
}
