//! The processes of the generation beside: ordered, told of, ended.

use super::super::environment::gets_notify_socket;
use super::super::machine::{Service, changed, log, settings};
use super::super::process::Process;
use super::super::{Context, probes, result};
use super::Stage;
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::ids::ProcessId;
use crate::engine::probe::ProbeResult;
use crate::engine::process::{ProcessStatus, Role};
use crate::engine::state::ServiceResult;
use crate::unit::config::{CommandKind, ServiceType};
use std::sync::Arc;

impl Service {
    /// Orders a command for the generation beside; `false` if there is none.
    pub(super) fn run_beside(
        &mut self,
        cx: &mut Context<'_>,
        kind: CommandKind,
        index: usize,
    ) -> bool {
        let Some(command) = settings(cx).commands.get(kind).get(index) else {
            return false;
        };
        let process = cx.numbers.process();
        let entry = Process::ordered(process, kind, index, command.clone());
        self.order_beside(cx, process, Role::Control(kind), (kind, index));
        if let Some(overlap) = &mut self.overlap {
            overlap.control = Some(entry);
        }
        true
    }

    pub(super) fn start_beside(&mut self, cx: &mut Context<'_>) {
        let Some(command) = settings(cx).commands.get(CommandKind::Start).first() else {
            return self.fail_beside(cx, "there is no ExecStart=", ServiceResult::Resources);
        };
        let process = cx.numbers.process();
        let entry = Process::ordered(process, CommandKind::Start, 0, command.clone());
        self.order_beside(cx, process, Role::Main, (CommandKind::Start, 0));
        if let Some(overlap) = &mut self.overlap {
            overlap.stage = Stage::Start;
            overlap.process = Some(entry);
        }
    }

    pub(super) fn order_beside(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        role: Role,
        place: (CommandKind, usize),
    ) {
        let configured = settings(cx).notify_access;
        let access = self.overlap.as_ref().map(|it| it.access(configured));
        let notify = gets_notify_socket(access.unwrap_or(configured), place.0);
        let mut spawn = self.spawn_of(cx, process, role, place, notify);
        // One that has the place of an old one already is the main process.
        if let Some(overlap) = self.overlap.as_ref().filter(|it| !it.is_in_place()) {
            spawn.generation = overlap.generation;
            spawn.environment.retain(|(name, _)| name != "MAINPID");
            let main = overlap.process.as_ref().filter(|main| main.pid > 0);
            let main = main.map(|main| ("MAINPID".to_owned(), main.pid.to_string()));
            spawn.environment.extend(main);
        }
        cx.out.effects.push(Effect::Spawn(Arc::new(spawn)));
        self.coming += 1;
    }

    /// An ordered process exists; whether it is one of those beside.
    pub(in crate::engine::service) fn spawned_beside(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        pid: i32,
        executed: bool,
    ) -> bool {
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        if overlap.probe.as_ref().is_some_and(|it| it.knows(process)) {
            return true;
        }
        let entries = overlap.process.iter_mut().chain(&mut overlap.control);
        let Some(entry) = entries.into_iter().find(|entry| entry.id == process) else {
            return false;
        };
        entry.pid = pid;
        entry.spawned = true;
        let is_new = overlap.stage == Stage::Start && entry.kind == CommandKind::Start;
        if is_new {
            overlap.since = cx.now;
            self.made_new(cx, executed);
        }
        changed(cx);
        true
    }

    /// The new process is there: for types that do not speak this is all, or a probe has its say.
    pub(in crate::engine::service) fn made_new(&mut self, cx: &mut Context<'_>, executed: bool) {
        match settings(cx).service_type {
            ServiceType::Simple | ServiceType::Idle | ServiceType::Exec if executed => {
                if !self.begin_probe_beside(cx) {
                    self.ready_beside(cx);
                }
            }
            // It leaves by itself, or will say so.
            ServiceType::Simple
            | ServiceType::Idle
            | ServiceType::Exec
            | ServiceType::Oneshot
            | ServiceType::Forking
            | ServiceType::Dbus
            | ServiceType::Notify
            | ServiceType::NotifyReload => {}
        }
    }

    /// A process beside could not be made; whether it was one.
    pub(in crate::engine::service) fn spawn_failed_beside(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        reason: &str,
    ) -> bool {
        let failed = ProbeResult::Failure(reason.to_owned());
        if self.probe_ended_beside(cx, process, failed) {
            return true;
        }
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        if overlap.control.take_if(|it| it.id == process).is_some() {
            self.command_over_beside(cx, false);
        } else if overlap.process.take_if(|it| it.id == process).is_some() {
            let text = format!("it could not be started: {reason}");
            self.fail_beside(cx, &text, ServiceResult::Resources);
        } else {
            return false;
        }
        changed(cx);
        true
    }

    /// A process ended; whether it was one beside.
    pub(in crate::engine::service) fn exited_beside(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        status: ProcessStatus,
    ) -> bool {
        let told = result::describe(status);
        if self.probe_ended_beside(cx, process, probes::of_exit(status)) {
            return true;
        }
        if self.is_unheard_of(process) {
            // It was so quick that its end overtook the answer to the order.
            self.on_spawned(cx, process, 0, false);
        }
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        if let Some(control) = overlap.control.take_if(|it| it.id == process) {
            let outcome = result::of_process(settings(cx), control.kind, status);
            let fine = outcome == ServiceResult::Success || control.ignores_failure();
            let next = control.index.map(|index| index + 1);
            let kind = control.kind;
            let goes_on = fine && self.is_list_of_stage(kind);
            if !(goes_on && next.is_some_and(|next| self.run_beside(cx, kind, next))) {
                self.command_over_beside(cx, fine);
            }
        } else if overlap.process.take_if(|it| it.id == process).is_some() {
            log(cx, LogLevel::Debug, format!("the process beside {told}"));
            self.main_gone_beside(cx, &told, status);
        } else {
            return false;
        }
        changed(cx);
        true
    }

    /// Whether a process beside was ordered, and the order has no answer yet.
    fn is_unheard_of(&self, process: ProcessId) -> bool {
        let overlap = self.overlap.iter();
        let mut entries = overlap.flat_map(|it| it.process.iter().chain(&it.control));
        entries.any(|entry| entry.id == process && !entry.spawned)
    }

    fn is_list_of_stage(&self, kind: CommandKind) -> bool {
        let stage = self.overlap.as_ref().map(|it| it.stage);
        match kind {
            CommandKind::StartPre => stage == Some(Stage::Pre),
            CommandKind::StartPost => stage == Some(Stage::Post),
            CommandKind::Stop => stage == Some(Stage::Stop),
            CommandKind::Condition
            | CommandKind::Start
            | CommandKind::Reload
            | CommandKind::StopPre
            | CommandKind::StopPost => false,
        }
    }

    /// A list of commands is over.
    fn command_over_beside(&mut self, cx: &mut Context<'_>, fine: bool) {
        let Some(overlap) = &self.overlap else { return };
        let resources = ServiceResult::ExitCode;
        match overlap.stage {
            Stage::Pre if fine => self.start_beside(cx),
            Stage::Pre => self.fail_beside(cx, "its ExecStartPre= failed", resources),
            Stage::Post if fine => self.succeed(cx),
            Stage::Post => self.fail_beside(cx, "its ExecStartPost= failed", resources),
            Stage::Stop => self.end_beside(cx),
            Stage::Start => {}
            Stage::Term | Stage::Kill | Stage::Rest => self.look_at_rest(cx),
            Stage::Abandoned => self.gone_while_going_down(cx),
        }
    }

    fn main_gone_beside(&mut self, cx: &mut Context<'_>, told: &str, status: ProcessStatus) {
        let Some(overlap) = &self.overlap else { return };
        match overlap.stage {
            Stage::Pre | Stage::Start | Stage::Post => {
                let outcome = result::of_process(settings(cx), CommandKind::Start, status);
                self.fail_beside(cx, &format!("it {told} before it was ready"), outcome);
            }
            // ExecStop= is at it.
            Stage::Stop => {}
            Stage::Term | Stage::Kill | Stage::Rest => self.look_at_rest(cx),
            Stage::Abandoned => self.gone_while_going_down(cx),
        }
    }

    /// The last process beside may have been what the end of the service waited for.
    fn gone_while_going_down(&mut self, cx: &mut Context<'_>) {
        let alone = self.main.process().is_none() && self.control.is_none();
        if alone && self.nobody_beside() {
            self.after_main(cx, ServiceResult::Success);
        }
    }
}
