//! Many units at one look.

use super::{Daemon, wait_for};
use std::collections::BTreeMap;

/// Property to value, of each unit by its name.
pub type States = BTreeMap<String, BTreeMap<String, String>>;

/// Properties of units, by Id=.
#[track_caller]
pub fn show(daemon: &Daemon, units: &[String], properties: &[&str]) -> States {
    let mut arguments = vec!["show", "--all", "-p", "Id"];
    for property in properties {
        arguments.extend(["-p", property]);
    }
    arguments.extend(units.iter().map(String::as_str));
    let text = daemon.ok(&arguments);
    let states: States = text
        .split("\n\n")
        .map(|block| {
            let unit: BTreeMap<String, String> = block
                .lines()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            (unit["Id"].clone(), unit)
        })
        .collect();
    assert_eq!(states.len(), units.len(), "{text}");
    states
}

/// Waits until the units are at rest, two looks being equal: no job, no state that leads on.
/// A unit that waits an hour for its restart is at rest in `auto-restart`.
#[track_caller]
pub fn at_rest(daemon: &Daemon, units: &[String]) -> States {
    let look = || {
        show(
            daemon,
            units,
            &["ActiveState", "SubState", "Job", "InvocationID"],
        )
    };
    let mut last = look();
    wait_for("the units to be at rest", || {
        let now = look();
        let equal = std::mem::replace(&mut last, now.clone()) == now;
        match now.iter().find(|(_, unit)| !rests(unit)) {
            Some((name, unit)) => Err(format!("{name}: {unit:?}\n{}", daemon.log())),
            None if !equal => Err("states change".to_owned()),
            None => Ok(now),
        }
    })
}

fn rests(unit: &BTreeMap<String, String>) -> bool {
    let state = unit["ActiveState"].as_str();
    let waits = unit["SubState"] == "auto-restart";
    // An automatic restart is no job before it is due.
    matches!(state, "active" | "inactive" | "failed") && unit["Job"].is_empty() || waits
}
