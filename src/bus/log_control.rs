//! org.freedesktop.LogControl1: the level of the manager's own log, read and set.

use super::dispatch::{Call, INTROSPECTABLE, PROPERTIES};
use super::failure::{Failure, names};
use super::introspect;
use super::properties::{Shown, log_control_rows};
use super::unit;
use super::value::{Body, Value};

/// The interface.
pub(super) const INTERFACE: &str = "org.freedesktop.LogControl1";

/// The log of whoever serves: its level can be changed, its target only be told.
pub trait LogControl: Send + Sync {
    /// The level, in syslog's words.
    fn level(&self) -> String;
    /// Changes the level.
    ///
    /// # Errors
    /// It is no level.
    fn set_level(&self, level: &str) -> Result<(), String>;
    /// Where lines go, in the words of systemd's LogTarget.
    fn target(&self) -> String;
}

/// Answers a call to the log object.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    if call.interface == Some(INTROSPECTABLE) && call.member == "Introspect" {
        return Ok(introspect::body(introspect::log_control()));
    }
    if call.interface != Some(PROPERTIES) {
        return Err(call.unknown_method());
    }
    match call.member {
        "Get" => {
            let (interface, property): (String, String) = call.arguments()?;
            if !interface.is_empty() && interface != INTERFACE {
                unit::no_properties(&interface)?;
            }
            all(call)
                .into_iter()
                .find(|(name, _, _)| *name == property)
                .map(|(_, signature, value)| Body::one("v", Value::variant(signature, value)))
                .ok_or_else(|| unit::unknown_property(&interface, &property))
        }
        "GetAll" => {
            let interface: String = call.arguments()?;
            if interface.is_empty() || interface == INTERFACE {
                return Ok(unit::all(all(call)));
            }
            Ok(unit::all(unit::no_properties(&interface)?))
        }
        "Set" => {
            let setting = unit::setting(call, log_control_rows())?;
            set(call, &setting.property, setting.text()?)
        }
        _ => Err(call.unknown_method()),
    }
}

fn all(call: &Call<'_>) -> Vec<Shown> {
    let show = |row: &super::properties::row::Row| {
        let value = value(call, row.name).or_else(|| row.default_value())?;
        Some((row.name, row.signature, value))
    };
    log_control_rows().iter().filter_map(show).collect()
}

/// LogLevel, LogTarget or SyslogIdentifier, which the manager object has, too.
pub(super) fn value(call: &Call<'_>, property: &str) -> Option<Value> {
    let log = &call.client.hub.log;
    Some(Value::String(match property {
        "LogLevel" => log.level(),
        "LogTarget" => log.target(),
        "SyslogIdentifier" => "dd-procmgrd".to_owned(),
        _ => return None,
    }))
}

/// Sets LogLevel or LogTarget.
///
/// # Errors
/// The value is no level, or a target other than the one there is.
pub(super) fn set(call: &Call<'_>, property: &str, value: &str) -> Result<Body, Failure> {
    let log = &call.client.hub.log;
    match property {
        "LogLevel" if value.is_empty() => Err(Failure::invalid("Invalid log level ''")),
        "LogLevel" => log
            .set_level(value)
            .map(|()| Body::EMPTY)
            .map_err(|_| Failure::invalid(format!("Invalid log level '{value}'"))),
        _ if value.is_empty() || value == "auto" || value == log.target() => Ok(Body::EMPTY),
        _ => Err(Failure::new(
            names::NOT_SUPPORTED,
            format!("The log goes to '{}' and stays there", log.target()),
        )),
    }
}
