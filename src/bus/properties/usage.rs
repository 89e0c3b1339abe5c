//! What a unit's processes use, and what is known of freezing and cleaning it.

use super::unit::UnitSnapshot;
use crate::bus::value::Value;
use crate::host::{Io, Traffic, Usage};
use crate::unit::config::DirectoryKind;
use std::collections::BTreeSet;

/// Whether a property is read from the control group.
pub(super) fn is_usage(property: &str) -> bool {
    const OTHERS: [&str; 8] = [
        "MemoryCurrent",
        "MemoryAvailable",
        "CPUUsageNSec",
        "TasksCurrent",
        "EffectiveCPUs",
        "EffectiveMemoryNodes",
        "ControlGroupId",
        "ControlGroup",
    ];
    let starts = ["IO", "IPIngress", "IPEgress"];
    starts.iter().any(|start| property.starts_with(start)) || OTHERS.contains(&property)
}

/// The value of such a property, if it is known.
pub(super) fn live(usage: &Usage, name: &str) -> Option<Value> {
    let io = |field: fn(&Io) -> u64| usage.io.as_ref().map(field);
    let traffic = |field: fn(&Traffic) -> u64| usage.traffic.as_ref().map(field);
    let number = match name {
        "EffectiveCPUs" => return usage.processors.as_ref().map(bits),
        "EffectiveMemoryNodes" => return usage.nodes.as_ref().map(bits),
        "ControlGroupId" => usage.id,
        "MemoryCurrent" => usage.memory,
        "MemoryAvailable" => usage.memory_available,
        "CPUUsageNSec" => usage.cpu,
        "TasksCurrent" => usage.tasks,
        "IOReadBytes" => io(|io| io.read_bytes),
        "IOReadOperations" => io(|io| io.reads),
        "IOWriteBytes" => io(|io| io.written_bytes),
        "IOWriteOperations" => io(|io| io.writes),
        "IPIngressBytes" => traffic(|traffic| traffic.bytes_in),
        "IPIngressPackets" => traffic(|traffic| traffic.packets_in),
        "IPEgressBytes" => traffic(|traffic| traffic.bytes_out),
        "IPEgressPackets" => traffic(|traffic| traffic.packets_out),
        _ => None,
    };
    number.map(Value::U64)
}

/// A set as bytes of bits.
fn bits(set: &BTreeSet<u32>) -> Value {
    let most = set.last().map_or(0, |last| *last as usize / 8 + 1);
    let mut bytes = vec![0u8; most];
    for number in set {
        if let Some(byte) = bytes.get_mut(*number as usize / 8) {
            *byte |= 1 << (number % 8);
        }
    }
    Value::Bytes(bytes)
}

/// The properties that newer versions of systemd have, which are on an interface of ours.
pub(in crate::bus) const NEWER: [&str; 4] = [
    "MemoryPeak",
    "MemorySwapCurrent",
    "MemorySwapPeak",
    "MemoryZSwapCurrent",
];

/// The value of one of [`NEWER`]; 2^64-1 if it is not known.
pub(in crate::bus) fn newer(usage: &Usage, name: &str) -> Value {
    let number = match name {
        "MemoryPeak" => usage.memory_peak,
        "MemorySwapCurrent" => usage.swap,
        "MemorySwapPeak" => usage.swap_peak,
        "MemoryZSwapCurrent" => usage.zswap,
        _ => None,
    };
    Value::U64(number.unwrap_or(u64::MAX))
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
