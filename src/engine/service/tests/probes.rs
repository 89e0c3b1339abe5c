//! Probes in the life of a service.

use super::world::{SECOND, World, command};
use crate::engine::probe::{ProbeResult, Verdict};
use crate::engine::process::ProcessStatus::{Exited, Killed};
use crate::engine::process::Role;
use crate::engine::service::Service;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{
    CommandKind as K, NotifyAccess, ProbeAddress, ProbeConfig, ProbeKind, Restart, RestartMode,
    ServiceConfig, ServiceType, UnitBody,
};
use crate::unit::diagnostic::Position;
use crate::unit::value::{Signal, TimeSpan};
use std::sync::Arc;

/// Adds a probe with a period of a second that needs one answer either way.
fn probed(service: &mut ServiceConfig, kind: ProbeKind) -> &mut ProbeConfig {
    let probe = service
        .probes
        .section_mut(kind, &Position::top("test.service"));
    probe.tcp = Some(ProbeAddress::Unix("/run/a".to_owned()));
    probe.period = TimeSpan::from_secs(1);
    probe.failure_threshold = 1;
    probe
}

fn with(kind: ProbeKind) -> World {
    World::new(|service| {
        probed(service, kind);
    })
}

fn failure() -> ProbeResult {
    ProbeResult::Failure("refused".to_owned())
}

/// Lets an attempt be made, and answers it.
#[track_caller]
fn answer(w: &mut World, kind: ProbeKind, result: ProbeResult) {
    let at = w.asked.iter().position(|order| order.kind == kind);
    let at = at.unwrap_or_else(|| {
        w.pass_to_deadline();
        let at = w.asked.iter().position(|order| order.kind == kind);
        at.expect("an attempt was made")
    });
    let order = w.asked.remove(at).order;
    w.call(|service, cx| service.on_probed(cx, order, 1000, result));
}

fn kinds(w: &World) -> Vec<ProbeKind> {
    w.asked.iter().map(|order| order.kind).collect()
}

#[test]
fn a_failed_liveness_probe_ends_the_service_as_a_stop_does() {
    for (restart, state) in [
        (Restart::No, S::Failed),
        (Restart::OnSuccess, S::Failed),
        (Restart::OnAbort, S::Failed),
        (Restart::OnFailure, S::AutoRestart),
        (Restart::OnAbnormal, S::AutoRestart),
        (Restart::OnWatchdog, S::AutoRestart),
        (Restart::Always, S::AutoRestart),
    ] {
        let mut w = World::new(|service| {
            super::world::all_lists(service);
            probed(service, ProbeKind::Liveness);
            service.restart = restart;
        });
        w.start();
        w.member();
        assert_eq!(w.state(), S::Running);
        answer(&mut w, ProbeKind::Liveness, failure());
        w.assert(state, R::Probe);
        assert_eq!(w.count(K::Stop), 1);
        assert_eq!(w.variable(K::StopPost, "SERVICE_RESULT"), Some("probe"));
        let kill = &w.kills[0];
        assert_eq!(kill.group_signal, Some(Signal::TERM), "the whole unit");
        assert_eq!(w.verdicts, [(ProbeKind::Liveness, Verdict::Bad)]);
    }
}

#[test]
fn a_readiness_probe_ends_nothing() {
    let mut w = with(ProbeKind::Readiness);
    w.start();
    for result in [failure(), ProbeResult::Success, failure()] {
        answer(&mut w, ProbeKind::Readiness, result);
    }
    w.assert(S::Running, R::Success);
    let verdicts: Vec<Verdict> = w.verdicts.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(verdicts, [Verdict::Bad, Verdict::Good, Verdict::Bad]);
    assert_eq!(w.readies, 1);
}

#[test]
fn who_waits_for_readiness() {
    let mut w = with(ProbeKind::Readiness);
    let awaited = |w: &World| w.service.awaits_readiness(&w.config);
    assert!(!awaited(&w), "it is down");
    w.start();
    assert!(awaited(&w));
    answer(&mut w, ProbeKind::Readiness, ProbeResult::Success);
    assert!(!awaited(&w));
    answer(&mut w, ProbeKind::Readiness, failure());
    assert!(!awaited(&w), "once is enough");
    w.end_main(Exited(1));
    w.start();
    assert!(awaited(&w), "but in every run");
}

#[test]
fn a_startup_probe_holds_back_those_types_that_have_no_say() {
    for (service_type, held) in [
        (ServiceType::Simple, true),
        (ServiceType::Exec, true),
        (ServiceType::Idle, true),
        (ServiceType::Notify, false),
    ] {
        let mut w = World::new(|service| {
            service.service_type = service_type;
            service.notify_access = NotifyAccess::Main;
            super::world::add(service, K::StartPost, &["post"]);
            for kind in ProbeKind::ALL {
                probed(service, kind);
            }
        });
        w.start();
        if w.held {
            w.release();
        }
        if service_type == ServiceType::Notify {
            w.main_says(&[("READY", "1")]);
        }
        let state = if held { S::Start } else { S::Running };
        assert_eq!(w.state(), state, "{service_type:?}");
        assert_eq!(w.count(K::StartPost), usize::from(!held));
        w.pass(0);
        assert_eq!(kinds(&w), [ProbeKind::Startup], "it holds the others back");
        answer(&mut w, ProbeKind::Startup, ProbeResult::Success);
        w.assert(S::Running, R::Success);
        assert_eq!(w.count(K::StartPost), 1);
        w.pass(0);
        assert_eq!(kinds(&w), [ProbeKind::Liveness, ProbeKind::Readiness]);
        w.pass(5 * SECOND);
        assert!(!kinds(&w).contains(&ProbeKind::Startup), "it is done");
    }
}

#[test]
fn a_startup_probe_that_fails_ends_the_start() {
    let mut w = World::new(|service| {
        probed(service, ProbeKind::Startup).failure_threshold = 2;
        super::world::add(service, K::Stop, &["stop"]);
    });
    w.start();
    answer(&mut w, ProbeKind::Startup, failure());
    assert_eq!(w.state(), S::Start);
    answer(&mut w, ProbeKind::Startup, failure());
    w.assert(S::Failed, R::Probe);
    assert_eq!(w.count(K::Stop), 0, "it was never up");
}

#[test]
fn the_start_that_waits_for_a_probe_may_take_too_long() {
    for service_type in [ServiceType::Simple, ServiceType::Idle] {
        let mut w = World::new(|service| {
            service.service_type = service_type;
            probed(service, ProbeKind::Startup).period = TimeSpan::from_secs(60);
        });
        w.start();
        w.pass(9 * SECOND);
        assert_eq!(w.state(), S::Start);
        w.pass(9 * SECOND);
        w.assert(S::Failed, R::Timeout);
        assert_eq!(w.called_off.len(), 1, "nobody waits for the answer");
    }
}

#[test]
fn a_program_that_is_held_back_is_not_probed_before_it_runs() {
    let mut w = World::new(|service| {
        service.service_type = ServiceType::Idle;
        probed(service, ProbeKind::Liveness).initial_delay = TimeSpan::from_secs(2);
        probed(service, ProbeKind::Readiness);
    });
    w.start();
    w.assert(S::Running, R::Success);
    w.pass(4 * SECOND);
    assert_eq!((w.count(K::Start), kinds(&w)), (0, vec![]));
    w.release();
    w.pass(SECOND);
    assert_eq!(kinds(&w), [ProbeKind::Readiness]);
    w.pass(SECOND);
    assert_eq!(kinds(&w), [ProbeKind::Readiness, ProbeKind::Liveness]);
}

#[test]
fn a_stop_calls_attempts_off_and_late_answers_find_nobody() {
    let mut w = with(ProbeKind::Liveness);
    w.start();
    w.pass(0);
    let order = w.asked[0].order;
    w.stop();
    assert_eq!(w.called_off, [order]);
    w.assert(S::Dead, R::Success);
    w.call(|service, cx| service.on_probed(cx, order, 1, failure()));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.service.deadline(), None);
}

#[test]
fn the_initial_delay_counts_from_the_start_of_the_program() {
    let mut w = World::new(|service| {
        service.service_type = ServiceType::Notify;
        service.notify_access = NotifyAccess::Main;
        probed(service, ProbeKind::Liveness).initial_delay = TimeSpan::from_secs(5);
    });
    w.start();
    w.pass(3 * SECOND);
    w.main_says(&[("READY", "1")]);
    w.pass(2 * SECOND - 1);
    assert!(w.asked.is_empty());
    w.pass(1);
    assert_eq!(kinds(&w), [ProbeKind::Liveness]);
}

#[test]
fn an_answer_that_got_lost_is_asked_for_again() {
    let mut w = with(ProbeKind::Liveness);
    w.start();
    w.pass(0);
    let lost = w.asked.remove(0).order;
    w.pass(11 * SECOND);
    assert_eq!(w.called_off, [lost]);
    assert_eq!(kinds(&w), [ProbeKind::Liveness]);
    w.assert(S::Running, R::Success);
    answer(&mut w, ProbeKind::Liveness, ProbeResult::Success);
    w.assert(S::Running, R::Success);
}

#[test]
fn a_good_probe_sets_the_doubling_of_the_delay_back() {
    for (kind, delay) in [(ProbeKind::Readiness, 1), (ProbeKind::Startup, 4)] {
        let mut w = World::new(|service| {
            service.restart = Restart::Always;
            service.restart_max_delay = TimeSpan::from_secs(100);
            probed(service, kind);
        });
        w.start();
        for _ in 0..2 {
            w.end_main(Exited(1));
            w.pass_to_deadline();
            w.start();
        }
        answer(&mut w, kind, ProbeResult::Success);
        w.end_main(Exited(1));
        assert_eq!(
            w.service.deadline(),
            Some(w.now + delay * SECOND),
            "{kind:?}"
        );
    }
}

fn exec(change: impl FnOnce(&mut ServiceConfig)) -> World {
    World::new(|service| {
        let probe = probed(service, ProbeKind::Liveness);
        probe.tcp = None;
        probe.exec = Some(command("check"));
        change(service);
    })
}

#[test]
fn commands_of_probes_run_beside_the_main_process() {
    let mut w = exec(|_| ());
    w.start();
    w.pass(0);
    let spawn = w.spawns.last().unwrap();
    assert_eq!(spawn.role, Role::Probe(ProbeKind::Liveness));
    assert!(!spawn.notify && !spawn.first && spawn.passed.is_empty());
    let main = w.service.view().main_pid;
    let told = spawn.environment.iter().find(|(name, _)| name == "MAINPID");
    assert_eq!(told.map(|(_, pid)| pid.clone()), Some(main.to_string()));
    w.assert(S::Running, R::Success);
    let view = w.service.view();
    assert_eq!(view.probes[&ProbeKind::Liveness].successes, 1);
    assert!(view.commands.iter().all(|it| it.kind == K::Start));
    w.ends.insert((K::StartPost, 0), Exited(3));
    w.pass(SECOND);
    w.assert(S::Failed, R::Probe);
    let failure = &w.service.view().probes[&ProbeKind::Liveness].failure;
    assert_eq!(failure, "exited with status 3");
}

#[test]
fn a_command_that_takes_too_long_is_killed_and_has_failed() {
    let mut w = exec(|service| service.restart_mode = RestartMode::Normal);
    w.lasting.insert((K::StartPost, 0));
    w.start();
    w.pass(0);
    let process = w.spawns.last().unwrap().process;
    w.pass(SECOND);
    let kill = &w.kills[0];
    assert_eq!((kill.signal, kill.group_signal), (Signal::KILL, None));
    assert_eq!(kill.processes, [process]);
    w.assert(S::Failed, R::Probe);
    let failure = &w.service.view().probes[&ProbeKind::Liveness].failure;
    assert_eq!(failure, "no answer within 1s");
}

#[test]
fn a_command_that_cannot_be_started_has_failed_and_a_skipped_one_has_not() {
    let mut w = exec(|_| ());
    w.unspawnable.insert((K::StartPost, 0));
    w.start();
    w.pass(0);
    w.assert(S::Failed, R::Probe);
    let mut w = exec(|_| ());
    w.slow.insert((K::StartPost, 0));
    w.start();
    w.pass(0);
    let process = w.spawns.last().unwrap().process;
    w.call(|service, cx| service.probe_skipped(cx, process));
    w.assert(S::Running, R::Success);
}

#[test]
fn a_command_that_comes_to_be_after_the_end_is_killed() {
    let mut w = exec(|_| ());
    w.slow.insert((K::StartPost, 0));
    w.start();
    w.pass(0);
    let process = w.spawns.last().unwrap().process;
    w.stop();
    w.answer_spawns();
    w.assert(S::Dead, R::Success);
    assert!(w.kills.iter().any(|kill| kill.processes.contains(&process)));
    assert!(!w.service.has_processes());
}

#[test]
fn probes_come_and_go_with_the_unit_file() {
    let mut w = with(ProbeKind::Startup);
    w.start();
    w.pass(0);
    let change = |w: &mut World, change: &dyn Fn(&mut ServiceConfig)| {
        let config = Arc::make_mut(&mut w.config);
        let UnitBody::Service(service) = &mut config.body else {
            panic!("a service");
        };
        change(service);
        w.call(Service::look_at_probes);
    };
    change(&mut w, &|service| service.probes = Default::default());
    w.assert(S::Running, R::Success);
    assert_eq!(w.called_off.len(), 1);
    assert_eq!(w.service.deadline(), None);
    change(&mut w, &|service| {
        probed(service, ProbeKind::Liveness);
    });
    w.asked.clear();
    w.pass(0);
    assert_eq!(kinds(&w), [ProbeKind::Liveness]);
}

#[test]
fn a_service_that_has_exited_and_stays_up_is_probed_too() {
    let mut w = World::oneshot(|service| {
        service.remain_after_exit = true;
        probed(service, ProbeKind::Liveness);
    });
    w.start();
    assert_eq!(w.state(), S::Exited);
    answer(&mut w, ProbeKind::Liveness, failure());
    w.assert(S::Failed, R::Probe);
}

#[test]
fn the_end_of_the_main_process_ends_probing() {
    let mut w = with(ProbeKind::Liveness);
    w.start();
    w.pass(0);
    w.end_main(Killed(Signal::KILL));
    w.assert(S::Failed, R::Signal);
    assert_eq!(w.called_off.len(), 1);
}
