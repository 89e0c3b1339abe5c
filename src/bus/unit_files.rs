//! Unit files as clients see and change them: EnableUnitFiles and its kin, their states and
//! lists. Everything is read from and written to the disk on pool threads.

use super::dispatch::Call;
use super::failure::{Failure, names};
use super::hub::Hub;
use super::properties::UnitSnapshot;
use super::value::{Body, Value};
use super::{news, own};
use crate::host::{DiskSource, EditError, View, edit_unit_files};
use crate::unit::install::{
    Change, FileState, Plan, PresetMode, Request, StateError, Trouble, UnitFiles, Verb, links_of,
};
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bit of a flags argument: in the run-time directory.
const RUNTIME: u64 = 1;
/// Bit of a flags argument: replace links that are in the way.
const FORCE: u64 = 2;

/// What there is to say of a unit's file: UnitFileState and UnitFilePreset.
pub(super) type State = (String, String);

/// How a reply looks.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// `a(sss)`.
    Changes,
    /// `ba(sss)`: first whether there was anything to install.
    WithInstallInfo,
}

/// Answers a method about unit files; `None` if it is none.
pub(super) async fn call(call: &Call<'_>) -> Option<Result<Body, Failure>> {
    Some(match call.member {
        "GetUnitFileState" => state(call).await,
        "GetUnitFileLinks" => links(call).await,
        "ListUnitFiles" => list(call, Vec::new(), Vec::new()).await,
        "ListUnitFilesByPatterns" => match call.arguments() {
            Ok((states, patterns)) => list(call, states, patterns).await,
            Err(failure) => Err(failure),
        },
        "GetDefaultTarget" => default_target(call).await,
        _ => match request(call)? {
            Ok((request, shape)) => edit(call, request, shape).await,
            Err(failure) => Err(failure),
        },
    })
}

/// The request behind a method; `None` if the method makes none.
fn request(call: &Call<'_>) -> Option<Result<(Request, Shape), Failure>> {
    let (verb, shape) = match call.member {
        "EnableUnitFiles" | "EnableUnitFilesWithFlags" => (Verb::Enable, Shape::WithInstallInfo),
        "DisableUnitFiles" | "DisableUnitFilesWithFlags" => (Verb::Disable, Shape::Changes),
        "DisableUnitFilesWithFlagsAndInstallInfo" => (Verb::Disable, Shape::WithInstallInfo),
        "ReenableUnitFiles" => (Verb::Reenable, Shape::WithInstallInfo),
        "LinkUnitFiles" => (Verb::Link, Shape::Changes),
        "MaskUnitFiles" => (Verb::Mask, Shape::Changes),
        "UnmaskUnitFiles" => (Verb::Unmask, Shape::Changes),
        "PresetUnitFiles" | "PresetUnitFilesWithMode" => {
            (Verb::Preset(PresetMode::Full), Shape::WithInstallInfo)
        }
        "PresetAllUnitFiles" => (Verb::PresetAll(PresetMode::Full), Shape::Changes),
        "RevertUnitFiles" => (Verb::Revert, Shape::Changes),
        "AddDependencyUnitFiles" => (Verb::AddWants(String::new()), Shape::Changes),
        "SetDefaultTarget" => (Verb::SetDefault, Shape::Changes),
        _ => return None,
    };
    Some(fill(call, verb).map(|request| (request, shape)))
}

/// Reads the arguments that go with a method.
fn fill(call: &Call<'_>, verb: Verb) -> Result<Request, Failure> {
    let mut request = Request::new(verb, &[]);
    match call.member {
        "EnableUnitFilesWithFlags"
        | "DisableUnitFilesWithFlags"
        | "DisableUnitFilesWithFlagsAndInstallInfo" => {
            let (names, flags): (Vec<String>, u64) = call.arguments()?;
            if flags & !(RUNTIME | FORCE) != 0 {
                return Err(Failure::invalid(format!("Unknown flags {flags:#x}")));
            }
            request.names = names;
            request.runtime = flags & RUNTIME != 0;
            request.force = flags & FORCE != 0;
        }
        "DisableUnitFiles" | "UnmaskUnitFiles" => {
            (request.names, request.runtime) = call.arguments()?;
        }
        "RevertUnitFiles" => request.names = call.arguments()?,
        "SetDefaultTarget" => {
            let name: String;
            (name, request.force) = call.arguments()?;
            request.names = vec![name];
        }
        "PresetUnitFilesWithMode" => {
            let mode: String;
            (request.names, mode, request.runtime, request.force) = call.arguments()?;
            request.verb = Verb::Preset(preset_mode(&mode)?);
        }
        "PresetAllUnitFiles" => {
            let mode: String;
            (mode, request.runtime, request.force) = call.arguments()?;
            request.verb = Verb::PresetAll(preset_mode(&mode)?);
        }
        "AddDependencyUnitFiles" => {
            let (target, kind): (String, String);
            (request.names, target, kind, request.runtime, request.force) = call.arguments()?;
            request.verb = match kind.as_str() {
                "Wants" => Verb::AddWants(target),
                "Requires" => Verb::AddRequires(target),
                _ => return Err(Failure::invalid(format!("Invalid dependency type {kind}"))),
            };
        }
        _ => (request.names, request.runtime, request.force) = call.arguments()?,
    }
    Ok(request)
}

fn preset_mode(word: &str) -> Result<PresetMode, Failure> {
    PresetMode::parse(word).ok_or_else(|| Failure::invalid(format!("Invalid preset mode {word}")))
}

async fn edit(call: &Call<'_>, request: Request, shape: Shape) -> Result<Body, Failure> {
    let hub = &call.client.hub;
    let settings = settings(hub).await?;
    let plan = blocking(move || edit_unit_files(&request, &settings)).await??;
    if !plan.edits.is_empty() {
        hub.forget_file_states();
        news::tell_unit_files_changed(hub);
    }
    Ok(body(&plan, shape))
}

fn body(plan: &Plan, shape: Shape) -> Body {
    let change = |change: &Change| {
        let texts = [change.kind.as_str(), &change.path, &change.source];
        Value::Struct(texts.into_iter().map(Value::from).collect())
    };
    let changes = Value::Array(plan.changes.iter().map(change).collect());
    match shape {
        Shape::Changes => Body::one("a(sss)", changes),
        Shape::WithInstallInfo => {
            let carries = Value::Bool(plan.carries_install_info);
            Body::of("ba(sss)", vec![carries, changes])
        }
    }
}

async fn state(call: &Call<'_>) -> Result<Body, Failure> {
    let name: String = call.arguments()?;
    let parsed = UnitName::parse(&name).map_err(|error| Failure::invalid(error.to_string()))?;
    let settings = settings(&call.client.hub).await?;
    let state = blocking(move || UnitFiles::new(&settings, &DiskSource).state(&parsed)).await?;
    match state {
        Ok(state) => Ok(Body::one("s", Value::from(state.as_str()))),
        Err(error @ StateError::NotFound) => {
            Err(Failure::new(names::FILE_NOT_FOUND, error.to_string()))
        }
        Err(error) => Err(Failure::new(names::FAILED, error.to_string())),
    }
}

async fn links(call: &Call<'_>) -> Result<Body, Failure> {
    let (name, runtime): (String, bool) = call.arguments()?;
    let settings = settings(&call.client.hub).await?;
    let links = blocking(move || links_of(&name, runtime, &settings, &DiskSource)).await?;
    let links = links.map_err(|troubles| refused(&troubles))?;
    Ok(Body::one("as", Value::strings(links)))
}

async fn list(
    call: &Call<'_>,
    states: Vec<String>,
    patterns: Vec<String>,
) -> Result<Body, Failure> {
    let settings = settings(&call.client.hub).await?;
    let list = move || UnitFiles::new(&settings, &DiskSource).list(&states, &patterns);
    let rows = blocking(list).await?;
    let rows = rows.into_iter().map(|file| {
        let state = Value::from(file.state.as_str());
        Value::Struct(vec![Value::from(file.path), state])
    });
    Ok(Body::one("a(ss)", Value::Array(rows.collect())))
}

/// `ListUnitFiles(as states, as patterns) -> a(sss)` of our own interface: path, state, and
/// what the presets want, empty where they have no say.
pub(super) async fn list_with_presets(call: &Call<'_>) -> Result<Body, Failure> {
    let (states, patterns): (Vec<String>, Vec<String>) = call.arguments()?;
    let settings = settings(&call.client.hub).await?;
    let list = move || UnitFiles::new(&settings, &DiskSource).list(&states, &patterns);
    let rows = blocking(list).await?;
    let rows = rows.into_iter().map(|file| {
        let preset = file.preset.map_or("", preset_word);
        let state = Value::from(file.state.as_str());
        Value::Struct(vec![Value::from(file.path), state, Value::from(preset)])
    });
    Ok(Body::one(own::UNIT_FILES, Value::Array(rows.collect())))
}

async fn default_target(call: &Call<'_>) -> Result<Body, Failure> {
    let settings = settings(&call.client.hub).await?;
    let target = blocking(move || UnitFiles::new(&settings, &DiskSource).default_target()).await?;
    let target = target.map_err(|trouble| refused(&[trouble]))?;
    Ok(Body::one("s", Value::from(target)))
}

/// UnitFileState and UnitFilePreset of a unit. Like systemd, asks the disk once and remembers
/// the answer until unit files are read again or changed by us.
pub(super) async fn state_of(hub: &Hub, unit: &UnitSnapshot) -> Result<State, Failure> {
    let name = unit.view.name().clone();
    if unit.view.config.fragment.is_none() {
        return Ok(State::default());
    }
    if let Some(state) = hub.file_state(&name) {
        return Ok(state);
    }
    let settings = settings(hub).await?;
    let age = hub.file_states_age();
    // Whoever asks for one often asks for the others next.
    let look = |view: &View<'_>| view.engine.unit_names();
    let mut units = hub.handle.look(look).await?;
    units.push(name.clone());
    let states = blocking(move || states(&units, &settings)).await?;
    let state = states.get(&name).cloned().unwrap_or_default();
    hub.remember_file_states(age, states);
    Ok(state)
}

fn states(units: &[UnitName], settings: &Settings) -> BTreeMap<UnitName, State> {
    let source = DiskSource;
    let files = UnitFiles::new(settings, &source);
    let of = |name: &UnitName| {
        let state = files.state(name).unwrap_or(FileState::Bad);
        let preset = preset_word(files.wants_enabled(name));
        (name.clone(), (state.to_string(), preset.to_owned()))
    };
    units.iter().map(of).collect()
}

fn preset_word(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

async fn settings(hub: &Hub) -> Result<Arc<Settings>, Failure> {
    let look = |view: &View<'_>| view.facts.manager().load;
    Ok(hub.handle.look(look).await?)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(names::FAILED, format!("cannot work on unit files: {error}")))
}

impl From<EditError> for Failure {
    fn from(error: EditError) -> Failure {
        match error {
            EditError::Refused(troubles) => refused(&troubles),
            EditError::Failed(error) => {
                let name = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => names::ACCESS_DENIED,
                    _ => names::FAILED,
                };
                Failure::new(name, error.to_string())
            }
        }
    }
}

/// The first trouble is the one that is named.
fn refused(troubles: &[Trouble]) -> Failure {
    match troubles.first() {
        Some(trouble) => Failure::new(trouble.error_name(), trouble.to_string()),
        None => Failure::new(names::FAILED, "nothing can be done"),
    }
}
