//! What is done with settings that are kept as they are shown: the execution environment made
//! from them, once all files of a unit are read and everything implied is known.

use super::context::{exec_of_mut, is_on};
use crate::unit::config::{CallAction, CallList, FamilyList, Filters, UnitConfig};
use crate::unit::directive::PropertyValue;
use crate::unit::value::{CapabilitySet, address_family, parse_errno};
use std::collections::BTreeMap;

/// Makes the parts of the execution environment that follow from what is shown.
pub(super) fn settle(config: &mut UnitConfig) {
    if exec_of_mut(config).is_none() {
        return;
    }
    let filters = filters(config);
    let written = Written(&config.written);
    let secure_bits = written.integer("SecureBits").unwrap_or(0);
    let personality = written.text("Personality").and_then(personality);
    let no_new_privileges = is_on(config, "NoNewPrivileges");
    let bounding_set = match config.written.get("CapabilityBoundingSet") {
        Some(PropertyValue::U64(set)) => Some(CapabilitySet(*set)),
        _ => None,
    };
    let Some(exec) = exec_of_mut(config) else {
        return;
    };
    exec.filters = filters;
    exec.secure_bits = u32::try_from(secure_bits).unwrap_or(0);
    exec.personality = personality;
    exec.no_new_privileges |= no_new_privileges;
    if bounding_set.is_some() {
        exec.capability_bounding_set = bounding_set;
    }
}

/// Values that were written or implied, by the kind they are kept as.
struct Written<'a>(&'a BTreeMap<&'static str, PropertyValue>);

impl<'a> Written<'a> {
    fn text(&self, property: &str) -> Option<&'a str> {
        match self.0.get(property) {
            Some(PropertyValue::String(text)) => Some(text),
            _ => None,
        }
    }

    fn integer(&self, property: &str) -> Option<i32> {
        match self.0.get(property) {
            Some(PropertyValue::I32(number)) => Some(*number),
            _ => None,
        }
    }

    fn unsigned(&self, property: &str) -> Option<u64> {
        match self.0.get(property) {
            Some(PropertyValue::U64(number)) => Some(*number),
            _ => None,
        }
    }

    fn list(&self, property: &str) -> &'a [String] {
        match self.0.get(property) {
            Some(PropertyValue::Strings(list)) => list,
            _ => &[],
        }
    }

    /// A list that permits or forbids.
    fn filter(&self, property: &str) -> Option<(bool, &'a [String])> {
        let Some(PropertyValue::Struct(fields)) = self.0.get(property) else {
            return None;
        };
        match fields.as_slice() {
            [PropertyValue::Bool(permits), PropertyValue::Strings(names)] => {
                Some((*permits, names))
            }
            _ => None,
        }
    }
}

fn filters(config: &UnitConfig) -> Filters {
    let written = Written(&config.written);
    let on = |property| is_on(config, property);
    Filters {
        calls: written.filter("SystemCallFilter").map(call_list),
        call_error: written.integer("SystemCallErrorNumber"),
        call_log: written.filter("SystemCallLog").map(call_list),
        architectures: written.list("SystemCallArchitectures").to_vec(),
        families: written.filter("RestrictAddressFamilies").map(family_list),
        namespaces: written.unsigned("RestrictNamespaces"),
        restrict_realtime: on("RestrictRealtime"),
        restrict_set_id: on("RestrictSUIDSGID"),
        memory_deny_write_execute: on("MemoryDenyWriteExecute"),
        lock_personality: on("LockPersonality"),
        protect_clock: on("ProtectClock"),
        protect_hostname: on("ProtectHostname"),
        protect_tunables: on("ProtectKernelTunables"),
        protect_modules: on("ProtectKernelModules"),
        protect_logs: on("ProtectKernelLogs"),
        private_devices: on("PrivateDevices"),
    }
}

fn call_list((permits, names): (bool, &[String])) -> CallList {
    let calls = names.iter().map(|entry| match entry.split_once(':') {
        Some((name, "kill")) => (name.to_owned(), Some(CallAction::Kill)),
        Some((name, error)) => {
            // It was checked when it was read.
            let error = parse_errno(error).ok().map(CallAction::Errno);
            (name.to_owned(), error)
        }
        None => (entry.clone(), None),
    });
    CallList {
        permits,
        calls: calls.collect(),
    }
}

fn family_list((permits, names): (bool, &[String])) -> FamilyList {
    let numbers = names.iter().filter_map(|name| address_family(name));
    FamilyList {
        permits,
        families: numbers.collect(),
    }
}

/// PER_LINUX, or PER_LINUX32 for the 32-bit architectures of the same kernel.
fn personality(architecture: &str) -> Option<u32> {
    match architecture {
        "x86-64" | "arm64" | "ppc64" | "ppc64-le" | "s390x" => Some(0),
        "x86" | "arm" | "ppc" | "ppc-le" | "s390" => Some(8),
        _ => None,
    }
}
