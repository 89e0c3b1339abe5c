//! Restarts with an overlap: the new process is there and ready before the old one is told to
//! stop, so that no request is lost; one that does not become ready leaves the old one serving.

mod common;

use common::daemon::Place;
use common::process::{self, lives};
use common::skip::{Missing, is_root, skip};
use common::{Daemon, wait_until};
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const UNIT: &str = "web.service";
const OVERLAP: &[&str] = &["restart", "--overlap", UNIT];

/// A service of Type=notify with a socket; `text` is more of its section, and what the file `more`
/// holds becomes arguments of its next process.
fn start_web(text: &str, first: &str) -> Daemon {
    start_web_at(Place::new(), text, first, "")
}

/// For a daemon that is an ordinary user in a container and has no control groups.
fn without_groups() -> Option<Place> {
    if !is_root() {
        skip(Missing::Privilege, "a container takes root to set up");
        return None;
    }
    Some(Place::new().in_container(43_210))
}

/// As [`start_web`], by such a daemon.
fn start_web_without_groups(text: &str, first: &str) -> Option<Daemon> {
    let daemon = start_web_at(without_groups()?, text, first, "");
    assert_eq!(daemon.show(UNIT, "ControlGroup"), "");
    Some(daemon)
}

/// Has a child that makes itself independent.
const SETSID: &str = "setsid -f sleep 7777; ";

/// The same at a place of the caller's; its shell runs `script` first.
fn start_web_at(place: Place, text: &str, first: &str, script: &str) -> Daemon {
    let socket = place.file("web");
    let socket = format!("[Socket]\nListenStream={}\n", socket.display());
    place.write_unit("web.socket", &socket);
    let more = place.file("more");
    fs::write(&more, first).expect("it is ours");
    let service = format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\n{text}\
         ExecStart=/bin/sh -c '{script}exec stand-in-agent --name web --listen passed $(cat {})'\n",
        more.display()
    );
    place.write_unit(UNIT, &service);
    let daemon = place.start();
    daemon.ok(&["start", "web.socket", UNIT]);
    daemon
}

fn ask(socket: &Path) -> Result<i32, String> {
    let told = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut stream = UnixStream::connect(socket).map_err(|it| told("connect", it))?;
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("it is a socket");
    let mut text = String::new();
    let read = stream.read_to_string(&mut text);
    read.map_err(|it| told("read", it))?;
    let pid = text
        .split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok());
    pid.ok_or_else(|| format!("no answer: '{text}'"))
}

/// Asks all the time until it is over; returns how often that went well and what went wrong.
type Clients = Vec<JoinHandle<(u32, Vec<String>)>>;

fn begin_load(socket: PathBuf, over: &Arc<AtomicBool>) -> Clients {
    let client = |_| {
        let (over, socket) = (over.clone(), socket.clone());
        thread::spawn(move || {
            let (mut good, mut bad) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                match ask(&socket) {
                    Ok(_) => good += 1,
                    Err(error) => bad.push(error),
                }
                thread::sleep(Duration::from_millis(2));
            }
            (good, bad)
        })
    };
    (0..3).map(client).collect()
}

fn end_load(clients: Clients, over: &AtomicBool) -> u32 {
    over.store(true, Ordering::Relaxed);
    let mut all = 0;
    for client in clients {
        let (good, bad) = client.join().expect("it only asks");
        assert!(bad.is_empty(), "{} of {good}: {bad:?}", bad.len());
        all += good;
    }
    all
}

fn processes(daemon: &Daemon) -> Vec<i32> {
    let mut all = daemon.survivors();
    all.retain(|pid| process::command_line(*pid).contains(&"passed".to_owned()));
    all
}

const COMMANDS: &str = "ExecStartPre=/bin/true\nExecStop=/bin/kill -0 $MAINPID\n";

#[test]
fn no_request_is_lost() {
    let daemon = start_web(COMMANDS, "--notify");
    assert_no_request_is_lost(&daemon, 50);
}

#[test]
fn no_request_is_lost_without_control_groups() {
    if let Some(daemon) = start_web_without_groups(COMMANDS, "--notify") {
        assert_no_request_is_lost(&daemon, 15);
    }
}

fn assert_no_request_is_lost(daemon: &Daemon, rounds: u32) {
    let since = daemon.show(UNIT, "ActiveEnterTimestampMonotonic");
    let over = Arc::new(AtomicBool::new(false));
    let clients = begin_load(daemon.file("web"), &over);
    let begin = Instant::now();
    for _ in 0..rounds {
        let before = daemon.main_pid(UNIT);
        daemon.ok(OVERLAP);
        let after = daemon.main_pid(UNIT);
        assert_ne!(before, after);
        assert!(!lives(before), "the old one has gone");
        assert_eq!(processes(daemon), [after]);
    }
    let good = end_load(clients, &over);
    let rate = f64::from(good) / begin.elapsed().as_secs_f64();
    println!("{rounds} restarts, {good} requests ({rate:.0} a second), none lost");
    assert_eq!(daemon.show(UNIT, "ActiveEnterTimestampMonotonic"), since);
    assert_eq!(daemon.state(UNIT), "active/running");
    // An end of the one that took over is seen as ever, and nothing else is left.
    daemon.ok(&["stop", UNIT, "web.socket"]);
    assert!(processes(daemon).is_empty());
}

#[test]
fn one_that_does_not_become_ready_leaves_the_old_one_serving() {
    assert_the_old_one_goes_on(&start_web("TimeoutStartSec=3\n", "--notify"));
}

#[test]
fn one_that_does_not_become_ready_leaves_the_old_one_serving_without_control_groups() {
    if let Some(daemon) = start_web_without_groups("TimeoutStartSec=3\n", "--notify") {
        assert_the_old_one_goes_on(&daemon);
    }
}

fn assert_the_old_one_goes_on(daemon: &Daemon) {
    let more = |text: &str| fs::write(daemon.file("more"), text).expect("it is ours");
    let old = daemon.main_pid(UNIT);
    for (arguments, reason) in [
        (
            "--notify --ready-after 3600",
            "not ready within TimeoutStartSec=",
        ),
        (
            "--notify --ready-after 3600 --crash-after 0",
            "before it was ready",
        ),
        (
            "--notify --ready-after 3600 --children 2",
            "not ready within TimeoutStartSec=",
        ),
    ] {
        more(arguments);
        let run = daemon.run(OVERLAP);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(reason), "{run:?}");
        assert!(run.stderr.contains("the old one goes on"), "{run:?}");
        assert_eq!(daemon.main_pid(UNIT), old);
        assert_eq!(daemon.state(UNIT), "active/running");
        assert_eq!(ask(&daemon.file("web")), Ok(old));
        wait_until("the new one to be gone", || processes(daemon) == [old]);
    }
    more("--notify");
    daemon.ok(OVERLAP);
    assert_ne!(daemon.main_pid(UNIT), old);
}

#[test]
fn a_daemon_that_takes_over_goes_on_with_both() {
    let daemon = start_web(BY_ITSELF, TAKES_TIME);
    assert_a_daemon_that_takes_over_goes_on(daemon);
}

#[test]
fn a_daemon_that_takes_over_goes_on_with_both_without_control_groups() {
    if let Some(daemon) = start_web_without_groups(BY_ITSELF, TAKES_TIME) {
        assert_a_daemon_that_takes_over_goes_on(daemon);
    }
}

const BY_ITSELF: &str = "[X-Procmgr]\nRestartOverlap=yes\n[Service]\n";
const TAKES_TIME: &str = "--notify --ready-after 2 --stop-delay 2";

fn assert_a_daemon_that_takes_over_goes_on(mut daemon: Daemon) {
    for way in ["reexec", "kill"] {
        let old = daemon.main_pid(UNIT);
        let starts = daemon.records().of("web", "start").len();
        daemon.ok(&["restart", "--no-block", UNIT]);
        daemon.wait_recorded("web", "start", starts + 1);
        // While the new one is on its way, and once more while the old one goes.
        for ready in [false, true] {
            if ready {
                wait_until("the new one to take over", || daemon.main_pid(UNIT) != old);
            }
            match way {
                "reexec" => drop(daemon.ok(&["daemon-reexec"])),
                _ => {
                    daemon.kill();
                    daemon.start_again();
                }
            }
            assert_eq!(processes(&daemon).len(), 2, "{way}, ready: {ready}");
            assert!(lives(old), "{way}, ready: {ready}");
        }
        wait_until("the old one to be gone", || !lives(old));
        wait_until("the job to be done", || {
            daemon.ok(&["list-jobs"]).matches(UNIT).count() == 0
        });
        assert_eq!(daemon.state(UNIT), "active/running");
        assert_eq!(processes(&daemon), [daemon.main_pid(UNIT)]);
    }
}

/// Processes that a generation leaves behind under a session of their own go with it, and no other.
fn assert_nobody_is_left_behind(daemon: &Daemon) {
    let more = |text: &str| fs::write(daemon.file("more"), text).expect("it is ours");
    let sleepers = || -> Vec<i32> {
        let mut all = daemon.survivors();
        all.retain(|pid| process::command_line(*pid).contains(&"7777".to_owned()));
        all
    };
    let old = daemon.main_pid(UNIT);
    wait_until("its child to be there", || sleepers().len() == 1);
    let first = sleepers();
    more("--notify --ready-after 3600 --crash-after 0.5");
    let run = daemon.run(OVERLAP);
    assert!(run.stderr.contains("the old one goes on"), "{run:?}");
    assert_eq!(daemon.main_pid(UNIT), old);
    wait_until("the child of the new one to be gone", || {
        sleepers() == first
    });
    more("--notify");
    daemon.ok(OVERLAP);
    assert!(!lives(old));
    wait_until("the child of the old one to be gone", || {
        let now = sleepers();
        now.len() == 1 && now != first
    });
    daemon.ok(&["stop", UNIT]);
    assert!(sleepers().is_empty() && processes(daemon).is_empty());
}

const INDEPENDENT: &str = "ExecStartPre=/bin/true\nTimeoutStopSec=5\n";

#[test]
fn nobody_is_left_behind() {
    let daemon = start_web_at(Place::new(), INDEPENDENT, "--notify", SETSID);
    assert_nobody_is_left_behind(&daemon);
}

#[test]
fn nobody_is_left_behind_without_control_groups() {
    if let Some(place) = without_groups() {
        assert_nobody_is_left_behind(&start_web_at(place, INDEPENDENT, "--notify", SETSID));
    }
}

#[test]
fn it_is_refused_where_it_cannot_be_meant() {
    let place = Place::new();
    for (name, text) in [
        ("alone", "ExecStart=stand-in-agent --name alone\n"),
        (
            "once",
            "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
        ),
    ] {
        place.write_unit(&format!("{name}.service"), &format!("[Service]\n{text}"));
    }
    let daemon = place.start();
    daemon.ok(&["start", "alone.service", "once.service"]);
    for (unit, reason) in [
        ("alone.service", "share nothing"),
        ("once.service", "Type=oneshot"),
        ("basic.target", "it is no service"),
    ] {
        let run = daemon.run(&["restart", "--overlap", unit]);
        assert_ne!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains(reason), "{run:?}");
    }
    // What is down is started.
    daemon.ok(&["stop", "alone.service"]);
    daemon.ok(&["restart", "--overlap", "alone.service"]);
    assert_eq!(daemon.state("alone.service"), "active/running");
}
