//! Makes the views of [`super::inspect`].

use super::engine::Engine;
use super::graph::Edge;
use super::ids::{JobId, UnitId};
use super::inspect::{JobView, ListedUnit, Standing, UnitView};
use super::job::Job;
use super::service::Service;
use super::state::{ActiveState, ServiceResult, ServiceState};
use super::unit::{Machine, Unit};
use crate::unit::config::{LoadState, UnitConfig};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// The names of all loaded units, sorted, aliases left out.
    pub fn unit_names(&self) -> Vec<UnitName> {
        self.graph.own_names()
    }

    /// All names, aliases too, of units whose files were found.
    pub fn loaded_names(&self) -> BTreeSet<UnitName> {
        let found = self
            .graph
            .iter()
            .filter(|unit| unit.config.load != LoadState::NotFound);
        found
            .flat_map(|unit| unit.config.aliases.iter().chain([&unit.config.name]))
            .cloned()
            .collect()
    }

    /// Whether the name is one of [`Engine::loaded_names`].
    pub fn has_loaded(&self, name: &UnitName) -> bool {
        let found = self.graph.find(name.as_str());
        found.is_some_and(|id| self.graph.get(id).config.load != LoadState::NotFound)
    }

    /// A unit by any of its names.
    pub fn unit(&self, name: &str) -> Option<UnitView> {
        self.graph
            .find(name)
            .map(|id| self.view(self.graph.get(id)))
    }

    /// All loaded units by their own names, sorted.
    pub fn listed_units(&self) -> impl Iterator<Item = ListedUnit<'_>> {
        self.graph.own_units().map(|unit| self.listed(unit))
    }

    /// A unit by any of its names, as lists show it.
    pub fn listed_unit(&self, name: &str) -> Option<ListedUnit<'_>> {
        let id = self.graph.find(name)?;
        Some(self.listed(self.graph.get(id)))
    }

    fn listed<'a>(&self, unit: &'a Unit) -> ListedUnit<'a> {
        let job = unit.job.and_then(|id| self.jobs.get(&id));
        ListedUnit {
            config: &unit.config,
            active: unit.active_state(),
            sub: unit.machine.sub_state(),
            job: job.map(|job| (job.id, job.kind)),
        }
    }

    /// The number of a unit, by any of its names.
    pub fn id_of(&self, name: &str) -> Option<UnitId> {
        self.graph.find(name)
    }

    /// The configuration of a unit by its number.
    pub fn config_of(&self, id: UnitId) -> Option<&Arc<UnitConfig>> {
        self.graph.lookup(id).map(|unit| &unit.config)
    }

    /// A unit by its number.
    pub fn unit_by_id(&self, id: UnitId) -> Option<UnitView> {
        self.graph.lookup(id).map(|unit| self.view(unit))
    }

    /// How far a unit is.
    pub fn standing(&self, id: UnitId) -> Option<Standing> {
        let unit = self.graph.lookup(id)?;
        let service = unit.machine.service();
        Some(Standing {
            active: unit.active_state(),
            sub: unit.machine.sub_state(),
            restarts: service.map_or(0, Service::restarts),
            succeeded: service.is_none_or(|it| it.result() == ServiceResult::Success),
        })
    }

    /// What the files of a unit say, by any of its names.
    pub fn config(&self, name: &str) -> Option<Arc<UnitConfig>> {
        let id = self.graph.find(name)?;
        Some(self.graph.get(id).config.clone())
    }

    /// The targets of one of [`super::inspect::DEPENDENCY_PROPERTIES`], sorted.
    pub fn dependencies(&self, unit: &str, property: &str) -> Vec<UnitName> {
        let (Some(id), Some(edge)) = (self.graph.find(unit), Edge::by_property(property)) else {
            return Vec::new();
        };
        let mut names: Vec<UnitName> = self
            .graph
            .get(id)
            .edges
            .of(edge)
            .map(|other| self.graph.get(other).config.name.clone())
            .collect();
        names.sort();
        names
    }

    /// The units that a unit shares namespaces with while both run: JoinsNamespaceOf= at either
    /// end (checklist J16).
    pub fn joined_namespaces(&self, unit: UnitId) -> Vec<UnitId> {
        let edges = self.graph.lookup(unit).map(|unit| &unit.edges);
        let ends = [Edge::JoinsNamespaceOf, Edge::NamespaceJoinedBy];
        let of = |edge| edges.into_iter().flat_map(move |it| it.of(edge));
        ends.into_iter().flat_map(of).collect()
    }

    /// All installed jobs, by number.
    pub fn jobs(&self) -> Vec<JobView> {
        self.jobs.values().map(|job| self.job_view(job)).collect()
    }

    /// How many jobs are installed.
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// The jobs that have to end before this one; none if it is not there.
    pub fn jobs_before(&self, id: JobId) -> Vec<JobView> {
        let before = self.jobs.get(&id).map(|job| self.comes_after(job));
        self.views_of(&before.unwrap_or_default())
    }

    /// The jobs that this one holds up.
    pub fn jobs_after(&self, id: JobId) -> Vec<JobView> {
        let held = |job: &&Job| self.comes_after(job).contains(&id);
        let jobs = self.jobs.values().filter(held);
        jobs.map(|job| self.job_view(job)).collect()
    }

    /// Jobs by their numbers.
    pub(super) fn views_of(&self, jobs: &[JobId]) -> Vec<JobView> {
        let jobs = jobs.iter().filter_map(|id| self.jobs.get(id));
        jobs.map(|job| self.job_view(job)).collect()
    }

    /// The run of a unit that was begun last; 0 if there was none.
    pub fn invocation(&self, unit: UnitId) -> u128 {
        self.graph.lookup(unit).map_or(0, |unit| unit.invocation)
    }

    /// Whether everything is being stopped.
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down
    }

    fn job_view(&self, job: &Job) -> JobView {
        JobView {
            id: job.id,
            unit: self.graph.get(job.unit).config.name.clone(),
            kind: job.kind,
            running: job.running,
        }
    }

    fn view(&self, unit: &Unit) -> UnitView {
        let mut view = UnitView {
            id: unit.id,
            config: unit.config.clone(),
            active: unit.active_state(),
            sub: unit.machine.sub_state(),
            list_state: list_state(unit),
            job: unit
                .job
                .and_then(|id| self.jobs.get(&id))
                .map(|job| self.job_view(job)),
            invocation: unit.invocation,
            start_limit_hit: unit.start_limit_hit,
            times: unit.times,
            condition: unit.condition,
            assert: unit.assert,
            service: None,
            socket: None,
            scope: None,
            timer: None,
            path: None,
            details: unit.details.clone(),
            stored: u32::try_from(unit.store.len()).unwrap_or(u32::MAX),
        };
        match &unit.machine {
            Machine::Service(service) => view.service = Some(service.view()),
            Machine::Socket(socket) => view.socket = Some(socket.view()),
            Machine::Scope(scope) => view.scope = Some(scope.view()),
            Machine::Timer(timer) => view.timer = Some(timer.view()),
            Machine::Path(path) => view.path = Some(path.result()),
            Machine::Target { .. } | Machine::Fact | Machine::Inert => {}
        }
        view
    }
}

/// The word of `dd-procmgr list` (DESIGN, "What units say beyond systemd").
fn list_state(unit: &Unit) -> &'static str {
    let exited = matches!(&unit.machine, Machine::Service(s) if s.state() == ServiceState::Exited);
    match unit.active_state() {
        ActiveState::Failed if unit.start_limit_hit => "crashed",
        ActiveState::Failed => "failed",
        ActiveState::Active if exited => "exited",
        ActiveState::Active | ActiveState::Reloading => "running",
        ActiveState::Activating => "starting",
        ActiveState::Deactivating | ActiveState::Maintenance => "stopping",
        ActiveState::Inactive if unit.times.inactive_exit.monotonic == 0 => "created",
        ActiveState::Inactive => "stopped",
    }
}
