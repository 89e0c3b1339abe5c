//! Main processes that were not started as such (checklist row M14).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, NotifyAccess, ServiceConfig, ServiceType};

fn forking(service: &mut ServiceConfig) {
    service.service_type = ServiceType::Forking;
}

fn with_pid_file(service: &mut ServiceConfig) {
    service.pid_file = Some("/run/test.pid".to_owned());
}

fn forking_with_pid_file(service: &mut ServiceConfig) {
    forking(service);
    with_pid_file(service);
}

#[test]
fn forking_guesses_the_only_process() {
    let mut w = World::new(forking);
    w.start();
    assert_eq!(w.state(), S::Start);
    let daemon = w.member();
    w.end_control(Exited(0));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
    assert_eq!(w.service.view().runs, 1);
    w.end(daemon, Exited(1));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn forking_with_several_processes_lives_as_long_as_one_of_them() {
    let mut w = World::new(forking);
    w.start();
    let (a, b) = (w.member(), w.member());
    w.end_control(Exited(0));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, 0);
    w.end(a, Exited(1));
    assert_eq!(w.state(), S::Running);
    w.end(b, Exited(1));
    w.assert(S::Dead, R::Success);
}

#[test]
fn forking_without_guess_and_stop() {
    let mut w = World::new(|s| {
        forking(s);
        s.guess_main_pid = false;
    });
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    assert_eq!(w.service.view().main_pid, 0);
    w.stop();
    assert!(!w.lives(daemon));
    w.assert(S::Dead, R::Success);
}

#[test]
fn forking_parent_that_fails_or_leaves_nobody() {
    let mut w = World::new(|s| {
        all_lists(s);
        forking(s);
    });
    w.ends.insert((K::Start, 0), Exited(1));
    w.start();
    w.assert(S::Failed, R::ExitCode);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));

    let mut w = World::new(forking);
    w.ends.insert((K::Start, 0), Exited(0));
    w.start();
    w.assert(S::Dead, R::Success);
}

#[test]
fn pid_file_that_is_there_when_the_parent_returns() {
    let mut w = World::new(forking_with_pid_file);
    w.start();
    let (daemon, _other) = (w.member(), w.member());
    w.pid_file = Some(daemon);
    w.end_control(Exited(0));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
}

#[test]
fn pid_file_that_comes_late() {
    let mut w = World::new(forking_with_pid_file);
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::Start);
    w.pass(9 * SECOND);
    w.write_pid_file(daemon);
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
}

#[test]
fn pid_file_that_never_comes() {
    let mut w = World::new(forking_with_pid_file);
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    w.pass(10 * SECOND);
    w.assert(S::Failed, R::Timeout);
    assert!(!w.lives(daemon));
    assert_eq!(w.forgotten.len(), 1, "the look-out is called off");

    // Nobody is left to write it.
    let mut w = World::new(forking_with_pid_file);
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    w.end(daemon, Exited(0));
    w.assert(S::Failed, R::Protocol);

    // Nobody was left in the first place.
    let mut w = World::new(forking_with_pid_file);
    w.ends.insert((K::Start, 0), Exited(0));
    w.start();
    w.assert(S::Failed, R::Protocol);
}

#[test]
fn pid_file_written_by_start_post() {
    let mut w = World::new(|s| {
        forking_with_pid_file(s);
        add(s, K::StartPost, &["post"]);
    });
    w.lasting.insert((K::StartPost, 0));
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::StartPost);
    w.write_pid_file(daemon);
    w.end_control(Exited(0));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
}

/// As observed on systemd 252: with ExecStartPost= any type waits for its PID file.
#[test]
fn simple_with_start_post_waits_for_its_pid_file() {
    let make = || {
        let mut w = World::new(|s| {
            with_pid_file(s);
            add(s, K::StartPost, &["post"]);
        });
        w.start();
        assert_eq!(w.state(), S::StartPost);
        w
    };
    let mut w = make();
    w.pass(10 * SECOND);
    w.assert(S::Failed, R::Timeout);

    let mut w = make();
    let main = w.service.view().main_pid;
    w.write_pid_file(main);
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, main);
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);

    let mut w = make();
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
}

#[test]
fn simple_hands_over_by_pid_file() {
    let mut w = World::new(with_pid_file);
    w.start();
    let successor = w.member();
    w.pid_file = Some(successor);
    w.end_main(Exited(1));
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, successor);
    w.end(successor, Exited(2));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.service.view().exec_main_status, Some(Exited(2)));
}

#[test]
fn simple_whose_pid_file_names_the_dead_one_or_nobody() {
    let mut w = World::new(with_pid_file);
    w.start();
    w.pid_file = Some(w.service.view().main_pid);
    w.end_main(Exited(1));
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.service.view().exec_main_status, Some(Exited(1)));

    let mut w = World::new(with_pid_file);
    w.start();
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
}

#[test]
fn stop_while_a_successor_is_looked_for() {
    let mut w = World::new(|s| {
        with_pid_file(s);
        all_lists(s);
        s.commands.get_mut(K::StartPost).clear();
    });
    w.start();
    let main = w.service.main_process().unwrap();
    w.job = Some(crate::engine::state::JobKind::Stop);
    w.call(|service, cx| {
        service.on_exited(cx, main, Exited(4));
        service.stop(cx).unwrap();
    });
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.service.view().exec_main_status, Some(Exited(4)));
    assert_eq!(w.forgotten.len(), 1);
}

#[test]
fn stop_in_a_start_while_a_successor_is_looked_for() {
    let mut w = World::new(|s| {
        with_pid_file(s);
        s.service_type = ServiceType::Notify;
    });
    w.start();
    let main = w.service.main_process().unwrap();
    w.call(|service, cx| {
        service.on_exited(cx, main, Exited(4));
        service.stop(cx).unwrap();
    });
    w.assert(S::Failed, R::ExitCode);
    assert_eq!(w.forgotten.len(), 1);
}

#[test]
fn main_told_and_not_verified_before_the_end() {
    let mut w = World::new(|s| s.notify_access = NotifyAccess::Main);
    w.start();
    let main = w.service.main_process().unwrap();
    let helper = w.member();
    let message = crate::engine::event::Notification {
        fields: vec![("MAINPID".to_owned(), helper.to_string())],
    };
    w.call(|service, cx| {
        service.on_notified(cx, Some(main), 0, &message);
        service.stop(cx).unwrap();
        service.on_exited(cx, main, Exited(0));
        service.on_group_empty(cx);
    });
    w.assert(S::Dead, R::Success);
    // Called off, and the answer that was on its way turned down.
    assert_eq!(w.forgotten.len(), 2);
    assert_eq!(w.forgotten[0], w.forgotten[1]);
}

#[test]
fn main_told_that_ends_before_its_parent_has_returned() {
    let mut w = World::new(|s| {
        forking(s);
        s.notify_access = NotifyAccess::All;
    });
    w.start();
    let parent = w.service.view().control_pid;
    let daemon = w.member();
    let pid = daemon.to_string();
    w.say(parent, &[("MAINPID", &pid)]);
    assert_eq!(w.service.view().main_pid, daemon);
    w.end(daemon, Exited(1));
    assert_eq!(w.state(), S::Start);
    w.end_control(Exited(0));
    w.assert(S::Failed, R::ExitCode);
}

#[test]
fn main_told_by_message_survives_its_parent() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::All;
    });
    w.start();
    let daemon = w.member();
    let pid = daemon.to_string();
    let parent = w.service.view().main_pid;
    w.main_says(&[("MAINPID", &pid), ("READY", "1")]);
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
    w.end(parent, Exited(0));
    w.assert(S::Running, R::Success);
    w.end(daemon, Exited(0));
    w.assert(S::Dead, R::Success);
}

#[test]
fn main_told_whose_parent_ends_before_it_was_verified() {
    let mut w = World::new(|s| s.notify_access = NotifyAccess::Main);
    w.start();
    let daemon = w.member();
    let main = w.service.main_process().unwrap();
    let message = crate::engine::event::Notification {
        fields: vec![("MAINPID".to_owned(), daemon.to_string())],
    };
    w.call(|service, cx| {
        service.on_notified(cx, Some(main), 0, &message);
        service.on_exited(cx, main, Exited(1));
    });
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, daemon);
}

/// Told and PID file at once: the first answer wins, the other look-out is called off.
#[test]
fn main_told_while_a_successor_is_looked_for() {
    let mut w = World::new(|s| {
        with_pid_file(s);
        s.notify_access = NotifyAccess::Main;
    });
    w.start();
    let (told, written) = (w.member(), w.member());
    w.pid_file = Some(written);
    let main = w.service.main_process().unwrap();
    let message = crate::engine::event::Notification {
        fields: vec![("MAINPID".to_owned(), told.to_string())],
    };
    w.call(|service, cx| {
        service.on_notified(cx, Some(main), 0, &message);
        service.on_exited(cx, main, Exited(1));
    });
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, told);
    w.end(written, Exited(1));
    w.assert(S::Running, R::Success);
}

#[test]
fn nonsense_told_as_main_is_ignored() {
    let mut w = World::new(|s| s.notify_access = NotifyAccess::Main);
    w.start();
    let main = w.service.view().main_pid;
    for value in ["", "-1", "0", "nobody", "99999"] {
        w.main_says(&[("MAINPID", value)]);
        assert_eq!(w.service.view().main_pid, main, "{value}");
    }
    w.assert(S::Running, R::Success);
}

#[test]
fn reload_may_replace_main() {
    let mut w = World::new(|s| {
        forking_with_pid_file(s);
        add(s, K::Reload, &["reload"]);
    });
    w.start();
    let (old, new) = (w.member(), w.member());
    w.pid_file = Some(old);
    w.end_control(Exited(0));
    assert_eq!(w.service.view().main_pid, old);
    w.pid_file = Some(new);
    w.reload();
    w.assert(S::Running, R::Success);
    assert_eq!(w.service.view().main_pid, new);
    w.end(old, Exited(0));
    w.assert(S::Running, R::Success);
}

#[test]
fn dash_on_the_parent_covers_the_daemon() {
    let mut w = World::new(|s| {
        forking(s);
        s.commands.get_mut(K::Start)[0].ignore_failure = true;
    });
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    w.end(daemon, Exited(1));
    w.assert(S::Dead, R::Success);
}
