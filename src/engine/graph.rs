//! The units and the dependencies between them, in both directions.
//!
//! A unit's files state edges in one direction; the other end gets the inverse. Each end
//! remembers who stated an edge, so that reading one unit again takes back only what that
//! unit had said.

use super::ids::UnitId;
use super::returning;
use super::unit::Unit;
use crate::unit::config::{DependencyKind, UnitConfig};
use crate::unit::name::UnitName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A kind of edge as seen from one end; the names are systemd's D-Bus properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub(super) enum Edge {
    Requires,
    Requisite,
    Wants,
    BindsTo,
    PartOf,
    Upholds,
    RequiredBy,
    RequisiteOf,
    WantedBy,
    BoundBy,
    UpheldBy,
    ConsistsOf,
    Conflicts,
    ConflictedBy,
    Before,
    After,
    OnFailure,
    OnFailureOf,
    OnSuccess,
    OnSuccessOf,
    Triggers,
    TriggeredBy,
    PropagatesReloadTo,
    ReloadPropagatedFrom,
    PropagatesStopTo,
    StopPropagatedFrom,
    JoinsNamespaceOf,
    /// What it means holds both ways, but systemd 252 shows it only where it is stated.
    NamespaceJoinedBy,
}

impl Edge {
    /// The first and the last of them in their order.
    pub(super) const FIRST: Edge = Edge::Requires;
    /// See there.
    pub(super) const LAST: Edge = Edge::NamespaceJoinedBy;

    const ALL: [(Edge, Edge, &'static str); 28] = [
        (Edge::Requires, Edge::RequiredBy, "Requires"),
        (Edge::Requisite, Edge::RequisiteOf, "Requisite"),
        (Edge::Wants, Edge::WantedBy, "Wants"),
        (Edge::BindsTo, Edge::BoundBy, "BindsTo"),
        (Edge::PartOf, Edge::ConsistsOf, "PartOf"),
        (Edge::Upholds, Edge::UpheldBy, "Upholds"),
        (Edge::RequiredBy, Edge::Requires, "RequiredBy"),
        (Edge::RequisiteOf, Edge::Requisite, "RequisiteOf"),
        (Edge::WantedBy, Edge::Wants, "WantedBy"),
        (Edge::BoundBy, Edge::BindsTo, "BoundBy"),
        (Edge::UpheldBy, Edge::Upholds, "UpheldBy"),
        (Edge::ConsistsOf, Edge::PartOf, "ConsistsOf"),
        (Edge::Conflicts, Edge::ConflictedBy, "Conflicts"),
        (Edge::ConflictedBy, Edge::Conflicts, "ConflictedBy"),
        (Edge::Before, Edge::After, "Before"),
        (Edge::After, Edge::Before, "After"),
        (Edge::OnFailure, Edge::OnFailureOf, "OnFailure"),
        (Edge::OnFailureOf, Edge::OnFailure, "OnFailureOf"),
        (Edge::OnSuccess, Edge::OnSuccessOf, "OnSuccess"),
        (Edge::OnSuccessOf, Edge::OnSuccess, "OnSuccessOf"),
        (Edge::Triggers, Edge::TriggeredBy, "Triggers"),
        (Edge::TriggeredBy, Edge::Triggers, "TriggeredBy"),
        (
            Edge::PropagatesReloadTo,
            Edge::ReloadPropagatedFrom,
            "PropagatesReloadTo",
        ),
        (
            Edge::ReloadPropagatedFrom,
            Edge::PropagatesReloadTo,
            "ReloadPropagatedFrom",
        ),
        (
            Edge::PropagatesStopTo,
            Edge::StopPropagatedFrom,
            "PropagatesStopTo",
        ),
        (
            Edge::StopPropagatedFrom,
            Edge::PropagatesStopTo,
            "StopPropagatedFrom",
        ),
        (
            Edge::JoinsNamespaceOf,
            Edge::NamespaceJoinedBy,
            "JoinsNamespaceOf",
        ),
        (
            Edge::NamespaceJoinedBy,
            Edge::JoinsNamespaceOf,
            "NamespaceJoinedBy",
        ),
    ];

    /// The same edge seen from its other end.
    pub(super) fn inverse(self) -> Edge {
        Edge::ALL[self as usize].1
    }

    /// The D-Bus property that lists it.
    pub(super) fn property(self) -> &'static str {
        Edge::ALL[self as usize].2
    }

    /// The edge that a D-Bus property lists.
    pub(super) fn by_property(name: &str) -> Option<Edge> {
        Edge::ALL
            .iter()
            .find(|(_, _, n)| *n == name)
            .map(|(e, _, _)| *e)
    }

    fn of(kind: DependencyKind) -> Edge {
        match kind {
            DependencyKind::Requires => Edge::Requires,
            DependencyKind::Requisite => Edge::Requisite,
            DependencyKind::Wants => Edge::Wants,
            DependencyKind::BindsTo => Edge::BindsTo,
            DependencyKind::PartOf => Edge::PartOf,
            DependencyKind::Upholds => Edge::Upholds,
            DependencyKind::Conflicts => Edge::Conflicts,
            DependencyKind::Before => Edge::Before,
            DependencyKind::After => Edge::After,
            DependencyKind::OnFailure => Edge::OnFailure,
            DependencyKind::OnSuccess => Edge::OnSuccess,
            DependencyKind::PropagatesReloadTo => Edge::PropagatesReloadTo,
            DependencyKind::ReloadPropagatedFrom => Edge::ReloadPropagatedFrom,
            DependencyKind::PropagatesStopTo => Edge::PropagatesStopTo,
            DependencyKind::StopPropagatedFrom => Edge::StopPropagatedFrom,
            DependencyKind::JoinsNamespaceOf => Edge::JoinsNamespaceOf,
            DependencyKind::Triggers => Edge::Triggers,
            DependencyKind::TriggeredBy => Edge::TriggeredBy,
        }
    }
}

/// All units, by number and by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Graph {
    // In boxes: half of a tree's room is empty where numbers only go up.
    units: BTreeMap<UnitId, Box<Unit>>,
    names: BTreeMap<UnitName, UnitId>,
    /// The number of the next unit; those of units that went are not given again.
    next: u32,
    /// Units that were read, or lost a unit that named them, since they were last asked for.
    #[serde(skip)]
    loose: BTreeSet<UnitId>,
}

impl Graph {
    /// A unit by number. Numbers that the engine keeps are those of units that are there: a unit
    /// only goes when nothing leads to it.
    pub(super) fn get(&self, id: UnitId) -> &Unit {
        &self.units[&id]
    }

    /// A unit by number, to change; as [`Graph::get`].
    pub(super) fn get_mut(&mut self, id: UnitId) -> &mut Unit {
        self.units
            .get_mut(&id)
            .expect("numbers the engine keeps are those of units that are there")
    }

    /// A unit by a number that came from outside: the unit may have gone since.
    pub(super) fn lookup(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id).map(Box::as_ref)
    }

    /// The unit that answers to a name or alias.
    pub(super) fn find(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// All units by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.units.values().map(Box::as_ref)
    }

    /// Whether every unit stands in its place.
    pub(super) fn is_in_order(&self) -> bool {
        let mut units = self.units.iter();
        units.all(|(id, unit)| *id == unit.id && id.0 < self.next)
    }

    /// All units by their own names, sorted; aliases and names that became aliases left out.
    pub(super) fn own_units(&self) -> impl Iterator<Item = &Unit> {
        let named = self.names.iter().map(|(name, id)| (name, self.get(*id)));
        named
            .filter(|(name, unit)| unit.config.name == **name)
            .map(|(_, unit)| unit)
    }

    /// The names of these.
    pub(super) fn own_names(&self) -> Vec<UnitName> {
        self.own_units()
            .map(|unit| unit.config.name.clone())
            .collect()
    }

    /// Takes new readings in; returns the numbers of units that were not there before.
    pub(super) fn load(&mut self, configs: Vec<Arc<UnitConfig>>) -> Vec<UnitId> {
        let mut fresh = Vec::new();
        let mut touched = Vec::new();
        for config in configs {
            let known = self.names.get(&config.name).copied();
            let id = known.unwrap_or(UnitId(self.next));
            let names = config.aliases.iter().chain([&config.name]);
            let names: Vec<UnitName> = names.cloned().collect();
            if known.is_some() {
                self.get_mut(id).reconfigure(config);
            } else {
                self.next += 1;
                self.units.insert(id, Box::new(Unit::new(id, config)));
                fresh.push(id);
            }
            for name in names {
                self.get_mut(id).add_name(&name);
                if let Some(other) = self.names.insert(name, id) {
                    self.loose.insert(other);
                }
            }
            touched.push(id);
        }
        self.loose.extend(&touched);
        for id in &touched {
            self.restate(*id);
        }
        self.rejoin();
        for id in touched {
            self.get_mut(id).edges.shrink();
        }
        fresh
    }

    /// What no file says of an instance that serves a connection: who took that.
    fn rejoin(&mut self) {
        let taken = self.units.values().filter_map(|unit| {
            let socket = unit.connection.as_ref()?.socket;
            self.units
                .contains_key(&socket)
                .then_some((socket, unit.id))
        });
        for (socket, instance) in taken.collect::<Vec<_>>() {
            self.join(socket, Edge::Triggers, instance);
            self.join(socket, Edge::Before, instance);
        }
    }

    /// Takes in what all units' files say after a restore. A unit of which nothing is given
    /// has no file any more; returns the numbers of units that were not there before.
    pub(super) fn load_anew(&mut self, configs: Vec<Arc<UnitConfig>>) -> Vec<UnitId> {
        let given: BTreeSet<UnitName> = configs.iter().map(|it| it.name.clone()).collect();
        for unit in self.units.values_mut() {
            if !given.contains(&unit.config.name) {
                let name = unit.config.name.clone();
                unit.reconfigure(Arc::new(UnitConfig::not_found(name)));
                returning::forget_needless(unit);
            }
        }
        self.load(configs)
    }

    /// The numbers that names lead to.
    pub(super) fn named(&self) -> impl Iterator<Item = UnitId> + '_ {
        self.names.values().copied()
    }

    /// Takes a unit out. Those that it named are loose now.
    pub(super) fn remove(&mut self, id: UnitId) -> Option<Unit> {
        let unit = self.units.remove(&id)?;
        for name in &unit.names {
            if self.names.get(name) != Some(&id) {
                continue;
            }
            self.names.remove(name);
            // An alias may have been taken from a unit that was up under that name.
            let is_own = *name == unit.config.name;
            let mut others = self.units.values();
            let owner = others.find(|other| !is_own && other.config.name == *name);
            if let Some(owner) = owner.map(|owner| owner.id) {
                self.names.insert(name.clone(), owner);
            }
        }
        for (edge, other) in unit.edges.all() {
            if let Some(other) = self.units.get_mut(&other) {
                other.edges.forget(edge.inverse(), id);
            }
            self.loose.insert(other);
        }
        self.loose.remove(&id);
        Some(*unit)
    }

    /// Whether [`Graph::take_loose`] has any.
    pub(super) fn has_loose(&self) -> bool {
        !self.loose.is_empty()
    }

    /// The units that may have become superfluous since this was last called.
    pub(super) fn take_loose(&mut self) -> BTreeSet<UnitId> {
        std::mem::take(&mut self.loose)
    }

    /// States an edge that no file states, for as long as the unit is not read again.
    pub(super) fn join(&mut self, id: UnitId, edge: Edge, other: UnitId) {
        self.get_mut(id).edges.state(edge, other, true);
        self.get_mut(other).edges.state(edge.inverse(), id, false);
    }

    /// Takes such an edge back.
    pub(super) fn part(&mut self, id: UnitId, edge: Edge, other: UnitId) {
        self.get_mut(id).edges.take_back(edge, other, true);
        self.get_mut(other)
            .edges
            .take_back(edge.inverse(), id, false);
    }

    /// Replaces the edges that a unit stated by those its configuration states now.
    fn restate(&mut self, id: UnitId) {
        for (edge, other) in self.get(id).edges.stated_here() {
            self.part(id, edge, other);
            self.loose.insert(other);
        }
        let config = self.get(id).config.clone();
        for dependency in &config.dependencies {
            let Some(other) = self.names.get(&dependency.target).copied() else {
                continue;
            };
            if other == id {
                continue;
            }
            self.join(id, Edge::of(dependency.kind), other);
        }
        returning::forget_needless(self.get_mut(id));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::world::unit;
    use super::*;

    #[test]
    fn edge_table_is_an_involution_in_order() {
        for (index, (edge, inverse, name)) in Edge::ALL.iter().enumerate() {
            assert_eq!(*edge as usize, index);
            assert_eq!(inverse.inverse(), *edge);
            assert_eq!(Edge::by_property(name), Some(*edge));
        }
    }

    #[test]
    fn joining_a_namespace_is_known_at_both_ends() {
        let mut graph = Graph::default();
        let joins = unit("a.service").dependency(DependencyKind::JoinsNamespaceOf, "b.service");
        graph.load(vec![joins.arc(), unit("b.service").arc()]);
        let [a, b] = ["a.service", "b.service"].map(|name| graph.find(name).unwrap());
        let edges = |graph: &Graph| {
            [
                graph.get(a).edges.has(Edge::JoinsNamespaceOf, b),
                graph.get(b).edges.has(Edge::NamespaceJoinedBy, a),
                graph.get(b).edges.has(Edge::JoinsNamespaceOf, a),
            ]
        };
        assert_eq!(edges(&graph), [true, true, false]);
        graph.load(vec![unit("a.service").arc()]);
        assert_eq!(edges(&graph), [false, false, false]);
    }

    #[test]
    fn reading_again_takes_back_only_what_the_unit_said() {
        let mut graph = Graph::default();
        graph.load(vec![
            unit("a.service")
                .after("b.service")
                .requires("b.service")
                .arc(),
            unit("b.service").before("a.service").arc(),
        ]);
        let (a, b) = (
            graph.find("a.service").unwrap(),
            graph.find("b.service").unwrap(),
        );
        graph.load(vec![unit("a.service").arc()]);
        assert!(!graph.get(b).edges.has(Edge::RequiredBy, a));
        assert!(
            graph.get(a).edges.has(Edge::After, b),
            "b still says Before=a"
        );
        graph.load(vec![unit("b.service").arc()]);
        assert!(!graph.get(a).edges.has(Edge::After, b));
    }
}
