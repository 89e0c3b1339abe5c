//! The daemon executes its program anew: nobody notices.

mod common;

use common::daemon::Place;
use common::process::lives;
use common::{programs, wait_for, wait_until};
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const STAYS: &str = "[Service]\nExecStart=stand-in-agent --name stays --lines 3\n";

/// Connects and reads the answer.
fn answer(socket: &Path) -> Result<String, String> {
    let mut stream = UnixStream::connect(socket).map_err(|error| format!("connect: {error}"))?;
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).expect("it is a socket");
    let mut text = String::new();
    match stream.read_to_string(&mut text) {
        Ok(0) => Err("no answer".to_owned()),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("read: {error}")),
    }
}

fn place_with_socket() -> Place {
    let place = Place::new();
    let socket = place.file("listen");
    place.write_unit(
        "listens.socket",
        &format!("[Socket]\nListenStream={}\n", socket.display()),
    );
    place.write_unit(
        "listens.service",
        "[Service]\nExecStart=stand-in-agent --name listens --listen passed\n",
    );
    place.write_unit("stays.service", STAYS);
    place
}

#[test]
fn services_jobs_sockets_and_logs_go_on() {
    let place = place_with_socket();
    place.write_unit(
        "slow.service",
        "[Service]\nType=oneshot\nExecStart=stand-in-agent --name slow --run-for 1\n",
    );
    place.write_unit(
        "crashes.service",
        "[Service]\nExecStart=stand-in-agent --name crashes --crash-after 0.3 --crash-with 9\n\
         Restart=always\nRestartSec=200ms\n\
         [Unit]\nStartLimitIntervalSec=0\n",
    );
    let daemon = place.start();
    daemon.ok(&[
        "start",
        "stays.service",
        "listens.socket",
        "crashes.service",
    ]);
    daemon.ok(&["set-environment", "A=b"]);
    let (pid, main) = (daemon.pid(), daemon.main_pid("stays.service"));
    let mut waiting = daemon.command(&["start", "slow.service"]).spawn().unwrap();
    daemon.wait_recorded("slow", "start", 1);
    for _ in 0..5 {
        daemon.ok(&["daemon-reexec"]);
        assert_eq!(
            (daemon.pid(), daemon.main_pid("stays.service")),
            (pid, main)
        );
    }
    assert!(waiting.wait().unwrap().success(), "{}", daemon.log());
    // The socket is the same, and activates as before.
    assert!(answer(&daemon.file("listen")).unwrap().contains("listens"));
    daemon.wait_state("listens.service", "active/running");
    // Lines from before are still known, and read on afterwards.
    let lines = daemon.ok(&["logs", "stays.service"]);
    assert!(lines.contains("stays: line 3"), "{lines}");
    let environment = daemon.ok(&["show-environment"]);
    assert!(environment.contains("A=b"), "{environment}");
    // Ends are seen, with their status, and counted on.
    daemon.wait_recorded("crashes", "start", 4);
    let restarts: u32 = daemon.show("crashes.service", "NRestarts").parse().unwrap();
    assert!(restarts >= 3, "{restarts}");
    let log = daemon.log();
    let ends = log.matches("crashes.service: main process exited with status 9");
    assert!(ends.count() >= 3, "{log}");
    daemon.ok(&["stop", "stays.service"]);
    assert!(!lives(main));
    assert!(daemon.survivors().len() <= 2, "{:?}", daemon.survivors());
}

#[test]
fn nothing_is_left_when_it_ends() {
    let mut daemon = place_with_socket().start();
    daemon.ok(&["start", "stays.service", "listens.socket"]);
    daemon.ok(&["daemon-reexec"]);
    let status = daemon.terminate();
    assert!(status.success(), "{status}\n{}", daemon.log());
    assert!(daemon.survivors().is_empty());
    assert!(!daemon.file("state").exists(), "its directory is left");
    assert!(!daemon.file("pm.sock").exists());
}

#[test]
fn a_program_that_does_not_understand_the_state_does_not_get_it() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("dd-procmgrd");
    copy_daemon(&program);
    let daemon = place_with_socket().with_program(&program).start();
    daemon.ok(&["start", "stays.service"]);
    let (inode, main) = (inode(daemon.pid()), daemon.main_pid("stays.service"));
    let replace = |make: &dyn Fn(&Path)| {
        let new = directory.path().join("new");
        make(&new);
        fs::rename(&new, &program).unwrap();
    };
    let script = |text: &'static str| {
        move |path: &Path| {
            use std::os::unix::fs::PermissionsExt;
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    };
    for (text, reason) in [
        ("#!/bin/sh\nexit 2\n", "it knows of no such thing"),
        ("#!/bin/sh\necho it is of version 7\nexit 1\n", "version 7"),
        ("no program\n", "does not take the state over"),
    ] {
        replace(&script(text));
        let run = daemon.run(&["daemon-reexec"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains(reason), "{run:?}");
        // It goes on.
        assert_eq!(daemon.main_pid("stays.service"), main);
    }
    // The upgraded one takes over.
    replace(&copy_daemon);
    daemon.ok(&["daemon-reexec"]);
    assert_ne!(self::inode(daemon.pid()), inode);
    assert_eq!(daemon.main_pid("stays.service"), main);
}

/// By another process: a program that is open for writing cannot be executed, and what this one
/// opens is open in all children of other tests until they execute theirs.
fn copy_daemon(to: &Path) {
    let copied = Command::new("cp").arg(programs::DAEMON).arg(to).status();
    assert!(copied.expect("cp is there").success());
}

/// The program file that a process runs.
fn inode(pid: i32) -> u64 {
    fs::metadata(format!("/proc/{pid}/exe"))
        .expect("it runs")
        .ino()
}

/// REEXEC_ROUNDS: how often; 10 unless more is asked for.
#[test]
fn under_load_no_connection_is_refused_and_no_process_changes() {
    let rounds: u32 = std::env::var("REEXEC_ROUNDS").map_or(10, |rounds| rounds.parse().unwrap());
    let place = place_with_socket();
    for number in 0..50 {
        place.write_unit(
            &format!("restarts-{number}.service"),
            "[Unit]\nStartLimitIntervalSec=0\n\
             [Service]\nExecStart=/bin/sleep 0.5\nRestart=always\nRestartSec=100ms\n",
        );
    }
    let daemon = place.start();
    let units: Vec<String> = (0..50).map(|it| format!("restarts-{it}.service")).collect();
    let mut start = vec!["start", "listens.socket", "stays.service"];
    start.extend(units.iter().map(String::as_str));
    daemon.ok(&start);
    let socket = daemon.file("listen");
    assert!(answer(&socket).is_ok());
    let main = daemon.main_pid("listens.service");
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, socket) = (over.clone(), socket.clone());
            thread::spawn(move || {
                let (mut good, mut bad) = (0_u32, Vec::new());
                while !over.load(Ordering::Relaxed) {
                    match answer(&socket) {
                        Ok(_) => good += 1,
                        Err(error) => bad.push(error),
                    }
                }
                (good, bad)
            })
        })
        .collect();
    let begun = std::time::Instant::now();
    for _ in 0..rounds {
        daemon.ok(&["daemon-reexec"]);
        assert_eq!(daemon.main_pid("listens.service"), main);
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut all = 0;
    for client in clients {
        let (good, bad) = client.join().unwrap();
        assert!(bad.is_empty(), "{bad:?}");
        all += good;
    }
    let per_second = f64::from(all) / took.as_secs_f64();
    println!(
        "{rounds} times in {took:?}; {all} connections, {per_second:.0} a second, none refused"
    );
    for unit in &units {
        let restarts: u32 = daemon.show(unit, "NRestarts").parse().unwrap();
        assert!(restarts > 0, "{unit} did not come back\n{}", daemon.log());
    }
    wait_until("all to be there", || {
        units.iter().all(|unit| {
            let state = daemon.state(unit);
            state == "active/running" || state == "activating/auto-restart"
        })
    });
    wait_for("no process to be there twice", || {
        let count = daemon.survivors().len();
        if count <= 52 {
            Ok(())
        } else {
            Err(count.to_string())
        }
    });
}
