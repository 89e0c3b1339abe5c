//! The control group of a unit, made from settings as they are shown, once all files are read
//! and everything implied is known.

use super::sandbox::{Written, pair};
use crate::unit::config::{
    Accounting, BindRule, CpuLimits, DeviceLimit, DevicePolicy, Interfaces, IoLimits, MemoryLimits,
    NetworkAccess, Phased, Prefix, PressureWatch, ResourceConfig, UnitConfig,
};
use crate::unit::directive::PropertyValue;
use crate::unit::name::UnitName;
// From core: a value that knows nothing of the network.
use core::net::IpAddr;

/// Makes the part of the configuration that is about the control group.
pub(super) fn settle(config: &mut UnitConfig) {
    let written = Written(&config.written);
    let delegates = written.switch("Delegate") == Some(true);
    let resource = ResourceConfig {
        slice: written
            .text("Slice")
            .and_then(|slice| UnitName::parse(slice).ok()),
        accounting: accounting(&written),
        cpu: cpu(&written),
        memory: memory(&written),
        io: io(&written),
        tasks_max: written.unsigned("TasksMax"),
        says_tasks_max: config.requested.contains("TasksMax"),
        delegate: delegates.then(|| written.list("DelegateControllers").to_vec()),
        delegate_subgroup: written.text("DelegateSubgroup").map(str::to_owned),
        disabled: written.list("DisableControllers").to_vec(),
        device_policy: match written.text("DevicePolicy") {
            Some("closed") => DevicePolicy::Closed,
            Some("strict") => DevicePolicy::Strict,
            Some(_) | None => DevicePolicy::Auto,
        },
        device_allow: written.rows("DeviceAllow").filter_map(pair).collect(),
        network: network(&written),
        pressure_watch: match written.text("MemoryPressureWatch") {
            Some("auto") => PressureWatch::Auto,
            Some("yes") => PressureWatch::On,
            Some("no") => PressureWatch::Off,
            Some("skip") => PressureWatch::Skip,
            Some(_) | None => PressureWatch::Unsaid,
        },
        pressure_threshold: written.unsigned("MemoryPressureThresholdUSec"),
    };
    config.resource = resource.into();
}

fn accounting(written: &Written<'_>) -> Accounting {
    Accounting {
        cpu: written.switch("CPUAccounting"),
        memory: written.switch("MemoryAccounting"),
        tasks: written.switch("TasksAccounting"),
        io: written
            .switch("IOAccounting")
            .or(written.switch("BlockIOAccounting")),
        ip: written.switch("IPAccounting"),
    }
}

fn cpu(written: &Written<'_>) -> CpuLimits {
    let set = |normal: &str, startup: &str| {
        let bits = |name| Some(written.bytes(name)).filter(|bits| !bits.is_empty());
        Phased {
            normal: bits(normal),
            startup: bits(startup),
        }
    };
    CpuLimits {
        weight: weight(written, "CPUWeight", "StartupCPUWeight"),
        shares: weight(written, "CPUShares", "StartupCPUShares"),
        // 2^64-1 is no quota; the period without one means nothing.
        quota: limit(written, "CPUQuotaPerSecUSec"),
        period: limit(written, "CPUQuotaPeriodUSec"),
        allowed: set("AllowedCPUs", "StartupAllowedCPUs"),
        nodes: set("AllowedMemoryNodes", "StartupAllowedMemoryNodes"),
    }
}

fn memory(written: &Written<'_>) -> MemoryLimits {
    let phased = |normal: &str, startup: &str| Phased {
        normal: written.unsigned(normal),
        startup: written.unsigned(startup),
    };
    MemoryLimits {
        min: written.unsigned("MemoryMin"),
        low: phased("MemoryLow", "StartupMemoryLow"),
        default_min: written.unsigned("DefaultMemoryMin"),
        default_low: phased("DefaultMemoryLow", "DefaultStartupMemoryLow"),
        high: phased("MemoryHigh", "StartupMemoryHigh"),
        max: phased("MemoryMax", "StartupMemoryMax"),
        swap_max: phased("MemorySwapMax", "StartupMemorySwapMax"),
        zswap_max: phased("MemoryZSwapMax", "StartupMemoryZSwapMax"),
        zswap_writeback: written.switch("MemoryZSwapWriteback"),
        limit: written.unsigned("MemoryLimit"),
    }
}

fn io(written: &Written<'_>) -> IoLimits {
    IoLimits {
        weight: weight(written, "IOWeight", "StartupIOWeight"),
        device_weights: devices(written, "IODeviceWeight"),
        read_bytes: devices(written, "IOReadBandwidthMax"),
        write_bytes: devices(written, "IOWriteBandwidthMax"),
        read_operations: devices(written, "IOReadIOPSMax"),
        write_operations: devices(written, "IOWriteIOPSMax"),
        latency: devices(written, "IODeviceLatencyTargetUSec"),
        block_weight: weight(written, "BlockIOWeight", "StartupBlockIOWeight"),
        block_device_weights: devices(written, "BlockIODeviceWeight"),
        block_read_bytes: devices(written, "BlockIOReadBandwidth"),
        block_write_bytes: devices(written, "BlockIOWriteBandwidth"),
    }
}

fn network(written: &Written<'_>) -> NetworkAccess {
    let prefixes = |property| written.rows(property).filter_map(prefix).collect();
    let binds = |property| written.rows(property).filter_map(bind_rule).collect();
    // Nothing left of a list is no list.
    let interfaces = written.filter("RestrictNetworkInterfaces");
    let interfaces = interfaces.filter(|(_, names)| !names.is_empty());
    NetworkAccess {
        allow: prefixes("IPAddressAllow"),
        deny: prefixes("IPAddressDeny"),
        bind_allow: binds("SocketBindAllow"),
        bind_deny: binds("SocketBindDeny"),
        interfaces: interfaces.map(|(permits, names)| Interfaces {
            permits,
            names: names.to_vec(),
        }),
    }
}

/// Family, address, length.
fn prefix(fields: &[PropertyValue]) -> Option<Prefix> {
    let [_, PropertyValue::Bytes(bytes), PropertyValue::U32(length)] = fields else {
        return None;
    };
    let four = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
    let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from);
    Some(Prefix {
        address: four.or(sixteen).ok()?,
        length: u8::try_from(*length).ok()?,
    })
}

/// Family and protocol, 0 for any; number of ports, 0 for all, and the first.
fn bind_rule(fields: &[PropertyValue]) -> Option<BindRule> {
    let [
        PropertyValue::I32(family),
        PropertyValue::I32(protocol),
        PropertyValue::U32(count),
        PropertyValue::U32(first),
    ] = fields
    else {
        return None;
    };
    let number = |number: i32| u8::try_from(number).ok().filter(|number| *number != 0);
    let first = u16::try_from(*first).ok()?;
    let last = u16::try_from(u32::from(first) + count.saturating_sub(1)).ok()?;
    Some(BindRule {
        family: number(*family),
        protocol: number(*protocol),
        ports: (*count != 0).then_some((first, last)),
    })
}

fn weight(written: &Written<'_>, normal: &str, startup: &str) -> Phased<u64> {
    Phased {
        normal: limit(written, normal),
        startup: limit(written, startup),
    }
}

/// A number that 2^64-1 means the absence of.
fn limit(written: &Written<'_>, property: &str) -> Option<u64> {
    written
        .unsigned(property)
        .filter(|number| *number != u64::MAX)
}

/// In the order they were written: a device that is named twice has the last value.
fn devices(written: &Written<'_>, property: &str) -> Vec<DeviceLimit> {
    let entry = |fields: &[PropertyValue]| match fields {
        [PropertyValue::String(path), PropertyValue::U64(number)] => Some((path.clone(), *number)),
        _ => None,
    };
    // They are shown the other way round.
    let mut list: Vec<DeviceLimit> = written.rows(property).filter_map(entry).collect();
    list.reverse();
    list
}
