//! Jobs as people meet them: isolating, listing, canceling, time limits, and what the end of a
//! unit means for the daemon.

mod common;

use common::daemon::Place;
use common::process::lives;
use common::skip::{has_program, is_root};
use common::{Daemon, Missing, namespace, skip, wait_until};
use std::process::{Command, ExitStatus, Stdio};

const STAYS: &str = "[Service]\nExecStart=/bin/sleep 3600\n";
/// Starts until somebody ends it.
const SLOW: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 3600\n";

#[test]
fn isolate_leaves_what_the_target_needs_and_what_stays() {
    let daemon = Daemon::with(&[
        (
            "small.target",
            "[Unit]\nAllowIsolate=yes\nRequires=kept.service\n",
        ),
        ("plain.target", "[Unit]\nDescription=Not to be isolated\n"),
        ("kept.service", STAYS),
        ("other.service", STAYS),
        (
            "stays.service",
            &format!("[Unit]\nIgnoreOnIsolate=yes\n{STAYS}"),
        ),
    ]);
    daemon.ok(&["start", "other.service", "stays.service"]);
    let refused = daemon.run(&["isolate", "plain"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("Operation refused, unit may not be isolated."),
        "{refused:?}"
    );
    let refused = daemon.run(&["stop", "other", "--job-mode=isolate"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("Isolate is only valid for start."),
        "{refused:?}"
    );
    daemon.ok(&["isolate", "small"]);
    assert_eq!(daemon.state("kept.service"), "active/running");
    assert_eq!(daemon.state("stays.service"), "active/running");
    daemon.wait_state("other.service", "inactive/dead");
    daemon.wait_state("multi-user.target", "inactive/dead");
    assert_eq!(daemon.show("small.target", "CanIsolate"), "yes");
}

#[test]
fn jobs_are_listed_and_canceled_and_units_go_on() {
    let daemon = Daemon::with(&[
        ("slow.service", SLOW),
        (
            "later.service",
            &format!("[Unit]\nAfter=slow.service\n{STAYS}"),
        ),
    ]);
    assert_eq!(daemon.ok(&["list-jobs"]), "No jobs are queued.\n");
    daemon.ok(&["start", "--no-block", "slow.service", "later.service"]);
    let jobs = daemon.json(&["list-jobs"]);
    let rows: Vec<_> = jobs
        .as_array()
        .expect("a list")
        .iter()
        .map(|job| {
            let text = |key: &str| job[key].as_str().expect("a text").to_owned();
            (text("unit"), text("type"), text("state"))
        })
        .collect();
    let row = |unit: &str, state: &str| (unit.to_owned(), "start".to_owned(), state.to_owned());
    assert_eq!(
        rows,
        [
            row("slow.service", "running"),
            row("later.service", "waiting")
        ]
    );
    let text = daemon.ok(&["list-jobs", "--no-legend", "later*"]);
    let words: Vec<&str> = text.split_whitespace().skip(1).collect();
    assert_eq!(words, ["later.service", "start", "waiting", "slow.service"]);
    assert_eq!(jobs[0]["waits_for"], serde_json::json!([]));
    assert_eq!(jobs[1]["waits_for"], serde_json::json!(["slow.service"]));
    let id = jobs[1]["job"].to_string();
    daemon.ok(&["cancel", &id]);
    assert_eq!(daemon.state("later.service"), "inactive/dead");
    let again = daemon.run(&["cancel", &id]);
    assert_eq!(again.code, 1);
    assert!(
        again.stderr.contains(&format!("Job {id} does not exist.")),
        "{again:?}"
    );
    daemon.ok(&["cancel"]);
    assert_eq!(daemon.json(&["list-jobs"]), serde_json::json!([]));
    assert_eq!(daemon.state("slow.service"), "activating/start");
    daemon.ok(&["stop", "slow.service"]);
}

#[test]
fn whoever_waits_for_a_job_hears_that_it_was_canceled() {
    let daemon = Daemon::with(&[("slow.service", SLOW)]);
    let waiting = daemon
        .command(&["start", "slow.service"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line is built");
    daemon.wait_state("slow.service", "activating/start");
    daemon.ok(&["cancel"]);
    let output = waiting.wait_with_output().expect("it is our child");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("Job for slow.service canceled."), "{text}");
}

#[test]
fn a_job_that_takes_too_long_ends_without_its_unit() {
    let daemon = Daemon::with(&[(
        "slow.service",
        &format!("[Unit]\nJobTimeoutSec=200ms\n{SLOW}"),
    )]);
    let run = daemon.run(&["start", "slow.service"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("Job for slow.service timed out."),
        "{run:?}"
    );
    assert_eq!(daemon.state("slow.service"), "activating/start");
    assert_eq!(
        daemon.show("slow.service", "JobRunningTimeoutUSec"),
        "200ms"
    );
    daemon.ok(&["stop", "slow.service"]);
}

/// A unit that leaves with this status, and one beside it that writes down how it was ended.
fn acting(unit: &str, status: i32) -> Daemon {
    Daemon::with(&[
        (
            "acts.service",
            &format!("[Unit]\n{unit}\n[Service]\nExecStart=/bin/sh -c 'exit {status}'\n"),
        ),
        (
            "beside.service",
            "[Service]\nExecStart=stand-in-agent --name beside --stop-delay 0.2\n",
        ),
    ])
}

/// Starts both and waits for the daemon's end.
#[track_caller]
fn end_of(daemon: &mut Daemon) -> ExitStatus {
    daemon.ok(&["start", "beside.service"]);
    daemon.wait_recorded("beside", "ready", 1);
    let pid = daemon.main_pid("beside.service");
    daemon.run(&["start", "--no-block", "acts.service"]);
    let status = daemon.wait_end();
    assert!(!lives(pid));
    assert_eq!(daemon.survivors(), Vec::<i32>::new());
    status
}

#[test]
fn exit_stops_everything_and_leaves_with_the_status_of_the_unit() {
    for (unit, status, wanted) in [
        ("FailureAction=exit", 7, 7),
        ("FailureAction=exit\nFailureActionExitStatus=9", 7, 9),
        ("SuccessAction=exit\nSuccessActionExitStatus=5", 0, 5),
    ] {
        let mut daemon = acting(unit, status);
        assert_eq!(end_of(&mut daemon).code(), Some(wanted), "{unit}");
        assert_eq!(
            daemon.records().of("beside", "stop").len(),
            1,
            "{unit}: the other unit was left its time\n{}",
            daemon.log()
        );
    }
}

#[test]
fn exit_force_leaves_at_once() {
    let mut daemon = acting("FailureAction=exit-force", 7);
    assert_eq!(end_of(&mut daemon).code(), Some(7));
    let records = daemon.records();
    assert!(records.of("beside", "term").is_empty(), "{}", daemon.log());
    assert!(records.of("beside", "stop").is_empty());
}

#[test]
fn a_machine_is_not_rebooted_and_the_unit_fails_as_ever() {
    let daemon = acting("FailureAction=reboot", 7);
    daemon.run(&["start", "acts.service"]);
    daemon.wait_state("acts.service", "failed/failed");
    assert_eq!(daemon.show("acts.service", "Result"), "exit-code");
    let log = daemon.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("it failed: the action reboot is not carried out"));
    assert_eq!(lines.count(), 1, "{log}");
    assert_eq!(daemon.show("acts.service", "FailureAction"), "reboot");
}

#[test]
fn as_pid_1_of_a_container_the_daemon_ends_for_poweroff() {
    if !is_root() {
        return skip(Missing::Privilege, "a pid namespace needs root");
    }
    if !has_program("unshare") {
        return skip(Missing::Package, "unshare is of util-linux");
    }
    let place = Place::new();
    place.write_unit(
        "acts.service",
        "[Unit]\nFailureAction=poweroff\n[Service]\nExecStart=/bin/sh -c 'exit 7'\n",
    );
    let unshare = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", command]);
        unshare.stdin(Stdio::null());
        unshare
    };
    if !unshare("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return skip(Missing::Privilege, "no pid namespace of our own");
    }
    let mut daemon = unshare(common::programs::DAEMON)
        .arg("--socket")
        .arg(place.socket())
        .arg("--unit-path")
        .arg(place.file("units"))
        .arg("--runtime-dir")
        .arg(place.file("state"))
        .args(["--mode", "container", "acts.service"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it was just run");
    let mut ended = None;
    wait_until("the container to end", || {
        ended = daemon.try_wait().expect("it is our child");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(7));
}

/// Debian's systemctl shows what waits for what.
#[test]
fn jobs_are_shown_with_those_they_wait_for() {
    for program in ["systemctl", "busctl"] {
        if !has_program(program) {
            skip(Missing::Package, &format!("{program} is not installed"));
            return;
        }
    }
    namespace::private(|| {
        let place = Place::new().with_argument("--systemd-facade");
        place.write_unit("slow.service", SLOW);
        place.write_unit(
            "later.service",
            &format!("[Unit]\nAfter=slow.service\n{STAYS}"),
        );
        let daemon = place.start();
        daemon.ok(&["start", "--no-block", "slow.service", "later.service"]);
        let list = |option: &str| {
            let output = Command::new("systemctl")
                .args(["list-jobs", option])
                .output()
                .expect("it is on PATH");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let before = list("--before");
        let wanted = "later.service";
        let line = |text: &str, word: &str| text.lines().any(|line| line.contains(word));
        assert!(line(&before, "waiting for job"), "{before}");
        assert!(before.contains(wanted), "{before}");
        let after = list("--after");
        assert!(line(&after, "blocking job"), "{after}");
        let object = |member: &str| {
            let job = daemon.json(&["list-jobs"]);
            let rows = job.as_array().expect("a list");
            let slow = rows.iter().find(|row| row["unit"] == "slow.service");
            let number = slow.expect("it is queued")["job"].to_string();
            let output = Command::new("busctl")
                .arg("call")
                .arg("org.freedesktop.systemd1")
                .arg(format!("/org/freedesktop/systemd1/job/{number}"))
                .args(["org.freedesktop.systemd1.Job", member])
                .output()
                .expect("it is on PATH");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert!(object("GetAfter").contains("\"later.service\" \"start\" \"waiting\""));
        assert_eq!(object("GetBefore"), "a(usssoo) 0\n");
    });
}

/// A client may say how the daemon is to end, and send real-time signals with a value.
#[test]
fn exit_codes_and_queued_signals() {
    if !has_program("busctl") {
        skip(Missing::Package, "busctl is not installed");
        return;
    }
    let mut daemon = Daemon::with(&[("a.service", "[Service]\nExecStart=/bin/sleep 3600\n")]);
    daemon.ok(&["start", "a.service"]);
    let address = format!("--address=unix:path={}", daemon.place().socket().display());
    let call = |words: &[&str]| {
        let output = Command::new("busctl")
            .args([address.as_str(), "call", "org.freedesktop.systemd1"])
            .args([
                "/org/freedesktop/systemd1",
                "org.freedesktop.systemd1.Manager",
            ])
            .args(words)
            .output()
            .expect("it is on PATH");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let queue = |name: &str, whom: &str, signal: &str| {
        call(&["QueueSignalUnit", "ssii", name, whom, signal, "7"])
    };
    assert!(queue("a.service", "main", "15").contains("only accepted for realtime signals"));
    assert!(queue("a.service", "control", "37").contains("No control process to kill"));
    assert!(queue("nothing.service", "all", "37").contains("not loaded"));
    assert_eq!(queue("a.service", "main", "37"), "");
    daemon.wait_state("a.service", "failed/failed");
    assert_eq!(daemon.show("a.service", "ExecMainStatus"), "37");
    assert_eq!(call(&["SetExitCode", "y", "9"]), "");
    assert_eq!(daemon.terminate().code(), Some(9));
}
