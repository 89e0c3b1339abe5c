//! Time: what happens when a state lasts too long, and the watchdog.

use super::Context;
use super::facts::{self, KillStage};
use super::machine::{Service, deadline_after, log, settings};
use crate::engine::effect::LogLevel;
use crate::engine::random;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::TimeoutFailure;
use crate::unit::value::TimeSpan;

/// The stages before ExecStopPost=, or those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Half {
    terminate: KillStage,
    abort: KillStage,
    kill: KillStage,
}

const STOPPING: Half = Half {
    terminate: KillStage::StopSigterm,
    abort: KillStage::StopWatchdog,
    kill: KillStage::StopSigkill,
};

const FINAL: Half = Half {
    terminate: KillStage::FinalSigterm,
    abort: KillStage::FinalWatchdog,
    kill: KillStage::FinalSigkill,
};

impl Service {
    /// When [`Service::on_elapsed`] is due, on the monotonic clock in microseconds.
    pub fn deadline(&self) -> Option<u64> {
        let others = [self.timer, self.watchdog, self.held];
        let all = others
            .into_iter()
            .chain([self.probing.deadline(), self.overlap_deadline()]);
        all.flatten().min()
    }

    /// Takes in that time has passed. Harmless when nothing is due.
    pub fn on_elapsed(&mut self, cx: &mut Context<'_>) {
        let due = |deadline: Option<u64>| deadline.is_some_and(|d| d <= cx.now.monotonic);
        if due(self.timer) {
            self.timer = None;
            self.timed_out(cx);
        } else if due(self.held) {
            self.release(cx);
        } else if due(self.watchdog) {
            self.watchdog = None;
            log(
                cx,
                LogLevel::Error,
                "the watchdog was not fed in time; ending the service",
            );
            self.enter_signal(cx, KillStage::StopWatchdog, ServiceResult::Watchdog);
        }
        self.overlap_elapsed(cx);
        // Whatever was due besides, unless it has gone with that.
        self.run_probes(cx);
    }

    /// The present state has lasted too long (checklist row M8).
    fn timed_out(&mut self, cx: &mut Context<'_>) {
        debug_assert!(facts::keeps_timer(self.state));
        let timeout = ServiceResult::Timeout;
        match self.state {
            ServiceState::Running => {
                log(cx, LogLevel::Warning, "ran for RuntimeMaxSec=; stopping it");
                self.enter_stop(cx, timeout);
            }
            ServiceState::Stop => {
                self.log_timeout(cx, "ExecStop=");
                self.end_by_failure_mode(cx, settings(cx).timeout_stop_failure, STOPPING);
            }
            ServiceState::StopPost => {
                self.log_timeout(cx, "ExecStopPost=");
                self.end_by_failure_mode(cx, settings(cx).timeout_stop_failure, FINAL);
            }
            ServiceState::StopSigterm => {
                self.log_timeout(cx, "stop");
                self.end_deaf(cx, STOPPING);
            }
            ServiceState::StopWatchdog => {
                self.log_timeout(cx, "abort");
                self.kill_or_go_on(cx, STOPPING);
            }
            ServiceState::StopSigkill => {
                self.log_survivors(cx);
                self.enter_stop_post(cx, timeout);
            }
            ServiceState::FinalSigterm => {
                self.log_timeout(cx, "final stop");
                self.end_deaf(cx, FINAL);
            }
            ServiceState::FinalWatchdog => {
                self.log_timeout(cx, "final abort");
                self.kill_or_go_on(cx, FINAL);
            }
            ServiceState::FinalSigkill => {
                self.log_survivors(cx);
                self.enter_dead(cx, timeout, true);
            }
            ServiceState::AutoRestart => self.restart_due(cx),
            other => match other.phase() {
                Phase::Prepare | Phase::Start => {
                    self.log_timeout(cx, "start");
                    self.end_by_failure_mode(cx, settings(cx).timeout_start_failure, STOPPING);
                }
                Phase::Reload => self.reload_timed_out(cx),
                // Each state of these has its own arm above, or no timer.
                Phase::Rest | Phase::Up | Phase::Stop | Phase::Final | Phase::Pause => {}
            },
        }
    }

    /// TimeoutStartFailureMode= or TimeoutStopFailureMode= decides how it goes on.
    fn end_by_failure_mode(&mut self, cx: &mut Context<'_>, mode: TimeoutFailure, half: Half) {
        let timeout = ServiceResult::Timeout;
        match mode {
            TimeoutFailure::Terminate => self.enter_signal(cx, half.terminate, timeout),
            TimeoutFailure::Abort => self.enter_signal(cx, half.abort, timeout),
            TimeoutFailure::Kill => self.kill_or_go_on(cx, half),
        }
    }

    /// KillSignal= was not enough.
    fn end_deaf(&mut self, cx: &mut Context<'_>, half: Half) {
        match settings(cx).timeout_stop_failure {
            TimeoutFailure::Abort => self.enter_signal(cx, half.abort, ServiceResult::Timeout),
            TimeoutFailure::Terminate | TimeoutFailure::Kill => self.kill_or_go_on(cx, half),
        }
    }

    /// The last signal, unless SendSIGKILL= forbids it.
    fn kill_or_go_on(&mut self, cx: &mut Context<'_>, half: Half) {
        let timeout = ServiceResult::Timeout;
        if settings(cx).kill.send_sigkill {
            self.enter_signal(cx, half.kill, timeout);
        } else if half == STOPPING {
            self.enter_stop_post(cx, timeout);
        } else {
            self.enter_dead(cx, timeout, false);
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
        self.watchdog_fed = cx.now;
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

/// What chance adds to RuntimeMaxSec= this time (RuntimeRandomizedExtraSec=).
pub(super) fn random_extra(cx: &mut Context<'_>) -> TimeSpan {
    match settings(cx).runtime_random_extra {
        TimeSpan::ZERO => TimeSpan::ZERO,
        most => TimeSpan(random::up_to(cx.random, most.as_micros())),
    }
}
