//! Which mounts a unit's settings come to: operations in order, for a mount namespace of its
//! own. Pure: what is mounted and what lies where comes in.
//!
//! The new root is put together at a place of its own, where the machine's root is bound first,
//! and becomes the root at the end: so what is shown somewhere comes from the machine as it is,
//! however the unit's own view of it changes (as systemd does it).
//!
//! A rule for a path holds for everything mounted below, except where another rule for the same
//! thing (writing, executing) stands for a path below. Rules for a path that is no mount point
//! make it one.

mod arrange;
mod entries;
mod table;

use crate::sys::program::Operation;
use crate::unit::config::ExecConfig;
use arrange::{Arranged, arrange};
use entries::{Mode, entries};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Debug;

pub use entries::Sources;
pub use table::{MountFlags, MountTable};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

/// The files of the machine.
pub trait Files: Debug {
    /// Where a path of a root leads, links followed within that root as far as there is
    /// something, and what is there.
    fn find(&self, root: &str, path: &str) -> (String, Found);
}

/// The files where /proc shows processes and nothing else (ProcSubset=pid).
#[derive(Debug)]
struct WithoutMachine<'a>(&'a dyn Files);

impl Files for WithoutMachine<'_> {
    fn find(&self, root: &str, path: &str) -> (String, Found) {
        let (path, found) = self.0.find(root, path);
        let name = path.strip_prefix("/proc/").unwrap_or_default();
        let name = name.split('/').next().unwrap_or_default();
        let is_process = name.bytes().all(|byte| byte.is_ascii_digit());
        match is_process || name == "self" || name == "thread-self" {
            true => (path, found),
            false => (path, Found::Missing),
        }
    }
}

/// What mounts are made from.
#[derive(Debug, Clone, Copy)]
pub struct MountInput<'a> {
    /// What is mounted.
    pub table: &'a MountTable,
    /// What lies where.
    pub files: &'a dyn Files,
    /// What the daemon adds.
    pub sources: &'a Sources,
    /// The directory with `root`, where the new root is put together, and with the empty
    /// `inaccessible` and `inaccessible-file`.
    pub place: &'a str,
}

/// One operation, and the directive it is for.
#[derive(Debug)]
pub struct MountStep {
    /// The directive; empty for what all need.
    pub setting: &'static str,
    /// What is done.
    pub operation: Operation<'static>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// A path that is not optional.
    #[error("{0}= names {1}, which is not there")]
    Missing(&'static str, String),
    /// It cannot be a path.
    #[error("{0} holds a NUL byte")]
    Nul(String),
}

/// MS_SHARED and MS_SLAVE of mount(2).
const SHARED: u64 = 1 << 20;
const SLAVE: u64 = 1 << 19;

/// The operations, from the first behind unshare(2) on. One that refuses, but may be left out,
/// stands for a path that is not there.
///
/// # Errors
/// See [`MountError`].
pub fn mounts(exec: &ExecConfig, input: &MountInput<'_>) -> Result<Vec<MountStep>, MountError> {
    let isolation = &exec.isolation;
    let machine_root = isolation.root.as_deref().unwrap_or("/");
    let (mut root, found) = input.files.find("/", machine_root);
    let mut missing = Vec::new();
    if found != Found::Directory {
        missing.push(MountError::Missing(
            "RootDirectory",
            machine_root.to_owned(),
        ));
        root = "/".to_owned();
    }
    let processes_only = WithoutMachine(input.files);
    let files: &dyn Files = match isolation.processes_only {
        true => &processes_only,
        false => input.files,
    };
    let arranged = arrange(entries(exec, input.sources), &root, files, &mut missing)?;
    let mut refused = Vec::new();
    for error in missing {
        match &error {
            MountError::Missing(setting, _) if exec.allow_degraded.contains(*setting) => {
                let operation = Operation::Refuse(error.to_string());
                refused.push(MountStep { setting, operation });
            }
            MountError::Missing(..) | MountError::Nul(_) => return Err(error),
        }
    }
    let mut builder = Builder {
        input,
        place: format!("{}/root", input.place),
        table: input.table.rooted_at(&root),
        wanted: BTreeMap::new(),
        steps: refused,
    };
    builder.push("", Operation::Propagation(SLAVE));
    builder.bind("", &root, "/", true)?;
    for entry in &arranged {
        builder.place(entry)?;
    }
    builder.restrict(&arranged, exec.no_new_privileges);
    builder.remount()?;
    let place = c_string(&builder.place)?;
    builder.push("", Operation::PivotRoot(place));
    let propagation = isolation.propagation.unwrap_or(SHARED);
    builder.push("", Operation::Propagation(propagation));
    Ok(builder.steps)
}

/// The new root as it comes together.
struct Builder<'a> {
    input: &'a MountInput<'a>,
    /// Where it is put together.
    place: String,
    /// What is mounted in it by now, with the flags each mount has.
    table: MountTable,
    /// The flags that mounts are to have, and for whom.
    wanted: BTreeMap<String, (MountFlags, &'static str)>,
    steps: Vec<MountStep>,
}

impl Builder<'_> {
    fn push(&mut self, setting: &'static str, operation: Operation<'static>) {
        self.steps.push(MountStep { setting, operation });
    }

    /// A path of the new root while it is put together.
    fn inside(&self, path: &str) -> Result<CString, MountError> {
        c_string(&table::moved(path, "/", &self.place))
    }

    fn bind(
        &mut self,
        setting: &'static str,
        from: &str,
        to: &str,
        recursive: bool,
    ) -> Result<(), MountError> {
        let operation = Operation::Bind {
            from: c_string(from)?,
            to: self.inside(to)?,
            recursive,
        };
        self.push(setting, operation);
        Ok(())
    }

    /// Makes what an entry asks for, but for restrictions of what is there.
    fn place(&mut self, entry: &Arranged) -> Result<(), MountError> {
        let (path, setting) = (entry.path.as_str(), entry.setting);
        match &entry.mode {
            Mode::Inaccessible => {
                let node = match entry.found {
                    Found::File => "inaccessible-file",
                    Found::Directory | Found::Missing => "inaccessible",
                };
                let node = format!("{}/{node}", self.input.place);
                self.show(setting, &node, path, false)?;
                let closed = self.table.flags_at(path).with(MountFlags(0xf));
                self.wanted.insert(path.to_owned(), (closed, setting));
            }
            Mode::Bind {
                from, recursive, ..
            } => {
                let (from, found) = self.input.files.find("/", from);
                self.make_point(setting, path, found != Found::File)?;
                self.show(setting, &from, path, *recursive)?;
            }
            Mode::MachinesOwn => {
                if !self.table.contains(path) {
                    self.make_point(setting, path, true)?;
                    self.show(setting, path, path, true)?;
                }
            }
            Mode::Processes(options) => self.mount(setting, "proc", options, 0xe, path)?,
            Mode::Queues => {
                self.make_point(setting, path, true)?;
                self.mount(setting, "mqueue", "", 0xe, path)?;
            }
            Mode::Temporary { options, flags } => {
                self.make_point(setting, path, true)?;
                let open = MountFlags(*flags).without(MountFlags::READ_ONLY);
                self.mount(setting, "tmpfs", options, open.0, path)?;
            }
            Mode::Devices => self.devices(setting)?,
            Mode::ReadOnly | Mode::ReadWrite | Mode::NoExecute | Mode::Execute => {
                if !self.table.contains(path) {
                    let flags = self.table.flags_at(path);
                    let itself = self.inside(path)?;
                    let operation = Operation::Bind {
                        from: itself.clone(),
                        to: itself,
                        recursive: true,
                    };
                    self.push(setting, operation);
                    self.table.insert(path, flags);
                }
            }
        }
        Ok(())
    }

    /// Shows something of the machine at a path.
    fn show(
        &mut self,
        setting: &'static str,
        from: &str,
        to: &str,
        recursive: bool,
    ) -> Result<(), MountError> {
        self.bind(setting, from, to, recursive)?;
        self.table.remove_below(to);
        let machine = self.input.table;
        self.table.insert(to, machine.flags_at(from));
        if recursive {
            for (point, flags) in machine.below(from) {
                self.table.insert(&table::moved(point, from, to), flags);
            }
        }
        Ok(())
    }

    fn mount(
        &mut self,
        setting: &'static str,
        kind: &str,
        options: &str,
        flags: u64,
        path: &str,
    ) -> Result<(), MountError> {
        let operation = Operation::Mount {
            kind: c_string(kind)?,
            options: c_string(options)?,
            flags,
            to: self.inside(path)?,
        };
        self.push(setting, operation);
        self.table.remove_below(path);
        self.table.insert(path, MountFlags(flags));
        Ok(())
    }

    /// Makes the directory or file that something is mounted on, if there is none.
    fn make_point(
        &mut self,
        setting: &'static str,
        path: &str,
        directory: bool,
    ) -> Result<(), MountError> {
        let parents = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
        let parents: Result<Vec<CString>, _> = parents.map(|parent| self.inside(parent)).collect();
        let operation = Operation::MountPoint {
            parents: parents?,
            path: self.inside(path)?,
            directory,
        };
        self.push(setting, operation);
        Ok(())
    }

    /// A /dev with harmless devices (systemd.exec(5), PrivateDevices=).
    fn devices(&mut self, setting: &'static str) -> Result<(), MountError> {
        self.mount(
            setting,
            "tmpfs",
            "mode=755,size=4m,nr_inodes=64k",
            0xa | 1 << 24,
            "/dev",
        )?;
        for (name, major, minor) in DEVICES {
            let path = format!("/dev/{name}");
            let operation = Operation::Device {
                from: c_string(&path)?,
                path: self.inside(&path)?,
                major,
                minor,
            };
            self.push(setting, operation);
        }
        // Programs find devices by their numbers, too.
        self.make_point(setting, "/dev/char", true)?;
        for (name, major, minor) in DEVICES {
            let operation = Operation::SymbolicLink {
                target: c_string(&format!("../{name}"))?,
                path: self.inside(&format!("/dev/char/{major}:{minor}"))?,
            };
            self.push(setting, operation);
        }
        for path in ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages"] {
            self.make_point(setting, path, true)?;
            if self.input.files.find("/", path).1 == Found::Directory {
                self.show(setting, path, path, true)?;
            }
        }
        for (path, target) in DEVICE_LINKS {
            let operation = Operation::SymbolicLink {
                target: c_string(target)?,
                path: self.inside(path)?,
            };
            self.push(setting, operation);
        }
        let closed = self.table.flags_at("/dev").with(MountFlags::READ_ONLY);
        self.wanted.insert("/dev".to_owned(), (closed, setting));
        Ok(())
    }

    /// Decides on the flags of every mount.
    fn restrict(&mut self, arranged: &[Arranged], no_new_privileges: bool) {
        self.spread(arranged, MountFlags::READ_ONLY, |entry| entry.read_only);
        self.spread(arranged, MountFlags::NO_EXECUTE, |entry| entry.no_execute);
        if no_new_privileges {
            self.spread(arranged, MountFlags::NO_SET_ID, |_| Some(true));
        }
    }

    /// Sets a flag on everything mounted at and below the paths that ask for it, but for what
    /// another path below has its own say about.
    fn spread(
        &mut self,
        arranged: &[Arranged],
        flag: MountFlags,
        asks: impl Fn(&Arranged) -> Option<bool>,
    ) {
        for entry in arranged.iter().filter(|entry| asks(entry) == Some(true)) {
            let own_say = |point: &str| {
                arranged.iter().any(|other| {
                    other.path != entry.path
                        && table::is_within(&other.path, &entry.path)
                        && table::is_within(point, &other.path)
                        && asks(other).is_some()
                })
            };
            let points = self.table.below(&entry.path);
            for (point, flags) in points.filter(|(point, _)| !own_say(point)) {
                let place = self.wanted.entry(point.to_owned());
                let (wanted, _) = place.or_insert((flags, entry.setting));
                *wanted = wanted.with(flag);
            }
        }
    }

    /// Changes the flags of the mounts that are to have others.
    fn remount(&mut self) -> Result<(), MountError> {
        for (path, (flags, setting)) in std::mem::take(&mut self.wanted) {
            if flags == self.table.flags_at(&path) {
                continue;
            }
            let operation = Operation::Remount {
                path: self.inside(&path)?,
                flags: flags.0,
            };
            self.push(setting, operation);
        }
        Ok(())
    }
}

/// Name, major and minor number.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const DEVICE_LINKS: [(&str, &str); 6] = [
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/log", "/run/systemd/journal/dev-log"),
];

fn c_string(text: &str) -> Result<CString, MountError> {
    CString::new(text).map_err(|_| MountError::Nul(text.replace('\0', "\\0")))
}

#[cfg(test)]
mod tests;
