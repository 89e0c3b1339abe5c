//! What each command is told (checklist rows E7-E9), as a table: one row per variable.

use super::world::{World, all_lists};
use crate::engine::process::ProcessStatus::Killed;
use crate::unit::config::{CommandKind as K, NotifyAccess, ServiceType};
use crate::unit::value::{Signal, TimeSpan};

/// A life with every command, told all there is to tell.
fn life(access: NotifyAccess, service_type: ServiceType) -> World {
    let mut w = World::new(|s| {
        all_lists(s);
        s.service_type = service_type;
        s.notify_access = access;
        s.pid_file = Some("/run/test.pid".to_owned());
        s.watchdog = TimeSpan::from_secs(30);
    });
    w.pid_file = None;
    w.monitor = vec![("MONITOR_UNIT".to_owned(), "other.service".to_owned())];
    w.lasting.insert((K::Stop, 0));
    w.start();
    // ExecStartPost= may have written it.
    let main = w.service.view().main_pid;
    if main > 0 {
        w.pid_file = Some(main);
        w.call(|_, _| ());
    }
    w
}

const KINDS: [K; 7] = K::ALL;

#[test]
fn e7_to_e9_who_is_told_what() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.notify_access = NotifyAccess::Main;
        s.watchdog = TimeSpan::from_secs(30);
    });
    w.monitor = vec![("MONITOR_UNIT".to_owned(), "other.service".to_owned())];
    w.start();
    w.reload();
    w.lasting.insert((K::Stop, 0));
    w.stop();
    // The main process ends in the middle of the stop: from here on it is known how.
    w.end_main(Killed(Signal::TERM));
    w.end_control(crate::engine::process::ProcessStatus::Exited(0));
    let table: [(&str, [Option<&str>; 7]); 7] = [
        // Condition, StartPre, Start, StartPost, Reload, Stop, StopPost
        (
            "MAINPID",
            [
                None,
                None,
                None,
                Some("102"),
                Some("102"),
                Some("102"),
                None,
            ],
        ),
        (
            "WATCHDOG_USEC",
            [None, None, Some("30000000"), None, None, None, None],
        ),
        (
            "SERVICE_RESULT",
            [
                None,
                None,
                None,
                None,
                None,
                Some("success"),
                Some("success"),
            ],
        ),
        (
            "EXIT_CODE",
            [None, None, None, None, None, None, Some("killed")],
        ),
        (
            "EXIT_STATUS",
            [None, None, None, None, None, None, Some("TERM")],
        ),
        (
            "MONITOR_UNIT",
            [
                None,
                Some("other.service"),
                Some("other.service"),
                None,
                None,
                None,
                None,
            ],
        ),
        ("DEBUG_INVOCATION", [None; 7]),
    ];
    for (name, wanted) in table {
        let told = KINDS.map(|kind| w.variable(kind, name).map(str::to_owned));
        let wanted = wanted.map(|value| value.map(str::to_owned));
        assert_eq!(told, wanted, "{name}");
    }
}

#[test]
fn e7_pidfile_for_every_command() {
    let w = life(NotifyAccess::Main, ServiceType::Simple);
    for kind in [K::Condition, K::StartPre, K::Start, K::StartPost] {
        assert_eq!(w.variable(kind, "PIDFILE"), Some("/run/test.pid"));
    }
}

#[test]
fn e7_who_gets_the_notify_socket() {
    for (access, main, control) in [
        (NotifyAccess::None, false, false),
        (NotifyAccess::Main, true, false),
        (NotifyAccess::Exec, true, true),
        (NotifyAccess::All, true, true),
    ] {
        // The parent of a forking service counts as its main process here.
        for service_type in [ServiceType::Simple, ServiceType::Forking] {
            let w = life(access, service_type);
            for spawn in &w.spawns {
                let wanted = if spawn.kind == K::Start {
                    main
                } else {
                    control
                };
                assert_eq!(spawn.notify, wanted, "{access:?} {:?}", spawn.kind);
            }
        }
    }
}

#[test]
fn e7_what_a_service_says_of_its_access_counts_for_later_commands() {
    let mut w = World::new(|s| {
        all_lists(s);
        s.notify_access = NotifyAccess::Main;
    });
    w.start();
    w.main_says(&[("NOTIFYACCESS", "all")]);
    w.reload();
    assert!(w.spawns.last().unwrap().notify);
    let stranger = w.member();
    w.say(stranger, &[("STATUS", "heard")]);
    assert_eq!(w.service.view().status_text, "heard");
    w.main_says(&[("NOTIFYACCESS", "nonsense")]);
    w.say(stranger, &[("STATUS", "still heard")]);
    assert_eq!(w.service.view().status_text, "still heard");
    w.main_says(&[("NOTIFYACCESS", "none")]);
    w.main_says(&[("STATUS", "lost")]);
    assert_eq!(w.service.view().status_text, "still heard");
    w.stop();
    w.start();
    w.main_says(&[("STATUS", "anew")]);
    assert_eq!(
        w.service.view().status_text,
        "anew",
        "the next run begins as configured"
    );
}
