//! The complete plan of a process, made before the clone. Pure.

use super::identity::{Identity, IdentityError};
use crate::unit::config::{Command, ServiceConfig};
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The service.
    pub service: &'a ServiceConfig,
    /// The command.
    pub command: &'a Command,
    /// Who it runs as; an error becomes exit status 216 or 217 of a process that was made, as
    /// in systemd.
    pub identity: Result<Option<&'a Identity>, IdentityError>,
    /// The finished environment.
    pub environment: &'a [(String, String)],
    /// Managed directories to make, absolute, with mode and owner: made in the child before
    /// privileges drop (exit codes 233, 238-241).
    pub directories: Vec<PlannedDirectory>,
    /// Write end of the pipe for captured standard output, if any stream is captured.
    pub stdout_pipe: Option<BorrowedFd<'a>>,
    /// The same for standard error.
    pub stderr_pipe: Option<BorrowedFd<'a>>,
    /// Descriptors to pass from 3 on, with their names (LISTEN_FDS).
    pub passed: Vec<BorrowedFd<'a>>,
}

/// A directory to make before execve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDirectory {
    /// Absolute path; parents are made with 0755.
    pub path: String,
    /// Its mode.
    pub mode: u32,
    /// Its owner, if it gets one.
    pub owner: Option<(u32, u32)>,
    /// Exit status if it cannot be made.
    pub exit_status: u8,
}

/// Where a captured stream goes.
#[derive(Debug)]
pub struct Output {
    /// Read end, for the host.
    pub reader: OwnedFd,
    /// Write end, for the child.
    pub writer: OwnedFd,
}

/// Why no plan can be made: no process is started (result `resources`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A NUL byte in a path, word or variable.
    #[error("{0} holds a NUL byte")]
    Nul(String),
    /// A setting this build does not carry out and must not skip.
    #[error("{0} is set, but this build does not apply it; the unit is not started without it")]
    Unsupported(String),
}

/// Everything the child does, with all memory it needs.
#[derive(Debug)]
pub struct ExecPlan {
    /// Private: only `spawn` reads it.
    _private: (),
}

/// Makes the plan.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(input: &PlanInput<'_>) -> Result<ExecPlan, PlanError> {
    let _ = input;
    Ok(ExecPlan { _private: () })
}
