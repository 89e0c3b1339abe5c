//! One run: from the scenario to rest, and what was found on the way.

use super::checks::Finding;
use super::restore::Restores;
use super::scenario::{Cut, Deed, Ending, Scenario};
use super::world::World;
use procmgr::engine::Verb;
use procmgr::unit::config::{DependencyKind, JobMode, UnitBody};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How often the engine is restored.
pub(crate) const USUAL: Restores = Restores::OneIn(100);
/// More steps than any run takes that ends.
const STEPS: usize = 20_000;
/// More time than any run takes that ends, in microseconds: half a day.
const HORIZON: u64 = 43_200_000_000;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) finding: Option<Finding>,
    /// What was seen: states, results, kinds of events.
    pub(crate) seen: BTreeSet<&'static str>,
    pub(crate) trace: Vec<String>,
    pub(crate) steps: usize,
}

/// Runs a scenario.
pub(crate) fn run(scenario: &Scenario, restores: Restores, traced: bool) -> Report {
    let mut world = match World::new(scenario, restores, traced) {
        Ok(world) => world,
        Err(finding) => {
            return Report {
                finding: Some(finding),
                seen: BTreeSet::new(),
                trace: Vec::new(),
                steps: 0,
            };
        }
    };
    let mut steps = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| live(&mut world, &mut steps)));
    let finding = match outcome {
        Ok(outcome) => outcome.err(),
        Err(panic) => Some(Finding {
            check: "no panic",
            text: said(panic.as_ref()),
        }),
    };
    Report {
        finding,
        seen: std::mem::take(&mut world.seen),
        trace: world.trace.take().unwrap_or_default(),
        steps,
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

fn live(world: &mut World<'_>, steps: &mut usize) -> Result<(), Finding> {
    settle(world, steps)?;
    match world.scenario.ending {
        Ending::Open => return Ok(()),
        Ending::StopAll => {
            for unit in &world.scenario.units {
                if matches!(unit.body, UnitBody::Service(_) | UnitBody::Target) {
                    let stop = Deed::Job(unit.name.clone(), Verb::Stop, JobMode::Replace);
                    world.act(stop)?;
                }
            }
        }
        Ending::Shutdown => world.act(Deed::Shutdown)?,
    }
    settle(world, steps)
}

/// Lets things happen until nothing is going on, then asks all checks about the rest.
fn settle(world: &mut World<'_>, steps: &mut usize) -> Result<(), Finding> {
    while !world.is_quiet() {
        *steps += 1;
        if world.next().is_none() || *steps == STEPS / 2 {
            world.end_what_starts();
        }
        let next = world.next();
        let Some((at, timer)) = next.filter(|(at, _)| *at < HORIZON && *steps < STEPS) else {
            if next.is_some() && may_go_round(world) {
                return Ok(());
            }
            let why = if next.is_some() { "no end" } else { "stuck" };
            return Err(unrest(world, why));
        };
        world.step(at, timer)?;
    }
    world.check(|check, sight| check.rest(sight))
}

/// Whether units may start each other for ever because their files say so: an end starts
/// what needs the unit that ended. There is no rest to look at then.
fn may_go_round(world: &World<'_>) -> bool {
    let mut units = world.picture.units.iter();
    units.any(|unit| {
        let mut edges = unit.config.dependencies.iter();
        edges.any(|edge| {
            matches!(
                edge.kind,
                DependencyKind::OnSuccess | DependencyKind::OnFailure
            )
        })
    })
}

fn unrest(world: &World<'_>, why: &str) -> Finding {
    let jobs: Vec<String> = world
        .engine
        .jobs()
        .iter()
        .map(|job| {
            let unit = world.engine.unit(job.unit.as_str());
            let sub = unit.map_or("", |unit| unit.sub);
            let kind = job.kind.as_str();
            format!("{kind} of {} ({sub}, running: {})", job.unit, job.running)
        })
        .collect();
    Finding {
        check: "every job ends",
        text: format!("{why} with jobs {jobs:?}"),
    }
}

/// Cuts out of a failing scenario what its finding does not need.
pub(crate) fn shrink(scenario: &Scenario, check: &'static str) -> Cut {
    let fails = |cut: &Cut| {
        let report = run(&scenario.without(cut), USUAL, false);
        report.finding.is_some_and(|finding| finding.check == check)
    };
    let mut cut = Cut::default();
    for _ in 0..2 {
        for act in (0..scenario.acts.len()).rev() {
            try_without(&mut cut, |cut| cut.acts.insert(act), &fails);
        }
        for unit in (0..scenario.units.len()).rev() {
            try_without(&mut cut, |cut| cut.units.insert(unit), &fails);
            try_without(&mut cut, |cut| cut.edges.insert(unit), &fails);
        }
    }
    cut
}

fn try_without(
    cut: &mut Cut,
    remove: impl FnOnce(&mut Cut) -> bool,
    fails: &impl Fn(&Cut) -> bool,
) {
    let mut smaller = cut.clone();
    if remove(&mut smaller) && fails(&smaller) {
        *cut = smaller;
    }
}
