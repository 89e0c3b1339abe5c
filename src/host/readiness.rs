//! Waiting until a descriptor is readable.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that tokio waits on.
#[derive(Debug)]
pub(super) struct Readable(AsyncFd<Arc<OwnedFd>>);

impl Readable {
    /// Waits on a descriptor that somebody else reads: on a duplicate, which is ready when the
    /// original is.
    ///
    /// # Errors
    /// No descriptor is left, or it is of a kind that cannot be waited on.
    pub(super) fn of(descriptor: &impl AsFd) -> io::Result<Readable> {
        let duplicate = descriptor.as_fd().try_clone_to_owned()?;
        Readable::new(Arc::new(duplicate))
    }

    /// Waits on the descriptor itself.
    ///
    /// # Errors
    /// It is of a kind that cannot be waited on.
    #[expect(
        deprecated,
        reason = "its successor is unsafe only for descriptors that may change or close while \
                  registered, which an owned one behind an Arc cannot"
    )]
    pub(super) fn new(descriptor: Arc<OwnedFd>) -> io::Result<Readable> {
        AsyncFd::with_interest(descriptor, Interest::READABLE).map(Readable)
    }

    /// Waits until there may be something to read. The reader has to read on until there is
    /// nothing left, otherwise the next wait may not end.
    pub(super) async fn wait(&self) {
        match self.0.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime is going down.
            Err(_) => std::future::pending().await,
        }
    }
}
