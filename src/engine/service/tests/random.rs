//! Random lives: whatever plausible thing happens in whatever order, nothing panics, there are
//! never two main processes, and a stop is always followed by rest.

use super::world::{all_lists, config};
use crate::engine::effect::{Effect, KillOrder, MainSource, Spawn};
use crate::engine::event::Notification;
use crate::engine::ids::{ProcessId, Timestamp, UnitId};
use crate::engine::process::{ProcessStatus, Role};
use crate::engine::service::{Context, Numbers, Outbox, Service};
use crate::engine::state::{JobKind, ServiceState};
use crate::unit::config::{
    CommandKind, ExitType, KillMode, NotifyAccess, OomPolicy, PreserveMode, RestartMode,
    ServiceConfig, ServiceType, TimeoutFailure, UnitConfig,
};
use crate::unit::value::{Signal, TimeSpan};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A small generator of numbers (xorshift); the seed is the test's name for a life.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }
}

const ALL_STATES: [ServiceState; 23] = [
    ServiceState::Dead,
    ServiceState::Condition,
    ServiceState::StartPre,
    ServiceState::Start,
    ServiceState::StartPost,
    ServiceState::Running,
    ServiceState::Exited,
    ServiceState::Reload,
    ServiceState::ReloadSignal,
    ServiceState::ReloadNotify,
    ServiceState::Stop,
    ServiceState::StopWatchdog,
    ServiceState::StopSigterm,
    ServiceState::StopSigkill,
    ServiceState::StopPost,
    ServiceState::FinalWatchdog,
    ServiceState::FinalSigterm,
    ServiceState::FinalSigkill,
    ServiceState::Failed,
    ServiceState::DeadBeforeAutoRestart,
    ServiceState::FailedBeforeAutoRestart,
    ServiceState::AutoRestart,
    ServiceState::AutoRestartQueued,
];

const TYPES: [ServiceType; 8] = [
    ServiceType::Dbus,
    ServiceType::Simple,
    ServiceType::Exec,
    ServiceType::Forking,
    ServiceType::Oneshot,
    ServiceType::Notify,
    ServiceType::NotifyReload,
    ServiceType::Idle,
];

fn random_config(dice: &mut Dice, service: &mut ServiceConfig) {
    service.service_type = dice.pick(&TYPES);
    service.restart = dice.pick(&super::world::RESTARTS);
    service.notify_access = dice.pick(&[NotifyAccess::Main, NotifyAccess::All]);
    service.remain_after_exit = dice.one_in(4);
    service.guess_main_pid = !dice.one_in(4);
    service.kill.mode = dice.pick(&[KillMode::ControlGroup, KillMode::Mixed]);
    service.kill.send_sighup = dice.one_in(4);
    service.exec.runtime_directory_preserve = dice.pick(&[PreserveMode::No, PreserveMode::Restart]);
    if dice.one_in(3) {
        service.pid_file = Some("/run/test.pid".to_owned());
    }
    service.bus_name = Some("com.example.Agent".to_owned());
    service.restart_mode =
        dice.pick(&[RestartMode::Normal, RestartMode::Direct, RestartMode::Debug]);
    if service.service_type != ServiceType::Oneshot && dice.one_in(3) {
        service.exit_type = ExitType::Cgroup;
    }
    service.oom_policy = dice.pick(&[OomPolicy::Continue, OomPolicy::Stop, OomPolicy::Kill]);
    const FAILURES: [TimeoutFailure; 3] = [
        TimeoutFailure::Terminate,
        TimeoutFailure::Abort,
        TimeoutFailure::Kill,
    ];
    service.timeout_start_failure = dice.pick(&FAILURES);
    service.timeout_stop_failure = dice.pick(&FAILURES);
    if dice.one_in(3) {
        service.watchdog = TimeSpan::from_secs(2);
    }
    if dice.one_in(3) {
        service.runtime_max = TimeSpan::from_secs(20);
    }
    all_lists(service);
    for kind in CommandKind::ALL {
        let twice = kind != CommandKind::Start || service.service_type == ServiceType::Oneshot;
        let list = service.commands.get_mut(kind);
        match dice.roll(3) {
            0 if kind != CommandKind::Start => list.clear(),
            1 if twice => list.push(super::world::command("again")),
            _ => {}
        }
        for command in list {
            command.ignore_failure = dice.one_in(4);
        }
    }
}

/// A process as the host knows it.
struct Living {
    pid: i32,
    names: Vec<ProcessId>,
    is_main: bool,
}

/// Something the host has to say, or a spawn that it has yet to carry out.
enum News {
    Spawn(Arc<Spawn>, Option<Signal>),
    SpawnFailed(ProcessId),
    Spawned(ProcessId, i32, bool),
    Exited(ProcessId, ProcessStatus),
    Killed(u64, bool),
    GroupEmpty,
    Found(ProcessId, i32),
    NotFound(ProcessId),
    Watched,
}

struct Life {
    dice: Dice,
    service: Service,
    config: Arc<UnitConfig>,
    numbers: Numbers,
    random: u128,
    now: u64,
    job: Option<JobKind>,
    news: Vec<News>,
    awaited: Option<ProcessId>,
    living: Vec<Living>,
    next_pid: i32,
    /// Nothing fails any more and everybody dies when told to.
    calm: bool,
    seen: BTreeSet<ServiceState>,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let config = config(|service| random_config(&mut dice, service));
        Life {
            dice,
            service: Service::default(),
            config,
            numbers: Numbers::default(),
            random: 1,
            now: 1,
            job: None,
            news: Vec::new(),
            awaited: None,
            living: Vec::new(),
            next_pid: 100,
            calm: false,
            seen: BTreeSet::new(),
        }
    }

    fn call(&mut self, call: impl FnOnce(&mut Service, &mut Context<'_>)) {
        let before = self.service.state();
        let mut out = Outbox::default();
        let mut cx = Context {
            now: Timestamp {
                monotonic: self.now,
                realtime: self.now,
            },
            unit: UnitId(1),
            config: &self.config,
            invocation: 1,
            job: self.job,
            shutting_down: false,
            monitor: &[],
            details: &[],
            numbers: &mut self.numbers,
            random: &mut self.random,
            out: &mut out,
        };
        call(&mut self.service, &mut cx);
        let mut state = before;
        for transition in &out.transitions {
            assert_eq!(transition.from, state);
            state = transition.to;
            self.seen.insert(state);
        }
        assert_eq!(self.service.state(), state, "an unreported change of state");
        for effect in out.effects {
            self.carry_out(effect);
        }
        self.check();
    }

    fn check(&self) {
        let mains = self.living.iter().filter(|it| it.is_main).count();
        assert!(mains <= 1, "{mains} main processes");
        let down = matches!(
            self.service.state(),
            ServiceState::Dead | ServiceState::Failed
        );
        assert!(!down || self.service.processes().is_empty());
        assert!(!down || self.service.deadline().is_none());
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => self.news.push(News::Spawn(spawn, None)),
            Effect::Kill(order) => self.kill(&order),
            Effect::FindMain {
                process, source, ..
            } => self.find(process, &source),
            Effect::ForgetMain { process } => {
                self.awaited.take_if(|it| *it == process);
                for it in &mut self.living {
                    it.names.retain(|name| *name != process);
                }
                self.news
                    .retain(|news| !matches!(news, News::NotFound(it) if *it == process));
            }
            Effect::WatchBusName { .. } => self.news.push(News::Watched),
            _ => {}
        }
    }

    fn kill(&mut self, order: &KillOrder) {
        let mut remaining = false;
        for news in &mut self.news {
            if let News::Spawn(spawn, signal) = news
                && (order.processes.contains(&spawn.process) || order.group_signal.is_some())
            {
                remaining = true;
                *signal = Some(order.signal);
            }
        }
        let mut dying = Vec::new();
        for it in &self.living {
            let named = it.names.iter().any(|name| order.processes.contains(name));
            if named || order.group_signal.is_some() {
                remaining = true;
                dying.push(it.pid);
            }
        }
        self.news.push(News::Killed(order.order, remaining));
        for pid in dying {
            self.signal(pid, order.signal);
        }
    }

    fn signal(&mut self, pid: i32, signal: Signal) {
        let survives = signal != Signal::KILL && (self.dice.one_in(3) || signal == Signal::HUP);
        if !survives {
            self.end(pid, ProcessStatus::Killed(signal));
        }
    }

    fn end(&mut self, pid: i32, status: ProcessStatus) {
        let Some(place) = self.living.iter().position(|it| it.pid == pid) else {
            return;
        };
        let it = self.living.remove(place);
        self.news
            .extend(it.names.iter().map(|name| News::Exited(*name, status)));
        self.tell_if_empty();
    }

    fn tell_if_empty(&mut self) {
        let spawning = self.news.iter().any(|it| matches!(it, News::Spawn(..)));
        if self.living.is_empty() && !spawning {
            self.news.push(News::GroupEmpty);
        }
    }

    fn find(&mut self, process: ProcessId, source: &MainSource) {
        let lucky = self.dice.one_in(2);
        let found = match source {
            MainSource::OnlyProcess => (self.living.len() == 1).then_some(0),
            MainSource::PidFile { .. } => lucky.then_some(self.living.len().wrapping_sub(1)),
            MainSource::Told { pid, .. } => self.living.iter().position(|it| it.pid == *pid),
        };
        match found.and_then(|place| self.living.get_mut(place)) {
            Some(it) => {
                it.names.push(process);
                self.news.push(News::Found(process, it.pid));
            }
            None if matches!(source, MainSource::PidFile { wait: true, .. }) => {
                self.awaited = Some(process);
            }
            None => self.news.push(News::NotFound(process)),
        }
    }

    /// One piece of news arrives: mostly the oldest, sometimes another one.
    fn deliver(&mut self) {
        if self.news.is_empty() {
            return;
        }
        let place = if self.dice.one_in(3) {
            self.dice.roll(self.news.len() as u64) as usize
        } else {
            0
        };
        match self.news.remove(place) {
            News::Spawn(spawn, signal) => self.spawn(&spawn, signal),
            News::SpawnFailed(it) => self.call(|s, cx| s.on_spawn_failed(cx, it, "no")),
            News::Spawned(it, pid, executed) => {
                self.call(|s, cx| s.on_spawned(cx, it, pid, executed));
            }
            News::Exited(it, status) => self.call(|s, cx| s.on_exited(cx, it, status)),
            News::Killed(order, remaining) => self.call(|s, cx| s.on_killed(cx, order, remaining)),
            News::GroupEmpty if self.living.is_empty() => self.call(Service::on_group_empty),
            News::GroupEmpty => {}
            News::Found(it, pid) => self.call(|s, cx| s.on_main_found(cx, it, pid)),
            News::Watched => self.call(Service::on_bus_name_watched),
            News::NotFound(it) => self.call(|s, cx| s.on_main_not_found(cx, it, "none")),
        }
    }

    fn spawn(&mut self, spawn: &Spawn, signal: Option<Signal>) {
        if !self.calm && self.dice.one_in(12) {
            self.news.push(News::SpawnFailed(spawn.process));
            self.tell_if_empty();
            return;
        }
        let pid = self.next_pid;
        self.next_pid += 1;
        // One that is killed before it was there is as good as dead.
        let is_main = spawn.role == Role::Main && signal != Some(Signal::KILL);
        self.living.push(Living {
            pid,
            names: vec![spawn.process],
            is_main,
        });
        let executed = self.calm || !self.dice.one_in(12);
        self.news.push(News::Spawned(spawn.process, pid, executed));
        if let Some(signal) = signal {
            self.signal(pid, signal);
        }
        if !executed {
            self.end(pid, ProcessStatus::Exited(203));
        }
    }

    /// Something happens in the world outside the host.
    fn happen(&mut self) {
        let down = matches!(
            self.service.state(),
            ServiceState::Dead | ServiceState::Failed | ServiceState::AutoRestartQueued
        );
        if down && self.dice.one_in(2) {
            self.start();
            return;
        }
        match self.dice.roll(24) {
            0 => self.start(),
            1 => self.stop(JobKind::Stop),
            2 => self.stop(JobKind::Restart),
            3..=5 => self.call(Service::reload),
            6..=9 => self.say(),
            10..=12 => self.one_ends(),
            13 if !self.living.is_empty() => {
                let pid = self.next_pid;
                self.next_pid += 1;
                self.living.push(Living {
                    pid,
                    names: Vec::new(),
                    is_main: false,
                });
            }
            14 | 15 => self.pass(),
            16 | 17 => self.write_pid_file(),
            18 => {
                let owned = !self.dice.one_in(3);
                self.call(|s, cx| s.on_bus_name_owned(cx, owned));
            }
            19 if self.dice.one_in(3) => self.call(Service::on_out_of_memory),
            20 | 21 => self.call(Service::release),
            _ => {}
        }
    }

    fn start(&mut self) {
        self.call(|s, cx| {
            let _ = s.start(cx);
        });
    }

    fn stop(&mut self, job: JobKind) {
        self.job = Some(job);
        self.call(|s, cx| {
            let _ = s.stop(cx);
        });
        self.job = None;
    }

    fn one_ends(&mut self) {
        if self.living.is_empty() {
            return;
        }
        let place = self.dice.roll(self.living.len() as u64) as usize;
        let status = self.dice.pick(&[
            ProcessStatus::Exited(0),
            ProcessStatus::Exited(0),
            ProcessStatus::Exited(1),
            ProcessStatus::Killed(Signal::TERM),
            ProcessStatus::Dumped(Signal(11)),
        ]);
        self.end(self.living[place].pid, status);
    }

    fn say(&mut self) {
        let pid = self.living.first().map_or(1, |it| it.pid);
        let other = self.living.last().map_or(1, |it| it.pid).to_string();
        let sender = self.living.first().and_then(|it| it.names.first().copied());
        let now = self.now.to_string();
        let words: [(&str, &str); 9] = [
            ("READY", "1"),
            ("READY", "1"),
            ("RELOADING", "1"),
            ("MONOTONIC_USEC", &now),
            ("STOPPING", "1"),
            ("MAINPID", &other),
            ("WATCHDOG", "1"),
            ("WATCHDOG", "trigger"),
            ("EXTEND_TIMEOUT_USEC", "3000000"),
        ];
        let mut message = Notification { fields: Vec::new() };
        for _ in 0..=self.dice.roll(2) {
            let (key, value) = self.dice.pick(&words);
            message.fields.push((key.to_owned(), value.to_owned()));
        }
        self.call(|s, cx| {
            s.on_notified(cx, sender, pid, &message);
        });
    }

    /// Time passes only when all that happened has been told: the host is never that late.
    fn pass(&mut self) {
        let told = self.news.iter().all(|it| matches!(it, News::Spawn(..)));
        if told && let Some(deadline) = self.service.deadline() {
            self.now = self.now.max(deadline);
            self.call(Service::on_elapsed);
        }
    }

    fn write_pid_file(&mut self) {
        if let Some(it) = self.living.last_mut()
            && let Some(process) = self.awaited.take()
        {
            it.names.push(process);
            self.news.push(News::Found(process, it.pid));
        }
    }

    /// Stops for good; there must be rest after a bounded number of steps.
    fn stop_for_good(&mut self) {
        self.calm = true;
        let mut steps = 0;
        self.stop(JobKind::Stop);
        self.job = Some(JobKind::Stop);
        while !self.news.is_empty() || self.service.deadline().is_some() {
            if self.news.is_empty() {
                self.pass();
            }
            self.deliver();
            steps += 1;
            assert!(steps < 1000, "no rest in {:?}", self.service.state());
        }
        let state = self.service.state();
        assert!(
            matches!(state, ServiceState::Dead | ServiceState::Failed),
            "came to rest in {state:?}"
        );
        assert!(self.service.processes().is_empty());
        assert!(!self.living.iter().any(|it| it.is_main));
    }
}

#[test]
fn random_lives_end_in_rest() {
    let mut seen = BTreeSet::new();
    for seed in 1..6000 {
        let result = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            for _ in 0..200 {
                if life.dice.one_in(3) {
                    life.happen();
                } else {
                    life.deliver();
                }
            }
            life.stop_for_good();
            life.seen
        });
        seen.extend(result.unwrap_or_else(|_| panic!("the life of seed {seed}")));
    }
    // No life is dull: every state was seen.
    for state in ALL_STATES {
        assert!(seen.contains(&state), "{state:?}");
    }
}
