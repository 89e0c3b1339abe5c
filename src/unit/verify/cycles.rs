//! Circles of units that wait for each other. The start of one of them would have to be
//! dropped, and which one is nobody's choice.
//!
//! Units that wait for each other and conflict are never started together, so a circle with
//! two such units in it is none.

use super::Check;
use super::places::Places;
use crate::unit::config::{DependencyKind, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use crate::unit::load::PULLS;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// For each unit, those it waits for.
type Graph<'a> = BTreeMap<&'a UnitName, BTreeSet<&'a UnitName>>;

/// Circles within what one start pulls in are errors: that start cannot go as the files say.
/// Others only come up when somebody starts the units together. Every unit that is in a circle
/// is in one of the findings.
pub(super) fn check(check: &Check<'_>, places: &mut Places<'_>) -> Vec<Diagnostic> {
    let graph = waits(check);
    let suspects = in_circles(&graph);
    let mut findings = Vec::new();
    if suspects.is_empty() {
        return findings;
    }
    let mut named = BTreeSet::new();
    for unit in check.units.values() {
        let mut among = pulled_by(check, unit);
        among.retain(|name| suspects.contains(name));
        if among.len() < 2 || among.is_subset(&named) {
            continue;
        }
        let graph = within(&graph, &among);
        findings.extend(circles(check, &graph, Severity::Error, &mut named, places));
    }
    let graph = within(&graph, &suspects);
    findings.extend(circles(
        check,
        &graph,
        Severity::Warning,
        &mut named,
        places,
    ));
    findings
}

/// The circles of a graph, as far as they hold a unit that was not named yet.
fn circles<'a>(
    check: &Check<'_>,
    graph: &Graph<'a>,
    severity: Severity,
    named: &mut BTreeSet<&'a UnitName>,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for name in in_circles(graph) {
        if named.contains(name) {
            continue;
        }
        let Some(circle) = shortest_circle(graph, name) else {
            continue;
        };
        if has_conflict(check, &circle) {
            continue;
        }
        named.extend(&circle);
        findings.extend(report(check, &circle, severity, places));
    }
    findings
}

/// The unit and all that its start pulls in.
fn pulled_by<'a>(check: &'a Check<'_>, unit: &'a UnitConfig) -> BTreeSet<&'a UnitName> {
    let mut pulled = BTreeSet::from([&unit.name]);
    let mut waiting = vec![unit];
    while let Some(next) = waiting.pop() {
        for dependency in &next.dependencies {
            let target = check.own_name(&dependency.target);
            if PULLS.contains(&dependency.kind) && pulled.insert(target) {
                waiting.extend(check.find(target));
            }
        }
    }
    pulled
}

/// The part of a graph between some units.
fn within<'a>(graph: &Graph<'a>, among: &BTreeSet<&'a UnitName>) -> Graph<'a> {
    let nodes = graph.iter().filter(|(name, _)| among.contains(*name));
    nodes.map(|(name, ends)| (*name, ends & among)).collect()
}

fn waits<'a>(check: &'a Check<'_>) -> Graph<'a> {
    let mut graph = Graph::new();
    for unit in check.units.values().filter(|u| u.load == LoadState::Loaded) {
        for dependency in &unit.dependencies {
            let other = check.own_name(&dependency.target);
            if check
                .units
                .get(other)
                .is_none_or(|u| u.load != LoadState::Loaded)
            {
                continue;
            }
            let (later, earlier) = match dependency.kind {
                DependencyKind::After => (&unit.name, other),
                DependencyKind::Before => (other, &unit.name),
                _ => continue,
            };
            if later != earlier {
                graph.entry(later).or_default().insert(earlier);
            }
        }
    }
    graph
}

/// The units that are left when those that nothing waits for, and those that wait for nothing,
/// are taken away until there are no more: all that are in a circle, and some between circles.
fn in_circles<'a>(graph: &Graph<'a>) -> BTreeSet<&'a UnitName> {
    let mut reversed = Graph::new();
    for (later, earlier) in graph {
        for name in earlier {
            reversed.entry(name).or_default().insert(later);
        }
    }
    let mut left: BTreeSet<&UnitName> = graph.keys().chain(reversed.keys()).copied().collect();
    for (outwards, back) in [(graph, &reversed), (&reversed, graph)] {
        let count = |name: &UnitName, left: &BTreeSet<&UnitName>| {
            let ends = outwards.get(name).into_iter().flatten();
            ends.filter(|end| left.contains(*end)).count()
        };
        let mut degrees: BTreeMap<&UnitName, usize> = left
            .iter()
            .map(|name| (*name, count(name, &left)))
            .collect();
        let free = degrees.iter().filter(|(_, degree)| **degree == 0);
        let mut free: Vec<&UnitName> = free.map(|(name, _)| *name).collect();
        while let Some(name) = free.pop() {
            left.remove(name);
            for end in back.get(name).into_iter().flatten() {
                if let Some(degree) = degrees.get_mut(end).filter(|degree| **degree > 0) {
                    *degree -= 1;
                    if *degree == 0 {
                        free.push(end);
                    }
                }
            }
        }
    }
    left
}

/// The shortest way from a unit back to itself; it is not repeated at the end.
fn shortest_circle<'a>(graph: &Graph<'a>, start: &'a UnitName) -> Option<Vec<&'a UnitName>> {
    let mut came_from: BTreeMap<&UnitName, &UnitName> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(name) = waiting.pop_front() {
        for next in graph.get(name).into_iter().flatten().copied() {
            if next == start {
                let mut circle = vec![name];
                while let Some(previous) = came_from.get(circle[circle.len() - 1]) {
                    circle.push(previous);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, name);
                waiting.push_back(next);
            }
        }
    }
    None
}

fn has_conflict(check: &Check<'_>, circle: &[&UnitName]) -> bool {
    circle.iter().any(|name| {
        let conflicts = check
            .find(name)
            .into_iter()
            .flat_map(|unit| unit.dependencies_of(DependencyKind::Conflicts));
        conflicts
            .map(|other| check.own_name(other))
            .any(|other| circle.contains(&other))
    })
}

/// Puts the finding where the first of the circle that has a file says that it waits, or where
/// the unit it waits for says so.
fn report(
    check: &Check<'_>,
    circle: &[&UnitName],
    severity: Severity,
    places: &mut Places<'_>,
) -> Option<Diagnostic> {
    let with_file = |name: &&&UnitName| check.find(name).is_some_and(|u| u.fragment.is_some());
    let first = circle.iter().position(|name| with_file(&name)).unwrap_or(0);
    let mut path: Vec<&UnitName> = circle.to_vec();
    path.rotate_left(first);
    path.push(path[0]);
    let (later, earlier) = (check.find(path[0])?, check.find(path[1])?);
    let place = match written_as(check, later, DependencyKind::After, earlier) {
        Some(name) => places.of_unit(later, "After", name),
        None => match written_as(check, earlier, DependencyKind::Before, later) {
            Some(name) => places.of_unit(earlier, "Before", name),
            None => Places::top(later),
        },
    };
    let names: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
    let rest = names[1..].join(", which waits for ");
    let mut message = format!("ordering cycle: {} waits for {rest}", names[0]);
    if severity == Severity::Warning {
        message.push_str(", should they be started together");
    }
    let hint = "take one of the After= or Before= out".to_owned();
    let mut finding = place.warning(Rule::OrderingCycle, message);
    finding.severity = severity;
    Some(finding.hint(Some(hint)))
}

/// The name by which a unit states an edge to another.
fn written_as<'a>(
    check: &Check<'_>,
    unit: &'a UnitConfig,
    kind: DependencyKind,
    other: &UnitConfig,
) -> Option<&'a UnitName> {
    unit.dependencies_of(kind)
        .find(|name| *check.own_name(name) == other.name)
}
