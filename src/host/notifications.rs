//! From messages on the notify socket to events: whose process the sender is.
//!
//! A process that a pool thread has just made may speak before the thread has told of it: what
//! nobody known says is kept while a start is under way, and looked at again when it is told.

use super::notify::Received;
use super::run::Host;
use crate::engine::{Event, UnitId};

/// Messages that are kept at most; more are those of somebody who floods.
const MAX_EARLY: usize = 1024;

/// A message that came before its sender was known.
#[derive(Debug)]
pub(super) struct Early {
    /// Whose it is, as far as that was to be seen when it came: later the sender may be gone.
    unit: Option<UnitId>,
    received: Received,
}

impl Host {
    /// Reads all that was sent so far.
    pub(super) fn receive_notifications(&mut self) {
        while let Some(received) = self.notify.receive() {
            // Its descriptor is closed by now, and everything before it was told or is kept with
            // its sender's unit: that is all it is for (sd_notify_barrier(3)).
            if received.message.get("BARRIER") == Some("1") {
                if received.message.fields.len() > 1 {
                    let pid = received.pid;
                    tracing::warn!(pid, "a notify message with BARRIER=1 says more; ignored");
                }
                continue;
            }
            self.notified(Early {
                unit: None,
                received,
            });
        }
    }

    /// A start has been told of: its process may have spoken already.
    pub(super) fn look_at_early_notifications(&mut self) {
        for early in std::mem::take(&mut self.early) {
            self.notified(early);
        }
    }

    fn notified(&mut self, early: Early) {
        let Early { unit, received } = early;
        let unit = unit.or_else(|| self.groups.unit_of(received.pid, &self.known()));
        let process = self.processes.with_pid(received.pid).first().copied();
        let may_be_starting = match unit {
            Some(unit) => self.processes.is_starting(unit),
            None => self.processes.any_starting(),
        };
        if process.is_none() && may_be_starting && self.early.len() < MAX_EARLY {
            return self.early.push(Early { unit, received });
        }
        let Some(unit) = unit else {
            tracing::warn!(
                pid = received.pid,
                "a notify message comes from a process of no unit; ignored"
            );
            return;
        };
        let named = received
            .message
            .get("MAINPID")
            .and_then(|pid| pid.parse().ok());
        if let (Some(pid), 0) = (named, received.uid) {
            self.told_by_root.insert(unit, pid);
        }
        self.tell(Event::Notified {
            unit,
            process,
            pid: received.pid,
            message: received.message,
        });
    }
}
