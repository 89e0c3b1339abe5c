//! A bus on which services of Type=dbus take names, keep them, and lose them.

use super::world::World;
use procmgr::engine::{Event, UnitId};
use std::collections::BTreeMap;

/// Names by the unit that waits for them: no two units wait for the same.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    owners: BTreeMap<UnitId, i32>,
    /// Names that the engine has asked for, with the time before which no news of them arrives.
    watched: BTreeMap<UnitId, u64>,
}

impl World<'_> {
    pub(crate) fn watch_bus_name(&mut self, unit: UnitId) {
        let at = self.now + self.delay();
        self.bus.watched.insert(unit, at);
        self.tell_of_name(unit, Event::BusNameWatched { unit });
    }

    /// No news of it is told from here on, not even old ones.
    pub(crate) fn forget_bus_name(&mut self, unit: UnitId) {
        self.bus.watched.remove(&unit);
        self.keep_to_itself(|event| match event {
            Event::BusNameWatched { unit: of } | Event::BusNameOwned { unit: of, .. } => {
                *of == unit
            }
            _ => false,
        });
    }

    /// A process takes its unit's name, from another one if need be.
    pub(crate) fn take_name(&mut self, pid: i32) {
        let Some(unit) = self.process(pid).map(|it| it.unit) else {
            return;
        };
        if self.bus.owners.insert(unit, pid) != Some(pid) {
            self.note(|| format!("process {pid} takes its name"));
            self.tell_of_name(unit, Event::BusNameOwned { unit, owned: true });
        }
    }

    /// A process gives its unit's name up, or ends.
    pub(crate) fn lose_name(&mut self, pid: i32) {
        let Some(unit) = self.process(pid).map(|it| it.unit) else {
            return;
        };
        if self.bus.owners.get(&unit) == Some(&pid) {
            self.bus.owners.remove(&unit);
            self.note(|| format!("process {pid} loses its name"));
            let owned = false;
            self.tell_of_name(unit, Event::BusNameOwned { unit, owned });
        }
    }

    /// The bus was away and is back: what is so is said once more.
    pub(crate) fn bus_comes_back(&mut self) {
        let watched: Vec<UnitId> = self.bus.watched.keys().copied().collect();
        for unit in watched {
            let owned = self.bus.owners.contains_key(&unit);
            self.tell_of_name(unit, Event::BusNameOwned { unit, owned });
        }
    }

    /// News of one name arrive in order.
    fn tell_of_name(&mut self, unit: UnitId, event: Event) {
        let at = self.now + self.delay();
        if let Some(until) = self.bus.watched.get_mut(&unit) {
            *until = at.max(*until);
            let after = *until - self.now;
            self.plan(after, super::world::Happening::Tell(event));
        }
    }
}
