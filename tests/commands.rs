//! The command line: what it prints, as text and as JSON, and its exit codes.

mod common;

use common::{Daemon, wait_for};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn daemon() -> Daemon {
    let daemon = Daemon::with(&[
        (
            "runs.service",
            "[Unit]\nDescription=One that runs\nAfter=idle.service\n\
             [Service]\nExecStart=stand-in-agent --name runs --lines 20\n",
        ),
        (
            "breaks.service",
            "[Service]\nExecStart=stand-in-agent --name breaks --crash-after 0\n",
        ),
        (
            "idle.service",
            "[Service]\nExecStart=stand-in-agent --name idle\n",
        ),
    ]);
    daemon.ok(&["start", "runs.service", "breaks.service"]);
    daemon.wait_recorded("runs", "ready", 1);
    daemon.wait_state("breaks.service", "failed/failed");
    daemon
}

#[test]
fn list_prints_its_columns() {
    let daemon = daemon();
    let text = daemon.ok(&["list"]);
    let head: Vec<&str> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(head, ["NAME", "PID", "STATE", "RUNS", "COMMAND"]);
    let row = daemon.list_row("runs.service");
    assert_eq!(row[1], daemon.main_pid("runs.service").to_string());
    assert_eq!(row[2..4], ["running", "1"]);
    assert!(row[4].ends_with("stand-in-agent"), "{row:?}");
    assert_eq!(daemon.list_row("breaks.service")[2], "failed");
}

#[test]
fn exit_codes_are_those_of_systemctl() {
    let daemon = daemon();
    for (arguments, code) in [
        (&["is-active", "runs.service"][..], 0),
        (&["is-active", "breaks.service"], 3),
        (&["is-active", "idle.service"], 3),
        (&["is-active", "runs.service", "breaks.service"], 0),
        (&["is-failed", "breaks.service"], 0),
        (&["is-failed", "runs.service"], 1),
        (&["status", "runs.service"], 0),
        (&["status", "breaks.service"], 3),
        (&["status", "missing.service"], 4),
        (&["start", "missing.service"], 5),
        (&["stop", "missing.service"], 5),
        (&["stop", "idle.service"], 0),
        (&["reload", "runs.service"], 3),
        (&["cat", "runs.service"], 0),
        (&["cat", "missing.service"], 1),
        (&["show", "missing.service"], 0),
        (&["no-such-verb"], 2),
    ] {
        let run = daemon.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
    }
    assert_eq!(
        daemon.run(&["is-active", "runs.service"]).stdout,
        "active\n"
    );
    assert_eq!(
        daemon.run(&["is-failed", "breaks.service"]).stdout,
        "failed\n"
    );
}

#[test]
fn a_name_without_a_suffix_is_a_service() {
    let daemon = daemon();
    assert_eq!(daemon.run(&["is-active", "runs"]).code, 0);
    daemon.ok(&["stop", "runs"]);
    assert_eq!(daemon.state("runs.service"), "inactive/dead");
}

#[test]
fn status_tells_what_a_person_wants_to_know() {
    let daemon = daemon();
    let text = daemon.ok(&["status", "runs.service"]);
    for part in [
        "runs.service",
        "One that runs",
        "active (running)",
        &daemon.main_pid("runs.service").to_string(),
        "runs: ready",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let run = daemon.run(&["status", "breaks.service"]);
    assert!(run.stdout.contains("failed"), "{run:?}");
    assert!(run.stdout.contains("exit-code"), "{run:?}");
}

#[test]
fn cat_prints_the_file_and_its_drop_ins() {
    let daemon = daemon();
    let text = daemon.ok(&["cat", "runs.service"]);
    assert!(text.contains("Description=One that runs"), "{text}");
    assert!(text.contains("units/runs.service"), "{text}");
    assert!(text.contains("service.d/00-test.conf"), "{text}");
}

#[test]
fn logs_prints_the_last_lines_and_follows() {
    let daemon = daemon();
    let last = daemon.ok(&["logs", "runs.service", "-n", "3"]);
    let lines: Vec<&str> = last.lines().collect();
    assert_eq!(lines.len(), 3, "{last}");
    assert!(lines[2].contains("runs: ready"), "{last}");
    assert!(lines[0].contains("runs: line 19"), "{last}");

    let mut follower = daemon
        .command(&["logs", "runs.service", "-n", "1", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command line is built");
    let mut lines = BufReader::new(follower.stdout.take().expect("it is piped")).lines();
    let first = lines.next().expect("a line").expect("it is text");
    assert!(first.contains("runs: ready"), "{first}");
    daemon.ok(&["kill", "-s", "HUP", "runs.service"]);
    let next = lines.next().expect("a line").expect("it is text");
    assert!(next.contains("runs: reloaded"), "{next}");
    follower.kill().expect("it is our child");
    follower.wait().expect("it is our child");
}

#[test]
fn kill_and_reset_failed_do_what_they_say() {
    let daemon = daemon();
    daemon.ok(&["kill", "--signal", "SIGUSR1", "runs.service"]);
    daemon.wait_state("runs.service", "failed/failed");
    daemon.ok(&["reset-failed", "breaks.service"]);
    assert_eq!(daemon.run(&["is-failed", "breaks.service"]).code, 1);
    assert_eq!(daemon.run(&["is-failed", "runs.service"]).code, 0);
    daemon.ok(&["reset-failed"]);
    assert_eq!(daemon.run(&["is-failed", "runs.service"]).code, 1);
}

#[test]
fn a_signal_for_nobody_is_an_error_only_for_a_process_that_was_named() {
    let daemon = daemon();
    daemon.ok(&["start", "idle.service"]);
    daemon.ok(&["stop", "idle.service"]);
    daemon.ok(&["kill", "idle.service"]);
    for whom in ["main", "control"] {
        let run = daemon.run(&["kill", "--kill-whom", whom, "idle.service"]);
        assert_eq!(run.code, 1, "{run:?}");
        let error = run.stderr.to_lowercase();
        assert!(error.contains(&format!("no {whom} process")), "{run:?}");
    }
    // Nobody names it any more, and it is forgotten.
    daemon.ok(&["stop", "runs.service"]);
    common::wait_until("idle.service to be forgotten", || {
        let run = daemon.run(&["kill", "idle.service"]);
        run.code == 1 && run.stderr.contains("Unit idle.service not loaded.")
    });
}

#[test]
fn a_template_is_no_unit() {
    let daemon = daemon();
    let run = daemon.run(&["start", "some@.service"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr
            .contains("some@.service is missing the instance name"),
        "{run:?}"
    );
}

#[test]
fn json_is_json_everywhere() {
    let daemon = daemon();
    let list = daemon.json(&["list"]);
    let rows = list.as_array().expect("list is an array");
    let row = rows
        .iter()
        .find(|row| row["name"] == "runs.service")
        .unwrap_or_else(|| panic!("runs.service is not in {list:#}"));
    assert_eq!(row["pid"], daemon.main_pid("runs.service"));
    assert_eq!(row["state"], "running");
    assert_eq!(row["runs"], 1);
    for arguments in [
        &["status", "runs.service"][..],
        &["show", "runs.service"],
        &["cat", "runs.service"],
        &["logs", "runs.service", "-n", "2"],
        &["is-active", "runs.service"],
        &["is-failed", "runs.service"],
        &["restart", "runs.service"],
        &["stop", "runs.service"],
        &["start", "runs.service"],
        &["kill", "runs.service"],
        &["reset-failed"],
        &["daemon-reload"],
    ] {
        daemon.json(arguments);
    }
    // What fails says so in JSON too, and in its exit code.
    let failed = daemon.run(&["-o", "json", "start", "missing.service"]);
    assert_eq!(failed.code, 5, "{failed:?}");
}

#[test]
fn without_a_daemon_it_says_where_it_looked() {
    let mut daemon = daemon();
    daemon.terminate();
    let run = daemon.run(&["list"]);
    assert_eq!(run.code, 1, "{run:?}");
    let socket = daemon.place().socket().display().to_string();
    assert!(run.stderr.contains(&socket), "{run:?}");
}

#[test]
fn a_client_that_goes_away_in_the_middle_harms_nobody() {
    let daemon = daemon();
    // Threads of the pool come and go by themselves.
    let before = daemon.holdings().fds.len();
    for _ in 0..20 {
        let stream = std::os::unix::net::UnixStream::connect(daemon.place().socket());
        drop(stream.expect("the daemon listens"));
    }
    daemon.ok(&["list"]);
    wait_for("the connections to be closed", || {
        let now = daemon.holdings();
        if now.fds.len() <= before {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    });
}
