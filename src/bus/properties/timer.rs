//! The properties that timers add.

use super::unit::UnitSnapshot;
use crate::bus::value::Value;
use crate::unit::config::TimerValue;

/// The value of a timer property that lives in the engine.
pub(super) fn live(unit: &UnitSnapshot, name: &str) -> Option<Value> {
    let timer = unit.view.timer.as_ref()?;
    Some(match name {
        "NextElapseUSecRealtime" => Value::U64(timer.next.realtime),
        "NextElapseUSecMonotonic" => Value::U64(timer.next.monotonic),
        "LastTriggerUSec" => Value::U64(timer.last_trigger.realtime),
        "LastTriggerUSecMonotonic" => Value::U64(timer.last_trigger.monotonic),
        "Result" => Value::from(timer.result.as_str()),
        "TimersMonotonic" => monotonic(unit, &timer.elapses)?,
        "TimersCalendar" => calendar(unit, &timer.elapses)?,
        _ => return None,
    })
}

/// The times of the configuration, the last one first, each with when it elapses.
fn values<'a>(
    unit: &'a UnitSnapshot,
    elapses: &'a [u64],
) -> Option<impl Iterator<Item = (&'a TimerValue, Value)>> {
    let values = &unit.view.config.timer()?.values;
    let times = elapses.iter().copied().chain(std::iter::repeat(0));
    let pairs: Vec<(&TimerValue, u64)> = values.iter().zip(times).collect();
    let pairs = pairs.into_iter().rev();
    Some(pairs.map(|(value, next)| (value, Value::U64(next))))
}

/// `a(stt)`.
fn monotonic(unit: &UnitSnapshot, elapses: &[u64]) -> Option<Value> {
    let shown = values(unit, elapses)?.filter_map(|(value, next)| match value {
        TimerValue::After(base, span) => Some(Value::Struct(vec![
            Value::String(format!("{}USec", base.name())),
            Value::U64(span.as_micros()),
            next,
        ])),
        TimerValue::Calendar(_) => None,
    });
    Some(Value::Array(shown.collect()))
}

/// `a(sst)`.
fn calendar(unit: &UnitSnapshot, elapses: &[u64]) -> Option<Value> {
    let shown = values(unit, elapses)?.filter_map(|(value, next)| match value {
        TimerValue::Calendar(calendar) => Some(Value::Struct(vec![
            Value::from("OnCalendar"),
            Value::String(calendar.to_string()),
            next,
        ])),
        TimerValue::After(..) => None,
    });
    Some(Value::Array(shown.collect()))
}
