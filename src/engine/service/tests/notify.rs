//! What a service says (checklist section 6, sd_notify).

use super::world::{SECOND, World, add, all_lists};
use crate::engine::event::Notification;
use crate::engine::process::ProcessStatus::Exited;
use crate::engine::state::ServiceResult as R;
use crate::engine::state::ServiceState as S;
use crate::unit::config::{CommandKind as K, NotifyAccess, Restart, ServiceType};
use crate::unit::value::{Signal, TimeSpan};

fn speaking(access: NotifyAccess) -> World {
    let mut w = World::new(|s| {
        all_lists(s);
        s.notify_access = access;
    });
    w.start();
    w
}

#[test]
fn access_by_sender() {
    for (access, main, control, other) in [
        (NotifyAccess::None, false, false, false),
        (NotifyAccess::Main, true, false, false),
        (NotifyAccess::Exec, true, true, false),
        (NotifyAccess::All, true, true, true),
    ] {
        let mut w = speaking(access);
        w.lasting.insert((K::Reload, 0));
        w.reload();
        let view = w.service.view();
        let stranger = w.member();
        for (pid, heard) in [
            (view.main_pid, main),
            (view.control_pid, control),
            (stranger, other),
        ] {
            let text = format!("from {pid}");
            w.say(pid, &[("STATUS", &text)]);
            assert_eq!(
                w.service.view().status_text == text,
                heard,
                "{access:?} {pid}"
            );
        }
    }
}

#[test]
fn a_name_is_enough_to_be_heard() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::Main;
    });
    w.slow.insert((K::Start, 0));
    w.start();
    // It speaks before the answer to its spawn is in: its number is not known yet.
    let main = w.service.main_process();
    let ready = Notification {
        fields: vec![("READY".to_owned(), "1".to_owned())],
    };
    w.call(|service, cx| service.on_notified(cx, main, 5, &ready));
    assert_eq!(w.state(), S::Running);
    w.answer_spawns();
    w.assert(S::Running, R::Success);
    assert_ne!(w.service.view().main_pid, 0);
}

#[test]
fn message_of_a_main_process_that_is_gone() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::All;
        s.remain_after_exit = true;
    });
    w.start();
    let main = w.service.view().main_pid;
    let helper = w.member();
    w.end_main(Exited(0));
    assert_eq!(w.state(), S::Start);
    w.say(main, &[("READY", "1")]);
    w.assert(S::Exited, R::Success);
    assert!(w.lives(helper));
}

#[test]
fn stopping_beats_ready() {
    let mut w = speaking(NotifyAccess::Main);
    w.main_says(&[("READY", "1"), ("STOPPING", "1")]);
    w.assert(S::StopSigterm, R::Success);
    assert!(w.kills.is_empty(), "no signal is sent");
    w.end_main(Exited(0));
    w.assert(S::Dead, R::Success);
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
}

#[test]
fn stopping_that_takes_too_long() {
    let mut w = speaking(NotifyAccess::Main);
    w.main_says(&[("STOPPING", "1")]);
    w.pass(5 * SECOND);
    assert_eq!(w.kills[0].signal, Signal::KILL);
    w.assert(S::Failed, R::Timeout);
}

#[test]
fn stopping_said_during_the_start() {
    let mut w = World::new(|s| {
        add(s, K::StartPost, &["post"]);
        s.notify_access = NotifyAccess::Main;
    });
    w.lasting.insert((K::StartPost, 0));
    w.start();
    w.main_says(&[("STOPPING", "1")]);
    assert_eq!(w.state(), S::StartPost);
    w.end_control(Exited(0));
    assert_eq!(w.state(), S::StopSigterm);
}

#[test]
fn status_and_errno() {
    let mut w = speaking(NotifyAccess::Main);
    w.main_says(&[("STATUS", "working"), ("ERRNO", "2")]);
    assert_eq!(w.service.view().status_text, "working");
    assert_eq!(w.service.view().status_errno, 2);
    w.main_says(&[("ERRNO", "many")]);
    assert_eq!(w.service.view().status_errno, 2);
    w.main_says(&[("STATUS", &"x".repeat(16 * 1024 + 1))]);
    assert_eq!(w.service.view().status_text, "");
}

#[test]
fn extended_timeouts() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Notify;
        s.notify_access = NotifyAccess::Main;
    });
    w.start();
    w.pass(9 * SECOND);
    w.main_says(&[("EXTEND_TIMEOUT_USEC", "5000000")]);
    w.pass(4 * SECOND);
    assert_eq!(w.state(), S::Start);
    w.main_says(&[("EXTEND_TIMEOUT_USEC", "100")]);
    w.pass(SECOND / 2);
    assert_eq!(w.state(), S::Start, "it never shortens");
    w.pass(SECOND / 2);
    w.assert(S::Failed, R::Timeout);
}

#[test]
fn watchdog_must_be_fed() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.watchdog = TimeSpan::from_secs(3);
        s.notify_access = NotifyAccess::Main;
    });
    w.start();
    for _ in 0..5 {
        w.pass(2 * SECOND);
        w.main_says(&[("WATCHDOG", "1")]);
    }
    assert_eq!(w.state(), S::Running);
    w.pass(3 * SECOND);
    w.assert(S::Failed, R::Watchdog);
    assert!(w.states.contains(&S::StopWatchdog));
    assert_eq!(w.kills[0].signal, Signal::ABRT);
    assert_eq!(w.kills[0].group_signal, Some(Signal::ABRT));
    assert_eq!((w.count(K::Stop), w.count(K::StopPost)), (0, 1));
    assert_eq!(w.service.deadline(), None);
}

#[test]
fn watchdog_signal_that_is_ignored() {
    let mut w = World::new(|s| s.watchdog = TimeSpan::from_secs(3));
    w.ignored.insert(Signal::ABRT);
    w.start();
    w.pass(3 * SECOND);
    assert_eq!(w.state(), S::StopWatchdog);
    w.pass(5 * SECOND);
    assert_eq!(w.kills[1].signal, Signal::KILL);
    w.assert(S::Failed, R::Watchdog);
}

#[test]
fn watchdog_can_be_changed_and_triggered() {
    let mut w = speaking(NotifyAccess::Main);
    w.main_says(&[("WATCHDOG_USEC", "1000000")]);
    w.pass(SECOND);
    assert_eq!(w.result(), R::Watchdog);

    let mut w = World::new(|s| {
        s.watchdog = TimeSpan::from_secs(3);
        s.notify_access = NotifyAccess::Main;
        s.restart = Restart::Always;
    });
    w.start();
    w.main_says(&[("WATCHDOG_USEC", "0")]);
    w.pass(100 * SECOND);
    assert_eq!(w.state(), S::Running);
    w.main_says(&[("WATCHDOG", "trigger")]);
    w.assert(S::AutoRestart, R::Watchdog);
    // The next run has the configured interval again.
    w.pass(SECOND);
    w.start();
    w.pass(3 * SECOND);
    assert_eq!(w.result(), R::Watchdog);
}

#[test]
fn errors_by_name() {
    let mut w = speaking(NotifyAccess::Main);
    w.main_says(&[
        ("BUSERROR", "org.freedesktop.DBus.Error.TimedOut"),
        ("VARLINKERROR", "io.example.Refused"),
        ("ERRNO", "2"),
    ]);
    let view = w.service.view();
    assert_eq!(view.status_bus_error, "org.freedesktop.DBus.Error.TimedOut");
    assert_eq!(view.status_varlink_error, "io.example.Refused");
    assert_eq!(view.status_errno, 2);
    for nonsense in ["", "word", "a..b", "a b.c", "a.b\u{7}"] {
        w.main_says(&[("BUSERROR", nonsense)]);
    }
    let kept = w.service.view().status_bus_error;
    assert_eq!(kept, "org.freedesktop.DBus.Error.TimedOut");
    w.stop();
    w.start();
    assert_eq!(w.service.view().status_bus_error, "");
}

#[test]
fn the_last_feeding_of_the_watchdog_is_shown() {
    let mut w = World::new(|s| {
        s.notify_access = NotifyAccess::Main;
        s.watchdog = TimeSpan::from_secs(5);
    });
    w.start();
    w.pass(SECOND);
    w.main_says(&[("WATCHDOG", "1")]);
    assert_eq!(w.service.view().watchdog_fed.monotonic, w.now);
    assert_eq!(w.service.view().watchdog_told, None);
    w.main_says(&[("WATCHDOG_USEC", "7000000")]);
    assert_eq!(w.service.view().watchdog_told, Some(TimeSpan::from_secs(7)));
}

#[test]
fn stopping_that_comes_after_the_last_end_waits_for_nobody() {
    let mut w = World::new(|s| {
        s.service_type = ServiceType::Forking;
        s.guess_main_pid = false;
        s.notify_access = NotifyAccess::All;
        s.timeout_start = TimeSpan::INFINITY;
        s.timeout_stop = TimeSpan::INFINITY;
    });
    w.lasting.insert((K::Start, 0));
    w.start();
    let daemon = w.member();
    w.end_control(Exited(0));
    w.assert(S::Running, R::Success);
    w.say(daemon, &[("RELOADING", "1")]);
    w.assert(S::ReloadNotify, R::Success);
    w.end(daemon, Exited(0));
    w.assert(S::ReloadNotify, R::Success);
    w.say(daemon, &[("STOPPING", "1")]);
    w.assert(S::Dead, R::Success);
}

#[test]
fn a_main_process_is_told_with_its_inode() {
    let mut w = speaking(NotifyAccess::All);
    let other = w.member();
    w.main_says(&[("MAINPID", &other.to_string()), ("MAINPIDFDID", "77")]);
    assert_eq!(w.service.view().main_pid, other);
    assert_eq!(w.told_mains, [(other, Some(77))]);
}
