//! Which process a number meant: by its pidfd's inode where the kernel has such, and by when it
//! started.

use crate::sys::{pidfd, proc};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What tells one process from all others that ever had its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Identity {
    /// Its number.
    pub(in crate::host) pid: i32,
    /// When it started, in ticks since boot, where there is no better.
    start: u64,
    /// The inode of its pidfd; `None` before Linux 6.9.
    inode: Option<u64>,
    /// It is not a child of the daemon (any more): it cannot be waited for.
    pub(in crate::host) foreign: bool,
}

impl Identity {
    /// That of a process which is held by a descriptor.
    pub(in crate::host) fn of(pid: i32, process: BorrowedFd<'_>, foreign: bool) -> Identity {
        let inode = pidfd::inode(process).ok().flatten();
        Identity {
            pid,
            start: match inode {
                // No other process ever has it, and it takes no look into a file of /proc.
                Some(_) => 0,
                None => started(pid),
            },
            inode,
            foreign,
        }
    }

    /// The process, if it is still there.
    ///
    /// # Errors
    /// Why it is not.
    pub(in crate::host) fn find(&self) -> Result<OwnedFd, String> {
        let pid = self.pid;
        let process =
            pidfd::open(pid).map_err(|error| format!("process {pid} is gone ({error})"))?;
        let found = Identity::of(pid, process.as_fd(), self.foreign);
        let same = match self.inode {
            Some(_) => found.inode == self.inode,
            None => started(pid) == self.start,
        };
        if !same {
            return Err(format!("process {pid} is another one by now"));
        }
        Ok(process)
    }
}

fn started(pid: i32) -> u64 {
    proc::stat(pid).map_or(0, |stat| stat.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_not_enough() {
        let me = std::process::id() as i32;
        let descriptor = pidfd::open(me).unwrap();
        let own = Identity::of(me, descriptor.as_fd(), false);
        assert!(own.find().is_ok());
        // As on a kernel whose descriptors have no inodes of their own.
        let by_time = Identity {
            inode: None,
            start: started(me),
            ..own
        };
        assert!(by_time.find().is_ok());
        let earlier = Identity {
            start: by_time.start - 1,
            ..by_time
        };
        assert!(earlier.find().unwrap_err().contains("another one"));
        let other = Identity {
            inode: Some(own.inode.unwrap_or(0) + 1),
            ..own
        };
        assert!(other.find().is_err());
    }
}
