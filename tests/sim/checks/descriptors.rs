//! Descriptors that are held for the engine.

use super::{Check, Sight, Verdict};
use crate::sim::descriptors::Purpose;
use procmgr::engine::{DescriptorId, Effect, PassedSource};
use procmgr::unit::config::PreserveMode;
use std::collections::BTreeSet;

/// Every descriptor is closed once, only what is open is passed, kept or used, a socket serves
/// no more clients than MaxConnections= and MaxConnectionsPerSource= allow, and a store holds no
/// more than FileDescriptorStoreMax=. At rest nothing is open that nobody has, and the engine's
/// ledger has what is open.
pub(crate) struct Descriptors;

impl Check for Descriptors {
    fn name(&self) -> &'static str {
        "descriptors"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        let held = &sight.world.held;
        match effect {
            Effect::CloseDescriptor { descriptor } => {
                let known =
                    held.open.contains_key(descriptor) || held.hung_up.contains_key(descriptor);
                known
                    .then_some(())
                    .ok_or_else(|| format!("{descriptor:?} is closed twice"))
            }
            Effect::StoreDescriptor { descriptor, .. } if !held.open.contains_key(descriptor) => {
                Err(format!("{descriptor:?} is kept, which is not open"))
            }
            Effect::LoadInstance {
                socket, connection, ..
            } => {
                let Some(Purpose::Connection { source, .. }) = held.open.get(connection) else {
                    return Err(format!("an instance for {connection:?}, which is not open"));
                };
                let Some(section) = sight.picture().unit(*socket).config.socket() else {
                    return Ok(());
                };
                let (most, most_of_one) =
                    (section.max_connections, section.max_connections_per_source);
                let all = held.served(*socket, None);
                let same = held.served(*socket, Some(source));
                if all >= most as usize || most_of_one > 0 && same >= most_of_one as usize {
                    return Err(format!(
                        "{socket:?} serves {all} clients, {same} of {source}, and takes another"
                    ));
                }
                Ok(())
            }
            Effect::Spawn(spawn) => {
                let passed = spawn.passed.iter().filter_map(|it| match it.source {
                    PassedSource::Connection(id) | PassedSource::Stored(id) => Some(id),
                    PassedSource::Socket { .. } => None,
                });
                let mut all = passed.chain(spawn.client.iter().map(|(id, _)| *id));
                let closed =
                    all.find(|id| !held.open.contains_key(id) && !held.hung_up.contains_key(id));
                closed.map_or(Ok(()), |id| {
                    Err(format!(
                        "{} gets {id:?}, which is closed",
                        spawn.config.name
                    ))
                })
            }
            _ => Ok(()),
        }
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let picture = sight.picture();
        for (id, purpose) in &sight.world.held.open {
            let whose = match purpose {
                Purpose::Connection { instance, .. } => instance
                    .as_ref()
                    .and_then(|name| picture.find(name))
                    .filter(|unit| !picture.unit(*unit).is_down()),
                Purpose::Client(socket) => picture
                    .units
                    .contains_key(socket)
                    .then_some(*socket)
                    .filter(|unit| picture.unit(*unit).is_up()),
                Purpose::Sent(_) => None,
                Purpose::Stored(unit) => picture.units.get(unit).and_then(|seen| {
                    let service = seen.config.service();
                    let preserve = service.map(|it| it.descriptor_store_preserve);
                    let keeps = !seen.is_down() || preserve == Some(PreserveMode::Yes);
                    let changed = picture.reread.contains(unit);
                    (keeps || changed).then_some(*unit)
                }),
            };
            if whose.is_none() {
                return Err(format!("{id:?} is open for nobody: {purpose:?}"));
            }
        }
        let ledger = sight.world.engine.ledger();
        let listed: BTreeSet<DescriptorId> = ledger.descriptors().map(|(id, _)| id).collect();
        let open: BTreeSet<DescriptorId> = sight.world.held.open.keys().copied().collect();
        if listed != open {
            return Err(format!("{open:?} are open, the ledger has {listed:?}"));
        }
        for (unit, seen) in &picture.units {
            let stored = |purpose: &&Purpose| **purpose == Purpose::Stored(*unit);
            let count = sight.world.held.open.values().filter(stored).count();
            let most = seen
                .config
                .service()
                .map(|it| it.descriptor_store_max as usize);
            let changed = picture.reread.contains(unit);
            if !changed && most.is_some_and(|most| count > most) {
                return Err(format!("{} keeps {count} descriptors", seen.name()));
            }
        }
        Ok(())
    }
}
