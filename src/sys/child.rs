//! What runs in the child between clone and execve.
//!
//! The child is this process's memory on another stack, while the thread that made it is
//! suspended. So: raw system calls only, on memory prepared before; no allocation, no lock, no
//! panic; what it has to tell goes into [`Report`], which the parent reads when it runs again.

use super::call::{Errno, call};
use super::clone::{Call, set_signal_mask};
use super::operation::{Extent, perform};
use super::program::{Image, OnFailure, Program};
use super::staying::Stay;
use libc::c_char;
use std::ffi::CString;
use std::ops::Range;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, AtomicUsize, Ordering};

/// Exit status of a child that cannot join its control group (systemd.exec(5), CGROUP).
pub(super) const EXIT_CGROUP: u8 = 219;

/// Exit status of a child that stays on the processor where it began, or has its maker's policy
/// (systemd.exec(5), CPUAFFINITY).
pub(super) const EXIT_PROCESSORS: u8 = 215;

/// Exit status of a child that gets no table of descriptors (systemd.exec(5), FDS).
pub(super) const EXIT_FDS: u8 = 202;

/// linux/close_range.h.
const CLOSE_RANGE_UNSHARE: usize = 2;

/// A program with the pointers execve takes.
pub(super) struct Prepared<'a> {
    pub(super) program: &'a Program<'a>,
    arguments: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    pid_variables: Vec<PidVariable>,
    ignored: u64,
    /// It shares our descriptors until it takes a table of its own, with those below this number.
    cut: Option<RawFd>,
    pub(super) report: Report,
    /// Why each step was left out: an errno, 0 for those that were not.
    pub(super) skipped: Vec<AtomicI32>,
    /// How far each step got, as [`extent`] reads it.
    pub(super) extents: Vec<AtomicI64>,
}

/// Numbers no step gets to.
const WHOLE: i64 = i64::MIN;
const AS_IT_WAS: i64 = i64::MIN + 1;

/// How far a step got.
pub(super) fn extent(number: &AtomicI64) -> Extent {
    match number.load(Ordering::Acquire) {
        WHOLE => Extent::Whole,
        AS_IT_WAS => Extent::AsItWas,
        value => Extent::To(value),
    }
}

/// What the child tells its parent.
pub(super) struct Report {
    place: AtomicUsize,
    errno: AtomicI32,
}

/// Where a child failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Step(usize),
    Processors,
    Join,
    /// It could not take a table of descriptors of its own.
    Cut,
    /// There is nothing to execute.
    Missing,
    Execute,
}

impl Report {
    const NOTHING: usize = usize::MAX;
    const JOIN: usize = usize::MAX - 1;
    const EXECUTE: usize = usize::MAX - 2;
    const MISSING: usize = usize::MAX - 3;
    const PROCESSORS: usize = usize::MAX - 4;
    const CUT: usize = usize::MAX - 5;

    fn new() -> Report {
        Report {
            place: AtomicUsize::new(Report::NOTHING),
            errno: AtomicI32::new(0),
        }
    }

    fn set(&self, place: Place, errno: Errno) {
        let number = match place {
            Place::Step(index) => index,
            Place::Join => Report::JOIN,
            Place::Cut => Report::CUT,
            Place::Processors => Report::PROCESSORS,
            Place::Execute => Report::EXECUTE,
            Place::Missing => Report::MISSING,
        };
        self.errno.store(errno.0, Ordering::Relaxed);
        self.place.store(number, Ordering::Release);
    }

    /// Where and how the child failed, if it did.
    pub(super) fn failure(&self) -> Option<(Place, Errno)> {
        let place = match self.place.load(Ordering::Acquire) {
            Report::NOTHING => return None,
            Report::JOIN => Place::Join,
            Report::CUT => Place::Cut,
            Report::PROCESSORS => Place::Processors,
            Report::EXECUTE => Place::Execute,
            Report::MISSING => Place::Missing,
            index => Place::Step(index),
        };
        Some((place, Errno(self.errno.load(Ordering::Relaxed))))
    }
}

impl<'a> Prepared<'a> {
    /// Makes all memory the child needs.
    pub(super) fn new(program: &'a Program<'a>, cut: Option<RawFd>) -> Prepared<'a> {
        let Image {
            arguments,
            environment,
            pid_variables,
            ..
        } = &program.image;
        let pid_variables: Vec<PidVariable> = pid_variables.iter().map(PidVariable::new).collect();
        let arguments = arguments.iter().map(|word| word.as_ptr());
        let environment = environment.iter().map(|entry| entry.as_ptr());
        let own = pid_variables.iter().map(PidVariable::as_ptr);
        Prepared {
            program,
            arguments: arguments.chain([ptr::null()]).collect(),
            environment: environment.chain(own).chain([ptr::null()]).collect(),
            pid_variables,
            ignored: ignored_signals(),
            cut,
            report: Report::new(),
            skipped: program.steps.iter().map(|_| AtomicI32::new(0)).collect(),
            extents: program
                .steps
                .iter()
                .map(|_| AtomicI64::new(WHOLE))
                .collect(),
        }
    }
}

/// `NAME=` with room for a number that only the child knows.
struct PidVariable {
    entry: Box<[AtomicU8]>,
    number_at: usize,
}

/// Decimal digits of the largest pid, and the end of the string.
const NUMBER_SIZE: usize = 11;

impl PidVariable {
    fn new(name: &CString) -> PidVariable {
        let name = name.as_bytes();
        let text = name.iter().copied().chain([b'=']);
        let room = std::iter::repeat_n(0, NUMBER_SIZE);
        PidVariable {
            entry: text.chain(room).map(AtomicU8::new).collect(),
            number_at: name.len() + 1,
        }
    }

    fn as_ptr(&self) -> *const c_char {
        self.entry.as_ptr().cast()
    }

    fn fill(&self, pid: usize) {
        let digits = std::iter::successors(Some(pid), |rest| Some(rest / 10).filter(|r| *r > 0));
        let count = digits.clone().count();
        let room = self.entry.iter().skip(self.number_at).take(count);
        for (cell, rest) in room.rev().zip(digits) {
            cell.store(b'0' + (rest % 10) as u8, Ordering::Relaxed);
        }
    }
}

/// The child's whole life until execve.
pub(super) extern "C" fn run(handed: &Call<'_, Prepared<'_>>) -> ! {
    let prepared = handed.argument;
    let (place, errno, exit_status) = match attempt(handed) {
        Failed::Processors(errno) => (Place::Processors, errno, EXIT_PROCESSORS),
        Failed::Join(errno) => (Place::Join, errno, EXIT_CGROUP),
        Failed::Cut(errno) => (Place::Cut, errno, EXIT_FDS),
        Failed::Step(index, errno, exit_status) => (Place::Step(index), errno, exit_status),
        Failed::Missing(errno) => (Place::Missing, errno, prepared.program.image.missing_status),
        Failed::Execute(errno) => (Place::Execute, errno, prepared.program.image.exit_status),
    };
    prepared.report.set(place, errno);
    loop {
        // SAFETY: ends this process, which shares nothing with its parent but memory.
        let _ = unsafe { call(libc::SYS_exit_group, [usize::from(exit_status)]) };
    }
}

enum Failed {
    Processors(Errno),
    Join(Errno),
    Cut(Errno),
    Step(usize, Errno, u8),
    Missing(Errno),
    Execute(Errno),
}

fn attempt(handed: &Call<'_, Prepared<'_>>) -> Failed {
    let prepared = handed.argument;
    if let Some(Err(errno)) = handed.stay.map(Stay::end) {
        return Failed::Processors(errno);
    }
    reset_signals(if handed.handlers_cleared {
        prepared.ignored
    } else {
        u64::MAX
    });
    if handed.join >= 0
        && let Err(errno) = join(handed.join)
    {
        return Failed::Join(errno);
    }
    if let Some(Err(errno)) = prepared.cut.map(take_table) {
        return Failed::Cut(errno);
    }
    let sealed_from = prepared.program.sealed_from;
    if let Some(failed) = take_steps(prepared, 0..sealed_from) {
        return failed;
    }
    if let Some(errno) = missing(&prepared.program.image) {
        return Failed::Missing(errno);
    }
    // SAFETY: getpid(2) takes no arguments.
    let pid = unsafe { call(libc::SYS_getpid, []) }.unwrap_or(0);
    for variable in &prepared.pid_variables {
        variable.fill(pid);
    }
    // Late, so that no signal meets a half-made process. It cannot fail: the mask is valid.
    let _ = set_signal_mask(0);
    let sealed = sealed_from..prepared.program.steps.len();
    if let Some(failed) = take_steps(prepared, sealed) {
        return failed;
    }
    Failed::Execute(execute(prepared))
}

/// Takes a table of descriptors of its own, with those below a number: what lies above is neither
/// copied nor closed.
fn take_table(end: RawFd) -> Result<(), Errno> {
    let words = [end as usize, u32::MAX as usize, CLOSE_RANGE_UNSHARE];
    // SAFETY: takes numbers only; the table that is changed is this process's own by then.
    unsafe { call(libc::SYS_close_range, words) }.map(|_| ())
}

/// Takes these steps; `None` if the child goes on.
fn take_steps(prepared: &Prepared<'_>, mut places: Range<usize>) -> Option<Failed> {
    while let Some(index) = places.next() {
        let step = prepared.program.steps.get(index)?;
        let errno = match perform(&step.operation) {
            Ok(Extent::Whole) => continue,
            Ok(extent) => {
                if let Some(place) = prepared.extents.get(index) {
                    let number = match extent {
                        Extent::To(value) => value,
                        Extent::Whole | Extent::AsItWas => AS_IT_WAS,
                    };
                    place.store(number, Ordering::Relaxed);
                }
                continue;
            }
            Err(errno) => errno,
        };
        match step.on_failure {
            OnFailure::End => return Some(Failed::Step(index, errno, step.exit_status)),
            OnFailure::Skip(more) => {
                if let Some(place) = prepared.skipped.get(index) {
                    place.store(errno.0, Ordering::Relaxed);
                }
                places.start = places.start.saturating_add(more);
            }
        }
    }
    None
}

/// The signals that this process ignores, as a mask with bit 0 for signal 1. Found out once:
/// nothing here begins to ignore another one later, and one that gets a handler meanwhile is
/// only reset twice.
fn ignored_signals() -> u64 {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    *IGNORED.get_or_init(|| {
        let ignored = (1..=SIGNALS).filter(|signal| is_ignored(*signal));
        ignored.fold(0, |mask, signal| mask | 1 << (signal - 1))
    })
}

fn is_ignored(signal: i32) -> bool {
    let mut kernel_action = [0usize; 4];
    let words = [
        signal as usize,
        0,
        kernel_action.as_mut_ptr() as usize,
        size_of::<u64>(),
    ];
    // SAFETY: the structure is as large as the kernel's and valid for the call.
    let asked = unsafe { call(libc::SYS_rt_sigaction, words) };
    asked.is_ok() && kernel_action[0] == libc::SIG_IGN
}

/// Signals there are.
const SIGNALS: i32 = 64;

/// Sets signals to their default, by a mask with bit 0 for signal 1: handlers and what is ignored
/// are the daemon's own. The child has its own table of them (no CLONE_SIGHAND).
fn reset_signals(mask: u64) {
    for signal in (1..=SIGNALS).filter(|signal| mask & (1 << (signal - 1)) != 0) {
        set_signal_action(signal, libc::SIG_DFL);
    }
}

/// Sets a signal to be ignored or to its default. SIGKILL and SIGSTOP refuse, and need it not.
pub(super) fn set_signal_action(signal: i32, action: libc::sighandler_t) {
    // handler, flags, restorer and mask of the kernel's own `struct sigaction`.
    let kernel_action = [action, 0, 0, 0];
    let words = [
        signal as usize,
        kernel_action.as_ptr() as usize,
        0,
        size_of::<u64>(),
    ];
    // SAFETY: the structure is valid for the call; neither action calls into our code.
    let _ = unsafe { call(libc::SYS_rt_sigaction, words) };
}

fn join(procs: i32) -> Result<(), Errno> {
    let own = b"0";
    let words = [procs as usize, own.as_ptr() as usize, own.len()];
    // SAFETY: the buffer is valid for the call.
    unsafe { call(libc::SYS_write, words) }.map(|_| ())
}

/// Why there is nothing to execute, where that makes a difference. Filters of system calls are
/// not in place yet.
fn missing(image: &Image) -> Option<Errno> {
    if image.missing_status == image.exit_status {
        return None;
    }
    let mut reason = Errno(libc::ENOENT);
    for candidate in &image.candidates {
        match find(candidate) {
            Ok(()) => return None,
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => {}
            Err(errno) => reason = errno,
        }
    }
    Some(reason)
}

/// Whether there is something executable at a path that is not a directory.
fn find(path: &CString) -> Result<(), Errno> {
    let (here, path) = (libc::AT_FDCWD as usize, path.as_ptr() as usize);
    // SAFETY: a path that ends with a null, valid for the call.
    unsafe { call(libc::SYS_faccessat, [here, path, libc::X_OK as usize]) }?;
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: as above; a descriptor that comes of it goes with this process.
    match unsafe { call(libc::SYS_openat, [here, path, flags as usize]) } {
        Ok(_) => Err(Errno(libc::EISDIR)),
        Err(_) => Ok(()),
    }
}

/// Executes the first candidate that can be. Returns why none could: what is there but not
/// permitted says more than what is not there.
fn execute(prepared: &Prepared<'_>) -> Errno {
    let mut reason = Errno(libc::ENOENT);
    for candidate in &prepared.program.image.candidates {
        let words = [
            candidate.as_ptr() as usize,
            prepared.arguments.as_ptr() as usize,
            prepared.environment.as_ptr() as usize,
        ];
        // SAFETY: a path and two null-ended arrays of strings, all alive in `prepared`.
        match unsafe { call(libc::SYS_execve, words) } {
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => {}
            Err(errno @ Errno(libc::EACCES)) => reason = errno,
            Err(errno) => return errno,
            // execve does not return otherwise.
            Ok(_) => {}
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_is_written_in_decimal() {
        for pid in [1usize, 10, 4_194_304, 2_147_483_647] {
            let variable = PidVariable::new(&CString::new("LISTEN_PID").unwrap());
            variable.fill(pid);
            let bytes: Vec<u8> = variable
                .entry
                .iter()
                .map(|b| b.load(Ordering::Relaxed))
                .collect();
            let text = std::ffi::CStr::from_bytes_until_nul(&bytes).unwrap();
            assert_eq!(text.to_str().unwrap(), format!("LISTEN_PID={pid}"));
        }
    }

    #[test]
    fn a_report_keeps_place_and_reason() {
        let report = Report::new();
        assert_eq!(report.failure(), None);
        let places = [Place::Join, Place::Missing, Place::Execute];
        for place in [Place::Step(0), Place::Step(7)].into_iter().chain(places) {
            report.set(place, Errno(libc::EACCES));
            assert_eq!(report.failure(), Some((place, Errno(libc::EACCES))));
        }
    }
}
