//! That the benchmark of `make bench` works, with a few units; nothing is timed here.

#[path = "bench/measure.rs"]
mod measure;
#[path = "bench/units.rs"]
mod units;

mod common;

#[test]
fn the_loader_is_measured() {
    let measured = measure::loading(40);
    assert!(measured.units > 40 && !measured.time.is_zero());
    // One page more or less is all that can be seen of so few.
    assert!(measured.bytes_per_unit < 1_000_000);
}

/// So many that their signals are more than what waits for a client at a time: a client that
/// reads must not lose its connection over them.
#[test]
fn a_daemon_is_measured() {
    let measured = measure::reloading(1500);
    assert!(!measured.first.is_zero() && !measured.reload.is_zero());
    assert!(measured.bytes_per_unit < 10_000_000);
    assert!(measured.growth < 100_000_000);
}
