//! The signals that the daemon answers to.
//!
//! TERM, INT, QUIT, and RTMIN+3 and RTMIN+4, which stop a container whose PID 1 is systemd, stop
//! everything in order. HUP reads unit files again. USR1 and USR2 are for the unit that the daemon
//! is there for (`--exit-with`); without one they are told of and do nothing.

use super::serve::reload;
use crate::engine::KillWhom;
use crate::host::Handle;
use crate::unit::value::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// SIGRTMIN as the C library counts.
const RTMIN: i32 = 34;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Stop,
    Reload,
    PassOn,
}

/// Every signal that is taken.
const TAKEN: [(Signal, Meaning); 8] = [
    (Signal::TERM, Meaning::Stop),
    (Signal::INT, Meaning::Stop),
    (Signal::QUIT, Meaning::Stop),
    (Signal(RTMIN + 3), Meaning::Stop),
    (Signal(RTMIN + 4), Meaning::Stop),
    (Signal::HUP, Meaning::Reload),
    (Signal::USR1, Meaning::PassOn),
    (Signal::USR2, Meaning::PassOn),
];

/// Signals as they come, from when it was made on.
pub(super) struct Signals {
    coming: UnboundedReceiver<(Signal, Meaning)>,
}

impl Signals {
    /// Takes the signals over; inside the runtime.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn new() -> std::io::Result<Signals> {
        let (sender, coming) = mpsc::unbounded_channel();
        for (number, meaning) in TAKEN {
            listen(number, meaning, sender.clone())?;
        }
        Ok(Signals { coming })
    }

    /// Does what they ask for. `decisive` is the unit that the daemon ends with.
    pub(super) async fn watch(mut self, handle: Handle, decisive: Option<String>) {
        let mut stopping = false;
        while let Some((number, meaning)) = self.coming.recv().await {
            let name = number.to_string();
            match meaning {
                Meaning::Reload => {
                    tokio::spawn(reload(handle.clone()));
                }
                Meaning::PassOn => pass_on(&handle, decisive.as_deref(), number).await,
                Meaning::Stop if stopping => {
                    tracing::info!("{name} again: still stopping, in order");
                }
                Meaning::Stop => {
                    stopping = true;
                    tracing::info!("{name}: stopping");
                    if handle.shutdown().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Signals of one kind wait for each other here, not for those of other kinds.
fn listen(
    number: Signal,
    meaning: Meaning,
    sender: UnboundedSender<(Signal, Meaning)>,
) -> std::io::Result<()> {
    let mut stream = signal(SignalKind::from_raw(number.0))?;
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            if sender.send((number, meaning)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

async fn pass_on(handle: &Handle, decisive: Option<&str>, number: Signal) {
    let name = number.to_string();
    let Some(unit) = decisive else {
        tracing::info!("{name}: there is no unit to pass it on to (--exit-with)");
        return;
    };
    match handle.kill(unit, KillWhom::Main, number).await {
        Ok(()) => tracing::info!("{name}: passed on to {unit}"),
        Err(error) => tracing::warn!("{name} cannot be passed on to {unit}: {error}"),
    }
}
