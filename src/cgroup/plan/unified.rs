//! Files of version 2 (Documentation/admin-guide/cgroup-v2.rst).

use super::super::controller::{Controller, Version};
use super::{Planner, Write, one, quota, set_text};
use crate::unit::config::{DeviceLimit, Phased};

/// Adds the writes of all controllers that are in version 2.
pub(super) fn add(planner: &mut Planner<'_>) {
    if planner.is(Controller::Cpu, Version::Two) {
        cpu(planner);
    }
    if planner.is(Controller::CpuSet, Version::Two) {
        processors(planner);
    }
    if planner.is(Controller::Memory, Version::Two) {
        memory(planner);
    }
    if planner.is(Controller::Tasks, Version::Two) {
        let said = planner.config.tasks_max;
        if let Some(most) = said.filter(|most| *most != u64::MAX) {
            let file = ("pids.max", "max");
            planner.write("TasksMax", Controller::Tasks, file, most.to_string());
        }
    }
    if planner.is(Controller::Io, Version::Two) {
        io(planner);
    }
}

/// The value that counts, with the name of the directive that says it.
pub(super) fn chosen<'a, T>(
    value: &'a Phased<T>,
    startup: bool,
    names: (&'static str, &'static str),
) -> Option<(&'static str, &'a T)> {
    let (value, of_startup) = value.during(startup)?;
    Some((if of_startup { names.1 } else { names.0 }, value))
}

const CPU_WEIGHT: (&str, &str) = ("CPUWeight", "StartupCPUWeight");
const CPU_SHARES: (&str, &str) = ("CPUShares", "StartupCPUShares");

fn cpu(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let cpu = &planner.config.cpu;
    let shares = chosen(&cpu.shares, startup, CPU_SHARES);
    match (chosen(&cpu.weight, startup, CPU_WEIGHT), shares) {
        (Some((directive, 0)), _) => {
            let file = ("cpu.idle", "0");
            planner.write(directive, Controller::Cpu, file, "1".to_owned());
        }
        (Some((directive, weight)), shares) => {
            let file = ("cpu.weight", "100");
            planner.write(directive, Controller::Cpu, file, weight.to_string());
            if let Some((directive, _)) = shares {
                planner.missed(directive, "CPUWeight= is set, too");
            }
        }
        (None, Some((directive, shares))) => {
            // 1024 shares are a weight of 100.
            let weight = (shares * 100 / 1024).clamp(1, 10_000);
            let file = ("cpu.weight", "100");
            planner.write(directive, Controller::Cpu, file, weight.to_string());
            planner.reduced(directive, format!("as CPUWeight={weight}"));
        }
        (None, None) => {}
    }
    if let Some(per_second) = cpu.quota {
        let (length, period) = quota(per_second, cpu.period);
        let file = ("cpu.max", "max 100000");
        let value = format!("{length} {period}");
        planner.write("CPUQuota", Controller::Cpu, file, value);
        note_period(planner, period);
    }
}

/// CPUQuotaPeriodSec= that the kernel does not take as it is.
pub(super) fn note_period(planner: &mut Planner<'_>, period: u64) {
    let asked = planner.config.cpu.period;
    if asked.is_some_and(|asked| asked != period) {
        let how = format!("to {period} us, the nearest that the kernel takes");
        planner.reduced("CPUQuotaPeriodSec", how);
    }
}

fn processors(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let cpu = &planner.config.cpu;
    let sets = [
        (
            &cpu.allowed,
            ("AllowedCPUs", "StartupAllowedCPUs"),
            "cpuset.cpus",
        ),
        (
            &cpu.nodes,
            ("AllowedMemoryNodes", "StartupAllowedMemoryNodes"),
            "cpuset.mems",
        ),
    ];
    for (set, names, file) in sets {
        if let Some((directive, bits)) = chosen(set, startup, names) {
            planner.write(directive, Controller::CpuSet, (file, ""), set_text(bits));
        }
    }
}

/// Bytes as the kernel takes them.
fn bytes(number: u64) -> String {
    match number {
        u64::MAX => "max".to_owned(),
        number => number.to_string(),
    }
}

fn memory(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let memory = &planner.config.memory;
    let above = planner.ground.above;
    // The nearest slice with a default of its own says what units without a value have.
    let min = memory.min.or_else(|| {
        let mut defaults = above.iter().filter_map(|slice| slice.memory.default_min);
        defaults.next()
    });
    let low = chosen(&memory.low, startup, ("MemoryLow", "StartupMemoryLow")).or_else(|| {
        let names = ("DefaultMemoryLow", "DefaultStartupMemoryLow");
        let mut slices = above.iter();
        slices.find_map(|slice| chosen(&slice.memory.default_low, startup, names))
    });
    let limits = [
        (
            &memory.high,
            ("MemoryHigh", "StartupMemoryHigh"),
            "memory.high",
        ),
        (&memory.max, ("MemoryMax", "StartupMemoryMax"), "memory.max"),
        (
            &memory.swap_max,
            ("MemorySwapMax", "StartupMemorySwapMax"),
            "memory.swap.max",
        ),
        (
            &memory.zswap_max,
            ("MemoryZSwapMax", "StartupMemoryZSwapMax"),
            "memory.zswap.max",
        ),
    ];
    let mut put = |directive, file, value| {
        planner.write(directive, Controller::Memory, file, value);
    };
    if let Some(min) = min {
        put("MemoryMin", ("memory.min", "0"), bytes(min));
    }
    if let Some((directive, low)) = low {
        put(directive, ("memory.low", "0"), bytes(*low));
    }
    for (limit, names, file) in limits {
        if let Some((directive, limit)) = chosen(limit, startup, names) {
            put(directive, (file, "max"), bytes(*limit));
        }
    }
    if let Some(writeback) = memory.zswap_writeback {
        let value = if writeback { "1" } else { "0" };
        let file = ("memory.zswap.writeback", "1");
        put("MemoryZSwapWriteback", file, value.to_owned());
    }
    if let Some(limit) = memory.limit {
        limit_of_old(planner, limit);
    }
}

/// MemoryLimit= counts where none of today's limits is set.
fn limit_of_old(planner: &mut Planner<'_>, limit: u64) {
    let memory = &planner.config.memory;
    let today = memory.min.is_some()
        || [&memory.low, &memory.high, &memory.max, &memory.swap_max]
            .iter()
            .any(|limit| limit.is_set());
    if today {
        return planner.missed("MemoryLimit", "MemoryMax= or its kin are set, too");
    }
    let file = ("memory.max", "max");
    planner.write("MemoryLimit", Controller::Memory, file, bytes(limit));
}

const IO_WEIGHT: (&str, &str) = ("IOWeight", "StartupIOWeight");
const BLOCK_WEIGHT: (&str, &str) = ("BlockIOWeight", "StartupBlockIOWeight");

fn io(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let io = &planner.config.io;
    let today = io.any_of_today();
    if today && io.any_of_old() {
        for (_, directive) in super::settings(planner.config) {
            if directive.contains("BlockIO") {
                planner.missed(directive, "IOWeight= or its kin are set, too");
            }
        }
    }
    let old = if today {
        None
    } else {
        chosen(&io.block_weight, startup, BLOCK_WEIGHT)
    };
    // 500 is to old weights what 100 is to new ones.
    let old = old.map(|(directive, weight)| (directive, (weight / 5).clamp(1, 10_000)));
    let weight = chosen(&io.weight, startup, IO_WEIGHT);
    let weight = weight
        .map(|(directive, weight)| (directive, *weight))
        .or(old);
    if let Some((directive, weight)) = weight {
        let value = format!("default {weight}");
        planner.plan.writes.push(Write {
            otherwise: Some(("io.bfq.weight", bfq(weight).to_string())),
            directive,
            ..one(Controller::Io, ("io.weight", "default 100"), value)
        });
    }
    device_weights(planner, today);
    most(planner, today);
    planner.for_devices("IODeviceLatencyTargetSec", &io.latency, |micros| {
        let value = format!("target={micros}");
        one(Controller::Io, ("io.latency", "target=0"), value)
    });
}

/// The scheduler BFQ has weights up to 1000.
fn bfq(weight: u64) -> u64 {
    match weight {
        0..=100 => weight.max(1),
        _ => (100 + (weight - 100) * 900 / 9900).min(1000),
    }
}

fn device_weights(planner: &mut Planner<'_>, today: bool) {
    let io = &planner.config.io;
    let mut lists = vec![("IODeviceWeight", &io.device_weights, 1)];
    if !today {
        lists.push(("BlockIODeviceWeight", &io.block_device_weights, 5));
    }
    for (directive, list, divisor) in lists {
        planner.for_devices(directive, list, |weight| {
            let weight = (weight / divisor).max(1);
            Write {
                otherwise: Some(("io.bfq.weight", bfq(weight).to_string())),
                ..one(Controller::Io, ("io.weight", "default"), weight.to_string())
            }
        });
    }
}

fn most(planner: &mut Planner<'_>, today: bool) {
    type List<'a> = (&'static str, &'a [DeviceLimit], &'static str, &'static str);
    let io = &planner.config.io;
    let mut lists: Vec<List<'_>> = vec![
        ("IOReadBandwidthMax", &io.read_bytes, "rbps", "rbps=max"),
        ("IOWriteBandwidthMax", &io.write_bytes, "wbps", "wbps=max"),
        ("IOReadIOPSMax", &io.read_operations, "riops", "riops=max"),
        ("IOWriteIOPSMax", &io.write_operations, "wiops", "wiops=max"),
    ];
    if !today {
        lists.push((
            "BlockIOReadBandwidth",
            &io.block_read_bytes,
            "rbps",
            "rbps=max",
        ));
        lists.push((
            "BlockIOWriteBandwidth",
            &io.block_write_bytes,
            "wbps",
            "wbps=max",
        ));
    }
    for (directive, list, key, reset) in lists {
        planner.for_devices(directive, list, |number| {
            let value = format!("{key}={}", bytes(number));
            one(Controller::Io, ("io.max", reset), value)
        });
    }
}
