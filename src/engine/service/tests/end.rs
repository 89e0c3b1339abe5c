//! Ends that nobody asked for (checklist rows M4, M5, M8, M12, J13), and events in odd order.

use super::world::{SECOND, SEGV, World, add, all_lists};
use crate::engine::ids::ProcessId;
use crate::engine::process::ProcessStatus::{Dumped, Exited, Killed, Unknown};
use crate::engine::service::Service;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, PreserveMode, Restart, ServiceType};
use crate::unit::value::{Signal, TimeSpan};

#[test]
fn clean_end_runs_exec_stop_failure_does_not() {
    let mut w = World::new(all_lists);
    w.start();
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (1, 1));

    let mut w = World::new(all_lists);
    w.start();
    w.end_main(Exited(7));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    assert_eq!(w.variable(K::StopPost, "SERVICE_RESULT"), Some("exit-code"));
    assert_eq!(w.variable(K::StopPost, "EXIT_STATUS"), Some("7"));
}

#[test]
fn results_by_status() {
    for (status, result) in [
        (Exited(0), R::Success),
        (Exited(255), R::ExitCode),
        (Killed(Signal::KILL), R::Signal),
        (Killed(SEGV), R::Signal),
        (Dumped(SEGV), R::CoreDump),
    ] {
        let mut w = World::new(|_| ());
        w.start();
        w.end_main(status);
        assert_eq!(w.result(), result, "{status:?}");
    }
}

#[test]
fn an_end_that_nobody_saw_is_called_unknown_and_counts_as_a_failure() {
    let mut w = World::new(|s| {
        all_lists(s);
        // No code is taken for the one that is not known.
        s.success_exit_status.codes.insert(0);
        s.restart_prevent_exit_status.codes.insert(0);
        s.restart = Restart::OnFailure;
    });
    w.start();
    w.end_main(Unknown);
    assert_eq!(w.state(), S::AutoRestart);
    assert_eq!(w.result(), R::ExitCode);
    for (name, value) in [
        ("SERVICE_RESULT", "exit-code"),
        ("EXIT_CODE", "unknown"),
        ("EXIT_STATUS", "unknown"),
    ] {
        assert_eq!(w.variable(K::StopPost, name), Some(value), "{name}");
    }
    assert_eq!(w.service.view().exec_main_status, Some(Unknown));
}

#[test]
fn success_exit_status_adds_codes_and_signals() {
    for (status, clean) in [
        (Exited(42), true),
        (Exited(43), false),
        (Killed(Signal::USR1), true),
        (Dumped(Signal::USR1), false),
    ] {
        let mut w = World::new(|s| {
            s.success_exit_status.codes.insert(42);
            s.success_exit_status.signals.insert(Signal::USR1);
        });
        w.start();
        w.end_main(status);
        assert_eq!(
            w.state(),
            if clean { S::Dead } else { S::Failed },
            "{status:?}"
        );
    }
}

#[test]
fn remain_after_exit_does_not_hide_failure() {
    let mut w = World::new(|s| s.remain_after_exit = true);
    w.start();
    w.end_main(Exited(0));
    w.assert(S::Exited, R::Success);
    w.stop();
    w.assert(S::Dead, R::Success);

    let mut w = World::new(|s| s.remain_after_exit = true);
    w.start();
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn members_that_outlive_main_are_signalled_before_stop_post_when_it_ends_by_itself() {
    let mut w = World::new(all_lists);
    w.start();
    let helper = w.member();
    w.end_main(Exited(0));
    assert!(!w.lives(helper));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.kills[0].group_signal, Some(Signal::TERM));
    assert!(w.kills[0].processes.is_empty());
}

#[test]
fn stop_post_does_not_wait_for_members() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::StopPost, 0));
    w.start();
    let helper = w.member();
    w.ignored.insert(Signal::TERM);
    w.stop();
    assert_eq!(w.state(), S::StopSigterm);
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::StopPost);
    assert!(w.lives(helper));
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::FinalSigterm);
    assert_eq!(w.kills.last().unwrap().signal, Signal::TERM);
    w.pass(5 * SECOND);
    assert!(!w.lives(helper), "final-sigkill");
    w.assert(S::Failed, R::Timeout);
    assert!(
        w.states
            .ends_with(&[S::FinalSigterm, S::FinalSigkill, S::Failed])
    );
}

#[test]
fn failing_stop_post_turns_a_clean_stop_into_failure() {
    let mut w = World::new(|s| add(s, K::StopPost, &["false"]));
    w.ends.insert((K::StopPost, 0), Exited(1));
    w.start();
    w.stop();
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn the_first_failure_stays_the_result() {
    let mut w = World::new(all_lists);
    w.ends.insert((K::StopPost, 0), Killed(SEGV));
    w.start();
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn runtime_max_ends_it() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.runtime_max = TimeSpan::from_secs(30);
    });
    w.start();
    w.pass(20 * SECOND);
    w.reload();
    assert_eq!(w.state(), S::Running);
    w.pass(9 * SECOND);
    assert_eq!(w.state(), S::Running);
    w.pass(SECOND);
    w.assert(S::Failed, R::Timeout);
    assert_eq!(w.count(K::Stop), 1);
}

#[test]
fn runtime_directory_goes_as_it_is_told() {
    for (mode, stopped, restarting) in [
        (PreserveMode::No, true, true),
        (PreserveMode::Restart, true, false),
        (PreserveMode::Yes, false, false),
    ] {
        let make = || {
            World::new(|s| {
                s.exec.runtime_directory_preserve = mode;
                s.restart = crate::unit::config::Restart::OnFailure;
            })
        };
        let mut w = make();
        w.start();
        w.stop();
        assert_eq!(w.clean_ups, [stopped], "{mode:?}");

        let mut w = make();
        w.start();
        w.end_main(Exited(1));
        assert_eq!(w.clean_ups, [restarting], "{mode:?}, automatic restart");

        let mut w = make();
        w.start();
        w.job = Some(crate::engine::state::JobKind::Restart);
        w.call(Service::stop).unwrap();
        assert_eq!(w.clean_ups, [restarting], "{mode:?}, restart job");
    }
}

#[test]
fn end_that_overtakes_the_answer_to_the_spawn() {
    let mut w = World::new(|_| ());
    w.slow.insert((K::Start, 0));
    w.start();
    let process = w.service.main_process().unwrap();
    w.call(|service, cx| service.on_exited(cx, process, Exited(0)));
    assert!(w.states.contains(&S::Running));
    w.assert(S::Dead, R::Success);
    // The answer comes after all: whatever it is, it must not live.
    w.call(|service, cx| service.on_spawned(cx, process, 4711, true));
    w.assert(S::Dead, R::Success);
    let last = w.kills.last().unwrap();
    assert_eq!(
        (last.signal, &last.processes),
        (Signal::KILL, &vec![process])
    );
}

#[test]
fn late_answers_and_strangers_change_nothing() {
    let mut w = World::new(|_| ());
    w.start();
    let states = w.states.clone();
    w.call(|service, cx| {
        service.on_killed(cx, 999, false);
        service.on_exited(cx, ProcessId(999), Exited(1));
        service.on_spawn_failed(cx, ProcessId(999), "no");
        service.on_main_not_found(cx, ProcessId(999), "no");
        service.on_main_found(cx, ProcessId(998), 1);
        service.on_elapsed(cx);
        service.on_group_empty(cx);
    });
    assert_eq!(w.states, states);
    assert_eq!(w.forgotten, [ProcessId(998)]);
}

#[test]
fn exit_before_the_answer_to_the_kill() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::StopPost, 0));
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    let order = w.kills.last().unwrap().order;
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::StopPost);
    // An old answer, as if it had been on its way.
    w.call(|service, cx| service.on_killed(cx, order, false));
    assert_eq!(w.state(), S::StopPost);
}

#[test]
fn answer_to_the_kill_of_an_earlier_stage() {
    let mut w = World::new(|_| ());
    w.ignored.insert(Signal::TERM);
    w.start();
    w.member();
    w.stop();
    let order = w.kills[0].order;
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::FinalSigterm);
    w.call(|service, cx| service.on_killed(cx, order, false));
    assert_eq!(w.state(), S::FinalSigterm, "the member is still there");
}

#[test]
fn nobody_remaining_but_the_end_of_main_not_told_yet() {
    let mut w = World::new(all_lists);
    w.ignored.insert(Signal::TERM);
    w.slow.insert((K::Start, 0));
    w.start();
    let main = w.service.main_process().unwrap();
    w.job = Some(crate::engine::state::JobKind::Stop);
    w.call(|service, cx| {
        service.stop(cx).unwrap();
        // The host says: nobody there (any more).
        let order = cx.out.effects.iter().find_map(|effect| match effect {
            crate::engine::Effect::Kill(order) => Some(order.order),
            _ => None,
        });
        service.on_killed(cx, order.unwrap(), false);
    });
    assert_eq!(
        w.state(),
        S::StopSigterm,
        "its status belongs to the result"
    );
    w.call(|service, cx| service.on_exited(cx, main, Exited(3)));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn daemon_reload_in_the_middle_of_a_list() {
    let mut w = World::oneshot(|s| add(s, K::StartPre, &["a", "b", "c"]));
    w.lasting.insert((K::StartPre, 1));
    w.start();
    // The running command moves to the front, its successors change.
    w.config = super::world::config(|s| {
        s.service_type = ServiceType::Oneshot;
        add(s, K::StartPre, &["b", "d"]);
    });
    let config = w.config.clone();
    w.service.config_changed(&config);
    assert!(w.service.view().commands.iter().all(|c| c.index < 2));
    w.lasting.clear();
    w.end_control(Exited(0));
    assert_eq!(
        w.ran(),
        [
            "ExecStartPre0",
            "ExecStartPre1",
            "ExecStartPre1",
            "ExecStart0"
        ]
    );

    // The running command is gone: the list is not gone on with.
    let mut w = World::oneshot(|s| add(s, K::StartPre, &["a", "b", "c"]));
    w.lasting.insert((K::StartPre, 1));
    w.start();
    w.config = super::world::config(|s| {
        s.service_type = ServiceType::Oneshot;
        add(s, K::StartPre, &["x", "y", "z"]);
    });
    let config = w.config.clone();
    w.service.config_changed(&config);
    w.end_control(Exited(0));
    assert_eq!(w.ran(), ["ExecStartPre0", "ExecStartPre1", "ExecStart0"]);
}

#[test]
fn unit_file_taken_away_under_a_running_service() {
    let mut w = World::new(all_lists);
    w.start();
    w.config = std::sync::Arc::new(crate::unit::config::UnitConfig::not_found(
        w.config.name.clone(),
    ));
    let config = w.config.clone();
    w.service.config_changed(&config);
    w.stop();
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::Stop), 0);
}
