//! From names to configurations: finds fragments, drop-ins, aliases and dependency links,
//! parses them, adds implicit and default dependencies (systemd.unit(5), "UNIT FILE LOAD
//! PATH"; checklist section 4).
//!
//! Files come through [`Source`]; nothing here touches the disk. The load path is listed once
//! per call, or not at all by one who has a [`Listing`]; then every unit is read once, so the
//! cost grows with what there is to read.

mod builtin;
mod context;
mod fragment;
mod implicit;
mod index;
mod memory;
mod readings;
mod resource;
mod sandbox;
mod verify;

#[cfg(test)]
mod tests;

pub(super) use index::normal;
pub use memory::MemorySource;
pub use readings::Readings;

use super::config::{Accounting, DependencyKind, UnitConfig};
use super::diagnostic::Diagnostic;
use super::name::UnitName;
use super::specifier::SystemFacts;
use fragment::Loader;
use index::Index;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

/// What a directory entry of the load path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file (or a link that leads to one outside every unit directory's control).
    File,
    /// A directory.
    Directory,
    /// A symbolic link, with its target as written.
    Link(String),
    /// Anything else.
    Other,
}

/// One directory entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name within the directory.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What tells whether a file or a directory is as it was: the same as long as nothing of it has
/// changed. What the numbers mean is the source's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(pub [u64; 5]);

/// Where unit files come from: the disk in the daemon, a map in tests.
pub trait Source {
    /// The entries of a directory sorted by name; empty if there is none.
    ///
    /// # Errors
    /// The directory exists but cannot be read.
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>>;

    /// The content of a file, links followed.
    ///
    /// # Errors
    /// The file cannot be read, or is larger than the loader's limit.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// As [`Source::read`], with the file's stamp from before it was read; none where a change
    /// might not show.
    ///
    /// # Errors
    /// As there.
    fn read_stamped(&self, path: &str) -> io::Result<(Vec<u8>, Option<Stamp>)> {
        Ok((self.read(path)?, None))
    }

    /// The stamp of the file or directory at a path, links followed; none where nothing is, or
    /// where a change might not show.
    fn stamp(&self, _path: &str) -> Option<Stamp> {
        None
    }

    /// Whether the kernel has what a mount, device, swap or slice unit stands for: a mounted
    /// path for `sys-kernel-debug.mount`, a node for `dev-sda.device`.
    fn holds(&self, name: &UnitName) -> bool;
}

/// What the loader is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Unit directories, highest priority first.
    pub path: Vec<String>,
    /// For specifiers.
    pub system: SystemFacts,
    /// Whether units get the default dependencies that DefaultDependencies= is about; yes
    /// unless a test wants to see units alone.
    pub default_dependencies: bool,
    /// Directives that any unit may go without (AllowDegraded= of the daemon's settings).
    pub allow_degraded: BTreeSet<String>,
    /// What is counted of units that say nothing (DefaultCPUAccounting= and its kin).
    pub accounting: Accounting,
    /// The directory of units that clients have made, where there is one; scopes come from
    /// nowhere else (systemd.scope(5)).
    pub transient: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            path: Vec::new(),
            system: SystemFacts::default(),
            default_dependencies: true,
            allow_degraded: BTreeSet::new(),
            accounting: Accounting::default(),
            transient: None,
        }
    }
}

/// Loads the units named, and everything they name in turn, so that the result is closed: the
/// target of every dependency is in it, if only as not found.
///
/// Units stand under their own names; a name that was asked for, or that a dependency has, may
/// be among the aliases of one. `loaded` are names that are there already and need not be read
/// again.
pub fn load_closure(
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    load(names, loaded, settings, source).units
}

/// What was loaded, and what could not be looked at.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// The units, under their own names.
    pub units: BTreeMap<UnitName, Arc<UnitConfig>>,
    /// A warning for each directory that could not be read, so that what it holds is missed.
    pub unreadable: Vec<Diagnostic>,
}

/// The directories of the load path, listed: all that is to be known of them before a file is
/// read. It holds until one of them changes.
#[derive(Debug)]
pub struct Listing(Index);

impl Listing {
    /// Lists the load path.
    pub fn of(settings: &Settings, source: &dyn Source) -> Listing {
        let mut index = Index::scan(&settings.path, source);
        let goal = ("default.target", "multi-user.target");
        if let (Ok(alias), Ok(target)) = (UnitName::parse(goal.0), UnitName::parse(goal.1)) {
            index.add_alias(alias, target);
        }
        Listing(index)
    }
}

/// As [`load_closure`], with the directories that could not be read.
pub fn load(
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
) -> Closure {
    load_again(names, loaded, settings, source, &mut Readings::default())
}

/// As [`load`]; what was read before and is as it was then is the configuration of then.
pub fn load_again(
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
    readings: &mut Readings,
) -> Closure {
    let listing = Listing::of(settings, source);
    let loader = Loader::new(&listing.0, settings, source, readings);
    load_by(loader, names, loaded, settings)
}

/// As [`load_again`], with the load path as it was listed before.
pub fn load_listed(
    listing: &Listing,
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
    readings: &mut Readings,
) -> Closure {
    let loader = Loader::new(&listing.0, settings, source, readings);
    load_by(loader, names, loaded, settings)
}

fn load_by(
    mut loader: Loader<'_>,
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
) -> Closure {
    let mut units: BTreeMap<UnitName, Arc<UnitConfig>> = BTreeMap::new();
    let mut waiting = names.clone();
    while let Some(name) = waiting.pop_first() {
        let id = loader.id_of(&name);
        if loaded.contains(&name) || loaded.contains(&id) || units.contains_key(&id) {
            continue;
        }
        let unit = loader.load(&name);
        waiting.extend(unit.dependencies.iter().map(|d| d.target.clone()));
        units.insert(id, unit);
    }
    for (name, after) in implicit::target_order(&mut loader, &units, settings) {
        if let Some(unit) = units.get_mut(&name) {
            // What is kept for the next time is without these.
            let unit = Arc::make_mut(unit);
            unit.dependencies.extend(after);
            unit.dependencies.sort();
        }
    }
    Closure {
        units,
        unreadable: loader.into_unreadable(),
    }
}

/// The names of all unit files in the load path, templates and aliases included.
pub fn all_names(settings: &Settings, source: &dyn Source) -> BTreeSet<UnitName> {
    Index::scan(&settings.path, source).names()
}

/// Whether a unit of this name is there without a file.
pub fn is_builtin(name: &UnitName) -> bool {
    builtin::find(name).is_some()
}

/// The kinds of dependency by which a unit pulls others in.
pub(super) const PULLS: [DependencyKind; 5] = [
    DependencyKind::Requires,
    DependencyKind::Requisite,
    DependencyKind::Wants,
    DependencyKind::BindsTo,
    DependencyKind::Upholds,
];
