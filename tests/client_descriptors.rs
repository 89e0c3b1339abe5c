//! Descriptors that clients send and get: standard streams of services that they make, dumps to
//! read from, processes; and that none of them stays open.

mod common;

use common::daemon::Place;
use common::skip::has_program;
use common::{DEADLINE, Daemon, Missing, namespace, skip, wait_for, wait_until};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use zbus::{Connection, Fd, Message, Variant};

const MANAGER: (&str, &str, &str) = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
);

/// Runs a command with these bytes as its input.
fn feed(command: &mut Command, bytes: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(bytes).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it is our child")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// How many descriptors the daemon holds. Those that it makes for the first output that it reads
/// are there by then.
fn held(daemon: &Daemon) -> usize {
    daemon.ok(&["run", "-q", "--wait", "--", "/bin/echo", "warm"]);
    wait_until("the service to be forgotten", || {
        !daemon.ok(&["list-units", "--all"]).contains("run-")
    });
    daemon.holdings().fds.len()
}

/// Waits until the daemon holds no more than it did.
fn wait_settled(daemon: &Daemon, before: usize) {
    wait_for("all descriptors to be closed", || {
        let now = daemon.holdings().fds.len();
        if now <= before {
            Ok(())
        } else {
            Err(format!("{now} descriptors, {before} before"))
        }
    });
}

/// Does something with a connection to the daemon's bus.
fn with_bus<F: Future<Output = ()>>(daemon: &Daemon, act: impl FnOnce(Connection) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let address = format!("unix:path={}", daemon.place().socket().display());
        let connection = zbus::connection::Builder::address(address.as_str())
            .build()
            .await
            .expect("the daemon lets us in");
        act(connection).await;
    });
}

const SCRIPT: &str = "read line; echo \"out $line\"; echo err >&2; cat; exit 3";

#[test]
fn run_pipe_reads_and_writes_what_it_would_itself() {
    let daemon = Daemon::with(&[]);
    let before = held(&daemon);
    let mut command = daemon.command(&["run", "-q", "--pipe", "--", "/bin/sh", "-c", SCRIPT]);
    let output = feed(&mut command, b"one\n\x00\xfftwo");
    assert_eq!(output.stdout, b"out one\n\x00\xfftwo", "{output:?}");
    assert_eq!(text(&output.stderr), "err\n");
    assert_eq!(output.status.code(), Some(3));
    wait_settled(&daemon, before);
}

#[test]
fn a_restart_has_the_same_streams() {
    let daemon = Daemon::with(&[]);
    let once = daemon.file("once");
    let script = format!(
        "if mkdir {}; then echo first; exit 1; fi; echo second",
        once.display()
    );
    let mut command = daemon.command(&[
        "run",
        "-q",
        "--pipe",
        "-p",
        "Restart=on-failure",
        "-p",
        "RestartSec=0",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    let output = feed(&mut command, b"");
    assert_eq!(text(&output.stdout), "first\nsecond\n", "{output:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn run_pty_gives_a_terminal() {
    let daemon = Daemon::with(&[]);
    let before = held(&daemon);
    let script = "test -t 0 && test -t 1 && test -t 2 && echo yes >/dev/tty; \
                  stty -echo; read line; echo \"got $line\"; echo $TERM; exit 4";
    let mut command = daemon.command(&["run", "-q", "--pty", "--", "/bin/sh", "-c", script]);
    command.env("TERM", "vt42");
    let output = feed(&mut command, b"word\n");
    let shown = text(&output.stdout);
    assert!(shown.contains("yes\r\n"), "{output:?}");
    assert!(shown.contains("got word\r\n"), "{output:?}");
    assert!(shown.contains("vt42\r\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(4));
    wait_settled(&daemon, before);
    // What is typed ends.
    let mut command = daemon.command(&["run", "-q", "--pty", "--", "/bin/cat"]);
    let output = feed(&mut command, b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn systemd_run_pipe() {
    if !has_program("systemd-run") {
        skip(Missing::Package, "systemd-run is not installed");
        return;
    }
    namespace::private(|| {
        let daemon = Place::new().with_argument("--systemd-facade").start();
        let before = held(&daemon);
        let mut command = Command::new("systemd-run");
        command.args([
            "-q",
            "--pipe",
            "--wait",
            "--collect",
            "/bin/sh",
            "-c",
            SCRIPT,
        ]);
        let output = feed(&mut command, b"one\ntwo");
        assert_eq!(
            text(&output.stdout),
            "out one\ntwo",
            "{output:?}\n{}",
            daemon.log()
        );
        assert_eq!(text(&output.stderr), "err\n");
        assert_eq!(output.status.code(), Some(3));
        wait_settled(&daemon, before);
    });
}

#[test]
fn systemd_run_pty() {
    if !has_program("systemd-run") {
        skip(Missing::Package, "systemd-run is not installed");
        return;
    }
    namespace::private(|| {
        let daemon = Place::new().with_argument("--systemd-facade").start();
        let script = "test -t 0 && test -t 1 && echo yes >/dev/tty; echo $TERM; exit 5";
        let mut command = Command::new("systemd-run");
        command
            .args([
                "-q",
                "--pty",
                "--wait",
                "--collect",
                "/bin/sh",
                "-c",
                script,
            ])
            .env("TERM", "vt42")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it is on PATH");
        // It goes when nobody can type any more.
        let typing = child.stdin.take();
        let output = child.wait_with_output().expect("it is our child");
        drop(typing);
        let shown = text(&output.stdout);
        assert!(shown.contains("yes\r\n"), "{output:?}\n{}", daemon.log());
        assert!(shown.contains("vt42\r\n"), "{output:?}");
        assert_eq!(output.status.code(), Some(5), "{output:?}");
    });
}

#[test]
fn a_dump_comes_as_a_file() {
    let daemon = Daemon::with(&[("a.service", "[Service]\nExecStart=/bin/sleep 1000\n")]);
    daemon.ok(&["start", "a.service"]);
    let before = held(&daemon);
    with_bus(&daemon, |bus| async move {
        for (method, has_manager) in [
            ("DumpByFileDescriptor", true),
            ("DumpUnitsMatchingPatternsByFileDescriptor", false),
        ] {
            let (name, path, interface) = MANAGER;
            let reply = match has_manager {
                true => {
                    bus.call_method(Some(name), path, Some(interface), method, &())
                        .await
                }
                false => {
                    let patterns = vec!["a.*"];
                    bus.call_method(Some(name), path, Some(interface), method, &patterns)
                        .await
                }
            };
            let reply = reply.expect("it is answered");
            let file: zbus::OwnedFd = reply.body().deserialize().expect("a descriptor");
            let mut text = String::new();
            let mut file = File::from(std::os::fd::OwnedFd::from(file));
            file.read_to_string(&mut text).expect("it can be read");
            assert!(text.contains("-> Unit a.service:"), "{method}: {text}");
            assert_eq!(text.starts_with("Manager:"), has_manager, "{method}");
            assert!(file.write_all(b"x").is_err(), "nobody changes it");
        }
    });
    wait_settled(&daemon, before);
    if has_program("systemd-analyze") {
        namespace::private(|| {
            let daemon = Place::new().with_argument("--systemd-facade").start();
            let output = Command::new("systemd-analyze").arg("dump").output();
            let output = output.expect("it is on PATH");
            let complaint = text(&output.stderr);
            assert!(output.status.success(), "{complaint}\n{}", daemon.log());
            assert!(text(&output.stdout).starts_with("Manager:"), "{complaint}");
        });
    }
}

/// A process by its descriptor (pidfd_open(2)).
fn open_process(pid: i32) -> File {
    // rustix knows no pid of 0 or less.
    let pid = rustix::process::Pid::from_raw(pid).expect("it is a pid");
    let flags = rustix::process::PidfdFlags::empty();
    let process = rustix::process::pidfd_open(pid, flags).expect("it is there");
    File::from(process)
}

#[test]
fn units_are_found_and_scopes_are_made_by_descriptors_of_processes() {
    let daemon = Daemon::with(&[("a.service", "[Service]\nExecStart=/bin/sleep 1000\n")]);
    daemon.ok(&["start", "a.service"]);
    let main = daemon.main_pid("a.service");
    let before = held(&daemon);
    let mut stranger = Command::new("/bin/sleep")
        .arg("1000")
        .spawn()
        .expect("there is a sleep");
    let (name, path, interface) = MANAGER;
    let pid = i32::try_from(stranger.id()).expect("pids fit");
    with_bus(&daemon, |bus| async move {
        let find = |file: File| {
            let bus = bus.clone();
            async move {
                let fd = Fd::from(file.as_fd());
                let method = "GetUnitByPIDFD";
                bus.call_method(Some(name), path, Some(interface), method, &fd)
                    .await
            }
        };
        let reply = find(open_process(main)).await.expect("it is found");
        let (object, unit, invocation): (zbus::OwnedObjectPath, String, Vec<u8>) =
            reply.body().deserialize().expect("osay");
        assert!(object.as_str().ends_with("/a_2eservice"), "{object}");
        assert_eq!((unit.as_str(), invocation.len()), ("a.service", 16));
        let refused = find(open_process(pid)).await.expect_err("nobody's");
        assert!(refused.to_string().contains("NoUnitForPID"), "{refused}");
        let null = File::open("/dev/null").expect("it is there");
        let refused = find(null).await.expect_err("no process");
        assert!(refused.to_string().contains("not a process"), "{refused}");

        let process = open_process(pid);
        let fds = Variant::from(vec![Fd::from(process.as_fd())]);
        let properties = vec![("PIDFDs", fds)];
        let auxiliary: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
        let arguments = ("b.scope", "fail", properties, auxiliary);
        bus.call_method(
            Some(name),
            path,
            Some(interface),
            "StartTransientUnit",
            &arguments,
        )
        .await
        .expect("it is made");
    });
    daemon.wait_state("b.scope", "active/running");
    stranger.kill().expect("it is our child");
    stranger.wait().expect("it is our child");
    daemon.wait_state("b.scope", "inactive/dead");
    wait_settled(&daemon, before);
}

/// Who sends more than a few descriptors at a time is cut off, and what was sent with bad calls
/// is closed.
#[test]
fn nobody_fills_the_daemon_with_descriptors() {
    let daemon = Daemon::with(&[]);
    let before = held(&daemon);
    let null = File::open("/dev/null").expect("it is there");
    let (name, path, interface) = MANAGER;
    with_bus(&daemon, |bus| async move {
        let many = |count: usize| -> Vec<Fd<'_>> {
            let copies = std::iter::repeat_with(|| Fd::from(null.as_fd()));
            copies.take(count).collect()
        };
        for _ in 0..200 {
            let call = Message::method_call(path, "GetUnitByPIDFD")
                .destination(name)
                .interface(interface)
                .build(&many(16))
                .expect("it can be made");
            bus.send(&call).await.expect("it is taken");
        }
        let arguments = many(16);
        let refused = bus
            .call_method(
                Some(name),
                path,
                Some(interface),
                "GetUnitByPIDFD",
                &arguments,
            )
            .await
            .expect_err("it takes one");
        assert!(
            refused.to_string().contains("Invalid arguments 'ah'"),
            "{refused}"
        );
        let arguments = many(17);
        let call = bus.call_method(Some(name), path, Some(interface), "Dump", &arguments);
        let answer = tokio::time::timeout(DEADLINE, call).await;
        answer.expect("we are told").expect_err("we are cut off");
    });
    wait_settled(&daemon, before);
    wait_until("others to be served", || daemon.run(&["list"]).code == 0);
}
