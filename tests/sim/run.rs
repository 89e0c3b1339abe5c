//! One run: from the scenario to rest, and what was found on the way.

use super::checks::Finding;
use super::restore::Restores;
use super::scenario::{Cut, Deed, Ending, Scenario};
use super::world::World;
use procmgr::engine::Verb;
use procmgr::unit::config::{JobMode, UnitBody};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// More steps than any run takes that ends.
const STEPS: usize = 20_000;
/// So many steps without anything new to do, and what still starts ends.
const PATIENCE: usize = 1_000;
/// More time than any run takes that ends, in microseconds: a day.
const HORIZON: u64 = 86_400_000_000;

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
    if settle(world, steps)? == Rest::Enforced {
        return Ok(());
    }
    match world.scenario.ending {
        Ending::Open => return Ok(()),
        Ending::StopAll => {
            for unit in world.instances.clone() {
                if world.picture.find(&unit).is_some() {
                    world.act(Deed::Job(unit, Verb::Stop, JobMode::Replace))?;
                }
            }
            for unit in &world.scenario.units {
                if !matches!(unit.body, UnitBody::Fact | UnitBody::Other) {
                    let stop = Deed::Job(unit.name.clone(), Verb::Stop, JobMode::Replace);
                    world.act(stop)?;
                }
            }
        }
        Ending::Shutdown => world.act(Deed::Shutdown)?,
    }
    settle(world, steps).map(|_| ())
}

/// How rest was come by.
#[derive(PartialEq, Eq)]
enum Rest {
    ByItself,
    /// By a shutdown, as units went round for ever by what their files say.
    Enforced,
}

/// Lets things happen until nothing is going on, then asks all checks about the rest.
fn settle(world: &mut World<'_>, steps: &mut usize) -> Result<Rest, Finding> {
    let begun = *steps;
    let mut end = *steps + STEPS;
    let mut rest = Rest::ByItself;
    while !world.is_quiet() {
        *steps += 1;
        // Now and then where probes go on and on, as something may begin to wait right then.
        let long = world.calm && (*steps - begun).is_multiple_of(PATIENCE);
        if world.next().is_none() || long {
            world.end_what_starts();
        }
        if *steps + STEPS / 4 == end {
            world.picture.circling.clear();
        }
        let next = world.next();
        let Some((at, timer)) = next.filter(|(at, _)| *at < HORIZON && *steps < end) else {
            // A service that is restarted whenever it ends, or whose end starts another one,
            // may go on for ever, here as in systemd. But a shutdown ends it.
            if next.is_some() && rest == Rest::ByItself && !world.picture.circling.is_empty() {
                rest = Rest::Enforced;
                end = *steps + STEPS;
                world.act(Deed::Shutdown)?;
                continue;
            }
            let why = if next.is_some() { "no end" } else { "stuck" };
            return Err(unrest(world, why));
        };
        world.step(at, timer)?;
        world.perhaps_collect()?;
    }
    world.check(|check, sight| check.rest(sight))?;
    Ok(rest)
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
        let report = run(&scenario.without(cut), Restores::Seldom, false);
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
