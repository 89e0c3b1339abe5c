//! The manager object.

use super::dispatch::{Call, snapshot};
use super::failure::{Failure, names};
use super::path;
use super::properties::{MANAGER_INTERFACE, ManagerSnapshot, UnitSnapshot, manager_rows};
use super::unit;
use super::value::{Body, Value};
use super::{
    callers, dump, environment, jobs, list, log_control, news, scope, transient, unit_files,
};
use crate::engine::{JobId, KillWhom, Refusal, Verb};
use crate::host::{ControlError, Job, View};
use crate::unit::config::{DirectoryKind, JobMode, LoadState};
use crate::unit::name::UnitName;
use crate::unit::value::Signal;
use std::collections::BTreeSet;
use zbus::OwnedVariant;

/// SIGRTMIN as C libraries have it: those before are theirs.
const REAL_TIME: i32 = 34;

/// What the loop answers with when a request needs no job.
pub(super) const NO_JOB: JobId = JobId(0);

/// Answers a method of org.freedesktop.systemd1.Manager; who may call it with which arguments
/// was settled before.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    if let Some(verb) = verb(call.member) {
        let (name, mode): (String, String) = call.arguments()?;
        return job(call, &name, verb, &mode).await;
    }
    match call.member {
        "GetUnit" => get_unit(call).await,
        "LoadUnit" => load_unit(call).await,
        "GetUnitByPID" => callers::unit_by_pid(call).await,
        "GetUnitByPIDFD" => callers::unit_by_descriptor(call).await,
        "GetUnitByInvocationID" => callers::unit_by_invocation(call).await,
        "GetUnitByControlGroup" => callers::unit_by_control_group(call).await,
        "GetUnitProcesses" => processes(call, &call.arguments::<String>()?).await,
        "StartUnitWithFlags" => start_with_flags(call).await,
        "StartUnitReplace" => start_replace(call).await,
        "EnqueueUnitJob" => {
            let (name, job_type, mode): (String, String, String) = call.arguments()?;
            jobs::enqueue(call, &name, &job_type, &mode).await
        }
        "EnqueueUnitJobMany" => jobs::enqueue_many(call).await,
        "KillUnit"
        | "QueueSignalUnit"
        | "FreezeUnit"
        | "ThawUnit"
        | "AbandonScope"
        | "AttachProcessesToUnit" => on_processes(call).await,
        "CleanUnit" => {
            let (name, kinds): (String, Vec<String>) = call.arguments()?;
            clean(call, &name, &kinds).await
        }
        "SetEnvironment" | "UnsetEnvironment" | "UnsetAndSetEnvironment" => {
            environment::change(call).await
        }
        "StartTransientUnit" => transient::start(call).await,
        "SetUnitProperties" => {
            let (name, runtime, given): (String, bool, Vec<(String, OwnedVariant)>) =
                call.arguments()?;
            transient::set(call, &name, runtime, &given).await
        }
        "ResetFailed" => reset_failed(call, None).await,
        "ResetFailedUnit" => reset_failed(call, Some(&call.arguments::<String>()?)).await,
        "ListUnits" | "ListUnitsFiltered" | "ListUnitsByPatterns" | "ListUnitsByNames" => {
            list::units(call).await
        }
        "ListJobs" => jobs::list(call).await,
        "GetJob" => get_job(call).await,
        "GetJobAfter" | "GetJobBefore" => {
            let id = JobId(call.arguments()?);
            jobs::neighbours(call, id, call.member == "GetJobAfter").await
        }
        "SetExitCode" => {
            let code: u8 = call.arguments()?;
            call.client.hub.handle.set_exit_code(code).await?;
            Ok(Body::EMPTY)
        }
        "Dump"
        | "DumpUnitsMatchingPatterns"
        | "DumpByFileDescriptor"
        | "DumpUnitsMatchingPatternsByFileDescriptor" => dump::call(call).await,
        "CancelJob" => cancel(call, Some(JobId(call.arguments::<u32>()?))).await,
        "ClearJobs" => cancel(call, None).await,
        "Reload" => {
            call.client.hub.handle.reload().await?;
            call.client.hub.forget_file_states();
            Ok(Body::EMPTY)
        }
        "Reexecute" => {
            // There is an answer only if it is not possible.
            call.client.hub.handle.reexecute().await?;
            Ok(Body::EMPTY)
        }
        "Exit" => {
            call.client.hub.handle.shutdown().await?;
            Ok(Body::EMPTY)
        }
        "Subscribe" | "Unsubscribe" => {
            call.client.session.subscribe(call.member == "Subscribe")?;
            Ok(Body::EMPTY)
        }
        "RefUnit" | "UnrefUnit" => {
            let name: String = call.arguments()?;
            hold(call, &name, call.member == "RefUnit").await
        }
        "LookupDynamicUserByName" | "LookupDynamicUserByUID" | "GetDynamicUsers" => {
            dynamic_users(call).await
        }
        _ => match unit_files::call(call).await {
            Some(answer) => answer,
            None => Err(call.unknown_method()),
        },
    }
}

/// The methods that are about the processes of a unit.
async fn on_processes(call: &Call<'_>) -> Result<Body, Failure> {
    match call.member {
        "KillUnit" => {
            let (name, whom, signal): (String, String, i32) = call.arguments()?;
            kill(call, &name, &whom, signal, None).await
        }
        "QueueSignalUnit" => {
            let (name, whom, signal, value): (String, String, i32, i32) = call.arguments()?;
            kill(call, &name, &whom, signal, Some(value)).await
        }
        "FreezeUnit" | "ThawUnit" => {
            let name: String = call.arguments()?;
            freeze(call, &name, call.member == "FreezeUnit").await
        }
        "AbandonScope" => scope::abandon(call, &call.arguments::<String>()?).await,
        "AttachProcessesToUnit" => {
            let (name, below, pids): (String, String, Vec<u32>) = call.arguments()?;
            scope::attach(call, &name, &below, &pids).await
        }
        _ => Err(call.unknown_method()),
    }
}

/// Answers the methods about users that exist only for units.
async fn dynamic_users(call: &Call<'_>) -> Result<Body, Failure> {
    let look = |view: &View<'_>| view.facts.dynamic_users();
    let mut users = call.client.hub.handle.look(look).await?.into_iter();
    if call.member == "LookupDynamicUserByName" {
        let name: String = call.arguments()?;
        let found = users.find(|(_, known)| *known == name);
        let (uid, _) = found.ok_or_else(|| no_dynamic_user(&name))?;
        return Ok(Body::one("u", Value::U32(uid)));
    }
    if call.member == "LookupDynamicUserByUID" {
        let uid: u32 = call.arguments()?;
        let found = users.find(|(known, _)| *known == uid);
        let (_, name) = found.ok_or_else(|| no_dynamic_user(&uid.to_string()))?;
        return Ok(Body::one("s", Value::String(name)));
    }
    let row = |(uid, name)| Value::Struct(vec![Value::U32(uid), Value::String(name)]);
    Ok(Body::one("a(us)", Value::Array(users.map(row).collect())))
}

/// The failure for a dynamic user that there is not.
fn no_dynamic_user(user: &str) -> Failure {
    Failure::new(
        names::NO_DYNAMIC_USER,
        format!("Dynamic user {user} does not exist."),
    )
}

/// Answers RefUnit, UnrefUnit and kin: what a client holds is let go when it leaves.
pub(super) async fn hold(call: &Call<'_>, name: &str, more: bool) -> Result<Body, Failure> {
    let (client, holder) = (call.client, call.client.peer.number.into());
    if more {
        loaded(call, name).await?;
        client.hub.note_hold(client.peer);
        client.hub.handle.hold(name, holder).await?;
    }
    let unit = snapshot(call, name).await?;
    let noted = client.session.hold(unit.view.name(), more);
    // What is not on the client's list is not held for it.
    if !more || noted.is_err() {
        client.hub.handle.release(name, holder).await?;
    }
    noted?;
    Ok(Body::EMPTY)
}

/// A unit that is loaded and good, loaded for the purpose if need be.
///
/// # Errors
/// It has no file, is masked, or its file is bad.
pub(super) async fn loaded(call: &Call<'_>, name: &str) -> Result<Box<UnitSnapshot>, Failure> {
    let unit = snapshot(call, name).await?;
    let own = unit.view.name();
    let (error, text) = match unit.view.load() {
        LoadState::Loaded => return Ok(unit),
        LoadState::NotFound => (names::NO_SUCH_UNIT, format!("Unit {own} not found.")),
        LoadState::Masked => (names::MASKED, format!("Unit {own} is masked.")),
        LoadState::BadSetting => (
            names::BAD_SETTING,
            format!("Unit {own} has a bad unit file setting."),
        ),
        LoadState::Error => (
            names::LOAD_FAILED,
            format!(
                "Unit {own} failed to load properly, please adjust/correct and reload service manager"
            ),
        ),
    };
    Err(Failure::new(error, text))
}

/// StartUnit with a flags word, which knows none so far.
async fn start_with_flags(call: &Call<'_>) -> Result<Body, Failure> {
    let (name, mode, flags): (String, String, u64) = call.arguments()?;
    if flags != 0 {
        return Err(Failure::invalid("Invalid 'flags' parameter"));
    }
    job(call, &name, Verb::Start, &mode).await
}

/// Starts a unit if another one's job is still queued.
async fn start_replace(call: &Call<'_>) -> Result<Body, Failure> {
    let (old, new, mode): (String, String, String) = call.arguments()?;
    let wanted = old.clone();
    let look = move |view: &View<'_>| view.engine.unit(&wanted).and_then(|u| u.job).is_some();
    if !call.client.hub.handle.look(look).await? {
        return Err(Failure::new(
            names::NO_SUCH_JOB,
            format!("No job queued for unit {old}"),
        ));
    }
    job(call, &new, Verb::Start, &mode).await
}

/// Answers Get, GetAll and Set.
pub(super) async fn properties(call: &Call<'_>) -> Result<Body, Failure> {
    match call.member {
        "Get" => {
            let (interface, property): (String, String) = call.arguments()?;
            if !interface.is_empty() && interface != MANAGER_INTERFACE {
                unit::no_properties(&interface)?;
                return Err(unit::unknown_property(&interface, &property));
            }
            let snapshot = manager_snapshot(call, Some(property.clone())).await?;
            manager_rows()
                .iter()
                .find(|row| row.name == property)
                .and_then(|row| {
                    let logged = log_control::value(call, row.name);
                    Some((row.signature, logged.or_else(|| snapshot.value(row))?))
                })
                .map(|(signature, value)| Body::one("v", Value::variant(signature, value)))
                .ok_or_else(|| unit::unknown_property(&interface, &property))
        }
        "GetAll" => {
            let interface: String = call.arguments()?;
            if interface.is_empty() || interface == MANAGER_INTERFACE {
                let mut shown = manager_snapshot(call, None).await?.properties();
                for (name, _, value) in &mut shown {
                    if let Some(logged) = log_control::value(call, name) {
                        *value = logged;
                    }
                }
                return Ok(unit::all(shown));
            }
            if interface == super::own::INTERFACE {
                return Ok(unit::all(Vec::new()));
            }
            Ok(unit::all(unit::no_properties(&interface)?))
        }
        "Set" => {
            let setting = unit::setting(call, manager_rows())?;
            match setting.property.as_str() {
                "LogLevel" | "LogTarget" => {
                    log_control::set(call, &setting.property, setting.text()?)
                }
                property => Err(Failure::new(
                    names::NOT_SUPPORTED,
                    format!("Property '{property}' cannot be changed here"),
                )),
            }
        }
        _ => Err(call.unknown_method()),
    }
}

/// The manager, or what one property needs of it.
async fn manager_snapshot(
    call: &Call<'_>,
    wanted: Option<String>,
) -> Result<ManagerSnapshot, Failure> {
    let take = move |view: &View<'_>| ManagerSnapshot::take_for(view, wanted.as_deref());
    Ok(call.client.hub.handle.look(take).await?)
}

/// The verb behind a method such as `StartUnit`.
pub(super) fn verb(member: &str) -> Option<Verb> {
    Some(match member {
        "StartUnit" => Verb::Start,
        "StopUnit" => Verb::Stop,
        "ReloadUnit" => Verb::Reload,
        "RestartUnit" => Verb::Restart,
        "TryRestartUnit" => Verb::TryRestart,
        "ReloadOrRestartUnit" => Verb::ReloadOrRestart,
        "ReloadOrTryRestartUnit" => Verb::ReloadOrTryRestart,
        _ => return None,
    })
}

/// Queues a job; answers with its path.
pub(super) async fn job(
    call: &Call<'_>,
    name: &str,
    verb: Verb,
    mode: &str,
) -> Result<Body, Failure> {
    let mode = job_mode(mode)?;
    let job = call.client.hub.handle.job(name, verb, mode, false).await?;
    Ok(Body::path(job_path(call, name, job)))
}

/// The path of a job that was queued. Where nothing was to be done there is none, but clients
/// wait for its end all the same: they are told of one.
pub(super) fn job_path(call: &Call<'_>, unit: &str, job: Job) -> String {
    if job.0 == NO_JOB {
        news::tell_nothing_done(&call.client.hub, unit);
    }
    path::of_job(job.0)
}

/// Reads a job mode.
///
/// # Errors
/// There is no such mode.
pub(super) fn job_mode(mode: &str) -> Result<JobMode, Failure> {
    Ok(match mode {
        "replace" => JobMode::Replace,
        "fail" => JobMode::Fail,
        "replace-irreversibly" => JobMode::ReplaceIrreversibly,
        "isolate" => JobMode::Isolate,
        "flush" => JobMode::Flush,
        "ignore-dependencies" => JobMode::IgnoreDependencies,
        "ignore-requirements" => JobMode::IgnoreRequirements,
        "triggering" => JobMode::Triggering,
        "restart-dependencies" => JobMode::RestartDependencies,
        _ => return Err(Failure::invalid(format!("Job mode {mode} invalid"))),
    })
}

/// Ends a job, or all of them.
pub(super) async fn cancel(call: &Call<'_>, job: Option<JobId>) -> Result<Body, Failure> {
    call.client.hub.handle.cancel(job).await?;
    Ok(Body::EMPTY)
}

/// Sends a signal to a unit's processes, with a value or without. That there are none is a failure only if the caller
/// says so (`-fail`), or asks for one process.
pub(super) async fn kill(
    call: &Call<'_>,
    name: &str,
    word: &str,
    signal: i32,
    value: Option<i32>,
) -> Result<Body, Failure> {
    let (whom, missing) = match word {
        "" | "all" => (KillWhom::All, None),
        "all-fail" => (KillWhom::All, Some("No matching processes to kill")),
        "main" | "main-fail" => (KillWhom::Main, Some("No main process to kill")),
        "control" | "control-fail" => (KillWhom::Control, Some("No control process to kill")),
        _ => return Err(Failure::invalid(format!("Invalid who argument {word}"))),
    };
    if !(1..=64).contains(&signal) {
        return Err(Failure::invalid("Signal number out of range."));
    }
    if value.is_some() && signal < REAL_TIME {
        return Err(Failure::invalid(format!(
            "Value parameter only accepted for realtime signals (SIGRTMIN…SIGRTMAX), refusing for \
             signal {}.",
            Signal(signal)
        )));
    }
    let handle = &call.client.hub.handle;
    let killed = match value {
        Some(value) => handle.queue_signal(name, whom, Signal(signal), value).await,
        None => handle.kill(name, whom, Signal(signal)).await,
    };
    match (killed, missing) {
        (Err(ControlError::Refused(Refusal::NoProcess(_))), Some(text)) => {
            Err(Failure::new(names::NO_SUCH_PROCESS, text))
        }
        (Err(ControlError::Refused(Refusal::NoProcess(_))), None) => Ok(Body::EMPTY),
        // Nothing is loaded to be killed.
        (Err(ControlError::Refused(Refusal::NotFound(_))), _) => Err(Failure::not_loaded(name)),
        (killed, _) => {
            killed?;
            Ok(Body::EMPTY)
        }
    }
}

/// Freezes a unit or lets it go on; answered when it is done.
pub(super) async fn freeze(call: &Call<'_>, name: &str, freeze: bool) -> Result<Body, Failure> {
    call.client.hub.handle.freeze(name, freeze).await?;
    Ok(Body::EMPTY)
}

/// Removes managed directories of a unit; answered when it is done.
pub(super) async fn clean(call: &Call<'_>, name: &str, words: &[String]) -> Result<Body, Failure> {
    let mut kinds = BTreeSet::new();
    for word in words {
        let mut named = DirectoryKind::ALL.into_iter();
        match named.find(|kind| kind.as_str() == word) {
            Some(kind) => drop(kinds.insert(kind)),
            None if word == "all" => kinds.extend(DirectoryKind::ALL),
            // Nothing is kept in a store of descriptors while a unit is down.
            None if word == "fdstore" => {}
            None => return Err(Failure::invalid(format!("Invalid resource type: {word}"))),
        }
    }
    let (hub, holder) = (&call.client.hub, call.client.peer.number.into());
    // It must not go between being loaded and being cleaned.
    hub.note_hold(call.client.peer);
    hub.handle.hold(name, holder).await?;
    let cleaned = match loaded(call, name).await {
        Ok(_) => hub.handle.clean(name, kinds).await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    hub.handle.release(name, holder).await?;
    cleaned.map(|()| Body::EMPTY)
}

/// Forgets failures of one unit or all.
pub(super) async fn reset_failed(call: &Call<'_>, name: Option<&str>) -> Result<Body, Failure> {
    call.client.hub.handle.reset_failed(name).await?;
    Ok(Body::EMPTY)
}

/// The processes of a unit, `a(sus)`: control group, pid, command line.
pub(super) async fn processes(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    let wanted = name.to_owned();
    let look = move |view: &View<'_>| {
        let unit = view.engine.unit(&wanted)?;
        let group = view.facts.control_group(unit.name());
        Some((group, view.facts.processes(unit.name())))
    };
    let (group, processes) = call
        .client
        .hub
        .handle
        .look(look)
        .await?
        .ok_or_else(|| Failure::not_loaded(name))?;
    let row = |(pid, command): (i32, String)| {
        Value::Struct(vec![
            Value::from(group.as_str()),
            Value::U32(pid.try_into().unwrap_or(0)),
            Value::String(command),
        ])
    };
    let rows = processes.into_iter().map(row).collect();
    Ok(Body::one("a(sus)", Value::Array(rows)))
}

async fn get_unit(call: &Call<'_>) -> Result<Body, Failure> {
    let mut name: String = call.arguments()?;
    if name.is_empty() {
        name = callers::own_unit(call)
            .await?
            .ok_or_else(callers::not_a_member)?;
    }
    UnitName::parse(&name).map_err(|error| Failure::invalid(error.to_string()))?;
    let wanted = name.clone();
    let id = call
        .client
        .hub
        .handle
        .look(move |view| view.engine.unit(&wanted).map(|u| u.name().to_string()))
        .await?
        .ok_or_else(|| Failure::not_loaded(&name))?;
    Ok(Body::path(path::of_unit(&id)))
}

async fn load_unit(call: &Call<'_>) -> Result<Body, Failure> {
    let name: String = call.arguments()?;
    let unit = snapshot(call, &name).await?;
    Ok(Body::path(path::of_unit(unit.view.name().as_str())))
}

async fn get_job(call: &Call<'_>) -> Result<Body, Failure> {
    let id: u32 = call.arguments()?;
    let found = call
        .client
        .hub
        .handle
        .look(move |view| view.engine.jobs().iter().any(|job| job.id.0 == id))
        .await?;
    if found {
        Ok(Body::path(path::of_job(JobId(id))))
    } else {
        Err(no_such_job(JobId(id)))
    }
}

/// The refusal of a job that is not there.
pub(super) fn no_such_job(id: JobId) -> Failure {
    Failure::new(names::NO_SUCH_JOB, format!("Job {} does not exist.", id.0))
}
