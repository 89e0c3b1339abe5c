//! What a seed stands for: units, what is asked for and when, and how it ends.

use super::dice::Dice;
use super::units;
use procmgr::engine::{KillWhom, Verb};
use procmgr::unit::config::{JobMode, UnitConfig};
use procmgr::unit::name::UnitName;
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
        Scenario {
            seed,
            units,
            acts,
            ending: dice.pick(&[Ending::Open, Ending::StopAll, Ending::Shutdown]),
            trouble: dice.pick(&[0, 3, 10, 25]),
        }
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

fn mode(dice: &mut Dice) -> JobMode {
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
