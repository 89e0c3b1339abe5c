//! What a seed stands for: units, what is asked for and when, and how it ends.

use super::dice::Dice;
use super::units;
use procmgr::engine::{KillWhom, Verb};
use procmgr::unit::config::{JobMode, UnitConfig};
use procmgr::unit::name::{UnitName, UnitType};
use procmgr::unit::value::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Something somebody does, at its time in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// When, from the beginning.
    pub(crate) at: u64,
    /// What.
    pub(crate) deed: Deed,
}

/// What people do.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Ask for a job.
    Job(UnitName, Verb, JobMode),
    /// Ask for a signal.
    Kill(UnitName, KillWhom, Signal),
    /// Forget failures, of one or of all.
    ResetFailed(Option<UnitName>),
    /// Cancel a job that is there, or all.
    Cancel(Option<u64>),
    /// Tell the daemon to run a unit.
    Keep(UnitName),
    /// Want a unit to stay loaded, under this number.
    Hold(UnitName, u64),
    /// Take that back once.
    Release(UnitName, u64),
    /// Go, and hold nothing any more.
    HolderGone(u64),
    /// Connect to a socket unit.
    Traffic(UnitName),
    /// Ask for a job of a unit that was read for a connection, if there is one.
    OfInstance(u64, Verb),
    /// Take a path away, make it, or change what is there.
    Touch(String, Option<bool>),
    /// Look after a scope no more.
    Abandon(UnitName),
    /// Set the clock on the wall, by so many seconds.
    ClockJump(i64),
    /// Take the machine to another time zone.
    ZoneChange,
    /// Read unit files that have changed.
    Load(Vec<Arc<UnitConfig>>),
    /// End the manager.
    Shutdown,
}

/// How a run ends once calm has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As it is.
    Open,
    /// Every unit is asked to stop.
    StopAll,
    /// The manager ends.
    Shutdown,
}

/// Everything that is decided before the run.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// The seed; the world's faults come from it too.
    pub(crate) seed: u64,
    /// The units, by number of their `UnitId`.
    pub(crate) units: Vec<Arc<UnitConfig>>,
    /// What is done, in order of time.
    pub(crate) acts: Vec<Act>,
    /// How it ends.
    pub(crate) ending: Ending,
    /// How often things go wrong, in per cent.
    pub(crate) trouble: u64,
    /// How often units may be unloaded, in per cent of the moments.
    pub(crate) collects: u64,
    /// Whether what came to the simulation later than the rest has a part in it.
    pub(crate) later: bool,
    /// Whether descriptors have: connections with a service each, clients that are looked at,
    /// stores.
    pub(crate) descriptors: bool,
    /// Whether timers, paths and scopes have.
    pub(crate) activating: bool,
}

/// What was cut out of a scenario to make it smaller; by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut {
    /// Units that are not found.
    pub(crate) units: BTreeSet<usize>,
    /// Units without dependencies.
    pub(crate) edges: BTreeSet<usize>,
    /// Acts that are left out.
    pub(crate) acts: BTreeSet<usize>,
}

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn new(seed: u64) -> Scenario {
        let mut dice = Dice::of(seed, &[1]);
        let count = match dice.roll(20) {
            0 => 20 + dice.roll(31),
            1..=4 => 8 + dice.roll(12),
            _ => 2 + dice.roll(7),
        } as usize;
        let names: Vec<UnitName> = (0..count).map(|i| name(&mut dice, i)).collect();
        let units = (0..count)
            .map(|i| Arc::new(units::random(&mut dice, &names[i], i, &names)))
            .collect();
        let acts = acts(&mut dice, &names);
        let mut scenario = Scenario {
            seed,
            units,
            acts,
            ending: dice.pick(&[Ending::Open, Ending::StopAll, Ending::Shutdown]),
            trouble: dice.pick(&[0, 3, 10, 25]),
            collects: 0,
            later: false,
            descriptors: false,
            activating: false,
        };
        let mut dice = Dice::of(seed, &[5]);
        scenario.collects = dice.pick(&[0, 0, 2, 50]);
        scenario.later = dice.one_in(2);
        scenario.descriptors = scenario.later && Dice::of(seed, &[8]).one_in(2);
        scenario.hold_some(&mut dice, &names);
        scenario.units = scenario.with_late_settings(&mut dice, scenario.units.clone());
        let mut acts = std::mem::take(&mut scenario.acts);
        for act in &mut acts {
            if let Deed::Load(units) = &mut act.deed {
                *units = scenario.with_late_settings(&mut dice, std::mem::take(units));
            }
        }
        scenario.acts = acts;
        scenario.add_sockets(&names);
        scenario.add_activating(&names);
        scenario.add_overlaps(&names);
        scenario
    }

    /// Some services have sockets, and those have clients.
    fn add_sockets(&mut self, names: &[UnitName]) {
        if !self.later {
            return;
        }
        let mut dice = Dice::of(self.seed, &[6]);
        let mut more = Dice::of(self.seed, &[9]);
        for name in names {
            if !name.as_str().starts_with('s') || !dice.one_in(4) {
                continue;
            }
            let socket = units::socket(&mut dice, name, names);
            let socket = self.with_descriptors(&mut more, socket);
            let again = more.one_in(3) && self.descriptors;
            let again = again.then(|| units::socket(&mut more, name, names));
            let name = socket.name.clone();
            self.units.push(Arc::new(socket));
            let last = self.acts.last().map_or(0, |act| act.at);
            let mut act = |deed| {
                let at = dice.roll(last + 1);
                self.acts.push(Act { at, deed });
            };
            act(Deed::Job(name.clone(), Verb::Start, JobMode::Replace));
            for _ in 0..3 {
                act(Deed::Traffic(name.clone()));
            }
            let verb = dice.pick(&[Verb::Start, Verb::Stop, Verb::Restart, Verb::TryRestart]);
            let mode = mode(&mut dice);
            let at = dice.roll(last + 1);
            let deed = Deed::Job(name.clone(), verb, mode);
            self.acts.push(Act { at, deed });
            if self.descriptors {
                self.add_clients(&mut more, &name, again, last);
            }
        }
        self.acts.sort_by_key(|act| act.at);
    }

    /// More of what happens to a socket: clients, jobs of their services, and new files.
    fn add_clients(
        &mut self,
        dice: &mut Dice,
        socket: &UnitName,
        again: Option<UnitConfig>,
        last: u64,
    ) {
        let mut deeds: Vec<Deed> = (0..dice.roll(6))
            .map(|_| Deed::Traffic(socket.clone()))
            .collect();
        for _ in 0..dice.roll(3) {
            let verb = dice.pick(&[Verb::Start, Verb::Stop, Verb::Restart]);
            deeds.push(Deed::OfInstance(dice.roll(1000), verb));
        }
        if let Some(config) = again {
            let config = if dice.one_in(4) {
                UnitConfig::not_found(socket.clone())
            } else {
                self.with_descriptors(dice, config)
            };
            deeds.push(Deed::Load(vec![Arc::new(config)]));
        }
        for deed in deeds {
            let at = dice.roll(last + 1);
            self.acts.push(Act { at, deed });
        }
    }

    /// What a unit says of descriptors, where this scenario has that.
    fn with_descriptors(&self, dice: &mut Dice, mut unit: UnitConfig) -> UnitConfig {
        if self.descriptors {
            units::settle_descriptors(dice, &mut unit);
        }
        unit
    }

    /// The units that there are in every scenario: none that activates others, and no scope.
    pub(crate) fn names(&self) -> impl Iterator<Item = &UnitName> {
        let names = self.units.iter().map(|unit| &unit.name);
        names.filter(|name| match name.unit_type() {
            UnitType::Socket | UnitType::Timer | UnitType::Path | UnitType::Scope => false,
            UnitType::Service
            | UnitType::Target
            | UnitType::Mount
            | UnitType::Automount
            | UnitType::Swap
            | UnitType::Device
            | UnitType::Slice => true,
        })
    }

    /// Some want units to stay loaded.
    fn hold_some(&mut self, dice: &mut Dice, names: &[UnitName]) {
        if self.collects == 0 {
            return;
        }
        for _ in 0..dice.roll(4) {
            let at = self.acts[dice.roll(self.acts.len() as u64) as usize].at;
            let name = names[dice.roll(names.len() as u64) as usize].clone();
            let holder = dice.roll(2);
            let deeds = match dice.roll(4) {
                0 => vec![(at, Deed::Keep(name))],
                1 => vec![(at, Deed::Release(name, holder))],
                2 => vec![
                    (at, Deed::Hold(name.clone(), holder)),
                    (at + dice.roll(2_000_000), Deed::Release(name, holder)),
                ],
                _ => vec![
                    (at, Deed::Hold(name, holder)),
                    (at + dice.roll(2_000_000), Deed::HolderGone(holder)),
                ],
            };
            let deeds = deeds.into_iter();
            self.acts.extend(deeds.map(|(at, deed)| Act { at, deed }));
        }
        self.acts.sort_by_key(|act| act.at);
    }

    /// The same units, with more said of them where this scenario has that.
    pub(crate) fn with_late_settings(
        &self,
        dice: &mut Dice,
        units: Vec<Arc<UnitConfig>>,
    ) -> Vec<Arc<UnitConfig>> {
        if !self.later {
            return units;
        }
        let units = units.iter().map(|unit| {
            let mut unit = (**unit).clone();
            units::settle_later(dice, &mut unit);
            Arc::new(self.with_descriptors(dice, unit))
        });
        units.collect()
    }

    /// The same without some parts.
    pub(crate) fn without(&self, cut: &Cut) -> Scenario {
        let mut small = self.clone();
        for index in &cut.units {
            let name = small.units[*index].name.clone();
            small.units[*index] = Arc::new(UnitConfig::not_found(name));
        }
        for index in &cut.edges {
            let mut config = (*small.units[*index]).clone();
            config.dependencies.clear();
            small.units[*index] = Arc::new(config);
        }
        let mut number = 0;
        small.acts.retain(|_| {
            number += 1;
            !cut.acts.contains(&(number - 1))
        });
        small
    }
}

fn name(dice: &mut Dice, index: usize) -> UnitName {
    let text = match dice.roll(20) {
        0 => format!("none{index}.service"),
        1 => format!("fact{index}.mount"),
        2..=4 => format!("t{index}.target"),
        _ => format!("s{index}.service"),
    };
    UnitName::parse(&text).expect("it is a name")
}

fn acts(dice: &mut Dice, names: &[UnitName]) -> Vec<Act> {
    let mut at = 0;
    let mut acts = Vec::new();
    for _ in 0..2 + dice.roll(12) {
        at += dice.pick(&[0, 0, 1_000, 50_000, 400_000, 1_500_000, 6_000_000]);
        let deed = deed(dice, names);
        acts.push(Act { at, deed });
    }
    if dice.one_in(12) {
        let deed = Deed::Shutdown;
        acts.push(Act { at, deed });
    }
    acts
}

fn deed(dice: &mut Dice, names: &[UnitName]) -> Deed {
    let index = dice.roll(names.len() as u64) as usize;
    let name = names[index].clone();
    match dice.roll(24) {
        0 => Deed::Kill(
            name,
            dice.pick(&[KillWhom::All, KillWhom::Main, KillWhom::Control]),
            dice.pick(&[Signal::TERM, Signal::KILL, Signal::ABRT, Signal::HUP]),
        ),
        1 => Deed::ResetFailed((!dice.one_in(3)).then_some(name)),
        2 => Deed::Load(changed_units(dice, names)),
        3 => Deed::Cancel((!dice.one_in(6)).then(|| dice.roll(1000))),
        _ => Deed::Job(name, verb(dice), mode(dice)),
    }
}

/// New readings of some of these units.
pub(crate) fn changed_units(dice: &mut Dice, names: &[UnitName]) -> Vec<Arc<UnitConfig>> {
    let mut changed = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if !dice.one_in(4) {
            continue;
        }
        let gone = dice.one_in(8) && name.as_str().ends_with(".service");
        changed.push(Arc::new(if gone {
            UnitConfig::not_found(name.clone())
        } else {
            units::random(dice, name, index, names)
        }));
    }
    changed
}

fn verb(dice: &mut Dice) -> Verb {
    dice.weighted(&[
        (Verb::Start, 9),
        (Verb::Stop, 4),
        (Verb::Restart, 4),
        (Verb::Reload, 2),
        (Verb::TryRestart, 1),
        (Verb::ReloadOrRestart, 1),
        (Verb::ReloadOrTryRestart, 1),
    ])
}

/// One of the job modes.
pub(crate) fn mode(dice: &mut Dice) -> JobMode {
    dice.weighted(&[
        (JobMode::Replace, 30),
        (JobMode::Fail, 4),
        (JobMode::ReplaceIrreversibly, 2),
        (JobMode::IgnoreDependencies, 2),
        (JobMode::IgnoreRequirements, 1),
        (JobMode::Isolate, 2),
        (JobMode::Flush, 1),
        (JobMode::RestartDependencies, 1),
    ])
}
