//! The load path as it was listed last, for the many loads of a single unit that come with
//! connections (checklist L11): good as long as no directory of the path has changed.
//!
//! A directory changes its time of modification when an entry comes, goes or is renamed; files
//! and drop-in directories are read anew by every load. The kernel's clock for these times has
//! steps of some milliseconds, so a listing of a directory that had only just changed is used
//! but not kept.

use super::disk::LoadSource;
use crate::unit::load::{Listing, Settings};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// The listing that is kept. Copies share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Listings(Arc<Mutex<Option<Kept>>>);

impl Listings {
    /// The load path of these settings as it is now. Blocks on the disk: not for the loop's
    /// thread.
    pub(super) fn current(&self, settings: &Settings, source: &LoadSource) -> Arc<Listing> {
        let now = SystemTime::now();
        let stamps: Vec<Stamp> = settings.path.iter().map(|path| stamp(path)).collect();
        if let Some(kept) = &*self.lock()
            && kept.path == settings.path
            && kept.stamps == stamps
        {
            return kept.listing.clone();
        }
        let listing = Arc::new(Listing::of(settings, source));
        if stamps.iter().all(|stamp| is_settled(stamp, now)) {
            *self.lock() = Some(Kept {
                path: settings.path.clone(),
                stamps,
                listing: listing.clone(),
            });
        }
        listing
    }

    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    use crate::unit::load::load_listed;
    use crate::unit::name::UnitName;

    /// Whether `a.service` is found.
    fn finds(listing: &Listing, settings: &Settings) -> bool {
        let name = UnitName::parse("a.service").unwrap();
        let names = [name.clone()].into();
        let source = LoadSource::default();
        let closure = load_listed(listing, &names, &[].into(), settings, &source);
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
        let (listings, source) = (Listings::default(), LoadSource::default());
        let old = SystemTime::now() - Duration::from_secs(60);
        set_time(place.path(), old);
        let first = listings.current(&settings, &source);
        assert!(!finds(&first, &settings));
        assert!(Arc::ptr_eq(&first, &listings.current(&settings, &source)));
        // It has just changed: found, and looked for again as it might change at once.
        fs::write(place.path().join("a.service"), "[Service]\n").unwrap();
        let second = listings.current(&settings, &source);
        assert!(finds(&second, &settings));
        set_time(place.path(), old - Duration::from_secs(1));
        let third = listings.current(&settings, &source);
        assert!(!Arc::ptr_eq(&second, &third));
        assert!(Arc::ptr_eq(&third, &listings.current(&settings, &source)));
        // Another path is another listing.
        let other = Settings::default();
        assert!(!finds(&listings.current(&other, &source), &settings));
    }
}
