//! Files of version 1 (Documentation/admin-guide/cgroup-v1), as far as it has the limits.

use super::super::controller::{Controller, Version};
use super::unified::{chosen, note_period};
use super::{Planner, Write, one, quota, set_text};
use crate::unit::config::DeviceLimit;

/// Adds the writes of all controllers that are in version 1.
pub(super) fn add(planner: &mut Planner<'_>) {
    if planner.is(Controller::Cpu, Version::One) {
        cpu(planner);
    }
    if planner.is(Controller::CpuSet, Version::One) {
        processors(planner);
    }
    if planner.is(Controller::Memory, Version::One) {
        memory(planner);
    }
    // The share of all tasks that units have by default is not worth a move of each process.
    let said = planner.config.says_tasks_max;
    if said && planner.is(Controller::Tasks, Version::One) {
        let most = planner.config.tasks_max.filter(|most| *most != u64::MAX);
        if let Some(most) = most {
            let file = ("pids.max", "max");
            planner.write("TasksMax", Controller::Tasks, file, most.to_string());
        }
    }
    if planner.is(Controller::Io, Version::One) {
        io(planner);
    }
}

fn cpu(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let cpu = &planner.config.cpu;
    let weight = chosen(&cpu.weight, startup, ("CPUWeight", "StartupCPUWeight"));
    let shares = chosen(&cpu.shares, startup, ("CPUShares", "StartupCPUShares"));
    let file = ("cpu.shares", "1024");
    match (weight, shares) {
        (Some((directive, weight)), shares) => {
            // A weight of 100 is 1024 shares; `idle` (0) the least there are.
            let number = (weight * 1024 / 100).clamp(2, 262_144);
            planner.write(directive, Controller::Cpu, file, number.to_string());
            if *weight == 0 {
                planner.reduced(
                    directive,
                    "to the smallest share: cgroup v1 has no idle groups",
                );
            }
            if let Some((directive, _)) = shares {
                planner.missed(directive, "CPUWeight= is set, too");
            }
        }
        (None, Some((directive, shares))) => {
            planner.write(directive, Controller::Cpu, file, shares.to_string());
        }
        (None, None) => {}
    }
    if let Some(per_second) = cpu.quota {
        let (length, period) = quota(per_second, cpu.period);
        let file = ("cpu.cfs_period_us", "100000");
        planner.write("CPUQuota", Controller::Cpu, file, period.to_string());
        let file = ("cpu.cfs_quota_us", "-1");
        planner.write("CPUQuota", Controller::Cpu, file, length.to_string());
        note_period(planner, period);
    }
}

fn processors(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let cpu = &planner.config.cpu;
    let nodes = ("AllowedMemoryNodes", "StartupAllowedMemoryNodes");
    let sets = [
        (
            &cpu.allowed,
            ("AllowedCPUs", "StartupAllowedCPUs"),
            "cpuset.cpus",
        ),
        (&cpu.nodes, nodes, "cpuset.mems"),
    ];
    for (set, names, file) in sets {
        if let Some((directive, bits)) = chosen(set, startup, names) {
            planner.write(directive, Controller::CpuSet, (file, ""), set_text(bits));
        }
    }
}

const NO_SUCH_LIMIT: &str = "cgroup v1 has no such limit";

fn memory(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let memory = &planner.config.memory;
    for (controller, directive) in super::settings(planner.config) {
        let served = [
            "MemoryMax",
            "StartupMemoryMax",
            "MemorySwapMax",
            "StartupMemorySwapMax",
            "MemoryLimit",
            "MemoryAccounting",
        ];
        if controller == Controller::Memory && !served.contains(&directive) {
            planner.missed(directive, NO_SUCH_LIMIT);
        }
    }
    let max = chosen(&memory.max, startup, ("MemoryMax", "StartupMemoryMax"));
    if max.is_some() && memory.limit.is_some() {
        planner.missed("MemoryLimit", "MemoryMax= is set, too");
    }
    let max = max.or(memory.limit.as_ref().map(|limit| ("MemoryLimit", limit)));
    let max = max.filter(|(_, limit)| **limit != u64::MAX);
    if let Some((directive, limit)) = max {
        let file = ("memory.limit_in_bytes", "-1");
        planner.write(directive, Controller::Memory, file, limit.to_string());
    }
    let swap = chosen(
        &memory.swap_max,
        startup,
        ("MemorySwapMax", "StartupMemorySwapMax"),
    );
    match (swap, max) {
        (Some((_, &u64::MAX)) | None, _) => {}
        // Memory and swap have one limit together.
        (Some((directive, swap)), Some((_, limit))) => {
            let both = limit.saturating_add(*swap).min(i64::MAX.unsigned_abs());
            let file = ("memory.memsw.limit_in_bytes", "-1");
            planner.write(directive, Controller::Memory, file, both.to_string());
        }
        (Some((directive, _)), None) => {
            let why = "cgroup v1 limits swap only together with memory, and MemoryMax= is not set";
            planner.missed(directive, why);
        }
    }
}

fn io(planner: &mut Planner<'_>) {
    let startup = planner.ground.startup;
    let io = &planner.config.io;
    let today = io.any_of_today();
    let weight = match today {
        // 500 is to old weights what 100 is to new ones.
        true => chosen(&io.weight, startup, ("IOWeight", "StartupIOWeight"))
            .map(|(directive, weight)| (directive, (weight * 5).clamp(10, 1000))),
        false => chosen(
            &io.block_weight,
            startup,
            ("BlockIOWeight", "StartupBlockIOWeight"),
        )
        .map(|(directive, weight)| (directive, *weight)),
    };
    if let Some((directive, weight)) = weight {
        let value = weight.to_string();
        planner.plan.writes.push(Write {
            otherwise: Some(("blkio.bfq.weight", value.clone())),
            directive,
            ..one(Controller::Io, ("blkio.weight", "500"), value)
        });
    }
    let (directive, weights, factor) = match today {
        true => ("IODeviceWeight", &io.device_weights, 5),
        false => ("BlockIODeviceWeight", &io.block_device_weights, 1),
    };
    planner.for_devices(directive, weights, |weight| {
        let value = (weight * factor).clamp(10, 1000).to_string();
        Write {
            otherwise: Some(("blkio.bfq.weight_device", value.clone())),
            ..one(Controller::Io, ("blkio.weight_device", "0"), value)
        }
    });
    throttle(planner, today);
    if !io.latency.is_empty() {
        planner.missed("IODeviceLatencyTargetSec", NO_SUCH_LIMIT);
    }
    if today && io.any_of_old() {
        for (_, directive) in super::settings(planner.config) {
            if directive.contains("BlockIO") {
                planner.missed(directive, "IOWeight= or its kin are set, too");
            }
        }
    }
}

fn throttle(planner: &mut Planner<'_>, today: bool) {
    const READ_BYTES: &str = "blkio.throttle.read_bps_device";
    const WRITE_BYTES: &str = "blkio.throttle.write_bps_device";
    let io = &planner.config.io;
    let lists: &[(&'static str, &[DeviceLimit], &'static str)] = match today {
        true => &[
            ("IOReadBandwidthMax", &io.read_bytes, READ_BYTES),
            ("IOWriteBandwidthMax", &io.write_bytes, WRITE_BYTES),
            (
                "IOReadIOPSMax",
                &io.read_operations,
                "blkio.throttle.read_iops_device",
            ),
            (
                "IOWriteIOPSMax",
                &io.write_operations,
                "blkio.throttle.write_iops_device",
            ),
        ],
        false => &[
            ("BlockIOReadBandwidth", &io.block_read_bytes, READ_BYTES),
            ("BlockIOWriteBandwidth", &io.block_write_bytes, WRITE_BYTES),
        ],
    };
    for (directive, list, file) in lists {
        planner.for_devices(directive, list, |number| {
            // 0 is none.
            let number = if number == u64::MAX { 0 } else { number };
            one(Controller::Io, (file, "0"), number.to_string())
        });
    }
}
