//! Carries kill orders out: signals to processes the engine names, to the rest of a group, and
//! to processes that are only about to exist.

use super::handle::ControlError;
use super::run::Host;
use crate::engine::{Event, KillOrder, KillWhom, ProcessId, Refusal, Role, UnitId};
use crate::sys::pidfd;
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How often a group is read again for processes that were forked meanwhile.
const ROUNDS: usize = 10;

/// A signal with what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shot {
    signal: Signal,
    /// SIGHUP behind it (SendSIGHUP=).
    hangup: bool,
    /// SIGCONT behind it, so that a stopped process sees it (M11).
    resume: bool,
    /// What comes along (sigqueue(3)).
    value: Option<i32>,
}

impl Shot {
    /// A signal alone.
    pub(super) fn plain(signal: Signal) -> Shot {
        Shot {
            signal,
            hangup: false,
            resume: false,
            value: None,
        }
    }

    /// As an order says, with its own or the group's signal.
    fn of(order: &KillOrder, signal: Signal) -> Shot {
        let ends_or_resumes = signal == Signal::KILL || signal == Signal::CONT;
        Shot {
            signal,
            hangup: order.hangup,
            resume: order.resume && !ends_or_resumes,
            value: None,
        }
    }

    /// Sends it; whether the process was there.
    pub(super) fn send(self, process: BorrowedFd<'_>) -> bool {
        let sent = match self.value {
            Some(value) => pidfd::queue_signal(process, self.signal.0, value),
            None => pidfd::send_signal(process, self.signal.0),
        };
        let there = match sent {
            Ok(()) => true,
            // It is there, though not ours to end: a set-user-ID program under a manager
            // without privileges.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => true,
            Err(_) => return false,
        };
        // If it went meanwhile, its exit tells.
        if self.hangup {
            let _ = pidfd::send_signal(process, Signal::HUP.0);
        }
        if self.resume {
            let _ = pidfd::send_signal(process, Signal::CONT.0);
        }
        there
    }
}

impl Host {
    /// Carries an order out and answers it.
    pub(super) fn kill(&mut self, order: &KillOrder) {
        self.thaw_for_signals(order.unit);
        let mut done = BTreeSet::new();
        let mut remaining = false;
        for process in &order.processes {
            remaining |= self.shoot_known(*process, Shot::of(order, order.signal), &mut done);
        }
        if let Some(signal) = order.group_signal {
            let shot = Shot::of(order, signal);
            // One that is being started for another generation is not meant; those of its own
            // are named.
            if order.generation.is_none() {
                remaining |= self.shoot_starting(order, shot);
            }
            remaining |= self.shoot_group((order.unit, order.generation), shot, &mut done);
        }
        if let (Some(generation), false) = (order.generation, remaining) {
            self.groups.generation_gone(order.unit, generation);
        }
        self.tell(Event::Killed {
            unit: order.unit,
            order: order.order,
            remaining,
        });
    }

    fn shoot_known(&mut self, id: ProcessId, shot: Shot, done: &mut BTreeSet<i32>) -> bool {
        use super::processes::Stage;
        let Some(process) = self.processes.get_mut(id) else {
            return false;
        };
        match &mut process.stage {
            Stage::Starting(shots) => {
                shots.push(shot);
                true
            }
            Stage::Running(running) => {
                done.insert(running.pid);
                shot.send(running.pidfd.as_fd())
            }
        }
    }

    /// Processes of the unit that are being started and that the order does not name.
    fn shoot_starting(&mut self, order: &KillOrder, shot: Shot) -> bool {
        use super::processes::Stage;
        let others: Vec<ProcessId> = self
            .processes
            .of_unit(order.unit)
            .filter(|(id, process)| {
                matches!(process.stage, Stage::Starting(_)) && !order.processes.contains(id)
            })
            .map(|(id, _)| id)
            .collect();
        for id in &others {
            self.shoot_known(*id, shot, &mut BTreeSet::new());
        }
        !others.is_empty()
    }

    /// Sends a signal with a value; a request of its own, of which the engine need not know.
    pub(super) fn queue_signal(
        &mut self,
        unit: &UnitName,
        whom: KillWhom,
        signal: Signal,
        value: i32,
    ) -> Result<(), ControlError> {
        use super::processes::Stage;
        let id = self.loaded_unit(unit)?.id;
        let shot = Shot {
            value: Some(value),
            ..Shot::plain(signal)
        };
        let mut done = BTreeSet::new();
        let mut any = false;
        for (_, process) in self.processes.of_unit(id) {
            let is_control = matches!(process.role, Some(Role::Control(_)));
            let meant = match whom {
                KillWhom::All => true,
                KillWhom::Main => !is_control,
                KillWhom::Control => is_control,
            };
            if let (Stage::Running(running), true) = (&process.stage, meant) {
                done.insert(running.pid);
                any |= shot.send(running.pidfd.as_fd());
            }
        }
        if whom == KillWhom::All {
            any |= self.shoot_group((id, None), shot, &mut done);
        }
        match any {
            true => Ok(()),
            false => Err(Refusal::NoProcess(format!("Unit {unit} has no such process.")).into()),
        }
    }

    /// The processes of a unit, or of one generation of it alone.
    fn shoot_group(
        &self,
        meant: (UnitId, Option<u32>),
        shot: Shot,
        done: &mut BTreeSet<i32>,
    ) -> bool {
        let mut any = false;
        for _ in 0..ROUNDS {
            let fresh = self.open_members(meant, done);
            if fresh.is_empty() {
                break;
            }
            for (pid, process) in fresh {
                done.insert(pid);
                any |= shot.send(process.as_fd());
            }
        }
        any
    }

    /// Opens the members not in `done`. A number read from a list may be somebody else's by
    /// the time it is opened, so only those count that are in the list afterwards too.
    fn open_members(
        &self,
        (unit, generation): (UnitId, Option<u32>),
        done: &BTreeSet<i32>,
    ) -> Vec<(i32, OwnedFd)> {
        let known = self.known_for(unit);
        let members = || match generation {
            None => self.groups.processes(unit, &known),
            Some(generation) => self.groups.processes_of(unit, generation, &known),
        };
        let opened: Vec<(i32, OwnedFd)> = members()
            .into_iter()
            .filter(|pid| !done.contains(pid))
            .filter_map(|pid| Some((pid, pidfd::open(pid).ok()?)))
            .collect();
        if opened.is_empty() {
            return opened;
        }
        let still = members();
        opened
            .into_iter()
            .filter(|(pid, _)| still.contains(pid))
            .collect()
    }
}
