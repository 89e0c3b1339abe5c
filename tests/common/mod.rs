//! What the tests share: a daemon of one's own, its command line, waiting with a deadline,
//! facts from /proc, records of the stand-ins, private mounts, and skipping out loud.

// Every test file compiles this module for itself and uses a part of it.
#![allow(dead_code, unused_imports, missing_docs, unreachable_pub)]

pub mod bus;
pub mod corpus;
pub mod daemon;
pub mod data;
pub mod groups;
pub mod inside;
pub mod namespace;
pub mod process;
pub mod programs;
pub mod records;
pub mod reference;
pub mod skip;
pub mod states;
pub mod unit_set;
pub mod wire;

pub use daemon::{Daemon, Run};
pub use skip::{Missing, skip};

use std::time::{Duration, Instant};

/// Long enough for a busy machine, short enough to notice.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `reading` gives a value; panics with `what` and the last reading's words
/// otherwise.
#[track_caller]
pub fn wait_for<T>(what: &str, mut reading: impl FnMut() -> Result<T, String>) -> T {
    // Emulated machines are slow.
    let slowness = std::env::var("DD_PM_TEST_SLOWNESS").ok();
    let slowness: u32 = slowness.and_then(|text| text.parse().ok()).unwrap_or(1);
    let end = Instant::now() + DEADLINE * slowness;
    loop {
        match reading() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > end => {
                panic!("waited {DEADLINE:?} for {what}; last seen: {seen}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || {
        if condition() {
            Ok(())
        } else {
            Err("it does not hold".to_owned())
        }
    });
}

/// CLOCK_MONOTONIC in microseconds, as in the stand-ins' records.
pub fn monotonic_usec() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .expect("the kernel has this clock");
    u64::try_from(time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000).expect("it is positive")
}
