//! Raw system calls: what the child of a clone may use, and what no safe library offers.
//!
//! The C library's own wrappers are not fit between clone and execve: those for ids signal the
//! other threads of the process so that all of them change, others lock or allocate.

use libc::c_long;

/// An `errno` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> std::io::Error {
        std::io::Error::from_raw_os_error(errno.0)
    }
}

/// Makes a system call with `N` arguments (at most 5): numbers sign-extended with `as usize`,
/// pointers as addresses.
///
/// # Safety
/// As the call itself: addresses are valid for what the kernel reads and writes there.
pub(super) unsafe fn call<const N: usize>(
    number: c_long,
    arguments: [usize; N],
) -> Result<usize, Errno> {
    const { assert!(N <= 5, "more arguments than any call here takes") };
    let mut words = [0usize; 5];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = argument;
    }
    let [a, b, c, d, e] = words;
    // SAFETY: the caller vouches for the arguments. `syscall` itself only moves registers and
    // stores errno in the block of this thread; a child that shares the block runs while the
    // thread it is from is suspended, and that one reads errno only after a call of its own.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result != -1 {
        return Ok(result as usize);
    }
    // SAFETY: the address of this thread's errno is always valid.
    Err(Errno(unsafe { *libc::__errno_location() }))
}
