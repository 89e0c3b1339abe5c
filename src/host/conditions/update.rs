//! ConditionNeedsUpdate=: whether /usr is newer than what was made from it in /etc or /var, by
//! the stamp file `.updated` there (systemd.unit(5)).

use crate::unit::value::parse_boolean;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Seconds and nanoseconds.
type Moment = (i64, i64);

/// Whether the directory has to be brought up to date; `None` if the value is no path.
pub(super) fn is_needed(value: &str) -> Option<bool> {
    if !value.starts_with('/') {
        return None;
    }
    if let Some(said) = by_command_line() {
        return Some(said);
    }
    Some(super::path::is_read_write(value) && is_older(Path::new(value), Path::new("/usr")))
}

/// `systemd.condition-needs-update=`, which goes before everything else.
fn by_command_line() -> Option<bool> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    let key = "systemd.condition-needs-update";
    let word = line.split_whitespace().rev().find_map(|word| {
        let rest = word.strip_prefix(key)?;
        (rest.is_empty() || rest.starts_with('=')).then_some(rest)
    })?;
    match word.strip_prefix('=') {
        Some(value) => parse_boolean(value).ok(),
        None => Some(true),
    }
}

/// A directory without a stamp was never brought up to date.
fn is_older(directory: &Path, system: &Path) -> bool {
    let stamp = directory.join(".updated");
    match (changed(system), changed(&stamp)) {
        (Some(system), Some(mut stamped)) => {
            // A file system may know of seconds only; the stamp says the rest itself.
            if stamped.0 == system.0 && stamped.1 == 0 && system.1 != 0 {
                stamped = written(&stamp).unwrap_or(stamped);
            }
            system > stamped
        }
        (None, _) | (_, None) => true,
    }
}

fn changed(path: &Path) -> Option<Moment> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.mtime(), found.mtime_nsec()))
}

/// `TIMESTAMP_NSEC=` in the stamp.
fn written(stamp: &Path) -> Option<Moment> {
    let text = fs::read_to_string(stamp).ok()?;
    let number = text
        .lines()
        .find_map(|line| line.strip_prefix("TIMESTAMP_NSEC="))?;
    let nanoseconds: i64 = number.trim().parse().ok()?;
    Some((
        nanoseconds.div_euclid(1_000_000_000),
        nanoseconds.rem_euclid(1_000_000_000),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn set(path: &Path, nanoseconds: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        let file = fs::File::open(path).unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn stamps() {
        let place = tempfile::tempdir().unwrap();
        let (directory, system) = (place.path().join("etc"), place.path().join("usr"));
        fs::create_dir(&directory).unwrap();
        fs::create_dir(&system).unwrap();
        assert!(is_older(&directory, &system), "never done");
        let stamp = directory.join(".updated");
        fs::write(&stamp, "").unwrap();
        set(&system, 5_000_000_000);
        for (stamped, older) in [(4_999_999_999, true), (5_000_000_000, false)] {
            set(&stamp, stamped);
            assert_eq!(is_older(&directory, &system), older, "{stamped}");
        }
        set(&system, 5_000_000_001);
        assert!(is_older(&directory, &system));
        fs::write(&stamp, "# made by hand\nTIMESTAMP_NSEC=5000000001\n").unwrap();
        set(&stamp, 5_000_000_000);
        assert!(!is_older(&directory, &system), "the stamp says it");
        assert_eq!(is_needed("etc"), None);
    }
}
