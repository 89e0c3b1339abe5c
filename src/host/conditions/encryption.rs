//! ConditionPathIsEncrypted=: whether the block device below a path, or one that it is made of,
//! is one of dm-crypt's (systemd.unit(5)).

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// So many devices lie on each other at most.
const DEEPEST: usize = 10;

/// A path that is not there is not encrypted.
pub(super) fn is_encrypted(path: &str) -> bool {
    let device = fs::metadata(path).ok().map(|found| found.dev());
    let device = device.and_then(|device| match nix::sys::stat::major(device) {
        // A file system without a device of its own, as btrfs: what it was mounted from.
        0 => source_of(device),
        _ => Some(device),
    });
    device.is_some_and(|device| is_crypt(Path::new("/sys/dev/block"), &name_of(device)))
}

fn name_of(device: u64) -> String {
    use nix::sys::stat::{major, minor};
    format!("{}:{}", major(device), minor(device))
}

/// The device that mountinfo names as the source of the file system with that number.
fn source_of(device: u64) -> Option<u64> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let number = name_of(device);
    let line = table
        .lines()
        .find(|line| line.split_whitespace().nth(2) == Some(number.as_str()))?;
    let (_, behind) = line.split_once(" - ")?;
    let source = fs::metadata(behind.split_whitespace().nth(1)?).ok()?;
    source.file_type().is_block_device().then(|| source.rdev())
}

/// Follows a device to the one that it lies on, as long as there is exactly one.
fn is_crypt(devices: &Path, number: &str) -> bool {
    let mut place = devices.join(number);
    for _ in 0..DEEPEST {
        let identity = fs::read_to_string(place.join("dm/uuid")).unwrap_or_default();
        if identity.starts_with("CRYPT-") {
            return true;
        }
        // A partition is a directory of its disk and has none of its own below it.
        let below = match fs::read_dir(place.join("slaves")) {
            Ok(list) => list.flatten().collect::<Vec<_>>(),
            Err(_) => return false,
        };
        let [only] = below.as_slice() else {
            return false;
        };
        place = only.path();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn devices_on_devices() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for device in ["8:1", "253:0", "253:1"] {
            fs::create_dir_all(at(device).join("slaves")).unwrap();
        }
        for (device, identity) in [("253:0", "CRYPT-LUKS2-0123"), ("253:1", "LVM-abcd")] {
            fs::create_dir(at(device).join("dm")).unwrap();
            fs::write(at(device).join("dm/uuid"), format!("{identity}\n")).unwrap();
        }
        symlink(at("8:1"), at("253:0").join("slaves/sda1")).unwrap();
        symlink(at("253:0"), at("253:1").join("slaves/dm-0")).unwrap();
        assert!(is_crypt(root.path(), "253:0"));
        assert!(is_crypt(root.path(), "253:1"), "a volume on it");
        assert!(!is_crypt(root.path(), "8:1"));
        assert!(!is_crypt(root.path(), "9:9"));
        symlink(at("8:1"), at("253:1").join("slaves/sda1")).unwrap();
        assert!(!is_crypt(root.path(), "253:1"), "only a part of it");
        assert!(!is_encrypted("/proc"));
        assert!(!is_encrypted("/no/such/path"));
    }
}
