//! Control groups: which layout the machine has, a group per unit, who is in it, when it is
//! empty.
//!
//! Layouts: v2 mounted at /sys/fs/cgroup; the unified side of a hybrid (/sys/fs/cgroup/unified);
//! none that can be written (then a unit's processes are known by process group, session and
//! the subreaper). Never touches a group that this daemon did not make.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The subtree this daemon keeps its units in.
#[derive(Debug)]
pub struct Tree {
    /// Absolute path of the daemon's own subtree in the cgroup file system.
    root: PathBuf,
    /// The same as /proc/PID/cgroup names it.
    name: String,
}

/// The group of one unit.
#[derive(Debug)]
pub struct Group {
    directory: OwnedFd,
    path: PathBuf,
}

impl Tree {
    /// Finds the layout and makes this daemon's subtree `dd-procmgr-<label>` below its own
    /// group; `None` where no v2 hierarchy can be written.
    pub fn open(label: &str) -> Option<Tree> {
        let _ = label;
        None
    }

    /// The subtree's path in the file system.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The subtree's name, `/...`, as /proc/PID/cgroup has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes or opens the group of a unit.
    ///
    /// # Errors
    /// The directory cannot be made or opened.
    pub fn group(&self, unit: &str) -> io::Result<Group> {
        let _ = unit;
        Err(io::Error::other("not built yet"))
    }

    /// Removes the subtree, which must be empty.
    ///
    /// # Errors
    /// A group in it still has processes.
    pub fn remove(self) -> io::Result<()> {
        Ok(())
    }
}

impl Group {
    /// For CLONE_INTO_CGROUP.
    pub fn directory(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.directory.as_fd()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The processes in it and below, in no order.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn processes(&self) -> io::Result<Vec<i32>> {
        Ok(Vec::new())
    }

    /// Whether any process is in it or below (cgroup.events `populated`).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn populated(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Removes it, with the groups the processes made below.
    ///
    /// # Errors
    /// It still has processes.
    pub fn remove(self) -> io::Result<()> {
        Ok(())
    }
}
