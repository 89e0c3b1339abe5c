//! Whole-engine tests: what one request or failure does to several units.

mod actions;
mod called_off;
mod cancel;
mod circles;
mod collect;
mod limits;
mod modes;
mod overlap;
mod plan;
mod probes;
mod returning;
mod snapshot;
mod streams;
mod turns;
pub(super) mod world;

use super::effect::Refusal;
use super::event::{Event, Verb};
use super::ids::RequestId;
use super::process::ProcessStatus;
use super::state::{ActiveState, JobResult};

use crate::unit::config::{
    CommandKind, DependencyKind, JobMode, LoadState, NotApplied, NotifyAccess, Restart,
    ServiceType, UnitConfig,
};
use crate::unit::name::UnitName;
use crate::unit::value::{Signal, TimeSpan};
use world::{World, unit};

const KILLED: ProcessStatus = ProcessStatus::Killed(Signal::KILL);

#[test]
fn starts_what_is_required_first_and_stops_it_last() {
    let mut world = World::new([
        unit("web.service")
            .requires("db.service")
            .after("db.service"),
        unit("db.service"),
    ]);
    world.must(Verb::Start, "web.service");
    assert_eq!(world.take_trace(), ["db ExecStart", "web ExecStart"]);
    world.must(Verb::Stop, "db.service");
    assert_eq!(
        world.take_trace(),
        ["web SIGTERM", "web ended", "db SIGTERM", "db ended"]
    );
}

#[test]
fn a_required_unit_that_fails_fails_the_job() {
    let mut world = World::new([
        unit("web.service")
            .requires("db.service")
            .after("db.service"),
        unit("db.service").oneshot("false"),
    ]);
    let job = world.start("web.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    assert_eq!(world.state("web.service"), ActiveState::Inactive);
    assert_eq!(world.state("db.service"), ActiveState::Failed);
}

#[test]
fn a_wanted_unit_that_fails_or_is_missing_does_not_matter() {
    let mut world = World::new([
        unit("web.service")
            .wants("db.service")
            .wants("none.service")
            .after("db.service"),
        unit("db.service").oneshot("false"),
    ]);
    world.must(Verb::Start, "web.service");
    assert_eq!(world.state("web.service"), ActiveState::Active);
}

#[test]
fn a_required_unit_that_is_missing_refuses_the_request() {
    let mut world = World::new([unit("web.service").requires("none.service")]);
    assert_eq!(
        world.start("web.service"),
        Err(Refusal::NotFound("none.service".to_owned()))
    );
}

#[test]
fn j3_a_wanted_unit_whose_own_requirement_is_missing_stays_down() {
    let mut world = World::new([
        unit("web.service").wants("db.service"),
        unit("db.service").requires("none.service"),
    ]);
    world.must(Verb::Start, "web.service");
    assert_eq!(world.state("db.service"), ActiveState::Inactive);
}

#[test]
fn j4_starting_a_unit_stops_what_it_conflicts_with_first() {
    for direction in [
        ("new.service", "old.service"),
        ("old.service", "new.service"),
    ] {
        let mut world = World::new([
            unit(direction.0).conflicts(direction.1).after(direction.1),
            unit(direction.1),
        ]);
        world.must(Verb::Start, "old.service");
        world.take_trace();
        world.must(Verb::Start, "new.service");
        assert_eq!(
            world.take_trace(),
            ["old SIGTERM", "old ended", "new ExecStart"]
        );
    }
}

#[test]
fn j4_a_request_that_contradicts_itself_is_refused() {
    let mut world = World::new([
        unit("a.service")
            .requires("b.service")
            .conflicts("b.service"),
        unit("b.service"),
    ]);
    assert!(matches!(
        world.start("a.service"),
        Err(Refusal::Conflicting(_))
    ));
    let mut world = World::new([
        unit("a.service").wants("b.service").conflicts("b.service"),
        unit("b.service"),
    ]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
}

#[test]
fn j8_cycles_are_broken_where_the_anchor_can_do_without() {
    let units = || {
        [
            unit("a.service").after("b.service"),
            unit("b.service").after("a.service"),
        ]
    };
    let [a, b] = units();
    let mut world = World::new([a.wants("b.service"), b]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
    let [a, b] = units();
    let mut world = World::new([a.requires("b.service"), b]);
    assert!(matches!(world.start("a.service"), Err(Refusal::Cyclic(_))));
}

#[test]
fn j9_start_of_an_active_unit_is_done_at_once() {
    let mut world = World::new([unit("a.service")]);
    world.must(Verb::Start, "a.service");
    world.take_trace();
    world.must(Verb::Start, "a.service");
    assert!(world.take_trace().is_empty());
}

#[test]
fn j11_a_condition_that_does_not_hold_skips_without_failing() {
    let mut world = World::new([
        unit("a.service").condition("/there", false),
        unit("b.service").binds_to("a.service").after("a.service"),
        unit("c.service").requires("a.service").after("a.service"),
    ]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("a.service"), ActiveState::Inactive);
    assert!(!world.engine.unit("a.service").unwrap().condition.result);
    let job = world.start("b.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    world.must(Verb::Start, "c.service");
    assert_eq!(world.state("c.service"), ActiveState::Active);
    world.paths.insert("/there".to_owned());
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("a.service"), ActiveState::Active);
}

#[test]
fn requisite_must_be_active_already() {
    let mut world = World::new([
        unit("a.service")
            .dependency(DependencyKind::Requisite, "b.service")
            .after("b.service"),
        unit("b.service"),
    ]);
    let job = world.start("a.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    world.must(Verb::Start, "b.service");
    world.must(Verb::Start, "a.service");
}

#[test]
fn binds_to_stops_with_its_dependency_and_requires_does_not() {
    let mut world = World::new([
        unit("core.service"),
        unit("bound.service")
            .binds_to("core.service")
            .after("core.service"),
        unit("needy.service")
            .requires("core.service")
            .after("core.service"),
    ]);
    world.must(Verb::Start, "bound.service");
    world.must(Verb::Start, "needy.service");
    world.end("core.service", KILLED);
    assert_eq!(world.state("core.service"), ActiveState::Failed);
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
    assert_eq!(world.state("needy.service"), ActiveState::Active);
}

#[test]
fn a_unit_that_came_up_before_what_it_is_bound_to_failed_to_goes_down_again() {
    for (other, path) in [("true", Some("/none")), ("false", None)] {
        let mut bound_to = unit("core.service").oneshot(other);
        if let Some(path) = path {
            bound_to = bound_to.condition(path, false);
        }
        let early = unit("early.service")
            .binds_to("core.service")
            .before("core.service");
        let mut world = World::new([bound_to, early]);
        world.start("early.service").unwrap();
        assert_eq!(world.state("early.service"), ActiveState::Inactive);
    }
}

#[test]
fn j1_an_automatic_restart_takes_those_along_that_need_the_unit() {
    let mut world = World::new([
        unit("core.service").restart(Restart::OnFailure),
        unit("bound.service")
            .binds_to("core.service")
            .after("core.service"),
        unit("needy.service")
            .requires("core.service")
            .after("core.service"),
    ]);
    world.must(Verb::Start, "bound.service");
    world.must(Verb::Start, "needy.service");
    world.take_trace();
    world.end("core.service", KILLED);
    assert_eq!(world.sub("core.service"), "auto-restart");
    assert_eq!(world.state("bound.service"), ActiveState::Inactive);
    world.wait();
    assert_eq!(world.state("core.service"), ActiveState::Active);
    assert_eq!(world.state("needy.service"), ActiveState::Active);
    assert_eq!(
        world.state("bound.service"),
        ActiveState::Inactive,
        "nothing pulls it in again"
    );
    let trace = world.take_trace();
    let position = |what: &str| trace.iter().position(|line| line == what).expect(what);
    assert!(position("needy SIGTERM") < position("core ExecStart"));
    assert!(position("core ExecStart") < position("needy ExecStart"));
}

#[test]
fn a_restart_whose_condition_no_longer_holds_is_given_up() {
    let mut world = World::new([unit("a.service")
        .restart(Restart::Always)
        .condition("/there", false)]);
    world.paths.insert("/there".to_owned());
    world.must(Verb::Start, "a.service");
    world.paths.clear();
    world.end("a.service", KILLED);
    world.wait();
    assert!(
        world.state("a.service").is_inactive_or_failed(),
        "{}",
        world.sub("a.service")
    );
    assert_eq!(world.engine.next_deadline(), None);
}

#[test]
fn what_the_unit_wants_comes_back_with_it() {
    let mut world = World::new([
        unit("core.service")
            .restart(Restart::OnFailure)
            .wants("bound.service"),
        unit("bound.service")
            .binds_to("core.service")
            .after("core.service"),
    ]);
    world.must(Verb::Start, "core.service");
    world.end("core.service", KILLED);
    world.wait();
    assert_eq!(world.state("core.service"), ActiveState::Active);
    assert_eq!(world.state("bound.service"), ActiveState::Active);
}

#[test]
fn m17_the_start_limit_ends_a_crash_loop() {
    let mut world = World::new([unit("a.service").restart(Restart::Always)]);
    world.must(Verb::Start, "a.service");
    for _ in 0..4 {
        world.end("a.service", KILLED);
        world.wait();
        assert_eq!(world.state("a.service"), ActiveState::Active);
    }
    world.end("a.service", KILLED);
    world.wait();
    let view = world.engine.unit("a.service").unwrap();
    assert_eq!(
        (view.active, view.list_state),
        (ActiveState::Failed, "crashed")
    );
    assert!(view.start_limit_hit);
    assert_eq!(
        view.service.unwrap().result.as_str(),
        "signal",
        "the earlier failure is kept"
    );
    let job = world.start("a.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    let request = super::ids::RequestId(99);
    let name = crate::unit::name::UnitName::parse("a.service").unwrap();
    world.send(Event::ResetFailed {
        request,
        unit: Some(name),
    });
    world.must(Verb::Start, "a.service");
}

#[test]
fn j12_on_failure_starts_after_the_last_restart_and_is_told_why() {
    let mut world = World::new([
        unit("a.service").dependency(DependencyKind::OnFailure, "help.service"),
        unit("help.service").oneshot("true"),
    ]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", ProcessStatus::Exited(3));
    assert!(world.take_trace().contains(&"help ExecStart".to_owned()));
    let environment = &world.environments["help ExecStart"];
    for (name, value) in [
        ("MONITOR_SERVICE_RESULT", "exit-code"),
        ("MONITOR_EXIT_STATUS", "3"),
        ("MONITOR_UNIT", "a.service"),
    ] {
        assert!(
            environment.contains(&(name.to_owned(), value.to_owned())),
            "{environment:?}"
        );
    }
}

#[test]
fn j12_on_failure_waits_while_restarts_go_on() {
    let mut world = World::new([
        unit("a.service")
            .restart(Restart::OnFailure)
            .dependency(DependencyKind::OnFailure, "help.service"),
        unit("help.service"),
    ]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", KILLED);
    assert_eq!(world.state("help.service"), ActiveState::Inactive);
}

#[test]
fn j13_a_failing_stop_post_turns_a_clean_stop_into_a_failure() {
    let mut world = World::new([
        unit("new.service")
            .exec(CommandKind::StopPost, "false")
            .conflicts("old.service")
            .before("old.service")
            .dependency(DependencyKind::OnFailure, "old.service"),
        unit("old.service"),
    ]);
    world.must(Verb::Start, "old.service");
    world.must(Verb::Start, "new.service");
    assert_eq!(world.state("old.service"), ActiveState::Inactive);
    world.must(Verb::Stop, "new.service");
    assert_eq!(world.state("new.service"), ActiveState::Failed);
    assert_eq!(
        world.state("old.service"),
        ActiveState::Active,
        "rolled back"
    );
}

#[test]
fn j7_fail_mode_refuses_to_replace_and_replace_cancels() {
    let mut world = World::new([unit("a.service").exec(CommandKind::Start, "stubborn")]);
    world.must(Verb::Start, "a.service");
    let stop = world.ask(Verb::Stop, "a.service").unwrap();
    assert_eq!(world.state("a.service"), ActiveState::Deactivating);
    assert!(matches!(
        world.ask_mode(Verb::Start, "a.service", JobMode::Fail),
        Err(Refusal::Destructive(_))
    ));
    let start = world.start("a.service").unwrap();
    assert_eq!(world.results[&stop], JobResult::Canceled);
    world.wait();
    assert_eq!(
        world.results.get(&start),
        Some(&JobResult::Done),
        "started once it was stopped"
    );
}

#[test]
fn restart_stops_and_starts() {
    let mut world = World::new([unit("a.service")]);
    world.must(Verb::Start, "a.service");
    world.take_trace();
    world.must(Verb::Restart, "a.service");
    assert_eq!(world.take_trace(), ["a SIGTERM", "a ended", "a ExecStart"]);
    world.must(Verb::Stop, "a.service");
    world.take_trace();
    let job = world.ask(Verb::TryRestart, "a.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Done);
    assert!(world.take_trace().is_empty());
}

#[test]
fn part_of_follows_stop_and_restart_only() {
    let mut world = World::new([
        unit("a.service"),
        unit("b.service")
            .dependency(DependencyKind::PartOf, "a.service")
            .after("a.service"),
    ]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
    world.must(Verb::Start, "b.service");
    world.take_trace();
    world.must(Verb::Restart, "a.service");
    assert_eq!(
        world.take_trace(),
        [
            "b SIGTERM",
            "b ended",
            "a SIGTERM",
            "a ended",
            "a ExecStart",
            "b ExecStart"
        ]
    );
    world.must(Verb::Stop, "a.service");
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
}

#[test]
fn refused_settings_and_units_that_do_not_load() {
    let mut world = World::new([
        unit("a.service").config(|config| {
            config.not_applied.push(NotApplied {
                directive: "PrivateNetwork",
                value: "yes".to_owned(),
                reason: "namespaces are still to come",
                refuses_start: true,
            });
        }),
        unit("b.service").config(|config| config.load = LoadState::Masked),
        unit("c.automount"),
    ]);
    let job = world.start("a.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Unsupported);
    assert!(world.take_trace().is_empty());
    assert!(matches!(world.start("b.service"), Err(Refusal::Masked(_))));
    assert!(matches!(
        world.start("c.automount"),
        Err(Refusal::NotSupported(_))
    ));
}

#[test]
fn shutdown_stops_in_reverse_order_and_finishes_once_quiet() {
    let mut world = World::new([
        unit("all.target")
            .wants("a.service")
            .wants("b.service")
            .after("a.service")
            .after("b.service"),
        unit("a.service"),
        unit("b.service")
            .after("a.service")
            .exec(CommandKind::Start, "stubborn"),
    ]);
    world.must(Verb::Start, "all.target");
    world.take_trace();
    world.send(Event::Shutdown);
    assert!(!world.finished);
    assert_eq!(world.take_trace(), ["b SIGTERM"]);
    assert_eq!(world.start("a.service"), Err(Refusal::ShuttingDown));
    world.wait();
    assert_eq!(
        world.take_trace(),
        ["b SIGKILL", "b ended", "a SIGTERM", "a ended"]
    );
    assert!(world.finished);
}

#[test]
fn shutdown_of_a_stop_cycle_still_ends() {
    let mut world = World::new([
        unit("a.service").after("b.service"),
        unit("b.service").after("a.service"),
    ]);
    world.must(Verb::Start, "a.service");
    world.must(Verb::Start, "b.service");
    world.send(Event::Shutdown);
    assert!(world.finished);
}

#[test]
fn shutdown_of_a_stop_cycle_does_not_wait_for_the_one_that_goes_first() {
    let mut world = World::new([
        unit("a.service")
            .after("b.service")
            .before("b.service")
            .exec(CommandKind::Start, "stubborn"),
        unit("b.service"),
    ]);
    world.must(Verb::Start, "b.service");
    world
        .ask_mode(Verb::Start, "a.service", JobMode::IgnoreDependencies)
        .unwrap();
    world.send(Event::Shutdown);
    assert_eq!(world.state("a.service"), ActiveState::Deactivating);
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
}

#[test]
fn a_failed_unit_whose_file_is_gone_stays_failed_until_that_is_forgotten() {
    let mut world = World::new([unit("a.service").oneshot("false")]);
    world.start("a.service").unwrap();
    let gone = UnitConfig::not_found(UnitName::parse("a.service").unwrap());
    world.send(Event::Load {
        units: vec![gone.into()],
    });
    assert_eq!(world.state("a.service"), ActiveState::Failed);
    world.send(Event::ResetFailed {
        request: RequestId(1000),
        unit: None,
    });
    assert_eq!(world.state("a.service"), ActiveState::Inactive);
}

#[test]
fn shutdown_forbids_restarts() {
    let mut world = World::new([unit("a.service").restart(Restart::Always)]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", KILLED);
    assert_eq!(world.sub("a.service"), "auto-restart");
    world.send(Event::Shutdown);
    assert!(world.finished);
    assert_eq!(world.state("a.service"), ActiveState::Inactive);
}

#[test]
fn same_events_same_trace() {
    let run = || {
        let mut world = World::new([
            unit("a.service")
                .restart(Restart::Always)
                .wants("b.service"),
            unit("b.service").after("a.service").binds_to("a.service"),
        ]);
        world.must(Verb::Start, "a.service");
        world.end("a.service", KILLED);
        world.wait();
        let ids = ["a.service", "b.service"].map(|n| world.engine.unit(n).unwrap().invocation);
        (world.take_trace(), ids)
    };
    assert_eq!(run(), run());
}

#[test]
fn an_upheld_unit_comes_back_however_it_went() {
    let mut world = World::new([
        unit("keeper.service")
            .dependency(DependencyKind::Upholds, "kept.service")
            .after("kept.service"),
        unit("kept.service"),
    ]);
    world.must(Verb::Start, "keeper.service");
    assert_eq!(world.state("kept.service"), ActiveState::Active);
    for status in [KILLED, ProcessStatus::Exited(0)] {
        world.take_trace();
        world.end("kept.service", status);
        assert_eq!(world.state("kept.service"), ActiveState::Active);
        assert!(world.take_trace().contains(&"kept ExecStart".to_owned()));
    }
    world.must(Verb::Stop, "kept.service");
    assert_eq!(world.state("kept.service"), ActiveState::Active);
    world.must(Verb::Stop, "keeper.service");
    world.must(Verb::Stop, "kept.service");
    assert_eq!(world.state("kept.service"), ActiveState::Inactive);
    world.must(Verb::Start, "keeper.service");
    assert_eq!(world.state("kept.service"), ActiveState::Active);
}

#[test]
fn upholding_gives_up_on_a_unit_that_does_not_stay() {
    for (limit, starts) in [(5, 5), (0, 17)] {
        let mut world = World::new([
            unit("keeper.service").dependency(DependencyKind::Upholds, "kept.service"),
            unit("kept.service")
                .oneshot("true")
                .config(|c| c.unit.start_limit_burst = limit),
        ]);
        world.start("keeper.service").unwrap();
        let trace = world.take_trace();
        let seen = trace.iter().filter(|line| *line == "kept ExecStart");
        assert_eq!(seen.count(), starts, "one by the job, the others upheld");
        let failed = world.state("kept.service") == ActiveState::Failed;
        assert_eq!(failed, limit > 0);
    }
}

#[test]
fn shutdown_ends_upholding() {
    let mut world = World::new([
        unit("keeper.service").dependency(DependencyKind::Upholds, "kept.service"),
        unit("kept.service"),
    ]);
    world.must(Verb::Start, "keeper.service");
    world.send(Event::Shutdown);
    assert!(world.finished);
}

#[test]
fn j14_a_unit_that_nobody_needs_any_more_stops() {
    let mut world = World::new([
        unit("one.service").requires("core.service"),
        unit("two.service").wants("core.service"),
        unit("core.service")
            .config(|c| c.unit.stop_when_unneeded = true)
            .wants("deep.service"),
        unit("deep.service").config(|c| c.unit.stop_when_unneeded = true),
    ]);
    world.must(Verb::Start, "one.service");
    world.must(Verb::Start, "two.service");
    world.must(Verb::Stop, "one.service");
    assert_eq!(world.state("core.service"), ActiveState::Active);
    world.must(Verb::Stop, "two.service");
    assert_eq!(world.state("core.service"), ActiveState::Inactive);
    assert_eq!(world.state("deep.service"), ActiveState::Inactive);
    // Asked for by itself, nobody needs it from the start.
    world.must(Verb::Start, "core.service");
    assert_eq!(world.state("core.service"), ActiveState::Inactive);
}

#[test]
fn j12_a_failure_that_starts_what_fails_again_at_once_does_not_go_round_for_ever() {
    let mut world = World::new([
        unit("db.service")
            .oneshot("false")
            .config(|config| config.unit.start_limit_burst = 1),
        unit("web.service")
            .requires("db.service")
            .after("db.service")
            .dependency(DependencyKind::OnFailure, "rescue.service"),
        unit("rescue.service")
            .requires("web.service")
            .after("web.service"),
    ]);
    let job = world.start("rescue.service").unwrap();
    assert_eq!(world.results[&job], JobResult::Dependency);
    // Once by us and, as its failure asks for, once more: which the limit forbids.
    assert_eq!(world.take_trace(), ["db ExecStart", "db ended"]);
    assert_eq!(world.state("rescue.service"), ActiveState::Inactive);
}

#[test]
fn j8_a_restart_whose_start_half_would_be_in_a_cycle_is_refused() {
    let units = || {
        [
            unit("a.service").after("b.service").before("b.service"),
            unit("b.service"),
        ]
    };
    let [a, b] = units();
    let mut world = World::new([a.binds_to("b.service"), b]);
    assert!(matches!(
        world.ask(Verb::Restart, "a.service"),
        Err(Refusal::Cyclic(_))
    ));
    let [a, b] = units();
    let mut world = World::new([a.wants("b.service"), b]);
    world.must(Verb::Restart, "a.service");
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
}

#[test]
fn a_job_that_waited_for_an_order_that_is_gone_runs_after_the_reload() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("next.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    world.start("next.service").unwrap();
    assert_eq!(world.state("next.service"), ActiveState::Inactive);
    world.load([unit("next.service")]);
    assert_eq!(world.state("next.service"), ActiveState::Active);
}

#[test]
fn jobs_that_a_reload_has_wait_for_each_other_do_not_wait_for_ever() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("a.service").after("slow.service"),
        unit("b.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    let [a, b] = ["a.service", "b.service"].map(|name| world.start(name).unwrap());
    world.load([
        unit("a.service").after("b.service"),
        unit("b.service").after("a.service"),
    ]);
    let results = [world.results.get(&a), world.results.get(&b)];
    assert_eq!(
        results,
        [Some(&JobResult::Canceled), Some(&JobResult::Done)],
        "one gives way"
    );
}

#[test]
fn j4_what_the_anchor_needs_is_settled_first() {
    // Restarting web wants db, which excludes web: db cannot come, and has to go.
    let mut world = World::new([
        unit("db.service")
            .conflicts("web.service")
            .before("web.service"),
        unit("web.service").wants("db.service"),
    ]);
    world.must(Verb::Start, "db.service");
    world.must(Verb::Restart, "web.service");
    assert_eq!(world.state("web.service"), ActiveState::Active);
    assert_eq!(world.state("db.service"), ActiveState::Inactive);
}

#[test]
fn a_try_restart_that_finds_nothing_to_do_leaves_the_start_that_is_queued() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("web.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    let start = world.start("web.service").unwrap();
    let nothing = world.ask(Verb::TryRestart, "web.service").unwrap();
    assert_eq!(world.results[&nothing], JobResult::Done);
    assert_eq!(world.results.get(&start), None);
    world.end("slow.service", ProcessStatus::Exited(0));
    assert_eq!(world.results[&start], JobResult::Done);
}

#[test]
fn a_reload_of_a_unit_whose_restart_waits_for_its_turn_does_not_take_the_restart_away() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("web.service")
            .after("slow.service")
            .exec(CommandKind::Reload, "true")
            .restart(Restart::Always),
    ]);
    world.must(Verb::Start, "web.service");
    world.end("web.service", KILLED);
    world.start("slow.service").unwrap();
    world.wait();
    assert_eq!(world.sub("web.service"), "auto-restart-queued");
    let job = world.ask(Verb::ReloadOrRestart, "web.service").unwrap();
    world.end("slow.service", ProcessStatus::Exited(0));
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(world.sub("web.service"), "running");
}

#[test]
fn a_start_does_not_wait_for_ready_when_nobody_is_left_to_say_it() {
    // The group is empty before the search for a successor of the main process is over.
    let mut world = World::new([unit("web.service").service(|service| {
        service.service_type = ServiceType::Notify;
        service.remain_after_exit = true;
        service.notify_access = NotifyAccess::All;
        service.pid_file = Some("/run/web.pid".to_owned());
        service.timeout_start = TimeSpan::INFINITY;
    })]);
    let job = world.start("web.service").unwrap();
    world.end("web.service", ProcessStatus::Exited(0));
    assert_eq!(world.results[&job], JobResult::Failed);
}

#[test]
fn a_bound_unit_whose_stop_would_take_along_too_much_goes_down_alone() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("db.service"),
        unit("web.service").binds_to("db.service"),
        unit("top.service")
            .requires("web.service")
            .after("web.service")
            .after("slow.service"),
    ]);
    world.must(Verb::Start, "web.service");
    world.start("slow.service").unwrap();
    world
        .ask_mode(Verb::Start, "top.service", JobMode::ReplaceIrreversibly)
        .unwrap();
    world.end("db.service", KILLED);
    assert_eq!(world.state("web.service"), ActiveState::Inactive);
}

#[test]
fn a_unit_that_came_up_while_what_it_is_bound_to_went_down_goes_down_too() {
    let mut world = World::new([
        unit("db.service").exec(CommandKind::Start, "stubborn"),
        unit("web.target").binds_to("db.service"),
    ]);
    world.must(Verb::Start, "db.service");
    world
        .ask_mode(Verb::Stop, "db.service", JobMode::IgnoreDependencies)
        .unwrap();
    world
        .ask_mode(Verb::Start, "web.target", JobMode::IgnoreRequirements)
        .unwrap();
    assert_eq!(world.state("web.target"), ActiveState::Active);
    world.wait();
    assert_eq!(world.state("db.service"), ActiveState::Failed);
    assert_eq!(world.state("web.target"), ActiveState::Inactive);
}

#[test]
fn units_that_need_each_other_and_something_missing_are_not_tried_for_ever() {
    let mut world = World::new([
        unit("top.service").wants("a.service"),
        unit("a.service")
            .requires("b.service")
            .binds_to("none.service"),
        unit("b.service")
            .requires("c.service")
            .binds_to("none.service"),
        unit("c.service").requires("a.service"),
    ]);
    world.must(Verb::Start, "top.service");
    assert_eq!(world.state("a.service"), ActiveState::Inactive);
    assert!(world.start("a.service").is_err());
}

#[test]
fn j8_a_cycle_that_shows_when_contradictions_are_settled_is_found() {
    // Of b there is a stop first, which its own start excludes; it must not hide the cycle.
    let mut world = World::new([
        unit("top.service")
            .requires("near.service")
            .wants("enemy.service"),
        unit("near.service").requires("far.service"),
        unit("far.service").requires("b.service"),
        unit("b.service").requires("c.service").after("c.service"),
        unit("c.service").after("b.service"),
        unit("enemy.service").conflicts("b.service"),
    ]);
    assert!(matches!(
        world.start("top.service"),
        Err(Refusal::Cyclic(_))
    ));
}

#[test]
fn exec_condition_counts_as_a_condition() {
    let mut world = World::new([unit("a.service").exec(CommandKind::Condition, "false")]);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.state("a.service"), ActiveState::Inactive);
    assert!(!world.engine.unit("a.service").unwrap().condition.result);
    world.load([unit("a.service")]);
    world.must(Verb::Start, "a.service");
    assert!(world.engine.unit("a.service").unwrap().condition.result);
}
