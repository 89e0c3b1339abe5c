//! Probes and other units: who waits, and who is well.

use super::world::{UnitBuilder, World, unit};
use crate::engine::event::{Event, Verb};
use crate::engine::inspect::{Health, UnitHealth};
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult};
use crate::engine::{Engine, ProbeResult};
use crate::unit::config::{ProbeAddress, ProbeKind, ReadyWhen, Restart};
use crate::unit::diagnostic::Position;
use crate::unit::name::UnitName;
use crate::unit::value::Signal;

fn probed(name: &str, kind: ProbeKind) -> UnitBuilder {
    unit(name).service(|service| {
        let probe = service.probes.section_mut(kind, &Position::top("test"));
        probe.tcp = Some(ProbeAddress::Unix("/run/a".to_owned()));
        probe.failure_threshold = 1;
    })
}

fn awaited(name: &str) -> UnitBuilder {
    probed(name, ProbeKind::Readiness).config(|c| c.procmgr.ready_when = ReadyWhen::Probe)
}

fn failure() -> ProbeResult {
    ProbeResult::Failure("refused".to_owned())
}

#[test]
fn those_ordered_after_a_unit_wait_for_its_probe() {
    let mut world = World::new([
        unit("app.service")
            .requires("db.service")
            .after("db.service"),
        unit("other.service").wants("db.service"),
        awaited("db.service"),
    ]);
    let app = world.ask(Verb::Start, "app.service").unwrap();
    world.must(Verb::Start, "other.service");
    assert_eq!(world.state("db.service"), ActiveState::Active);
    assert_eq!(
        world.state("other.service"),
        ActiveState::Active,
        "not ordered"
    );
    assert_eq!(world.state("app.service"), ActiveState::Inactive);
    world.wait();
    world.answer_probe("db.service", failure());
    assert_eq!(world.state("app.service"), ActiveState::Inactive);
    world.wait();
    world.answer_probe("db.service", ProbeResult::Success);
    assert_eq!(world.state("app.service"), ActiveState::Active);
    assert_eq!(world.results[&app], JobResult::Done);
    // Once is enough.
    world.wait();
    world.answer_probe("db.service", failure());
    world.must(Verb::Restart, "app.service");
    assert_eq!(world.state("app.service"), ActiveState::Active);
}

#[test]
fn a_unit_that_ends_for_good_is_not_waited_for() {
    let mut world = World::new([
        unit("app.service").wants("db.service").after("db.service"),
        awaited("db.service"),
    ]);
    let app = world.ask(Verb::Start, "app.service").unwrap();
    assert_eq!(world.results.get(&app), None);
    world.end("db.service", ProcessStatus::Killed(Signal::KILL));
    assert_eq!(world.results[&app], JobResult::Done);
    // One that comes back is.
    let mut world = World::new([
        unit("app.service").wants("db.service").after("db.service"),
        awaited("db.service").restart(Restart::Always),
    ]);
    let app = world.ask(Verb::Start, "app.service").unwrap();
    world.end("db.service", ProcessStatus::Killed(Signal::KILL));
    assert_eq!(world.results.get(&app), None, "it waits for its restart");
    world.wait();
    assert_eq!(world.results.get(&app), None, "it is up again");
    world.asked.clear();
    world.wait();
    world.answer_probe("db.service", ProbeResult::Success);
    assert_eq!(world.results[&app], JobResult::Done);
}

#[test]
fn stops_wait_for_no_probe() {
    let mut world = World::new([
        unit("app.service").wants("db.service").after("db.service"),
        awaited("db.service"),
    ]);
    let app = world.ask(Verb::Start, "app.service").unwrap();
    world.must(Verb::Stop, "app.service");
    assert_eq!(world.results[&app], JobResult::Canceled);
    world.must(Verb::Stop, "db.service");
    assert_eq!(world.state("db.service"), ActiveState::Inactive);
}

#[test]
fn a_restored_engine_goes_on_probing() {
    let mut world = World::new([awaited("db.service")]);
    world.must(Verb::Start, "db.service");
    world.wait();
    let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let view = world.engine.unit("db.service").unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    world.engine = Engine::restore(snapshot, vec![view.config]).unwrap();
    world.answer_probe("db.service", failure());
    world.wait();
    world.answer_probe("db.service", ProbeResult::Success);
    let service = world.engine.unit("db.service").unwrap().service.unwrap();
    let record = &service.probes[&ProbeKind::Readiness];
    assert_eq!((record.successes, record.failures), (1, 1));
}

fn health(world: &World, name: &str) -> UnitHealth {
    let all = world.engine.health();
    let found = all.into_iter().find(|it| it.unit.as_str() == name);
    found.unwrap_or_else(|| panic!("{name} has no health"))
}

#[track_caller]
fn assert_health(world: &World, name: &str, word: Health, live: bool, reason: &str) {
    let it = health(world, name);
    assert_eq!((it.health, it.live), (word, live), "{}", it.reason);
    assert!(it.reason.contains(reason), "{:?}", it.reason);
}

#[test]
fn how_units_are() {
    let mut world = World::new([
        probed("a.service", ProbeKind::Readiness),
        probed("live.service", ProbeKind::Liveness),
        probed("slow.service", ProbeKind::Startup),
        unit("task.service").oneshot("true"),
        unit("bad.service").oneshot("false"),
        unit("again.service").restart(Restart::Always),
        unit("never.service"),
        unit("a.mount"),
    ]);
    for name in ["a", "live", "slow", "task", "bad", "again"] {
        let _ = world.ask(Verb::Start, &format!("{name}.service"));
    }
    assert_health(&world, "a.service", Health::Starting, true, "not answered");
    assert_health(&world, "live.service", Health::Healthy, true, "");
    assert_health(
        &world,
        "slow.service",
        Health::Starting,
        true,
        "startup probe",
    );
    assert_health(&world, "task.service", Health::Done, true, "ended well");
    assert_health(&world, "bad.service", Health::Unhealthy, false, "exit-code");
    assert_health(
        &world,
        "never.service",
        Health::Stopped,
        true,
        "not started",
    );
    let all = world.engine.health();
    assert!(!all.iter().any(|it| it.unit.as_str() == "a.mount"));
    world.wait();
    world.answer_probe("a.service", failure());
    assert_health(&world, "a.service", Health::Unhealthy, true, "refused");
    world.answer_probe("live.service", failure());
    assert_health(
        &world,
        "live.service",
        Health::Unhealthy,
        false,
        "'probe': refused",
    );
    world.end("again.service", ProcessStatus::Exited(3));
    assert_health(
        &world,
        "again.service",
        Health::Starting,
        true,
        "'exit-code'",
    );
    world.must(Verb::Stop, "a.service");
    assert_health(&world, "a.service", Health::Stopped, true, "stopped");
}

#[test]
fn which_units_count() {
    let mut world = World::new([
        unit("multi-user.target").wants("a.service"),
        unit("a.service").requires("b.service"),
        unit("b.service"),
        unit("by-hand.service"),
    ]);
    let unit = UnitName::parse("multi-user.target").unwrap();
    world.send(Event::Keep { unit });
    world.must(Verb::Start, "by-hand.service");
    let wanted = |name: &str| health(&world, name).wanted;
    assert!(wanted("multi-user.target") && wanted("a.service") && wanted("b.service"));
    assert!(!wanted("by-hand.service"));
}
