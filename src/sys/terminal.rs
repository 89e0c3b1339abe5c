//! What is asked of a terminal besides what crates know.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// TIOCVHANGUP of linux/tty.
const VHANGUP: libc::c_ulong = 0x5437;
/// VT_DISALLOCATE of linux/vt.h.
const DISALLOCATE: libc::c_ulong = 0x5608;

/// Cuts everybody else off from a terminal.
///
/// # Errors
/// Without the privilege, or for what is no terminal.
pub fn hang_up(terminal: BorrowedFd<'_>) -> io::Result<()> {
    number(terminal, VHANGUP, 0)
}

/// Lets others open a terminal that somebody took for itself.
///
/// # Errors
/// For what is no terminal.
pub fn open_to_others(terminal: BorrowedFd<'_>) -> io::Result<()> {
    number(terminal, libc::TIOCNXCL, 0)
}

/// Frees the memory of a virtual terminal, by any one of them.
///
/// # Errors
/// It is in use, or there are none.
pub fn disallocate(any: BorrowedFd<'_>, which: u32) -> io::Result<()> {
    number(any, DISALLOCATE, libc::c_ulong::from(which))
}

fn number(
    terminal: BorrowedFd<'_>,
    request: libc::c_ulong,
    argument: libc::c_ulong,
) -> io::Result<()> {
    // SAFETY: these requests take a number, not an address.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), request, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_no_terminal_refuses() {
        let file = tempfile::tempfile().unwrap();
        for result in [
            hang_up(file.as_fd()),
            open_to_others(file.as_fd()),
            disallocate(file.as_fd(), 63),
        ] {
            assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOTTY));
        }
    }
}
