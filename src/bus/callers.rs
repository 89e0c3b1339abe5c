//! Units by what runs in them: by process, control group, invocation, and the caller's own.

use super::dispatch::{Call, unknown_object};
use super::failure::{Failure, names};
use super::path;
use super::value::{Body, Value};
use crate::host::{self, View};
use crate::unit::name::UnitName;
use std::os::fd::AsFd;

/// The path element that stands for the unit that the caller runs in.
const SELF: &str = "self";

/// An invocation ID as text.
const INVOCATION_DIGITS: usize = 32;

/// Whether what an object path says may be no unit's name: an invocation ID, or `self`.
pub(super) fn stands_for_another(element: &str) -> bool {
    element == SELF || element.len() == INVOCATION_DIGITS
}

/// The name behind what an object path says: an invocation ID, `self`, or a name already.
///
/// # Errors
/// There is no such unit.
pub(super) async fn real_name(call: &Call<'_>, element: String) -> Result<String, Failure> {
    if element == SELF {
        return own_unit(call)
            .await?
            .ok_or_else(|| unknown_object(&path::of_unit(SELF)));
    }
    if element.len() == INVOCATION_DIGITS
        && let Ok(id) = u128::from_str_radix(&element, 16)
    {
        return by_invocation(call, id).await;
    }
    Ok(element)
}

/// The unit that the caller runs in.
///
/// # Errors
/// The loop is gone.
pub(super) async fn own_unit(call: &Call<'_>) -> Result<Option<String>, Failure> {
    let pid = call.client.peer.pid;
    let look = move |view: &View<'_>| owner_of(view, pid).map(|name| name.to_string());
    Ok(call.client.hub.handle.look(look).await?)
}

/// The unit whose current invocation this is.
async fn by_invocation(call: &Call<'_>, id: u128) -> Result<String, Failure> {
    let look = move |view: &View<'_>| {
        let names = view.engine.unit_names();
        let is_it = |name: &&UnitName| {
            let unit = view.engine.unit(name.as_str());
            unit.is_some_and(|unit| unit.invocation == id)
        };
        names.iter().find(is_it).map(ToString::to_string)
    };
    call.client.hub.handle.look(look).await?.ok_or_else(|| {
        Failure::new(
            names::NO_UNIT_FOR_INVOCATION,
            format!("No unit with the specified invocation ID {id:032x} known."),
        )
    })
}

/// The failure for a caller that no unit has.
pub(super) fn not_a_member() -> Failure {
    Failure::new(names::NO_SUCH_UNIT, "Client not member of any unit.")
}

/// Answers GetUnitByInvocationID; an empty or zero one stands for the caller's.
pub(super) async fn unit_by_invocation(call: &Call<'_>) -> Result<Body, Failure> {
    let bytes: Vec<u8> = call.arguments()?;
    let id = match <[u8; 16]>::try_from(bytes.as_slice()) {
        Ok(id) => u128::from_be_bytes(id),
        Err(_) if bytes.is_empty() => 0,
        Err(_) => return Err(Failure::invalid("Invalid invocation ID")),
    };
    let name = match id {
        0 => own_unit(call).await?.ok_or_else(not_a_member)?,
        id => by_invocation(call, id).await?,
    };
    Ok(Body::path(path::of_unit(&name)))
}

/// Answers GetUnitByControlGroup.
pub(super) async fn unit_by_control_group(call: &Call<'_>) -> Result<Body, Failure> {
    let group: String = call.arguments()?;
    let wanted = group.clone();
    let look = move |view: &View<'_>| {
        let names = view.engine.unit_names();
        let holds = |name: &&UnitName| {
            let own = view.facts.control_group(name);
            !own.is_empty() && std::path::Path::new(&wanted).starts_with(&own)
        };
        names.iter().find(holds).map(ToString::to_string)
    };
    let found = call.client.hub.handle.look(look).await?;
    let name = found.ok_or_else(|| {
        Failure::new(
            names::NO_SUCH_UNIT,
            format!("Control group '{group}' is not valid or not managed by this instance"),
        )
    })?;
    Ok(Body::path(path::of_unit(&name)))
}

/// Answers GetUnitByPID; 0 stands for the caller.
pub(super) async fn unit_by_pid(call: &Call<'_>) -> Result<Body, Failure> {
    let asked: u32 = call.arguments()?;
    let pid = match asked {
        0 => call.client.peer.pid,
        _ => asked
            .try_into()
            .map_err(|_| Failure::invalid(format!("Invalid PID {asked}")))?,
    };
    let owner = call
        .client
        .hub
        .handle
        .look(move |view| owner_of(view, pid))
        .await?;
    owner
        .map(|name| Body::path(path::of_unit(name.as_str())))
        .ok_or_else(|| {
            Failure::new(
                names::NO_UNIT_FOR_PID,
                format!("PID {pid} does not belong to any loaded unit."),
            )
        })
}

/// Answers GetUnitByPIDFD, `osay`: the unit's object, name and invocation.
pub(super) async fn unit_by_descriptor(call: &Call<'_>) -> Result<Body, Failure> {
    let descriptor: zbus::OwnedFd = call.arguments()?;
    let pid = || pid_of(&descriptor);
    let before = pid()?;
    let look = move |view: &View<'_>| {
        let name = owner_of(view, before)?;
        let unit = view.engine.unit(name.as_str())?;
        Some((name, unit.invocation))
    };
    let found = call.client.hub.handle.look(look).await?;
    // The number was its own all the time.
    let found = found.filter(|_| pid().is_ok_and(|after| after == before));
    let (name, invocation) = found.ok_or_else(|| {
        Failure::new(
            names::NO_UNIT_FOR_PID,
            format!("PID {before} does not belong to any loaded unit."),
        )
    })?;
    let invocation = match invocation {
        0 => Vec::new(),
        id => id.to_be_bytes().to_vec(),
    };
    Ok(Body::of(
        "osay",
        vec![
            Value::String(path::of_unit(name.as_str())),
            Value::from(name.as_str()),
            Value::Bytes(invocation),
        ],
    ))
}

/// The process that a descriptor stands for.
fn pid_of(descriptor: &zbus::OwnedFd) -> Result<i32, Failure> {
    let pid = host::process_of(descriptor.as_fd());
    let pid = pid.map_err(|error| Failure::invalid(format!("not a process: {error}")))?;
    if pid > 0 {
        return Ok(pid);
    }
    let text = "The process has ended.";
    Err(Failure::new(names::NO_SUCH_PROCESS, text))
}

fn owner_of(view: &View<'_>, pid: i32) -> Option<UnitName> {
    let names = view.engine.unit_names();
    let is_main = |name: &&UnitName| {
        view.engine
            .unit(name.as_str())
            .and_then(|unit| unit.service)
            .is_some_and(|s| s.main_pid == pid || s.control_pid == pid)
    };
    // The processes the engine knows cost nothing to look at; the others may mean reading files.
    let known = names.iter().find(is_main);
    known
        .or_else(|| {
            names
                .iter()
                .find(|name| view.facts.processes(name).iter().any(|(p, _)| *p == pid))
        })
        .cloned()
}
