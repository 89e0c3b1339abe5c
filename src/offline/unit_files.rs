//! Unit files without a daemon: the same plans as the daemon's, on the same files.

use crate::host::{DiskSource, edit_unit_files};
use crate::unit::install::{
    FileState, ListedFile, Plan, Request, StateError, Trouble, UnitFiles, links_of,
};
use crate::unit::load::{self, Settings};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;

pub use crate::host::EditError;

/// Plans a request and carries it out: the one thing here that changes files.
///
/// # Errors
/// Nothing was changed.
pub fn edit(request: &Request, settings: &Settings) -> Result<Plan, EditError> {
    edit_unit_files(request, settings)
}

/// The unit files that match, with their states.
pub fn list(settings: &Settings, states: &[String], patterns: &[String]) -> Vec<ListedFile> {
    UnitFiles::new(settings, &DiskSource).list(states, patterns)
}

/// The state of a unit file.
///
/// # Errors
/// There is none, or it cannot be told.
pub fn state(name: &UnitName, settings: &Settings) -> Result<FileState, StateError> {
    UnitFiles::new(settings, &DiskSource).state(name)
}

/// UnitFileState and UnitFilePreset of a unit.
pub fn state_and_preset(name: &UnitName, settings: &Settings) -> (FileState, bool) {
    let source = DiskSource;
    let files = UnitFiles::new(settings, &source);
    let state = files.state(name).unwrap_or(FileState::Bad);
    (state, files.wants_enabled(name))
}

/// The links that disabling a unit would remove.
///
/// # Errors
/// It could not be disabled.
pub fn links(name: &str, settings: &Settings) -> Result<Vec<String>, Vec<Trouble>> {
    links_of(name, false, settings, &DiskSource)
}

/// What `default.target` stands for.
///
/// # Errors
/// It is masked, or leads nowhere.
pub fn default_target(settings: &Settings) -> Result<String, Trouble> {
    UnitFiles::new(settings, &DiskSource).default_target()
}

/// The file of a unit, aliases followed.
///
/// # Errors
/// There is none, or it is masked.
pub fn file_of(name: &str, settings: &Settings) -> Result<String, Trouble> {
    UnitFiles::new(settings, &DiskSource).file_of(name)
}

/// The file of a unit, if it has one, and its drop-ins, in the order they count.
pub fn files_of(name: &UnitName, settings: &Settings) -> (Option<String>, Vec<String>) {
    let names = BTreeSet::from([name.clone()]);
    let units = load::load_closure(&names, &BTreeSet::new(), settings, &DiskSource);
    let stands_for = |unit: &&std::sync::Arc<crate::unit::config::UnitConfig>| {
        unit.name == *name || unit.aliases.contains(name)
    };
    match units.values().find(stands_for) {
        Some(unit) => (unit.fragment.clone(), unit.drop_ins.clone()),
        None => (None, Vec::new()),
    }
}
