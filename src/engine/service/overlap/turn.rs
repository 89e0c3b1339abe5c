//! The new generation is ready and takes the place of the old one, or is given up.

use super::super::Context;
use super::super::facts::KillStage;
use super::super::machine::{Service, changed, deadline_after, log, settings};
use super::super::notify::Announced;
use super::super::process::{Main, MainRecord};
use super::Stage;
use crate::engine::effect::LogLevel;
use crate::engine::event::Notification;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::CommandKind;

impl Service {
    /// The new generation is ready, but for ExecStartPost=.
    pub(super) fn ready_beside(&mut self, cx: &mut Context<'_>) {
        self.end_probe_beside(cx);
        if let Some(overlap) = &mut self.overlap {
            overlap.stage = Stage::Post;
        }
        if !self.run_beside(cx, CommandKind::StartPost, 0) {
            self.succeed(cx);
        }
    }

    /// The new generation takes over, and the old one is told to stop.
    pub(super) fn succeed(&mut self, cx: &mut Context<'_>) {
        self.take_place(cx);
        let stop = settings(cx).timeout_stop;
        let Some(overlap) = self.overlap.as_mut().filter(|it| it.is_coming()) else {
            // A new reading of its file says that the service is not good like that.
            return;
        };
        overlap.stage = Stage::Stop;
        overlap.timer = deadline_after(cx.now.monotonic, stop);
        self.feed_watchdog(cx);
        let old_runs = self.process_beside().is_some();
        if !(old_runs && self.run_beside(cx, CommandKind::Stop, 0)) {
            self.end_beside(cx);
        }
    }

    /// Makes the new process the main process, and the old one that beside it.
    fn take_place(&mut self, cx: &mut Context<'_>) {
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        let Some(new) = overlap.process.take() else {
            // It has the place of one that has ended.
            return;
        };
        let (pid, since) = (new.pid, overlap.since);
        let said = std::mem::take(&mut overlap.said.fields);
        std::mem::swap(&mut overlap.generation, &mut self.generation);
        match std::mem::replace(&mut self.main, Main::Alive(Box::new(new))) {
            Main::Alive(old) if old.ended.is_none() => overlap.process = Some(*old),
            Main::Alive(_) | Main::Unknown | Main::Gone => {}
        }
        self.main_record = MainRecord {
            pid,
            start: since,
            ..MainRecord::default()
        };
        if pid > 0 {
            self.begin_record((CommandKind::Start, Some(0)), pid, since);
            self.runs += 1;
        }
        self.forget_told(cx);
        self.forget_successor(cx);
        self.hear_anew(cx, &Notification { fields: said });
        let text = match pid {
            0 => "the new process takes over as soon as it is there".to_owned(),
            pid => format!("process {pid} has taken over"),
        };
        log(cx, LogLevel::Info, text);
        self.settle_in(cx);
        changed(cx);
    }

    /// What the old process has said of itself is not true of the new one.
    fn hear_anew(&mut self, cx: &mut Context<'_>, said: &Notification) {
        self.announced = Announced::Nothing;
        self.access_told = None;
        self.watchdog_told = None;
        self.watchdog = None;
        self.status_text.clear();
        self.status_errno = 0;
        self.status_bus_error.clear();
        self.status_varlink_error.clear();
        self.told_access(cx, said);
        self.told_status(said);
        self.told_times(cx, said);
    }

    /// The service is in the state of one that has a main process which does nothing else.
    fn settle_in(&mut self, cx: &mut Context<'_>) {
        match self.state {
            // The old one had ended; or was reloading, and this one has read all anew.
            ServiceState::Exited | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                self.enter_running(cx, ServiceResult::Success);
            }
            // ExecReload= goes on.
            ServiceState::Running | ServiceState::Reload => {}
            // Down, where nothing takes over any more.
            ServiceState::Dead
            | ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::Stop
            | ServiceState::StopWatchdog
            | ServiceState::StopSigterm
            | ServiceState::StopSigkill
            | ServiceState::StopPost
            | ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill
            | ServiceState::Failed
            | ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => {}
        }
    }

    /// The main process has ended. If a new one is on the way, that takes its place, ready or
    /// not; whether it does.
    pub(in crate::engine::service) fn replace_ended(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_being_replaced() || self.process_beside().is_none() {
            return false;
        }
        // How the old one ended is no concern of the run any more.
        self.result = ServiceResult::Success;
        if let Some(overlap) = &mut self.overlap {
            overlap.succeeded = true;
        }
        self.take_place(cx);
        true
    }

    /// The main process has ended. If that was the new one, in the place of an old one that had
    /// ended before, and it was not ready yet, the overlap has failed; what becomes of the service
    /// is decided by how it ended.
    pub(in crate::engine::service) fn successor_ended(&mut self, cx: &mut Context<'_>) {
        let Some(overlap) = self.overlap.as_mut().filter(|it| it.is_in_place()) else {
            return;
        };
        overlap.failure = Some("it ended before it was ready".to_owned());
        self.end_probe_beside(cx);
        self.end_beside(cx);
    }

    /// The new generation is no good: it is removed.
    pub(super) fn fail_beside(
        &mut self,
        cx: &mut Context<'_>,
        reason: &str,
        result: ServiceResult,
    ) {
        self.end_probe_beside(cx);
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        if overlap.succeeded {
            log(
                cx,
                LogLevel::Error,
                format!("the new generation is no good: {reason}"),
            );
            self.enter_signal(cx, KillStage::StopSigterm, result);
            return;
        }
        let text = format!("the new generation is removed: {reason}; the old one goes on");
        log(cx, LogLevel::Error, text);
        overlap.failure = Some(reason.to_owned());
        self.end_beside(cx);
    }
}
