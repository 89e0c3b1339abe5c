//! From messages on the notify socket to events: whose process the sender is.
//!
//! A process that a pool thread has just made may speak before the thread has told of it: what
//! nobody known says is kept while a start is under way, and looked at again when it is told.

use super::notify::Received;
use super::process_table;
use super::run::Host;
use crate::engine::{Event, ProcessId, UnitId};
use crate::unit::config::NotifyAccess;

/// Messages that are kept at most; more are those of somebody who floods.
const MAX_EARLY: usize = 1024;

/// A message that came before its sender was known.
#[derive(Debug)]
pub(super) struct Early {
    /// Whose it is, as far as that was to be seen when it came: later the sender may be gone.
    unit: Option<UnitId>,
    received: Received,
}

/// Whom a message is about.
enum About {
    /// A process that the engine knows.
    Process(ProcessId),
    /// The unit, whoever is its main process.
    Unit,
    /// A generation of it whose main process has gone.
    Nobody,
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

    /// Whom a message is about that comes from a process which the engine does not know: where
    /// everybody may speak, the generation that it belongs to decides.
    fn speaks_for(&self, unit: UnitId, pid: i32) -> About {
        let view = self.engine.unit_by_id(unit);
        let access = view.and_then(|view| Some(view.config.service()?.notify_access));
        if access != Some(NotifyAccess::All) || !self.groups.has_generations(unit) {
            return About::Unit;
        }
        let table = (!self.groups.has_tree()).then(process_table::scan);
        let generation = |pid| self.groups.generation_of(unit, pid, table.as_ref());
        let Some(own) = generation(pid) else {
            return About::Unit;
        };
        let mains = self.processes.of_unit(unit).filter(|(_, it)| it.is_main());
        let mut running = mains.filter_map(|(id, _)| Some((id, self.processes.get_running(id)?)));
        let same = running.find(|(_, it)| generation(it.pid) == Some(own));
        same.map_or(About::Nobody, |(id, _)| About::Process(id))
    }

    fn notified(&mut self, early: Early) {
        let Early { unit, received } = early;
        let known = self.processes.with_pid(received.pid);
        let process = known.first().copied();
        let unit = unit
            .or_else(|| self.processes.unit_of(*known.last()?))
            .or_else(|| self.groups.unit_of(received.pid, &self.known()));
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
        let about = match process {
            Some(process) => About::Process(process),
            None => self.speaks_for(unit, received.pid),
        };
        let process = match about {
            About::Process(process) => Some(process),
            About::Unit => None,
            About::Nobody => {
                let pid = received.pid;
                tracing::info!(
                    pid,
                    "a notify message of a generation that has gone; ignored"
                );
                return;
            }
        };
        let named = received
            .message
            .get("MAINPID")
            .and_then(|pid| pid.parse().ok());
        if let (Some(pid), 0) = (named, received.uid) {
            self.told_by_root.insert(unit, pid);
        }
        let kept = received.descriptors.into_iter();
        let descriptors = kept.map(|it| self.sockets.hold(it)).collect();
        self.tell(Event::Notified {
            unit,
            process,
            pid: received.pid,
            message: received.message,
            descriptors,
        });
    }
}
