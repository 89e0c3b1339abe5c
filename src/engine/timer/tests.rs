//! Timers in a world where time passes when it is told to.

use crate::engine::TimePlace;
use crate::engine::event::{Event, Verb};
use crate::engine::ids::Timestamp;
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult};
use crate::engine::tests::world::{UnitBuilder, World, unit};
use crate::unit::config::{LoadState, TimerBase, TimerConfig, TimerValue};
use crate::unit::value::{Calendar, TimeSpan, Zone, Zones};

const SECOND: u64 = 1_000_000;
/// When worlds begin: 2023-11-14 22:13:20 UTC, one second after the boot.
const BEGIN: u64 = 1_700_000_000 * SECOND;

fn after(base: TimerBase, seconds: u64) -> TimerValue {
    TimerValue::After(base, TimeSpan::from_secs(seconds))
}

fn calendar(text: &str) -> TimerValue {
    let calendar = Calendar::parse(text, &Zones::default()).unwrap();
    TimerValue::Calendar(Box::new(calendar))
}

fn timer(change: impl FnOnce(&mut TimerConfig)) -> UnitBuilder {
    unit("a.timer").times(change)
}

/// The timer with a service that is done at once.
fn world(change: impl FnOnce(&mut TimerConfig)) -> World {
    World::new([timer(change), unit("a.service").oneshot("true")])
}

/// How often the service was started.
fn runs(world: &World) -> usize {
    let starts = world.trace.iter().filter(|line| *line == "a ExecStart");
    starts.count()
}

/// When it elapses next, monotonic, in seconds.
fn next(world: &World) -> u64 {
    let view = world.engine.unit("a.timer").unwrap();
    view.timer.unwrap().next.monotonic / SECOND
}

fn next_real(world: &World) -> u64 {
    let view = world.engine.unit("a.timer").unwrap();
    view.timer.unwrap().next.realtime
}

/// Lets time pass without a deadline.
fn pass(world: &mut World, seconds: u64) {
    world.now.monotonic += seconds * SECOND;
    world.now.realtime += seconds * SECOND;
}

#[test]
fn after_its_start_it_elapses_once_and_stays() {
    let mut world = world(|t| t.values.push(after(TimerBase::Active, 5)));
    world.must(Verb::Start, "a.timer");
    assert_eq!((world.sub("a.timer"), next(&world)), ("waiting", 6));
    world.wait();
    assert_eq!((world.sub("a.timer"), runs(&world)), ("elapsed", 1));
    assert_eq!(world.engine.next_deadline(), None);
    // Up as it is, a second start changes nothing.
    world.must(Verb::Start, "a.timer");
    assert_eq!(world.sub("a.timer"), "elapsed");
    world.must(Verb::Stop, "a.timer");
    world.must(Verb::Start, "a.timer");
    assert_eq!((world.sub("a.timer"), next(&world)), ("waiting", 11));
}

#[test]
fn what_comes_again_counts_from_the_unit() {
    let mut world = world(|t| {
        t.values.push(after(TimerBase::Active, 2));
        t.values.push(after(TimerBase::UnitActive, 10));
        t.values.push(after(TimerBase::UnitInactive, 7));
    });
    world.must(Verb::Start, "a.timer");
    for (time, run) in [(3, 1), (10, 2), (17, 3)] {
        assert_eq!(next(&world), time);
        world.wait();
        assert_eq!((runs(&world), world.sub("a.timer")), (run, "waiting"));
    }
    // A run that somebody else asked for moves it.
    pass(&mut world, 3);
    world.must(Verb::Start, "a.service");
    assert_eq!(next(&world), 27);
}

#[test]
fn while_the_unit_runs_the_timer_does() {
    let mut world = World::new([
        timer(|t| {
            t.values.push(after(TimerBase::Active, 1));
            t.values.push(after(TimerBase::UnitActive, 10));
        }),
        unit("a.service"),
    ]);
    world.must(Verb::Start, "a.timer");
    world.wait();
    assert_eq!(world.sub("a.timer"), "running");
    assert_eq!(world.engine.next_deadline(), None);
    pass(&mut world, 30);
    world.end("a.service", ProcessStatus::Exited(0));
    // Ten seconds behind the start are over: at once.
    assert_eq!((world.sub("a.timer"), next(&world)), ("waiting", 12));
    world.wait();
    assert_eq!(runs(&world), 2);
}

#[test]
fn a_boot_or_a_start_that_is_past_elapses_at_once() {
    for base in [TimerBase::Boot, TimerBase::Startup] {
        let mut world = world(|t| t.values.push(after(base, 1)));
        pass(&mut world, 5);
        world.must(Verb::Start, "a.timer");
        world.wait();
        assert_eq!((world.sub("a.timer"), runs(&world)), ("elapsed", 1));
    }
    // In a container there was no boot.
    let mut world = world(|t| t.values.push(after(TimerBase::Boot, 1)));
    world.engine.began(Timestamp {
        monotonic: 9 * SECOND,
        realtime: BEGIN,
    });
    world.engine.set_time_place(TimePlace {
        container: true,
        ..TimePlace::default()
    });
    pass(&mut world, 8);
    world.must(Verb::Start, "a.timer");
    assert_eq!(next(&world), 10);
}

#[test]
fn times_of_the_calendar_come_one_after_the_other() {
    let mut world = world(|t| t.values.push(calendar("*:0/15")));
    world.must(Verb::Start, "a.timer");
    for quarter in [1, 2, 3] {
        // 22:15, 22:30, 22:45.
        assert_eq!(
            next_real(&world),
            BEGIN - 800 * SECOND + quarter * 900 * SECOND
        );
        world.wait();
        assert_eq!(
            (runs(&world) as u64, world.sub("a.timer")),
            (quarter, "waiting")
        );
    }
    assert_eq!(next(&world), 0);
}

#[test]
fn a_clock_that_is_set_is_heard_of() {
    let mut world = world(|t| t.values.push(calendar("daily")));
    world.must(Verb::Start, "a.timer");
    world.now.realtime = BEGIN + 86_400 * SECOND;
    world.send(Event::ClockJumped);
    // Midnight has come meanwhile.
    world.wait();
    assert_eq!(runs(&world), 1);
    // Back: what has elapsed then elapses again.
    world.now.realtime = BEGIN;
    world.send(Event::ClockJumped);
    assert_eq!(next_real(&world), 1_700_006_400 * SECOND);
    let mut world = world_on_change();
    world.must(Verb::Start, "a.timer");
    assert_eq!(
        (world.sub("a.timer"), world.engine.next_deadline()),
        ("waiting", None)
    );
    world.send(Event::ClockJumped);
    world.send(Event::ZoneChanged);
    assert_eq!((world.sub("a.timer"), runs(&world)), ("waiting", 2));
}

#[test]
fn a_clock_that_is_set_makes_no_time_of_one_that_was_never_computed() {
    let values = [
        after(TimerBase::UnitInactive, 5),
        after(TimerBase::Active, 3600),
    ];
    let change = |t: &mut TimerConfig| t.values.extend(values);
    let mut world = World::new([timer(change), unit("a.service")]);
    for name in ["a.service", "a.timer"] {
        world.must(Verb::Start, name);
    }
    // Of a unit without a file it is not told that it is down.
    world.load([unit("a.service").config(|it| it.load = LoadState::NotFound)]);
    pass(&mut world, 60);
    world.must(Verb::Stop, "a.service");
    let down = world.now.monotonic / SECOND;
    world.send(Event::ClockJumped);
    assert_eq!(next(&world), down + 5);
}

fn world_on_change() -> World {
    world(|t| {
        t.on_clock_change = true;
        t.on_timezone_change = true;
    })
}

#[test]
fn times_of_the_calendar_are_those_of_the_zone() {
    let mut world = world(|t| t.values.push(calendar("daily")));
    world.must(Verb::Start, "a.timer");
    let midnight = next_real(&world);
    let zone = Zone::from_rule("XYZ-3").unwrap();
    world.engine.set_zone(zone);
    world.send(Event::ZoneChanged);
    assert_eq!(midnight + (24 - 3) * 3600 * SECOND, next_real(&world));
}

#[test]
fn what_was_missed_is_made_up_for() {
    let persistent = |stamp: Option<u64>| {
        let mut world = world(|t| {
            t.values.push(calendar("daily"));
            t.persistent = true;
        });
        world
            .stamps
            .extend(stamp.map(|stamp| ("a".to_owned(), stamp)));
        world.must(Verb::Start, "a.timer");
        world
    };
    // It never ran: from now on.
    let world = persistent(None);
    assert_eq!(world.stamps["a"], BEGIN);
    assert_eq!(next_real(&world), 1_700_006_400 * SECOND);
    // It ran two days ago.
    let mut world = persistent(Some(BEGIN - 2 * 86_400 * SECOND));
    world.wait();
    assert_eq!((runs(&world), world.stamps["a"]), (1, BEGIN));
    // It will run tomorrow, somebody thinks.
    let world = persistent(Some(BEGIN + 86_400 * SECOND));
    assert_eq!(next_real(&world), 1_700_006_400 * SECOND);
}

#[test]
fn a_stop_while_the_stamp_is_read_wins() {
    let mut engine_world = world(|t| {
        t.values.push(calendar("daily"));
        t.persistent = true;
    });
    let unit = engine_world.engine.unit("a.timer").unwrap().id;
    let job = engine_world.start("a.timer").unwrap();
    assert_eq!(engine_world.results[&job], JobResult::Done);
    engine_world.must(Verb::Stop, "a.timer");
    // An answer nobody waits for.
    engine_world.send(Event::StampRead {
        unit,
        order: 1,
        time: None,
    });
    assert_eq!(engine_world.state("a.timer"), ActiveState::Inactive);
}

#[test]
fn one_that_does_not_remain_goes_with_its_last_time() {
    let mut world = world(|t| {
        t.values.push(after(TimerBase::Active, 1));
        t.remain_after_elapse = false;
    });
    world.must(Verb::Start, "a.timer");
    world.wait();
    assert_eq!(world.sub("a.timer"), "dead");
    assert_eq!(world.collect(), ["a.service", "a.timer"]);
}

#[test]
fn without_what_it_activates_it_does_not_start() {
    let mut world = World::new([timer(|t| t.values.push(after(TimerBase::Active, 1)))]);
    let job = world.start("a.timer").unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    assert_eq!(world.state("a.timer"), ActiveState::Inactive);
}

#[test]
fn it_counts_its_own_starts() {
    let mut world = world(|t| t.values.push(after(TimerBase::Active, 1)));
    for _ in 0..5 {
        world.must(Verb::Start, "a.timer");
        world.must(Verb::Stop, "a.timer");
    }
    let job = world.start("a.timer").unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    let view = world.engine.unit("a.timer").unwrap();
    assert_eq!(view.timer.unwrap().result.as_str(), "start-limit-hit");
    assert_eq!(view.active, ActiveState::Failed);
}

#[test]
fn the_unit_is_told_who_started_it() {
    let mut world = world(|t| t.values.push(after(TimerBase::Active, 1)));
    world.must(Verb::Start, "a.timer");
    world.wait();
    let told = |world: &World| -> Vec<String> {
        let variables = world.environments["a ExecStart"].iter();
        variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    };
    let now = world.now;
    assert_eq!(
        told(&world),
        [
            "TRIGGER_UNIT=a.timer".to_owned(),
            format!("TRIGGER_TIMER_REALTIME_USEC={}", now.realtime),
            format!("TRIGGER_TIMER_MONOTONIC_USEC={}", now.monotonic),
        ]
    );
    world.must(Verb::Start, "a.service");
    assert!(told(&world).is_empty());
}

#[test]
fn chance_delays_within_its_bounds() {
    let mut seen = std::collections::BTreeSet::new();
    let mut world = world(|t| {
        t.values.push(after(TimerBase::Active, 10));
        t.randomized_delay = TimeSpan::from_secs(20);
    });
    for _ in 0..5 {
        world.must(Verb::Start, "a.timer");
        let view = world.engine.unit("a.timer").unwrap();
        let next = view.timer.unwrap().next.monotonic;
        assert!((11 * SECOND..31 * SECOND).contains(&next), "{next}");
        seen.insert(next);
        world.must(Verb::Stop, "a.timer");
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn a_fixed_delay_is_the_same_each_time_and_of_the_machine() {
    let of = |identity: u64| {
        let mut world = world(|t| {
            t.values.push(after(TimerBase::Active, 10));
            t.randomized_delay = TimeSpan::from_secs(3600);
            t.fixed_random_delay = true;
        });
        world.engine.set_time_place(TimePlace {
            identity,
            ..TimePlace::default()
        });
        let mut times = std::collections::BTreeSet::new();
        for _ in 0..3 {
            world.must(Verb::Start, "a.timer");
            let view = world.engine.unit("a.timer").unwrap();
            times.insert(view.timer.unwrap().next.monotonic);
            world.must(Verb::Stop, "a.timer");
        }
        assert_eq!(times.len(), 1);
        times.pop_first()
    };
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn a_restored_engine_goes_on_waiting() {
    let mut world = world(|t| {
        t.values.push(after(TimerBase::Active, 5));
        t.values.push(after(TimerBase::UnitActive, 60));
        t.randomized_delay = TimeSpan::from_secs(9);
    });
    world.must(Verb::Start, "a.timer");
    world.wait();
    let deadline = world.engine.next_deadline();
    let configs = ["a.timer", "a.service"]
        .map(|name| world.engine.unit(name).unwrap().config)
        .into_iter()
        .collect();
    let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    world.engine = crate::engine::Engine::restore(snapshot, configs).unwrap();
    assert_eq!(world.engine.next_deadline(), deadline);
    world.wait();
    assert_eq!(runs(&world), 2);
}
