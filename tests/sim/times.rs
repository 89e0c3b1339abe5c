//! The clock on the wall, and what timers wrote down.

use super::checks::Finding;
use super::world::World;
use procmgr::engine::{Event, Timestamp, UnitId};
use procmgr::unit::name::UnitName;
use std::collections::BTreeMap;

/// What time of day it is when a life begins, in microseconds.
const REALTIME: u64 = 1_700_000_000_000_000;

/// Both clocks' further state.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// By how much the clock on the wall was set since the beginning, in seconds.
    set_by: i64,
    /// Somebody has set it.
    pub(crate) was_set: bool,
    /// When timers last elapsed, by their names.
    stamps: BTreeMap<UnitName, u64>,
}

impl World<'_> {
    /// What time it is.
    pub(crate) fn timestamp(&self) -> Timestamp {
        let realtime = REALTIME + self.now;
        Timestamp {
            monotonic: self.now,
            realtime: realtime.saturating_add_signed(self.times.set_by * 1_000_000),
        }
    }

    /// Somebody sets the clock.
    pub(crate) fn set_clock(&mut self, seconds: i64) -> Result<(), Finding> {
        self.times.set_by += seconds;
        self.times.was_set = true;
        self.handle(Event::ClockJumped, None)
    }

    pub(crate) fn read_stamp(&mut self, unit: UnitId, order: u64) {
        let name = &self.picture.unit(unit).config.name;
        let time = self.times.stamps.get(name).copied();
        self.tell(None, Event::StampRead { unit, order, time });
    }

    pub(crate) fn write_stamp(&mut self, unit: UnitId, time: u64) {
        let name = self.picture.unit(unit).config.name.clone();
        self.times.stamps.insert(name, time);
    }
}
