//! How units and their probes are, for [`super::own`].

use super::dispatch::Call;
use super::failure::Failure;
use super::list::Patterns;
use super::properties::UnitSnapshot;
use super::value::{Body, Value};
use crate::engine::inspect::UnitHealth;
use crate::engine::{ProbeRecord, Verdict};
use crate::host::View;
use crate::unit::config::{ProbeConfig, ProbeKind};

/// A probe: kind, what it does, verdict, answers like the last one in a row, successes, failures,
/// when the last answer came and how long it took (both microseconds), when the last failure was,
/// and why it was one.
const PROBES: &str = "a(sssuttttts)";

/// `Health(as patterns) -> a(sa{sv})`: the units that match; without patterns those that count.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    let patterns: Vec<String> = call.arguments()?;
    let matching = Patterns::new(&patterns)?;
    let all = call
        .client
        .hub
        .handle
        .look(|view: &View<'_>| view.engine.health());
    let all = all.await?;
    let units = all.iter().filter(|it| match patterns.is_empty() {
        true => it.wanted,
        false => matching.match_names(&it.config),
    });
    let rows = units.map(row).collect();
    Ok(Body::one("a(sa{sv})", Value::Array(rows)))
}

fn row(unit: &UnitHealth) -> Value {
    let probes = unit.probes().map(|(kind, config, record)| {
        Value::Struct(vec![
            Value::from(kind.as_str()),
            Value::String(config.to_string()),
            Value::from(record.verdict.as_str()),
            Value::U32(record.streak),
            Value::U64(record.successes),
            Value::U64(record.failures),
            Value::U64(record.last.realtime),
            Value::U64(record.last_took),
            Value::U64(record.failed.realtime),
            Value::from(record.failure.as_str()),
        ])
    });
    let properties = Value::properties([
        ("Health", "s", Value::from(unit.health.as_str())),
        ("Live", "b", Value::Bool(unit.live)),
        ("Ready", "b", Value::Bool(unit.health.is_ready())),
        ("Wanted", "b", Value::Bool(unit.wanted)),
        ("Reason", "s", Value::from(unit.reason.as_str())),
        ("ActiveState", "s", Value::from(unit.active.as_str())),
        ("SubState", "s", Value::from(unit.sub)),
        ("Probes", PROBES, Value::Array(probes.collect())),
    ]);
    Value::Struct(vec![Value::from(unit.unit.as_str()), properties])
}

/// The property of a unit: a line for each probe.
pub(super) async fn lines(call: &Call<'_>, unit: &UnitSnapshot) -> Result<Value, Failure> {
    let name = unit.view.name().clone();
    let look = move |view: &View<'_>| {
        let all = view.engine.health();
        let own = all.into_iter().find(|it| it.unit == name);
        let lines = own.iter().flat_map(UnitHealth::probes);
        lines
            .map(|(kind, it, known)| line(kind, it, &known))
            .collect::<Vec<String>>()
    };
    Ok(Value::strings(call.client.hub.handle.look(look).await?))
}

fn line(kind: ProbeKind, config: &ProbeConfig, record: &ProbeRecord) -> String {
    let counts = format!("{} ok, {} failed", record.successes, record.failures);
    let failing = record.last_success == Some(false) || record.verdict == Verdict::Bad;
    let failure = match record.failure.as_str() {
        "" => String::new(),
        text if failing => format!("; failing: {text}"),
        text => format!("; failed last: {text}"),
    };
    let verdict = record.verdict.as_str();
    format!("{}: {verdict} ({counts}{failure}): {config}", kind.as_str())
}
