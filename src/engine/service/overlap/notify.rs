//! What the generation beside says through NOTIFY_SOCKET.

use super::super::Context;
use super::super::machine::{Service, changed, deadline_after, settings};
use super::super::process::Process;
use super::{Overlap, Stage};
use crate::engine::event::Notification;
use crate::engine::ids::ProcessId;
use crate::unit::config::{NotifyAccess, ServiceType};
use crate::unit::value::TimeSpan;

/// What is kept of what the new generation says.
const KEPT: [&str; 6] = [
    "STATUS",
    "ERRNO",
    "BUSERROR",
    "VARLINKERROR",
    "WATCHDOG_USEC",
    "NOTIFYACCESS",
];

impl Service {
    /// A message; whether it came from the generation beside, of which nothing else is heard. What
    /// the new one says of itself is kept until it has taken over; the old one has said enough.
    pub(in crate::engine::service) fn notified_beside(
        &mut self,
        cx: &mut Context<'_>,
        sender: Option<ProcessId>,
        pid: i32,
        message: &Notification,
    ) -> bool {
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        let is_it = |it: &Process| Some(it.id) == sender || it.pid != 0 && it.pid == pid;
        let from_main = overlap.process.as_ref().is_some_and(is_it);
        let from_control = overlap.control.as_ref().is_some_and(is_it);
        let speaks = match overlap.access(settings(cx).notify_access) {
            NotifyAccess::None => false,
            NotifyAccess::Main => from_main,
            NotifyAccess::Exec | NotifyAccess::All => from_main || from_control,
        };
        if !speaks {
            return false;
        }
        let span = message
            .get("EXTEND_TIMEOUT_USEC")
            .and_then(|it| it.parse().ok());
        let extended = span.and_then(|span| deadline_after(cx.now.monotonic, TimeSpan(span)));
        if let (Some(timer), Some(extended)) = (&mut overlap.timer, extended) {
            *timer = extended.max(*timer);
        }
        if overlap.is_coming() && from_main {
            overlap.remember(message);
        }
        let waits = overlap.stage == Stage::Start && speaks_for_itself(cx);
        if waits && message.get("READY") == Some("1") {
            self.ready_beside(cx);
        }
        changed(cx);
        true
    }

    /// The main process, which has the place of one that ended, says that it is ready.
    pub(in crate::engine::service) fn ready_successor(&mut self, cx: &mut Context<'_>) {
        let waits = self.overlap.as_ref();
        let waits = waits.is_some_and(|it| it.succeeded && it.stage == Stage::Start);
        if waits && speaks_for_itself(cx) {
            self.ready_beside(cx);
        }
    }
}

/// Whether a service says itself that it is ready.
fn speaks_for_itself(cx: &Context<'_>) -> bool {
    match settings(cx).service_type {
        ServiceType::Notify | ServiceType::NotifyReload => true,
        ServiceType::Simple
        | ServiceType::Exec
        | ServiceType::Forking
        | ServiceType::Oneshot
        | ServiceType::Dbus
        | ServiceType::Idle => false,
    }
}

impl Overlap {
    /// NotifyAccess=, or what the new generation has set instead.
    pub(super) fn access(&self, configured: NotifyAccess) -> NotifyAccess {
        let word = self.said.get("NOTIFYACCESS");
        word.and_then(NotifyAccess::from_word).unwrap_or(configured)
    }

    /// The last that it says of a thing counts.
    fn remember(&mut self, message: &Notification) {
        for key in KEPT {
            if let Some(value) = message.get(key) {
                let said = &mut self.said.fields;
                said.retain(|(other, _)| other != key);
                said.push((key.to_owned(), value.to_owned()));
            }
        }
    }
}
