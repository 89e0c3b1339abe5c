//! Units that start each other again and again.

use super::world::{World, unit};
use crate::engine::event::Verb;
use crate::engine::process::ProcessStatus;
use crate::engine::state::ActiveState;
use crate::engine::state::JobResult;
use crate::unit::config::{CommandKind, DependencyKind, JobMode, Restart, RestartMode};

#[test]
fn failures_for_a_dependency_that_start_each_other_come_to_an_end() {
    let mut world = World::new([
        unit("bad.service")
            .exec(CommandKind::Start, "false")
            // Answered by the world, so that each round is a moment of its own.
            .condition("/never", true)
            .config(|config| config.unit.start_limit_burst = 1),
        unit("group.target")
            .requires("bad.service")
            .after("bad.service")
            .dependency(DependencyKind::OnFailure, "helper.service"),
        unit("helper.service")
            .wants("group.target")
            .after("group.target"),
    ]);
    world.start("bad.service").unwrap();
    assert_eq!(world.state("bad.service"), ActiveState::Failed);
    // Comes back at all.
    world.ask(Verb::Start, "group.target").unwrap();
    assert!(world.engine.jobs().is_empty());
    assert_eq!(world.state("helper.service"), ActiveState::Active);
}

#[test]
fn a_start_that_cannot_be_carried_out_again_ends_with_its_service() {
    let second = || {
        unit("second.service")
            .oneshot("stay")
            .after("first.service")
    };
    let direct = unit("direct.service")
        .oneshot("stay")
        .restart(Restart::OnFailure)
        .service(|service| service.restart_mode = RestartMode::Direct);
    let mut world = World::new([unit("first.service").oneshot("stay"), second(), direct]);
    for name in ["first.service", "second.service"] {
        world.start(name).unwrap();
    }
    let job = world.start("direct.service").unwrap();
    // Its restart would close a circle.
    world.load([second().after("direct.service").before("direct.service")]);
    world.end("direct.service", ProcessStatus::Exited(1));
    assert_eq!(world.results.get(&job), None, "it is to be tried again");
    world.wait();
    assert_eq!(world.state("direct.service"), ActiveState::Failed);
    assert_eq!(world.results.get(&job), Some(&JobResult::Failed));
    assert_eq!(world.engine.jobs().len(), 2);
}

#[test]
fn a_job_that_is_merged_into_one_of_another_order_does_not_close_a_circle() {
    let mut world = World::new([
        unit("group.target")
            .dependency(DependencyKind::Conflicts, "deaf.service")
            .before("deaf.service")
            .config(|config| config.unit.allow_isolate = true),
        unit("deaf.service").exec(CommandKind::Start, "stubborn"),
        // A start of the target waits for the stop of this one; a restart and the stop wait for
        // each other.
        unit("both.service")
            .before("group.target")
            .after("group.target"),
    ]);
    for name in ["deaf.service", "both.service"] {
        world.must(Verb::Start, name);
    }
    let restart = world.ask(Verb::Restart, "group.target").unwrap();
    let start = world.ask_mode(Verb::Start, "group.target", JobMode::Isolate);
    assert_eq!(start, Ok(restart));
    world.end("deaf.service", ProcessStatus::Exited(0));
    assert_eq!(world.results.get(&restart), Some(&JobResult::Done));
    assert_eq!(world.state("group.target"), ActiveState::Active);
    assert_eq!(world.state("both.service"), ActiveState::Inactive);
    assert!(world.engine.jobs().is_empty());
}

#[test]
fn a_target_whose_end_starts_it_again_comes_to_an_end() {
    let mut world = World::new([
        unit("bad.service")
            .exec(CommandKind::Start, "false")
            .condition("/never", true)
            .config(|config| config.unit.start_limit_burst = 1),
        unit("group.target")
            .binds_to("bad.service")
            .dependency(DependencyKind::OnSuccess, "helper.service"),
        unit("helper.service").requires("group.target"),
    ]);
    world.start("helper.service").unwrap();
    assert!(world.engine.jobs().is_empty());
    assert_eq!(world.state("group.target"), ActiveState::Inactive);
}
