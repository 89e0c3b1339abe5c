//! Between sockets and the services they activate: who is whose, what a process gets passed,
//! connections with an instance of their own, and the stores of descriptors.

use super::effect::{Effect, LogLevel, Passed, PassedSource, Spawn};
use super::engine::Engine;
use super::event::Notification;
use super::graph::Edge;
use super::ids::{DescriptorId, ProcessId, Streams, UnitId};
use super::process::Role;
use super::socket::{Connection, Context, Outbox, Socket, Transition, Triggered, Wanted};
use super::state::{ActiveState, JobKind, ServicePhase, ServiceState};
use super::transaction::Wish;
use super::unit::{Machine, Unit};
use crate::unit::config::{
    CommandKind, DescriptorVariable, JobMode, LoadState, PreserveMode, UnitConfig,
};
use crate::unit::name::{UnitName, UnitType};

/// The name of a descriptor whose FDNAME= is missing or none.
const STORED: &str = "stored";
/// The name of a connection of Accept=yes.
const CONNECTION: &str = "connection";

impl Engine {
    /// Lets a socket act, and takes in what it leaves behind.
    pub(super) fn with_socket<T>(
        &mut self,
        id: UnitId,
        act: impl FnOnce(&mut Socket, &mut Context<'_>) -> T,
    ) -> Option<T> {
        // News may come of a unit that has gone since.
        if !matches!(self.graph.lookup(id)?.machine, Machine::Socket(_)) {
            return None;
        }
        let service = self.triggered_by(id);
        let job = self.job_kind(id);
        let unit = self.graph.get_mut(id);
        let Machine::Socket(socket) = &mut unit.machine else {
            return None;
        };
        let mut out = Outbox::default();
        let value = act(
            socket,
            &mut Context {
                now: self.now,
                unit: id,
                config: &unit.config,
                invocation: unit.invocation,
                job,
                service,
                activation: self.socket_activation,
                numbers: &mut self.numbers,
                out: &mut out,
            },
        );
        let deadline = socket.deadline();
        self.set_deadline(id, deadline);
        self.absorb_socket(id, out);
        Some(value)
    }

    fn absorb_socket(&mut self, unit: UnitId, out: Outbox) {
        for effect in out.effects {
            if let Effect::Spawn(spawn) = &effect {
                self.processes.insert(spawn.process, unit);
            }
            self.effects.push_back(effect);
        }
        for Transition { from, to } in out.transitions {
            self.change(unit, from.active_state(), to.active_state());
        }
        for wanted in out.wanted {
            self.wanted.push_back((unit, wanted));
        }
    }

    /// Carries out what a socket wants, once its changes were passed on.
    pub(super) fn grant(&mut self, socket: UnitId, wanted: Wanted) {
        match wanted {
            Wanted::Service => self.start_triggered(socket),
            Wanted::Itself => {
                self.add_quietly(socket, JobKind::Start, JobMode::Replace);
            }
            Wanted::Instance {
                connection,
                instance,
                peer,
            } => match self.name_of_instance(socket, &instance) {
                Ok(instance) => self.effects.push_back(Effect::LoadInstance {
                    socket,
                    connection,
                    instance,
                    peer,
                }),
                Err(reason) => self.give_up_connection(socket, connection, &reason),
            },
        }
    }

    fn start_triggered(&mut self, socket: UnitId) {
        let Some(service) = self.service_of(socket) else {
            let text = "cannot activate anything: its service is not there".to_owned();
            self.log(LogLevel::Error, socket, text);
            self.with_socket(socket, |socket, cx| socket.activation_failed(cx));
            return;
        };
        if let Err(refusal) = self.enqueue(start_of(service)) {
            let text = format!("cannot start the service: {refusal}");
            self.log(LogLevel::Error, socket, text);
            self.with_socket(socket, |socket, cx| socket.activation_failed(cx));
        }
    }

    fn name_of_instance(&self, socket: UnitId, instance: &str) -> Result<UnitName, String> {
        let prefix = self.graph.get(socket).config.name.prefix();
        let name = format!("{prefix}@{instance}.{}", UnitType::Service);
        UnitName::parse(&name).map_err(|error| error.to_string())
    }

    /// The unit for a connection was read.
    pub(super) fn instance_loaded(
        &mut self,
        socket: UnitId,
        connection: DescriptorId,
        instance: &UnitName,
    ) {
        let found = self.graph.find(instance.as_str());
        let service = found.filter(|id| self.graph.get(*id).config.load == LoadState::Loaded);
        let Some(service) = service else {
            let reason = format!("there is no unit for {instance}");
            return self.give_up_connection(socket, connection, &reason);
        };
        let there = self.graph.get(service);
        if there.connection.is_some() || there.active_state() != ActiveState::Inactive {
            let reason = format!("{instance} is there already");
            return self.give_up_connection(socket, connection, &reason);
        }
        let made = self.with_socket(socket, |s, cx| s.connection_for(cx, connection, service));
        let Some(made) = made.flatten() else {
            return self.close(connection);
        };
        self.graph.get_mut(service).connection = Some(made);
        self.graph.join(socket, Edge::Triggers, service);
        self.graph.join(socket, Edge::Before, service);
        if let Err(refusal) = self.enqueue(start_of(service)) {
            self.end_connection(service);
            self.connection_failed(socket, connection, &refusal.to_string());
        }
    }

    fn give_up_connection(&mut self, socket: UnitId, connection: DescriptorId, reason: &str) {
        self.close(connection);
        self.connection_failed(socket, connection, reason);
    }

    fn connection_failed(&mut self, socket: UnitId, connection: DescriptorId, reason: &str) {
        if self.graph.lookup(socket).is_none() {
            return;
        }
        let text = format!("cannot start a service for a connection: {reason}");
        self.log(LogLevel::Error, socket, text);
        self.with_socket(socket, |s, cx| s.connection_failed(cx, connection));
    }

    pub(super) fn close(&mut self, descriptor: DescriptorId) {
        self.effects
            .push_back(Effect::CloseDescriptor { descriptor });
    }

    /// Whether the next connection to a socket starts this service, which is at rest or about to be.
    pub fn is_awaited(&self, service: UnitId) -> bool {
        let Some(unit) = self.graph.lookup(service).filter(|_| !self.shutting_down) else {
            return false;
        };
        let mut sockets = unit.edges.of(Edge::TriggeredBy);
        sockets.any(|id| {
            let unit = self.graph.get(id);
            let is_open = matches!(&unit.machine, Machine::Socket(socket) if socket.has_sockets());
            is_open && self.service_of(id) == Some(service)
        })
    }

    /// The service that a socket starts: the one that its own files name. None where each connection
    /// has an instance of its own.
    fn service_of(&self, socket: UnitId) -> Option<UnitId> {
        let config = &self.graph.get(socket).config;
        let section = config.socket()?;
        if section.accept {
            return None;
        }
        if let Some(name) = &section.service {
            return self.graph.find(name.as_str());
        }
        // Mostly it is right there; the name need not be put together for each look at it.
        let is_own = |unit: &UnitId| {
            let name = &self.graph.get(*unit).config.name;
            name.unit_type() == UnitType::Service && name.stem() == config.name.stem()
        };
        let edges = &self.graph.get(socket).edges;
        edges.of(Edge::Triggers).find(is_own).or_else(|| {
            let own = config.name.with_type(UnitType::Service);
            self.graph.find(own.as_str())
        })
    }

    /// A picture of what a socket activates.
    fn triggered_by(&self, socket: UnitId) -> Triggered {
        let section = self.graph.get(socket).config.socket();
        if section.is_some_and(|section| section.accept) {
            return Triggered::default();
        }
        let up = self.graph.get(socket).edges.of(Edge::Triggers).any(|unit| {
            self.graph
                .get(unit)
                .active_state()
                .is_active_or_activating()
        });
        let Some(service) = self.service_of(socket).map(|id| self.graph.get(id)) else {
            return Triggered {
                up,
                ..Triggered::default()
            };
        };
        let socket = &self.graph.get(socket).config;
        let variables = service.config.service().map(|it| &it.descriptor_variables);
        let takes_any = variables.is_some_and(|variables| !variables.is_empty());
        Triggered {
            loaded: service.config.load == LoadState::Loaded && service.config.service().is_some(),
            state: state_of(service),
            up,
            has_job: service.job.is_some(),
            start_limit_hit: service.start_limit_hit,
            takes_client: takes_any
                && variable_for(&service.config, &name_of_sockets(socket)).is_some(),
        }
    }

    /// Lets the sockets of a service know that it changed, or that its job has ended.
    pub(super) fn tell_sockets(&mut self, service: UnitId) {
        let sockets: Vec<UnitId> = self
            .graph
            .get(service)
            .edges
            .of(Edge::TriggeredBy)
            .collect();
        for socket in sockets {
            if self.service_of(socket) == Some(service) {
                self.with_socket(socket, |socket, cx| socket.on_service_changed(cx));
            }
        }
    }

    /// What a process gets passed, now that it is ordered: the sockets, or the connection, and
    /// then what is in the store, newest first (checklist K2, FDSTORE).
    pub(super) fn pass_descriptors(&mut self, spawn: &mut Spawn) {
        let unit = self.graph.get(spawn.unit);
        let Some(service) = unit.config.service() else {
            return;
        };
        spawn.streams = unit.streams;
        let streams = service.exec.uses_socket();
        let is_probe = matches!(spawn.role, Role::Probe(_));
        if is_probe || spawn.kind != CommandKind::Start && !streams {
            return;
        }
        if let Some(connection) = &unit.connection {
            spawn.passed.push(Passed {
                source: PassedSource::Connection(connection.descriptor),
                name: CONNECTION.to_owned(),
            });
            spawn.environment.extend(remote(connection));
        } else {
            self.pass_sockets(spawn);
        }
        if !streams {
            let stored = self.graph.get(spawn.unit).store.iter().rev();
            spawn.passed.extend(stored.map(|(descriptor, name)| Passed {
                source: PassedSource::Stored(*descriptor),
                name: name.clone(),
            }));
        }
    }

    fn pass_sockets(&mut self, spawn: &mut Spawn) {
        let edges = &self.graph.get(spawn.unit).edges;
        let sockets: Vec<UnitId> = edges.of(Edge::TriggeredBy).collect();
        for unit in sockets {
            let socket = self.graph.get(unit);
            let name = name_of_sockets(&socket.config);
            let Some(section) = socket.config.socket().filter(|it| !it.accept) else {
                continue;
            };
            let count = section.listen.len();
            let Machine::Socket(machine) = &mut self.graph.get_mut(unit).machine else {
                continue;
            };
            if !machine.has_sockets() {
                continue;
            }
            let client = machine.take_client();
            spawn.passed.extend((0..count).map(|index| Passed {
                source: PassedSource::Socket { unit, index },
                name: name.clone(),
            }));
            let Some((descriptor, _)) = client else {
                continue;
            };
            match variable_for(&spawn.config, &name) {
                Some(variable) if spawn.client.is_none() => {
                    spawn.client = Some((descriptor, variable.of_client()));
                }
                // A second socket's: there is one variable, and nobody to give it to.
                Some(_) | None => self.close(descriptor),
            }
        }
    }

    /// Closes what a unit that has come to rest does not keep: its connection, and its store
    /// unless FileDescriptorStorePreserve=yes.
    pub(super) fn release_descriptors(&mut self, id: UnitId) {
        let unit = self.graph.get_mut(id);
        let waits = state_of(unit).is_some_and(|state| state.phase() == ServicePhase::Pause);
        let rests = unit.job.is_none() && unit.active_state().is_inactive_or_failed();
        if !rests && !waits {
            return;
        }
        let streams = match rests {
            true => std::mem::take(&mut unit.streams),
            false => Streams::default(),
        };
        let service = unit.config.service();
        let preserve = service.map(|service| service.descriptor_store_preserve);
        let keeps = !rests || preserve == Some(PreserveMode::Yes);
        let store = if keeps {
            Vec::new()
        } else {
            std::mem::take(&mut unit.store)
        };
        let store = store.into_iter().map(|(descriptor, _)| descriptor);
        for descriptor in store.chain(streams.into_iter().flatten()) {
            self.close(descriptor);
        }
        self.end_connection(id);
    }

    /// Closes the connection of an instance, if it has one. The socket's jobs need not wait for
    /// those of the instance any more.
    fn end_connection(&mut self, id: UnitId) {
        let Some(connection) = self.graph.get_mut(id).connection.take() else {
            return;
        };
        self.close(connection.descriptor);
        let socket = connection.socket;
        if self.graph.lookup(socket).is_some() {
            self.graph.part(socket, Edge::Triggers, id);
            self.graph.part(socket, Edge::Before, id);
            self.queue_jobs_of([socket]);
        }
        self.with_socket(socket, |s, cx| s.connection_ended(cx, id));
    }

    /// A client gives the standard streams of a service; those before are closed.
    pub(super) fn take_streams(&mut self, unit: &UnitName, streams: Streams) {
        let old = match self.graph.find(unit.as_str()) {
            Some(id) => std::mem::replace(&mut self.graph.get_mut(id).streams, streams),
            None => streams,
        };
        for descriptor in old.into_iter().flatten() {
            self.close(descriptor);
        }
    }

    /// A service spoke; what it sent along goes into its store if that was the wish.
    pub(super) fn notified(
        &mut self,
        unit: UnitId,
        process: Option<ProcessId>,
        pid: i32,
        message: &Notification,
        descriptors: Vec<DescriptorId>,
    ) {
        let heard = self
            .with_service(unit, |s, cx| s.on_notified(cx, process, pid, message))
            .unwrap_or(false);
        if heard && message.get("FDSTOREREMOVE") == Some("1") {
            self.remove_stored(unit, message.get("FDNAME"));
        }
        if heard && message.get("FDSTORE") == Some("1") {
            return self.store(unit, message, descriptors);
        }
        for descriptor in descriptors {
            self.close(descriptor);
        }
    }

    fn store(&mut self, unit: UnitId, message: &Notification, descriptors: Vec<DescriptorId>) {
        let poll = message.get("FDPOLL") != Some("0");
        let name = message
            .get("FDNAME")
            .filter(|name| is_name(name))
            .unwrap_or(STORED)
            .to_owned();
        let most = self
            .graph
            .get(unit)
            .config
            .service()
            .map_or(0, |service| service.descriptor_store_max as usize);
        for descriptor in descriptors {
            if self.graph.get(unit).store.len() >= most {
                let text = format!(
                    "a descriptor named {name} was not stored: FileDescriptorStoreMax= is {most}"
                );
                self.log(LogLevel::Warning, unit, text);
                self.close(descriptor);
                continue;
            }
            self.graph
                .get_mut(unit)
                .store
                .push((descriptor, name.clone()));
            self.effects.push_back(Effect::StoreDescriptor {
                unit,
                descriptor,
                poll,
            });
        }
        // It may have come from a process that was left behind.
        self.release_descriptors(unit);
        self.store_changed(unit);
    }

    /// A store may have been all that kept a unit loaded.
    fn store_changed(&mut self, unit: UnitId) {
        self.collect_queue.insert(unit);
        self.effects.push_back(Effect::Changed { unit });
    }

    fn remove_stored(&mut self, unit: UnitId, name: Option<&str>) {
        let name = name.unwrap_or(STORED);
        let store = std::mem::take(&mut self.graph.get_mut(unit).store);
        let (gone, kept): (Vec<_>, Vec<_>) = store.into_iter().partition(|(_, it)| it == name);
        self.graph.get_mut(unit).store = kept;
        for (descriptor, _) in gone {
            self.close(descriptor);
        }
        self.store_changed(unit);
    }

    /// A stored descriptor is no more.
    pub(super) fn descriptor_gone(&mut self, unit: UnitId, descriptor: DescriptorId) {
        if self.graph.lookup(unit).is_none() {
            return;
        }
        let store = &mut self.graph.get_mut(unit).store;
        store.retain(|(it, _)| *it != descriptor);
        self.store_changed(unit);
    }
}

pub(super) fn start_of(unit: UnitId) -> Wish {
    Wish {
        unit,
        kind: JobKind::Start,
        mode: JobMode::Replace,
        restart_dependents: false,
        spares: false,
    }
}

fn state_of(unit: &Unit) -> Option<ServiceState> {
    match &unit.machine {
        Machine::Service(service) => Some(service.state()),
        Machine::Socket(_)
        | Machine::Scope(_)
        | Machine::Timer(_)
        | Machine::Path(_)
        | Machine::Target { .. }
        | Machine::Fact
        | Machine::Inert => None,
    }
}

/// FileDescriptorName=, or the unit's name.
fn name_of_sockets(config: &UnitConfig) -> String {
    let own = config.socket().and_then(|it| it.descriptor_name.clone());
    own.unwrap_or_else(|| config.name.to_string())
}

/// The variable in which a service is told of descriptors of this name.
fn variable_for<'a>(config: &'a UnitConfig, name: &str) -> Option<&'a DescriptorVariable> {
    let mut variables = config.service()?.descriptor_variables.iter();
    variables.find(|variable| variable.name == name)
}

/// Whether a descriptor may have this name (sd_pid_notify_with_fds(3)).
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii() && !c.is_ascii_control() && c != ':';
    !name.is_empty() && name.len() <= 255 && name.chars().all(fits)
}

fn remote(connection: &Connection) -> Vec<(String, String)> {
    let Some((address, port)) = &connection.remote else {
        return Vec::new();
    };
    vec![
        ("REMOTE_ADDR".to_owned(), address.clone()),
        ("REMOTE_PORT".to_owned(), port.clone()),
    ]
}
