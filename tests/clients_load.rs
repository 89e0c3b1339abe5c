//! Many clients at once, some of whom never read and some of whom send anything but messages: the
//! others are answered as ever, and nothing of it stays.
//!
//! Some seconds of it by default; DD_PM_LOAD_SECONDS= says how long (`make load`: 30).

mod common;

use common::wire::{self, MANAGER, MANAGER_INTERFACE, PROPERTIES, Wire};
use common::{Daemon, monotonic_usec, process, wait_for};
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ORDINARY: usize = 400;
const MUTE: usize = 50;
const NOISY: usize = 50;
const UNITS: usize = 100;
/// So many looks one after the other in which memory does not get less.
const SAME: usize = 50;
const UNIT: &str = "/org/freedesktop/systemd1/unit/crowd0_2eservice";

fn duration() -> Duration {
    let text = std::env::var("DD_PM_LOAD_SECONDS").unwrap_or_default();
    Duration::from_secs(text.parse().unwrap_or(3))
}

fn units() -> Vec<(String, String)> {
    let name = |number: usize| format!("crowd{number}.service");
    let names: Vec<String> = (0..UNITS).map(name).collect();
    // What the daemon says of their starts is kept in the log, which is none of the clients' concern.
    let service = "[Service]\nExecStart=/bin/sleep 1000\nLogLevelMax=err\n".to_owned();
    let keep = format!("[Unit]\nAfter={}\n", names.join(" "));
    let services = names.into_iter().map(|name| (name, service.clone()));
    services.chain([("keep.target".to_owned(), keep)]).collect()
}

/// Numbers that are always the same.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }
}

/// Asks for more and more, and reads nothing of it.
fn mute(socket: &Path, done: &AtomicBool) {
    let connect = |_| {
        let wire = Wire::connect(socket).expect("the daemon listens");
        wire.stream.set_nonblocking(true).expect("it is a socket");
        wire.stream
    };
    let mut streams: Vec<UnixStream> = (0..MUTE).map(connect).collect();
    let question = wire::call(1, MANAGER, MANAGER_INTERFACE, "ListUnits", &[]);
    while !done.load(Ordering::Relaxed) {
        for stream in &mut streams {
            match stream.write(&question) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => *stream = connect(0),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends what is no message, in the handshake and behind it, and comes again when it is cut off.
fn noisy(socket: &Path, done: &AtomicBool) {
    let mut dice = Dice(7);
    let mut connect = |number: u64| {
        let stream = match number % 2 {
            0 => UnixStream::connect(socket).expect("the daemon listens"),
            _ => Wire::connect(socket).expect("the daemon listens").stream,
        };
        stream.set_nonblocking(true).expect("it is a socket");
        stream
    };
    let mut streams: Vec<UnixStream> = (0..NOISY as u64).map(&mut connect).collect();
    while !done.load(Ordering::Relaxed) {
        for stream in &mut streams {
            let mut noise: Vec<u8> = (0..256).map(|_| dice.next() as u8).collect();
            if dice.next().is_multiple_of(2) {
                // The beginning of a message that is as long as can be.
                noise.splice(..8, [b'l', 1, 0, 1, 0xff, 0xff, 0x3f, 0]);
            }
            match stream.write(&noise) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    *stream = connect(dice.next());
                }
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets units come and go, so that there are signals to be sent.
fn churn(socket: &Path, done: &AtomicBool) {
    let mut wire = Wire::connect(socket).expect("the daemon listens");
    let mut number = 0;
    while !done.load(Ordering::Relaxed) {
        number = number % (UNITS - 1) + 1;
        let name = format!("crowd{number}.service");
        for verb in ["StartUnit", "StopUnit"] {
            let asked = wire.ask(MANAGER, MANAGER_INTERFACE, verb, &[&name, "replace"]);
            asked.expect("it is a unit");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Microseconds that each Get took, from one client after the other.
fn gets(clients: &mut [Wire], end: Instant) -> Vec<u64> {
    let mut times = Vec::new();
    while Instant::now() < end {
        for client in clients.iter_mut() {
            let begin = monotonic_usec();
            let arguments = ["org.freedesktop.systemd1.Unit", "ActiveState"];
            let state = client.ask(UNIT, PROPERTIES, "Get", &arguments);
            times.push(monotonic_usec() - begin);
            let state = state.expect("an ordinary client is answered");
            assert!(state.windows(6).any(|part| part == b"active"), "{state:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    times
}

/// Resident kilobytes and open descriptors.
fn holds(daemon: &Daemon) -> (u64, usize) {
    let memory = process::kilobytes(daemon.pid(), "VmRSS");
    let descriptors = format!("/proc/{}/fd", daemon.pid());
    let descriptors = std::fs::read_dir(descriptors).expect("it runs");
    (memory, descriptors.count())
}

/// All of them at once, for so long; what each Get of the ordinary ones took, sorted.
fn rush(daemon: &Daemon, duration: Duration) -> Vec<u64> {
    let socket = daemon.place().socket();
    let done = AtomicBool::new(false);
    let mut times = std::thread::scope(|scope| {
        for role in [mute, noisy, churn] {
            let done = &done;
            scope.spawn(move || role(socket, done));
        }
        let connect = |_| Wire::connect_as_on_a_bus(socket).expect("the daemon listens");
        let mut clients: Vec<Wire> = (0..ORDINARY).map(connect).collect();
        let times = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            gets(&mut clients, Instant::now() + duration)
        }));
        let (memory, descriptors) = holds(daemon);
        println!("at work: {memory} kB, {descriptors} descriptors");
        done.store(true, Ordering::Relaxed);
        times.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    times.sort_unstable();
    times
}

/// Waits until no more than this is held.
#[track_caller]
fn wait_holds(daemon: &Daemon, memory: u64, descriptors: usize) {
    wait_for("all of it to be gone", || {
        let (memory_now, descriptors_now) = holds(daemon);
        let seen = format!("{memory_now} kB, {descriptors_now} descriptors");
        if memory_now <= memory && descriptors_now <= descriptors {
            println!("after: {seen}");
            return Ok(());
        }
        Err(format!(
            "{seen}; not more than {memory} kB and {descriptors} wanted"
        ))
    });
}

/// Waits until no less is held than some polls before: what was in use is given back in steps. Resident
/// kilobytes, and open descriptors.
fn settled(daemon: &Daemon) -> (u64, usize) {
    let mut last = Vec::new();
    wait_for("it to give nothing back any more", || {
        last.push(holds(daemon).0);
        let begin = last.len().saturating_sub(SAME);
        let least = last[begin..].iter().min();
        if last.len() > SAME && least >= last[..begin].iter().min() {
            return Ok(());
        }
        Err(format!("{last:?} kB"))
    });
    holds(daemon)
}

#[test]
fn five_hundred_clients_of_all_manners() {
    let units = units();
    let units: Vec<(&str, &str)> = units
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    let daemon = Daemon::with(&units);
    daemon.ok(&["start", "keep.target", "crowd0.service"]);
    let idle = holds(&daemon).1;
    // What a rush is the first time to need stays, such as the heaps of threads.
    rush(&daemon, Duration::from_secs(1));
    daemon.ok(&["stop", "crowd[1-9]*"]);
    wait_holds(&daemon, u64::MAX, idle);
    let (memory, descriptors) = settled(&daemon);
    println!("before: {memory} kB, {descriptors} descriptors");
    let times = rush(&daemon, duration());
    let of = |part: usize| times[(times.len() - 1) * part / 100];
    println!(
        "{} Gets: median {} us, p99 {} us",
        times.len(),
        of(50),
        of(99)
    );
    daemon.ok(&["stop", "crowd[1-9]*"]);
    // Nothing of it is in use any more, but what was allocated meanwhile and stays keeps some pages
    // from going back.
    wait_holds(&daemon, memory * 11 / 10, descriptors);
}
