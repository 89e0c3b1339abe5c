//! Which units are loaded.

use super::{Check, Sight, Verdict};
use crate::sim::picture::{Picture, Seen};
use procmgr::engine::{Effect, Event, UnitId};
use procmgr::unit::config::{CollectMode, LoadState, UnitConfig};
use procmgr::unit::name::UnitName;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Units only go when they may: at the time for it, down, without a job, a process or anybody
/// who wants them, and not while one that stays names them. Then all go that may. What a loaded
/// unit names is loaded, numbers are not given again, and only what was loaded is told of.
#[derive(Default)]
pub(crate) struct Unloading {
    ever: BTreeSet<UnitId>,
    /// The time for it is now.
    collecting: bool,
    /// What was loaded when it was last looked at.
    looked_at: Vec<Arc<UnitConfig>>,
    /// The engine had said before that there is nothing to be done.
    nothing_to_do: bool,
    kept: BTreeSet<UnitName>,
}

impl Unloading {
    /// Why a unit stays for its own sake, as far as that can be seen.
    fn reason(&self, sight: &Sight<'_, '_>, unit: UnitId, seen: &Seen) -> Option<&'static str> {
        let config = &seen.config;
        let world = sight.world;
        let failed_stays = config.unit.collect_mode == CollectMode::Inactive;
        let down = seen.is_down() && !(seen.sub == "failed" && failed_stays);
        let mut holds = world.holds.iter();
        let mut jobs = sight.picture().jobs.values();
        if jobs.any(|job| job.unit == unit) {
            Some("has a job")
        } else if holds.any(|(name, _)| *name == config.name) {
            Some("is held")
        } else if seen.is_fact() {
            None
        } else if !down {
            Some("is not down")
        } else if self.kept.contains(&config.name) && config.load != LoadState::NotFound {
            Some("is to be run")
        } else if world.held.are_of(unit, &config.name) {
            Some("has descriptors")
        } else if world.members(unit).next().is_some() {
            Some("has processes")
        } else {
            None
        }
    }

    /// Nothing of what stays names what went, and everything that went could go.
    fn all_went_that_may(&self, sight: &Sight<'_, '_>) -> Verdict {
        let picture = sight.picture();
        let own_sake = |(id, seen): &(&UnitId, &Seen)| {
            // Whether it waits for what it lost cannot be seen, and not all news of processes
            // have arrived.
            let returns = seen.config.procmgr.restart_with_dependency;
            let world = sight.world;
            let mut known = world.known.values();
            let unsure = returns
                || world.occupied.contains(id)
                || known.any(|process| process.unit() == **id);
            unsure || self.reason(sight, **id, seen).is_some()
        };
        let stay = picture.units.iter().filter(own_sake);
        let mut pending: Vec<&Seen> = stay.map(|(_, seen)| seen).collect();
        let mut needed: BTreeSet<&UnitName> = pending.iter().map(|it| &it.config.name).collect();
        while let Some(seen) = pending.pop() {
            for edge in &seen.config.dependencies {
                let target = picture.find(&edge.target).map(|id| picture.unit(id));
                if let Some(target) = target
                    && needed.insert(&target.config.name)
                {
                    pending.push(target);
                }
            }
        }
        let mut units = picture.units.values();
        match units.find(|unit| !needed.contains(&unit.config.name)) {
            Some(unit) => Err(format!("{} stays loaded for nobody's sake", unit.name())),
            None => Ok(()),
        }
    }
}

impl Check for Unloading {
    fn name(&self) -> &'static str {
        "unloading"
    }

    fn before(&mut self, sight: &Sight<'_, '_>, event: &Event) -> Verdict {
        self.collecting = matches!(event, Event::Collect);
        self.nothing_to_do = !sight.world.engine.has_candidates();
        if let Event::Keep { unit } = event {
            self.kept.insert(unit.clone());
        }
        Ok(())
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match effect {
            Effect::UnitNew { unit } if !self.ever.insert(*unit) => {
                Err(format!("{unit:?} was there before"))
            }
            Effect::UnitRemoved { unit, name } => {
                let Some(seen) = sight.picture().units.get(unit) else {
                    return Err(format!("{name} goes without having come"));
                };
                if !self.collecting || self.nothing_to_do {
                    return Err(format!("{name} goes at a wrong time"));
                }
                if let Some(reason) = self.reason(sight, *unit, seen) {
                    return Err(format!("{name} goes although it {reason}"));
                }
                self.kept.remove(name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let loaded = || sight.picture().units.values().map(|unit| &unit.config);
        let as_before = loaded().count() == self.looked_at.len()
            && loaded()
                .zip(&self.looked_at)
                .all(|(one, other)| Arc::ptr_eq(one, other));
        if !as_before {
            what_is_named_is_loaded(sight.picture())?;
            self.looked_at = loaded().cloned().collect();
        }
        if std::mem::take(&mut self.collecting) && !sight.picture().shutting_down {
            return self.all_went_that_may(sight);
        }
        Ok(())
    }
}

fn what_is_named_is_loaded(picture: &Picture) -> Verdict {
    let units = picture.units.values();
    let names: BTreeSet<&UnitName> = units.map(|unit| &unit.config.name).collect();
    for unit in picture.units.values() {
        let mut edges = unit.config.dependencies.iter();
        if let Some(edge) = edges.find(|edge| !names.contains(&edge.target)) {
            let (from, to) = (unit.name(), &edge.target);
            return Err(format!("{from} is loaded, but not {to}, which it names"));
        }
    }
    Ok(())
}
