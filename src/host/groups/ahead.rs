//! Groups that are made before they are needed: that of a service whose run is over and which a
//! socket will start again at the next connection. Whoever connects then waits for a clone and not
//! for the kernel to make a group, too.
//!
//! Such a group is new and empty, so a run finds it as if it had been made for it: nothing is set
//! on it, and what the kernel counts begins with nothing. It is not the unit's before that; only
//! its directory can be seen. There are few at a time, and one that nobody waits for any more goes.

use super::{GroupPath, Groups};
use crate::cgroup::Group;
use crate::cgroup::watch::WatchId;
use crate::engine::UnitId;
use crate::unit::config::{Cold, ResourceConfig};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many at most: each takes memory in the kernel.
const MOST: usize = 64;

/// Those that are there.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<UnitId, Ready>);

/// A group that waits for a run.
#[derive(Debug)]
pub(super) struct Ready {
    path: GroupPath,
    /// What says so.
    resource: Option<Cold<ResourceConfig>>,
    pub(super) group: Arc<Group>,
    pub(super) watch: Option<WatchId>,
}

impl Groups {
    /// As [`Groups::release`], but another run is to come: its group is made now.
    pub(in crate::host) fn renew(&mut self, unit: UnitId) {
        let members = self.units.get(&unit);
        let resource = members.and_then(|members| members.resource.clone());
        let Some(path) = self.let_go(unit) else {
            return;
        };
        match self.make(unit, path.clone(), resource) {
            Some(ready) => {
                self.controls.renew(&path);
                self.ahead.0.insert(unit, ready);
            }
            None => self.forget(&path),
        }
    }

    fn make(
        &self,
        unit: UnitId,
        path: GroupPath,
        resource: Option<Cold<ResourceConfig>>,
    ) -> Option<Ready> {
        let tree = self.tree.as_ref()?;
        if self.ahead.0.len() >= MOST || self.ahead.0.contains_key(&unit) {
            return None;
        }
        // What goes wrong here is told when it goes wrong for a run.
        let group = tree.group(&path).ok()?;
        if group.was_found() {
            // Somebody else's, or not empty.
            return None;
        }
        let watcher = self.watcher.as_ref();
        Some(Ready {
            watch: watcher.and_then(|(watcher, _)| watcher.add(&group).ok()),
            group: Arc::new(group),
            path,
            resource,
        })
    }

    /// Where the group that was made for a run is, if a unit with these settings has it there.
    pub(in crate::host) fn path_ahead(
        &self,
        unit: UnitId,
        resource: &Cold<ResourceConfig>,
    ) -> Option<GroupPath> {
        let ready = self.ahead.0.get(&unit)?;
        let same = ready.resource.as_ref().filter(|it| it.is_same(resource));
        same.map(|_| ready.path.clone())
    }

    /// The group that was made for this run, if it is where it should be.
    pub(super) fn take_ready(&mut self, unit: UnitId, path: &[String]) -> Option<Ready> {
        let there = self.ahead.0.get(&unit)?;
        if there.path == path {
            return self.ahead.0.remove(&unit);
        }
        self.drop_ready(unit);
        None
    }

    /// No run is to come.
    pub(super) fn drop_ready(&mut self, unit: UnitId) {
        let Some(ready) = self.ahead.0.remove(&unit) else {
            return;
        };
        ready.group.remove_if_bare();
        self.forget(&ready.path);
    }

    /// Drops those that nobody waits for any more.
    pub(in crate::host) fn keep_ready(&mut self, is_awaited: impl Fn(UnitId) -> bool) {
        let all = self.ahead.0.keys().copied();
        let idle: Vec<UnitId> = all.filter(|unit| !is_awaited(*unit)).collect();
        for unit in idle {
            self.drop_ready(unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Tree;
    use crate::cgroup::controls::Controls;
    use crate::unit::name::UnitName;
    use std::path::Path;

    fn groups(directory: &Path) -> Groups {
        let tree = Tree::fake(directory);
        let mut groups = Groups::new(Some(tree), Controls::none("a test")).unwrap();
        // There are no files to watch in a directory that is made here.
        groups.watcher = None;
        groups
    }

    fn path(slice: &str) -> GroupPath {
        vec![slice.to_owned(), "a.service".to_owned()]
    }

    #[tokio::test]
    async fn a_group_is_known_by_the_settings_that_say_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let mut groups = groups(directory.path());
        let (unit, name) = (UnitId(1), UnitName::parse("a.service").unwrap());
        let in_slice = |slice: &str| {
            Cold::from(ResourceConfig {
                slice: Some(UnitName::parse(slice).unwrap()),
                ..ResourceConfig::default()
            })
        };
        let (before, after) = (in_slice("x.slice"), in_slice("y.slice"));

        groups.prepare(unit, &name, path("x.slice"), "1").unwrap();
        groups.is_placed_by(unit, &path("x.slice"), &before);
        // Other settings come during the run, which stays where it is.
        groups.prepare(unit, &name, path("y.slice"), "1").unwrap();
        groups.is_placed_by(unit, &path("y.slice"), &after);
        groups.renew(unit);
        assert_eq!(groups.path_ahead(unit, &before), Some(path("x.slice")));
        assert_eq!(groups.path_ahead(unit, &after), None);
        assert_eq!(groups.path_ahead(UnitId(2), &before), None);
    }

    #[tokio::test]
    async fn the_next_run_takes_the_group_that_was_made_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut groups = groups(directory.path());
        let (unit, name) = (UnitId(1), UnitName::parse("a.service").unwrap());
        let (here, there) = (
            directory.path().join("x.slice"),
            directory.path().join("y.slice"),
        );
        let is_there = |slice: &Path| slice.join("a.service").is_dir();

        groups.prepare(unit, &name, path("x.slice"), "1").unwrap();
        groups.renew(unit);
        assert!(is_there(&here), "made again");
        assert_eq!(
            (groups.path_of(unit), groups.directory_of(unit)),
            (None, None)
        );
        let group = groups.prepare(unit, &name, path("x.slice"), "2").unwrap();
        assert!(!group.unwrap().was_found());
        assert!(groups.ahead.0.is_empty());

        groups.renew(unit);
        groups.prepare(unit, &name, path("y.slice"), "3").unwrap();
        assert!(
            !here.exists(),
            "the unit has moved, and nobody else is there"
        );
        assert!(is_there(&there));
        groups.renew(unit);
        groups.keep_ready(|_| true);
        assert!(is_there(&there));
        groups.keep_ready(|_| false);
        assert!(!there.exists());
        groups.prepare(unit, &name, path("y.slice"), "4").unwrap();
        groups.renew(unit);
        groups.release(unit);
        assert!(!there.exists(), "the unit is gone");
    }
}
