//! Going down on request (checklist rows M8, M11, J10).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::service::Service;
use crate::engine::state::JobKind;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, KillMode};
use crate::unit::value::Signal;

#[test]
fn escalation_from_term_to_kill_to_giving_up() {
    let mut w = World::new(|_| ());
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    w.pass(4 * SECOND);
    w.assert(S::StopSigterm, R::Success);
    w.pass(SECOND);
    w.assert(S::Failed, R::Timeout);
    let signals: Vec<Signal> = w.kills.iter().map(|kill| kill.signal).collect();
    assert_eq!(signals[..2], [Signal::TERM, Signal::KILL]);
    assert!(w.kills[2..].iter().all(|kill| kill.processes.is_empty()));

    let mut w = World::new(|_| ());
    w.ignored.extend([Signal::TERM, Signal::KILL]);
    w.start();
    let main = w.service.view().main_pid;
    w.stop();
    w.pass(19 * SECOND);
    assert_eq!(w.state(), S::FinalSigkill);
    w.pass(SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(w.lives(main));
    let wanted = [
        S::Start,
        S::Running,
        S::StopSigterm,
        S::StopSigkill,
        S::FinalSigterm,
        S::FinalSigkill,
        S::Failed,
    ];
    assert_eq!(w.states, wanted);
}

#[test]
fn final_kill_signal_replaces_kill_and_can_be_left_out() {
    let mut w = World::new(|s| s.kill.final_signal = Signal::QUIT);
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    w.pass(5 * SECOND);
    assert_eq!((w.kills[1].signal, w.kills[1].resume), (Signal::QUIT, true));

    let mut w = World::new(|s| s.kill.send_sigkill = false);
    w.ignored.insert(Signal::TERM);
    w.start();
    let main = w.service.view().main_pid;
    w.stop();
    w.pass(10 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(w.lives(main));
    assert!(w.kills.iter().all(|kill| kill.signal == Signal::TERM));
    assert!(!w.states.contains(&S::StopSigkill));
}

#[test]
fn kill_modes() {
    // mode, what SIGTERM says to others, what SIGKILL says to others
    for (mode, first, second) in [
        (
            KillMode::ControlGroup,
            Some(Signal::TERM),
            Some(Signal::KILL),
        ),
        (KillMode::Mixed, None, Some(Signal::KILL)),
        (KillMode::Process, None, None),
    ] {
        let mut w = World::new(|s| s.kill.mode = mode);
        w.ignored.insert(Signal::TERM);
        w.start();
        w.member();
        w.stop();
        w.pass(5 * SECOND);
        assert_eq!(w.kills[0].group_signal, first, "{mode:?}");
        assert_eq!(w.kills[1].group_signal, second, "{mode:?}");
        assert_eq!(w.kills[0].processes.len(), 1);
        assert_eq!(w.state(), S::Failed);
    }
}

#[test]
fn mixed_kills_the_others_once_main_is_gone() {
    let mut w = World::new(|s| s.kill.mode = KillMode::Mixed);
    w.start();
    let helper = w.member();
    w.stop();
    assert!(!w.lives(helper));
    w.assert(S::Dead, R::Success);
    let signals: Vec<_> = w.kills.iter().map(|k| (k.signal, k.group_signal)).collect();
    assert_eq!(
        signals,
        [(Signal::TERM, None), (Signal::KILL, Some(Signal::KILL))]
    );
}

#[test]
fn mode_process_leaves_the_others_alone() {
    let mut w = World::new(|s| s.kill.mode = KillMode::Process);
    w.start();
    let helper = w.member();
    w.stop();
    assert!(w.lives(helper));
    w.assert(S::Dead, R::Success);
    w.end(helper, Exited(0));
    w.assert(S::Dead, R::Success);
}

/// As observed on systemd 252: a stage that may signal nobody is over at once.
#[test]
fn mode_none_leaves_everybody() {
    let mut w = World::new(|s| {
        s.kill.mode = KillMode::None;
        add(s, K::Stop, &["stop"]);
    });
    w.start();
    let main = w.service.view().main_pid;
    w.stop();
    w.assert(S::Dead, R::Success);
    assert!(w.lives(main));
    assert!(w.kills.is_empty());
    assert_eq!(w.count(K::Stop), 1);
}

/// As observed on systemd 252: ExecStopPost= is not over before main is.
#[test]
fn mode_none_with_stop_post_takes_the_timeout() {
    let mut w = World::new(|s| {
        s.kill.mode = KillMode::None;
        all_lists(s);
    });
    w.start();
    let main = w.service.view().main_pid;
    w.stop();
    w.assert(S::StopPost, R::Success);
    w.pass(5 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(w.lives(main));
    assert!(w.kills.is_empty());
}

#[test]
fn signals_of_stop_and_restart_jobs() {
    let make = || {
        let mut w = World::new(|s| {
            s.kill.signal = Signal::INT;
            s.kill.restart_signal = Some(Signal::USR1);
            s.kill.send_sighup = true;
        });
        w.start();
        w
    };
    let mut w = make();
    w.stop();
    assert_eq!((w.kills[0].signal, w.kills[0].hangup), (Signal::INT, true));
    assert!(w.kills[0].resume);

    // As observed on systemd 252: no SIGHUP behind the signal of a restart.
    let mut w = make();
    w.job = Some(JobKind::Restart);
    w.call(Service::stop).unwrap();
    assert_eq!(
        (w.kills[0].signal, w.kills[0].hangup),
        (Signal::USR1, false)
    );
}

#[test]
fn exec_stop_may_end_the_service_itself() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::Stop, 0));
    w.start();
    w.stop();
    assert_eq!(w.state(), S::Stop);
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::Stop);
    w.end_control(Exited(0));
    w.assert(S::Dead, R::Success);
    assert!(w.kills.iter().all(|kill| kill.processes.is_empty()));
}

#[test]
fn stop_commands_time_out_each() {
    let mut w = World::new(|s| add(s, K::Stop, &["a", "b"]));
    w.lasting.extend([(K::Stop, 0), (K::Stop, 1)]);
    w.start();
    w.stop();
    w.pass(4 * SECOND);
    w.end_control(Exited(0));
    w.pass(4 * SECOND);
    w.assert(S::Stop, R::Success);
    w.pass(SECOND);
    w.assert(S::Failed, R::Timeout);

    let mut w = World::new(all_lists);
    w.lasting.insert((K::StopPost, 0));
    w.start();
    w.stop();
    assert_eq!(w.state(), S::StopPost);
    w.pass(5 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(
        w.states
            .ends_with(&[S::StopPost, S::FinalSigterm, S::Failed])
    );
}

#[test]
fn failing_exec_stop_fails_the_service() {
    let mut w = World::new(|s| {
        all_lists(s);
        add(s, K::Stop, &["never"]);
    });
    w.ends.insert((K::Stop, 0), Exited(1));
    w.start();
    w.stop();
    w.assert(S::Failed, R::ExitCode);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (1, 1));
}

#[test]
fn stop_twice_is_one_stop() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::StopPost, 0));
    w.start();
    w.stop();
    w.stop();
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (1, 1));
}

#[test]
fn a_spawn_under_way_is_waited_for_and_ended() {
    let mut w = World::new(all_lists);
    w.slow.insert((K::Start, 0));
    w.start();
    w.stop();
    assert_eq!(w.state(), S::StopSigterm);
    assert_eq!(w.kills[0].processes.len(), 1);
    w.answer_spawns();
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::StartPost), 0);
}

#[test]
fn a_spawn_that_fails_while_stopping() {
    let mut w = World::new(|_| ());
    w.slow.insert((K::Start, 0));
    w.start();
    let main = w.service.main_process().unwrap();
    w.stop();
    w.call(|service, cx| service.on_spawn_failed(cx, main, "no"));
    w.assert(S::Failed, R::Resources);
}

#[test]
fn stop_during_reload_skips_exec_stop() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::Reload, 0));
    w.start();
    w.reload();
    assert_eq!(w.state(), S::Reload);
    w.stop();
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    assert!(w.service.processes().is_empty());
    assert!(w.state().active_state().is_inactive_or_failed());
}

#[test]
fn main_and_control_are_both_waited_for() {
    for main_first in [false, true] {
        let mut w = World::new(all_lists);
        w.lasting.extend([(K::Reload, 0), (K::StopPost, 0)]);
        w.ignored.insert(Signal::TERM);
        w.start();
        w.reload();
        w.stop();
        for end_main in [main_first, !main_first] {
            assert_eq!(w.state(), S::StopSigterm);
            if end_main {
                w.end_main(Exited(0));
            } else {
                w.end_control(Exited(0));
            }
        }
        assert_eq!(w.state(), S::StopPost);
    }
}

#[test]
fn members_are_ended_even_if_stop_post_cannot_be_spawned() {
    let mut w = World::new(|s| add(s, K::StopPost, &["a", "b"]));
    for index in [0, 1] {
        w.unspawnable.insert((K::StopPost, index));
    }
    w.start();
    let helper = w.member();
    w.ignored.insert(Signal::TERM);
    w.stop();
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::FinalSigterm);
    w.pass(5 * SECOND);
    assert!(!w.lives(helper));
    w.assert(S::Failed, R::Resources);
}

#[test]
fn oneshot_that_is_stopped_does_not_go_on() {
    let mut w = World::oneshot(|s| add(s, K::Start, &["second"]));
    w.lasting.insert((K::Start, 0));
    w.ignored.insert(Signal::TERM);
    w.start();
    w.stop();
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::Start), 1);
}

#[test]
fn control_that_survives_everything_is_given_up() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::StopPost, 0));
    w.start();
    w.ignored.extend([Signal::TERM, Signal::KILL]);
    w.stop();
    w.end_main(Exited(0));
    w.pass(15 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(w.service.processes().is_empty());
    w.start();
    w.assert(S::Running, R::Success);
}

#[test]
fn one_answer_is_enough_to_know_that_nobody_is_there() {
    let mut w = World::new(|_| ());
    w.start();
    let main = w.service.main_process().unwrap();
    w.call(|service, cx| {
        service.on_exited(cx, main, Exited(0));
        let order = cx.out.effects.iter().find_map(|effect| match effect {
            crate::engine::Effect::Kill(order) => Some(order.order),
            _ => None,
        });
        service.on_killed(cx, order.unwrap(), false);
    });
    assert_eq!(w.states, [S::Start, S::Running, S::StopSigterm, S::Dead]);
}

#[test]
fn members_outlive_neither_exec_stop_post_nor_its_end() {
    for mode in [KillMode::ControlGroup, KillMode::Mixed] {
        let mut w = World::new(|s| {
            add(s, K::StopPost, &["slow"]);
            s.kill.mode = mode;
        });
        w.lasting.insert((K::StopPost, 0));
        w.start();
        w.stop();
        assert_eq!(w.state(), S::StopPost);
        let helper = w.member();
        w.ignored.insert(Signal::TERM);
        w.pass(5 * SECOND);
        assert_eq!(w.state(), S::FinalSigterm);
        w.end_control(Exited(0));
        w.pass(5 * SECOND);
        assert!(!w.lives(helper), "{mode:?}");
        w.assert(S::Failed, R::Timeout);
    }
}

#[test]
fn what_exec_condition_left_goes_when_exec_start_pre_cannot_be_spawned() {
    let mut w = World::new(|s| {
        add(s, K::Condition, &["ask"]);
        add(s, K::StartPre, &["pre"]);
    });
    w.lasting.insert((K::Condition, 0));
    w.unspawnable.insert((K::StartPre, 0));
    w.start();
    let helper = w.member();
    w.end_control(Exited(0));
    assert!(!w.lives(helper));
    w.assert(S::Failed, R::Resources);
}
