//! Units that need what they, or something else they need, cannot run beside.

use super::Check;
use super::places::Places;
use crate::unit::config::{DependencyKind, DependencyOrigin, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Rule};
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};

/// The dependencies without which a unit does not start.
const HARD: [DependencyKind; 3] = [
    DependencyKind::Requires,
    DependencyKind::BindsTo,
    DependencyKind::Requisite,
];

/// Who needs a unit: the units without which others do not start, and those others.
type Needers<'a> = BTreeMap<&'a UnitName, BTreeSet<&'a UnitName>>;

/// Each pair of units that conflict is named once, at the nearest that needs both.
pub(super) fn check(check: &Check<'_>, places: &mut Places<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut named: BTreeSet<(&UnitName, &UnitName)> = BTreeSet::new();
    let needers = needers(check);
    for unit in check.units.values().filter(|u| u.load == LoadState::Loaded) {
        findings.extend(wanted(unit, places));
        let conflicts = unit.dependencies.iter();
        let conflicts = conflicts.filter(|d| d.kind == DependencyKind::Conflicts);
        for conflict in conflicts.filter(|d| d.origin == DependencyOrigin::File) {
            let other = check.own_name(&conflict.target);
            let pair = if other < &unit.name {
                (other, &unit.name)
            } else {
                (&unit.name, other)
            };
            if !named.insert(pair) {
                continue;
            }
            if let Some(both) = needs_both(&needers, &unit.name, other) {
                findings.push(report(both, unit, other, places));
            }
        }
    }
    findings
}

/// Units that are wanted and conflict all the same.
fn wanted(unit: &UnitConfig, places: &mut Places<'_>) -> Vec<Diagnostic> {
    let wanted: BTreeSet<&UnitName> = unit.dependencies_of(DependencyKind::Wants).collect();
    let conflicts = unit.dependencies_of(DependencyKind::Conflicts);
    let both = conflicts.filter(|name| wanted.contains(name));
    both.map(|other| {
        let message = format!("{other} is wanted and conflicts with this unit");
        let place = places.of_unit(unit, "Conflicts", other);
        place.warning(Rule::ConflictingRequirement, message)
    })
    .collect()
}

fn needers<'a>(check: &'a Check<'_>) -> Needers<'a> {
    let mut needers = Needers::new();
    for unit in check.units.values() {
        for kind in HARD {
            for target in unit.dependencies_of(kind) {
                let target = check.own_name(target);
                needers.entry(target).or_default().insert(&unit.name);
            }
        }
    }
    needers
}

/// The nearest unit that needs both, itself one of them or another.
fn needs_both<'a>(
    needers: &Needers<'a>,
    one: &'a UnitName,
    other: &'a UnitName,
) -> Option<&'a UnitName> {
    let of_other: BTreeSet<&UnitName> = all_needers(needers, other).into_iter().collect();
    let of_one = all_needers(needers, one).into_iter();
    of_one.into_iter().find(|name| of_other.contains(name))
}

/// A unit and everything that needs it, the nearest first.
fn all_needers<'a>(needers: &Needers<'a>, name: &'a UnitName) -> Vec<&'a UnitName> {
    let mut found = vec![name];
    let mut seen = BTreeSet::from([name]);
    let mut next = 0;
    while let Some(name) = found.get(next).copied() {
        next += 1;
        let more = needers.get(name).into_iter().flatten();
        found.extend(more.filter(|name| seen.insert(**name)));
    }
    found
}

fn report(
    both: &UnitName,
    unit: &UnitConfig,
    other: &UnitName,
    places: &mut Places<'_>,
) -> Diagnostic {
    let message = if *both == unit.name {
        format!("{other} is required and conflicts with this unit, which cannot start")
    } else if both == other {
        format!("{other} requires this unit and cannot start, since the two conflict")
    } else {
        format!("{both} requires this unit and {other}, which conflict, and cannot start")
    };
    let place = places.of_unit(unit, "Conflicts", other);
    place.error(Rule::ConflictingRequirement, message)
}
