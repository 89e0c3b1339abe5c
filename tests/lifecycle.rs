//! How a service starts, reloads and stops, type by type and command by command.

mod common;

use common::daemon::Place;
use common::process::{lives, send};
use common::{Daemon, monotonic_usec, wait_until};
use nix::sys::signal::Signal;
use std::fs;

#[test]
fn a_simple_service_is_active_at_once() {
    let daemon = Daemon::with(&[(
        "simple.service",
        "[Service]\nExecStart=stand-in-agent --name simple --ready-after 3600\n",
    )]);
    daemon.ok(&["start", "simple.service"]);
    assert_eq!(daemon.state("simple.service"), "active/running");
    let pid = daemon.main_pid("simple.service");
    daemon.ok(&["start", "simple.service"]);
    assert_eq!(
        daemon.main_pid("simple.service"),
        pid,
        "a second start does nothing"
    );
    daemon.ok(&["stop", "simple.service"]);
    assert_eq!(daemon.state("simple.service"), "inactive/dead");
    assert!(!lives(pid));
}

#[test]
fn a_oneshot_runs_its_commands_in_order_and_the_start_waits_for_the_last() {
    let place = common::daemon::Place::new();
    let out = place.file("out");
    place.write_unit(
        "once.service",
        &format!(
            "[Service]\nType=oneshot\n\
             ExecStart=/bin/sh -c 'sleep 0.2; echo one >> {0}'\n\
             ExecStart=/bin/sh -c 'echo two >> {0}'\nExecStart=/bin/sh -c 'echo three >> {0}'\n",
            out.display()
        ),
    );
    place.write_unit(
        "stays.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "once.service", "stays.service"]);
    let wrote = fs::read_to_string(&out).expect("the commands have run");
    assert_eq!(wrote, "one\ntwo\nthree\n");
    assert_eq!(daemon.state("once.service"), "inactive/dead");
    assert_eq!(daemon.state("stays.service"), "active/exited");
    assert_eq!(daemon.list_row("stays.service")[2], "exited");
}

#[test]
fn a_oneshot_stops_at_the_first_failure_that_is_not_marked() {
    let daemon = Daemon::with(&[(
        "once.service",
        "[Service]\nType=oneshot\nExecStart=-/bin/false\n\
         ExecStart=stand-in-agent --name second --run-for 0 --exit-code 3\n\
         ExecStart=stand-in-agent --name third --run-for 0\n",
    )]);
    assert_eq!(daemon.run(&["start", "once.service"]).code, 1);
    assert_eq!(daemon.state("once.service"), "failed/failed");
    assert_eq!(daemon.show("once.service", "ExecMainStatus"), "3");
    assert!(daemon.records().of("third", "start").is_empty());
}

#[test]
fn what_a_service_says_at_once_is_heard_though_its_start_was_slow_to_be_told() {
    // A file of environment makes it a start off the loop, whose end is told by another thread.
    let daemon = Daemon::with(&[(
        "quick@.service",
        "[Service]\nType=notify\nEnvironmentFile=-/nonexistent\nTimeoutStartSec=30\n\
         ExecStart=stand-in-agent --name quick --notify\n",
    )]);
    let units: Vec<String> = (0..60).map(|n| format!("quick@{n}.service")).collect();
    let units = units.iter().map(String::as_str);
    daemon.ok(&["start"].into_iter().chain(units).collect::<Vec<_>>());
    assert!(!daemon.log().contains("ignored"), "{}", daemon.log());
}

#[test]
fn a_notify_service_is_active_when_it_says_so() {
    let place = Place::new();
    // It says so once there is this file.
    let file = place.file("go");
    place.write_unit(
        "speaker.service",
        &format!(
            "[Service]\nType=notify\n\
             ExecStart=/bin/sh -c 'until [ -e {} ]; do sleep 0.05; done; \
             exec stand-in-agent --name speaker --notify'\n",
            file.display()
        ),
    );
    let daemon = place.start();
    let starting = daemon
        .command(&["start", "speaker.service"])
        .spawn()
        .expect("the command line is built");
    daemon.wait_state("speaker.service", "activating/start");
    fs::write(&file, "").expect("a file can be made");
    let ended = starting.wait_with_output().expect("it is our child");
    assert!(ended.status.success());
    assert_eq!(daemon.state("speaker.service"), "active/running");
    assert_eq!(
        daemon.show("speaker.service", "StatusText"),
        "speaker is ready"
    );
}

#[test]
fn a_start_that_takes_too_long_fails_with_result_timeout() {
    let daemon = Daemon::with(&[(
        "silent.service",
        "[Service]\nType=notify\nTimeoutStartSec=300ms\nExecStart=stand-in-agent --name silent\n",
    )]);
    assert_eq!(daemon.run(&["start", "silent.service"]).code, 1);
    assert_eq!(daemon.state("silent.service"), "failed/failed");
    assert_eq!(daemon.show("silent.service", "Result"), "timeout");
    assert_eq!(daemon.records().of("silent", "term").len(), 1);
}

#[test]
fn a_forking_service_is_known_by_its_pid_file() {
    let place = common::daemon::Place::new();
    let pidfile = place.file("forker.pid");
    place.write_unit(
        "forker.service",
        &format!(
            "[Service]\nType=forking\nPIDFile={0}\n\
             ExecStart=stand-in-agent --name forker --fork --pidfile {0} --ready-after 0.2\n",
            pidfile.display()
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "forker.service"]);
    let told = fs::read_to_string(&pidfile).expect("the PID file is there");
    let pid = daemon.main_pid("forker.service");
    assert_eq!(told.trim(), pid.to_string());
    assert_eq!(daemon.records().last("forker", "ready").pid, pid);
    send(pid, Signal::SIGKILL);
    daemon.wait_state("forker.service", "failed/failed");
    assert_eq!(daemon.show("forker.service", "Result"), "signal");
    assert!(!pidfile.exists(), "it is unlinked when the service is dead");
}

#[test]
fn control_commands_run_around_the_main_one_and_know_how_it_went() {
    let place = common::daemon::Place::new();
    let out = place.file("out");
    let note = |what: &str| format!("/bin/sh -c 'echo {what} >> {}'", out.display());
    place.write_unit(
        "framed.service",
        &format!(
            "[Service]\nExecStartPre={}\nExecStart=stand-in-agent --name framed\n\
             ExecStartPost={}\nExecStop={}\nExecStopPost={}\nExecReload=/bin/kill -HUP $MAINPID\n",
            note("pre"),
            note("post main=$MAINPID"),
            note("stop $SERVICE_RESULT"),
            note("stop-post $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS"),
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "framed.service"]);
    let pid = daemon.main_pid("framed.service");
    daemon.wait_recorded("framed", "ready", 1);
    daemon.ok(&["reload", "framed.service"]);
    daemon.wait_recorded("framed", "reload", 1);
    assert_eq!(daemon.main_pid("framed.service"), pid);
    daemon.ok(&["stop", "framed.service"]);
    let wrote = fs::read_to_string(&out).expect("the commands have run");
    let expected = format!("pre\npost main={pid}\nstop success\nstop-post success exited 0\n");
    assert_eq!(wrote, expected);
}

#[test]
fn a_failed_start_pre_runs_only_stop_post() {
    let place = common::daemon::Place::new();
    let out = place.file("out");
    place.write_unit(
        "failing.service",
        &format!(
            "[Service]\nExecStartPre=/bin/false\nExecStart=stand-in-agent --name failing\n\
             ExecStop=/bin/sh -c 'echo stop >> {0}'\n\
             ExecStopPost=/bin/sh -c 'echo stop-post $SERVICE_RESULT >> {0}'\n",
            out.display()
        ),
    );
    let daemon = place.start();
    assert_eq!(daemon.run(&["start", "failing.service"]).code, 1);
    assert_eq!(daemon.state("failing.service"), "failed/failed");
    let wrote = fs::read_to_string(&out).expect("the command has run");
    assert_eq!(wrote, "stop-post exit-code\n");
    assert!(daemon.records().of("failing", "start").is_empty());
}

#[test]
fn on_failure_starts_what_it_names() {
    let daemon = Daemon::with(&[
        (
            "weak.service",
            "[Unit]\nOnFailure=rescue.service\n\
             [Service]\nExecStart=stand-in-agent --name weak --crash-after 0.05\n",
        ),
        (
            "rescue.service",
            "[Service]\nExecStart=stand-in-agent --name rescue\n",
        ),
    ]);
    daemon.ok(&["start", "weak.service"]);
    daemon.wait_state("rescue.service", "active/running");
    assert_eq!(daemon.state("weak.service"), "failed/failed");
}

#[test]
fn success_exit_status_makes_an_exit_code_clean() {
    let unit = "[Service]\nSuccessExitStatus=7 SIGUSR2\n\
                ExecStart=stand-in-agent --name seven --run-for 0.05 --exit-code 7\n";
    // Without somebody who names it, it would be forgotten with its end.
    let names = "[Unit]\nWants=seven.service\n";
    let daemon = Daemon::with(&[("seven.service", unit), ("names.target", names)]);
    daemon.ok(&["start", "names.target"]);
    daemon.wait_recorded("seven", "ready", 1);
    daemon.wait_state("seven.service", "inactive/dead");
    assert_eq!(daemon.show("seven.service", "Result"), "success");
    assert_eq!(daemon.show("seven.service", "ExecMainStatus"), "7");
}

#[test]
fn a_restart_on_failure_waits_and_counts() {
    let daemon = Daemon::with(&[(
        "weak.service",
        "[Service]\nRestart=on-failure\nRestartSec=300ms\nExecStart=stand-in-agent --name weak\n",
    )]);
    daemon.ok(&["start", "weak.service"]);
    daemon.wait_recorded("weak", "ready", 1);
    daemon.ok(&["kill", "-s", "SIGUSR1", "weak.service"]);
    daemon.wait_recorded("weak", "start", 2);
    let records = daemon.records();
    let waited = records.last("weak", "start").usec - records.last("weak", "crash").usec;
    assert!(waited >= 300_000, "{waited} us");
    assert_eq!(daemon.show("weak.service", "NRestarts"), "1");
    daemon.wait_recorded("weak", "ready", 2);
    // A clean end is no failure.
    send(daemon.main_pid("weak.service"), Signal::SIGTERM);
    daemon.wait_state("weak.service", "inactive/dead");
    assert_eq!(records.of("weak", "start").len(), 2);
}

#[test]
fn kill_mode_decides_who_is_signalled() {
    let unit = |mode: &str| {
        format!(
            "[Service]\nKillMode={mode}\nTimeoutStopSec=2\n\
             ExecStart=stand-in-agent --name {mode} --children 2 --children-ignore-term\n"
        )
    };
    let (mixed, process) = (unit("mixed"), unit("process"));
    let daemon = Daemon::with(&[("mixed.service", &mixed), ("process.service", &process)]);
    for name in ["mixed", "process"] {
        let unit = format!("{name}.service");
        daemon.ok(&["start", &unit]);
        daemon.wait_recorded(name, "ready", 1);
    }
    assert_eq!(daemon.survivors().len(), 6);
    let before = monotonic_usec();
    daemon.ok(&["stop", "mixed.service"]);
    assert!(
        monotonic_usec() - before < 2_000_000,
        "no timeout was needed"
    );
    assert_eq!(daemon.survivors().len(), 3, "the rest got SIGKILL at once");
    assert_eq!(
        daemon.records().of("mixed", "stop").len(),
        1,
        "the main one SIGTERM"
    );
    daemon.ok(&["stop", "process.service"]);
    assert_eq!(daemon.state("process.service"), "inactive/dead");
    assert_eq!(daemon.survivors().len(), 2, "the rest is left alone");
}

#[test]
fn kill_signal_is_what_a_stop_sends() {
    let daemon = Daemon::with(&[(
        "hup.service",
        "[Service]\nKillSignal=SIGUSR1\nExecStart=stand-in-agent --name usr --crash-with 9\n",
    )]);
    daemon.ok(&["start", "hup.service"]);
    daemon.wait_recorded("usr", "ready", 1);
    daemon.ok(&["stop", "hup.service"]);
    assert_eq!(daemon.records().of("usr", "crash").len(), 1);
    assert_eq!(daemon.show("hup.service", "ExecMainStatus"), "9");
}

#[test]
fn a_unit_file_that_changed_is_read_on_daemon_reload() {
    let daemon = Daemon::with(&[(
        "changing.service",
        "[Unit]\nDescription=First\n[Service]\nExecStart=stand-in-agent --name one\n",
    )]);
    daemon.ok(&["start", "changing.service"]);
    let pid = daemon.main_pid("changing.service");
    daemon.place().write_unit(
        "changing.service",
        "[Unit]\nDescription=Second\n[Service]\nExecStart=stand-in-agent --name two\n",
    );
    assert_eq!(daemon.show("changing.service", "Description"), "First");
    daemon.ok(&["daemon-reload"]);
    assert_eq!(daemon.show("changing.service", "Description"), "Second");
    assert_eq!(daemon.main_pid("changing.service"), pid, "it runs on");
    daemon.ok(&["restart", "changing.service"]);
    wait_until("the new command", || {
        !daemon.records().of("two", "ready").is_empty()
    });
}

#[test]
fn a_bound_unit_comes_back_with_its_dependency() {
    let daemon = Daemon::with(&[
        (
            "core.service",
            "[Service]\nExecStart=stand-in-agent --name core\nRestart=always\nRestartSec=0.1\n",
        ),
        (
            "bound.service",
            "[Unit]\nBindsTo=core.service\nAfter=core.service\n\
             [Service]\nExecStart=stand-in-agent --name bound\n\
             [X-Procmgr]\nRestartWithDependency=yes\n",
        ),
    ]);
    daemon.ok(&["start", "bound.service"]);
    assert_eq!(daemon.show("bound.service", "RestartWithDependency"), "yes");
    assert_eq!(daemon.show("bound.service", "BackoffResetUSec"), "1min");
    daemon.wait_recorded("bound", "ready", 1);
    daemon.ok(&["kill", "-s", "SIGKILL", "core.service"]);
    daemon.wait_recorded("bound", "ready", 2);
    daemon.wait_state("bound.service", "active/running");
}

#[test]
fn a_unit_that_nobody_names_is_forgotten_when_it_is_down() {
    let place = Place::new();
    let runs = "[Service]\nExecStart=stand-in-agent --name runs\n";
    for name in ["kept", "named", "alone"] {
        place.write_unit(&format!("{name}.service"), &runs.replace("runs", name));
    }
    place.write_unit("names.target", "[Unit]\nWants=named.service\n");
    let weak = "[Service]\nExecStart=stand-in-agent --name weak --crash-after 0\n";
    place.write_unit("weak.service", weak);
    let collected = format!("[Unit]\nCollectMode=inactive-or-failed\n{weak}");
    place.write_unit("collected.service", &collected);
    let daemon = place
        .with_argument("kept.service")
        .with_argument("names.target")
        .start();
    daemon.ok(&["start", "alone.service"]);
    daemon.run(&["start", "weak.service", "collected.service"]);
    daemon.wait_state("weak.service", "failed/failed");
    daemon.ok(&["stop", "kept.service", "named.service", "alone.service"]);
    let states = || {
        let rows = daemon.json(&["list"]);
        let row = |row: &serde_json::Value| {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("name"), text("state"))
        };
        let rows = rows.as_array().expect("a list").iter().map(row);
        rows.collect::<Vec<_>>()
    };
    let wanted = [
        "kept.service stopped",
        "named.service stopped",
        "weak.service failed",
    ];
    common::wait_for("the others to be forgotten", || {
        let states = states();
        if states == wanted {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    });
    // Whatever asks for it reads it anew.
    assert_eq!(daemon.show("alone.service", "LoadState"), "loaded");
    assert_eq!(daemon.show("alone.service", "NRestarts"), "0");
    assert_eq!(daemon.state("alone.service"), "inactive/dead");
    daemon.ok(&["start", "alone.service"]);
    assert_eq!(daemon.list_row("alone.service")[3], "1");
}
