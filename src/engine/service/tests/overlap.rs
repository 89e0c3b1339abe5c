//! Restarts with an overlap: who serves, who is made to end, and what becomes of the service.

use super::world::{SECOND, World, add};
use crate::engine::probe::ProbeResult;
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::service::{NotNow, Service};
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{
    CommandKind as K, KillMode, NotifyAccess, ProbeAddress, ProbeKind, Restart, ServiceConfig,
    ServiceType,
};
use crate::unit::value::{Signal, TimeSpan};

const MAIN: (K, usize) = (K::Start, 0);

/// A service of Type=notify that is up.
fn notify(change: impl FnOnce(&mut ServiceConfig)) -> World {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::Main;
        change(s);
    });
    w.start();
    w.main_says(&[("READY", "1")]);
    w.assert(S::Running, R::Success);
    w
}

impl World {
    fn overlap(&mut self) {
        self.call(Service::overlap).expect("it can run");
    }

    /// The main process.
    fn main(&self) -> i32 {
        self.service.view().main_pid
    }

    /// The process that was started last.
    fn last_pid(&self) -> i32 {
        let newest = self.spawns.last().expect("something was started");
        self.pid_of(newest.process)
    }

    /// The service as another daemon reads it.
    fn take_over(&mut self) {
        let text = serde_json::to_string(&self.service).expect("it can be written");
        self.service = serde_json::from_str(&text).expect("it can be read");
    }

    #[track_caller]
    fn assert_done(&self, main: i32) {
        assert_eq!(self.overlapped, [Ok(())]);
        self.assert_alone(main);
    }

    /// Nobody is left but this main process, and it serves.
    #[track_caller]
    fn assert_alone(&self, main: i32) {
        self.assert(S::Running, R::Success);
        assert_eq!(self.main(), main);
        assert!(self.lives(main));
        assert_eq!(self.service.process_beside(), None);
        assert_eq!(self.pids(), [main]);
    }

    #[track_caller]
    fn assert_failed(&self, main: i32, reason: &str) {
        let told = self.overlapped.last().expect("it is over");
        let told = told.as_ref().expect_err("it failed");
        assert!(told.contains(reason), "{told}");
        self.assert_alone(main);
    }
}

#[test]
fn the_old_one_is_told_to_stop_when_the_new_one_is_ready() {
    let mut w = notify(|s| add(s, K::Stop, &["bye"]));
    let old = w.main();
    w.states.clear();
    w.states.push(S::Running);
    w.overlap();
    let new = w.last_pid();
    assert!(w.lives(old) && w.lives(new));
    assert_eq!((w.main(), w.kills.len()), (old, 0));
    assert_eq!(w.spawns.last().map(|spawn| spawn.generation), Some(1));
    w.say(new, &[("READY", "1"), ("STATUS", "as good as new")]);
    w.assert_done(new);
    assert_eq!(w.states, [S::Running], "it was up all the time");
    assert_eq!(w.service.view().status_text, "as good as new");
    assert_eq!(w.service.view().runs, 2);
    assert_eq!(w.service.view().exec_main_pid, new);
    let (stop, kill) = (w.variable(K::Stop, "MAINPID"), w.kills.first().unwrap());
    assert_eq!(stop, Some(&*old.to_string()));
    assert_eq!((kill.signal, kill.generation), (Signal::TERM, Some(0)));
}

#[test]
fn commands_run_for_their_generation() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::Main;
        for kind in [
            K::Condition,
            K::StartPre,
            K::StartPost,
            K::Stop,
            K::StopPost,
        ] {
            add(s, kind, &[kind.directive()]);
        }
    });
    w.start();
    w.main_says(&[("READY", "1")]);
    w.spawns.clear();
    w.overlap();
    w.say(w.last_pid(), &[("READY", "1")]);
    let ran: Vec<(K, u32)> = w.spawns.iter().map(|it| (it.kind, it.generation)).collect();
    let new = [(K::StartPre, 1), (K::Start, 1), (K::StartPost, 1)];
    assert_eq!(ran[..3], new, "ExecCondition= is asked of a start only");
    assert_eq!(ran[3..], [(K::Stop, 0)], "ExecStopPost= is for the end");
    assert_eq!(w.overlapped, [Ok(())]);
}

#[test]
fn what_does_not_speak_is_ready_when_it_is_executed() {
    for service_type in [ServiceType::Simple, ServiceType::Exec, ServiceType::Idle] {
        let mut w = World::new(|s| s.service_type = service_type);
        w.start();
        w.release();
        w.overlap();
        let new = w.last_pid();
        w.assert_done(new);
        w.unexecutable.insert(MAIN, 203);
        w.overlap();
        w.assert_failed(new, "203");
    }
}

#[test]
fn a_probe_has_its_say() {
    for kind in [ProbeKind::Startup, ProbeKind::Readiness] {
        let mut w = World::new(|s| {
            let position = super::world::command("x").position;
            let probe = s.probes.section_mut(kind, &position);
            probe.tcp = Some(ProbeAddress::Unix("/run/x".to_owned()));
            probe.period = TimeSpan::from_secs(1);
            probe.failure_threshold = 2;
        });
        w.start();
        w.pass(0);
        let first = w.asked.last().expect("an attempt").order;
        w.call(|s, cx| s.on_probed(cx, first, 1, ProbeResult::Success));
        let old = w.main();
        w.overlap();
        let new = w.last_pid();
        let answer = |w: &mut World, result| {
            let order = w.asked.last().expect("an attempt").order;
            w.call(|s, cx| s.on_probed(cx, order, 1, result));
        };
        answer(&mut w, ProbeResult::Failure("refused".to_owned()));
        assert_eq!((w.main(), w.overlapped.len()), (old, 0), "not yet");
        let attempts = w.asked.len();
        w.pass(SECOND);
        assert!(w.asked.len() > attempts);
        // That of the service itself may have come between.
        let order = w.asked[attempts..].iter().map(|it| it.order);
        for order in order.collect::<Vec<_>>() {
            w.call(|s, cx| s.on_probed(cx, order, 1, ProbeResult::Success));
        }
        w.assert_done(new);
    }
}

#[test]
fn a_startup_probe_that_fails_removes_the_new_one() {
    let mut w = World::new(|s| {
        let position = super::world::command("x").position;
        let probe = s.probes.section_mut(ProbeKind::Startup, &position);
        probe.tcp = Some(ProbeAddress::Unix("/run/x".to_owned()));
        probe.failure_threshold = 1;
    });
    w.start();
    w.pass(0);
    let order = w.asked[0].order;
    w.call(|s, cx| s.on_probed(cx, order, 1, ProbeResult::Success));
    let old = w.main();
    w.overlap();
    let order = w.asked.last().unwrap().order;
    let refused = ProbeResult::Failure("refused".to_owned());
    w.call(|s, cx| s.on_probed(cx, order, 1, refused));
    w.assert_failed(old, "startup probe failed");
}

#[test]
fn a_new_one_that_is_not_ready_in_time_is_removed() {
    let mut w = notify(|_| ());
    let old = w.main();
    w.overlap();
    let child = w.member_of(1);
    w.pass(9 * SECOND);
    assert!(w.lives(child) && w.overlapped.is_empty());
    w.pass(SECOND);
    w.assert_failed(old, "TimeoutStartSec=");
    assert!(!w.lives(child));
    // And again, well.
    w.overlap();
    let new = w.last_pid();
    assert_eq!(w.spawns.last().map(|spawn| spawn.generation), Some(2));
    w.say(new, &[("READY", "1")]);
    w.assert_alone(new);
}

#[test]
fn a_new_one_that_ends_or_fails_leaves_the_old_one() {
    type Change = fn(&mut World);
    let ways: [(&str, Change); 5] = [
        ("before it was ready", |w| w.end(w.last_pid(), Exited(1))),
        ("before it was ready", |w| w.end(w.last_pid(), Exited(0))),
        ("could not be started", |w| {
            assert!(w.unspawnable.contains(&MAIN));
        }),
        ("ExecStartPre= failed", |w| {
            assert!(w.ends.contains_key(&(K::StartPre, 0)));
        }),
        ("ExecStartPost= failed", |w| {
            w.ends.insert((K::StartPost, 0), Exited(3));
            w.say(w.last_pid(), &[("READY", "1")]);
        }),
    ];
    for (index, (reason, change)) in ways.into_iter().enumerate() {
        let mut w = notify(|s| {
            add(s, K::StartPre, &["pre"]);
            add(s, K::StartPost, &["post"]);
            s.restart = Restart::Always;
        });
        match index {
            2 => w.unspawnable.extend([MAIN]),
            3 => w.ends.extend([((K::StartPre, 0), Exited(1))]),
            _ => {}
        }
        let old = w.main();
        w.overlap();
        change(&mut w);
        w.assert_failed(old, reason);
        assert_eq!(w.restarts_due, 0, "Restart= is for the service");
        // That one is restarted as ever.
        w.end_main(Exited(1));
        assert_eq!(w.state(), S::AutoRestart);
        w.unspawnable.clear();
        w.ends.clear();
        w.pass(SECOND);
        assert_eq!(w.restarts_due, 1);
        w.start();
        assert_eq!(w.spawns.last().map(|spawn| spawn.generation), Some(0));
    }
}

#[test]
fn an_old_one_that_ends_early_makes_way() {
    for slow in [false, true] {
        let mut w = notify(|s| {
            add(s, K::StartPost, &["post"]);
            s.watchdog = TimeSpan::from_secs(3);
        });
        if slow {
            w.slow.insert(MAIN);
        }
        w.overlap();
        w.end_main(Exited(1));
        w.assert(S::Running, R::Success);
        assert!(w.overlapped.is_empty(), "it is not ready");
        w.answer_spawns();
        let new = w.main();
        assert!(w.lives(new));
        assert_eq!(w.service.view().runs, 2);
        assert_eq!(w.service.view().exec_main_pid, new);
        w.pass(4 * SECOND);
        w.assert(S::Running, R::Success);
        w.main_says(&[("READY", "1")]);
        w.assert_done(new);
        assert_eq!(w.variable(K::StartPost, "MAINPID"), Some(&*new.to_string()));
        assert_eq!(w.spawns.last().map(|spawn| spawn.generation), Some(1));
        // From now on it is watched.
        w.pass(4 * SECOND);
        w.assert(S::Failed, R::Watchdog);
    }
}

#[test]
fn without_the_old_one_a_new_one_that_fails_is_the_end() {
    let fails: [fn(&mut World); 3] = [
        |w| w.pass(10 * SECOND),
        |w| w.end_main(Exited(1)),
        |w| w.main_says(&[("STOPPING", "1")]),
    ];
    for (index, fail) in fails.into_iter().enumerate() {
        let mut w = notify(|s| s.restart = Restart::OnFailure);
        w.overlap();
        w.end_main(Exited(0));
        fail(&mut w);
        if index == 2 {
            assert_eq!(w.state(), S::StopSigterm);
            w.end_main(Exited(1));
        }
        assert!(w.overlapped.last().unwrap().is_err());
        assert_eq!(w.state(), S::AutoRestart, "{index}");
        assert!(w.pids().is_empty());
    }
}

#[test]
fn without_the_old_one_a_new_one_that_ends_well_leaves_nobody_waiting() {
    for slow in [false, true] {
        let mut w = notify(|s| {
            s.remain_after_exit = true;
            s.timeout_start = TimeSpan::INFINITY;
        });
        if slow {
            w.slow.insert(MAIN);
        }
        w.overlap();
        w.end_main(Exited(0));
        w.assert(S::Running, R::Success);
        w.answer_spawns();
        w.end_main(Exited(0));
        w.assert(S::Exited, R::Success);
        assert!(w.overlapped.last().expect("it is over").is_err());
        assert!(w.pids().is_empty());
        assert!(!w.service.is_overlapping());
    }
}

#[test]
fn an_old_one_that_ends_before_there_is_a_new_one_ends_the_service() {
    for restart in [Restart::No, Restart::OnFailure] {
        let mut w = notify(|s| {
            add(s, K::StartPre, &["pre"]);
            s.restart = restart;
        });
        w.lasting.insert((K::StartPre, 0));
        w.overlap();
        w.end_main(Exited(1));
        assert!(w.overlapped[0].is_err());
        assert!(w.pids().is_empty());
        let state = match restart {
            Restart::No => S::Failed,
            _ => S::AutoRestart,
        };
        w.assert(state, R::ExitCode);
    }
}

#[test]
fn an_exited_service_runs_again() {
    let mut w = notify(|s| {
        add(s, K::StartPre, &["pre"]);
        s.remain_after_exit = true;
    });
    w.lasting.insert((K::StartPre, 0));
    w.overlap();
    let pre = w.last_pid();
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::Exited);
    w.end(pre, Exited(0));
    let new = w.last_pid();
    w.say(new, &[("READY", "1")]);
    w.assert_done(new);
}

#[test]
fn a_stop_ends_both() {
    let stages: [fn(&mut World); 4] = [
        // ExecStartPre=, the new one not ready, ExecStop= of the old one, the old one deaf.
        |w| w.lasting.extend([(K::StartPre, 0)]),
        |_| (),
        |w| w.lasting.extend([(K::Stop, 0)]),
        |w| w.ignored.extend([Signal::TERM]),
    ];
    for (index, prepare) in stages.into_iter().enumerate() {
        for mode in [KillMode::ControlGroup, KillMode::Mixed, KillMode::Process] {
            let mut w = notify(|s| {
                add(s, K::StartPre, &["pre"]);
                add(s, K::Stop, &["stop"]);
                s.kill.mode = mode;
                s.restart = Restart::Always;
            });
            prepare(&mut w);
            w.overlap();
            if index >= 2 {
                w.say(w.last_pid(), &[("READY", "1")]);
            }
            assert_eq!(
                w.pids().len(),
                2 + usize::from(index == 2),
                "{index} {mode:?}"
            );
            w.stop();
            w.pass(30 * SECOND);
            assert_eq!(
                w.state().active_state().as_str(),
                if index >= 2 { "failed" } else { "inactive" }
            );
            assert!(w.pids().is_empty(), "{index} {mode:?}");
            assert_eq!(w.overlapped.len(), 1);
            assert!(w.overlapped[0].is_err());
        }
    }
}

#[test]
fn signals_reach_one_generation() {
    for mode in [KillMode::ControlGroup, KillMode::Mixed, KillMode::Process] {
        let mut w = notify(|s| s.kill.mode = mode);
        let old_child = w.member();
        w.overlap();
        let (new, new_child) = (w.last_pid(), w.member_of(1));
        w.say(new, &[("READY", "1")]);
        w.pass(SECOND);
        assert_eq!(w.overlapped, [Ok(())]);
        assert!(w.lives(new) && w.lives(new_child), "{mode:?}");
        assert_eq!(w.lives(old_child), mode == KillMode::Process, "{mode:?}");
        assert_eq!(w.pids().len(), 2 + usize::from(mode == KillMode::Process));
    }
}

#[test]
fn who_does_not_listen_is_made_to() {
    let mut w = notify(|_| ());
    w.ignored.insert(Signal::TERM);
    let (old, child) = (w.main(), w.member());
    w.overlap();
    let new = w.last_pid();
    w.say(new, &[("READY", "1")]);
    assert_eq!(w.main(), new, "it serves while the old one drains");
    w.pass(4 * SECOND);
    assert!(w.lives(old) && w.lives(child));
    w.pass(SECOND);
    w.assert_done(new);
    // A child only.
    w.overlapped.clear();
    w.ignored.clear();
    let child = w.member_of(1);
    w.ignored.insert(Signal::TERM);
    w.overlap();
    w.say(w.last_pid(), &[("READY", "1")]);
    w.end(new, Exited(0));
    assert!(w.overlapped.is_empty() && w.lives(child));
    w.pass(6 * SECOND);
    w.assert_done(w.main());
    // Nobody at all listens: it ends all the same.
    w.ignored.insert(Signal::KILL);
    w.overlap();
    w.say(w.last_pid(), &[("READY", "1")]);
    w.pass(20 * SECOND);
    assert_eq!(w.overlapped.len(), 2);
}

#[test]
fn one_at_a_time() {
    let mut w = notify(|s| {
        s.service_type = ServiceType::NotifyReload;
    });
    w.overlap();
    assert_eq!(w.call(Service::overlap), Err(NotNow::Again));
    w.say(w.last_pid(), &[("READY", "1")]);
    w.ignored.insert(Signal::HUP);
    w.reload();
    assert_eq!(w.call(Service::overlap), Err(NotNow::Again), "a reload");
}

#[test]
fn a_reload_ends_when_the_one_that_reloads_is_replaced() {
    let mut w = notify(|_| ());
    w.overlap();
    let new = w.last_pid();
    w.main_says(&[("RELOADING", "1")]);
    assert_eq!(w.state(), S::ReloadNotify);
    w.say(new, &[("READY", "1")]);
    w.assert_done(new);
    assert_eq!(w.failed_reloads, 0);
}

#[test]
fn who_may_say_that_it_is_ready() {
    use NotifyAccess::{All, Exec, Main};
    for (access, child_may) in [(Main, false), (Exec, false), (All, true)] {
        let mut w = notify(|s| s.notify_access = access);
        let old = w.main();
        w.overlap();
        let new = w.last_pid();
        // The old one, and one of its children.
        w.main_says(&[("READY", "1")]);
        let child = w.member();
        w.say_for(old, child, &[("READY", "1")]);
        assert_eq!(w.main(), old, "{access:?}");
        w.end(child, Exited(0));
        // One of the new one's children: the host says whose it is where all may speak.
        let child = w.member_of(1);
        match access {
            All => w.say_for(new, child, &[("READY", "1")]),
            _ => w.say(child, &[("READY", "1")]),
        }
        assert_eq!(w.main() == new, child_may, "{access:?}");
        w.say(new, &[("READY", "1")]);
        assert_eq!(w.main(), new);
        assert_eq!(w.overlapped, [Ok(())]);
    }
}

#[test]
fn what_the_new_one_says_counts_when_it_has_taken_over() {
    let mut w = notify(|s| s.watchdog = TimeSpan::from_secs(5));
    let old = w.main();
    w.main_says(&[("STATUS", "old"), ("WATCHDOG_USEC", "4000000")]);
    w.overlap();
    let new = w.last_pid();
    w.say(
        new,
        &[
            ("STATUS", "new"),
            ("WATCHDOG_USEC", "2000000"),
            ("NOTIFYACCESS", "exec"),
        ],
    );
    assert_eq!(w.service.view().status_text, "old");
    // It cannot feed the watchdog of the old one.
    w.pass(3 * SECOND);
    w.main_says(&[("WATCHDOG", "1")]);
    w.pass(3 * SECOND);
    w.assert(S::Running, R::Success);
    w.say(new, &[("READY", "1")]);
    assert_eq!(w.service.view().status_text, "new");
    w.assert_done(new);
    // The old one has said all that it had to say.
    w.say(old, &[("STATUS", "gone"), ("STOPPING", "1")]);
    w.assert(S::Running, R::Success);
    w.pass(1_900_000);
    w.assert(S::Running, R::Success);
    w.pass(200_000);
    w.assert(S::Failed, R::Watchdog);
}

#[test]
fn the_watchdog_of_the_old_one_ends_both() {
    let mut w = notify(|s| s.watchdog = TimeSpan::from_secs(2));
    w.overlap();
    w.say(w.last_pid(), &[("WATCHDOG", "1")]);
    w.pass(2 * SECOND);
    w.assert(S::Failed, R::Watchdog);
    assert!(w.pids().is_empty());
}

#[test]
fn more_time_for_the_new_one_and_for_the_old_one() {
    let mut w = notify(|_| ());
    w.overlap();
    let new = w.last_pid();
    w.pass(9 * SECOND);
    w.say(new, &[("EXTEND_TIMEOUT_USEC", "20000000")]);
    w.pass(15 * SECOND);
    assert!(w.overlapped.is_empty());
    w.ignored.insert(Signal::TERM);
    let old = w.main();
    w.say(new, &[("READY", "1")]);
    w.say(
        old,
        &[("EXTEND_TIMEOUT_USEC", "20000000"), ("STOPPING", "1")],
    );
    w.pass(15 * SECOND);
    assert!(w.lives(old));
    w.pass(6 * SECOND);
    w.assert_done(new);
}

#[test]
fn an_old_one_that_goes_on_its_own_account_is_no_end_of_the_service() {
    let mut w = notify(|_| ());
    w.overlap();
    let new = w.last_pid();
    // The new one has taken its listener and told it so.
    w.main_says(&[("STOPPING", "1")]);
    w.assert(S::Running, R::Success);
    w.end_main(Exited(0));
    w.say(new, &[("READY", "1")]);
    w.assert_done(new);
}

#[test]
fn quick_ends_overtake_the_answers() {
    let mut w = notify(|_| ());
    let old = w.main();
    w.slow.insert(MAIN);
    w.overlap();
    let process = w.spawns.last().unwrap().process;
    w.call(|s, cx| s.on_exited(cx, process, Exited(1)));
    w.forget_slow();
    w.pass(SECOND);
    w.assert_failed(old, "before it was ready");
    w.stop();
    w.assert(S::Dead, R::Success);
}

#[test]
fn new_files_in_the_middle() {
    let mut w = notify(|s| add(s, K::StartPre, &["a", "b", "c"]));
    let old = w.main();
    w.lasting.insert((K::StartPre, 0));
    w.overlap();
    let pre = w.last_pid();
    // What runs is gone from the list: nothing more of it is run.
    w.reread(|s| s.commands.get_mut(K::StartPre).clear());
    w.end(pre, Exited(0));
    assert_eq!(w.count(K::StartPre), 3 + 1, "those of the start, and one");
    let new = w.last_pid();
    w.say(new, &[("READY", "1")]);
    w.assert_done(new);
    assert!(!w.lives(old));
    // The type has become one that never says that it is ready.
    w.overlap();
    w.reread(|s| s.service_type = ServiceType::Oneshot);
    w.pass(10 * SECOND);
    w.assert_failed(new, "TimeoutStartSec=");
    // The file has gone.
    w.overlap();
    w.reread(|s| *s = ServiceConfig::default());
    w.pass(200 * SECOND);
    assert_eq!(w.overlapped.len(), 3);
    assert_eq!(w.pids().len(), 1);
}

#[test]
fn another_daemon_goes_on_at_any_point() {
    let stages: [fn(&mut World); 4] = [
        |w| w.lasting.extend([(K::StartPre, 0)]),
        |_| (),
        |w| w.lasting.extend([(K::Stop, 0)]),
        |w| w.ignored.extend([Signal::TERM]),
    ];
    for (index, prepare) in stages.into_iter().enumerate() {
        let mut w = notify(|s| {
            add(s, K::StartPre, &["pre"]);
            add(s, K::Stop, &["stop"]);
        });
        prepare(&mut w);
        w.overlap();
        let deadline = w.service.deadline();
        w.take_over();
        assert_eq!(w.service.deadline(), deadline);
        if index == 0 {
            w.end(w.last_pid(), Exited(0));
        }
        let new = w.spawn_of(K::Start);
        w.say(new, &[("READY", "1")]);
        w.take_over();
        assert_eq!(w.main(), new);
        w.pass(20 * SECOND);
        w.take_over();
        w.assert_done(new);
    }
}

#[test]
fn a_found_main_process_is_forgotten_in_the_end() {
    let mut w = notify(|_| ());
    let other = w.member();
    w.main_says(&[("MAINPID", &other.to_string())]);
    assert_eq!(w.main(), other);
    w.overlap();
    w.ignored.extend([Signal::TERM, Signal::KILL]);
    w.say(w.last_pid(), &[("READY", "1")]);
    w.pass(20 * SECOND);
    assert_eq!(w.overlapped, [Ok(())]);
    assert_eq!(w.forgotten.len(), 1);
}
