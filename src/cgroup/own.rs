//! The daemon's own group of version 2: whether controllers can be enabled for the groups below
//! it.
//!
//! A group with processes cannot have controllers enabled below it, unless it is the root of the
//! hierarchy ("no internal processes"). Where the group was handed over to us, as Delegate= of
//! systemd and containers do, and we are alone in it, we go into a group of our own beside those
//! of the units. Nobody else's process is ever moved.

use super::controller::Controller;
use super::make_directory;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The group the daemon was started in.
#[derive(Debug)]
pub(super) struct OwnGroup {
    directory: PathBuf,
    /// Where the daemon goes if it has to.
    leaf: PathBuf,
    /// What can be enabled for groups below.
    pub(super) controllers: BTreeSet<Controller>,
}

impl OwnGroup {
    /// Looks what the group at a directory offers, and goes out of its way if that helps. `name`
    /// is as /proc/PID/cgroup has it.
    ///
    /// # Errors
    /// Why no controller can be enabled, in a sentence.
    pub(super) fn take(directory: &Path, name: &str, leaf: &str) -> Result<OwnGroup, String> {
        let offered = names(&directory.join("cgroup.controllers"));
        if offered.is_empty() {
            return Err("the daemon was given none in its control group".to_owned());
        }
        let own = OwnGroup {
            directory: directory.to_owned(),
            leaf: directory.join(leaf),
            controllers: offered,
        };
        if !names(&own.subtree_control()).is_empty() {
            return Ok(own);
        }
        // The root of the hierarchy has no type, and may have processes. In any other group the
        // kernel would take some controllers beside processes, but then makes the groups below
        // unfit for processes.
        if directory.join("cgroup.type").exists() && !own.members().is_empty() {
            own.make_way(name)?;
        }
        // With one that is needed in any case it shows whether any can be enabled.
        let usual = [Controller::Tasks, Controller::Memory].into_iter();
        let mut all = usual.chain(own.controllers.iter().copied());
        if let Some(first) = all.find(|controller| own.controllers.contains(controller)) {
            enable(directory, first)
                .map_err(|error| format!("{}: {error}", own.subtree_control().display()))?;
        }
        Ok(own)
    }

    /// The processes right in the group.
    fn members(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Where controllers are enabled for the groups below.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn subtree_control(&self) -> PathBuf {
        self.directory.join("cgroup.subtree_control")
    }

    /// Moves the daemon out of the group.
    fn make_way(&self, name: &str) -> Result<(), String> {
        if name != "/" && !is_handed_over(&self.directory) {
            return Err(
                "the daemon's control group was not delegated to it (Delegate=)".to_owned(),
            );
        }
        let me = std::process::id().to_string();
        if self.members().iter().any(|pid| *pid != me) {
            return Err("other processes are in the daemon's control group".to_owned());
        }
        make_directory(&self.leaf)
            .and_then(|()| write(&self.leaf.join("cgroup.procs"), "0"))
            .map_err(|error| format!("{}: {error}", self.leaf.display()))
    }

    /// Goes back, so that nothing of ours is left. What cannot be undone stays.
    pub(super) fn give_back(self) {
        if !self.leaf.exists() {
            return;
        }
        for controller in names(&self.subtree_control()) {
            if let Some(name) = controller.unified_name() {
                let _ = write(&self.subtree_control(), &format!("-{name}"));
            }
        }
        let back = write(&self.directory.join("cgroup.procs"), "0");
        let _ = back.and_then(|()| fs::remove_dir(&self.leaf));
    }
}

/// Enables a controller for the groups below the one at a directory.
///
/// # Errors
/// The kernel refuses.
pub(super) fn enable(directory: &Path, controller: Controller) -> io::Result<()> {
    let Some(name) = controller.unified_name() else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    write(
        &directory.join("cgroup.subtree_control"),
        &format!("+{name}"),
    )
}

/// Controllers named in a file.
pub(super) fn names(file: &Path) -> BTreeSet<Controller> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let names = text.split_whitespace();
    names.filter_map(Controller::named).collect()
}

/// Writes a value; never makes a file.
///
/// # Errors
/// It is not there, or the kernel refuses.
pub(super) fn write(file: &Path, value: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(file)?;
    file.write_all(value.as_bytes())
}

/// Whether whoever manages the group above has left this one to us: systemd marks such groups,
/// and an unprivileged user could not write to any other.
fn is_handed_over(directory: &Path) -> bool {
    let mark = |name: &str| {
        let mut value = [0u8; 8];
        let read = rustix::fs::getxattr(directory, name, &mut value);
        read.is_ok_and(|length| value.get(..length) == Some(b"1"))
    };
    mark("trusted.delegate") || mark("user.delegate") || !rustix::process::geteuid().is_root()
}
