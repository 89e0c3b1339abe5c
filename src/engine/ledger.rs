//! What was ordered and what became of it: the orders that have no answer yet, and the
//! processes, sockets and descriptors that the host holds for the engine.
//!
//! It is written up from the events that come in and the effects that go out, so that it is part
//! of a snapshot, and of what follows when events are played again: a host that takes a snapshot
//! up knows from here what it should be holding, and which orders to carry out once more.

use super::effect::{Effect, KillOrder, MainSource, Spawn, WatchManner};
use super::engine::Engine;
use super::event::Event;
use super::ids::{DescriptorId, ProcessId, UnitId};
use super::process::Role;
use crate::unit::name::UnitName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A process that the engine counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerProcess {
    /// Whose it is.
    pub unit: UnitId,
    /// What it is for; `None` for one that was found, not started.
    pub role: Option<Role>,
    /// Its number.
    pub pid: i32,
    /// The generation it was started for; `None` for one that was found.
    #[serde(default)]
    pub generation: Option<u32>,
}

/// A descriptor in a service's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    unit: UnitId,
    poll: bool,
}

/// A connection whose unit is being read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Instance {
    socket: UnitId,
    instance: UnitName,
    peer: String,
}

/// What the host holds, and what it owes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledger {
    spawns: BTreeMap<ProcessId, Arc<Spawn>>,
    processes: BTreeMap<ProcessId, LedgerProcess>,
    kills: BTreeMap<u64, KillOrder>,
    searches: BTreeMap<ProcessId, (UnitId, MainSource)>,
    opening: BTreeMap<UnitId, u64>,
    open: BTreeSet<UnitId>,
    watches: BTreeMap<UnitId, (u64, WatchManner)>,
    instances: BTreeMap<DescriptorId, Instance>,
    held: BTreeSet<DescriptorId>,
    stored: BTreeMap<DescriptorId, Stored>,
    /// Descriptors are numbered by the host, who must not give a number twice.
    last_descriptor: u64,
    bus_names: BTreeMap<UnitId, String>,
    /// Scopes into which processes are being moved: the order, and the invocation ID.
    taking_in: BTreeMap<UnitId, (u64, Wide)>,
    /// Timers whose stamp is being read.
    #[serde(default)]
    stamps: BTreeMap<UnitId, u64>,
    /// Paths that are watched.
    #[serde(default)]
    paths: BTreeMap<UnitId, u64>,
}

/// 128 bits, in the form of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Wide(#[serde(with = "super::snapshot::hexadecimal")] u128);

impl Ledger {
    /// Processes that were ordered and of which it is not known whether they came to be.
    pub fn ordered(&self) -> impl Iterator<Item = &Spawn> {
        self.spawns.values().map(Arc::as_ref)
    }

    /// Whether such a process was ordered.
    pub fn is_ordered(&self, process: ProcessId) -> bool {
        self.spawns.contains_key(&process) || self.searches.contains_key(&process)
    }

    /// Processes that are there.
    pub fn processes(&self) -> impl Iterator<Item = (ProcessId, LedgerProcess)> {
        self.processes.iter().map(|(id, process)| (*id, *process))
    }

    /// Units whose sockets are open.
    pub fn open_sockets(&self) -> impl Iterator<Item = UnitId> {
        self.open.iter().copied()
    }

    /// Descriptors that are held, with the unit in whose store they are.
    pub fn descriptors(&self) -> impl Iterator<Item = (DescriptorId, Option<UnitId>)> {
        let store = |id| self.stored.get(id).map(|stored: &Stored| stored.unit);
        self.held.iter().map(move |id| (*id, store(id)))
    }

    /// The highest number that a descriptor ever had.
    pub fn last_descriptor(&self) -> u64 {
        self.last_descriptor
    }

    /// Takes note of what happened.
    pub(super) fn note_event(&mut self, event: &Event) {
        match event {
            Event::Spawned { process, pid, .. } => {
                if let Some(spawn) = self.spawns.remove(process) {
                    let entry = LedgerProcess {
                        unit: spawn.unit,
                        role: Some(spawn.role),
                        pid: *pid,
                        generation: Some(spawn.generation),
                    };
                    self.processes.insert(*process, entry);
                }
            }
            Event::SpawnFailed { process, .. } => {
                self.spawns.remove(process);
            }
            Event::Exited { process, .. } => {
                self.processes.remove(process);
            }
            Event::MainFound { process, pid } => {
                if let Some((unit, _)) = self.searches.remove(process) {
                    let entry = LedgerProcess {
                        unit,
                        role: None,
                        pid: *pid,
                        generation: None,
                    };
                    self.processes.insert(*process, entry);
                }
            }
            Event::MainNotFound { process, .. } => {
                self.searches.remove(process);
            }
            Event::Killed { order, .. } => {
                self.kills.remove(order);
            }
            Event::SocketsOpened {
                unit,
                order,
                result,
            } => {
                if self.opening.get(unit) == Some(order) {
                    self.opening.remove(unit);
                    if result.is_ok() {
                        self.open.insert(*unit);
                    }
                }
            }
            Event::Traffic { unit, client, .. } => {
                self.watches.remove(unit);
                self.hold(client.map(|(descriptor, _)| descriptor));
            }
            Event::WatchFailed { unit, .. } => {
                self.watches.remove(unit);
            }
            Event::Connected { connection, .. } => self.hold([*connection]),
            Event::Notified { descriptors, .. } => self.hold(descriptors.iter().copied()),
            Event::InstanceLoaded { connection, .. } => {
                self.instances.remove(connection);
            }
            Event::DescriptorGone { descriptor, .. } => self.let_go(*descriptor),
            Event::Streams { streams, .. } => self.hold(streams.iter().flatten().copied()),
            Event::TakenIn { unit, .. } => {
                self.taking_in.remove(unit);
            }
            Event::PathsSeen { .. } | Event::PathTouched { .. } => {}
            Event::StampRead { unit, .. } => {
                self.stamps.remove(unit);
            }
            Event::ProbeSkipped { process } => {
                self.spawns.remove(process);
            }
            Event::Load { .. }
            | Event::Request { .. }
            | Event::Kill { .. }
            | Event::Cancel { .. }
            | Event::ResetFailed { .. }
            | Event::Keep { .. }
            | Event::Hold { .. }
            | Event::Release { .. }
            | Event::HolderGone { .. }
            | Event::Collect
            | Event::Shutdown
            | Event::GroupEmpty { .. }
            | Event::OutOfMemory { .. }
            | Event::BusNameWatched { .. }
            | Event::BusNameOwned { .. }
            | Event::Control { .. }
            | Event::Abandon { .. }
            | Event::Checked { .. }
            // A probe without an answer is made again by its own time.
            | Event::Probed { .. }
            | Event::ClockJumped
            | Event::ZoneChanged
            | Event::Elapsed => {}
        }
    }

    /// The sockets of a unit are no longer open, nor to be opened.
    fn note_closed(&mut self, unit: UnitId) {
        self.opening.remove(&unit);
        self.open.remove(&unit);
        self.watches.remove(&unit);
    }

    /// Nothing more comes of orders for a unit that is gone.
    fn note_removed(&mut self, unit: UnitId) {
        self.stamps.remove(&unit);
        self.paths.remove(&unit);
        self.bus_names.remove(&unit);
        self.taking_in.remove(&unit);
    }

    /// Takes note of what is ordered.
    pub(super) fn note_effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Spawn(spawn) => {
                if let Some((client, _)) = &spawn.client {
                    // It goes with the process.
                    self.let_go(*client);
                }
                self.spawns.insert(spawn.process, spawn.clone());
            }
            Effect::Kill(order) => {
                self.kills.insert(order.order, order.clone());
            }
            Effect::FindMain {
                process,
                unit,
                source,
            } => {
                self.searches.insert(*process, (*unit, source.clone()));
            }
            Effect::ForgetMain { process } => {
                self.searches.remove(process);
                self.processes.remove(process);
            }
            Effect::WatchBusName { unit, name } => {
                self.bus_names.insert(*unit, name.clone());
            }
            Effect::ForgetBusName { unit } => {
                self.bus_names.remove(unit);
            }
            Effect::OpenSockets { unit, order, .. } => {
                self.opening.insert(*unit, *order);
            }
            Effect::CloseSockets { unit, .. } => self.note_closed(*unit),
            Effect::WatchSockets {
                unit,
                watch,
                manner,
            } => {
                self.watches.insert(*unit, (*watch, *manner));
            }
            Effect::UnwatchSockets { unit } => {
                self.watches.remove(unit);
            }
            Effect::TakeIn {
                unit,
                order,
                invocation,
                ..
            } => {
                self.taking_in.insert(*unit, (*order, Wide(*invocation)));
            }
            Effect::LoadInstance {
                socket,
                connection,
                instance,
                peer,
            } => self.note_instance(*socket, *connection, instance, peer),
            Effect::StoreDescriptor {
                unit,
                descriptor,
                poll,
            } => {
                let (unit, poll) = (*unit, *poll);
                self.stored.insert(*descriptor, Stored { unit, poll });
            }
            Effect::CloseDescriptor { descriptor } => self.let_go(*descriptor),
            Effect::WatchPaths { unit, order, .. } => {
                self.paths.insert(*unit, *order);
            }
            Effect::UnwatchPaths { unit } => {
                self.paths.remove(unit);
            }
            Effect::ReadStamp { unit, order } => {
                self.stamps.insert(*unit, *order);
            }
            Effect::UnitRemoved { unit, .. } => self.note_removed(*unit),
            // The engine knows itself what is looked at.
            Effect::Check { .. }
            | Effect::CleanUp { .. }
            | Effect::RequestStop { .. }
            | Effect::WriteStamp { .. }
            | Effect::RunProbe(_)
            | Effect::CancelProbe { .. }
            | Effect::ProbeTurned { .. }
            | Effect::FlushSockets { .. }
            | Effect::Reply { .. }
            | Effect::UnitNew { .. }
            | Effect::JobNew { .. }
            | Effect::JobRemoved { .. }
            | Effect::Changed { .. }
            | Effect::Log { .. }
            | Effect::Act { .. }
            | Effect::Finished => {}
        }
    }

    fn note_instance(
        &mut self,
        socket: UnitId,
        connection: DescriptorId,
        instance: &UnitName,
        peer: &str,
    ) {
        let waiting = Instance {
            socket,
            instance: instance.clone(),
            peer: peer.to_owned(),
        };
        self.instances.insert(connection, waiting);
    }

    fn hold(&mut self, descriptors: impl IntoIterator<Item = DescriptorId>) {
        for descriptor in descriptors {
            self.last_descriptor = self.last_descriptor.max(descriptor.0);
            self.held.insert(descriptor);
        }
    }

    fn let_go(&mut self, descriptor: DescriptorId) {
        self.held.remove(&descriptor);
        self.stored.remove(&descriptor);
    }
}

impl Engine {
    /// What the host holds for the engine.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The orders that are not answered, to be carried out once more by a host that has taken
    /// over: starts last, since what they pass has to be there. Sockets that are open are not
    /// among them, nor are processes that are there.
    pub fn unanswered(&self) -> Vec<Effect> {
        let ledger = &self.ledger;
        let mut effects = Vec::new();
        for (check, unit) in &self.checks {
            let section = &self.graph.get(*unit).config.unit;
            let conditions = section.conditions.iter().chain(&section.asserts);
            effects.push(Effect::Check {
                check: *check,
                unit: *unit,
                conditions: conditions.cloned().collect(),
            });
        }
        for (unit, name) in &ledger.bus_names {
            effects.push(Effect::WatchBusName {
                unit: *unit,
                name: name.clone(),
            });
        }
        for (unit, order) in &ledger.opening {
            if let Some(open) = self.graph.lookup(*unit) {
                effects.push(Effect::OpenSockets {
                    unit: *unit,
                    order: *order,
                    config: open.config.clone(),
                });
            }
        }
        for (descriptor, stored) in &ledger.stored {
            effects.push(Effect::StoreDescriptor {
                unit: stored.unit,
                descriptor: *descriptor,
                poll: stored.poll,
            });
        }
        for (unit, (watch, manner)) in &ledger.watches {
            effects.push(Effect::WatchSockets {
                unit: *unit,
                watch: *watch,
                manner: *manner,
            });
        }
        for (connection, waiting) in &ledger.instances {
            effects.push(Effect::LoadInstance {
                socket: waiting.socket,
                connection: *connection,
                instance: waiting.instance.clone(),
                peer: waiting.peer.clone(),
            });
        }
        for (unit, (order, Wide(invocation))) in &ledger.taking_in {
            if let Some(scope) = self.graph.lookup(*unit) {
                effects.push(Effect::TakeIn {
                    unit: *unit,
                    order: *order,
                    config: scope.config.clone(),
                    invocation: *invocation,
                });
            }
        }
        for (process, (unit, source)) in &ledger.searches {
            effects.push(Effect::FindMain {
                process: *process,
                unit: *unit,
                source: source.clone(),
            });
        }
        for (unit, order) in &ledger.paths {
            if let Some(path) = self.graph.lookup(*unit) {
                effects.push(Effect::WatchPaths {
                    unit: *unit,
                    order: *order,
                    config: path.config.clone(),
                    make: false,
                });
            }
        }
        for (unit, order) in &ledger.stamps {
            effects.push(Effect::ReadStamp {
                unit: *unit,
                order: *order,
            });
        }
        effects.extend(ledger.kills.values().cloned().map(Effect::Kill));
        for spawn in ledger.spawns.values() {
            let mut spawn = spawn.clone();
            if let Some(unit) = self.graph.lookup(spawn.unit) {
                // Written down, it had no more than the name.
                Arc::make_mut(&mut spawn).config = unit.config.clone();
            }
            effects.push(Effect::Spawn(spawn));
        }
        effects
    }
}
