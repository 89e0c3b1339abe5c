//! Waiting for traffic, and what is done with it: told, taken, or looked at.
//!
//! The kernel tells of a socket once for each time that something comes, so what is taken is
//! taken until there is nothing left, and a new wait finds what is there already.

use super::super::bells::{Bell, Bells, Ring};
use super::super::run::{Fact, Host};
use super::{SocketFact, Sockets, peer};
use crate::engine::{Event, LogLevel, UnitId, WatchManner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SocketFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Connections taken in one go, so that nobody else waits for long.
const AT_ONCE: usize = 32;
/// How long to wait where the kernel has no descriptor left.
const RELIEF: Duration = Duration::from_millis(100);
/// The most that is thrown away of what waits.
const MOST_FLUSHED: usize = 100_000;

/// A wait for traffic; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    number: u64,
    manner: WatchManner,
    /// A connection that was taken to look at it.
    client: Option<Client>,
}

/// A connection that was taken to look at it.
#[derive(Debug)]
struct Client {
    bell: Bell<OwnedFd>,
    /// At which socket it came in.
    index: usize,
}

impl Client {
    fn look(&self) -> Look {
        let connection = self.bell.descriptor();
        connection.map_or(Look::Left, |connection| look(connection.as_fd()))
    }

    /// The connection, and where it came in.
    fn take(self) -> Option<(OwnedFd, usize)> {
        Some((self.bell.take_down()?, self.index))
    }
}

/// What poll(2) says of a descriptor now.
pub(super) fn state_of(descriptor: BorrowedFd<'_>) -> PollFlags {
    let mut watched = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut watched, Some(&now)) {
        Ok(_) => watched[0].revents(),
        Err(_) => PollFlags::empty(),
    }
}

/// What a look at a connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// There is something to read.
    Data,
    /// The client has left without a byte.
    Left,
    /// Nothing yet.
    Silent,
}

fn look(connection: BorrowedFd<'_>) -> Look {
    let mut byte = [0u8; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(connection, &mut byte, flags) {
        Ok((0, _)) => Look::Left,
        Ok(_) => Look::Data,
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Look::Silent,
        Err(_) => Look::Left,
    }
}

impl Sockets {
    fn takes_connections(&self, index: usize) -> bool {
        let section = self.config.socket();
        let listen = section.and_then(|section| section.listen.get(index));
        listen.is_some_and(|listen| listen.takes_connections())
    }

    /// Begins a wait in place of any other.
    ///
    /// # Errors
    /// A descriptor cannot be waited on.
    pub(super) fn start_watch(
        &mut self,
        unit: UnitId,
        number: u64,
        manner: WatchManner,
        bells: &Bells,
    ) -> Result<(), String> {
        self.watch = None;
        for (index, descriptor) in self.descriptors.iter().enumerate() {
            // A service may have changed that: it is one open file for both.
            let _ = rustix::io::ioctl_fionbio(descriptor, true);
            if let Some(bell) = self.bells.get(index) {
                bell.wait_again();
                continue;
            }
            let bell = bells.hang(descriptor.clone(), Ring::Socket(unit, index));
            let bell = bell.map_err(|(_, error)| format!("cannot wait for traffic: {error}"))?;
            self.bells.push(bell);
        }
        self.watch = Some(Watch {
            number,
            manner,
            client: None,
        });
        Ok(())
    }

    /// Nobody waits for traffic any more.
    pub(super) fn end_watch(&mut self) {
        self.watch = None;
        self.bells.clear();
    }

    fn wait_again(&self, index: usize) {
        if let Some(bell) = self.bells.get(index) {
            bell.wait_again();
        }
    }

    /// Throws away what waits.
    pub(super) fn flush(&self) {
        for (index, descriptor) in self.descriptors.iter().enumerate() {
            let _ = rustix::io::ioctl_fionbio(descriptor, true);
            let mut buffer = [0u8; 4096];
            for _ in 0..MOST_FLUSHED {
                let gone = if self.takes_connections(index) {
                    rustix::net::accept_with(descriptor, SocketFlags::CLOEXEC).is_ok()
                } else {
                    // Message queues are not read by read(2); what waits there stays.
                    rustix::io::read(descriptor, &mut buffer).is_ok_and(|length| length > 0)
                };
                if !gone {
                    break;
                }
            }
        }
    }
}

impl Host {
    /// The sockets of a unit, if this wait of theirs is still going on.
    fn watched(&mut self, unit: UnitId, number: u64) -> Option<&mut Sockets> {
        let sockets = self.sockets.open.get_mut(&unit)?;
        let current = sockets.watch.as_ref()?.number == number;
        current.then_some(sockets)
    }

    /// The number of the wait of a unit's sockets that is going on.
    fn current_watch(&self, unit: UnitId) -> Option<u64> {
        let sockets = self.sockets.open.get(&unit)?;
        sockets.watch.as_ref().map(|watch| watch.number)
    }

    /// Something may wait at a socket.
    pub(in crate::host) fn socket_rang(&mut self, unit: UnitId, index: usize) {
        if let Some(number) = self.current_watch(unit) {
            self.socket_ready(unit, number, index);
        }
    }

    /// The same, as long as this wait is going on.
    pub(super) fn socket_ready(&mut self, unit: UnitId, number: u64, index: usize) {
        let Some(sockets) = self.watched(unit, number) else {
            return;
        };
        let (Some(descriptor), Some(watch)) =
            (sockets.descriptors.get(index).cloned(), &sockets.watch)
        else {
            return;
        };
        let state = state_of(descriptor.as_fd());
        if state.contains(PollFlags::HUP) {
            let reason = "a socket was hung up: the service has called shutdown() on it";
            sockets.end_watch();
            return self.tell(Event::WatchFailed {
                unit,
                watch: number,
                reason: reason.to_owned(),
            });
        }
        if state.is_empty() {
            return sockets.wait_again(index);
        }
        let connects = sockets.takes_connections(index);
        match watch.manner {
            WatchManner::Accept => self.accept_some(unit, number, index, &descriptor),
            WatchManner::NotEmpty if connects => self.take_a_look(unit, number, index),
            WatchManner::NotEmpty | WatchManner::Any => self.traffic(unit, number, None),
        }
    }

    fn traffic(&mut self, unit: UnitId, watch: u64, client: Option<(OwnedFd, usize)>) {
        if let Some(sockets) = self.watched(unit, watch) {
            // The only bell has rung, and is silent.
            match sockets.bells.len() {
                1 => sockets.watch = None,
                _ => sockets.end_watch(),
            }
        }
        let client = client.map(|(client, index)| (self.sockets.held.hold(client), index));
        self.tell(Event::Traffic {
            unit,
            watch,
            client,
        });
    }

    /// Takes connections, each for a service of its own.
    fn accept_some(&mut self, unit: UnitId, watch: u64, index: usize, from: &Arc<OwnedFd>) {
        let again = SocketFact::Ready { unit, watch, index };
        for _ in 0..AT_ONCE {
            if self.watched(unit, watch).is_none() {
                return;
            }
            match rustix::net::accept_with(from, SocketFlags::CLOEXEC) {
                Ok(connection) => self.connected(unit, watch, connection),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    if let Some(sockets) = self.watched(unit, watch) {
                        sockets.wait_again(index);
                    }
                    return;
                }
                // This one has vanished.
                Err(rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => {}
                Err(error) => {
                    let text = format!("cannot take a connection: {error}");
                    let name = self.name(unit);
                    self.log.manager(LogLevel::Error, name.as_ref(), &text);
                    let facts = self.facts.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(RELIEF).await;
                        let _ = facts.send(Fact::Socket(again));
                    });
                    return;
                }
            }
            // Limits of the unit and refusals show at once.
            self.settle();
        }
        let _ = self.facts.send(Fact::Socket(again));
    }

    fn connected(&mut self, unit: UnitId, watch: u64, connection: OwnedFd) {
        let Some(peer) = peer::of(connection.as_fd()) else {
            return;
        };
        if let Some(section) = self.sockets.open.get(&unit).and_then(|s| s.config.socket()) {
            super::options::apply_to_connection(connection.as_fd(), &section.options);
        }
        let connection = self.sockets.held.hold(connection);
        self.tell(Event::Connected {
            unit,
            watch,
            connection,
            peer,
        });
    }

    /// Takes one connection to see whether anything comes (IgnoreEmptyConnections=). Where
    /// another one waits behind a silent one, both are for the service.
    fn take_a_look(&mut self, unit: UnitId, number: u64, index: usize) {
        loop {
            let Some(sockets) = self.sockets.open.get_mut(&unit) else {
                return;
            };
            let listener = sockets.descriptors[index].clone();
            let Some(watch) = &mut sockets.watch else {
                return;
            };
            if let Some(client) = watch.client.take()
                && client.look() != Look::Left
            {
                return self.traffic(unit, number, client.take());
            }
            let Ok(connection) = rustix::net::accept_with(&listener, SocketFlags::CLOEXEC) else {
                return sockets.wait_again(index);
            };
            match look(connection.as_fd()) {
                Look::Left => {}
                Look::Data => return self.traffic(unit, number, Some((connection, index))),
                // If another one waits behind it, the next turn hands both over.
                Look::Silent => {
                    match self.bells.hang(connection, Ring::Client(unit)) {
                        Ok(bell) => watch.client = Some(Client { bell, index }),
                        Err((connection, _)) => {
                            return self.traffic(unit, number, Some((connection, index)));
                        }
                    }
                    if state_of(listener.as_fd()).is_empty() {
                        return sockets.wait_again(index);
                    }
                }
            }
        }
    }

    /// The connection that was taken to look at it has something to show.
    pub(in crate::host) fn client_rang(&mut self, unit: UnitId) {
        let Some(sockets) = self.sockets.open.get_mut(&unit) else {
            return;
        };
        let Some(watch) = &mut sockets.watch else {
            return;
        };
        let number = watch.number;
        let Some(client) = watch.client.take() else {
            return;
        };
        match client.look() {
            Look::Data => self.traffic(unit, number, client.take()),
            Look::Left => {}
            Look::Silent => {
                client.bell.wait_again();
                watch.client = Some(client);
            }
        }
    }
}
