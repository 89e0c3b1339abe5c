//! Timers, paths and scopes.

use super::{Check, Sight, Verdict};
use crate::sim::picture::Seen;
use procmgr::engine::inspect::TimerView;
use procmgr::engine::{Effect, Event, JobKind, Timestamp, UnitId};
use procmgr::unit::config::{DependencyKind, LoadState};
use std::collections::{BTreeMap, BTreeSet};

/// The finest grid on which timers elapse, in microseconds: how late AccuracySec=0 may be.
const FINEST: u64 = 250_000;

/// A timer that waits has said when it elapses next and asks for the clock in time; it elapses
/// only when it had waited, when a time that it had said has come, and once for each, unless
/// somebody sets the clock. At rest none takes a unit for running that is down.
#[derive(Default)]
pub(crate) struct Timers {
    before: BTreeMap<UnitId, Known>,
    /// The clock or the time zone changed in this step.
    changed: bool,
    /// Those that were asked to stop since they were started. A time that comes meanwhile is lost
    /// if the stop is called off, as in systemd, which does not ask for the clock again either.
    asked_to_stop: BTreeSet<UnitId>,
}

/// What was last seen of a timer.
#[derive(Debug, Clone, Default)]
struct Known {
    sub: &'static str,
    run: u128,
    next: Timestamp,
    last: Timestamp,
    /// The times that it has elapsed for.
    used: Timestamp,
}

impl Timers {
    fn look(&mut self, sight: &Sight<'_, '_>, unit: UnitId, seen: &Seen) -> Verdict {
        let Some(view) = view(sight, unit) else {
            self.before.remove(&unit);
            return Ok(());
        };
        let now = sight.world.timestamp();
        let known = self.before.entry(unit).or_default();
        if seen.run != known.run {
            // Started again, all counts again.
            known.run = seen.run;
            known.used = Timestamp::default();
            self.asked_to_stop.remove(&unit);
        }
        if sight.world.times.was_set {
            // A time of the wall may come again.
            known.used.realtime = 0;
        }
        let elapsed = view.last_trigger == now && known.last != now;
        if elapsed {
            known.elapse(now, self.changed && listens(seen))?;
        }
        known.last = view.last_trigger;
        known.sub = seen.sub;
        known.next = match seen.sub {
            "waiting" => view.next,
            _ => Timestamp::default(),
        };
        if seen.sub == "waiting" {
            let may_be_lost = self.asked_to_stop.contains(&unit);
            return asks_for_the_clock(sight, seen, known.next, may_be_lost);
        }
        Ok(())
    }
}

impl Known {
    /// It elapses now; `called` is if the clock has changed, and it waits for that.
    fn elapse(&mut self, now: Timestamp, called: bool) -> Verdict {
        if self.sub != "waiting" {
            return Err(format!("it elapses while it is {}", self.sub));
        }
        let mut fresh = called;
        let clocks = [
            (self.next.monotonic, now.monotonic, &mut self.used.monotonic),
            (self.next.realtime, now.realtime, &mut self.used.realtime),
        ];
        for (next, now, used) in clocks {
            let has_come = next > 0 && next <= now;
            fresh |= has_come && next > *used;
            if has_come {
                *used = next.max(*used);
            }
        }
        match fresh {
            true => Ok(()),
            false => Err(format!("it elapses at {now:?}, and said {:?}", self.next)),
        }
    }
}

fn view(sight: &Sight<'_, '_>, unit: UnitId) -> Option<TimerView> {
    sight.world.engine.unit_by_id(unit)?.timer
}

/// Whether changes of the clock or of the time zone start what it activates.
fn listens(seen: &Seen) -> bool {
    let timer = seen.config.timer();
    timer.is_some_and(|it| it.on_clock_change || it.on_timezone_change)
}

fn asks_for_the_clock(
    sight: &Sight<'_, '_>,
    seen: &Seen,
    next: Timestamp,
    may_be_lost: bool,
) -> Verdict {
    let Some(timer) = seen.config.timer() else {
        return Ok(());
    };
    let now = sight.world.timestamp();
    let ahead = next.realtime.saturating_sub(now.realtime);
    let realtime = (next.realtime > 0).then(|| now.monotonic.saturating_add(ahead));
    let monotonic = (next.monotonic > 0).then_some(next.monotonic);
    let Some(soonest) = monotonic.into_iter().chain(realtime).min() else {
        return match listens(seen) {
            true => Ok(()),
            false => Err("it waits for nothing".to_owned()),
        };
    };
    if may_be_lost && soonest <= now.monotonic {
        return Ok(());
    }
    let latest = soonest.saturating_add(timer.accuracy.as_micros().max(FINEST));
    match sight.world.engine.next_deadline() {
        Some(deadline) if deadline <= latest => Ok(()),
        other => Err(format!(
            "it elapses at {soonest}, and the clock is asked for at {other:?}"
        )),
    }
}

impl Check for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn before(&mut self, _: &Sight<'_, '_>, event: &Event) -> Verdict {
        self.changed = matches!(event, Event::ClockJumped | Event::ZoneChanged);
        Ok(())
    }

    fn effect(&mut self, _: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        if let Effect::JobNew {
            unit,
            kind: JobKind::Stop,
            ..
        } = effect
        {
            self.asked_to_stop.insert(*unit);
        }
        Ok(())
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let picture = sight.picture();
        for unit in &picture.touched {
            if let Some(seen) = picture.units.get(unit) {
                let verdict = self.look(sight, *unit, seen);
                verdict.map_err(|text| format!("{}: {text}", seen.name()))?;
            }
        }
        Ok(())
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let mut units = sight.picture().units.iter();
        units.try_for_each(|(unit, seen)| match seen.config.timer() {
            Some(_) => what_it_runs_is_up(sight, *unit, seen),
            None => Ok(()),
        })
    }
}

/// Whether nothing that was read anew stands between an activator and its unit; that unit.
fn activated<'a>(sight: &'a Sight<'_, '_>, unit: UnitId) -> Option<&'a Seen> {
    let picture = sight.picture();
    let mut activated = picture.relations.to(DependencyKind::Triggers, unit);
    let other = activated.next()?;
    let changed = picture.reread.contains(&unit) || picture.reread.contains(&other);
    let seen = picture.unit(other);
    let counts = !changed && seen.config.load == LoadState::Loaded;
    counts.then_some(seen)
}

fn what_it_runs_is_up(sight: &Sight<'_, '_>, unit: UnitId, seen: &Seen) -> Verdict {
    match activated(sight, unit) {
        Some(other) if seen.sub == "running" && other.is_down() => Err(format!(
            "{} is running, and {} is {}",
            seen.name(),
            other.name(),
            other.sub
        )),
        _ => Ok(()),
    }
}

/// A path that waits is told of its paths; at rest none waits for something that is there, or
/// takes a unit for running that is down.
pub(crate) struct Paths;

impl Check for Paths {
    fn name(&self) -> &'static str {
        "paths"
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let mut units = sight.picture().units.iter();
        let watches = &sight.world.paths.watches;
        let deaf = units.find(|(unit, seen)| {
            let waits = seen.config.path().is_some() && seen.sub == "waiting";
            waits && !watches.contains_key(unit)
        });
        match deaf {
            Some((_, seen)) => Err(format!("{} waits and does not watch", seen.name())),
            None => Ok(()),
        }
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        for (unit, seen) in &sight.picture().units {
            let Some(path) = seen.config.path() else {
                continue;
            };
            what_it_runs_is_up(sight, *unit, seen)?;
            if seen.is_down() && sight.world.paths.watches.contains_key(unit) {
                return Err(format!("{} is {} and watches", seen.name(), seen.sub));
            }
            let mut lasting = path.paths.iter().filter(|it| it.kind.is_lasting());
            let there = lasting.find(|it| sight.world.paths.is_there(&it.path));
            if let Some(there) = there
                && seen.sub == "waiting"
                && activated(sight, *unit).is_some()
            {
                let (name, path) = (seen.name(), &there.path);
                return Err(format!("{name} waits for {path}, which is there"));
            }
        }
        Ok(())
    }
}

/// At rest no scope is up without a process.
pub(crate) struct Scopes;

impl Check for Scopes {
    fn name(&self) -> &'static str {
        "scopes"
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        for (unit, seen) in &sight.picture().units {
            let is_scope = seen.config.scope().is_some();
            if is_scope && !seen.is_down() && sight.world.members(*unit).next().is_none() {
                let (name, sub) = (seen.name(), seen.sub);
                return Err(format!("{name} is {sub} without a process"));
            }
        }
        Ok(())
    }
}
