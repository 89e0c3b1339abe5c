//! Ends of processes: of those the engine knows, through their pidfds, and of orphans, whom
//! the kernel gives to this daemon as their subreaper.
//!
//! Before a number is given back to the kernel, all notify messages are read: afterwards it
//! would not be known who sent them.

use super::processes::{Process, Stage};
use super::run::Host;
use crate::engine::{Event, ProcessId, ProcessStatus};
use crate::sys::pidfd::{self, Ended, How};
use crate::sys::proc;
use crate::unit::value::Signal;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// How long to wait before the kernel is asked again how a process ended that is no child of
/// ours, and how often: a parent may take its time to wait for it. Some first processes look for
/// orphans every other second only.
const ASK_AGAIN: Duration = Duration::from_millis(5);
const MOST_ASKED: u32 = 1000;

impl Host {
    /// A watched process ended.
    pub(super) fn process_ended(&mut self, process: ProcessId) {
        let Some(running) = self.processes.get_running(process) else {
            // Told already, or not watched any more.
            return;
        };
        let (pid, descriptor) = (running.pid, running.pidfd.clone());
        self.receive_notifications();
        // Said before the end that it explains.
        let owners = self.processes.with_pid(pid).into_iter();
        for unit in owners
            .filter_map(|it| self.processes.unit_of(it))
            .collect::<Vec<_>>()
        {
            self.groups.look_at_memory(unit);
        }
        self.tell_out_of_memory();
        let status = match pidfd::reap(descriptor.as_fd()) {
            Ok(Some(ended)) => status_of(ended),
            // Still there: its SIGCHLD will come.
            Ok(None) => return,
            // No child of ours: only its parent learns how it ended.
            Err(_) => match self.end_of_foreign(process, descriptor.as_fd()) {
                Some(status) => status,
                // It is asked once more.
                None => return,
            },
        };
        self.tell_ended(pid, status);
    }

    /// How a process ended that is no child of ours: one that an earlier daemon has started, or
    /// a main process from outside. The kernel knows it once its parent has waited for it; `None`
    /// if that is still to come.
    fn end_of_foreign(
        &mut self,
        process: ProcessId,
        descriptor: BorrowedFd<'_>,
    ) -> Option<ProcessStatus> {
        let Some(Process {
            role,
            stage: Stage::Running(running),
            ..
        }) = self.processes.get_mut(process)
        else {
            return Some(ProcessStatus::Unknown);
        };
        let (pid, asked) = (running.pid, running.asked);
        let told = Told::by(pidfd::exit_of(descriptor), || {
            exit_code_of_zombie(pid, descriptor)
        });
        let status = told.status(asked, role.is_some());
        if status.is_none() {
            running.asked += 1;
            let ended = self.ended.clone();
            tokio::spawn(async move {
                tokio::time::sleep(ASK_AGAIN).await;
                let _ = ended.send(process);
            });
        }
        status
    }

    fn tell_ended(&mut self, pid: i32, status: ProcessStatus) {
        for process in self.processes.with_pid(pid) {
            if let Some(old) = self.processes.remove(process) {
                self.groups.suspect(old.unit);
                self.tell(Event::Exited { process, status });
            }
        }
    }

    /// Tells the engine of units with a process that the kernel killed for want of memory.
    pub(super) fn tell_out_of_memory(&mut self) {
        for unit in self.groups.take_out_of_memory() {
            self.tell(Event::OutOfMemory { unit });
        }
    }

    /// Reaps every child that ended, known or not.
    pub(super) fn reap_children(&mut self) {
        self.children_due = false;
        loop {
            let ended = match pidfd::peek_any() {
                Ok(Some(ended)) => ended,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("cannot wait for children: {error}");
                    return;
                }
            };
            if let Some(process) = self.processes.with_pid(ended.pid).first() {
                self.process_ended(*process);
                if !self.processes.with_pid(ended.pid).is_empty() {
                    return;
                }
                continue;
            }
            if self.processes.any_starting() {
                // It may be the one a pool thread has just started and not told of yet.
                self.children_due = true;
                return;
            }
            self.receive_notifications();
            if let Err(error) = pidfd::reap_child(ended.pid) {
                tracing::warn!("cannot wait for orphan {}: {error}", ended.pid);
                return;
            }
            tracing::debug!(pid = ended.pid, "an orphan ended");
            if self.groups.root_name().is_empty() {
                // No control group tells when a unit's last process goes.
                self.groups.suspect_all();
            }
        }
    }

    /// Tells the engine of units whose last process went. A unit one of whose processes has
    /// not been told to have ended is not among them: exits come before the emptiness they
    /// cause.
    pub(super) fn tell_empty_groups(&mut self) {
        let processes = &self.processes;
        let known = || processes.known();
        let busy = |unit| processes.has_any(unit);
        let empty = self.groups.take_empty(known, busy);
        for unit in empty {
            self.tell(Event::GroupEmpty { unit });
        }
    }
}

/// What the kernel says of the end of a process that is no child of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// How it ended.
    Ended(Ended),
    /// Its parent has not waited for it yet: afterwards it is told.
    Later,
    /// It is never told: the kernel does not know such requests.
    Never,
}

impl Told {
    fn by(told: io::Result<Option<Ended>>, zombie: impl FnOnce() -> Option<Ended>) -> Told {
        let (ended, otherwise) = match told {
            Ok(ended) => (ended, Told::Later),
            Err(_) => (None, Told::Never),
        };
        ended.or_else(zombie).map_or(otherwise, Told::Ended)
    }

    /// What that comes to after so many times; `None`: it is asked again. `ours`: some daemon of
    /// ours has started it.
    fn status(self, asked: u32, ours: bool) -> Option<ProcessStatus> {
        match self {
            Told::Ended(ended) => Some(status_of(ended)),
            Told::Later if asked < MOST_ASKED => None,
            Told::Later | Told::Never if ours => Some(ProcessStatus::Unknown),
            // As systemd has it of a main process that somebody else has started.
            Told::Later | Told::Never => Some(ProcessStatus::Exited(0)),
        }
    }
}

/// While nobody has waited for it, /proc has the status of a process that has ended, for whoever
/// may look at it.
fn exit_code_of_zombie(pid: i32, descriptor: BorrowedFd<'_>) -> Option<Ended> {
    let stat = proc::stat(pid).ok()?;
    // 0 is what is shown to strangers, too.
    if stat.state != 'Z' || (stat.exit_code == 0 && !proc::is_shown(pid)) {
        return None;
    }
    // Still there: that was it, then.
    pidfd::send_signal(descriptor, 0).ok()?;
    Some(pidfd::of_wait_status(pid as u32, stat.exit_code))
}

fn status_of(ended: Ended) -> ProcessStatus {
    match ended.how {
        How::Exited => ProcessStatus::Exited(ended.status as u8),
        How::Killed => ProcessStatus::Killed(Signal(ended.status)),
        How::Dumped => ProcessStatus::Dumped(Signal(ended.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: Ended = Ended {
        pid: 9,
        how: How::Exited,
        status: 7,
    };
    const EXITED: Option<ProcessStatus> = Some(ProcessStatus::Exited(7));
    const UNKNOWN: Option<ProcessStatus> = Some(ProcessStatus::Unknown);

    fn old_kernel() -> io::Result<Option<Ended>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[test]
    fn the_end_of_a_process_of_an_earlier_daemon_is_what_the_kernel_tells() {
        let told = Told::by(Ok(Some(SEVEN)), || None);
        assert_eq!(told.status(0, true), EXITED);
        // Its parent has not waited for it yet, but /proc knows; on every kernel.
        for told in [Ok(None), old_kernel()] {
            assert_eq!(Told::by(told, || Some(SEVEN)).status(0, true), EXITED);
        }
        let killed = Ended {
            how: How::Killed,
            status: 10,
            ..SEVEN
        };
        let told = Told::by(Ok(Some(killed)), || None);
        let by_signal = ProcessStatus::Killed(Signal(10));
        assert_eq!(told.status(0, true), Some(by_signal));
    }

    #[test]
    fn an_end_that_nobody_tells_is_unknown_and_no_success() {
        // Nothing is gained by asking such a kernel again.
        let never = Told::by(old_kernel(), || None);
        assert_eq!(never.status(0, true), UNKNOWN);
        let later = Told::by(Ok(None), || None);
        assert_eq!(later.status(0, true), None);
        assert_eq!(later.status(MOST_ASKED, true), UNKNOWN);
        // A main process that none of our daemons has started.
        assert_eq!(never.status(0, false), Some(ProcessStatus::Exited(0)));
    }
}
