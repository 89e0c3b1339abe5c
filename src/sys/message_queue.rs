//! POSIX message queues (mq_overview(7)): on Linux their descriptors are file descriptors.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

/// Opens a queue to read from, without waiting; makes it if there is none. `size` are the most
/// messages and their greatest length, the kernel's own if `None`.
///
/// # Errors
/// As mq_open(3).
pub fn open(name: &CStr, mode: u32, size: Option<(i64, i64)>) -> io::Result<OwnedFd> {
    // SAFETY: all zeros is a valid value.
    let mut attributes: libc::mq_attr = unsafe { MaybeUninit::zeroed().assume_init() };
    let attributes = match size {
        Some((messages, length)) => {
            attributes.mq_maxmsg = messages as _;
            attributes.mq_msgsize = length as _;
            &raw mut attributes
        }
        None => std::ptr::null_mut(),
    };
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_CREAT;
    // SAFETY: the name is a valid string, the attributes are valid or null.
    let number = unsafe { libc::mq_open(name.as_ptr(), flags, mode as libc::mode_t, attributes) };
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes a queue's name.
///
/// # Errors
/// As mq_unlink(3).
pub fn remove(name: &CStr) -> io::Result<()> {
    // SAFETY: the name is a valid string.
    if unsafe { libc::mq_unlink(name.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::os::fd::AsRawFd;

    /// The most messages and their greatest length.
    fn size_of(queue: &OwnedFd) -> (i64, i64) {
        // SAFETY: all zeros is a valid value.
        let mut attributes: libc::mq_attr = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the descriptor is open, the attributes are valid for the call.
        let result = unsafe { libc::mq_getattr(queue.as_raw_fd(), &raw mut attributes) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        (attributes.mq_maxmsg, attributes.mq_msgsize)
    }

    #[test]
    fn a_queue_has_the_size_that_was_asked_for_until_its_name_is_removed() {
        let name = CString::new(format!("/procmgr-test-{}", std::process::id())).unwrap();
        let queue = open(&name, 0o600, Some((3, 100))).unwrap();
        assert_eq!(size_of(&queue), (3, 100));
        // One that is there keeps its own.
        let again = open(&name, 0o600, Some((2, 50))).unwrap();
        assert_eq!(size_of(&again), (3, 100));
        remove(&name).unwrap();
        let gone = remove(&name).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }
}
