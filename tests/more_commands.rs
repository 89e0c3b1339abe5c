//! Commands about many units, settings at run time and the manager itself, and several daemons
//! side by side.

mod common;

use common::Daemon;
use common::daemon::Place;
use std::process::{Command, Output};

const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

const UNITS: [(&str, &str); 6] = [
    (
        "one.service",
        "[Unit]\nDescription=The one\nWants=two.service\nAfter=two.service\n\
         [Service]\nExecStart=stand-in-agent --name one\nCacheDirectory=ddpm-more\n",
    ),
    (
        "two.service",
        "[Unit]\nDescription=The two\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    ),
    (
        "bad.service",
        "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    ),
    (
        "slow.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.3\n",
    ),
    (
        "kept.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.3\n",
    ),
    (
        "all.target",
        "[Unit]\nDescription=All\nWants=one.service two.service\n",
    ),
];

#[test]
fn units_are_listed_by_state_and_type() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "one", "all.target"]);
    assert_eq!(daemon.run(&["start", "bad"]).code, 1);
    let text = daemon.ok(&["list-units"]);
    assert!(
        text.contains("one.service") && text.contains("The two"),
        "{text}"
    );
    assert!(
        text.lines().any(|line| line.starts_with("● bad.service")),
        "{text}"
    );
    let text = daemon.ok(&["list-units", "--failed", "--plain", "--no-legend"]);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("bad.service"), "{text}");
    let text = daemon.ok(&["list-units", "-t", "target", "--no-legend", "all*"]);
    assert!(
        text.contains("all.target") && text.lines().count() == 1,
        "{text}"
    );
    let rows = daemon.json(&["list-units", "one*"]);
    assert_eq!(rows[0]["unit"], "one.service");
    assert_eq!(rows[0]["sub"], "running");
    assert_eq!(daemon.run(&["is-system-running"]).stdout, "degraded\n");
    daemon.ok(&["reset-failed"]);
    let run = daemon.run(&["is-system-running", "--wait"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "running\n"));
}

#[test]
fn dependencies_are_a_tree_both_ways() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "all.target"]);
    let text = daemon.ok(&["list-dependencies", "all.target"]);
    assert_eq!(text, "all.target\n● ├─one.service\n● └─two.service\n");
    let text = daemon.ok(&["list-dependencies", "--plain", "--reverse", "two"]);
    assert_eq!(text, "two.service\n  one.service\n  all.target\n");
    let text = daemon.ok(&["list-dependencies", "--plain", "--after", "one"]);
    assert!(text.contains("  two.service\n"), "{text}");
    let tree = daemon.json(&["list-dependencies", "all.target"]);
    assert_eq!(tree[0]["dependencies"][0]["unit"], "one.service");
}

#[test]
fn the_environment_and_the_log_are_set_at_run_time() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["set-environment", "DDPM_A=1", "DDPM_B=x y"]);
    daemon.ok(&["unset-environment", "DDPM_A"]);
    let mut import = daemon.command(&["import-environment", "DDPM_C"]);
    assert!(import.env("DDPM_C", "3").status().unwrap().success());
    let text = daemon.ok(&["show-environment"]);
    let ours: Vec<&str> = text.lines().filter(|l| l.starts_with("DDPM_")).collect();
    assert_eq!(ours, ["DDPM_B=x y", "DDPM_C=3"]);
    assert_eq!(daemon.run(&["set-environment", "1X=y"]).code, 1);
    let out = daemon.ok(&[
        "run",
        "-q",
        "-P",
        "--",
        "/bin/sh",
        "-c",
        "echo \"<$DDPM_B>\"",
    ]);
    assert_eq!(out, "<x y>\n");
    assert_eq!(daemon.ok(&["log-level"]), "info\n");
    daemon.ok(&["log-level", "warning"]);
    assert_eq!(daemon.ok(&["log-level"]), "warning\n");
    assert_eq!(daemon.run(&["log-level", "loud"]).code, 1);
}

#[test]
fn commands_run_as_services_of_their_own() {
    let mut daemon = Daemon::with(&UNITS);
    let run = daemon.run(&[
        "run", "--unit", "mine", "--wait", "-p", "Nice=5", "-E", "A=b c", "--", "/bin/sh", "-c",
        "exit 7",
    ]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr.contains("Running as unit: mine.service"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("Finished with result: exit-code"),
        "{run:?}"
    );
    assert_eq!(daemon.show("mine", "Transient"), "yes");
    assert!(daemon.show("mine", "Environment").contains("\"A=b c\""));
    let again = daemon.run(&["run", "--unit", "mine", "/bin/true"]);
    assert!(again.stderr.contains("was already loaded"), "{again:?}");
    let text = daemon.ok(&["cat", "mine"]);
    assert!(text.contains("Nice=5"), "{text}");
    for setting in ["Novel=1", "Nice=loud", "Restart=novel"] {
        let run = daemon.run(&["run", "--unit", "other", "-p", setting, "/bin/true"]);
        assert_eq!(run.code, 1, "{setting}");
    }
    assert_eq!(daemon.show("other", "LoadState"), "not-found");
    let file = daemon.file("state/transient/mine.service");
    assert!(file.exists());
    daemon.terminate();
    assert!(!file.exists());
}

#[test]
fn settings_change_while_a_unit_runs_and_outlive_a_reload() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "one"]);
    let pid = daemon.main_pid("one");
    daemon.ok(&["set-property", "one", "CPUWeight=77", "Description=Other"]);
    daemon.ok(&["set-property", "--runtime", "one", "TasksMax=99"]);
    daemon.ok(&["daemon-reload"]);
    assert_eq!(daemon.show("one", "CPUWeight"), "77");
    assert_eq!(daemon.show("one", "TasksMax"), "99");
    assert_eq!(daemon.show("one", "Description"), "Other");
    assert_eq!(daemon.main_pid("one"), pid);
    let run = daemon.run(&["set-property", "one", "Nice=5"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("Cannot set property Nice"), "{run:?}");
    let drop_in = daemon.file("units.control/one.service.d/50-CPUWeight.conf");
    assert!(drop_in.exists());
}

#[test]
fn directories_are_cleaned_of_units_that_are_down() {
    let daemon = Daemon::with(&UNITS);
    let what = ["clean", "--what", "cache", "one"];
    daemon.ok(&["start", "one"]);
    let run = daemon.run(&what);
    assert!(run.stderr.contains("is not inactive"), "{run:?}");
    daemon.ok(&["stop", "one"]);
    daemon.ok(&what);
    assert_eq!(daemon.run(&["clean", "two"]).code, 1);
    assert_eq!(daemon.run(&["clean", "--what", "novel", "one"]).code, 1);
}

#[test]
fn the_start_is_analyzed() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "kept", "one"]);
    assert!(daemon.ok(&["analyze", "time"]).starts_with("Started in "));
    let blame = daemon.ok(&["analyze", "blame"]);
    assert!(
        blame
            .lines()
            .next()
            .is_some_and(|l| l.ends_with("kept.service")),
        "{blame}"
    );
    let chain = daemon.ok(&["analyze", "critical-chain", "one"]);
    assert!(chain.starts_with("one.service @"), "{chain}");
    let plot = daemon.ok(&["analyze", "plot"]);
    assert!(
        plot.starts_with("<?xml") && plot.contains("multi-user.target"),
        "{plot}"
    );
    let dot = daemon.ok(&["analyze", "dot", "one*"]);
    assert!(
        dot.contains("\"one.service\"->\"two.service\" [color=\"green\"]"),
        "{dot}"
    );
}

#[test]
fn a_start_may_be_waited_for_to_its_end() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "--wait", "slow"]);
    assert_eq!(daemon.state("slow.service"), "inactive/dead");
    assert_eq!(daemon.run(&["start", "--wait", "bad"]).code, 1);
}

fn with_directory(directory: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(CLIENT);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DD_PM_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .env("DD_PM_SOCKET_DIR", directory)
        .output()
        .expect("the program is built")
}

#[test]
fn several_daemons_are_one_list_and_a_unit_is_found_in_its_own() {
    let sockets = tempfile::tempdir().unwrap();
    let daemon = |name: &str, unit: &str| {
        let place = Place::new().with_socket(&sockets.path().join(format!("{name}.sock")));
        place.write_unit(unit, "[Service]\nExecStart=/bin/sleep 1000\n");
        place.write_unit("both.service", "[Service]\nExecStart=/bin/sleep 1000\n");
        place.start()
    };
    let first = daemon("first", "a.service");
    let _second = daemon("second", "b.service");
    first.ok(&["start", "a"]);
    std::fs::write(sockets.path().join("dead.sock"), "").unwrap();
    let run = |arguments: &[&str]| {
        let output = with_directory(sockets.path(), arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, err) = run(&["start", "b"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = run(&["list"]);
    // The dead one is told of and hides nothing.
    assert_eq!(code, Some(1));
    assert!(err.contains("daemon dead:"), "{err}");
    assert!(out.starts_with("DAEMON"), "{out}");
    for row in ["first   a.service", "second  b.service"] {
        assert!(out.contains(row), "{row}:\n{out}");
    }
    let (_, out, _) = run(&["list", "--show-k8s"]);
    assert!(out.contains("POD") && out.contains("CONTAINER"), "{out}");
    let (code, _, err) = run(&["start", "both"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("both is in several daemons (first, second)"),
        "{err}"
    );
    let (code, _, err) = run(&["start", "a", "b"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("--daemon"), "{err}");
    assert_eq!(run(&["start", "--daemon", "second", "both"]).0, Some(0));
    let (_, out, _) = run(&["is-active", "--daemon", "first", "both"]);
    assert_eq!(out, "inactive\n");
    assert_eq!(run(&["is-active", "--daemon", "novel", "both"]).0, Some(1));
}

#[test]
fn shells_learn_to_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Command::new(CLIENT)
            .args(["completions", shell])
            .output()
            .expect("the program is built");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("list-units"),
            "{shell}"
        );
    }
    let script = format!(
        "eval \"$({CLIENT} completions bash)\"; COMP_WORDS=(dd-procmgr daemon-re); COMP_CWORD=1; \
         _dd_procmgr_units dd-procmgr daemon-re dd-procmgr; echo ${{COMPREPLY[@]}}"
    );
    let output = Command::new("bash").args(["-c", &script]).output();
    let Ok(output) = output else { return };
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "daemon-reload daemon-reexec\n",
        "{output:?}"
    );
}
