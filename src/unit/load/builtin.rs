//! Units that are there without a file: the well-known targets of systemd.special(7), so that
//! unit files written for a whole system load here (DESIGN, "What starts").
//!
//! Two kinds. What a booted system reaches before services start holds at once and never
//! changes: a [`UnitBody::Fact`]. What people start, or hang units on, is a real target with
//! systemd's own dependencies.

use crate::unit::config::{DependencyKind, DependencyOrigin, LoadState, UnitBody, UnitConfig};
use crate::unit::directive::Draft;
use crate::unit::name::UnitName;

/// Names that hold at once, and what they are called.
const FACTS: [(&str, &str); 25] = [
    ("cryptsetup.target", "Encrypted Volumes"),
    ("dbus.socket", "D-Bus System Message Bus Socket"),
    ("getty.target", "Login Prompts"),
    ("init.scope", "System and Service Manager"),
    ("integritysetup.target", "Integrity Protected Volumes"),
    ("local-fs-pre.target", "Preparation for Local File Systems"),
    ("local-fs.target", "Local File Systems"),
    ("network-online.target", "Network is Online"),
    ("network-pre.target", "Preparation for Network"),
    ("network.target", "Network"),
    ("nss-lookup.target", "Host and Network Name Lookups"),
    ("nss-user-lookup.target", "User and Group Name Lookups"),
    ("remote-cryptsetup.target", "Remote Encrypted Volumes"),
    (
        "remote-fs-pre.target",
        "Preparation for Remote File Systems",
    ),
    ("remote-fs.target", "Remote File Systems"),
    ("rpcbind.target", "RPC Port Mapper"),
    ("swap.target", "Swaps"),
    ("systemd-journald.socket", "Journal Socket"),
    (
        "systemd-remount-fs.service",
        "Remount Root and Kernel File Systems",
    ),
    (
        "systemd-tmpfiles-setup.service",
        "Create Volatile Files and Directories",
    ),
    ("sysinit.target", "System Initialization"),
    ("time-set.target", "System Time Set"),
    ("time-sync.target", "System Time Synchronized"),
    ("veritysetup.target", "Verity Protected Volumes"),
    ("slices.target", "Slice Units"),
];

/// Targets that units hang on, with what each requires, wants and follows.
const TARGETS: [(&str, &str, &[Edge]); 17] = [
    (
        "basic.target",
        "Basic System",
        &[
            (DependencyKind::Requires, "sysinit.target"),
            (DependencyKind::Wants, "sockets.target"),
            (DependencyKind::Wants, "timers.target"),
            (DependencyKind::Wants, "paths.target"),
            (DependencyKind::Wants, "slices.target"),
            (DependencyKind::After, "sysinit.target"),
            (DependencyKind::After, "sockets.target"),
            (DependencyKind::After, "paths.target"),
            (DependencyKind::After, "slices.target"),
        ],
    ),
    (
        "multi-user.target",
        "Multi-User System",
        &[
            (DependencyKind::Requires, "basic.target"),
            (DependencyKind::After, "basic.target"),
            (DependencyKind::Conflicts, "rescue.target"),
            (DependencyKind::After, "rescue.target"),
        ],
    ),
    (
        "graphical.target",
        "Graphical Interface",
        &[
            (DependencyKind::Requires, "multi-user.target"),
            (DependencyKind::After, "multi-user.target"),
            (DependencyKind::Conflicts, "rescue.target"),
            (DependencyKind::After, "rescue.target"),
        ],
    ),
    ("sockets.target", "Socket Units", &[]),
    // Without default dependencies, since timers may wait for the clock, long after.
    (
        "timers.target",
        "Timer Units",
        &[(DependencyKind::Conflicts, "shutdown.target")],
    ),
    ("paths.target", "Path Units", &[]),
    (
        "rescue.target",
        "Rescue Mode",
        &[
            (DependencyKind::Requires, "sysinit.target"),
            (DependencyKind::After, "sysinit.target"),
        ],
    ),
    ("emergency.target", "Emergency Mode", &[]),
    ("shutdown.target", "System Shutdown", &[]),
    ("umount.target", "Unmount All Filesystems", &[]),
    ("final.target", "Late Shutdown Services", &[]),
    ("exit.target", "Exit the Manager", &[]),
    ("reboot.target", "System Reboot", &[]),
    ("poweroff.target", "System Power Off", &[]),
    ("halt.target", "System Halt", &[]),
    ("kexec.target", "Reboot via kexec", &[]),
    ("sleep.target", "Sleep", &[]),
];

/// Targets that get the default dependencies of targets.
const ORDINARY: [&str; 5] = [
    "basic.target",
    "multi-user.target",
    "graphical.target",
    "sockets.target",
    "paths.target",
];

/// Targets that a request may make the only ones that are up.
const ISOLATABLE: [&str; 9] = [
    "multi-user.target",
    "graphical.target",
    "rescue.target",
    "emergency.target",
    "exit.target",
    "reboot.target",
    "poweroff.target",
    "halt.target",
    "kexec.target",
];

type Edge = (DependencyKind, &'static str);

/// The built-in unit of this name.
pub(super) fn find(name: &UnitName) -> Option<Draft> {
    let fact = FACTS.iter().find(|(known, _)| *known == name.as_str());
    if let Some((_, description)) = fact {
        return Some(draft(name, description, UnitBody::Fact));
    }
    let (_, description, edges) = TARGETS.iter().find(|(n, _, _)| *n == name.as_str())?;
    let mut draft = draft(name, description, UnitBody::Target);
    draft.config.unit.default_dependencies = ORDINARY.contains(&name.as_str());
    draft.config.unit.allow_isolate = ISOLATABLE.contains(&name.as_str());
    for (kind, target) in *edges {
        let target = UnitName::parse(target).ok()?;
        draft.depend(*kind, &target, DependencyOrigin::File);
    }
    Some(draft)
}

fn draft(name: &UnitName, description: &str, body: UnitBody) -> Draft {
    let mut config = UnitConfig::not_found(name.clone());
    config.load = LoadState::Loaded;
    config.load_error = None;
    description.clone_into(&mut config.unit.description);
    config.unit.default_dependencies = false;
    config.body = body;
    Draft::new(config)
}
