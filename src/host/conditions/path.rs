//! Conditions on paths. What cannot be reached does not hold.

use crate::host::disk;
use rustix::fs::{Access, StatVfsMountFlags};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Links are followed, so a dangling one does not exist.
pub(in crate::host) fn exists(path: &str) -> bool {
    rustix::fs::access(path, Access::EXISTS).is_ok()
}

pub(in crate::host) fn exists_glob(pattern: &str) -> bool {
    glob::glob(pattern).is_ok_and(|mut paths| paths.any(|path| path.is_ok()))
}

pub(super) fn is_directory(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

pub(super) fn is_link(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

pub(super) fn is_mount_point(path: &str) -> bool {
    fs::canonicalize(path).is_ok_and(|real| disk::is_mounted(&real.to_string_lossy()))
}

/// On a file system that is not mounted read-only.
pub(super) fn is_read_write(path: &str) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|fs| !fs.f_flag.contains(StatVfsMountFlags::RDONLY))
}

pub(super) fn directory_not_empty(path: &str) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

pub(super) fn file_not_empty(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
}

pub(super) fn file_is_executable(path: &str) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("full"), "x").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink("dir", at("link")).unwrap();

        assert!(exists(&at("full")) && !exists(&at("dangling")) && !exists(&at("none")));
        assert!(exists_glob(&at("f*l")) && !exists_glob(&at("z*")));
        assert!(
            is_directory(&at("dir")) && is_directory(&at("link")) && !is_directory(&at("full"))
        );
        assert!(is_link(&at("dangling")) && !is_link(&at("dir")));
        assert!(is_mount_point("/proc") && is_mount_point("/") && !is_mount_point(&at("dir")));
        assert!(is_read_write(&at("dir")) && !is_read_write(&at("none")));
        assert!(!directory_not_empty(&at("dir")));
        fs::write(at("dir/x"), "").unwrap();
        assert!(directory_not_empty(&at("dir")) && !directory_not_empty(&at("full")));
        assert!(file_not_empty(&at("full")) && !file_not_empty(&at("empty")));
        assert!(!file_not_empty(&at("dir")));
        assert!(!file_is_executable(&at("full")));
        fs::set_permissions(at("full"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(file_is_executable(&at("full")) && !file_is_executable(&at("dir")));
    }
}
