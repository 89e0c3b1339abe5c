//! Watches the paths of path units (inotify(7)): each with a descriptor of its own, as far down
//! as it is there, and looks at them.
//!
//! A path is followed from the root: of what is there only that it is moved away, of the last part
//! that is there also what comes below it. So whatever changes on the way to it is heard of. Both a
//! symbolic link and what it leads to are watched. Watches are set and paths looked at on a pool
//! thread: a file system may hang.

use super::conditions;
use super::readiness::Readable;
use super::run::{Fact, Host};
use crate::engine::{Event, LogLevel, UnitId};
use crate::unit::config::{PathConfig, PathKind, UnitConfig, WatchedPath};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What is told of what lies on the way.
const ON_THE_WAY: AddWatchFlags = AddWatchFlags::IN_MOVE_SELF
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVED_TO);
/// What is told of every path itself.
const ITSELF: AddWatchFlags = AddWatchFlags::IN_MOVE_SELF
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_ATTRIB);

/// The watch of one path.
#[derive(Debug)]
struct Watch {
    inotify: Inotify,
    kind: PathKind,
    /// The path itself, if it is there.
    itself: Option<WatchDescriptor>,
}

/// The watches of a unit; none before they are set.
struct Watches {
    /// The last order: what an earlier one comes to is dropped, whenever it is done.
    order: u64,
    list: Vec<Watch>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Watches {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The watches of all units.
#[derive(Default)]
pub(super) struct PathWatches(BTreeMap<UnitId, Watches>);

/// What pool threads and tasks say of paths.
#[derive(Debug)]
pub(super) enum PathFact {
    /// The paths are watched, and were looked at.
    Seen(Box<Seen>),
    /// Something happened at one of them, perhaps.
    Touched {
        unit: UnitId,
        order: u64,
        index: usize,
    },
}

/// What was seen of the paths of a unit.
#[derive(Debug)]
pub(super) struct Seen {
    unit: UnitId,
    order: u64,
    result: Result<(Vec<Watch>, Vec<bool>), String>,
    /// Directories that could not be made.
    complaints: Vec<String>,
}

impl Host {
    /// Watches the paths of a unit in place of what was watched for it, and looks at them.
    pub(super) fn watch_paths(
        &mut self,
        unit: UnitId,
        order: u64,
        config: &Arc<UnitConfig>,
        make: bool,
    ) {
        let none_yet = Watches {
            order,
            list: Vec::new(),
            tasks: Vec::new(),
        };
        self.paths.0.insert(unit, none_yet);
        let facts = self.facts.clone();
        let config = config.path().cloned().unwrap_or_default();
        tokio::task::spawn_blocking(move || {
            let complaints = if make {
                make_directories(&config)
            } else {
                Vec::new()
            };
            let watches = config
                .paths
                .iter()
                .map(watch)
                .collect::<Result<Vec<_>, _>>();
            let result = watches.map(|watches| {
                let seen = config.paths.iter().map(is_there).collect();
                (watches, seen)
            });
            let seen = Seen {
                unit,
                order,
                result,
                complaints,
            };
            // Fails only if the loop is gone.
            let _ = facts.send(Fact::Path(PathFact::Seen(Box::new(seen))));
        });
    }

    /// Watches the paths of a unit no longer.
    pub(super) fn unwatch_paths(&mut self, unit: UnitId) {
        self.paths.0.remove(&unit);
    }

    /// Takes in what is said of paths.
    pub(super) fn path_fact(&mut self, fact: PathFact) {
        match fact {
            PathFact::Seen(seen) => self.paths_seen(*seen),
            PathFact::Touched { unit, order, index } => self.path_touched(unit, order, index),
        }
    }

    fn paths_seen(&mut self, seen: Seen) {
        let (unit, order) = (seen.unit, seen.order);
        for complaint in &seen.complaints {
            let name = self.name(unit);
            self.log
                .manager(LogLevel::Warning, name.as_ref(), complaint);
        }
        let result = seen.result.and_then(|(list, seen)| {
            let tasks = list.iter().enumerate().map(|(index, watch)| {
                let readable = Readable::of(&watch.inotify)
                    .map_err(|error| format!("cannot wait for changes: {error}"))?;
                Ok(self.tell_when_touched(readable, unit, order, index))
            });
            let tasks = tasks.collect::<Result<Vec<_>, String>>()?;
            let watches = Watches { order, list, tasks };
            let last = self.paths.0.get_mut(&unit);
            if let Some(last) = last.filter(|last| last.order == order) {
                *last = watches;
            }
            Ok(seen)
        });
        self.tell(Event::PathsSeen {
            unit,
            order,
            result,
        });
    }

    fn tell_when_touched(
        &self,
        readable: Readable,
        unit: UnitId,
        order: u64,
        index: usize,
    ) -> JoinHandle<()> {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            loop {
                readable.wait().await;
                let fact = PathFact::Touched { unit, order, index };
                if facts.send(Fact::Path(fact)).is_err() {
                    return;
                }
            }
        })
    }

    fn path_touched(&mut self, unit: UnitId, order: u64, index: usize) {
        let watches = self.paths.0.get(&unit).filter(|it| it.order == order);
        let Some(watch) = watches.and_then(|it| it.list.get(index)) else {
            return;
        };
        if let Some(changed) = watch.read() {
            self.tell(Event::PathTouched {
                unit,
                watch: order,
                index,
                changed,
            });
        }
    }
}

impl Watch {
    /// Reads what happened: whether the path itself changed, in a way that counts by itself;
    /// `None` if nothing happened.
    fn read(&self) -> Option<bool> {
        let mut happened = None;
        loop {
            let events = self.inotify.read_events().unwrap_or_default();
            if events.is_empty() {
                return happened;
            }
            let of_itself = events.iter().any(|event| Some(event.wd) == self.itself);
            let changed = of_itself && !self.kind.is_lasting();
            happened = Some(changed || happened.unwrap_or(false));
        }
    }
}

/// What is told of a path itself that is watched for this.
fn flags_of(kind: PathKind) -> AddWatchFlags {
    let changes = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MOVED_TO;
    match kind {
        PathKind::Exists | PathKind::ExistsGlob => ITSELF,
        PathKind::Changed => ITSELF | changes,
        PathKind::Modified => ITSELF | changes | AddWatchFlags::IN_MODIFY,
        PathKind::DirectoryNotEmpty => {
            ITSELF | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO
        }
    }
}

/// Watches a path as far as it is there.
fn watch(watched: &WatchedPath) -> Result<Watch, String> {
    let failed = |path: &Path, error: Errno| format!("cannot watch {}: {error}", path.display());
    let path = Path::new(&watched.path);
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
        .map_err(|error| failed(path, error))?;
    let mut itself = None;
    let mut parent: Option<&Path> = None;
    let mut parts: Vec<&Path> = path.ancestors().collect();
    parts.reverse();
    for part in parts {
        let flags = match part == path {
            true => flags_of(watched.kind),
            false => ON_THE_WAY,
        };
        match add(&inotify, part, flags) {
            Ok(descriptor) => itself = (part == path).then_some(descriptor),
            Err(Errno::ENOENT | Errno::EACCES) if parent.is_some() => break,
            Err(error) => return Err(failed(part, error)),
        }
        // Its parent need not be watched so closely. At worst more is heard than needed.
        if let Some(parent) = parent {
            let _ = inotify.add_watch(parent, AddWatchFlags::IN_MOVE_SELF);
        }
        parent = Some(part);
    }
    Ok(Watch {
        inotify,
        kind: watched.kind,
        itself,
    })
}

/// Watches a link and what it leads to, or what is no link once.
fn add(inotify: &Inotify, path: &Path, flags: AddWatchFlags) -> nix::Result<WatchDescriptor> {
    inotify.add_watch(path, flags | AddWatchFlags::IN_DONT_FOLLOW)?;
    inotify.add_watch(path, flags)
}

/// Whether what a path is watched for holds: it exists, something matches it or is in it.
fn is_there(watched: &WatchedPath) -> bool {
    match watched.kind {
        PathKind::Exists | PathKind::Changed | PathKind::Modified => {
            conditions::exists(&watched.path)
        }
        PathKind::ExistsGlob => conditions::exists_glob(&watched.path),
        PathKind::DirectoryNotEmpty => has_visible_entries(&watched.path),
    }
}

/// Whether a directory has entries that are not hidden, as editors and package managers hide
/// theirs.
fn has_visible_entries(path: &str) -> bool {
    let is_visible = |name: &str| {
        let hidden = name.starts_with('.')
            || name.ends_with('~')
            || matches!(name, "lost+found" | "aquota.user" | "aquota.group");
        let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        !hidden && !BACKUPS.contains(&suffix)
    };
    std::fs::read_dir(path).is_ok_and(|entries| {
        let mut names = entries.flatten().map(|entry| entry.file_name());
        names.any(|name| is_visible(&name.to_string_lossy()))
    })
}

/// Suffixes of what is put aside.
const BACKUPS: [&str; 16] = [
    "rpmnew",
    "rpmsave",
    "rpmorig",
    "dpkg-old",
    "dpkg-new",
    "dpkg-tmp",
    "dpkg-dist",
    "dpkg-bak",
    "dpkg-backup",
    "dpkg-remove",
    "ucf-new",
    "ucf-old",
    "ucf-dist",
    "swp",
    "bak",
    "old",
];

/// Makes the directories that are to be watched; what could not be made is only said.
fn make_directories(config: &PathConfig) -> Vec<String> {
    let wanted = config.paths.iter().filter(|watched| match watched.kind {
        PathKind::Exists | PathKind::ExistsGlob => false,
        PathKind::Changed | PathKind::Modified | PathKind::DirectoryNotEmpty => true,
    });
    let make = |watched: &WatchedPath| {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(config.directory_mode);
        let made = match conditions::exists(&watched.path) {
            true => Ok(()),
            false => builder.create(&watched.path),
        };
        let failure = made.err()?;
        Some(format!(
            "cannot make the directory {}: {failure}",
            watched.path
        ))
    };
    wanted.filter_map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::{Duration, Instant};

    fn watched(kind: PathKind, path: &Path) -> WatchedPath {
        WatchedPath {
            kind,
            path: path.to_str().unwrap().to_owned(),
        }
    }

    /// What is heard of next: a process that another test makes meanwhile may have a file of this one
    /// open, too, and closes it only when it executes its program.
    fn next(watch: &Watch) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match watch.read() {
                Some(changed) => return changed,
                None => assert!(Instant::now() < deadline, "nothing has come"),
            }
            std::thread::yield_now();
        }
    }

    /// Makes a file without opening it, or nobody would know when it is closed.
    fn make(file: &Path) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let mode = Mode::from_raw_mode(0o600);
        mknodat(CWD, file, FileType::RegularFile, mode, 0).unwrap();
    }

    #[test]
    fn what_is_written_and_closed_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        for kind in [PathKind::Changed, PathKind::Modified] {
            let file = directory.path().join(format!("{kind:?}"));
            make(&file);
            let watch = watch(&watched(kind, &file)).unwrap();
            assert_eq!(watch.read(), None);
            fs::write(&file, "y").unwrap();
            assert!(next(&watch), "{kind:?}");
        }
        let file = directory.path().join("a");
        make(&file);
        let watch = watch(&watched(PathKind::Exists, &file)).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(!next(&watch));
    }

    #[test]
    fn what_comes_on_the_way_is_heard_of() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a/b/c");
        let watch = watch(&watched(PathKind::Exists, &file)).unwrap();
        assert_eq!(watch.itself, None);
        fs::create_dir(directory.path().join("a")).unwrap();
        assert_eq!(watch.read(), Some(false));
    }

    #[test]
    fn hidden_entries_are_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        fs::write(directory.path().join(".hidden"), "").unwrap();
        fs::write(directory.path().join("a~"), "").unwrap();
        assert!(!has_visible_entries(path) && !has_visible_entries("/nonexistent"));
        fs::write(directory.path().join("a"), "").unwrap();
        assert!(has_visible_entries(path));
    }
}
