//! inotify under tokio.

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One inotify instance.
#[derive(Debug)]
pub(super) struct Watcher(AsyncFd<Instance>);

/// nix lends only the newer kind of descriptor; tokio wants the older.
#[derive(Debug)]
struct Instance(Inotify);

impl AsRawFd for Instance {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watcher {
    /// Makes an instance.
    ///
    /// # Errors
    /// The kernel's limit of instances is reached.
    pub(super) fn new() -> io::Result<Watcher> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let instance = AsyncFd::with_interest(Instance(inotify), Interest::READABLE)?;
        Ok(Watcher(instance))
    }

    /// Watches a path; a path that is watched already keeps its descriptor.
    ///
    /// # Errors
    /// It does not exist, or the kernel's limit of watches is reached.
    pub(super) fn add(&self, path: &Path, flags: AddWatchFlags) -> io::Result<WatchDescriptor> {
        Ok(self.0.get_ref().0.add_watch(path, flags)?)
    }

    /// Ends a watch; the kernel may have ended it already with the file.
    pub(super) fn remove(&self, watch: WatchDescriptor) {
        let _ = self.0.get_ref().0.rm_watch(watch);
    }

    /// Waits until there is something to [`Watcher::take`].
    pub(super) async fn changed(&self) {
        match self.0.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime is going down.
            Err(_) => std::future::pending().await,
        }
    }

    /// The watches that something happened to since the last call.
    pub(super) fn take(&self) -> Vec<WatchDescriptor> {
        let mut watches = Vec::new();
        loop {
            match self.0.get_ref().0.read_events() {
                Ok(events) => watches.extend(events.iter().map(|event| event.wd)),
                Err(Errno::EINTR) => {}
                // EAGAIN: that was all.
                Err(_) => return watches,
            }
        }
    }
}
