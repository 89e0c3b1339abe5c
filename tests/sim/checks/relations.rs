//! What units are to each other.

use super::{Check, Sight, Starts, Verdict};
use procmgr::engine::{ActiveState, Effect, JobKind, JobResult, UnitId};
use procmgr::unit::config::{DependencyKind, UnitBody};
use std::collections::BTreeSet;

/// Nothing starts before the jobs of what it comes after have ended, nor before a stop of
/// what comes after it has.
#[derive(Default)]
pub(crate) struct Ordering {
    /// Units whose conditions were asked for: their turn had come then.
    begun: BTreeSet<UnitId>,
    starts: Starts,
}

impl Ordering {
    fn look(sight: &Sight<'_, '_>, unit: UnitId) -> Verdict {
        let picture = sight.picture();
        let own = picture.job_of(unit);
        if own.is_some_and(|(_, job)| job.ignores_order) {
            return Ok(());
        }
        let name = picture.unit(unit).name();
        for other in picture.relations.earlier(unit) {
            if let Some((id, job)) = picture.job_of(other)
                && !job.ignores_order
                && job.kind != JobKind::Nop
            {
                let other = picture.unit(other).name();
                return Err(format!(
                    "{name} starts although it is ordered after {other}, which has job {} ({})",
                    id.0,
                    job.kind.as_str()
                ));
            }
        }
        for other in picture.relations.later(unit) {
            if let Some((id, job)) = picture.job_of(other)
                && !job.ignores_order
                && job.kind == JobKind::Stop
            {
                let other = picture.unit(other).name();
                return Err(format!(
                    "{name} starts before the stop job {} of {other} has ended",
                    id.0
                ));
            }
        }
        Ok(())
    }
}

impl Check for Ordering {
    fn name(&self) -> &'static str {
        "order of starts"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        if let Some(unit) = self.starts.begun_by(sight, effect) {
            return match self.begun.remove(&unit) {
                true => Ok(()),
                false => Ordering::look(sight, unit),
            };
        }
        match effect {
            Effect::Check { unit, .. } => {
                self.begun.insert(*unit);
                Ordering::look(sight, *unit)
            }
            Effect::JobRemoved {
                unit,
                kind: JobKind::Start,
                result: JobResult::Done,
                ..
            } => {
                let seen = sight.picture().unit(*unit);
                let target = matches!(seen.config.body, UnitBody::Target);
                let was_down = seen.is_down();
                let had_checks = self.begun.remove(unit);
                if target && was_down && !had_checks {
                    return Ordering::look(sight, *unit);
                }
                Ok(())
            }
            Effect::JobRemoved { unit, kind, .. } if *kind != JobKind::Nop => {
                self.begun.remove(unit);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Of two units that exclude each other never both are up if they are ordered too, and not
/// both at rest in any case. Units started without regard to dependencies, files read
/// anew, and another job in the place of a stop make exceptions.
#[derive(Default)]
pub(crate) struct Conflicts {
    both: BTreeSet<(UnitId, UnitId)>,
}

impl Conflicts {
    fn exempt(sight: &Sight<'_, '_>, unit: UnitId) -> bool {
        let picture = sight.picture();
        picture.unit(unit).is_fact()
            || picture.loose.contains(&unit)
            || picture.reprieved.contains(&unit)
            || picture.reread.contains(&unit)
    }

    fn both_up(sight: &Sight<'_, '_>, unit: UnitId, rest: bool) -> Verdict {
        let picture = sight.picture();
        let seen = picture.unit(unit);
        if !seen.is_up() || Conflicts::exempt(sight, unit) {
            return Ok(());
        }
        for rival in picture.relations.rivals(unit) {
            let ordered = picture.relations.earlier(unit).contains(&rival)
                || picture.relations.later(unit).contains(&rival);
            let other = picture.unit(rival);
            if (rest || ordered) && other.is_up() && !Conflicts::exempt(sight, rival) {
                return Err(format!("{} and {} are both up", seen.name(), other.name()));
            }
        }
        Ok(())
    }
}

impl Check for Conflicts {
    fn name(&self) -> &'static str {
        "conflicts"
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let mut touched = sight.picture().touched.iter();
        touched.try_for_each(|unit| Conflicts::both_up(sight, *unit, false))
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let _ = &self.both;
        let mut units = sight.picture().units.keys();
        units.try_for_each(|unit| Conflicts::both_up(sight, *unit, true))
    }
}

/// A unit is not up while something it is bound to is down, but for the time that a job of
/// either needs to change that.
pub(crate) struct Bound;

impl Bound {
    fn look(sight: &Sight<'_, '_>, unit: UnitId) -> Verdict {
        let picture = sight.picture();
        let seen = picture.unit(unit);
        if !seen.is_up() || seen.is_fact() || picture.job_of(unit).is_some() {
            return Ok(());
        }
        for other in picture.relations.to(DependencyKind::BindsTo, unit) {
            let to = picture.unit(other);
            let files_changed = picture.reread.contains(&unit) || picture.reread.contains(&other);
            if to.is_down() && picture.job_of(other).is_none() && !files_changed {
                return Err(format!(
                    "{} is {} although it is bound to {}, which is {}",
                    seen.name(),
                    seen.sub,
                    to.name(),
                    to.sub
                ));
            }
        }
        Ok(())
    }
}

impl Check for Bound {
    fn name(&self) -> &'static str {
        "bound units"
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let picture = sight.picture();
        for unit in &picture.touched {
            Bound::look(sight, *unit)?;
            if picture.unit(*unit).active != ActiveState::Active {
                for bound in picture.relations.from(DependencyKind::BindsTo, *unit) {
                    Bound::look(sight, bound)?;
                }
            }
        }
        Ok(())
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let mut units = sight.picture().units.keys();
        units.try_for_each(|unit| Bound::look(sight, *unit))
    }
}
