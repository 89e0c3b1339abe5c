//! A part of the compatibility runner (compat/README.md): the same on systemd 252 and here.
//! Skipped, with the reason, where systemd 252 or namespaces cannot be had.

mod common;

use common::{Missing, programs, skip};
use std::process::{Command, Output};

/// The runner's exit status for "cannot be played here".
const SKIPPED: i32 = 77;

/// Runs the runner; nothing if it cannot play here.
fn play(arguments: &[&str]) -> Option<Output> {
    // It is looked for beside the daemon.
    programs::stand_in();
    let runner = concat!(env!("CARGO_MANIFEST_DIR"), "/compat/run.py");
    let output = Command::new("python3")
        .arg(runner)
        .args(["--daemon", env!("CARGO_BIN_EXE_dd-procmgrd")])
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            skip(Missing::Package, &format!("python3: {error}"));
            return None;
        }
    };
    if output.status.code() == Some(SKIPPED) {
        let reason = String::from_utf8_lossy(&output.stdout);
        skip(Missing::Privilege, reason.trim());
        return None;
    }
    Some(output)
}

#[track_caller]
fn assert_equal(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_cases_of_the_checklist_are_the_same_on_systemd() {
    if let Some(output) = play(&["cases"]) {
        assert_equal(&output);
        let text = String::from_utf8_lossy(&output.stdout);
        let all = "323 cases, 318 equal, 5 different on purpose";
        assert!(text.contains(all), "{text}");
    }
}

#[test]
fn systemds_own_units_are_shown_as_systemd_shows_them() {
    let units = "/usr/lib/systemd/system";
    if let Some(output) = play(&["properties", "--units", units, "--at-least", "99"]) {
        assert_equal(&output);
    }
}

#[test]
fn what_differs_is_seen() {
    let arguments = ["properties", "--units", "/usr/lib/systemd/system"];
    if let Some(output) = play(&[&arguments[..], &["--at-least", "100"]].concat()) {
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn systemds_own_clients_see_no_difference() {
    if let Some(output) = play(&["verbs"]) {
        assert_equal(&output);
    }
}
