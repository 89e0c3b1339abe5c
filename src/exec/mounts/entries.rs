//! What the settings of a unit ask of which path. Pure.
//!
//! The lists of ProtectSystem= and its kin are those of systemd.exec(5), as systemd 252 was
//! seen to make them.

use crate::unit::config::{ExecConfig, Isolation, PathRule, ProtectHome, ProtectSystem};

/// What becomes of a path. Of several for one path the first in this order counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Nothing of it can be reached.
    Inaccessible,
    /// Something else is shown there.
    Bind {
        from: String,
        recursive: bool,
        read_only: bool,
    },
    /// Only harmless devices.
    Devices,
    /// The machine's own, where there is none.
    MachinesOwn,
    /// /proc anew, with these options.
    Processes(String),
    /// It cannot be written.
    ReadOnly,
    /// It can be written as before.
    ReadWrite,
    /// Nothing of it can be executed.
    NoExecute,
    /// It can be executed as before.
    Execute,
    /// Empty, with these options of tmpfs and flags of the mount.
    Temporary { options: String, flags: u64 },
    /// The queues of the unit's own IPC namespace.
    Queues,
}

/// One path, what is asked of it, and by which directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// In the unit's root.
    pub(super) path: String,
    pub(super) mode: Mode,
    /// Left out if the path is missing.
    pub(super) optional: bool,
    /// Missing now, but there by the time of the mounts.
    pub(super) made: bool,
    pub(super) setting: &'static str,
}

/// Where the daemon keeps what entries are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Directories for /tmp and /var/tmp (PrivateTmp=).
    pub private_tmp: Option<(String, String)>,
    /// Managed directories of the unit, which stay writable.
    pub writable: Vec<String>,
    /// Those of a dynamic user: the closed directory they are in, and each.
    pub private: Vec<(String, String)>,
    /// NOTIFY_SOCKET, if the unit is to reach it.
    pub notify_socket: Option<String>,
    /// The directory with the credentials of this unit.
    pub credentials: Option<String>,
}

const READ_ONLY: u64 = 1;
const NO_SET_ID: u64 = 2;
const NO_DEVICES: u64 = 4;
const NO_EXECUTE: u64 = 8;
const EXACT_TIMES: u64 = 1 << 24;

/// What a tmpfs gets that nothing is said of: a tenth of the memory.
const TEMPORARY: &str = "mode=0755,size=10%,nr_inodes=400k";

const TUNABLES: [(&str, Mode, bool); 18] = [
    ("/proc/acpi", Mode::ReadOnly, true),
    ("/proc/apm", Mode::ReadOnly, true),
    ("/proc/asound", Mode::ReadOnly, true),
    ("/proc/bus", Mode::ReadOnly, true),
    ("/proc/fs", Mode::ReadOnly, true),
    ("/proc/irq", Mode::ReadOnly, true),
    ("/proc/kallsyms", Mode::Inaccessible, true),
    ("/proc/kcore", Mode::Inaccessible, true),
    ("/proc/latency_stats", Mode::ReadOnly, true),
    ("/proc/mtrr", Mode::ReadOnly, true),
    ("/proc/scsi", Mode::ReadOnly, true),
    ("/proc/sys", Mode::ReadOnly, true),
    ("/proc/sysrq-trigger", Mode::ReadOnly, true),
    ("/proc/timer_stats", Mode::ReadOnly, true),
    ("/sys", Mode::ReadOnly, false),
    // Control groups are the business of a directive of their own.
    ("/sys/fs/cgroup", Mode::ReadWrite, true),
    ("/sys/fs/selinux", Mode::ReadWrite, true),
    ("/sys/kernel/debug", Mode::ReadOnly, true),
];

const MODULES: [(&str, Mode, bool); 2] = [
    ("/lib/modules", Mode::Inaccessible, true),
    ("/usr/lib/modules", Mode::Inaccessible, true),
];

const LOGS: [(&str, Mode, bool); 2] = [
    ("/proc/kmsg", Mode::Inaccessible, true),
    ("/dev/kmsg", Mode::Inaccessible, true),
];

const CONTROL_GROUPS: [(&str, Mode, bool); 1] = [("/sys/fs/cgroup", Mode::ReadOnly, false)];

const SYSTEM: [(&str, Mode, bool); 3] = [
    ("/usr", Mode::ReadOnly, false),
    ("/boot", Mode::ReadOnly, true),
    ("/efi", Mode::ReadOnly, true),
];

const SYSTEM_FULL: [(&str, Mode, bool); 1] = [("/etc", Mode::ReadOnly, false)];

/// Everything but what is not of the operating system, or has a directive of its own.
const SYSTEM_STRICT: [(&str, Mode, bool); 7] = [
    ("/", Mode::ReadOnly, false),
    ("/proc", Mode::ReadWrite, true),
    ("/sys", Mode::ReadWrite, true),
    ("/dev", Mode::ReadWrite, true),
    ("/home", Mode::ReadWrite, true),
    ("/run/user", Mode::ReadWrite, true),
    ("/root", Mode::ReadWrite, true),
];

const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// The paths themselves, in no order.
pub(super) fn entries(exec: &ExecConfig, sources: &Sources) -> Vec<Entry> {
    let isolation = &exec.isolation;
    let mut list = Vec::new();
    add_rules(&mut list, isolation);
    add_binds(&mut list, isolation);
    add_protection(&mut list, isolation);
    add_homes(&mut list, isolation.protect_home);
    add_own(&mut list, isolation, sources);
    list
}

fn entry(path: &str, mode: Mode, optional: bool, setting: &'static str) -> Entry {
    Entry {
        path: path.to_owned(),
        mode,
        optional,
        made: false,
        setting,
    }
}

fn add_rules(list: &mut Vec<Entry>, isolation: &Isolation) {
    let mut add = |rules: &[PathRule], mode: Mode, setting| {
        for rule in rules {
            let path = match &isolation.root {
                Some(root) if !rule.in_root => {
                    // What does not lie in the unit's root is out of its reach anyway.
                    if !super::table::is_within(&rule.path, root) {
                        continue;
                    }
                    super::table::moved(&rule.path, root, "/")
                }
                Some(_) | None => rule.path.clone(),
            };
            list.push(entry(&path, mode.clone(), rule.optional, setting));
        }
    };
    add(
        &isolation.inaccessible,
        Mode::Inaccessible,
        "InaccessiblePaths",
    );
    add(&isolation.read_only, Mode::ReadOnly, "ReadOnlyPaths");
    add(&isolation.read_write, Mode::ReadWrite, "ReadWritePaths");
    add(&isolation.not_executable, Mode::NoExecute, "NoExecPaths");
    add(&isolation.executable, Mode::Execute, "ExecPaths");
}

fn add_binds(list: &mut Vec<Entry>, isolation: &Isolation) {
    for bind in &isolation.binds {
        let mode = Mode::Bind {
            from: bind.from.clone(),
            recursive: bind.recursive,
            read_only: bind.read_only,
        };
        let setting = if bind.read_only {
            "BindReadOnlyPaths"
        } else {
            "BindPaths"
        };
        list.push(entry(&bind.to, mode, bind.optional, setting));
    }
    for temporary in &isolation.temporary {
        let mode = temporary_mode(&temporary.options);
        list.push(entry(&temporary.path, mode, false, "TemporaryFileSystem"));
    }
}

/// Options of the mount apart from those of the file system.
fn temporary_mode(options: &str) -> Mode {
    let mut flags = NO_DEVICES | EXACT_TIMES;
    let mut data = vec![TEMPORARY.to_owned()];
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => flags |= READ_ONLY,
            "rw" => flags &= !READ_ONLY,
            "nosuid" => flags |= NO_SET_ID,
            "suid" => flags &= !NO_SET_ID,
            "nodev" => flags |= NO_DEVICES,
            "dev" => flags &= !NO_DEVICES,
            "noexec" => flags |= NO_EXECUTE,
            "exec" => flags &= !NO_EXECUTE,
            other => data.push(other.to_owned()),
        }
    }
    Mode::Temporary {
        options: data.join(","),
        flags,
    }
}

fn add_protection(list: &mut Vec<Entry>, isolation: &Isolation) {
    let mut add = |on: bool, paths: &[(&str, Mode, bool)], setting| {
        for (path, mode, optional) in paths.iter().filter(|_| on) {
            list.push(entry(path, mode.clone(), *optional, setting));
        }
    };
    let system = isolation.protect_system;
    let partly = matches!(system, ProtectSystem::Yes | ProtectSystem::Full);
    add(
        isolation.protect_tunables,
        &TUNABLES,
        "ProtectKernelTunables",
    );
    let tracing = [
        ("/sys/kernel/tracing", Mode::ReadOnly, true),
        ("/sys/fs/bpf", Mode::ReadOnly, true),
    ];
    add(
        isolation.protect_tunables,
        &tracing,
        "ProtectKernelTunables",
    );
    add(isolation.protect_modules, &MODULES, "ProtectKernelModules");
    add(isolation.protect_logs, &LOGS, "ProtectKernelLogs");
    add(
        isolation.protect_control_groups,
        &CONTROL_GROUPS,
        "ProtectControlGroups",
    );
    add(partly, &SYSTEM, "ProtectSystem");
    add(system == ProtectSystem::Full, &SYSTEM_FULL, "ProtectSystem");
    add(
        system == ProtectSystem::Strict,
        &SYSTEM_STRICT,
        "ProtectSystem",
    );
}

fn add_homes(list: &mut Vec<Entry>, protect: ProtectHome) {
    let mode = match protect {
        ProtectHome::No => return,
        ProtectHome::Yes => Mode::Inaccessible,
        ProtectHome::ReadOnly => Mode::ReadOnly,
        ProtectHome::Tmpfs => temporary_mode("ro"),
    };
    for home in HOMES {
        list.push(entry(home, mode.clone(), true, "ProtectHome"));
    }
}

/// What the unit has of its own, and what it must reach all the same.
fn add_own(list: &mut Vec<Entry>, isolation: &Isolation, sources: &Sources) {
    if isolation.private_devices {
        list.push(entry("/dev", Mode::Devices, false, "PrivateDevices"));
    }
    if isolation.hide_processes.is_some() || isolation.processes_only {
        let hide = isolation
            .hide_processes
            .map(|hide| format!("hidepid={hide}"));
        let only = isolation.processes_only.then(|| "subset=pid".to_owned());
        let options: Vec<String> = hide.into_iter().chain(only).collect();
        let setting = if isolation.processes_only {
            "ProcSubset"
        } else {
            "ProtectProc"
        };
        let mode = Mode::Processes(options.join(","));
        list.push(entry("/proc", mode, false, setting));
    }
    if isolation.private_ipc || isolation.ipc_path.is_some() {
        list.push(entry("/dev/mqueue", Mode::Queues, true, "PrivateIPC"));
    }
    if isolation.root.is_some() && isolation.mount_api {
        for path in ["/proc", "/sys", "/dev"] {
            list.push(entry(path, Mode::MachinesOwn, false, "MountAPIVFS"));
        }
        list.push(entry(
            "/run",
            temporary_mode("mode=0755,nosuid,nodev"),
            false,
            "MountAPIVFS",
        ));
    }
    if let Some((tmp, var_tmp)) = &sources.private_tmp {
        for (path, from) in [("/tmp", tmp), ("/var/tmp", var_tmp)] {
            list.push(entry(path, shown_from(from, false), false, "PrivateTmp"));
        }
    }
    for path in &sources.writable {
        list.push(Entry {
            made: true,
            ..entry(path, Mode::ReadWrite, true, "ProtectSystem")
        });
    }
    add_private(list, &sources.private);
    for (path, read_only) in [
        (&sources.notify_socket, false),
        (&sources.credentials, true),
    ] {
        if let Some(path) = path
            .as_ref()
            .filter(|path| is_hidden(list, isolation, path))
        {
            list.push(entry(
                path,
                shown_from(path, read_only),
                true,
                "PrivateMounts",
            ));
        }
    }
}

/// Around the unit's own directories there is nothing, so that it gets to them.
fn add_private(list: &mut Vec<Entry>, private: &[(String, String)]) {
    let mut roots: Vec<&String> = private.iter().map(|(root, _)| root).collect();
    roots.dedup();
    for root in roots {
        let mode = Mode::Temporary {
            options: "mode=0755,size=4M,nr_inodes=1k".to_owned(),
            flags: READ_ONLY | NO_SET_ID | NO_DEVICES | NO_EXECUTE,
        };
        list.push(entry(root, mode, false, "DynamicUser"));
    }
    for (_, path) in private {
        list.push(entry(path, shown_from(path, false), false, "DynamicUser"));
    }
}

fn shown_from(from: &str, read_only: bool) -> Mode {
    Mode::Bind {
        from: from.to_owned(),
        recursive: false,
        read_only,
    }
}

/// Whether something else is shown where a path is.
fn is_hidden(list: &[Entry], isolation: &Isolation, path: &str) -> bool {
    let replaces = |mode: &Mode| match mode {
        Mode::Inaccessible | Mode::Bind { .. } | Mode::Devices | Mode::Temporary { .. } => true,
        Mode::MachinesOwn
        | Mode::Processes(_)
        | Mode::ReadOnly
        | Mode::ReadWrite
        | Mode::NoExecute
        | Mode::Execute
        | Mode::Queues => false,
    };
    isolation.root.is_some()
        || list
            .iter()
            .any(|entry| replaces(&entry.mode) && super::table::is_within(path, &entry.path))
}
