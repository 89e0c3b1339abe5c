//! What all connections share: the door to the loop and the list of who is connected.

use super::access::Peer;
use super::log_control::LogControl;
use super::unit_files::State;
use crate::host::Handle;
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use zbus::{Guid, Message};

/// Connections at a time; systemd allows 4096.
const MAX_CONNECTIONS: usize = 1024;

/// Connections of one user who is neither root nor ours, so that nobody shuts the others out.
const MAX_OF_A_STRANGER: usize = 128;

/// Connections at a time that are more than usual, and when they are few again.
const RUSH: usize = 64;
const FEW: usize = 2;

/// Signals that may wait for one connection's task before it is dropped: more than the loop's
/// news hold at a time, of which each may be three signals, and the ends of tens of thousands of
/// jobs, which are told of at once when news were lost. A place in the queue is a pointer.
const SIGNAL_QUEUE: usize = 65_536;

#[derive(Debug)]
struct Entry {
    peer: Peer,
    /// `None`: it gets signals in another way.
    signals: Option<mpsc::Sender<Message>>,
    /// It has asked for units to stay loaded.
    holds: bool,
    /// It hears what others say, too.
    listens: bool,
    /// It does nothing else, and is nobody to talk to.
    only_listens: bool,
}

#[derive(Debug, Default)]
struct Clients {
    last: u32,
    /// How many there were in a rush, when it was last looked; 0 if there is none.
    rush: usize,
    entries: BTreeMap<u32, Entry>,
}

impl Clients {
    fn enter(&mut self, uid: u32, pid: i32, signals: Option<mpsc::Sender<Message>>) -> Peer {
        self.last = self.last.wrapping_add(1).max(1);
        let peer = Peer {
            number: self.last,
            uid,
            pid,
        };
        let entry = Entry {
            peer,
            signals,
            holds: false,
            listens: false,
            only_listens: false,
        };
        self.entries.insert(peer.number, entry);
        peer
    }
}

impl Entry {
    /// Queues a signal; whether there was room.
    fn tell(&self, signal: &Message) -> bool {
        let signals = self.signals.as_ref();
        signals.is_none_or(|signals| signals.try_send(signal.clone()).is_ok())
    }
}

/// Shared by all connections and the news pump. The lock is never held across a wait.
pub(super) struct Hub {
    /// The door to the loop.
    pub(super) handle: Handle,
    /// Identifies this server in the handshake and in GetId.
    pub(super) guid: Guid<'static>,
    /// The manager's own log.
    pub(super) log: Arc<dyn LogControl>,
    /// The manager's effective user.
    pub(super) uid: u32,
    clients: Mutex<Clients>,
    /// How many listen, to be looked at for every message.
    listeners: AtomicUsize,
    file_states: Mutex<FileStates>,
}

/// What is remembered of unit files; `age` counts how often it was forgotten.
#[derive(Debug, Default)]
struct FileStates {
    age: u64,
    states: BTreeMap<UnitName, State>,
}

impl Hub {
    /// Nobody connected.
    pub(super) fn new(handle: Handle, log: Arc<dyn LogControl>) -> Hub {
        Hub {
            handle,
            guid: Guid::generate(),
            log,
            uid: nix::unistd::geteuid().as_raw(),
            clients: Mutex::new(Clients::default()),
            listeners: AtomicUsize::new(0),
            file_states: Mutex::default(),
        }
    }

    fn file_states(&self) -> MutexGuard<'_, FileStates> {
        self.file_states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of a unit's file.
    pub(super) fn file_state(&self, name: &UnitName) -> Option<State> {
        self.file_states().states.get(name).cloned()
    }

    /// To be handed to [`Hub::remember_file_states`] with what is found from now on.
    pub(super) fn file_states_age(&self) -> u64 {
        self.file_states().age
    }

    /// Remembers states, unless unit files have changed since they were looked at.
    pub(super) fn remember_file_states(&self, age: u64, states: BTreeMap<UnitName, State>) {
        let mut known = self.file_states();
        if known.age == age {
            known.states = states;
        }
    }

    /// Unit files have changed.
    pub(super) fn forget_file_states(&self) {
        let mut known = self.file_states();
        known.age += 1;
        known.states.clear();
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // A panic elsewhere cannot leave the list half changed: every change is one step.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a client; `None` if there are too many.
    pub(super) fn join(&self, uid: u32, pid: i32) -> Option<(Peer, mpsc::Receiver<Message>)> {
        let mut clients = self.clients();
        if clients.entries.len() >= MAX_CONNECTIONS {
            return None;
        }
        let of_the_same = clients.entries.values().filter(|e| e.peer.uid == uid);
        let is_stranger = uid != 0 && uid != self.uid;
        if is_stranger && of_the_same.count() >= MAX_OF_A_STRANGER {
            return None;
        }
        let (signals, receiver) = mpsc::channel(SIGNAL_QUEUE);
        let peer = clients.enter(uid, pid, Some(signals));
        let now = clients.entries.len();
        if now >= RUSH {
            clients.rush = clients.rush.max(now);
        }
        Some((peer, receiver))
    }

    /// Registers a client of a real bus, which gets its signals there.
    pub(super) fn join_silently(&self, uid: u32, pid: i32) -> Peer {
        self.clients().enter(uid, pid, None)
    }

    /// The client asks for a unit to stay loaded: the loop is to be told of its end.
    pub(super) fn note_hold(&self, peer: Peer) {
        let mut clients = self.clients();
        if let Some(entry) = clients.entries.get_mut(&peer.number) {
            entry.holds = true;
        }
    }

    /// The client hears what others say and are told from now on.
    pub(super) fn note_listener(&self, peer: Peer, only_listens: bool) {
        let mut clients = self.clients();
        let Some(entry) = clients.entries.get_mut(&peer.number) else {
            return;
        };
        entry.only_listens |= only_listens;
        if !std::mem::replace(&mut entry.listens, true) {
            self.listeners.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether many were connected and most of them have gone: said whenever three of four have
    /// since the last time, until hardly any is left.
    pub(super) fn is_rush_ebbing(&self) -> bool {
        let mut clients = self.clients();
        let now = clients.entries.len();
        let ebbs = clients.rush > 0 && 4 * now <= clients.rush;
        if ebbs {
            clients.rush = if now <= FEW { 0 } else { now };
        }
        ebbs
    }

    /// Whether anybody hears what others say.
    pub(super) fn is_overheard(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Shows a message from or for one client to the others who listen.
    pub(super) fn show(&self, message: &Message, of: Peer) {
        self.tell_those(message, |entry| entry.listens && entry.peer != of);
    }

    /// Forgets a client, with what it holds.
    pub(super) async fn leave(&self, peer: Peer) {
        // One that did not keep up with signals is off the list already.
        let entry = self.clients().entries.remove(&peer.number);
        if entry.as_ref().is_some_and(|entry| entry.listens) {
            self.listeners.fetch_sub(1, Ordering::Relaxed);
        }
        if entry.is_none_or(|entry| entry.holds) {
            self.handle.holder_gone(peer.number.into()).await;
        }
    }

    /// Whether anybody is there to hear signals.
    pub(super) fn is_empty(&self) -> bool {
        self.clients().entries.is_empty()
    }

    /// Who is connected to the control socket.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let clients = self.clients();
        let named = clients.entries.values();
        let here = named.filter(|e| e.signals.is_some() && !e.only_listens);
        here.map(|e| e.peer).collect()
    }

    /// Tells the client of this name, if it is connected.
    pub(super) fn tell_one(&self, name: &str, signal: &Message) {
        let mut clients = self.clients();
        let entries = &mut clients.entries;
        let one = entries.values().find(|e| e.peer.unique_name() == name);
        let Some((number, sent)) = one.map(|entry| (entry.peer.number, entry.tell(signal))) else {
            return;
        };
        if !sent {
            entries.remove(&number);
        }
    }

    /// Tells everybody. Who does not keep up is dropped: the end of its queue tells its task.
    pub(super) fn tell(&self, signal: &Message) {
        self.tell_those(signal, |_| true);
    }

    fn tell_those(&self, message: &Message, those: impl Fn(&Entry) -> bool) {
        self.clients().entries.retain(|_, entry| {
            let told = !those(entry) || entry.tell(message);
            if !told {
                tracing::warn!(pid = entry.peer.pid, "dropping a client that does not read");
                if entry.listens {
                    self.listeners.fetch_sub(1, Ordering::Relaxed);
                }
            }
            told
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::small_loop_tests::small_loop;

    #[test]
    fn a_stranger_does_not_take_all_connections() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let log = Arc::new(crate::bus::tests::NoLog);
            let hub = Hub::new(small_loop(Vec::new(), Vec::new()), log);
            let stranger = hub.uid + 1;
            let joined: Vec<_> = (0..MAX_OF_A_STRANGER)
                .map(|_| hub.join(stranger, 1).unwrap())
                .collect();
            assert!(hub.join(stranger, 1).is_none());
            assert!(hub.join(hub.uid, 1).is_some());
            hub.leave(joined[0].0).await;
            assert!(hub.join(stranger, 1).is_some());
        });
    }

    #[test]
    fn a_rush_ebbs_in_steps() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let log = Arc::new(crate::bus::tests::NoLog);
            let hub = Hub::new(small_loop(Vec::new(), Vec::new()), log);
            let few: Vec<_> = (0..RUSH - 1).filter_map(|_| hub.join(0, 1)).collect();
            for (peer, _) in few {
                hub.leave(peer).await;
                assert!(!hub.is_rush_ebbing());
            }
            let many: Vec<_> = (0..2 * RUSH).filter_map(|_| hub.join(0, 1)).collect();
            let mut ebbs = Vec::new();
            for (left, (peer, _)) in (0..2 * RUSH).rev().zip(many) {
                hub.leave(peer).await;
                if hub.is_rush_ebbing() {
                    ebbs.push(left);
                }
            }
            assert_eq!(ebbs, [32, 8, 2]);
        });
    }

    #[test]
    fn who_does_not_read_is_dropped_and_nobody_else() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let hub = Hub::new(
                small_loop(Vec::new(), Vec::new()),
                Arc::new(crate::bus::tests::NoLog),
            );
            let signal = Message::signal("/", "org.example.A", "B");
            let signal = signal.build(&()).unwrap();
            let (slow, mut unread) = hub.join(0, 1).unwrap();
            let (quick, mut read) = hub.join(0, 2).unwrap();
            for _ in 0..=SIGNAL_QUEUE {
                hub.tell(&signal);
                read.recv().await.unwrap();
            }
            assert_eq!(hub.peers(), [quick]);
            assert_ne!(slow.unique_name(), quick.unique_name());
            // Its task gets what was queued, then the end.
            let mut queued = 0;
            while unread.recv().await.is_some() {
                queued += 1;
            }
            assert_eq!(queued, SIGNAL_QUEUE);
            hub.leave(quick).await;
            assert!(hub.is_empty());
        });
    }
}
