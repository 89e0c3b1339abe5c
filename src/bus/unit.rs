//! Unit objects.

use super::dispatch::{Call, INTROSPECTABLE, PEER, PROPERTIES, snapshot, snapshot_for};
use super::encode::Entries;
use super::failure::{Failure, names};
use super::own;
use super::properties::row::Row;
use super::properties::{
    OF_TYPE, Shown, UNIT_INTERFACE, UnitSnapshot, type_interface, type_rows, unit_rows,
};
use super::unit_files;
use super::value::{Body, Value};
use super::{jobs, manager, scope, transient};
use crate::host::View;
use crate::unit::name::{UnitName, UnitType};
use zbus::{OwnedVariant, Variant};

/// Answers a method of org.freedesktop.systemd1.Unit.
pub(super) async fn call(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    if let Some(verb) = manager::verb(&format!("{}Unit", call.member)) {
        return manager::job(call, name, verb, &call.arguments::<String>()?).await;
    }
    match call.member {
        "Kill" => {
            let (whom, signal): (String, i32) = call.arguments()?;
            manager::kill(call, name, &whom, signal, None).await
        }
        "QueueSignal" => {
            let (whom, signal, value): (String, i32, i32) = call.arguments()?;
            manager::kill(call, name, &whom, signal, Some(value)).await
        }
        "ResetFailed" => manager::reset_failed(call, Some(name)).await,
        "Ref" | "Unref" => manager::hold(call, name, call.member == "Ref").await,
        "Freeze" | "Thaw" => manager::freeze(call, name, call.member == "Freeze").await,
        "Clean" => manager::clean(call, name, &call.arguments::<Vec<String>>()?).await,
        "SetProperties" => {
            let (runtime, given): (bool, Vec<(String, OwnedVariant)>) = call.arguments()?;
            transient::set(call, name, runtime, &given).await
        }
        "EnqueueJob" => {
            let (job_type, mode): (String, String) = call.arguments()?;
            jobs::enqueue(call, name, &job_type, &mode).await
        }
        _ => Err(call.unknown_method()),
    }
}

/// Answers a method of the unit type's interface.
pub(super) async fn type_call(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    match call.member {
        "GetProcesses" => manager::processes(call, name).await,
        "AttachProcesses" => {
            let (below, pids): (String, Vec<u32>) = call.arguments()?;
            scope::attach(call, name, &below, &pids).await
        }
        "Abandon" => scope::abandon(call, name).await,
        _ => Err(call.unknown_method()),
    }
}

/// Answers Get, GetAll and Set. What is seldom needed waits in boxes, so that there is little to move
/// for each question.
pub(super) async fn properties(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    match call.member {
        "Get" => {
            let (interface, property): (String, String) = call.arguments()?;
            let mut unit = snapshot_for(call, name, Some(&property)).await?;
            if property.starts_with("UnitFile") {
                let state = Box::pin(unit_files::state_of(&call.client.hub, &unit)).await?;
                unit.file_state = Some(state);
            }
            let of_ours = interface.is_empty() || interface == own::UNIT_INTERFACE;
            if of_ours && own::is_of_unit(&property) {
                let shown = Box::pin(own::unit_properties(call, &unit))
                    .await?
                    .into_iter();
                let mut found = shown.filter(|(name, _, _)| *name == property);
                return found
                    .next()
                    .map(|(_, signature, value)| Body::one("v", Value::variant(signature, value)))
                    .ok_or_else(|| unknown_property(&interface, &property));
            }
            get(&unit, &interface, &property)
        }
        "GetAll" => {
            let interface: String = call.arguments()?;
            if is_of_type(name, &interface) {
                let unit = snapshot_for(call, name, Some(OF_TYPE)).await?;
                return all_of(call, &unit, &interface);
            }
            let mut unit = snapshot(call, name).await?;
            if interface.is_empty() || interface == UNIT_INTERFACE {
                let state = Box::pin(unit_files::state_of(&call.client.hub, &unit)).await?;
                unit.file_state = Some(state);
            }
            if interface == own::UNIT_INTERFACE {
                return Ok(all(Box::pin(own::unit_properties(call, &unit)).await?));
            }
            if interface.is_empty() {
                Box::pin(add_usage(call, &mut unit)).await?;
            }
            all_of(call, &unit, &interface)
        }
        "Set" => {
            setting(call, unit_rows())?;
            Err(call.unknown_method())
        }
        _ => Err(call.unknown_method()),
    }
}

/// Whether an interface is that of a unit's type.
fn is_of_type(name: &str, interface: &str) -> bool {
    UnitName::parse(name).is_ok_and(|name| type_interface(name.unit_type()) == interface)
}

async fn add_usage(call: &Call<'_>, unit: &mut UnitSnapshot) -> Result<(), Failure> {
    let name = unit.view.name().clone();
    let look = move |view: &View<'_>| view.facts.usage(&name);
    unit.usage = call.client.hub.handle.look(look).await?;
    Ok(())
}

fn get(unit: &UnitSnapshot, interface: &str, property: &str) -> Result<Body, Failure> {
    if interface == own::INTERFACE {
        let found = unit.own_properties().find(|(name, _, _)| *name == property);
        return found
            .map(|(_, signature, value)| Body::one("v", Value::variant(signature, value)))
            .ok_or_else(|| unknown_property(interface, property));
    }
    let unit_type = unit.unit_type();
    let of_unit = interface.is_empty() || interface == UNIT_INTERFACE;
    let of_type = interface.is_empty() || interface == type_interface(unit_type);
    if !of_unit && !of_type {
        return Err(unknown_interface(interface));
    }
    let find = |rows: &'static [Row], unit_type: Option<UnitType>| {
        let row = rows.iter().find(|row| row.name == property)?;
        Some((row.signature, unit.value(row, unit_type)?))
    };
    let found = if of_type {
        find(type_rows(unit_type), Some(unit_type))
    } else {
        None
    };
    found
        .or_else(|| of_unit.then(|| find(unit_rows(), None)).flatten())
        .map(|(signature, value)| Body::one("v", Value::variant(signature, value)))
        .ok_or_else(|| unknown_property(interface, property))
}

/// The type's interface first, then the unit's, as systemd sends them.
pub(super) fn get_all(
    unit: &UnitSnapshot,
    interface: &str,
) -> Result<impl Iterator<Item = Shown>, Failure> {
    let is_any = interface.is_empty();
    let of_type = is_any || interface == type_interface(unit.unit_type());
    let of_unit = is_any || interface == UNIT_INTERFACE;
    let of_ours = interface == own::INTERFACE;
    if !of_type && !of_unit && !of_ours {
        no_properties(interface)?;
    }
    let of_type = of_type.then(|| unit.type_properties());
    let of_unit = of_unit.then(|| unit.unit_properties());
    let of_ours = of_ours.then(|| unit.own_properties());
    let shown = of_type.into_iter().flatten();
    let shown = shown.chain(of_unit.into_iter().flatten());
    Ok(shown.chain(of_ours.into_iter().flatten()))
}

/// Bytes that the properties of a service take, about.
const ROOM: usize = 16 * 1024;

/// The reply to GetAll of a unit.
fn all_of(call: &Call<'_>, unit: &UnitSnapshot, interface: &str) -> Result<Body, Failure> {
    let shown = get_all(unit, interface)?;
    if call.client.shows_answers() {
        return Ok(all(shown.collect()));
    }
    let mut entries = Entries::with_room(ROOM);
    for (name, types, value) in shown {
        let added = entries.add(name, types, &value);
        added.map_err(|error| Failure::new(names::FAILED, format!("{name}: {error}")))?;
    }
    Ok(Body::one("a{sv}", entries.finish()))
}

/// The answer to GetAll of an interface that is not the object's own.
///
/// # Errors
/// It is not one of those that every object has.
pub(super) fn no_properties(interface: &str) -> Result<Vec<Shown>, Failure> {
    match interface {
        PROPERTIES | PEER | INTROSPECTABLE => Ok(Vec::new()),
        _ => Err(unknown_interface(interface)),
    }
}

/// The reply to GetAll.
pub(super) fn all(shown: Vec<Shown>) -> Body {
    Body::one("a{sv}", Value::properties(shown))
}

/// A property to be set, and its value.
pub(super) struct Setting {
    /// Its name.
    pub(super) property: String,
    value: OwnedVariant,
}

impl Setting {
    /// The value of a property that is a string.
    ///
    /// # Errors
    /// It is of another type.
    pub(super) fn text(&self) -> Result<&str, Failure> {
        match &*self.value {
            Variant::Str(text) => Ok(text.as_str()),
            _ => Err(Failure::invalid(format!(
                "Property '{}' is of type 's'",
                self.property
            ))),
        }
    }
}

/// The arguments of Set, for a property of these that can be set by this caller.
///
/// # Errors
/// `PropertyReadOnly`, also for what is not among these; `AccessDenied`.
pub(super) fn setting(call: &Call<'_>, rows: &[Row]) -> Result<Setting, Failure> {
    let (_interface, property, value): (String, String, OwnedVariant) = call.arguments()?;
    let row = rows.iter().find(|row| row.name == property);
    if !row.is_some_and(|row| row.writable) {
        return Err(Failure::new(
            names::READ_ONLY,
            format!("Property '{property}' is not writable."),
        ));
    }
    call.may_change()?;
    Ok(Setting { property, value })
}

fn unknown_interface(interface: &str) -> Failure {
    Failure::new(
        names::UNKNOWN_INTERFACE,
        format!("Unknown interface '{interface}'."),
    )
}

/// The refusal of a property nobody knows.
pub(super) fn unknown_property(interface: &str, property: &str) -> Failure {
    Failure::new(
        names::UNKNOWN_PROPERTY,
        format!("Unknown interface {interface} or property {property}."),
    )
}
