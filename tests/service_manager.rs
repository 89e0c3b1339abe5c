//! Below another service manager: what it is told, and when.

mod common;

use common::daemon::Place;
use common::process::send;
use common::{Daemon, programs, wait_for};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A service manager that only listens.
struct Manager {
    socket: UnixDatagram,
    said: Vec<(Instant, String)>,
    _directory: tempfile::TempDir,
}

impl Manager {
    fn new() -> (Manager, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("it can be bound");
        socket.set_nonblocking(true).expect("it is a socket");
        let manager = Manager {
            socket,
            said: Vec::new(),
            _directory: directory,
        };
        (manager, path)
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.said.push((Instant::now(), text));
        }
    }

    /// Waits until a message with this line comes, after the first `behind` messages; how many
    /// there were before the next.
    #[track_caller]
    fn wait(&mut self, line: &str, behind: usize) -> usize {
        wait_for(line, || {
            self.listen();
            let mut later = self.said.iter().enumerate().skip(behind);
            match later.find(|(_, (_, text))| text.lines().any(|it| it.starts_with(line))) {
                Some((place, _)) => Ok(place + 1),
                None => Err(format!("{:#?}", self.said)),
            }
        })
    }

    fn count(&mut self, line: &str) -> usize {
        self.listen();
        let said = self.said.iter();
        said.filter(|(_, text)| text.contains(line)).count()
    }
}

fn daemon_below(watchdog: Duration) -> (Manager, Daemon) {
    let (manager, path) = Manager::new();
    let place = Place::new()
        .with_variable("NOTIFY_SOCKET", &path.to_string_lossy())
        .with_variable("WATCHDOG_USEC", &watchdog.as_micros().to_string());
    place.write_unit(
        "stays.service",
        "[Service]\nExecStart=stand-in-agent --name stays --stop-delay 5\n",
    );
    (manager, place.start())
}

#[test]
fn it_hears_how_things_are_from_the_start_to_the_end() {
    let (mut manager, mut daemon) = daemon_below(Duration::from_secs(3600));
    let ready = manager.wait("READY=1", 0);
    daemon.ok(&["start", "stays.service"]);
    let running = manager.wait("STATUS=Running 1 service", ready);
    daemon.ok(&["daemon-reload"]);
    let reloading = manager.wait("RELOADING=1", running);
    assert!(manager.said[reloading - 1].1.contains("MONOTONIC_USEC="));
    let again = manager.wait("READY=1", reloading);
    send(daemon.pid(), Signal::SIGHUP);
    let reloading = manager.wait("RELOADING=1", again);
    let again = manager.wait("READY=1", reloading);
    daemon.ok(&["daemon-reexec"]);
    let reloading = manager.wait("RELOADING=1", again);
    let again = manager.wait("READY=1", reloading);
    send(daemon.pid(), Signal::SIGTERM);
    let stopping = manager.wait("STOPPING=1", again);
    // Its service takes its time.
    manager.wait("EXTEND_TIMEOUT_USEC=", stopping);
    manager.wait("STATUS=Stopping; 1 service left", stopping);
    assert!(daemon.wait_end().success());
}

#[test]
fn a_loop_that_hangs_is_seen() {
    let (mut manager, daemon) = daemon_below(Duration::from_millis(600));
    let ready = manager.wait("READY=1", 0);
    let first = manager.wait("WATCHDOG=1", ready);
    let second = manager.wait("WATCHDOG=1", first);
    manager.wait("WATCHDOG=1", second);
    send(daemon.pid(), Signal::SIGSTOP);
    let before = manager.count("WATCHDOG=1");
    std::thread::sleep(Duration::from_millis(800));
    let after = manager.count("WATCHDOG=1");
    send(daemon.pid(), Signal::SIGCONT);
    // One may have been on its way.
    assert!(after <= before + 1, "{before}, {after}");
    let behind = manager.said.len();
    manager.wait("WATCHDOG=1", behind);
}

#[test]
fn what_it_stores_is_given_to_it_under_names() {
    let (mut manager, path) = Manager::new();
    let place = Place::new()
        .with_variable("NOTIFY_SOCKET", &path.to_string_lossy())
        .with_argument("--keep-services=manager");
    place.write_unit(
        "stays.service",
        "[Service]\nExecStart=stand-in-agent --name stays\n",
    );
    let daemon = place.start();
    manager.wait("FDNAME=control", 0);
    daemon.ok(&["start", "stays.service"]);
    let pidfd = manager.wait("FDNAME=pidfd-", 0);
    assert!(manager.said[pidfd - 1].1.contains("FDSTORE=1"));
    assert!(manager.said[pidfd - 1].1.contains("FDPOLL=0"));
    manager.wait("FDNAME=pipe-", 0);
    daemon.ok(&["stop", "stays.service"]);
    let gone = manager.wait("FDSTOREREMOVE=1", pidfd);
    assert!(manager.said[gone - 1].1.contains("FDNAME=p"));
    assert!(!daemon.file("state/keeper").exists());
}

/// One daemon below another, which has its control socket for it, among others of the same name.
#[test]
fn its_own_socket_may_come_from_a_socket_unit() {
    let place = Place::new();
    let path = |name: &str| place.file(name).display().to_string();
    place.write_unit(
        "below.socket",
        &format!(
            "[Socket]\nListenStream={}\nListenStream={}\n",
            path("below.sock"),
            path("other.sock")
        ),
    );
    fs::create_dir(place.file("below-units")).expect("a directory can be made");
    let command = format!(
        "{} --socket {} --unit-path {} --runtime-dir {} --state-dir {}",
        programs::DAEMON,
        path("below.sock"),
        path("below-units"),
        path("below-state"),
        path("below-lasting"),
    );
    place.write_unit(
        "below.service",
        &format!("[Service]\nType=notify\nExecStart={command}\n"),
    );
    let daemon = place.start();
    daemon.ok(&["start", "below.socket"]);
    assert_eq!(daemon.state("below.service"), "inactive/dead");
    let ask = |arguments: &[&str]| {
        let socket = daemon.file("below.sock");
        let output = Command::new(programs::CLIENT)
            .arg("--socket")
            .arg(&socket)
            .args(arguments)
            .output()
            .expect("the command line is built");
        assert!(output.status.success(), "{output:?}\n{}", daemon.log());
    };
    // The first call starts it and waits in the queue meanwhile.
    ask(&["list"]);
    daemon.wait_state("below.service", "active/running");
    let main = daemon.main_pid("below.service");
    daemon.ok(&["restart", "below.service"]);
    assert_ne!(daemon.main_pid("below.service"), main);
    ask(&["list"]);
    ask(&["daemon-reexec"]);
    ask(&["list"]);
    // It does not remove what is not its own.
    daemon.ok(&["stop", "below.service"]);
    assert!(daemon.file("below.sock").exists());
    ask(&["list"]);
}
