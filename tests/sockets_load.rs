//! Socket activation under load: many connections while the service is killed again and again,
//! and many connections that get an instance each.

mod common;

use common::daemon::Place;
use common::{Daemon, wait_for};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

fn place_with(units: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let directory = place.path().display().to_string();
    for (name, text) in units {
        place.write_unit(name, &text.replace("@DIR@", &directory));
    }
    place
}

#[track_caller]
fn wait_show(daemon: &Daemon, unit: &str, property: &str, value: &str) {
    wait_for(&format!("{unit} to have {property}={value}"), || {
        let seen = daemon.show(unit, property);
        if seen == value {
            Ok(())
        } else {
            Err(format!("{seen}\n{}", daemon.log()))
        }
    });
}

/// Waits until the daemon holds the descriptors that it held then.
#[track_caller]
fn wait_descriptors(daemon: &Daemon, then: &[String]) {
    wait_for("the descriptors to be as they were", || {
        let now = daemon.holdings().fds;
        if now == then {
            Ok(())
        } else {
            Err(format!("{then:?} then, {now:?} now"))
        }
    });
}

/// What became of connections to a service that is killed now and then.
#[derive(Default)]
struct Tally {
    /// Numbers of connections given out.
    next: AtomicUsize,
    answered: AtomicUsize,
    /// Closed without an answer: the service had accepted them when it was killed.
    broken: AtomicUsize,
    killed: Mutex<BTreeSet<i32>>,
}

impl Tally {
    /// Connects once; the pid that answered, or nothing if the connection broke. Panics if the
    /// connection is refused or nobody answers.
    fn connect(&self, port: u16) -> Option<i32> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("nobody is refused");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be");
        let mut text = String::new();
        match stream.read_to_string(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("no answer: {error}"),
        }
        // Killed between its answer and its end: answered it was.
        let pid = text.strip_suffix('\n').and_then(|line| {
            let (_, pid) = line.split_once(' ')?;
            pid.parse().ok()
        });
        let count = if pid.is_some() {
            &self.answered
        } else {
            &self.broken
        };
        count.fetch_add(1, Ordering::Relaxed);
        pid
    }

    /// Kills the service, once each run of it.
    fn kill(&self, port: u16) {
        loop {
            if let Some(pid) = self.connect(port)
                && self.killed.lock().expect("nobody panicked").insert(pid)
            {
                return common::process::send(pid, Signal::SIGKILL);
            }
        }
    }
}

/// Connections altogether, at one time, and after how many the service is killed.
const CONNECTIONS: usize = 10_000;
const CLIENTS: usize = 16;
const KILLED_EVERY: usize = 50;

#[test]
fn no_connection_is_refused_or_lost_in_the_queue_while_the_service_is_killed_200_times() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let socket = format!("[Socket]\nListenStream=127.0.0.1:{port}\nTriggerLimitIntervalSec=0\n");
    // Of two runs at once the second would not get the lock, and end by itself.
    let service = "[Unit]\nStartLimitIntervalSec=0\n[Service]\n\
                   ExecStart=flock --nonblock --no-fork @DIR@/lock \
                   stand-in-agent --name web --listen passed\n";
    let daemon = place_with(&[("web.socket", &socket), ("web.service", service)]).start();
    daemon.ok(&["start", "web.socket"]);
    let tally = Tally::default();
    tally.connect(port).expect("nobody has killed it yet");
    wait_show(&daemon, "web.service", "SubState", "running");
    daemon.wait_alone();
    let before = daemon.holdings();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = tally.next.fetch_add(1, Ordering::Relaxed);
                    if number >= CONNECTIONS {
                        return;
                    }
                    if number % KILLED_EVERY == 0 {
                        tally.kill(port);
                    } else {
                        tally.connect(port);
                    }
                }
            });
        }
    });
    let kills = tally.killed.lock().expect("nobody panicked").len();
    assert_eq!(kills, CONNECTIONS / KILLED_EVERY);
    // It takes connections one by one, so that one at most breaks with each run. What waits in
    // the queue is served by the next.
    let broken = tally.broken.load(Ordering::Relaxed);
    let answered = tally.answered.load(Ordering::Relaxed);
    assert!(broken <= kills, "{broken} broke with {kills} kills");
    assert!(answered + broken >= CONNECTIONS);
    let last = tally.connect(port).expect("nobody kills it any more");
    assert_eq!(daemon.main_pid("web.service"), last);
    assert_eq!(daemon.records().of("web", "start").len(), kills + 1);
    let log = daemon.log();
    let ends: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("result '"))
        .collect();
    assert_eq!(ends.len(), kills, "{log}");
    assert!(ends.iter().all(|end| end.ends_with("'signal'")), "{log}");
    wait_show(&daemon, "web.socket", "SubState", "running");
    wait_descriptors(&daemon, &before.fds);
    assert_eq!(daemon.holdings().zombies, 0);
}

/// Everything that the other side says before it closes.
fn hear(mut stream: impl Read) -> String {
    let mut text = String::new();
    // A reset says as much as an end.
    let _ = stream.read_to_string(&mut text);
    text
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("nobody is refused");
    stream.set_read_timeout(Some(PATIENCE)).expect("it can be");
    stream
}

/// Short connections altogether, as many as an unoptimised daemon can serve in good time; and at
/// one time.
const SHORT: usize = if cfg!(debug_assertions) { 1_000 } else { 5_000 };
const AT_ONCE: usize = 100;

#[test]
fn k8_thousands_of_short_connections_are_all_served_and_leave_nothing() {
    let daemon = place_with(&[
        (
            "short.socket",
            // A client knows of the end before the daemon does, and comes again at once.
            "[Socket]\nListenStream=@DIR@/short\nAccept=yes\nMaxConnections=500\n\
             TriggerLimitIntervalSec=0\n",
        ),
        (
            "short@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/echo served\n",
        ),
    ])
    .start();
    daemon.ok(&["start", "short.socket"]);
    let path = daemon.file("short");
    assert_eq!(hear(connect(&path)), "served\n");
    wait_show(&daemon, "short.socket", "NConnections", "0");
    let units = units_of(&daemon);
    daemon.wait_alone();
    let before = daemon.holdings();
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < SHORT {
                    assert_eq!(hear(connect(&path)), "served\n");
                }
            });
        }
    });
    wait_show(&daemon, "short.socket", "NConnections", "0");
    assert_eq!(daemon.show("short.socket", "NAccepted"), SHORT.to_string());
    assert_eq!(daemon.show("short.socket", "NRefused"), "0");
    assert_eq!(daemon.state("short.socket"), "active/listening");
    wait_for("the instances to be unloaded", || {
        let now = units_of(&daemon);
        if now == units {
            Ok(())
        } else {
            Err(format!("{} units", now.len()))
        }
    });
    wait_descriptors(&daemon, &before.fds);
    assert_eq!(daemon.holdings().zombies, 0);
}

/// The names of all loaded units.
fn units_of(daemon: &Daemon) -> BTreeSet<String> {
    let list = daemon.ok(&["list", "--all", "--no-legend"]);
    let names = list.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

const LIMIT: usize = 10;

#[test]
fn k8_exactly_max_connections_are_served_and_the_next_is_closed_at_once() {
    let daemon = place_with(&[
        (
            "held.socket",
            &format!("[Socket]\nListenStream=@DIR@/held\nAccept=yes\nMaxConnections={LIMIT}\n"),
        ),
        (
            "held@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'echo served; exec cat'\n",
        ),
    ])
    .start();
    daemon.ok(&["start", "held.socket"]);
    let path = daemon.file("held");
    // All at once, so that some come while instances of others are only being read.
    let mut clients: Vec<UnixStream> = (0..3 * LIMIT).map(|_| connect(&path)).collect();
    let (mut served, mut closed) = (Vec::new(), 0);
    for mut client in clients.drain(..) {
        let mut line = [0u8; 7];
        match client.read_exact(&mut line) {
            Ok(()) => served.push(client),
            Err(_) => closed += 1,
        }
    }
    assert_eq!((served.len(), closed), (LIMIT, 2 * LIMIT));
    let count = |property| daemon.show("held.socket", property);
    assert_eq!(count("NConnections"), LIMIT.to_string());
    assert_eq!(count("NAccepted"), LIMIT.to_string());
    assert_eq!(count("NRefused"), (2 * LIMIT).to_string());
    // Those that are served are served on; one that leaves makes room for one.
    for client in &mut served {
        client.write_all(b"x").expect("it is read");
        let mut byte = [0u8; 1];
        client.read_exact(&mut byte).expect("it is answered");
    }
    served.pop();
    wait_show(
        &daemon,
        "held.socket",
        "NConnections",
        &(LIMIT - 1).to_string(),
    );
    let mut line = [0u8; 7];
    let mut new = connect(&path);
    new.read_exact(&mut line).expect("there is room");
    assert_eq!(hear(connect(&path)), "");
}

#[test]
fn k8_connections_are_counted_by_their_source() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let daemon = place_with(&[
        (
            "held.socket",
            &format!(
                "[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\nMaxConnectionsPerSource=2\n"
            ),
        ),
        (
            "held@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'echo served; exec cat'\n",
        ),
    ])
    .start();
    daemon.ok(&["start", "held.socket"]);
    // Every address of 127/8 is ours.
    let from = |last: u8| -> (TcpStream, bool) {
        let domain = socket2::Domain::IPV4;
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)
            .expect("a socket can be made");
        let address = std::net::SocketAddr::from(([127, 0, 0, last], 0));
        socket.bind(&address.into()).expect("the address is ours");
        let there = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        socket.connect(&there.into()).expect("nobody is refused");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be");
        let served = stream.read_exact(&mut [0u8; 7]).is_ok();
        (stream, served)
    };
    let mut held = Vec::new();
    for (last, served) in [
        (2, true),
        (2, true),
        (2, false),
        (3, true),
        (3, true),
        (3, false),
        (2, false),
    ] {
        let (stream, got) = from(last);
        assert_eq!(got, served, "from 127.0.0.{last}\n{}", daemon.log());
        held.push(stream);
    }
    assert_eq!(daemon.show("held.socket", "NConnections"), "4");
    assert_eq!(daemon.show("held.socket", "NRefused"), "3");
    drop(held.swap_remove(0));
    wait_show(&daemon, "held.socket", "NConnections", "3");
    assert!(from(2).1, "{}", daemon.log());
}
