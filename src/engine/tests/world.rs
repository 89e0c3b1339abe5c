//! For tests: units made in a line, and a world that answers the engine's orders.

use crate::engine::event::{Event, Notification, Verb};
use crate::engine::ids::{DescriptorId, JobId, ProcessId, RequestId, Timestamp, UnitId};
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobKind, JobResult};
use crate::engine::{
    Effect, Engine, KillOrder, OpenFailure, Outcome, Peer, ProbeOrder, ProbeResult, Refusal, Spawn,
    WatchManner,
};
use crate::unit::config::{
    Command, CommandKind, Condition, ConditionKind, Dependency, DependencyKind, DependencyOrigin,
    JobMode, Listen, ListenKind, LoadState, PathConfig, Place, Privileges, Restart, ScopeConfig,
    ServiceConfig, ServiceType, SocketConfig, TimerConfig, UnitBody, UnitConfig,
};
use crate::unit::diagnostic::Position;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::value::{Signal, SocketAddress, TimeSpan};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A unit under construction. Services get `ExecStart=stay`.
pub(in crate::engine) struct UnitBuilder(UnitConfig);

/// A loaded unit of the type its name says.
pub(in crate::engine) fn unit(name: &str) -> UnitBuilder {
    let mut config = UnitConfig::not_found(UnitName::parse(name).unwrap());
    config.load = LoadState::Loaded;
    config.load_error = None;
    config.body = match config.name.unit_type() {
        UnitType::Service => UnitBody::Service(Box::default()),
        UnitType::Target => UnitBody::Target,
        UnitType::Socket => UnitBody::Socket(Box::default()),
        UnitType::Scope => UnitBody::Scope(Box::default()),
        UnitType::Timer => UnitBody::Timer(Box::default()),
        UnitType::Path => UnitBody::Path(Box::default()),
        UnitType::Mount => UnitBody::Fact,
        _ => UnitBody::Other,
    };
    UnitBuilder(config).exec(CommandKind::Start, "stay")
}

impl UnitBuilder {
    pub(in crate::engine) fn dependency(mut self, kind: DependencyKind, target: &str) -> Self {
        let target = UnitName::parse(target).unwrap();
        self.0.dependencies.push(Dependency {
            kind,
            target,
            origin: DependencyOrigin::File,
        });
        self
    }

    pub(in crate::engine) fn after(self, target: &str) -> Self {
        self.dependency(DependencyKind::After, target)
    }

    pub(in crate::engine) fn before(self, target: &str) -> Self {
        self.dependency(DependencyKind::Before, target)
    }

    pub(in crate::engine) fn requires(self, target: &str) -> Self {
        self.dependency(DependencyKind::Requires, target)
    }

    pub(in crate::engine) fn wants(self, target: &str) -> Self {
        self.dependency(DependencyKind::Wants, target)
    }

    pub(in crate::engine) fn binds_to(self, target: &str) -> Self {
        self.dependency(DependencyKind::BindsTo, target)
    }

    pub(in crate::engine) fn conflicts(self, target: &str) -> Self {
        self.dependency(DependencyKind::Conflicts, target)
    }

    pub(in crate::engine) fn service(mut self, change: impl FnOnce(&mut ServiceConfig)) -> Self {
        if let UnitBody::Service(service) = &mut self.0.body {
            change(service);
        }
        self
    }

    /// A socket that listens at a path of its name and activates the service of the same name.
    pub(in crate::engine) fn listens(self) -> Self {
        let path = format!("/{}", self.0.name);
        let service = self.0.name.with_type(UnitType::Service).to_string();
        let unit = self.socket(|socket| {
            socket.listen.push(Listen {
                kind: ListenKind::Stream,
                address: path.clone(),
                place: Place::Address(SocketAddress::Path(path)),
            });
        });
        if unit.0.socket().is_some_and(|socket| socket.accept) {
            return unit;
        }
        unit.before(&service)
            .dependency(DependencyKind::Triggers, &service)
    }

    pub(in crate::engine) fn socket(mut self, change: impl FnOnce(&mut SocketConfig)) -> Self {
        if let UnitBody::Socket(socket) = &mut self.0.body {
            change(socket);
        }
        self
    }

    pub(in crate::engine) fn scope(mut self, change: impl FnOnce(&mut ScopeConfig)) -> Self {
        if let UnitBody::Scope(scope) = &mut self.0.body {
            change(scope);
        }
        self
    }

    /// A path that starts the service of the same name.
    pub(in crate::engine) fn watches(mut self, change: impl FnOnce(&mut PathConfig)) -> Self {
        if let UnitBody::Path(path) = &mut self.0.body {
            change(path);
        }
        let service = self.0.name.with_type(UnitType::Service).to_string();
        self.before(&service)
            .dependency(DependencyKind::Triggers, &service)
    }

    /// A timer that starts the service of the same name.
    pub(in crate::engine) fn times(mut self, change: impl FnOnce(&mut TimerConfig)) -> Self {
        if let UnitBody::Timer(timer) = &mut self.0.body {
            timer.accuracy = TimeSpan(1);
            change(timer);
        }
        let service = self.0.name.with_type(UnitType::Service).to_string();
        self.before(&service)
            .dependency(DependencyKind::Triggers, &service)
    }

    pub(in crate::engine) fn config(mut self, change: impl FnOnce(&mut UnitConfig)) -> Self {
        change(&mut self.0);
        self
    }

    /// Replaces the commands of a kind by one: `stay`, `true`, `false`, `stubborn`.
    pub(in crate::engine) fn exec(self, kind: CommandKind, program: &str) -> Self {
        let command = Command {
            program: program.to_owned(),
            argv: vec![program.to_owned()],
            ignore_failure: false,
            no_expand: false,
            privileges: Privileges::Normal,
            position: Position {
                file: "test".into(),
                line: 1,
                column: 1,
            },
        };
        let only = vec![command.clone()];
        self.socket(|socket| *socket.commands.get_mut(kind) = vec![command])
            .service(|service| *service.commands.get_mut(kind) = only)
    }

    pub(in crate::engine) fn oneshot(self, program: &str) -> Self {
        self.exec(CommandKind::Start, program).service(|service| {
            service.service_type = ServiceType::Oneshot;
            service.timeout_start = TimeSpan::INFINITY;
        })
    }

    pub(in crate::engine) fn restart(self, restart: Restart) -> Self {
        self.service(|service| service.restart = restart)
    }

    pub(in crate::engine) fn condition(self, path: &str, negate: bool) -> Self {
        let condition = Condition {
            kind: ConditionKind::PathExists,
            parameter: path.to_owned(),
            trigger: false,
            negate,
        };
        self.config(|config| config.unit.conditions.push(condition))
    }

    pub(in crate::engine) fn arc(self) -> Arc<UnitConfig> {
        Arc::new(self.0)
    }
}

struct FakeProcess {
    id: ProcessId,
    unit: UnitId,
    program: String,
    pid: i32,
    generation: u32,
}

/// A world in which processes do as their program's name says and time stands still until
/// it is told to pass.
pub(in crate::engine) struct World {
    pub(in crate::engine) engine: Engine,
    pub(in crate::engine) now: Timestamp,
    /// Microseconds that pass with every event.
    pub(in crate::engine) step: u64,
    /// What happened, in words.
    pub(in crate::engine) trace: Vec<String>,
    /// Paths that exist, for conditions.
    pub(in crate::engine) paths: BTreeSet<String>,
    pub(in crate::engine) results: BTreeMap<JobId, JobResult>,
    /// The units that were unloaded.
    pub(in crate::engine) removed: Vec<String>,
    /// The jobs that were queued: unit and what they do.
    pub(in crate::engine) queued: Vec<(String, JobKind)>,
    pub(in crate::engine) replies: BTreeMap<RequestId, Result<Outcome, Refusal>>,
    pub(in crate::engine) environments: BTreeMap<String, Vec<(String, String)>>,
    pub(in crate::engine) finished: bool,
    /// Actions that were due: unit, action, status, reason.
    pub(in crate::engine) actions: Vec<String>,
    /// Why the sockets of a unit cannot be made.
    pub(in crate::engine) unopenable: BTreeMap<String, OpenFailure>,
    /// Programs of the processes that are handed over for a scope.
    pub(in crate::engine) guests: BTreeMap<String, Vec<&'static str>>,
    /// Sockets at which data waits until somebody takes it.
    pub(in crate::engine) waiting: BTreeSet<String>,
    /// Instances that can be read.
    pub(in crate::engine) template: Option<fn(&str) -> UnitBuilder>,
    /// What each command was passed, in words.
    pub(in crate::engine) passed: BTreeMap<String, Vec<String>>,
    pub(in crate::engine) open: BTreeSet<String>,
    pub(in crate::engine) closed: Vec<DescriptorId>,
    /// Attempts of probes that nobody has answered yet.
    pub(in crate::engine) asked: Vec<ProbeOrder>,
    /// Paths cannot be watched.
    pub(in crate::engine) unwatchable: bool,
    watching: BTreeMap<UnitId, u64>,
    /// When persistent timers last elapsed.
    pub(in crate::engine) stamps: BTreeMap<String, u64>,
    watches: BTreeMap<UnitId, (u64, WatchManner)>,
    next_descriptor: u64,
    processes: Vec<FakeProcess>,
    facts: VecDeque<Event>,
    next_pid: i32,
    next_request: u64,
}

impl World {
    /// A world with these units loaded; names that only appear as targets are not found.
    pub(in crate::engine) fn new(units: impl IntoIterator<Item = UnitBuilder>) -> World {
        let mut world = World {
            engine: Engine::new(7),
            now: Timestamp {
                monotonic: 1_000_000,
                realtime: 1_700_000_000_000_000,
            },
            step: 0,
            trace: Vec::new(),
            paths: BTreeSet::new(),
            results: BTreeMap::new(),
            removed: Vec::new(),
            queued: Vec::new(),
            replies: BTreeMap::new(),
            environments: BTreeMap::new(),
            finished: false,
            actions: Vec::new(),
            unopenable: BTreeMap::new(),
            guests: BTreeMap::new(),
            waiting: BTreeSet::new(),
            template: None,
            passed: BTreeMap::new(),
            open: BTreeSet::new(),
            closed: Vec::new(),
            asked: Vec::new(),
            unwatchable: false,
            watching: BTreeMap::new(),
            stamps: BTreeMap::new(),
            watches: BTreeMap::new(),
            next_descriptor: 0,
            processes: Vec::new(),
            facts: VecDeque::new(),
            next_pid: 100,
            next_request: 0,
        };
        world.load(units);
        world
    }

    pub(in crate::engine) fn load(&mut self, units: impl IntoIterator<Item = UnitBuilder>) {
        let mut configs: BTreeMap<UnitName, Arc<UnitConfig>> = units
            .into_iter()
            .map(|unit| (unit.0.name.clone(), unit.arc()))
            .collect();
        let targets: Vec<UnitName> = configs
            .values()
            .flat_map(|c| c.dependencies.iter().map(|d| d.target.clone()))
            .collect();
        for target in targets {
            if self.engine.unit(target.as_str()).is_none() {
                configs
                    .entry(target.clone())
                    .or_insert_with(|| Arc::new(UnitConfig::not_found(target)));
            }
        }
        self.send(Event::Load {
            units: configs.into_values().collect(),
        });
    }

    /// Takes an event in and lets the world answer until it is quiet.
    pub(in crate::engine) fn send(&mut self, event: Event) {
        self.facts.push_back(event);
        while let Some(event) = self.facts.pop_front() {
            self.now.monotonic += self.step;
            self.now.realtime += self.step;
            self.engine.handle(self.now, event);
            while let Some(effect) = self.engine.poll_effect() {
                self.carry_out(effect);
            }
        }
    }

    /// Asks for a job and returns its reply.
    pub(in crate::engine) fn ask(&mut self, verb: Verb, name: &str) -> Result<JobId, Refusal> {
        self.ask_mode(verb, name, JobMode::Replace)
    }

    pub(in crate::engine) fn ask_mode(
        &mut self,
        verb: Verb,
        name: &str,
        mode: JobMode,
    ) -> Result<JobId, Refusal> {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        let unit = UnitName::parse(name).unwrap();
        self.send(Event::Request {
            request,
            unit,
            verb,
            mode,
        });
        match self
            .replies
            .remove(&request)
            .expect("every request is answered")
        {
            Ok(Outcome::Job(job)) => Ok(job),
            Ok(Outcome::Done) => panic!("a job was asked for"),
            Err(refusal) => Err(refusal),
        }
    }

    /// Asks for a job to be canceled, for all of them if `None`.
    pub(in crate::engine) fn cancel(&mut self, job: Option<JobId>) -> Result<(), Refusal> {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.send(Event::Cancel { request, job });
        let reply = self.replies.remove(&request);
        reply.expect("every request is answered").map(|_| ())
    }

    pub(in crate::engine) fn start(&mut self, name: &str) -> Result<JobId, Refusal> {
        self.ask(Verb::Start, name)
    }

    /// Asks for a job that must be done at once.
    pub(in crate::engine) fn must(&mut self, verb: Verb, name: &str) {
        let job = self.ask(verb, name).unwrap();
        assert_eq!(
            self.results.get(&job),
            Some(&JobResult::Done),
            "{verb:?} {name}: {:#?}",
            self.trace
        );
    }

    pub(in crate::engine) fn state(&self, name: &str) -> ActiveState {
        self.engine.unit(name).unwrap().active
    }

    pub(in crate::engine) fn sub(&self, name: &str) -> &'static str {
        self.engine.unit(name).unwrap().sub
    }

    /// Ends the main processes of a unit.
    pub(in crate::engine) fn end(&mut self, name: &str, status: ProcessStatus) {
        let unit = self.engine.unit(name).unwrap().id;
        let gone: Vec<ProcessId> = self
            .processes
            .iter()
            .filter(|p| p.unit == unit)
            .map(|p| p.id)
            .collect();
        assert!(!gone.is_empty(), "{name} has no process");
        for process in gone {
            self.exit(process, status);
        }
        if let Some(event) = self.facts.pop_front() {
            self.send(event);
        }
    }

    /// The process of a unit that was started last says something.
    pub(in crate::engine) fn newest_says(
        &mut self,
        name: &str,
        fields: &[(&str, &str)],
        descriptors: Vec<DescriptorId>,
    ) {
        let unit = self.engine.unit(name).unwrap().id;
        let newest = self.processes.iter().rfind(|p| p.unit == unit).unwrap();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.send(Event::Notified {
            unit,
            process: Some(newest.id),
            pid: newest.pid,
            message: Notification {
                fields: fields.iter().map(own).collect(),
            },
            descriptors,
        });
    }

    /// How many processes a unit has.
    pub(in crate::engine) fn process_count(&self, name: &str) -> usize {
        let unit = self.engine.unit(name).unwrap().id;
        self.processes.iter().filter(|p| p.unit == unit).count()
    }

    /// Unloads what nobody needs, until there is nothing to look at; the names, sorted.
    pub(in crate::engine) fn collect(&mut self) -> Vec<String> {
        while self.engine.has_candidates() {
            self.send(Event::Collect);
        }
        self.removed.sort();
        std::mem::take(&mut self.removed)
    }

    /// Lets time pass up to the next deadline.
    pub(in crate::engine) fn wait(&mut self) {
        let deadline = self.engine.next_deadline().expect("a timer is armed");
        let step = deadline.saturating_sub(self.now.monotonic);
        self.now.monotonic += step;
        self.now.realtime += step;
        self.send(Event::Elapsed);
    }

    /// Forgets the trace and returns what it held.
    pub(in crate::engine) fn take_trace(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => self.spawn(&spawn),
            Effect::Kill(order) => self.kill(&order),
            Effect::Check {
                check, conditions, ..
            } => {
                let results = conditions
                    .iter()
                    .map(|c| self.paths.contains(&c.parameter))
                    .collect();
                self.facts.push_back(Event::Checked { check, results });
            }
            Effect::FindMain { process, .. } => {
                let reason = "nothing there".to_owned();
                self.facts
                    .push_back(Event::MainNotFound { process, reason });
            }
            Effect::Reply { request, result } => {
                self.replies.insert(request, result);
            }
            Effect::JobRemoved { job, result, .. } => {
                self.results.insert(job, result);
            }
            Effect::UnitRemoved { name, .. } => self.removed.push(name.to_string()),
            Effect::JobNew { unit, kind, .. } => {
                let name = self.engine.unit_by_id(unit).unwrap().name().to_string();
                self.queued.push((name, kind));
            }
            Effect::Act {
                unit,
                action,
                status,
                reason,
            } => {
                let name = self.name(unit);
                let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
                self.actions
                    .push(format!("{name} {} {status}: {reason}", action.as_str()));
            }
            Effect::Finished => self.finished = true,
            Effect::OpenSockets { unit, order, .. } => {
                let name = self.name(unit);
                let result = match self.unopenable.get(&name) {
                    Some(failure) => Err(failure.clone()),
                    None => Ok(()),
                };
                if result.is_ok() {
                    self.open.insert(name.clone());
                }
                self.trace.push(format!("{name} open"));
                self.facts.push_back(Event::SocketsOpened {
                    unit,
                    order,
                    result,
                });
            }
            Effect::TakeIn { unit, order, .. } => self.take_in(unit, order),
            Effect::RequestStop { unit, controller } => {
                let name = self.name(unit);
                self.trace
                    .push(format!("{controller} asked to stop {name}"));
            }
            Effect::CloseSockets { unit, remove } => {
                let name = self.name(unit);
                let how = if remove { " and remove" } else { "" };
                self.trace.push(format!("{name} close{how}"));
                self.open.remove(&name);
            }
            Effect::WatchSockets {
                unit,
                watch,
                manner,
            } => {
                let name = self.name(unit);
                self.watches.insert(unit, (watch, manner));
                if self.waiting.contains(&name) {
                    self.facts.push_back(Event::Traffic {
                        unit,
                        watch,
                        client: None,
                    });
                }
            }
            Effect::UnwatchSockets { unit } => {
                self.watches.remove(&unit);
            }
            Effect::FlushSockets { unit } => {
                let name = self.name(unit);
                self.waiting.remove(&name);
            }
            Effect::LoadInstance {
                socket,
                connection,
                instance,
                ..
            } => {
                let unit = match self.template {
                    Some(template) => template(instance.as_str()).arc(),
                    None => Arc::new(UnitConfig::not_found(instance.clone())),
                };
                self.facts.push_back(Event::Load { units: vec![unit] });
                self.facts.push_back(Event::InstanceLoaded {
                    socket,
                    connection,
                    instance,
                });
            }
            Effect::WatchPaths {
                unit,
                order,
                config,
                ..
            } => {
                let paths = &config.path().unwrap().paths;
                let seen = paths.iter().map(|it| self.paths.contains(&it.path));
                let result = match self.unwatchable {
                    true => Err("it is too much".to_owned()),
                    false => Ok(seen.collect()),
                };
                self.watching.insert(unit, order);
                self.facts.push_back(Event::PathsSeen {
                    unit,
                    order,
                    result,
                });
            }
            Effect::UnwatchPaths { unit } => {
                self.watching.remove(&unit);
            }
            Effect::ReadStamp { unit, order } => {
                let time = self.stamps.get(&self.name(unit)).copied();
                self.facts.push_back(Event::StampRead { unit, order, time });
            }
            Effect::WriteStamp { unit, time } => {
                self.stamps.insert(self.name(unit), time);
            }
            Effect::StoreDescriptor { .. } => {}
            Effect::CloseDescriptor { descriptor } => self.closed.push(descriptor),
            Effect::WatchBusName { unit, .. } => {
                self.facts.push_back(Event::BusNameWatched { unit });
            }
            Effect::RunProbe(order) => self.asked.push(*order),
            Effect::CancelProbe { .. }
            | Effect::ProbeTurned { .. }
            | Effect::ForgetBusName { .. }
            | Effect::ForgetMain { .. }
            | Effect::CleanUp { .. }
            | Effect::UnitNew { .. }
            | Effect::Changed { .. }
            | Effect::Log { .. } => {}
        }
    }

    fn take_in(&mut self, unit: UnitId, order: u64) {
        let name = self.name(unit);
        let programs = self.guests.remove(&name).unwrap_or_default();
        let result = match programs.is_empty() {
            true => Err("nobody is there".to_owned()),
            false => Ok(()),
        };
        for program in programs {
            self.next_pid += 1;
            self.processes.push(FakeProcess {
                // Nothing that the engine has ordered.
                id: ProcessId(1_000_000 + u64::from(self.next_pid.unsigned_abs())),
                unit,
                program: program.to_owned(),
                pid: self.next_pid,
                generation: 0,
            });
        }
        self.facts.push_back(Event::TakenIn {
            unit,
            order,
            result,
        });
    }

    /// Answers the attempt of a unit's probe that is waited for.
    pub(in crate::engine) fn answer_probe(&mut self, name: &str, result: ProbeResult) {
        let unit = self.engine.unit(name).unwrap().id;
        let at = self.asked.iter().position(|order| order.unit == unit);
        let order = self
            .asked
            .remove(at.expect("an attempt is waited for"))
            .order;
        self.send(Event::Probed {
            unit,
            order,
            took: 1000,
            result,
        });
    }

    /// The units whose paths are watched.
    pub(in crate::engine) fn watched_paths(&self) -> Vec<UnitId> {
        self.watching.keys().copied().collect()
    }

    /// Something happens at the first path of a unit.
    pub(in crate::engine) fn touch(&mut self, path: &str, changed: bool) {
        let unit = self.engine.unit(path).unwrap().id;
        let watch = self.watching[&unit];
        self.send(Event::PathTouched {
            unit,
            watch,
            index: 0,
            changed,
        });
    }

    /// Data comes in at a socket, and stays until somebody takes it.
    pub(in crate::engine) fn traffic(&mut self, socket: &str) {
        let unit = self.engine.unit(socket).unwrap().id;
        self.waiting.insert(self.name(unit));
        if let Some((watch, _)) = self.watches.get(&unit).copied() {
            self.send(Event::Traffic {
                unit,
                watch,
                client: None,
            });
        }
    }

    /// A client connects to a socket with Accept=yes.
    pub(in crate::engine) fn connect(&mut self, socket: &str, source: &str) -> DescriptorId {
        let unit = self.engine.unit(socket).unwrap().id;
        let connection = self.descriptor();
        if let Some((watch, _)) = self.watches.get(&unit).copied() {
            self.send(Event::Connected {
                unit,
                watch,
                connection,
                peer: Peer {
                    instance: format!("1-{source}"),
                    source: Some(source.to_owned()),
                    remote: Some((source.to_owned(), "7".to_owned())),
                    description: source.to_owned(),
                },
            });
        }
        connection
    }

    /// A new descriptor of the host.
    pub(in crate::engine) fn descriptor(&mut self) -> DescriptorId {
        self.next_descriptor += 1;
        DescriptorId(self.next_descriptor)
    }

    /// How traffic at a socket is waited for now.
    pub(in crate::engine) fn watch_of(&self, socket: &str) -> Option<(u64, WatchManner)> {
        let unit = self.engine.unit(socket).unwrap().id;
        self.watches.get(&unit).copied()
    }

    fn name(&self, unit: UnitId) -> String {
        let view = self.engine.unit_by_id(unit).unwrap();
        view.name().stem().to_owned()
    }

    fn spawn(&mut self, spawn: &Spawn) {
        let commands = spawn.config.commands().unwrap();
        let program = commands.get(spawn.kind)[spawn.index].program.clone();
        let name = self.name(spawn.unit);
        self.trace
            .push(format!("{name} {}", spawn.kind.directive()));
        self.environments.insert(
            format!("{name} {}", spawn.kind.directive()),
            spawn.environment.clone(),
        );
        let words = spawn.passed.iter().map(|passed| {
            let source = format!("{:?}", passed.source);
            let kind: String = source
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect();
            format!("{kind} {}", passed.name)
        });
        let streams = spawn.streams.iter().zip(0..);
        let streams = streams.filter_map(|(stream, number)| stream.map(|_| number));
        let streams = streams.map(|number: i32| format!("Stream {number}"));
        let words = words.chain(streams).collect();
        self.passed
            .insert(format!("{name} {}", spawn.kind.directive()), words);
        self.next_pid += 1;
        let (process, pid) = (spawn.process, self.next_pid);
        self.processes.push(FakeProcess {
            id: process,
            unit: spawn.unit,
            program: program.clone(),
            pid,
            generation: spawn.generation,
        });
        self.facts.push_back(Event::Spawned {
            process,
            pid,
            executed: true,
        });
        match program.as_str() {
            "true" => self.exit(process, ProcessStatus::Exited(0)),
            "false" => self.exit(process, ProcessStatus::Exited(1)),
            _ => {}
        }
    }

    fn kill(&mut self, order: &KillOrder) {
        let name = self.name(order.unit);
        let hit: Vec<(ProcessId, bool)> = self
            .processes
            .iter()
            .filter(|p| p.unit == order.unit)
            .filter(|p| {
                let meant = order.generation.is_none_or(|of| of == p.generation);
                order.processes.contains(&p.id) || meant && order.group_signal.is_some()
            })
            .map(|p| {
                (
                    p.id,
                    p.program == "stubborn" && order.signal != Signal::KILL,
                )
            })
            .collect();
        let remaining = !hit.is_empty();
        let asks = order.signal == Signal(0);
        if remaining && !asks {
            self.trace.push(format!("{name} {}", order.signal));
        }
        self.facts.push_back(Event::Killed {
            unit: order.unit,
            order: order.order,
            remaining,
        });
        for (process, stubborn) in hit {
            if !stubborn && !asks {
                self.exit(process, ProcessStatus::Killed(order.signal));
            }
        }
    }

    fn exit(&mut self, process: ProcessId, status: ProcessStatus) {
        let Some(index) = self.processes.iter().position(|p| p.id == process) else {
            return;
        };
        let unit = self.processes.remove(index).unit;
        self.trace.push(format!("{} ended", self.name(unit)));
        self.facts.push_back(Event::Exited { process, status });
        if self.processes.iter().all(|p| p.unit != unit) {
            self.facts.push_back(Event::GroupEmpty { unit });
        }
    }
}
