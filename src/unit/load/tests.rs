//! The rows of checklist section 4, one by one, over files in memory, and real unit files
//! where they are at hand.

mod again;
mod corpus;
mod laws;
mod paths;
mod relations;

use super::*;
use crate::unit::config::*;

/// The directories of the tests, highest priority first.
const PATH: [&str; 3] = ["/etc/u", "/run/u", "/usr/u"];

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

fn settings() -> Settings {
    Settings {
        path: PATH.iter().map(|p| (*p).to_owned()).collect(),
        system: SystemFacts {
            runtime_directory: "/run".to_owned(),
            ..SystemFacts::default()
        },
        default_dependencies: true,
        ..Settings::default()
    }
}

/// Loads with nothing but what the files say.
fn bare(source: &MemorySource, names: &[&str]) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    let settings = Settings {
        default_dependencies: false,
        ..settings()
    };
    load(source, names, &settings)
}

fn load(
    source: &MemorySource,
    names: &[&str],
    settings: &Settings,
) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    let names = names.iter().map(|text| name(text)).collect();
    let units = load_closure(&names, &BTreeSet::new(), settings, source);
    assert_closed(&units);
    units
}

/// Every dependency leads to a unit of the set.
fn assert_closed(units: &BTreeMap<UnitName, Arc<UnitConfig>>) {
    let known: BTreeSet<&UnitName> = units
        .values()
        .flat_map(|unit| unit.aliases.iter().chain([&unit.name]))
        .collect();
    for (key, unit) in units {
        assert_eq!(*key, unit.name);
        for dependency in &unit.dependencies {
            let target = &dependency.target;
            assert!(known.contains(target), "{key} names {target}");
        }
        let mut sorted = unit.dependencies.clone();
        sorted.sort();
        sorted.dedup_by_key(|d| (d.kind, d.target.clone()));
        assert_eq!(sorted, unit.dependencies, "{key}");
    }
}

/// Loads one unit with nothing but what the files say.
fn one(source: &MemorySource, text: &str) -> UnitConfig {
    let units = bare(source, &[text]);
    let found = units
        .values()
        .find(|unit| unit.name.as_str() == text || unit.aliases.contains(text));
    UnitConfig::clone(found.unwrap())
}

fn targets(unit: &UnitConfig, kind: DependencyKind) -> Vec<&str> {
    unit.dependencies_of(kind).map(UnitName::as_str).collect()
}

fn described(text: &str) -> String {
    format!("[Unit]\nDescription={text}\n[Service]\nExecStart=/bin/a\n")
}
