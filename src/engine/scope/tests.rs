//! Scopes in the engine, without a kernel.

use super::Controller;
use crate::engine::event::{Event, Verb};
use crate::engine::ids::RequestId;
use crate::engine::inspect::ScopeView;
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult, ScopeResult};
use crate::engine::tests::world::{UnitBuilder, World, unit};
use crate::engine::{Engine, Refusal};
use crate::unit::config::{KillMode, OomPolicy};
use crate::unit::name::UnitName;
use crate::unit::value::TimeSpan;

/// A scope that is up, with these processes.
fn up_with(scope: UnitBuilder, programs: &[&'static str]) -> World {
    let mut world = World::new([scope]);
    world.guests.insert("a".to_owned(), programs.to_vec());
    world.must(Verb::Start, "a.scope");
    assert_eq!(world.sub("a.scope"), "running");
    world
}

fn up(scope: UnitBuilder) -> World {
    up_with(scope, &["stay"])
}

fn view(world: &World) -> ScopeView {
    world.engine.unit("a.scope").unwrap().scope.unwrap()
}

fn looked_after(scope: UnitBuilder) -> World {
    let mut world = up(scope);
    let controller = Some(Controller {
        name: ":1.7".to_owned(),
        holder: 7,
    });
    let unit = UnitName::parse("a.scope").unwrap();
    world.send(Event::Control { unit, controller });
    assert_eq!(view(&world).controller.as_deref(), Some(":1.7"));
    world
}

fn abandon(world: &mut World, name: &str) -> Result<(), Refusal> {
    let request = RequestId(9_000);
    let unit = UnitName::parse(name).unwrap();
    world.send(Event::Abandon { request, unit });
    world.replies.remove(&request).unwrap().map(|_| ())
}

const LEFT: ProcessStatus = ProcessStatus::Exited(0);

#[test]
fn it_lasts_as_long_as_its_processes_and_goes() {
    let mut world = up_with(unit("a.scope"), &["stay", "stay"]);
    assert_ne!(world.engine.unit("a.scope").unwrap().invocation, 0);
    assert_eq!(world.collect(), [""; 0]);
    world.end("a.scope", ProcessStatus::Exited(1));
    assert_eq!(world.state("a.scope"), ActiveState::Inactive);
    assert_eq!(view(&world).result, ScopeResult::Success);
    assert_eq!(world.collect(), ["a.scope"]);
}

#[test]
fn without_a_process_it_fails() {
    let mut world = World::new([unit("a.scope")]);
    let job = world.start("a.scope").unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    assert_eq!(world.sub("a.scope"), "failed");
    assert_eq!(view(&world).result, ScopeResult::Resources);
    // It had its chance.
    let job = world.start("a.scope").unwrap();
    assert_eq!(world.results[&job], JobResult::Once);
}

#[test]
fn a_stop_signals_it_twice_at_most() {
    let mut world = up_with(unit("a.scope"), &["stay", "stubborn"]);
    let job = world.ask(Verb::Stop, "a.scope").unwrap();
    assert_eq!(world.sub("a.scope"), "stop-sigterm");
    world.wait();
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(
        world.take_trace(),
        ["a SIGTERM", "a ended", "a SIGKILL", "a ended"]
    );
    assert_eq!(view(&world).result, ScopeResult::Timeout);
    assert_eq!(world.sub("a.scope"), "failed");
}

#[test]
fn kill_modes_reach_the_group_or_nobody() {
    for (mode, trace) in [
        (KillMode::ControlGroup, &["a SIGTERM", "a ended"][..]),
        (KillMode::Mixed, &["a SIGKILL", "a ended"]),
        (KillMode::Process, &[]),
        (KillMode::None, &[]),
    ] {
        let mut world = up(unit("a.scope").scope(|scope| scope.kill.mode = mode));
        world.must(Verb::Stop, "a.scope");
        assert_eq!(world.take_trace(), trace, "{mode:?}");
        assert_eq!(world.sub("a.scope"), "dead");
    }
}

#[test]
fn without_sigkill_it_fails_when_the_time_is_over() {
    let mut world = up_with(
        unit("a.scope").scope(|scope| scope.kill.send_sigkill = false),
        &["stubborn"],
    );
    world.ask(Verb::Stop, "a.scope").unwrap();
    world.wait();
    assert_eq!(world.sub("a.scope"), "failed");
    // What is left of it is not forgotten.
    world.take_trace();
    assert_eq!(world.collect(), [""; 0]);
    world.end("a.scope", LEFT);
    assert_eq!(world.sub("a.scope"), "failed");
}

#[test]
fn it_fails_when_it_lasts_too_long() {
    let mut world = up(unit("a.scope").scope(|scope| {
        scope.runtime_max = TimeSpan::from_secs(5);
        scope.runtime_random_extra = TimeSpan::from_secs(5);
    }));
    let (now, due) = (world.now.monotonic, world.engine.next_deadline().unwrap());
    assert!((5_000_000..=10_000_000).contains(&(due - now)));
    world.wait();
    assert_eq!(world.sub("a.scope"), "failed");
    assert_eq!(view(&world).result, ScopeResult::Timeout);
}

#[test]
fn it_is_started_and_never_restarted() {
    let mut world = up(unit("a.scope"));
    world.must(Verb::Start, "a.scope");
    for verb in [Verb::Restart, Verb::TryRestart, Verb::Reload] {
        let refused = world.ask(verb, "a.scope");
        assert!(
            matches!(refused, Err(Refusal::NotApplicable(..))),
            "{verb:?} {refused:?}"
        );
    }
}

#[test]
fn who_looks_after_it_is_asked_first() {
    let mut world = looked_after(unit("a.scope"));
    let job = world.ask(Verb::Stop, "a.scope").unwrap();
    assert_eq!(world.take_trace(), [":1.7 asked to stop a"]);
    assert_eq!(world.sub("a.scope"), "stop-sigterm");
    world.end("a.scope", LEFT);
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(world.sub("a.scope"), "dead");

    let mut world = looked_after(unit("a.scope"));
    world.ask(Verb::Stop, "a.scope").unwrap();
    world.wait();
    assert_eq!(
        world.take_trace(),
        [":1.7 asked to stop a", "a SIGKILL", "a ended"]
    );
}

#[test]
fn who_has_gone_is_not_asked() {
    let mut world = looked_after(unit("a.scope"));
    world.send(Event::HolderGone { holder: 8 });
    assert!(view(&world).controller.is_some());
    world.send(Event::HolderGone { holder: 7 });
    assert_eq!(view(&world).controller, None);
    world.must(Verb::Stop, "a.scope");
    assert_eq!(world.take_trace(), ["a SIGTERM", "a ended"]);
}

#[test]
fn it_can_be_abandoned_while_it_is_up() {
    let limited = unit("a.scope").scope(|scope| scope.runtime_max = TimeSpan::from_secs(5));
    let mut world = looked_after(limited);
    for _ in 0..2 {
        assert_eq!(abandon(&mut world, "a.scope"), Ok(()));
        assert_eq!(world.sub("a.scope"), "abandoned");
        assert_eq!(world.state("a.scope"), ActiveState::Active);
    }
    assert_eq!(view(&world).controller, None);
    assert_eq!(world.engine.next_deadline(), None);
    world.end("a.scope", LEFT);
    assert_eq!(world.sub("a.scope"), "dead");
    let down = Refusal::ScopeNotRunning("a.scope".to_owned());
    assert_eq!(abandon(&mut world, "a.scope"), Err(down));
    world.load([unit("b.service")]);
    let refused = abandon(&mut world, "b.service");
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
    let refused = abandon(&mut world, "c.scope");
    assert!(matches!(refused, Err(Refusal::NotLoaded(_))));
}

#[test]
fn want_of_memory_ends_it_as_its_policy_says() {
    for (policy, sub, result) in [
        (OomPolicy::Continue, "running", ScopeResult::Success),
        (OomPolicy::Stop, "failed", ScopeResult::OomKill),
        (OomPolicy::Kill, "failed", ScopeResult::OomKill),
    ] {
        let mut world = up(unit("a.scope").scope(|scope| scope.oom_policy = policy));
        let unit = world.engine.unit("a.scope").unwrap().id;
        world.send(Event::OutOfMemory { unit });
        assert_eq!(world.sub("a.scope"), sub, "{policy:?}");
        assert_eq!(view(&world).result, result, "{policy:?}");
    }
}

#[test]
fn a_failure_can_be_forgotten() {
    let mut world = World::new([unit("a.scope")]);
    world.start("a.scope").unwrap();
    let request = RequestId(9_001);
    world.send(Event::ResetFailed {
        request,
        unit: None,
    });
    assert_eq!(world.sub("a.scope"), "dead");
    assert_eq!(view(&world).result, ScopeResult::Success);
    assert_eq!(world.collect(), ["a.scope"]);
}

#[test]
fn a_shutdown_ends_it() {
    let mut world = up(unit("a.scope"));
    world.send(Event::Shutdown);
    assert!(world.finished);
    assert_eq!(world.take_trace(), ["a SIGTERM", "a ended"]);
}

#[test]
fn a_snapshot_has_it() {
    let mut world = looked_after(unit("a.scope").scope(|scope| {
        scope.runtime_max = TimeSpan::from_secs(5);
    }));
    let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let config = world.engine.unit("a.scope").unwrap().config;
    let due = world.engine.next_deadline();
    world.engine = Engine::restore(serde_json::from_str(&text).unwrap(), vec![config]).unwrap();
    assert_eq!(world.sub("a.scope"), "running");
    assert_eq!(world.engine.next_deadline(), due);
    assert_eq!(view(&world).controller, None, "clients do not outlive us");
    world.must(Verb::Stop, "a.scope");
    assert_eq!(world.sub("a.scope"), "dead");
}
