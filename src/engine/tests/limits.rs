//! Jobs that may take only so long: JobTimeoutSec= from when they are queued,
//! JobRunningTimeoutSec= from when they run (checklist J14).

use super::world::{UnitBuilder, World, unit};
use super::{ActiveState, Event, JobResult, Verb};
use crate::engine::process::ProcessStatus;
use crate::unit::config::{CommandKind, DependencyKind, SystemAction};
use crate::unit::value::TimeSpan;

fn queued(unit: UnitBuilder, seconds: u64) -> UnitBuilder {
    unit.config(|config| config.unit.job_timeout = TimeSpan::from_secs(seconds))
}

fn running(unit: UnitBuilder, seconds: u64) -> UnitBuilder {
    let limit = Some(TimeSpan::from_secs(seconds));
    unit.config(|config| config.unit.job_running_timeout = limit)
}

/// A oneshot that takes until it is told to end, and stays up then.
fn slow(name: &str) -> UnitBuilder {
    unit(name)
        .oneshot("stay")
        .service(|service| service.remain_after_exit = true)
}

/// Seconds until the next deadline.
fn next(world: &World) -> Option<u64> {
    let at = world.engine.next_deadline()?;
    Some((at - world.now.monotonic) / 1_000_000)
}

#[test]
fn a_job_that_takes_too_long_ends_and_its_unit_goes_on() {
    for limited in [
        queued(slow("slow.service"), 3),
        running(slow("slow.service"), 3),
    ] {
        let mut world = World::new([
            limited.dependency(DependencyKind::OnFailure, "d.service"),
            unit("a.service")
                .requires("slow.service")
                .after("slow.service"),
            unit("d.service"),
        ]);
        let job = world.start("a.service").unwrap();
        let slow = world.engine.unit("slow.service").unwrap().job.unwrap().id;
        assert_eq!(next(&world), Some(3));
        world.wait();
        assert_eq!(world.results[&slow], JobResult::Timeout);
        assert_eq!(world.results[&job], JobResult::Dependency);
        assert_eq!(world.sub("slow.service"), "start");
        assert_eq!(world.state("d.service"), ActiveState::Active);
        world.end("slow.service", ProcessStatus::Exited(0));
        assert_eq!(world.sub("slow.service"), "exited");
    }
}

#[test]
fn only_one_of_the_limits_counts_the_wait() {
    let mut world = World::new([
        slow("slow.service"),
        running(unit("a.service").after("slow.service"), 3),
        queued(unit("b.service").after("slow.service"), 5),
    ]);
    world.start("slow.service").unwrap();
    let a = world.start("a.service").unwrap();
    let b = world.start("b.service").unwrap();
    assert_eq!(next(&world), Some(5));
    world.wait();
    assert_eq!(world.results[&b], JobResult::Timeout);
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
    assert!(!world.results.contains_key(&a));
    world.end("slow.service", ProcessStatus::Exited(0));
    assert_eq!(world.results[&a], JobResult::Done);
    assert_eq!(next(&world), None, "nothing is left armed");
}

#[test]
fn the_earlier_limit_ends_the_job_and_a_merged_job_keeps_its_own() {
    let mut world = World::new([queued(running(slow("a.service"), 2), 7)]);
    let job = world.start("a.service").unwrap();
    assert_eq!(next(&world), Some(2));
    world.now.monotonic += 1_000_000;
    assert_eq!(world.start("a.service"), Ok(job));
    assert_eq!(next(&world), Some(1));
    world.wait();
    assert_eq!(world.results[&job], JobResult::Timeout);
}

#[test]
fn a_restart_has_one_limit_for_both_halves() {
    let limited = running(slow("a.service").exec(CommandKind::Stop, "stay"), 4);
    let mut world = World::new([limited]);
    world.start("a.service").unwrap();
    world.end("a.service", ProcessStatus::Exited(0));
    let job = world.ask(Verb::Restart, "a.service").unwrap();
    world.now.monotonic += 3_000_000;
    world.end("a.service", ProcessStatus::Exited(0));
    assert_eq!(world.sub("a.service"), "start");
    assert_eq!(next(&world), Some(1));
    world.wait();
    assert_eq!(world.results[&job], JobResult::Timeout);
}

#[test]
fn a_stop_that_takes_too_long_goes_on_without_its_job() {
    let mut world = World::new([running(
        unit("a.service").exec(CommandKind::Start, "stubborn"),
        4,
    )]);
    world.must(Verb::Start, "a.service");
    let job = world.ask(Verb::Stop, "a.service").unwrap();
    world.wait();
    assert_eq!(world.results[&job], JobResult::Timeout);
    assert_eq!(world.state("a.service"), ActiveState::Deactivating);
    world.wait();
    assert_eq!(world.state("a.service"), ActiveState::Failed);
}

#[test]
fn the_action_of_a_job_that_took_too_long_is_due() {
    let limited = queued(slow("a.service"), 1);
    let mut world =
        World::new([limited.config(|c| c.unit.job_timeout_action = SystemAction::ExitForce)]);
    world.start("a.service").unwrap();
    world.wait();
    assert_eq!(
        world.actions,
        ["a exit-force -: its start job timed out"],
        "without an exit status, as in systemd"
    );
}

#[test]
fn no_job_is_given_up_while_everything_is_stopped() {
    let mut world = World::new([
        queued(unit("a.service").exec(CommandKind::Start, "stubborn"), 1),
        queued(unit("b.service").before("a.service"), 1),
    ]);
    world.must(Verb::Start, "b.service");
    world.must(Verb::Start, "a.service");
    world.ask(Verb::Stop, "a.service").unwrap();
    assert_eq!(next(&world), Some(1));
    world.send(Event::Shutdown);
    assert_eq!(next(&world), Some(90), "the unit's own limit");
    world.wait();
    assert!(world.finished);
}
