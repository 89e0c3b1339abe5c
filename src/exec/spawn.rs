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
    let skipped = started.skipped.into_iter().map(|(step, failure)| {
        let reason = step_failure(failure).message;
        (step, reason, Extent::Nothing)
    });
    let reduced = started
        .reduced
        .into_iter()
        .map(|(step, value)| match value {
            Some(value) => {
                let reason = format!("to {value}, the nearest that is permitted");
                (step, reason, Extent::Part)
            }
            None => {
                let reason = "nothing changed: Operation not permitted".to_owned();
                (step, reason, Extent::Nothing)
            }
        });
    // What no directive asked for is not missed.
    let left_out = skipped.chain(reduced).flat_map(|(step, reason, extent)| {
        let settings = plan.settings_of(step);
        settings.map(move |directive| LeftOut {
            directive: directive.to_owned(),
            reason: reason.clone(),
            extent,
        })
    });
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
