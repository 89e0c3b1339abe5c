//! The end of a run: dead, failed, or waiting for the automatic restart.

use super::machine::{Service, log, settings};
use super::{Context, Told, restart};
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::state::{ActiveState, JobKind, ServiceResult, ServiceState};
use crate::unit::config::{PreserveMode, RestartMode};

impl Service {
    /// Ends the run. A restart shows dead or failed first and then waits (checklist row M18):
    /// those two states of their own keep OnFailure= from firing. RestartMode=direct leaves them
    /// out.
    pub(super) fn enter_dead(
        &mut self,
        cx: &mut Context<'_>,
        result: ServiceResult,
        allow_restart: bool,
    ) {
        self.note_result(result);
        *self.ends.entry(self.result).or_default() += 1;
        let failed = self.is_failure();
        let restart = allow_restart && self.shall_restart(cx);
        self.log_end(cx, failed);
        self.forget_bus(cx);
        if restart {
            match settings(cx).restart_mode {
                RestartMode::Direct => {}
                RestartMode::Normal | RestartMode::Debug if failed => {
                    self.set_state(cx, ServiceState::FailedBeforeAutoRestart);
                }
                RestartMode::Normal | RestartMode::Debug => {
                    self.set_state(cx, ServiceState::DeadBeforeAutoRestart);
                }
            }
            let ran = self
                .active_since
                .map_or(0, |since| cx.now.monotonic.saturating_sub(since));
            if ran >= cx.config.procmgr.backoff_reset.as_micros() {
                self.backoff = 0;
            }
            self.set_state(cx, ServiceState::AutoRestart);
            let delay = restart::delay(settings(cx), self.restarts, self.backoff);
            self.arm(cx, delay);
        } else {
            self.flush_restarts = true;
            self.set_state(cx, self.end_state());
        }
        self.clean_up(cx, restart);
    }

    fn is_failure(&self) -> bool {
        match self.result {
            ServiceResult::Success | ServiceResult::ExecCondition => false,
            ServiceResult::Resources
            | ServiceResult::Protocol
            | ServiceResult::Timeout
            | ServiceResult::ExitCode
            | ServiceResult::Signal
            | ServiceResult::CoreDump
            | ServiceResult::Watchdog
            | ServiceResult::Probe
            | ServiceResult::StartLimitHit
            | ServiceResult::OomKill => true,
        }
    }

    fn end_state(&self) -> ServiceState {
        if self.is_failure() {
            ServiceState::Failed
        } else {
            ServiceState::Dead
        }
    }

    fn shall_restart(&self, cx: &Context<'_>) -> bool {
        // A stop that waits in the queue must not be undone before it has run.
        let unwanted = self.forbid_restart || cx.shutting_down || cx.job == Some(JobKind::Stop);
        !unwanted && restart::is_due(settings(cx), self.result, self.main_record.status)
    }

    /// Whom a change from `from` to the present state is told. With RestartMode=direct nobody
    /// hears of an end that leads to a restart; whether it does is known for certain only when
    /// the restart waits, so those who were not told are told late if there is none.
    pub(super) fn told_of(&self, cx: &Context<'_>, from: ServiceState) -> Told {
        if settings(cx).restart_mode != RestartMode::Direct {
            return Told::AsAlways;
        }
        let deactivating = |state: ServiceState| state.active_state() == ActiveState::Deactivating;
        if deactivating(self.state) && self.shall_restart(cx) {
            Told::Nobody
        } else if deactivating(from) && self.state.active_state().is_inactive_or_failed() {
            Told::Late
        } else {
            Told::AsAlways
        }
    }

    fn log_end(&self, cx: &mut Context<'_>, failed: bool) {
        let result = self.result.as_str();
        if failed {
            log(
                cx,
                LogLevel::Warning,
                format!("failed with result '{result}'"),
            );
        } else if self.result == ServiceResult::ExecCondition {
            log(cx, LogLevel::Info, "skipped: ExecCondition= said no");
        } else {
            log(cx, LogLevel::Debug, "ended");
        }
    }

    /// Removes what outlives the processes (checklist row M13).
    fn clean_up(&mut self, cx: &mut Context<'_>, restart: bool) {
        let again = restart || matches!(cx.job, Some(JobKind::Start | JobKind::Restart));
        let runtime_directories = match settings(cx).exec.runtime_directory_preserve {
            PreserveMode::No => true,
            PreserveMode::Restart => !again,
            PreserveMode::Yes => false,
        };
        cx.out.effects.push(Effect::CleanUp {
            unit: cx.unit,
            runtime_directories,
        });
    }

    /// The wait for the automatic restart is over: asks for the job that carries it out.
    pub(super) fn restart_due(&mut self, cx: &mut Context<'_>) {
        if cx.shutting_down {
            self.cancel_restart(cx);
            return;
        }
        if cx.job == Some(JobKind::Stop) {
            // The stop job ends the wait when it runs, or the job that takes its place does.
            self.set_state(cx, ServiceState::AutoRestartQueued);
            return;
        }
        self.restarts = self.restarts.saturating_add(1);
        self.backoff = self.backoff.saturating_add(1);
        self.flush_restarts = false;
        self.debugging = settings(cx).restart_mode == RestartMode::Debug;
        self.set_state(cx, ServiceState::AutoRestartQueued);
        log(
            cx,
            LogLevel::Info,
            format!("automatic restart, number {}", self.restarts),
        );
        cx.out.restart_due = true;
    }

    /// The stop that a restart had to wait for was called off, and no other job has come that
    /// starts the service or stops it: the restart is due again. Does nothing in any state but
    /// `auto-restart-queued`.
    pub fn resume_restart(&mut self, cx: &mut Context<'_>) {
        if self.state == ServiceState::AutoRestartQueued {
            self.restart_due(cx);
        }
    }

    /// Gives up waiting for the restart; the result of the last run stays to be seen, the unit
    /// is dead all the same, for that is what was asked for (checklist row J9).
    pub(super) fn cancel_restart(&mut self, cx: &mut Context<'_>) {
        self.flush_restarts = true;
        self.set_state(cx, ServiceState::Dead);
        // RuntimeDirectoryPreserve=restart kept the directories for a restart that never comes.
        self.clean_up(cx, false);
    }

    /// The restart that was asked for cannot be carried out (its job was refused, or ended
    /// without [`Service::start`] being called). Does nothing in any state but
    /// `auto-restart-queued`.
    pub fn give_up_restart(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        if self.state == ServiceState::AutoRestartQueued {
            self.enter_dead(cx, result, false);
        }
    }

    /// The start limit forbids the start (checklist row M17): failed, keeping the earlier
    /// failure as result if there is one.
    pub fn start_limit_hit(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, ServiceResult::StartLimitHit, false);
    }

    /// Forgets failures and the count of restarts.
    pub fn reset_failed(&mut self, cx: &mut Context<'_>) {
        if self.state == ServiceState::Failed {
            self.set_state(cx, ServiceState::Dead);
        }
        self.result = ServiceResult::Success;
        self.reload_result = ServiceResult::Success;
        self.restarts = 0;
        self.backoff = 0;
        self.flush_restarts = false;
        super::machine::changed(cx);
    }
}
