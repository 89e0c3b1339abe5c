//! What happens to the stand-in from outside, as one queue: signals and requests to crash.

use nix::sys::signal::{SigSet, Signal};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Something that happened.
pub(crate) enum Event {
    /// SIGTERM, SIGINT or SIGQUIT.
    Terminate,
    /// One of these, when it was told not to care.
    Ignored,
    /// SIGHUP.
    Reload,
    /// SIGUSR1, or `GET /crash`.
    Crash,
}

/// The queue.
pub(crate) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Blocks the signals in this thread, before any other exists, and takes them in a thread
    /// of their own.
    pub(crate) fn start(ignore_term: bool) -> std::io::Result<Events> {
        let mut signals = SigSet::empty();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGHUP,
            Signal::SIGUSR1,
        ] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let (sender, receiver) = channel();
        let to_queue = sender.clone();
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                let event = match signal {
                    Signal::SIGUSR1 => Event::Crash,
                    Signal::SIGHUP => Event::Reload,
                    _ if ignore_term => Event::Ignored,
                    _ => Event::Terminate,
                };
                if to_queue.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Events { sender, receiver })
    }

    /// For others who have something to tell.
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// The next event, or none in this time.
    pub(crate) fn wait(&self, patience: Duration) -> Option<Event> {
        // It cannot be disconnected while `self.sender` lives.
        self.receiver.recv_timeout(patience).ok()
    }
}
