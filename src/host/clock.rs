//! The time, asked for in one place.

use crate::engine::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Both clocks now.
pub(super) fn now() -> Timestamp {
    Timestamp {
        monotonic: micros(ClockId::CLOCK_MONOTONIC),
        realtime: micros(ClockId::CLOCK_REALTIME),
    }
}

fn micros(clock: ClockId) -> u64 {
    // Neither clock can be missing on Linux; 0 would only be shown, or fire a timer late.
    clock_gettime(clock).map_or(0, |time| {
        time.tv_sec() as u64 * 1_000_000 + time.tv_nsec() as u64 / 1_000
    })
}
