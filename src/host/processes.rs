//! The processes the engine knows by name, from the order to start or find them until their
//! exit was told.
//!
//! A process is watched and signalled by its pidfd. Its number is only looked up (who sent
//! this message?) while the kernel cannot have given it to somebody else: the process is not
//! reaped before it is taken out here.

use super::bells::{Bell, Bells, Ring};
use super::keep::custody::Kept;
use super::keep::identity::Identity;
use super::killing::Shot;
use crate::engine::{ProcessId, Role, UnitId};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What is known of one process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) unit: UnitId,
    /// `None`: not started by us as such, found (PID file, MAINPID=).
    pub(super) role: Option<Role>,
    pub(super) stage: Stage,
}

impl Process {
    /// Whether it was started, or found, as a main process.
    pub(super) fn is_main(&self) -> bool {
        matches!(self.role, Some(Role::Main) | None)
    }
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// A pool thread is starting it; it gets these once it exists.
    Starting(Vec<Shot>),
    /// It is there.
    Running(Running),
}

/// A process that exists.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) pid: i32,
    pub(super) pidfd: Arc<OwnedFd>,
    /// Who it is, for a daemon that takes over.
    pub(super) identity: Identity,
    /// How often it was asked in vain how it ended.
    pub(super) asked: u32,
    /// The pidfd's place in custody.
    _kept: Option<Kept>,
    _bell: Bell<Arc<OwnedFd>>,
}

/// A process to be watched.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) pidfd: Arc<OwnedFd>,
    pub(super) identity: Identity,
    pub(super) kept: Option<Kept>,
}

/// All of them, found by unit and by number, too: with thousands of them nothing is looked for one
/// after the other. Invariant: `units`, `pids` and `starting` say the same as `map`.
#[derive(Debug, Default)]
pub(super) struct Processes {
    map: BTreeMap<ProcessId, Process>,
    units: BTreeSet<(UnitId, ProcessId)>,
    pids: BTreeSet<(i32, ProcessId)>,
    starting: BTreeSet<ProcessId>,
}

impl Processes {
    /// A process that an earlier daemon has started, to be told of as [`Processes::running`].
    pub(super) fn expected(&mut self, process: ProcessId, unit: UnitId, role: Option<Role>) {
        let stage = Stage::Starting(Vec::new());
        self.put(process, Process { unit, role, stage });
    }

    /// A process that a pool thread starts.
    pub(super) fn starting(&mut self, process: ProcessId, unit: UnitId, role: Role) {
        self.expected(process, unit, Some(role));
    }

    fn put(&mut self, id: ProcessId, process: Process) {
        self.remove(id);
        self.units.insert((process.unit, id));
        match &process.stage {
            Stage::Starting(_) => self.starting.insert(id),
            Stage::Running(running) => self.pids.insert((running.pid, id)),
        };
        self.map.insert(id, process);
    }

    /// The process exists: a bell rings when it ends. Returns the signals that were meant for it
    /// before.
    ///
    /// # Errors
    /// The kernel cannot watch the descriptor.
    pub(super) fn running(
        &mut self,
        process: ProcessId,
        unit: UnitId,
        known: Known,
        bells: &Bells,
    ) -> std::io::Result<Vec<Shot>> {
        let Known {
            pidfd,
            identity,
            kept,
        } = known;
        let bell = bells.hang(pidfd.clone(), Ring::Process(process));
        let bell = bell.map_err(|(_, error)| error)?;
        let stage = Stage::Running(Running {
            pid: identity.pid,
            pidfd,
            identity,
            asked: 0,
            _kept: kept,
            _bell: bell,
        });
        let old = self.remove(process);
        let role = old.as_ref().and_then(|old| old.role);
        self.put(process, Process { unit, role, stage });
        Ok(match old.map(|old| old.stage) {
            Some(Stage::Starting(shots)) => shots,
            Some(Stage::Running(_)) | None => Vec::new(),
        })
    }

    /// Takes a process out: it ended, could not be started, or is not to be watched any more.
    pub(super) fn remove(&mut self, process: ProcessId) -> Option<Process> {
        let old = self.map.remove(&process)?;
        self.units.remove(&(old.unit, process));
        match &old.stage {
            Stage::Starting(_) => self.starting.remove(&process),
            Stage::Running(running) => self.pids.remove(&(running.pid, process)),
        };
        Some(old)
    }

    /// To change what is known of it, but not its unit, its number or how far it is.
    pub(super) fn get_mut(&mut self, process: ProcessId) -> Option<&mut Process> {
        self.map.get_mut(&process)
    }

    /// The process if it exists.
    pub(super) fn get_running(&self, process: ProcessId) -> Option<&Running> {
        match &self.map.get(&process)?.stage {
            Stage::Running(running) => Some(running),
            Stage::Starting(_) => None,
        }
    }

    /// The unit a process belongs to.
    pub(super) fn unit_of(&self, process: ProcessId) -> Option<UnitId> {
        self.map.get(&process).map(|process| process.unit)
    }

    /// All names a number has; more than one after MAINPID= named a process of ours again.
    pub(super) fn with_pid(&self, pid: i32) -> Vec<ProcessId> {
        let all = (pid, ProcessId(0))..=(pid, ProcessId(u64::MAX));
        self.pids.range(all).map(|(_, process)| *process).collect()
    }

    /// Every process that exists.
    pub(super) fn all_running(&self) -> impl Iterator<Item = (ProcessId, &Process, &Running)> {
        self.map
            .iter()
            .filter_map(|(id, process)| match &process.stage {
                Stage::Running(running) => Some((*id, process, running)),
                Stage::Starting(_) => None,
            })
    }

    /// The numbers of all processes that exist, with their units.
    pub(super) fn known(&self) -> BTreeMap<i32, UnitId> {
        let all = self.all_running();
        all.map(|(_, process, running)| (running.pid, process.unit))
            .collect()
    }

    /// The same of one unit.
    pub(super) fn known_of(&self, unit: UnitId) -> BTreeMap<i32, UnitId> {
        let all = self.of_unit(unit);
        all.filter_map(|(_, process)| match &process.stage {
            Stage::Running(running) => Some((running.pid, unit)),
            Stage::Starting(_) => None,
        })
        .collect()
    }

    /// The names of all processes of a unit.
    pub(super) fn of_unit(&self, unit: UnitId) -> impl Iterator<Item = (ProcessId, &Process)> {
        let all = (unit, ProcessId(0))..=(unit, ProcessId(u64::MAX));
        let ids = self.units.range(all).map(|(_, id)| *id);
        ids.filter_map(|id| Some((id, self.map.get(&id)?)))
    }

    /// Whether the engine knows any process of the unit, started or being started.
    pub(super) fn has_any(&self, unit: UnitId) -> bool {
        self.of_unit(unit).next().is_some()
    }

    /// Whether a process of this unit is being started: one that nobody knows may then be it.
    pub(super) fn is_starting(&self, unit: UnitId) -> bool {
        let mut all = self.of_unit(unit);
        all.any(|(_, process)| matches!(process.stage, Stage::Starting(_)))
    }

    /// Whether any process at all is being started: a child nobody knows may then be it.
    pub(super) fn any_starting(&self) -> bool {
        !self.starting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::pidfd;
    use std::os::fd::AsFd;

    const UNIT: UnitId = UnitId(1);

    #[tokio::test]
    async fn an_end_is_told_once_and_signals_wait_for_the_start() {
        let mut bells = Bells::new().unwrap();
        let mut processes = Processes::default();
        let id = ProcessId(5);
        processes.starting(id, UNIT, Role::Main);
        assert!(processes.any_starting() && processes.has_any(UNIT));
        assert!(processes.is_starting(UNIT) && !processes.is_starting(UnitId(UNIT.0 + 1)));
        if let Stage::Starting(shots) = &mut processes.get_mut(id).unwrap().stage {
            shots.push(Shot::plain(crate::unit::value::Signal::TERM));
        }
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id() as i32;
        let pidfd = Arc::new(pidfd::open(pid).unwrap());
        let known = Known {
            identity: Identity::of(pid, pidfd.as_fd(), false),
            pidfd,
            kept: None,
        };
        let shots = processes.running(id, UNIT, known, &bells).unwrap();
        assert_eq!(shots, [Shot::plain(crate::unit::value::Signal::TERM)]);
        assert_eq!(processes.with_pid(pid), [id]);
        assert_eq!(processes.get_mut(id).unwrap().role, Some(Role::Main));
        assert_eq!(bells.next().await, Ring::Process(id));
        child.wait().unwrap();
        assert!(processes.remove(id).is_some());
        assert!(!processes.has_any(UNIT));
    }
}
