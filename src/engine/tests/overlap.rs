//! Jobs that restart with an overlap: who may, and how they meet other jobs and units.

use super::world::{UnitBuilder, World, unit};
use super::{ActiveState, JobResult, Refusal, Verb};
use crate::engine::state::JobKind;
use crate::engine::{Engine, ProcessStatus};
use crate::unit::config::{CommandKind, NotifyAccess, PreserveMode, ServiceType};

const WEB: &str = "web.service";

/// A service with a socket, both up; what needs it is up, too.
fn web(change: impl FnOnce(UnitBuilder) -> UnitBuilder) -> World {
    let mut world = World::new([
        unit("web.socket").listens(),
        change(unit(WEB)),
        unit("app.service").requires(WEB).after(WEB),
    ]);
    world.must(Verb::Start, "web.socket");
    world.start(WEB).unwrap();
    if world.state(WEB) == ActiveState::Activating {
        world.newest_says(WEB, &[("READY", "1")], Vec::new());
    }
    world.must(Verb::Start, "app.service");
    world.take_trace();
    world.queued.clear();
    world
}

/// It says when it is ready.
fn speaks(unit: UnitBuilder) -> UnitBuilder {
    unit.service(|service| {
        service.service_type = ServiceType::Notify;
        service.notify_access = NotifyAccess::Main;
    })
}

/// It ends by SIGKILL only.
fn deaf(name: &str) -> UnitBuilder {
    unit(name).service(|service| {
        service.commands.get_mut(CommandKind::Start)[0].program = "stubborn".to_owned();
    })
}

fn overlaps(world: &World) -> Vec<JobKind> {
    world.queued.iter().map(|(_, kind)| *kind).collect()
}

#[test]
fn the_new_process_gets_the_sockets_and_nobody_else_is_concerned() {
    let mut world = web(|unit| unit);
    world.must(Verb::RestartOverlap, WEB);
    assert_eq!(
        world.take_trace(),
        ["web ExecStart", "web SIGTERM", "web ended"]
    );
    assert_eq!(world.passed["web ExecStart"], ["Socket web.socket"]);
    assert_eq!(overlaps(&world), [JobKind::Overlap]);
    assert_eq!(world.process_count(WEB), 1);
}

#[test]
fn an_ordinary_restart_does_it_where_the_unit_says_so_and_can() {
    let mut world = web(|unit| unit.config(|config| config.procmgr.restart_overlap = true));
    world.must(Verb::Restart, WEB);
    assert_eq!(overlaps(&world), [JobKind::Overlap]);
    // Not one that is only a try, nor one of a unit that cannot.
    world.queued.clear();
    world.must(Verb::TryRestart, "app.service");
    let alone = unit("alone.service").config(|config| config.procmgr.restart_overlap = true);
    world.load([alone]);
    world.must(Verb::Start, "alone.service");
    world.queued.clear();
    world.must(Verb::Restart, "alone.service");
    assert_eq!(overlaps(&world), [JobKind::Restart]);
}

#[test]
fn it_is_refused_where_two_generations_cannot_be() {
    type Change = fn(UnitBuilder) -> UnitBuilder;
    let kinds: [(Change, &str); 5] = [
        (
            |unit| unit.service(|it| it.service_type = ServiceType::Dbus),
            "Type=dbus",
        ),
        (
            |unit| unit.service(|it| it.pid_file = Some("/run/x".to_owned())),
            "PIDFile=",
        ),
        (
            |unit| unit.service(|it| it.exit_type = crate::unit::config::ExitType::Cgroup),
            "ExitType=cgroup",
        ),
        (
            |unit| unit.service(|it| it.kill.mode = crate::unit::config::KillMode::None),
            "KillMode=none",
        ),
        (
            |unit| unit.config(|it| it.resource.delegate = Some(Default::default())),
            "Delegate=",
        ),
    ];
    for (change, reason) in kinds {
        let mut world = web(|unit| unit);
        world.load([change(unit(WEB))]);
        let refusal = world.ask(Verb::RestartOverlap, WEB).unwrap_err();
        assert!(matches!(&refusal, Refusal::Invalid(text) if text.contains(reason)));
        // What is not up has nobody to be beside of.
        world.must(Verb::Stop, WEB);
        world.queued.clear();
        let _ = world.ask(Verb::RestartOverlap, WEB);
        assert_eq!(overlaps(&world), [JobKind::Restart]);
    }
}

#[test]
fn a_store_is_shared_too_and_both_may_use_it() {
    let keep = || {
        speaks(unit("keep.service")).service(|service| {
            service.descriptor_store_max = 3;
            service.descriptor_store_preserve = PreserveMode::Restart;
        })
    };
    let mut world = World::new([keep()]);
    world.start("keep.service").unwrap();
    world.newest_says("keep.service", &[("READY", "1")], Vec::new());
    assert!(world.ask(Verb::RestartOverlap, "keep.service").is_err());
    let stored = |world: &mut World, name| {
        let descriptor = world.descriptor();
        let fields = [("FDSTORE", "1"), ("FDNAME", name)];
        world.newest_says("keep.service", &fields, vec![descriptor]);
        descriptor
    };
    stored(&mut world, "listener");
    let job = world.ask(Verb::RestartOverlap, "keep.service").unwrap();
    assert_eq!(world.passed["keep ExecStart"], ["Stored listener"]);
    // The new one keeps something before it is ready, and then does not become so.
    stored(&mut world, "new");
    world.wait();
    assert_eq!(world.results[&job], JobResult::Failed);
    assert_eq!(world.engine.unit("keep.service").unwrap().stored, 2);
    assert_eq!(world.closed, []);
    let job = world.ask(Verb::RestartOverlap, "keep.service").unwrap();
    world.newest_says("keep.service", &[("READY", "1")], Vec::new());
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(world.engine.unit("keep.service").unwrap().stored, 2);
}

#[test]
fn a_job_fails_with_the_new_one_and_nobody_else_does() {
    let mut world = web(speaks);
    world.load([speaks(unit(WEB)).exec(CommandKind::StartPre, "false")]);
    let job = world.ask(Verb::RestartOverlap, WEB).unwrap();
    assert_eq!(world.results[&job], JobResult::Failed);
    for name in [WEB, "app.service", "web.socket"] {
        assert_eq!(world.state(name), ActiveState::Active);
    }
}

#[test]
fn the_same_asked_twice_is_one_job() {
    let mut world = web(speaks);
    let first = world.ask(Verb::RestartOverlap, WEB).unwrap();
    assert_eq!(world.ask(Verb::RestartOverlap, WEB), Ok(first));
    assert_eq!(world.ask(Verb::Start, WEB), Ok(first));
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    assert_eq!(world.results[&first], JobResult::Done);
    let starts = world.take_trace();
    assert_eq!(starts.iter().filter(|it| *it == "web ExecStart").count(), 1);
}

#[test]
fn a_reload_meanwhile_is_another_new_generation() {
    let mut world = web(|unit| speaks(unit).exec(CommandKind::Reload, "true"));
    let first = world.ask(Verb::RestartOverlap, WEB).unwrap();
    let second = world.ask(Verb::Reload, WEB).unwrap();
    assert_eq!(first, second);
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    assert_eq!(world.results.get(&first), None, "what it read may be old");
    assert_eq!(world.process_count(WEB), 2);
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    assert_eq!(world.results[&first], JobResult::Done);
    assert_eq!(world.process_count(WEB), 1);
}

#[test]
fn stop_and_restart_end_both() {
    for verb in [Verb::Stop, Verb::Restart] {
        let mut world = web(speaks);
        let first = world.ask(Verb::RestartOverlap, WEB).unwrap();
        let job = world.ask(verb, WEB).unwrap();
        match verb {
            Verb::Stop => {
                assert_eq!(world.results[&first], JobResult::Canceled);
                assert_eq!(world.state("app.service"), ActiveState::Inactive);
                assert_eq!(world.process_count(WEB), 0);
            }
            _ => world.newest_says(WEB, &[("READY", "1")], Vec::new()),
        }
        assert_eq!(world.results[&job], JobResult::Done, "{verb:?}");
    }
}

#[test]
fn a_job_that_is_canceled_leaves_it_to_itself() {
    let mut world = web(speaks);
    let first = world.ask(Verb::RestartOverlap, WEB).unwrap();
    world.cancel(Some(first)).unwrap();
    assert_eq!(world.process_count(WEB), 2);
    let second = world.ask(Verb::RestartOverlap, WEB).unwrap();
    assert_eq!(world.process_count(WEB), 2, "it waits");
    for _ in 0..2 {
        assert_eq!(world.results.get(&second), None);
        world.newest_says(WEB, &[("READY", "1")], Vec::new());
    }
    assert_eq!(world.results[&second], JobResult::Done);
    assert_eq!(world.process_count(WEB), 1);
}

#[test]
fn it_brings_what_a_restart_brings() {
    let mut world = World::new([
        unit("web.socket").listens(),
        unit("rival.service"),
        unit("more.service"),
        unit(WEB),
    ]);
    for name in ["web.socket", WEB, "rival.service"] {
        world.must(Verb::Start, name);
    }
    let changed = unit(WEB).conflicts("rival.service");
    world.load([changed.wants("more.service")]);
    world.must(Verb::RestartOverlap, WEB);
    assert_eq!(world.state("rival.service"), ActiveState::Inactive);
    assert_eq!(world.state("more.service"), ActiveState::Active);
    assert_eq!(world.state(WEB), ActiveState::Active);
}

#[test]
fn one_that_waits_for_another_does_not_look_at_the_sockets_meanwhile() {
    let mut world = web(speaks);
    let first = world.ask(Verb::RestartOverlap, WEB).unwrap();
    world.cancel(Some(first)).unwrap();
    let second = world.ask(Verb::RestartOverlap, WEB).unwrap();
    world.must(Verb::Stop, "web.socket");
    // All jobs are looked at.
    world.load([unit("app.service").requires(WEB).after(WEB)]);
    assert_eq!(world.process_count(WEB), 2);
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    // Now there is nothing that two could share.
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    assert_eq!(world.results[&second], JobResult::Done);
    assert_eq!(world.process_count(WEB), 1);
}

#[test]
fn who_is_held_back_is_restarted_as_ever() {
    let idle = |unit: UnitBuilder| unit.service(|it| it.service_type = ServiceType::Idle);
    let busy = unit("busy.service").oneshot("stay");
    let mut world = World::new([unit("web.socket").listens(), idle(unit(WEB)), busy]);
    world.must(Verb::Start, "web.socket");
    world.start("busy.service").unwrap();
    world.must(Verb::Start, WEB);
    assert_eq!(world.process_count(WEB), 0, "it waits until all is quiet");
    let job = world.ask(Verb::RestartOverlap, WEB).unwrap();
    assert_eq!(world.results.get(&job), Some(&JobResult::Done));
}

#[test]
fn it_waits_for_a_reload() {
    let mut world = web(|unit| speaks(unit).exec(CommandKind::Reload, "stay"));
    let reload = world.ask(Verb::Reload, WEB).unwrap();
    let job = world.ask(Verb::RestartOverlap, WEB).unwrap();
    assert_eq!(reload, job);
    assert_eq!(world.process_count(WEB), 2);
    // The reload takes too long.
    world.wait();
    assert_eq!(world.results.get(&job), None);
    world.newest_says(WEB, &[("READY", "1")], Vec::new());
    assert_eq!(world.results[&job], JobResult::Done);
}

#[test]
fn another_engine_goes_on_in_the_middle() {
    for ready in [false, true] {
        let mut world = World::new([unit("deaf.socket").listens(), speaks(deaf("deaf.service"))]);
        world.must(Verb::Start, "deaf.socket");
        world.start("deaf.service").unwrap();
        world.newest_says("deaf.service", &[("READY", "1")], Vec::new());
        let job = world.ask(Verb::RestartOverlap, "deaf.service").unwrap();
        if ready {
            world.newest_says("deaf.service", &[("READY", "1")], Vec::new());
        }
        assert_eq!(world.process_count("deaf.service"), 2);
        let names = world.engine.unit_names();
        let views = names
            .iter()
            .map(|it| world.engine.unit(it.as_str()).unwrap());
        let configs = views.map(|view| view.config).collect();
        let text = serde_json::to_string(&world.engine.snapshot()).unwrap();
        world.engine = Engine::restore(serde_json::from_str(&text).unwrap(), configs).unwrap();
        assert!(world.engine.poll_effect().is_none());
        if !ready {
            world.newest_says("deaf.service", &[("READY", "1")], Vec::new());
        }
        assert_eq!(world.results.get(&job), None);
        world.wait();
        assert_eq!(world.results[&job], JobResult::Done);
        assert_eq!(world.process_count("deaf.service"), 1);
    }
}

#[test]
fn a_service_that_ends_meanwhile_fails_the_job() {
    let mut world = web(|unit| speaks(unit).exec(CommandKind::StartPre, "true"));
    let stays = speaks(unit(WEB)).exec(CommandKind::StartPre, "stay");
    world.load([stays]);
    let job = world.ask(Verb::RestartOverlap, WEB).unwrap();
    world.end(WEB, ProcessStatus::Exited(1));
    assert_eq!(world.results[&job], JobResult::Failed);
    assert_eq!(world.state(WEB), ActiveState::Failed);
    assert_eq!(world.process_count(WEB), 0);
}
