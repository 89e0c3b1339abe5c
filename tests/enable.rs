//! Enabling, masking and editing units from the command line, with a daemon and without.

mod common;

use common::daemon::Place;
use common::{Daemon, Missing, Run, skip, wait_for};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const AGENT: &str = "[Unit]\nDescription=An agent\n\
    [Service]\nExecStart=stand-in-agent --name agent\n\
    [Install]\nWantedBy=multi-user.target\nAlias=other-name.service\n";
const PLAIN: &str = "[Service]\nExecStart=stand-in-agent --name plain\n";

/// The agent's file is a vendor's, below the directory that edits go to.
fn place() -> Place {
    let place = Place::new();
    let vendor = place.file("vendor");
    fs::create_dir(&vendor).expect("a directory can be made");
    fs::write(vendor.join("agent.service"), AGENT).expect("a file can be written");
    fs::write(vendor.join("plain.service"), PLAIN).expect("a file can be written");
    place.with_units(&vendor)
}

fn link(daemon: &Daemon, name: &str) -> Option<String> {
    let path = daemon.file("units").join(name);
    let target = fs::read_link(path).ok()?;
    Some(target.to_string_lossy().into_owned())
}

#[test]
fn enable_now_links_starts_and_is_seen_everywhere() {
    let daemon = place().start();
    assert_eq!(daemon.show("agent.service", "UnitFileState"), "disabled");
    assert_eq!(daemon.show("agent.service", "UnitFilePreset"), "enabled");
    assert_eq!(daemon.show("plain.service", "UnitFileState"), "static");
    let run = daemon.run(&["enable", "--now", "agent"]);
    assert_eq!(run.code, 0, "{run:?}");
    let vendor = daemon.file("vendor").join("agent.service");
    let line = format!(
        "Created symlink {} → {}.",
        daemon
            .file("units/multi-user.target.wants/agent.service")
            .display(),
        vendor.display()
    );
    assert!(run.stderr.contains(&line), "no {line} in {run:?}");
    let target = link(&daemon, "multi-user.target.wants/agent.service");
    assert_eq!(target, Some(vendor.display().to_string()));
    assert_eq!(daemon.state("agent.service"), "active/running");
    assert_eq!(daemon.show("agent.service", "UnitFileState"), "enabled");
    let wants = daemon.show("multi-user.target", "Wants");
    assert!(wants.contains("agent.service"), "{wants}");

    let run = daemon.run(&["disable", "--now", "agent"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("Removed \""), "{run:?}");
    assert_eq!(link(&daemon, "multi-user.target.wants/agent.service"), None);
    assert!(!daemon.file("units/multi-user.target.wants").exists());
    assert_eq!(daemon.state("agent.service"), "inactive/dead");
    assert_eq!(daemon.show("agent.service", "UnitFileState"), "disabled");
}

#[test]
fn what_is_enabled_starts_with_the_daemon() {
    let place = place();
    let (units, vendor) = (place.file("units"), place.file("vendor"));
    // Without a daemon, on the files themselves.
    let run = offline(&units, &vendor, &["enable", "agent.service"]);
    assert_eq!(run.code, 0, "{run:?}");
    let daemon = place.start();
    daemon.wait_state("agent.service", "active/running");
    assert_eq!(daemon.ok(&["is-enabled", "agent"]), "enabled\n");
    assert_eq!(daemon.ok(&["is-enabled", "other-name"]), "alias\n");
}

#[test]
fn masked_units_do_not_start() {
    let daemon = place().start();
    let run = daemon.run(&["mask", "agent", "missing"]);
    assert_eq!(run.code, 0, "{run:?}");
    let warning = "Unit missing.service does not exist, proceeding anyway.";
    assert!(run.stderr.contains(warning), "{run:?}");
    assert_eq!(link(&daemon, "agent.service").as_deref(), Some("/dev/null"));
    let run = daemon.run(&["start", "agent"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("masked"), "{run:?}");
    let run = daemon.run(&["enable", "agent"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("is masked"), "{run:?}");
    assert_eq!(daemon.show("agent.service", "UnitFileState"), "masked");
    daemon.ok(&["unmask", "agent", "missing"]);
    daemon.ok(&["start", "agent"]);
    assert_eq!(daemon.state("agent.service"), "active/running");
}

#[test]
fn exit_statuses_and_lists() {
    let daemon = place().start();
    for (arguments, code, output) in [
        (&["is-enabled", "agent"][..], 1, "disabled\n"),
        (&["is-enabled", "plain"], 0, "static\n"),
        (&["is-enabled", "--quiet", "plain"], 0, ""),
        (&["is-enabled", "missing"], 1, ""),
        (&["enable", "missing"], 1, ""),
        (&["enable", "age*"], 1, ""),
        (&["enable", "plain"], 0, ""),
        (&["get-default"], 0, "multi-user.target\n"),
        (&["set-default", "agent.service"], 1, ""),
        (&["set-default", "sockets"], 0, ""),
        (&["get-default"], 0, "sockets.target\n"),
        (&["enable", "--runtime", "agent"], 1, ""),
    ] {
        let run = daemon.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (code, output), "{run:?}");
    }
    daemon.ok(&["enable", "agent"]);
    let table = daemon.ok(&["list-unit-files", "*.service"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        vec!["UNIT", "FILE", "STATE", "PRESET"],
        vec!["agent.service", "enabled", "enabled"],
        vec!["other-name.service", "alias", "-"],
        vec!["plain.service", "static", "-"],
        vec!["3", "unit", "files", "listed."],
    ] {
        assert!(rows.contains(&row), "no {row:?} in\n{table}");
    }
    let list = daemon.json(&["list-unit-files", "--state", "enabled"]);
    let wanted = serde_json::json!([
        {"unit_file": "agent.service", "state": "enabled", "preset": "enabled"}
    ]);
    assert_eq!(list, wanted);
    let sockets = ["list-unit-files", "--state", "enabled", "-t", "socket"];
    assert_eq!(daemon.json(&sockets), serde_json::json!([]));
    let changes = daemon.json(&["disable", "agent"]);
    assert_eq!(changes["changes"][0]["type"], "unlink", "{changes}");
    let full = daemon.ok(&["is-enabled", "--full", "plain"]);
    assert!(full.starts_with("static\n"), "{full}");
}

#[test]
fn refusals_change_nothing() {
    let daemon = place().start();
    daemon
        .place()
        .write_unit("other-name.service", "[Service]\nExecStart=/bin/true\n");
    let run = daemon.run(&["enable", "agent"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("Failed to enable unit: File ")
            && run.stderr.contains("other-name.service already exists."),
        "{run:?}"
    );
    assert!(!daemon.file("units/multi-user.target.wants").exists());
    daemon.ok(&["disable", "agent"]);
}

#[test]
fn edit_writes_drop_ins_and_copies() {
    let daemon = place().start();
    let run = fed(
        daemon.command(&["edit", "--stdin", "agent"]),
        "[Unit]\nDescription=Edited\n",
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.show("agent.service", "Description"), "Edited");
    let text = daemon.ok(&["cat", "agent"]);
    assert!(text.contains("agent.service.d/override.conf"), "{text}");
    let run = fed(
        daemon.command(&["edit", "--stdin", "--full", "plain"]),
        "[Unit]\nDescription=Mine\n[Service]\nExecStart=/bin/true\n",
    );
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.show("plain.service", "Description"), "Mine");
    let run = fed(daemon.command(&["edit", "--stdin", "missing"]), "[Unit]\n");
    assert_eq!(run.code, 1, "{run:?}");

    // An editor that appends, and one that leaves nothing.
    let editor = daemon.file("editor");
    fs::write(
        &editor,
        "#!/bin/sh\nprintf '[Unit]\\nDescription=By hand\\n' >> \"$1\"\n",
    )
    .expect("a file can be written");
    let mut command = daemon.command(&["edit", "--drop-in", "more", "plain"]);
    command.env("SYSTEMD_EDITOR", format!("sh {}", editor.display()));
    assert_eq!(fed(command, "").code, 0);
    assert_eq!(daemon.show("plain.service", "Description"), "By hand");
    let mut command = daemon.command(&["edit", "--drop-in", "none", "agent"]);
    command.env("SYSTEMD_EDITOR", "true");
    let run = fed(command, "");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!daemon.file("units/agent.service.d/none.conf").exists());

    daemon.ok(&["revert", "agent", "plain"]);
    assert_eq!(daemon.show("agent.service", "Description"), "An agent");
    assert_eq!(daemon.show("plain.service", "Description"), "plain.service");
}

#[test]
fn without_a_daemon_the_files_are_changed() {
    let place = place();
    let (units, vendor) = (place.file("units"), place.file("vendor"));
    let run = |arguments: &[&str]| offline(&units, &vendor, arguments);
    assert_eq!(run(&["is-enabled", "agent"]).stdout, "disabled\n");
    assert_eq!(run(&["enable", "agent"]).code, 0);
    assert_eq!(run(&["is-enabled", "agent"]).stdout, "enabled\n");
    assert_eq!(run(&["enable", "--now", "agent"]).code, 1);
    let failed = run(&["enable", "missing"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let line = "Failed to enable unit, unit missing.service does not exist.\n";
    assert_eq!(failed.stderr, line);
    let list = run(&["list-unit-files", "agent"]).stdout;
    assert!(list.contains("1 unit files listed."), "{list}");
    assert!(run(&["cat", "agent"]).stdout.contains("An agent"));
    assert_eq!(run(&["disable", "agent"]).code, 0);
    // A daemon that was named and is not there is not stood in for.
    let mut command = Command::new(env!("CARGO_BIN_EXE_dd-procmgr"));
    command
        .args(["--socket", "/nonexistent/pm.sock", "enable", "agent"])
        .env_remove("DD_PM_UNIT_PATH");
    let run = fed(command, "");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("/nonexistent/pm.sock"), "{run:?}");
}

#[test]
fn on_dbus_it_is_as_in_systemd() {
    let version = Command::new("busctl").arg("--version").output();
    if version.is_err() {
        return skip(Missing::Package, "busctl is not installed");
    }
    let daemon = place().start();
    let manager = "org.freedesktop.systemd1.Manager";
    let call = |arguments: &[&str]| {
        let mut command = Command::new("busctl");
        command
            .arg(format!(
                "--address=unix:path={}",
                daemon.place().socket().display()
            ))
            .args([
                "call",
                "org.freedesktop.systemd1",
                "/org/freedesktop/systemd1",
            ])
            .arg(manager)
            .args(arguments);
        fed(command, "")
    };
    let enable = call(&[
        "EnableUnitFiles",
        "asbb",
        "1",
        "agent.service",
        "false",
        "false",
    ]);
    let vendor = daemon.file("vendor/agent.service").display().to_string();
    let alias = daemon
        .file("units/other-name.service")
        .display()
        .to_string();
    let start = format!("ba(sss) true 2 \"symlink\" \"{alias}\" \"{vendor}\" \"symlink\"");
    assert!(enable.stdout.starts_with(&start), "{enable:?}");
    let state = call(&["GetUnitFileState", "s", "agent.service"]);
    assert_eq!(state.stdout, "s \"enabled\"\n", "{state:?}");
    let links = call(&["GetUnitFileLinks", "sb", "agent.service", "false"]);
    assert!(links.stdout.starts_with("as 2 "), "{links:?}");
    let listed = call(&["ListUnitFilesByPatterns", "asas", "1", "static", "1", "pl*"]);
    let plain = daemon.file("vendor/plain.service").display().to_string();
    assert_eq!(listed.stdout, format!("a(ss) 1 \"{plain}\" \"static\"\n"));
    let disable = call(&[
        "DisableUnitFilesWithFlagsAndInstallInfo",
        "ast",
        "1",
        "agent.service",
        "0",
    ]);
    assert!(
        disable.stdout.starts_with("ba(sss) true 2 \"unlink\""),
        "{disable:?}"
    );
    let preset = call(&[
        "PresetUnitFilesWithMode",
        "assbb",
        "1",
        "agent.service",
        "enable-only",
        "false",
        "false",
    ]);
    assert!(preset.stdout.starts_with("ba(sss) true 2"), "{preset:?}");
    let default = call(&["GetDefaultTarget"]);
    assert_eq!(default.stdout, "s \"multi-user.target\"\n");
    for (arguments, message) in [
        (
            &[
                "EnableUnitFiles",
                "asbb",
                "1",
                "missing.service",
                "false",
                "false",
            ][..],
            "Unit file missing.service does not exist.",
        ),
        (
            &["GetUnitFileState", "s", "missing.service"],
            "No such file or directory",
        ),
        (
            &[
                "AddDependencyUnitFiles",
                "asssbb",
                "1",
                "agent.service",
                "m.target",
                "Likes",
                "false",
                "false",
            ],
            "Invalid dependency type Likes",
        ),
        (
            &[
                "MaskUnitFiles",
                "asbb",
                "1",
                "a/b.service",
                "false",
                "false",
            ],
            "not a valid unit name",
        ),
    ] {
        let run = call(arguments);
        assert!(
            run.code != 0 && run.stderr.contains(message),
            "{arguments:?}: {run:?}"
        );
    }
}

#[test]
fn changes_by_hand_are_seen_after_daemon_reload() {
    let daemon = place().start();
    assert_eq!(daemon.show("agent.service", "UnitFileState"), "disabled");
    let wants = daemon.file("units/multi-user.target.wants");
    fs::create_dir(&wants).expect("a directory can be made");
    let vendor = daemon.file("vendor").join("agent.service");
    std::os::unix::fs::symlink(vendor, wants.join("agent.service")).expect("a link can be made");
    daemon.ok(&["daemon-reload"]);
    wait_for("the state to follow", || {
        let state = daemon.show("agent.service", "UnitFileState");
        if state == "enabled" {
            Ok(())
        } else {
            Err(state)
        }
    });
}

/// Runs the command line where no daemon is.
fn offline(units: &Path, vendor: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dd-procmgr"));
    let path = format!("{}:{}", units.display(), vendor.display());
    command
        .env("DD_PM_UNIT_PATH", path)
        .env("DD_PM_SOCKET", units.join("no-daemon.sock"))
        .args(arguments);
    fed(command, "")
}

/// Runs a command with this on its standard input.
fn fed(mut command: Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command line is built");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Who does not read it ends early.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
