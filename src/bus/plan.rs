//! `Plan` of com.datadoghq.ProcessManager1: what requests would do, or reading the files again.

use super::dispatch::Call;
use super::failure::{Failure, refusal_name};
use super::manager::job_mode;
use super::value::{Body, Value};
use crate::engine::Verb;
use crate::engine::inspect::{
    DroppedJob, JobView, Meets, PlanView, PlannedJob, Reason, RequestPlan, UnitChange,
};
use crate::host::View;
use crate::unit::compare::Difference;
use crate::unit::name::UnitName;

/// The word that asks for the reading of unit files.
const RELOAD: &str = "daemon-reload";
const ROWS: &str = "aa{sv}";

/// `Plan(s verb, as units, s mode) -> a{sv}`: nothing is done, so anybody who may read may ask.
///
/// The answer holds Requests, Jobs and Canceled, or Changes for `daemon-reload`: rows of
/// properties each.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    let (word, units, mode): (String, Vec<String>, String) = call.arguments()?;
    let handle = &call.client.hub.handle;
    if word == RELOAD {
        let changes = handle
            .compare(|view, units| view.engine.plan_reload(units))
            .await?;
        let rows = changes.iter().map(change).collect();
        let answer = Value::properties([("Changes", ROWS, Value::Array(rows))]);
        return Ok(Body::one("a{sv}", answer));
    }
    let verb = verb(&word).ok_or_else(|| Failure::invalid(format!("Unknown verb {word}")))?;
    let mode = job_mode(&mode)?;
    let names: Vec<UnitName> = units
        .iter()
        .filter_map(|unit| UnitName::parse(unit).ok())
        .collect();
    let look = move |view: &View<'_>| view.engine.plan(verb, &names, mode);
    let plan = handle.look_at(&units, look).await?;
    Ok(Body::one("a{sv}", answer(&plan)))
}

/// The verb behind a command's name.
fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "reload" => Verb::Reload,
        "restart" => Verb::Restart,
        "restart-overlap" => Verb::RestartOverlap,
        "try-restart" => Verb::TryRestart,
        "reload-or-restart" => Verb::ReloadOrRestart,
        "try-reload-or-restart" => Verb::ReloadOrTryRestart,
        _ => return None,
    })
}

fn answer(plan: &PlanView) -> Value {
    let requests = plan.requests.iter().map(request).collect();
    let jobs = plan.jobs.iter().map(job).collect();
    let canceled = plan.canceled.iter().map(canceled).collect();
    Value::properties([
        ("Requests", ROWS, Value::Array(requests)),
        ("Jobs", ROWS, Value::Array(jobs)),
        ("Canceled", ROWS, Value::Array(canceled)),
    ])
}

fn request(request: &RequestPlan) -> Value {
    let (error, message) = match &request.refusal {
        Some(refusal) => (refusal_name(refusal), refusal.to_string()),
        None => ("", String::new()),
    };
    let dropped = request.dropped.iter().map(dropped).collect();
    Value::properties([
        ("Unit", "s", Value::from(request.unit.as_str())),
        ("Error", "s", Value::from(error)),
        ("Message", "s", Value::from(message)),
        ("LeftOut", ROWS, Value::Array(dropped)),
    ])
}

fn dropped(job: &DroppedJob) -> Value {
    Value::properties([
        ("Unit", "s", Value::from(job.unit.as_str())),
        ("Job", "s", Value::from(job.kind.as_str())),
        ("Cause", "s", Value::from(job.cause.word())),
        ("Message", "s", Value::from(job.cause.to_string())),
        ("Why", ROWS, why(&job.why)),
    ])
}

fn job(job: &PlannedJob) -> Value {
    let (meets, there) = match job.meets {
        Meets::Nothing => ("", ""),
        Meets::Merges(kind) => ("merges", kind.as_str()),
        Meets::Replaces(kind) => ("replaces", kind.as_str()),
    };
    let waits_for = job.waits_for.iter().map(UnitName::as_str);
    Value::properties([
        ("Step", "u", Value::U32(job.step)),
        ("StartStep", "u", Value::U32(job.start_step.unwrap_or(0))),
        ("Unit", "s", Value::from(job.unit.as_str())),
        ("Job", "s", Value::from(job.kind.as_str())),
        (
            "Request",
            "u",
            Value::U32(u32::try_from(job.request).unwrap_or(u32::MAX)),
        ),
        ("Idle", "b", Value::Bool(job.idle)),
        ("Meets", "s", Value::from(meets)),
        ("MeetsJob", "s", Value::from(there)),
        ("WaitsFor", "as", Value::strings(waits_for)),
        ("Why", ROWS, why(&job.why)),
    ])
}

fn why(reasons: &[Reason]) -> Value {
    let row = |reason: &Reason| {
        Value::properties([
            ("Relation", "s", Value::from(reason.relation)),
            ("Unit", "s", Value::from(reason.unit.as_str())),
            ("Job", "s", Value::from(reason.kind.as_str())),
        ])
    };
    Value::Array(reasons.iter().map(row).collect())
}

fn canceled(job: &JobView) -> Value {
    Value::properties([
        ("Id", "u", Value::U32(job.id.0)),
        ("Unit", "s", Value::from(job.unit.as_str())),
        ("Job", "s", Value::from(job.kind.as_str())),
    ])
}

fn change(change: &UnitChange) -> Value {
    let text = |text: &Option<String>| Value::from(text.as_deref().unwrap_or(""));
    let setting = |d: &Difference| {
        Value::properties([
            ("Name", "s", Value::from(d.name)),
            ("Before", "s", Value::from(d.before.as_str())),
            ("After", "s", Value::from(d.after.as_str())),
            ("NeedsRestart", "b", Value::Bool(d.at_start && change.up)),
        ])
    };
    let settings = change.settings.iter().map(setting).collect();
    Value::properties([
        ("Unit", "s", Value::from(change.unit.as_str())),
        ("Change", "s", Value::from(change.turned.as_str())),
        ("Message", "s", text(&change.problem)),
        ("FragmentPath", "s", text(&change.fragment)),
        ("DropInPaths", "as", Value::strings(change.drop_ins.clone())),
        ("Active", "b", Value::Bool(change.up)),
        ("Settings", ROWS, Value::Array(settings)),
    ])
}
