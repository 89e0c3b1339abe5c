//! Processes by descriptor: open, signal, wait.
//!
//! Signals and statuses are raw numbers: libraries that know only named signals lose the exit
//! of a process that a real-time signal ended. A pid is never signalled: by the time it is
//! used it may be somebody else's.

use super::call::{Errno, call};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How a child ended, as waitid(2) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Who.
    pub pid: i32,
    /// The way.
    pub how: How,
    /// The exit code, or the number of the signal.
    pub status: i32,
}

/// The way a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It left; CLD_EXITED.
    Exited,
    /// A signal ended it; CLD_KILLED.
    Killed,
    /// A signal ended it and it dumped core; CLD_DUMPED.
    Dumped,
}

/// Opens a process by its number; close-on-exec.
///
/// # Errors
/// There is no such process (ESRCH), or it is only a thread (EINVAL).
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    let number = unsafe { call(libc::SYS_pidfd_open, [pid as usize, 0]) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number as i32) })
}

/// The inode of a process's descriptor, which no other process gets while the machine is up;
/// `None` on kernels before 6.9, where it says nothing.
///
/// # Errors
/// The kernel refuses.
pub fn inode(process: BorrowedFd<'_>) -> io::Result<Option<u64>> {
    /// The file system of pidfds (linux/magic.h, PID_FS_MAGIC).
    const PID_FS: i64 = 0x5049_4446;
    // The width differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    let kind = rustix::fs::fstatfs(process)?.f_type as i64;
    if kind != PID_FS {
        return Ok(None);
    }
    Ok(Some(rustix::fs::fstat(process)?.st_ino))
}

/// The number of the process that a descriptor stands for, as we see it: -1 if it has ended and
/// was waited for, 0 if it is in a pid namespace that we do not see.
///
/// # Errors
/// It is no descriptor of a process.
pub fn pid(process: BorrowedFd<'_>) -> io::Result<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd()))?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    number
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other("the descriptor is of another kind"))
}

/// Sends a signal, 1 to 64; 0 only asks whether the process is there.
///
/// # Errors
/// It has been waited for (ESRCH), or may not be signalled (EPERM).
pub fn send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let words = [process.as_raw_fd() as usize, signal as usize, 0, 0];
    // SAFETY: the only address is null, which the kernel takes for "no siginfo".
    unsafe { call(libc::SYS_pidfd_send_signal, words) }?;
    Ok(())
}

/// As the kernel takes a signal with a value (siginfo_t of rt_sigqueueinfo(2), 64 bits).
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    gap: i32,
    pid: i32,
    uid: u32,
    value: u64,
    rest: [u64; 12],
}

const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());

/// Sends a signal with a value, as sigqueue(3).
///
/// # Errors
/// As [`send_signal`]; or too many wait to be taken (EAGAIN).
pub fn queue_signal(process: BorrowedFd<'_>, signal: i32, value: i32) -> io::Result<()> {
    let queued = Queued {
        signal,
        errno: 0,
        code: libc::SI_QUEUE,
        gap: 0,
        pid: std::process::id().cast_signed(),
        uid: nix::unistd::getuid().as_raw(),
        // sigval's number is its first half.
        value: u64::from(value.cast_unsigned()),
        rest: [0; 12],
    };
    let address = (&raw const queued) as usize;
    let words = [process.as_raw_fd() as usize, signal as usize, address, 0];
    // SAFETY: the address is that of a structure as large as siginfo_t, valid for the call.
    unsafe { call(libc::SYS_pidfd_send_signal, words) }?;
    Ok(())
}

/// Waits for a child that has ended and releases its number; `None` while it runs.
///
/// # Errors
/// It is no child of ours, or was waited for already (ECHILD).
pub fn reap(process: BorrowedFd<'_>) -> io::Result<Option<Ended>> {
    wait(
        libc::P_PIDFD,
        process.as_raw_fd() as libc::id_t,
        libc::WEXITED | libc::WNOHANG,
    )
}

/// Whether a process is a child of ours, ended or not.
///
/// # Errors
/// The kernel refuses.
pub fn is_child(process: BorrowedFd<'_>) -> io::Result<bool> {
    match peek(process) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(false),
        Err(error) => Err(error),
    }
}

/// As [`reap`], but the child stays there to be waited for.
///
/// # Errors
/// As [`reap`].
pub fn peek(process: BorrowedFd<'_>) -> io::Result<Option<Ended>> {
    wait(
        libc::P_PIDFD,
        process.as_raw_fd() as libc::id_t,
        libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
    )
}

/// Some child that has ended, left to be waited for by [`reap_child`], so that its control
/// group and command line can still be read; `None` if all run or there is none.
///
/// # Errors
/// The kernel refuses.
pub fn peek_any() -> io::Result<Option<Ended>> {
    match wait(
        libc::P_ALL,
        0,
        libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
    ) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        result => result,
    }
}

/// Releases a child that [`peek_any`] has shown: until then its number is its own.
///
/// # Errors
/// It is no child of ours (ECHILD).
pub fn reap_child(pid: i32) -> io::Result<Option<Ended>> {
    wait(
        libc::P_PID,
        pid as libc::id_t,
        libc::WEXITED | libc::WNOHANG,
    )
}

/// How a process that is not our child has ended; `None` if it has not, or if its parent has not
/// waited for it yet. Only a descriptor from before its end knows.
///
/// # Errors
/// The kernel does not tell such things (before 6.13; from 6.15 on it does).
pub fn exit_of(process: BorrowedFd<'_>) -> io::Result<Option<Ended>> {
    /// linux/pidfd.h, struct pidfd_info of the first version.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        mask: u64,
        cgroup: u64,
        pid: u32,
        others: [u32; 10],
        exit_code: i32,
    }
    /// _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info).
    const GET_INFO: u64 = (3 << 30) | ((size_of::<Info>() as u64) << 16) | (0xff << 8) | 11;
    /// PIDFD_INFO_EXIT.
    const EXIT: u64 = 1 << 3;
    const { assert!(size_of::<Info>() == 64) }
    let mut info = Info {
        mask: EXIT,
        ..Info::default()
    };
    let words = [
        process.as_raw_fd() as usize,
        GET_INFO as usize,
        (&raw mut info) as usize,
    ];
    // SAFETY: the structure has the size that the request names and is valid for the call.
    match unsafe { call(libc::SYS_ioctl, words) } {
        Ok(_) if info.mask & EXIT != 0 => Ok(Some(of_wait_status(info.pid, info.exit_code))),
        Ok(_) => Ok(None),
        // Nothing is left but the descriptor, and it does not know.
        Err(Errno(libc::ESRCH)) => Ok(None),
        // There is no such request.
        Err(Errno(libc::ENOTTY | libc::EINVAL)) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error.into()),
    }
}

/// What wait(2) would have said.
pub fn of_wait_status(pid: u32, status: i32) -> Ended {
    let pid = pid as i32;
    let signal = status & 0x7f;
    match signal {
        0 => Ended {
            pid,
            how: How::Exited,
            status: (status >> 8) & 0xff,
        },
        _ => Ended {
            pid,
            how: if status & 0x80 == 0 {
                How::Killed
            } else {
                How::Dumped
            },
            status: signal,
        },
    }
}

fn wait(kind: libc::idtype_t, id: libc::id_t, options: i32) -> io::Result<Option<Ended>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the structure is valid for the call.
    let result = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros is a valid value, and the kernel has filled it if a child ended.
    let info = unsafe { info.assume_init() };
    // SAFETY: after waitid(2) these are the members in use, or all is zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    let how = match info.si_code {
        libc::CLD_EXITED => How::Exited,
        libc::CLD_KILLED => How::Killed,
        libc::CLD_DUMPED => How::Dumped,
        other => {
            let message = format!("process {pid} ended in an unknown way ({other})");
            return Err(io::Error::other(message));
        }
    };
    Ok(Some(Ended { pid, how, status }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn ends_as_wait_tells_them() {
        let of = |status| {
            let ended = of_wait_status(7, status);
            (ended.how, ended.status)
        };
        assert_eq!(of(3 << 8), (How::Exited, 3));
        assert_eq!(of(9), (How::Killed, 9));
        assert_eq!(of(0x80 | 11), (How::Dumped, 11));
    }

    #[test]
    fn the_end_of_a_process_is_known_after_it_was_waited_for() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "exit 7"])
            .spawn()
            .unwrap();
        let descriptor = open(child.id() as i32).unwrap();
        if let Ok(early) = exit_of(descriptor.as_fd()) {
            assert_eq!(early, None);
        }
        child.wait().unwrap();
        // A kernel before 6.15 has forgotten it.
        if let Ok(Some(ended)) = exit_of(descriptor.as_fd()) {
            assert_eq!((ended.how, ended.status), (How::Exited, 7));
        }
    }

    #[test]
    fn a_value_arrives_with_its_signal() {
        use std::sync::atomic::{AtomicI32, Ordering};
        static SEEN: AtomicI32 = AtomicI32::new(0);
        extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
            // SAFETY: the kernel gives a valid siginfo_t to a handler with SA_SIGINFO.
            let value = unsafe { (*info).si_value() };
            SEEN.store(value.sival_ptr as usize as i32, Ordering::SeqCst);
        }
        let signal = libc::SIGRTMIN() + 5;
        // SAFETY: all zeros is a valid value of this structure.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler does nothing but store a number; nobody else uses this signal.
        let set = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        assert_eq!(set, 0);
        let me = open(std::process::id() as i32).unwrap();
        queue_signal(me.as_fd(), signal, -42).unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while SEEN.load(Ordering::SeqCst) != -42 {
            assert!(std::time::Instant::now() < end, "it did not arrive");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_inode_is_of_one_process() {
        let me = std::process::id() as i32;
        let mut child = std::process::Command::new("/bin/sleep")
            .arg("3600")
            .spawn()
            .unwrap();
        let of = |pid| inode(open(pid).unwrap().as_fd()).unwrap();
        let (mine, its) = (of(me), of(child.id() as i32));
        assert_eq!(mine, of(me));
        assert!(mine.is_none() || mine != its);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
