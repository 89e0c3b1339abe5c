//! Where the v2 hierarchy is mounted and which of its groups is ours. Pure: from the texts of
//! /proc/self/mountinfo and /proc/self/cgroup (proc_pid_mountinfo(5), cgroups(7)).

use super::controller::Controller;
use crate::sys::proc::{unescape_mount, unified_group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// How a machine's control groups are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// v2 alone.
    Unified,
    /// v1 controllers, and v2 for grouping processes beside them.
    Hybrid,
}

/// A group of the v2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How its machine is laid out.
    pub layout: Layout,
    /// Its directory.
    pub directory: PathBuf,
    /// As /proc/PID/cgroup names it.
    pub name: String,
}

impl Place {
    /// The place itself, or the one around it if it is the leaf of this name.
    pub(super) fn without(self, leaf: &str) -> Place {
        let (Some(parent), Some(name)) = (self.directory.parent(), self.name.strip_suffix(leaf))
        else {
            return self;
        };
        let name = match name {
            "/" => "/",
            name => match name.strip_suffix('/') {
                Some(name) => name,
                None => return self,
            },
        };
        Place {
            layout: self.layout,
            directory: parent.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// The places at which our own group can be reached, the customary mount point first.
pub fn own_places(mountinfo: &str, cgroup: &str) -> Vec<Place> {
    let Some(name) = unified_group(cgroup).filter(|name| is_inside(name)) else {
        return Vec::new();
    };
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    let layout = if mounts.iter().any(|m| m.kind == "cgroup") {
        Layout::Hybrid
    } else {
        Layout::Unified
    };
    let mut places: Vec<Place> = mounts
        .iter()
        .filter(|mount| mount.kind == "cgroup2")
        .filter_map(|mount| {
            Some(Place {
                layout,
                directory: below(mount, name)?,
                name: name.to_owned(),
            })
        })
        .collect();
    places.sort_by_key(|place| !place.directory.starts_with("/sys/fs/cgroup"));
    places
}

/// For each controller that is in a hierarchy of version 1, the directory of our own group there.
pub fn own_legacy(mountinfo: &str, cgroup: &str) -> BTreeMap<Controller, PathBuf> {
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    let mut found = BTreeMap::new();
    for line in cgroup.lines() {
        // Number of the hierarchy, its controllers, our group.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let names: Vec<&str> = names.split(',').collect();
        let controllers = Controller::ALL.into_iter();
        for controller in controllers.filter(|c| names.contains(&c.legacy_name())) {
            let has = |mount: &&Mount| {
                let mut options = mount.options.split(',');
                mount.kind == "cgroup" && options.any(|name| name == controller.legacy_name())
            };
            let mut places = mounts.iter().filter(has).filter_map(|m| below(m, group));
            if let Some(place) = places.next().filter(|_| is_inside(group)) {
                found.insert(controller, place);
            }
        }
    }
    found
}

struct Mount<'a> {
    /// Which directory of the hierarchy is mounted.
    root: PathBuf,
    point: PathBuf,
    kind: &'a str,
    /// Those of the file system.
    options: &'a str,
}

/// Fields are: id, parent, device, root, mount point, options, any number of optional fields,
/// `-`, type, source, options.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let mut of_system = after.split(' ');
    Some(Mount {
        root: unescape(fields.next()?),
        point: unescape(fields.next()?),
        kind: of_system.next()?,
        options: of_system.nth(1).unwrap_or(""),
    })
}

fn unescape(text: &str) -> PathBuf {
    OsString::from_vec(unescape_mount(text)).into()
}

/// Where a group lies under a mount of the hierarchy, if it does.
fn below(mount: &Mount<'_>, name: &str) -> Option<PathBuf> {
    if !is_inside(mount.root.to_str()?) {
        return None;
    }
    let relative = Path::new(name).strip_prefix(&mount.root).ok()?;
    // Joining an empty path would leave a slash at the end.
    if relative.as_os_str().is_empty() {
        return Some(mount.point.clone());
    }
    Some(mount.point.join(relative))
}

/// A group outside our cgroup namespace is named by a way up (`/../x`).
fn is_inside(name: &str) -> bool {
    name.starts_with('/') && !name.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
23 1 0:22 / / rw - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw
";

    fn one(mountinfo: &str, cgroup: &str) -> Place {
        let places = own_places(mountinfo, cgroup);
        assert_eq!(places.len(), 1, "{places:?}");
        places[0].clone()
    }

    #[test]
    fn the_unified_side_of_a_hybrid() {
        let place = one(HYBRID, "4:memory:/elsewhere\n0::/\n");
        assert_eq!(place.layout, Layout::Hybrid);
        assert_eq!(place.directory, Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(place.name, "/");
    }

    #[test]
    fn v2_alone() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let place = one(mounts, "0::/system.slice/dd-procmgrd.service\n");
        assert_eq!(place.layout, Layout::Unified);
        let directory = "/sys/fs/cgroup/system.slice/dd-procmgrd.service";
        assert_eq!(place.directory, Path::new(directory));
        assert_eq!(place.name, "/system.slice/dd-procmgrd.service");
    }

    #[test]
    fn a_container_without_a_cgroup_namespace_sees_its_part() {
        let mounts = "30 23 0:26 /docker/1a /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let place = one(mounts, "0::/docker/1a/inner\n");
        assert_eq!(place.directory, Path::new("/sys/fs/cgroup/inner"));
        let place = one(mounts, "0::/docker/1a\n");
        assert_eq!(place.directory, Path::new("/sys/fs/cgroup"));
        // Another container's name may begin alike.
        assert_eq!(own_places(mounts, "0::/docker/1ab\n"), []);
    }

    #[test]
    fn controllers_of_version_1() {
        let mounts = "\
35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
36 31 0:33 /docker/1a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
";
        let cgroup = "9:name=systemd:/a\n4:memory:/docker/1a/x\n2:cpu,cpuacct:/\n1:pids:/\n0::/\n";
        let found = own_legacy(mounts, cgroup);
        let cpu = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct");
        let wanted = [
            (Controller::Cpu, cpu.clone()),
            (Controller::CpuAccounting, cpu),
            (Controller::Memory, "/sys/fs/cgroup/memory/x".into()),
        ];
        assert_eq!(found, BTreeMap::from(wanted));
        assert!(own_legacy(mounts, "4:memory:/../x\n").is_empty());
    }

    #[test]
    fn nothing_outside_the_namespace_is_taken() {
        assert_eq!(own_places(HYBRID, "0::/../other\n"), []);
        let above = "30 23 0:26 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(own_places(above, "0::/\n"), []);
    }

    #[test]
    fn none_without_v2() {
        let v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(own_places(v1, "4:memory:/\n"), []);
        assert_eq!(own_places(v1, "4:memory:/\n0::/\n"), []);
        assert_eq!(own_places("", ""), []);
    }

    #[test]
    fn the_customary_place_comes_first_and_blanks_are_restored() {
        let mounts = "\
29 23 0:26 / /mnt/my\\040cgroups rw - cgroup2 cgroup2 rw
30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
";
        let places = own_places(mounts, "0::/\n");
        assert_eq!(places[0].directory, Path::new("/sys/fs/cgroup"));
        assert_eq!(places[1].directory, Path::new("/mnt/my cgroups"));
    }
}
