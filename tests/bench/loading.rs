//! `make bench`: what it costs to load unit files, as a table.
//!
//! A plain program and no benchmark framework: the unit of work takes a good part of a second,
//! memory is measured too, and half of it happens in another process, none of which criterion
//! (41 packages) would help with.

#[path = "../common/mod.rs"]
mod common;
mod measure;
mod units;

/// What the issue of the day is about; the others show whether the cost per unit stays.
const UNITS: usize = 5_000;

fn main() {
    println!("| what | units | time | units/s | us/unit | bytes/unit |");
    println!("|---|---:|---:|---:|---:|---:|");
    for count in [UNITS / 4, UNITS, UNITS * 4] {
        let measured = measure::loading(count);
        row(
            "load from disk",
            measured.units,
            measured.time,
            &measured.bytes_per_unit.to_string(),
        );
    }
    let measured = measure::reloading(UNITS);
    let bytes = measured.bytes_per_unit.to_string();
    row("daemon: first load", UNITS, measured.first, &bytes);
    let growth = format!("{:+} kB in all", measured.growth / 1024);
    row("daemon-reload, unchanged", UNITS, measured.reload, &growth);
}

fn row(what: &str, units: usize, time: std::time::Duration, memory: &str) {
    let seconds = time.as_secs_f64();
    println!(
        "| {what} | {units} | {:.0} ms | {:.0} | {:.1} | {memory} |",
        seconds * 1e3,
        units as f64 / seconds,
        seconds * 1e6 / units as f64,
    );
}
