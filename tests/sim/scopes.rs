//! Processes that somebody hands over for a scope.

use super::manner::member;
use super::world::World;
use procmgr::engine::{Event, UnitId};

impl World<'_> {
    /// Moves those that are still there into the scope's group.
    pub(crate) fn take_in(&mut self, unit: UnitId, order: u64) {
        let trouble = if self.calm { 0 } else { self.scenario.trouble };
        let gone = self.last_dice.percent(trouble);
        let count = if gone { 0 } else { 1 + self.last_dice.roll(3) };
        for _ in 0..count {
            let manner = member(&mut self.last_dice, trouble);
            let pid = self.bear(unit, manner, None);
            self.live(pid);
        }
        let result = match count {
            0 => Err("no process is there any more".to_owned()),
            _ => Ok(()),
        };
        self.tell(
            None,
            Event::TakenIn {
                unit,
                order,
                result,
            },
        );
    }
}
