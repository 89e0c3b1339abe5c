//! systemd.resource-control(5): what the processes of a unit, or of the units of a slice, may
//! use. Kernel files and controllers are the business of `cgroup`.

use super::network::NetworkAccess;
use crate::unit::name::UnitName;

/// A value that may be another one while the manager starts and stops (StartupCPUWeight= ...).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phased<T> {
    /// As a rule.
    pub normal: Option<T>,
    /// Until the first jobs are done, and during the shutdown.
    pub startup: Option<T>,
}

impl<T> Default for Phased<T> {
    fn default() -> Phased<T> {
        Phased {
            normal: None,
            startup: None,
        }
    }
}

impl<T> Phased<T> {
    /// The value that counts, and whether it is that of the startup.
    pub fn during(&self, startup: bool) -> Option<(&T, bool)> {
        let own = self.startup.as_ref().filter(|_| startup);
        own.map(|value| (value, true))
            .or(self.normal.as_ref().map(|value| (value, false)))
    }

    /// Whether anything is said.
    pub fn is_set(&self) -> bool {
        self.normal.is_some() || self.startup.is_some()
    }
}

/// What is counted; `None` where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// CPUAccounting=.
    pub cpu: Option<bool>,
    /// MemoryAccounting=.
    pub memory: Option<bool>,
    /// TasksAccounting=.
    pub tasks: Option<bool>,
    /// IOAccounting=, or BlockIOAccounting= of old.
    pub io: Option<bool>,
    /// IPAccounting=.
    pub ip: Option<bool>,
}

impl Accounting {
    /// Whether memory is counted; yes unless switched off.
    pub fn counts_memory(self) -> bool {
        self.memory.unwrap_or(true)
    }

    /// Whether tasks are counted; yes unless switched off.
    pub fn counts_tasks(self) -> bool {
        self.tasks.unwrap_or(true)
    }

    /// Whether input and output are counted; no unless switched on.
    pub fn counts_io(self) -> bool {
        self.io.unwrap_or(false)
    }

    /// Whether traffic of the network is counted; no unless switched on.
    pub fn counts_ip(self) -> bool {
        self.ip.unwrap_or(false)
    }
}

/// Shares and limits of processor time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuLimits {
    /// CPUWeight=: 1 to 10000; 0 is `idle`.
    pub weight: Phased<u64>,
    /// CPUShares=: 2 to 262144.
    pub shares: Phased<u64>,
    /// CPUQuota=, in microseconds per second.
    pub quota: Option<u64>,
    /// CPUQuotaPeriodSec=, in microseconds.
    pub period: Option<u64>,
    /// AllowedCPUs=: bit n for processor n.
    pub allowed: Phased<Vec<u8>>,
    /// AllowedMemoryNodes=: bit n for node n.
    pub nodes: Phased<Vec<u8>>,
}

/// Protections and limits of memory, in bytes; `u64::MAX` is infinity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryLimits {
    /// MemoryMin=.
    pub min: Option<u64>,
    /// MemoryLow=.
    pub low: Phased<u64>,
    /// DefaultMemoryMin=: of the units below that say nothing.
    pub default_min: Option<u64>,
    /// DefaultMemoryLow=.
    pub default_low: Phased<u64>,
    /// MemoryHigh=.
    pub high: Phased<u64>,
    /// MemoryMax=.
    pub max: Phased<u64>,
    /// MemorySwapMax=.
    pub swap_max: Phased<u64>,
    /// MemoryZSwapMax=.
    pub zswap_max: Phased<u64>,
    /// MemoryZSwapWriteback=.
    pub zswap_writeback: Option<bool>,
    /// MemoryLimit=, the limit of old.
    pub limit: Option<u64>,
}

/// A path, and a number for the block device that it is or lies on.
pub type DeviceLimit = (String, u64);

/// Shares and limits of block devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IoLimits {
    /// IOWeight=: 1 to 10000.
    pub weight: Phased<u64>,
    /// IODeviceWeight=.
    pub device_weights: Vec<DeviceLimit>,
    /// IOReadBandwidthMax=, in bytes per second.
    pub read_bytes: Vec<DeviceLimit>,
    /// IOWriteBandwidthMax=.
    pub write_bytes: Vec<DeviceLimit>,
    /// IOReadIOPSMax=.
    pub read_operations: Vec<DeviceLimit>,
    /// IOWriteIOPSMax=.
    pub write_operations: Vec<DeviceLimit>,
    /// IODeviceLatencyTargetSec=, in microseconds.
    pub latency: Vec<DeviceLimit>,
    /// BlockIOWeight=, the weight of old: 10 to 1000.
    pub block_weight: Phased<u64>,
    /// BlockIODeviceWeight=.
    pub block_device_weights: Vec<DeviceLimit>,
    /// BlockIOReadBandwidth=.
    pub block_read_bytes: Vec<DeviceLimit>,
    /// BlockIOWriteBandwidth=.
    pub block_write_bytes: Vec<DeviceLimit>,
}

impl IoLimits {
    /// Whether a setting that is not one of old is there: those of old count only without.
    pub fn any_of_today(&self) -> bool {
        let lists = [
            &self.device_weights,
            &self.read_bytes,
            &self.write_bytes,
            &self.read_operations,
            &self.write_operations,
            &self.latency,
        ];
        self.weight.is_set() || lists.iter().any(|list| !list.is_empty())
    }

    /// The same of those of old.
    pub fn any_of_old(&self) -> bool {
        let lists = [
            &self.block_device_weights,
            &self.block_read_bytes,
            &self.block_write_bytes,
        ];
        self.block_weight.is_set() || lists.iter().any(|list| !list.is_empty())
    }
}

/// DevicePolicy=.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DevicePolicy {
    /// Every device, unless DeviceAllow= names some: then as `closed`.
    #[default]
    Auto,
    /// Pseudo devices such as /dev/null, and what DeviceAllow= names.
    Closed,
    /// Only what DeviceAllow= names.
    Strict,
}

/// MemoryPressureWatch=.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PressureWatch {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// If memory is counted.
    Auto,
    /// The service is told where to watch.
    On,
    /// It is told not to watch.
    Off,
    /// It is told nothing.
    Skip,
}

/// Everything about the control group of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceConfig {
    /// Slice=, or where units of this name belong; `None` for `-.slice`.
    pub slice: Option<UnitName>,
    /// What is counted.
    pub accounting: Accounting,
    /// Processor time.
    pub cpu: CpuLimits,
    /// Memory.
    pub memory: MemoryLimits,
    /// Block devices.
    pub io: IoLimits,
    /// TasksMax=; `u64::MAX` is infinity. Units that say nothing have a share of all tasks.
    pub tasks_max: Option<u64>,
    /// TasksMax= stands in a file.
    pub says_tasks_max: bool,
    /// Delegate=: the controllers that are handed over; `None` without delegation.
    pub delegate: Option<Vec<String>>,
    /// DelegateSubgroup=: the group below that processes start in.
    pub delegate_subgroup: Option<String>,
    /// DisableControllers=.
    pub disabled: Vec<String>,
    /// DevicePolicy=.
    pub device_policy: DevicePolicy,
    /// DeviceAllow=: a device, or a group of devices, and what may be done with it.
    pub device_allow: Vec<(String, String)>,
    /// IPAddressAllow= and its kin.
    pub network: NetworkAccess,
    /// MemoryPressureWatch=.
    pub pressure_watch: PressureWatch,
    /// MemoryPressureThresholdSec=, in microseconds.
    pub pressure_threshold: Option<u64>,
}

impl ResourceConfig {
    /// Whether another value counts while the manager starts and stops.
    pub fn has_phases(&self) -> bool {
        let memory = &self.memory;
        let numbers = [
            &self.cpu.weight,
            &self.cpu.shares,
            &self.io.weight,
            &self.io.block_weight,
            &memory.low,
            &memory.default_low,
            &memory.high,
            &memory.max,
            &memory.swap_max,
            &memory.zswap_max,
        ];
        let sets = [&self.cpu.allowed, &self.cpu.nodes];
        numbers.iter().any(|value| value.startup.is_some())
            || sets.iter().any(|value| value.startup.is_some())
    }

    /// Whether access to devices is restricted.
    pub fn restricts_devices(&self) -> bool {
        self.device_policy != DevicePolicy::Auto || !self.device_allow.is_empty()
    }
}
