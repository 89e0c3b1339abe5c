//! Unit files from the disk, and what the kernel has of mounts, devices and slices.

use super::bounded;
use crate::sys::proc::unescape_mount_text;
use crate::unit::load::{Entry, EntryKind, Source, Stamp};
use crate::unit::name::{UnitName, UnitType};
use rustix::fs::{AtFlags, CWD, StatxFlags, StatxTimestamp, statx};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Largest unit file read, in bytes; nobody writes a larger one by hand.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Longer than any step of the clock of file systems; the coarsest have two seconds.
const STEP: Duration = Duration::from_secs(3);

/// The disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskSource;

/// The disk, as it is while some units are loaded: what is mounted is looked up once, since every
/// unit asks for every directory on the way to its own. To be made anew for each load.
#[derive(Debug, Default)]
pub struct LoadSource {
    mounts: OnceCell<BTreeSet<String>>,
    /// When the load began; without it there are no stamps.
    begun: Option<SystemTime>,
}

impl LoadSource {
    /// A source with stamps, for a load that begins at that time. What was changed shortly before
    /// has none: another change might not be seen by its times.
    pub(super) fn with_stamps(begun: SystemTime) -> LoadSource {
        LoadSource {
            begun: Some(begun),
            ..LoadSource::default()
        }
    }

    /// The stamp of what is at a path below a directory: any change of a file or of the entries of
    /// a directory sets its time of change, which nobody else can set.
    fn stamp_at(&self, directory: BorrowedFd<'_>, path: &str, flags: AtFlags) -> Option<Stamp> {
        let begun = self.begun?.checked_sub(STEP)?;
        // A server is asked, too.
        let flags = flags | AtFlags::STATX_FORCE_SYNC;
        let status = statx(directory, path, flags, StatxFlags::BASIC_STATS).ok()?;
        let changed = nanoseconds(&status.stx_ctime)?;
        let settled = u128::from(changed) < begun.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let device = u64::from(status.stx_dev_major) << 32 | u64::from(status.stx_dev_minor);
        let modified = nanoseconds(&status.stx_mtime)?;
        settled.then_some(Stamp([
            device,
            status.stx_ino,
            status.stx_size,
            modified,
            changed,
        ]))
    }
}

/// Since 1970; none before that, and after the year 2554.
fn nanoseconds(time: &StatxTimestamp) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let whole = seconds.checked_mul(1_000_000_000)?;
    whole.checked_add(time.tv_nsec.into())
}

impl Source for LoadSource {
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>> {
        DiskSource.list(directory)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        DiskSource.read(path)
    }

    fn read_stamped(&self, path: &str) -> io::Result<(Vec<u8>, Option<Stamp>)> {
        let file = bounded::open(Path::new(path))?;
        let stamp = self.stamp_at(file.as_fd(), "", AtFlags::EMPTY_PATH);
        Ok((content(file)?, stamp))
    }

    fn stamp(&self, path: &str) -> Option<Stamp> {
        self.stamp_at(CWD, path, AtFlags::empty())
    }

    fn holds(&self, name: &UnitName) -> bool {
        if name.unit_type() == UnitType::Mount {
            let mounts = self.mounts.get_or_init(mount_points);
            return mounts.contains(&path_of(name));
        }
        DiskSource.holds(name)
    }
}

impl Source for DiskSource {
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A name that is not UTF-8 is no unit name.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = kind_of(&entry)?;
            list.push(Entry { name, kind });
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        content(bounded::open(Path::new(path))?)
    }

    fn holds(&self, name: &UnitName) -> bool {
        match name.unit_type() {
            UnitType::Mount => is_mounted(&path_of(name)),
            UnitType::Device => Path::new(&path_of(name)).exists(),
            UnitType::Swap => is_swap(&path_of(name)),
            UnitType::Slice => is_slice(name),
            UnitType::Service
            | UnitType::Socket
            | UnitType::Target
            | UnitType::Timer
            | UnitType::Path
            | UnitType::Scope
            | UnitType::Automount => false,
        }
    }
}

/// As in systemd: /dev/null masks by whatever links, and so does any other device.
fn content(file: File) -> io::Result<Vec<u8>> {
    if bounded::is_device(&file)? {
        return Ok(Vec::new());
    }
    bounded::read_to_end(file, MAX_FILE)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What an entry is; the listing itself says so, without another look at the file.
fn kind_of(entry: &fs::DirEntry) -> io::Result<EntryKind> {
    let kind = match entry.file_type() {
        Ok(kind) => kind,
        // Removed since it was listed.
        Err(error) if is_absent(&error) => return Ok(EntryKind::Other),
        Err(error) => return Err(error),
    };
    Ok(if kind.is_symlink() {
        match fs::read_link(entry.path()) {
            Ok(target) => EntryKind::Link(target.to_string_lossy().into_owned()),
            Err(error) if is_absent(&error) => EntryKind::Other,
            Err(error) => return Err(error),
        }
    } else if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    })
}

/// The path a unit name stands for: `-` is `/`, `\xNN` a byte (systemd.unit(5), "STRING
/// ESCAPING FOR INCLUSION IN UNIT NAMES").
fn path_of(name: &UnitName) -> String {
    let stem = name.stem();
    if stem == "-" {
        return "/".to_owned();
    }
    let mut path = vec![b'/'];
    let mut rest = stem.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'-', _) => path.push(b'/'),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let byte = std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                match byte {
                    Some(byte) => {
                        path.push(byte);
                        rest = after;
                    }
                    None => path.push(b'\\'),
                }
            }
            _ => path.push(*first),
        }
    }
    String::from_utf8_lossy(&path).into_owned()
}

/// Whether something is mounted exactly there.
pub(super) fn is_mounted(path: &str) -> bool {
    mount_points().contains(path)
}

/// Where something is mounted, for us.
fn mount_points() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    in_mountinfo(&table)
}

/// The mount point is the fifth field, blanks in it written as octal escapes (proc(5)).
fn in_mountinfo(table: &str) -> BTreeSet<String> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(unescape_mount_text).collect()
}

fn is_swap(path: &str) -> bool {
    let table = fs::read_to_string("/proc/swaps").unwrap_or_default();
    table.lines().skip(1).any(|line| {
        line.split_whitespace()
            .next()
            .is_some_and(|point| unescape_mount_text(point) == path)
    })
}

/// A slice that a systemd of this machine has made: `a-b.slice` is `a.slice/a-b.slice`.
fn is_slice(name: &UnitName) -> bool {
    let Some(slices) = name.slices() else {
        return false;
    };
    let relative: PathBuf = slices.iter().map(UnitName::as_str).collect();
    ["", "unified", "systemd"].iter().any(|tree| {
        let tree = Path::new("/sys/fs/cgroup").join(tree);
        slices.is_empty() || tree.join(&relative).is_dir()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> UnitName {
        UnitName::parse(text).unwrap()
    }

    #[test]
    fn lists_sorted_with_kinds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        fs::write(path.join("b.service"), "x").unwrap();
        std::os::unix::fs::symlink("/dev/null", path.join("a.service")).unwrap();
        fs::create_dir(path.join("c.d")).unwrap();
        let list = DiskSource.list(path.to_str().unwrap()).unwrap();
        let kinds: Vec<_> = list.iter().map(|e| (e.name.as_str(), &e.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("a.service", &EntryKind::Link("/dev/null".into())),
                ("b.service", &EntryKind::File),
                ("c.d", &EntryKind::Directory),
            ]
        );
        assert!(DiskSource.list("/no/such/place").unwrap().is_empty());
        assert!(DiskSource.read("/no/such/file").is_err());
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        nix::unistd::mkfifo(at("fifo").as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (link, target) in [("null", "/dev/null"), ("zero", "/dev/zero"), ("dir", "/")] {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        std::os::unix::fs::symlink(at("null"), at("twice")).unwrap();
        std::os::unix::fs::symlink(at("circle"), at("circle")).unwrap();
        // Nobody writes to it: reading it must not wait.
        assert!(DiskSource.read(&at("fifo")).is_err());
        assert!(DiskSource.read(&at("dir")).is_err());
        assert!(DiskSource.read(&at("circle")).is_err());
        assert!(DiskSource.list(&at("circle")).is_err());
        // Devices mask, by however many links.
        for name in ["null", "twice", "zero"] {
            assert_eq!(DiskSource.read(&at(name)).unwrap(), b"", "{name}");
        }
    }

    #[test]
    fn paths_of_names() {
        assert_eq!(path_of(&name("-.mount")), "/");
        assert_eq!(
            path_of(&name("sys-kernel-debug.mount")),
            "/sys/kernel/debug"
        );
        assert_eq!(path_of(&name("dev-a\\x2db.device")), "/dev/a-b");
        assert_eq!(path_of(&name("dev-a\\xzz.device")), "/dev/a\\xzz");
    }

    #[test]
    fn what_the_kernel_has() {
        let disk = DiskSource;
        let load = LoadSource::default();
        for (name, there) in [("proc.mount", true), ("no-such-place.mount", false)] {
            let name = UnitName::parse(name).unwrap();
            assert_eq!([disk.holds(&name), load.holds(&name)], [there; 2]);
        }
        assert!(disk.holds(&name("dev-null.device")));
        assert!(!disk.holds(&name("no-such-node.device")));
        assert!(disk.holds(&name("-.slice")));
        assert!(!disk.holds(&name("nobody-has-this.slice")));
        assert!(!disk.holds(&name("proc.service")));
        let table = "36 35 98:0 / /mnt/a\\040b rw - ext4 /dev/x rw";
        assert_eq!(in_mountinfo(table), ["/mnt/a b".to_owned()].into());
    }
}
