//! How processes are scheduled (systemd.exec(5), "SCHEDULING").

/// Numbers are the kernel's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// CPUSchedulingPolicy= and its kin, if any of them is set.
    pub processor: Option<ProcessorPolicy>,
    /// CPUAffinity=, bit n for processor n; empty leaves all.
    pub processors: Vec<u8>,
    /// CPUAffinity=numa: those of the nodes of NUMAMask= instead.
    pub processors_of_nodes: bool,
    /// NUMAPolicy= and NUMAMask=: mode and nodes, bit n for node n.
    pub memory: Option<(i32, Vec<u8>)>,
    /// IOSchedulingClass= and IOSchedulingPriority= as ioprio_set(2) takes them.
    pub io_priority: Option<u32>,
    /// TimerSlackNSec=.
    pub timer_slack: Option<u64>,
    /// CoredumpFilter=.
    pub core_dump_filter: Option<u64>,
}

/// What sched_setscheduler(2) takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessorPolicy {
    /// SCHED_ number.
    pub policy: u32,
    /// 1 to 99 for real-time policies, else 0.
    pub priority: i32,
    /// Children fall back to the usual policy.
    pub reset_on_fork: bool,
}

/// KeyringMode=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyringMode {
    /// The daemon's own.
    Inherit,
    /// A new one.
    Private,
    /// A new one that the user's is linked into.
    Shared,
}
