//! From messages on the notify socket to events: whose process the sender is.

use super::run::Host;
use crate::engine::Event;

impl Host {
    /// Reads all that was sent so far.
    pub(super) fn receive_notifications(&mut self) {
        while let Some(received) = self.notify.receive() {
            // Its descriptor is closed by now, and everything before it was told: that is all
            // it is for (sd_notify_barrier(3)).
            if received.message.get("BARRIER") == Some("1") {
                if received.message.fields.len() > 1 {
                    let pid = received.pid;
                    tracing::warn!(pid, "a notify message with BARRIER=1 says more; ignored");
                }
                continue;
            }
            let known = self.known();
            let Some(unit) = self.groups.unit_of(received.pid, &known) else {
                tracing::warn!(
                    pid = received.pid,
                    "a notify message comes from a process of no unit; ignored"
                );
                continue;
            };
            let named = received
                .message
                .get("MAINPID")
                .and_then(|pid| pid.parse().ok());
            if let (Some(pid), 0) = (named, received.uid) {
                self.told_by_root.insert(unit, pid);
            }
            let process = self.processes.with_pid(received.pid).first().copied();
            self.tell(Event::Notified {
                unit,
                process,
                pid: received.pid,
                message: received.message,
            });
        }
    }
}
