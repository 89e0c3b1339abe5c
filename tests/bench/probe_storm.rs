//! `make bench`: what 200 services with a probe a second each, against a server that takes
//! connections and never answers, cost everybody else: how long the daemon's thread is away, as
//! seen by a client that asks for /healthz/live a hundred times a second, and by the loop itself.

#[path = "../common/mod.rs"]
mod common;

use common::daemon::{Daemon, Place};
use common::wait_for;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const UNITS: usize = 200;
/// How long each state of affairs is watched.
const WATCHED: Duration = Duration::from_secs(20);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        // Held, not answered.
        let mut held: std::collections::VecDeque<_> = std::collections::VecDeque::new();
        for stream in listener.incoming() {
            held.push_back(stream);
            if held.len() > 4 * UNITS {
                held.pop_front();
            }
        }
    });
    let place = Place::new();
    place.write_unit(
        "storm@.service",
        &format!(
            "[Service]\nExecStart=/bin/sleep infinity\n[X-ReadinessProbe]\n\
             HTTPGet=http://127.0.0.1:{port}/ready\nPeriodSec=1\nTimeoutSec=1\n"
        ),
    );
    place.write_unit("idle.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    let address = format!("unix:{}", place.file("http").display());
    let daemon = place
        .with_argument("--http")
        .with_argument(&address)
        .with_argument("idle.service")
        .start();
    println!(
        "| {UNITS} probes a second | answers, median | p99 | longest | turns of the loop | over 5 ms |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    watch(&daemon, "not yet");
    let units: Vec<String> = (0..UNITS).map(|n| format!("storm@{n}.service")).collect();
    let words = ["start"]
        .into_iter()
        .chain(units.iter().map(String::as_str));
    daemon.ok(&words.collect::<Vec<_>>());
    let failing = || match daemon.run(&["health", &units[UNITS - 1]]) {
        run if run.stdout.contains("no answer within 1s") => Ok(()),
        run => Err(run.stdout),
    };
    wait_for("all probes to fail", failing);
    watch(&daemon, "against a server that hangs");
}

fn get(daemon: &Daemon, path: &str) -> String {
    let mut stream = UnixStream::connect(daemon.file("http")).expect("the daemon serves");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// Turns of the loop so far: all, and those over 5 ms.
fn turns(daemon: &Daemon) -> (u64, u64) {
    let page = get(daemon, "/metrics");
    let bucket = |bound: &str| {
        let name = format!("process_manager_loop_latency_seconds_bucket{{le=\"{bound}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|count| count.parse::<u64>().ok())
            .expect("the page has it")
    };
    let all = bucket("+Inf");
    (all, all - bucket("0.005"))
}

fn watch(daemon: &Daemon, what: &str) {
    let (before, before_long) = turns(daemon);
    let mut times = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < WATCHED {
        let asked = Instant::now();
        get(daemon, "/healthz/live");
        times.push(asked.elapsed());
        std::thread::sleep(PAUSE);
    }
    let (after, after_long) = turns(daemon);
    times.sort();
    let at = |share: usize| {
        let time = times[(times.len() - 1) * share / 100];
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    };
    let share = (after_long - before_long) as f64 * 100.0 / (after - before).max(1) as f64;
    println!(
        "| {what} | {} | {} | {} | {} | {share:.2} % |",
        at(50),
        at(99),
        at(100),
        after - before
    );
}
