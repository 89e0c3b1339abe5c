//! Carries the engine's effects out, each by the module it belongs to.

use super::clock;
use super::conditions;
use super::directories::Removal;
use super::handle::News;
use super::run::{Fact, Host};
use crate::cgroup::usage;
use crate::engine::{CheckId, Effect, LogLevel, Timestamp, UnitId};
use crate::unit::config::Condition;
use crate::unit::name::UnitName;
use tokio::task::JoinHandle;

impl Host {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(order) => self.spawn(order),
            Effect::Kill(order) => self.kill(&order),
            Effect::Check {
                check,
                unit: _,
                conditions,
            } => self.check(check, conditions),
            Effect::FindMain {
                process,
                unit,
                source,
            } => self.find_main(process, unit, source),
            Effect::ForgetMain { process } => self.forget_main(process),
            Effect::CleanUp {
                unit,
                runtime_directories,
            } => self.clean_up(unit, runtime_directories),
            Effect::WatchBusName { unit, name } => self.watch_bus_name(unit, name),
            Effect::ForgetBusName { unit } => self.forget_bus_name(unit),
            Effect::RunProbe(order) => self.run_probe(*order),
            Effect::CancelProbe { order } => self.cancel_probe(order),
            Effect::Reply { request, result } => self.requests.reply(request, result),
            Effect::Log {
                level,
                unit,
                message,
            } => {
                let name = unit.and_then(|unit| self.name(unit));
                let run = unit.map_or(0, |unit| self.engine.invocation(unit));
                self.log.about(level, name.as_ref(), run, &message);
            }
            Effect::Act {
                unit,
                action,
                status,
                reason,
            } => self.act(unit, action, status, &reason),
            Effect::TakeIn {
                unit,
                order,
                config,
                invocation,
            } => self.take_in(unit, order, config, invocation),
            Effect::RequestStop { unit, controller } => self.request_stop(unit, controller),
            Effect::WatchPaths {
                unit,
                order,
                config,
                make,
            } => self.watch_paths(unit, order, &config, make),
            Effect::UnwatchPaths { unit } => self.unwatch_paths(unit),
            Effect::ReadStamp { unit, order } => self.read_stamp(unit, order),
            Effect::WriteStamp { unit, time } => self.write_stamp(unit, time),
            Effect::OpenSockets { .. }
            | Effect::CloseSockets { .. }
            | Effect::WatchSockets { .. }
            | Effect::UnwatchSockets { .. }
            | Effect::FlushSockets { .. }
            | Effect::LoadInstance { .. }
            | Effect::StoreDescriptor { .. }
            | Effect::CloseDescriptor { .. } => self.carry_out_of_sockets(effect),
            Effect::Finished => self.finished = true,
            Effect::UnitRemoved { unit, name } => self.forget(unit, name),
            Effect::UnitNew { .. }
            | Effect::Changed { .. }
            | Effect::JobNew { .. }
            | Effect::ProbeTurned { .. }
            | Effect::JobRemoved { .. } => {
                self.announce(&effect);
                self.note_life(&effect);
                self.look_at_decisive(&effect);
            }
        }
    }

    /// Passes news on to whoever listens.
    fn announce(&mut self, effect: &Effect) {
        let news = match effect {
            Effect::UnitNew { unit } => self.name(*unit).map(News::UnitNew),
            Effect::Changed { unit } => self.name(*unit).map(News::Changed),
            Effect::JobNew { job, unit, kind } => {
                self.name(*unit).map(|name| News::JobNew(*job, name, *kind))
            }
            Effect::JobRemoved {
                job,
                unit,
                kind,
                result,
            } => self
                .name(*unit)
                .map(|name| News::JobRemoved(*job, name, *kind, *result)),
            Effect::ProbeTurned {
                unit,
                kind,
                verdict,
                reason,
            } => self
                .name(*unit)
                .map(|name| News::Probe(name, *kind, *verdict, reason.clone())),
            Effect::Spawn(_)
            | Effect::RunProbe(_)
            | Effect::CancelProbe { .. }
            | Effect::Kill(_)
            | Effect::Check { .. }
            | Effect::FindMain { .. }
            | Effect::ForgetMain { .. }
            | Effect::WatchBusName { .. }
            | Effect::ForgetBusName { .. }
            | Effect::CleanUp { .. }
            | Effect::Reply { .. }
            | Effect::UnitRemoved { .. }
            | Effect::Log { .. }
            | Effect::Act { .. }
            | Effect::TakeIn { .. }
            | Effect::RequestStop { .. }
            | Effect::OpenSockets { .. }
            | Effect::CloseSockets { .. }
            | Effect::WatchSockets { .. }
            | Effect::UnwatchSockets { .. }
            | Effect::FlushSockets { .. }
            | Effect::LoadInstance { .. }
            | Effect::StoreDescriptor { .. }
            | Effect::CloseDescriptor { .. }
            | Effect::ReadStamp { .. }
            | Effect::WriteStamp { .. }
            | Effect::WatchPaths { .. }
            | Effect::UnwatchPaths { .. }
            | Effect::Finished => None,
        };
        if let Some(news) = news {
            self.job_ends.tell(&news);
            // Fails only if nobody listens.
            let _ = self.news.send(news);
            self.above.note_change();
        }
        if let Effect::JobRemoved { .. } = effect {
            self.note_startup();
        }
    }

    /// The manager is up once its first jobs have all ended.
    fn note_startup(&mut self) {
        let startup = &mut self.startup;
        if startup.finished != Timestamp::default() || !self.engine.jobs().is_empty() {
            return;
        }
        startup.finished = clock::now();
        self.limit_for_phase();
        let startup = &mut self.startup;
        let took = startup.finished.monotonic - startup.begun.monotonic;
        let _ = self.news.send(News::StartupFinished(took));
    }

    /// A unit has gone from the engine: nothing is kept of it. A removal under way goes on, for
    /// a unit that is read anew under the name.
    fn forget(&mut self, unit: UnitId, name: UnitName) {
        self.groups.release(unit);
        self.told_by_root.remove(&unit);
        self.freezers.remove(&unit);
        self.last_usage.remove(&unit);
        self.limits.forget(&name);
        self.left_out.remove(&unit);
        self.handed_over.remove(&unit);
        // Nothing, unless a start failed before there was a process.
        let left = self.isolations.release(unit, false);
        if !left.directories.is_empty() {
            tokio::task::spawn_blocking(move || {
                for directory in left.directories {
                    let _ = std::fs::remove_dir_all(directory);
                }
            });
        }
        self.unwatch_paths(unit);
        self.names.remove(&unit);
        self.lives.remove(&unit);
        if self
            .cleaning
            .get(&name)
            .is_some_and(JoinHandle::is_finished)
        {
            self.cleaning.remove(&name);
        }
        self.remembered.forget(&name);
        self.options.client_units.forget(&name);
        self.log.forget_rules(&name);
        // Fails only if nobody listens.
        let _ = self.news.send(News::UnitRemoved(name));
    }

    /// Conditions look at file systems that may hang: off the loop.
    fn check(&mut self, check: CheckId, conditions: Vec<Condition>) {
        let around = self.surroundings.clone();
        let facts = self.facts.clone();
        tokio::task::spawn_blocking(move || {
            let results = conditions::evaluate(&conditions, &around);
            let _ = facts.send(Fact::Checked(check, results));
        });
    }

    /// The unit is dead: removes what it leaves, off the loop; its next start waits for that.
    fn clean_up(&mut self, unit: UnitId, runtime_directories: bool) {
        // What it has used is still to be seen when it is gone.
        if let Some(path) = self.groups.path_of(unit) {
            let view = self.engine.unit_by_id(unit);
            let accounting = view.map(|view| view.config.resource.accounting);
            let places = self.groups.places(path, accounting.unwrap_or_default());
            let last = usage::read_last(&places);
            self.last_usage.insert(unit, last);
        }
        match self.engine.is_awaited(unit) {
            true => self.groups.renew(unit),
            false => self.groups.release(unit),
        }
        self.told_by_root.remove(&unit);
        self.freezers.remove(&unit);
        let Some(view) = self.engine.unit_by_id(unit) else {
            return;
        };
        let Some(exec) = view.config.exec() else {
            return;
        };
        let service = view.config.service();
        let pid_file = service.and_then(|service| service.pid_file.as_deref());
        let system = &self.common.system;
        let kept = &self.common.kept;
        let mut removal = Removal::new(pid_file, exec, system, runtime_directories, kept);
        removal.add(self.isolations.release(unit, exec.remove_ipc));
        if removal.is_empty() {
            return;
        }
        let name = view.config.name.clone();
        let before = self.cleaning.remove(&name);
        let log = self.log.clone();
        let of = name.clone();
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            let failures = tokio::task::spawn_blocking(move || removal.carry_out()).await;
            for failure in failures.unwrap_or_default() {
                log.manager(LogLevel::Warning, Some(&of), &failure);
            }
        });
        self.cleaning.insert(name, task);
    }

    /// The name of a unit; kept as long as the unit is there, as it never changes.
    pub(super) fn name(&mut self, unit: UnitId) -> Option<UnitName> {
        if let Some(name) = self.names.get(&unit) {
            return Some(name.clone());
        }
        let name = self.engine.unit_by_id(unit)?.config.name.clone();
        self.names.insert(unit, name.clone());
        Some(name)
    }
}
