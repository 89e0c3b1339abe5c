//! The units.

use super::{Families, Labels, seconds};
use crate::engine::{ActiveState, ProbeRecord, Verdict};
use crate::http::picture::{Picture, Shown};
use crate::unit::config::ProbeKind;
use prometheus_client::registry::Unit;
use std::fmt;

/// The states that a series each is made for.
pub(super) const STATES: [ActiveState; 6] = [
    ActiveState::Active,
    ActiveState::Activating,
    ActiveState::Deactivating,
    ActiveState::Failed,
    ActiveState::Inactive,
    ActiveState::Reloading,
];

pub(super) fn write(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    states(picture, families)?;
    services(picture, families)?;
    resources(picture, families)?;
    sockets(picture, families)?;
    timers(picture, families)?;
    probes(picture, families)
}

fn named(unit: &Shown) -> Labels<'_> {
    vec![("unit", unit.name())]
}

/// A member for each unit that has the value.
fn each<'p, V>(
    picture: &'p Picture,
    value: impl Fn(&'p Shown) -> Option<V>,
) -> impl Iterator<Item = (Labels<'p>, V)> {
    let units = picture.units.iter();
    units.filter_map(move |unit| Some((named(unit), value(unit)?)))
}

fn states(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let members = picture.units.iter().flat_map(|unit| {
        STATES.map(|state| {
            let labels = vec![("unit", unit.name()), ("state", state.as_str())];
            (labels, u64::from(unit.view.active == state))
        })
    });
    let help = "1 for the state that the unit is in";
    families.gauges("process_manager_unit_state", help, None, members)?;
    let help = "1 if the unit counts, was not given up, is up, and its probes are good";
    let healthy = |unit: &Shown| {
        let health = &unit.health;
        health
            .wanted
            .then(|| u64::from(health.live && health.health.is_ready()))
    };
    families.gauges(
        "process_manager_unit_healthy",
        help,
        None,
        each(picture, healthy),
    )?;
    let now = picture.vitals.now.monotonic;
    let uptime = |unit: &Shown| {
        let since = unit.view.times.active_enter.monotonic;
        let up = unit.view.active.is_active_or_reloading() && since > 0;
        up.then(|| seconds(now.saturating_sub(since)))
    };
    let help = "How long the unit has been active";
    let unit = Some(Unit::Seconds);
    families.gauges(
        "process_manager_unit_uptime",
        help,
        unit,
        each(picture, uptime),
    )?;
    let took = |unit: &Shown| {
        let times = &unit.view.times;
        let (from, to) = (times.inactive_exit.monotonic, times.active_enter.monotonic);
        (from > 0 && to >= from).then(|| seconds(to - from))
    };
    let help = "How long the last start of the unit took";
    let unit = Some(Unit::Seconds);
    families.gauges(
        "process_manager_unit_start_duration",
        help,
        unit,
        each(picture, took),
    )
}

fn services(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let help = "Automatic restarts since the service was last started by somebody";
    let restarts = |unit: &Shown| Some(u64::from(unit.view.service.as_ref()?.restarts));
    families.counters(
        "process_manager_service_restarts",
        help,
        None,
        each(picture, restarts),
    )?;
    let help = "Starts of the program of the service";
    let runs = |unit: &Shown| Some(unit.view.service.as_ref()?.runs);
    families.counters(
        "process_manager_service_starts",
        help,
        None,
        each(picture, runs),
    )?;
    let ends = picture.units.iter().flat_map(|unit| {
        let ends = unit.view.service.iter().flat_map(|service| &service.ends);
        ends.map(|(result, count)| {
            let labels = vec![("unit", unit.name()), ("result", result.as_str())];
            (labels, *count)
        })
    });
    let help =
        "Ends of the service by their result: success, exit-code, signal, oom-kill, probe ...";
    families.counters("process_manager_service_ends", help, None, ends)?;
    let status = picture.units.iter().filter_map(|unit| {
        let status = unit.view.service.as_ref()?.exec_main_status?;
        let labels = vec![("unit", unit.name()), ("code", status.code_word())];
        Some((labels, i64::from(status.number())))
    });
    let help = "Exit code of the last main process, or the signal that ended it";
    families.gauges("process_manager_service_exit_status", help, None, status)?;
    let help = "Lines of log of the unit and about it";
    let lines = |unit: &Shown| Some(unit.held.lines).filter(|lines| *lines > 0);
    families.counters(
        "process_manager_unit_log_lines",
        help,
        None,
        each(picture, lines),
    )?;
    let help = "Lines left out by LogRateLimitBurst= or LogBackpressure=drop";
    let lost = |unit: &Shown| Some(unit.held.lost_lines).filter(|_| unit.held.lines > 0);
    families.counters(
        "process_manager_unit_log_lines_dropped",
        help,
        None,
        each(picture, lost),
    )
}

fn resources(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let cpu = |unit: &Shown| unit.usage.cpu.map(|nanos| nanos as f64 / 1e9);
    families.counters(
        "process_manager_unit_cpu",
        "CPU time that the unit has used",
        Some(Unit::Seconds),
        each(picture, cpu),
    )?;
    families.gauges(
        "process_manager_unit_memory",
        "Memory that the unit uses",
        Some(Unit::Bytes),
        each(picture, |unit| unit.usage.memory),
    )?;
    families.gauges(
        "process_manager_unit_tasks",
        "Processes and threads of the unit",
        None,
        each(picture, |unit| unit.usage.tasks),
    )?;
    families.gauges(
        "process_manager_unit_open_fds",
        "Open descriptors of all processes of the unit",
        None,
        each(picture, |unit| unit.descriptors),
    )
}

fn sockets(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let accepted = |unit: &Shown| Some(unit.view.socket.as_ref()?.accepted);
    families.counters(
        "process_manager_socket_accepted_connections",
        "Connections that the socket has accepted",
        None,
        each(picture, accepted),
    )?;
    let refused = |unit: &Shown| Some(unit.view.socket.as_ref()?.refused);
    families.counters(
        "process_manager_socket_refused_connections",
        "Connections that the socket has refused",
        None,
        each(picture, refused),
    )?;
    let open = |unit: &Shown| Some(unit.view.socket.as_ref()?.connections);
    families.gauges(
        "process_manager_socket_connections",
        "Connections of the socket that are open",
        None,
        each(picture, open),
    )
}

fn timers(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "process_manager_timer_last_trigger",
        "When the timer last elapsed, since 1970; 0 if never",
        Some(Unit::Seconds),
        each(picture, last_trigger),
    )
}

/// When a timer last elapsed.
pub(super) fn last_trigger(unit: &Shown) -> Option<f64> {
    let timer = unit.view.timer.as_ref()?;
    Some(seconds(timer.last_trigger.realtime))
}

/// A member for each probe that has the value.
fn each_probe<'p, V>(
    picture: &'p Picture,
    value: impl Fn(&ProbeRecord) -> Option<V>,
) -> impl Iterator<Item = (Labels<'p>, V)> {
    let probes = picture.units.iter().flat_map(|unit| {
        let probes = unit.health.probes();
        probes.map(move |(kind, _, record)| (unit, kind, record))
    });
    probes.filter_map(move |(unit, kind, record)| {
        let labels = vec![("unit", unit.name()), ("probe", ProbeKind::as_str(kind))];
        Some((labels, value(&record)?))
    })
}

fn probes(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let good = |record: &ProbeRecord| Some(u64::from(record.verdict == Verdict::Good));
    let help = "1 if the verdict of the probe is good";
    families.gauges(
        "process_manager_probe_good",
        help,
        None,
        each_probe(picture, good),
    )?;
    let took = |record: &ProbeRecord| {
        let answered = record.last.monotonic > 0;
        answered.then(|| seconds(record.last_took))
    };
    let help = "How long the last attempt of the probe took";
    let unit = Some(Unit::Seconds);
    families.gauges(
        "process_manager_probe_duration",
        help,
        unit,
        each_probe(picture, took),
    )?;
    let successes = each_probe(picture, |record| Some(record.successes));
    let failures = each_probe(picture, |record| Some(record.failures));
    let results = successes
        .map(|(mut labels, count)| {
            labels.push(("result", "success"));
            (labels, count)
        })
        .chain(failures.map(|(mut labels, count)| {
            labels.push(("result", "failure"));
            (labels, count)
        }));
    let help = "Attempts of the probe by their result";
    families.counters("process_manager_probe_attempts", help, None, results)
}
