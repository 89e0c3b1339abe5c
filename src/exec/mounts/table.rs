//! The mounts of this process (proc(5), /proc/PID/mountinfo): where, and with which flags. Pure.

use crate::sys::proc::unescape_mount_text;
use std::collections::BTreeMap;

/// Flags of mount(2) that belong to a mount point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountFlags(pub u64);

impl MountFlags {
    /// Nothing can be written.
    pub const READ_ONLY: MountFlags = MountFlags(1);
    /// Set-user-ID bits count for nothing.
    pub const NO_SET_ID: MountFlags = MountFlags(2);
    /// Devices are mere files.
    pub const NO_DEVICES: MountFlags = MountFlags(4);
    /// Nothing can be executed.
    pub const NO_EXECUTE: MountFlags = MountFlags(8);

    /// These and those.
    pub fn with(self, other: MountFlags) -> MountFlags {
        MountFlags(self.0 | other.0)
    }

    /// These without those.
    pub fn without(self, other: MountFlags) -> MountFlags {
        MountFlags(self.0 & !other.0)
    }
}

/// Options as mountinfo shows them.
const OPTIONS: [(&str, u64); 7] = [
    ("ro", 1),
    ("nosuid", 2),
    ("nodev", 4),
    ("noexec", 8),
    ("noatime", 1 << 10),
    ("nodiratime", 1 << 11),
    ("relatime", 1 << 21),
];

/// Mount points by path. Of several at one place the last is the one that is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountTable {
    points: BTreeMap<String, MountFlags>,
}

impl MountTable {
    /// Reads /proc/self/mountinfo; lines that are none are left out.
    pub fn parse(text: &str) -> MountTable {
        let mut table = MountTable::default();
        for line in text.lines() {
            let mut words = line.split(' ').skip(4);
            if let (Some(path), Some(options)) = (words.next(), words.next()) {
                table
                    .points
                    .insert(unescape_mount_text(path), flags(options));
            }
        }
        table
    }

    /// Mount points at a path and below, with their flags.
    pub(super) fn below(&self, path: &str) -> impl Iterator<Item = (&str, MountFlags)> {
        let points = self.points.iter();
        let points = points.filter(move |(point, _)| is_within(point, path));
        points.map(|(point, flags)| (point.as_str(), *flags))
    }

    /// The flags of the mount that a path lies on.
    pub(super) fn flags_at(&self, path: &str) -> MountFlags {
        let mut points = self.points.iter().rev();
        let around = points.find(|(point, _)| is_within(path, point));
        around.map_or(MountFlags::default(), |(_, flags)| *flags)
    }

    pub(super) fn contains(&self, path: &str) -> bool {
        self.points.contains_key(path)
    }

    pub(super) fn insert(&mut self, path: &str, flags: MountFlags) {
        self.points.insert(path.to_owned(), flags);
    }

    /// Forgets everything at a path and below.
    pub(super) fn remove_below(&mut self, path: &str) {
        self.points.retain(|point, _| !is_within(point, path));
    }

    /// The part below a directory, as it looks from there.
    pub(super) fn rooted_at(&self, root: &str) -> MountTable {
        let mut table = MountTable::default();
        table.insert("/", self.flags_at(root));
        for (point, flags) in self.below(root) {
            table.insert(&moved(point, root, "/"), flags);
        }
        table
    }
}

/// Whether a path is another or lies below it.
pub(super) fn is_within(path: &str, other: &str) -> bool {
    other == "/"
        || path
            .strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path within `from` as it is called when that is at `to`.
pub(super) fn moved(path: &str, from: &str, to: &str) -> String {
    let rest = path
        .strip_prefix(from.trim_end_matches('/'))
        .unwrap_or(path);
    let rest = if rest == "/" { "" } else { rest };
    let joined = format!("{}{rest}", to.trim_end_matches('/'));
    if joined.is_empty() {
        "/".to_owned()
    } else {
        joined
    }
}

fn flags(options: &str) -> MountFlags {
    let bit = |option: &str| OPTIONS.iter().find(|(name, _)| *name == option);
    let bits = options.split(',').filter_map(bit);
    MountFlags(bits.fold(0, |all, (_, bit)| all | bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read() {
        let text = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/a rw\n\
                    22 21 0:5 / /proc rw,nosuid,nodev,noexec shared:2 - proc proc rw\n\
                    23 21 0:6 / /mnt/a\\040b ro,noatime - tmpfs tmpfs rw\nnonsense\n";
        let table = MountTable::parse(text);
        assert_eq!(table.flags_at("/usr/lib"), MountFlags(1 << 21));
        assert_eq!(table.flags_at("/proc/1"), MountFlags(2 | 4 | 8));
        assert_eq!(table.flags_at("/mnt/a b"), MountFlags(1 | 1 << 10));
        assert_eq!(table.flags_at("/mnt/a"), MountFlags(1 << 21));
        let below = table.rooted_at("/mnt");
        assert!(below.contains("/a b") && below.contains("/"));
        assert_eq!(below.below("/").count(), 2);
    }

    #[test]
    fn paths_are_compared_by_their_parts() {
        assert!(is_within("/a/b", "/a") && is_within("/a", "/a") && is_within("/a", "/"));
        assert!(!is_within("/ab", "/a") && !is_within("/a", "/a/b"));
        assert_eq!(moved("/a/b", "/a", "/c"), "/c/b");
        assert_eq!(moved("/a", "/a", "/"), "/");
        assert_eq!(moved("/b", "/", "/c"), "/c/b");
    }
}
