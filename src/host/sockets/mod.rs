//! Sockets of units, connections that came in at them, and descriptors kept for services: what
//! the engine orders of them, and what the kernel says.
//!
//! The engine knows sockets by unit and place, and every other descriptor by its number; only
//! here they are descriptors. Invariants: a descriptor is closed when the engine says so and
//! never before a process that was ordered with it has it; a socket of the unit's own does not
//! block while the daemon itself takes from it.

pub mod ad_hoc;
mod held;
mod node;
mod open;
mod openers;
mod options;
mod passing;
mod peer;
#[cfg(test)]
mod tests;
mod watch;

use held::Held;
pub(super) use passing::Parcel;

use super::bells::Bell;
use super::keep::custody::{Custody, Kept};
use super::keep::socket_key;
use super::listing::Listings;
use super::run::{Fact, Host};
use crate::engine::{DescriptorId, Effect, Event, LogLevel, OpenFailure, UnitId, WatchManner};
use crate::unit::config::UnitConfig;
use crate::unit::diagnostic::Diagnostic;
use crate::unit::name::UnitName;
use open::Opened;
use openers::{Openers, ToOpen};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use watch::Watch;

/// The sockets of one unit.
#[derive(Debug)]
pub(super) struct Sockets {
    config: Arc<UnitConfig>,
    /// One for each Listen...=.
    descriptors: Vec<Arc<OwnedFd>>,
    /// Their places in custody.
    _kept: Vec<Kept>,
    watch: Option<Watch>,
    /// One for each of them, from the first watch on; those that have rung are silent until the next.
    bells: Vec<Bell<Arc<OwnedFd>>>,
    /// What the last instance for a connection named, itself or through others.
    named: BTreeSet<UnitName>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Registry {
    custody: Arc<Custody>,
    open: BTreeMap<UnitId, Sockets>,
    /// Orders that pool threads carry out.
    opening: BTreeMap<UnitId, u64>,
    openers: Openers,
    held: Held,
    /// For the units of connections.
    listings: Listings,
}

impl Registry {
    /// Nothing so far.
    pub(super) fn new(custody: Arc<Custody>) -> Registry {
        Registry {
            open: BTreeMap::new(),
            opening: BTreeMap::new(),
            openers: Openers::default(),
            held: Held::new(custody.clone()),
            custody,
            listings: Listings::default(),
        }
    }

    /// Takes a descriptor; its number from now on.
    pub(super) fn hold(&mut self, descriptor: OwnedFd) -> DescriptorId {
        self.held.hold(descriptor)
    }

    /// Takes a descriptor that has a number already.
    pub(super) fn hold_again(&mut self, id: DescriptorId, descriptor: OwnedFd) {
        self.held.put(id, descriptor);
    }

    /// Numbers up to this one are taken.
    pub(super) fn count_from(&mut self, last: u64) {
        self.held.count_from(last);
    }
}

/// What tasks and pool threads say.
#[derive(Debug)]
pub(super) enum SocketFact {
    Opened {
        unit: UnitId,
        order: u64,
        config: Arc<UnitConfig>,
        result: Result<Opened, OpenFailure>,
    },
    /// Something waits at a socket, perhaps.
    Ready {
        unit: UnitId,
        watch: u64,
        index: usize,
    },
    /// The unit of a connection was read.
    InstanceRead(Box<InstanceRead>),
    /// A stored descriptor was hung up, perhaps.
    Hung(DescriptorId),
}

/// The units that a connection needs.
#[derive(Debug)]
pub(super) struct InstanceRead {
    socket: UnitId,
    connection: DescriptorId,
    instance: UnitName,
    units: Vec<Arc<UnitConfig>>,
    unreadable: Vec<Diagnostic>,
}

impl Host {
    /// Carries out what the engine orders of sockets and descriptors.
    pub(super) fn carry_out_of_sockets(&mut self, effect: Effect) {
        match effect {
            Effect::OpenSockets {
                unit,
                order,
                config,
            } => self.open_sockets(unit, order, config),
            Effect::CloseSockets { unit, remove } => self.close_sockets(unit, remove),
            Effect::WatchSockets {
                unit,
                watch,
                manner,
            } => self.watch_sockets(unit, watch, manner),
            Effect::UnwatchSockets { unit } => {
                if let Some(sockets) = self.sockets.open.get_mut(&unit) {
                    sockets.end_watch();
                }
            }
            Effect::FlushSockets { unit } => {
                if let Some(sockets) = self.sockets.open.get(&unit) {
                    sockets.flush();
                }
            }
            Effect::LoadInstance {
                socket,
                connection,
                instance,
                peer,
            } => self.load_instance(socket, connection, instance, peer),
            Effect::StoreDescriptor {
                unit,
                descriptor,
                poll,
            } => self.store_descriptor(unit, descriptor, poll),
            Effect::CloseDescriptor { descriptor } => self.sockets.held.close(descriptor),
            Effect::Spawn(_)
            | Effect::RunProbe(_)
            | Effect::CancelProbe { .. }
            | Effect::ProbeTurned { .. }
            | Effect::Kill(_)
            | Effect::Check { .. }
            | Effect::FindMain { .. }
            | Effect::ForgetMain { .. }
            | Effect::CleanUp { .. }
            | Effect::Reply { .. }
            | Effect::UnitNew { .. }
            | Effect::UnitRemoved { .. }
            | Effect::JobNew { .. }
            | Effect::JobRemoved { .. }
            | Effect::Changed { .. }
            | Effect::WatchBusName { .. }
            | Effect::ForgetBusName { .. }
            | Effect::Act { .. }
            | Effect::TakeIn { .. }
            | Effect::RequestStop { .. }
            | Effect::ReadStamp { .. }
            | Effect::WriteStamp { .. }
            | Effect::WatchPaths { .. }
            | Effect::UnwatchPaths { .. }
            | Effect::Log { .. }
            | Effect::Finished => {}
        }
    }

    /// Takes in what a task or pool thread says.
    pub(super) fn socket_fact(&mut self, fact: SocketFact) {
        match fact {
            SocketFact::Opened {
                unit,
                order,
                config,
                result,
            } => self.sockets_opened(unit, order, config, result),
            SocketFact::Ready { unit, watch, index } => self.socket_ready(unit, watch, index),
            SocketFact::InstanceRead(read) => self.instance_read(*read),
            SocketFact::Hung(descriptor) => self.descriptor_hung(descriptor),
        }
    }

    /// Paths may lie on a file system that hangs, and names may be asked for: off the loop.
    fn open_sockets(&mut self, unit: UnitId, order: u64, config: Arc<UnitConfig>) {
        self.sockets.opening.insert(unit, order);
        let to_open = ToOpen {
            unit,
            order,
            config,
        };
        self.sockets.openers.open(to_open, &self.facts);
    }

    fn sockets_opened(
        &mut self,
        unit: UnitId,
        order: u64,
        config: Arc<UnitConfig>,
        result: Result<Opened, OpenFailure>,
    ) {
        if self.sockets.opening.get(&unit) != Some(&order) {
            // It was told to close meanwhile.
            return;
        }
        self.sockets.opening.remove(&unit);
        let result = result.map(|opened| {
            for warning in opened.warnings {
                self.log
                    .manager(LogLevel::Warning, Some(&config.name), &warning);
            }
            self.put_sockets(unit, config, opened.sockets);
        });
        self.tell(Event::SocketsOpened {
            unit,
            order,
            result,
        });
    }

    /// The sockets of a unit are there.
    pub(super) fn put_sockets(
        &mut self,
        unit: UnitId,
        config: Arc<UnitConfig>,
        sockets: Vec<OwnedFd>,
    ) {
        let descriptors: Vec<Arc<OwnedFd>> = sockets.into_iter().map(Arc::new).collect();
        let kept = descriptors.iter().enumerate().map(|(index, descriptor)| {
            let key = socket_key(unit, index);
            self.sockets.custody.keep(key, descriptor)
        });
        let sockets = Sockets {
            config,
            _kept: kept.collect(),
            descriptors,
            watch: None,
            bells: Vec::new(),
            named: BTreeSet::new(),
        };
        self.sockets.open.insert(unit, sockets);
    }

    /// Makes the sockets of a unit that were lost; where that fails, waiting for traffic will.
    /// Blocks.
    pub(super) fn reopen_sockets(&mut self, unit: UnitId, config: Arc<UnitConfig>) {
        let Some(section) = config.socket() else {
            return;
        };
        match open::open(section) {
            Ok(opened) => self.put_sockets(unit, config, opened.sockets),
            Err(OpenFailure::Resources(reason) | OpenFailure::Owner(reason)) => {
                let text = format!("its sockets cannot be made anew: {reason}");
                self.log.manager(LogLevel::Error, Some(&config.name), &text);
            }
        }
    }

    fn close_sockets(&mut self, unit: UnitId, remove: bool) {
        self.sockets.opening.remove(&unit);
        let Some(sockets) = self.sockets.open.remove(&unit) else {
            return;
        };
        let config = sockets.config.clone();
        drop(sockets);
        let engine = &self.engine;
        self.groups.keep_ready(|unit| engine.is_awaited(unit));
        // Their addresses are free from here on.
        self.custody.settle();
        if !remove {
            return;
        }
        // At once: whoever starts the unit next must not find its own node removed.
        let failures = config.socket().map(node::remove).unwrap_or_default();
        for failure in failures {
            self.log
                .manager(LogLevel::Warning, Some(&config.name), &failure);
        }
    }

    /// Reads the unit for a connection beside all other requests, for they are many.
    fn load_instance(
        &mut self,
        socket: UnitId,
        connection: DescriptorId,
        instance: UnitName,
        peer: String,
    ) {
        // Mostly it names what the last one did: to go through all that is loaded takes long.
        let named = self.sockets.open.get(&socket).map(|open| &open.named);
        let loaded = match named.filter(|named| !named.is_empty()) {
            None => self.engine.loaded_names(),
            Some(named) => {
                let names = named.iter().chain([&instance]);
                let loaded = names.filter(|name| self.engine.has_loaded(name));
                loaded.cloned().collect()
            }
        };
        let settings = self.options.load.clone();
        let facts = self.facts.clone();
        let listings = self.sockets.listings.clone();
        tokio::task::spawn_blocking(move || {
            let names = [instance.clone()].into();
            let closure = listings.load(&names, &loaded, &settings);
            let units = closure.units.into_values().map(|mut unit| {
                if unit.name == instance {
                    describe(Arc::make_mut(&mut unit), &peer);
                }
                unit
            });
            let read = InstanceRead {
                socket,
                connection,
                units: units.collect(),
                instance,
                unreadable: closure.unreadable,
            };
            let _ = facts.send(Fact::Socket(SocketFact::InstanceRead(Box::new(read))));
        });
    }

    fn instance_read(&mut self, read: InstanceRead) {
        let InstanceRead {
            socket,
            connection,
            instance,
            mut units,
            unreadable,
        } = read;
        if let Some(open) = self.sockets.open.get_mut(&socket) {
            open.note_named(&units);
        }
        // Where it names others than the last one did, they may be there all the same.
        units.retain(|unit| unit.name == instance || !self.engine.has_loaded(&unit.name));
        self.take_units(units, &unreadable);
        self.tell(Event::InstanceLoaded {
            socket,
            connection,
            instance,
        });
    }

    fn watch_sockets(&mut self, unit: UnitId, watch: u64, manner: WatchManner) {
        let started = match self.sockets.open.get_mut(&unit) {
            Some(sockets) => sockets.start_watch(unit, watch, manner, &self.bells),
            None => Err("its sockets are gone".to_owned()),
        };
        if let Err(reason) = started {
            self.tell(Event::WatchFailed {
                unit,
                watch,
                reason,
            });
        }
    }
}

impl Sockets {
    /// Remembers what units of a connection name.
    fn note_named(&mut self, units: &[Arc<UnitConfig>]) {
        let named = || units.iter().flat_map(|unit| &unit.dependencies);
        if !named().all(|it| self.named.contains(&it.target)) {
            self.named = named().map(|it| it.target.clone()).collect();
        }
    }
}

/// Who has connected is a part of what the instance is.
fn describe(config: &mut UnitConfig, peer: &str) {
    config.unit.description = format!("{} ({peer})", config.unit.description);
}
