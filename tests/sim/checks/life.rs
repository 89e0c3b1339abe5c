//! Orders, starts, timers, and the end.

use super::{Check, Sight, Starts, Verdict};
use procmgr::engine::{ActiveState, Effect, Event, ProcessId, UnitId};
use procmgr::unit::config::UnitBody;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of processes, kill orders and looks at conditions are never used twice, and only
/// what was looked for is forgotten.
#[derive(Default)]
pub(crate) struct Orders {
    processes: BTreeSet<ProcessId>,
    searches: BTreeSet<ProcessId>,
    kills: BTreeSet<u64>,
    looks: BTreeSet<u64>,
}

impl Check for Orders {
    fn name(&self) -> &'static str {
        "numbers of orders"
    }

    fn effect(&mut self, _: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        let fresh = match effect {
            Effect::Spawn(spawn) => self.processes.insert(spawn.process),
            Effect::FindMain { process, .. } => {
                self.searches.insert(*process);
                self.processes.insert(*process)
            }
            Effect::Kill(order) => self.kills.insert(order.order),
            Effect::Check { check, .. } => self.looks.insert(check.0),
            Effect::ForgetMain { process } => self.searches.remove(process),
            _ => true,
        };
        if fresh {
            return Ok(());
        }
        Err(format!("a number used twice or never given: {effect:?}"))
    }
}

/// Within a window that opens with a start, no more starts than StartLimitBurst=.
///
/// A start is seen by its first order, or, where it gives none (Type=idle that is stopped while
/// its process is held back, a service without commands), by the run that it is.
#[derive(Default)]
pub(crate) struct StartLimit {
    windows: BTreeMap<UnitId, (u64, u32)>,
    starts: Starts,
    /// Units whose start the orders of this step have shown.
    begun: BTreeSet<UnitId>,
    runs: BTreeMap<UnitId, u128>,
}

impl StartLimit {
    fn count(&mut self, sight: &Sight<'_, '_>, unit: UnitId) -> Verdict {
        let config = &sight.picture().unit(unit).config;
        let section = &config.unit;
        let (interval, burst) = (
            section.start_limit_interval.as_micros(),
            section.start_limit_burst,
        );
        if interval == 0 || burst == 0 {
            return Ok(());
        }
        let now = sight.world.now;
        let window = self.windows.entry(unit).or_insert((now, 0));
        if now - window.0 > interval {
            *window = (now, 0);
        }
        window.1 += 1;
        if window.1 <= burst {
            return Ok(());
        }
        Err(format!(
            "{} started {} times within its interval, {burst} are allowed",
            config.name, window.1
        ))
    }
}

impl Check for StartLimit {
    fn name(&self) -> &'static str {
        "start limit"
    }

    fn before(&mut self, sight: &Sight<'_, '_>, event: &Event) -> Verdict {
        match event {
            Event::ResetFailed { unit: None, .. } => self.windows.clear(),
            Event::ResetFailed {
                unit: Some(name), ..
            } => {
                let unit = sight.picture().find(name);
                self.windows.retain(|other, _| Some(*other) != unit);
            }
            _ => {}
        }
        Ok(())
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match self.starts.begun_by(sight, effect) {
            Some(unit) => {
                self.begun.insert(unit);
                self.count(sight, unit)
            }
            None => Ok(()),
        }
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let begun = std::mem::take(&mut self.begun);
        for unit in &sight.picture().touched {
            let seen = sight.picture().unit(*unit);
            let before = self.runs.insert(*unit, seen.run).unwrap_or(0);
            // There is no limit for targets, and none for scopes.
            let limited = !matches!(seen.config.body, UnitBody::Target | UnitBody::Scope(_));
            if limited && seen.run != before && !begun.contains(unit) {
                self.count(sight, *unit)?;
            }
        }
        Ok(())
    }
}

/// `Finished` comes once, after `Shutdown`, with nothing up, no job, and no process but those
/// that settings leave behind; at rest after `Shutdown` it has come.
#[derive(Default)]
pub(crate) struct End {
    finished: bool,
    just_now: bool,
}

impl Check for End {
    fn name(&self) -> &'static str {
        "end of the manager"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        if self.finished && matches!(effect, Effect::Spawn(_) | Effect::Finished) {
            return Err(format!("after Finished: {effect:?}"));
        }
        if let Effect::Finished = effect {
            self.finished = true;
            self.just_now = true;
            if !sight.picture().shutting_down {
                return Err("Finished without Shutdown".to_owned());
            }
        }
        Ok(())
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        if !std::mem::take(&mut self.just_now) {
            return Ok(());
        }
        let picture = sight.picture();
        if let Some(job) = picture.jobs.keys().next() {
            return Err(format!("finished with job {}", job.0));
        }
        let up = picture
            .units
            .values()
            .find(|u| !u.is_down() && !u.is_fact());
        if let Some(seen) = up {
            return Err(format!("finished with {} {}", seen.name(), seen.sub));
        }
        Ok(())
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        if sight.picture().shutting_down && !self.finished {
            return Err("Finished never came".to_owned());
        }
        Ok(())
    }
}

/// Whether a timer unit counts from something so long ago that it is to elapse at once.
fn is_a_timer_late(sight: &Sight<'_, '_>) -> bool {
    let mut units = sight.picture().units.iter();
    units.any(|(unit, seen)| {
        let view = sight.world.engine.unit_by_id(*unit);
        let next = view.and_then(|view| Some(view.timer?.next.monotonic));
        seen.sub == "waiting" && next.is_some_and(|next| next > 0 && next < sight.world.now)
    })
}

/// After `Elapsed` no deadline lies in the past but that of a timer unit, and not every answer to it is a deadline for
/// at once.
#[derive(Default)]
pub(crate) struct Deadlines {
    at: u64,
    times: usize,
}

impl Check for Deadlines {
    fn name(&self) -> &'static str {
        "deadlines"
    }

    fn after(&mut self, sight: &Sight<'_, '_>, elapsed: bool) -> Verdict {
        let now = sight.world.now;
        if !elapsed {
            self.times = 0;
            return Ok(());
        }
        let next = sight.world.engine.next_deadline();
        if let Some(deadline) = next.filter(|deadline| *deadline < now)
            && !is_a_timer_late(sight)
        {
            let late = now - deadline;
            return Err(format!("the next deadline is {late} µs in the past"));
        }
        self.times = if self.at == now { self.times + 1 } else { 0 };
        self.at = now;
        if self.times > 10 + 4 * sight.picture().units.len() {
            return Err("the timer goes round and round".to_owned());
        }
        Ok(())
    }
}

/// What can be seen of a unit only changes when the engine says so; at rest no unit is on its
/// way somewhere without a timer or a process.
pub(crate) struct Told;

impl Check for Told {
    fn name(&self) -> &'static str {
        "changes are told"
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let mut moving = None;
        for (unit, seen) in &sight.picture().units {
            let Some(view) = sight.world.engine.unit_by_id(*unit) else {
                return Err(format!("{} has gone without a word", seen.name()));
            };
            if (view.active, view.sub) != (seen.active, seen.sub) {
                return Err(format!(
                    "{} is {} and was said to be {}",
                    seen.name(),
                    view.sub,
                    seen.sub
                ));
            }
            let moves = matches!(
                seen.active,
                ActiveState::Activating | ActiveState::Deactivating
            );
            // A process that lives may be waited for without a timeout.
            if moves && sight.world.members(*unit).next().is_none() {
                moving = Some((seen.name(), seen.sub));
            }
        }
        match (moving, sight.world.engine.next_deadline()) {
            (Some((name, sub)), None) => Err(format!("{name} is stuck in {sub}")),
            _ => Ok(()),
        }
    }
}
