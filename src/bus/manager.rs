//! The manager object.

use super::dispatch::{Call, snapshot};
use super::failure::{Failure, names};
use super::path;
use super::properties::{MANAGER_INTERFACE, ManagerSnapshot, manager_rows};
use super::unit;
use super::value::{Body, Value};
use super::{list, news, unit_files};
use crate::engine::{JobId, KillWhom, Verb};
use crate::host::{Job, View};
use crate::unit::config::JobMode;
use crate::unit::name::UnitName;
use crate::unit::value::Signal;

/// What the loop answers with when a request needs no job.
pub(super) const NO_JOB: JobId = JobId(0);

/// Answers a method of org.freedesktop.systemd1.Manager.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    if let Some(verb) = verb(call.member) {
        let (name, mode): (String, String) = call.arguments()?;
        return job(call, &name, verb, &mode).await;
    }
    match call.member {
        "GetUnit" => get_unit(call).await,
        "LoadUnit" => load_unit(call).await,
        "GetUnitByPID" => unit_by_pid(call).await,
        "GetUnitProcesses" => processes(call, &call.arguments::<String>()?).await,
        "KillUnit" => {
            let (name, whom, signal): (String, String, i32) = call.arguments()?;
            kill(call, &name, &whom, signal).await
        }
        "ResetFailed" => reset_failed(call, None).await,
        "ResetFailedUnit" => reset_failed(call, Some(&call.arguments::<String>()?)).await,
        "ListUnits" | "ListUnitsFiltered" | "ListUnitsByPatterns" | "ListUnitsByNames" => {
            list::units(call).await
        }
        "ListJobs" => list::jobs(call).await,
        "GetJob" => get_job(call).await,
        "Reload" => {
            call.may_change()?;
            call.client.hub.handle.reload().await?;
            call.client.hub.forget_file_states();
            Ok(Body::EMPTY)
        }
        // Signals are sent whether asked for or not; there is nothing to remember.
        "Subscribe" | "Unsubscribe" => Ok(Body::EMPTY),
        "RefUnit" => hold(call, &call.arguments::<String>()?).await,
        "UnrefUnit" => release(call, &call.arguments::<String>()?).await,
        _ => match unit_files::call(call).await {
            Some(answer) => answer,
            None => Err(call.unknown_method()),
        },
    }
}

/// Answers RefUnit and Ref: the unit stays loaded until UnrefUnit or the end of the connection.
pub(super) async fn hold(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    call.may_change()?;
    let (hub, peer) = (&call.client.hub, call.client.peer);
    hub.note_hold(peer);
    hub.handle.hold(name, peer.number.into()).await?;
    Ok(Body::EMPTY)
}

/// Answers UnrefUnit and Unref.
pub(super) async fn release(call: &Call<'_>, name: &str) -> Result<Body, Failure> {
    call.may_change()?;
    let (hub, peer) = (&call.client.hub, call.client.peer);
    hub.handle.release(name, peer.number.into()).await?;
    Ok(Body::EMPTY)
}

/// Answers Get, GetAll and Set.
pub(super) async fn properties(call: &Call<'_>) -> Result<Body, Failure> {
    match call.member {
        "Get" => {
            let (interface, property): (String, String) = call.arguments()?;
            if !interface.is_empty() && interface != MANAGER_INTERFACE {
                unit::no_properties(&interface)?;
                return Err(unit::unknown_property(&property));
            }
            let snapshot = manager_snapshot(call).await?;
            manager_rows()
                .iter()
                .find(|row| row.name == property)
                .and_then(|row| Some((row.signature, snapshot.value(row)?)))
                .map(|(signature, value)| Body::one("v", Value::variant(signature, value)))
                .ok_or_else(|| unit::unknown_property(&property))
        }
        "GetAll" => {
            let interface: String = call.arguments()?;
            if interface.is_empty() || interface == MANAGER_INTERFACE {
                return Ok(unit::all(manager_snapshot(call).await?.properties()));
            }
            if interface == super::own::INTERFACE {
                return Ok(unit::all(Vec::new()));
            }
            Ok(unit::all(unit::no_properties(&interface)?))
        }
        "Set" => Err(unit::set(call)?),
        _ => Err(call.unknown_method()),
    }
}

async fn manager_snapshot(call: &Call<'_>) -> Result<ManagerSnapshot, Failure> {
    Ok(call
        .client
        .hub
        .handle
        .look(|view: &View<'_>| ManagerSnapshot::take(view))
        .await?)
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
    call.may_change()?;
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
        _ => return Err(Failure::invalid(format!("Job mode {mode} invalid"))),
    })
}

/// Sends a signal to a unit's processes.
pub(super) async fn kill(
    call: &Call<'_>,
    name: &str,
    whom: &str,
    signal: i32,
) -> Result<Body, Failure> {
    call.may_change()?;
    let whom = match whom {
        "" | "all" | "all-fail" => KillWhom::All,
        "main" | "main-fail" => KillWhom::Main,
        "control" | "control-fail" => KillWhom::Control,
        _ => return Err(Failure::invalid(format!("Invalid whom argument: {whom}"))),
    };
    if !(1..=64).contains(&signal) {
        return Err(Failure::invalid("Signal number out of range."));
    }
    call.client
        .hub
        .handle
        .kill(name, whom, Signal(signal))
        .await?;
    Ok(Body::EMPTY)
}

/// Forgets failures of one unit or all.
pub(super) async fn reset_failed(call: &Call<'_>, name: Option<&str>) -> Result<Body, Failure> {
    call.may_change()?;
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
    let name: String = call.arguments()?;
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

async fn unit_by_pid(call: &Call<'_>) -> Result<Body, Failure> {
    let asked: u32 = call.arguments()?;
    // 0 means the caller.
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
        Err(Failure::new(
            names::NO_SUCH_JOB,
            format!("Job {id} does not exist."),
        ))
    }
}
