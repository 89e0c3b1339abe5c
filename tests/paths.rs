//! Path units with real files: what starts the service, what is shown, and paths that clients make.

mod common;

use common::daemon::Place;
use common::{Daemon, wait_for, wait_until};
use std::fs;

/// A service that writes a line with the path that started it, and takes that path away.
const TAKES: &str = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo $TRIGGER_UNIT \
                     $TRIGGER_PATH >>@DIR@/notes; rm -rf $TRIGGER_PATH'\n";
/// The same, but leaves it.
const NOTES: &str =
    "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo $TRIGGER_PATH >>@DIR@/notes'\n";

fn start(units: &[(&str, &str)]) -> Daemon {
    let place = Place::new();
    let directory = place.path().display().to_string();
    for (name, text) in units {
        place.write_unit(name, &text.replace("@DIR@", &directory));
    }
    place.start()
}

fn notes(daemon: &Daemon) -> Vec<String> {
    let text = fs::read_to_string(daemon.file("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_notes(daemon: &Daemon, count: usize) {
    wait_for(&format!("{count} runs"), || {
        let notes = notes(daemon);
        if notes.len() == count && daemon.show("a.path", "SubState") == "waiting" {
            Ok(())
        } else {
            Err(format!("{notes:?}\n{}", daemon.log()))
        }
    });
}

#[test]
fn a_file_that_appears_starts_the_service_wherever_it_has_to_come_from() {
    let path = "[Path]\nPathExists=@DIR@/deep/below/file\n";
    let daemon = start(&[("a.path", path), ("a.service", TAKES)]);
    daemon.ok(&["start", "a.path"]);
    assert_eq!(daemon.show("a.path", "SubState"), "waiting");
    let file = daemon.file("deep/below/file");
    for round in 1..=2 {
        fs::create_dir_all(daemon.file("deep/below")).expect("it can be made");
        fs::write(&file, "").expect("it can be written");
        wait_notes(&daemon, round);
        fs::remove_dir_all(daemon.file("deep")).expect("it can be removed");
    }
    assert_eq!(notes(&daemon)[0], format!("a.path {}", file.display()));
    daemon.ok(&["stop", "a.path"]);
    assert_eq!(daemon.show("a.path", "Result"), "success");
}

#[test]
fn a_file_that_is_written_starts_the_service() {
    let path = "[Path]\nPathChanged=@DIR@/file\n";
    let daemon = start(&[("a.path", path), ("a.service", NOTES)]);
    fs::write(daemon.file("file"), "1").expect("it can be written");
    daemon.ok(&["start", "a.path"]);
    for round in 1..=3 {
        fs::write(daemon.file("file"), "2").expect("it can be written");
        wait_notes(&daemon, round);
    }
}

#[test]
fn a_directory_is_made_and_emptied() {
    let path = "[Path]\nDirectoryNotEmpty=@DIR@/spool\nMakeDirectory=yes\nDirectoryMode=0700\n";
    let service = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'ls @DIR@/spool >>@DIR@/notes; \
                   rm @DIR@/spool/*'\n";
    let daemon = start(&[("a.path", path), ("a.service", service)]);
    daemon.ok(&["start", "a.path"]);
    assert!(daemon.file("spool").is_dir());
    fs::write(daemon.file("spool/.hidden"), "").expect("it can be written");
    fs::write(daemon.file("spool/one"), "").expect("it can be written");
    wait_notes(&daemon, 1);
    fs::write(daemon.file("spool/two"), "").expect("it can be written");
    wait_notes(&daemon, 2);
    assert_eq!(notes(&daemon), ["one", "two"]);
}

#[test]
fn what_never_goes_away_comes_to_the_start_limit() {
    let path = "[Path]\nPathExistsGlob=@DIR@/f*\n";
    let daemon = start(&[("a.path", path), ("a.service", NOTES)]);
    fs::write(daemon.file("file"), "").expect("it can be written");
    daemon.ok(&["start", "a.path"]);
    wait_until("the limit", || {
        daemon.show("a.path", "Result") == "unit-start-limit-hit"
    });
    assert_eq!(notes(&daemon).len(), 5);
    assert_eq!(daemon.show("a.path", "ActiveState"), "failed");
}

#[test]
fn paths_are_listed() {
    let path = "[Path]\nPathChanged=@DIR@/b\nPathExists=@DIR@/a\n";
    let daemon = start(&[("a.path", path), ("a.service", NOTES)]);
    daemon.ok(&["start", "a.path"]);
    let list = daemon.ok(&["list-paths"]);
    let lines: Vec<Vec<&str>> = list
        .lines()
        .map(|it| it.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert_eq!(lines[0], ["PATH", "CONDITION", "UNIT", "ACTIVATES"]);
    assert_eq!(lines[1][1..], ["PathExists", "a.path", "a.service"]);
    assert_eq!(lines[2][1..], ["PathChanged", "a.path", "a.service"]);
    let json = daemon.json(&["list-paths", "-o", "json"]);
    assert_eq!(json[0]["condition"], "PathExists");
    let shown = daemon.show("a.path", "Paths");
    assert!(shown.contains("/a (PathExists) ; "), "{shown}");
    assert!(shown.ends_with("/b (PathChanged)"), "{shown}");
}

#[test]
fn a_command_runs_when_a_path_is_there() {
    let daemon = start(&[]);
    let flag = daemon.file("flag").display().to_string();
    let command = format!("echo done >>{}; rm {flag}", daemon.file("notes").display());
    let property = format!("--path-property=PathExists={flag}");
    daemon.ok(&["run", "--unit=when", &property, "/bin/sh", "-c", &command]);
    assert_eq!(daemon.show("when.path", "SubState"), "waiting");
    fs::write(&flag, "").expect("it can be written");
    wait_until("the run", || notes(&daemon) == ["done"]);
}
