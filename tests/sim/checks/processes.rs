//! Whose processes there are.

use super::{Check, Sight, Verdict};
use crate::sim::processes::Known;
use procmgr::engine::{Effect, Role, Spawn};
use procmgr::unit::config::CommandKind;
use procmgr::unit::value::Signal;

/// A main process is never ordered while another one lives, or is ordered, that nobody has
/// sent SIGKILL and that was not left behind by settings that ask for that.
pub(crate) struct OneMain;

impl Check for OneMain {
    fn name(&self) -> &'static str {
        "one main process"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        let Effect::Spawn(spawn) = effect else {
            return Ok(());
        };
        let picture = sight.picture();
        let left_behind =
            picture.unit(spawn.unit).may_leave_main() || picture.reread.contains(&spawn.unit);
        // `Generations` looks at those that come beside another one.
        if spawn.kind != CommandKind::Start || left_behind || spawn.generation > 0 {
            return Ok(());
        }
        let mut members = sight.world.members(spawn.unit);
        let living = members.find(|it| it.main && !it.killed && !it.excused);
        if let Some(it) = living {
            return Err(format!(
                "{} gets a main process while {} lives",
                spawn.config.name, it.pid
            ));
        }
        if is_ordered(sight, spawn) {
            return Err(format!("{} gets two main processes", spawn.config.name));
        }
        Ok(())
    }
}

fn is_ordered(sight: &Sight<'_, '_>, spawn: &Spawn) -> bool {
    sight.world.known.values().any(|known| match known {
        Known::Starting(unit, Role::Main, shots) => {
            *unit == spawn.unit && !shots.contains(&Signal::KILL)
        }
        Known::Starting(..) | Known::Running(..) => false,
    })
}

/// Every living process belongs to a unit that is not down, but for those that are being
/// killed, those the engine has not heard of yet, and those left behind by settings.
pub(crate) struct Owners;

impl Owners {
    fn look(sight: &Sight<'_, '_>, everywhere: bool) -> Verdict {
        let picture = sight.picture();
        let units = sight.world.alive.keys();
        for unit in units.filter(|unit| everywhere || picture.touched.contains(unit)) {
            let Some(seen) = picture.units.get(unit) else {
                continue;
            };
            if !seen.is_at_its_end() {
                continue;
            }
            let mut members = sight.world.members(*unit);
            if let Some(it) = members.find(|it| it.told && !it.killed && !it.excused) {
                return Err(format!(
                    "{} is {} while its process {} lives",
                    seen.name(),
                    seen.sub,
                    it.pid
                ));
            }
        }
        Ok(())
    }
}

impl Check for Owners {
    fn name(&self) -> &'static str {
        "no process without an owner"
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        Owners::look(sight, false)
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        Owners::look(sight, true)
    }
}
