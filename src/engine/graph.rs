//! The units and the dependencies between them, in both directions.
//!
//! A unit's files state edges in one direction; the other end gets the inverse. Each end
//! remembers who stated an edge, so that reading one unit again takes back only what that
//! unit had said.

use super::ids::UnitId;
use super::numbered::Numbered;
use super::returning;
use super::unit::{Machine, Unit};
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

/// A unit of which a reading was taken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Its number.
    pub(super) id: UnitId,
    /// It was not there before.
    pub(super) is_new: bool,
    /// The reading differs from the one before, or what it does is another machine's now.
    pub(super) differs: bool,
}

/// Why a unit is there.
const THERE: &str = "numbers the engine keeps are those of units that are there";

/// All units, by number and by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Graph {
    units: Numbered<Unit>,
    names: BTreeMap<UnitName, UnitId>,
    /// The number of the next unit; those of units that went are not given again.
    next: u32,
    /// How often a name came to lead to another unit than before.
    #[serde(skip)]
    renamings: u64,
    /// Units that were read, or lost a unit that named them, since they were last asked for.
    #[serde(skip)]
    loose: BTreeSet<UnitId>,
}

impl Graph {
    /// A unit by number. Numbers that the engine keeps are those of units that are there: a unit
    /// only goes when nothing leads to it.
    pub(super) fn get(&self, id: UnitId) -> &Unit {
        self.units.get(id).expect(THERE)
    }

    /// A unit by number, to change; as [`Graph::get`].
    pub(super) fn get_mut(&mut self, id: UnitId) -> &mut Unit {
        self.units.get_mut(id).expect(THERE)
    }

    /// A unit by a number that came from outside: the unit may have gone since.
    pub(super) fn lookup(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id)
    }

    /// The unit that answers to a name or alias.
    pub(super) fn find(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    /// All units by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// Whether every unit stands in its place.
    pub(super) fn is_in_order(&self) -> bool {
        let mut units = self.units.iter();
        units.all(|(id, unit)| id == unit.id && id.0 < self.next)
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

    /// Takes new readings in.
    pub(super) fn load(&mut self, configs: Vec<Arc<UnitConfig>>) -> Vec<Taken> {
        let mut all = Vec::new();
        for config in configs {
            let known = self.names.get(&config.name).copied();
            let id = known.unwrap_or(UnitId(self.next));
            let mut differs = known.is_none_or(|id| !is_same(&self.get(id).config, &config));
            let names = config.aliases.iter().chain([&config.name]);
            let names: Vec<UnitName> = names.cloned().collect();
            if known.is_some() {
                differs |= self.get_mut(id).reconfigure(config);
            } else {
                self.next += 1;
                self.units.insert(id, Box::new(Unit::new(id, config)));
            }
            for name in names {
                self.give_name(name, id);
            }
            all.push(Taken {
                id,
                is_new: known.is_none(),
                differs,
            });
        }
        self.loose.extend(all.iter().map(|it| it.id));
        let restated = all.iter().filter(|it| {
            // What it named is still what it names.
            it.differs || self.get(it.id).stated != Some(self.renamings)
        });
        let restated: Vec<UnitId> = restated.map(|it| it.id).collect();
        for id in &restated {
            self.restate(*id);
        }
        // Only a socket that was read again has lost what it took.
        let is_socket = |id: &UnitId| matches!(self.get(*id).machine, Machine::Socket(_));
        if restated.iter().any(is_socket) {
            self.rejoin();
        }
        for id in restated {
            self.get_mut(id).edges.shrink();
        }
        all
    }

    /// A name leads to a unit from now on.
    fn give_name(&mut self, name: UnitName, id: UnitId) {
        self.get_mut(id).add_name(&name);
        if let Some(other) = self.names.insert(name, id) {
            self.loose.insert(other);
            self.renamings += u64::from(other != id);
        }
    }

    /// What no file says of an instance that serves a connection: who took that.
    fn rejoin(&mut self) {
        let taken = self.units.values().filter_map(|unit| {
            let socket = unit.connection.as_ref()?.socket;
            self.units.get(socket).map(|_| (socket, unit.id))
        });
        for (socket, instance) in taken.collect::<Vec<_>>() {
            self.join(socket, Edge::Triggers, instance);
            self.join(socket, Edge::Before, instance);
        }
    }

    /// Takes in what all units' files say after a restore. A unit of which nothing is given
    /// has no file any more.
    pub(super) fn load_anew(&mut self, configs: Vec<Arc<UnitConfig>>) -> Vec<Taken> {
        let given: BTreeSet<UnitName> = configs.iter().map(|it| it.name.clone()).collect();
        for unit in self.units.values_mut() {
            if !given.contains(&unit.config.name) {
                let name = unit.config.name.clone();
                unit.reconfigure(Arc::new(UnitConfig::not_found(name)));
                returning::forget_needless(unit);
            }
        }
        let taken = self.load(configs);
        // Of a socket without a file, too.
        self.rejoin();
        taken
    }

    /// The numbers that names lead to.
    pub(super) fn named(&self) -> impl Iterator<Item = UnitId> + '_ {
        self.names.values().copied()
    }

    /// Takes a unit out. Those that it named are loose now.
    pub(super) fn remove(&mut self, id: UnitId) -> Option<Unit> {
        let unit = self.units.remove(id)?;
        for name in &unit.names {
            if self.names.get(name) != Some(&id) {
                continue;
            }
            self.names.remove(name);
            // An alias may have been taken from a unit that was up under that name.
            if *name == unit.config.name {
                continue;
            }
            let mut others = self.units.values();
            let owner = others.find(|other| other.config.name == *name);
            if let Some(owner) = owner.map(|owner| owner.id) {
                self.names.insert(name.clone(), owner);
                self.renamings += 1;
            }
        }
        for (edge, other) in unit.edges.all() {
            if let Some(other) = self.units.get_mut(other) {
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
        self.get_mut(id).stated = None;
        self.state(id, edge, other);
    }

    /// Takes such an edge back.
    pub(super) fn part(&mut self, id: UnitId, edge: Edge, other: UnitId) {
        self.get_mut(id).stated = None;
        self.take_back(id, edge, other);
    }

    fn state(&mut self, id: UnitId, edge: Edge, other: UnitId) {
        self.get_mut(id).edges.state(edge, other, true);
        self.get_mut(other).edges.state(edge.inverse(), id, false);
    }

    fn take_back(&mut self, id: UnitId, edge: Edge, other: UnitId) {
        self.get_mut(id).edges.take_back(edge, other, true);
        self.get_mut(other)
            .edges
            .take_back(edge.inverse(), id, false);
    }

    /// Replaces the edges that a unit stated by those its configuration states now.
    fn restate(&mut self, id: UnitId) {
        for (edge, other) in self.get(id).edges.stated_here() {
            self.take_back(id, edge, other);
            self.loose.insert(other);
        }
        let config = self.get(id).config.clone();
        let mut complete = true;
        for dependency in &config.dependencies {
            let Some(other) = self.names.get(&dependency.target).copied() else {
                complete = false;
                continue;
            };
            if other == id {
                continue;
            }
            self.state(id, Edge::of(dependency.kind), other);
        }
        let stated = complete.then_some(self.renamings);
        let unit = self.get_mut(id);
        unit.stated = stated;
        returning::forget_needless(unit);
    }
}

/// Whether two readings say the same; mostly they are one and the same.
fn is_same(one: &Arc<UnitConfig>, other: &Arc<UnitConfig>) -> bool {
    Arc::ptr_eq(one, other) || one == other
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

    #[test]
    fn what_is_read_again_as_it_was_states_what_it_stated() {
        let mut graph = Graph::default();
        let [a, b, c] = [
            unit("a.service")
                .after("b.service")
                .after("c.service")
                .arc(),
            unit("b.service").arc(),
            unit("c.service").arc(),
        ];
        let follows = |graph: &Graph, name: &str| {
            let [one, other] = ["a.service", name].map(|name| graph.find(name).unwrap());
            let edges = &graph.get(one).edges;
            edges.has(Edge::After, other) && graph.get(other).edges.has(Edge::Before, one)
        };
        let all = || vec![a.clone(), b.clone(), c.clone()];
        let differing = |taken: &[Taken]| taken.iter().filter(|it| it.differs).count();
        // One of what it names comes only later.
        assert_eq!(differing(&graph.load(vec![a.clone(), b.clone()])), 2);
        assert_eq!(differing(&graph.load(all())), 1);
        assert!(follows(&graph, "b.service") && follows(&graph, "c.service"));
        // The name leads elsewhere, told when only the other unit is read.
        let d = unit("d.service").config(|it| it.aliases = [b.name.clone()].into());
        let d = d.arc();
        assert_eq!(differing(&graph.load(vec![d.clone()])), 1);
        assert!(!follows(&graph, "d.service"));
        assert_eq!(differing(&graph.load(vec![a.clone(), d, c.clone()])), 0);
        assert!(follows(&graph, "d.service") && follows(&graph, "c.service"));
        // What was stated beside the files is gone with the next reading.
        let [one, other] = ["a.service", "c.service"].map(|name| graph.find(name).unwrap());
        graph.join(one, Edge::Triggers, other);
        assert_eq!(differing(&graph.load(vec![a.clone()])), 0);
        assert!(!graph.get(one).edges.has(Edge::Triggers, other));
        graph.part(one, Edge::After, other);
        assert_eq!(differing(&graph.load(vec![a.clone()])), 0);
        assert!(follows(&graph, "c.service"));
    }
}
