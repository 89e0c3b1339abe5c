//! What all connections share: the door to the loop and the list of who is connected.

use super::access::Peer;
use crate::host::{Handle, LogLine};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use zbus::{Guid, Message};

/// Connections at a time; systemd allows 4096.
const MAX_CONNECTIONS: usize = 1024;

/// Signals that may wait for one connection's task before it is dropped.
const EVENT_QUEUE: usize = 8192;

/// Something to tell a client.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A signal, built once for all.
    Signal(Message),
    /// A line of log, for those who follow.
    Line(Arc<LogLine>),
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    events: mpsc::Sender<Event>,
    follows: bool,
}

#[derive(Debug, Default)]
struct Clients {
    last: u32,
    entries: BTreeMap<u32, Entry>,
}

/// Shared by all connections and the news pump. The lock is never held across a wait.
pub(super) struct Hub {
    /// The door to the loop.
    pub(super) handle: Handle,
    /// Identifies this server in the handshake and in GetId.
    pub(super) guid: Guid<'static>,
    /// The manager's effective user.
    pub(super) uid: u32,
    clients: Mutex<Clients>,
}

impl Hub {
    /// Nobody connected.
    pub(super) fn new(handle: Handle) -> Hub {
        Hub {
            handle,
            guid: Guid::generate(),
            uid: nix::unistd::geteuid().as_raw(),
            clients: Mutex::new(Clients::default()),
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // A panic elsewhere cannot leave the list half changed: every change is one step.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a client; `None` if there are too many.
    pub(super) fn join(&self, uid: u32, pid: i32) -> Option<(Peer, mpsc::Receiver<Event>)> {
        let mut clients = self.clients();
        if clients.entries.len() >= MAX_CONNECTIONS {
            return None;
        }
        clients.last = clients.last.wrapping_add(1).max(1);
        let peer = Peer {
            number: clients.last,
            uid,
            pid,
        };
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let entry = Entry {
            peer,
            events,
            follows: false,
        };
        clients.entries.insert(peer.number, entry);
        Some((peer, receiver))
    }

    /// Forgets a client.
    pub(super) fn leave(&self, peer: Peer) {
        self.clients().entries.remove(&peer.number);
    }

    /// From now on this client gets [`Event::Line`]s.
    pub(super) fn follow(&self, peer: Peer) {
        if let Some(entry) = self.clients().entries.get_mut(&peer.number) {
            entry.follows = true;
        }
    }

    /// Whether anybody is there to hear signals.
    pub(super) fn is_empty(&self) -> bool {
        self.clients().entries.is_empty()
    }

    /// Who is connected.
    pub(super) fn peers(&self) -> Vec<Peer> {
        self.clients().entries.values().map(|e| e.peer).collect()
    }

    /// Tells everybody, or everybody who follows the log. Who does not keep up is dropped: the
    /// end of its queue tells its task.
    pub(super) fn tell(&self, event: &Event) {
        self.clients().entries.retain(|_, entry| {
            let wanted = match event {
                Event::Signal(_) => true,
                Event::Line(_) => entry.follows,
            };
            if !wanted || entry.events.try_send(event.clone()).is_ok() {
                return true;
            }
            tracing::warn!(pid = entry.peer.pid, "dropping a client that does not read");
            false
        });
    }
}
