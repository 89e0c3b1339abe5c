//! Properties without a daemon: of a unit in an engine that nobody runs, by the same tables.

use super::MANAGER_UNIQUE_NAME;
use super::encode::{self, Envelope};
use super::properties::UnitSnapshot;
use super::unit::get_all;
use super::value::{Body, Value};
use crate::engine::Engine;
use crate::host::{Facts, LogLine, ManagerFacts, View};
use crate::unit::name::UnitName;
use serde_json::Value as Json;
use std::num::NonZeroU32;
use std::sync::Arc;

/// All properties of a unit as GetAll sends them, in that order, with values as JSON: structs
/// are arrays. Nothing if the engine has no such unit.
pub fn unit_properties(engine: &Engine, unit: &str) -> Option<Vec<(String, Json)>> {
    let view = View {
        engine,
        facts: &NoHost,
    };
    let unit = UnitSnapshot::take(&view, unit)?;
    let shown = get_all(&unit, "").ok()?;
    let properties = shown.chain(unit.own_properties());
    Some(
        properties
            .map(|(name, _, value)| (name.to_owned(), json(value)))
            .collect(),
    )
}

/// The same as a whole answer to GetAll on the wire.
pub fn encoded_properties(engine: &Engine, unit: &str) -> Option<Vec<u8>> {
    let view = View {
        engine,
        facts: &NoHost,
    };
    let unit = UnitSnapshot::take(&view, unit)?;
    let shown = Value::properties(get_all(&unit, "").ok()?);
    let envelope = Envelope {
        answers: NonZeroU32::MIN,
        destination: None,
        sender: MANAGER_UNIQUE_NAME,
        error: None,
    };
    encode::reply(&envelope, &Body::of("a{sv}", vec![shown])).ok()
}

/// Nothing runs, nothing was logged.
pub(super) struct NoHost;

impl Facts for NoHost {
    fn control_group(&self, _: &UnitName) -> String {
        String::new()
    }

    fn processes(&self, _: &UnitName) -> Vec<(i32, String)> {
        Vec::new()
    }

    fn log(&self, _: Option<&UnitName>, _: usize) -> Vec<Arc<LogLine>> {
        Vec::new()
    }

    fn log_after(&self, _: Option<&UnitName>, _: u64) -> Vec<Arc<LogLine>> {
        Vec::new()
    }

    fn manager(&self) -> ManagerFacts {
        ManagerFacts::default()
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Byte(value) => value.into(),
        Value::Bool(value) => value.into(),
        Value::U16(value) => value.into(),
        Value::I32(value) => value.into(),
        Value::U32(value) => value.into(),
        Value::I64(value) => value.into(),
        Value::U64(value) => value.into(),
        Value::F64(value) => value.into(),
        Value::String(value) => value.into(),
        Value::Word(value) => value.into(),
        Value::Bytes(bytes) => bytes.into(),
        Value::Array(values) | Value::Struct(values) => values.into_iter().map(json).collect(),
        Value::Map(entries) => {
            let key = |key: Value| match json(key) {
                Json::String(key) => key,
                other => other.to_string(),
            };
            let entries = entries.into_iter();
            Json::Object(entries.map(|(k, v)| (key(k), json(v))).collect())
        }
        Value::Variant(_, value) => json(*value),
        // No property is one.
        Value::Descriptor(_) | Value::Encoded(_) => Json::Null,
    }
}
