//! Units that need what they, or something else they need, cannot run beside.

use super::Check;
use super::places::Places;
use crate::unit::config::{DependencyKind, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Rule};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;

/// The dependencies without which a unit does not start.
const HARD: [DependencyKind; 3] = [
    DependencyKind::Requires,
    DependencyKind::BindsTo,
    DependencyKind::Requisite,
];

/// Each pair of units that conflict is named once, at whoever needs both.
pub(super) fn check(check: &Check<'_>, places: &mut Places<'_>) -> Vec<Diagnostic> {
    // Most units conflict with nothing but shutdown.target, so looking from the conflict is
    // cheap.
    let mut findings = Vec::new();
    let mut named: BTreeSet<(&UnitName, &UnitName)> = BTreeSet::new();
    let loaded = || check.units.values().filter(|u| u.load == LoadState::Loaded);
    for unit in loaded() {
        for other in unit.dependencies_of(DependencyKind::Wants) {
            let both = unit.dependencies_of(DependencyKind::Conflicts);
            if both.into_iter().any(|name| name == other) {
                let message = format!("{other} is wanted and conflicts with this unit");
                let place = places.of_unit(unit, "Conflicts", other);
                findings.push(place.warning(Rule::ConflictingRequirement, message));
            }
        }
        let needed = needed_by(check, unit);
        for member in needed.iter().filter_map(|name| check.find(name)) {
            for other in member.dependencies_of(DependencyKind::Conflicts) {
                let other = check.own_name(other);
                let pair = if other < &member.name {
                    (other, &member.name)
                } else {
                    (&member.name, other)
                };
                if needed.contains(other) && named.insert(pair) {
                    findings.push(report(unit, member, other, places));
                }
            }
        }
    }
    findings
}

/// The unit and everything it cannot start without.
fn needed_by<'a>(check: &'a Check<'_>, unit: &'a UnitConfig) -> BTreeSet<&'a UnitName> {
    let mut needed = BTreeSet::from([&unit.name]);
    let mut waiting = vec![unit];
    while let Some(next) = waiting.pop() {
        for kind in HARD {
            for target in next.dependencies_of(kind) {
                let target = check.own_name(target);
                if needed.insert(target) {
                    waiting.extend(check.find(target));
                }
            }
        }
    }
    needed
}

fn report(
    unit: &UnitConfig,
    member: &UnitConfig,
    other: &UnitName,
    places: &mut Places<'_>,
) -> Diagnostic {
    let message = if unit.name == member.name {
        format!("{other} is required and conflicts with this unit, which cannot start")
    } else if unit.name == *other {
        format!("{} is required by {other}, which cannot start", member.name)
    } else {
        format!(
            "{} and {other} conflict, and {} requires both and cannot start",
            member.name, unit.name
        )
    };
    let place = places.of_unit(member, "Conflicts", other);
    place.error(Rule::ConflictingRequirement, message)
}
