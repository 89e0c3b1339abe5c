//! Two thousand crashes later the daemon holds what it held before.

mod common;

use common::process::{Holdings, resident_kib};
use common::{Daemon, wait_for};
use std::time::{Duration, Instant};

const UNIT: &str = "crasher.service";
const WARM_UP: u32 = 500;
const CYCLES: u32 = 2000;

/// Starts the service, lets it crash and come back so often, and stops it.
fn cycle(daemon: &Daemon, times: u32) {
    daemon.ok(&["start", UNIT]);
    let end = Instant::now() + Duration::from_secs(240);
    loop {
        let restarts: u32 = daemon
            .show(UNIT, "NRestarts")
            .parse()
            .expect("NRestarts is a number");
        if restarts >= times {
            break;
        }
        assert!(
            Instant::now() < end,
            "{restarts} of {times} restarts\n{}",
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.ok(&["stop", UNIT]);
    // A stop during a start may end it by our own signal: either is at rest.
    wait_for("rest", || match daemon.state(UNIT).as_str() {
        "inactive/dead" | "failed/failed" => Ok(()),
        other => Err(other.to_owned()),
    });
}

/// The one with the loop, and the one that writes the log.
const THREADS: usize = 2;

/// What the daemon holds when nothing goes on: no client is connected, and the threads for what
/// may block have gone, as they do after some idle seconds.
fn at_rest(daemon: &Daemon) -> Holdings {
    let mut last = daemon.holdings();
    wait_for("the daemon to be at rest", || {
        let now = daemon.holdings();
        let before = std::mem::replace(&mut last, now.clone());
        if now.threads == THREADS && now == before {
            Ok(now)
        } else {
            Err(format!("{now:?}"))
        }
    })
}

#[test]
fn two_thousand_crashes_leave_no_descriptor_thread_zombie_or_memory() {
    let daemon = Daemon::with(&[(
        UNIT,
        "[Unit]\nStartLimitIntervalSec=0\n\
         [Service]\nRestart=always\nRestartSec=1ms\n\
         ExecStart=stand-in-agent --name crasher --crash-after 0 --crash-with SIGKILL --lines 3\n",
    )]);
    cycle(&daemon, WARM_UP);
    // With the pipe that was made ahead for the next start.
    let fresh = at_rest(&daemon);
    let warm = resident_kib(daemon.pid());
    cycle(&daemon, CYCLES);
    let worn = resident_kib(daemon.pid());
    wait_for("the daemon to hold what it held", || {
        let now = daemon.holdings();
        if now == fresh {
            Ok(())
        } else {
            Err(format!("{now:?}\nbefore: {fresh:?}"))
        }
    });
    assert!(
        worn * 100 < warm * 105,
        "resident memory grew from {warm} to {worn} KiB in {CYCLES} cycles"
    );
    println!("{CYCLES} cycles: {warm} KiB before, {worn} KiB after; held: {fresh:?}");
}
