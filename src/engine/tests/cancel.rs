//! Jobs that somebody takes back.

use super::world::{World, unit};
use super::{ActiveState, Event, JobResult, KILLED, Refusal, Verb};
use crate::engine::ids::JobId;
use crate::unit::config::{CommandKind, DependencyKind, Restart};
use crate::unit::value::TimeSpan;

#[test]
fn a_canceled_start_fails_those_that_need_it_and_the_unit_goes_on() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("a.service")
            .requires("slow.service")
            .after("slow.service")
            .dependency(DependencyKind::OnFailure, "d.service"),
        unit("d.service"),
    ]);
    let job = world.start("a.service").unwrap();
    let slow = world.engine.unit("slow.service").unwrap().job.unwrap().id;
    assert_eq!(world.cancel(Some(slow)), Ok(()));
    assert_eq!(world.results[&slow], JobResult::Canceled);
    assert_eq!(world.results[&job], JobResult::Dependency);
    assert_eq!(world.sub("slow.service"), "start");
    assert_eq!(world.state("d.service"), ActiveState::Active);
    assert_eq!(world.cancel(Some(slow)), Err(Refusal::NoSuchJob(slow.0)));
}

#[test]
fn a_canceled_stop_fails_what_it_made_room_for() {
    let mut world = World::new([
        unit("old.service").exec(CommandKind::Start, "stubborn"),
        unit("new.service")
            .conflicts("old.service")
            .after("old.service"),
    ]);
    world.must(Verb::Start, "old.service");
    let job = world.start("new.service").unwrap();
    let stop = world.engine.unit("old.service").unwrap().job.unwrap().id;
    world.cancel(Some(stop)).unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    assert_eq!(world.state("old.service"), ActiveState::Deactivating);
}

#[test]
fn all_jobs_are_canceled_without_anything_failing() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("a.service")
            .requires("slow.service")
            .after("slow.service")
            .dependency(DependencyKind::OnFailure, "d.service"),
        unit("d.service"),
    ]);
    let job = world.start("a.service").unwrap();
    assert_eq!(world.cancel(None), Ok(()));
    assert_eq!(world.results[&job], JobResult::Canceled);
    assert!(world.engine.jobs().is_empty());
    assert_eq!(world.state("d.service"), ActiveState::Inactive);
    assert_eq!(world.cancel(None), Ok(()));
    assert_eq!(
        world.cancel(Some(JobId(99))),
        Err(Refusal::NoSuchJob(99)),
        "there never was one"
    );
}

#[test]
fn a_restart_whose_job_is_canceled_is_given_up() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("a.service")
            .restart(Restart::Always)
            .after("slow.service"),
    ]);
    world.must(Verb::Start, "a.service");
    world.start("slow.service").unwrap();
    world.end("a.service", KILLED);
    world.wait();
    assert_eq!(world.sub("a.service"), "auto-restart-queued");
    let job = world.engine.unit("a.service").unwrap().job.unwrap().id;
    world.cancel(Some(job)).unwrap();
    assert_eq!(world.sub("a.service"), "failed");
}

#[test]
fn a_restart_goes_on_when_the_stop_in_its_way_is_canceled() {
    let mut world = World::new([
        unit("first.service").exec(CommandKind::Start, "stubborn"),
        unit("a.service")
            .restart(Restart::Always)
            .before("first.service")
            .service(|service| service.restart_sec = TimeSpan::from_millis(100)),
    ]);
    world.must(Verb::Start, "a.service");
    world.must(Verb::Start, "first.service");
    world.end("a.service", KILLED);
    world.ask(Verb::Stop, "first.service").unwrap();
    let stop = world.ask(Verb::Stop, "a.service").unwrap();
    world.wait();
    assert_eq!(world.sub("a.service"), "auto-restart-queued");
    world.cancel(Some(stop)).unwrap();
    let job = world.engine.unit("a.service").unwrap().job;
    assert_eq!(
        job.map(|job| job.kind.as_str()),
        Some("start"),
        "it waits for the stop of the other now"
    );
}

#[test]
fn a_shutdown_is_not_taken_back() {
    let mut world = World::new([unit("a.service").exec(CommandKind::Start, "stubborn")]);
    world.must(Verb::Start, "a.service");
    world.send(Event::Shutdown);
    assert_eq!(world.cancel(None), Err(Refusal::ShuttingDown));
    world.wait();
    assert!(world.finished);
}
