//! Up: running or exited, and what a service that is not good any more goes on to.

use super::Context;
use super::facts::KillStage;
use super::machine::{Service, deadline_after, settings};
use super::notify::Announced;
use super::process::Main;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::ExitType;

impl Service {
    /// Goes where a service belongs whose start, reload or main process has just ended: to
    /// running if there is something that runs, else to exited or to its end.
    pub(super) fn enter_running(&mut self, cx: &mut Context<'_>, result: ServiceResult) {
        self.note_result(result);
        self.control = None;
        self.debugging = false;
        if self.result != ServiceResult::Success {
            self.enter_signal(cx, KillStage::StopSigterm, result);
        } else if self.is_good(cx) {
            self.stay_up(cx);
        } else if settings(cx).remain_after_exit {
            self.set_state(cx, ServiceState::Exited);
        } else {
            self.enter_stop(cx, ServiceResult::Success);
        }
    }

    /// Running, unless the service has said meanwhile that it is doing something else.
    fn stay_up(&mut self, cx: &mut Context<'_>) {
        match self.announced {
            Announced::Reloading => self.enter_reload_by_notify(cx),
            Announced::Stopping => self.enter_stop_by_notify(cx),
            Announced::Nothing | Announced::Ready => {
                self.set_state(cx, ServiceState::Running);
                // RuntimeMaxSec= counts from the moment it became active, reloads or not.
                let since = self.active_since.unwrap_or(cx.now.monotonic);
                let longest = settings(cx).runtime_max.saturating_add(self.runtime_extra);
                let due = deadline_after(since, longest);
                // It may have passed while it was reloading.
                self.timer = due.map(|due| due.max(cx.now.monotonic));
            }
        }
    }

    /// Whether something of the service runs: the main process, or anything if we know of none
    /// or if everything counts; and whether it has its name.
    fn is_good(&self, cx: &Context<'_>) -> bool {
        if self.lacks_bus_name(cx) {
            return false;
        }
        match &self.main {
            Main::Alive(_) => true,
            Main::Gone => self.others_count(cx),
            Main::Unknown => self.may_be_populated(),
        }
    }

    /// Whether the service goes on with the processes that are left (ExitType=cgroup).
    pub(super) fn others_count(&self, cx: &Context<'_>) -> bool {
        settings(cx).exit_type == ExitType::Cgroup && self.may_be_populated()
    }
}
