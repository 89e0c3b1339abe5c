//! Units that nobody needs go, and everything they had with them (L10).

use super::world::{UnitBuilder, World, unit};
use crate::engine::event::{Event, Verb};
use crate::engine::ids::RequestId;
use crate::engine::process::ProcessStatus;
use crate::engine::state::ActiveState;
use crate::engine::{Effect, Engine, Refusal};
use crate::unit::config::{
    CollectMode, CommandKind, DependencyKind, JobMode, KillMode, LoadState, Restart, ServiceType,
};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;

const KILLED: ProcessStatus = ProcessStatus::Killed(Signal::KILL);

fn name(text: &str) -> UnitName {
    UnitName::parse(text).unwrap()
}

fn is_loaded(world: &World, name: &str) -> bool {
    world.engine.unit(name).is_some()
}

#[test]
fn a_unit_that_nobody_needs_goes_when_it_is_down() {
    let mut world = World::new([unit("a.service")]);
    world.must(Verb::Start, "a.service");
    let id = world.engine.unit("a.service").unwrap().id;
    assert!(world.collect().is_empty());
    world.must(Verb::Stop, "a.service");
    assert_eq!(world.collect(), ["a.service"]);
    assert!(!is_loaded(&world, "a.service"));
    assert!(world.engine.unit_names().is_empty());
    assert!(world.engine.unit_by_id(id).is_none());
    assert_eq!(
        world.start("a.service"),
        Err(Refusal::NotFound("a.service".to_owned()))
    );
    // Read anew, it is another unit; news of the old one concern nobody.
    world.load([unit("a.service")]);
    let again = world.engine.unit("a.service").unwrap();
    assert_ne!(again.id, id);
    assert_eq!(again.service.unwrap().runs, 0);
    world.send(Event::GroupEmpty { unit: id });
    world.must(Verb::Start, "a.service");
}

#[test]
fn what_a_failed_unit_says_stays_to_be_seen_unless_told_otherwise() {
    for (mode, gone) in [
        (CollectMode::Inactive, &[][..]),
        (CollectMode::InactiveOrFailed, &["a.service"]),
    ] {
        let mut world = World::new([unit("a.service").config(|c| c.unit.collect_mode = mode)]);
        world.must(Verb::Start, "a.service");
        world.end("a.service", KILLED);
        assert_eq!(world.state("a.service"), ActiveState::Failed);
        assert_eq!(world.collect(), gone, "{mode:?}");
    }
    let mut world = World::new([unit("a.service")]);
    world.must(Verb::Start, "a.service");
    world.end("a.service", KILLED);
    assert!(world.collect().is_empty());
    world.send(Event::ResetFailed {
        request: RequestId(9),
        unit: None,
    });
    assert_eq!(world.collect(), ["a.service"]);
}

#[test]
fn who_stays_keeps_all_that_its_files_name_and_nobody_that_names_it() {
    let kinds = [
        DependencyKind::Requires,
        DependencyKind::Wants,
        DependencyKind::After,
        DependencyKind::Before,
        DependencyKind::Conflicts,
        DependencyKind::PartOf,
        DependencyKind::OnFailure,
        DependencyKind::PropagatesReloadTo,
    ];
    for kind in kinds {
        let mut world = World::new([
            unit("up.service").dependency(kind, "named.service"),
            unit("named.service").after("further.service"),
            unit("further.service"),
            unit("names.service").dependency(kind, "up.service"),
        ]);
        world.must(Verb::Start, "up.service");
        if is_loaded(&world, "named.service") {
            world.must(Verb::Stop, "names.service");
        }
        let mut gone = world.collect();
        gone.retain(|name| name != "named.service" && name != "further.service");
        assert_eq!(gone, ["names.service"], "{kind:?}");
        assert!(is_loaded(&world, "named.service"), "{kind:?}");
        assert!(is_loaded(&world, "further.service"), "{kind:?}");
    }
}

#[test]
fn circles_go_together_and_not_before() {
    let mut world = World::new([
        unit("all.target").wants("one.service"),
        unit("one.service").after("two.service"),
        unit("two.service")
            .after("one.service")
            .wants("none.service"),
    ]);
    world.must(Verb::Start, "all.target");
    world.must(Verb::Stop, "one.service");
    assert!(world.collect().is_empty(), "the target names it");
    world.must(Verb::Stop, "all.target");
    let gone = ["all.target", "none.service", "one.service", "two.service"];
    assert_eq!(world.collect(), gone);
}

#[test]
fn jobs_processes_timers_and_losses_keep_a_unit() {
    let mut world = World::new([
        unit("waits.service").restart(Restart::Always),
        unit("left.service")
            .service(|s| s.kill.mode = KillMode::None)
            .exec(CommandKind::Stop, "true"),
        unit("core.service"),
        unit("back.service")
            .binds_to("core.service")
            .after("core.service")
            .config(|c| c.procmgr.restart_with_dependency = true),
    ]);
    for name in ["waits.service", "left.service", "back.service"] {
        world.must(Verb::Start, name);
    }
    world.end("waits.service", KILLED);
    world.end("core.service", KILLED);
    assert_eq!(world.sub("waits.service"), "auto-restart");
    assert_eq!(world.state("back.service"), ActiveState::Inactive);
    assert!(world.collect().is_empty());
    world.must(Verb::Stop, "back.service");
    assert_eq!(world.collect(), ["back.service"]);
    world.must(Verb::Stop, "waits.service");
    assert_eq!(world.collect(), ["waits.service"]);
}

/// Takes an event in; nobody answers what it leads to.
fn unanswered(world: &mut World, event: Event) -> Vec<Effect> {
    world.engine.handle(world.now, event);
    std::iter::from_fn(|| world.engine.poll_effect()).collect()
}

fn request(verb: Verb, unit: &str) -> Event {
    Event::Request {
        request: RequestId(70),
        unit: name(unit),
        verb,
        mode: JobMode::Replace,
    }
}

#[test]
fn a_process_that_does_not_come_to_be_keeps_its_unit_until_that_is_known() {
    for stopped in [false, true] {
        let mut world = World::new([unit("a.service")
            .service(|s| s.kill.mode = KillMode::None)
            .config(|c| c.unit.collect_mode = CollectMode::InactiveOrFailed)]);
        let effects = unanswered(&mut world, request(Verb::Start, "a.service"));
        let mut spawned = effects.iter().filter_map(|effect| match effect {
            Effect::Spawn(spawn) => Some(spawn.process),
            _ => None,
        });
        let process = spawned.next().unwrap();
        if stopped {
            unanswered(&mut world, request(Verb::Stop, "a.service"));
            assert_eq!(world.state("a.service"), ActiveState::Inactive);
        }
        assert!(world.collect().is_empty(), "it may come");
        let reason = "no memory".to_owned();
        unanswered(&mut world, Event::SpawnFailed { process, reason });
        assert_eq!(world.collect(), ["a.service"], "stopped: {stopped}");
    }
}

#[test]
fn an_idle_service_that_never_came_to_run_goes() {
    let idle = unit("idle.service").service(|s| {
        s.service_type = ServiceType::Idle;
        s.kill.mode = KillMode::Process;
    });
    let mut world = World::new([idle, unit("busy.service").oneshot("stay")]);
    world.start("busy.service").unwrap();
    world.must(Verb::Start, "idle.service");
    assert_eq!(world.trace, ["busy ExecStart"]);
    world.must(Verb::Stop, "idle.service");
    assert_eq!(world.collect(), ["idle.service"]);
}

#[test]
fn an_answer_about_conditions_that_comes_when_the_unit_is_gone_concerns_nobody() {
    let conditional = unit("a.service")
        .condition("/never", false)
        .exec(CommandKind::Reload, "true");
    let mut world = World::new([conditional]);
    let mut checks = Vec::new();
    for verb in [Verb::Start, Verb::Reload] {
        let effects = unanswered(&mut world, request(verb, "a.service"));
        checks.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Check { check, .. } => Some(*check),
            _ => None,
        }));
    }
    let [first, second] = checks[..] else {
        panic!("the start was asked for once more");
    };
    let answer = |check| Event::Checked {
        check,
        results: vec![false],
    };
    unanswered(&mut world, answer(second));
    assert_eq!(world.collect(), ["a.service"]);
    assert!(unanswered(&mut world, answer(first)).is_empty());
}

#[test]
fn what_was_lost_and_is_not_waited_for_any_more_keeps_nobody() {
    let bound = || {
        unit("back.service")
            .binds_to("core.service")
            .after("core.service")
    };
    let back = |unit: UnitBuilder| unit.config(|c| c.procmgr.restart_with_dependency = true);
    for now in [bound(), back(unit("back.service"))] {
        let core = unit("core.service");
        let mut world = World::new([
            core.config(|c| c.unit.collect_mode = CollectMode::InactiveOrFailed),
            back(bound()),
        ]);
        world.must(Verb::Start, "back.service");
        world.end("core.service", KILLED);
        assert!(world.collect().is_empty(), "it waits for the other");
        world.load([now]);
        assert_eq!(world.collect(), ["back.service", "core.service"]);
    }
}

#[test]
fn a_process_whose_end_was_never_reported_does_not_outlive_its_unit_in_a_snapshot() {
    let mut world = World::new([
        unit("a.service").config(|c| c.unit.collect_mode = CollectMode::InactiveOrFailed)
    ]);
    world.must(Verb::Start, "a.service");
    let id = world.engine.unit("a.service").unwrap().id;
    unanswered(&mut world, request(Verb::Stop, "a.service"));
    while let Some(deadline) = world.engine.next_deadline() {
        world.now.monotonic = deadline;
        unanswered(&mut world, Event::Elapsed);
    }
    unanswered(&mut world, Event::GroupEmpty { unit: id });
    assert_eq!(world.collect(), ["a.service"]);
    let json = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&json).unwrap();
    assert!(Engine::restore(snapshot, Vec::new()).is_ok());
}

#[test]
fn what_the_daemon_was_told_to_run_and_what_clients_hold_stays() {
    let mut world = World::new([unit("kept.service"), unit("held.service")]);
    world.send(Event::Keep {
        unit: name("kept.service"),
    });
    let hold = |world: &mut World, holder| {
        world.send(Event::Hold {
            request: RequestId(50),
            unit: name("held.service"),
            holder,
        });
    };
    hold(&mut world, 7);
    hold(&mut world, 7);
    hold(&mut world, 8);
    let release = |world: &mut World, holder| {
        let request = RequestId(51);
        world.send(Event::Release {
            request,
            unit: name("held.service"),
            holder,
        });
        world.replies.remove(&request).unwrap().map(|_| ())
    };
    assert_eq!(release(&mut world, 7), Ok(()));
    assert!(world.collect().is_empty());
    assert_eq!(release(&mut world, 7), Ok(()));
    assert_eq!(release(&mut world, 7), Err(Refusal::NotHeld));
    assert!(world.collect().is_empty());
    world.send(Event::HolderGone { holder: 8 });
    assert_eq!(world.collect(), ["held.service"]);
    assert!(is_loaded(&world, "kept.service"));
    // Without a file there is nothing to be kept.
    world.load([unit("kept.service").config(|c| c.load = LoadState::NotFound)]);
    assert_eq!(world.collect(), ["kept.service"]);
}

#[test]
fn reading_again_lets_go_of_what_is_no_longer_named() {
    let mut world = World::new([
        unit("up.service").wants("old.service").wants("fact.mount"),
        unit("old.service"),
        unit("fact.mount"),
    ]);
    world.must(Verb::Start, "up.service");
    world.must(Verb::Stop, "old.service");
    assert!(world.collect().is_empty());
    world.load([unit("up.service").wants("new.service")]);
    assert_eq!(world.collect(), ["fact.mount", "old.service"]);
    assert!(is_loaded(&world, "new.service"), "if only as not found");
    // A file that has gone: what runs of it stays until it ends.
    world.load([unit("up.service").config(|c| c.load = LoadState::NotFound)]);
    assert_eq!(world.collect(), ["new.service"]);
    world.must(Verb::Stop, "up.service");
    assert_eq!(world.collect(), ["up.service"]);
}

#[test]
fn aliases_go_with_their_unit() {
    let aliased = || unit("own.service").config(|c| c.aliases = [name("other.service")].into());
    let mut world = World::new([aliased()]);
    assert_eq!(world.collect(), ["own.service"]);
    assert!(!is_loaded(&world, "other.service"));
    // A name that became an alias while its unit was up falls back to that unit.
    world.load([unit("other.service")]);
    world.must(Verb::Start, "other.service");
    world.load([aliased()]);
    assert_eq!(world.collect(), ["own.service"]);
    assert_eq!(world.state("other.service"), ActiveState::Active);
    world.must(Verb::Stop, "other.service");
    assert_eq!(world.collect(), ["other.service"]);
}

#[test]
fn a_snapshot_knows_the_numbers_that_are_gone() {
    let mut world = World::new([unit("a.service"), unit("b.service")]);
    world.must(Verb::Start, "b.service");
    assert_eq!(world.collect(), ["a.service"]);
    let json = serde_json::to_string(&world.engine.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&json).unwrap();
    let units = vec![unit("b.service").arc()];
    world.engine = Engine::restore(snapshot, units).unwrap();
    let before = world.engine.unit("b.service").unwrap().id;
    world.load([unit("a.service")]);
    assert_ne!(world.engine.unit("a.service").unwrap().id, before);
    assert_eq!(world.collect(), ["a.service"]);
    world.must(Verb::Stop, "b.service");
    assert_eq!(world.collect(), ["b.service"]);
}

#[test]
fn five_thousand_units_are_let_go_of_in_no_time() {
    let many = (0..5000).map(|n| unit(&format!("u{n}.service")).after("base.mount"));
    let base: Vec<UnitBuilder> = vec![unit("base.mount")];
    let mut world = World::new(many.chain(base));
    assert_eq!(world.collect().len(), 5001);
}
