//! From dead to running: ExecCondition=, ExecStartPre=, ExecStart=, ExecStartPost=.

use super::facts::KillStage;
use super::machine::{Service, log, settings};
use super::notify::Announced;
use super::process::{Main, MainRecord};
use super::{Context, NotNow};
use crate::engine::effect::LogLevel;
use crate::engine::ids::Timestamp;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ServiceType};

impl Service {
    /// Runs a start job: conditions hold, the start limit was passed.
    ///
    /// # Errors
    /// [`NotNow::Already`] if it is up; [`NotNow::Again`] while it goes down or waits for its
    /// automatic restart (checklist row J9). `Ok` while it is coming up.
    pub fn start(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        match self.state.phase() {
            Phase::Rest => {
                self.begin(cx);
                Ok(())
            }
            Phase::Pause if self.state == ServiceState::AutoRestartQueued => {
                self.begin(cx);
                Ok(())
            }
            Phase::Prepare | Phase::Start => Ok(()),
            Phase::Up | Phase::Reload => Err(NotNow::Already),
            Phase::Stop | Phase::Final | Phase::Pause => Err(NotNow::Again),
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        if std::mem::take(&mut self.flush_restarts) {
            self.restarts = 0;
            self.backoff = 0;
            self.debugging = false;
        }
        self.result = ServiceResult::Success;
        self.reload_result = ServiceResult::Success;
        // The next end may be nobody's wish.
        self.forbid_restart = false;
        self.fresh = true;
        self.generation = 0;
        self.main = Main::Unknown;
        self.main_record = MainRecord::default();
        self.commands.clear();
        self.watchdog_told = None;
        self.watchdog_fed = Timestamp::default();
        self.access_told = None;
        self.active_since = None;
        self.announced = Announced::Nothing;
        self.status_text.clear();
        self.status_errno = 0;
        self.status_bus_error.clear();
        self.status_varlink_error.clear();
        self.enter_condition(cx);
    }

    fn enter_condition(&mut self, cx: &mut Context<'_>) {
        if self.enter_control(cx, CommandKind::Condition, ServiceState::Condition) {
            return;
        }
        self.enter_start_pre(cx);
    }

    /// ExecStartPre=.
    pub(super) fn enter_start_pre(&mut self, cx: &mut Context<'_>) {
        if self.enter_control(cx, CommandKind::StartPre, ServiceState::StartPre) {
            return;
        }
        self.enter_start(cx);
    }

    /// Enters the state of a start stage with its first command, if it has one.
    fn enter_control(
        &mut self,
        cx: &mut Context<'_>,
        kind: CommandKind,
        state: ServiceState,
    ) -> bool {
        if settings(cx).commands.get(kind).is_empty() {
            return false;
        }
        self.set_state(cx, state);
        self.run_control(cx, kind, 0, settings(cx).timeout_start)
    }

    /// ExecStart=.
    pub(super) fn enter_start(&mut self, cx: &mut Context<'_>) {
        self.control = None;
        self.set_state(cx, ServiceState::Start);
        if !self.wait_for_bus(cx) {
            self.run_start(cx);
        }
    }

    /// Orders the first command of ExecStart=.
    pub(super) fn run_start(&mut self, cx: &mut Context<'_>) {
        let config = settings(cx);
        // Simple services get it too: making the process may hang in the host.
        let timeout = config.timeout_start;
        let started = match config.service_type {
            ServiceType::Forking => self.run_control(cx, CommandKind::Start, 0, timeout),
            ServiceType::Simple
            | ServiceType::Exec
            | ServiceType::Oneshot
            | ServiceType::Dbus
            | ServiceType::Notify
            | ServiceType::NotifyReload => self.run_main(cx, 0, timeout),
            ServiceType::Idle => self.hold_main(cx),
        };
        if started {
            return;
        }
        if config.service_type == ServiceType::Oneshot {
            self.main = Main::Gone;
            self.enter_start_post(cx);
        } else {
            // Only a daemon-reload in the middle of a start can take the command away.
            log(cx, LogLevel::Error, "not started: there is no ExecStart=");
            self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Resources);
        }
    }

    /// ExecStartPost=, once the service is ready in the sense of its type (row M1).
    pub(super) fn enter_start_post(&mut self, cx: &mut Context<'_>) {
        self.control = None;
        self.feed_watchdog(cx);
        if settings(cx).commands.get(CommandKind::StartPost).is_empty() {
            self.enter_running(cx, ServiceResult::Success);
            return;
        }
        self.set_state(cx, ServiceState::StartPost);
        self.run_control(cx, CommandKind::StartPost, 0, settings(cx).timeout_start);
    }
}
