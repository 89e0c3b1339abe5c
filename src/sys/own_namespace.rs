//! Makes namespaces that outlive the thread which made them, held by a descriptor.

use super::call::{Errno, call};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Network devices, addresses, ports. The loopback device is up.
    Network,
    /// System V IPC objects and POSIX message queues.
    Ipc,
}

impl Kind {
    fn flag(self) -> i32 {
        match self {
            Kind::Network => libc::CLONE_NEWNET,
            Kind::Ipc => libc::CLONE_NEWIPC,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Kind::Network => "/proc/thread-self/ns/net",
            Kind::Ipc => "/proc/thread-self/ns/ipc",
        }
    }
}

/// Makes one, in a thread that ends with this.
///
/// # Errors
/// EPERM without privilege, ENOSPC where there are too many, or /proc is not there.
pub fn make(kind: Kind) -> io::Result<OwnedFd> {
    let thread = std::thread::Builder::new().name("namespace".to_owned());
    let made = thread.spawn(move || make_here(kind))?.join();
    made.unwrap_or_else(|_| Err(io::Error::other("the thread that makes it ended")))
}

fn make_here(kind: Kind) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no address; it changes this thread only.
    unsafe { call(libc::SYS_unshare, [kind.flag() as usize]) }?;
    if kind == Kind::Network {
        bring_loopback_up()?;
    }
    Ok(File::open(kind.file())?.into())
}

/// The kernel's `struct ifreq` as far as flags go.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

fn bring_loopback_up() -> Result<(), Errno> {
    let words = [
        libc::AF_INET as usize,
        (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize,
        0,
    ];
    // SAFETY: the call takes no address.
    let number = unsafe { call(libc::SYS_socket, words) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(number as i32) };
    let mut name = [0; 16];
    name[..2].copy_from_slice(b"lo");
    let request = Request {
        name,
        flags: libc::IFF_UP as i16,
        rest: [0; 22],
    };
    let words = [
        socket.as_raw_fd() as usize,
        libc::SIOCSIFFLAGS as usize,
        &raw const request as usize,
    ];
    // SAFETY: the request is as large as the kernel's and valid for the call.
    unsafe { call(libc::SYS_ioctl, words) }.map(|_| ())
}
