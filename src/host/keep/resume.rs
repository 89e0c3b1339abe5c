//! Takes over from an earlier daemon: the engine as it was, the descriptors it held, the
//! processes it had started, and the orders that it may not have carried out.

use super::super::disk::LoadSource;
use super::super::groups::Groups;
use super::super::limits;
use super::super::operations::Freezer;
use super::super::output::Reader;
use super::super::processes::Known;
use super::super::run::{self, Host, Options};
use super::super::spawning::invocation_id;
use super::custody::Recovered;
use super::identity::Identity;
use super::saved::{IsolationState, PipeOf, Record};
use super::{held_key, pipe_key, process_key, socket_key};
use crate::cgroup::Tree;
use crate::cgroup::usage::Usage;
use crate::engine::TimePlace;
use crate::engine::{
    Effect, Engine, Event, LedgerProcess, LogLevel, ProcessId, ProcessStatus, Spawn, UnitId,
};
use crate::unit::config::UnitConfig;
use crate::unit::effective::{Extent, LeftOut};
use crate::unit::load;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far the time of an order may lie behind the start of the process, in ticks of
/// /proc/PID/stat: both are rounded.
const SLACK: u64 = 3;
/// Microseconds in such a tick (sysconf(_SC_CLK_TCK), which is 100 everywhere).
const TICK: u64 = 10_000;

/// How long a process that the earlier daemon has made may take to execute its program, and how
/// often it is looked at: before that it cannot be told what it is for. Nothing else waits for it
/// but the take-over.
const UNBORN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// What an engine that goes on needs besides.
pub(in crate::host) struct Resumption {
    pub(in crate::host) engine: Engine,
    pub(in crate::host) recovered: Recovered,
    identities: BTreeMap<ProcessId, Identity>,
    pipes: BTreeMap<u64, PipeOf>,
    last_pipe: u64,
    isolations: BTreeMap<UnitId, IsolationState>,
    /// When each start was ordered, as far as that is known, monotonic microseconds.
    ordered: BTreeMap<ProcessId, u64>,
    /// Units whose clean-up may not have been carried out.
    cleanups: BTreeMap<UnitId, bool>,
    /// Units came in with the picture that it does not know.
    renumbered: bool,
    /// The journal speaks of what the engine does not know: unit files have changed since.
    diverged: Option<String>,
}

impl Resumption {
    /// Brings the engine to where it was. Reads unit files: blocks.
    ///
    /// # Errors
    /// The picture contradicts itself.
    pub(in crate::host) fn new(
        mut recovered: Recovered,
        settings: &load::Settings,
        sockets: bool,
        place: TimePlace,
    ) -> io::Result<Resumption> {
        let snapshot = recovered.saved.engine.clone();
        let mut names = snapshot.unit_names();
        for record in &recovered.journal {
            if let Record::Event(_, event) = record {
                names.extend(event.loads().iter().map(|unit| unit.name.clone()));
            }
        }
        let read = read_units(&names, settings);
        let known = snapshot.unit_names();
        let wanted = read.values().filter(|unit| known.contains(&unit.name));
        let mut configs: Vec<Arc<UnitConfig>> = wanted.cloned().collect();
        // What these name has to be there.
        let given: BTreeSet<&UnitName> = configs.iter().map(|unit| &unit.name).collect();
        let targets = configs.iter().flat_map(|unit| &unit.dependencies);
        let targets: BTreeSet<&UnitName> = targets.map(|it| &it.target).collect();
        let named = read.iter().filter(|(name, unit)| {
            targets.contains(name) && !given.contains(&unit.name) && !known.contains(&unit.name)
        });
        let named: Vec<Arc<UnitConfig>> = closure(named.map(|(_, unit)| unit), &read, &known);
        configs.extend(named);
        let mut engine = Engine::restore(snapshot, configs).map_err(io::Error::other)?;
        engine.set_time_place(place);
        if !sockets {
            engine.without_socket_activation();
        }
        recovered.saved.host.begun = recovered.has_begun();
        let journal = std::mem::take(&mut recovered.journal);
        let host = &mut recovered.saved.host;
        let mut resumption = Resumption {
            engine,
            identities: std::mem::take(&mut host.processes),
            pipes: std::mem::take(&mut host.pipes),
            last_pipe: host.last_pipe,
            isolations: BTreeMap::new(),
            recovered,
            ordered: BTreeMap::new(),
            cleanups: BTreeMap::new(),
            renumbered: false,
            diverged: None,
        };
        // Units that the files name only now have numbers that others had in the journal.
        resumption.renumbered = resumption.engine.unit_names().len() > known.len();
        resumption.take_effects(None);
        resumption.play(journal, &read);
        for holder in resumption.engine.holders() {
            // Clients do not outlive the daemon.
            let now = super::super::clock::now();
            resumption.engine.handle(now, Event::HolderGone { holder });
            resumption.take_effects(Some(now.monotonic));
        }
        Ok(resumption)
    }

    /// Has the engine do once more what it did since the picture was made.
    fn play(&mut self, journal: Vec<Record>, read: &BTreeMap<UnitName, Arc<UnitConfig>>) {
        for record in journal {
            match record {
                Record::Event(at, event) => {
                    if let Some(reason) = self.stranger(&event) {
                        self.diverged = Some(reason);
                        return;
                    }
                    self.note_pids(&event);
                    self.engine.handle(at, event.with_units(read));
                    self.take_effects(Some(at.monotonic));
                }
                Record::Process(process, identity) => {
                    self.identities.insert(process, identity);
                }
                Record::Isolation(unit, state) => {
                    self.isolations.insert(unit, state);
                }
                Record::Pipe(number, pipe) => {
                    self.last_pipe = self.last_pipe.max(number);
                    self.pipes.insert(number, pipe);
                }
            }
        }
    }

    /// What an event speaks of that the engine has not ordered: then it does not do the same as
    /// it did before, and what follows would be told to the wrong units.
    fn stranger(&self, event: &Event) -> Option<String> {
        if self.renumbered && !event.loads().is_empty() {
            return Some("units are named that were not".to_owned());
        }
        let (Event::Spawned { process, .. }
        | Event::SpawnFailed { process, .. }
        | Event::MainFound { process, .. }) = event
        else {
            return None;
        };
        let known = self.engine.ledger().is_ordered(*process);
        (!known).then(|| format!("process number {} was not ordered", process.0))
    }

    fn note_pids(&mut self, event: &Event) {
        if let Event::Spawned { process, pid, .. } = event {
            let pipes = self.pipes.values_mut();
            for pipe in pipes.filter(|pipe| pipe.process == *process) {
                pipe.pid = *pid;
            }
        }
    }

    /// Most of it was carried out by the earlier daemon; the ledger knows the rest.
    fn take_effects(&mut self, at: Option<u64>) {
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Spawn(spawn) = &effect {
                self.ordered.extend(at.map(|at| (spawn.process, at)));
                self.cleanups.remove(&spawn.unit);
            }
            if let Effect::CleanUp {
                unit,
                runtime_directories,
            } = effect
            {
                self.cleanups.insert(unit, runtime_directories);
            }
        }
    }
}

/// Units by every name of theirs.
fn read_units(
    names: &BTreeSet<UnitName>,
    settings: &load::Settings,
) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    let source = LoadSource::default();
    load::load(names, &BTreeSet::new(), settings, &source).units
}

/// These units and what they name in turn, but for what is there already.
fn closure<'a>(
    units: impl Iterator<Item = &'a Arc<UnitConfig>>,
    read: &BTreeMap<UnitName, Arc<UnitConfig>>,
    known: &BTreeSet<UnitName>,
) -> Vec<Arc<UnitConfig>> {
    let mut waiting: Vec<Arc<UnitConfig>> = units.cloned().collect();
    let mut found: BTreeMap<UnitName, Arc<UnitConfig>> = BTreeMap::new();
    while let Some(unit) = waiting.pop() {
        if known.contains(&unit.name) || found.contains_key(&unit.name) {
            continue;
        }
        let targets = unit.dependencies.iter().map(|it| &it.target);
        waiting.extend(targets.filter_map(|name| read.get(name)).cloned());
        found.insert(unit.name.clone(), unit);
    }
    found.into_values().collect()
}

/// The tree that the earlier daemon had, if it is still there.
pub(in crate::host) fn tree(recovered: &Recovered, label: &str) -> Option<Tree> {
    let place = recovered.saved.host.tree.clone();
    let earlier = place.map(Tree::take_over);
    let there = earlier.filter(|tree| tree.root().join("cgroup.procs").exists());
    there.or_else(|| Tree::open(label))
}

impl Host {
    /// Takes over what an earlier daemon has left, with an engine that is already where it was.
    /// Opens sockets where a hold on them was lost: blocks.
    ///
    /// # Errors
    /// The journal cannot be begun.
    pub(in crate::host) fn take_over(&mut self, mut resumption: Resumption) -> io::Result<()> {
        let host = std::mem::take(&mut resumption.recovered.saved.host);
        let same_process = resumption.recovered.same_process;
        let mut left = std::mem::take(&mut resumption.recovered.descriptors);
        self.begun = host.begun;
        self.client_environment = host.environment;
        self.renew_environment();
        self.startup = host.startup.into();
        self.last_pipe = resumption.last_pipe;
        for (unit, state) in host.units {
            let pairs = state.left_out.into_iter();
            let left_out: Vec<LeftOut> = pairs
                .map(|(directive, reason, part)| LeftOut {
                    directive,
                    reason,
                    extent: if part { Extent::Part } else { Extent::Nothing },
                })
                .collect();
            if !left_out.is_empty() {
                self.left_out.insert(unit, left_out);
            }
            if let Some(cpu) = state.last_cpu {
                let last = Usage {
                    cpu: Some(cpu),
                    ..Usage::default()
                };
                self.last_usage.insert(unit, last);
            }
            if state.frozen {
                self.freezers.insert(unit, Freezer::Frozen);
            }
            if let Some(isolation) = state.isolation {
                resumption.isolations.entry(unit).or_insert(isolation);
            }
        }
        for (unit, state) in std::mem::take(&mut resumption.isolations) {
            // What a unit has given up since stands in the journal as its end.
            if !self.is_down(unit) {
                let mut find = |key: &str| left.remove(key);
                self.isolations
                    .take_over(unit, state, &mut find, &self.custody);
            }
        }
        let lines = host.lines.into_iter().map(Into::into).collect();
        self.log.take_over(lines, host.line);
        if let Some(reason) = &resumption.diverged {
            tracing::warn!(
                "the journal of the earlier daemon is played only in part ({reason}): unit files \
                 have changed since they were read"
            );
        }
        self.take_over_groups();
        let gone = self.take_over_processes(&resumption, &mut left, same_process);
        let missing = self.take_over_sockets(&mut left);
        self.take_over_pipes(resumption.pipes, &mut left);
        for key in left.into_keys() {
            self.custody.forget(&key);
        }
        self.begin_journal()?;
        self.receive_notifications();
        for (process, reason) in gone {
            self.report_gone(process, &reason);
        }
        for event in missing {
            self.tell(event);
        }
        self.carry_out_unanswered(&resumption.ordered);
        for (unit, runtime_directories) in resumption.cleanups {
            if self.is_down(unit) {
                self.carry_out(Effect::CleanUp {
                    unit,
                    runtime_directories,
                });
            }
        }
        self.groups.suspect_all();
        self.settle();
        Ok(())
    }

    fn is_down(&self, unit: UnitId) -> bool {
        let view = self.engine.unit_by_id(unit);
        view.is_some_and(|view| view.active.is_inactive_or_failed())
    }

    fn take_over_groups(&mut self) {
        let mut pids: BTreeMap<UnitId, Vec<i32>> = BTreeMap::new();
        for (_, process) in self.engine.ledger().processes() {
            pids.entry(process.unit).or_default().push(process.pid);
        }
        for name in self.engine.unit_names() {
            let Some(view) = self.engine.unit(name.as_str()) else {
                continue;
            };
            let of_unit = pids.get(&view.id).map_or(&[][..], Vec::as_slice);
            let invocation = invocation_id(view.invocation);
            let taken = limits::path_of(&view.config).and_then(|path| {
                self.groups
                    .take_over(view.id, view.name(), path, &invocation, of_unit)
            });
            match taken {
                // What is set on it is not known, only what should be.
                Ok(true) => self.limit(view.id, &view.config, true),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!("cannot take over the control group of {name}: {error}");
                }
            }
        }
        for (_, process) in self.engine.ledger().processes() {
            if let Some(generation) = process.generation {
                let (unit, pid) = (process.unit, process.pid);
                self.groups.started_for(unit, pid, generation);
            }
        }
    }

    /// Watches the processes that are there; returns those that are not.
    fn take_over_processes(
        &mut self,
        resumption: &Resumption,
        left: &mut BTreeMap<String, OwnedFd>,
        same_process: bool,
    ) -> Vec<(ProcessId, String)> {
        let processes: Vec<(ProcessId, LedgerProcess)> = self.engine.ledger().processes().collect();
        let mut gone = Vec::new();
        for (id, process) in processes {
            let identity = resumption.identities.get(&id);
            let found = match (left.remove(&process_key(id)), identity) {
                (Some(descriptor), _) => Ok(descriptor),
                (None, Some(identity)) => identity
                    .find()
                    .and_then(|found| self.check_group(process, found)),
                (None, None) => Err(format!(
                    "nothing but the number of process {} is known",
                    process.pid
                )),
            };
            let foreign = !same_process || identity.is_some_and(|it| it.foreign);
            let watched = found.and_then(|descriptor| {
                let known = self.in_custody(id, process.pid, descriptor, foreign);
                self.processes.expected(id, process.unit, process.role);
                self.processes
                    .running(id, process.unit, known, &self.bells)
                    .map_err(|error| format!("cannot watch process {}: {error}", process.pid))
            });
            if let Err(reason) = watched {
                self.processes.expected(id, process.unit, process.role);
                gone.push((id, reason));
            }
        }
        gone
    }

    /// A process that is known by its number and time of start must be where it belongs, too.
    fn check_group(&self, process: LedgerProcess, found: OwnedFd) -> Result<OwnedFd, String> {
        let known = BTreeMap::new();
        if !self.groups.has_tree()
            || process.role.is_none()
            || self.groups.unit_of(process.pid, &known) == Some(process.unit)
        {
            return Ok(found);
        }
        Err(format!(
            "process {} is not in the control group of its unit",
            process.pid
        ))
    }

    /// A process ended while nobody watched, or cannot be told from others.
    fn report_gone(&mut self, process: ProcessId, reason: &str) {
        let Some(old) = self.processes.remove(process) else {
            return;
        };
        let name = self.name(old.unit);
        let text = format!("cannot take over a process of the earlier daemon: {reason}");
        self.log.manager(LogLevel::Warning, name.as_ref(), &text);
        self.groups.suspect(old.unit);
        self.tell(Event::Exited {
            process,
            status: ProcessStatus::Unknown,
        });
    }

    /// Puts sockets and kept descriptors back in their places; what has to be said of those that
    /// are missing.
    fn take_over_sockets(&mut self, left: &mut BTreeMap<String, OwnedFd>) -> Vec<Event> {
        let mut missing = Vec::new();
        let open: Vec<UnitId> = self.engine.ledger().open_sockets().collect();
        for unit in open {
            let Some(view) = self.engine.unit_by_id(unit) else {
                continue;
            };
            let config = view.config.clone();
            let wanted = config.socket().map_or(0, |section| section.listen.len());
            let found: Vec<OwnedFd> = (0..)
                .map_while(|index| left.remove(&socket_key(unit, index)))
                .collect();
            if found.len() < wanted.max(1) {
                let text = "its sockets were lost with the earlier daemon; they are made anew";
                self.log
                    .manager(LogLevel::Warning, Some(&config.name), text);
                self.reopen_sockets(unit, config);
            } else {
                self.put_sockets(unit, config, found);
            }
        }
        self.sockets
            .count_from(self.engine.ledger().last_descriptor());
        let held: Vec<_> = self.engine.ledger().descriptors().collect();
        for (descriptor, store) in held {
            match (left.remove(&held_key(descriptor)), store) {
                (Some(found), _) => self.sockets.hold_again(descriptor, found),
                (None, Some(unit)) => missing.push(Event::DescriptorGone { unit, descriptor }),
                (None, None) => {}
            }
        }
        missing
    }

    fn take_over_pipes(
        &mut self,
        pipes: BTreeMap<u64, PipeOf>,
        left: &mut BTreeMap<String, OwnedFd>,
    ) {
        for (number, pipe) in pipes {
            let Some(found) = left.remove(&pipe_key(number)) else {
                continue;
            };
            let descriptor = Arc::new(found);
            let kept = self.custody.keep(pipe_key(number), &descriptor);
            let reader = Reader {
                number,
                stream: pipe.stream,
                descriptor,
                kept: Some(kept),
            };
            let lines = self.lines_of_unit(&pipe.unit);
            self.capture
                .start(&pipe.unit, pipe.pid, vec![reader], &lines);
            self.pipes.insert(number, pipe);
        }
    }

    /// Orders without an answer: a start that was carried out is found again by the process, the
    /// others are carried out now.
    fn carry_out_unanswered(&mut self, ordered: &BTreeMap<ProcessId, u64>) {
        for effect in self.engine.unanswered() {
            match effect {
                Effect::Spawn(spawn) => match self.find_started(&spawn, ordered) {
                    Some((pid, known)) => self.take_over_start(&spawn, pid, known),
                    None => self.spawn(spawn),
                },
                Effect::TakeIn { unit, order, .. } => {
                    // Whoever was moved already is there; the others are with the client.
                    let known = self.known();
                    let there = !self.groups.processes(unit, &known).is_empty();
                    let result = match there {
                        true => Ok(()),
                        false => Err("the daemon was killed before any was moved".to_owned()),
                    };
                    self.tell(Event::TakenIn {
                        unit,
                        order,
                        result,
                    });
                }
                other => self.carry_out(other),
            }
        }
    }

    /// The process that an earlier daemon has started for an order, if it did.
    fn find_started(
        &mut self,
        spawn: &Spawn,
        ordered: &BTreeMap<ProcessId, u64>,
    ) -> Option<(i32, Known)> {
        let invocation = invocation_id(spawn.invocation);
        let earliest = ordered.get(&spawn.process).map_or(0, |at| {
            let ticks = at.saturating_add(asleep()) / TICK;
            ticks.saturating_sub(SLACK)
        });
        let known = self.known();
        let until = Instant::now() + UNBORN;
        while self.groups.has_unborn(spawn.unit, &known) && Instant::now() < until {
            std::thread::sleep(LOOK_AGAIN);
        }
        let leaders = self.groups.leaders(spawn.unit, &invocation, &known);
        let mut leaders: Vec<(i32, u64)> = leaders
            .into_iter()
            .filter(|(_, started)| *started >= earliest)
            .collect();
        leaders.sort_by_key(|(_, started)| *started);
        let (pid, _) = leaders.pop()?;
        let descriptor = crate::sys::pidfd::open(pid).ok()?;
        // Looked at again, now that it is held.
        let again = self.groups.leaders(spawn.unit, &invocation, &known);
        if !again.iter().any(|(other, _)| *other == pid) {
            return None;
        }
        let pidfd = Arc::new(descriptor);
        let kept = self.custody.keep(process_key(spawn.process), &pidfd);
        let identity = self.identify(spawn.process, pid, &pidfd.as_fd(), true);
        let kept = Some(kept);
        Some((
            pid,
            Known {
                pidfd,
                identity,
                kept,
            },
        ))
    }

    fn take_over_start(&mut self, spawn: &Spawn, pid: i32, known: Known) {
        let (process, unit) = (spawn.process, spawn.unit);
        self.processes.starting(process, unit, spawn.role);
        let watched = self.processes.running(process, unit, known, &self.bells);
        if let Err(error) = watched {
            self.processes.remove(process);
            let reason = format!("cannot watch the process: {error}");
            return self.tell(Event::SpawnFailed { process, reason });
        }
        self.groups.joined(unit, pid, Some(spawn.generation));
        self.tell(Event::Spawned {
            process,
            pid,
            executed: true,
        });
    }
}

/// How long the machine has slept since it was booted, in microseconds: starts of processes count
/// that time, the monotonic clock does not.
fn asleep() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let micros = |clock| {
        let time = clock_gettime(clock).ok();
        time.map_or(0, |time| {
            time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
        })
    };
    micros(ClockId::CLOCK_BOOTTIME).saturating_sub(micros(ClockId::CLOCK_MONOTONIC))
}

/// The groups of a daemon that takes over.
///
/// # Errors
/// As [`Groups::new`].
pub(in crate::host) fn groups(recovered: &Recovered, options: &Options) -> io::Result<Groups> {
    run::groups(tree(recovered, &options.cgroup_label), options)
}
