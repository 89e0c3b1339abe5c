//! How jobs meet other jobs and units: the job modes (checklist J7; systemctl(1),
//! `--job-mode=`). What is not plain from the manual was asked of systemd 252.

use super::world::{UnitBuilder, World, unit};
use super::{ActiveState, JobResult, Refusal, Verb};
use crate::unit::config::{CommandKind, DependencyKind, JobMode};

/// A oneshot that takes until it is told to end.
fn slow(name: &str) -> UnitBuilder {
    unit(name).oneshot("stay")
}

fn isolatable(name: &str) -> UnitBuilder {
    unit(name).config(|config| config.unit.allow_isolate = true)
}

fn staying(name: &str) -> UnitBuilder {
    unit(name).config(|config| config.unit.ignore_on_isolate = Some(true))
}

#[test]
fn isolate_stops_what_the_unit_does_not_need() {
    let mut world = World::new([
        isolatable("iso.target").requires("a.service"),
        unit("a.service"),
        unit("b.service"),
        staying("c.service"),
        unit("d.service"),
        unit("m.mount"),
    ]);
    for name in ["a.service", "b.service", "c.service"] {
        world.must(Verb::Start, name);
    }
    world.take_trace();
    let job = world.ask_mode(Verb::Start, "iso.target", JobMode::Isolate);
    assert_eq!(world.results[&job.unwrap()], JobResult::Done);
    assert_eq!(world.take_trace(), ["b SIGTERM", "b ended"]);
    assert_eq!(world.state("c.service"), ActiveState::Active);
    assert_eq!(world.state("m.mount"), ActiveState::Active);
}

#[test]
fn isolate_takes_the_jobs_of_others_away() {
    let mut world = World::new([
        isolatable("iso.target"),
        slow("slow.service"),
        unit("later.service").after("slow.service"),
        staying("c.service").after("slow.service"),
    ]);
    let jobs = ["slow.service", "later.service", "c.service"].map(|n| world.start(n).unwrap());
    let iso = world.ask_mode(Verb::Start, "iso.target", JobMode::Isolate);
    assert_eq!(world.results[&iso.unwrap()], JobResult::Done);
    assert_eq!(world.results[&jobs[0]], JobResult::Canceled);
    assert_eq!(world.results[&jobs[1]], JobResult::Canceled);
    assert_eq!(world.state("slow.service"), ActiveState::Failed);
    assert_eq!(
        world.results[&jobs[2]],
        JobResult::Done,
        "what stays keeps its job"
    );
}

#[test]
fn isolate_keeps_what_a_unit_that_stays_activates() {
    let mut world = World::new([
        isolatable("iso.target"),
        staying("t.target").dependency(DependencyKind::Triggers, "a.service"),
        unit("u.target").dependency(DependencyKind::Triggers, "b.service"),
        unit("a.service"),
        unit("b.service"),
    ]);
    for name in ["t.target", "u.target", "a.service", "b.service"] {
        world.must(Verb::Start, name);
    }
    world
        .ask_mode(Verb::Start, "iso.target", JobMode::Isolate)
        .unwrap();
    let states = ["t.target", "a.service", "u.target", "b.service"].map(|n| world.state(n));
    let (up, down) = (ActiveState::Active, ActiveState::Inactive);
    assert_eq!(states, [up, up, down, down]);
}

#[test]
fn isolate_needs_a_start_and_a_unit_that_allows_it() {
    let mut world = World::new([unit("a.target"), isolatable("iso.target")]);
    let mut ask = |verb, name: &str, mode| world.ask_mode(verb, name, mode).unwrap_err();
    assert_eq!(
        ask(Verb::Start, "a.target", JobMode::Isolate),
        Refusal::NotIsolatable
    );
    let only = |text: &str| Refusal::Invalid(text.to_owned());
    for verb in [Verb::Stop, Verb::Restart, Verb::Reload] {
        let refusal = ask(verb, "iso.target", JobMode::Isolate);
        assert_eq!(refusal, only("Isolate is only valid for start."));
    }
    assert_eq!(
        ask(Verb::Start, "a.target", JobMode::Triggering),
        only("--job-mode=triggering is only valid for stop.")
    );
    assert_eq!(
        ask(Verb::Stop, "a.target", JobMode::RestartDependencies),
        only("--job-mode=restart-dependencies is only valid for start.")
    );
}

#[test]
fn a_failure_may_isolate() {
    let mut world = World::new([
        unit("a.service")
            .oneshot("false")
            .dependency(DependencyKind::OnFailure, "rescue.target")
            .config(|config| config.unit.on_failure_job_mode = JobMode::Isolate),
        isolatable("rescue.target"),
        unit("b.service"),
    ]);
    world.must(Verb::Start, "b.service");
    world.start("a.service").unwrap();
    assert_eq!(world.state("rescue.target"), ActiveState::Active);
    assert_eq!(world.state("b.service"), ActiveState::Inactive);
}

#[test]
fn flush_cancels_what_is_queued_and_lets_units_go_on() {
    let mut world = World::new([
        slow("slow.service"),
        unit("later.service")
            .after("slow.service")
            .dependency(DependencyKind::OnFailure, "d.service"),
        staying("c.service").after("slow.service"),
        unit("b.service"),
        unit("d.service"),
    ]);
    let jobs = ["slow.service", "later.service", "c.service"].map(|n| world.start(n).unwrap());
    let job = world.ask_mode(Verb::Start, "b.service", JobMode::Flush);
    assert_eq!(world.results[&job.unwrap()], JobResult::Done);
    assert_eq!(world.results[&jobs[0]], JobResult::Canceled);
    assert_eq!(world.results[&jobs[1]], JobResult::Canceled);
    assert_eq!(world.results[&jobs[2]], JobResult::Done);
    assert_eq!(world.sub("slow.service"), "start");
    assert_eq!(
        world.state("d.service"),
        ActiveState::Inactive,
        "nothing has failed"
    );
}

#[test]
fn fail_leaves_alone_what_the_unit_can_do_without_stopping() {
    let units = || {
        [
            unit("a.service"),
            unit("b.service").conflicts("a.service"),
            unit("w.service").wants("b.service"),
            unit("v.service").wants("a.service"),
        ]
    };
    let (up, down) = (ActiveState::Active, ActiveState::Inactive);
    // What is up, what is asked for, and what a and b are then.
    for (before, asked, a, b) in [
        ("a.service", "b.service", down, up),
        ("a.service", "w.service", up, down),
        ("b.service", "a.service", up, up),
        ("b.service", "v.service", up, up),
    ] {
        let mut world = World::new(units());
        world.must(Verb::Start, before);
        let job = world.ask_mode(Verb::Start, asked, JobMode::Fail).unwrap();
        assert_eq!(world.results[&job], JobResult::Done);
        let states = ["a.service", "b.service"].map(|name| world.state(name));
        assert_eq!(states, [a, b], "{asked} with {before} up");
    }
}

#[test]
fn a_refusal_for_queued_jobs_names_the_request_and_the_job_in_the_way() {
    let mut world = World::new([
        unit("a.service").requires("b.service"),
        unit("b.service").exec(CommandKind::Start, "stubborn"),
    ]);
    world.must(Verb::Start, "b.service");
    world.ask(Verb::Stop, "b.service").unwrap();
    let Err(Refusal::Destructive(text)) = world.ask_mode(Verb::Start, "a.service", JobMode::Fail)
    else {
        panic!("not refused as destructive");
    };
    assert_eq!(
        text,
        "Transaction for a.service/start is destructive (b.service has 'stop' job queued, \
         but 'start' is included in transaction)."
    );
}

#[test]
fn nothing_but_the_same_takes_the_place_of_an_irreversible_job() {
    let mut world = World::new([unit("a.service").exec(CommandKind::Start, "stubborn")]);
    world.must(Verb::Start, "a.service");
    world
        .ask_mode(Verb::Stop, "a.service", JobMode::ReplaceIrreversibly)
        .unwrap();
    for mode in [JobMode::Replace, JobMode::Fail, JobMode::IgnoreDependencies] {
        let refused = world.ask_mode(Verb::Start, "a.service", mode);
        assert!(matches!(refused, Err(Refusal::Destructive(_))), "{mode:?}");
        assert!(world.ask_mode(Verb::Stop, "a.service", mode).is_ok());
    }
}

#[test]
fn requirements_may_be_ignored_with_and_without_the_order() {
    for (mode, waits) in [
        (JobMode::IgnoreRequirements, true),
        (JobMode::IgnoreDependencies, false),
    ] {
        let mut world = World::new([
            slow("slow.service"),
            unit("a.service")
                .after("slow.service")
                .requires("none.service"),
        ]);
        world.start("slow.service").unwrap();
        let job = world.ask_mode(Verb::Start, "a.service", mode).unwrap();
        assert_eq!(!world.results.contains_key(&job), waits, "{mode:?}");
    }
}

#[test]
fn a_job_that_waits_is_let_through_by_a_request_that_ignores_the_order() {
    let mut world = World::new([
        slow("slow.service"),
        unit("a.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    let job = world.start("a.service").unwrap();
    assert!(!world.results.contains_key(&job));
    let mode = JobMode::IgnoreDependencies;
    let same = world.ask_mode(Verb::Start, "a.service", mode).unwrap();
    assert_eq!(same, job);
    assert_eq!(world.results[&job], JobResult::Done);
}

#[test]
fn restart_dependencies_restarts_who_needs_the_unit() {
    let mut world = World::new([
        unit("db.service"),
        unit("web.service")
            .requires("db.service")
            .after("db.service"),
        unit("idle.service").requires("db.service"),
    ]);
    world.must(Verb::Start, "web.service");
    world.end("db.service", super::KILLED);
    world.take_trace();
    world
        .ask_mode(Verb::Start, "db.service", JobMode::RestartDependencies)
        .unwrap();
    assert_eq!(
        world.take_trace(),
        ["web SIGTERM", "web ended", "db ExecStart", "web ExecStart"]
    );
    assert_eq!(world.state("idle.service"), ActiveState::Inactive);
}

#[test]
fn triggering_stops_what_would_start_the_unit_again() {
    let mut world = World::new([
        unit("t.target").dependency(DependencyKind::Triggers, "a.service"),
        unit("a.service"),
    ]);
    world.must(Verb::Start, "t.target");
    world.must(Verb::Start, "a.service");
    let job = world.ask_mode(Verb::Stop, "a.service", JobMode::Triggering);
    assert_eq!(world.results[&job.unwrap()], JobResult::Done);
    assert_eq!(world.state("t.target"), ActiveState::Inactive);
}

#[test]
fn a_unit_on_its_way_up_is_started_not_reloaded_and_restarted_all_the_same() {
    for (verb, again) in [
        (Verb::Reload, false),
        (Verb::ReloadOrRestart, false),
        (Verb::ReloadOrTryRestart, false),
        (Verb::Start, false),
        (Verb::TryRestart, true),
        (Verb::Restart, true),
    ] {
        let mut world = World::new([slow("a.service").exec(CommandKind::Reload, "true")]);
        let job = world.start("a.service").unwrap();
        world.take_trace();
        assert_eq!(world.ask(verb, "a.service"), Ok(job), "{verb:?}");
        let trace = world.take_trace();
        let wanted: &[&str] = match again {
            true => &["a SIGTERM", "a ended", "a ExecStart"],
            false => &[],
        };
        assert_eq!(trace, wanted, "{verb:?}");
        assert_eq!(world.sub("a.service"), "start");
    }
}

#[test]
fn who_needs_a_unit_that_restarts_is_restarted_on_its_way_up_too() {
    let mut world = World::new([
        unit("db.service"),
        slow("web.service")
            .requires("db.service")
            .after("db.service"),
    ]);
    world.must(Verb::Start, "db.service");
    world.start("web.service").unwrap();
    world.take_trace();
    world.ask(Verb::Restart, "db.service").unwrap();
    assert_eq!(
        world.take_trace(),
        [
            "web SIGTERM",
            "web ended",
            "db SIGTERM",
            "db ended",
            "db ExecStart",
            "web ExecStart"
        ]
    );
}

#[test]
fn a_start_that_meets_a_running_reload_has_it_done_again() {
    let mut world = World::new([unit("a.service").exec(CommandKind::Reload, "stay")]);
    world.must(Verb::Start, "a.service");
    let job = world.ask(Verb::Reload, "a.service").unwrap();
    assert_eq!(world.start("a.service"), Ok(job));
    assert_eq!(
        world.engine.jobs().first().map(|job| job.running),
        Some(false)
    );
}

#[test]
fn manual_requests_may_be_refused_and_dependencies_pass() {
    let mut world = World::new([
        unit("own.service").config(|config| {
            config.unit.refuse_manual_start = true;
            config.unit.refuse_manual_stop = true;
            config.unit.stop_when_unneeded = true;
        }),
        unit("user.service").requires("own.service"),
    ]);
    let refused = Err(Refusal::OnlyByDependency("own.service".to_owned()));
    assert_eq!(world.start("own.service"), refused);
    world.must(Verb::Start, "user.service");
    for verb in [
        Verb::Stop,
        Verb::Restart,
        Verb::TryRestart,
        Verb::ReloadOrRestart,
    ] {
        assert_eq!(world.ask(verb, "own.service"), refused, "{verb:?}");
    }
    world.must(Verb::Stop, "user.service");
    assert_eq!(world.state("own.service"), ActiveState::Inactive);
}

#[test]
fn what_was_started_for_a_unit_that_then_does_not_start_goes_again() {
    for broken in [
        unit("a.service").condition("/none", false),
        unit("a.service").config(|config| {
            let mut asserts = unit("x.service").condition("/none", false).arc();
            let asserts = std::sync::Arc::make_mut(&mut asserts);
            config.unit.asserts = std::mem::take(&mut asserts.unit.conditions);
        }),
    ] {
        let mut world = World::new([
            broken.requires("own.service").after("own.service"),
            unit("own.service").config(|config| config.unit.stop_when_unneeded = true),
        ]);
        world.start("a.service").unwrap();
        assert_eq!(
            world.take_trace(),
            ["own ExecStart", "own SIGTERM", "own ended"]
        );
    }
}
