//! PID files: reading them, judging whether they can be believed, and waiting for them.
//!
//! Whether the process named is one of the unit is the loop's to tell (checklist M14).

use super::readiness::Readable;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Longest content looked at, in bytes.
const MAX_CONTENT: u64 = 64;

/// What a PID file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PidFile {
    /// The number in it.
    pub(super) pid: i32,
    /// Owned by root and reached without links that somebody else could have placed: it may
    /// name a process outside the unit.
    pub(super) trusted: bool,
}

/// Reads a PID file. May block.
///
/// # Errors
/// It is missing, is no regular file, or does not hold one number above 1.
pub(super) fn read(path: &str) -> Result<PidFile, String> {
    let fail = |error: io::Error| format!("cannot read the PID file {path}: {error}");
    let (file, safe_way) = open(Path::new(path)).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(format!("the PID file {path} is no regular file"));
    }
    let mut content = String::new();
    file.take(MAX_CONTENT)
        .read_to_string(&mut content)
        .map_err(fail)?;
    let pid = content
        .trim()
        .parse()
        .ok()
        .filter(|pid| *pid > 1)
        .ok_or_else(|| format!("the PID file {path} does not hold a process number"))?;
    let owner = std::os::unix::fs::MetadataExt::uid(&metadata);
    Ok(PidFile {
        pid,
        trusted: safe_way && owner == 0,
    })
}

/// Opens a file, and says whether the way there was safe: no link owned by anyone but root.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let safe = is_safe_way(path)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    Ok((File::from(file), safe))
}

fn is_safe_way(path: &Path) -> io::Result<bool> {
    let mut way = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            return Ok(false);
        }
        way.push(component);
        let stat = rustix::fs::statat(CWD, &way, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink && stat.st_uid != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells when a path may have changed, wherever on the way to it.
pub(super) struct Watch {
    inotify: Inotify,
    readable: Readable,
    path: PathBuf,
}

impl Watch {
    /// Starts watching; a change from here on is not missed.
    ///
    /// # Errors
    /// The kernel gives no inotify instance.
    pub(super) fn new(path: &str) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let watch = Watch {
            readable: Readable::of(&inotify)?,
            inotify,
            path: PathBuf::from(path),
        };
        watch.arm();
        Ok(watch)
    }

    /// Watches the file and the nearest directory above it that exists, so that making a
    /// missing directory, or moving one into place, is seen too. Repeated until nothing
    /// changes, as a directory may have come between the look for it and the watch above it.
    fn arm(&self) {
        let flags = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF;
        let watch = |place: &Path| self.inotify.add_watch(place, flags).is_ok();
        let mut last = None;
        loop {
            watch(&self.path);
            let nearest = self.path.ancestors().skip(1).find(|place| watch(place));
            if nearest == last {
                break;
            }
            last = nearest;
        }
    }

    /// Waits for the next change.
    pub(super) async fn changed(&self) {
        self.readable.wait().await;
        while self.inotify.read_events().is_ok() {}
        self.arm();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    #[test]
    fn reads_and_judges() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("good"), "4711\n").unwrap();
        fs::write(at("bad"), "x").unwrap();
        fs::write(at("one"), "1\n").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::create_dir(at("dir")).unwrap();
        let owner_is_root = nix::unistd::geteuid().is_root();
        let good = read(&at("good")).unwrap();
        assert_eq!((good.pid, good.trusted), (4711, owner_is_root));
        for name in ["bad", "one", "empty", "dir", "none"] {
            assert!(read(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_strangers_link_is_not_trusted() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "4711").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(read(link.to_str().unwrap()).unwrap().trusted);
        std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
        assert!(!read(link.to_str().unwrap()).unwrap().trusted);
    }

    #[tokio::test]
    async fn sees_a_file_in_a_directory_that_is_yet_to_come() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/x.pid");
        let watch = Watch::new(path.to_str().unwrap()).unwrap();
        let waiter = async {
            while read(path.to_str().unwrap()).is_err() {
                watch.changed().await;
            }
        };
        let maker = async {
            fs::create_dir(dir.path().join("a")).unwrap();
            tokio::task::yield_now().await;
            fs::create_dir(dir.path().join("a/b")).unwrap();
            tokio::task::yield_now().await;
            fs::write(&path, "").unwrap();
            tokio::task::yield_now().await;
            fs::write(&path, "77\n").unwrap();
        };
        let both = async { tokio::join!(waiter, maker) };
        tokio::time::timeout(Duration::from_secs(10), both)
            .await
            .unwrap();
    }
}
