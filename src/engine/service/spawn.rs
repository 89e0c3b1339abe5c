//! Orders to start commands, and the answers.

use super::Context;
use super::environment::gets_notify_socket;
use super::facts::{self, KillStage};
use super::machine::{Service, changed, log, settings};
use super::process::{Main, MainRecord, Process};
use crate::engine::effect::{Effect, KillOrder, LogLevel, Spawn};
use crate::engine::ids::{ProcessId, Timestamp};
use crate::engine::inspect::CommandView;
use crate::engine::probe::ProbeResult;
use crate::engine::process::Role;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ServiceType};
use crate::unit::value::{Signal, TimeSpan};
use std::sync::Arc;

impl Service {
    /// Orders a command as the control process; it gets `timeout` for itself (checklist row M7).
    /// Nothing happens, and `false` is returned, if the list has no such command.
    pub(super) fn run_control(
        &mut self,
        cx: &mut Context<'_>,
        kind: CommandKind,
        index: usize,
        timeout: TimeSpan,
    ) -> bool {
        let Some(process) = self.order_command(cx, Role::Control(kind), kind, index) else {
            return false;
        };
        self.control = Some(process);
        self.arm(cx, timeout);
        true
    }

    /// Orders a command of ExecStart= as the main process, as [`Service::run_control`].
    pub(super) fn run_main(
        &mut self,
        cx: &mut Context<'_>,
        index: usize,
        timeout: TimeSpan,
    ) -> bool {
        let Some(process) = self.order_command(cx, Role::Main, CommandKind::Start, index) else {
            return false;
        };
        self.main = Main::Alive(Box::new(process));
        self.arm(cx, timeout);
        true
    }

    fn order_command(
        &mut self,
        cx: &mut Context<'_>,
        role: Role,
        kind: CommandKind,
        index: usize,
    ) -> Option<Process> {
        let command = settings(cx).commands.get(kind).get(index)?;
        let process = cx.numbers.process();
        self.order_spawn(cx, process, role, kind, index);
        Some(Process::ordered(process, kind, index, command.clone()))
    }

    /// The order itself; `false` if the list has no such command.
    pub(super) fn order_spawn(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        role: Role,
        kind: CommandKind,
        index: usize,
    ) -> bool {
        if settings(cx).commands.get(kind).get(index).is_none() {
            return false;
        }
        let notify = gets_notify_socket(self.access(cx), kind);
        self.order_process(cx, process, role, (kind, index), notify);
        true
    }

    /// The order for any process of the service.
    pub(super) fn order_process(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        role: Role,
        (kind, index): (CommandKind, usize),
        notify: bool,
    ) {
        let spawn = self.spawn_of(cx, process, role, (kind, index), notify);
        cx.out.effects.push(Effect::Spawn(Arc::new(spawn)));
        self.coming += 1;
    }

    /// The same, not given yet.
    pub(super) fn spawn_of(
        &mut self,
        cx: &Context<'_>,
        process: ProcessId,
        role: Role,
        (kind, index): (CommandKind, usize),
        notify: bool,
    ) -> Spawn {
        Spawn {
            process,
            unit: cx.unit,
            generation: self.generation,
            config: Arc::clone(cx.config),
            role,
            kind,
            index,
            invocation: cx.invocation,
            notify,
            environment: self.environment(cx, kind),
            first: std::mem::take(&mut self.fresh),
            // The engine knows what is passed.
            passed: Vec::new(),
            streams: [None; 3],
            client: None,
        }
    }

    /// Takes in that an ordered process exists. `executed` is false if it will leave by itself
    /// with one of the codes 200-243 because a step before execve failed.
    pub fn on_spawned(
        &mut self,
        cx: &mut Context<'_>,
        process: ProcessId,
        pid: i32,
        executed: bool,
    ) {
        self.coming = self.coming.saturating_sub(1);
        self.populated = true;
        if self.probing.knows(process) || self.spawned_beside(cx, process, pid, executed) {
            return;
        }
        let Some(place) = self.book(process).map(|entry| {
            entry.pid = pid;
            entry.spawned = true;
            (entry.kind, entry.index)
        }) else {
            self.end_stray(cx, process);
            return;
        };
        self.begin_record(place, pid, cx.now);
        let is_main = self.is_main(process);
        if is_main {
            self.main_record = MainRecord {
                pid,
                start: cx.now,
                ..MainRecord::default()
            };
        }
        if place == (CommandKind::Start, Some(0)) {
            self.runs += 1;
        }
        changed(cx);
        if is_main && self.state == ServiceState::Start {
            self.main_spawned(cx, executed);
        } else if is_main && self.is_being_replaced() {
            self.made_new(cx, executed);
        }
    }

    /// Goes on if being there, or being executed, is all that the type waits for (row M1).
    fn main_spawned(&mut self, cx: &mut Context<'_>, executed: bool) {
        match settings(cx).service_type {
            // The exec may have failed, but these types do not look: the exit status follows.
            ServiceType::Simple | ServiceType::Idle => self.up_or_probed_first(cx),
            ServiceType::Exec if executed => self.up_or_probed_first(cx),
            ServiceType::Exec
            | ServiceType::Forking
            | ServiceType::Oneshot
            | ServiceType::Dbus
            | ServiceType::Notify
            | ServiceType::NotifyReload => {}
        }
    }

    /// A process came to be after everybody had given up waiting for it.
    fn end_stray(&mut self, cx: &mut Context<'_>, process: ProcessId) {
        let order = cx.numbers.order();
        cx.out.effects.push(Effect::Kill(KillOrder {
            unit: cx.unit,
            order,
            processes: vec![process],
            signal: Signal::KILL,
            group_signal: None,
            generation: None,
            resume: false,
            hangup: false,
        }));
    }

    /// Takes in that an ordered process could not be made (result `resources`; a `-` prefix does
    /// not help, as there is no exit status to ignore).
    pub fn on_spawn_failed(&mut self, cx: &mut Context<'_>, process: ProcessId, reason: &str) {
        self.coming = self.coming.saturating_sub(1);
        if self.probing.knows(process) {
            return self.probe_ended(cx, process, ProbeResult::Failure(reason.to_owned()));
        }
        if self.spawn_failed_beside(cx, process, reason) {
            return;
        }
        let Some((kind, index)) = self.book(process).map(|p| (p.kind, p.index)) else {
            return;
        };
        log(
            cx,
            LogLevel::Error,
            format!("{}= could not be started: {reason}", kind.directive()),
        );
        let first = index == Some(0);
        if self.is_main(process) {
            self.main = Main::Gone;
            self.main_spawn_failed(cx, first);
        } else {
            self.control = None;
            self.control_spawn_failed(cx, first);
        }
        changed(cx);
    }

    fn main_spawn_failed(&mut self, cx: &mut Context<'_>, first: bool) {
        if self.state != ServiceState::Start {
            self.note_main_result(ServiceResult::Resources);
            self.after_main(cx, ServiceResult::Resources);
        } else if first {
            self.enter_signal(cx, KillStage::StopSigterm, ServiceResult::Resources);
        } else {
            self.enter_stop(cx, ServiceResult::Resources);
        }
    }

    fn control_spawn_failed(&mut self, cx: &mut Context<'_>, first: bool) {
        debug_assert!(facts::keeps_control(self.state));
        let result = ServiceResult::Resources;
        match self.state {
            // Nothing was started yet, so there is nothing to end either.
            ServiceState::Condition | ServiceState::StartPre if first => {
                let before = settings(cx).commands.get(CommandKind::Condition);
                if self.state == ServiceState::Condition || before.is_empty() {
                    self.enter_dead(cx, result, true);
                } else {
                    // But what ExecCondition= may have left.
                    self.enter_signal(cx, KillStage::FinalSigterm, result);
                }
            }
            ServiceState::Stop => self.enter_signal(cx, KillStage::StopSigterm, result),
            ServiceState::StopPost => self.enter_signal(cx, KillStage::FinalSigterm, result),
            other => match other.phase() {
                Phase::Prepare | Phase::Start => {
                    self.enter_signal(cx, KillStage::StopSigterm, result);
                }
                Phase::Reload => self.reload_over(cx, result),
                Phase::Stop | Phase::Final => {
                    self.note_result(result);
                    self.after_control(cx, result);
                }
                Phase::Rest | Phase::Up | Phase::Pause => {}
            },
        }
    }

    /// The process of this name, if it is on the books.
    pub(super) fn book(&mut self, process: ProcessId) -> Option<&mut Process> {
        self.main
            .process_mut()
            .into_iter()
            .chain(&mut self.control)
            .find(|entry| entry.id == process)
    }

    /// Whether this is the main process.
    pub(super) fn is_main(&self, process: ProcessId) -> bool {
        self.main.process().is_some_and(|main| main.id == process)
    }

    pub(super) fn begin_record(
        &mut self,
        place: (CommandKind, Option<usize>),
        pid: i32,
        now: Timestamp,
    ) {
        let (kind, Some(index)) = place else { return };
        self.commands
            .retain(|view| (view.kind, view.index) != (kind, index));
        // Mostly there is one, and it stays as long as the unit does.
        self.commands.reserve_exact(1);
        self.commands.push(CommandView {
            kind,
            index,
            pid,
            start: now,
            exit: Timestamp::default(),
            status: None,
        });
        self.commands.sort_by_key(|view| (view.kind, view.index));
    }
}
