//! Dependencies that nobody wrote: those that follow from other settings, and the default ones
//! (checklist section 4; "IMPLICIT DEPENDENCIES" and "DEFAULT DEPENDENCIES" of the manual page
//! of each unit type).

use super::fragment::Loader;
use super::{PULLS, Settings, context};
use crate::unit::config::{
    CommandKind, Dependency, DependencyKind, DependencyOrigin, DirectoryKind, ExecConfig, Listen,
    LoadState, ServiceType, TimerValue, UnitBody, UnitConfig, WorkingDirectoryPlace,
};
use crate::unit::directive::{Draft, PropertyValue};
use crate::unit::escape::escape_path;
use crate::unit::name::{UnitName, UnitType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Adds what follows from the settings of a unit, and the default dependencies if it has them.
pub(super) fn add(loader: &mut Loader<'_>, draft: &mut Draft, defaults: bool) {
    add_activated(draft);
    if defaults {
        add_slice(draft);
        add_processes(loader, draft);
        add_addresses(draft);
    }
    add_mounts(loader, draft);
    if defaults && draft.config.unit.default_dependencies {
        add_defaults(draft);
    }
}

/// A socket, path or timer comes before what it activates.
fn add_activated(draft: &mut Draft) {
    let name = draft.config.name.clone();
    let service = || name.with_type(UnitType::Service);
    let target = match &draft.config.body {
        // Accept=yes: instances come with the connections.
        UnitBody::Socket(socket) if socket.accept => None,
        UnitBody::Socket(socket) => Some(socket.service.clone().unwrap_or_else(service)),
        UnitBody::Timer(_) | UnitBody::Path(_) => {
            Some(draft.activates.clone().unwrap_or_else(service))
        }
        UnitBody::Other => match name.unit_type() {
            UnitType::Automount => Some(name.with_type(UnitType::Mount)),
            UnitType::Service
            | UnitType::Socket
            | UnitType::Target
            | UnitType::Timer
            | UnitType::Path
            | UnitType::Slice
            | UnitType::Scope
            | UnitType::Mount
            | UnitType::Swap
            | UnitType::Device => None,
        },
        UnitBody::Service(_) | UnitBody::Scope(_) | UnitBody::Target | UnitBody::Fact => None,
    };
    if let Some(target) = target {
        for kind in [DependencyKind::Triggers, DependencyKind::Before] {
            draft.depend(kind, &target, DependencyOrigin::Implicit);
        }
    }
}

/// Adds an edge to a unit whose name is fixed, or made from one that was checked.
fn depend(draft: &mut Draft, kind: DependencyKind, target: &str) {
    if let Ok(target) = UnitName::parse(target) {
        draft.depend(kind, &target, DependencyOrigin::Implicit);
    }
}

/// A unit needs the slice that it belongs to.
fn add_slice(draft: &mut Draft) {
    if let Some(PropertyValue::String(slice)) = draft.config.written.get("Slice").cloned() {
        depend(draft, DependencyKind::Requires, &slice);
        depend(draft, DependencyKind::After, &slice);
    }
}

/// Mount points that the kernel or a container's manager sets up: systemd has no units for
/// them unless there are files.
const API_MOUNTS: [&str; 12] = [
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/proc",
    "/proc/kmsg",
    "/proc/sys",
    "/run",
    "/sys",
    "/sys/fs/bpf",
    "/sys/fs/cgroup",
    "/sys/fs/pstore",
];

/// What processes of a unit need: the log, the bus, temporary files, the paths they use.
fn add_processes(loader: &Loader<'_>, draft: &mut Draft) {
    use DependencyKind::{After, Requires, Wants};
    if draft.config.load != LoadState::Loaded {
        return;
    }
    let type_of_unit = draft.config.name.unit_type();
    let made = matches!(type_of_unit, UnitType::Mount | UnitType::Swap);
    if made && draft.config.fragment.is_some() {
        depend(draft, After, "systemd-journald.socket");
    }
    let runs = type_of_unit == UnitType::Service
        || draft.config.commands().is_some_and(|commands| {
            let mut lists = CommandKind::ALL.iter().map(|kind| commands.get(*kind));
            lists.any(|list| !list.is_empty())
        });
    let Some(exec) = draft.config.exec().cloned().filter(|_| runs) else {
        return;
    };
    let bus = draft
        .config
        .service()
        .is_some_and(|service| service.service_type == ServiceType::Dbus);
    if bus {
        depend(draft, Requires, "dbus.socket");
        depend(draft, After, "dbus.socket");
    }
    add_paths_used(loader, draft, &exec);
    let mut stays = [
        DirectoryKind::State,
        DirectoryKind::Cache,
        DirectoryKind::Logs,
    ]
    .iter();
    if stays.any(|kind| {
        exec.directories
            .get(kind)
            .is_some_and(|d| !d.paths.is_empty())
    }) {
        depend(draft, After, "systemd-remount-fs.service");
    }
    if context::is_on(&draft.config, "PrivateTmp") {
        depend(draft, Wants, "tmp.mount");
        depend(draft, After, "tmp.mount");
        draft.mounts.push((Requires, "/var/tmp".to_owned()));
        depend(draft, After, "systemd-tmpfiles-setup.service");
    }
    if let Some(PropertyValue::String(name)) = draft.config.written.get("LogNamespace").cloned() {
        for socket in ["systemd-journald", "systemd-journald-varlink"] {
            let socket = format!("{socket}@{name}.socket");
            depend(draft, Requires, &socket);
            depend(draft, After, &socket);
        }
    } else if context::logs(&draft.config, &exec) {
        depend(draft, After, "systemd-journald.socket");
    }
}

/// The working directory, another root and the managed directories.
fn add_paths_used(loader: &Loader<'_>, draft: &mut Draft, exec: &ExecConfig) {
    let mut paths = Vec::new();
    if let Some(directory) = &exec.working_directory
        && let WorkingDirectoryPlace::Path(path) = &directory.place
        && !directory.optional
    {
        paths.push(path.clone());
    }
    for root in ["RootDirectory", "RootImage"] {
        if let Some(PropertyValue::String(path)) = draft.config.written.get(root) {
            paths.push(path.clone());
        }
    }
    for (kind, directories) in &exec.directories {
        let base = loader.base_of(*kind);
        paths.extend(
            directories
                .paths
                .iter()
                .map(|path| format!("{base}/{path}")),
        );
    }
    let absolute = paths.into_iter().filter(|path| path.starts_with('/'));
    let mounts = absolute.map(|path| (DependencyKind::Requires, path));
    draft.mounts.extend(mounts);
}

/// A socket that is bound to an interface goes with it.
fn add_interface(draft: &mut Draft, interface: &str) {
    let Ok(stem) = escape_path(&format!("/sys/subsystem/net/devices/{interface}")) else {
        return;
    };
    let device = format!("{stem}.device");
    depend(draft, DependencyKind::BindsTo, &device);
    depend(draft, DependencyKind::After, &device);
}

/// Sockets need the file systems that their addresses lie on, paths those that they watch,
/// mounts those below them.
fn add_addresses(draft: &mut Draft) {
    let mut paths = Vec::new();
    if let UnitBody::Socket(socket) = &draft.config.body {
        let addresses = socket.listen.iter();
        paths.extend(addresses.filter_map(Listen::path).map(str::to_owned));
        if let Some(interface) = &socket.options.bind_to_device {
            add_interface(draft, interface.clone().as_str());
        }
    }
    if let Some(section) = draft.config.path() {
        paths.extend(section.paths.iter().map(|watched| watched.path.clone()));
    }
    if let Some(PropertyValue::String(place)) = draft.config.written.get("Where")
        && let Some((parent, _)) = place.rsplit_once('/')
    {
        paths.push(if parent.is_empty() { "/" } else { parent }.to_owned());
    }
    let absolute = paths.into_iter().filter(|path| path.starts_with('/'));
    let mounts = absolute.map(|path| (DependencyKind::Requires, path));
    draft.mounts.extend(mounts);
}

/// RequiresMountsFor=: every mount point on the way to the path, as far as there is one. As in
/// systemd only those with a file are pulled in; the others are there, or nobody knows of them.
fn add_mounts(loader: &mut Loader<'_>, draft: &mut Draft) {
    let mounts = std::mem::take(&mut draft.mounts);
    let required = mounts
        .iter()
        .filter(|(kind, _)| *kind == DependencyKind::Requires);
    let shown: BTreeSet<String> = required.map(|(_, path)| path.clone()).collect();
    if !shown.is_empty() {
        let shown = PropertyValue::Strings(shown.into_iter().collect());
        draft.config.written.insert("RequiresMountsFor", shown);
    }
    for (kind, path) in mounts {
        let mut prefix = String::new();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            if !prefix.ends_with('/') {
                prefix.push('/');
            }
            prefix.push_str(part);
            // Neighbours share the directories, and seldom the last name.
            let is_last = parts.peek().is_none();
            let Some(mount) = loader.mount_at(&prefix, is_last) else {
                break;
            };
            if mount.has_file {
                draft.depend(kind, &mount.name, DependencyOrigin::Implicit);
            }
            let known = mount.has_file || !API_MOUNTS.contains(&prefix.as_str());
            if known && mount.is_there {
                draft.depend(
                    DependencyKind::After,
                    &mount.name,
                    DependencyOrigin::Implicit,
                );
            }
        }
    }
}

/// The default dependencies by type: the basic system first, gone at shutdown.
fn add_defaults(draft: &mut Draft) {
    use DependencyKind::{After, Before, Conflicts, Requires};
    let is_calendar = |value: &TimerValue| matches!(value, TimerValue::Calendar(_));
    let timer = draft.config.timer();
    let calendar = timer.is_some_and(|timer| timer.values.iter().any(is_calendar));
    let clocks: &[_] = if calendar {
        &[(After, "time-set.target"), (After, "time-sync.target")]
    } else {
        &[]
    };
    let early = [(Requires, "sysinit.target"), (After, "sysinit.target")];
    let shutdown = [(Conflicts, "shutdown.target"), (Before, "shutdown.target")];
    let edges = match draft.config.name.unit_type() {
        UnitType::Service => [&early[..], &[(After, "basic.target")], &shutdown].concat(),
        UnitType::Socket => [&early[..], &[(Before, "sockets.target")], &shutdown].concat(),
        UnitType::Path => [&early[..], &[(Before, "paths.target")], &shutdown].concat(),
        UnitType::Timer => [&early[..], clocks, &[(Before, "timers.target")], &shutdown].concat(),
        UnitType::Target => shutdown.to_vec(),
        // These two are always there.
        UnitType::Slice if matches!(draft.config.name.as_str(), "-.slice" | "system.slice") => {
            draft.config.unit.default_dependencies = false;
            Vec::new()
        }
        UnitType::Slice | UnitType::Scope => shutdown.to_vec(),
        UnitType::Mount | UnitType::Automount | UnitType::Swap | UnitType::Device => Vec::new(),
    };
    for (kind, target) in edges {
        if let Ok(target) = UnitName::parse(target) {
            draft.depend(kind, &target, DependencyOrigin::Default);
        }
    }
}

/// For each target, the units it has to follow: all that it pulls in, unless one of the two
/// has no default dependencies or they are ordered the other way round (systemd.target(5),
/// "DEFAULT DEPENDENCIES").
pub(super) fn target_order(
    loader: &mut Loader<'_>,
    units: &BTreeMap<UnitName, Arc<UnitConfig>>,
    settings: &Settings,
) -> Vec<(UnitName, Vec<Dependency>)> {
    let mut order = Vec::new();
    if !settings.default_dependencies {
        return order;
    }
    for (name, unit) in units {
        if unit.body != UnitBody::Target || !unit.unit.default_dependencies {
            continue;
        }
        let mut after = Vec::new();
        for pulled in pulled_in(unit) {
            let id = loader.id_of(pulled);
            let follows = match units.get(&id) {
                Some(other) => may_follow(loader, unit, other),
                // Loaded long before; what it says is read again.
                None => {
                    let other = loader.load(&id);
                    may_follow(loader, unit, &other)
                }
            };
            if follows {
                after.push(Dependency {
                    kind: DependencyKind::After,
                    target: pulled.clone(),
                    origin: DependencyOrigin::Default,
                });
            }
        }
        if !after.is_empty() {
            order.push((name.clone(), after));
        }
    }
    order
}

/// What a unit pulls in and is not ordered against yet.
fn pulled_in(unit: &UnitConfig) -> BTreeSet<&UnitName> {
    let targets = |kinds: &[DependencyKind]| -> BTreeSet<&UnitName> {
        let edges = unit.dependencies.iter();
        edges
            .filter(|d| kinds.contains(&d.kind))
            .map(|d| &d.target)
            .collect()
    };
    let ordered = targets(&[DependencyKind::After, DependencyKind::Before]);
    &targets(&PULLS) - &ordered
}

/// Whether a target may be put behind a unit.
fn may_follow(loader: &Loader<'_>, target: &UnitConfig, other: &UnitConfig) -> bool {
    let reversed = other
        .dependencies_of(DependencyKind::After)
        .any(|name| loader.id_of(name) == target.name);
    other.load == LoadState::Loaded && other.unit.default_dependencies && !reversed
}
