//! Restarts with an overlap.

use super::{Check, Sight, Verdict};
use crate::sim::picture::Seen;
use crate::sim::processes::{Known, Process};
use procmgr::engine::{Effect, Event, KillOrder, ProcessId, Role, Spawn, UnitId};
use procmgr::unit::config::{CommandKind, NotifyAccess, ServiceType};
use procmgr::unit::value::Signal;
use std::collections::{BTreeMap, BTreeSet};

/// A new generation begins only while the unit is up and has a job, beside one other at most; none
/// that serves is told to end, alone or with all others of its unit, nor an old one before the new one is ready; a unit that runs has
/// somebody who serves; and at rest no two generations are there.
#[derive(Default)]
pub(crate) struct Generations {
    /// The last number that was given to a generation.
    last: BTreeMap<UnitId, u32>,
    /// The run of the unit in which its last main process was ordered.
    ordered: BTreeMap<UnitId, u128>,
    /// Generations that have said that they are ready, by whichever of their processes.
    ready: BTreeSet<(UnitId, u32)>,
    /// Who looks for a main process, and of which unit.
    searches: BTreeMap<ProcessId, UnitId>,
    /// Generations that were told to end in this step.
    ended: Vec<(UnitId, u32)>,
    /// Units all of whose processes got a signal in this step.
    signaled: BTreeSet<UnitId>,
    /// It is what somebody asked for.
    asked: bool,
}

impl Generations {
    fn spawned(&mut self, sight: &Sight<'_, '_>, spawn: &Spawn) -> Verdict {
        let (unit, generation) = (spawn.unit, spawn.generation);
        let last = self.last.entry(unit).or_default();
        let seen = sight.picture().unit(unit);
        if spawn.role == Role::Main {
            self.ordered.insert(unit, seen.run);
        }
        if generation > *last {
            if generation != *last + 1 {
                return Err(format!("generation {generation} comes behind {last}"));
            }
            *last = generation;
            if !seen.is_up() {
                return Err(format!(
                    "{} is {} and gets a new generation",
                    seen.name(),
                    seen.sub
                ));
            }
            if sight.picture().job_of(unit).is_none() {
                return Err(format!(
                    "{} gets a new generation that nobody asked for",
                    seen.name()
                ));
            }
        }
        if generation == 0 || spawn.kind != CommandKind::Start {
            return Ok(());
        }
        let others: Vec<&Process> = mains(sight, unit, seen).collect();
        let ordered = sight.world.known.values().any(|known| match known {
            Known::Starting(of, Role::Main, shots) => *of == unit && !shots.contains(&Signal::KILL),
            Known::Starting(..) | Known::Running(..) => false,
        });
        if others.len() + usize::from(ordered) > 1 {
            return Err(format!("{} gets a third main process", seen.name()));
        }
        match others.first() {
            Some(other) if other.generation >= generation => Err(format!(
                "{} gets a main process of generation {generation} while {} lives, of {}",
                seen.name(),
                other.pid,
                other.generation
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether an order to end a generation was right, seen from behind the step.
    fn judge(&self, sight: &Sight<'_, '_>, unit: UnitId, generation: u32) -> Verdict {
        let picture = sight.picture();
        let Some(seen) = picture.units.get(&unit).filter(|seen| seen.is_up()) else {
            return Ok(());
        };
        let Some(main) = sight.world.process(seen.main_pid) else {
            // The one that ends came for one that had ended well, which may be reloading all the
            // same; or a PIDFile= that the files have only now is being looked for.
            let ended_well = seen.sub == "exited" || seen.sub.starts_with("reload");
            let nobody_serves = !ended_well && !picture.reread.contains(&unit);
            return match nobody_serves {
                true => Err(format!("nobody serves for {}", seen.name())),
                false => Ok(()),
            };
        };
        if main.generation == generation {
            return Err(format!("{} loses the generation that serves", seen.name()));
        }
        let service = seen.config.service();
        let speaks = service.is_some_and(|it| {
            matches!(
                it.service_type,
                ServiceType::Notify | ServiceType::NotifyReload
            )
        });
        let unready = speaks
            && !picture.reread.contains(&unit)
            && !self.ready.contains(&(unit, main.generation));
        if main.generation > generation && unready {
            return Err(format!(
                "the old generation of {} has to go before {} is ready",
                seen.name(),
                main.pid
            ));
        }
        Ok(())
    }

    /// A unit that was ever restarted like that and runs has a main process, or gets one.
    fn is_served(&self, sight: &Sight<'_, '_>, unit: UnitId, seen: &Seen) -> Verdict {
        let restarted = self.last.get(&unit).is_some_and(|last| *last > 0);
        if !restarted || sight.picture().reread.contains(&unit) {
            return Ok(());
        }
        // One of Type=idle is up before its program is executed.
        let service = seen.config.service();
        let idle = service.is_some_and(|it| it.service_type == ServiceType::Idle);
        if idle && self.ordered.get(&unit) != Some(&seen.run) {
            return Ok(());
        }
        let comes = || {
            let mut known = sight.world.known.values();
            known.any(|it| match it {
                Known::Starting(of, role, _) => *of == unit && *role == Role::Main,
                // The news of its birth, perhaps even that of its end, is on its way.
                Known::Running(of, pid) => {
                    *of == unit && sight.world.process(*pid).is_some_and(|it| it.main)
                }
            })
        };
        // It has ended, but said before who comes after it, or its PID file may.
        let is_looked_for = || self.searches.values().any(|of| *of == unit);
        let nobody = seen.sub == "running" && seen.main_pid == 0;
        match nobody && !comes() && !is_looked_for() {
            true => Err(format!("{} runs without a main process", seen.name())),
            false => Ok(()),
        }
    }
}

/// The living main processes that nobody has ended for good and that were not left behind.
fn mains<'a>(
    sight: &'a Sight<'_, '_>,
    unit: UnitId,
    seen: &Seen,
) -> impl Iterator<Item = &'a Process> {
    let may_stay = seen.may_leave_main() || sight.picture().reread.contains(&unit);
    let members = sight.world.members(unit);
    members.filter(move |it| it.main && !it.killed && !it.excused && !may_stay)
}

impl Check for Generations {
    fn name(&self) -> &'static str {
        "generations"
    }

    fn before(&mut self, sight: &Sight<'_, '_>, event: &Event) -> Verdict {
        self.asked = matches!(event, Event::Kill { .. });
        if let Event::Notified { pid, message, .. } = event
            && message.get("READY") == Some("1")
            && let Some(speaker) = sight.world.process(*pid)
        {
            self.ready.insert((speaker.unit, speaker.generation));
            // With NotifyAccess=all others speak for the main process, even those that were left
            // behind by an earlier run, as in systemd.
            let seen = sight.picture().units.get(&speaker.unit);
            let all = |seen: &&Seen| {
                let service = seen.config.service();
                service.is_some_and(|it| it.notify_access == NotifyAccess::All)
            };
            let main = seen.filter(all).map(|seen| seen.main_pid);
            let main = main.and_then(|main| sight.world.process(main));
            if let Some(main) = main.filter(|_| !speaker.main) {
                self.ready.insert((main.unit, main.generation));
            }
        }
        if let Event::MainFound { process, .. } | Event::MainNotFound { process, .. } = event {
            self.searches.remove(process);
        }
        Ok(())
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        match effect {
            Effect::Spawn(spawn) => self.spawned(sight, spawn),
            Effect::FindMain { process, unit, .. } => {
                self.searches.insert(*process, *unit);
                Ok(())
            }
            Effect::ForgetMain { process } => {
                self.searches.remove(process);
                Ok(())
            }
            Effect::Kill(KillOrder {
                unit,
                generation: Some(generation),
                signal,
                ..
            }) if *signal != Signal(0) => {
                self.ended.push((*unit, *generation));
                Ok(())
            }
            Effect::Kill(KillOrder {
                unit,
                generation: None,
                group_signal: Some(signal),
                ..
            }) if *signal != Signal(0) && !self.asked => {
                self.signaled.insert(*unit);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        for (unit, generation) in std::mem::take(&mut self.ended) {
            self.judge(sight, unit, generation)?;
        }
        for unit in std::mem::take(&mut self.signaled) {
            let seen = sight.picture().units.get(&unit);
            if let Some(seen) = seen.filter(|seen| seen.is_up()) {
                return Err(format!(
                    "{} is up, and all of it gets a signal",
                    seen.name()
                ));
            }
        }
        let picture = sight.picture();
        for unit in &picture.touched {
            if let Some(seen) = picture.units.get(unit) {
                self.is_served(sight, *unit, seen)?;
            }
        }
        Ok(())
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let picture = sight.picture();
        for (unit, seen) in &picture.units {
            let may_stay = seen.may_leave_processes() || picture.reread.contains(unit);
            let main = sight.world.process(seen.main_pid);
            let Some(main) = main.filter(|_| seen.is_up() && !may_stay) else {
                continue;
            };
            let mut members = sight.world.members(*unit);
            let other = members.find(|it| it.generation != main.generation && !it.killed);
            if let Some(it) = other.filter(|it| !it.excused) {
                return Err(format!(
                    "{} has process {} of generation {} beside {}",
                    seen.name(),
                    it.pid,
                    it.generation,
                    main.generation
                ));
            }
        }
        Ok(())
    }
}
