//! Automatic restarts (checklist rows M15, M16, M18, J9).

use super::world::{RESTARTS, SECOND, SEGV, World, add, all_lists};
use crate::engine::process::ProcessStatus::{Exited, Killed};
use crate::engine::service::{NotNow, Service};
use crate::engine::state::JobKind;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, NotifyAccess, Restart, ServiceConfig, ServiceType};
use crate::unit::value::{Signal, TimeSpan};
use std::sync::Arc;

/// A way to end: how the service is set up, and what happens to it once it is started.
struct Cause {
    name: &'static str,
    result: R,
    /// Restart= no, on-success, on-failure, on-abnormal, on-watchdog, on-abort, always.
    restarts: [bool; 7],
    set_up: fn(&mut ServiceConfig),
    happens: fn(&mut World),
}

const Y: bool = true;
const N: bool = false;

fn nothing(_: &mut ServiceConfig) {}

const CAUSES: [Cause; 10] = [
    Cause {
        name: "exit status 0",
        result: R::Success,
        restarts: [N, Y, N, N, N, N, Y],
        set_up: nothing,
        happens: |w| w.end_main(Exited(0)),
    },
    Cause {
        name: "exit status 1",
        result: R::ExitCode,
        restarts: [N, N, Y, N, N, N, Y],
        set_up: nothing,
        happens: |w| w.end_main(Exited(1)),
    },
    Cause {
        name: "binary missing",
        result: R::ExitCode,
        restarts: [N, N, Y, N, N, N, Y],
        set_up: nothing,
        happens: |w| w.end_main(Exited(203)),
    },
    Cause {
        name: "SIGTERM from outside",
        result: R::Success,
        restarts: [N, Y, N, N, N, N, Y],
        set_up: nothing,
        happens: |w| w.end_main(Killed(Signal::TERM)),
    },
    Cause {
        name: "SIGKILL",
        result: R::Signal,
        restarts: [N, N, Y, Y, N, Y, Y],
        set_up: nothing,
        happens: |w| w.end_main(Killed(Signal::KILL)),
    },
    Cause {
        name: "SIGSEGV",
        result: R::Signal,
        restarts: [N, N, Y, Y, N, Y, Y],
        set_up: nothing,
        happens: |w| w.end_main(Killed(SEGV)),
    },
    Cause {
        name: "start timeout",
        result: R::Timeout,
        restarts: [N, N, Y, Y, N, N, Y],
        set_up: |s| {
            s.service_type = ServiceType::Notify;
            s.notify_access = NotifyAccess::Main;
        },
        happens: World::pass_to_deadline,
    },
    Cause {
        name: "RuntimeMaxSec reached",
        result: R::Timeout,
        restarts: [N, N, Y, Y, N, N, Y],
        set_up: |s| s.runtime_max = TimeSpan::from_secs(4),
        happens: World::pass_to_deadline,
    },
    Cause {
        name: "watchdog timeout",
        result: R::Watchdog,
        restarts: [N, N, Y, Y, Y, N, Y],
        set_up: |s| s.watchdog = TimeSpan::from_secs(4),
        happens: World::pass_to_deadline,
    },
    Cause {
        name: "ExecCondition exits 1-254",
        result: R::ExecCondition,
        restarts: [N, N, N, N, N, N, N],
        set_up: |s| add(s, K::Condition, &["no"]),
        happens: |_| (),
    },
];

#[test]
fn the_whole_table() {
    for cause in CAUSES {
        for (restart, wanted) in RESTARTS.into_iter().zip(cause.restarts) {
            let mut w = World::new(|s| {
                s.restart = restart;
                (cause.set_up)(s);
            });
            w.ends.insert((K::Condition, 0), Exited(17));
            w.start();
            (cause.happens)(&mut w);
            let what = format!("{} with {restart:?}", cause.name);
            assert_eq!(w.result(), cause.result, "{what}");
            assert_eq!(
                w.state() == S::AutoRestart,
                wanted,
                "{what}: {:?}",
                w.states
            );
            if !wanted {
                let clean = matches!(cause.result, R::Success | R::ExecCondition);
                assert_eq!(w.state(), if clean { S::Dead } else { S::Failed }, "{what}");
                assert_eq!(w.service.deadline(), None, "{what}");
            }
        }
    }
}

fn always() -> World {
    World::new(|s| s.restart = Restart::Always)
}

#[test]
fn passes_through_dead_or_failed_of_its_own() {
    let mut w = always();
    w.start();
    w.end_main(Exited(1));
    assert!(
        w.states
            .ends_with(&[S::FailedBeforeAutoRestart, S::AutoRestart])
    );
    w.pass(SECOND);
    assert_eq!(w.state(), S::AutoRestartQueued);
    assert_eq!(w.restarts_due, 1);
    assert_eq!(w.service.view().restarts, 1);
    w.start();
    w.assert(S::Running, R::Success);
    w.end_main(Exited(0));
    assert!(
        w.states
            .ends_with(&[S::DeadBeforeAutoRestart, S::AutoRestart])
    );
    assert_eq!(w.service.view().runs, 2);
}

#[test]
fn start_job_waits_for_the_timer() {
    let mut w = always();
    w.start();
    w.end_main(Exited(1));
    assert_eq!(w.try_start(), Err(NotNow::Again));
    w.pass(SECOND);
    assert_eq!(w.try_start(), Ok(()));
}

#[test]
fn stop_cancels_the_restart() {
    for queued in [false, true] {
        let mut w = always();
        w.start();
        w.end_main(Exited(1));
        if queued {
            w.pass(SECOND);
        }
        w.stop();
        assert_eq!(w.state(), S::Dead);
        assert_eq!(w.service.deadline(), None);
        w.start();
        assert_eq!(w.service.view().restarts, 0);
    }
}

#[test]
fn no_restart_after_a_stop_that_somebody_wants() {
    let mut w = always();
    w.start();
    w.stop();
    w.assert(S::Dead, R::Success);

    // The stop job still waits in the queue.
    let mut w = always();
    w.start();
    w.job = Some(JobKind::Stop);
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);

    // A restart job does the starting itself.
    let mut w = always();
    w.start();
    w.job = Some(JobKind::Restart);
    w.call(Service::stop).unwrap();
    w.assert(S::Dead, R::Success);

    let mut w = always();
    w.start();
    w.shutting_down = true;
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);

    // And the next end by itself is restarted again.
    let mut w = always();
    w.start();
    w.stop();
    w.start();
    w.end_main(Exited(1));
    assert_eq!(w.state(), S::AutoRestart);
}

#[test]
fn stop_that_comes_while_it_goes_down_by_itself() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.restart = Restart::Always;
    });
    w.lasting.insert((K::StopPost, 0));
    w.start();
    w.end_main(Exited(1));
    assert_eq!(w.state(), S::StopPost);
    w.stop();
    w.end_control(Exited(0));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn pending_stop_or_shutdown_when_the_timer_ends() {
    let mut w = always();
    w.start();
    w.end_main(Exited(1));
    w.job = Some(JobKind::Stop);
    w.pass(SECOND);
    assert_eq!((w.state(), w.restarts_due), (S::AutoRestartQueued, 0));
    w.stop();
    assert_eq!(w.state(), S::Dead);

    let mut w = always();
    w.start();
    w.end_main(Exited(1));
    w.shutting_down = true;
    w.pass(SECOND);
    assert_eq!((w.state(), w.restarts_due), (S::Dead, 0));
}

#[test]
fn prevented_and_forced_by_status() {
    for (restart, status, wanted) in [
        (Restart::Always, Exited(5), false),
        (Restart::Always, Killed(Signal::USR2), false),
        (Restart::Always, Exited(6), true),
        (Restart::No, Exited(6), true),
        (Restart::No, Exited(7), false),
        (Restart::Always, Exited(8), false),
    ] {
        let mut w = World::new(|s| {
            s.restart = restart;
            s.restart_prevent_exit_status.codes.extend([5, 8]);
            s.restart_prevent_exit_status.signals.insert(Signal::USR2);
            s.restart_force_exit_status.codes.extend([6, 8]);
        });
        w.start();
        w.end_main(status);
        assert_eq!(
            w.state() == S::AutoRestart,
            wanted,
            "{restart:?} {status:?}"
        );
    }
}

#[test]
fn failing_stop_post_of_a_stop_does_not_restart() {
    let mut w = World::new(|s| {
        s.restart = Restart::OnFailure;
        add(s, K::StopPost, &["false"]);
    });
    w.ends.insert((K::StopPost, 0), Exited(1));
    w.start();
    w.stop();
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn spawn_failure_restarts() {
    let mut w = World::new(|s| {
        s.restart = Restart::OnFailure;
        add(s, K::StartPre, &["pre"]);
    });
    w.unspawnable.insert((K::StartPre, 0));
    w.start();
    w.assert(S::AutoRestart, R::Resources);
}

/// Ends the service again and again; the delays in milliseconds.
fn delays(change: fn(&mut ServiceConfig), count: usize) -> Vec<u64> {
    let mut w = World::new(|s| {
        s.restart = Restart::Always;
        change(s);
    });
    let mut delays = Vec::new();
    w.start();
    for _ in 0..count {
        w.end_main(Exited(1));
        let before = w.now;
        w.pass_to_deadline();
        delays.push((w.now - before) / 1000);
        w.start();
    }
    assert_eq!(w.service.view().restarts as usize, count);
    delays
}

#[test]
fn delay_is_constant_by_default() {
    assert_eq!(delays(|_| (), 3), [1000, 1000, 1000]);
    assert_eq!(delays(|s| s.restart_steps = 4, 3), [1000, 1000, 1000]);
    assert_eq!(delays(|s| s.restart_sec = TimeSpan::ZERO, 2), [0, 0]);
}

#[test]
fn delay_with_steps_grows_on_the_curve() {
    let change = |s: &mut ServiceConfig| {
        s.restart_steps = 4;
        s.restart_max_delay = TimeSpan::from_secs(16);
    };
    assert_eq!(delays(change, 6), [1000, 2000, 4000, 8000, 16000, 16000]);
}

#[test]
fn delay_with_a_maximum_alone_doubles() {
    let change = |s: &mut ServiceConfig| {
        s.restart_max_delay = TimeSpan::from_secs(5);
    };
    assert_eq!(delays(change, 5), [1000, 2000, 4000, 5000, 5000]);
}

#[test]
fn a_long_run_sets_the_doubling_back_but_not_the_count() {
    let mut w = World::new(|s| {
        s.restart = Restart::Always;
        s.restart_max_delay = TimeSpan::from_secs(100);
    });
    w.start();
    for _ in 0..4 {
        w.end_main(Exited(1));
        w.pass_to_deadline();
        w.start();
    }
    w.pass(60 * SECOND);
    w.end_main(Exited(1));
    assert_eq!(w.service.deadline(), Some(w.now + SECOND));
    assert_eq!(w.service.view().restarts, 4);
}

#[test]
fn how_long_such_a_run_is_can_be_set() {
    for (ran, delay) in [(4, 2), (5, 1)] {
        let mut w = World::new(|s| {
            s.restart = Restart::Always;
            s.restart_max_delay = TimeSpan::from_secs(100);
        });
        Arc::make_mut(&mut w.config).procmgr.backoff_reset = TimeSpan::from_secs(5);
        w.start();
        w.end_main(Exited(1));
        w.pass_to_deadline();
        w.start();
        w.pass(ran * SECOND);
        w.end_main(Exited(1));
        assert_eq!(w.service.deadline(), Some(w.now + delay * SECOND), "{ran}");
    }
}

#[test]
fn count_is_flushed_by_the_next_start_after_a_final_end() {
    let mut w = always();
    w.start();
    w.end_main(Exited(1));
    w.pass(SECOND);
    w.start();
    w.stop();
    assert_eq!(w.service.view().restarts, 1, "still to be seen");
    w.start();
    assert_eq!(w.service.view().restarts, 0);
}
