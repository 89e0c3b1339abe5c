//! Jobs: their list, their objects, and asking for one with all that comes with it.

use super::dispatch::{Call, PROPERTIES, unknown_object};
use super::failure::{Failure, names};
use super::manager::{job_mode, job_path};
use super::path;
use super::properties::row::Row;
use super::properties::{JOB_INTERFACE, Shown, job_rows};
use super::unit;
use super::value::{Body, Value};
use super::{dispatch, introspect, manager, table_members};
use crate::engine::inspect::JobView;
use crate::engine::{JobId, Verb};
use crate::host::View;
use std::collections::BTreeSet;

/// Answers ListJobs.
pub(super) async fn list(call: &Call<'_>) -> Result<Body, Failure> {
    let jobs = call.client.hub.handle.look(|v| v.engine.jobs()).await?;
    let rows = jobs.iter().map(job_row).collect();
    Ok(Body::one("a(usssoo)", Value::Array(rows)))
}

fn job_state(job: &JobView) -> &'static str {
    if job.running { "running" } else { "waiting" }
}

fn job_row(job: &JobView) -> Value {
    Value::Struct(vec![
        Value::U32(job.id.0),
        Value::from(job.unit.as_str()),
        Value::from(job.kind.as_str()),
        Value::from(job_state(job)),
        Value::String(path::of_job(job.id)),
        Value::String(path::of_unit(job.unit.as_str())),
    ])
}

/// Answers a call to a job object.
pub(super) async fn on_job(call: &Call<'_>, id: JobId) -> Result<Body, Failure> {
    if call.interface == Some(dispatch::INTROSPECTABLE) && call.member == "Introspect" {
        return Ok(introspect::body(introspect::job()));
    }
    if call.interface != Some(PROPERTIES) {
        call.admit(JOB_INTERFACE, table_members::JOB)?;
        return match call.member {
            "Cancel" => cancel(call, id).await,
            "GetAfter" | "GetBefore" => neighbours(call, id, call.member == "GetAfter")
                .await
                .map_err(|failure| as_object(failure, id)),
            _ => Err(call.unknown_method()),
        };
    }
    let find = move |view: &View<'_>| view.engine.jobs().into_iter().find(|j| j.id == id);
    let job = call
        .client
        .hub
        .handle
        .look(find)
        .await?
        .ok_or_else(|| unknown_object(&path::of_job(id)))?;
    let shown = job_properties(&job);
    match call.member {
        "Get" => {
            let (interface, property): (String, String) = call.arguments()?;
            if !interface.is_empty() && interface != JOB_INTERFACE {
                unit::no_properties(&interface)?;
            }
            shown
                .into_iter()
                .find(|(name, _, _)| *name == property)
                .map(|(_, signature, value)| Body::one("v", Value::variant(signature, value)))
                .ok_or_else(|| unit::unknown_property(&interface, &property))
        }
        "GetAll" => {
            let interface: String = call.arguments()?;
            if interface.is_empty() || interface == JOB_INTERFACE {
                return Ok(unit::all(shown));
            }
            Ok(unit::all(unit::no_properties(&interface)?))
        }
        "Set" => {
            unit::setting(call, job_rows())?;
            Err(call.unknown_method())
        }
        _ => Err(call.unknown_method()),
    }
}

/// Answers Cancel. A path that names no job any more is no object.
async fn cancel(call: &Call<'_>, id: JobId) -> Result<Body, Failure> {
    let canceled = manager::cancel(call, Some(id)).await;
    canceled.map_err(|failure| as_object(failure, id))
}

/// A job that is not there, as an object that is not.
fn as_object(failure: Failure, id: JobId) -> Failure {
    match failure.name {
        names::NO_SUCH_JOB => unknown_object(&path::of_job(id)),
        _ => failure,
    }
}

/// Answers GetJobAfter and GetJobBefore: the jobs that a job holds up, or that it waits for.
pub(super) async fn neighbours(call: &Call<'_>, id: JobId, after: bool) -> Result<Body, Failure> {
    let look = move |view: &View<'_>| {
        let there = view.engine.jobs().iter().any(|job| job.id == id);
        there.then(|| match after {
            true => view.engine.jobs_after(id),
            false => view.engine.jobs_before(id),
        })
    };
    let jobs = call.client.hub.handle.look(look).await?;
    let jobs = jobs.ok_or_else(|| manager::no_such_job(id))?;
    let rows = jobs.iter().map(job_row).collect();
    Ok(Body::one("a(usssoo)", Value::Array(rows)))
}

fn job_properties(job: &JobView) -> Vec<Shown> {
    let unit = Value::Struct(vec![
        Value::from(job.unit.as_str()),
        Value::String(path::of_unit(job.unit.as_str())),
    ]);
    let value = |name: &str| {
        Some(match name {
            "Id" => Value::U32(job.id.0),
            "Unit" => unit.clone(),
            "JobType" => Value::from(job.kind.as_str()),
            "State" => Value::from(job_state(job)),
            _ => return None,
        })
    };
    let row = |row: &Row| {
        let value = value(row.name).or_else(|| row.default_value())?;
        Some((row.name, row.signature, value))
    };
    job_rows().iter().filter_map(row).collect()
}

/// The verb behind a job type as clients write it.
fn verb(job_type: &str) -> Result<Verb, Failure> {
    Ok(match job_type {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "reload" => Verb::Reload,
        "restart" => Verb::Restart,
        "restart-overlap" => Verb::RestartOverlap,
        "try-restart" => Verb::TryRestart,
        "reload-or-restart" => Verb::ReloadOrRestart,
        "reload-or-try-restart" => Verb::ReloadOrTryRestart,
        _ => return Err(Failure::invalid(format!("Job type {job_type} invalid"))),
    })
}

async fn all(call: &Call<'_>) -> Result<Vec<JobView>, Failure> {
    Ok(call.client.hub.handle.look(|v| v.engine.jobs()).await?)
}

/// What is said of a job of a transaction: `(uosos)`.
fn affected(job: &JobView) -> Value {
    let unit = job.unit.as_str();
    Value::Struct(vec![
        Value::U32(job.id.0),
        Value::String(path::of_job(job.id)),
        Value::from(unit),
        Value::String(path::of_unit(unit)),
        Value::from(job.kind.as_str()),
    ])
}

/// Answers EnqueueUnitJob and Unit.EnqueueJob, `uososa(uosos)`: the job, and the others that
/// were queued with it.
pub(super) async fn enqueue(
    call: &Call<'_>,
    name: &str,
    job_type: &str,
    mode: &str,
) -> Result<Body, Failure> {
    let verb = verb(job_type)?;
    let mode = job_mode(mode)?;
    let handle = &call.client.hub.handle;
    let before: BTreeSet<JobId> = all(call).await?.iter().map(|job| job.id).collect();
    let job = handle.job(name, verb, mode, false).await?;
    let after = all(call).await?;
    let others = after
        .iter()
        .filter(|other| other.id != job.0 && !before.contains(&other.id));
    let others = Value::Array(others.map(affected).collect());
    let own = after.iter().find(|other| other.id == job.0);
    let unit = own.map_or(name, |own| own.unit.as_str());
    let kind = own.map_or(job_type, |own| own.kind.as_str());
    Ok(Body::of(
        "uososa(uosos)",
        vec![
            Value::U32(job.0.0),
            Value::String(job_path(call, name, job)),
            Value::from(unit),
            Value::String(path::of_unit(unit)),
            Value::from(kind),
            others,
        ],
    ))
}

/// Answers EnqueueUnitJobMany, `a(uosos)`: one job for each unit.
pub(super) async fn enqueue_many(call: &Call<'_>) -> Result<Body, Failure> {
    let (names, job_type, mode, flags): (Vec<String>, String, String, u64) = call.arguments()?;
    if flags != 0 {
        return Err(Failure::invalid("Invalid 'flags' parameter"));
    }
    let verb = verb(&job_type)?;
    let mode = job_mode(&mode)?;
    let mut rows = Vec::new();
    for name in names {
        let job = call.client.hub.handle.job(&name, verb, mode, false).await?;
        rows.push(Value::Struct(vec![
            Value::U32(job.0.0),
            Value::String(job_path(call, &name, job)),
            Value::from(name.as_str()),
            Value::String(path::of_unit(&name)),
            Value::from(job_type.as_str()),
        ]));
    }
    Ok(Body::one("a(uosos)", Value::Array(rows)))
}
