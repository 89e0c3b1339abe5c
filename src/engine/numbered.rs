//! What is found by the number of its unit: units are looked at dozens of times for each event, and
//! a tree of thousands is searched for longer than what is done with most of them.
//!
//! Numbers only go up, and most of those that connections had are free: they are in pages of 64, and
//! pages in directories of 256, of which those without anything are not there. Goes by number.

use super::ids::UnitId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

const PAGE: usize = 64;
const DIRECTORY: usize = 256;

type Page<T> = Slots<T, PAGE>;
type Directory<T> = Slots<Page<T>, DIRECTORY>;

/// Values by number.
#[derive(Debug, Clone)]
pub(super) struct Numbered<T>(Vec<Option<Box<Directory<T>>>>);

/// So many places, some of them taken.
#[derive(Debug, Clone)]
struct Slots<T, const N: usize> {
    taken: usize,
    all: [Option<Box<T>>; N],
}

impl<T, const N: usize> Default for Slots<T, N> {
    fn default() -> Slots<T, N> {
        Slots {
            taken: 0,
            all: std::array::from_fn(|_| None),
        }
    }
}

impl<T, const N: usize> Slots<T, N> {
    fn put(&mut self, at: usize, value: Box<T>) -> Option<Box<T>> {
        let before = self.all.get_mut(at)?.replace(value);
        self.taken += usize::from(before.is_none());
        before
    }

    fn take(&mut self, at: usize) -> Option<Box<T>> {
        let value = self.all.get_mut(at)?.take()?;
        self.taken -= 1;
        Some(value)
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let all = self.all.iter().enumerate();
        all.filter_map(|(at, value)| Some((at, value.as_deref()?)))
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().flatten().map(Box::as_mut)
    }
}

impl<T> Default for Numbered<T> {
    fn default() -> Numbered<T> {
        Numbered(Vec::new())
    }
}

/// The directory, the page in it, and the place there.
fn way(id: UnitId) -> (usize, usize, usize) {
    let number = id.0 as usize;
    let page = number / PAGE;
    (page / DIRECTORY, page % DIRECTORY, number % PAGE)
}

impl<T> Numbered<T> {
    // A function of its own: every event calls it dozens of times, each time from somewhere else, and cold
    // code is what a start costs.
    #[inline(never)]
    pub(super) fn get(&self, id: UnitId) -> Option<&T> {
        let (directory, page, place) = way(id);
        let page = self.0.get(directory)?.as_ref()?.all.get(page)?.as_ref()?;
        page.all.get(place)?.as_deref()
    }

    #[inline(never)]
    pub(super) fn get_mut(&mut self, id: UnitId) -> Option<&mut T> {
        let (directory, page, place) = way(id);
        let directory = self.0.get_mut(directory)?.as_mut()?;
        let page = directory.all.get_mut(page)?.as_mut()?;
        page.all.get_mut(place)?.as_deref_mut()
    }

    /// Puts a value in; the one that was there before.
    pub(super) fn insert(&mut self, id: UnitId, value: Box<T>) -> Option<Box<T>> {
        let (directory, page, place) = way(id);
        if self.0.len() <= directory {
            self.0.resize_with(directory + 1, || None);
        }
        let directory = self.0.get_mut(directory)?.get_or_insert_default();
        if directory.all.get(page)?.is_none() {
            directory.put(page, Box::default());
        }
        directory.all.get_mut(page)?.as_mut()?.put(place, value)
    }

    /// Takes a value out, with the page and the directory that are empty without it.
    pub(super) fn remove(&mut self, id: UnitId) -> Option<Box<T>> {
        let (number, page, place) = way(id);
        let directory = self.0.get_mut(number)?.as_mut()?;
        let of = directory.all.get_mut(page)?.as_mut()?;
        let value = of.take(place)?;
        if of.taken == 0 {
            directory.take(page);
        }
        if directory.taken == 0 {
            *self.0.get_mut(number)? = None;
        }
        Some(value)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        let pages = self.0.iter().flatten().flat_map(|it| it.iter());
        pages.flat_map(|(_, page)| page.iter().map(|(_, value)| value))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let pages = self.0.iter_mut().flatten().flat_map(|it| it.iter_mut());
        pages.flat_map(Slots::iter_mut)
    }

    /// All with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (UnitId, &T)> {
        let directories = self.0.iter().enumerate();
        let directories = directories.filter_map(|(at, it)| Some((at, it.as_ref()?)));
        let pages = directories.flat_map(|(number, directory)| {
            let pages = directory.iter();
            pages.map(move |(at, page)| (number * DIRECTORY + at, page))
        });
        pages.flat_map(|(number, page)| {
            let values = page.iter();
            values.map(move |(at, value)| (UnitId((number * PAGE + at) as u32), value))
        })
    }
}

/// As a map.
impl<T: Serialize> Serialize for Numbered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Numbered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbered<T>, D::Error> {
        let map = BTreeMap::<UnitId, Box<T>>::deserialize(deserializer)?;
        let mut all = Numbered::default();
        for (id, value) in map {
            all.insert(id, value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_a_tree_does() {
        let mut ours: Numbered<u32> = Numbered::default();
        let mut tree = BTreeMap::new();
        // Every number comes and some go, in a page, a directory and beyond.
        let numbers = (0..70).chain(16_300..16_400).chain([40_000, 5_000_000]);
        for number in numbers.clone() {
            let id = UnitId(number);
            assert_eq!(ours.insert(id, Box::new(number)), None);
            tree.insert(id, number);
            if number % 3 == 0 {
                assert_eq!(ours.remove(id).as_deref(), tree.remove(&id).as_ref());
                assert_eq!(ours.remove(id), None);
            }
        }
        assert_eq!(ours.insert(UnitId(1), Box::new(7)).as_deref(), Some(&1));
        tree.insert(UnitId(1), 7);
        let pairs: Vec<_> = tree.iter().map(|(id, value)| (*id, value)).collect();
        assert_eq!(ours.iter().collect::<Vec<_>>(), pairs);
        assert!(ours.values().eq(tree.values()));
        assert!(ours.values_mut().eq(tree.values_mut()));
        for number in (0..100).chain(16_200..16_500).chain([u32::MAX]) {
            let id = UnitId(number);
            assert_eq!(ours.get(id), tree.get(&id));
            assert_eq!(ours.get_mut(id), tree.get_mut(&id));
        }
        let text = serde_json::to_string(&ours).unwrap();
        assert_eq!(text, serde_json::to_string(&tree).unwrap());
        let back: Numbered<u32> = serde_json::from_str(&text).unwrap();
        assert!(back.values().eq(ours.values()));
        for number in numbers {
            ours.remove(UnitId(number));
        }
        assert!(ours.0.iter().all(Option::is_none));
    }
}
