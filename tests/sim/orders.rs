//! The engine's orders, as the world carries them out: what is not the business of a file of its
//! own.

use super::manner::Named;
use super::processes::{Known, Process};
use super::world::{Happening, World};
use procmgr::engine::{
    Effect, Event, KillOrder, MainSource, ProbeOrder, ProbeResult, ProcessId, UnitId,
};
use procmgr::unit::config::Condition;
use procmgr::unit::value::Signal;
use std::collections::BTreeSet;

/// What the engine says of restarts with an overlap, and what is seen by that.
const TOLD: [(&str, &str); 4] = [
    ("starting a new generation", "new generation"),
    ("has taken over", "new generation took over"),
    ("the new generation is removed", "new generation removed"),
    ("the new generation is no good", "no generation left"),
];

impl World<'_> {
    /// Carries an order out.
    pub(crate) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spawn) => {
                self.hand_over_client(&spawn);
                let known = Known::Starting(spawn.unit, spawn.role, Vec::new());
                self.known.insert(spawn.process, known);
                let after = self.delay();
                self.plan(after, Happening::Begin(spawn));
            }
            Effect::Kill(order) => self.kill(&order),
            Effect::Check {
                check, conditions, ..
            } => {
                let results = conditions.iter().map(|it| self.holds(it)).collect();
                self.tell(None, Event::Checked { check, results });
            }
            Effect::FindMain {
                process,
                unit,
                source,
            } => self.find(process, unit, &source),
            Effect::ForgetMain { process } => self.forget(process),
            Effect::CleanUp { unit, .. } => {
                self.pid_files.remove(&unit);
            }
            Effect::OpenSockets { unit, order, .. } => self.open_sockets(unit, order),
            Effect::LoadInstance {
                socket,
                connection,
                instance,
                ..
            } => self.load_instance(socket, connection, instance),
            Effect::StoreDescriptor {
                unit,
                descriptor,
                poll,
            } => self.store_descriptor(unit, descriptor, poll),
            Effect::CloseDescriptor { descriptor } => self.close_descriptor(descriptor),
            Effect::CloseSockets { unit, .. } => self.close_sockets(unit),
            Effect::WatchSockets {
                unit,
                watch,
                manner,
            } => self.watch_sockets(unit, watch, manner),
            Effect::UnwatchSockets { unit } => self.unwatch_sockets(unit),
            Effect::FlushSockets { unit } => self.take_traffic(unit),
            Effect::WatchBusName { unit, .. } => self.watch_bus_name(unit),
            Effect::ForgetBusName { unit } => self.forget_bus_name(unit),
            Effect::ReadStamp { unit, order } => self.read_stamp(unit, order),
            Effect::WriteStamp { unit, time } => self.write_stamp(unit, time),
            Effect::WatchPaths {
                unit,
                order,
                config,
                ..
            } => self.watch_paths(unit, order, config),
            Effect::UnwatchPaths { unit } => self.unwatch_paths(unit),
            Effect::TakeIn { unit, order, .. } => self.take_in(unit, order),
            Effect::UnitRemoved { unit, .. } => {
                self.seen.insert("unloaded");
                self.unwatch_paths(unit);
                self.alive.remove(&unit);
                self.pid_files.remove(&unit);
            }
            Effect::Log { message, .. } => {
                if message.starts_with("started again: what it depends on") {
                    self.seen.insert("started with its dependency");
                }
                for (words, seen) in TOLD {
                    if message.contains(words) {
                        self.seen.insert(seen);
                    }
                }
            }
            Effect::RunProbe(order) => self.probe(&order),
            Effect::CancelProbe { .. }
            | Effect::ProbeTurned { .. }
            | Effect::Reply { .. }
            | Effect::UnitNew { .. }
            | Effect::JobNew { .. }
            | Effect::JobRemoved { .. }
            | Effect::RequestStop { .. }
            | Effect::Changed { .. }
            | Effect::Act { .. }
            | Effect::Finished => {}
        }
    }

    /// A probe's attempt: it succeeds mostly, and always when all is calm.
    fn probe(&mut self, order: &ProbeOrder) {
        let bad = !self.calm && self.dice.percent(self.scenario.trouble);
        let result = match bad {
            true => ProbeResult::Failure("refused".to_owned()),
            false => ProbeResult::Success,
        };
        let (unit, order) = (order.unit, order.order);
        self.tell(
            None,
            Event::Probed {
                unit,
                order,
                took: 1000,
                result,
            },
        );
    }

    /// Whether a condition's path exists: mostly, and not for ever.
    fn holds(&mut self, condition: &Condition) -> bool {
        let there = self.calm || !self.dice.percent(15);
        there != condition.negate
    }

    fn kill(&mut self, order: &KillOrder) {
        let mut remaining = false;
        let mut hit = BTreeSet::new();
        for process in &order.processes {
            match self.known.get_mut(process) {
                Some(Known::Starting(_, _, shots)) => {
                    shots.push(order.signal);
                    remaining = true;
                }
                // One that ended and was not reaped takes a signal too.
                Some(Known::Running(_, pid)) => {
                    hit.insert(*pid);
                    remaining = true;
                }
                None => {}
            }
        }
        let mut group = Vec::new();
        if let Some(signal) = order.group_signal {
            for (name, known) in &mut self.known {
                if let Known::Starting(unit, _, shots) = known
                    && *unit == order.unit
                    && order.generation.is_none()
                    && !order.processes.contains(name)
                {
                    shots.push(signal);
                    remaining = true;
                }
            }
            let meant = |it: &&Process| order.generation.is_none_or(|of| of == it.generation);
            let members = self.members(order.unit).filter(meant).map(|it| it.pid);
            group.extend(members.filter(|pid| !hit.contains(pid)));
            remaining |= !group.is_empty();
        }
        for pid in hit {
            self.signal(pid, order.signal);
        }
        for pid in group {
            self.signal(pid, order.group_signal.unwrap_or(Signal::KILL));
        }
        let (unit, order) = (order.unit, order.order);
        let killed = Event::Killed {
            unit,
            order,
            remaining,
        };
        // Mostly at once, as the host does it.
        if self.dice.one_in(4) {
            self.tell(None, killed);
        } else {
            self.plan(0, Happening::Tell(killed));
        }
    }

    fn find(&mut self, process: ProcessId, unit: UnitId, source: &MainSource) {
        let found = match source {
            MainSource::PidFile { wait, .. } => {
                let found = self.pid_files.get(&unit).copied();
                let fit = found.filter(|pid| self.is_fit(unit, *pid));
                if fit.is_none() && *wait {
                    self.awaited.insert(process, unit);
                    return;
                }
                fit
            }
            MainSource::OnlyProcess => {
                let unknown: Vec<i32> = self
                    .members(unit)
                    .filter(|it| it.names.is_empty())
                    .map(|it| it.pid)
                    .collect();
                Some(unknown).filter(|it| it.len() == 1).map(|it| it[0])
            }
            MainSource::Told { pid, .. } => Some(*pid).filter(|pid| self.is_fit(unit, *pid)),
        };
        self.answer_find(process, unit, found);
    }

    fn answer_find(&mut self, process: ProcessId, unit: UnitId, found: Option<i32>) {
        let Some(pid) = found else {
            let reason = "nobody there".to_owned();
            self.tell(None, Event::MainNotFound { process, reason });
            return;
        };
        self.known.insert(process, Known::Running(unit, pid));
        if let Some(it) = self.process_mut(pid) {
            it.names.push(process);
        }
        self.tell(Some(pid), Event::MainFound { process, pid });
    }

    /// Whether a process may become the unit's main process.
    fn is_fit(&self, unit: UnitId, pid: i32) -> bool {
        self.process(pid).is_some_and(|it| {
            let controls = !it.main && it.parent.is_none();
            it.alive && it.unit == unit && !controls
        })
    }

    fn forget(&mut self, process: ProcessId) {
        self.awaited.remove(&process);
        self.keep_to_itself(|event| match event {
            Event::MainFound { process: of, .. }
            | Event::MainNotFound { process: of, .. }
            | Event::Exited { process: of, .. } => *of == process,
            _ => false,
        });
        if let Some(known) = self.known.remove(&process) {
            if let Known::Running(_, pid) = known
                && let Some(it) = self.process_mut(pid)
            {
                it.names.retain(|name| *name != process);
            }
            self.suspect(known.unit());
        }
    }

    pub(crate) fn write_pid_file(&mut self, pid: i32, whom: Named) {
        let Some(unit) = self.process(pid).filter(|it| it.alive).map(|it| it.unit) else {
            return;
        };
        let named = self.named(pid, whom).unwrap_or(1);
        self.note(|| format!("process {pid} writes {named} into its PID file"));
        self.pid_files.insert(unit, named);
        if !self.is_fit(unit, named) {
            return;
        }
        let waiting: Vec<ProcessId> = self
            .awaited
            .iter()
            .filter(|(_, of)| **of == unit)
            .map(|(process, _)| *process)
            .collect();
        for process in waiting {
            self.awaited.remove(&process);
            self.answer_find(process, unit, Some(named));
        }
    }
}
