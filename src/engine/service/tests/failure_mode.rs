//! TimeoutStartFailureMode=, TimeoutStopFailureMode=, TimeoutAbortSec= (checklist row M8).

use super::world::{SECOND, World, all_lists};
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, ServiceType, TimeoutFailure};
use crate::unit::value::{Signal, TimeSpan};

fn silent(mode: TimeoutFailure) -> World {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.timeout_start_failure = mode;
        s.timeout_abort = Some(TimeSpan::from_secs(2));
    });
    w.start();
    w
}

fn signals(w: &World) -> Vec<Signal> {
    w.kills.iter().map(|order| order.signal).collect()
}

#[test]
fn a_start_that_takes_too_long_ends_as_the_mode_says() {
    for (mode, state, signal) in [
        (TimeoutFailure::Terminate, S::StopSigterm, Signal::TERM),
        (TimeoutFailure::Abort, S::StopWatchdog, Signal::ABRT),
        (TimeoutFailure::Kill, S::StopSigkill, Signal::KILL),
    ] {
        let mut w = silent(mode);
        w.pass(10 * SECOND);
        assert_eq!(w.states[1], state, "{mode:?}");
        assert_eq!(signals(&w)[0], signal);
        w.assert(S::Failed, R::Timeout);
    }
}

#[test]
fn an_abort_has_its_own_time_and_is_followed_by_a_kill() {
    let mut w = silent(TimeoutFailure::Abort);
    w.ignored.insert(Signal::ABRT);
    w.pass(10 * SECOND);
    assert_eq!(w.state(), S::StopWatchdog);
    w.pass(2 * SECOND - 1);
    assert_eq!(w.state(), S::StopWatchdog);
    w.pass(1);
    w.assert(S::Failed, R::Timeout);
    assert_eq!(signals(&w)[..2], [Signal::ABRT, Signal::KILL]);
}

#[test]
fn an_abort_takes_as_long_as_a_stop_unless_said_otherwise() {
    let mut w = World::new(|s| s.watchdog = TimeSpan::from_secs(1));
    w.ignored.insert(Signal::ABRT);
    w.start();
    w.pass(SECOND);
    assert_eq!(w.state(), S::StopWatchdog);
    w.pass(5 * SECOND - 1);
    assert_eq!(w.state(), S::StopWatchdog);
    w.pass(1);
    w.assert(S::Failed, R::Watchdog);
}

#[test]
fn without_sigkill_a_mode_kill_goes_on_without_a_signal() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.service_type = ServiceType::Notify;
        s.timeout_start_failure = TimeoutFailure::Kill;
        s.kill.send_sigkill = false;
    });
    w.start();
    w.pass(10 * SECOND);
    assert_eq!(w.count(K::StopPost), 1);
    assert!(!w.states.contains(&S::StopSigkill));
    assert_eq!(w.states[..2], [S::Condition, S::StartPre]);
    let at = w.states.iter().position(|state| *state == S::Start);
    assert_eq!(w.states[at.unwrap() + 1], S::StopPost);
}

#[test]
fn a_stop_that_takes_too_long_ends_as_the_mode_says() {
    for (mode, then) in [
        (
            TimeoutFailure::Terminate,
            vec![S::StopSigterm, S::StopSigkill],
        ),
        (TimeoutFailure::Abort, vec![S::StopWatchdog, S::StopSigkill]),
        (TimeoutFailure::Kill, vec![S::StopSigkill]),
    ] {
        let mut w = World::new(|s| {
            all_lists(s);
            s.timeout_stop_failure = mode;
        });
        w.lasting.insert((K::Stop, 0));
        w.ignored.extend([Signal::TERM, Signal::ABRT]);
        w.start();
        w.states.clear();
        w.states.push(S::Running);
        w.stop();
        w.pass(20 * SECOND);
        let wanted = [vec![S::Running, S::Stop], then].concat();
        assert_eq!(w.states[..wanted.len()], wanted, "{mode:?}");
        w.assert(S::Failed, R::Timeout);
    }
}

#[test]
fn a_deaf_process_is_aborted_before_it_is_killed() {
    let mut w = World::new(|s| s.timeout_stop_failure = TimeoutFailure::Abort);
    w.ignored.extend([Signal::TERM, Signal::ABRT]);
    w.start();
    w.stop();
    assert_eq!(w.state(), S::StopSigterm, "a stop begins in order");
    w.pass(20 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert_eq!(signals(&w)[..3], [Signal::TERM, Signal::ABRT, Signal::KILL]);
}

#[test]
fn exec_stop_post_has_the_same_modes() {
    for (mode, wanted) in [
        (TimeoutFailure::Terminate, S::FinalSigterm),
        (TimeoutFailure::Abort, S::FinalWatchdog),
        (TimeoutFailure::Kill, S::FinalSigkill),
    ] {
        let mut w = World::new(|s| {
            all_lists(s);
            s.timeout_stop_failure = mode;
            s.timeout_abort = Some(TimeSpan::from_secs(1));
        });
        w.lasting.insert((K::StopPost, 0));
        w.start();
        w.stop();
        w.ignored.extend([Signal::TERM, Signal::ABRT]);
        assert_eq!(w.state(), S::StopPost);
        w.pass(5 * SECOND);
        let at = w.states.iter().position(|state| *state == S::StopPost);
        assert_eq!(w.states[at.unwrap() + 1], wanted, "{mode:?}");
        if mode == TimeoutFailure::Abort {
            w.pass(SECOND);
            assert!(w.states.contains(&S::FinalSigkill));
        }
        w.pass(20 * SECOND);
        w.assert(S::Failed, R::Timeout);
    }
}

#[test]
fn what_exec_stop_post_leaves_is_aborted_before_it_is_killed() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.timeout_stop_failure = TimeoutFailure::Abort;
    });
    w.lasting.insert((K::StopPost, 0));
    w.start();
    w.stop();
    let child = w.member();
    w.ignored.extend([Signal::TERM, Signal::ABRT]);
    w.kills.clear();
    w.end_control(crate::engine::process::ProcessStatus::Exited(0));
    assert_eq!(w.state(), S::FinalSigterm);
    w.pass(60 * SECOND);
    assert!(!w.lives(child));
    w.assert(S::Failed, R::Timeout);
    assert_eq!(signals(&w), [Signal::TERM, Signal::ABRT, Signal::KILL]);
}
