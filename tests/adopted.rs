//! What a daemon does with what it has taken over from one that was killed: it sees how processes
//! end that are not its children, and goes on asking for the units it was told to run.

mod common;

use common::Daemon;
use common::daemon::Place;
use common::process::{lives, send};
use common::wait_until;
use nix::sys::signal::Signal;
use std::fs;

const RUNNING: &str = "active/running";

/// How a service ends after it was taken over.
#[derive(Clone, Copy)]
enum End {
    Exits(u8),
    Signalled(Signal),
}

/// A service, its end, and what is to be seen afterwards.
struct Case {
    what: &'static str,
    text: &'static str,
    end: End,
    state: &'static str,
    result: &'static str,
    /// Only for the kernel's own words; on a kernel that tells nothing the rest differs too.
    code: (&'static str, &'static str),
}

const FAILED: &str = "failed/failed";
const DEAD: &str = "inactive/dead";
const RESTART: &str = "activating/auto-restart";

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { what: "exit code 7", text: "",
        end: End::Exits(7), state: FAILED, result: "exit-code", code: ("1", "7") },
    Case { what: "exit code 0", text: "Restart=on-failure\n",
        end: End::Exits(0), state: DEAD, result: "success", code: ("1", "0") },
    Case { what: "exit code 7 that is a success", text: "SuccessExitStatus=7\nRestart=on-failure\n",
        end: End::Exits(7), state: DEAD, result: "success", code: ("1", "7") },
    Case { what: "exit code 7, Restart=on-failure", text: "Restart=on-failure\n",
        end: End::Exits(7), state: RESTART, result: "exit-code", code: ("1", "7") },
    Case { what: "exit code 7, Restart=on-abnormal", text: "Restart=on-abnormal\n",
        end: End::Exits(7), state: FAILED, result: "exit-code", code: ("1", "7") },
    Case { what: "exit code 7, RestartForceExitStatus=7", text: "RestartForceExitStatus=7\n",
        end: End::Exits(7), state: RESTART, result: "exit-code", code: ("1", "7") },
    Case { what: "exit code 7, RestartPreventExitStatus=7", text: "Restart=always\nRestartPreventExitStatus=7\n",
        end: End::Exits(7), state: FAILED, result: "exit-code", code: ("1", "7") },
    Case { what: "exit code 7, RestartPreventExitStatus=8", text: "Restart=always\nRestartPreventExitStatus=8\n",
        end: End::Exits(7), state: RESTART, result: "exit-code", code: ("1", "7") },
    Case { what: "SIGUSR1", text: "",
        end: End::Signalled(Signal::SIGUSR1), state: FAILED, result: "signal", code: ("2", "10") },
    Case { what: "SIGUSR1, Restart=on-abnormal", text: "Restart=on-abnormal\n",
        end: End::Signalled(Signal::SIGUSR1), state: RESTART, result: "signal", code: ("2", "10") },
    Case { what: "SIGUSR1 that is a success", text: "SuccessExitStatus=SIGUSR1\nRestart=on-failure\n",
        end: End::Signalled(Signal::SIGUSR1), state: DEAD, result: "success", code: ("2", "10") },
    Case { what: "SIGKILL, Restart=on-failure", text: "Restart=on-failure\n",
        end: End::Signalled(Signal::SIGKILL), state: RESTART, result: "signal", code: ("2", "9") },
    Case { what: "SIGTERM from somebody", text: "Restart=on-failure\n",
        end: End::Signalled(Signal::SIGTERM), state: DEAD, result: "success", code: ("2", "15") },
];

/// Whether the kernel tells how a process ended that was waited for by another (PIDFD_GET_INFO with
/// PIDFD_INFO_EXIT).
fn kernel_tells_exits() -> bool {
    let name = nix::sys::utsname::uname().expect("it has a name");
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|it: char| !it.is_ascii_digit())
        .filter_map(|it| it.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 15)
}

#[test]
fn the_ends_of_services_that_were_taken_over_are_seen_as_they_are() {
    let place = Place::new();
    let fifo = |number: usize| place.file(&format!("fifo-{number}"));
    let unit = |number: usize| format!("case-{number}.service");
    for (number, case) in CASES.iter().enumerate() {
        nix::unistd::mkfifo(&fifo(number), nix::sys::stat::Mode::S_IRWXU).expect("it can be made");
        let text = format!(
            "[Service]\nRestartSec=1h\n{}ExecStart=/bin/sh -c 'read code <{}; exit $code'\n\
             ExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT $$EXIT_CODE $$EXIT_STATUS >{}'\n",
            case.text,
            fifo(number).display(),
            place.file(&format!("post-{number}")).display(),
        );
        place.write_unit(&unit(number), &text);
    }
    let fifos: Vec<_> = (0..CASES.len()).map(fifo).collect();
    let units: Vec<String> = (0..CASES.len()).map(unit).collect();
    // What it is told to run stays loaded when it has ended.
    let place = units
        .iter()
        .fold(place, |place, unit| place.with_argument(unit));
    let mut daemon = place.start();
    for unit in &units {
        daemon.wait_state(unit, RUNNING);
    }
    let mains: Vec<i32> = units.iter().map(|unit| daemon.main_pid(unit)).collect();
    daemon.kill();
    daemon.start_again();
    for (unit, main) in units.iter().zip(&mains) {
        assert_eq!(daemon.main_pid(unit), *main, "{unit}");
    }
    for ((case, main), fifo) in CASES.iter().zip(&mains).zip(&fifos) {
        match case.end {
            End::Exits(code) => fs::write(fifo, format!("{code}\n")).expect("it is read"),
            End::Signalled(signal) => send(*main, signal),
        }
    }
    let mut bad = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        bad.extend(seen_otherwise(&daemon, number, case));
    }
    assert!(bad.is_empty(), "{bad:#?}\n{}", daemon.whole_log());
}

/// What is not as it should be; on a kernel that does not tell, an end is unknown at worst.
fn seen_otherwise(daemon: &Daemon, number: usize, case: &Case) -> Option<String> {
    let unit = format!("case-{number}.service");
    let post = daemon.file(&format!("post-{number}"));
    let read = || fs::read_to_string(&post).unwrap_or_default();
    wait_until(&format!("the end of {unit} to be seen"), || {
        let over = [FAILED, DEAD, RESTART].contains(&daemon.state(&unit).as_str());
        over && read().ends_with('\n')
    });
    let code = daemon.show(&unit, "ExecMainCode");
    let status = daemon.show(&unit, "ExecMainStatus");
    let words = match (case.end, case.code) {
        (End::Exits(code), _) => format!("{} exited {code}\n", case.result),
        (End::Signalled(signal), _) => {
            let name = signal.as_str().trim_start_matches("SIG");
            format!("{} killed {name}\n", case.result)
        }
    };
    let seen = [
        daemon.state(&unit),
        daemon.show(&unit, "Result"),
        code.clone(),
        status,
        read(),
    ];
    let wanted = [
        case.state,
        case.result,
        case.code.0,
        case.code.1,
        words.as_str(),
    ];
    println!("{}: {}", case.what, seen.join(" ").trim_end());
    if !kernel_tells_exits() && code == "0" {
        let said = daemon.ok(&["logs", &unit]);
        return (!said.contains("exit status unknown")).then(|| format!("{unit}: {said}"));
    }
    (seen != wanted).then(|| format!("{}: {seen:?} instead of {wanted:?}", case.what))
}

/// A daemon that is told to run two services and so many targets between them that take their time
/// to be read.
fn told_to_run(targets: usize) -> Daemon {
    let place = Place::new();
    for name in ["first", "last"] {
        let text = format!("[Service]\nExecStart=stand-in-agent --name {name}\n");
        place.write_unit(&format!("{name}.service"), &text);
    }
    let long = "# A line that says nothing, and has to be read all the same.\n".repeat(2000);
    let mut place = place.with_argument("first.service");
    for number in 0..targets {
        let name = format!("between-{number}.target");
        place.write_unit(&name, &format!("[Unit]\nDescription=Between\n{long}"));
        place = place.with_argument(&name);
    }
    let daemon = place.with_argument("last.service").begin();
    daemon.wait_recorded("first", "start", 1);
    daemon
}

/// The first of some daemons that was not through with its units when it was interrupted.
fn interrupted(mut interrupt: impl FnMut(&mut Daemon) -> bool) -> (Daemon, usize) {
    for targets in [60, 240, 960] {
        let mut daemon = told_to_run(targets);
        if interrupt(&mut daemon) {
            return (daemon, targets);
        }
    }
    panic!("however many units there were, all were asked for in no time");
}

fn assert_all_run(daemon: &Daemon, first: i32, targets: usize) {
    daemon.wait_state("last.service", RUNNING);
    daemon.wait_state(&format!("between-{}.target", targets - 1), "active/active");
    daemon.wait_recorded("last", "start", 1);
    assert_eq!(daemon.main_pid("first.service"), first);
    for name in ["first", "last"] {
        assert_eq!(daemon.records().of(name, "start").len(), 1, "{name}");
    }
}

#[test]
fn units_that_a_killed_daemon_had_still_to_ask_for_are_asked_for() {
    let (mut daemon, targets) = interrupted(|daemon| {
        daemon.kill();
        daemon.records().of("last", "start").is_empty()
    });
    let first = daemon.records().last("first", "start").pid;
    assert!(lives(first));
    daemon.start_again();
    assert_all_run(&daemon, first, targets);
}

#[test]
fn units_that_were_still_to_be_asked_for_are_asked_for_after_a_reexec() {
    const TOOK_OVER: &str = "took over from an earlier daemon";
    let (daemon, targets) = interrupted(|daemon| {
        daemon.wait_answer();
        daemon.ok(&["daemon-reexec"]);
        wait_until("it to take over", || daemon.log().contains(TOOK_OVER));
        let log = daemon.log();
        let before = log.split(TOOK_OVER).next().unwrap_or_default();
        !before.contains("last.service")
    });
    let first = daemon.records().last("first", "start").pid;
    assert_all_run(&daemon, first, targets);
}

#[test]
fn what_was_asked_for_once_is_not_asked_for_again() {
    let place = Place::new();
    for name in ["stopped", "stays"] {
        let text = format!("[Service]\nExecStart=stand-in-agent --name {name}\n");
        place.write_unit(&format!("{name}.service"), &text);
    }
    let place = place.with_argument("stopped.service");
    let mut daemon = place.with_argument("stays.service").start();
    daemon.wait_state("stays.service", RUNNING);
    daemon.ok(&["stop", "stopped.service"]);
    daemon.kill();
    daemon.start_again();
    daemon.ok(&["daemon-reexec"]);
    daemon.wait_answer();
    // Whatever it asks for is asked for before it says so.
    wait_until("it to be ready", || {
        daemon.log().matches("ready on").count() == 2
    });
    assert_eq!(daemon.state("stopped.service"), DEAD);
    assert_eq!(daemon.records().of("stopped", "start").len(), 1);
    assert_eq!(daemon.records().of("stays", "start").len(), 1);
}
