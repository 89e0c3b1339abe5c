//! Dependencies that nobody wrote: those that follow from other settings, and the default ones
//! (checklist section 4; "IMPLICIT DEPENDENCIES" and "DEFAULT DEPENDENCIES" of the manual page
//! of each unit type).
//!
//! systemd's own on dbus.socket and on the journal's sockets are left out: neither is ours to
//! start, and output goes to our log.

use super::fragment::Loader;
use super::{PULLS, Settings};
use crate::unit::config::{
    Dependency, DependencyKind, DependencyOrigin, LoadState, UnitBody, UnitConfig,
};
use crate::unit::directive::Draft;
use crate::unit::escape::escape_path;
use crate::unit::name::{UnitName, UnitType};
use std::collections::{BTreeMap, BTreeSet};

/// Adds what follows from the settings of a unit, and the default dependencies if it has them.
pub(super) fn add(loader: &Loader<'_>, draft: &mut Draft, defaults: bool) {
    add_activated(draft);
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
        UnitBody::Other => match name.unit_type() {
            UnitType::Path | UnitType::Timer => {
                Some(draft.activates.clone().unwrap_or_else(service))
            }
            UnitType::Service
            | UnitType::Socket
            | UnitType::Target
            | UnitType::Slice
            | UnitType::Scope
            | UnitType::Mount
            | UnitType::Automount
            | UnitType::Swap
            | UnitType::Device => None,
        },
        UnitBody::Service(_) | UnitBody::Target | UnitBody::Fact => None,
    };
    if let Some(target) = target {
        for kind in [DependencyKind::Triggers, DependencyKind::Before] {
            draft.depend(kind, &target, DependencyOrigin::Implicit);
        }
    }
}

/// RequiresMountsFor=: every mount point on the way to the path, as far as there is one.
fn add_mounts(loader: &Loader<'_>, draft: &mut Draft) {
    for (kind, path) in std::mem::take(&mut draft.mounts) {
        let mut prefix = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            prefix = format!("{prefix}/{part}");
            let Ok(stem) = escape_path(&prefix) else {
                break;
            };
            // Too long for a name, and so is every longer path.
            let Ok(mount) = UnitName::parse(&format!("{stem}.mount")) else {
                break;
            };
            if loader.has(&mount) {
                draft.depend(kind, &mount, DependencyOrigin::Implicit);
                draft.depend(DependencyKind::After, &mount, DependencyOrigin::Implicit);
            }
        }
    }
}

/// The default dependencies by type: the basic system first, gone at shutdown.
fn add_defaults(draft: &mut Draft) {
    use DependencyKind::{After, Before, Conflicts, Requires};
    let calendar = draft.set.contains_key("OnCalendar");
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
        UnitType::Slice
        | UnitType::Scope
        | UnitType::Mount
        | UnitType::Automount
        | UnitType::Swap
        | UnitType::Device => Vec::new(),
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
    units: &BTreeMap<UnitName, UnitConfig>,
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
