//! What a unit's processes use, and what is known of freezing and cleaning it.

use super::unit::UnitSnapshot;
use crate::bus::value::Value;
use crate::host::{Io, Usage};
use crate::unit::config::DirectoryKind;

/// Whether a property is read from the control group.
pub(in crate::bus) fn is_usage(property: &str) -> bool {
    property.starts_with("IO")
        || ["MemoryCurrent", "CPUUsageNSec", "TasksCurrent"].contains(&property)
}

/// The value of such a property, if it is known.
pub(super) fn live(usage: &Usage, name: &str) -> Option<Value> {
    let io = |field: fn(&Io) -> u64| usage.io.as_ref().map(field);
    let number = match name {
        "MemoryCurrent" => usage.memory,
        "CPUUsageNSec" => usage.cpu,
        "TasksCurrent" => usage.tasks,
        "IOReadBytes" => io(|io| io.read_bytes),
        "IOReadOperations" => io(|io| io.reads),
        "IOWriteBytes" => io(|io| io.written_bytes),
        "IOWriteOperations" => io(|io| io.writes),
        _ => None,
    };
    number.map(Value::U64)
}

/// CanClean: the kinds of directories that the unit has.
pub(super) fn can_clean(unit: &UnitSnapshot) -> Value {
    let timer = unit.view.config.timer();
    if timer.is_some_and(|timer| timer.persistent) {
        return Value::strings([DirectoryKind::State.as_str()]);
    }
    let Some(service) = unit.view.config.service() else {
        return Value::Array(Vec::new());
    };
    let has = |kind: &DirectoryKind| {
        let directories = service.exec.directories.get(kind);
        directories.is_some_and(|directories| !directories.paths.is_empty())
    };
    let kinds = DirectoryKind::ALL.into_iter().filter(has);
    Value::strings(kinds.map(DirectoryKind::as_str))
}
