//! System V and POSIX objects that a user left behind (systemd.exec(5), RemoveIPC=).
//!
//! Looks at and removes what lies in the daemon's own IPC namespace and on the file systems of
//! /dev; may block.

use crate::sys::ipc::{Kind, remove};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const TABLES: [(Kind, &str); 3] = [
    (Kind::Memory, "/proc/sysvipc/shm"),
    (Kind::Semaphores, "/proc/sysvipc/sem"),
    (Kind::Messages, "/proc/sysvipc/msg"),
];
/// Where POSIX shared memory and message queues show as files.
const DIRECTORIES: [&str; 2] = ["/dev/shm", "/dev/mqueue"];

/// Whose objects are meant; root's never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// Those of this user.
    pub(super) user: Option<u32>,
    /// Those of this group.
    pub(super) group: Option<u32>,
}

impl Owner {
    fn has(self, user: u32, group: u32) -> bool {
        let is = |asked: Option<u32>, id: u32| asked.is_some_and(|asked| asked != 0 && asked == id);
        is(self.user, user) || is(self.group, group)
    }

    fn has_file(self, file: &Metadata) -> bool {
        self.has(file.uid(), file.gid())
    }
}

/// Removes everything that belongs to these; returns what could not be removed, in sentences.
pub(super) fn clean(owner: Owner) -> Vec<String> {
    let mut failures = Vec::new();
    for (kind, path) in TABLES {
        // A kernel without.
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        for id in owned(&text, owner) {
            if let Err(error) = remove(kind, id) {
                failures.push(format!("cannot remove {kind:?} {id}: {error}"));
            }
        }
    }
    for directory in DIRECTORIES {
        clean_directory(Path::new(directory), owner, &mut failures);
    }
    failures
}

/// Whether a user or group of this number has any.
pub(super) fn has_any(id: u32) -> bool {
    let owner = Owner {
        user: Some(id),
        group: Some(id),
    };
    let listed = |(_, path): (Kind, &str)| {
        fs::read_to_string(path).is_ok_and(|text| !owned(&text, owner).is_empty())
    };
    let lies_in = |directory: &str| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut files = entries.filter_map(|entry| entry.metadata().ok());
        files.any(|file| owner.has_file(&file))
    };
    TABLES.into_iter().any(listed) || DIRECTORIES.into_iter().any(lies_in)
}

/// The ids of a table of /proc/sysvipc that belong to somebody. The first line names the
/// columns; the id is the second.
fn owned(table: &str, owner: Owner) -> Vec<i32> {
    let mut lines = table.lines().map(|line| line.split_whitespace());
    let names: Vec<&str> = lines.next().map(Iterator::collect).unwrap_or_default();
    let place = |name: &str| names.iter().position(|n| *n == name);
    let (Some(user), Some(group)) = (place("uid"), place("gid")) else {
        return Vec::new();
    };
    lines
        .filter_map(|line| {
            let words: Vec<&str> = line.collect();
            let number = |at: usize| words.get(at)?.parse::<u32>().ok();
            let belongs = owner.has(number(user)?, number(group)?);
            words.get(1)?.parse().ok().filter(|_| belongs)
        })
        .collect()
}

fn clean_directory(directory: &Path, owner: Owner, failures: &mut Vec<String>) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let Ok(file) = entry.metadata() else { continue };
        if file.is_dir() {
            clean_directory(&path, owner, failures);
        }
        if !owner.has_file(&file) {
            continue;
        }
        let removed = match file.is_dir() {
            true => fs::remove_dir(&path),
            false => fs::remove_file(&path),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                failures.push(format!("cannot remove {}: {error}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid\n\
                         \x20         0         3   600                     4     1     1      0  1000   100  1000   100\n\
                         \x20         0         7   600                     4     1     1      0     0     0     0     0\n";

    #[test]
    fn tables_are_read_by_their_columns() {
        let ids = |user, group| owned(TABLE, Owner { user, group });
        assert_eq!(ids(Some(1000), None), [3]);
        assert_eq!(ids(None, Some(100)), [3]);
        assert_eq!(ids(Some(1), Some(1)), [] as [i32; 0]);
        // Root's are never meant.
        assert_eq!(ids(Some(0), Some(0)), [] as [i32; 0]);
        assert_eq!(
            owned(
                "",
                Owner {
                    user: Some(1),
                    group: None
                }
            ),
            [] as [i32; 0]
        );
    }
}
