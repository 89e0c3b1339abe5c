//! What the command line answers without a daemon, from the files on the disk: what is wrong
//! with units, and what their properties are before they are ever started.
//!
//! Runs nothing but what `activation` is asked to, and changes nothing but what `unit_files` is
//! asked to. Results are those the daemon would give: the same loader, the same engine, the same
//! tables.

pub mod activation;
pub mod import;
mod machine;
pub mod unit_files;

use crate::bus;
use crate::engine::{Engine, Event, Timestamp};
use crate::host::{DiskSource, LoadSource, gather_facts};
pub use crate::host::{
    LogFilter, LogFollower, LogLine, last_lines, merged_name, message_of, object,
};
use crate::unit::diagnostic::Diagnostic;
use crate::unit::load::{self, Settings, Source};
use crate::unit::name::UnitName;
use crate::unit::value::Zones;
use crate::unit::verify;
use machine::ThisMachine;
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// The target that a daemon begins with, under both its names.
const FIRST: [&str; 1] = ["default.target"];

/// Files from the disk, in these unit directories.
pub fn settings(path: Vec<String>, env: &dyn Fn(&str) -> Option<String>) -> Settings {
    Settings {
        path,
        system: gather_facts(env),
        ..Settings::default()
    }
}

/// The machine's time zones.
pub fn zones(env: &dyn Fn(&str) -> Option<String>) -> Zones {
    gather_facts(env).zones
}

/// The names of all unit files in the path, templates and aliases included.
pub fn all_names(settings: &Settings) -> BTreeSet<UnitName> {
    load::all_names(settings, &LoadSource::default())
}

/// What is wrong with the units named and with what they name; see [`verify::verify`].
pub fn verify(names: &BTreeSet<UnitName>, settings: &Settings) -> Vec<Diagnostic> {
    verify::verify(names, settings, &LoadSource::default(), &ThisMachine)
}

/// The content of a unit file; empty if it cannot be read.
pub fn read(file: &str) -> Vec<u8> {
    DiskSource.read(file).unwrap_or_default()
}

/// The properties of a unit that was loaded and never started, as [`bus::unit_properties`];
/// what a daemon begins with is loaded, too, since it may depend on the unit.
pub fn show(name: &UnitName, settings: &Settings) -> Vec<(String, Json)> {
    let first = FIRST.iter().filter_map(|name| UnitName::parse(name).ok());
    let names: BTreeSet<UnitName> = first.chain([name.clone()]).collect();
    let units = load::load_closure(&names, &BTreeSet::new(), settings, &LoadSource::default());
    let mut engine = Engine::new(0);
    let units = units.into_values().collect();
    engine.handle(Timestamp::default(), Event::Load { units });
    let mut properties = bus::unit_properties(&engine, name.as_str()).unwrap_or_default();
    add_file_state(&mut properties, settings);
    properties
}

/// What the disk says of the unit's file, if it has one.
fn add_file_state(properties: &mut [(String, Json)], settings: &Settings) {
    let text = |name: &str| {
        let found = properties.iter().find(|(n, _)| n == name);
        found.and_then(|(_, value)| value.as_str()).unwrap_or("")
    };
    let Ok(id) = UnitName::parse(text("Id")) else {
        return;
    };
    if text("FragmentPath").is_empty() {
        return;
    }
    let (state, wanted) = unit_files::state_and_preset(&id, settings);
    let preset = if wanted { "enabled" } else { "disabled" };
    for (name, value) in properties {
        match name.as_str() {
            "UnitFileState" => *value = Json::from(state.as_str()),
            "UnitFilePreset" => *value = Json::from(preset),
            _ => {}
        }
    }
}
