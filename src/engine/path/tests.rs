//! Paths in a world where what is there is what a test says.

use crate::engine::event::{Event, Verb};
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult};
use crate::engine::tests::world::{UnitBuilder, World, unit};
use crate::unit::config::{PathConfig, PathKind, WatchedPath};
use crate::unit::value::TimeSpan;

fn watches(change: impl FnOnce(&mut PathConfig)) -> UnitBuilder {
    unit("a.path").watches(change)
}

fn watched(kind: PathKind, path: &str) -> WatchedPath {
    WatchedPath {
        kind,
        path: path.to_owned(),
    }
}

fn world(kind: PathKind, service: UnitBuilder) -> World {
    World::new([watches(|it| it.paths.push(watched(kind, "/x"))), service])
}

/// How often the service was started.
fn runs(world: &World) -> usize {
    let starts = world.trace.iter().filter(|line| *line == "a ExecStart");
    starts.count()
}

#[test]
fn what_is_there_already_starts_the_unit_at_once_and_after_its_end() {
    let mut world = world(PathKind::Exists, unit("a.service"));
    world.paths.insert("/x".to_owned());
    world.must(Verb::Start, "a.path");
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 1));
    assert!(world.watched_paths().is_empty());
    world.end("a.service", ProcessStatus::Exited(0));
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 2));
    world.paths.clear();
    world.end("a.service", ProcessStatus::Exited(0));
    assert_eq!((world.sub("a.path"), runs(&world)), ("waiting", 2));
    world.paths.insert("/x".to_owned());
    world.touch("a.path", false);
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 3));
}

#[test]
fn a_change_counts_once_and_only_while_waiting() {
    let mut world = world(PathKind::Changed, unit("a.service"));
    world.paths.insert("/x".to_owned());
    world.must(Verb::Start, "a.path");
    assert_eq!((world.sub("a.path"), runs(&world)), ("waiting", 0));
    world.touch("a.path", true);
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 1));
    world.end("a.service", ProcessStatus::Exited(0));
    assert_eq!((world.sub("a.path"), runs(&world)), ("waiting", 1));
    // Gone meanwhile: that is a change, too.
    world.paths.clear();
    world.touch("a.path", false);
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 2));
}

#[test]
fn units_that_end_at_once_come_to_their_start_limit() {
    let mut world = world(PathKind::Exists, unit("a.service").oneshot("true"));
    world.paths.insert("/x".to_owned());
    world.must(Verb::Start, "a.path");
    assert_eq!(runs(&world), 5);
    let view = world.engine.unit("a.path").unwrap();
    assert_eq!(view.active, ActiveState::Failed);
    assert_eq!(view.path.unwrap().as_str(), "unit-start-limit-hit");
}

#[test]
fn units_that_never_run_come_to_the_trigger_limit() {
    let mut world = World::new([
        watches(|it| {
            it.paths.push(watched(PathKind::Exists, "/x"));
            it.trigger_limit_burst = 3;
            it.trigger_limit_interval = TimeSpan::from_secs(9);
        }),
        unit("a.service").condition("/never", false),
    ]);
    world.paths.insert("/x".to_owned());
    world.must(Verb::Start, "a.path");
    let view = world.engine.unit("a.path").unwrap();
    assert_eq!(view.path.unwrap().as_str(), "trigger-limit-hit");
    world.must(Verb::Stop, "a.path");
}

#[test]
fn the_unit_is_told_which_path_it_was() {
    let mut world = World::new([
        watches(|it| {
            it.paths.push(watched(PathKind::Exists, "/none"));
            it.paths.push(watched(PathKind::DirectoryNotEmpty, "/x"));
        }),
        unit("a.service"),
    ]);
    world.paths.insert("/x".to_owned());
    world.must(Verb::Start, "a.path");
    let told = world.environments["a ExecStart"].clone();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        told,
        [pair("TRIGGER_UNIT", "a.path"), pair("TRIGGER_PATH", "/x")]
    );
}

#[test]
fn what_cannot_be_watched_fails() {
    let mut world = world(PathKind::Changed, unit("a.service"));
    world.unwatchable = true;
    let job = world.start("a.path").unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    let view = world.engine.unit("a.path").unwrap();
    assert_eq!(view.path.unwrap().as_str(), "resources");
}

#[test]
fn stopped_it_watches_nothing() {
    let mut world = world(PathKind::Changed, unit("a.service"));
    world.must(Verb::Start, "a.path");
    assert_eq!(world.watched_paths().len(), 1);
    world.must(Verb::Stop, "a.path");
    assert!(world.watched_paths().is_empty());
    // An answer that was on its way.
    let unit = world.engine.unit("a.path").unwrap().id;
    world.send(Event::PathTouched {
        unit,
        watch: 1,
        index: 0,
        changed: true,
    });
    assert_eq!((world.sub("a.path"), runs(&world)), ("dead", 0));
}

#[test]
fn a_restored_engine_says_what_is_to_be_watched() {
    let mut world = world(PathKind::Changed, unit("a.service"));
    world.must(Verb::Start, "a.path");
    let configs = ["a.path", "a.service"].map(|name| world.engine.unit(name).unwrap().config);
    let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    world.engine = crate::engine::Engine::restore(snapshot, configs.into()).unwrap();
    assert_eq!(world.engine.unanswered().len(), 1);
    world.touch("a.path", true);
    assert_eq!((world.sub("a.path"), runs(&world)), ("running", 1));
}
