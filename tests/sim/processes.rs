//! The world's processes: born by order or by fork, ended by themselves or by signals.

use super::dice::Dice;
use super::manner::{Manner, Named, Words, calm, of_command};
use super::world::{Happening, World};
use procmgr::engine::{
    Event, JobKind, Notification, PassedSource, ProcessId, ProcessStatus, Role, Spawn, UnitId,
};
use procmgr::unit::config::{CommandKind, ServiceConfig, ServiceType};
use procmgr::unit::value::Signal;

/// Numbers below are nobody's.
const FIRST_PID: i32 = 1000;

/// A process, alive or not.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) unit: UnitId,
    /// The engine's names for it.
    pub(crate) names: Vec<ProcessId>,
    pub(crate) parent: Option<i32>,
    /// The generation of its unit's processes that it belongs to.
    pub(crate) generation: u32,
    pub(crate) manner: Manner,
    pub(crate) alive: bool,
    /// It is, or was last, the main process.
    pub(crate) main: bool,
    /// The engine has heard of its birth, or never will.
    pub(crate) told: bool,
    /// SIGKILL is on its way.
    pub(crate) killed: bool,
    /// It was asked to end.
    pub(crate) asked: bool,
    /// It was left behind by settings that say so.
    pub(crate) excused: bool,
    /// No news of it arrives before this.
    pub(crate) news_until: u64,
}

/// What the world keeps of a name that the engine gave.
#[derive(Debug)]
pub(crate) enum Known {
    /// Ordered, not there yet, with the signals that wait for it.
    Starting(UnitId, Role, Vec<Signal>),
    /// It is this one.
    Running(UnitId, i32),
}

impl Known {
    pub(crate) fn unit(&self) -> UnitId {
        match self {
            Known::Starting(unit, ..) | Known::Running(unit, _) => *unit,
        }
    }
}

impl World<'_> {
    pub(crate) fn process(&self, pid: i32) -> Option<&Process> {
        let place = usize::try_from(pid - FIRST_PID).ok()?;
        self.processes.get(place)
    }

    pub(crate) fn process_mut(&mut self, pid: i32) -> Option<&mut Process> {
        let place = usize::try_from(pid - FIRST_PID).ok()?;
        self.processes.get_mut(place)
    }

    /// The living processes of a unit, oldest first.
    pub(crate) fn members(&self, unit: UnitId) -> impl Iterator<Item = &Process> {
        let pids = self.alive.get(&unit).into_iter().flatten();
        pids.filter_map(|pid| self.process(*pid))
    }

    /// An ordered process comes to be, or cannot.
    pub(crate) fn begin(&mut self, spawn: &Spawn) {
        let Some(Known::Starting(unit, role, shots)) = self.known.remove(&spawn.process) else {
            panic!("an order was carried out twice");
        };
        let count = self.spawns.entry(unit).or_default();
        *count += 1;
        let matter = [2, u64::from(unit.0), *count];
        let mut dice = Dice::of(self.scenario.seed, &matter);
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        if dice.percent(trouble / 2) {
            self.known
                .insert(spawn.process, Known::Starting(unit, role, shots));
            let reason = dice.pick(&["EAGAIN", "ENOMEM"]).to_owned();
            let process = spawn.process;
            self.tell(None, Event::SpawnFailed { process, reason });
            return;
        }
        // The commands of a socket are like those of a service.
        let plain = ServiceConfig::default();
        let service = spawn.config.service().unwrap_or(&plain);
        let manner = if self.calm {
            calm(service, role, spawn.kind)
        } else {
            of_command(&mut dice, service, role, spawn.kind, trouble)
        };
        let pid = self.bear(unit, manner, None);
        let seen = self.picture.unit(unit);
        let may_stay = seen.may_leave_processes() || self.picture.reread.contains(&unit);
        let stray = seen.is_at_its_end() && may_stay;
        let executed = !dice.percent(trouble / 2);
        let process = spawn.process;
        self.known.insert(process, Known::Running(unit, pid));
        if let Some(it) = self.process_mut(pid) {
            it.names.push(process);
            it.told = false;
            it.generation = spawn.generation;
            it.excused = stray;
            it.main = role == Role::Main;
        }
        self.tell(
            Some(pid),
            Event::Spawned {
                process,
                pid,
                executed,
            },
        );
        if executed {
            let passed = spawn.passed.iter().filter_map(|it| match it.source {
                PassedSource::Socket { unit, .. } => Some(unit),
                PassedSource::Connection(_) | PassedSource::Stored(_) => None,
            });
            self.serve(&passed.collect::<Vec<_>>());
            self.live(pid);
            self.perhaps_store(pid);
        } else {
            let code = 200 + dice.roll(44) as u8;
            self.end(pid, ProcessStatus::Exited(code));
        }
        for signal in shots {
            self.signal(pid, signal);
        }
    }

    pub(crate) fn bear(&mut self, unit: UnitId, manner: Manner, parent: Option<i32>) -> i32 {
        let pid = FIRST_PID + self.processes.len() as i32;
        self.processes.push(Process {
            pid,
            unit,
            names: Vec::new(),
            parent,
            generation: parent
                .and_then(|pid| self.process(pid))
                .map_or(0, |it| it.generation),
            manner,
            alive: true,
            main: false,
            told: true,
            killed: false,
            asked: false,
            excused: false,
            news_until: 0,
        });
        self.alive.entry(unit).or_default().push(pid);
        self.occupied.insert(unit);
        if self.scenario.later && !self.calm && self.late_dice.percent(self.scenario.trouble / 4) {
            let when = self.late_dice.pick(&[0, 1_000, 300_000, 3_000_000]);
            self.plan(when, Happening::Starve(pid));
        }
        pid
    }

    /// Sets out what a process is going to do.
    pub(crate) fn live(&mut self, pid: i32) {
        let manner = self.process(pid).expect("just born").manner.clone();
        for (after, words) in &manner.words {
            self.plan(*after, Happening::Say(pid, *words));
        }
        for (after, child) in manner.children {
            self.plan(after, Happening::Fork(pid, Box::new(child)));
        }
        if let Some((after, whom)) = manner.pid_file {
            self.plan(after, Happening::WritePidFile(pid, whom));
        }
        if let Some((after, status)) = manner.end {
            self.plan(after, Happening::Exit(pid, status, true));
        }
    }

    /// A service may give descriptors into keeping.
    fn perhaps_store(&mut self, pid: i32) {
        let Some(unit) = self.process(pid).map(|it| it.unit) else {
            return;
        };
        let config = self.picture.unit(unit).config.clone();
        let has_store = config
            .service()
            .is_some_and(|it| it.descriptor_store_max > 0);
        if !self.scenario.descriptors || self.calm || !has_store {
            return;
        }
        for _ in 0..self.new_dice.roll(4) {
            let name = self.new_dice.pick(&["one", "two", "stored"]);
            let words = match self.new_dice.roll(6) {
                0 => Words::Stray,
                1 => Words::TakeBack(name),
                _ => Words::Store {
                    name,
                    count: self.new_dice.roll(3),
                    poll: !self.new_dice.one_in(4),
                },
            };
            let after = self.new_dice.roll(4_000_000);
            self.plan(after, Happening::Say(pid, words));
        }
    }

    pub(crate) fn fork(&mut self, parent: i32, manner: Manner) {
        let Some(unit) = self
            .process(parent)
            .filter(|it| it.alive && !it.killed)
            .map(|it| it.unit)
        else {
            return;
        };
        let child = self.bear(unit, manner, Some(parent));
        let excused = self.process(parent).is_some_and(|it| it.excused);
        if let Some(it) = self.process_mut(child) {
            it.excused = excused;
        }
        self.live(child);
        self.note(|| format!("process {parent} forks {child}"));
    }

    /// A process ends by itself, if it still wants to.
    pub(crate) fn exit(&mut self, pid: i32, status: ProcessStatus, by_itself: bool) {
        let Some(it) = self.process(pid) else { return };
        let stays = by_itself && self.calm && !it.manner.ends_well;
        if it.alive && !stays {
            self.end(pid, status);
        }
    }

    fn end(&mut self, pid: i32, status: ProcessStatus) {
        let Some(it) = self.process_mut(pid) else {
            return;
        };
        it.alive = false;
        let (unit, names) = (it.unit, it.names.clone());
        let along = it.manner.takes_children_along;
        if let Some(pids) = self.alive.get_mut(&unit) {
            pids.retain(|other| *other != pid);
        }
        self.note(|| format!("process {pid} ends: {status:?}"));
        self.lose_name(pid);
        for process in names {
            self.tell(Some(pid), Event::Exited { process, status });
        }
        let children: Vec<i32> = self
            .members(unit)
            .filter(|child| along && child.parent == Some(pid))
            .map(|child| child.pid)
            .collect();
        for child in children {
            self.plan(0, Happening::Exit(child, ProcessStatus::Exited(0), false));
        }
        self.suspect(unit);
    }

    /// The kernel needs the process's memory.
    pub(crate) fn starve(&mut self, pid: i32) {
        let Some(it) = self.process(pid).filter(|it| it.alive && !self.calm) else {
            return;
        };
        let unit = it.unit;
        // Told before the end is.
        self.plan(0, Happening::Tell(Event::OutOfMemory { unit }));
        self.plan(
            0,
            Happening::Exit(pid, ProcessStatus::Killed(Signal::KILL), false),
        );
    }

    pub(crate) fn signal(&mut self, pid: i32, signal: Signal) {
        let calm = self.calm;
        let Some(it) = self.process_mut(pid).filter(|it| it.alive) else {
            return;
        };
        if signal == Signal(0) {
            return;
        }
        let killed = ProcessStatus::Killed(signal);
        if signal == Signal::KILL {
            it.killed = true;
            self.plan(0, Happening::Exit(pid, killed, false));
        } else if signal == Signal::HUP {
            if it.main {
                self.plan(1000, Happening::Say(pid, Words::Reloading));
            }
        } else if signal != Signal::CONT {
            it.asked = true;
            let delay = if calm { Some(0) } else { it.manner.obeys };
            let status = match delay {
                Some(_) if signal == Signal::ABRT => ProcessStatus::Dumped(signal),
                Some(0) => ProcessStatus::Exited(0),
                Some(_) | None => killed,
            };
            if let Some(delay) = delay {
                self.plan(delay, Happening::Exit(pid, status, false));
            }
        }
    }

    /// A process says something, if it is there and is heard.
    pub(crate) fn say(&mut self, pid: i32, words: Words) {
        let bad = matches!(
            words,
            Words::Stopping | Words::TriggerWatchdog | Words::ReloadingForEver
        );
        let Some(unit) = self.process(pid).filter(|it| it.alive).map(|it| it.unit) else {
            return;
        };
        if self.calm && bad {
            return;
        }
        match words {
            Words::TakeName => return self.take_name(pid),
            Words::LoseName if !self.calm => return self.lose_name(pid),
            Words::BusComesBack => return self.bus_comes_back(),
            _ => {}
        }
        let fields: Vec<(&str, String)> = match words {
            Words::Ready => vec![("READY", "1".to_owned())],
            Words::Stopping => vec![("STOPPING", "1".to_owned())],
            Words::Reloading | Words::ReloadingForEver => vec![
                ("RELOADING", "1".to_owned()),
                ("MONOTONIC_USEC", self.now.to_string()),
            ],
            Words::TakeName | Words::LoseName | Words::BusComesBack => return,
            Words::Status => vec![("STATUS", "well".to_owned())],
            Words::Store { name, poll, .. } => vec![
                ("FDSTORE", "1".to_owned()),
                ("FDNAME", name.to_owned()),
                ("FDPOLL", u8::from(poll).to_string()),
            ],
            Words::TakeBack(name) => vec![
                ("FDSTOREREMOVE", "1".to_owned()),
                ("FDNAME", name.to_owned()),
            ],
            // Along with a message that does not speak of them.
            Words::Stray => vec![("STATUS", "generous".to_owned())],
            Words::Feed => vec![("WATCHDOG", "1".to_owned())],
            Words::TriggerWatchdog => vec![("WATCHDOG", "trigger".to_owned())],
            Words::Extend => vec![("EXTEND_TIMEOUT_USEC", "2000000".to_owned())],
            Words::MainPid(whom) => {
                vec![("MAINPID", self.named(pid, whom).unwrap_or(1).to_string())]
            }
        };
        match words {
            Words::Reloading => self.plan(20_000, Happening::Say(pid, Words::Ready)),
            Words::Stopping => {
                if let Some(it) = self.process_mut(pid) {
                    it.asked = true;
                }
                self.leaving.insert(unit);
                self.plan(1000, Happening::Exit(pid, ProcessStatus::Exited(0), true));
            }
            _ => {}
        }
        let lost = !self.calm && self.dice.percent(self.scenario.trouble / 4);
        let process = self.process(pid).and_then(|it| it.names.first().copied());
        let fields = fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        if !lost {
            let descriptors = match words {
                Words::Store { count, .. } => self.send_along(unit, count),
                Words::Stray => self.send_along(unit, 1),
                _ => Vec::new(),
            };
            let message = Notification { fields };
            self.tell(
                Some(pid),
                Event::Notified {
                    unit,
                    process,
                    pid,
                    message,
                    descriptors,
                },
            );
        }
    }

    pub(crate) fn named(&self, speaker: i32, whom: Named) -> Option<i32> {
        let unit = self.process(speaker)?.unit;
        match whom {
            Named::Itself => Some(speaker),
            Named::Child => {
                let children = self.members(unit).filter(|it| it.parent == Some(speaker));
                children.last().map(|it| it.pid)
            }
            Named::Nobody => None,
            Named::Stranger => {
                let all = self.processes.iter().rev();
                all.filter(|it| it.alive && it.unit != unit)
                    .map(|it| it.pid)
                    .next()
            }
        }
    }

    /// From here on nothing goes wrong any more: what hangs goes on, what was asked to end
    /// ends, what should have been said is said.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        let living: Vec<i32> = self.alive.values().flatten().copied().collect();
        for pid in living {
            let it = self.process(pid).expect("it lives");
            let sub = self.picture.unit(it.unit).sub;
            let stops = sub.starts_with("stop") || sub.starts_with("final");
            let (asked, ends_well) = (it.asked || stops, it.manner.ends_well);
            if asked || ends_well {
                self.hand_over(pid);
                self.plan(10, Happening::Exit(pid, ProcessStatus::Exited(0), false));
            } else {
                let config = self.picture.unit(it.unit).config.clone();
                self.plan(10, Happening::Say(pid, Words::Ready));
                let service = config.service();
                if service.is_some_and(|it| it.service_type == ServiceType::Dbus) {
                    self.plan(10, Happening::Say(pid, Words::TakeName));
                }
                // An answer to a reload signal that was lost.
                self.plan(20, Happening::Say(pid, Words::Reloading));
                self.plan(0, Happening::WritePidFile(pid, Named::Itself));
            }
        }
    }

    /// A forking parent that hung leaves a daemon behind after all.
    fn hand_over(&mut self, pid: i32) {
        let Some(it) = self.process(pid) else { return };
        let config = self.picture.unit(it.unit).config.clone();
        let forks = config
            .service()
            .is_some_and(|service| service.service_type == ServiceType::Forking);
        let starts = self.picture.unit(it.unit).sub == "start" && !it.asked;
        let childless = starts && self.members(it.unit).count() == 1;
        if let Some(service) = config.service()
            && forks
            && childless
        {
            let parent = Role::Control(CommandKind::Start);
            for (_, child) in calm(service, parent, CommandKind::Start).children {
                self.fork(pid, child);
            }
            self.plan(0, Happening::WritePidFile(pid, Named::Child));
        }
    }

    /// Whether a process is of another generation than that which serves.
    pub(crate) fn is_beside(&self, pid: i32) -> bool {
        self.process(pid).is_some_and(|it| {
            let seen = self.picture.units.get(&it.unit);
            let main = seen.filter(|seen| seen.is_up()).map(|seen| seen.main_pid);
            let main = main.and_then(|main| self.process(main));
            main.is_some_and(|main| main.generation != it.generation)
        })
    }

    /// Whether a restart with an overlap has the unit's job.
    fn is_overlapping(&self, unit: UnitId) -> bool {
        let job = self.picture.job_of(unit);
        job.is_some_and(|(_, job)| job.kind == JobKind::Overlap)
    }

    /// Whether a restart with an overlap goes on somewhere.
    pub(crate) fn has_some_beside(&self) -> bool {
        let mut living = self.alive.values().flatten();
        living.any(|pid| {
            self.is_beside(*pid)
                && self.process(*pid).is_some_and(|it| {
                    let seen = self.picture.unit(it.unit);
                    let may_stay = seen.may_leave_processes() || it.excused;
                    !may_stay && !self.picture.reread.contains(&it.unit)
                })
        })
    }

    /// Ends the processes of services that wait without a timeout for something these will
    /// never do, such as write a PID file, end although another type was read meanwhile, say
    /// that a reload is done although NotifyAccess= does not let them speak any more, or end
    /// because another process of the service had said that it stops (STOPPING=1 sends no signal,
    /// here as in systemd).
    pub(crate) fn end_what_starts(&mut self) {
        let living: Vec<i32> = self.alive.values().flatten().copied().collect();
        for pid in living {
            let unit = self.process(pid).expect("it lives").unit;
            let sub = self.picture.unit(unit).sub;
            let leaves = sub == "stop-sigterm" && self.leaving.contains(&unit);
            let leads = self.process(pid).is_some_and(|it| it.main);
            let leaves = leaves || leads && (self.is_beside(pid) || self.is_overlapping(unit));
            if leaves || sub.starts_with("start") || sub.starts_with("reload") {
                self.plan(0, Happening::Exit(pid, ProcessStatus::Exited(0), false));
            }
        }
    }
}
