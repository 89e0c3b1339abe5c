//! Sending any signal, real-time ones included, to a process held by a pidfd.

use rustix::process::{Signal, pidfd_send_signal};
use std::io;
use std::os::fd::BorrowedFd;

/// Sends signal number `signal` (1 to 64) to the process behind `pidfd`.
///
/// # Errors
/// The number is out of range, the process is gone (ESRCH) or may not be signalled (EPERM).
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    if !(1..=64).contains(&signal) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: the number was checked to be a signal of Linux. What the function warns of,
    // sending signals that libc keeps for its own threads, only concerns the current process;
    // the receiver here is another one, which a manager may send any signal.
    let signal = unsafe { Signal::from_raw_unchecked(signal) };
    Ok(pidfd_send_signal(pidfd, signal)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
    use std::os::fd::AsFd;

    #[test]
    fn a_real_time_signal_arrives() {
        let child = std::process::Command::new("/bin/sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id() as i32).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        send(pidfd.as_fd(), 37).unwrap();
        let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
            .unwrap()
            .unwrap();
        assert_eq!(status.terminating_signal(), Some(37));
        assert!(send(pidfd.as_fd(), 0).is_err());
    }
}
