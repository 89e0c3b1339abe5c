//! The edges of one unit, by kind and number of the other end.
//!
//! Nearly every unit has a few, so they are a sorted list of eight bytes each; a target that names
//! thousands gets a tree, since each of them is put in by itself.

use super::graph::Edge;
use super::ids::UnitId;
use std::collections::BTreeMap;

/// With more than so many it is a tree.
const FEW: usize = 64;

const FIRST: UnitId = UnitId(u32::MIN);
const LAST: UnitId = UnitId(u32::MAX);

/// Who stated an edge: this end, the other end, or both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stated {
    here: bool,
    there: bool,
}

impl Stated {
    fn set(&mut self, here: bool, to: bool) {
        match here {
            true => self.here = to,
            false => self.there = to,
        }
    }
}

type Key = (Edge, UnitId);

/// One edge of a list; without gaps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    edge: Edge,
    stated: Stated,
    id: UnitId,
}

impl Listed {
    fn key(&self) -> Key {
        (self.edge, self.id)
    }

    fn pair(self) -> (Key, Stated) {
        (self.key(), self.stated)
    }

    fn of(((edge, id), stated): (Key, Stated)) -> Listed {
        Listed { edge, stated, id }
    }
}

/// The edges of one unit. Of most kinds it has none, which is known without a search.
#[derive(Debug, Clone, Default)]
pub(super) struct Edges {
    kept: Kept,
    /// Bit n for the kind n: there is one.
    kinds: u32,
}

#[derive(Debug, Clone)]
enum Kept {
    /// Sorted, each key once.
    Few(Vec<Listed>),
    Many(BTreeMap<Key, Stated>),
}

impl Default for Kept {
    fn default() -> Kept {
        Kept::Few(Vec::new())
    }
}

// Every kind has its bit.
const _: () = assert!((Edge::LAST as u32) < u32::BITS);

fn bit(edge: Edge) -> u32 {
    1 << edge as u32
}

impl Edges {
    /// Those between two keys, with both of them.
    fn range(&self, from: Key, to: Key) -> impl DoubleEndedIterator<Item = (Key, Stated)> + '_ {
        let none = from.0 == to.0 && !self.has_any(from.0);
        let (few, many) = match &self.kept {
            _ if none => (None, None),
            Kept::Few(list) => {
                let begin = list.partition_point(|it| it.key() < from);
                let end = begin + list[begin..].iter().take_while(|it| it.key() <= to).count();
                (list.get(begin..end), None)
            }
            Kept::Many(tree) => (None, (from <= to).then(|| tree.range(from..=to))),
        };
        let few = few.into_iter().flatten().map(|it| it.pair());
        few.chain(many.into_iter().flatten().map(|(key, it)| (*key, *it)))
    }

    /// All edges, whoever stated them.
    fn iter(&self) -> impl Iterator<Item = (Key, Stated)> + '_ {
        self.range((Edge::FIRST, FIRST), (Edge::LAST, LAST))
    }

    /// The other ends of one kind, by number.
    pub(super) fn of(&self, edge: Edge) -> impl Iterator<Item = UnitId> + '_ {
        self.range((edge, FIRST), (edge, LAST))
            .map(|((_, id), _)| id)
    }

    /// The same, from a number downwards and then those above it, the highest first.
    pub(super) fn down_from(&self, edge: Edge, begin: UnitId) -> impl Iterator<Item = UnitId> + '_ {
        let below = self.range((edge, FIRST), (edge, begin)).rev();
        let above = begin.0.checked_add(1).into_iter();
        let above =
            above.flat_map(move |next| self.range((edge, UnitId(next)), (edge, LAST)).rev());
        below.chain(above).map(|((_, id), _)| id)
    }

    /// Whether there are edges of a kind.
    pub(super) fn has_any(&self, edge: Edge) -> bool {
        self.kinds & bit(edge) != 0
    }

    /// Whether there is such an edge to that unit.
    pub(super) fn has(&self, edge: Edge, other: UnitId) -> bool {
        let key = (edge, other);
        match &self.kept {
            Kept::Few(list) => list.binary_search_by_key(&key, Listed::key).is_ok(),
            Kept::Many(tree) => tree.contains_key(&key),
        }
    }

    /// One end states an edge, too.
    pub(super) fn state(&mut self, edge: Edge, other: UnitId, here: bool) {
        let key = (edge, other);
        self.kinds |= bit(edge);
        if let Kept::Few(list) = &mut self.kept
            && list.len() >= FEW
        {
            self.kept = Kept::Many(list.drain(..).map(Listed::pair).collect());
        }
        match &mut self.kept {
            Kept::Few(list) => {
                let at = list.binary_search_by_key(&key, Listed::key);
                let at = at.unwrap_or_else(|at| {
                    list.insert(at, Listed::of((key, Stated::default())));
                    at
                });
                list[at].stated.set(here, true);
            }
            Kept::Many(tree) => tree.entry(key).or_default().set(here, true),
        }
    }

    /// One end does not any more.
    pub(super) fn take_back(&mut self, edge: Edge, other: UnitId, here: bool) {
        let key = (edge, other);
        let stated = match &mut self.kept {
            Kept::Few(list) => {
                let at = list.binary_search_by_key(&key, Listed::key).ok();
                at.map(|at| &mut list[at].stated)
            }
            Kept::Many(tree) => tree.get_mut(&key),
        };
        let Some(stated) = stated else { return };
        stated.set(here, false);
        if !stated.here && !stated.there {
            self.forget(edge, other);
        }
    }

    /// The edge is gone, whoever stated it.
    pub(super) fn forget(&mut self, edge: Edge, other: UnitId) {
        let key = (edge, other);
        match &mut self.kept {
            Kept::Few(list) => {
                if let Ok(at) = list.binary_search_by_key(&key, Listed::key) {
                    list.remove(at);
                }
            }
            Kept::Many(tree) => {
                tree.remove(&key);
            }
        }
        if self.of(edge).next().is_none() {
            self.kinds &= !bit(edge);
        }
    }

    /// Takes no more room than it needs.
    pub(super) fn shrink(&mut self) {
        match &mut self.kept {
            Kept::Few(list) => list.shrink_to_fit(),
            Kept::Many(tree) if tree.len() <= FEW / 2 => {
                let few = std::mem::take(tree).into_iter();
                self.kept = Kept::Few(few.map(Listed::of).collect());
            }
            Kept::Many(_) => {}
        }
    }

    /// The units that state an edge to this one.
    pub(super) fn referrers(&self) -> impl Iterator<Item = UnitId> + '_ {
        let stated = self.iter().filter(|(_, stated)| stated.there);
        stated.map(|((_, id), _)| id)
    }

    /// All edges, whoever stated them.
    pub(super) fn all(&self) -> impl Iterator<Item = Key> + '_ {
        self.iter().map(|(key, _)| key)
    }

    /// Those that this unit states.
    pub(super) fn stated_here(&self) -> Vec<Key> {
        let stated = self.iter().filter(|(_, stated)| stated.here);
        stated.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_and_a_tree_say_the_same() {
        let mut edges = Edges::default();
        let last = FEW as u32 + 10;
        for number in (0..=last).rev() {
            edges.state(Edge::After, UnitId(number), true);
            edges.state(Edge::Before, UnitId(number), false);
            let after: Vec<u32> = edges.of(Edge::After).map(|id| id.0).collect();
            assert_eq!(after, (number..=last).collect::<Vec<u32>>());
            let middle = UnitId(last - 1);
            let down: Vec<u32> = edges
                .down_from(Edge::After, middle)
                .map(|id| id.0)
                .collect();
            let below = (number..last).rev();
            assert_eq!(down, below.chain([last]).collect::<Vec<u32>>());
            assert!(edges.has(Edge::Before, UnitId(number)));
            assert!(!edges.has(Edge::Wants, UnitId(number)));
        }
        assert!(matches!(edges.kept, Kept::Many(_)));
        for number in 0..=last {
            edges.state(Edge::After, UnitId(number), false);
            edges.take_back(Edge::After, UnitId(number), true);
            edges.forget(Edge::Before, UnitId(number));
            edges.shrink();
        }
        assert!(edges.stated_here().is_empty() && edges.referrers().count() == 1 + last as usize);
        for number in 1..=last {
            edges.take_back(Edge::After, UnitId(number), false);
            edges.shrink();
        }
        assert!(matches!(edges.kept, Kept::Few(_)));
        assert_eq!(edges.all().collect::<Vec<_>>(), [(Edge::After, UnitId(0))]);
        assert_eq!(edges.down_from(Edge::After, LAST).count(), 1);
        assert_eq!(edges.kinds, bit(Edge::After));
    }

    #[test]
    fn an_edge_takes_eight_bytes() {
        assert_eq!(size_of::<Listed>(), 8);
    }
}
