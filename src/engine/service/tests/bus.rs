//! Type=dbus (checklist row M1).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::service::Service;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, KillMode, Restart, ServiceConfig, ServiceType};

fn on_bus(change: impl FnOnce(&mut ServiceConfig)) -> World {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Dbus;
        s.bus_name = Some("com.example.Agent".to_owned());
        change(s);
    });
    w.start();
    w
}

fn owned(w: &mut World, owned: bool) {
    w.call(|service, cx| service.on_bus_name_owned(cx, owned));
}

/// Up and running.
fn up(change: impl FnOnce(&mut ServiceConfig)) -> World {
    let mut w = on_bus(change);
    w.call(Service::on_bus_name_watched);
    owned(&mut w, true);
    w.assert(S::Running, R::Success);
    w
}

#[test]
fn it_is_started_once_the_name_is_watched_and_up_once_it_is_taken() {
    let mut w = on_bus(all_lists);
    assert_eq!(w.watched_names, [Some("com.example.Agent".to_owned())]);
    assert_eq!(w.state(), S::Start);
    assert_eq!(w.count(K::StartPre), 1);
    assert_eq!(w.count(K::Start), 0);
    owned(&mut w, true);
    assert_eq!(w.state(), S::Start, "what is not watched yet says nothing");
    w.call(Service::on_bus_name_watched);
    assert_eq!(w.count(K::Start), 1);
    w.call(Service::on_bus_name_watched);
    assert_eq!(w.count(K::Start), 1);
    owned(&mut w, false);
    assert_eq!(w.state(), S::Start, "whoever had it before has let it go");
    owned(&mut w, true);
    w.assert(S::Running, R::Success);
    assert_eq!(w.count(K::StartPost), 1);
    w.stop();
    w.assert(S::Dead, R::Success);
    assert_eq!(w.watched_names.last(), Some(&None), "forgotten");
}

#[test]
fn a_name_that_is_lost_stops_it() {
    let mut w = up(all_lists);
    owned(&mut w, false);
    w.assert(S::Dead, R::Success);
    assert_eq!(w.count(K::Stop), 1);
    let mut w = up(|s| s.restart = Restart::OnFailure);
    owned(&mut w, false);
    w.assert(S::Dead, R::Success);
    let mut w = up(|s| s.restart = Restart::Always);
    owned(&mut w, false);
    assert_eq!(w.state(), S::AutoRestart);
}

#[test]
fn with_remain_after_exit_it_has_exited() {
    let mut w = up(|s| s.remain_after_exit = true);
    owned(&mut w, false);
    w.assert(S::Exited, R::Success);
}

/// systemd 252 forgets it: with KillMode=process it would live on beside the next one.
#[test]
fn a_main_process_without_its_name_is_ended_when_the_service_is() {
    let exited = || {
        let mut w = up(|s| {
            s.remain_after_exit = true;
            s.kill.mode = KillMode::Process;
            add(s, K::Stop, &["stop"]);
        });
        owned(&mut w, false);
        w.assert(S::Exited, R::Success);
        assert_ne!(w.service.view().main_pid, 0);
        w
    };
    let mut w = exited();
    w.stop();
    w.assert(S::Dead, R::Success);
    assert_eq!(w.kills.len(), 1);
    assert!(!w.service.has_processes());
    for end in [Exited(0), Exited(3)] {
        let mut w = exited();
        w.end_main(end);
        w.assert(S::Exited, R::Success);
        assert_eq!(w.service.view().main_pid, 0);
        w.stop();
        w.assert(S::Dead, R::Success);
    }
}

#[test]
fn a_name_that_is_lost_while_it_reloads_counts_afterwards() {
    let mut w = up(|s| add(s, K::Reload, &["reload"]));
    w.lasting.insert((K::Reload, 0));
    w.reload();
    owned(&mut w, false);
    assert_eq!(w.state(), S::Reload);
    w.end_control(Exited(0));
    w.assert(S::Dead, R::Success);
}

#[test]
fn without_a_bus_the_start_times_out_and_nothing_has_run() {
    let mut w = on_bus(|s| add(s, K::StopPost, &["post"]));
    w.pass(10 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert_eq!(w.ran(), ["ExecStopPost0"]);
    w.call(Service::on_bus_name_watched);
    assert_eq!(w.count(K::Start), 0, "an answer that comes late");
}

#[test]
fn a_stop_while_it_waits_for_the_bus() {
    let mut w = on_bus(|_| ());
    w.stop();
    w.assert(S::Dead, R::Success);
    assert!(w.ran().is_empty());
}

#[test]
fn a_process_that_ends_before_the_name_is_taken() {
    for (code, state, result) in [(0, S::Dead, R::Success), (3, S::Failed, R::ExitCode)] {
        let mut w = on_bus(|_| ());
        w.call(Service::on_bus_name_watched);
        w.end_main(Exited(code));
        w.assert(state, result);
    }
}

#[test]
fn the_name_may_be_taken_before_the_answer_to_the_spawn() {
    let mut w = on_bus(|_| ());
    w.slow.insert((K::Start, 0));
    w.call(Service::on_bus_name_watched);
    owned(&mut w, true);
    w.assert(S::Running, R::Success);
    w.answer_spawns();
    w.assert(S::Running, R::Success);
    assert_ne!(w.service.view().main_pid, 0);
}

#[test]
fn what_earlier_commands_left_may_end_while_it_waits() {
    let mut w = on_bus(|s| add(s, K::StartPre, &["pre"]));
    w.call(Service::on_group_empty);
    assert_eq!(w.state(), S::Start);
}
