//! Scopes: which processes clients hand over, who looks after them, and what a scope shows of
//! itself (org.freedesktop.systemd1(5), "SCOPE UNIT OBJECTS").

use super::MANAGER_UNIQUE_NAME;
use super::dispatch::Call;
use super::failure::{Failure, names};
use super::path;
use super::value::{Body, Value};
use crate::engine::scope::Controller;
use crate::host::{Guest, GuestTrouble};
use crate::unit::name::UnitName;
use std::os::fd::AsFd;
use zbus::{Message, Variant};

/// Processes one call may hand over.
const MAX_GUESTS: usize = 4096;

impl From<GuestTrouble> for Failure {
    fn from(trouble: GuestTrouble) -> Failure {
        let name = match trouble {
            GuestTrouble::Invalid(_) => names::INVALID_ARGS,
            GuestTrouble::Unknown(_) => names::PROCESS_UNKNOWN,
            GuestTrouble::Foreign(_) => names::ACCESS_DENIED,
        };
        Failure::new(name, trouble.to_string())
    }
}

/// The processes of the property PIDs, `au`; 0 stands for the caller.
///
/// # Errors
/// One of them is not there, or not the caller's to hand over.
pub(super) fn guests(call: &Call<'_>, value: &Variant<'_>) -> Result<Vec<Guest>, Failure> {
    let numbers = match value {
        Variant::Array(array) => array.inner().iter().map(|item| match item {
            Variant::U32(number) => Some(*number),
            _ => None,
        }),
        _ => return Err(wrong_type("PIDs")),
    };
    let numbers: Option<Vec<u32>> = numbers.collect();
    by_number(call, &numbers.ok_or_else(|| wrong_type("PIDs"))?)
}

/// The processes of the property PIDFDs, `ah`.
///
/// # Errors
/// As [`guests`].
pub(super) fn opened_guests(call: &Call<'_>, value: &Variant<'_>) -> Result<Vec<Guest>, Failure> {
    let Variant::Array(array) = value else {
        return Err(wrong_type("PIDFDs"));
    };
    let caller = call.client.peer.uid;
    let open = |item: &Variant<'_>| {
        let Variant::Fd(process) = item else {
            return Err(wrong_type("PIDFDs"));
        };
        let copy = process.as_fd().try_clone_to_owned();
        let copy = copy.map_err(|error| Failure::new(names::FAILED, error.to_string()))?;
        Ok(Guest::of_descriptor(copy, caller)?)
    };
    array.inner().iter().map(open).collect()
}

fn wrong_type(property: &str) -> Failure {
    Failure::invalid(format!("Property {property} is of another type"))
}

/// Opens processes by their numbers; 0 stands for the caller.
///
/// # Errors
/// There are none, or too many; one of them is not there, or not the caller's.
fn by_number(call: &Call<'_>, numbers: &[u32]) -> Result<Vec<Guest>, Failure> {
    if numbers.is_empty() || numbers.len() > MAX_GUESTS {
        let text = format!("There must be 1 to {MAX_GUESTS} processes");
        return Err(Failure::invalid(text));
    }
    let peer = call.client.peer;
    let open = |number: &u32| {
        let pid = match number {
            0 => peer.pid,
            number => number.cast_signed(),
        };
        Ok(Guest::open(pid, peer.uid)?)
    };
    numbers.iter().map(open).collect()
}

/// The caller itself.
///
/// # Errors
/// It has gone, or the kernel does not say who it is.
pub(super) fn caller(call: &Call<'_>) -> Result<Vec<Guest>, Failure> {
    by_number(call, &[0])
}

/// The client behind the property Controller, a name on the bus that is us.
///
/// # Errors
/// The caller does not treat us as a bus, or nobody has the name.
pub(super) fn controller(
    call: &Call<'_>,
    value: &Variant<'_>,
) -> Result<Option<Controller>, Failure> {
    let Variant::Str(name) = value else {
        return Err(wrong_type("Controller"));
    };
    // Names of a real bus are not ours to look at.
    if !call.client.session.is_bus() || call.client.outside {
        return Err(Failure::new(
            names::NOT_SUPPORTED,
            "Sorry, Controller= logic only supported via the bus.",
        ));
    }
    if name.is_empty() {
        return Ok(None);
    }
    if zbus::names::BusName::try_from(name.as_str()).is_err() {
        let text = format!("Controller '{name}' is not a valid bus name.");
        return Err(Failure::invalid(text));
    }
    let hub = &call.client.hub;
    let peer = hub
        .peers()
        .into_iter()
        .find(|peer| peer.unique_name() == name.as_str())
        .ok_or_else(|| Failure::invalid(format!("Controller '{name}' is not connected here.")))?;
    // Its end is to be told.
    hub.note_hold(peer);
    Ok(Some(Controller {
        name: name.as_str().to_owned(),
        holder: peer.number.into(),
    }))
}

/// Answers AbandonScope and Scope.Abandon.
pub(super) async fn abandon(call: &Call<'_>, unit: &str) -> Result<Body, Failure> {
    call.client.hub.handle.abandon(unit).await?;
    Ok(Body::EMPTY)
}

/// Answers AttachProcessesToUnit and AttachProcesses.
pub(super) async fn attach(
    call: &Call<'_>,
    unit: &str,
    below: &str,
    numbers: &[u32],
) -> Result<Body, Failure> {
    if !below.is_empty() && !below.starts_with('/') {
        let text = format!("Control group path is not absolute: {below}");
        return Err(Failure::invalid(text));
    }
    let parts = below.split('/').skip(1);
    if parts.clone().any(|part| matches!(part, "" | "." | "..")) && below != "/" {
        let text = format!("Control group path is not normalized: {below}");
        return Err(Failure::invalid(text));
    }
    let guests = by_number(call, numbers)?;
    call.client.hub.handle.attach(unit, below, guests).await?;
    Ok(Body::EMPTY)
}

/// The signal that asks a client to stop a scope that it looks after.
pub(super) fn request_stop(unit: &UnitName, controller: &str) -> zbus::Result<Message> {
    let path = path::of_unit(unit.as_str());
    Message::signal(
        path.as_str(),
        "org.freedesktop.systemd1.Scope",
        "RequestStop",
    )
    .sender(MANAGER_UNIQUE_NAME)
    .destination(controller)
    .build(&Body::EMPTY)
}

/// The name and value of what a scope shows of itself.
pub(super) fn live(scope: &crate::engine::inspect::ScopeView, name: &str) -> Option<Value> {
    Some(match name {
        "Result" => Value::from(scope.result.as_str()),
        "Controller" => Value::from(scope.controller.clone().unwrap_or_default()),
        _ => return None,
    })
}
