//! What a service says through NOTIFY_SOCKET (sd_notify(3)).

use super::Context;
use super::facts::{self, KillStage};
use super::machine::{Service, changed, log, settings};
use crate::engine::effect::LogLevel;
use crate::engine::event::Notification;
use crate::engine::ids::ProcessId;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{NotifyAccess, ServiceType};
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};

/// The longest STATUS= that is kept, in bytes.
const STATUS_MAX: usize = 16 * 1024;

/// What a service last said of its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Announced {
    Nothing,
    Ready,
    Reloading,
    Stopping,
}

impl Service {
    /// Takes in a message of a process of the unit; `sender` is its name if it is or was one
    /// that the engine knows, `pid` its number. Whether it may speak.
    pub fn on_notified(
        &mut self,
        cx: &mut Context<'_>,
        sender: Option<ProcessId>,
        pid: i32,
        message: &Notification,
    ) -> bool {
        if self.notified_beside(cx, sender, pid, message) {
            return true;
        }
        if !self.may_speak(cx, sender, pid) {
            log(
                cx,
                LogLevel::Warning,
                format!("message of process {pid} ignored: NotifyAccess= does not let it speak"),
            );
            return false;
        }
        if let Some(main) = message.get("MAINPID") {
            self.told_main(cx, main, message.get("MAINPIDFDID"));
        }
        self.told_access(cx, message);
        self.told_state(cx, message);
        if message.get("READY") == Some("1") {
            self.ready_successor(cx);
        }
        self.told_status(message);
        self.told_times(cx, message);
        changed(cx);
        true
    }

    /// NotifyAccess=: the main process, the commands too, or everybody in the unit.
    fn may_speak(&self, cx: &Context<'_>, sender: Option<ProcessId>, pid: i32) -> bool {
        let is_main = self
            .main
            .process()
            .is_some_and(|main| Some(main.id) == sender || main.pid != 0 && main.pid == pid);
        let is_control = self
            .control
            .as_ref()
            .is_some_and(|it| Some(it.id) == sender || it.pid != 0 && it.pid == pid);
        match self.access(cx) {
            NotifyAccess::None => false,
            NotifyAccess::Main => is_main,
            NotifyAccess::Exec => is_main || is_control,
            NotifyAccess::All => true,
        }
    }

    /// NotifyAccess=, or what the service set instead (NOTIFYACCESS=, 254).
    pub(super) fn access(&self, cx: &Context<'_>) -> NotifyAccess {
        self.access_told.unwrap_or(settings(cx).notify_access)
    }

    pub(super) fn told_access(&mut self, cx: &mut Context<'_>, message: &Notification) {
        let Some(word) = message.get("NOTIFYACCESS") else {
            return;
        };
        match NotifyAccess::from_word(word) {
            Some(access) => self.access_told = Some(access),
            None => log(
                cx,
                LogLevel::Warning,
                format!("NOTIFYACCESS={word} is none of none, main, exec, all"),
            ),
        }
    }

    fn told_main(&mut self, cx: &mut Context<'_>, value: &str, inode: Option<&str>) {
        match value.parse::<i32>() {
            Ok(pid) if pid > 0 => {
                if facts::is_up(self.state) {
                    let inode = inode.and_then(|inode| inode.parse().ok());
                    self.verify_told_main(cx, pid, inode);
                }
            }
            Ok(_) | Err(_) => log(
                cx,
                LogLevel::Warning,
                format!("MAINPID={value} is not a process number"),
            ),
        }
    }

    /// STOPPING= beats READY= beats RELOADING=.
    fn told_state(&mut self, cx: &mut Context<'_>, message: &Notification) {
        let says = |key| message.get(key) == Some("1");
        if says("STOPPING") {
            self.announced = Announced::Stopping;
            self.told_stopping(cx);
        } else if says("READY") {
            self.announced = Announced::Ready;
            self.told_ready(cx, says("RELOADING") && self.answers_reload(message));
        } else if says("RELOADING") {
            self.announced = Announced::Reloading;
            self.told_reloading(cx, self.answers_reload(message));
        }
    }

    /// Whether RELOADING=1 was said after the reload signal was sent (checklist row M10): the
    /// service has to name the time, or it could mean an earlier reload.
    fn answers_reload(&self, message: &Notification) -> bool {
        message
            .get("MONOTONIC_USEC")
            .and_then(|value| value.parse::<u64>().ok())
            .is_some_and(|said| said >= self.reload_begin)
    }

    fn told_stopping(&mut self, cx: &mut Context<'_>) {
        if self.is_the_old_one() {
            // The new generation may have told it to; its end is enough.
            return;
        }
        match self.state.phase() {
            Phase::Up if self.state == ServiceState::Running => self.enter_stop_by_notify(cx),
            Phase::Reload if self.state != ServiceState::Reload => self.enter_stop_by_notify(cx),
            // In a start, or while ExecReload= runs, it is acted on when that is done;
            // everywhere else it is no news.
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Up
            | Phase::Reload
            | Phase::Stop
            | Phase::Final
            | Phase::Pause => {}
        }
    }

    /// `reloaded`: the same message says that it had been reloading, in answer to our signal.
    fn told_ready(&mut self, cx: &mut Context<'_>, reloaded: bool) {
        match self.state.phase() {
            Phase::Start if self.state == ServiceState::Start => match settings(cx).service_type {
                ServiceType::Notify | ServiceType::NotifyReload => self.enter_start_post(cx),
                ServiceType::Simple
                | ServiceType::Exec
                | ServiceType::Forking
                | ServiceType::Oneshot
                | ServiceType::Dbus
                | ServiceType::Idle => {}
            },
            Phase::Reload
                if self.state == ServiceState::ReloadNotify
                    || reloaded && self.state == ServiceState::ReloadSignal =>
            {
                self.enter_running(cx, ServiceResult::Success);
            }
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Up
            | Phase::Reload
            | Phase::Stop
            | Phase::Final
            | Phase::Pause => {}
        }
    }

    fn told_reloading(&mut self, cx: &mut Context<'_>, answers: bool) {
        match self.state.phase() {
            // The timeout of the reload goes on.
            Phase::Reload if answers && self.state == ServiceState::ReloadSignal => {
                self.set_state(cx, ServiceState::ReloadNotify);
            }
            Phase::Up if self.state == ServiceState::Running => self.enter_reload_by_notify(cx),
            Phase::Rest
            | Phase::Prepare
            | Phase::Start
            | Phase::Up
            | Phase::Reload
            | Phase::Stop
            | Phase::Final
            | Phase::Pause => {}
        }
    }

    pub(super) fn told_status(&mut self, message: &Notification) {
        if let Some(text) = message.get("STATUS") {
            self.status_text.clear();
            if text.len() <= STATUS_MAX {
                self.status_text.push_str(text);
            }
        }
        if let Some(errno) = message.get("ERRNO").and_then(|v| v.parse::<i32>().ok())
            && (0..4096).contains(&errno)
        {
            self.status_errno = errno;
        }
        for (key, error) in [
            ("BUSERROR", &mut self.status_bus_error),
            ("VARLINKERROR", &mut self.status_varlink_error),
        ] {
            if let Some(name) = message.get(key).filter(|name| is_error_name(name)) {
                name.clone_into(error);
            }
        }
        // As if it had never been restarted: it is well now, whatever was before (258).
        if message.get("RESTART_RESET") == Some("1") {
            self.restarts = 0;
            self.backoff = 0;
        }
    }

    pub(super) fn told_times(&mut self, cx: &mut Context<'_>, message: &Notification) {
        let span = |key| {
            message
                .get(key)
                .and_then(|value| value.parse::<u64>().ok())
                .map(TimeSpan)
        };
        if let Some(span) = span("EXTEND_TIMEOUT_USEC") {
            self.extend_timeouts(cx, span);
        }
        // The interval before the feeding: one message may bring both.
        if let Some(interval) = span("WATCHDOG_USEC") {
            self.watchdog_told = Some(interval);
            self.feed_watchdog(cx);
        }
        match message.get("WATCHDOG") {
            Some("1") => self.feed_watchdog(cx),
            Some("trigger") if facts::is_up(self.state) => {
                log(
                    cx,
                    LogLevel::Error,
                    "asked for its watchdog; ending the service",
                );
                self.enter_signal(cx, KillStage::StopWatchdog, ServiceResult::Watchdog);
            }
            Some(_) | None => {}
        }
    }
}

/// The name of an error on D-Bus or Varlink: words with dots between them.
fn is_error_name(name: &str) -> bool {
    let word = |word: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !word.is_empty() && word.chars().all(good)
    };
    name.len() <= 255 && name.contains('.') && name.split('.').all(word)
}
