//! What is measured, each from nothing: the loader alone, and a real daemon.

use super::common::daemon::Place;
use super::units;
use procmgr::host::{LoadSource, gather_facts};
use procmgr::unit::config::UnitConfig;
use procmgr::unit::load::{Settings, load_closure};
use procmgr::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often each time is taken; the median counts.
const TIMES: usize = 5;

/// What the loader took.
pub(crate) struct Loading {
    /// Units that were loaded, the built-in ones included.
    pub(crate) units: usize,
    /// For all of them.
    pub(crate) time: Duration,
    /// Memory that the configuration of a unit keeps.
    pub(crate) bytes_per_unit: u64,
}

/// What a daemon took.
pub(crate) struct Reloading {
    /// From the first request for the target to its answer: all units loaded and in the engine.
    pub(crate) first: Duration,
    /// A whole `dd-procmgr daemon-reload` with nothing changed.
    pub(crate) reload: Duration,
    /// What the daemon's memory grew by, per unit, with the first load.
    pub(crate) bytes_per_unit: u64,
    /// What it grew by in all the reloads together.
    pub(crate) growth: i64,
}

/// Loads `count` units from the disk, the files in the page cache.
pub(crate) fn loading(count: usize) -> Loading {
    let directory = tempfile::tempdir().expect("a directory can be made");
    units::write(directory.path(), count).expect("units can be written");
    let settings = Settings {
        path: vec![directory.path().to_string_lossy().into_owned()],
        system: gather_facts(&|_| None),
        ..Settings::default()
    };
    let mut times = Vec::new();
    let mut kept = vec![load(&settings)];
    // What the first one needed besides is free again and serves the others.
    let before = memory_of("self");
    for _ in 0..TIMES {
        let start = Instant::now();
        kept.push(load(&settings));
        times.push(start.elapsed());
    }
    let grown = memory_of("self").saturating_sub(before);
    let units = kept[0].len();
    assert!(units > count, "{units} units of {count}");
    Loading {
        units,
        time: median(times),
        bytes_per_unit: grown / (TIMES * units) as u64,
    }
}

fn load(settings: &Settings) -> BTreeMap<UnitName, Arc<UnitConfig>> {
    let target = UnitName::parse(units::TARGET).expect("a name");
    let names = BTreeSet::from([target]);
    load_closure(&names, &BTreeSet::new(), settings, &LoadSource::default())
}

/// Lets a daemon load `count` units and read them again.
pub(crate) fn reloading(count: usize) -> Reloading {
    let place = Place::bare();
    units::write(&place.file("units"), count).expect("units can be written");
    let daemon = place.start();
    let pid = daemon.pid().to_string();
    let empty = memory_of(&pid);
    let start = Instant::now();
    daemon.ok(&["start", units::HOLDER]);
    let first = start.elapsed();
    let full = memory_of(&pid);
    let loaded = daemon.ok(&["list", "--all", "--no-legend"]).lines().count();
    assert!(loaded > count, "{loaded} units of {count}");
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        daemon.ok(&["daemon-reload"]);
        times.push(start.elapsed());
    }
    Reloading {
        first,
        reload: median(times),
        bytes_per_unit: full.saturating_sub(empty) / loaded as u64,
        growth: memory_of(&pid) as i64 - full as i64,
    }
}

/// Resident memory of a process in bytes.
fn memory_of(process: &str) -> u64 {
    let path = Path::new("/proc").join(process).join("smaps_rollup");
    let text = fs::read_to_string(path).expect("the process is there");
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let number: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    1024 * number.unwrap_or_else(|| panic!("no Rss in {text}"))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
