//! A service that is stuck, in whatever it does, delays no other: 200 of them beside one that
//! is started, restarted and stopped. What happens first counts, not how long it took; the
//! times are printed, and `make bench` measures them.

mod common;

use common::daemon::Place;
use common::{Daemon, process, states, wait_for};
use nix::sys::stat::Mode;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

const STUCK: usize = 200;
/// The one that must not wait. Its way leads where starts may block: it opens a file.
const FREE: &str = "free.service";
/// How a service is stuck.
struct Way {
    name: &'static str,
    /// Lines of [Service]; @FIFO@ is a named pipe that nobody opens.
    lines: &'static str,
    /// What is asked for when it is active; nothing: it is stuck in its start.
    verb: Option<&'static str>,
    /// Where it is stuck.
    state: &'static str,
}

const SLEEPS: &str = "ExecStart=/bin/sleep 3600";

/// The states of a service in which something can take for ever.
#[rustfmt::skip]
const WAYS: &[Way] = &[
    Way { name: "condition", verb: None, state: "activating/condition",
        lines: "ExecCondition=/bin/sleep 3600" },
    Way { name: "start-pre", verb: None, state: "activating/start-pre",
        lines: "ExecStartPre=/bin/sleep 3600" },
    Way { name: "notify", verb: None, state: "activating/start",
        lines: "Type=notify" },
    Way { name: "forking", verb: None, state: "activating/start",
        lines: "Type=forking" },
    Way { name: "oneshot", verb: None, state: "activating/start",
        lines: "Type=oneshot" },
    Way { name: "start-post", verb: None, state: "activating/start-post",
        lines: "ExecStartPost=/bin/sleep 3600" },
    Way { name: "open", verb: None, state: "activating/start",
        lines: "Type=exec\nStandardInput=file:@FIFO@" },
    Way { name: "auto-restart", verb: None, state: "activating/auto-restart",
        lines: "ExecStartPost=/bin/false\nRestart=always\nRestartSec=1h" },
    Way { name: "reload", verb: Some("reload"), state: "reloading/reload",
        lines: "ExecReload=/bin/sleep 3600" },
    Way { name: "stop", verb: Some("stop"), state: "deactivating/stop",
        lines: "ExecStop=/bin/sleep 3600" },
    Way { name: "stop-sigterm", verb: Some("stop"), state: "deactivating/stop-sigterm",
        lines: "KillSignal=SIGCONT" },
    Way { name: "stop-post", verb: Some("stop"), state: "deactivating/stop-post",
        lines: "ExecStopPost=/bin/sleep 3600" },
];

/// The main process is deaf before it says that it is ready; its stop takes its 30 s.
const SLOW: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nTimeoutStopSec=30\n\
                    ExecStart=stand-in-agent --name slow --notify --ignore-term\n";

fn write_free(place: &Place) {
    let output = place.file("output");
    let text = format!(
        "[Service]\nType=exec\nStandardOutput=append:{}\n{SLEEPS}\n",
        output.display()
    );
    place.write_unit(FREE, &text);
}

/// Starts, restarts and stops the free service; the longest of these. None of it waits for one
/// of the others, which are stuck for longer than the deadline.
fn go_round(daemon: &Daemon) -> Duration {
    let times = ["start", "restart", "stop"].map(|verb| {
        let begin = Instant::now();
        let mut client = daemon.command(&[verb, FREE]).spawn().expect("it is built");
        let waited = catch_unwind(AssertUnwindSafe(|| {
            wait_for(verb, || match client.try_wait() {
                Ok(Some(status)) if status.success() => Ok(begin.elapsed()),
                other => Err(format!("{other:?}")),
            })
        }));
        waited.unwrap_or_else(|panic| {
            let _ = client.kill();
            resume_unwind(panic)
        })
    });
    times.into_iter().max().expect("there are three")
}

/// Waits until each unit is in its state; `now` says how each is.
fn assert_all(daemon: &Daemon, units: &[String], state: impl Fn(&str) -> &'static str) {
    wait_for("every service to be stuck", || {
        let seen = states::show(daemon, units, &["ActiveState", "SubState"]);
        let astray = seen.iter().find(|(name, unit)| {
            format!("{}/{}", unit["ActiveState"], unit["SubState"]) != state(name)
        });
        match astray {
            Some((name, unit)) => Err(format!("{name}: {unit:?}")),
            None => Ok(()),
        }
    });
}

fn call(daemon: &Daemon, verb: &str, units: &[String], block: bool) {
    let mut arguments = vec![verb];
    if !block {
        arguments.push("--no-block");
    }
    arguments.extend(units.iter().map(String::as_str));
    daemon.ok(&arguments);
}

/// Ends what is stuck, and the daemon; no process of either is left.
fn end(mut daemon: Daemon, units: &[String]) {
    let mut arguments = vec!["kill", "--signal=SIGKILL"];
    arguments.extend(units.iter().map(String::as_str));
    let children: Vec<i32> = process::all()
        .into_iter()
        .filter(|seen| seen.parent == daemon.pid())
        .map(|seen| seen.pid)
        .collect();
    assert!(children.len() > units.len() / 2, "{children:?}");
    // Those that have no process answer that they have none.
    daemon.run(&arguments);
    daemon.terminate();
    let left: Vec<i32> = children
        .into_iter()
        .filter(|pid| process::lives(*pid))
        .collect();
    assert!(left.is_empty(), "{left:?} are left");
    // Nor one that came to be since.
    let socket = daemon.place().socket().to_string_lossy().into_owned();
    let left: Vec<i32> = process::all()
        .into_iter()
        .map(|seen| seen.pid)
        .filter(|pid| process::command_line(*pid).contains(&socket))
        .collect();
    assert!(left.is_empty(), "{left:?} were started at the end");
}

#[test]
fn two_hundred_slow_stops_delay_no_other_service() {
    let place = Place::new();
    place.write_unit("slow@.service", SLOW);
    write_free(&place);
    let daemon = place.start();
    let quiet = go_round(&daemon);
    let units: Vec<String> = (0..STUCK).map(|n| format!("slow@{n}.service")).collect();
    call(&daemon, "start", &units, true);
    call(&daemon, "stop", &units, false);
    let stopping = |_: &str| "deactivating/stop-sigterm";
    assert_all(&daemon, &units, stopping);
    let busy = go_round(&daemon);
    // All of that happened before the first of the stops came to its end.
    assert_all(&daemon, &units, stopping);
    println!("the longest of start, restart and stop: {quiet:?} alone, {busy:?} beside {STUCK}");
    end(daemon, &units);
}

#[test]
fn whatever_services_are_stuck_in_no_other_waits() {
    let place = Place::new();
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a named pipe can be made");
    for way in WAYS {
        let lines = way.lines.replace("@FIFO@", &fifo.display().to_string());
        let text = format!(
            "[Unit]\nDefaultDependencies=no\n\
             [Service]\nTimeoutSec=infinity\n{SLEEPS}\n{lines}\n"
        );
        place.write_unit(&format!("{}@.service", way.name), &text);
    }
    write_free(&place);
    let daemon = place.start();
    let quiet = go_round(&daemon);
    let mut all = Vec::new();
    for way in WAYS {
        let count = STUCK.div_ceil(WAYS.len());
        let units: Vec<String> = (0..count)
            .map(|number| format!("{}@{number}.service", way.name))
            .collect();
        call(&daemon, "start", &units, way.verb.is_some());
        if let Some(verb) = way.verb {
            call(&daemon, verb, &units, false);
        }
        all.extend(units);
    }
    let stuck = |unit: &str| {
        let of = |way: &&Way| {
            unit.strip_prefix(way.name)
                .is_some_and(|rest| rest.starts_with('@'))
        };
        WAYS.iter().find(of).expect("each unit has its way").state
    };
    assert_all(&daemon, &all, stuck);
    let busy = go_round(&daemon);
    assert_all(&daemon, &all, stuck);
    // What is not loaded yet can be, too.
    daemon.ok(&["daemon-reload"]);
    daemon
        .place()
        .write_unit("new.service", &format!("[Service]\n{SLEEPS}\n"));
    daemon.ok(&["start", "new.service"]);
    assert_all(&daemon, &all, stuck);
    let count = all.len();
    println!("the longest of start, restart and stop: {quiet:?} alone, {busy:?} beside {count}");
    end(daemon, &all);
}

#[test]
fn two_hundred_starts_that_hang_in_a_file_leave_room_for_another() {
    let place = Place::new();
    let fifo = place.file("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a named pipe can be made");
    let text = format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\nType=exec\nTimeoutSec=infinity\n\
         StandardInput=file:{}\n{SLEEPS}\n",
        fifo.display()
    );
    place.write_unit("open@.service", &text);
    write_free(&place);
    let daemon = place.start();
    let units: Vec<String> = (0..STUCK).map(|n| format!("open@{n}.service")).collect();
    call(&daemon, "start", &units, false);
    let starting = |_: &str| "activating/start";
    assert_all(&daemon, &units, starting);
    go_round(&daemon);
    assert_all(&daemon, &units, starting);
    end(daemon, &units);
}
