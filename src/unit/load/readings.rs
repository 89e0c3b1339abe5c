//! What units were made of when they were read last, so that one of which nothing has changed
//! since need not be read again.
//!
//! A configuration follows from the settings of the loader, the unit's name and aliases, the file
//! and the drop-ins, the links in its directories, and from which mount units there are (that is
//! what paths become dependencies by). All of it is compared, files and directories by the
//! [`Stamp`] of their source; whatever has none is read every time, and so is what asks the kernel:
//! mounts, devices, swaps and slices. Which mounts the kernel has is not compared here: whoever keeps
//! [`Readings`] forgets them when that changes.
//!
//! Configurations are not kept alive: what nobody has any more is read again. The exception is one
//! instance of each template that says the same of all instances: another one is taken from that, by
//! its own name, where nothing else is different.

use super::index::{self, Found, Index};
use super::{Entry, Source, Stamp};
use crate::unit::config::{LoadState, UnitConfig};
use crate::unit::diagnostic::Diagnostic;
use crate::unit::name::{UnitName, UnitType};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// So many readings of units that may be gone are no matter.
const FEW: usize = 64;

/// What was read up to now, always with the same settings and from the same source.
#[derive(Debug, Default)]
pub struct Readings {
    units: Units,
    directories: Directories,
    /// What names of mount units stood for.
    mounts: Vec<(UnitName, Found)>,
}

impl Readings {
    /// Another load begins, with the load path as it is now.
    pub(super) fn begin(&mut self, index: &Index) -> (&mut Units, &mut Directories) {
        let mounts = index.mounts();
        if self.mounts != mounts {
            self.units = Units::default();
            self.mounts = mounts.to_vec();
        }
        self.units.forget_gone();
        self.directories.begin();
        (&mut self.units, &mut self.directories)
    }

    /// A unit is gone: what is kept of it is given back, unless somebody has its configuration.
    pub fn forget(&mut self, name: &UnitName) {
        let known = &mut self.units.known;
        if known.get(name).is_some_and(|it| it.is_gone()) {
            known.remove(name);
        }
    }
}

/// Of a unit: what it became, and of what.
#[derive(Debug)]
struct Reading {
    config: Weak<UnitConfig>,
    fragment: Stamp,
    /// Its directories, whether for drop-ins or links.
    directories: Box<[Arc<Vec<Entry>>]>,
    drop_ins: Box<[(String, Stamp)]>,
}

/// Readings of units.
#[derive(Debug, Default)]
pub(super) struct Units {
    // In boxes: half of a tree's room is empty where names only go up.
    known: BTreeMap<UnitName, Box<Reading>>,
    /// Readings that came since those of units that are gone were looked for.
    added: usize,
    /// Of templates: the instance that was read last. Its own reading is among those above.
    patterns: BTreeMap<UnitName, Arc<UnitConfig>>,
}

impl Units {
    /// The unit as it was read last, if its file was at this path and nothing is different.
    pub(super) fn get(
        &self,
        id: &UnitName,
        path: &str,
        index: &Index,
        listings: &mut Listings<'_>,
    ) -> Option<Arc<UnitConfig>> {
        let reading = self.known.get(id).filter(|it| !it.is_gone());
        let Some(reading) = reading else {
            return self.like_another(id, path, index, listings);
        };
        let config = reading.config.upgrade()?;
        let same = reading.counts_for(id, &config, path, index, listings);
        same.then_some(config)
    }

    /// The unit as another instance of its template was read.
    fn like_another(
        &self,
        id: &UnitName,
        path: &str,
        index: &Index,
        listings: &mut Listings<'_>,
    ) -> Option<Arc<UnitConfig>> {
        let pattern = self.patterns.get(&id.template()?)?;
        let reading = self.known.get(&pattern.name)?;
        let is_its = reading.config.as_ptr() == Arc::as_ptr(pattern);
        let same = is_its && reading.counts_for(id, pattern, path, index, listings);
        same.then(|| Arc::new(pattern.renamed(id)))
    }

    /// Remembers what a unit was made of, if that says it all.
    pub(super) fn keep(&mut self, config: &Arc<UnitConfig>, made_of: MadeOf) {
        let asks_kernel = config.name.unit_type().needs_no_file();
        let says_it_all = !asks_kernel && !made_of.unstamped;
        let Some(fragment) = made_of.fragment.filter(|_| says_it_all) else {
            self.known.remove(&config.name);
            return;
        };
        if made_of.says_the_same_of_all
            && let Some(template) = config.name.template()
            && is_pattern(config, &template)
        {
            self.patterns.insert(template, config.clone());
        }
        let reading = Reading {
            config: Arc::downgrade(config),
            fragment,
            directories: made_of.directories.into(),
            drop_ins: made_of.drop_ins.into(),
        };
        self.known.insert(config.name.clone(), Box::new(reading));
        self.added += 1;
    }

    /// Forgets units that nobody has any more, once there may be many.
    fn forget_gone(&mut self) {
        if self.added > FEW.max(self.known.len() / 2) {
            self.known.retain(|_, it| !it.is_gone());
            self.added = 0;
        }
    }
}

/// Whether other instances can be taken from this one. What is wrong with the files is said by
/// names, and activated units are called after those that activate them.
fn is_pattern(config: &UnitConfig, template: &UnitName) -> bool {
    let file = config.fragment.as_deref();
    let file = file.and_then(|path| path.rsplit('/').next());
    config.name.unit_type() == UnitType::Service
        && config.load == LoadState::Loaded
        && config.diagnostics.is_empty()
        && config.aliases.is_empty()
        && file == Some(template.as_str())
}

impl Reading {
    /// Whether nobody has the configuration any more. Its memory is only given back with the reading.
    fn is_gone(&self) -> bool {
        self.config.strong_count() == 0
    }

    /// Whether a unit whose file is at this path is made of the same, and of that as it was.
    fn counts_for(
        &self,
        id: &UnitName,
        config: &UnitConfig,
        path: &str,
        index: &Index,
        listings: &mut Listings<'_>,
    ) -> bool {
        let mut listed = self.directories.iter();
        let places = index.directories_of(id);
        let mut places = places.iter().flatten();
        let same = config.fragment.as_deref() == Some(path)
            && config.aliases == index.aliases_of(id)
            && places.all(|place| {
                let now = listings.of(place).1;
                listed
                    .next()
                    .is_some_and(|before| Arc::ptr_eq(before, &now))
            })
            && listed.next().is_none()
            && listings.source.stamp(path) == Some(self.fragment);
        let mut drop_ins = self.drop_ins.iter();
        same && drop_ins.all(|(path, stamp)| listings.source.stamp(path) == Some(*stamp))
    }
}

/// What a unit is made of, gathered while it is read.
#[derive(Debug, Default)]
pub(super) struct MadeOf {
    fragment: Option<Stamp>,
    directories: Vec<Arc<Vec<Entry>>>,
    drop_ins: Vec<(String, Stamp)>,
    /// There is something among it that has no stamp.
    unstamped: bool,
    /// None of it depends on which instance of a template it is.
    says_the_same_of_all: bool,
}

impl MadeOf {
    /// It has a file.
    pub(super) fn begin(&mut self, stamp: Option<Stamp>) {
        self.fragment = stamp;
    }

    /// All of it was looked at.
    pub(super) fn end(&mut self, about_instance: bool) {
        self.says_the_same_of_all = !about_instance;
    }

    /// It has a drop-in.
    pub(super) fn add_drop_in(&mut self, path: String, stamp: Option<Stamp>) {
        match stamp {
            Some(stamp) => self.drop_ins.push((path, stamp)),
            None => self.unstamped = true,
        }
    }
}

/// A directory by its path, and what is in it.
pub(super) type Listed<'a> = (&'a str, Arc<Vec<Entry>>);

/// Directories as they were listed last.
#[derive(Debug, Default)]
pub(super) struct Directories {
    known: BTreeMap<String, Directory>,
    /// Which load it is.
    round: u64,
}

#[derive(Debug)]
struct Directory {
    stamp: Option<Stamp>,
    entries: Arc<Vec<Entry>>,
    /// The load in which it was looked at last.
    round: u64,
}

impl Directories {
    fn begin(&mut self) {
        self.round += 1;
        // Listings are those of units.
        self.known
            .retain(|_, it| Arc::strong_count(&it.entries) > 1);
    }
}

/// Directories beside unit files as one load finds them: each is looked at once.
pub(super) struct Listings<'a> {
    source: &'a dyn Source,
    directories: &'a mut Directories,
    /// Directories that could not be read.
    unreadable: Vec<Diagnostic>,
}

impl<'a> Listings<'a> {
    /// None yet; with those of the load path that could not be read.
    pub(super) fn new(
        source: &'a dyn Source,
        directories: &'a mut Directories,
        unreadable: &[Diagnostic],
    ) -> Listings<'a> {
        Listings {
            source,
            directories,
            unreadable: unreadable.to_vec(),
        }
    }

    /// A warning for each directory that could not be read.
    pub(super) fn into_unreadable(self) -> Vec<Diagnostic> {
        self.unreadable
    }

    /// Lists directories of a unit.
    pub(super) fn of_all<'p>(
        &mut self,
        paths: &[&'p str],
        made_of: &mut MadeOf,
    ) -> Vec<Listed<'p>> {
        let mut all = Vec::new();
        for path in paths {
            let (stamp, entries) = self.of(path);
            made_of.unstamped |= stamp.is_none();
            made_of.directories.push(entries.clone());
            all.push((*path, entries));
        }
        all
    }

    /// What is in a directory, with its stamp from before it was listed. It is the same list as
    /// before if the directory is as it was.
    fn of(&mut self, path: &str) -> (Option<Stamp>, Arc<Vec<Entry>>) {
        let round = self.directories.round;
        let known = self.directories.known.get_mut(path);
        if let Some(known) = &known
            && known.round == round
        {
            return (known.stamp, known.entries.clone());
        }
        let stamp = self.source.stamp(path);
        if let Some(known) = known
            && known.stamp == stamp
            && stamp.is_some()
        {
            known.round = round;
            return (stamp, known.entries.clone());
        }
        let (stamp, entries) = match self.source.list(path) {
            Ok(entries) => (stamp, entries),
            Err(error) => {
                self.unreadable.push(index::unreadable(path, &error));
                (None, Vec::new())
            }
        };
        let directory = Directory {
            stamp,
            entries: Arc::new(entries),
            round,
        };
        let found = (stamp, directory.entries.clone());
        self.directories.known.insert(path.to_owned(), directory);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::load::{MemorySource, Settings, load_again};

    #[test]
    fn of_a_unit_that_is_gone_nothing_is_kept() {
        let names = ["a.service", "b.service"].map(|name| UnitName::parse(name).unwrap());
        let file = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/a\n";
        let source = MemorySource::new()
            .file("/u/a.service", file)
            .file("/u/b.service", file);
        let settings = Settings {
            path: vec!["/u".to_owned()],
            default_dependencies: false,
            ..Settings::default()
        };
        let mut readings = Readings::default();
        let wanted = names.clone().into();
        let mut loaded = load_again(&wanted, &[].into(), &settings, &source, &mut readings).units;
        loaded.remove(&names[0]);
        names.iter().for_each(|name| readings.forget(name));
        let known: Vec<&UnitName> = readings.units.known.keys().collect();
        assert_eq!(known, [&names[1]]);
    }
}
