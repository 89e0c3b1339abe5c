//! Descriptors that the host holds for the engine: connections with a service of their own,
//! connections that were taken to look at them, and what services gave into keeping.

use super::checks::Finding;
use super::units;
use super::world::{Happening, World};
use procmgr::engine::{DescriptorId, Event, Peer, Spawn, UnitId};
use procmgr::unit::config::UnitConfig;
use procmgr::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a descriptor is held for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A client of a socket unit with Accept=yes, from this source; its instance once that was
    /// asked for.
    Connection {
        socket: UnitId,
        source: String,
        instance: Option<UnitName>,
    },
    /// A client of this socket unit, taken to look at it.
    Client(UnitId),
    /// A service has sent it and nobody has looked at it yet.
    Sent(UnitId),
    /// It is in the store of this service.
    Stored(UnitId),
}

/// All that are held, and all that were.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) open: BTreeMap<DescriptorId, Purpose>,
    /// Those in stores that are hung up, closed by the host, and the engine has not heard of it:
    /// for the engine they are still there.
    pub(crate) hung_up: BTreeMap<DescriptorId, UnitId>,
    last: u64,
}

impl Held {
    /// Takes one.
    pub(crate) fn hold(&mut self, purpose: Purpose) -> DescriptorId {
        self.last += 1;
        let id = DescriptorId(self.last);
        self.open.insert(id, purpose);
        id
    }

    /// How many connections of a socket unit have an instance, or wait for one; of one source,
    /// if that matters.
    pub(crate) fn served(&self, unit: UnitId, of: Option<&str>) -> usize {
        let served = self.open.values().filter(|purpose| match purpose {
            Purpose::Connection {
                socket,
                source,
                instance: Some(_),
            } => *socket == unit && of.is_none_or(|of| of == source),
            _ => false,
        });
        served.count()
    }

    /// Whether a unit has a connection or a store, as far as the engine can know.
    pub(crate) fn are_of(&self, unit: UnitId, name: &UnitName) -> bool {
        let hung_up = self.hung_up.values().any(|of| *of == unit);
        hung_up
            || self.open.values().any(|purpose| match purpose {
                Purpose::Stored(of) => *of == unit,
                Purpose::Connection { instance, .. } => instance.as_ref() == Some(name),
                Purpose::Client(_) | Purpose::Sent(_) => false,
            })
    }
}

impl World<'_> {
    /// A client of a socket unit with Accept=yes is taken.
    pub(crate) fn take_connection(&mut self, unit: UnitId, watch: u64) {
        self.clients += 1;
        let source = format!("source{}", self.clients % 3);
        let peer = Peer {
            instance: format!("{}-{source}", self.clients),
            source: Some(source.clone()),
            remote: Some((source.clone(), self.clients.to_string())),
            description: source.clone(),
        };
        let connection = self.held.hold(Purpose::Connection {
            socket: unit,
            source,
            instance: None,
        });
        self.tell(
            None,
            Event::Connected {
                unit,
                watch,
                connection,
                peer,
            },
        );
    }

    /// The unit for a connection is read, after a while.
    pub(crate) fn load_instance(
        &mut self,
        socket: UnitId,
        connection: DescriptorId,
        name: UnitName,
    ) {
        if let Some(Purpose::Connection { instance, .. }) = self.held.open.get_mut(&connection) {
            *instance = Some(name.clone());
        }
        let after = self.delay();
        self.plan(after, Happening::ReadInstance(socket, connection, name));
    }

    pub(crate) fn read_instance(
        &mut self,
        socket: UnitId,
        connection: DescriptorId,
        instance: UnitName,
    ) -> Result<(), Finding> {
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        let config = if self.new_dice.percent(trouble / 4) {
            UnitConfig::not_found(instance.clone())
        } else {
            let mut dice = self.new_dice.aside(connection.0);
            let names: Vec<UnitName> = self.scenario.names().cloned().collect();
            units::instance(&mut dice, &instance, &names)
        };
        self.picture.write(&[Arc::new(config)]);
        let units = self.picture.missing([instance.clone()]);
        self.instances.push(instance.clone());
        self.handle(Event::Load { units }, None)?;
        let loaded = Event::InstanceLoaded {
            socket,
            connection,
            instance,
        };
        self.handle(loaded, None)
    }

    /// One of the units that were read for connections, if there is any.
    pub(crate) fn one_instance(&self, number: u64) -> Option<UnitName> {
        let count = self.instances.len() as u64;
        let place = usize::try_from(number.checked_rem(count)?).ok()?;
        self.instances.get(place).cloned()
    }

    /// A service sends descriptors along with a message.
    pub(crate) fn send_along(&mut self, unit: UnitId, count: u64) -> Vec<DescriptorId> {
        (0..count)
            .map(|_| self.held.hold(Purpose::Sent(unit)))
            .collect()
    }

    /// The engine keeps one; it may hang up later, if anybody looks.
    pub(crate) fn store_descriptor(&mut self, unit: UnitId, descriptor: DescriptorId, poll: bool) {
        self.seen.insert("stored");
        self.held.open.insert(descriptor, Purpose::Stored(unit));
        if poll && !self.calm && self.new_dice.one_in(3) {
            let after = self.new_dice.pick(&[0, 1_000, 400_000, 5_000_000]);
            self.plan(after, Happening::HangUp(unit, descriptor));
        }
    }

    pub(crate) fn hang_up(&mut self, unit: UnitId, descriptor: DescriptorId) {
        if self.held.open.remove(&descriptor).is_some() {
            self.note(|| format!("{descriptor:?} is hung up"));
            self.held.hung_up.insert(descriptor, unit);
            self.tell(None, Event::DescriptorGone { unit, descriptor });
        }
    }

    /// What the engine has no use for any more.
    pub(crate) fn close_descriptor(&mut self, descriptor: DescriptorId) {
        self.held.open.remove(&descriptor);
        self.held.hung_up.remove(&descriptor);
    }

    /// A process that is ordered takes a first client over.
    pub(crate) fn hand_over_client(&mut self, spawn: &Spawn) {
        if let Some((client, _)) = &spawn.client {
            self.held.open.remove(client);
        }
    }
}
