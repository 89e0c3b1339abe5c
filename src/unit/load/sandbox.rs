//! What is done with settings that are kept as they are shown: the execution environment made
//! from them, once all files of a unit are read and everything implied is known.

use super::context::is_on;
use crate::unit::config::{
    Bind, CallAction, CallList, FamilyList, Filters, Isolation, KeptValues, KeyringMode, Logging,
    PathRule, ProcessorPolicy, ProtectHome, ProtectSystem, Scheduling, SecurityLabel,
    SecurityModule, Temporary, Terminal, UnitConfig,
};
use crate::unit::directive::PropertyValue;
use crate::unit::value::{CapabilitySet, address_family, parse_errno};

/// Makes the parts of the execution environment that follow from what is shown.
pub(super) fn settle(config: &mut UnitConfig) {
    if config.exec_mut().is_none() {
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
    let scheduling = scheduling(&written);
    let isolation = isolation(config);
    let load: Vec<_> = written.rows("LoadCredential").filter_map(pair).collect();
    let keyring = written.text("KeyringMode").and_then(keyring);
    let dynamic_user = is_on(config, "DynamicUser");
    let remove_ipc = is_on(config, "RemoveIPC");
    let logging = logging(&written);
    let terminal = terminal(config);
    let labels = labels(&written);
    let accounts = ["User", "Group"].map(|of| written.text(of).map(str::to_owned));
    let Some(exec) = config.exec_mut() else {
        return;
    };
    exec.dynamic_user = dynamic_user;
    exec.remove_ipc = remove_ipc;
    if dynamic_user {
        let [user, group] = accounts;
        exec.user = exec.user.take().or(user);
        exec.group = exec.group.take().or(group);
    }
    let own = Logging::clone(&exec.logging);
    let logging = Logging {
        identifier: own.identifier,
        patterns: own.patterns,
        backpressure: own.backpressure,
        ..logging
    };
    exec.logging = logging.into();
    exec.terminal = terminal.into();
    exec.labels = labels;
    exec.scheduling = scheduling.into();
    exec.keyring = keyring;
    exec.isolation = isolation.into();
    if !load.is_empty() {
        exec.credentials.load = load;
    }
    exec.filters = filters.into();
    exec.secure_bits = u32::try_from(secure_bits).unwrap_or(0);
    exec.personality = personality;
    exec.no_new_privileges |= no_new_privileges;
    if bounding_set.is_some() {
        exec.capability_bounding_set = bounding_set;
    }
}

/// Values that were written or implied, by the kind they are kept as.
pub(super) struct Written<'a>(pub(super) &'a KeptValues);

impl<'a> Written<'a> {
    pub(super) fn text(&self, property: &str) -> Option<&'a str> {
        match self.0.get(property) {
            Some(PropertyValue::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, property: &str) -> Option<i32> {
        match self.0.get(property) {
            Some(PropertyValue::I32(number)) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn switch(&self, property: &str) -> Option<bool> {
        match self.0.get(property) {
            Some(PropertyValue::Bool(on)) => Some(*on),
            _ => None,
        }
    }

    pub(super) fn unsigned(&self, property: &str) -> Option<u64> {
        match self.0.get(property) {
            Some(PropertyValue::U64(number)) => Some(*number),
            _ => None,
        }
    }

    /// The fields of each element.
    pub(super) fn rows(&self, property: &str) -> impl Iterator<Item = &'a [PropertyValue]> {
        let list = match self.0.get(property) {
            Some(PropertyValue::Array(list)) => list.as_slice(),
            _ => &[],
        };
        list.iter().filter_map(|row| match row {
            PropertyValue::Struct(fields) => Some(fields.as_slice()),
            _ => None,
        })
    }

    /// Paths with the marks before them.
    pub(super) fn paths(&self, property: &str) -> Vec<PathRule> {
        let rule = |written: &String| {
            let path = written.trim_start_matches(['-', '+']);
            let marks = &written[..written.len() - path.len()];
            PathRule {
                path: path.to_owned(),
                optional: marks.contains('-'),
                in_root: marks.contains('+'),
            }
        };
        self.list(property).iter().map(rule).collect()
    }

    pub(super) fn bytes(&self, property: &str) -> Vec<u8> {
        match self.0.get(property) {
            Some(PropertyValue::Bytes(bytes)) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    pub(super) fn list(&self, property: &str) -> &'a [String] {
        match self.0.get(property) {
            Some(PropertyValue::Strings(list)) => list,
            _ => &[],
        }
    }

    /// A list that permits or forbids.
    pub(super) fn filter(&self, property: &str) -> Option<(bool, &'a [String])> {
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

/// IOPRIO_CLASS_BE, where a priority stands alone.
const BEST_EFFORT: i32 = 2;
/// The priority where a class stands alone.
const USUAL_PRIORITY: i32 = 4;

fn scheduling(written: &Written<'_>) -> Scheduling {
    let class = written.integer("IOSchedulingClass");
    let priority = written.integer("IOSchedulingPriority");
    let io = class.or(priority).map(|_| {
        let class = class.unwrap_or(BEST_EFFORT);
        (class << 13) | priority.unwrap_or(USUAL_PRIORITY)
    });
    Scheduling {
        processor: processor_policy(written),
        processors: written.bytes("CPUAffinity"),
        processors_of_nodes: written.0.get("CPUAffinityFromNUMA")
            == Some(&PropertyValue::Bool(true)),
        memory: written
            .integer("NUMAPolicy")
            .map(|mode| (mode, written.bytes("NUMAMask"))),
        io_priority: io.and_then(|io| u32::try_from(io).ok()),
        timer_slack: written.unsigned("TimerSlackNSec"),
        core_dump_filter: written.unsigned("CoredumpFilter"),
    }
}

fn labels(written: &Written<'_>) -> Vec<SecurityLabel> {
    let modules = [
        SecurityModule::SELinux,
        SecurityModule::AppArmor,
        SecurityModule::Smack,
    ];
    let label = |module: SecurityModule| match written.0.get(module.directive()) {
        Some(PropertyValue::Struct(fields)) => match fields.as_slice() {
            [PropertyValue::Bool(optional), PropertyValue::String(label)] => Some(SecurityLabel {
                module,
                label: label.clone(),
                optional: *optional,
            }),
            _ => None,
        },
        _ => None,
    };
    modules.into_iter().filter_map(label).collect()
}

/// All but what is not kept as it is shown.
fn logging(written: &Written<'_>) -> Logging {
    let number = |property| {
        let number = written.integer(property);
        number.and_then(|number| u8::try_from(number).ok())
    };
    let extra_fields = match written.0.get("LogExtraFields") {
        Some(PropertyValue::Array(list)) => list.as_slice(),
        _ => &[],
    };
    let bytes = |field: &PropertyValue| match field {
        PropertyValue::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    };
    let usual = Logging::default();
    Logging {
        facility: number("SyslogFacility").unwrap_or(usual.facility),
        level: number("SyslogLevel").unwrap_or(usual.level),
        level_prefix: written.0.get("SyslogLevelPrefix") != Some(&PropertyValue::Bool(false)),
        level_max: number("LogLevelMax"),
        rate_interval: written.unsigned("LogRateLimitIntervalUSec").unwrap_or(0),
        rate_burst: match written.0.get("LogRateLimitBurst") {
            Some(PropertyValue::U32(burst)) => *burst,
            _ => 0,
        },
        extra_fields: extra_fields.iter().filter_map(bytes).collect(),
        ..usual
    }
}

fn terminal(config: &UnitConfig) -> Terminal {
    let written = Written(&config.written);
    let size = |property| match written.0.get(property) {
        Some(PropertyValue::U32(size)) => u16::try_from(*size).ok().filter(|size| *size < u16::MAX),
        _ => None,
    };
    Terminal {
        path: written.text("TTYPath").map(str::to_owned),
        reset: is_on(config, "TTYReset"),
        hang_up: is_on(config, "TTYVHangup"),
        clear: is_on(config, "TTYVTDisallocate"),
        rows: size("TTYRows"),
        columns: size("TTYColumns"),
    }
}

fn processor_policy(written: &Written<'_>) -> Option<ProcessorPolicy> {
    let policy = written.integer("CPUSchedulingPolicy");
    let priority = written.integer("CPUSchedulingPriority");
    let reset = written.0.get("CPUSchedulingResetOnFork") == Some(&PropertyValue::Bool(true));
    if policy.is_none() && priority.is_none() && !reset {
        return None;
    }
    let policy = policy.unwrap_or(0);
    // SCHED_FIFO and SCHED_RR; the others have none but 0.
    let real_time = matches!(policy, 1 | 2);
    let lowest = i32::from(real_time);
    Some(ProcessorPolicy {
        policy: u32::try_from(policy).unwrap_or(0),
        priority: priority.filter(|_| real_time).unwrap_or(lowest).max(lowest),
        reset_on_fork: reset,
    })
}

fn isolation(config: &UnitConfig) -> Isolation {
    let written = Written(&config.written);
    let on = |property| is_on(config, property);
    let text = |property| written.text(property).map(str::to_owned);
    let binds = ["BindPaths", "BindReadOnlyPaths"];
    Isolation {
        root: text("RootDirectory").filter(|root| root != "/"),
        mount_api: on("MountAPIVFS"),
        read_write: written.paths("ReadWritePaths"),
        read_only: written.paths("ReadOnlyPaths"),
        inaccessible: written.paths("InaccessiblePaths"),
        executable: written.paths("ExecPaths"),
        not_executable: written.paths("NoExecPaths"),
        binds: binds
            .into_iter()
            .flat_map(|name| bound(&written, name))
            .collect(),
        temporary: temporary(&written),
        propagation: written.unsigned("MountFlags"),
        private_mounts: on("PrivateMounts"),
        private_tmp: on("PrivateTmp"),
        private_devices: on("PrivateDevices"),
        private_network: on("PrivateNetwork"),
        network_path: text("NetworkNamespacePath"),
        private_ipc: on("PrivateIPC"),
        ipc_path: text("IPCNamespacePath"),
        private_users: on("PrivateUsers"),
        protect_system: protect_system(written.text("ProtectSystem")),
        protect_home: protect_home(written.text("ProtectHome")),
        protect_hostname: on("ProtectHostname"),
        protect_tunables: on("ProtectKernelTunables"),
        protect_modules: on("ProtectKernelModules"),
        protect_logs: on("ProtectKernelLogs"),
        protect_control_groups: on("ProtectControlGroups"),
        hide_processes: match written.text("ProtectProc") {
            Some("noaccess") => Some(1),
            Some("invisible") => Some(2),
            Some("ptraceable") => Some(4),
            Some(_) | None => None,
        },
        processes_only: written.text("ProcSubset") == Some("pid"),
    }
}

fn protect_system(word: Option<&str>) -> ProtectSystem {
    match word {
        Some("yes") => ProtectSystem::Yes,
        Some("full") => ProtectSystem::Full,
        Some("strict") => ProtectSystem::Strict,
        Some(_) | None => ProtectSystem::No,
    }
}

fn protect_home(word: Option<&str>) -> ProtectHome {
    match word {
        Some("yes") => ProtectHome::Yes,
        Some("read-only") => ProtectHome::ReadOnly,
        Some("tmpfs") => ProtectHome::Tmpfs,
        Some(_) | None => ProtectHome::No,
    }
}

fn bound(written: &Written<'_>, property: &str) -> Vec<Bind> {
    let bind = |fields: &[PropertyValue]| match fields {
        [
            PropertyValue::String(from),
            PropertyValue::String(to),
            PropertyValue::Bool(optional),
            PropertyValue::U64(flags),
        ] => Some(Bind {
            from: from.clone(),
            to: to.clone(),
            optional: *optional,
            recursive: *flags != 0,
            read_only: property == "BindReadOnlyPaths",
        }),
        _ => None,
    };
    written.rows(property).filter_map(bind).collect()
}

pub(super) fn pair(fields: &[PropertyValue]) -> Option<(String, String)> {
    match fields {
        [PropertyValue::String(name), PropertyValue::String(value)] => {
            Some((name.clone(), value.clone()))
        }
        _ => None,
    }
}

fn temporary(written: &Written<'_>) -> Vec<Temporary> {
    let temporary = |fields: &[PropertyValue]| match fields {
        [PropertyValue::String(path), PropertyValue::String(options)] => Some(Temporary {
            path: path.clone(),
            options: options.clone(),
        }),
        _ => None,
    };
    let rows = written.rows("TemporaryFileSystem");
    rows.filter_map(temporary).collect()
}

fn keyring(mode: &str) -> Option<KeyringMode> {
    match mode {
        "inherit" => Some(KeyringMode::Inherit),
        "private" => Some(KeyringMode::Private),
        "shared" => Some(KeyringMode::Shared),
        _ => None,
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
