//! The end of a unit's group, and of those of slices that are empty without it. What is still in use
//! stays.

use super::{GroupPath, Groups};
use crate::cgroup::Group;
use crate::engine::UnitId;
use std::sync::Arc;

impl Groups {
    /// Drops the unit's group if nobody is left in it, and what was made for its next run.
    pub(in crate::host) fn release(&mut self, unit: UnitId) {
        self.drop_ready(unit);
        if let Some(path) = self.let_go(unit) {
            self.forget(&path);
        }
    }

    /// The same; where the group was that is gone.
    pub(super) fn let_go(&mut self, unit: UnitId) -> Option<GroupPath> {
        let members = self.units.get(&unit)?;
        // Whoever else holds it is about to start a process in it.
        let held = |group: &Arc<Group>| Arc::strong_count(group) > 1;
        let removed = members.guests.is_empty()
            && members
                .group
                .as_ref()
                .is_some_and(|group| !held(group) && group.remove_if_bare());
        let populated = match &members.group {
            Some(_) => !removed && self.populated(unit),
            None => members.occupied,
        };
        if populated {
            // Left behind on purpose (KillMode=process): still watched, still the unit's.
            return None;
        }
        let members = self.units.remove(&unit)?;
        for watch in [members.watch, members.memory_watch].into_iter().flatten() {
            self.watches.remove(&watch);
        }
        let group = members.group.filter(|_| !removed);
        match group.map(|group| Arc::into_inner(group).map(Group::remove)) {
            Some(None) => return None,
            Some(Some(Err(error))) => tracing::warn!(
                "cannot remove the control group of unit {}: {error}",
                unit.0
            ),
            Some(Some(Ok(()))) | None => {}
        }
        Some(members.path)
    }

    /// A group is gone; so are those of slices that are empty now.
    pub(super) fn forget(&mut self, path: &[String]) {
        self.controls.forget(path);
        for end in (1..path.len()).rev() {
            let Some(slice) = path.get(..end) else {
                continue;
            };
            let gone = match &self.tree {
                Some(tree) => tree.prune(slice),
                None => self.units_below(slice).is_empty(),
            };
            if !gone {
                return;
            }
            self.controls.forget(slice);
        }
    }
}
