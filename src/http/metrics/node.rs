//! The names that node_exporter's collector `systemd` uses, so that existing dashboards work.

use super::unit::{STATES, last_trigger};
use super::{Families, Labels, seconds};
use crate::engine::ActiveState;
use crate::http::picture::{Picture, Shown};
use crate::unit::config::ServiceType;
use prometheus_client::registry::Unit;
use std::fmt;

pub(super) fn write(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let states = picture.units.iter().flat_map(|unit| {
        let states = STATES
            .into_iter()
            .filter(|it| *it != ActiveState::Reloading);
        states.map(|state| {
            let labels = vec![
                ("name", unit.name()),
                ("state", state.as_str()),
                ("type", type_of(unit)),
            ];
            // The collector knows no such state.
            let shown = match unit.view.active {
                ActiveState::Reloading => ActiveState::Active,
                shown => shown,
            };
            (labels, u64::from(shown == state))
        })
    });
    families.gauges(
        "node_systemd_unit_state",
        "1 for the state that the unit is in",
        None,
        states,
    )?;
    let counts = picture.states();
    let units = STATES.map(|state| {
        let count = counts.get(state.as_str()).copied().unwrap_or(0);
        (vec![("state", state.as_str())], count)
    });
    families.gauges("node_systemd_units", "Units by their state", None, units)?;
    let well = !picture.stopping && picture.manager.startup.finished.monotonic > 0;
    let failed = counts.get("failed").copied().unwrap_or(0) > 0;
    families.gauges(
        "node_systemd_system_running",
        "1 if all is up and no unit has failed",
        None,
        [(vec![], u64::from(well && !failed))],
    )?;
    services(picture, families)?;
    timers(picture, families)?;
    sockets(picture, families)
}

fn type_of(unit: &Shown) -> &'static str {
    match unit
        .view
        .config
        .service()
        .map(|service| service.service_type)
    {
        Some(ServiceType::Simple) => "simple",
        Some(ServiceType::Exec) => "exec",
        Some(ServiceType::Forking) => "forking",
        Some(ServiceType::Oneshot) => "oneshot",
        Some(ServiceType::Dbus) => "dbus",
        Some(ServiceType::Notify) => "notify",
        Some(ServiceType::NotifyReload) => "notify-reload",
        Some(ServiceType::Idle) => "idle",
        None => "",
    }
}

fn each<'p, V>(
    picture: &'p Picture,
    value: impl Fn(&'p Shown) -> Option<V>,
) -> impl Iterator<Item = (Labels<'p>, V)> {
    let units = picture.units.iter();
    units.filter_map(move |unit| Some((vec![("name", unit.name())], value(unit)?)))
}

fn services(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let started = picture.units.iter().map(|unit| {
        let labels = vec![("name", unit.name()), ("type", type_of(unit))];
        (labels, seconds(unit.view.times.active_enter.realtime))
    });
    families.gauges(
        "node_systemd_unit_start_time",
        "When the unit became active, since 1970; 0 if never",
        Some(Unit::Seconds),
        started,
    )?;
    families.gauges(
        "node_systemd_unit_tasks_current",
        "Processes and threads of the unit",
        None,
        each(picture, |unit| unit.usage.tasks),
    )?;
    let restarts = |unit: &Shown| Some(unit.view.service.as_ref()?.restarts);
    families.counters(
        "node_systemd_service_restart",
        "Automatic restarts of the service",
        None,
        each(picture, restarts),
    )
}

fn timers(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    families.gauges(
        "node_systemd_timer_last_trigger",
        "When the timer last elapsed, since 1970; 0 if never",
        Some(Unit::Seconds),
        each(picture, last_trigger),
    )
}

fn sockets(picture: &Picture, families: &mut Families<'_>) -> fmt::Result {
    let accepted = |unit: &Shown| Some(unit.view.socket.as_ref()?.accepted);
    families.counters(
        "node_systemd_socket_accepted_connections",
        "Connections that the socket has accepted",
        None,
        each(picture, accepted),
    )?;
    let open = |unit: &Shown| Some(unit.view.socket.as_ref()?.connections);
    families.gauges(
        "node_systemd_socket_current_connections",
        "Connections of the socket that are open",
        None,
        each(picture, open),
    )?;
    let refused = |unit: &Shown| Some(unit.view.socket.as_ref()?.refused);
    families.counters(
        "node_systemd_socket_refused_connections",
        "Connections that the socket has refused",
        None,
        each(picture, refused),
    )
}
