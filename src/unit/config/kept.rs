//! Values of properties that are kept to be shown, by name.
//!
//! A daemon has thousands of units, most with a few of them: those of a unit's own are a sorted
//! list, and those that all units have alike, from the machine, are there once.

use crate::unit::directive::PropertyValue;
use std::sync::Arc;

type Pair = (&'static str, PropertyValue);

/// The order of the lists: by length first, so that most comparisons are of numbers. Dozens of
/// properties are looked up of each unit that is read.
fn order(name: &str) -> (usize, &str) {
    (name.len(), name)
}

/// Values by the name of the property. What a unit has of its own goes before what it shares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptValues {
    /// In [`order`].
    own: Vec<Pair>,
    shared: SharedValues,
}

/// Values that many units have, in [`order`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedValues(Arc<Vec<Pair>>);

impl FromIterator<Pair> for SharedValues {
    fn from_iter<I: IntoIterator<Item = Pair>>(values: I) -> SharedValues {
        let mut list: Vec<Pair> = values.into_iter().collect();
        list.sort_by_key(|(name, _)| order(name));
        SharedValues(Arc::new(list))
    }
}

impl SharedValues {
    /// The same without some; nothing is copied if there are none of these.
    #[must_use]
    pub fn without(&self, left_out: &[&str]) -> SharedValues {
        if !self.0.iter().any(|(name, _)| left_out.contains(name)) {
            return self.clone();
        }
        let left = self.0.iter();
        left.filter(|(name, _)| !left_out.contains(name))
            .cloned()
            .collect()
    }
}

fn place(list: &[Pair], name: &str) -> Result<usize, usize> {
    list.binary_search_by(|(known, _)| order(known).cmp(&order(name)))
}

impl KeptValues {
    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&PropertyValue> {
        let find = |list: &[Pair]| place(list, name).ok();
        match find(&self.own) {
            Some(at) => self.own.get(at),
            None => find(&self.shared.0).and_then(|at| self.shared.0.get(at)),
        }
        .map(|(_, value)| value)
    }

    /// A value of the unit's own, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut PropertyValue> {
        let at = place(&self.own, name).ok()?;
        self.own.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is a value.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the unit has none of its own.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Sets a value of the unit's own.
    pub fn insert(&mut self, name: &'static str, value: PropertyValue) {
        match place(&self.own, name) {
            Ok(at) => self.own[at].1 = value,
            Err(at) => self.own.insert(at, (name, value)),
        }
    }

    /// Sets a value of the unit's own where it has none.
    pub fn insert_default(&mut self, name: &'static str, value: PropertyValue) {
        if let Err(at) = place(&self.own, name) {
            self.own.insert(at, (name, value));
        }
    }

    /// Takes a value of the unit's own out.
    pub fn remove(&mut self, name: &str) -> Option<PropertyValue> {
        let at = place(&self.own, name).ok()?;
        Some(self.own.remove(at).1)
    }

    /// Sets what it shares with others.
    pub fn share(&mut self, shared: SharedValues) {
        self.shared = shared;
    }

    /// Takes no more memory than it needs: nothing will be added for long.
    pub fn shrink(&mut self) {
        self.own.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_values_go_before_shared_ones() {
        let number = PropertyValue::U32;
        let shared: SharedValues = [("B", number(2)), ("A", number(1))].into_iter().collect();
        let mut kept = KeptValues::default();
        kept.share(shared.clone());
        assert_eq!(kept.get("A"), Some(&number(1)));
        kept.insert("C", number(3));
        kept.insert("A", number(4));
        kept.insert_default("A", number(5));
        assert_eq!(kept.get("A"), Some(&number(4)));
        assert_eq!(kept.remove("A"), Some(number(4)));
        assert_eq!(kept.get("A"), Some(&number(1)));
        assert_eq!(kept.get_mut("B"), None);
        kept.share(shared.without(&["A"]));
        assert!(!kept.contains_key("A") && kept.contains_key("B"));
        assert!(Arc::ptr_eq(&shared.without(&["X"]).0, &shared.0));
    }
}
