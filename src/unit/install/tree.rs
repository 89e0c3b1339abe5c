//! The files as they are, with the edits planned so far already made: later steps of a plan
//! build on earlier ones. Every directory is listed at most once.

use super::directories::{last, parent};
use crate::unit::load::{EntryKind, Source, normal};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

/// Longest chain of links followed.
const LONGEST_CHAIN: usize = 32;

pub(super) type Listing = BTreeMap<String, EntryKind>;

pub(super) struct Tree<'a> {
    source: &'a dyn Source,
    listings: RefCell<BTreeMap<String, Rc<Listing>>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(source: &'a dyn Source) -> Tree<'a> {
        Tree {
            source,
            listings: RefCell::default(),
        }
    }

    /// What a directory holds; one that is not there or cannot be read holds nothing.
    pub(super) fn list(&self, directory: &str) -> Rc<Listing> {
        let mut listings = self.listings.borrow_mut();
        let listing = listings.entry(directory.to_owned()).or_insert_with(|| {
            let entries = self.source.list(directory).unwrap_or_default();
            Rc::new(entries.into_iter().map(|e| (e.name, e.kind)).collect())
        });
        listing.clone()
    }

    /// What stands at a path, links not followed.
    pub(super) fn kind(&self, path: &str) -> Option<EntryKind> {
        self.list(parent(path)).get(last(path)).cloned()
    }

    /// Where a link at `path` with this target leads, one step.
    pub(super) fn destination(path: &str, target: &str) -> String {
        if target.starts_with('/') {
            normal(target)
        } else {
            normal(&format!("{}/{target}", parent(path)))
        }
    }

    /// Where a path leads in the end, there or not; `None` if its links run in a circle.
    pub(super) fn follow(&self, path: &str) -> Option<String> {
        let mut current = path.to_owned();
        for _ in 0..LONGEST_CHAIN {
            match self.kind(&current) {
                Some(EntryKind::Link(target)) => current = Tree::destination(&current, &target),
                Some(EntryKind::File | EntryKind::Directory | EntryKind::Other) | None => {
                    return Some(current);
                }
            }
        }
        None
    }

    /// The content of the file that a path leads to.
    pub(super) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = self.follow(path).ok_or(io::ErrorKind::InvalidInput)?;
        self.source.read(&path)
    }

    /// Whether a path masks: it leads to /dev/null or to an empty file.
    pub(super) fn is_null(&self, path: &str) -> bool {
        let Some(path) = self.follow(path) else {
            return false;
        };
        path == "/dev/null"
            || (self.kind(&path) == Some(EntryKind::File)
                && self.source.read(&path).is_ok_and(|text| text.is_empty()))
    }

    pub(super) fn set_link(&self, path: &str, target: &str) {
        let kind = EntryKind::Link(target.to_owned());
        self.change(path, Some(kind));
        // The directories above come into being with it.
        let mut above = parent(path);
        while above != "/" && self.kind(above).is_none() {
            self.change(above, Some(EntryKind::Directory));
            above = parent(above);
        }
    }

    pub(super) fn remove(&self, path: &str) {
        self.change(path, None);
    }

    fn change(&self, path: &str, kind: Option<EntryKind>) {
        self.list(parent(path));
        if let Some(listing) = self.listings.borrow_mut().get_mut(parent(path)) {
            let listing = Rc::make_mut(listing);
            match kind {
                Some(kind) => listing.insert(last(path).to_owned(), kind),
                None => listing.remove(last(path)),
            };
        }
    }
}
