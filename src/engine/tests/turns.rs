//! Jobs that nothing orders: whose turn it is, and what a look at conditions must not change.

use super::world::{UnitBuilder, World, unit};
use crate::engine::event::Verb;
use crate::engine::state::{ActiveState, JobResult};
use crate::unit::config::{CommandKind, Condition, ConditionKind, DependencyKind, ServiceType};
use crate::unit::directive::PropertyValue;

fn weight(weight: u64) -> impl FnOnce(&mut crate::unit::config::UnitConfig) {
    move |config| {
        let value = PropertyValue::U64(weight);
        config.written.insert("CPUWeight", value);
    }
}

fn asserting(name: &str) -> UnitBuilder {
    let assert = Condition {
        kind: ConditionKind::PathExists,
        parameter: "/nowhere".to_owned(),
        trigger: false,
        negate: false,
    };
    unit(name).config(|config| config.unit.asserts.push(assert))
}

#[test]
fn by_type_then_weight_then_nice_then_name() {
    let names = ["b", "idle", "a", "nice", "heavy", "mean", "hub"];
    let all = unit("all.service");
    let all = names.iter().fold(all, |all, name| {
        let unit_type = if *name == "hub" { "target" } else { "service" };
        all.wants(&format!("{name}.{unit_type}"))
    });
    let mut world = World::new([
        all,
        unit("b.service"),
        unit("idle.service").config(weight(0)),
        unit("a.service"),
        unit("nice.service").service(|service| service.exec.nice = Some(5)),
        unit("heavy.service").config(weight(200)),
        unit("mean.service").service(|service| service.exec.nice = Some(-5)),
        // Before all services, and what it wants is queued behind the others.
        unit("hub.target").wants("aa.service"),
        unit("aa.service"),
    ]);
    world.must(Verb::Start, "all.service");
    let order: Vec<String> = world
        .take_trace()
        .iter()
        .map(|line| line.replace(" ExecStart", ""))
        .collect();
    assert_eq!(
        order,
        ["heavy", "mean", "a", "aa", "all", "b", "nice", "idle"]
    );
}

#[test]
fn what_was_before_in_the_queue_is_found_wanting_before() {
    // `other` goes first by name.
    let world = || {
        World::new([
            unit("unit.service").dependency(DependencyKind::Requisite, "other.service"),
            unit("other.service"),
            unit("needs.service").requires("asserts.service"),
            asserting("asserts.service"),
        ])
    };
    for (name, other) in [("unit", "other"), ("needs", "asserts")] {
        let mut world = world();
        let job = world.start(&format!("{name}.service")).unwrap();
        assert_eq!(world.results[&job], JobResult::Dependency, "{name}");
        for name in [name, other] {
            let state = world.state(&format!("{name}.service"));
            assert_eq!(state, ActiveState::Inactive, "{name}");
        }
        assert!(world.take_trace().is_empty());
    }
}

#[test]
fn what_is_behind_in_the_queue_comes_too_late_for_a_service_that_is_started_at_once() {
    let start = |service_type: ServiceType, post: bool| {
        let service = unit("a.service").service(|service| service.service_type = service_type);
        let service = match post {
            true => service.exec(CommandKind::StartPost, "true"),
            false => service,
        };
        let mut world = World::new([
            service.dependency(DependencyKind::Requisite, "other.service"),
            unit("other.service"),
        ]);
        let job = world.start("a.service").unwrap();
        world.results[&job]
    };
    assert_eq!(start(ServiceType::Simple, false), JobResult::Done);
    assert_eq!(start(ServiceType::Idle, false), JobResult::Done);
    assert_eq!(start(ServiceType::Simple, true), JobResult::Dependency);
    assert_eq!(start(ServiceType::Exec, false), JobResult::Dependency);
    assert_eq!(start(ServiceType::Notify, false), JobResult::Dependency);
}

#[test]
fn who_needs_what_waits_for_its_conditions_is_started_once_they_hold() {
    let mut world = World::new([
        unit("unit.service").requires("other.service"),
        unit("other.service").condition("/there", false),
    ]);
    world.paths.insert("/there".to_owned());
    world.must(Verb::Start, "unit.service");
    assert_eq!(world.state("other.service"), ActiveState::Active);
    assert_eq!(world.take_trace(), ["other ExecStart", "unit ExecStart"]);
}

#[test]
fn making_the_process_takes_a_simple_service_no_time_to_start() {
    let mut world = World::new([
        unit("simple.service"),
        unit("prepared.service").exec(CommandKind::StartPre, "true"),
        unit("exec.service").service(|service| service.service_type = ServiceType::Exec),
    ]);
    world.step = 100;
    for (name, at_once) in [
        ("simple.service", true),
        ("prepared.service", false),
        ("exec.service", false),
    ] {
        world.must(Verb::Start, name);
        let times = world.engine.unit(name).unwrap().times;
        assert_eq!(times.inactive_exit == times.active_enter, at_once, "{name}");
        assert_ne!(times.active_enter.monotonic, 0);
    }
}

#[test]
fn a_job_tells_whom_it_holds_up_and_what_it_waits_for() {
    let mut world = World::new([
        unit("slow.service").oneshot("stay"),
        unit("next.service").after("slow.service"),
        unit("last.service").after("next.service"),
    ]);
    let jobs = ["slow.service", "next.service", "last.service"].map(|n| world.start(n).unwrap());
    let names = |views: Vec<crate::engine::inspect::JobView>| -> Vec<String> {
        views.iter().map(|job| job.unit.to_string()).collect()
    };
    let engine = &world.engine;
    assert_eq!(names(engine.jobs_after(jobs[0])), ["next.service"]);
    assert!(engine.jobs_before(jobs[0]).is_empty());
    assert_eq!(names(engine.jobs_before(jobs[1])), ["slow.service"]);
    assert_eq!(names(engine.jobs_after(jobs[1])), ["last.service"]);
    assert!(engine.jobs_after(jobs[2]).is_empty());
    assert!(
        engine
            .jobs_before(crate::engine::ids::JobId(9999))
            .is_empty()
    );
}
