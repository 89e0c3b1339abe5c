//! What readers get to see of the host.

use super::handle::{Facts, Held, LogLine, ManagerFacts, View, Vitals};
use super::limits::slice_path;
use super::run::Host;
use crate::cgroup::usage::{self, Usage};
use crate::exec::foresight;
use crate::sys::proc;
use crate::unit::config::Accounting;
use crate::unit::effective::{self, Extent, LeftOut};
use crate::unit::name::{UnitName, UnitType};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What is shown of a unit's usage: what its settings say is not counted is not told.
fn counted(mut usage: Usage, accounting: Accounting) -> Usage {
    if !accounting.counts_memory() {
        usage.memory = None;
        usage.memory_available = None;
    }
    if !accounting.counts_tasks() {
        usage.tasks = None;
    }
    if !accounting.counts_io() {
        usage.io = None;
    }
    if !accounting.counts_ip() {
        usage.traffic = None;
    }
    usage
}

/// The host as [`Facts`].
pub(super) struct HostFacts<'a>(pub(super) &'a Host);

impl HostFacts<'_> {
    pub(super) fn view(&self) -> View<'_> {
        View {
            engine: &self.0.engine,
            facts: self,
        }
    }
}

impl Facts for HostFacts<'_> {
    fn control_group(&self, unit: &UnitName) -> String {
        if unit.unit_type() == UnitType::Slice {
            let path = slice_path(unit).ok();
            let name = path.and_then(|path| self.0.groups.slice_name(&path));
            return name.unwrap_or_default();
        }
        let view = self.0.engine.unit(unit.as_str());
        view.map_or_else(String::new, |view| self.0.groups.name_of(view.id))
    }

    fn processes(&self, unit: &UnitName) -> Vec<(i32, String)> {
        let Some(view) = self.0.engine.unit(unit.as_str()) else {
            return Vec::new();
        };
        let pids = self.0.groups.processes(view.id, &self.0.known_for(view.id));
        pids.into_iter()
            .map(|pid| (pid, proc::command_line(pid).unwrap_or_default()))
            .collect()
    }

    fn usage(&self, unit: &UnitName) -> Usage {
        let Some(view) = self.0.engine.unit(unit.as_str()) else {
            return Usage::default();
        };
        let path = match unit.unit_type() {
            UnitType::Slice => slice_path(view.name()).ok(),
            _ => self.0.groups.path_of(view.id).cloned(),
        };
        let accounting = view.config.resource.accounting;
        let usage = match path {
            Some(path) => usage::read(&self.0.groups.places(&path, accounting)),
            None => self.0.last_usage.get(&view.id).cloned().unwrap_or_default(),
        };
        counted(usage, accounting)
    }

    fn effective_settings(&self, unit: &UnitName) -> Vec<String> {
        let Some(view) = self.0.engine.unit(unit.as_str()) else {
            return Vec::new();
        };
        let mut limits: Vec<LeftOut> = self
            .0
            .limits
            .findings(view.name())
            .iter()
            .map(|finding| LeftOut {
                directive: finding.directive.to_owned(),
                reason: finding.reason.clone(),
                extent: match finding.reduced {
                    true => Extent::Part,
                    false => Extent::Nothing,
                },
            })
            .collect();
        match (self.0.left_out.get(&view.id), view.config.exec()) {
            (Some(left_out), _) => limits.extend(left_out.iter().cloned()),
            // It was never started: what has to be expected.
            (None, Some(exec)) => {
                limits.extend(foresight::foresee(
                    exec,
                    &view.config.resource,
                    &self.0.common.standing,
                ));
            }
            (None, None) => {}
        }
        effective::report(&view.config, &limits)
    }

    fn dynamic_users(&self) -> Vec<(u32, String)> {
        self.0.common.dynamic_users.known()
    }

    fn freezer(&self, unit: &UnitName) -> Option<&'static str> {
        let view = self.0.engine.unit(unit.as_str())?;
        if (view.service.is_none() && view.scope.is_none()) || !self.0.groups.has_tree() {
            return None;
        }
        let state = self.0.freezers.get(&view.id);
        Some(state.map_or("running", |state| state.as_str()))
    }

    fn is_transient(&self, fragment: &str) -> bool {
        self.0.options.client_units.is_transient(fragment)
    }

    fn log(&self, unit: Option<&UnitName>, count: usize) -> Vec<Arc<LogLine>> {
        // The log knows units by their own name.
        let own = unit.and_then(|unit| self.0.engine.unit(unit.as_str()));
        match own {
            Some(view) => self.0.log.last(Some(&view.config.name), count),
            None => self.0.log.last(unit, count),
        }
    }

    fn log_after(&self, unit: Option<&UnitName>, after: u64) -> Vec<Arc<LogLine>> {
        let own = unit.and_then(|unit| self.0.engine.unit(unit.as_str()));
        match own {
            Some(view) => self.0.log.after(Some(&view.config.name), after),
            None => self.0.log.after(unit, after),
        }
    }

    fn log_files(&self) -> Option<(PathBuf, oneshot::Receiver<()>)> {
        let directory = self.0.log.directory()?;
        Some((directory.to_owned(), self.0.log.written()))
    }

    fn log_counts(&self) -> BTreeMap<UnitName, u64> {
        self.0.log.counts()
    }

    fn held(&self, unit: &UnitName) -> Held {
        let Some(view) = self.0.engine.unit(unit.as_str()) else {
            return Held::default();
        };
        Held {
            group: self.0.groups.directory_of(view.id),
            places: self
                .0
                .groups
                .path_of(view.id)
                .map(|path| {
                    let accounting = view.config.resource.accounting;
                    self.0.groups.places(path, accounting)
                })
                .unwrap_or_default(),
            cpu: self.0.last_usage.get(&view.id).and_then(|last| last.cpu),
            lines: 0,
            lost_lines: self.0.log.lost(&view.config.name),
        }
    }

    fn vitals(&self) -> Vitals {
        self.0.vitals()
    }

    fn manager(&self) -> ManagerFacts {
        let options = &self.0.options;
        let own = |name: &str| {
            let mut variables = options.own_environment.iter();
            let found = variables.find(|(n, _)| n == name);
            found.map_or_else(String::new, |(_, value)| value.clone())
        };
        ManagerFacts {
            name: options.name.clone(),
            pod: own("DD_POD_NAME"),
            container: own("DD_CONTAINER_NAME"),
            mode: options.mode.as_str().to_owned(),
            unit_path: options.load.path.clone(),
            environment: self.0.common.base.clone(),
            control_group: self.0.groups.root_name().to_owned(),
            load: options.load.clone(),
            client_units: options.client_units.clone(),
            startup: self.0.startup,
        }
    }
}
