//! Time: what happens when a state lasts too long, and the watchdog.

use super::Context;
use super::facts::{self, KillStage};
use super::machine::{Service, deadline_after, log, settings};
use crate::engine::effect::LogLevel;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::value::TimeSpan;

impl Service {
    /// When [`Service::on_elapsed`] is due, on the monotonic clock in microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.timer.into_iter().chain(self.watchdog).min()
    }

    /// Takes in that time has passed. Harmless when nothing is due.
    pub fn on_elapsed(&mut self, cx: &mut Context<'_>) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|d| d <= cx.now.monotonic);
        if due(self.timer) {
            self.timer = None;
            self.timed_out(cx);
        } else if due(self.watchdog) {
            self.watchdog = None;
            log(
                cx,
                LogLevel::Error,
                "the watchdog was not fed in time; ending the service",
            );
            self.enter_signal(cx, KillStage::StopWatchdog, ServiceResult::Watchdog);
        }
    }

    /// The present state has lasted too long (checklist row M8).
    fn timed_out(&mut self, cx: &mut Context<'_>) {
        let timeout = ServiceResult::Timeout;
        match self.state {
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost => {
                self.log_timeout(cx, "start");
                self.enter_signal(cx, KillStage::StopSigterm, timeout);
            }
            ServiceState::Running => {
                log(cx, LogLevel::Warning, "ran for RuntimeMaxSec=; stopping it");
                self.enter_stop(cx, timeout);
            }
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                self.reload_timed_out(cx);
            }
            ServiceState::Stop => {
                self.log_timeout(cx, "ExecStop=");
                self.enter_signal(cx, KillStage::StopSigterm, timeout);
            }
            ServiceState::StopPost => {
                self.log_timeout(cx, "ExecStopPost=");
                self.enter_signal(cx, KillStage::FinalSigterm, timeout);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm => {
                self.log_timeout(cx, "stop");
                if settings(cx).kill.send_sigkill {
                    self.enter_signal(cx, KillStage::StopSigkill, timeout);
                } else {
                    self.enter_stop_post(cx, timeout);
                }
            }
            ServiceState::StopSigkill => {
                self.log_survivors(cx);
                self.enter_stop_post(cx, timeout);
            }
            ServiceState::FinalWatchdog | ServiceState::FinalSigterm => {
                self.log_timeout(cx, "final stop");
                if settings(cx).kill.send_sigkill {
                    self.enter_signal(cx, KillStage::FinalSigkill, timeout);
                } else {
                    self.enter_dead(cx, timeout, false);
                }
            }
            ServiceState::FinalSigkill => {
                self.log_survivors(cx);
                self.enter_dead(cx, timeout, true);
            }
            ServiceState::AutoRestart => self.restart_due(cx),
            // No timer runs in these states.
            ServiceState::Dead
            | ServiceState::Exited
            | ServiceState::Failed
            | ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestartQueued => debug_assert!(!facts::keeps_timer(self.state)),
        }
    }

    fn log_timeout(&self, cx: &mut Context<'_>, what: &str) {
        log(cx, LogLevel::Warning, format!("{what} timed out"));
    }

    fn log_survivors(&self, cx: &mut Context<'_>) {
        log(
            cx,
            LogLevel::Error,
            "processes are still there after the last signal; not waiting any longer",
        );
    }

    /// WatchdogSec=, or what the service set instead.
    pub(super) fn watchdog_interval(&self, cx: &Context<'_>) -> TimeSpan {
        self.watchdog_told.unwrap_or(settings(cx).watchdog)
    }

    /// The service has shown that it lives, or the watch over it begins.
    pub(super) fn feed_watchdog(&mut self, cx: &Context<'_>) {
        let interval = self.watchdog_interval(cx);
        self.watchdog = if facts::is_up(self.state) && interval > TimeSpan::ZERO {
            deadline_after(cx.now.monotonic, interval)
        } else {
            None
        };
    }

    /// EXTEND_TIMEOUT_USEC=: moves what runs to at least this far from now.
    pub(super) fn extend_timeouts(&mut self, cx: &Context<'_>, span: TimeSpan) {
        // The wait for a restart is no business of a process that was left over.
        if self.state == ServiceState::AutoRestart || span == TimeSpan::ZERO {
            return;
        }
        let Some(extended) = deadline_after(cx.now.monotonic, span) else {
            return;
        };
        for deadline in [&mut self.timer, &mut self.watchdog].into_iter().flatten() {
            *deadline = extended.max(*deadline);
        }
    }
}
