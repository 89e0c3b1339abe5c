//! Starts a child that carries a [`Program`] out.

use super::call::Errno;
use super::child::{EXIT_CGROUP, EXIT_FDS, EXIT_PROCESSORS, Place, Prepared, extent, run};
use super::clone::{Table, clone};
use super::operation::Extent;
use super::program::Program;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// A child that has executed its image, or is leaving because it could not.
#[derive(Debug)]
pub struct Started {
    /// Its number.
    pub pid: i32,
    /// What it is watched and signalled by.
    pub pidfd: OwnedFd,
    /// What failed before execve.
    pub failure: Option<Failure>,
    /// What was left out because it failed and may: the number of the step, and why.
    pub skipped: Vec<(usize, Failure)>,
    /// What did not get as far as was asked for: the number of the step, and the value it got
    /// to; `None` if nothing changed.
    pub reduced: Vec<(usize, Option<i64>)>,
}

/// Why a child did not execute its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status it leaves with.
    pub exit_status: u8,
    /// What was attempted, and on what.
    pub attempt: String,
    /// The kernel's answer; `None` if the kernel was not asked.
    pub error: Option<i32>,
}

/// Starts the child, in `cgroup` if given: a descriptor of its directory. Returns when it has
/// executed or failed; blocks as long as its steps do.
///
/// # Errors
/// No process could be made.
pub fn start(program: &Program<'_>, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Started> {
    let can_cut = !NO_CUT.load(Ordering::Relaxed);
    let cut = can_cut.then(|| program.descriptors_end());
    let (started, place) = start_with(program, cgroup, cut)?;
    if place != Some(Place::Cut) {
        return Ok(started);
    }
    // The kernel is older than 5.9, or a sandbox does not know the call. That child has changed nothing
    // and leaves; the others get a copy of everything.
    NO_CUT.store(true, Ordering::Relaxed);
    waitid(WaitId::PidFd(started.pidfd.as_fd()), WaitIdOptions::EXITED)?;
    start_with(program, cgroup, None).map(|(started, _)| started)
}

/// Children cannot take the part of our descriptors that they need.
static NO_CUT: AtomicBool = AtomicBool::new(false);

/// Starts the child with all of our descriptors, or with those below a number. With where it failed.
fn start_with(
    program: &Program<'_>,
    cgroup: Option<BorrowedFd<'_>>,
    cut: Option<i32>,
) -> io::Result<(Started, Option<Place>)> {
    let prepared = Prepared::new(program, cut);
    let table = match cut {
        Some(_) => Table::Shared,
        None => Table::Copied,
    };
    // SAFETY: `run` makes only raw system calls on `prepared`, which outlives the child's use
    // of our memory, and reports through atomics in it. It leaves a shared table as it is.
    let (pid, pidfd) = unsafe { clone(run, &prepared, cgroup, table) }?;
    let failed = prepared.report.failure();
    let failure = failed.map(|(place, errno)| describe(program, place, errno));
    let skipped = prepared.skipped.iter().enumerate();
    let skipped = skipped.filter_map(|(index, errno)| match errno.load(Ordering::Acquire) {
        0 => None,
        errno => Some((index, describe(program, Place::Step(index), Errno(errno)))),
    });
    let reduced = prepared.extents.iter().enumerate();
    let reduced = reduced.filter_map(|(index, number)| match extent(number) {
        Extent::Whole => None,
        Extent::To(value) => Some((index, Some(value))),
        Extent::AsItWas => Some((index, None)),
    });
    let started = Started {
        pid,
        pidfd,
        failure,
        skipped: skipped.collect(),
        reduced: reduced.collect(),
    };
    Ok((started, failed.map(|(place, _)| place)))
}

fn describe(program: &Program<'_>, place: Place, Errno(errno): Errno) -> Failure {
    use super::program::Operation;
    let (exit_status, attempt, asked) = match place {
        Place::Processors => {
            let attempt = "leave the processor and the policy it began with".to_owned();
            (EXIT_PROCESSORS, attempt, true)
        }
        Place::Cut => (EXIT_FDS, "take descriptors".to_owned(), true),
        Place::Join => (EXIT_CGROUP, "join the control group".to_owned(), true),
        Place::Execute => {
            let attempt = format!("execute {}", program.image.name);
            (program.image.exit_status, attempt, true)
        }
        Place::Missing => {
            let attempt = format!("find {}", program.image.name);
            (program.image.missing_status, attempt, true)
        }
        Place::Step(index) => match program.steps.get(index) {
            Some(step) => {
                let asked = !matches!(step.operation, Operation::Refuse(_));
                (step.exit_status, step.operation.to_string(), asked)
            }
            None => (program.image.exit_status, "run".to_owned(), true),
        },
    };
    Failure {
        exit_status,
        attempt,
        error: asked.then_some(errno),
    }
}
