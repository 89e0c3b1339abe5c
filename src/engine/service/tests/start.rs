//! Coming up (checklist rows M1-M3, M6, M7, J9, E7-E9).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::{Exited, Killed};
use crate::engine::service::NotNow;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, NotifyAccess, ServiceConfig, ServiceType};
use crate::unit::value::{Signal, TimeSpan};

fn of_type(service_type: ServiceType) -> impl FnOnce(&mut ServiceConfig) {
    move |service| {
        service.service_type = service_type;
        if matches!(
            service_type,
            ServiceType::Notify | ServiceType::NotifyReload
        ) {
            service.notify_access = NotifyAccess::Main;
        }
    }
}

#[test]
fn all_lists_run_in_order() {
    let mut w = World::new(|s| {
        all_lists(s);
        add(s, K::StartPre, &["second"]);
    });
    w.start();
    w.assert(S::Running, R::Success);
    w.stop();
    w.assert(S::Dead, R::Success);
    let wanted = [
        "ExecCondition0",
        "ExecStartPre0",
        "ExecStartPre1",
        "ExecStart0",
        "ExecStartPost0",
        "ExecStop0",
        "ExecStopPost0",
    ];
    assert_eq!(w.ran(), wanted);
    let wanted = [
        S::Condition,
        S::StartPre,
        S::Start,
        S::StartPost,
        S::Running,
        S::Stop,
        S::StopSigterm,
        S::StopPost,
        S::FinalSigterm,
        S::Dead,
    ];
    assert_eq!(w.states, wanted);
    assert!(
        w.spawns[0].first,
        "directories are made for the first command"
    );
    assert!(w.spawns[1..].iter().all(|spawn| !spawn.first));
}

#[test]
fn simple_is_up_once_spawned_even_if_the_exec_failed() {
    for service_type in [ServiceType::Simple, ServiceType::Idle] {
        let mut w = World::new(of_type(service_type));
        w.unexecutable.insert((K::Start, 0), 203);
        w.start();
        assert!(w.states.contains(&S::Running));
        if service_type == ServiceType::Idle {
            w.release();
        }
        w.assert(S::Failed, R::ExitCode);
        assert_eq!(w.service.view().exec_main_status, Some(Exited(203)));
    }
}

#[test]
fn simple_waits_for_the_answer_to_its_spawn() {
    let mut w = World::new(|_| ());
    w.slow.insert((K::Start, 0));
    w.start();
    assert_eq!(w.state(), S::Start);
    w.answer_spawns();
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().runs, 1);
}

#[test]
fn exec_fails_before_it_is_up() {
    let mut w = World::new(|s| {
        of_type(ServiceType::Exec)(s);
        all_lists(s);
    });
    w.unexecutable.insert((K::Start, 0), 203);
    w.start();
    assert!(!w.states.contains(&S::Running));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));

    let mut w = World::new(of_type(ServiceType::Exec));
    w.start();
    w.assert(S::Running, R::Success);
}

#[test]
fn oneshot_runs_its_commands_one_after_another() {
    let mut w = World::oneshot(|s| add(s, K::Start, &["two", "three"]));
    w.start();
    assert_eq!(w.ran(), ["ExecStart0", "ExecStart1", "ExecStart2"]);
    w.assert(S::Dead, R::Success);
    assert_eq!(w.service.view().runs, 1);
    assert_eq!(w.service.view().commands.len(), 3);

    let mut w = World::oneshot(|s| {
        s.remain_after_exit = true;
        add(s, K::Start, &["two"]);
    });
    w.start();
    w.assert(S::Exited, R::Success);
}

#[test]
fn oneshot_stops_at_the_first_failure_that_counts() {
    let mut w = World::oneshot(|s| {
        add(s, K::Start, &["two", "three"]);
        s.commands.get_mut(K::Start)[0].ignore_failure = true;
        s.remain_after_exit = true;
        all_lists(s);
    });
    w.ends.insert((K::Start, 0), Exited(1));
    w.ends.insert((K::Start, 1), Exited(2));
    w.start();
    assert_eq!(
        (w.count(K::Start), w.count(K::Stop), w.count(K::StopPost)),
        (2, 0, 1)
    );
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.service.view().commands.len(), 5);
}

#[test]
fn oneshot_without_commands_is_up_at_once() {
    let mut w = World::oneshot(|s| {
        s.commands.get_mut(K::Start).clear();
        s.remain_after_exit = true;
        add(s, K::StartPre, &["pre"]);
        add(s, K::Stop, &["stop"]);
    });
    w.start();
    w.assert(S::Exited, R::Success);
    assert!(w.states.contains(&S::Start), "dependents see it activating");
    w.stop();
    assert_eq!(w.count(K::Stop), 1);
    w.assert(S::Dead, R::Success);
}

#[test]
fn oneshot_counts_term_as_failure_simple_does_not() {
    let mut w = World::oneshot(|_| ());
    w.ends.insert((K::Start, 0), Killed(Signal::TERM));
    w.start();
    w.assert(S::Failed, R::Signal);

    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::PIPE] {
        let mut w = World::new(|_| ());
        w.start();
        w.end_main(Killed(signal));
        w.assert(S::Dead, R::Success);
    }
}

#[test]
fn notify_is_up_when_it_says_so() {
    let mut w = World::new(of_type(ServiceType::Notify));
    w.start();
    assert_eq!(w.state(), S::Start);
    w.main_says(&[("READY", "1"), ("STATUS", "at your service")]);
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().status_text, "at your service");
}

#[test]
fn notify_that_ends_without_ready_breaks_the_protocol() {
    let mut w = World::new(of_type(ServiceType::Notify));
    w.start();
    w.end_main(Exited(0));
    w.assert(S::Failed, R::Protocol);

    let mut w = World::new(of_type(ServiceType::Notify));
    w.start();
    w.end_main(Exited(3));
    w.assert(S::Failed, R::ExitCode);

    // With RemainAfterExit= somebody else may still say it, until nobody is left.
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::All;
        s.remain_after_exit = true;
    });
    w.start();
    let helper = w.member();
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::Start);
    w.end(helper, Exited(0));
    w.assert(S::Failed, R::Protocol);
}

#[test]
fn condition_decides() {
    for (code, state, result) in [
        (1, S::Dead, R::ExecCondition),
        (254, S::Dead, R::ExecCondition),
        (255, S::Failed, R::ExitCode),
    ] {
        let mut w = World::new(|s| {
            all_lists(s);
            s.restart = crate::unit::config::Restart::No;
        });
        w.ends.insert((K::Condition, 0), Exited(code));
        w.start();
        w.assert(state, result);
        assert_eq!(w.ran(), ["ExecCondition0", "ExecStopPost0"], "{code}");
    }
    let mut w = World::new(all_lists);
    w.ends.insert((K::Condition, 0), Killed(Signal::TERM));
    w.start();
    w.assert(S::Failed, R::Signal);
}

#[test]
fn failing_start_commands_lead_to_stop_post_without_stop() {
    for kind in [K::StartPre, K::StartPost] {
        let mut w = World::new(all_lists);
        w.ends.insert((kind, 0), Exited(1));
        w.start();
        w.assert(S::Failed, R::ExitCode);
        assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1), "{kind:?}");
        assert_eq!(w.count(K::Start), usize::from(kind == K::StartPost));
    }
}

#[test]
fn dash_ignores_failures_of_every_kind() {
    let mut w = World::new(|s| {
        all_lists(s);
        for kind in K::ALL {
            s.commands.get_mut(kind)[0].ignore_failure = true;
        }
    });
    for kind in K::ALL {
        if kind != K::Start {
            w.ends.insert((kind, 0), Exited(9));
        }
    }
    w.start();
    w.assert(S::Running, R::Success);
    w.reload();
    w.assert(S::Running, R::Success);
    assert_eq!(w.failed_reloads, 0);
    w.end_main(Exited(9));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.service.view().exec_main_status, Some(Exited(9)));
    assert_eq!(w.count(K::Stop), 1, "a clean end runs ExecStop=");
}

#[test]
fn spawn_failures_at_every_command() {
    for (kind, result, posts) in [
        (K::Condition, R::Resources, 0),
        (K::StartPre, R::Resources, 0),
        (K::Start, R::Resources, 1),
        (K::StartPost, R::Resources, 1),
        (K::Stop, R::Resources, 1),
        (K::StopPost, R::Resources, 1),
    ] {
        let mut w = World::new(all_lists);
        w.unspawnable.insert((kind, 0));
        w.start();
        if !matches!(w.state(), S::Failed | S::Dead) {
            w.stop();
        }
        w.assert(S::Failed, result);
        assert_eq!(w.count(K::StopPost), posts, "{kind:?}");
        assert!(!w.errors.is_empty());
        assert!(w.service.processes().is_empty());
    }
}

#[test]
fn later_commands_that_cannot_be_spawned() {
    let mut w = World::new(|s| {
        all_lists(s);
        add(s, K::StartPre, &["second"]);
    });
    w.unspawnable.insert((K::StartPre, 1));
    w.start();
    w.assert(S::Failed, R::Resources);
    assert_eq!(w.count(K::StopPost), 1);

    let mut w = World::oneshot(|s| {
        all_lists(s);
        add(s, K::Start, &["second"]);
    });
    w.unspawnable.insert((K::Start, 1));
    w.start();
    w.assert(S::Failed, R::Resources);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (1, 1));
}

#[test]
fn each_start_stage_has_its_own_timeout() {
    for (kind, state) in [
        (K::Condition, S::Condition),
        (K::StartPre, S::StartPre),
        (K::StartPost, S::StartPost),
    ] {
        let mut w = World::new(all_lists);
        w.lasting.insert((kind, 0));
        w.start();
        assert_eq!(w.state(), state);
        w.pass(9 * SECOND);
        assert_eq!(w.state(), state);
        w.pass(SECOND);
        w.assert(S::Failed, R::Timeout);
        assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    }
}

#[test]
fn each_command_gets_a_fresh_timeout() {
    let mut w = World::new(|s| add(s, K::StartPre, &["a", "b"]));
    w.lasting.extend([(K::StartPre, 0), (K::StartPre, 1)]);
    w.start();
    w.pass(9 * SECOND);
    w.end_control(Exited(0));
    w.pass(9 * SECOND);
    w.assert(S::StartPre, R::Success);
    w.pass(SECOND);
    w.assert(S::Failed, R::Timeout);
}

#[test]
fn start_timeouts_by_type() {
    for service_type in [ServiceType::Notify, ServiceType::Forking] {
        let mut w = World::new(of_type(service_type));
        w.start();
        w.pass(10 * SECOND);
        w.assert(S::Failed, R::Timeout);
    }
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Oneshot;
        s.timeout_start = TimeSpan::INFINITY;
    });
    w.start();
    w.pass(100_000 * SECOND);
    w.assert(S::Start, R::Success);

    let mut w = World::new(|_| ());
    w.start();
    w.pass(100_000 * SECOND);
    w.assert(S::Running, R::Success);
}

#[test]
fn answers_to_start_jobs() {
    let mut w = World::new(all_lists);
    w.lasting.extend([(K::StartPre, 0), (K::StopPost, 0)]);
    w.start();
    assert_eq!(w.try_start(), Ok(()), "under way");
    w.end_control(Exited(0));
    assert_eq!(w.try_start(), Err(NotNow::Already));
    assert_eq!(w.count(K::Start), 1);
    w.stop();
    assert_eq!(w.state(), S::StopPost);
    assert_eq!(w.try_start(), Err(NotNow::Again));
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::Dead);
    assert_eq!(
        w.call(crate::engine::service::Service::stop),
        Err(NotNow::Already)
    );
    assert_eq!(w.try_start(), Ok(()));
}

#[test]
fn stop_while_starting_skips_exec_stop() {
    for kind in [K::Condition, K::StartPre, K::StartPost] {
        let mut w = World::new(all_lists);
        w.lasting.insert((kind, 0));
        w.start();
        w.stop();
        assert_eq!(w.count(K::Stop), 0, "{kind:?}");
        assert_eq!(w.count(K::StopPost), 1, "{kind:?}");
        // The command did not survive the signal, and commands are not asked to end that way.
        w.assert(S::Failed, R::Signal);
    }
    let mut w = World::new(|s| {
        all_lists(s);
        of_type(ServiceType::Notify)(s);
    });
    w.start();
    w.stop();
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    w.assert(S::Dead, R::Success);
}

#[test]
fn a_killed_command_does_not_lead_on_to_the_next() {
    let mut w = World::new(|s| add(s, K::StartPre, &["a", "b"]));
    w.lasting.insert((K::StartPre, 0));
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    assert_eq!(w.state(), S::StopSigterm);
    w.end_control(Exited(0));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::StartPre), 1);
}

#[test]
fn main_that_fails_during_start_post_ends_the_service_afterwards() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::StartPost, 0));
    w.start();
    w.end_main(Exited(3));
    assert_eq!(w.state(), S::StartPost);
    w.end_control(Exited(0));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    assert!(!w.states.contains(&S::Running));
}

#[test]
fn environment_of_commands() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.watchdog = TimeSpan::from_secs(30);
        s.notify_access = NotifyAccess::Main;
    });
    w.monitor = vec![("MONITOR_UNIT".to_owned(), "a.service".to_owned())];
    w.start();
    let main = w.service.view().main_pid.to_string();
    assert_eq!(w.variable(K::StartPre, "MAINPID"), None);
    assert_eq!(w.variable(K::StartPost, "MAINPID"), Some(&*main));
    assert_eq!(w.variable(K::Start, "WATCHDOG_USEC"), Some("30000000"));
    assert_eq!(w.variable(K::StartPost, "WATCHDOG_USEC"), None);
    assert_eq!(w.variable(K::StartPre, "MONITOR_UNIT"), Some("a.service"));
    assert_eq!(w.variable(K::Start, "MONITOR_UNIT"), Some("a.service"));
    assert_eq!(w.variable(K::StartPost, "MONITOR_UNIT"), None);
    assert_eq!(w.variable(K::StartPost, "SERVICE_RESULT"), None);
    w.main_says(&[("WATCHDOG", "1")]);
    w.stop();
    assert_eq!(w.variable(K::Stop, "SERVICE_RESULT"), Some("success"));
    assert_eq!(w.variable(K::Stop, "EXIT_CODE"), None);
    assert_eq!(w.variable(K::StopPost, "EXIT_CODE"), Some("killed"));
    let term = Signal::TERM.name();
    assert_eq!(w.variable(K::StopPost, "EXIT_STATUS"), Some(&*term));
    assert_eq!(w.variable(K::StopPost, "MAINPID"), None);
    for spawn in &w.spawns {
        assert_eq!(spawn.notify, spawn.kind == K::Start, "{:?}", spawn.kind);
    }
}

#[test]
fn who_gets_the_notify_socket() {
    for (access, main, control) in [
        (NotifyAccess::None, false, false),
        (NotifyAccess::Main, true, false),
        (NotifyAccess::Exec, true, true),
        (NotifyAccess::All, true, true),
    ] {
        let mut w = World::new(|s| {
            all_lists(s);
            s.notify_access = access;
        });
        w.start();
        for spawn in &w.spawns {
            let wanted = if spawn.kind == K::Start {
                main
            } else {
                control
            };
            assert_eq!(spawn.notify, wanted, "{access:?} {:?}", spawn.kind);
        }
    }
}

#[test]
fn pid_file_is_told_to_every_command() {
    let mut w = World::new(|s| {
        s.pid_file = Some("/run/a.pid".to_owned());
        add(s, K::StartPre, &["pre"]);
    });
    w.start();
    assert_eq!(w.variable(K::StartPre, "PIDFILE"), Some("/run/a.pid"));
    assert_eq!(w.variable(K::Start, "PIDFILE"), Some("/run/a.pid"));
}
