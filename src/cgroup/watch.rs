//! Learns that groups became empty: one inotify descriptor for all of them.
//!
//! The kernel tells of every change of cgroup.events. Polling that file for POLLPRI would take
//! one open descriptor a group.

use super::Group;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of news read at once.
const BUFFER: usize = 4096;

/// Watches groups; readable when one of them may have become empty.
#[derive(Debug)]
pub struct Watcher {
    inotify: OwnedFd,
}

/// A watched group, by a number that is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(i32);

impl Watcher {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// No descriptor, or too many inotify instances of this user.
    pub fn new() -> io::Result<Watcher> {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        Ok(Watcher {
            inotify: inotify::init(flags)?,
        })
    }

    /// Watches a group until it is removed. What happened before is not told: ask
    /// [`Group::populated`] once behind this.
    ///
    /// # Errors
    /// The group is gone, or there are too many watches.
    pub fn add(&self, group: &Group) -> io::Result<WatchId> {
        let events = group.events_path();
        let watch = inotify::add_watch(&self.inotify, &events, WatchFlags::MODIFY)?;
        Ok(WatchId(watch))
    }

    /// Watches for what the kernel counts in memory.events; `None` where it does not count
    /// memory. As for [`Watcher::add`], what happened before is not told.
    ///
    /// # Errors
    /// There are too many watches.
    pub fn add_memory(&self, group: &Group) -> io::Result<Option<WatchId>> {
        let events = group.memory_events_path();
        match inotify::add_watch(&self.inotify, &events, WatchFlags::MODIFY) {
            Ok(watch) => Ok(Some(WatchId(watch))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The groups whose cgroup.events or memory.events changed since the last call, each once; empty if none
    /// did. Changed says nothing yet: ask [`Group::populated`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn changed(&self) -> io::Result<Changed> {
        let mut changed = Changed::default();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut news = Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match news.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let id = WatchId(event.wd());
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                changed.overflow = true;
            } else if event.events().contains(ReadFlags::MODIFY) && !changed.groups.contains(&id) {
                changed.groups.push(id);
            }
        }
    }
}

/// What [`Watcher::changed`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Groups that changed.
    pub groups: Vec<WatchId>,
    /// The kernel lost some: all groups have to be asked.
    pub overflow: bool,
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
