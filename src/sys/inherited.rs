//! Descriptors that come over execve(2): let go of before, taken again after.

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// Those that were taken already: nobody may own one twice.
static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// Has the descriptor stay open over execve, or not.
///
/// # Errors
/// The kernel refuses.
pub fn keep_open(descriptor: BorrowedFd<'_>, keep: bool) -> io::Result<()> {
    let mut flags = fcntl_getfd(descriptor)?;
    flags.set(FdFlags::CLOEXEC, !keep);
    Ok(fcntl_setfd(descriptor, flags)?)
}

/// Takes a descriptor that was open when this process was executed; it closes with the next
/// execve. To be called before anything else opens descriptors: only one that was left open
/// over execve can be had, and each only once.
///
/// # Errors
/// There is none of this number, it is none that came over execve, or it was taken already.
pub fn take(number: RawFd) -> io::Result<OwnedFd> {
    let none = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
    if number <= 2 {
        return Err(none("that number is a standard stream"));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: only looked at, within this call; a number that is not open is told of by the
    // kernel.
    let looked_at = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(looked_at)?.contains(FdFlags::CLOEXEC) {
        // Whatever this process opens itself closes with execve.
        return Err(none("it was not left open over execve"));
    }
    if !taken.insert(number) {
        return Err(none("it was taken already"));
    }
    // SAFETY: it is open, came over execve, so that nobody in this process has made it, and is
    // given to nobody else.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    keep_open(descriptor.as_fd(), false)?;
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsRawFd, IntoRawFd};

    #[test]
    fn only_what_was_left_open_can_be_taken() {
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(take(reader.as_raw_fd()).is_err());
        assert!(take(1).is_err());
        assert!(take(100_000).is_err());
        let writer = OwnedFd::from(writer);
        keep_open(writer.as_fd(), true).unwrap();
        let taken = take(writer.into_raw_fd()).unwrap();
        assert!(fcntl_getfd(&taken).unwrap().contains(FdFlags::CLOEXEC));
    }
}
