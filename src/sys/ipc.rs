//! Removing System V IPC objects.

use std::io;

/// What kind of object an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Shared memory.
    Memory,
    /// A set of semaphores.
    Semaphores,
    /// A queue of messages.
    Messages,
}

/// Removes an object; one that is gone already is no error.
///
/// # Errors
/// It belongs to somebody else.
pub fn remove(kind: Kind, id: i32) -> io::Result<()> {
    // SAFETY: IPC_RMID takes no argument besides the id.
    let result = unsafe {
        match kind {
            Kind::Memory => libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()),
            Kind::Semaphores => libc::semctl(id, 0, libc::IPC_RMID),
            Kind::Messages => libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()),
        }
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::EIDRM) => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_goes_once_and_stays_gone() {
        // SAFETY: makes an object; no address is involved.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, 1, 0o600) };
        assert!(id >= 0);
        remove(Kind::Memory, id).unwrap();
        remove(Kind::Memory, id).unwrap();
    }
}
