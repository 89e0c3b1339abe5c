//! What units and slices may use: plans are made here from what the engine has loaded, and
//! carried out on the groups.
//!
//! Values go onto a group without processes at once. Where there are some, the kernel may take
//! its time (a lower limit of memory is held up until the memory is there): that is done on a
//! pool thread, one change of a unit after the other, and its next start waits.

use super::handle::Answer;
use super::placing::Placing;
use super::run::{Fact, Host};
use crate::cgroup::controls::{Change, GroupPath};
use crate::cgroup::network::Access as NetworkAccess;
use crate::cgroup::plan::{Finding, Ground, Plan, plan};
use crate::cgroup::{Group, devices, group_path, network};
use crate::engine::{Engine, LogLevel, Spawn, Timestamp, UnitId};
use crate::unit::config::{Cold, DevicePolicy, ResourceConfig, UnitConfig};
use crate::unit::name::{UnitName, UnitType};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What is under way and what was found.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Values that are being set.
    pending: BTreeMap<UnitName, JoinHandle<()>>,
    /// What is not, or not wholly, applied.
    findings: BTreeMap<UnitName, Vec<Finding>>,
    /// The access to devices and to the network that groups have.
    access: BTreeMap<UnitName, Access>,
    /// Who waits until the values of a unit are set.
    waiting: BTreeMap<UnitName, Vec<Answer<()>>>,
    /// The plan that was made last: the next unit often asks for the same.
    last: Option<Planned>,
}

/// A plan with what it was made of, as far as that can change.
#[derive(Debug)]
struct Planned {
    resource: Cold<ResourceConfig>,
    /// Those of all slices above.
    above: Vec<(UnitId, Cold<ResourceConfig>)>,
    startup: bool,
    plan: Plan,
    /// What it is kept from, which comes of the same.
    access: Access,
}

impl Planned {
    fn is_of(&self, config: &UnitConfig, engine: &Engine, startup: bool) -> bool {
        let is_as_before = |(slice, before): &(UnitId, Cold<ResourceConfig>)| {
            let config = engine.config_of(*slice);
            config.is_some_and(|config| config.resource.is_same(before))
        };
        self.startup == startup
            && self.resource.is_same(&config.resource)
            && self.above.iter().all(is_as_before)
    }
}

/// What a group is kept from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    /// DevicePolicy= and DeviceAllow=.
    devices: (DevicePolicy, Vec<(String, String)>),
    network: Arc<NetworkAccess>,
}

impl Limits {
    /// What is being set on a unit's group; to be waited for by whoever starts a process there.
    pub(super) fn take_pending(&mut self, unit: &UnitName) -> Option<JoinHandle<()>> {
        self.pending.remove(unit)
    }

    /// What is not, or not wholly, applied of a unit's settings.
    pub(super) fn findings(&self, unit: &UnitName) -> &[Finding] {
        self.findings.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The unit is gone.
    pub(super) fn forget(&mut self, unit: &UnitName) {
        self.findings.remove(unit);
        self.access.remove(unit);
        self.pending.remove(unit);
    }
}

/// The slices of a unit, the outermost first, without `-.slice`.
fn slices(config: &ResourceConfig) -> Vec<UnitName> {
    let slice = config.slice.as_ref();
    slice.and_then(UnitName::slices).unwrap_or_default()
}

fn is_slice(config: &UnitConfig) -> bool {
    config.name.unit_type() == UnitType::Slice
}

/// The way to the group of a unit or slice.
pub(super) fn path_of(config: &UnitConfig) -> io::Result<GroupPath> {
    if is_slice(config) {
        return slice_path(&config.name);
    }
    let slices = slices(&config.resource);
    group_path(slices.iter().map(UnitName::as_str), config.name.as_str())
}

/// The way to the group of a slice.
pub(super) fn slice_path(name: &UnitName) -> io::Result<GroupPath> {
    let mut slices = name.slices().unwrap_or_default();
    match slices.pop() {
        Some(last) => group_path(slices.iter().map(UnitName::as_str), last.as_str()),
        None => Ok(GroupPath::new()),
    }
}

/// The root of all slices.
const ROOT_SLICE: &str = "-.slice";

/// What the group of a unit or slice is kept from, with the slices above it.
fn access(config: &UnitConfig, above: &[Arc<UnitConfig>]) -> Access {
    let resource = &config.resource;
    let network = match is_slice(config) {
        true => NetworkAccess::of_slice(resource),
        false => NetworkAccess::of_unit(resource, above.iter().map(|config| &*config.resource)),
    };
    Access {
        devices: (resource.device_policy, resource.device_allow.clone()),
        network: Arc::new(network),
    }
}

impl Host {
    /// Limits the group of a unit that is about to get its first process, and the groups above
    /// that are new.
    pub(super) fn limit(&mut self, unit: UnitId, config: &UnitConfig, found: bool) {
        let Some(path) = self.groups.path_of(unit).cloned() else {
            return;
        };
        // What lies above a unit are its slices, the root before them.
        for depth in 0..path.len() {
            if self.groups.controls.applied(&path[..depth]).is_none() {
                self.limit_slice(config, path[..depth].to_vec());
            }
        }
        let (plan, access) = self.plan_as_before(config);
        // The first process is restricted when it is placed.
        self.limits.access.insert(config.name.clone(), access);
        let change = self.groups.controls.change(&path, plan, found);
        let is_empty = self.groups.is_untouched(unit) || !self.groups.is_populated(unit);
        self.set(config.name.clone(), change, is_empty);
        if self.groups.may_have_kills(unit) {
            self.watch_memory(unit, config);
        }
    }

    /// A run has begun: its memory is watched, if it is not yet. In a group that was made for it there
    /// are no kills but its own, so this need not be before its first process.
    pub(super) fn watch_begun(&mut self, unit: UnitId, config: &UnitConfig) {
        if !self.groups.may_have_kills(unit) {
            self.watch_memory(unit, config);
            self.groups.look_at_memory(unit);
        }
    }

    fn watch_memory(&mut self, unit: UnitId, config: &UnitConfig) {
        if let Err(error) = self.groups.watch_memory(unit) {
            tracing::warn!("cannot watch the memory of {}: {error}", config.name);
        }
    }

    /// Limits the group of one of the slices of a unit, which is new.
    fn limit_slice(&mut self, config: &UnitConfig, path: GroupPath) {
        let slice = match path.len().checked_sub(1) {
            Some(number) => slices(&config.resource).into_iter().nth(number),
            None => UnitName::parse(ROOT_SLICE).ok(),
        };
        let config = slice.and_then(|slice| self.engine.config(slice.as_str()));
        // The group of an earlier daemon's unit may be where its slices were then.
        let is_there = |config: &UnitConfig| slice_path(&config.name).is_ok_and(|own| own == path);
        let Some(config) = config.filter(|config| is_there(config)) else {
            return;
        };
        let plan = self.plan_for(&config);
        let change = self.groups.controls.change(&path, plan, true);
        self.set(config.name.clone(), change, true);
        let counts = config.resource.accounting.counts_ip();
        if config.resource.restricts_devices() || counts {
            self.restrict_anew(&config, &path);
        }
    }

    /// Where a new process of a unit goes.
    pub(super) fn placing(&self, group: Option<Arc<Group>>, order: &Spawn) -> Placing {
        let path = self.groups.path_of(order.unit);
        let path = path.map_or(&[][..], Vec::as_slice);
        let controls = &self.groups.controls;
        let legacy = controls.legacy_groups(path);
        // Of the first process it was just found out.
        let known = self.limits.access.get(&order.config.name);
        let network = match known.filter(|_| order.first) {
            Some(access) => access.network.clone(),
            None => self.access(&order.config).network,
        };
        Placing::new(group, legacy, controls.devices(path), network, order)
    }

    /// What the group of a unit or slice is kept from.
    fn access(&self, config: &UnitConfig) -> Access {
        access(config, &self.above(config))
    }

    /// The slices that a unit or slice is in, the innermost first, the root last.
    fn above(&self, config: &UnitConfig) -> Vec<Arc<UnitConfig>> {
        if config.name.as_str() == ROOT_SLICE {
            return Vec::new();
        }
        let names = slices(&config.resource);
        let names = names.iter().rev().map(UnitName::as_str);
        let configs = names
            .chain([ROOT_SLICE])
            .map(|name| self.engine.config(name));
        configs.flatten().collect()
    }

    /// A process has come that may know nothing of a limit that was set meanwhile.
    pub(super) fn look_at_joined(&mut self, unit: UnitId, joined: usize) {
        let Some(path) = self.groups.path_of(unit).cloned() else {
            return;
        };
        let change = self.groups.controls.gathering(&path);
        if self.groups.controls.legacy_groups(&path).len() != joined
            && let Some(name) = self.name(unit)
        {
            self.set(name, change, false);
        }
    }

    fn plan_for(&self, config: &UnitConfig) -> Plan {
        self.plan_below(config, &self.above(config))
    }

    /// What [`Host::plan_below`] and [`access`] say of a unit, which is not found out again for one
    /// unit after the other.
    fn plan_as_before(&mut self, config: &UnitConfig) -> (Plan, Access) {
        let startup = self.is_startup();
        let last = self.limits.last.as_ref();
        if let Some(last) = last.filter(|last| last.is_of(config, &self.engine, startup)) {
            return (last.plan.clone(), last.access.clone());
        }
        let above = self.above(config);
        let (plan, access) = (self.plan_below(config, &above), access(config, &above));
        let numbered = above.iter().map(|config| {
            let slice = self.engine.id_of(config.name.as_str())?;
            Some((slice, config.resource.clone()))
        });
        let numbered = numbered.collect::<Option<Vec<_>>>();
        // One that is not loaded may be later.
        let all = slices(&config.resource).len() + 1;
        let numbered = numbered.filter(|above| above.len() == all);
        self.limits.last = numbered.map(|above| Planned {
            resource: config.resource.clone(),
            above,
            startup,
            plan: plan.clone(),
            access: access.clone(),
        });
        (plan, access)
    }

    fn plan_below(&self, config: &UnitConfig, above: &[Arc<UnitConfig>]) -> Plan {
        let above: Vec<&ResourceConfig> = above.iter().map(|config| &*config.resource).collect();
        plan(
            &config.resource,
            &Ground {
                versions: self.groups.controls.versions(),
                absent: self.groups.controls.absent(),
                startup: self.is_startup(),
                above: &above,
            },
        )
    }

    /// Whether StartupCPUWeight= and its kin count.
    fn is_startup(&self) -> bool {
        self.startup.finished == Timestamp::default() || self.engine.is_shutting_down()
    }

    /// Sets what a change says; at once if that cannot take long.
    fn set(&mut self, unit: UnitName, mut change: Change, is_empty: bool) {
        let waits = self.limits.pending.contains_key(&unit);
        if change == Change::default() && !waits {
            self.limits.findings.remove(&unit);
            return;
        }
        change.make_room();
        if is_empty && !waits && change.is_quick() {
            let findings = change.carry_out();
            return self.note_findings(unit, findings);
        }
        let before = self.limits.pending.remove(&unit);
        let facts = self.facts.clone();
        let of = unit.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let findings = tokio::task::spawn_blocking(move || change.carry_out()).await;
            let _ = facts.send(Fact::Limited(of, findings.unwrap_or_default()));
        });
        self.limits.pending.insert(unit, task);
    }

    /// Answers once everything is set of what is under way for a unit.
    pub(super) fn answer_when_limited(&mut self, unit: UnitName, answer: Answer<()>) {
        self.limits
            .waiting
            .entry(unit.clone())
            .or_default()
            .push(answer);
        self.answer_limited(&unit);
    }

    fn answer_limited(&mut self, unit: &UnitName) {
        let pending = self.limits.pending.get(unit);
        if pending.is_some_and(|task| !task.is_finished()) {
            return;
        }
        self.limits.pending.remove(unit);
        for answer in self.limits.waiting.remove(unit).unwrap_or_default() {
            // An asker who went away misses nothing.
            let _ = answer.send(Ok(()));
        }
    }

    /// A change was carried out.
    pub(super) fn limited(&mut self, unit: UnitName, findings: Vec<Finding>) {
        self.answer_limited(&unit);
        self.note_findings(unit, findings);
    }

    /// What a change has found is known.
    pub(super) fn note_findings(&mut self, unit: UnitName, findings: Vec<Finding>) {
        let known = self.limits.findings.remove(&unit).unwrap_or_default();
        let asked = self.engine.config(unit.as_str());
        let asked = |finding: &&Finding| {
            let config = asked.as_ref();
            config.is_some_and(|config| config.requested.contains(finding.directive))
        };
        for finding in findings.iter().filter(asked) {
            if !known.contains(finding) {
                let how = if finding.reduced {
                    "is reduced"
                } else {
                    "is not applied"
                };
                let text = format!("{}= {how}: {}", finding.directive, finding.reason);
                self.log.manager(LogLevel::Notice, Some(&unit), &text);
            }
        }
        if !findings.is_empty() {
            self.limits.findings.insert(unit, findings);
        }
    }

    /// Units were read anew: those that have a group get what their files say now.
    pub(super) fn limit_anew(&mut self, units: &[Arc<UnitConfig>]) {
        if !self.groups.has_any() {
            return;
        }
        for unit in units {
            if is_slice(unit)
                && let Ok(path) = path_of(unit)
                && self.groups.controls.applied(&path).is_some()
            {
                self.change(unit, &path);
                // What is above counts for those below.
                for below in self.groups.units_below(&path) {
                    self.limit_again(below);
                }
            } else if let Some(id) = self.engine.id_of(unit.name.as_str())
                && self.groups.path_of(id).is_some()
            {
                self.limit_again(id);
            }
        }
    }

    /// The manager is up, or goes down: other values may count.
    pub(super) fn limit_for_phase(&mut self) {
        for unit in self.groups.units_below(&[]) {
            let name = self.name(unit);
            let config = name.and_then(|name| self.engine.config(name.as_str()));
            let Some(config) = config else {
                continue;
            };
            let mut names = slices(&config.resource);
            names.extend(UnitName::parse(ROOT_SLICE));
            for slice in names {
                let config = self.engine.config(slice.as_str());
                if let (Some(config), Ok(path)) = (config, slice_path(&slice))
                    && config.resource.has_phases()
                    && self.groups.controls.applied(&path).is_some()
                {
                    self.change(&config, &path);
                }
            }
            self.limit_again(unit);
        }
    }

    fn limit_again(&mut self, unit: UnitId) {
        let name = self.name(unit);
        let config = name.and_then(|name| self.engine.config(name.as_str()));
        let path = self.groups.path_of(unit).cloned();
        if let (Some(config), Some(path)) = (config, path)
            && self.groups.controls.applied(&path).is_some()
        {
            self.change(&config, &path);
            self.watch_memory(unit, &config);
        }
    }

    /// Restricts the access of a scope, whose processes nobody places.
    pub(super) fn restrict_scope(&mut self, unit: UnitId, config: &UnitConfig) {
        if let Some(path) = self.groups.path_of(unit).cloned()
            && (config.resource.restricts_devices() || self.access(config).network.is_any())
        {
            self.limits.access.remove(&config.name);
            self.restrict_anew(config, &path);
        }
    }

    /// Restricts the access of a group that has processes, or is a slice's.
    fn restrict_anew(&mut self, config: &UnitConfig, path: &GroupPath) {
        let now = self.access(config);
        let before = self.limits.access.get(&config.name);
        if before == Some(&now) {
            return;
        }
        let same_devices = before.is_some_and(|before| before.devices == now.devices);
        let same_network = before.is_some_and(|before| before.network == now.network);
        let wanted = now.network.clone();
        self.limits.access.insert(config.name.clone(), now);
        let Some(group) = self.groups.slice_directory(path) else {
            return;
        };
        let fallback = self.groups.controls.devices(path);
        let resource = config.resource.clone();
        let (log, name) = (self.log.clone(), config.name.clone());
        tokio::task::spawn_blocking(move || {
            let say = |what: &str, result: Result<(), String>| {
                if let Err(reason) = result {
                    let text = format!("access to {what} is not restricted anew: {reason}");
                    log.manager(LogLevel::Error, Some(&name), &text);
                }
            };
            if !same_devices {
                let result = devices::restrict_running(&group, &fallback, &resource);
                say("devices", result);
            }
            if !same_network {
                say("the network", network::enforce_running(&group, &wanted));
            }
        });
    }

    /// Sets what differs from what a group has.
    fn change(&mut self, config: &UnitConfig, path: &GroupPath) {
        self.restrict_anew(config, path);
        let plan = self.plan_for(config);
        if self.groups.controls.applied(path) != Some(&plan) {
            let change = self.groups.controls.change(path, plan, false);
            self.set(config.name.clone(), change, false);
        }
    }
}
