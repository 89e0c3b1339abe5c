//! Timers with a real clock: what they start, what is shown of them, what outlives the daemon,
//! and timers that clients make.

mod common;

use common::daemon::Place;
use common::{Daemon, wait_for, wait_until};
use std::time::{Duration, SystemTime};

/// A service that writes a line with what it is told of why it runs.
const NOTES: &str = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo $TRIGGER_UNIT \
                     $TRIGGER_TIMER_REALTIME_USEC $TRIGGER_TIMER_MONOTONIC_USEC >>@DIR@/notes'\n";

fn place(units: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let directory = place.path().display().to_string();
    for (name, text) in units {
        place.write_unit(name, &text.replace("@DIR@", &directory));
    }
    place
}

fn notes(daemon: &Daemon) -> Vec<String> {
    let text = std::fs::read_to_string(daemon.file("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_notes(daemon: &Daemon, count: usize) {
    wait_for(&format!("{count} runs"), || {
        let notes = notes(daemon);
        if notes.len() >= count {
            Ok(())
        } else {
            Err(format!("{notes:?}\n{}", daemon.log()))
        }
    });
}

#[test]
fn a_timer_starts_its_service_again_and_again() {
    let timer = "[Timer]\nOnActiveSec=50ms\nOnUnitActiveSec=100ms\nAccuracySec=1us\n";
    let daemon = place(&[("a.timer", timer), ("a.service", NOTES)]).start();
    daemon.ok(&["start", "a.timer"]);
    wait_notes(&daemon, 3);
    let realtime = daemon.show("a.timer", "LastTriggerUSecMonotonic");
    assert_ne!(realtime, "0");
    daemon.ok(&["stop", "a.timer"]);
    let words: Vec<String> = notes(&daemon)[0].split(' ').map(str::to_owned).collect();
    assert_eq!(words[0], "a.timer");
    assert!(
        words[1..].iter().all(|word| word.parse::<u64>().is_ok()),
        "{words:?}"
    );
    assert_eq!(daemon.show("a.timer", "Result"), "success");
    assert_eq!(
        daemon.show("a.timer", "NextElapseUSecMonotonic"),
        "infinity"
    );
}

#[test]
fn a_timer_of_the_calendar_elapses_each_second() {
    let timer = "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1us\n";
    let daemon = place(&[("a.timer", timer), ("a.service", NOTES)]).start();
    daemon.ok(&["start", "a.timer"]);
    wait_notes(&daemon, 2);
    for note in notes(&daemon) {
        let told = note
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse::<u64>().ok());
        let late = told.expect("a time is told") % 1_000_000;
        assert!(late < 500_000, "{note}");
    }
    let shown = daemon.ok(&["show", "a.timer", "-p", "TimersCalendar"]);
    assert!(shown.contains("OnCalendar=*-*-* *:*:*"), "{shown}");
}

#[test]
fn a_missed_time_is_made_up_for_after_a_restart() {
    let timer = "[Timer]\nOnCalendar=daily\nPersistent=yes\nAccuracySec=1us\n";
    let mut daemon = place(&[("a.timer", timer), ("a.service", NOTES)]).start();
    let stamp = daemon.file("lasting/timers/stamp-a.timer");
    daemon.ok(&["start", "a.timer"]);
    // It never ran: from now on.
    wait_until("the stamp", || stamp.exists());
    assert_eq!(daemon.show("a.timer", "SubState"), "waiting");
    daemon.terminate();
    let file = std::fs::File::options().write(true).open(&stamp);
    let long_ago = SystemTime::now() - Duration::from_secs(3 * 86_400);
    file.and_then(|file| file.set_modified(long_ago))
        .expect("the stamp can be changed");
    daemon.start_again();
    assert_eq!(notes(&daemon).len(), 0);
    daemon.ok(&["start", "a.timer"]);
    wait_notes(&daemon, 1);
    let modified = || {
        stamp
            .metadata()
            .and_then(|it| it.modified())
            .expect("it is there")
    };
    wait_until("the new stamp", || {
        modified() > long_ago + Duration::from_secs(86_400)
    });
    assert_eq!(daemon.run(&["clean", "--what=state", "a.timer"]).code, 1);
    daemon.ok(&["stop", "a.timer"]);
    daemon.ok(&["clean", "--what=state", "a.timer"]);
    assert!(!stamp.exists());
}

#[test]
fn timers_are_listed_the_next_one_first() {
    let daemon = place(&[
        ("late.timer", "[Timer]\nOnActiveSec=2h\n"),
        ("late.service", NOTES),
        ("soon.timer", "[Timer]\nOnActiveSec=1h\n"),
        ("soon.service", NOTES),
    ])
    .start();
    daemon.ok(&["start", "late.timer", "soon.timer"]);
    let list = daemon.ok(&["list-timers"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(lines[0].starts_with("NEXT"), "{list}");
    assert!(lines[1].ends_with("soon.timer  soon.service"), "{list}");
    assert!(lines[1].contains(" left "), "{list}");
    assert!(lines[2].contains("late.timer"), "{list}");
    let all = daemon.json(&["list-timers", "--all", "-o", "json"]);
    assert_eq!(all.as_array().map(Vec::len), Some(2));
    assert_eq!(all[1]["unit"], "late.timer");
    assert!(all[1]["last"].is_null() && all[0]["next"].is_u64(), "{all}");
}

#[test]
fn what_changes_in_its_file_counts_after_a_reload() {
    let daemon = place(&[
        ("a.timer", "[Timer]\nOnActiveSec=1h\nAccuracySec=1us\n"),
        ("a.service", NOTES),
    ])
    .start();
    daemon.ok(&["start", "a.timer"]);
    let text = "[Timer]\nOnActiveSec=1ms\nAccuracySec=1us\n";
    daemon.place().write_unit("a.timer", text);
    daemon.ok(&["daemon-reload"]);
    wait_notes(&daemon, 1);
}

#[test]
fn a_command_runs_later_and_its_units_go() {
    let daemon = place(&[]).start();
    let notes_file = daemon.file("notes").display().to_string();
    let command = format!("echo $TRIGGER_UNIT >>{notes_file}");
    daemon.ok(&[
        "run",
        "--unit=later",
        "--on-active=100ms",
        "--timer-property=AccuracySec=1us",
        "/bin/sh",
        "-c",
        &command,
    ]);
    assert_eq!(daemon.show("later.timer", "Transient"), "yes");
    wait_notes(&daemon, 1);
    assert_eq!(notes(&daemon), ["later.timer"]);
    wait_until("the units to go", || {
        let list = daemon.ok(&["list", "--all"]);
        !list.contains("later.")
    });
    let waits = daemon.run(&["run", "--wait", "--on-active=1", "/bin/true"]);
    assert_eq!(waits.code, 2, "{waits:?}");
}

#[test]
fn expressions_are_analyzed_without_a_daemon() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(common::programs::CLIENT);
        let output = command.args(arguments).env("TZ", "UTC").output();
        let output = output.expect("the client is built");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (code, text) = run(&[
        "analyze",
        "calendar",
        "--base-time=@1774700000",
        "--iterations=2",
        "Mon,Tue *-*-* 2:30",
    ]);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(code, Some(0));
    assert_eq!(lines[0], "Original form: Mon,Tue *-*-* 2:30");
    assert_eq!(lines[1], "Normalized form: Mon,Tue *-*-* 02:30:00");
    assert_eq!(lines[2], "Next elapse: Mon 2026-03-30 02:30:00 UTC");
    assert_eq!(lines[4], "Iter. #2: Tue 2026-03-31 02:30:00 UTC");
    let (code, text) = run(&["analyze", "timespan", "1h 3us"]);
    let wanted = "Original: 1h 3us\n      \u{3bc}s: 3600000003\n   Human: 1h 3us\n";
    assert_eq!((code, text.as_str()), (Some(0), wanted));
    assert_eq!(run(&["analyze", "calendar", "nonsense"]).0, Some(1));
}
