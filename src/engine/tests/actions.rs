//! SuccessAction=, FailureAction= and StartLimitAction=: when they are due, and with which exit
//! status (systemd.unit(5)). What is not plain from the manual was asked of systemd 252.

use super::world::{UnitBuilder, World, unit};
use super::{Event, KILLED, Verb};
use crate::engine::process::ProcessStatus;
use crate::unit::config::{CommandKind, Restart, SystemAction, UnitSection};

/// A unit that leaves for good or bad.
fn acting(unit: UnitBuilder) -> UnitBuilder {
    unit.config(|config| {
        config.unit.failure_action = SystemAction::Exit;
        config.unit.success_action = SystemAction::Poweroff;
        config.unit.start_limit_action = SystemAction::Reboot;
    })
}

fn with(unit: UnitBuilder, change: impl FnOnce(&mut UnitSection)) -> UnitBuilder {
    unit.config(|config| change(&mut config.unit))
}

#[test]
fn a_failure_has_the_exit_status_of_the_main_process() {
    for (status, wanted) in [
        (ProcessStatus::Exited(7), "a exit 7: it failed"),
        (KILLED, "a exit 255: it failed"),
    ] {
        let mut world = World::new([acting(unit("a.service"))]);
        world.must(Verb::Start, "a.service");
        assert!(world.actions.is_empty());
        world.end("a.service", status);
        assert_eq!(world.actions, [wanted]);
    }
}

#[test]
fn a_status_that_is_set_counts_and_one_that_never_was_is_none() {
    let set = with(acting(unit("a.service").oneshot("false")), |unit| {
        unit.failure_action_status = Some(9);
    });
    let mut world = World::new([set]);
    world.start("a.service").unwrap();
    assert_eq!(world.actions, ["a exit 9: it failed"]);
    let early = acting(unit("a.service").exec(CommandKind::StartPre, "false"));
    let mut world = World::new([early]);
    world.start("a.service").unwrap();
    assert_eq!(world.actions, ["a exit -: it failed"]);
}

#[test]
fn an_end_that_is_no_failure_is_a_success() {
    let mut world = World::new([acting(unit("a.service")), acting(unit("t.target"))]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", ProcessStatus::Exited(0));
    world.must(Verb::Start, "t.target");
    world.must(Verb::Stop, "t.target");
    assert_eq!(
        world.actions,
        ["a poweroff 0: it ended", "t poweroff -: it ended"]
    );
}

#[test]
fn a_condition_that_does_not_hold_is_no_end() {
    let mut world = World::new([acting(unit("a.service")).condition("/none", false)]);
    world.must(Verb::Start, "a.service");
    assert!(world.actions.is_empty());
}

#[test]
fn an_automatic_restart_does_not_put_an_action_off() {
    let mut world = World::new([acting(unit("a.service").restart(Restart::Always))]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", ProcessStatus::Exited(3));
    assert_eq!(world.sub("a.service"), "auto-restart");
    assert_eq!(world.actions, ["a exit 3: it failed"]);
}

#[test]
fn the_start_limit_has_an_action_of_its_own() {
    let limited = with(acting(unit("a.service").oneshot("true")), |unit| {
        unit.start_limit_burst = 1;
    });
    let mut world = World::new([limited]);
    world.must(Verb::Start, "a.service");
    world.actions.clear();
    world.start("a.service").unwrap();
    assert_eq!(
        world.actions,
        [
            "a reboot -: it was started too often",
            "a exit 0: it failed"
        ]
    );
}

#[test]
fn a_service_may_be_nothing_but_its_action() {
    let bare = acting(unit("a.service").oneshot("true"))
        .service(|service| service.commands.get_mut(CommandKind::Start).clear());
    let mut world = World::new([bare]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.actions, ["a poweroff -: it ended"]);
}

#[test]
fn actions_of_units_that_are_stopped_at_the_end_are_told_too() {
    let mut world = World::new([acting(unit("a.service"))]);
    world.must(Verb::Start, "a.service");
    world.send(Event::Shutdown);
    assert!(world.finished);
    assert_eq!(world.actions, ["a poweroff 255: it ended"]);
}
