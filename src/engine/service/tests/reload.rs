//! Reloads (checklist rows M9, M10).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::service::can_reload;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, NotifyAccess, ServiceType};
use crate::unit::value::Signal;

fn notify_reload() -> World {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::NotifyReload;
        s.notify_access = NotifyAccess::Main;
    });
    w.ignored.insert(Signal::HUP);
    w.start();
    w.main_says(&[("READY", "1")]);
    assert_eq!(w.state(), S::Running);
    w
}

#[test]
fn which_services_can_reload() {
    assert!(!can_reload(&super::world::config(|_| ())));
    assert!(can_reload(&super::world::config(|s| add(
        s,
        K::Reload,
        &["r"]
    ))));
    assert!(can_reload(&super::world::config(|s| {
        s.service_type = ServiceType::NotifyReload;
    })));
}

#[test]
fn commands_in_order_then_running_again() {
    let mut w = World::new(|s| add(s, K::Reload, &["a", "b"]));
    w.start();
    let main = w.service.view().main_pid;
    w.reload();
    assert_eq!(w.count(K::Reload), 2);
    assert!(w.states.ends_with(&[S::Running, S::Reload, S::Running]));
    assert_eq!(w.failed_reloads, 0);
    assert_eq!(w.service.view().main_pid, main);
    let pid = main.to_string();
    assert_eq!(w.variable(K::Reload, "MAINPID"), Some(&*pid));
}

#[test]
fn failure_leaves_the_service_as_it_was() {
    let mut w = World::new(|s| add(s, K::Reload, &["a", "b"]));
    w.ends.insert((K::Reload, 0), Exited(1));
    w.start();
    w.reload();
    assert_eq!(w.count(K::Reload), 1);
    w.assert(S::Running, R::Success);
    assert_eq!(w.failed_reloads, 1);
    assert_eq!(w.service.view().reload_result, R::ExitCode);
    w.ends.clear();
    w.reload();
    assert_eq!(w.service.view().reload_result, R::Success);
    assert_eq!(w.failed_reloads, 1);
}

#[test]
fn command_that_cannot_be_spawned() {
    let mut w = World::new(all_lists);
    w.unspawnable.insert((K::Reload, 0));
    w.start();
    w.reload();
    w.assert(S::Running, R::Success);
    assert_eq!(w.failed_reloads, 1);
    assert_eq!(w.service.view().reload_result, R::Resources);
}

#[test]
fn timeout_kills_the_command_only() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::Reload, 0));
    w.start();
    w.reload();
    let command = w.service.view().control_pid;
    let main = w.service.view().main_pid;
    w.pass(10 * SECOND);
    w.assert(S::Running, R::Success);
    assert!(w.lives(main) && !w.lives(command));
    assert_eq!(w.failed_reloads, 1);
    assert_eq!(w.service.view().reload_result, R::Timeout);
}

#[test]
fn main_that_dies_during_reload_ends_the_service_afterwards() {
    let mut w = World::new(all_lists);
    w.lasting.insert((K::Reload, 0));
    w.start();
    w.reload();
    w.end_main(Exited(1));
    assert_eq!(w.state(), S::Reload);
    w.end_control(Exited(0));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn exited_service_goes_back_to_exited() {
    let mut w = World::oneshot(|s| {
        s.remain_after_exit = true;
        add(s, K::Reload, &["r"]);
    });
    w.start();
    w.reload();
    assert!(w.states.ends_with(&[S::Exited, S::Reload, S::Exited]));
}

#[test]
fn reload_signal_needs_an_answer_with_its_time() {
    let mut w = notify_reload();
    w.reload();
    assert_eq!(w.state(), S::ReloadSignal);
    let kill = w.kills.last().unwrap();
    assert_eq!((kill.signal, kill.group_signal), (Signal::HUP, None));
    w.main_says(&[("RELOADING", "1")]);
    assert_eq!(w.state(), S::ReloadSignal, "no time given");
    let before = (w.now - 1).to_string();
    w.main_says(&[("RELOADING", "1"), ("MONOTONIC_USEC", &before)]);
    assert_eq!(w.state(), S::ReloadSignal, "an earlier reload");
    let now = w.now.to_string();
    w.main_says(&[("RELOADING", "1"), ("MONOTONIC_USEC", &now)]);
    assert_eq!(w.state(), S::ReloadNotify);
    w.main_says(&[("READY", "1")]);
    w.assert(S::Running, R::Success);
    assert_eq!(w.failed_reloads, 0);
}

#[test]
fn reload_signal_answered_in_one_message() {
    let mut w = notify_reload();
    w.reload();
    let now = w.now.to_string();
    w.main_says(&[("READY", "1"), ("RELOADING", "1"), ("MONOTONIC_USEC", &now)]);
    w.assert(S::Running, R::Success);
}

#[test]
fn reload_signal_times_out() {
    let mut w = notify_reload();
    w.reload();
    let now = w.now.to_string();
    w.main_says(&[("RELOADING", "1"), ("MONOTONIC_USEC", &now)]);
    w.pass(10 * SECOND);
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().reload_result, R::Timeout);
    assert_eq!(w.failed_reloads, 1);
}

#[test]
fn main_that_dies_after_the_reload_signal() {
    let mut w = notify_reload();
    w.reload();
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn service_that_says_it_reloads() {
    let mut w = World::new(|s| s.notify_access = NotifyAccess::Main);
    w.start();
    w.main_says(&[("RELOADING", "1")]);
    assert_eq!(w.state(), S::ReloadNotify);
    w.main_says(&[("READY", "1")]);
    assert_eq!(w.state(), S::Running);
}

#[test]
fn service_that_still_reloads_when_its_command_is_done() {
    let mut w = World::new(|s| {
        add(s, K::Reload, &["r"]);
        s.notify_access = NotifyAccess::Main;
    });
    w.lasting.insert((K::Reload, 0));
    w.start();
    w.reload();
    w.main_says(&[("RELOADING", "1")]);
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::ReloadNotify);
    w.main_says(&[("READY", "1")]);
    w.assert(S::Running, R::Success);
}

#[test]
fn reload_does_nothing_to_a_service_that_is_down() {
    let mut w = World::new(all_lists);
    w.reload();
    assert!(w.states.is_empty() && w.spawns.is_empty());
}
