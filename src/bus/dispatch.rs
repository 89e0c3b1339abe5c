//! From a raw method call to the function that answers it: by destination, object, interface
//! and member. Methods nobody knows are refused at once, so that clients fall back.

use super::connection::Client;
use super::failure::{Failure, names};
use super::member::{self, Access, Method};
use super::path::{self, Object};
use super::properties::{MANAGER_INTERFACE, UNIT_INTERFACE, UnitSnapshot, type_interface};
use super::value::{Body, Value};
use super::{
    MANAGER_UNIQUE_NAME, callers, introspect, jobs, list, log_control, manager, monitor,
    names as bus, own, table_members, unit,
};
use crate::unit::name::UnitName;
use zbus::Message;
use zbus::wire::DynamicDeserialize;

pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
pub(super) const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
pub(super) const PEER: &str = "org.freedesktop.DBus.Peer";

/// A successful answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// The arguments.
    pub(super) body: Body,
    /// Who answers.
    pub(super) sender: &'static str,
    /// A signal to send right behind it.
    pub(super) after: Option<Message>,
}

impl Reply {
    fn from_manager(body: Body) -> Reply {
        Reply {
            body,
            sender: MANAGER_UNIQUE_NAME,
            after: None,
        }
    }

    /// An answer of the bus itself.
    pub(super) fn from_bus(body: Body) -> Reply {
        Reply {
            sender: bus::BUS,
            ..Reply::from_manager(body)
        }
    }
}

/// A method call, taken apart.
pub(super) struct Call<'a> {
    /// Who calls.
    pub(super) client: &'a Client,
    /// The interface, if the caller named one.
    pub(super) interface: Option<&'a str>,
    /// The method.
    pub(super) member: &'a str,
    /// The message, for its arguments.
    pub(super) message: &'a Message,
}

impl Call<'_> {
    /// Whether this is the method; callers may leave the interface out.
    pub(super) fn is_on(&self, interface: &str) -> bool {
        self.interface.is_none_or(|i| i == interface)
    }

    /// The arguments.
    ///
    /// # Errors
    /// They are of other types.
    pub(super) fn arguments<T>(&self) -> Result<T, Failure>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        arguments(self.message)
    }

    /// Lets the call pass if the caller may change things.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(super) fn may_change(&self) -> Result<(), Failure> {
        self.client.peer.may_change(self.client.hub.uid)
    }

    /// Whether the method is one of these.
    fn is_among(&self, methods: &[Method]) -> bool {
        methods.iter().any(|method| method.name == self.member)
    }

    /// Lets the call pass if there is such a method among these, the caller may call it, and
    /// the arguments are of its types.
    ///
    /// # Errors
    /// `UnknownMethod`, `AccessDenied`, `InvalidArgs`, in this order.
    pub(super) fn admit(&self, interface: &str, methods: &[Method]) -> Result<(), Failure> {
        let method = methods
            .iter()
            .find(|method| method.name == self.member)
            .ok_or_else(|| self.unknown_method())?;
        match method.access {
            Access::Look => {}
            Access::Change => self.may_change()?,
        }
        let types = self.message.body().signature().to_string_no_parens();
        method.admit(interface, &types)
    }

    /// The refusal of a method that is not there.
    pub(super) fn unknown_method(&self) -> Failure {
        let interface = self.interface.unwrap_or("(null)");
        Failure::new(
            names::UNKNOWN_METHOD,
            format!("Unknown method {} or interface {interface}.", self.member),
        )
    }
}

/// The arguments of a call.
///
/// # Errors
/// They are of other types.
pub(super) fn arguments<T>(message: &Message) -> Result<T, Failure>
where
    T: for<'d> DynamicDeserialize<'d>,
{
    message
        .body()
        .deserialize()
        .map_err(|error| Failure::invalid(format!("Invalid arguments: {error}")))
}

/// Answers a call.
///
/// # Errors
/// The error to reply with.
pub(super) async fn dispatch(client: &Client, message: &Message) -> Result<Reply, Failure> {
    let header = message.header();
    let (Some(path), Some(member)) = (header.path(), header.member()) else {
        return Err(Failure::invalid("Call without path or member"));
    };
    let interface = header.interface().map(|i| i.as_str());
    let destination = header.destination().map(|d| d.as_str());
    let call = Call {
        client,
        interface,
        member: member.as_str(),
        message,
    };
    let to_bus = destination == Some(bus::BUS) && !client.outside;
    if to_bus && interface == Some(monitor::INTERFACE) {
        return monitor::call(client, call.member, message);
    }
    if to_bus && call.is_on(bus::BUS) {
        return bus::call(client, call.member, message);
    }
    // What a real bus brings is for us, by whatever name.
    let to_manager = client.outside
        || destination.is_none_or(|d| d == MANAGER_UNIQUE_NAME || bus::MANAGER_NAMES.contains(&d));
    match destination {
        Some(name) if !to_bus && !to_manager => return Err(bus::unknown_service(name)),
        _ => {}
    }
    if interface == Some(PEER) {
        return peer(&call).map(Reply::from_manager);
    }
    if to_bus {
        return on_bus(&call, path.as_str()).map(Reply::from_bus);
    }
    let object = Object::parse(path.as_str());
    // Most questions are about units: what the others need waits in boxes, so that there is little
    // to move for each.
    let body = match object {
        Object::Manager => Box::pin(on_manager(&call)).await,
        Object::Unit(name) => {
            let name = match callers::stands_for_another(&name) {
                true => Box::pin(callers::real_name(&call, name)).await?,
                false => name,
            };
            on_unit(&call, &name).await
        }
        Object::Log => Box::pin(log_control::call(&call)).await,
        Object::Job(id) => Box::pin(jobs::on_job(&call, id)).await,
        Object::Node => Box::pin(on_node(&call, path.as_str())).await,
        Object::Unknown => Err(unknown_object(path.as_str())),
    }?;
    Ok(Reply::from_manager(body))
}

/// The refusal of a path that names nothing.
pub(super) fn unknown_object(path: &str) -> Failure {
    Failure::new(names::UNKNOWN_OBJECT, format!("Unknown object '{path}'."))
}

fn peer(call: &Call<'_>) -> Result<Body, Failure> {
    match call.member {
        "Ping" => Ok(Body::EMPTY),
        "GetMachineId" => std::fs::read_to_string("/etc/machine-id")
            .map(|id| Body::one("s", Value::from(id.trim())))
            .map_err(|e| Failure::new(names::FAILED, format!("cannot read /etc/machine-id: {e}"))),
        _ => Err(call.unknown_method()),
    }
}

async fn on_manager(call: &Call<'_>) -> Result<Body, Failure> {
    match call.interface {
        Some(PROPERTIES) => manager::properties(call).await,
        Some(INTROSPECTABLE) if call.member == "Introspect" => {
            Ok(introspect::body(introspect::manager()))
        }
        Some(own::INTERFACE) => {
            call.admit(own::INTERFACE, own::METHODS)?;
            own::call(call).await
        }
        None | Some(MANAGER_INTERFACE) => {
            call.admit(MANAGER_INTERFACE, table_members::MANAGER)?;
            manager::call(call).await
        }
        Some(_) => Err(call.unknown_method()),
    }
}

async fn on_unit(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    let unit_type = UnitName::parse(name)
        .map_err(|_| {
            Failure::invalid(format!(
                "Unit name {name} is neither a valid invocation ID nor unit name."
            ))
        })?
        .unit_type();
    let of_type = type_interface(unit_type);
    match call.interface {
        Some(PROPERTIES) => unit::properties(call, name).await,
        Some(INTROSPECTABLE) if call.member == "Introspect" => {
            Ok(introspect::body(introspect::unit(unit_type)))
        }
        None if call.is_among(member::type_methods(unit_type)) => {
            call.admit(of_type, member::type_methods(unit_type))?;
            Box::pin(unit::type_call(call, name)).await
        }
        None | Some(UNIT_INTERFACE) => {
            call.admit(UNIT_INTERFACE, table_members::UNIT)?;
            Box::pin(unit::call(call, name)).await
        }
        Some(interface) if interface == of_type => {
            call.admit(of_type, member::type_methods(unit_type))?;
            Box::pin(unit::type_call(call, name)).await
        }
        Some(_) => Err(call.unknown_method()),
    }
}

/// The bus as an object; clients ask every object for properties.
fn on_bus(call: &Call<'_>, path: &str) -> Result<Body, Failure> {
    match (call.interface, call.member) {
        (Some(INTROSPECTABLE), "Introspect") => {
            let below = path::next_above(path, bus::BUS_PATH).map(str::to_owned);
            Ok(introspect::body(introspect::bus(below.as_slice())))
        }
        (Some(PROPERTIES), "GetAll") => Ok(Body::one("a{sv}", Value::Map(Vec::new()))),
        _ => Err(call.unknown_method()),
    }
}

async fn on_node(call: &Call<'_>, path: &str) -> Result<Body, Failure> {
    if call.interface == Some(INTROSPECTABLE) && call.member == "Introspect" {
        let nodes = list::children(call, path).await?;
        return Ok(introspect::body(introspect::node(&nodes)));
    }
    Err(call.unknown_method())
}

/// A loaded unit's snapshot; loads it first if need be, as looking at a unit does.
///
/// # Errors
/// The name is bad, or the manager is going away.
pub(super) async fn snapshot(call: &Call<'_>, name: &str) -> Result<Box<UnitSnapshot>, Failure> {
    snapshot_for(call, name, None).await
}

/// The same, only for one property.
///
/// # Errors
/// As [`snapshot`].
pub(super) async fn snapshot_for(
    call: &Call<'_>,
    name: &str,
    property: Option<&str>,
) -> Result<Box<UnitSnapshot>, Failure> {
    let handle = &call.client.hub.handle;
    let taken = || {
        let (unit, wanted) = (name.to_owned(), property.map(str::to_owned));
        // In a box, since it goes through several hands.
        move |view: &crate::host::View<'_>| {
            UnitSnapshot::take_for(view, &unit, wanted.as_deref()).map(Box::new)
        }
    };
    if let Some(snapshot) = handle.look(taken()).await? {
        return Ok(snapshot);
    }
    Box::pin(handle.look_at(&[name.to_owned()], taken()))
        .await?
        .ok_or_else(|| Failure::not_loaded(name))
}
