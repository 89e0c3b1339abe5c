//! kcmp(2): whether two descriptors of ours are the same open file.

use std::os::fd::{AsRawFd, BorrowedFd};

/// KCMP_FILE of linux/kcmp.h.
const FILE: usize = 0;

/// Whether both stand for one open file. `None` where the kernel does not say (it is built
/// without, or a filter is in the way).
pub fn is_same(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Option<bool> {
    let own = std::process::id() as usize;
    let (a, b) = (a.as_raw_fd() as usize, b.as_raw_fd() as usize);
    // SAFETY: kcmp(2) takes numbers only.
    match unsafe { libc::syscall(libc::SYS_kcmp, own, own, FILE, a, b) } {
        0 => Some(true),
        1.. => Some(false),
        _ => None,
    }
}
