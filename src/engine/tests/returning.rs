//! RestartWithDependency=: who comes back with what it depends on, and who does not.

use super::world::{UnitBuilder, World, unit};
use crate::engine::event::Verb;
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult};
use crate::unit::config::{Restart, ServiceType};
use crate::unit::value::Signal;

const KILLED: ProcessStatus = ProcessStatus::Killed(Signal::KILL);

fn returning(name: &str) -> UnitBuilder {
    unit(name).config(|c| c.procmgr.restart_with_dependency = true)
}

fn bound(name: &str, to: &str) -> UnitBuilder {
    returning(name).binds_to(to).after(to)
}

#[test]
fn a_bound_unit_comes_back_with_an_automatic_restart() {
    let mut world = World::new([
        unit("core.service").restart(Restart::Always),
        bound("bound.service", "core.service"),
        returning("above.service")
            .requires("bound.service")
            .after("bound.service"),
        unit("plain.service")
            .binds_to("core.service")
            .after("core.service"),
    ]);
    for name in ["above.service", "plain.service"] {
        world.must(Verb::Start, name);
    }
    world.end("core.service", KILLED);
    for name in ["bound.service", "above.service", "plain.service"] {
        assert_eq!(world.state(name), ActiveState::Inactive, "{name}");
    }
    world.wait();
    for name in ["core.service", "bound.service", "above.service"] {
        assert_eq!(world.state(name), ActiveState::Active, "{name}");
    }
    assert_eq!(world.state("plain.service"), ActiveState::Inactive, "J1");
}

#[test]
fn it_comes_back_when_somebody_starts_what_had_failed() {
    let mut world = World::new([unit("core.service"), bound("bound.service", "core.service")]);
    world.must(Verb::Start, "bound.service");
    world.end("core.service", KILLED);
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("bound.service"), ActiveState::Active);
    // What it lost then is no reason to come back from what it does later.
    world.end("bound.service", ProcessStatus::Exited(0));
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
    world.must(Verb::Restart, "core.service");
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
}

#[test]
fn it_stays_down_if_somebody_stopped_it_or_the_other_one() {
    let mut world = World::new([unit("core.service"), bound("bound.service", "core.service")]);
    world.must(Verb::Start, "bound.service");
    world.end("core.service", KILLED);
    world.must(Verb::Stop, "bound.service");
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
    // Stopped on request with the other one: no failure.
    world.must(Verb::Start, "bound.service");
    world.must(Verb::Stop, "core.service");
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
}

#[test]
fn a_start_that_failed_with_its_dependency_is_made_up_for() {
    let mut world = World::new([
        unit("core.service").oneshot("false"),
        returning("needy.service")
            .requires("core.service")
            .after("core.service"),
    ]);
    let job = world.start("needy.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    world.load([unit("core.service")]);
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("needy.service"), ActiveState::Active);
}

#[test]
fn a_canceled_start_is_not() {
    let mut world = World::new([
        unit("core.service").service(|s| s.service_type = ServiceType::Notify),
        returning("needy.service")
            .requires("core.service")
            .after("core.service"),
    ]);
    world.start("needy.service").unwrap();
    world.must(Verb::Stop, "core.service");
    world.load([unit("core.service")]);
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("needy.service"), ActiveState::Inactive);
}

#[test]
fn it_waits_for_all_it_lost_and_for_its_own_stop() {
    let mut world = World::new([
        unit("one.service"),
        unit("two.service")
            .requires("one.service")
            .after("one.service"),
        bound("bound.service", "one.service")
            .binds_to("two.service")
            .after("two.service")
            .exec(crate::unit::config::CommandKind::Start, "stubborn"),
    ]);
    world.must(Verb::Start, "bound.service");
    world.end("one.service", KILLED);
    // Somebody asks for a start; that waits for the stop, which only SIGKILL ends.
    world.start("one.service").unwrap();
    assert_eq!(world.state("bound.service"), ActiveState::Deactivating);
    world.wait();
    assert_eq!(world.state("one.service"), ActiveState::Active);
    assert_eq!(world.state("bound.service"), ActiveState::Active);
}

#[test]
fn its_start_limit_ends_going_round() {
    let mut world = World::new([
        unit("core.service")
            .restart(Restart::Always)
            .config(|c| c.unit.start_limit_burst = 0),
        bound("bound.service", "core.service"),
    ]);
    world.must(Verb::Start, "bound.service");
    for _ in 0..4 {
        world.end("core.service", KILLED);
        world.wait();
        assert_eq!(world.state("bound.service"), ActiveState::Active);
    }
    world.end("core.service", KILLED);
    world.wait();
    assert_eq!(world.state("core.service"), ActiveState::Active);
    assert_eq!(world.state("bound.service"), ActiveState::Failed);
    assert!(world.engine.unit("bound.service").unwrap().start_limit_hit);
}
