//! `make bench`: what 200 services that take 30 s to stop cost a 201st, as a table. Start and
//! restart are whole runs of `dd-procmgr`, from before its process is made to after its end.

#[path = "../common/mod.rs"]
mod common;

use common::daemon::Place;
use common::{Daemon, states, wait_for};
use std::time::{Duration, Instant};

const SLOW: usize = 200;
/// How often each time is taken; the median and the longest are shown.
const TIMES: usize = 50;
const FREE: &str = "free.service";

const SLOW_UNIT: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nType=notify\nTimeoutStopSec=30\n\
                         ExecStart=stand-in-agent --name slow --notify --ignore-term\n";

fn main() {
    let place = Place::new();
    place.write_unit("slow@.service", SLOW_UNIT);
    let free =
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nExecStart=/bin/sleep infinity\n";
    place.write_unit(FREE, free);
    let daemon = place.start();
    println!("| what | alone, median | longest | beside {SLOW} slow stops, median | longest |");
    println!("|---|---:|---:|---:|---:|");
    let alone = measure(&daemon);
    let units: Vec<String> = (0..SLOW).map(|n| format!("slow@{n}.service")).collect();
    call(&daemon, &["start"], &units);
    call(&daemon, &["stop", "--no-block"], &units);
    wait_for("all to be stopping", || stopping(&daemon, &units));
    let beside = measure(&daemon);
    stopping(&daemon, &units).expect("none has stopped before the measurement ended");
    for (number, what) in ["start", "restart"].into_iter().enumerate() {
        let [(a, a_longest), (b, b_longest)] =
            [&alone[number], &beside[number]].map(|times| of(times));
        println!("| {what} | {a} | {a_longest} | {b} | {b_longest} |");
    }
    call(&daemon, &["kill", "--signal=SIGKILL"], &units);
}

fn call(daemon: &Daemon, verb: &[&str], units: &[String]) {
    let units = units.iter().map(String::as_str);
    daemon.ok(&verb.iter().copied().chain(units).collect::<Vec<_>>());
}

fn stopping(daemon: &Daemon, units: &[String]) -> Result<(), String> {
    let seen = states::show(daemon, units, &["SubState"]);
    match seen
        .iter()
        .find(|(_, unit)| unit["SubState"] != "stop-sigterm")
    {
        Some((name, unit)) => Err(format!("{name}: {unit:?}")),
        None => Ok(()),
    }
}

/// Times of starts and of restarts.
fn measure(daemon: &Daemon) -> [Vec<Duration>; 2] {
    let timed = |verb: &str| {
        let begin = Instant::now();
        daemon.ok(&[verb, FREE]);
        begin.elapsed()
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TIMES {
        times[0].push(timed("start"));
        times[1].push(timed("restart"));
        daemon.ok(&["stop", FREE]);
    }
    times
}

/// Median and longest.
fn of(times: &[Duration]) -> (String, String) {
    let mut times = times.to_owned();
    times.sort();
    let text = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    (text(times[times.len() / 2]), text(times[times.len() - 1]))
}
