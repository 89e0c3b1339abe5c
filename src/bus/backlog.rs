//! What was queued for a client and not yet written: while it is much, the client's next call
//! waits, so that who asks and never reads cannot fill the daemon's memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Bytes that may wait when a call is begun; its answer may be longer.
const ENOUGH: usize = 64 * 1024;

/// Bytes on their way to one client.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    shrunk: Notify,
}

impl Backlog {
    /// A message is queued.
    pub(super) fn grow(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Messages were written.
    pub(super) fn shrink(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shrunk.notify_one();
    }

    /// Whether all of it was written.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == 0
    }

    /// Whether another call may be begun.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < ENOUGH
    }

    /// Waits until one may. For one waiter.
    pub(super) async fn room(&self) {
        while !self.has_room() {
            self.shrunk.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn room_comes_back_with_what_is_written() {
        let backlog = Backlog::default();
        assert!(backlog.room().now_or_never().is_some());
        backlog.grow(ENOUGH - 1);
        assert!(backlog.has_room());
        backlog.grow(1000);
        assert!(backlog.room().now_or_never().is_none());
        backlog.shrink(500);
        assert!(backlog.room().now_or_never().is_none());
        backlog.shrink(500);
        assert!(backlog.room().now_or_never().is_some());
    }
}
