//! The processes of one service that the machine itself waits for: main and control.

use crate::engine::ids::{ProcessId, Timestamp};
use crate::engine::process::ProcessStatus;
use crate::unit::config::{Command, CommandKind};
use serde::{Deserialize, Serialize};

/// A process on the books, from the order to start it (or from finding it) until its end was
/// acted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Process {
    /// Its name.
    pub(in crate::engine) id: ProcessId,
    /// Its number, 0 until it is known.
    pub(in crate::engine) pid: i32,
    /// Which list its command stands in.
    pub(in crate::engine) kind: CommandKind,
    /// Where in the list; `None` once a daemon-reload has taken the command out, so that the
    /// list is not gone on with.
    pub(in crate::engine) index: Option<usize>,
    /// The command as it was when ordered; `None` for a process that was found, not started.
    pub(in crate::engine) command: Option<Command>,
    /// Whether the order was answered.
    pub(in crate::engine) spawned: bool,
    /// Set when it has ended while somebody else may yet turn out to be the main process now
    /// (checklist row M14): the end is acted on when that is known.
    pub(in crate::engine) ended: Option<(ProcessStatus, Timestamp)>,
}

impl Process {
    /// A process that is being ordered.
    pub(in crate::engine) fn ordered(
        id: ProcessId,
        kind: CommandKind,
        index: usize,
        command: Command,
    ) -> Process {
        Process {
            id,
            pid: 0,
            kind,
            index: Some(index),
            command: Some(command),
            spawned: false,
            ended: None,
        }
    }

    /// A process that was there without our order for it as main process.
    pub(in crate::engine) fn found(id: ProcessId, pid: i32) -> Process {
        Process {
            id,
            pid,
            kind: CommandKind::Start,
            index: None,
            command: None,
            spawned: true,
            ended: None,
        }
    }

    /// Whether the name was given to it by an order to find it.
    pub(in crate::engine) fn is_found(&self) -> bool {
        self.command.is_none()
    }

    /// Whether a failure of it counts as success (the `-` prefix).
    pub(in crate::engine) fn ignores_failure(&self) -> bool {
        self.command.as_ref().is_some_and(|c| c.ignore_failure)
    }

    /// Finds the command again in a list that was read anew.
    pub(in crate::engine) fn relocate(&mut self, list: &[Command]) {
        let Some(command) = &self.command else { return };
        let same = |c: &Command| c.program == command.program && c.argv == command.argv;
        // The old place first: the same line may stand in a list twice.
        self.index = match self.index {
            Some(index) if list.get(index).is_some_and(same) => Some(index),
            Some(_) | None => list.iter().position(same),
        };
    }
}

/// What is known of the main process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) enum Main {
    /// Nothing: there may be one that we do not know.
    #[default]
    Unknown,
    /// It is this one. Boxed to keep the common states small.
    Alive(Box<Process>),
    /// There was one, or there can be none.
    Gone,
}

impl Main {
    /// The process, if it is known and was not seen to end.
    pub(super) fn running(&self) -> Option<&Process> {
        self.process().filter(|p| p.ended.is_none())
    }

    /// The process on the books, ended or not.
    pub(super) fn process(&self) -> Option<&Process> {
        match self {
            Main::Alive(process) => Some(process),
            Main::Unknown | Main::Gone => None,
        }
    }

    /// The same, to change.
    pub(super) fn process_mut(&mut self) -> Option<&mut Process> {
        match self {
            Main::Alive(process) => Some(process),
            Main::Unknown | Main::Gone => None,
        }
    }
}

/// What is shown of the last main process (ExecMain... properties); kept after its end.
#[derive(Debug, Clone, PartialEq, Copy, Default, Serialize, Deserialize)]
pub(super) struct MainRecord {
    pub(super) pid: i32,
    pub(super) start: Timestamp,
    pub(super) exit: Timestamp,
    pub(super) status: Option<ProcessStatus>,
}
