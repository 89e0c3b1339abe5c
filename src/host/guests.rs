//! Processes that clients hand over for a scope: opened and looked at before anything is done
//! with them, and known from then on by their descriptor.
//!
//! Where a guest cannot be moved into a control group, it and what descends from it are known by
//! /proc. Nothing else is ever counted to a scope, so that no signal can hit a stranger.

use super::process_table::{self, Table};
use super::readiness::Readable;
use super::run::Fact;
use crate::engine::UnitId;
use crate::sys::{pidfd, proc};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// A process that was handed over.
#[derive(Debug)]
pub struct Guest {
    pid: i32,
    /// Tells it from a later process of the same number.
    start_time: u64,
    process: Arc<OwnedFd>,
    watcher: Option<AbortHandle>,
}

/// Why a process cannot be handed over; each kind is one D-Bus error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestTrouble {
    /// org.freedesktop.DBus.Error.InvalidArgs.
    #[error("{0}")]
    Invalid(String),
    /// org.freedesktop.DBus.Error.UnixProcessIdUnknown.
    #[error("Process with ID {0} does not exist.")]
    Unknown(i32),
    /// org.freedesktop.DBus.Error.AccessDenied.
    #[error("Process {0} is another user's, refusing.")]
    Foreign(i32),
}

impl Guest {
    /// Opens a process for a client of the user `caller`, who may hand over only what is its
    /// own, and what this daemon may signal; root may hand over anything.
    ///
    /// # Errors
    /// See [`GuestTrouble`].
    pub fn open(pid: i32, caller: u32) -> Result<Guest, GuestTrouble> {
        if pid <= 0 {
            let text = format!("Process identifier {pid} is not valid.");
            return Err(GuestTrouble::Invalid(text));
        }
        refuse_managers(pid)?;
        let process = pidfd::open(pid).map_err(|_| GuestTrouble::Unknown(pid))?;
        Guest::examined(pid, process, caller)
    }

    /// The same for a process that the client has opened itself.
    ///
    /// # Errors
    /// See [`GuestTrouble`].
    pub fn of_descriptor(process: OwnedFd, caller: u32) -> Result<Guest, GuestTrouble> {
        let pid = pidfd::pid(process.as_fd())
            .map_err(|error| GuestTrouble::Invalid(format!("not a process: {error}")))?;
        if pid <= 0 {
            return Err(GuestTrouble::Unknown(pid));
        }
        refuse_managers(pid)?;
        Guest::examined(pid, process, caller)
    }

    fn examined(pid: i32, process: OwnedFd, caller: u32) -> Result<Guest, GuestTrouble> {
        let unknown = |_: io::Error| GuestTrouble::Unknown(pid);
        let stat = proc::stat(pid).map_err(unknown)?;
        if process_table::is_dead(&stat) {
            return Err(GuestTrouble::Unknown(pid));
        }
        if proc::is_kernel_thread(pid).map_err(unknown)? {
            let text = format!("Process {pid} is a kernel thread, refusing.");
            return Err(GuestTrouble::Invalid(text));
        }
        let owners = proc::users(pid).map_err(unknown)?;
        let own = nix::unistd::geteuid().as_raw();
        let is_of = |user: u32| owners.iter().all(|owner| *owner == user);
        if (caller != 0 && !is_of(caller)) || (own != 0 && !is_of(own)) {
            return Err(GuestTrouble::Foreign(pid));
        }
        let guest = Guest {
            pid,
            start_time: stat.start_time,
            process: Arc::new(process),
            watcher: None,
        };
        // What was read was its own only if it is there still.
        match guest.is_alive() {
            true => Ok(guest),
            false => Err(GuestTrouble::Unknown(pid)),
        }
    }

    /// Its number, its own as long as it has not ended.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it has not been waited for yet and may be running.
    pub(super) fn is_alive(&self) -> bool {
        match pidfd::send_signal(self.process.as_fd(), 0) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        }
    }

    /// Has its end told.
    ///
    /// # Errors
    /// The runtime cannot watch its descriptor.
    pub(super) fn watch(&mut self, unit: UnitId, facts: UnboundedSender<Fact>) -> io::Result<()> {
        let readable = Readable::new(self.process.clone())?;
        let pid = self.pid;
        let watcher = tokio::spawn(async move {
            readable.wait().await;
            let _ = facts.send(Fact::GuestEnded(unit, pid));
        });
        self.watcher = Some(watcher.abort_handle());
        Ok(())
    }

    /// Whether it is the process of this number in the table.
    pub(super) fn is_in(&self, table: &Table) -> bool {
        let stat = table.get(&self.pid);
        stat.is_some_and(|stat| stat.start_time == self.start_time)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

/// The number of the process that a descriptor stands for: -1 if it has ended, 0 if we cannot see
/// it.
///
/// # Errors
/// It stands for no process.
pub fn process_of(descriptor: BorrowedFd<'_>) -> io::Result<i32> {
    pidfd::pid(descriptor)
}

fn refuse_managers(pid: i32) -> Result<(), GuestTrouble> {
    if pid == 1 || pid == std::process::id() as i32 {
        let text = format!("Process {pid} is a manager process, refusing.");
        return Err(GuestTrouble::Invalid(text));
    }
    Ok(())
}

/// The nearest of these guests that a process is or descends from.
pub(super) fn host_of<'a>(
    pid: i32,
    guests: impl Iterator<Item = (UnitId, &'a Guest)> + Clone,
    table: &Table,
) -> Option<UnitId> {
    let mut current = pid;
    // The table is no snapshot: numbers used again could make a circle.
    for _ in 0..=table.len() {
        let here = guests.clone().find(|(_, guest)| guest.pid == current);
        if let Some((unit, _)) = here.filter(|(_, guest)| guest.is_in(table)) {
            return Some(unit);
        }
        current = table.get(&current)?.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::Stat;

    fn guest(pid: i32, start_time: u64) -> Guest {
        let me = pidfd::open(std::process::id() as i32).unwrap();
        Guest {
            pid,
            start_time,
            process: Arc::new(me),
            watcher: None,
        }
    }

    #[test]
    fn descendants_of_a_guest_are_found_and_nobody_else() {
        let stat = |parent, start_time| Stat {
            state: 'S',
            parent,
            group: 0,
            session: 0,
            start_time,
            exit_code: 0,
        };
        let table: Table = [
            (1, stat(0, 1)),
            (10, stat(1, 100)),
            (11, stat(10, 101)),
            (12, stat(11, 102)),
            (20, stat(1, 103)),
            (30, stat(31, 1)),
            (31, stat(30, 1)),
        ]
        .into();
        let outer = guest(10, 100);
        let inner = guest(12, 102);
        let reused = guest(20, 50);
        let guests = [
            (UnitId(1), &outer),
            (UnitId(2), &inner),
            (UnitId(3), &reused),
        ];
        let host = |pid| host_of(pid, guests.iter().copied(), &table);
        assert_eq!(host(10), Some(UnitId(1)));
        assert_eq!(host(11), Some(UnitId(1)));
        assert_eq!(host(12), Some(UnitId(2)));
        assert_eq!(host(20), None, "the number is another process's by now");
        assert_eq!(host(1), None);
        assert_eq!(host(30), None, "numbers in a circle");
        assert_eq!(host(99), None);
    }

    #[test]
    fn who_may_hand_over_what() {
        let invalid = |result: Result<Guest, GuestTrouble>| {
            assert!(matches!(result, Err(GuestTrouble::Invalid(_))));
        };
        invalid(Guest::open(0, 0));
        invalid(Guest::open(-5, 0));
        invalid(Guest::open(1, 0));
        invalid(Guest::open(std::process::id() as i32, 0));
        let mut child = std::process::Command::new("/bin/sleep")
            .arg("3600")
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let own = nix::unistd::geteuid().as_raw();
        assert!(Guest::open(pid, own).unwrap().is_alive());
        assert!(Guest::open(pid, 0).is_ok());
        let foreign = GuestTrouble::Foreign(pid);
        assert_eq!(Guest::open(pid, own + 1).unwrap_err(), foreign);
        let opened = || pidfd::open(pid).unwrap();
        assert_eq!(Guest::of_descriptor(opened(), own).unwrap().pid(), pid);
        invalid(Guest::of_descriptor(
            std::fs::File::open("/dev/null").unwrap().into(),
            own,
        ));
        let left = opened();
        child.kill().unwrap();
        child.wait().unwrap();
        let unknown = |result: Result<Guest, GuestTrouble>| {
            assert!(matches!(result, Err(GuestTrouble::Unknown(_))));
        };
        unknown(Guest::open(pid, own));
        unknown(Guest::of_descriptor(left, own));
    }
}
