//! The load path as it was listed last, and what was read of it, for the many loads of a single unit
//! that come with connections (checklist L11): good as long as no directory of the path has changed.
//!
//! A directory changes its time of modification when an entry comes, goes or is renamed; files
//! and drop-in directories are looked at by every load, and read where they have changed. The
//! kernel's clock for these times has
//! steps of some milliseconds, so a listing of a directory that had only just changed is used
//! but not kept.

use super::disk::LoadSource;
use super::remembered::Remembered;
use crate::unit::load::{Closure, Listing, Settings, load_listed};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Longer than any step of the clock of file systems.
const STEP: Duration = Duration::from_millis(50);

/// What tells whether a directory is as it was; nothing if there is none.
type Stamp = Option<(u64, u64, SystemTime)>;

#[derive(Debug)]
struct Kept {
    path: Vec<String>,
    stamps: Vec<Stamp>,
    listing: Arc<Listing>,
}

/// The listing that is kept, and what was read.
#[derive(Debug, Default)]
struct Known {
    kept: Option<Kept>,
    remembered: Remembered,
}

/// What is known of the load path. Copies share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Listings(Arc<Mutex<Known>>);

impl Listings {
    /// Loads units as they are now, always with the same settings. Blocks on the disk: not for the
    /// loop's thread.
    pub(super) fn load(
        &self,
        names: &BTreeSet<UnitName>,
        loaded: &BTreeSet<UnitName>,
        settings: &Settings,
    ) -> Closure {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.load(names, loaded, settings, SystemTime::now())
    }
}

impl Known {
    fn load(
        &mut self,
        names: &BTreeSet<UnitName>,
        loaded: &BTreeSet<UnitName>,
        settings: &Settings,
        now: SystemTime,
    ) -> Closure {
        let source = LoadSource::with_stamps(now);
        let listing = self.current(settings, &source, now);
        let readings = self.remembered.for_load();
        load_listed(&listing, names, loaded, settings, &source, readings)
    }

    /// The load path of these settings as it is now.
    fn current(
        &mut self,
        settings: &Settings,
        source: &LoadSource,
        now: SystemTime,
    ) -> Arc<Listing> {
        let stamps: Vec<Stamp> = settings.path.iter().map(|path| stamp(path)).collect();
        if let Some(kept) = &self.kept
            && kept.path == settings.path
            && kept.stamps == stamps
        {
            return kept.listing.clone();
        }
        let listing = Arc::new(Listing::of(settings, source));
        if stamps.iter().all(|stamp| is_settled(stamp, now)) {
            self.kept = Some(Kept {
                path: settings.path.clone(),
                stamps,
                listing: listing.clone(),
            });
        }
        listing
    }
}

fn stamp(directory: &str) -> Stamp {
    let status = fs::metadata(directory).ok()?;
    Some((status.dev(), status.ino(), status.modified().ok()?))
}

/// Whether a change after `now` would show.
fn is_settled(stamp: &Stamp, now: SystemTime) -> bool {
    stamp.is_none_or(|(_, _, changed)| changed + STEP < now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::CommandKind;
    use crate::unit::load::Readings;

    /// Whether `a.service` is found.
    fn finds(listing: &Listing, settings: &Settings) -> bool {
        let name = UnitName::parse("a.service").unwrap();
        let names = [name.clone()].into();
        let source = LoadSource::default();
        let readings = &mut Readings::default();
        let closure = load_listed(listing, &names, &[].into(), settings, &source, readings);
        closure.units[&name].fragment.is_some()
    }

    fn set_time(directory: &std::path::Path, time: SystemTime) {
        let file = fs::File::open(directory).unwrap();
        let times = fs::FileTimes::new().set_modified(time);
        file.set_times(times).unwrap();
    }

    #[test]
    fn a_listing_is_kept_until_a_directory_changes() {
        let place = tempfile::tempdir().unwrap();
        let settings = Settings {
            path: vec![
                place.path().to_str().unwrap().to_owned(),
                "/no/such/place".into(),
            ],
            ..Settings::default()
        };
        let source = LoadSource::default();
        let mut known = Known::default();
        let mut current = |settings| known.current(settings, &source, SystemTime::now());
        let old = SystemTime::now() - Duration::from_secs(60);
        set_time(place.path(), old);
        let first = current(&settings);
        assert!(!finds(&first, &settings));
        assert!(Arc::ptr_eq(&first, &current(&settings)));
        // It has just changed: found, and looked for again as it might change at once.
        fs::write(place.path().join("a.service"), "[Service]\n").unwrap();
        let second = current(&settings);
        assert!(finds(&second, &settings));
        set_time(place.path(), old - Duration::from_secs(1));
        let third = current(&settings);
        assert!(!Arc::ptr_eq(&second, &third));
        assert!(Arc::ptr_eq(&third, &current(&settings)));
        // Another path is another listing.
        let other = Settings::default();
        assert!(!finds(&current(&other), &settings));
    }

    #[test]
    fn the_next_instance_is_as_the_files_are_then() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        let settings = Settings {
            path: vec![place.path().to_str().unwrap().to_owned()],
            ..Settings::default()
        };
        let mut known = Known::default();
        // When everything that there is was changed long ago.
        let later = SystemTime::now() + Duration::from_secs(3600);
        let mut load = |instance: u32| {
            let name = UnitName::parse(&format!("a@{instance}.service")).unwrap();
            let names = [name.clone()].into();
            let closure = known.load(&names, &[].into(), &settings, later);
            let unit = &closure.units[&name];
            assert_eq!(unit.name, name);
            let commands = unit.commands().unwrap();
            let start = commands.get(CommandKind::Start).first();
            let program = start.map(|it| it.program.clone()).unwrap_or_default();
            (program, unit.exec().unwrap().nice)
        };
        let write = |path: &str, text: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at("new"), text).unwrap();
            fs::rename(at("new"), at(path)).unwrap();
        };
        write("a@.service", "[Service]\nExecStart=/bin/a\n");
        assert_eq!(
            [1, 2].map(&mut load),
            [("/bin/a".into(), None), ("/bin/a".into(), None)]
        );
        write("a@.service", "[Service]\nExecStart=/bin/b\n");
        assert_eq!(load(3), ("/bin/b".into(), None));
        write("a@5.service.d/x.conf", "[Service]\nNice=5\n");
        assert_eq!(
            [4, 5, 6].map(&mut load).map(|it| it.1),
            [None, Some(5), None]
        );
        write("a@.service.d/x.conf", "[Service]\nNice=7\n");
        assert_eq!([7, 8].map(&mut load).map(|it| it.1), [Some(7), Some(7)]);
        write("a@.service.d/x.conf", "[Service]\nNice=8\n");
        assert_eq!(load(9), ("/bin/b".into(), Some(8)));
        fs::remove_file(at("a@.service.d/x.conf")).unwrap();
        write("a@10.service", "[Service]\nExecStart=/bin/c\n");
        assert_eq!(
            [10, 11].map(&mut load),
            [("/bin/c".into(), None), ("/bin/b".into(), None)]
        );
    }
}
