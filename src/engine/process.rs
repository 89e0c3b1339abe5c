//! How a process ended, and what it was for.

use crate::unit::config::{CommandKind, ProbeKind};
use crate::unit::value::Signal;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessStatus {
    /// Left with this code.
    Exited(u8),
    /// Ended by this signal, without a core.
    Killed(Signal),
    /// Ended by this signal, with a core.
    Dumped(Signal),
    /// It ended while nobody watched, and nobody can tell how (the daemon was killed, and the
    /// kernel is too old to remember).
    Unknown,
}

/// The word of `ProcessStatus` alone: EXIT_CODE, and CLD_ numbers on D-Bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExitCode {
    Exited,
    Killed,
    Dumped,
}

impl ProcessStatus {
    /// `exited`, `killed` or `dumped` (EXIT_CODE); ours alone: `unknown`.
    pub fn code_word(self) -> &'static str {
        match self {
            ProcessStatus::Exited(_) => "exited",
            ProcessStatus::Killed(_) => "killed",
            ProcessStatus::Dumped(_) => "dumped",
            ProcessStatus::Unknown => "unknown",
        }
    }

    /// The kernel's CLD_EXITED, CLD_KILLED, CLD_DUMPED (ExecMainCode); 0 if it is not known.
    pub fn code_number(self) -> i32 {
        match self {
            ProcessStatus::Exited(_) => 1,
            ProcessStatus::Killed(_) => 2,
            ProcessStatus::Dumped(_) => 3,
            ProcessStatus::Unknown => 0,
        }
    }

    /// The exit code or signal number (ExecMainStatus).
    pub fn number(self) -> i32 {
        match self {
            ProcessStatus::Exited(code) => i32::from(code),
            ProcessStatus::Killed(signal) | ProcessStatus::Dumped(signal) => signal.0,
            ProcessStatus::Unknown => 0,
        }
    }

    /// EXIT_STATUS: the code, or the signal's name without SIG (E8).
    pub fn status_word(self) -> String {
        match self {
            ProcessStatus::Exited(code) => code.to_string(),
            ProcessStatus::Killed(signal) | ProcessStatus::Dumped(signal) => signal.name(),
            ProcessStatus::Unknown => "unknown".to_owned(),
        }
    }
}

/// What a process is to its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The main process.
    Main,
    /// A command of the list, one at a time.
    Control(CommandKind),
    /// The command of a probe, beside all others.
    Probe(ProbeKind),
}
