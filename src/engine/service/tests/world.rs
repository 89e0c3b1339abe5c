//! A world for one service: carries out its orders, lets its processes live and die, and moves
//! the clock. Everything happens at once and in order unless a test says otherwise.

use crate::engine::effect::{Effect, KillOrder, LogLevel, MainSource, ProbeOrder, Spawn};
use crate::engine::event::Notification;
use crate::engine::ids::{ProcessId, Timestamp, UnitId};
use crate::engine::probe::Verdict;
use crate::engine::process::ProcessStatus;
use crate::engine::service::{Context, NotNow, Numbers, Outbox, Service, Told};
use crate::engine::state::{JobKind, ServiceResult, ServiceState};
use crate::unit::config::{
    Command, CommandKind, LoadState, ProbeKind, Restart, ServiceConfig, ServiceType, UnitBody,
    UnitConfig,
};
use crate::unit::diagnostic::Position;
use crate::unit::name::UnitName;
use crate::unit::value::{Signal, TimeSpan};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const SEGV: Signal = Signal(11);

/// A command; its words do not matter, only that they differ.
pub(super) fn command(word: &str) -> Command {
    Command {
        program: format!("/bin/{word}"),
        argv: vec![word.to_owned()],
        ignore_failure: false,
        no_expand: false,
        privileges: Default::default(),
        position: Position {
            file: Arc::from("test.service"),
            line: 1,
            column: 1,
        },
    }
}

/// A service with one ExecStart= and short, round timeouts: start 10 s, stop 5 s, restart 1 s.
pub(super) fn config(change: impl FnOnce(&mut ServiceConfig)) -> Arc<UnitConfig> {
    let mut service = ServiceConfig {
        timeout_start: TimeSpan::from_secs(10),
        timeout_stop: TimeSpan::from_secs(5),
        restart_sec: TimeSpan::from_secs(1),
        ..ServiceConfig::default()
    };
    add(&mut service, CommandKind::Start, &["start"]);
    change(&mut service);
    let mut unit = UnitConfig::not_found(UnitName::parse("test.service").unwrap());
    unit.load = LoadState::Loaded;
    unit.body = UnitBody::Service(Box::new(service));
    Arc::new(unit)
}

/// Adds commands to a list.
pub(super) fn add(service: &mut ServiceConfig, kind: CommandKind, words: &[&str]) {
    let list = service.commands.get_mut(kind);
    list.extend(words.iter().map(|word| command(word)));
}

/// Every list but ExecStart= gets one command named after it.
pub(super) fn all_lists(service: &mut ServiceConfig) {
    for kind in CommandKind::ALL {
        if kind != CommandKind::Start {
            add(service, kind, &[kind.directive()]);
        }
    }
}

/// A process of the unit's group, known to the service under any number of names.
#[derive(Debug, Default)]
struct Member {
    names: Vec<ProcessId>,
    generation: u32,
}

/// What the host has to say, in order.
#[derive(Debug)]
enum News {
    Spawned(ProcessId, i32, bool),
    SpawnFailed(ProcessId),
    Exited(ProcessId, ProcessStatus),
    Killed(u64, bool),
    GroupEmpty,
    Found(ProcessId, i32),
    NotFound(ProcessId),
}

pub(super) struct World {
    pub(super) service: Service,
    pub(super) config: Arc<UnitConfig>,
    pub(super) now: u64,
    pub(super) job: Option<JobKind>,
    pub(super) shutting_down: bool,
    pub(super) monitor: Vec<(String, String)>,
    numbers: Numbers,
    pub(super) random: u128,
    pub(super) held: bool,
    pub(super) watched_names: Vec<Option<String>>,
    news: VecDeque<News>,
    members: BTreeMap<i32, Member>,
    next_pid: i32,
    /// How a command ends by itself; commands of ExecStart= run on, others end well at once.
    pub(super) ends: BTreeMap<(CommandKind, usize), ProcessStatus>,
    /// Commands that run until the test ends them.
    pub(super) lasting: BTreeSet<(CommandKind, usize)>,
    /// Commands for which no process can be made.
    pub(super) unspawnable: BTreeSet<(CommandKind, usize)>,
    /// Commands for which a step before execve fails: they leave with this code.
    pub(super) unexecutable: BTreeMap<(CommandKind, usize), u8>,
    /// Commands whose spawn is not answered before [`World::answer_spawns`].
    pub(super) slow: BTreeSet<(CommandKind, usize)>,
    waiting_spawns: Vec<(ProcessId, (CommandKind, usize), Option<Signal>)>,
    /// Those of the commands of a generation, by their names.
    generations: BTreeMap<ProcessId, u32>,
    /// Signals that nobody reacts to.
    pub(super) ignored: BTreeSet<Signal>,
    /// What the PID file says.
    pub(super) pid_file: Option<i32>,
    awaited: Option<ProcessId>,
    /// Everything that was ordered and reported, in order.
    pub(super) states: Vec<ServiceState>,
    pub(super) told: Vec<Told>,
    /// Main processes that were named by MAINPID=, with the inode named beside.
    pub(super) told_mains: Vec<(i32, Option<u64>)>,
    pub(super) failed_reloads: usize,
    pub(super) spawns: Vec<Spawn>,
    pub(super) kills: Vec<KillOrder>,
    pub(super) clean_ups: Vec<bool>,
    pub(super) forgotten: Vec<ProcessId>,
    pub(super) errors: Vec<String>,
    pub(super) restarts_due: usize,
    /// Attempts of probes that were ordered, and those that were called off.
    pub(super) asked: Vec<ProbeOrder>,
    pub(super) called_off: Vec<u64>,
    pub(super) verdicts: Vec<(ProbeKind, Verdict)>,
    /// Readiness that others were told of.
    pub(super) readies: usize,
    /// How overlap restarts ended.
    pub(super) overlapped: Vec<Result<(), String>>,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut ServiceConfig)) -> World {
        let config = config(change);
        World {
            service: Service::default(),
            config,
            now: 1000 * SECOND,
            job: None,
            shutting_down: false,
            monitor: Vec::new(),
            numbers: Numbers::default(),
            random: 1,
            held: false,
            watched_names: Vec::new(),
            news: VecDeque::new(),
            members: BTreeMap::new(),
            next_pid: 100,
            ends: BTreeMap::new(),
            lasting: BTreeSet::new(),
            unspawnable: BTreeSet::new(),
            unexecutable: BTreeMap::new(),
            slow: BTreeSet::new(),
            waiting_spawns: Vec::new(),
            generations: BTreeMap::new(),
            ignored: BTreeSet::new(),
            pid_file: None,
            awaited: None,
            states: Vec::new(),
            told: Vec::new(),
            told_mains: Vec::new(),
            failed_reloads: 0,
            spawns: Vec::new(),
            kills: Vec::new(),
            clean_ups: Vec::new(),
            forgotten: Vec::new(),
            errors: Vec::new(),
            restarts_due: 0,
            asked: Vec::new(),
            called_off: Vec::new(),
            verdicts: Vec::new(),
            readies: 0,
            overlapped: Vec::new(),
        }
    }

    /// A world whose ExecStart= ends by itself.
    pub(super) fn oneshot(change: impl FnOnce(&mut ServiceConfig)) -> World {
        let mut world = World::new(|service| {
            service.service_type = ServiceType::Oneshot;
            change(service);
        });
        for index in 0..8 {
            world
                .ends
                .insert((CommandKind::Start, index), ProcessStatus::Exited(0));
        }
        world
    }

    /// Calls the service, carries out what it orders, and lets all news arrive.
    pub(super) fn call<T>(&mut self, call: impl FnOnce(&mut Service, &mut Context<'_>) -> T) -> T {
        let result = self.call_only(call);
        while let Some(news) = self.news.pop_front() {
            self.call_only(|service, cx| match news {
                News::Spawned(process, pid, executed) => {
                    service.on_spawned(cx, process, pid, executed);
                }
                News::SpawnFailed(process) => service.on_spawn_failed(cx, process, "no memory"),
                News::Exited(process, status) => service.on_exited(cx, process, status),
                News::Killed(order, remaining) => service.on_killed(cx, order, remaining),
                News::GroupEmpty => service.on_group_empty(cx),
                News::Found(process, pid) => service.on_main_found(cx, process, pid),
                News::NotFound(process) => service.on_main_not_found(cx, process, "no such file"),
            });
        }
        result
    }

    fn call_only<T>(&mut self, call: impl FnOnce(&mut Service, &mut Context<'_>) -> T) -> T {
        let mut out = Outbox::default();
        let mut cx = Context {
            now: Timestamp {
                monotonic: self.now,
                realtime: self.now,
            },
            unit: UnitId(1),
            config: &self.config,
            invocation: 7,
            job: self.job,
            shutting_down: self.shutting_down,
            monitor: &self.monitor,
            details: &[],
            numbers: &mut self.numbers,
            random: &mut self.random,
            out: &mut out,
        };
        let result = call(&mut self.service, &mut cx);
        for transition in out.transitions {
            assert_eq!(
                self.states.last().copied().unwrap_or(ServiceState::Dead),
                transition.from,
                "a change of state was not reported"
            );
            self.states.push(transition.to);
            self.told.push(transition.told);
            self.failed_reloads += usize::from(transition.reload_failed);
        }
        self.restarts_due += usize::from(out.restart_due);
        self.held |= out.held;
        self.readies += usize::from(out.ready);
        self.overlapped.extend(out.overlapped);
        for effect in out.effects {
            self.carry_out(effect);
        }
        result
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => self.spawn((*spawn).clone()),
            Effect::Kill(order) => self.kill(order),
            Effect::FindMain {
                process, source, ..
            } => self.find(process, &source),
            Effect::ForgetMain { process } => self.forget(process),
            Effect::CleanUp {
                runtime_directories,
                ..
            } => self.clean_ups.push(runtime_directories),
            Effect::Log { level, message, .. } => {
                if level == LogLevel::Error {
                    self.errors.push(message);
                }
            }
            Effect::WatchBusName { name, .. } => self.watched_names.push(Some(name)),
            Effect::ForgetBusName { .. } => self.watched_names.push(None),
            Effect::RunProbe(order) => self.asked.push(*order),
            Effect::CancelProbe { order } => self.called_off.push(order),
            Effect::ProbeTurned { kind, verdict, .. } => self.verdicts.push((kind, verdict)),
            Effect::Changed { .. } => {}
            Effect::Check { .. }
            | Effect::Reply { .. }
            | Effect::UnitNew { .. }
            | Effect::UnitRemoved { .. }
            | Effect::JobNew { .. }
            | Effect::JobRemoved { .. }
            | Effect::Act { .. }
            | Effect::OpenSockets { .. }
            | Effect::CloseSockets { .. }
            | Effect::WatchSockets { .. }
            | Effect::UnwatchSockets { .. }
            | Effect::FlushSockets { .. }
            | Effect::LoadInstance { .. }
            | Effect::StoreDescriptor { .. }
            | Effect::WatchPaths { .. }
            | Effect::UnwatchPaths { .. }
            | Effect::ReadStamp { .. }
            | Effect::WriteStamp { .. }
            | Effect::CloseDescriptor { .. }
            | Effect::TakeIn { .. }
            | Effect::RequestStop { .. }
            | Effect::Finished => panic!("a service does not order this: {effect:?}"),
        }
    }

    fn spawn(&mut self, spawn: Spawn) {
        let place = (spawn.kind, spawn.index);
        let process = spawn.process;
        self.generations.insert(process, spawn.generation);
        self.spawns.push(spawn);
        if self.unspawnable.contains(&place) {
            self.news.push_back(News::SpawnFailed(process));
        } else if self.slow.contains(&place) {
            self.waiting_spawns.push((process, place, None));
        } else {
            self.answer_spawn(process, place);
        }
    }

    fn answer_spawn(&mut self, process: ProcessId, place: (CommandKind, usize)) {
        let pid = self.next_pid;
        self.next_pid += 1;
        let member = Member {
            names: vec![process],
            generation: self.generations[&process],
        };
        self.members.insert(pid, member);
        let unexecutable = self.unexecutable.get(&place).copied();
        let executed = unexecutable.is_none();
        self.news.push_back(News::Spawned(process, pid, executed));
        let by_itself = unexecutable
            .map(ProcessStatus::Exited)
            .or_else(|| self.ends.get(&place).copied())
            .or_else(|| (place.0 != CommandKind::Start).then_some(ProcessStatus::Exited(0)))
            .filter(|_| !self.lasting.contains(&place));
        if let Some(status) = by_itself {
            self.end_member(pid, status);
        }
    }

    /// Answers the spawns that were slow; a signal that came meanwhile meets the new process.
    pub(super) fn answer_spawns(&mut self) {
        self.slow.clear();
        for (process, place, signal) in std::mem::take(&mut self.waiting_spawns) {
            self.answer_spawn(process, place);
            if let Some(signal) = signal {
                let pid = self.next_pid - 1;
                self.signal(pid, signal);
            }
        }
        self.call(|_, _| ());
    }

    fn kill(&mut self, order: KillOrder) {
        let mut targets = BTreeSet::new();
        let mut remaining = false;
        for (&pid, member) in &self.members {
            let named = member.names.iter().any(|n| order.processes.contains(n));
            let meant = order.generation.is_none_or(|it| it == member.generation);
            let signal = if named {
                Some(order.signal)
            } else {
                order.group_signal.filter(|_| meant)
            };
            if let Some(signal) = signal {
                targets.insert((pid, signal));
                remaining = true;
            }
        }
        for (process, _, signal) in &mut self.waiting_spawns {
            if order.processes.contains(process) {
                *signal = Some(order.signal);
                remaining = true;
            }
        }
        self.news.push_back(News::Killed(order.order, remaining));
        self.kills.push(order);
        for (pid, signal) in targets {
            self.signal(pid, signal);
        }
    }

    fn signal(&mut self, pid: i32, signal: Signal) {
        if signal != Signal(0) && !self.ignored.contains(&signal) {
            self.end_member(pid, ProcessStatus::Killed(signal));
        }
    }

    fn end_member(&mut self, pid: i32, status: ProcessStatus) {
        let Some(member) = self.members.remove(&pid) else {
            return;
        };
        for name in member.names {
            self.news.push_back(News::Exited(name, status));
        }
        if self.members.is_empty() && self.waiting_spawns.is_empty() {
            self.news.push_back(News::GroupEmpty);
        }
    }

    fn find(&mut self, process: ProcessId, source: &MainSource) {
        let found = match source {
            MainSource::PidFile { .. } => self.pid_file,
            MainSource::OnlyProcess if self.members.len() == 1 => {
                self.members.keys().next().copied()
            }
            MainSource::OnlyProcess => None,
            MainSource::Told { pid, inode } => {
                self.told_mains.push((*pid, *inode));
                Some(*pid)
            }
        };
        match found.and_then(|pid| self.members.get_mut(&pid).map(|member| (pid, member))) {
            Some((pid, member)) => {
                member.names.push(process);
                self.news.push_back(News::Found(process, pid));
            }
            None if matches!(source, MainSource::PidFile { wait: true, .. }) => {
                self.awaited = Some(process);
            }
            None => self.news.push_back(News::NotFound(process)),
        }
    }

    fn forget(&mut self, process: ProcessId) {
        self.forgotten.push(process);
        self.awaited.take_if(|awaited| *awaited == process);
        for member in self.members.values_mut() {
            member.names.retain(|name| *name != process);
        }
    }

    /// A process of the group that the service did not order; its pid.
    pub(super) fn member(&mut self) -> i32 {
        self.member_of(0)
    }

    /// One of a generation.
    pub(super) fn member_of(&mut self, generation: u32) -> i32 {
        let pid = self.next_pid;
        self.next_pid += 1;
        let member = Member {
            generation,
            ..Member::default()
        };
        self.members.insert(pid, member);
        pid
    }

    /// The living processes.
    pub(super) fn pids(&self) -> Vec<i32> {
        self.members.keys().copied().collect()
    }

    /// The number of a process that was ordered and lives, or 0.
    pub(super) fn pid_of(&self, process: ProcessId) -> i32 {
        let mut members = self.members.iter();
        let found = members.find(|(_, member)| member.names.contains(&process));
        found.map_or(0, |(pid, _)| *pid)
    }

    /// That of the last of a list.
    pub(super) fn spawn_of(&self, kind: CommandKind) -> i32 {
        let spawn = self.spawns.iter().rfind(|spawn| spawn.kind == kind);
        spawn.map_or(0, |spawn| self.pid_of(spawn.process))
    }

    /// Spawns that were slow are never answered.
    pub(super) fn forget_slow(&mut self) {
        self.slow.clear();
        self.waiting_spawns.clear();
        if self.members.is_empty() {
            self.news.push_back(News::GroupEmpty);
        }
    }

    /// The unit's file is read again and says something else.
    pub(super) fn reread(&mut self, change: impl FnOnce(&mut ServiceConfig)) {
        let mut config = (*self.config).clone();
        if let UnitBody::Service(service) = &mut config.body {
            change(service);
        }
        self.config = Arc::new(config);
        self.service.config_changed(&self.config);
    }

    /// Whether a process lives.
    pub(super) fn lives(&self, pid: i32) -> bool {
        self.members.contains_key(&pid)
    }

    /// Writes the PID file.
    pub(super) fn write_pid_file(&mut self, pid: i32) {
        self.pid_file = Some(pid);
        if let Some(process) = self.awaited.take() {
            self.members.get_mut(&pid).unwrap().names.push(process);
            self.news.push_back(News::Found(process, pid));
        }
        self.call(|_, _| ());
    }

    /// Ends a process.
    pub(super) fn end(&mut self, pid: i32, status: ProcessStatus) {
        assert!(self.lives(pid), "{pid} is not there to end");
        self.end_member(pid, status);
        self.call(|_, _| ());
    }

    /// Ends the main process.
    pub(super) fn end_main(&mut self, status: ProcessStatus) {
        self.end(self.service.view().main_pid, status);
    }

    /// Ends the control process.
    pub(super) fn end_control(&mut self, status: ProcessStatus) {
        self.end(self.service.view().control_pid, status);
    }

    pub(super) fn start(&mut self) {
        self.call(Service::start).expect("the start can run");
    }

    pub(super) fn try_start(&mut self) -> Result<(), NotNow> {
        self.call(Service::start)
    }

    pub(super) fn stop(&mut self) {
        self.job = Some(JobKind::Stop);
        self.call(Service::stop).expect("the stop can run");
        self.job = None;
    }

    pub(super) fn reload(&mut self) {
        self.call(Service::reload);
    }

    /// The main process of Type=idle may go.
    pub(super) fn release(&mut self) {
        self.held = false;
        self.call(Service::release);
    }

    /// A message of a process, with the names that the engine has for it.
    pub(super) fn say(&mut self, pid: i32, fields: &[(&str, &str)]) {
        let message = Notification {
            fields: fields
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let sender = self
            .members
            .get(&pid)
            .and_then(|member| member.names.first().copied());
        self.call(|service, cx| service.on_notified(cx, sender, pid, &message));
    }

    /// A message of a process that the engine does not know, about one that it does.
    pub(super) fn say_for(&mut self, main: i32, pid: i32, fields: &[(&str, &str)]) {
        let names = self.members.get(&main).map(|member| member.names.clone());
        let own = self.members.get_mut(&pid).expect("it lives");
        own.names.splice(0..0, names.unwrap_or_default());
        self.say(pid, fields);
        if let Some(own) = self.members.get_mut(&pid) {
            own.names.clear();
        }
    }

    /// A message of the main process.
    pub(super) fn main_says(&mut self, fields: &[(&str, &str)]) {
        self.say(self.service.view().main_pid, fields);
    }

    /// Lets time pass, with every deadline met in turn.
    pub(super) fn pass(&mut self, micros: u64) {
        let until = self.now + micros;
        while let Some(deadline) = self.service.deadline().filter(|&d| d <= until) {
            self.now = self.now.max(deadline);
            self.call(Service::on_elapsed);
        }
        self.now = until;
    }

    /// Lets time pass up to the next deadline.
    pub(super) fn pass_to_deadline(&mut self) {
        let deadline = self.service.deadline().expect("something to wait for");
        self.pass(deadline - self.now);
    }

    pub(super) fn state(&self) -> ServiceState {
        self.service.state()
    }

    pub(super) fn result(&self) -> ServiceResult {
        self.service.result()
    }

    /// State and result at once, for assertions.
    #[track_caller]
    pub(super) fn assert(&self, state: ServiceState, result: ServiceResult) {
        assert_eq!(
            (self.state(), self.result()),
            (state, result),
            "{:?}",
            self.states
        );
    }

    /// The commands that were ordered, as `ExecStart 0`.
    pub(super) fn ran(&self) -> Vec<String> {
        let name = |spawn: &Spawn| format!("{}{}", spawn.kind.directive(), spawn.index);
        self.spawns.iter().map(name).collect()
    }

    /// How often a list was begun.
    pub(super) fn count(&self, kind: CommandKind) -> usize {
        self.spawns
            .iter()
            .filter(|spawn| spawn.kind == kind)
            .count()
    }

    /// The value of a variable that the last command of a kind got.
    pub(super) fn variable(&self, kind: CommandKind, name: &str) -> Option<&str> {
        let spawn = self.spawns.iter().rfind(|spawn| spawn.kind == kind)?;
        let found = spawn.environment.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }
}

/// Every Restart= value, in the order of the manual page.
pub(super) const RESTARTS: [Restart; 7] = [
    Restart::No,
    Restart::OnSuccess,
    Restart::OnFailure,
    Restart::OnAbnormal,
    Restart::OnWatchdog,
    Restart::OnAbort,
    Restart::Always,
];
