//! RestartMode=direct and debug, RESTART_RESET=1, RuntimeRandomizedExtraSec=, ExitType=cgroup.

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::{Exited, Killed};
use crate::engine::service::Told;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{
    CommandKind as K, ExitType, KillMode, NotifyAccess, Restart, RestartMode, ServiceType,
};
use crate::unit::value::TimeSpan;

fn restarting(mode: RestartMode) -> World {
    let mut w = World::new(|s| {
        all_lists(s);
        s.restart = Restart::OnFailure;
        s.restart_mode = mode;
    });
    w.start();
    w
}

#[test]
fn m18_direct_leaves_out_the_states_in_between() {
    for mode in [RestartMode::Normal, RestartMode::Debug] {
        let mut w = restarting(mode);
        w.end_main(Exited(1));
        assert!(w.states.contains(&S::FailedBeforeAutoRestart));
        assert_eq!(w.state(), S::AutoRestart);
        assert!(w.told.iter().all(|told| *told == Told::AsAlways));
    }
    let mut w = restarting(RestartMode::Direct);
    w.told.clear();
    w.end_main(Exited(1));
    assert!(!w.states.contains(&S::FailedBeforeAutoRestart));
    assert_eq!(w.state(), S::AutoRestart);
    assert_eq!(w.count(K::StopPost), 1);
    let (last, before) = w.told.split_last().unwrap();
    assert!(before.iter().all(|told| *told == Told::Nobody));
    assert_eq!(*last, Told::AsAlways);
}

#[test]
fn direct_tells_of_an_end_that_is_one() {
    let mut w = restarting(RestartMode::Direct);
    w.told.clear();
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
    let (last, before) = w.told.split_last().unwrap();
    assert!(before.iter().all(|told| *told == Told::AsAlways));
    assert_eq!(*last, Told::Late);
    // It was to be restarted until its ExecStopPost= let somebody stop it.
    let mut w = restarting(RestartMode::Direct);
    w.lasting.insert((K::StopPost, 0));
    w.end_main(Exited(1));
    assert_eq!(w.told.last(), Some(&Told::Nobody));
    w.stop();
    w.end_control(Exited(0));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.told.last(), Some(&Told::Late));
}

#[test]
fn debug_tells_the_commands_of_a_restart() {
    let mut w = restarting(RestartMode::Debug);
    assert_eq!(w.variable(K::Start, "DEBUG_INVOCATION"), None);
    w.end_main(Exited(1));
    w.pass(SECOND);
    assert!(w.service.is_debugging());
    w.start();
    for kind in [K::StartPre, K::Start, K::StartPost] {
        assert_eq!(w.variable(kind, "DEBUG_INVOCATION"), Some("1"));
    }
    assert!(!w.service.is_debugging(), "it is up");
    w.stop();
    assert_eq!(w.variable(K::Stop, "DEBUG_INVOCATION"), None);
    w.start();
    assert_eq!(w.variable(K::Start, "DEBUG_INVOCATION"), None);
}

#[test]
fn restart_reset_forgets_earlier_restarts() {
    let mut w = World::new(|s| {
        s.restart = Restart::Always;
        s.notify_access = NotifyAccess::Main;
        s.restart_max_delay = TimeSpan::from_secs(60);
    });
    w.start();
    for _ in 0..3 {
        w.end_main(Exited(1));
        w.pass_to_deadline();
        w.start();
    }
    assert_eq!(w.service.view().restarts, 3);
    w.main_says(&[("RESTART_RESET", "1")]);
    assert_eq!(w.service.view().restarts, 0);
    w.end_main(Exited(1));
    w.pass(SECOND);
    assert_eq!(w.state(), S::AutoRestartQueued, "RestartSec= again");
}

#[test]
fn chance_lengthens_the_longest_run_once_a_run() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut w = World::new(|s| {
            add(s, K::Reload, &["reload"]);
            s.runtime_max = TimeSpan::from_secs(100);
            s.runtime_random_extra = TimeSpan::from_secs(10);
        });
        w.random = seed;
        w.start();
        let due = w.service.deadline().unwrap();
        w.reload();
        assert_eq!(w.service.deadline(), Some(due), "a reload changes nothing");
        let length = due - w.now;
        assert!((100 * SECOND..=110 * SECOND).contains(&length), "{length}");
        seen.insert(length);
        w.pass_to_deadline();
        w.assert(S::Failed, R::Timeout);
    }
    assert!(seen.len() > 40, "{seen:?}");
}

fn by_group(service_type: ServiceType) -> World {
    let mut w = World::new(|s| {
        all_lists(s);
        s.service_type = service_type;
        s.exit_type = ExitType::Cgroup;
        s.notify_access = NotifyAccess::All;
    });
    w.start();
    w
}

#[test]
fn exit_type_cgroup_ends_with_the_last_process() {
    let mut w = by_group(ServiceType::Simple);
    let child = w.member();
    w.end_main(Exited(0));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, 0);
    w.end(child, Killed(crate::unit::value::Signal::KILL));
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::Stop), 1);
}

#[test]
fn exit_type_cgroup_keeps_the_failure_of_the_main_process_for_the_end() {
    let mut w = by_group(ServiceType::Simple);
    let child = w.member();
    w.end_main(Exited(7));
    assert_eq!(w.state(), S::Running);
    w.end(child, Exited(0));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.count(K::Stop), 0);
}

#[test]
fn exit_type_cgroup_without_others_ends_with_the_main_process() {
    let mut w = by_group(ServiceType::Simple);
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Exec;
        s.exit_type = ExitType::Cgroup;
    });
    w.unexecutable.insert((K::Start, 0), 203);
    w.start();
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn exit_type_cgroup_lets_others_say_that_it_is_ready() {
    let mut w = by_group(ServiceType::Notify);
    let child = w.member();
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::Start);
    w.say(child, &[("READY", "1")]);
    w.assert(S::Running, R::Success);
    // And if nobody does:
    let mut w = by_group(ServiceType::Notify);
    let child = w.member();
    w.end_main(Exited(0));
    w.end(child, Exited(0));
    w.assert(S::Failed, R::Protocol);
}

#[test]
fn exit_type_cgroup_in_a_reload() {
    let mut w = by_group(ServiceType::Simple);
    let child = w.member();
    w.end_main(Exited(0));
    w.say(child, &[("RELOADING", "1")]);
    assert_eq!(w.state(), S::ReloadNotify);
    w.end(child, Exited(0));
    w.assert(S::Dead, R::Success);
}

#[test]
fn exit_type_cgroup_is_stopped_with_all_that_is_left() {
    let mut w = by_group(ServiceType::Simple);
    let child = w.member();
    w.end_main(Exited(0));
    w.stop();
    w.assert(S::Dead, R::Success);
    assert!(!w.lives(child));
}

#[test]
fn exit_type_cgroup_does_not_wait_for_those_who_are_left_alone() {
    let mut w = World::new(|s| {
        s.exit_type = ExitType::Cgroup;
        s.kill.mode = KillMode::Process;
        s.timeout_stop = TimeSpan::INFINITY;
    });
    w.start();
    let child = w.member();
    w.stop();
    w.assert(S::Dead, R::Success);
    assert!(w.lives(child));
}
