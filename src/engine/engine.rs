//! The engine's face: events in, effects out, the next deadline.

use super::effect::{Effect, LogLevel, Outcome, Refusal};
use super::event::Event;
use super::graph::{Edge, Graph, Taken};
use super::ids::{CheckId, JobId, ProcessId, RequestId, Timestamp, UnitId};
use super::job::Job;
use super::ledger::Ledger;
use super::path::Path;
use super::propagate::Change;
use super::random;
use super::scope::Scope;
use super::service::{Context, Numbers, Outbox, Service};
use super::socket::{self, Socket, Wanted};
use super::state::JobKind;
use super::timer::{TimePlace, Timer};
use super::turn::Turn;
use super::unit::Machine;
use crate::unit::value::Zone;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Room is kept for so many effects.
const MANY_EFFECTS: usize = 64;

/// What a timer is armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timed {
    /// The state a unit is in.
    Unit(UnitId),
    /// A job that may take only so long.
    Job(JobId),
}

/// All units, jobs and services of one manager.
#[derive(Debug)]
pub struct Engine {
    /// The time of the event being handled.
    pub(super) now: Timestamp,
    pub(super) graph: Graph,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) next_job: u32,
    /// Waiting jobs that may have become runnable, by whose turn it is.
    pub(super) run_queue: BTreeSet<Turn>,
    /// Units whose stop was called off and that may be left waiting for a restart.
    pub(super) restart_queue: BTreeSet<UnitId>,
    /// Units that may be up although what they are bound to is down.
    pub(super) bound_queue: BTreeSet<UnitId>,
    /// Units that may be down although an active one upholds them.
    pub(super) upheld_queue: BTreeSet<UnitId>,
    /// Units that may be up although nobody needs them.
    pub(super) unneeded_queue: BTreeSet<UnitId>,
    /// Units that may come back with what they depend on.
    pub(super) returning_queue: BTreeSet<UnitId>,
    /// Units that may have become superfluous; looked at by `Event::Collect`.
    pub(super) collect_queue: BTreeSet<UnitId>,
    /// Services whose process waits until there are no jobs (Type=idle).
    pub(super) idle_queue: BTreeSet<UnitId>,
    /// State changes that have not been passed on yet.
    pub(super) changes: VecDeque<Change>,
    /// The order among installed jobs may have become cyclic.
    pub(super) order_suspect: bool,
    /// Units whose OnFailure= or OnSuccess= was acted on while the present event is handled.
    pub(super) triggered: BTreeSet<(UnitId, Edge)>,
    pub(super) effects: VecDeque<Effect>,
    /// What the host holds, and what it owes.
    pub(super) ledger: Ledger,
    /// Whose each process is.
    pub(super) processes: BTreeMap<ProcessId, UnitId>,
    /// Which unit waits for each look at conditions.
    pub(super) checks: BTreeMap<CheckId, UnitId>,
    pub(super) next_check: u64,
    /// Armed timers, soonest first.
    pub(super) deadlines: BTreeSet<(u64, Timed)>,
    pub(super) numbers: Numbers,
    /// Kill orders that were asked for from outside.
    pub(super) foreign_orders: BTreeSet<u64>,
    pub(super) random: u128,
    /// What sockets want, once their changes were passed on.
    pub(super) wanted: VecDeque<(UnitId, Wanted)>,
    /// Timers that have elapsed, and paths that have changed: what they activate is to be started.
    pub(super) due: VecDeque<UnitId>,
    /// When the manager was started.
    pub(super) began: Timestamp,
    /// What times depend on.
    pub(super) time_place: TimePlace,
    /// Whether sockets are opened and activate services.
    pub(super) socket_activation: bool,
    pub(super) shutting_down: bool,
    pub(super) finished: bool,
}

impl Engine {
    /// An empty engine; `seed` is all the randomness it will ever have (invocation IDs,
    /// RuntimeRandomizedExtraSec=).
    pub fn new(seed: u128) -> Engine {
        Engine {
            now: Timestamp::default(),
            graph: Graph::default(),
            jobs: BTreeMap::new(),
            next_job: 1,
            run_queue: BTreeSet::new(),
            restart_queue: BTreeSet::new(),
            bound_queue: BTreeSet::new(),
            upheld_queue: BTreeSet::new(),
            unneeded_queue: BTreeSet::new(),
            returning_queue: BTreeSet::new(),
            collect_queue: BTreeSet::new(),
            idle_queue: BTreeSet::new(),
            changes: VecDeque::new(),
            order_suspect: false,
            triggered: BTreeSet::new(),
            effects: VecDeque::new(),
            ledger: Ledger::default(),
            processes: BTreeMap::new(),
            checks: BTreeMap::new(),
            next_check: 0,
            deadlines: BTreeSet::new(),
            numbers: Numbers::default(),
            foreign_orders: BTreeSet::new(),
            random: seed,
            wanted: VecDeque::new(),
            due: VecDeque::new(),
            began: Timestamp::default(),
            time_place: TimePlace::default(),
            socket_activation: true,
            shutting_down: false,
            finished: false,
        }
    }

    /// Turns socket activation off: sockets are up without being opened, and their services are
    /// started at once. To be called before the first start.
    pub fn without_socket_activation(&mut self) {
        self.socket_activation = false;
    }

    /// Says when the manager was started, which a snapshot keeps. To be called before the first
    /// start.
    pub fn began(&mut self, at: Timestamp) {
        self.began = at;
    }

    /// Says what times depend on. To be called before the first start, and after a restore.
    pub fn set_time_place(&mut self, place: TimePlace) {
        self.time_place = place;
    }

    /// Says that the machine's time zone is another one; `Event::ZoneChanged` follows.
    pub fn set_zone(&mut self, zone: Zone) {
        self.time_place.zone = zone;
    }

    /// Takes one event in. Effects are waiting afterwards.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        self.now = now;
        self.triggered.clear();
        self.ledger.note_event(&event);
        match event {
            Event::Load { units } => self.load(units),
            Event::Request {
                request,
                unit,
                verb,
                mode,
            } => {
                let result = self.request(&unit, verb, mode);
                self.reply(request, result.map(Outcome::Job));
            }
            Event::Kill {
                request,
                unit,
                whom,
                signal,
            } => {
                let result = self.kill(&unit, whom, signal);
                self.reply_done(request, result);
            }
            Event::Cancel { request, job } => {
                let result = self.cancel_jobs(job);
                self.reply_done(request, result);
            }
            Event::ResetFailed { request, unit } => {
                let result = self.reset_failed(unit.as_ref());
                self.reply_done(request, result);
            }
            Event::Keep { unit } => self.keep(&unit),
            Event::Hold {
                request,
                unit,
                holder,
            } => {
                let result = self.hold(&unit, holder);
                self.reply_done(request, result);
            }
            Event::Release {
                request,
                unit,
                holder,
            } => {
                let result = self.release(&unit, holder);
                self.reply_done(request, result);
            }
            Event::HolderGone { holder } => self.holder_gone(holder),
            Event::Collect => self.collect(),
            Event::Shutdown => self.begin_shutdown(),
            Event::Elapsed => self.elapse(),
            Event::Checked { check, results } => self.checked(check, &results),
            Event::Killed {
                unit,
                order,
                remaining,
            } => self.killed(unit, order, remaining),
            Event::GroupEmpty { unit } => self.group_empty(unit),
            Event::OutOfMemory { unit } => self.out_of_memory(unit),
            Event::BusNameWatched { unit } => {
                self.with_service(unit, Service::on_bus_name_watched);
            }
            Event::BusNameOwned { unit, owned } => {
                self.with_service(unit, |service, cx| service.on_bus_name_owned(cx, owned));
            }
            Event::Notified {
                unit,
                process,
                pid,
                message,
                descriptors,
            } => self.notified(unit, process, pid, &message, descriptors),
            Event::SocketsOpened { .. }
            | Event::Traffic { .. }
            | Event::Connected { .. }
            | Event::WatchFailed { .. }
            | Event::InstanceLoaded { .. }
            | Event::DescriptorGone { .. } => self.socket_event(event),
            Event::Streams { unit, streams } => self.take_streams(&unit, streams),
            Event::TakenIn { .. } | Event::Control { .. } | Event::Abandon { .. } => {
                self.scope_event(event);
            }
            Event::StampRead { .. }
            | Event::ClockJumped
            | Event::ZoneChanged
            | Event::PathsSeen { .. }
            | Event::PathTouched { .. } => self.activation_event(event),
            Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::Exited { .. }
            | Event::MainFound { .. }
            | Event::Probed { .. }
            | Event::ProbeSkipped { .. }
            | Event::MainNotFound { .. } => self.process_event(event),
        }
        self.settle();
    }

    /// The kernel has killed a process of a unit for want of memory.
    fn out_of_memory(&mut self, unit: UnitId) {
        self.with_service(unit, Service::on_out_of_memory);
        self.with_scope(unit, Scope::on_out_of_memory);
    }

    /// The answer to a kill order has come.
    fn killed(&mut self, unit: UnitId, order: u64, remaining: bool) {
        if !self.foreign_orders.remove(&order) {
            self.with_service(unit, |service, cx| service.on_killed(cx, order, remaining));
            self.with_socket(unit, |socket, cx| socket.on_killed(cx, order, remaining));
            self.with_scope(unit, |scope, cx| scope.on_killed(cx, order, remaining));
        }
    }

    /// The last process of a unit has gone.
    fn group_empty(&mut self, unit: UnitId) {
        self.collect_queue.insert(unit);
        self.with_service(unit, |service, cx| service.on_group_empty(cx));
        self.with_socket(unit, |socket, cx| socket.on_group_empty(cx));
        self.with_scope(unit, |scope, cx| scope.on_group_empty(cx));
    }

    /// The next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        let Some(effect) = self.effects.pop_front() else {
            // After a rush.
            if self.effects.capacity() > MANY_EFFECTS {
                self.effects.shrink_to(MANY_EFFECTS);
            }
            return None;
        };
        self.ledger.note_effect(&effect);
        Some(effect)
    }

    /// When `Event::Elapsed` is due, on the monotonic clock in microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Passes changes on and runs jobs until nothing is left to do at this moment.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some(change) = self.changes.pop_front() {
                self.propagate(change);
            } else if let Some((socket, wanted)) = self.wanted.pop_front() {
                self.grant(socket, wanted);
            } else if let Some(unit) = self.due.pop_front() {
                self.activate(unit);
            } else if let Some(turn) = self.run_queue.pop_first() {
                self.run_job(turn.job);
            } else if let Some(unit) = self.restart_queue.pop_first() {
                self.restart_if_left_waiting(unit);
            } else if let Some(unit) = self.upheld_queue.pop_first() {
                self.start_if_upheld(unit);
            } else if let Some(unit) = self.bound_queue.pop_first() {
                self.stop_if_bound_to_inactive(unit);
            } else if let Some(unit) = self.unneeded_queue.pop_first() {
                self.stop_if_unneeded(unit);
            } else if let Some(unit) = self.returning_queue.pop_first() {
                self.bring_back(unit);
            } else if std::mem::take(&mut self.order_suspect) {
                self.order_suspect = self.break_deadlock();
            } else if self.jobs.is_empty()
                && let Some(unit) = self.idle_queue.pop_first()
            {
                self.with_service(unit, Service::release);
            } else {
                self.advance_shutdown();
                return;
            }
        }
    }

    fn load(&mut self, units: Vec<std::sync::Arc<crate::unit::config::UnitConfig>>) {
        let taken = self.graph.load(units);
        for unit in taken.iter().filter(|it| it.is_new).map(|it| it.id) {
            self.effects.push_back(Effect::UnitNew { unit });
        }
        // What a job waited for may be gone, or there may be more to wait for.
        self.queue_all_jobs();
        self.order_suspect = true;
        for Taken { id, differs, .. } in taken {
            // Nobody is probed of one that has done nothing.
            if !self.graph.get(id).machine.is_rested() {
                self.with_service(id, Service::look_at_probes);
            }
            self.with_timer(id, Timer::on_reconfigured);
            self.with_path(id, Path::on_reconfigured);
            if differs {
                self.effects.push_back(Effect::Changed { unit: id });
            }
        }
    }

    fn process_event(&mut self, event: Event) {
        match event {
            Event::Spawned {
                process,
                pid,
                executed,
            } => {
                self.with_owner(process, |s, cx| s.on_spawned(cx, process, pid, executed));
                self.with_owning_socket(process, |s, cx| s.on_spawned(cx, process, pid));
            }
            Event::SpawnFailed { process, reason } => {
                self.with_owner(process, |s, cx| s.on_spawn_failed(cx, process, &reason));
                self.with_owning_socket(process, |s, cx| s.on_spawn_failed(cx, process, &reason));
                // It may have been all that kept its unit.
                self.collect_queue.extend(self.processes.remove(&process));
            }
            Event::Exited { process, status } => {
                self.with_owner(process, |s, cx| s.on_exited(cx, process, status));
                self.with_owning_socket(process, |s, cx| s.on_exited(cx, process, status));
                self.processes.remove(&process);
            }
            Event::MainFound { process, pid } => {
                self.with_owner(process, |s, cx| s.on_main_found(cx, process, pid));
            }
            Event::Probed {
                unit,
                order,
                took,
                result,
            } => {
                self.with_service(unit, |s, cx| s.on_probed(cx, order, took, result));
            }
            Event::ProbeSkipped { process } => {
                self.with_owner(process, |s, cx| s.probe_skipped(cx, process));
                self.collect_queue.extend(self.processes.remove(&process));
            }
            Event::MainNotFound { process, reason } => {
                self.with_owner(process, |s, cx| s.on_main_not_found(cx, process, &reason));
                self.processes.remove(&process);
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
            | Event::Killed { .. }
            | Event::GroupEmpty { .. }
            | Event::OutOfMemory { .. }
            | Event::BusNameWatched { .. }
            | Event::BusNameOwned { .. }
            | Event::Notified { .. }
            | Event::SocketsOpened { .. }
            | Event::Traffic { .. }
            | Event::Connected { .. }
            | Event::WatchFailed { .. }
            | Event::InstanceLoaded { .. }
            | Event::DescriptorGone { .. }
            | Event::Streams { .. }
            | Event::TakenIn { .. }
            | Event::Control { .. }
            | Event::Abandon { .. }
            | Event::StampRead { .. }
            | Event::PathsSeen { .. }
            | Event::PathTouched { .. }
            | Event::ClockJumped
            | Event::ZoneChanged
            | Event::Checked { .. }
            | Event::Elapsed => {}
        }
    }

    fn socket_event(&mut self, event: Event) {
        match event {
            Event::SocketsOpened {
                unit,
                order,
                result,
            } => {
                self.with_socket(unit, |s, cx| s.on_opened(cx, order, result));
            }
            Event::Traffic {
                unit,
                watch,
                client,
            } => {
                let taken = self.with_socket(unit, |s, cx| s.on_traffic(cx, watch, client));
                if let (None, Some((descriptor, _))) = (taken, client) {
                    self.close(descriptor);
                }
            }
            Event::Connected {
                unit,
                watch,
                connection,
                peer,
            } => {
                let taken =
                    self.with_socket(unit, |s, cx| s.on_connected(cx, watch, connection, peer));
                if taken.is_none() {
                    self.close(connection);
                }
            }
            Event::WatchFailed {
                unit,
                watch,
                reason,
            } => {
                self.with_socket(unit, |s, cx| s.on_watch_failed(cx, watch, &reason));
            }
            Event::InstanceLoaded {
                socket,
                connection,
                instance,
            } => self.instance_loaded(socket, connection, &instance),
            Event::DescriptorGone { unit, descriptor } => self.descriptor_gone(unit, descriptor),
            Event::Load { .. }
            | Event::Request { .. }
            | Event::Kill { .. }
            | Event::ResetFailed { .. }
            | Event::Shutdown
            | Event::Spawned { .. }
            | Event::SpawnFailed { .. }
            | Event::Exited { .. }
            | Event::Killed { .. }
            | Event::GroupEmpty { .. }
            | Event::MainFound { .. }
            | Event::MainNotFound { .. }
            | Event::Notified { .. }
            | Event::Cancel { .. }
            | Event::OutOfMemory { .. }
            | Event::BusNameWatched { .. }
            | Event::BusNameOwned { .. }
            | Event::Keep { .. }
            | Event::Hold { .. }
            | Event::Release { .. }
            | Event::HolderGone { .. }
            | Event::Collect
            | Event::Streams { .. }
            | Event::TakenIn { .. }
            | Event::Control { .. }
            | Event::Abandon { .. }
            | Event::Probed { .. }
            | Event::ProbeSkipped { .. }
            | Event::StampRead { .. }
            | Event::PathsSeen { .. }
            | Event::PathTouched { .. }
            | Event::ClockJumped
            | Event::ZoneChanged
            | Event::Checked { .. }
            | Event::Elapsed => {}
        }
    }

    fn elapse(&mut self) {
        let due: Vec<Timed> = self
            .deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= self.now.monotonic)
            .map(|(_, timed)| *timed)
            .collect();
        for timed in due {
            match timed {
                Timed::Unit(unit) => {
                    // Disarmed first: whatever the machine arms in answer is a new deadline.
                    self.set_deadline(unit, None);
                    self.with_service(unit, |service, cx| service.on_elapsed(cx));
                    self.with_socket(unit, |socket, cx| socket.on_elapsed(cx));
                    self.with_scope(unit, |scope, cx| scope.on_elapsed(cx));
                    self.with_timer(unit, Timer::on_elapsed);
                }
                Timed::Job(job) => self.job_timed_out(job),
            }
        }
    }

    fn with_owner(&mut self, process: ProcessId, act: impl FnOnce(&mut Service, &mut Context<'_>)) {
        if let Some(unit) = self.processes.get(&process).copied() {
            self.with_service(unit, act);
        }
    }

    fn with_owning_socket(
        &mut self,
        process: ProcessId,
        act: impl FnOnce(&mut Socket, &mut socket::Context<'_>),
    ) {
        if let Some(unit) = self.processes.get(&process).copied() {
            self.with_socket(unit, act);
        }
    }

    /// What the installed job of a unit does.
    pub(super) fn job_kind(&self, unit: UnitId) -> Option<JobKind> {
        let job = self.graph.get(unit).job?;
        self.jobs.get(&job).map(|job| job.kind)
    }

    /// Lets a service act, and takes in what it leaves behind.
    pub(super) fn with_service<T>(
        &mut self,
        id: UnitId,
        act: impl FnOnce(&mut Service, &mut Context<'_>) -> T,
    ) -> Option<T> {
        // News may come of a unit that has gone since.
        self.graph.lookup(id)?;
        let job = self.job_kind(id);
        let unit = self.graph.get_mut(id);
        let Machine::Service(service) = &mut unit.machine else {
            return None;
        };
        let mut out = Outbox::default();
        let value = act(
            service,
            &mut Context {
                now: self.now,
                unit: id,
                config: &unit.config,
                invocation: unit.invocation,
                job,
                shutting_down: self.shutting_down,
                monitor: &unit.monitor,
                details: &unit.details,
                numbers: &mut self.numbers,
                random: &mut self.random,
                out: &mut out,
            },
        );
        let deadline = service.deadline();
        if service.is_debugging() {
            out.speak_up();
        }
        self.set_deadline(id, deadline);
        self.absorb(id, out);
        Some(value)
    }

    fn absorb(&mut self, unit: UnitId, out: Outbox) {
        for mut effect in out.effects {
            match &mut effect {
                Effect::Spawn(spawn) => {
                    self.processes.insert(spawn.process, unit);
                    self.pass_descriptors(Arc::make_mut(spawn));
                }
                Effect::FindMain { process, .. } => {
                    self.processes.insert(*process, unit);
                }
                Effect::ForgetMain { process } => {
                    self.processes.remove(process);
                }
                _ => {}
            }
            self.effects.push_back(effect);
        }
        for transition in out.transitions {
            self.changes.push_back(Change::of_service(unit, transition));
        }
        if out.restart_due {
            self.restart_due(unit);
        }
        if out.held {
            self.idle_queue.insert(unit);
        }
        if out.ready {
            self.wake_neighbours(unit);
        }
        if let Some(result) = out.overlapped {
            self.overlapped(unit, &result);
        }
        if out.condition_failed {
            self.graph.get_mut(unit).condition.result = false;
        }
    }

    pub(super) fn set_deadline(&mut self, id: UnitId, deadline: Option<u64>) {
        let unit = self.graph.get_mut(id);
        if let Some(old) = std::mem::replace(&mut unit.deadline, deadline) {
            self.deadlines.remove(&(old, Timed::Unit(id)));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, Timed::Unit(id)));
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, unit: UnitId, message: String) {
        self.effects.push_back(Effect::Log {
            level,
            unit: Some(unit),
            message,
        });
    }

    /// Answers a request that leads to no job.
    pub(super) fn reply_done(&mut self, request: RequestId, result: Result<(), Refusal>) {
        self.reply(request, result.map(|()| Outcome::Done));
    }

    fn reply(&mut self, request: RequestId, result: Result<Outcome, Refusal>) {
        self.effects.push_back(Effect::Reply { request, result });
    }

    /// A new invocation ID: version 4, never zero.
    pub(super) fn new_invocation(&mut self) -> u128 {
        let high = (random::draw(&mut self.random, 1) & 0xFFFF_FFFF_FFFF_0FFF) | 0x4000;
        let low = random::draw(&mut self.random, 2) & 0x3FFF_FFFF_FFFF_FFFF;
        (u128::from(high) << 64) | u128::from(low | 0x8000_0000_0000_0000)
    }
}
