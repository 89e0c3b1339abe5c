//! Control groups: which layout the machine has, a group per unit, who is in it, when it is
//! empty.
//!
//! Layouts: v2 mounted at /sys/fs/cgroup; the unified side of a hybrid (/sys/fs/cgroup/unified);
//! none that can be written (then a unit's processes are known by process group, session and
//! the subreaper). Never touches a group that this daemon did not make.

pub mod layout;
pub mod usage;
pub mod watch;

use layout::{Layout, Place};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The subtree this daemon keeps its units in.
#[derive(Debug)]
pub struct Tree {
    /// How the machine is laid out.
    layout: Layout,
    /// Absolute path of the daemon's own subtree in the cgroup file system.
    root: PathBuf,
    /// The same as /proc/PID/cgroup names it.
    name: String,
}

/// Where a subtree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreePlace {
    layout: Layout,
    root: PathBuf,
    name: String,
}

/// The group of one unit.
#[derive(Debug)]
pub struct Group {
    directory: OwnedFd,
    path: PathBuf,
    name: String,
}

impl Tree {
    /// Finds the layout and makes this daemon's subtree `dd-procmgr-<label>` below its own
    /// group, or takes over the one that an earlier daemon of this label left; `None` where no
    /// v2 hierarchy can be written.
    pub fn open(label: &str) -> Option<Tree> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
        layout::own_places(&mountinfo, &cgroup)
            .iter()
            .find_map(|place| Tree::make(place, label))
    }

    fn make(place: &Place, label: &str) -> Option<Tree> {
        let leaf = format!("dd-procmgr-{}", label.replace('/', "-"));
        let tree = Tree {
            layout: place.layout,
            root: place.directory.join(&leaf),
            name: join_names(&place.name, &leaf),
        };
        make_directory(&tree.root).ok()?;
        // A group that may hold no processes, such as one below a threaded group, says so.
        let usable = match fs::read_to_string(tree.root.join("cgroup.type")) {
            Ok(kind) => kind.trim_end() == "domain",
            Err(_) => tree.root.join("cgroup.procs").exists(),
        };
        if !usable {
            let _ = fs::remove_dir(&tree.root);
            return None;
        }
        Some(tree)
    }

    /// Where it is, for a daemon that takes over.
    pub fn place(&self) -> TreePlace {
        TreePlace {
            layout: self.layout,
            root: self.root.clone(),
            name: self.name.clone(),
        }
    }

    /// The subtree of an earlier daemon, wherever this one is itself.
    pub fn take_over(place: TreePlace) -> Tree {
        Tree {
            layout: place.layout,
            root: place.root,
            name: place.name,
        }
    }

    /// Whether a unit has a group.
    pub fn has_group(&self, unit: &str) -> bool {
        escape(unit).is_ok_and(|leaf| self.root.join(leaf).exists())
    }

    /// A tree of plain directories, for tests of what reads and writes its files.
    #[cfg(test)]
    pub(crate) fn fake(root: &Path) -> Tree {
        Tree {
            layout: Layout::Unified,
            root: root.to_owned(),
            name: "/fake".to_owned(),
        }
    }

    /// How the machine is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
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
        let leaf = escape(unit)?;
        let path = self.root.join(&leaf);
        make_directory(&path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Group {
            directory: rustix::fs::open(&path, flags, Mode::empty())?,
            path,
            name: join_names(&self.name, &leaf),
        })
    }

    /// Removes the subtree, which must be empty.
    ///
    /// # Errors
    /// A group in it still has processes.
    pub fn remove(self) -> io::Result<()> {
        remove_recursively(&self.root)
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

    /// As /proc/PID/cgroup names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a process whose /proc/PID/cgroup has this name is in it or below.
    pub fn contains(&self, name: &str) -> bool {
        Path::new(name).starts_with(&self.name)
    }

    /// The file that changes when the group becomes empty.
    pub fn events_path(&self) -> PathBuf {
        self.path.join("cgroup.events")
    }

    /// The file in which the kernel counts what happened for want of memory; only there if the
    /// memory controller is.
    pub fn memory_events_path(&self) -> PathBuf {
        self.path.join("memory.events")
    }

    /// How many processes in it and below the kernel has killed for want of memory
    /// (memory.events `oom_kill`); 0 where it does not count.
    pub fn memory_kills(&self) -> u64 {
        let text = fs::read_to_string(self.memory_events_path()).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
            .next()
            .unwrap_or(0)
    }

    /// Whether the kernel, when it kills one process for want of memory, kills all of the group
    /// (memory.oom.group). Does nothing where it does not count memory.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn kill_together(&self, together: bool) -> io::Result<()> {
        let path = self.path.join("memory.oom.group");
        let value = if together { "1" } else { "0" };
        // Not fs::write: on a file system of another kind that would make the file.
        let file = fs::OpenOptions::new().write(true).open(path);
        match file.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// The processes in it and below, in no order. One that comes or goes meanwhile may or may
    /// not be among them.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn processes(&self) -> io::Result<Vec<i32>> {
        let mut pids = Vec::new();
        collect_processes(&self.path, &mut pids)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Whether any process is in it or below (cgroup.events `populated`).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn populated(&self) -> io::Result<bool> {
        let events = fs::read_to_string(self.events_path())?;
        Ok(events.lines().any(|line| line == "populated 1"))
    }

    /// Removes it, with the groups the processes made below.
    ///
    /// # Errors
    /// It still has processes.
    pub fn remove(self) -> io::Result<()> {
        remove_recursively(&self.path)
    }
}

/// Moves a process into the group at a directory (cgroup.procs).
///
/// # Errors
/// There is no such group or process (ESRCH), or it may not be moved.
pub fn attach(directory: &Path, pid: i32) -> io::Result<()> {
    let path = directory.join("cgroup.procs");
    // Not fs::write: that would make the file where there is none.
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    io::Write::write_all(&mut file, pid.to_string().as_bytes())
}

/// Asks the kernel to freeze all processes of the group at a directory and below, or to let
/// them go on; it does so in its own time.
///
/// # Errors
/// The group cannot be frozen.
pub fn freeze(directory: &Path, freeze: bool) -> io::Result<()> {
    let word = if freeze { "1" } else { "0" };
    fs::write(directory.join("cgroup.freeze"), word)
}

/// Whether all processes of the group at a directory and below are frozen (cgroup.events).
///
/// # Errors
/// It cannot be read.
pub fn is_frozen(directory: &Path) -> io::Result<bool> {
    let events = fs::read_to_string(directory.join("cgroup.events"))?;
    Ok(events.lines().any(|line| line == "frozen 1"))
}

fn join_names(parent: &str, leaf: &str) -> String {
    format!("{}/{leaf}", parent.trim_end_matches('/'))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// The directory of a unit: its name, with `_` before what the kernel's own files could be
/// called (`cgroup.x`, `memory.x` ...), as systemd does.
fn escape(unit: &str) -> io::Result<String> {
    if unit.is_empty() || unit.contains(['/', '\0']) {
        let message = format!("\"{unit}\" cannot be the name of a control group");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    const KERNEL: [&str; 16] = [
        "blkio", "cgroup", "cpu", "cpuacct", "cpuset", "devices", "dmem", "freezer", "hugetlb",
        "io", "irq", "memory", "misc", "net_cls", "pids", "rdma",
    ];
    let prefix = unit.split_once('.').map_or(unit, |(prefix, _)| prefix);
    let taken = unit.starts_with(['_', '.']) || KERNEL.contains(&prefix);
    Ok(if taken {
        format!("_{unit}")
    } else {
        unit.to_owned()
    })
}

/// The directories right below; none if the group is gone.
fn children(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}

fn collect_processes(path: &Path, pids: &mut Vec<i32>) -> io::Result<()> {
    match fs::read_to_string(path.join("cgroup.procs")) {
        // 0 is a process that our pid namespace does not know.
        Ok(text) => pids.extend(
            text.lines()
                .filter_map(|line| line.parse::<i32>().ok())
                .filter(|pid| *pid > 0),
        ),
        // A group that went meanwhile (ENOENT, ENODEV) has none; the processes of a threaded
        // group (EOPNOTSUPP) are those of the domain above it.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP)
            ) => {}
        Err(error) => return Err(error),
    }
    for child in children(path)? {
        collect_processes(&child, pids)?;
    }
    Ok(())
}

fn remove_recursively(path: &Path) -> io::Result<()> {
    for child in children(path)? {
        remove_recursively(&child)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests;
