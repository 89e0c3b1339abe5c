//! Descriptors that the engine knows by a number: connections, and what services gave into
//! keeping (sd_pid_notify_with_fds(3), FDSTORE=1).

use super::super::keep::custody::{Custody, Kept};
use super::super::keep::held_key;
use super::super::run::{Fact, Host};
use super::SocketFact;
use super::watch::state_of;
use crate::engine::{DescriptorId, Event, UnitId};
use crate::sys::same_file;
use rustix::event::PollFlags;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

/// A descriptor that is held.
#[derive(Debug)]
struct Entry {
    descriptor: Arc<OwnedFd>,
    /// In whose store it is.
    store: Option<UnitId>,
    watcher: Option<AbortHandle>,
    /// Its place in custody.
    _kept: Kept,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(in crate::host) struct Held {
    custody: Arc<Custody>,
    last: u64,
    entries: BTreeMap<DescriptorId, Entry>,
}

impl Held {
    /// Nothing so far.
    pub(super) fn new(custody: Arc<Custody>) -> Held {
        Held {
            custody,
            last: 0,
            entries: BTreeMap::new(),
        }
    }

    /// Takes a descriptor; its number from now on.
    pub(in crate::host) fn hold(&mut self, descriptor: OwnedFd) -> DescriptorId {
        self.last += 1;
        let id = DescriptorId(self.last);
        self.put(id, descriptor);
        id
    }

    /// Takes a descriptor under this number.
    pub(super) fn put(&mut self, id: DescriptorId, descriptor: OwnedFd) {
        let descriptor = Arc::new(descriptor);
        let entry = Entry {
            _kept: self.custody.keep(held_key(id), &descriptor),
            descriptor,
            store: None,
            watcher: None,
        };
        self.entries.insert(id, entry);
    }

    /// Numbers up to this one are taken.
    pub(super) fn count_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// The descriptor of a number.
    pub(super) fn get(&self, id: DescriptorId) -> Option<Arc<OwnedFd>> {
        self.entries.get(&id).map(|entry| entry.descriptor.clone())
    }

    /// Closes one; a process that is being started with it keeps it until it has its own.
    pub(super) fn close(&mut self, id: DescriptorId) {
        self.entries.remove(&id);
    }

    /// Whether a unit's store has the same open file under another number.
    fn has_twin(&self, unit: UnitId, id: DescriptorId) -> bool {
        let Some(own) = self.entries.get(&id) else {
            return false;
        };
        let mut others = self.entries.iter();
        others.any(|(other, entry)| {
            *other != id
                && entry.store == Some(unit)
                && is_same(entry.descriptor.as_fd(), own.descriptor.as_fd())
        })
    }
}

/// Whether two descriptors are one open file; by what they show where the kernel does not say.
fn is_same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> bool {
    if let Some(same) = same_file::is_same(a, b) {
        return same;
    }
    let facts = |descriptor| {
        let status = rustix::fs::fstat(descriptor).ok()?;
        Some((status.st_dev, status.st_ino, status.st_rdev, status.st_mode))
    };
    facts(a).is_some() && facts(a) == facts(b)
}

impl Host {
    /// Takes a descriptor into a store: what is there already goes again, and so does what is
    /// hung up.
    pub(super) fn store_descriptor(&mut self, unit: UnitId, id: DescriptorId, poll: bool) {
        if self.sockets.held.has_twin(unit, id) {
            return self.drop_stored(unit, id);
        }
        let facts = self.facts.clone();
        let Some(entry) = self.sockets.held.entries.get_mut(&id) else {
            return;
        };
        entry.store = Some(unit);
        if !poll {
            return;
        }
        // What cannot be waited on, such as a regular file, cannot hang up either.
        let duplicate = entry.descriptor.try_clone();
        let watched = duplicate.and_then(hang_up_of);
        if let Ok(watched) = watched {
            let task = tokio::spawn(async move {
                // Once: what is hung up stays so.
                let over = watched.ready(Interest::PRIORITY | Interest::ERROR).await;
                if over.is_ok() {
                    let _ = facts.send(Fact::Socket(SocketFact::Hung(id)));
                }
            });
            entry.watcher = Some(task.abort_handle());
        }
    }

    /// A stored descriptor may be hung up.
    pub(super) fn descriptor_hung(&mut self, id: DescriptorId) {
        let Some(entry) = self.sockets.held.entries.get(&id) else {
            return;
        };
        let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if let Some(unit) = entry.store
            && state_of(entry.descriptor.as_fd()).intersects(over)
        {
            self.drop_stored(unit, id);
        }
    }

    fn drop_stored(&mut self, unit: UnitId, descriptor: DescriptorId) {
        self.sockets.held.close(descriptor);
        self.tell(Event::DescriptorGone { unit, descriptor });
    }
}

/// Waits for nothing but the end of a descriptor.
#[expect(
    deprecated,
    reason = "its successor is unsafe only for descriptors that may change or close while \
              registered, which an owned one cannot"
)]
fn hang_up_of(descriptor: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::PRIORITY | Interest::ERROR)
}
