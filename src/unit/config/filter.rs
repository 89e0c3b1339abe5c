//! What processes may ask of the kernel (systemd.exec(5), "SANDBOXING" and "SYSTEM CALL
//! FILTERING").

use std::collections::BTreeMap;

/// What happens to a call that is filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallAction {
    /// The process is killed by SIGSYS.
    Kill,
    /// The call fails with this errno, 1 to 4095.
    Errno(i32),
}

/// SystemCallFilter= or SystemCallLog=: a list that permits or forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallList {
    /// Whether what is not named is filtered; otherwise what is named is.
    pub permits: bool,
    /// System calls by name, groups by their members, each with what is said of it alone.
    pub calls: BTreeMap<String, Option<CallAction>>,
}

/// RestrictAddressFamilies=: a list that permits or forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyList {
    /// Whether what is not named is filtered; otherwise what is named is.
    pub permits: bool,
    /// AF_ numbers of Linux.
    pub families: Vec<u32>,
}

/// Every filter that a unit asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// SystemCallFilter=.
    pub calls: Option<CallList>,
    /// SystemCallErrorNumber=; `None` kills.
    pub call_error: Option<i32>,
    /// SystemCallLog=.
    pub call_log: Option<CallList>,
    /// SystemCallArchitectures=, by systemd's names; empty leaves all.
    pub architectures: Vec<String>,
    /// RestrictAddressFamilies=.
    pub families: Option<FamilyList>,
    /// RestrictNamespaces=: the CLONE_NEW... bits that may still be used; `None` leaves all.
    pub namespaces: Option<u64>,
    /// RestrictRealtime=.
    pub restrict_realtime: bool,
    /// RestrictSUIDSGID=.
    pub restrict_set_id: bool,
    /// MemoryDenyWriteExecute=.
    pub memory_deny_write_execute: bool,
    /// LockPersonality=.
    pub lock_personality: bool,
    /// The calls that ProtectClock= takes away.
    pub protect_clock: bool,
    /// The calls that ProtectHostname= takes away.
    pub protect_hostname: bool,
    /// The calls that ProtectKernelTunables= takes away.
    pub protect_tunables: bool,
    /// The calls that ProtectKernelModules= takes away.
    pub protect_modules: bool,
    /// The calls that ProtectKernelLogs= takes away.
    pub protect_logs: bool,
    /// The calls that PrivateDevices= takes away.
    pub private_devices: bool,
}

impl Filters {
    /// Whether there is any.
    pub fn any(&self) -> bool {
        *self != Filters::default()
    }
}
