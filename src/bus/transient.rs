//! Units that clients make, and settings they change: StartTransientUnit and SetUnitProperties.
//!
//! Both write files, in directories of the unit path that are for nothing else, and have the
//! unit read; so daemon-reload, `cat` and `revert` see them as they see all others.

use super::dispatch::Call;
use super::failure::{Failure, names};
use super::manager::{job_mode, job_path, loaded};
use super::scope;
use super::value::Body;
use crate::engine::ActiveState;
use crate::engine::Verb;
use crate::engine::scope::Controller;
use crate::host::{ClientUnits, Guest, View};
use crate::unit::config::{JobMode, LoadState};
use crate::unit::directive::PropertyValue;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::transient::{Assignment, Trouble, When, assignments, text, written};
use std::os::fd::{AsFd, OwnedFd};
use zbus::{OwnedVariant, Variant};

/// A property and its value, `(sv)`.
type Given = (String, OwnedVariant);
/// A unit that is made, and its settings.
type Made = (UnitName, Vec<Assignment>);

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        let name = match trouble {
            Trouble::Unknown(_) => names::READ_ONLY,
            Trouble::Type(_) | Trouble::Value(..) => names::INVALID_ARGS,
        };
        Failure::new(name, trouble.to_string())
    }
}

/// Properties as the table knows values, besides those that are about the call and no setting.
#[derive(Default)]
struct Wanted {
    settings: Vec<(String, PropertyValue)>,
    /// AddRef: the caller holds the unit.
    hold: bool,
    handed: Handed,
}

/// What a client gives with a unit that it makes, and that no unit file could hold.
#[derive(Default)]
struct Handed {
    /// The processes of a scope.
    guests: Vec<Guest>,
    /// Who looks after a scope.
    controller: Option<Controller>,
    /// Standard input, output and error of a service.
    streams: [Option<OwnedFd>; 3],
}

/// The properties that carry the descriptors of [`Handed::streams`].
const STREAMS: [&str; 3] = [
    "StandardInputFileDescriptor",
    "StandardOutputFileDescriptor",
    "StandardErrorFileDescriptor",
];

/// Reads properties. What is given with a unit goes with one that is being made only.
fn read(
    call: &Call<'_>,
    unit_type: UnitType,
    given: &[Given],
    when: When,
) -> Result<Wanted, Failure> {
    let mut wanted = Wanted::default();
    let makes_scope = unit_type == UnitType::Scope && when == When::Creation;
    let makes_service = unit_type == UnitType::Service && when == When::Creation;
    for (name, value) in given {
        match (name.as_str(), &**value) {
            ("AddRef", Variant::Bool(hold)) => wanted.hold = *hold,
            ("PIDs", value) if makes_scope => {
                wanted.handed.guests.extend(scope::guests(call, value)?);
            }
            ("PIDFDs", value) if makes_scope => {
                wanted
                    .handed
                    .guests
                    .extend(scope::opened_guests(call, value)?);
            }
            ("Controller", value) if makes_scope => {
                wanted.handed.controller = scope::controller(call, value)?;
            }
            ("Markers" | "PIDs" | "PIDFDs" | "Controller", _) => {
                return Err(Trouble::Unknown(name.clone()).into());
            }
            (name, value) if STREAMS.contains(&name) && makes_service => {
                let stream = STREAMS.iter().position(|stream| *stream == name);
                wanted.handed.streams[stream.unwrap_or(0)] = Some(descriptor(name, value)?);
            }
            (_, value) => {
                let value = property(value).ok_or_else(|| Trouble::Type(name.clone()))?;
                wanted.settings.push((name.clone(), value));
            }
        }
    }
    Ok(wanted)
}

/// A descriptor of our own for what the client sent.
fn descriptor(name: &str, value: &Variant<'_>) -> Result<OwnedFd, Failure> {
    let Variant::Fd(descriptor) = value else {
        return Err(Trouble::Type(name.to_owned()).into());
    };
    let copy = descriptor.as_fd().try_clone_to_owned();
    copy.map_err(|error| Failure::new(names::FAILED, format!("cannot keep a descriptor: {error}")))
}

fn property(value: &Variant<'_>) -> Option<PropertyValue> {
    Some(match value {
        Variant::Bool(value) => PropertyValue::Bool(*value),
        Variant::I32(value) => PropertyValue::I32(*value),
        Variant::U16(value) => PropertyValue::U32((*value).into()),
        Variant::U32(value) => PropertyValue::U32(*value),
        Variant::I64(value) => PropertyValue::I64(*value),
        Variant::U64(value) => PropertyValue::U64(*value),
        Variant::Str(value) => PropertyValue::String(value.as_str().to_owned()),
        Variant::Structure(fields) => {
            let fields = fields.fields().iter().map(property);
            PropertyValue::Struct(fields.collect::<Option<_>>()?)
        }
        Variant::Array(array) => match array.element_signature().to_string().as_str() {
            "y" => PropertyValue::Bytes(
                array
                    .inner()
                    .iter()
                    .map(|item| match item {
                        Variant::U8(byte) => Some(*byte),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
            ),
            "s" => PropertyValue::Strings(
                array
                    .inner()
                    .iter()
                    .map(|item| match item {
                        Variant::Str(text) => Some(text.as_str().to_owned()),
                        _ => None,
                    })
                    .collect::<Option<_>>()?,
            ),
            _ => {
                let items = array.inner().iter().map(property);
                PropertyValue::Array(items.collect::<Option<_>>()?)
            }
        },
        _ => return None,
    })
}

/// Answers StartTransientUnit.
pub(super) async fn start(call: &Call<'_>) -> Result<Body, Failure> {
    type Auxiliary = (String, Vec<Given>);
    let (name, mode, given, auxiliary): (String, String, Vec<Given>, Vec<Auxiliary>) =
        call.arguments()?;
    let mut units = Vec::new();
    let mut first = Wanted::default();
    for (name, given) in std::iter::once((name, given)).chain(auxiliary) {
        let unit = possible_name(&name)?;
        let wanted = read(call, unit.unit_type(), &given, When::Creation)?;
        let list = assignments(unit.unit_type(), &wanted.settings, When::Creation)?;
        // The others stay as long as the unit that is started needs them.
        if units.is_empty() {
            first = wanted;
        }
        units.push((unit, list));
    }
    make(call, &units, &mode, first.hold, first.handed).await
}

/// The same for assignments as they stand in unit files; the first unit is started. A service may
/// have standard input, output and error with it.
pub(super) async fn start_written(
    call: &Call<'_>,
    mode: &str,
    texts: &[(String, Vec<String>)],
    streams: Vec<zbus::OwnedFd>,
) -> Result<Body, Failure> {
    let mut units = Vec::new();
    for (name, texts) in texts {
        let unit = possible_name(name)?;
        let list = written(unit.unit_type(), texts, When::Creation)?;
        units.push((unit, list));
    }
    let is_service = |made: &Made| made.0.unit_type() == UnitType::Service;
    let fits = streams.len() == 3 && units.first().is_some_and(is_service);
    if !streams.is_empty() && !fits {
        let text = "A service takes three streams or none, and nothing else takes any";
        return Err(Failure::invalid(text));
    }
    let mut handed = Handed::default();
    for (place, stream) in handed.streams.iter_mut().zip(streams) {
        *place = Some(stream.into());
    }
    // A scope is for who asks for it.
    if is_scope(&units) {
        handed.guests = scope::caller(call)?;
    }
    // Who asks wants to see how it ended.
    make(call, &units, mode, true, handed).await
}

/// Whether the unit that is started is a scope.
fn is_scope(units: &[Made]) -> bool {
    let first = units.first();
    first.is_some_and(|(unit, _)| unit.unit_type() == UnitType::Scope)
}

fn possible_name(name: &str) -> Result<UnitName, Failure> {
    let unit = UnitName::parse(name).map_err(|error| Failure::invalid(error.to_string()))?;
    match unit.unit_type() {
        UnitType::Service | UnitType::Scope | UnitType::Timer | UnitType::Path => Ok(unit),
        other => Err(Failure::new(
            names::NOT_SUPPORTED,
            format!(
                "Transient units of type {} are not supported here.",
                other.suffix()
            ),
        )),
    }
}

/// Makes units and starts the first one. Meanwhile the caller holds it, and with `hold` afterwards
/// too.
async fn make(
    call: &Call<'_>,
    units: &[Made],
    mode: &str,
    hold: bool,
    handed: Handed,
) -> Result<Body, Failure> {
    let mode = job_mode(mode)?;
    let Some((first, _)) = units.first() else {
        return Err(Failure::invalid("No unit is named.".to_owned()));
    };
    let (hub, holder) = (&call.client.hub, call.client.peer.number.into());
    hub.note_hold(call.client.peer);
    hub.handle.hold(first.as_str(), holder).await?;
    let made = make_held(call, first, units, mode, handed).await;
    let stays = hold && made.is_ok() && call.client.session.hold(first, true).is_ok();
    if !stays {
        hub.handle.release(first.as_str(), holder).await?;
    }
    made
}

async fn make_held(
    call: &Call<'_>,
    first: &UnitName,
    units: &[Made],
    mode: JobMode,
    handed: Handed,
) -> Result<Body, Failure> {
    if is_scope(units) && handed.guests.is_empty() {
        let text = format!("Unit {first} failed to load properly: a scope needs processes (PIDs)");
        return Err(Failure::new(names::LOAD_FAILED, text));
    }
    let mut directories = may_make(call, first).await?;
    for (unit, _) in &units[1..] {
        directories = may_make(call, unit).await?;
    }
    let (name, handle) = (first.as_str(), &call.client.hub.handle);
    if let Err(failure) = write(call, &directories, units).await {
        // Nothing of them stays.
        for (unit, _) in units {
            let _ = directories.remove_transient(unit).await;
            handle.refresh(unit.as_str()).await?;
        }
        return Err(failure);
    }
    let Handed {
        guests,
        controller,
        streams,
    } = handed;
    if is_scope(units) {
        handle.hand_over(name, guests, controller).await?;
    }
    if streams.iter().any(Option::is_some) {
        handle.give_streams(name, streams).await?;
    }
    let job = handle.job(name, Verb::Start, mode, false).await?;
    Ok(Body::path(job_path(call, name, job)))
}

/// Writes the units and has them read, the first one first: it is held, and the others by it.
async fn write(call: &Call<'_>, directories: &ClientUnits, units: &[Made]) -> Result<(), Failure> {
    for (unit, list) in units {
        directories
            .write_transient(unit, text(list))
            .await
            .map_err(|error| Failure::new(names::FAILED, error.to_string()))?;
    }
    for (unit, _) in units {
        call.client.hub.handle.refresh(unit.as_str()).await?;
    }
    for (unit, _) in units {
        is_good(call, unit).await?;
    }
    Ok(())
}

/// Where units are made, if there is room for one of this name: none of it, or one that was
/// made the same way and is done.
async fn may_make(call: &Call<'_>, unit: &UnitName) -> Result<ClientUnits, Failure> {
    let name = unit.to_string();
    let look = move |view: &View<'_>| {
        let directories = view.facts.manager().client_units;
        let busy = view.engine.unit(&name).is_some_and(|unit| {
            let fragment = unit.config.fragment.as_deref().unwrap_or_default();
            let is_ours = directories.is_transient(fragment);
            let is_down = unit.active == ActiveState::Inactive && unit.job.is_none();
            !(is_down && (is_ours || unit.load() == LoadState::NotFound))
        });
        (directories, busy)
    };
    let (directories, busy) = call.client.hub.handle.look(look).await?;
    if busy {
        return Err(Failure::new(
            names::UNIT_EXISTS,
            format!("Unit {unit} was already loaded or has a fragment file."),
        ));
    }
    Ok(directories)
}

/// Whether a unit was read without any complaint: what a client asks for is done or refused.
async fn is_good(call: &Call<'_>, unit: &UnitName) -> Result<(), Failure> {
    let name = unit.to_string();
    let look = move |view: &View<'_>| view.engine.unit(&name).map(|unit| unit.config);
    let config = call.client.hub.handle.look(look).await?;
    let Some(config) = config else {
        return Err(Failure::not_loaded(unit.as_str()));
    };
    let complaint = config
        .diagnostics
        .first()
        .map(|found| found.message.clone());
    match (config.load, complaint) {
        (LoadState::Loaded, None) => Ok(()),
        (_, Some(complaint)) => Err(Failure::invalid(complaint)),
        (_, None) => Err(Failure::new(
            names::BAD_SETTING,
            format!("Unit {unit} has a bad unit file setting."),
        )),
    }
}

/// Answers SetUnitProperties and Unit.SetProperties.
pub(super) async fn set(
    call: &Call<'_>,
    name: &str,
    runtime: bool,
    given: &[Given],
) -> Result<Body, Failure> {
    let unit = loaded(call, name).await?;
    let own = unit.view.name();
    let wanted = read(call, own.unit_type(), given, When::RunTime)?;
    let list = assignments(own.unit_type(), &wanted.settings, When::RunTime)?;
    apply(call, own, runtime, &list).await
}

/// The same for assignments as they stand in unit files.
pub(super) async fn set_written(
    call: &Call<'_>,
    name: &str,
    runtime: bool,
    texts: &[String],
) -> Result<Body, Failure> {
    let unit = loaded(call, name).await?;
    let own = unit.view.name();
    let list = written(own.unit_type(), texts, When::RunTime)?;
    apply(call, own, runtime, &list).await
}

async fn apply(
    call: &Call<'_>,
    own: &UnitName,
    runtime: bool,
    list: &[Assignment],
) -> Result<Body, Failure> {
    if list.is_empty() {
        return Ok(Body::EMPTY);
    }
    let handle = &call.client.hub.handle;
    let look = |view: &View<'_>| view.facts.manager().client_units;
    let directories = handle.look(look).await?;
    for (directive, text) in drop_ins(list) {
        directories
            .write_drop_in(own, directive, text, runtime)
            .await
            .map_err(|error| Failure::new(names::FAILED, error.to_string()))?;
    }
    handle.refresh(own.as_str()).await?;
    Ok(Body::EMPTY)
}

/// A file for each directive, so that setting it again replaces it.
fn drop_ins(list: &[Assignment]) -> Vec<(&'static str, String)> {
    let mut files: Vec<(&'static str, Vec<Assignment>)> = Vec::new();
    for assignment in list {
        let known = files
            .iter_mut()
            .find(|(name, _)| *name == assignment.directive);
        match known {
            Some((_, lines)) => lines.push(assignment.clone()),
            None => files.push((assignment.directive, vec![assignment.clone()])),
        }
    }
    let files = files.into_iter();
    files.map(|(name, lines)| (name, text(&lines))).collect()
}
