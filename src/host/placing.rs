//! Where a new process goes: the group of its unit or one below it, the groups of version 1, and
//! what a unit gets to know and to own of them (systemd.resource-control(5), Delegate=,
//! MemoryPressureWatch=), and what it is kept from there.

use super::generations;
use crate::cgroup::Group;
use crate::cgroup::devices::{self, Fallback, ThisMachine};
use crate::cgroup::network::{self, Access};
use crate::engine::Spawn;
use crate::exec::Identity;
use crate::exec::plan::Join;
use crate::unit::config::{Cold, CommandKind, PressureWatch, ResourceConfig, UnitConfig};
use crate::unit::effective::{Extent, LeftOut};
use crate::unit::value::encode_base64;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where one process goes.
#[derive(Debug, Default)]
pub(super) struct Placing {
    group: Option<Arc<Group>>,
    /// Groups of version 1, each with the directive that is lost without.
    legacy: Vec<(PathBuf, &'static str)>,
    /// The group below that of the unit.
    below: Option<String>,
    /// Where devices are restricted if it cannot be done on the group itself.
    devices: Fallback,
    /// The directive that asks for a restriction of devices and may not be left out. What is only
    /// implied, by PrivateDevices=, is a second lock behind its own.
    asks: Option<&'static str>,
    /// What the unit and its slices ask of the network.
    network: Arc<Access>,
    /// It is the first process of a run.
    first: bool,
    resource: Cold<ResourceConfig>,
}

/// A place that is ready.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// The group that the process is made in.
    pub(super) directory: Option<OwnedFd>,
    /// The groups of version 1 that it joins by itself.
    pub(super) joins: Vec<Join>,
    /// What else is missed.
    pub(super) reduced: Vec<LeftOut>,
    /// Why its access to something cannot be restricted, and the directive that asks for it.
    pub(super) no_access: Vec<(&'static str, String)>,
}

/// Where commands of a unit go that manages the groups below its own, while its main process
/// may have put others there.
const CONTROL: &str = ".control";

impl Placing {
    pub(super) fn new(
        group: Option<Arc<Group>>,
        legacy: Vec<(PathBuf, &'static str)>,
        devices: Fallback,
        network: Arc<Access>,
        order: &Spawn,
    ) -> Placing {
        let resource = order.config.resource.clone();
        let delegates = resource.delegate.is_some();
        let below = match order.kind {
            _ if !delegates => generations::group_of(order.generation),
            CommandKind::StartPost
            | CommandKind::Reload
            | CommandKind::Stop
            | CommandKind::StopPost => Some(CONTROL.to_owned()),
            _ => resource.delegate_subgroup.clone(),
        };
        Placing {
            group,
            legacy,
            below,
            devices,
            asks: asks(&order.config),
            network,
            first: order.first,
            resource,
        }
    }

    /// Makes the place ready, as far as that is not done for the whole unit.
    ///
    /// # Errors
    /// In a sentence.
    pub(super) fn place(&self, identity: Option<&Identity>) -> Result<Placed, String> {
        let mut placed = Placed {
            directory: self.directory(identity)?,
            joins: self.joins(),
            reduced: Vec::new(),
            no_access: Vec::new(),
        };
        let group = self.group.as_ref().map(|group| group.directory());
        match devices::rules(&self.resource, &ThisMachine) {
            None => {
                // An earlier run may have had other settings.
                if let Some(group) = group.filter(|_| self.first && self.may_be_restricted()) {
                    let _ = devices::release(group);
                }
            }
            Some(rules) => match devices::restrict(group, &self.devices, &rules) {
                Ok(Some(directory)) => placed.joins.extend(join(&directory, "DevicePolicy")),
                Ok(None) => {}
                Err(reason) => match self.asks {
                    Some(directive) => {
                        let reason = format!("cannot restrict access to devices: {reason}");
                        placed.no_access.push((directive, reason));
                    }
                    None => placed.reduced.push(LeftOut {
                        directive: "PrivateDevices".to_owned(),
                        reason: format!("to a /dev of its own: {reason}"),
                        extent: Extent::Part,
                    }),
                },
            },
        }
        if self.first && (self.network.is_any() || self.may_be_restricted()) {
            self.restrict_network(group, &mut placed);
        }
        Ok(placed)
    }

    /// For the whole run: what is changed meanwhile comes by itself.
    fn restrict_network(&self, group: Option<BorrowedFd<'_>>, placed: &mut Placed) {
        for missed in network::enforce(group, &self.network, true) {
            for directive in missed.directives {
                let reason = &missed.reason;
                if directive == network::ACCOUNTING {
                    placed.reduced.push(LeftOut {
                        directive: directive.to_owned(),
                        reason: reason.clone(),
                        extent: Extent::Nothing,
                    });
                } else {
                    let reason = format!("cannot restrict access to the network: {reason}");
                    placed.no_access.push((directive, reason));
                }
            }
        }
    }

    /// Whether the group was there before the daemon knew of it.
    fn may_be_restricted(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.was_found())
    }

    /// The groups of version 1 that the process joins by itself.
    fn joins(&self) -> Vec<Join> {
        let there = self.legacy.iter().filter(|(path, _)| path.is_dir());
        there
            .filter_map(|(path, setting)| join(path, setting))
            .collect()
    }

    /// How many groups of version 1 there are to join.
    pub(super) fn legacy_count(&self) -> usize {
        self.legacy.len()
    }

    /// The group that the process is made in, handed over to the unit's user if the unit manages
    /// it.
    fn directory(&self, identity: Option<&Identity>) -> Result<Option<OwnedFd>, String> {
        let Some(group) = &self.group else {
            return Ok(None);
        };
        let failed = |what: &str, error| format!("cannot {what} the control group: {error}");
        let owner = identity.map(|identity| (identity.uid, identity.gid));
        if self.resource.delegate.is_some() {
            group
                .hand_over(owner)
                .map_err(|error| failed("hand over", error))?;
        }
        if self.watches_pressure() {
            group
                .share_pressure(owner)
                .map_err(|error| failed("share the pressure of", error))?;
        }
        let below = self.below.as_deref();
        let is_theirs = self.below.is_some() && self.resource.delegate.is_some();
        let directory = group.open(below, owner.filter(|_| is_theirs));
        directory.map(Some).map_err(|error| failed("open", error))
    }

    fn watches_pressure(&self) -> bool {
        match self.resource.pressure_watch {
            PressureWatch::On => true,
            PressureWatch::Auto => self.resource.accounting.counts_memory(),
            PressureWatch::Off | PressureWatch::Skip | PressureWatch::Unsaid => false,
        }
    }

    /// Whether the process gets into a group of the unit's.
    pub(super) fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// What the process is told of its group.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let watch = |value: String| ("MEMORY_PRESSURE_WATCH".to_owned(), value);
        if self.resource.pressure_watch == PressureWatch::Off {
            return vec![watch("/dev/null".to_owned())];
        }
        let Some(group) = self.group.as_ref().filter(|_| self.watches_pressure()) else {
            return Vec::new();
        };
        let file = group.path().join("memory.pressure");
        let threshold = self.resource.pressure_threshold.unwrap_or(200_000);
        // So much of every two seconds; the line ends with a NUL.
        let trigger = format!("some {threshold} 2000000\0");
        let write = encode_base64(trigger.as_bytes());
        vec![
            watch(file.display().to_string()),
            ("MEMORY_PRESSURE_WRITE".to_owned(), write),
        ]
    }
}

fn asks(config: &UnitConfig) -> Option<&'static str> {
    let allowed = config.exec().map(|exec| &exec.allow_degraded);
    let may_go = |directive: &str| allowed.is_some_and(|allowed| allowed.contains(directive));
    let directives = ["DevicePolicy", "DeviceAllow"].into_iter();
    let asked = directives.filter(|directive| config.requested.contains(directive));
    // One that must not be left out, if there is one.
    asked.min_by_key(|directive| may_go(directive))
}

fn join(group: &Path, setting: &'static str) -> Option<Join> {
    // By this file a single thread moves itself without anybody waiting for it.
    let tasks = group.join("tasks").into_os_string().into_string().ok()?;
    Some(Join {
        tasks: CString::new(tasks).ok()?,
        setting,
    })
}
