//! The daemon itself.

use super::{Families, Labels, seconds};
use crate::host::Histogram;
use crate::http::picture::Picture;
use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

pub(super) fn write(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let manager = &picture.manager;
    let info: Labels<'_> = vec![
        ("version", env!("CARGO_PKG_VERSION")),
        ("name", manager.name.as_str()),
        ("mode", manager.mode.as_str()),
    ];
    families.gauges(
        "process_manager_info",
        "Version, name and mode of the daemon",
        None,
        [(info, 1_u64)],
    )?;
    let begun = manager.startup.begun;
    families.gauges(
        "process_manager_uptime",
        "Time since the daemon was started",
        Some(Unit::Seconds),
        [(
            vec![],
            seconds(picture.vitals.now.monotonic.saturating_sub(begun.monotonic)),
        )],
    )?;
    let states = picture.states();
    let states = states
        .iter()
        .map(|(state, count)| (vec![("state", *state)], *count));
    families.gauges(
        "process_manager_units",
        "Loaded units by their state",
        None,
        states,
    )?;
    families.gauges(
        "process_manager_jobs",
        "Jobs that are queued or run",
        None,
        [(vec![], u64::try_from(picture.jobs).unwrap_or(u64::MAX))],
    )?;
    histogram(
        families,
        "process_manager_loop_latency",
        "How long one turn of the loop took, in which nobody else was heard",
        &picture.vitals.turns,
    )?;
    histogram(
        families,
        "process_manager_spawn_latency",
        "From the order to start a process until it was there",
        &picture.vitals.spawns,
    )?;
    own_process(picture, families)
}

/// The names that all clients of Prometheus use for their own process.
fn own_process(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "process_start_time",
        "When the daemon was started, since 1970",
        Some(Unit::Seconds),
        [(vec![], seconds(picture.manager.startup.begun.realtime))],
    )?;
    families.gauges(
        "process_resident_memory",
        "Memory that the daemon holds",
        Some(Unit::Bytes),
        picture.resident.map(|bytes| (vec![], bytes)),
    )?;
    families.gauges(
        "process_open_fds",
        "Descriptors that the daemon has open",
        None,
        picture.descriptors.map(|count| (vec![], count)),
    )
}

fn histogram(
    families: &mut Families<'_>,
    name: &str,
    help: &str,
    values: &Histogram,
) -> fmt::Result {
    let (unit, kind) = (Unit::Seconds, MetricType::Histogram);
    let mut family = families
        .0
        .encode_descriptor(name, help, Some(&unit), kind)?;
    family.encode_histogram::<NoLabelSet>(values.sum, values.count(), &values.buckets, None)
}
