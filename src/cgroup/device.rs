//! Which block device a path stands for: the device itself, or the one its file system lies on;
//! the whole disk where it is a partition, and what is below a simple encryption
//! (systemd.resource-control(5), IODeviceWeight=).

use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device {
    major: u32,
    minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// The device that a path stands for. May block.
///
/// # Errors
/// Why there is none, in a sentence.
pub(super) fn backing(path: &Path) -> Result<Device, String> {
    let status = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let number = match status.file_type().is_block_device() {
        true => status.rdev(),
        false => status.dev(),
    };
    let device = Device {
        major: rustix::fs::major(number),
        minor: rustix::fs::minor(number),
    };
    if device.major == 0 {
        return Err(format!("{} lies on no block device", path.display()));
    }
    Ok(whole(below(device)))
}

fn directory(device: Device) -> PathBuf {
    PathBuf::from(format!("/sys/dev/block/{device}"))
}

fn read(path: &Path) -> Option<Device> {
    let text = fs::read_to_string(path).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some(Device {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

/// What a mapped device lies on, if that is one device.
fn below(device: Device) -> Device {
    let entries = fs::read_dir(directory(device).join("slaves"));
    let mut devices = entries.into_iter().flatten().flatten();
    match (devices.next(), devices.next()) {
        (Some(only), None) => read(&only.path().join("dev")).unwrap_or(device),
        _ => device,
    }
}

/// The disk of a partition.
fn whole(device: Device) -> Device {
    let directory = directory(device);
    if !directory.join("partition").exists() {
        return device;
    }
    // The link leads into the disk's own directory.
    read(&directory.join("../dev")).unwrap_or(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_without_a_device_say_so() {
        let error = backing(Path::new("/proc/self/status")).unwrap_err();
        assert_eq!(error, "/proc/self/status lies on no block device");
        assert!(backing(Path::new("/no/such/path")).is_err());
    }
}
