//! Taking the engine down and up again. That it lives on as it would have is shown over many
//! lives by `tests/sim.rs`.

use super::world::{World, unit};
use crate::engine::event::Verb;
use crate::engine::state::{ActiveState, JobResult};
use crate::engine::{Effect, Engine, RestoreError, Snapshot};
use crate::unit::config::{CommandKind, LoadState, UnitConfig};
use std::sync::Arc;

fn written(world: &World) -> serde_json::Value {
    serde_json::to_value(world.engine.snapshot()).unwrap()
}

fn configs(world: &World) -> Vec<Arc<UnitConfig>> {
    let names = world.engine.unit_names();
    let views = names
        .iter()
        .map(|name| world.engine.unit(name.as_str()).unwrap());
    views.map(|view| view.config).collect()
}

fn restored(world: &World, configs: Vec<Arc<UnitConfig>>) -> Engine {
    let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
    Engine::restore(serde_json::from_str(&text).unwrap(), configs).unwrap()
}

fn web_and_db() -> World {
    let mut world = World::new([
        unit("web.service")
            .requires("db.service")
            .after("db.service")
            .exec(CommandKind::Start, "stubborn"),
        unit("db.service"),
    ]);
    world.must(Verb::Start, "web.service");
    world
}

#[test]
fn a_restored_engine_ends_the_job_that_was_running() {
    let mut world = web_and_db();
    let job = world.ask(Verb::Stop, "db.service").unwrap();
    world.engine = restored(&world, configs(&world));
    assert!(world.engine.poll_effect().is_none());
    assert_eq!(world.state("web.service"), ActiveState::Deactivating);
    assert_eq!(world.results.get(&job), None);
    world.wait();
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(world.state("db.service"), ActiveState::Inactive);
}

#[test]
fn what_runs_of_a_unit_without_a_file_goes_on_and_can_be_stopped() {
    let mut world = web_and_db();
    let mut left = configs(&world);
    left.retain(|config| config.name.as_str() != "web.service");
    world.engine = restored(&world, left);
    let view = world.engine.unit("web.service").unwrap();
    assert_eq!(view.load(), LoadState::NotFound);
    assert_eq!(view.active, ActiveState::Active);
    world.take_trace();
    let job = world.ask(Verb::Stop, "web.service").unwrap();
    world.wait();
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(
        world.take_trace(),
        ["web SIGTERM", "web SIGKILL", "web ended"]
    );
    assert!(world.start("web.service").is_err());
}

#[test]
fn new_units_are_told_of_and_new_files_count() {
    let world = web_and_db();
    let engine = {
        let mut more = configs(&world);
        more.push(unit("new.service").before("db.service").arc());
        let mut engine = restored(&world, more);
        let told = engine.poll_effect();
        assert!(matches!(told, Some(Effect::UnitNew { unit }) if unit.0 == 2));
        assert!(engine.poll_effect().is_none());
        engine
    };
    let before = engine.dependencies("db.service", "After");
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].as_str(), "new.service");
}

#[test]
fn an_unknown_version_is_refused_before_anything_else_is_read() {
    let text = r#"{"version": 99, "state": "something else"}"#;
    let refusal = serde_json::from_str::<Snapshot>(text)
        .unwrap_err()
        .to_string();
    assert!(
        refusal.starts_with("a snapshot of version 99; this build reads version 2"),
        "{refusal}"
    );
}

#[test]
fn a_snapshot_that_contradicts_itself_is_refused() {
    let mut world = web_and_db();
    world.ask(Verb::Stop, "db.service").unwrap();
    let whole = written(&world);
    for (place, wrong) in [
        ("/state/jobs/3/unit", serde_json::json!(77)),
        ("/state/jobs/3/id", serde_json::json!(77)),
        ("/state/graph/units/0/id", serde_json::json!(1)),
        ("/state/graph/units/0/job", serde_json::json!(77)),
        ("/state/graph/names/db.service", serde_json::json!(77)),
        ("/state/processes/1", serde_json::json!(77)),
    ] {
        let mut damaged = whole.clone();
        *damaged.pointer_mut(place).expect(place) = wrong;
        let snapshot = serde_json::from_value(damaged).unwrap();
        let refusal = Engine::restore(snapshot, configs(&world)).unwrap_err();
        assert!(matches!(refusal, RestoreError::Inconsistent(_)), "{place}");
    }
    let snapshot = serde_json::from_value(whole).unwrap();
    assert!(Engine::restore(snapshot, configs(&world)).is_ok());
}
