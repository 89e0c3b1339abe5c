//! What happens between a start job's turn and the unit's own start: conditions, asserts,
//! dependencies once more, refused settings, the start limit (checklist J11, M17).

use super::activation;
use super::effect::{Effect, LogLevel};
use super::engine::Engine;
use super::graph::Edge;
use super::ids::{CheckId, UnitId};
use super::inspect::CheckView;
use super::queue::{Run, START_FAILURE};
use super::scopes::has_had_its_run;
use super::service::NotNow;
use super::socket::NotStarted;
use super::state::{ActiveState, JobResult, ServiceState};
use super::unit::Machine;
use crate::unit::config::{Condition, LoadState};

impl Engine {
    /// A start job's turn has come.
    pub(super) fn start_unit(&mut self, id: UnitId) -> Run {
        let unit = self.graph.get(id);
        match unit.active_state() {
            ActiveState::Active | ActiveState::Reloading => return Run::Ended(JobResult::Done),
            ActiveState::Maintenance => return Run::Again,
            ActiveState::Deactivating => return Run::Again,
            ActiveState::Activating if !self.is_new_run(id) => return self.begin_start(id),
            ActiveState::Activating | ActiveState::Inactive | ActiveState::Failed => {}
        }
        if has_had_its_run(unit) {
            return Run::Ended(JobResult::Once);
        }
        if unit.config.load != LoadState::Loaded {
            return Run::Ended(JobResult::Failed);
        }
        if self.is_a_need_being_checked(id) {
            return Run::Again;
        }
        let section = &unit.config.unit;
        let conditions: Vec<Condition> = section
            .conditions
            .iter()
            .chain(&section.asserts)
            .cloned()
            .collect();
        if conditions.is_empty() {
            return self.after_checks(id, true, true);
        }
        // A start that was asked for once more meanwhile looks once more.
        self.abandon_check(id);
        self.next_check += 1;
        let check = CheckId(self.next_check);
        self.checks.insert(check, id);
        self.graph.get_mut(id).check = Some(check);
        self.effects.push_back(Effect::Check {
            check,
            unit: id,
            conditions,
        });
        Run::Begun
    }

    /// The host has looked at the conditions.
    pub(super) fn checked(&mut self, check: CheckId, results: &[bool]) {
        let Some(id) = self.checks.remove(&check) else {
            return;
        };
        let unit = self.graph.get_mut(id);
        if unit.check != Some(check) {
            return;
        }
        unit.check = None;
        let Some(job) = unit.job else {
            self.wake_those_who_need(id);
            return;
        };
        let section = &unit.config.unit;
        let split = section.conditions.len().min(results.len());
        let conditions = hold(&section.conditions, &results[..split]);
        let asserts = hold(&section.asserts, &results[split..]);
        let outcome = self.after_checks(id, conditions, asserts);
        self.conclude(job, outcome);
        self.wake_those_who_need(id);
    }

    /// Forgets a look at conditions whose job has gone.
    pub(super) fn abandon_check(&mut self, id: UnitId) {
        if let Some(check) = self.graph.get_mut(id).check.take() {
            self.checks.remove(&check);
            self.wake_those_who_need(id);
        }
    }

    /// Whether a unit that this one needs was before it in the queue and waits for the answer to
    /// its conditions. Without an order between them, too, the answer comes first: a look at
    /// conditions is to take no time.
    fn is_a_need_being_checked(&self, id: UnitId) -> bool {
        let edges = &self.graph.get(id).edges;
        START_FAILURE
            .iter()
            .flat_map(|edge| edges.of(edge.inverse()))
            .any(|other| self.graph.get(other).check.is_some())
    }

    fn wake_those_who_need(&mut self, id: UnitId) {
        let edges = &self.graph.get(id).edges;
        let needing = START_FAILURE.iter().flat_map(|edge| edges.of(*edge));
        let needing: Vec<UnitId> = needing.collect();
        self.queue_jobs_of(needing);
    }

    fn after_checks(&mut self, id: UnitId, conditions: bool, asserts: bool) -> Run {
        let time = self.now;
        self.graph.get_mut(id).condition = CheckView {
            result: conditions,
            time,
        };
        self.effects.push_back(Effect::Changed { unit: id });
        if !conditions {
            let text = "skipped: a condition does not hold".to_owned();
            self.log(LogLevel::Info, id, text);
            return Run::Ended(JobResult::Done);
        }
        self.graph.get_mut(id).assert = CheckView {
            result: asserts,
            time,
        };
        if !asserts {
            let text = "not started: an assertion does not hold".to_owned();
            self.log(LogLevel::Error, id, text);
            return Run::Ended(JobResult::Assert);
        }
        if let Some(reason) = self.refused_setting(id) {
            self.log(LogLevel::Error, id, reason);
            return Run::Ended(JobResult::Unsupported);
        }
        if !self.bound_units_are_up(id) {
            return Run::Ended(JobResult::Dependency);
        }
        self.start_within_limit(id)
    }

    /// A security setting that cannot be applied keeps the unit from starting.
    fn refused_setting(&self, id: UnitId) -> Option<String> {
        let unit = self.graph.get(id);
        let refused: Vec<String> = unit
            .config
            .refusals()
            .map(|setting| {
                format!(
                    "{}={} ({})",
                    setting.directive, setting.value, setting.reason
                )
            })
            .collect();
        (!refused.is_empty()).then(|| {
            format!(
                "not started: this build does not apply {}",
                refused.join(", ")
            )
        })
    }

    /// BindsTo= with After=: the other unit has to be up still, or a condition of it may have
    /// kept it from coming up.
    fn bound_units_are_up(&self, id: UnitId) -> bool {
        let edges = &self.graph.get(id).edges;
        edges
            .of(Edge::BindsTo)
            .filter(|other| edges.has(Edge::After, *other))
            .all(|other| {
                self.graph
                    .get(other)
                    .active_state()
                    .is_active_or_reloading()
            })
    }

    fn start_within_limit(&mut self, id: UnitId) -> Run {
        let now = self.now.monotonic;
        let unit = self.graph.get_mut(id);
        let config = unit.config.clone();
        if matches!(
            unit.machine,
            Machine::Service(_) | Machine::Socket(_) | Machine::Timer(_) | Machine::Path(_)
        ) {
            unit.start_limit_hit = !unit.start_limit.allow(&config.unit, now);
        }
        if unit.start_limit_hit {
            let text = format!(
                "start-limit-hit: not started more than {} times within {}",
                config.unit.start_limit_burst, config.unit.start_limit_interval
            );
            self.log(LogLevel::Error, id, text);
            let action = config.unit.start_limit_action;
            self.act(id, action, None, "it was started too often".to_owned());
            self.with_service(id, |service, cx| service.start_limit_hit(cx));
            self.with_socket(id, |socket, cx| socket.start_limit_hit(cx));
            self.with_timer(id, |timer, cx| timer.start_limit_hit(cx));
            self.with_path(id, |path, cx| path.start_limit_hit(cx));
            return Run::Ended(JobResult::Failed);
        }
        let invocation = self.new_invocation();
        let restarts = self.is_new_run(id);
        let unit = self.graph.get_mut(id);
        unit.invocation = invocation;
        if !restarts {
            let job = unit.job.and_then(|job| self.jobs.get(&job));
            unit.details = job.map(|job| job.details.clone()).unwrap_or_default();
        }
        self.begin_start(id)
    }

    fn begin_start(&mut self, id: UnitId) -> Run {
        match &self.graph.get(id).machine {
            Machine::Service(_) => match self.with_service(id, |service, cx| service.start(cx)) {
                Some(Err(NotNow::Again)) => Run::Again,
                Some(Err(NotNow::Already)) => Run::Ended(JobResult::Done),
                Some(Ok(())) => Run::Begun,
                None => Run::Ended(JobResult::Failed),
            },
            Machine::Socket(_) => match self.with_socket(id, |socket, cx| socket.start(cx)) {
                Some(Err(NotStarted::Again)) => Run::Again,
                Some(Err(NotStarted::Already)) => Run::Ended(JobResult::Done),
                Some(Err(NotStarted::Failed)) | None => Run::Ended(JobResult::Failed),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Scope(_) => match self.with_scope(id, |scope, cx| scope.start(cx)) {
                Some(Err(NotNow::Again)) => Run::Again,
                Some(Err(NotNow::Already)) => Run::Ended(JobResult::Done),
                Some(Ok(())) => Run::Begun,
                None => Run::Ended(JobResult::Failed),
            },
            Machine::Timer(_) => match self.with_timer(id, |timer, cx| timer.start(cx)) {
                Some(Err(activation::NotStarted::Already)) => Run::Ended(JobResult::Done),
                Some(Err(activation::NotStarted::Failed)) | None => Run::Ended(JobResult::Failed),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Path(_) => match self.with_path(id, |path, cx| path.start(cx)) {
                Some(Err(activation::NotStarted::Already)) => Run::Ended(JobResult::Done),
                Some(Err(activation::NotStarted::Failed)) | None => Run::Ended(JobResult::Failed),
                Some(Ok(())) => Run::Begun,
            },
            Machine::Target { .. } => {
                self.set_target(id, true);
                Run::Begun
            }
            Machine::Fact => Run::Ended(JobResult::Done),
            Machine::Inert => Run::Ended(JobResult::Unsupported),
        }
    }

    /// Whether the unit waits for the job of its automatic restart. A start then begins a run
    /// of its own, so that conditions and limit apply.
    fn is_new_run(&self, id: UnitId) -> bool {
        match &self.graph.get(id).machine {
            Machine::Service(service) => service.state() == ServiceState::AutoRestartQueued,
            Machine::Socket(_)
            | Machine::Scope(_)
            | Machine::Timer(_)
            | Machine::Path(_)
            | Machine::Target { .. }
            | Machine::Fact
            | Machine::Inert => false,
        }
    }
}

/// All plain conditions hold, and one of the `|` ones if there are any (J11).
fn hold(conditions: &[Condition], results: &[bool]) -> bool {
    let judged: Vec<(bool, bool)> = conditions
        .iter()
        .zip(results.iter().chain(std::iter::repeat(&false)))
        .map(|(condition, holds)| (condition.trigger, *holds != condition.negate))
        .collect();
    let plain = judged
        .iter()
        .filter(|(trigger, _)| !trigger)
        .all(|(_, holds)| *holds);
    let mut triggers = judged.iter().filter(|(trigger, _)| *trigger).peekable();
    plain && (triggers.peek().is_none() || triggers.any(|(_, holds)| *holds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::config::ConditionKind;

    fn condition(trigger: bool, negate: bool) -> Condition {
        Condition {
            kind: ConditionKind::PathExists,
            parameter: "/x".to_owned(),
            trigger,
            negate,
        }
    }

    #[test]
    fn j11_plain_and_triggering_conditions() {
        let (plain, negated) = (condition(false, false), condition(false, true));
        let (either, not_either) = (condition(true, false), condition(true, true));
        assert!(hold(&[], &[]));
        assert!(hold(std::slice::from_ref(&plain), &[true]));
        assert!(!hold(std::slice::from_ref(&plain), &[false]));
        assert!(hold(&[negated], &[false]));
        let two = [either.clone(), either.clone()];
        assert!(hold(&two, &[false, true]));
        assert!(!hold(&two, &[false, false]));
        assert!(!hold(&[plain.clone(), either.clone()], &[false, true]));
        assert!(hold(&[plain, not_either], &[true, false]));
        assert!(
            !hold(&[either], &[]),
            "an answer that is missing does not hold"
        );
    }
}
