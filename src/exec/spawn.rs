//! Runs a plan: one clone with shared memory, straight into its cgroup.

use super::plan::ExecPlan;
use crate::sys::start::{Failure, start};
use crate::unit::effective::{Extent, LeftOut};
use nix::errno::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};

/// A process that was made.
#[derive(Debug)]
pub struct Child {
    /// Its number.
    pub pid: i32,
    /// What it is watched and signalled by.
    pub pidfd: OwnedFd,
    /// The step before execve that failed; the process leaves with that exit status.
    pub failure: Option<StepFailure>,
    /// Settings that were left out, as AllowDegraded= permits, and why.
    pub left_out: Vec<LeftOut>,
}

/// A step between clone and execve that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// systemd's exit status for the step (M19), 200-243.
    pub exit_status: u8,
    /// What was attempted and on what: `execute /opt/x: No such file or directory`.
    pub message: String,
}

/// No process could be made (EAGAIN, ENOMEM, cgroup gone ...).
#[derive(Debug, thiserror::Error)]
#[error("cannot start a process: {0}")]
pub struct SpawnError(#[from] pub std::io::Error);

/// Starts the process, in `cgroup` if given. Returns after execve or the failed step; until
/// then this thread is suspended, so a plan that may block ([`ExecPlan::may_block`]) is better
/// run off the loop.
///
/// # Errors
/// The clone itself failed.
pub fn spawn(plan: &ExecPlan<'_>, cgroup: Option<BorrowedFd<'_>>) -> Result<Child, SpawnError> {
    let started = start(plan.program(), cgroup)?;
    let skipped = started.skipped.into_iter().map(|(step, failure)| LeftOut {
        directive: plan.setting_of(step).to_owned(),
        reason: step_failure(failure).message,
        extent: Extent::Nothing,
    });
    let reduced = started.reduced.into_iter().map(|(step, value)| LeftOut {
        directive: plan.setting_of(step).to_owned(),
        reason: match value {
            Some(value) => format!("to {value}, the nearest that is permitted"),
            None => "nothing changed: Operation not permitted".to_owned(),
        },
        extent: match value {
            Some(_) => Extent::Part,
            None => Extent::Nothing,
        },
    });
    // What no directive asked for is not missed.
    let left_out = skipped
        .chain(reduced)
        .filter(|left_out| !left_out.directive.is_empty());
    Ok(Child {
        pid: started.pid,
        pidfd: started.pidfd,
        failure: started.failure.map(step_failure),
        left_out: left_out.collect(),
    })
}

fn step_failure(failure: Failure) -> StepFailure {
    let message = match failure.error {
        Some(number) => format!("{}: {}", failure.attempt, Errno::from_raw(number).desc()),
        None => failure.attempt,
    };
    StepFailure {
        exit_status: failure.exit_status,
        message,
    }
}

#[cfg(test)]
mod tests;
