//! Jobs that are called off, or let go: what waited for them goes on.

use super::world::{World, unit};
use crate::engine::event::Verb;
use crate::engine::process::ProcessStatus;
use crate::engine::state::JobResult;
use crate::unit::config::{CommandKind, DependencyKind, JobMode, Restart};
use crate::unit::value::Signal;

/// db.service waits for its restart, whose time has come, while its stop waits for that of
/// slow.service.
fn restart_due_behind_a_stop() -> World {
    let mut world = World::new([
        unit("db.service")
            .before("slow.service")
            .restart(Restart::Always),
        unit("slow.service").exec(CommandKind::Start, "stubborn"),
        unit("web.service")
            .dependency(DependencyKind::Requisite, "db.service")
            .after("db.service"),
    ]);
    world.must(Verb::Start, "slow.service");
    world.must(Verb::Start, "db.service");
    world.end("db.service", ProcessStatus::Killed(Signal::KILL));
    world.ask(Verb::Stop, "slow.service").unwrap();
    world.ask(Verb::Stop, "db.service").unwrap();
    world.wait();
    assert_eq!(world.sub("db.service"), "auto-restart-queued");
    world
}

#[test]
fn a_start_in_its_place_carries_the_restart_out() {
    let mut world = restart_due_behind_a_stop();
    let start = world.start("db.service").unwrap();
    while !world.results.contains_key(&start) {
        world.wait();
    }
    assert_eq!(world.results[&start], JobResult::Done);
    assert_eq!(world.sub("db.service"), "running");
}

#[test]
fn a_look_whether_the_unit_is_active_in_its_place_brings_the_restart_back() {
    let mut world = restart_due_behind_a_stop();
    let start = world.start("web.service").unwrap();
    while !world.results.contains_key(&start) {
        world.wait();
    }
    assert_eq!(world.results[&start], JobResult::Done);
    assert_eq!(world.sub("db.service"), "running");
    let view = world.engine.unit("db.service").unwrap();
    assert_eq!(view.service.unwrap().restarts, 1);
}

#[test]
fn those_that_wait_for_a_job_that_ignores_the_order_now_wait_no_longer() {
    let mut world = World::new([
        unit("slow.service")
            .oneshot("stay")
            .service(|service| service.remain_after_exit = true),
        unit("web.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    let web = world.start("web.service").unwrap();
    assert_eq!(world.results.get(&web), None);
    world
        .ask_mode(Verb::Start, "slow.service", JobMode::IgnoreDependencies)
        .unwrap();
    assert_eq!(world.results[&web], JobResult::Done);
}
