//! Control groups: which layout the machine has, a group per unit below those of its slices, who
//! is in it, when it is empty, and what its processes may use.
//!
//! Layouts: v2 mounted at /sys/fs/cgroup; the unified side of a hybrid (/sys/fs/cgroup/unified);
//! none that can be written (then a unit's processes are known by process group, session and
//! the subreaper). Never touches a group that this daemon did not make.

mod assembly;
pub mod controller;
pub mod controls;
mod device;
pub mod devices;
pub mod layout;
pub mod network;
mod own;
pub mod plan;
pub mod usage;
mod vacate;
pub mod watch;

pub use vacate::make_fit;

use crate::sys::numbers::up;
use controls::GroupPath;

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
    /// The group the daemon was started in.
    own: PathBuf,
    /// The same as /proc/PID/cgroup named it.
    own_name: String,
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
    found: bool,
}

impl Tree {
    /// Finds the layout and makes this daemon's subtree `dd-procmgr-<label>` below its own
    /// group, or takes over the one that an earlier daemon of this label left; `None` where no
    /// v2 hierarchy can be written.
    pub fn open(label: &str) -> Option<Tree> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
        let daemon = daemon_leaf(label);
        layout::own_places(&mountinfo, &cgroup)
            .into_iter()
            .map(|place| place.without(&daemon))
            .find_map(|place| Tree::make(&place, label))
    }

    fn make(place: &Place, label: &str) -> Option<Tree> {
        let leaf = leaf(label);
        let tree = Tree {
            layout: place.layout,
            root: place.directory.join(&leaf),
            name: join_names(&place.name, &leaf),
            own: place.directory.clone(),
            own_name: place.name.clone(),
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
        let own = place.root.parent().unwrap_or(&place.root).to_owned();
        let own_name = match place.name.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((above, _)) => above,
        };
        Tree {
            layout: place.layout,
            own,
            own_name: own_name.to_owned(),
            root: place.root,
            name: place.name,
        }
    }

    /// The way to the group of a unit: this one, or where it lies if the unit was in other slices
    /// when it was made; `None` if there is none.
    pub fn find(&self, path: GroupPath) -> Option<GroupPath> {
        if self.directory(&path).is_dir() {
            return Some(path);
        }
        let leaf = path.last()?;
        let mut waiting: Vec<GroupPath> = vec![Vec::new()];
        while let Some(slice) = waiting.pop() {
            let below = children(&self.directory(&slice)).unwrap_or_default();
            for directory in below {
                let name = directory.file_name()?.to_str()?.to_owned();
                let mut path = slice.clone();
                path.push(name.clone());
                if name == *leaf {
                    return Some(path);
                }
                if name.ends_with(".slice") {
                    waiting.push(path);
                }
            }
        }
        None
    }

    /// A tree of plain directories, for tests of what reads and writes its files.
    #[cfg(test)]
    pub(crate) fn fake(root: &Path) -> Tree {
        Tree {
            layout: Layout::Unified,
            root: root.to_owned(),
            name: "/fake".to_owned(),
            own: root.to_owned(),
            own_name: "/".to_owned(),
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

    /// The directory of the group the daemon was started in.
    fn own_directory(&self) -> &Path {
        &self.own
    }

    /// The same as /proc/PID/cgroup named it.
    fn own_name(&self) -> &str {
        &self.own_name
    }

    /// Makes or opens the group of a unit, and those above it.
    ///
    /// # Errors
    /// A directory cannot be made or opened.
    pub fn group(&self, path: &[String]) -> io::Result<Group> {
        let (path, found) = self.make_group(path)?;
        let leaf = path.strip_prefix(&self.root).unwrap_or(&path);
        let leaf = leaf.to_string_lossy().into_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Group {
            directory: up(rustix::fs::open(&path, flags, Mode::empty())?),
            path,
            name: join_names(&self.name, &leaf),
            found,
        })
    }

    /// The directory of a group, and whether it was there. Those above it mostly are.
    fn make_group(&self, path: &[String]) -> io::Result<(PathBuf, bool)> {
        let whole = self.directory(path);
        match fs::create_dir(&whole) {
            Ok(()) => return Ok((whole, false)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok((whole, true)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut at = self.root.clone();
        for part in path {
            at.push(part);
            make_directory(&at)?;
        }
        Ok((at, false))
    }

    /// Where the group at a path is, whether it is there or not.
    pub fn directory(&self, path: &[String]) -> PathBuf {
        below(&self.root, path)
    }

    /// Its name, as /proc/PID/cgroup would have it.
    pub fn name_of(&self, path: &[String]) -> String {
        match path {
            [] => self.name.clone(),
            path => join_names(&self.name, &path.join("/")),
        }
    }

    /// Removes the group of a slice if it is empty; says whether it did.
    pub fn prune(&self, path: &[String]) -> bool {
        !path.is_empty() && fs::remove_dir(self.directory(path)).is_ok()
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
    /// Opens it, or a group right below that is made if it is not there and then belongs to this
    /// user and group.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn open(&self, below: Option<&str>, owner: Option<(u32, u32)>) -> io::Result<OwnedFd> {
        let Some(below) = below else {
            return self.directory.try_clone();
        };
        let path = self.path.join(below);
        make_directory(&path)?;
        if let Some((user, group)) = owner {
            give(&path, DELEGATED, user, group)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&path, flags, Mode::empty())?)
    }

    /// Hands the group over to the unit's processes: marks it as systemd does, so that who
    /// looks for it knows, and gives it to a user and group if there are any.
    ///
    /// # Errors
    /// It cannot be given away.
    pub fn hand_over(&self, owner: Option<(u32, u32)>) -> io::Result<()> {
        for mark in ["trusted.delegate", "user.delegate"] {
            // Not every kernel and not everybody can.
            let flags = rustix::fs::XattrFlags::empty();
            let _ = rustix::fs::fsetxattr(&self.directory, mark, b"1", flags);
        }
        match owner {
            Some((user, group)) => give(&self.path, DELEGATED, user, group),
            None => Ok(()),
        }
    }

    /// Lets a user and group watch the group's memory pressure.
    ///
    /// # Errors
    /// It cannot be given away.
    pub fn share_pressure(&self, owner: Option<(u32, u32)>) -> io::Result<()> {
        match owner {
            Some((user, group)) => give_file(&self.path.join("memory.pressure"), user, group),
            None => Ok(()),
        }
    }

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

    /// Whether it was there before, left by an earlier daemon.
    pub fn was_found(&self) -> bool {
        self.found
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
        counted(&self.memory_events_path())
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
        // Most are asked when their last process has ended.
        if !self.populated().unwrap_or(true) {
            return Ok(Vec::new());
        }
        processes_below(&self.path)
    }

    /// Reads what fits of one of its files, in the fewest calls: this is done at every end of a
    /// process.
    fn read<'a>(&self, file: &str, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, file, flags, Mode::empty())?;
        let count = rustix::io::read(&file, &mut *buffer)?;
        Ok(&buffer[..count])
    }

    /// Whether any process is in it or below (cgroup.events `populated`).
    ///
    /// # Errors
    /// It cannot be read.
    pub fn populated(&self) -> io::Result<bool> {
        let mut buffer = [0; 256];
        let events = self.read("cgroup.events", &mut buffer)?;
        let mut lines = events.split(|byte| *byte == b'\n');
        Ok(lines.any(|line| line == b"populated 1"))
    }

    /// Removes it if it has neither processes nor groups below; whether it did.
    pub fn remove_if_bare(&self) -> bool {
        fs::remove_dir(&self.path).is_ok()
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

/// What belongs to whoever manages the groups below one (cgroup-v2.rst, "Delegation").
const DELEGATED: [&str; 3] = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/// Gives a group and some of its files to a user and group.
fn give(path: &Path, files: [&str; 3], user: u32, group: u32) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(user), Some(group))?;
    for file in files {
        give_file(&path.join(file), user, group)?;
    }
    Ok(())
}

fn give_file(path: &Path, user: u32, group: u32) -> io::Result<()> {
    match std::os::unix::fs::chown(path, Some(user), Some(group)) {
        // Not every kernel has every file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The same of a group of version 1 (memory.oom_control `oom_kill`).
pub fn legacy_memory_kills(directory: &Path) -> u64 {
    counted(&directory.join("memory.oom_control"))
}

/// The line `oom_kill` of a file; 0 where the kernel does not count.
fn counted(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        .next()
        .unwrap_or(0)
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

/// The directory of the subtree of a daemon.
fn leaf(label: &str) -> String {
    format!("dd-procmgr-{}", label.replace('/', "-"))
}

/// Where a daemon goes that has to leave its own group.
fn daemon_leaf(label: &str) -> String {
    format!("{}-daemon", leaf(label))
}

/// The way to the group of a unit in slices, the outermost first.
///
/// # Errors
/// A name that cannot be one of a group.
pub fn group_path<'a>(
    slices: impl Iterator<Item = &'a str>,
    unit: &'a str,
) -> io::Result<GroupPath> {
    slices.chain([unit]).map(escape).collect()
}

/// The directory of a group in a subtree.
fn below(root: &Path, path: &[String]) -> PathBuf {
    let length: usize = path.iter().map(|part| part.len() + 1).sum();
    let mut directory = PathBuf::with_capacity(root.as_os_str().len() + length);
    directory.push(root);
    directory.extend(path);
    directory
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

fn processes_below(path: &Path) -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    collect_processes(path, &mut pids)?;
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
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
    let remove = || match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    // Most have none below.
    if remove().is_ok() {
        return Ok(());
    }
    for child in children(path)? {
        remove_recursively(&child)?;
    }
    remove()
}

#[cfg(test)]
mod tests;
