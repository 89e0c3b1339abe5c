//! The properties that sockets add.

use super::service::{commands, pid};
use super::unit::UnitSnapshot;
use crate::bus::value::Value;

/// The value of a socket property that lives in the engine or the host.
pub(super) fn live(unit: &UnitSnapshot, name: &str) -> Option<Value> {
    if name == "ControlGroup" {
        return Some(Value::from(unit.control_group.as_str()));
    }
    let socket = unit.view.socket.as_ref()?;
    Some(match name {
        "ControlPID" => pid(socket.control_pid),
        "Result" => Value::from(socket.result.as_str()),
        "NAccepted" => Value::U32(socket.accepted),
        "NConnections" => Value::U32(socket.connections),
        "NRefused" => Value::U32(socket.refused),
        _ => {
            let lists = unit.view.config.commands()?;
            return commands(lists, &socket.commands, false, name);
        }
    })
}
