//! `plan`: what it says is what then happens, and it does nothing itself.

mod common;

use common::Daemon;
use serde_json::Value as Json;

const MIXED: &[(&str, &str)] = &[
    (
        "all.target",
        "[Unit]\nWants=web.service api.service none.service masked.service\nAfter=web.service\n",
    ),
    (
        "web.service",
        "[Unit]\nRequires=db.service\nAfter=db.service\n[Service]\nExecStart=sleep 1000\n",
    ),
    (
        "api.service",
        "[Unit]\nBindsTo=db.service\nAfter=db.service\n[Service]\nExecStart=sleep 1000\n",
    ),
    (
        "db.service",
        "[Unit]\nWants=log.service\nAfter=log.service\n[Service]\nExecStart=sleep 1000\n",
    ),
    ("log.service", "[Service]\nExecStart=sleep 1000\n"),
    ("masked.service", ""),
    (
        "side.service",
        "[Unit]\nPartOf=web.service\nAfter=web.service\n[Service]\nExecStart=sleep 1000\n",
    ),
    (
        "rival.service",
        "[Unit]\nConflicts=web.service\nAfter=web.service\n[Service]\nExecStart=sleep 1000\n",
    ),
    (
        "waits.service",
        "[Unit]\nAfter=web.service\nRequires=none.service\n[Service]\nExecStart=sleep 1000\n",
    ),
];

fn text<'a>(value: &'a Json, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// One of our services; what targets do is not in the log where they are up already.
fn is_ours(unit: &str) -> bool {
    unit.ends_with(".service") && MIXED.iter().any(|(name, _)| *name == unit)
}

/// The jobs of our own services, in order.
fn jobs(plan: &Json) -> Vec<(String, String)> {
    let jobs = plan["jobs"].as_array().expect("a list of jobs");
    jobs.iter()
        .filter(|job| is_ours(text(job, "unit")))
        .filter(|job| job["idle"] == false)
        .map(|job| (text(job, "unit").to_owned(), text(job, "job").to_owned()))
        .collect()
}

/// What the daemon's log says of the services since its line `from`.
fn happened(daemon: &Daemon, from: usize) -> Vec<(String, String)> {
    let log = daemon.log();
    let lines = log.lines().skip(from);
    let said = lines.filter_map(|line| {
        let (_, message) = line.split_once(" info ")?;
        let (unit, what) = message.trim_start().split_once(": ")?;
        let job = match what {
            "started" => "start",
            "stopped" => "stop",
            _ => return None,
        };
        is_ours(unit).then(|| (unit.to_owned(), job.to_owned()))
    });
    said.collect()
}

fn lines_of_log(daemon: &Daemon) -> usize {
    daemon.log().lines().count()
}

#[test]
fn the_plan_is_what_the_request_then_does() {
    let daemon = Daemon::with(MIXED);
    for command in [
        ["start", "all.target"],
        ["start", "side.service"],
        ["stop", "db.service"],
        ["start", "all.target"],
        ["start", "rival.service"],
    ] {
        let before = lines_of_log(&daemon);
        let planned = jobs(&daemon.json(&["plan", command[0], command[1]]));
        assert_eq!(happened(&daemon, before), [], "a plan does nothing");
        daemon.ok(&command);
        // Units of one step may be through in any order; all of ours follow one another.
        let mut done = happened(&daemon, before);
        let place = |job: &(String, String)| planned.iter().position(|p| p == job);
        assert!(!planned.is_empty(), "{command:?}");
        assert_eq!(
            done.len(),
            planned.len(),
            "{command:?}: {planned:?} but {done:?}"
        );
        done.sort_by_key(place);
        assert_eq!(done, planned, "{command:?}");
    }
    // A restart is a stop and a start each, those that need it stopped before and started after.
    daemon.ok(&["start", "web.service"]);
    let plan = daemon.json(&["plan", "restart", "db.service"]);
    let planned = jobs(&plan);
    let restart = |unit: &str| (unit.to_owned(), "restart".to_owned());
    let restarts = ["web.service", "api.service", "db.service"].map(restart);
    assert_eq!(planned, restarts);
    assert_eq!(plan["jobs"][0]["why"][0]["relation"], "RequiredBy");
}

#[test]
fn a_plan_says_what_is_left_out_and_what_is_refused() {
    let daemon = Daemon::with(MIXED);
    let text = daemon.ok(&["plan", "start", "all.target"]);
    for part in [
        "STEP  UNIT",
        "Wants= of db.service <- BindsTo= of api.service <- Wants= of all.target <- asked for",
        "start none.service: Unit none.service not found. (Wants= of all.target <- asked for)",
        "start masked.service: Unit masked.service is masked.",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let refused = daemon.run(&["plan", "start", "waits.service", "web.service"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("start waits.service would be refused: Unit none.service not found."),
        "{refused:?}"
    );
    assert!(refused.stdout.contains("web.service"), "{refused:?}");
    let dot = daemon.ok(&["plan", "start", "web.service", "-o", "dot"]);
    assert!(dot.starts_with("digraph plan {"), "{dot}");
    assert!(
        dot.contains("\"web.service\" -> \"db.service\" [label=\"Requires\"]"),
        "{dot}"
    );
    assert_eq!(daemon.run(&["list", "-o", "dot"]).code, 1);
    assert_eq!(daemon.run(&["plan", "start"]).code, 2);
    assert_eq!(daemon.run(&["plan", "explode", "a"]).code, 2);
}

#[test]
fn a_reload_tells_what_it_would_change() {
    let daemon = Daemon::with(MIXED);
    daemon.ok(&["start", "all.target", "side.service"]);
    assert_eq!(
        daemon.ok(&["plan", "daemon-reload"]),
        "Nothing would change.\n"
    );
    let place = daemon.place();
    place.write_unit(
        "web.service",
        "[Service]\nExecStart=sleep 2000\nRestart=always\n",
    );
    place.write_unit("api.service", "[Service]\nExecStart='\n");
    place.write_unit("none.service", "[Service]\nExecStart=sleep 1000\n");
    std::fs::remove_file(daemon.file("units/side.service")).expect("it is there");
    let text = daemon.ok(&["plan", "daemon-reload"]);
    for part in [
        "none.service: appeared\n",
        "side.service: vanished (",
        "api.service: broken (",
        "web.service: changed\n",
        "  Restart: no -> always, at once\n",
        "  ExecStart: sleep 1000 -> sleep 2000, from the next start on\n",
        "  Requires: ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    // Nothing of it was taken in.
    assert_eq!(daemon.show("web.service", "Restart"), "no");
    daemon.ok(&["daemon-reload"]);
    assert_eq!(daemon.show("web.service", "Restart"), "always");
    assert_eq!(
        daemon.ok(&["plan", "daemon-reload"]),
        "Nothing would change.\n"
    );
}
