//! The machine this program runs on.

use crate::unit::verify::{Machine, Program};
use nix::unistd::{AccessFlags, Gid, Group, Uid, User, access};
use std::path::Path;

/// Where a bare name is looked for without ExecSearchPath= (systemd.exec(5)).
const SEARCH_PATH: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// This machine.
pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    fn program(&self, path: &str) -> Program {
        // A directory that may not be searched hides what is in it, and is no reason to say
        // that nothing is there.
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && access(path, AccessFlags::X_OK).is_ok() => {
                Program::Executable
            }
            Ok(_) => Program::NotExecutable,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Program::Executable
            }
            Err(_) => Program::Missing,
        }
    }

    fn finds_program(&self, name: &str, directories: &[String]) -> bool {
        let executable =
            |directory: &str| self.program(&format!("{directory}/{name}")) == Program::Executable;
        if directories.is_empty() {
            SEARCH_PATH.iter().any(|directory| executable(directory))
        } else {
            directories.iter().any(|directory| executable(directory))
        }
    }

    fn has_file(&self, pattern: &str) -> bool {
        if Path::new(pattern).exists() {
            return true;
        }
        glob::glob(pattern).is_ok_and(|mut paths| paths.any(|path| path.is_ok()))
    }

    fn has_directory(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn has_user(&self, name: &str) -> bool {
        // Root is known everywhere, also in an image without a user database.
        let found = match name.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)),
            Err(_) => User::from_name(name),
        };
        matches!(found, Ok(Some(_))) || matches!(name, "root" | "0")
    }

    fn has_group(&self, name: &str) -> bool {
        let found = match name.parse() {
            Ok(number) => Group::from_gid(Gid::from_raw(number)),
            Err(_) => Group::from_name(name),
        };
        matches!(found, Ok(Some(_))) || matches!(name, "root" | "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let directory = tempfile::tempdir().unwrap();
        let plain = directory.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let machine = ThisMachine;
        assert_eq!(machine.program("/bin/sh"), Program::Executable);
        assert_eq!(machine.program("/no/such/program"), Program::Missing);
        assert_eq!(machine.program("/tmp"), Program::NotExecutable);
        let plain = plain.to_str().unwrap();
        assert_eq!(machine.program(plain), Program::NotExecutable);
        assert!(machine.finds_program("sh", &[]));
        assert!(!machine.finds_program("sh", &["/no/such".to_owned()]));
    }

    #[test]
    fn accounts_and_files() {
        let machine = ThisMachine;
        for name in ["root", "0"] {
            assert!(machine.has_user(name) && machine.has_group(name), "{name}");
        }
        let nobody = "no-such-account-here";
        assert!(!machine.has_user(nobody) && !machine.has_group(nobody));
        assert!(machine.has_file("/proc/self/stat*") && !machine.has_file("/no/such/*"));
        assert!(machine.has_directory("/proc") && !machine.has_directory("/proc/self/stat"));
    }
}
