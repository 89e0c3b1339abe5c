//! From the limits of a unit to what is written into files of its control groups. Pure.
//!
//! A plan says what the group of one unit gets beyond the kernel's defaults: each write names
//! the directive it is for and how it is taken back. What the machine has no file for becomes a
//! finding; nothing is dropped in silence.

mod legacy;
#[cfg(test)]
mod tests;
mod unified;

use super::controller::{Controller, Version};
use crate::unit::config::{DeviceLimit, ResourceConfig};
use std::collections::{BTreeMap, BTreeSet};

/// What plans are made for.
pub struct Ground<'a> {
    /// Where each controller is that can be used.
    pub versions: &'a BTreeMap<Controller, Version>,
    /// Why the others cannot.
    pub absent: &'a str,
    /// The manager starts or stops: StartupCPUWeight= and its kin count.
    pub startup: bool,
    /// The slices the unit is in, the innermost first.
    pub above: &'a [&'a ResourceConfig],
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// In the group of this controller.
    pub controller: Controller,
    /// The file.
    pub file: &'static str,
    /// A path that is a block device or lies on one, where a file has values for several.
    pub device: Option<String>,
    /// What is written, behind the number of the device.
    pub value: String,
    /// What takes it back.
    pub reset: &'static str,
    /// A file, and a value, for kernels without the first one.
    pub otherwise: Option<(&'static str, String)>,
    /// What asks for it.
    pub directive: &'static str,
}

impl Write {
    /// Whether two writes replace each other.
    pub fn replaces(&self, other: &Write) -> bool {
        let key = |write: &Write| (write.controller, write.file, write.reset);
        key(self) == key(other) && self.device == other.device
    }

    /// The write that takes this one back.
    pub fn undone(&self) -> Write {
        let otherwise = self.otherwise.as_ref();
        Write {
            value: self.reset.to_owned(),
            otherwise: otherwise.map(|(file, _)| (*file, self.reset.to_owned())),
            ..self.clone()
        }
    }
}

/// What became of a directive, if it is not applied as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The directive.
    pub directive: &'static str,
    /// Why, or how it was reduced.
    pub reason: String,
    /// It is applied in part.
    pub reduced: bool,
}

/// Everything that the group of a unit gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Controllers that the group needs, for limits, to count, or to hand them over.
    pub needed: BTreeSet<Controller>,
    /// In this order.
    pub writes: Vec<Write>,
    /// What is not, or not wholly, applied.
    pub findings: Vec<Finding>,
}

impl Plan {
    /// Whether nothing is to be done for it.
    pub fn asks_nothing(&self) -> bool {
        self.needed.is_empty() && self.writes.is_empty()
    }
}

/// Makes the plan of a unit.
pub fn plan(config: &ResourceConfig, ground: &Ground<'_>) -> Plan {
    let mut planner = Planner {
        config,
        ground,
        disabled: disabled(ground.above),
        plan: Plan::default(),
    };
    planner.note_absent();
    unified::add(&mut planner);
    legacy::add(&mut planner);
    planner.add_needed();
    planner.plan
}

/// What the slices above keep away from the units in them.
fn disabled(above: &[&ResourceConfig]) -> BTreeSet<Controller> {
    let names = above.iter().flat_map(|config| &config.disabled);
    names.filter_map(|name| Controller::named(name)).collect()
}

struct Planner<'a> {
    config: &'a ResourceConfig,
    ground: &'a Ground<'a>,
    disabled: BTreeSet<Controller>,
    plan: Plan,
}

impl Planner<'_> {
    fn version(&self, controller: Controller) -> Option<Version> {
        if self.disabled.contains(&controller) {
            return None;
        }
        self.ground.versions.get(&controller).copied()
    }

    fn is(&self, controller: Controller, version: Version) -> bool {
        self.version(controller) == Some(version)
    }

    /// A directive is not applied.
    fn missed(&mut self, directive: &'static str, reason: impl Into<String>) {
        self.plan.findings.push(Finding {
            directive,
            reason: reason.into(),
            reduced: false,
        });
    }

    /// A directive is applied in part.
    fn reduced(&mut self, directive: &'static str, how: impl Into<String>) {
        self.plan.findings.push(Finding {
            directive,
            reason: how.into(),
            reduced: true,
        });
    }

    fn write(
        &mut self,
        directive: &'static str,
        controller: Controller,
        (file, reset): (&'static str, &'static str),
        value: String,
    ) {
        self.plan.writes.push(Write {
            directive,
            ..one(controller, (file, reset), value)
        });
    }

    /// Settings whose controller cannot be used.
    fn note_absent(&mut self) {
        for (controller, directive) in settings(self.config) {
            if self.version(controller).is_some() {
                continue;
            }
            let reason = match self.disabled.contains(&controller) {
                true => "DisableControllers= of its slice",
                false => self.ground.absent,
            };
            let name = controller
                .unified_name()
                .unwrap_or(controller.legacy_name());
            self.missed(directive, format!("controller {name}: {reason}"));
        }
    }

    /// A write for each device of a list, with its last value.
    fn for_devices(
        &mut self,
        directive: &'static str,
        list: &[DeviceLimit],
        write: impl Fn(u64) -> Write,
    ) {
        let last: BTreeMap<&String, u64> = list.iter().map(|(path, n)| (path, *n)).collect();
        for (path, number) in last {
            self.plan.writes.push(Write {
                device: Some(path.clone()),
                directive,
                ..write(number)
            });
        }
    }

    /// Controllers for the limits, those that are handed over, and those that only count.
    fn add_needed(&mut self) {
        let config = self.config;
        let writes = self.plan.writes.iter().map(|write| write.controller);
        let mut needed: BTreeSet<Controller> = writes.collect();
        let accounting = config.accounting;
        let count = [
            (
                Controller::Memory,
                accounting.counts_memory(),
                accounting.memory,
            ),
            (
                Controller::Tasks,
                accounting.counts_tasks(),
                accounting.tasks,
            ),
            (Controller::Io, accounting.counts_io(), accounting.io),
            (Controller::CpuAccounting, false, accounting.cpu),
        ];
        for (controller, counts, said) in count {
            // A group of version 1 costs every process a move: only where it was asked for.
            let counts = match self.version(controller) {
                Some(Version::Two) => counts,
                Some(Version::One) => said == Some(true),
                None => false,
            };
            if counts {
                needed.insert(controller);
            }
        }
        let delegated = config.delegate.iter().flatten();
        for controller in delegated.filter_map(|name| Controller::named(name)) {
            if self.is(controller, Version::Two) {
                needed.insert(controller);
            }
        }
        // What limits a slice of version 1 only limits those that are in its group.
        for above in self.ground.above {
            let limits = settings(above)
                .into_iter()
                .map(|(controller, _)| controller);
            let limits: Vec<_> = limits.filter(|c| self.is(*c, Version::One)).collect();
            needed.extend(limits);
        }
        self.plan.needed = needed;
    }
}

/// A write that nothing asks for yet.
fn one(
    controller: Controller,
    (file, reset): (&'static str, &'static str),
    value: String,
) -> Write {
    Write {
        controller,
        file,
        device: None,
        value,
        reset,
        otherwise: None,
        directive: "",
    }
}

/// The settings of a unit that need a controller, each with it.
fn settings(config: &ResourceConfig) -> Vec<(Controller, &'static str)> {
    use Controller::{Cpu, CpuSet, Io, Memory, Tasks};
    let (cpu, memory, io) = (&config.cpu, &config.memory, &config.io);
    let all = [
        (Cpu, "CPUWeight", cpu.weight.normal.is_some()),
        (Cpu, "StartupCPUWeight", cpu.weight.startup.is_some()),
        (Cpu, "CPUShares", cpu.shares.normal.is_some()),
        (Cpu, "StartupCPUShares", cpu.shares.startup.is_some()),
        (Cpu, "CPUQuota", cpu.quota.is_some()),
        (Cpu, "CPUQuotaPeriodSec", cpu.period.is_some()),
        (CpuSet, "AllowedCPUs", cpu.allowed.normal.is_some()),
        (CpuSet, "StartupAllowedCPUs", cpu.allowed.startup.is_some()),
        (CpuSet, "AllowedMemoryNodes", cpu.nodes.normal.is_some()),
        (
            CpuSet,
            "StartupAllowedMemoryNodes",
            cpu.nodes.startup.is_some(),
        ),
        (
            Memory,
            "MemoryAccounting",
            config.accounting.memory == Some(true),
        ),
        (Memory, "MemoryMin", memory.min.is_some()),
        (Memory, "MemoryLow", memory.low.normal.is_some()),
        (Memory, "StartupMemoryLow", memory.low.startup.is_some()),
        (Memory, "DefaultMemoryMin", memory.default_min.is_some()),
        (
            Memory,
            "DefaultMemoryLow",
            memory.default_low.normal.is_some(),
        ),
        (
            Memory,
            "DefaultStartupMemoryLow",
            memory.default_low.startup.is_some(),
        ),
        (Memory, "MemoryHigh", memory.high.normal.is_some()),
        (Memory, "StartupMemoryHigh", memory.high.startup.is_some()),
        (Memory, "MemoryMax", memory.max.normal.is_some()),
        (Memory, "StartupMemoryMax", memory.max.startup.is_some()),
        (Memory, "MemorySwapMax", memory.swap_max.normal.is_some()),
        (
            Memory,
            "StartupMemorySwapMax",
            memory.swap_max.startup.is_some(),
        ),
        (Memory, "MemoryZSwapMax", memory.zswap_max.normal.is_some()),
        (
            Memory,
            "StartupMemoryZSwapMax",
            memory.zswap_max.startup.is_some(),
        ),
        (
            Memory,
            "MemoryZSwapWriteback",
            memory.zswap_writeback.is_some(),
        ),
        (Memory, "MemoryLimit", memory.limit.is_some()),
        (Tasks, "TasksMax", config.says_tasks_max),
        (Io, "IOAccounting", config.accounting.io == Some(true)),
        (Io, "IOWeight", io.weight.normal.is_some()),
        (Io, "StartupIOWeight", io.weight.startup.is_some()),
        (Io, "IODeviceWeight", !io.device_weights.is_empty()),
        (Io, "IOReadBandwidthMax", !io.read_bytes.is_empty()),
        (Io, "IOWriteBandwidthMax", !io.write_bytes.is_empty()),
        (Io, "IOReadIOPSMax", !io.read_operations.is_empty()),
        (Io, "IOWriteIOPSMax", !io.write_operations.is_empty()),
        (Io, "IODeviceLatencyTargetSec", !io.latency.is_empty()),
        (Io, "BlockIOWeight", io.block_weight.normal.is_some()),
        (
            Io,
            "StartupBlockIOWeight",
            io.block_weight.startup.is_some(),
        ),
        (
            Io,
            "BlockIODeviceWeight",
            !io.block_device_weights.is_empty(),
        ),
        (Io, "BlockIOReadBandwidth", !io.block_read_bytes.is_empty()),
        (
            Io,
            "BlockIOWriteBandwidth",
            !io.block_write_bytes.is_empty(),
        ),
    ];
    let set = all.into_iter().filter(|(_, _, set)| *set);
    set.map(|(controller, directive, _)| (controller, directive))
        .collect()
}

/// The length of a quota and of its period in microseconds: the kernel takes periods from a
/// millisecond to a second, and quotas from a millisecond on (sched-bwc.rst).
fn quota(per_second: u64, period: Option<u64>) -> (u64, u64) {
    const SECOND: u64 = 1_000_000;
    const LEAST: u64 = 1000;
    let per_second = per_second.max(1);
    let for_least = (LEAST * SECOND).div_ceil(per_second);
    let period = period
        .unwrap_or(100_000)
        .max(LEAST)
        .max(for_least)
        .min(SECOND);
    let length = u128::from(per_second) * u128::from(period) / u128::from(SECOND);
    let length = u64::try_from(length).unwrap_or(u64::MAX).max(LEAST);
    (length, period)
}

/// Bits as the kernel takes sets: `0-3,5`.
pub(in crate::cgroup) fn set_text(bits: &[u8]) -> String {
    let has = |n: usize| bits.get(n / 8).is_some_and(|byte| byte >> (n % 8) & 1 == 1);
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for n in (0..bits.len() * 8).filter(|n| has(*n)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            Some(_) | None => ranges.push((n, n)),
        }
    }
    let text = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The opposite of [`set_text`].
pub(in crate::cgroup) fn set_bits(text: &str) -> BTreeSet<u32> {
    let mut set = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            set.extend(first..=last.min(first.saturating_add(65_535)));
        }
    }
    set
}
