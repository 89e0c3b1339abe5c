//! Makes the group that a daemon is started in fit for it again.
//!
//! Whoever starts a daemon anew where an earlier one was killed puts it into the same group, with
//! the groups of services that go on below it. The kernel refuses that as long as controllers are
//! enabled for those ("no internal processes", cgroup-v2.rst): systemd has no other place for the
//! daemon, before DelegateSubgroup= of 254, and gives up (exit status 219). So they are disabled for the moment it
//! takes; the daemon enables them and sets all limits again when it takes over. What the kernel had
//! counted for memory until then stays with the group above.

use super::layout::own_places;
use super::own::{names, write};
use super::{children, daemon_leaf, leaf};
use std::fs;
use std::io;
use std::path::Path;

/// Where systemd puts the commands of a unit that are not its main one, those of ExecStartPre= apart.
const CONTROL: &str = ".control";

/// Disables all controllers below the group around this process, or around systemd's `.control`
/// in which it is, if an earlier daemon of this label has left a subtree there and is gone itself.
///
/// # Errors
/// It is not gone, or the kernel refuses.
pub fn make_fit(label: &str) -> io::Result<()> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    let cgroup = fs::read_to_string("/proc/self/cgroup")?;
    for place in own_places(&mountinfo, &cgroup) {
        let own = place.without(CONTROL).directory;
        if own.join(leaf(label)).is_dir() {
            return vacate(&own, label);
        }
    }
    Ok(())
}

fn vacate(own: &Path, label: &str) -> io::Result<()> {
    let members = fs::read_to_string(own.join("cgroup.procs")).unwrap_or_default();
    if !members.trim().is_empty() || names(&control(own)).is_empty() {
        return Ok(());
    }
    disable(&own.join(leaf(label)))?;
    let daemon = own.join(daemon_leaf(label));
    if daemon.is_dir() {
        disable(&daemon)?;
    }
    disable_at(own)
}

/// Deepest first: a controller that is in use further down cannot be disabled.
fn disable(directory: &Path) -> io::Result<()> {
    for child in children(directory)? {
        disable(&child)?;
    }
    disable_at(directory)
}

fn disable_at(directory: &Path) -> io::Result<()> {
    let control = control(directory);
    for controller in names(&control) {
        let Some(name) = controller.unified_name() else {
            continue;
        };
        write(&control, &format!("-{name}")).map_err(|error| {
            let text = format!("cannot disable {name} in {}: {error}", control.display());
            io::Error::new(error.kind(), text)
        })?;
    }
    Ok(())
}

fn control(directory: &Path) -> std::path::PathBuf {
    directory.join("cgroup.subtree_control")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_go_from_the_whole_subtree_and_from_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let own = place.path();
        let make = |path: &str, controllers: &str| {
            let directory = own.join(path);
            fs::create_dir_all(&directory).unwrap();
            fs::write(control(&directory), controllers).unwrap();
        };
        make("", "memory\n");
        make("dd-procmgr-x", "memory\n");
        make("dd-procmgr-x/a.slice", "memory\n");
        make("dd-procmgr-x/a.slice/b.service", "");
        make("dd-procmgr-y", "memory\n");
        let read = |path: &str| fs::read_to_string(control(&own.join(path))).unwrap();

        // Somebody is in the group: nothing has to be done for the next one.
        fs::write(own.join("cgroup.procs"), "1\n").unwrap();
        vacate(own, "x").unwrap();
        assert_eq!(read(""), "memory\n");

        fs::write(own.join("cgroup.procs"), "").unwrap();
        vacate(own, "x").unwrap();
        for path in ["", "dd-procmgr-x", "dd-procmgr-x/a.slice"] {
            assert_eq!(read(path), "-memory", "{path}");
        }
        assert_eq!(read("dd-procmgr-x/a.slice/b.service"), "");
        assert_eq!(read("dd-procmgr-y"), "memory\n");
    }
}
