//! The world around one engine: a clock of its own, processes, PID files, people.
//!
//! What happens stands in a timeline. News reaches the engine late, and out of order where a
//! kernel may reorder it: what concerns one process stays in order, and a group is only told
//! to be empty when it is and when all its ends were told. The rules are those of `host`.

use super::bus::Bus;
use super::checks::{self, Check, Finding, Sight};
use super::descriptors::Held;
use super::dice::Dice;
use super::manner::{Manner, Named, Words};
use super::paths::Paths;
use super::picture::Picture;
use super::processes::{Known, Process};
use super::restore::{Journal, Restores};
use super::scenario::{Deed, Scenario};
use super::sockets::Sockets;
use super::times::Times;
use procmgr::engine::{
    DescriptorId, Effect, Engine, Event, ProcessId, ProcessStatus, Spawn, UnitId,
};
use procmgr::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// The engine is told.
    Tell(Event),
    /// An ordered process comes to be.
    Begin(Arc<Spawn>),
    Exit(i32, ProcessStatus, bool),
    /// The kernel ends it for want of memory.
    Starve(i32),
    Say(i32, Words),
    Fork(i32, Box<Manner>),
    WritePidFile(i32, Named),
    /// Somebody reads what waits at the sockets of a unit.
    TakeTraffic(UnitId),
    /// The unit for a connection has been read.
    ReadInstance(UnitId, DescriptorId, UnitName),
    /// A descriptor in a unit's store is hung up.
    HangUp(UnitId, DescriptorId),
    /// Somebody looks whether a group is empty.
    LookAtGroup(UnitId),
    /// Somebody does something.
    Act(Deed),
    /// Nothing goes wrong any more.
    Calm,
}

pub(crate) struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) engine: Engine,
    pub(crate) now: u64,
    pub(crate) calm: bool,
    pub(crate) picture: Picture,
    pub(crate) processes: Vec<Process>,
    /// Living processes by unit, oldest first.
    pub(crate) alive: BTreeMap<UnitId, Vec<i32>>,
    pub(crate) known: BTreeMap<ProcessId, Known>,
    pub(crate) spawns: BTreeMap<UnitId, u64>,
    /// Units that had a process since their group was last told to be empty.
    pub(crate) occupied: BTreeSet<UnitId>,
    pub(crate) dice: Dice,
    pub(crate) restores: Restores,
    pub(crate) restore_dice: Dice,
    /// When units are unloaded, and what else came to the simulation late.
    pub(crate) late_dice: Dice,
    /// What came even later: all that has to do with descriptors.
    pub(crate) new_dice: Dice,
    /// What came last: timers, paths and scopes.
    pub(crate) last_dice: Dice,
    pub(crate) bus: Bus,
    pub(crate) times: Times,
    pub(crate) paths: Paths,
    pub(crate) sockets: Sockets,
    pub(crate) held: Held,
    /// How many clients were given a connection.
    pub(crate) clients: u64,
    /// The units that were read for connections.
    pub(crate) instances: Vec<UnitName>,
    /// Units one of whose processes has said that it stops.
    pub(crate) leaving: BTreeSet<UnitId>,
    /// The last picture, with what was told since.
    pub(crate) journal: Option<Journal>,
    /// Who holds which unit.
    pub(crate) holds: Vec<(UnitName, u64)>,
    /// What was seen of the engine's ways, to tell that the runs are not dull.
    pub(crate) seen: BTreeSet<&'static str>,
    pub(crate) trace: Option<Vec<String>>,
    timeline: BTreeMap<(u64, u64), Happening>,
    number: u64,
    pub(crate) requests: u64,
    /// Searches that wait for a PID file.
    pub(crate) awaited: BTreeMap<ProcessId, UnitId>,
    pub(crate) pid_files: BTreeMap<UnitId, i32>,
    checks: Vec<Box<dyn Check>>,
}

impl<'a> World<'a> {
    /// A world in which all units are loaded and the acts lie ahead.
    pub(crate) fn new(
        scenario: &'a Scenario,
        restores: Restores,
        traced: bool,
    ) -> Result<World<'a>, Finding> {
        let mut world = World {
            scenario,
            engine: Engine::new(u128::from(scenario.seed)),
            now: 1_000_000,
            calm: false,
            picture: Picture::default(),
            processes: Vec::new(),
            alive: BTreeMap::new(),
            known: BTreeMap::new(),
            spawns: BTreeMap::new(),
            occupied: BTreeSet::new(),
            dice: Dice::of(scenario.seed, &[3]),
            restores,
            // Of its own, so that it changes nothing else of a life.
            restore_dice: Dice::of(scenario.seed, &[4]),
            late_dice: Dice::of(scenario.seed, &[7]),
            new_dice: Dice::of(scenario.seed, &[10]),
            last_dice: Dice::of(scenario.seed, &[12]),
            bus: Bus::default(),
            times: Times::default(),
            paths: Paths::default(),
            sockets: Sockets::default(),
            held: Held::default(),
            clients: 0,
            instances: Vec::new(),
            leaving: BTreeSet::new(),
            journal: None,
            holds: Vec::new(),
            seen: BTreeSet::new(),
            trace: traced.then(Vec::new),
            timeline: BTreeMap::new(),
            number: 0,
            requests: 0,
            awaited: BTreeMap::new(),
            pid_files: BTreeMap::new(),
            checks: checks::all(),
        };
        let units = scenario.units.clone();
        world.picture.write(&units);
        world.handle(Event::Load { units }, None)?;
        for act in &scenario.acts {
            world.plan(act.at, Happening::Act(act.deed.clone()));
        }
        let last = scenario.acts.last().map_or(0, |act| act.at);
        let pause = world.dice.pick(&[0, 300_000, 8_000_000]);
        world.plan(last + pause, Happening::Calm);
        Ok(world)
    }

    /// Writes a line into the trace, if there is one.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let time = self.now as f64 / 1e6;
            trace.push(format!("{time:>11.6}  {}", line()));
        }
    }

    /// Something will happen so many microseconds from now.
    pub(crate) fn plan(&mut self, after: u64, happening: Happening) {
        self.number += 1;
        self.timeline
            .insert((self.now + after, self.number), happening);
    }

    /// News on its way to the engine; news of one process arrives in order.
    pub(crate) fn tell(&mut self, of: Option<i32>, event: Event) {
        let mut at = self.now + self.delay();
        if let Some(it) = of.and_then(|pid| self.process_mut(pid)) {
            at = at.max(it.news_until);
            it.news_until = at;
        }
        self.plan(at - self.now, Happening::Tell(event));
    }

    /// How late the host is.
    pub(crate) fn delay(&mut self) -> u64 {
        if self.calm || !self.dice.percent(10 + 2 * self.scenario.trouble) {
            return 0;
        }
        let long = if self.dice.one_in(10) { 3_000_000 } else { 0 };
        long + self.dice.pick(&[1, 1_000, 50_000, 400_000])
    }

    /// The group of a unit may have become empty.
    pub(crate) fn suspect(&mut self, unit: UnitId) {
        let late = self.delay();
        self.plan(late, Happening::LookAtGroup(unit));
    }

    /// When the next thing happens, and whether it is the engine's timer.
    pub(crate) fn next(&mut self) -> Option<(u64, bool)> {
        let world = self.timeline.keys().next().map(|(at, _)| *at);
        let late = if !self.calm && self.dice.one_in(8) {
            20_000
        } else {
            0
        };
        let timer = self
            .engine
            .next_deadline()
            .map(|at| at.max(self.now) + late);
        match (world, timer) {
            (Some(at), Some(timer)) if timer < at => Some((timer, true)),
            (Some(at), _) => Some((at, false)),
            (None, Some(timer)) => Some((timer, true)),
            (None, None) => None,
        }
    }

    /// Nothing is going on and no job is there.
    pub(crate) fn is_quiet(&self) -> bool {
        let idle = self.timeline.is_empty() && self.picture.jobs.is_empty();
        self.calm && idle && !self.has_some_beside()
    }

    /// The next thing happens.
    pub(crate) fn step(&mut self, at: u64, timer: bool) -> Result<(), Finding> {
        self.now = self.now.max(at);
        if timer {
            return self.handle(Event::Elapsed, None);
        }
        let Some((_, happening)) = self.timeline.pop_first() else {
            return Ok(());
        };
        match happening {
            Happening::Tell(event) => return self.deliver(event),
            Happening::Begin(spawn) => self.begin(&spawn),
            Happening::Exit(pid, status, by_itself) => self.exit(pid, status, by_itself),
            Happening::Starve(pid) => self.starve(pid),
            Happening::Say(pid, words) => self.say(pid, words),
            Happening::Fork(pid, manner) => self.fork(pid, *manner),
            Happening::TakeTraffic(unit) => self.take_traffic(unit),
            Happening::ReadInstance(socket, connection, instance) => {
                return self.read_instance(socket, connection, instance);
            }
            Happening::HangUp(unit, descriptor) => self.hang_up(unit, descriptor),
            Happening::WritePidFile(pid, whom) => self.write_pid_file(pid, whom),
            Happening::LookAtGroup(unit) => return self.look_at_group(unit),
            Happening::Act(deed) => return self.act(deed),
            Happening::Calm => {
                self.note(|| "calm".to_owned());
                self.calm_down();
            }
        }
        Ok(())
    }

    fn deliver(&mut self, event: Event) -> Result<(), Finding> {
        if let Event::DescriptorGone { descriptor, .. } = &event {
            self.held.hung_up.remove(descriptor);
        }
        let gone = match &event {
            Event::Exited { process, .. } | Event::SpawnFailed { process, .. } => {
                self.known.remove(process).map(|known| known.unit())
            }
            Event::Spawned { pid, .. } => {
                if let Some(it) = self.process_mut(*pid) {
                    it.told = true;
                }
                None
            }
            _ => None,
        };
        let taken_in = match &event {
            Event::TakenIn { unit, .. } => Some(*unit),
            _ => None,
        };
        self.handle(event, None)?;
        if let Some(unit) = taken_in {
            // All of them may have gone meanwhile.
            self.occupied.insert(unit);
        }
        if let Some(unit) = gone.or(taken_in) {
            self.suspect(unit);
        }
        Ok(())
    }

    fn look_at_group(&mut self, unit: UnitId) -> Result<(), Finding> {
        let busy = self.members(unit).next().is_some()
            || self.known.values().any(|known| known.unit() == unit);
        if busy || !self.occupied.remove(&unit) {
            return Ok(());
        }
        self.handle(Event::GroupEmpty { unit }, None)
    }

    /// Nothing else is to be done at this moment: what nobody needs may be unloaded.
    pub(crate) fn perhaps_collect(&mut self) -> Result<(), Finding> {
        let share = self.scenario.collects;
        if share == 0 || !self.late_dice.percent(share) {
            return Ok(());
        }
        self.handle(Event::Collect, None)
    }

    /// What was not told yet need not be told any more.
    pub(crate) fn keep_to_itself(&mut self, untold: impl Fn(&Event) -> bool) {
        self.timeline.retain(|_, happening| match happening {
            Happening::Tell(event) => !untold(event),
            _ => true,
        });
    }

    /// The engine takes an event in, the world carries its orders out, the checks look on.
    pub(crate) fn handle(&mut self, event: Event, loose: Option<UnitId>) -> Result<(), Finding> {
        self.note(|| format!("> {}", checks::words_of_event(&event)));
        self.seen.insert(checks::kind_of_event(&event));
        let time = self.timestamp();
        self.check(|check, sight| check.before(sight, &event))?;
        if let Event::Cancel { .. } = event {
            self.picture.displacing = true;
        }
        if let Event::Shutdown = event {
            self.picture.shutting_down = true;
        }
        if let Event::Load { units } = &event {
            self.picture.read_again(units);
        }
        let elapsed = matches!(event, Event::Elapsed);
        let loads = !event.loads().is_empty();
        self.write_down(time, &event)?;
        self.engine.handle(time, event);
        self.take_effects(loose)?;
        self.check(|check, sight| check.after(sight, elapsed))?;
        if loads {
            self.make_picture()?;
        }
        self.perhaps_restore()
    }

    /// Carries out what the engine has ordered, and looks at what has changed.
    pub(crate) fn take_effects(&mut self, loose: Option<UnitId>) -> Result<(), Finding> {
        self.picture.touched.clear();
        self.picture.stopped_alone.clear();
        self.picture.stop_called_off.clear();
        let mut effects: Vec<Effect> = std::iter::from_fn(|| self.engine.poll_effect()).collect();
        // A restored engine may find in another order what it unloads together.
        effects.sort_by_key(|effect| match effect {
            Effect::UnitRemoved { unit, .. } => Some(*unit),
            _ => None,
        });
        for effect in effects {
            if let Effect::UnitNew { unit } = effect {
                self.picture.meet(&self.engine, unit);
            } else {
                self.picture.relate();
            }
            self.note(|| format!("  < {}", checks::words_of_effect(&effect)));
            self.check(|check, sight| check.effect(sight, &effect))?;
            self.picture.note(&effect, loose);
            if let Effect::JobRemoved { result, .. } = &effect {
                self.seen.insert(result.as_str());
            }
            self.carry_out(effect);
        }
        self.picture.displacing = false;
        self.picture.relate();
        self.look();
        Ok(())
    }

    /// Looks at the units that changed.
    fn look(&mut self) {
        let touched: Vec<UnitId> = self.picture.touched.iter().copied().collect();
        for unit in touched {
            self.picture.refresh(&self.engine, unit);
            let seen = self.picture.unit(unit);
            self.seen.insert(seen.sub);
            let leaves = seen.is_at_its_end()
                && (seen.may_leave_processes() || self.picture.reread.contains(&unit));
            let main = seen.main_pid;
            let pids = self.alive.get(&unit).cloned().unwrap_or_default();
            let generation = self.process(main).map(|it| it.generation);
            for pid in pids {
                let Some(it) = self.process_mut(pid) else {
                    continue;
                };
                it.excused |= leaves;
                // In a restart with an overlap another generation has one, too.
                if generation == Some(it.generation) {
                    it.main = pid == main;
                }
            }
        }
    }

    /// Asks all checks; the first finding counts.
    pub(crate) fn check(
        &mut self,
        mut ask: impl FnMut(&mut dyn Check, &Sight<'_, '_>) -> Result<(), String>,
    ) -> Result<(), Finding> {
        let mut checks = std::mem::take(&mut self.checks);
        let sight = Sight { world: self };
        let finding = checks.iter_mut().find_map(|check| {
            let text = ask(check.as_mut(), &sight).err()?;
            let check = check.name();
            Some(Finding { check, text })
        });
        self.checks = checks;
        finding.map_or(Ok(()), Err)
    }
}
