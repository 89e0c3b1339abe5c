//! Removing links: all that lead to, or are named as, what is marked.

use super::change::{ChangeKind, Edit, Trouble};
use super::context::{Context, FULL, Fault};
use super::directories::{last, parent};
use super::edits::Planner;
use super::info::Mode;
use crate::unit::load::EntryKind;
use crate::unit::name::UnitName;
use std::collections::BTreeSet;

/// Names and paths whose links go.
pub(super) type Marked = BTreeSet<String>;

impl Planner<'_> {
    /// Removes every link to the units of the context, and to those that Also= adds.
    pub(super) fn remove_links_of(&mut self, context: &mut Context) -> Result<(), Trouble> {
        let mut marked = Marked::default();
        let mut missing = Vec::new();
        while let Some(at) = context.take() {
            let found = self.world.traverse(context, at, FULL);
            let info = &context.infos[at];
            let (name, place) = (info.name.to_string(), info.place());
            match found {
                Err(Fault::Dangling) => self.tell(ChangeKind::Dangling, &place, ""),
                Err(Fault::NotFound) if info.auxiliary => {}
                Err(fault) => missing.push((name.clone(), fault.about(&place))),
                Ok(_) if info.mode == Mode::Masked => {
                    self.tell(ChangeKind::Masked, &place, "");
                    continue;
                }
                Ok(_) if info.mode != Mode::Regular => continue,
                Ok(_) => {}
            }
            marked.insert(name);
        }
        let place = self.place.clone();
        self.remove_marked(&mut marked, &place);
        self.complain_of(context, missing);
        Ok(())
    }

    /// A unit that is not there is no trouble if it had links, which are gone now, or if an
    /// alias that is led to it.
    fn complain_of(&mut self, context: &Context, missing: Vec<(String, Trouble)>) {
        for (name, trouble) in missing {
            let had_links = self.plan.changes.iter().any(|change| {
                let led_there = |info: &super::info::Info| {
                    let target = info.target.as_deref().map(last);
                    target == Some(name.as_str()) && info.path.as_deref() == Some(&change.path)
                };
                change.kind == ChangeKind::Unlink
                    && (last(&change.path) == name || context.infos.iter().any(led_there))
            });
            if !had_links {
                self.troubles.push(trouble);
            }
        }
    }

    /// Removes what is marked from a unit directory, again until nothing more leads to it.
    pub(super) fn remove_marked(&mut self, marked: &mut Marked, place: &str) {
        if marked.is_empty() {
            return;
        }
        loop {
            let doomed = self.links_to(marked, place);
            if doomed.is_empty() {
                return;
            }
            for path in doomed {
                self.remove(&path, place);
                marked.insert(path);
            }
        }
    }

    /// Links below a directory that are marked, or lead to what is.
    fn links_to(&self, marked: &Marked, directory: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (name, kind) in self.world.tree.list(directory).iter() {
            let path = format!("{directory}/{name}");
            match kind {
                EntryKind::Directory => found.extend(self.links_to(marked, &path)),
                EntryKind::Link(_) if UnitName::parse(name).is_ok() => {
                    let Some(end) = self.world.tree.follow(&path) else {
                        continue;
                    };
                    let mut names = [end.as_str(), last(&end), name.as_str()].into_iter();
                    if names.any(|name| marked.contains(name)) {
                        found.push(path);
                    }
                }
                EntryKind::Link(_) | EntryKind::File | EntryKind::Other => {}
            }
        }
        found
    }

    /// Plans the removal of a file, link or directory.
    pub(super) fn remove(&mut self, path: &str, within: &str) {
        let path = path.to_owned();
        if self.world.tree.kind(&path) == Some(EntryKind::Directory) {
            for name in self.world.tree.list(&path).keys() {
                self.tell(ChangeKind::Unlink, &format!("{path}/{name}"), "");
            }
            self.plan
                .edits
                .push(Edit::RemoveTree { path: path.clone() });
        } else {
            let within = within.to_owned();
            self.plan.edits.push(Edit::Remove {
                path: path.clone(),
                within,
            });
        }
        self.world.tree.remove(&path);
        self.tell(ChangeKind::Unlink, &path, "");
        self.forget_empty(parent(&path), within);
    }

    /// Directories that a removal leaves empty go with it.
    fn forget_empty(&self, directory: &str, within: &str) {
        let mut directory = directory;
        while directory != within
            && directory.starts_with(within)
            && self.world.tree.list(directory).is_empty()
        {
            self.world.tree.remove(directory);
            directory = parent(directory);
        }
    }
}
