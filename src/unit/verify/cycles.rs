//! Circles of units that wait for each other. The start of one of them would have to be
//! dropped, and which one is nobody's choice.
//!
//! Units that conflict are never started together, so a circle with two such units in it is
//! none.

use super::Check;
use super::places::Places;
use crate::unit::config::{DependencyKind, DependencyOrigin, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use crate::unit::load::PULLS;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// For each unit, those it waits for.
type Graph<'a> = BTreeMap<&'a UnitName, BTreeSet<&'a UnitName>>;

/// How many units of a circle are named.
const MOST_NAMES: usize = 20;

/// More circles than anybody reads.
const MOST: usize = 100;

/// Circles within what one start pulls in are errors: that start cannot go as the files say.
/// Others only come up when somebody starts the units together.
///
/// A circle is named once, and none is named that would be gone with one that was: of each,
/// the place that is shown is taken out of the graph before the next is looked for.
pub(super) fn check(check: &Check<'_>, places: &mut Places<'_>) -> Vec<Diagnostic> {
    let mut graph = waits(check);
    let suspects = in_circles(&graph);
    let mut findings = Vec::new();
    if suspects.is_empty() {
        return findings;
    }
    // What is pulled in by something that was looked at pulls in nothing new.
    let mut covered: BTreeSet<&UnitName> = BTreeSet::new();
    for unit in top_first(check) {
        if covered.contains(&unit.name) {
            continue;
        }
        let mut among = pulled_by(check, unit);
        covered.extend(&among);
        among.retain(|name| suspects.contains(name));
        for circle in take_circles(check, &mut graph, &among) {
            findings.extend(report(check, &circle, Severity::Error, places));
        }
    }
    for circle in take_circles(check, &mut graph, &suspects) {
        findings.extend(report(check, &circle, Severity::Warning, places));
    }
    findings.truncate(MOST);
    findings
}

/// Takes the circles between some units out of a graph. Each begins with the unit that is to
/// blame: its first wait is written in a file, if one of them is.
fn take_circles<'a>(
    check: &Check<'_>,
    graph: &mut Graph<'a>,
    among: &BTreeSet<&'a UnitName>,
) -> Vec<Vec<&'a UnitName>> {
    let mut circles = Vec::new();
    if among.len() < 2 {
        return circles;
    }
    let mut part = within(graph, among);
    while circles.len() < MOST {
        let left = in_circles(&part);
        let circle = left.iter().find_map(|name| shortest_circle(&part, name));
        let Some(mut circle) = circle else {
            break;
        };
        let first = blamed(check, &circle);
        circle.rotate_left(first);
        let (later, earlier) = (circle[0], circle[1]);
        part.entry(later).or_default().remove(earlier);
        // Through a wait that cannot be, others may still lead that can.
        if !has_conflict(check, &circle) {
            graph.entry(later).or_default().remove(earlier);
            circles.push(circle);
        }
    }
    circles
}

/// Which wait of a circle is shown: the first that is written in a file, else the first of a
/// unit that has one.
fn blamed(check: &Check<'_>, circle: &[&UnitName]) -> usize {
    let written = |at: usize| {
        let (later, earlier) = (circle[at], circle[(at + 1) % circle.len()]);
        let states = |unit: &UnitName, kind: DependencyKind, other: &UnitName| {
            let edges = check.find(unit).into_iter().flat_map(|u| &u.dependencies);
            let mut edges = edges.filter(|d| d.origin == DependencyOrigin::File && d.kind == kind);
            let has_file = check.find(unit).is_some_and(|u| u.fragment.is_some());
            has_file && edges.any(|d| check.own_name(&d.target) == other)
        };
        states(later, DependencyKind::After, earlier)
            || states(earlier, DependencyKind::Before, later)
    };
    let has_file = |at: usize| check.find(circle[at]).is_some_and(|u| u.fragment.is_some());
    let mut places = 0..circle.len();
    let found = places.clone().find(|at| written(*at));
    found
        .or_else(|| places.find(|at| has_file(*at)))
        .unwrap_or(0)
}

/// The units that nothing pulls in, then the others.
fn top_first<'a>(check: &'a Check<'_>) -> Vec<&'a UnitConfig> {
    let edges = check.units.values().flat_map(|unit| &unit.dependencies);
    let pulled: BTreeSet<&UnitName> = edges
        .filter(|dependency| PULLS.contains(&dependency.kind))
        .map(|dependency| check.own_name(&dependency.target))
        .collect();
    let units = check.units.values().map(AsRef::as_ref);
    let (lower, mut top): (Vec<&UnitConfig>, Vec<&UnitConfig>) =
        units.partition(|unit| pulled.contains(&unit.name));
    top.extend(lower);
    top
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

/// Puts the finding where the first unit says that it waits, or where the one it waits for
/// says so.
fn report(
    check: &Check<'_>,
    circle: &[&UnitName],
    severity: Severity,
    places: &mut Places<'_>,
) -> Option<Diagnostic> {
    let mut path: Vec<&UnitName> = circle.to_vec();
    path.push(path[0]);
    let (later, earlier) = (check.find(path[0])?, check.find(path[1])?);
    let place = match written_as(check, later, DependencyKind::After, earlier) {
        Some(name) => places.of_unit(later, "After", name),
        None => match written_as(check, earlier, DependencyKind::Before, later) {
            Some(name) => places.of_unit(earlier, "Before", name),
            None => Places::top(later),
        },
    };
    let mut names: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
    let left_out = names.len().saturating_sub(MOST_NAMES);
    let more = format!("(and so on through {left_out} more)");
    if left_out > 1 {
        let from = MOST_NAMES - 1;
        names.splice(from..from + left_out, [more.as_str()]);
    }
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
