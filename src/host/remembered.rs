//! What was read of units' files, from one load to the next, so that files that are as they were
//! are not read again. It counts until something is mounted or unmounted: then other files may lie
//! behind the same paths, and with other mounts units depend on others.

use crate::unit::load::Readings;
use crate::unit::name::UnitName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;

/// The readings of the daemon's loads, one after the other.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    readings: Readings,
    /// The table of mounts, opened when the first of the readings was made. Nothing counts
    /// without it.
    mounts: Option<File>,
}

impl Remembered {
    /// What counts for a load that begins now.
    pub(super) fn for_load(&mut self) -> &mut Readings {
        if !self.mounts.as_ref().is_some_and(is_unchanged) {
            self.readings = Readings::default();
            self.mounts = File::open("/proc/self/mountinfo").ok();
        }
        &mut self.readings
    }

    /// A unit is gone.
    pub(super) fn forget(&mut self, name: &UnitName) {
        self.readings.forget(name);
    }
}

/// Whether nothing was mounted or unmounted since the file was opened (proc(5),
/// `/proc/PID/mounts`: a change is an error condition for poll(2)).
fn is_unchanged(mounts: &File) -> bool {
    let mut mounts = [PollFd::new(mounts, PollFlags::PRI)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut mounts, Some(&at_once)), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::super::disk::LoadSource;
    use super::*;
    use crate::unit::config::UnitConfig;
    use crate::unit::load::{Settings, Source, load, load_again};
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    /// When everything that there is was changed long ago.
    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }

    fn settings(place: &Path) -> Settings {
        Settings {
            path: ["high", "low"]
                .map(|it| format!("{}/{it}", place.display()))
                .into(),
            ..Settings::default()
        }
    }

    type Units = BTreeMap<UnitName, Arc<UnitConfig>>;

    /// What is loaded with what is remembered, which must be what is loaded without.
    fn loads(place: &Path, remembered: &mut Remembered) -> Units {
        let names = [
            "a.service",
            "b.service",
            "c.service",
            "t@1.service",
            "goal.target",
        ];
        let names = names.map(|name| UnitName::parse(name).unwrap()).into();
        let (settings, none) = (settings(place), [].into());
        let source = LoadSource::with_stamps(later());
        let again = load_again(&names, &none, &settings, &source, remembered.for_load());
        let fresh = load(&names, &none, &settings, &LoadSource::default());
        assert_eq!(again.units, fresh.units);
        again.units
    }

    /// How many of these are the same, not only alike.
    fn kept(before: &Units, after: &Units) -> usize {
        let same = before.iter().filter(|(name, unit)| {
            let after = after.get(*name);
            after.is_some_and(|after| Arc::ptr_eq(unit, after))
        });
        same.count()
    }

    fn service(text: &str) -> String {
        format!("[Unit]\nDescription={text}\nDefaultDependencies=no\n[Service]\nExecStart=/bin/a\n")
    }

    #[test]
    fn every_change_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        let write = |path: &str, text: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        for name in ["a", "b", "c", "t@"] {
            write(&format!("low/{name}.service"), &service(name));
        }
        write("low/goal.target", "[Unit]\nDefaultDependencies=no\n");
        write("low/a.service.d/x.conf", "[Service]\nNice=1\n");
        fs::create_dir(at("high")).unwrap();
        let mut remembered = Remembered::default();
        let first = loads(place.path(), &mut remembered);
        let files = first
            .values()
            .filter(|unit| unit.fragment.is_some())
            .count();
        assert_eq!(files, 5);
        let mut before = loads(place.path(), &mut remembered);
        assert_eq!(kept(&first, &before), files);
        let replace = |path: &str, text: &str| {
            write("new", text);
            fs::rename(at("new"), at(path)).unwrap();
        };
        type Change<'a> = (&'a str, &'a dyn Fn(), usize);
        let changes: [Change<'_>; 12] = [
            (
                "a longer file",
                &|| write("low/a.service", &service("longer")),
                1,
            ),
            (
                "as large, in place of it",
                &|| replace("low/a.service", &service("LONGER")),
                1,
            ),
            (
                "a drop-in as large",
                &|| replace("low/a.service.d/x.conf", "[Service]\nNice=2\n"),
                1,
            ),
            (
                "another drop-in",
                &|| write("low/a.service.d/y.conf", "[Service]\nNice=3\n"),
                1,
            ),
            (
                "one drop-in less",
                &|| fs::remove_file(at("low/a.service.d/y.conf")).unwrap(),
                1,
            ),
            (
                "a directory for drop-ins",
                &|| write("high/b.service.d/x.conf", ""),
                1,
            ),
            (
                "drop-ins for all",
                &|| write("high/service.d/x.conf", "[Service]\nNice=4\n"),
                4,
            ),
            (
                "a file that goes before",
                &|| write("high/c.service", &service("high")),
                1,
            ),
            (
                "a link",
                &|| {
                    fs::create_dir(at("low/goal.target.wants")).unwrap();
                    symlink("../a.service", at("low/goal.target.wants/a.service")).unwrap();
                },
                1,
            ),
            (
                "an alias",
                &|| symlink("a.service", at("low/other.service")).unwrap(),
                1,
            ),
            (
                "a mask",
                &|| symlink("/dev/null", at("high/b.service")).unwrap(),
                1,
            ),
            (
                "a template that goes",
                &|| fs::remove_file(at("low/t@.service")).unwrap(),
                1,
            ),
        ];
        for (what, change, read) in changes {
            change();
            let files = before.values().filter(|unit| unit.fragment.is_some());
            let files = files.filter(|unit| unit.load == crate::unit::config::LoadState::Loaded);
            let files = files.count();
            let after = loads(place.path(), &mut remembered);
            assert_eq!(kept(&before, &after), files - read, "{what}");
            before = after;
        }
    }

    #[test]
    fn a_file_that_is_written_anew_has_another_stamp() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.service");
        let text = path.to_str().unwrap();
        fs::write(&path, "a").unwrap();
        // It may be written again while the clock shows the same time.
        let now = LoadSource::with_stamps(SystemTime::now());
        assert_eq!(now.stamp(text), None);
        assert_eq!(LoadSource::default().stamp(text), None);
        let source = LoadSource::with_stamps(later());
        let first = source.stamp(text);
        assert!(first.is_some() && source.read_stamped(text).unwrap() == (b"a".into(), first));
        let status = fs::metadata(&path).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while source.stamp(text) == first && Instant::now() < end {
            fs::write(&path, "b").unwrap();
            // Whoever sets the time of modification back has changed the file all the same.
            let times = fs::FileTimes::new().set_modified(status.modified().unwrap());
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(times)
                .unwrap();
        }
        assert_ne!(source.stamp(text), first);
        assert_eq!(source.stamp("/no/such/file"), None);
    }

    #[test]
    fn a_mount_ends_it() {
        if !nix::unistd::geteuid().is_root() {
            return println!("SKIP: needs root");
        }
        // A thread may have a namespace of its own.
        let thread = std::thread::spawn(|| {
            use nix::mount::{MsFlags, mount};
            use nix::sched::{CloneFlags, unshare};
            if let Err(error) = unshare(CloneFlags::CLONE_NEWNS) {
                return println!("SKIP: no namespace of mounts: {error}");
            }
            let none: Option<&str> = None;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(none, "/", none, private, none).unwrap();
            let place = tempfile::tempdir().unwrap();
            let mounts = File::open("/proc/thread-self/mountinfo").unwrap();
            assert!(is_unchanged(&mounts));
            mount(
                Some("none"),
                place.path(),
                Some("tmpfs"),
                MsFlags::empty(),
                none,
            )
            .unwrap();
            assert!(!is_unchanged(&mounts));
            let mounts = File::open("/proc/thread-self/mountinfo").unwrap();
            assert!(is_unchanged(&mounts));
            nix::mount::umount(place.path()).unwrap();
            assert!(!is_unchanged(&mounts));
        });
        thread.join().unwrap();
    }
}
