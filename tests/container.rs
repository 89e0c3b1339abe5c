//! The daemon as what a container is there for: ends with a unit, takes the signals that
//! containers get, tells why it ended, and as PID 1 leaves nobody behind.

mod common;

use common::daemon::Place;
use common::process::{lives, send, send_number};
use common::programs;
use common::skip::{has_program, is_root};
use common::{Daemon, Missing, skip, wait_for};
use nix::sys::signal::Signal;
use std::fs;
use std::process::{Child, Command, Stdio};

/// A main program that says something and leaves with 7 once it may.
fn decisive(place: &Place, more: &str) -> String {
    let may = place.file("may").display().to_string();
    format!(
        "[Service]\nExecStart=/bin/sh -c 'until test -e {may}; do sleep 0.02; done; echo last words; exit 7'\n{more}"
    )
}

const BESIDE: &str = "[Service]\nExecStart=stand-in-agent --name beside --stop-delay 0.2\n";

/// A daemon that ends with main.service, and has something beside it.
fn started(more: &str) -> Daemon {
    let place = Place::new();
    place.write_unit("main.service", &decisive(&place, more));
    place.write_unit("beside.service", BESIDE);
    let log = place.file("termination").display().to_string();
    let place = place
        .with_argument("--exit-with=main")
        .with_argument(&format!("--termination-log={log}"))
        .with_argument("beside.service");
    fs::write(place.file("termination"), "").expect("a file can be written");
    let daemon = place.start();
    daemon.wait_state("main.service", "active/running");
    daemon.wait_recorded("beside", "ready", 1);
    daemon
}

fn told(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.place().file("termination")).expect("it was there before")
}

#[test]
fn it_ends_with_its_unit_and_its_status_and_says_why() {
    let mut daemon = started("");
    let beside = daemon.main_pid("beside.service");
    fs::write(daemon.place().file("may"), "").expect("a file can be written");
    assert_eq!(daemon.wait_end().code(), Some(7), "{}", daemon.log());
    assert!(!lives(beside));
    let records = daemon.records();
    assert_eq!(
        records.of("beside", "stop").len(),
        1,
        "it was left its time"
    );
    let why = told(&daemon);
    assert!(
        why.starts_with("main.service has ended, exit status 7\n"),
        "{why}"
    );
    assert!(why.contains("\nlast words"), "{why}");
}

#[test]
fn a_restart_to_come_is_no_end_and_giving_up_is() {
    let limits =
        "Restart=on-failure\nRestartSec=0\n[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=100\n";
    let mut daemon = started(limits);
    fs::write(daemon.place().file("may"), "").expect("a file can be written");
    assert_eq!(daemon.wait_end().code(), Some(7), "{}", daemon.log());
    let log = daemon.log();
    let runs = log.lines().filter(|line| line.ends_with("last words"));
    assert_eq!(runs.count(), 3, "{log}");
}

#[test]
fn what_never_runs_ends_it_too() {
    let place = Place::new();
    place.write_unit("main.service", "[Service]\nExecStart=/no/such/program\n");
    let mut daemon = Command::new(programs::DAEMON);
    daemon.args(["--exit-with", "main", "--socket"]);
    daemon
        .arg(place.socket())
        .arg("--unit-path")
        .arg(place.file("units"));
    daemon.arg("--runtime-dir").arg(place.file("state"));
    daemon.env("DD_PM_TERMINATION_LOG", place.file("why"));
    let output = daemon.output().expect("the daemon is built");
    assert_eq!(output.status.code(), Some(203), "{output:?}");
    let why = fs::read_to_string(place.file("why")).expect("it was written");
    assert!(
        why.starts_with("main.service has ended, exit status 203"),
        "{why}"
    );
}

#[test]
fn a_unit_that_is_not_there_is_said_at_once() {
    let place = Place::new();
    let mut daemon = Command::new(programs::DAEMON);
    daemon.args(["--exit-with", "nobody", "--socket"]);
    daemon
        .arg(place.socket())
        .arg("--unit-path")
        .arg(place.file("units"));
    daemon.arg("--runtime-dir").arg(place.file("state"));
    let output = daemon.output().expect("the daemon is built");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("cannot start nobody.service"), "{text}");
}

#[test]
fn signals_for_the_unit_are_passed_on_and_its_death_by_one_is_told() {
    let mut daemon = started("");
    let main = daemon.main_pid("main.service");
    send(daemon.pid(), Signal::SIGUSR1);
    // A shell without a handler dies of it.
    assert_eq!(daemon.wait_end().code(), Some(128 + 10), "{}", daemon.log());
    assert!(!lives(main));
    assert!(told(&daemon).contains("has ended, SIGUSR1, exit status 138"));
}

#[test]
fn without_such_a_unit_the_signals_do_nothing() {
    let daemon = Daemon::with(&[("beside.service", BESIDE)]);
    daemon.ok(&["start", "beside"]);
    send(daemon.pid(), Signal::SIGUSR1);
    send(daemon.pid(), Signal::SIGUSR2);
    wait_for("both to be told of", || {
        let log = daemon.log();
        let told = |name: &str| log.contains(&format!("{name}: there is no unit"));
        if told("SIGUSR1") && told("SIGUSR2") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert_eq!(daemon.state("beside.service"), "active/running");
}

#[test]
fn every_signal_that_stops_a_container_stops_everything_in_order() {
    const RTMIN: i32 = 34;
    for number in [2, 3, 15, RTMIN + 3, RTMIN + 4] {
        let mut daemon = Daemon::with(&[("beside.service", BESIDE)]);
        daemon.ok(&["start", "beside"]);
        daemon.wait_recorded("beside", "ready", 1);
        send_number(daemon.pid(), number);
        assert_eq!(
            daemon.wait_end().code(),
            Some(0),
            "{number}: {}",
            daemon.log()
        );
        assert_eq!(daemon.records().of("beside", "stop").len(), 1, "{number}");
    }
}

/// PID 1 of a container: a pid namespace with its own /proc.
fn container(place: &Place, arguments: &[&str]) -> Option<Child> {
    if !is_root() {
        skip(Missing::Privilege, "a pid namespace needs root");
        return None;
    }
    if !has_program("unshare") {
        skip(Missing::Package, "unshare is of util-linux");
        return None;
    }
    let log = fs::File::create(place.file("daemon.log")).expect("a log can be made");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", programs::DAEMON]);
    command.arg("--socket").arg(place.socket());
    command.arg("--unit-path").arg(place.file("units"));
    command.arg("--runtime-dir").arg(place.file("state"));
    command.args(arguments).env("container", "test");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    Some(command.spawn().expect("unshare is there"))
}

#[test]
fn as_pid_1_it_reaps_strangers_and_ends_them_with_itself() {
    let place = Place::new();
    let pids = place.file("stranger");
    // The shell's child leaves its session, its environment and its parent.
    let script = format!(
        "setsid env -i /bin/sh -c \"trap \\\\\"echo told >> {0}\\\\\" TERM; echo up > {0}; while :; do sleep 0.05; done\" & \
         for i in 1 2 3; do (sleep 0.01 & ) ; done; until test -s {0}; do sleep 0.02; done",
        pids.display()
    );
    place.write_unit(
        "main.service",
        &format!("[Service]\nType=oneshot\nKillMode=process\nExecStart=/bin/sh -c '{script}'\n"),
    );
    let Some(mut daemon) = container(&place, &["--exit-with", "main"]) else {
        return;
    };
    let mut ended = None;
    let log = place.file("daemon.log");
    wait_for("the container to end", || {
        ended = daemon.try_wait().expect("it is our child");
        match ended {
            Some(_) => Ok(()),
            None => Err(fs::read_to_string(&log).unwrap_or_default()),
        }
    });
    let log = fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{log}");
    let said = fs::read_to_string(&pids).expect("the stranger was there");
    assert_eq!(said, "up\ntold\n", "it heard of the end: {log}");
}
