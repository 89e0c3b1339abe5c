//! Units that cannot work: each gives a clear message or systemd's exit status, and their
//! neighbour does not notice.

mod common;

use common::Daemon;

const NEIGHBOUR: (&str, &str) = (
    "neighbour.service",
    "[Service]\nExecStart=stand-in-agent --name neighbour\n",
);

/// Starts the bad unit beside a good one; returns the daemon and what `start` said.
fn start_beside_neighbour(name: &str, text: &str) -> (Daemon, common::Run) {
    let daemon = Daemon::with(&[NEIGHBOUR, (name, text)]);
    daemon.ok(&["start", "neighbour.service"]);
    let before = daemon.main_pid("neighbour.service");
    let run = daemon.run(&["start", name]);
    let after = daemon.main_pid("neighbour.service");
    assert_eq!(before, after, "the neighbour was disturbed");
    assert_eq!(daemon.state("neighbour.service"), "active/running");
    assert_eq!(daemon.show("neighbour.service", "NRestarts"), "0");
    (daemon, run)
}

#[test]
fn an_unbalanced_quote_is_a_bad_setting_with_its_place() {
    let (daemon, run) = start_beside_neighbour(
        "quote.service",
        "[Unit]\nDescription=Broken\n[Service]\nExecStart=stand-in-agent \"--name quote\n",
    );
    assert_ne!(run.code, 0);
    assert!(run.stderr.contains("bad unit file setting"), "{run:?}");
    assert_eq!(daemon.show("quote.service", "LoadState"), "bad-setting");
    let log = daemon.log();
    assert!(
        log.contains("quote.service:4"),
        "no place in the log:\n{log}"
    );
    let said = log.matches("the quote that begins here").count();
    assert_eq!(said, 1, "not said once:\n{log}");
    assert!(
        !log.contains("neither ExecStart="),
        "a consequence is said, too:\n{log}"
    );
}

#[test]
fn a_unit_directory_that_cannot_be_read_is_said_in_the_log() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let circle = directory.path().join("circle");
    std::os::unix::fs::symlink(&circle, &circle).expect("a link can be made");
    let place = common::daemon::Place::new().with_units(&circle);
    place.write_unit(NEIGHBOUR.0, NEIGHBOUR.1);
    let daemon = place.start();
    daemon.ok(&["start", NEIGHBOUR.0]);
    let log = daemon.log();
    let wanted = format!(
        "{}:1:1: warning: the directory cannot be read",
        circle.display()
    );
    assert!(log.contains(&wanted), "no {wanted} in the log:\n{log}");
}

#[test]
fn an_unknown_directive_warns_with_its_place_and_the_unit_runs() {
    let (daemon, run) = start_beside_neighbour(
        "novel.service",
        "[Service]\nExecStart=stand-in-agent --name novel\nFlyingMode=yes\n",
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.state("novel.service"), "active/running");
    let log = daemon.log();
    assert!(
        log.contains("novel.service:3:1"),
        "no place in the log:\n{log}"
    );
    assert!(log.contains("FlyingMode"), "no name in the log:\n{log}");
}

#[test]
fn a_missing_binary_is_203() {
    let (daemon, _) = start_beside_neighbour(
        "nobinary.service",
        "[Service]\nExecStart=/nonexistent/agent run\n",
    );
    daemon.wait_state("nobinary.service", "failed/failed");
    assert_eq!(daemon.show("nobinary.service", "Result"), "exit-code");
    assert_eq!(daemon.show("nobinary.service", "ExecMainStatus"), "203");
    let log = daemon.log();
    assert!(
        log.lines()
            .any(|line| line.contains("/nonexistent/agent") && line.contains("No such file")),
        "no message in the log:\n{log}"
    );
}

#[test]
fn a_missing_binary_fails_the_start_of_type_exec() {
    let (daemon, run) = start_beside_neighbour(
        "execbinary.service",
        "[Service]\nType=exec\nExecStart=/nonexistent/agent run\n",
    );
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(daemon.show("execbinary.service", "ExecMainStatus"), "203");
}

#[test]
fn a_missing_environment_file_is_result_resources_and_no_process() {
    let (daemon, run) = start_beside_neighbour(
        "noenv.service",
        "[Service]\nEnvironmentFile=/nonexistent/environment\n\
         ExecStart=stand-in-agent --name noenv\n",
    );
    assert_eq!(run.code, 1, "{run:?}");
    daemon.wait_state("noenv.service", "failed/failed");
    assert_eq!(daemon.show("noenv.service", "Result"), "resources");
    assert_eq!(daemon.show("noenv.service", "ExecMainPID"), "0");
    assert!(daemon.records().of("noenv", "start").is_empty());
    let log = daemon.log();
    assert!(
        log.contains("/nonexistent/environment"),
        "no message in the log:\n{log}"
    );
}

#[test]
fn an_unknown_user_is_217_and_an_unknown_group_216() {
    for (name, line, status) in [
        ("nouser.service", "User=no-such-user-here", "217"),
        ("nogroup.service", "Group=no-such-group-here", "216"),
    ] {
        let text = format!("[Service]\n{line}\nExecStart=stand-in-agent --name nobody\n");
        let (daemon, _) = start_beside_neighbour(name, &text);
        daemon.wait_state(name, "failed/failed");
        assert_eq!(daemon.show(name, "ExecMainStatus"), status, "{line}");
        assert!(daemon.records().of("nobody", "start").is_empty());
        let log = daemon.log();
        assert!(log.contains("no-such-"), "no message in the log:\n{log}");
    }
}

#[test]
fn a_missing_working_directory_is_200() {
    let (daemon, _) = start_beside_neighbour(
        "nodir.service",
        "[Service]\nWorkingDirectory=/nonexistent/place\nExecStart=stand-in-agent --name nodir\n",
    );
    daemon.wait_state("nodir.service", "failed/failed");
    assert_eq!(daemon.show("nodir.service", "ExecMainStatus"), "200");
}

#[test]
fn a_security_setting_that_is_not_applied_refuses_the_start() {
    let (daemon, run) = start_beside_neighbour(
        "sandbox.service",
        "[Service]\nRootImage=/image.raw\nExecStart=stand-in-agent --name sandbox\n",
    );
    assert_ne!(run.code, 0, "{run:?}");
    assert!(daemon.records().of("sandbox", "start").is_empty());
    let said = format!("{}{}", run.stderr, daemon.log());
    assert!(said.contains("RootImage"), "no reason given:\n{said}");
    // Whoever started it sees the reason without having to look for it.
    assert!(run.stderr.contains("RootImage"), "{run:?}");
    assert!(
        run.stderr.contains("dd-procmgr logs sandbox.service"),
        "{run:?}"
    );
}

#[test]
fn a_unit_that_is_not_there_is_5() {
    let (_daemon, run) =
        start_beside_neighbour("other.service", "[Service]\nExecStart=/bin/true\n");
    assert_eq!(run.code, 0, "{run:?}");
    let run = _daemon.run(&["start", "missing.service"]);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.stderr.contains("missing.service"), "{run:?}");
    assert!(run.stderr.contains("not found"), "{run:?}");
}
