//! Whether units are well, and which of them count.
//!
//! What counts, without anybody naming it, are the units that the manager was told to run and
//! what these require, want, are bound to or uphold, in turn.
//! - Live: the unit has not been given up. One that waits for its restart has not.
//! - Ready: it is up and its startup and readiness probes are good, or there is nothing it should
//!   be up for: it ended well by itself, or a condition does not hold.

use super::engine::Engine;
use super::graph::Edge;
use super::ids::UnitId;
use super::inspect::{Health, ServiceView, UnitHealth};
use super::probe::Verdict;
use super::state::{ActiveState, ServiceResult, ServiceState};
use super::unit::{Machine, Unit};
use crate::unit::config::{LoadState, ProbeKind, Probes};
use std::collections::BTreeSet;

/// What a wanted unit makes wanted.
const PULLS: [Edge; 4] = [Edge::Requires, Edge::BindsTo, Edge::Wants, Edge::Upholds];

impl Engine {
    /// How all loaded units are that this manager runs, by name.
    pub fn health(&self) -> Vec<UnitHealth> {
        let wanted = self.wanted();
        let units = self.graph.iter().filter(|unit| is_run(unit));
        let mut all: Vec<UnitHealth> = units
            .map(|unit| {
                let (health, reason) = judge(unit);
                UnitHealth {
                    unit: unit.config.name.clone(),
                    config: unit.config.clone(),
                    active: unit.active_state(),
                    sub: unit.machine.sub_state(),
                    wanted: wanted.contains(&unit.id),
                    health,
                    live: unit.active_state() != ActiveState::Failed,
                    reason,
                    probes: match &unit.machine {
                        Machine::Service(service) => service.view().probes,
                        _ => Default::default(),
                    },
                }
            })
            .collect();
        all.sort_by(|a, b| a.unit.cmp(&b.unit));
        all
    }

    fn wanted(&self) -> BTreeSet<UnitId> {
        let kept = self.graph.iter().filter(|unit| unit.kept);
        let mut queue: Vec<UnitId> = kept.map(|unit| unit.id).collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = queue.pop() {
            if seen.insert(id) {
                let edges = &self.graph.get(id).edges;
                queue.extend(PULLS.iter().flat_map(|edge| edges.of(*edge)));
            }
        }
        seen
    }
}

/// Whether a unit is anything that can be well or not. One that nobody wrote is not missed: what
/// needs it says so by itself.
fn is_run(unit: &Unit) -> bool {
    match &unit.machine {
        Machine::Fact => false,
        Machine::Inert => matches!(unit.config.load, LoadState::BadSetting | LoadState::Error),
        _ => {
            unit.config.load != LoadState::NotFound || !unit.active_state().is_inactive_or_failed()
        }
    }
}

fn judge(unit: &Unit) -> (Health, String) {
    let view = match &unit.machine {
        Machine::Service(service) => Some(service.view()),
        _ => None,
    };
    match unit.active_state() {
        ActiveState::Active | ActiveState::Reloading => match (&view, unit.config.service()) {
            (Some(view), Some(service)) => of_probes(view, &service.probes),
            _ => (Health::Healthy, String::new()),
        },
        ActiveState::Activating => (Health::Starting, why_not_up(unit, view.as_ref())),
        ActiveState::Deactivating | ActiveState::Maintenance => {
            (Health::Stopped, "it is being stopped".to_owned())
        }
        ActiveState::Failed => (Health::Unhealthy, why_failed(unit, view.as_ref())),
        ActiveState::Inactive => inactive(unit, view.as_ref()),
    }
}

fn of_probes(view: &ServiceView, probes: &Probes) -> (Health, String) {
    let waits = |kind: ProbeKind, failure: &str| {
        let word = kind.as_str();
        let text = match failure {
            "" => format!("the {word} probe has not answered yet"),
            failure => format!("the {word} probe has not succeeded yet: {failure}"),
        };
        (Health::Starting, text)
    };
    for kind in [ProbeKind::Startup, ProbeKind::Readiness] {
        if probes.get(kind).is_none() {
            continue;
        }
        let record = view.probes.get(&kind).cloned().unwrap_or_default();
        let fails = record.last_success == Some(false);
        let failure = if fails { record.failure.as_str() } else { "" };
        match record.verdict {
            Verdict::Good => {}
            Verdict::Unknown => return waits(kind, failure),
            Verdict::Bad => {
                let text = format!("the {} probe failed: {}", kind.as_str(), record.failure);
                return (Health::Unhealthy, text);
            }
        }
    }
    (Health::Healthy, String::new())
}

fn why_not_up(unit: &Unit, view: Option<&ServiceView>) -> String {
    let (Machine::Service(service), Some(view)) = (&unit.machine, view) else {
        return "it is starting".to_owned();
    };
    match service.state() {
        ServiceState::AutoRestart | ServiceState::AutoRestartQueued => {
            format!("it waits for its restart after '{}'", view.result.as_str())
        }
        _ if service.awaits_startup_probe() => {
            let record = view.probes.get(&ProbeKind::Startup);
            match record.filter(|it| it.last_success == Some(false)) {
                Some(record) => format!("it waits for its startup probe: {}", record.failure),
                None => "it waits for its startup probe".to_owned(),
            }
        }
        state => format!("it is starting ({})", state.as_str()),
    }
}

fn why_failed(unit: &Unit, view: Option<&ServiceView>) -> String {
    if unit.start_limit_hit {
        return "it was started too often, and is given up".to_owned();
    }
    let record = |kind| view.and_then(|view| view.probes.get(&kind));
    let probe = [ProbeKind::Liveness, ProbeKind::Startup].into_iter();
    match view.map(|view| view.result) {
        Some(ServiceResult::Probe) => {
            let last = probe.filter_map(record).max_by_key(|it| it.failed);
            let failure = last.map_or("", |it| it.failure.as_str());
            format!("failed with result 'probe': {failure}")
        }
        Some(result) => format!("failed with result '{}'", result.as_str()),
        None => "failed".to_owned(),
    }
}

fn inactive(unit: &Unit, view: Option<&ServiceView>) -> (Health, String) {
    if let Some(error) = &unit.config.load_error {
        return (Health::Unhealthy, error.clone());
    }
    let unmet = unit.condition.time.monotonic > 0 && !unit.condition.result;
    let skipped = view.is_some_and(|view| view.result == ServiceResult::ExecCondition);
    if unmet || skipped {
        return (Health::Done, "a condition does not hold".to_owned());
    }
    if unit.times.inactive_exit.monotonic == 0 {
        return (Health::Stopped, "it was not started".to_owned());
    }
    match view {
        Some(view) if !view.stop_asked && view.result == ServiceResult::Success => {
            (Health::Done, "it ended well".to_owned())
        }
        Some(_) | None => (Health::Stopped, "it is stopped".to_owned()),
    }
}
