//! The control groups of a process as the kernel has them, whatever the layout of the machine:
//! what a process would read of its own groups.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the groups of a process are.
#[derive(Debug, Clone)]
pub struct Groups {
    /// In version 2.
    pub unified: Option<PathBuf>,
    /// Names of the controllers of each hierarchy of version 1, and the group there.
    pub legacy: Vec<(Vec<String>, PathBuf)>,
}

impl Groups {
    pub fn of(pid: i32) -> Groups {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
        let mut groups = Groups {
            unified: None,
            legacy: Vec::new(),
        };
        for line in text.lines() {
            let fields: Vec<&str> = line.splitn(3, ':').collect();
            let [_, names, path] = fields.as_slice() else {
                panic!("{line} is no line of /proc/PID/cgroup");
            };
            if names.is_empty() {
                groups.unified = mount(None).map(|point| join(&point, path));
            } else {
                let names: Vec<String> = names.split(',').map(str::to_owned).collect();
                if let Some(point) = names.iter().find_map(|name| mount(Some(name))) {
                    groups.legacy.push((names, join(&point, path)));
                }
            }
        }
        groups
    }

    /// The group in the hierarchy of version 1 that has a controller.
    pub fn legacy(&self, controller: &str) -> Option<&Path> {
        let has = |names: &Vec<String>| names.iter().any(|name| name == controller);
        let found = self.legacy.iter().find(|(names, _)| has(names));
        found.map(|(_, path)| path.as_path())
    }

    /// The content of a file that the kernel has in one of the versions: the name in version 2,
    /// or controller and name in version 1.
    pub fn read(&self, unified: &str, (controller, legacy): (&str, &str)) -> Option<String> {
        let ours = self.unified.as_ref().map(|path| path.join(unified));
        let theirs = self.legacy(controller).map(|path| path.join(legacy));
        // Beside version 1, version 2 has files of the name that say nothing of limits.
        let mut paths = [theirs, ours].into_iter().flatten();
        let text = paths.find_map(|path| fs::read_to_string(path).ok())?;
        Some(text.trim_end().to_owned())
    }
}

/// Whether limits of a controller can be set here: it is in version 1 and can be written, or
/// given to the group that daemons of tests are started in.
pub fn has_controller(unified: &str, legacy: &str) -> bool {
    let own = Groups::of(i32::try_from(std::process::id()).expect("pids fit"));
    let writable = |path: &Path| {
        let path = std::ffi::CString::new(path.to_str().expect("it is text")).expect("no NUL");
        nix::unistd::access(path.as_c_str(), nix::unistd::AccessFlags::W_OK).is_ok()
    };
    if own.legacy(legacy).is_some_and(writable) {
        return true;
    }
    let given = std::env::var_os("DD_PM_TEST_GROUP").map(PathBuf::from);
    let offered = given.and_then(|path| fs::read_to_string(path.join("cgroup.controllers")).ok());
    offered.is_some_and(|offered| offered.split_whitespace().any(|name| name == unified))
}

fn join(point: &Path, path: &str) -> PathBuf {
    point.join(path.trim_start_matches('/'))
}

/// Where a hierarchy is mounted as a whole.
fn mount(controller: Option<&str>) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
    let wanted = |line: &&str| {
        let Some((_, after)) = line.split_once(" - ") else {
            return false;
        };
        let mut fields = after.split(' ');
        let (kind, options) = (fields.next(), fields.nth(1).unwrap_or(""));
        match controller {
            None => kind == Some("cgroup2"),
            Some(name) => kind == Some("cgroup") && options.split(',').any(|o| o == name),
        }
    };
    let mut lines = mounts.lines().filter(wanted);
    let point = lines.next()?.split(' ').nth(4)?;
    Some(PathBuf::from(point))
}
