//! The commands of a socket unit, one at a time: orders to start them, and their ends.

use super::Context;
use super::facts::KillStage;
use super::machine::Socket;
use crate::engine::effect::{Effect, KillOrder, LogLevel, Spawn};
use crate::engine::ids::{ProcessId, Timestamp};
use crate::engine::inspect::CommandView;
use crate::engine::process::{ProcessStatus, Role};
use crate::engine::service::process::Process;
use crate::engine::service::result::describe;
use crate::engine::state::{SocketPhase as Phase, SocketResult, SocketState};
use crate::unit::config::CommandKind;
use crate::unit::value::Signal;
use std::sync::Arc;

impl Socket {
    /// Enters the state of a list of commands with the first of them, if there is one.
    pub(super) fn enter_commands(
        &mut self,
        cx: &mut Context<'_>,
        kind: CommandKind,
        state: SocketState,
    ) -> bool {
        self.control = None;
        if cx.settings().commands.get(kind).is_empty() {
            return false;
        }
        self.set_state(cx, state);
        self.run(cx, kind, 0)
    }

    /// Orders a command; `false` if the list has no such one.
    fn run(&mut self, cx: &mut Context<'_>, kind: CommandKind, index: usize) -> bool {
        let Some(command) = cx.settings().commands.get(kind).get(index) else {
            return false;
        };
        let process = cx.numbers.process();
        let spawn = Spawn {
            generation: 0,
            process,
            unit: cx.unit,
            config: Arc::clone(cx.config),
            role: Role::Control(kind),
            kind,
            index,
            invocation: cx.invocation,
            notify: false,
            environment: Vec::new(),
            first: std::mem::take(&mut self.fresh),
            passed: Vec::new(),
            streams: [None; 3],
            client: None,
        };
        cx.out.effects.push(Effect::Spawn(Arc::new(spawn)));
        self.coming += 1;
        self.control = Some(Process::ordered(process, kind, index, command.clone()));
        self.arm(cx, cx.settings().timeout);
        true
    }

    /// Takes in that an ordered process exists.
    pub fn on_spawned(&mut self, cx: &mut Context<'_>, process: ProcessId, pid: i32) {
        self.coming = self.coming.saturating_sub(1);
        self.populated = true;
        let Some(control) = self.control.as_mut().filter(|it| it.id == process) else {
            // It came to be after everybody had given up waiting for it.
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
            return;
        };
        control.pid = pid;
        control.spawned = true;
        let (kind, index) = (control.kind, control.index);
        if let Some(index) = index {
            let place = (kind, index);
            self.commands
                .retain(|view| (view.kind, view.index) != place);
            self.commands.push(CommandView {
                kind,
                index,
                pid,
                start: cx.now,
                exit: Timestamp::default(),
                status: None,
            });
        }
        cx.changed();
    }

    /// Takes in that an ordered process could not be made.
    pub fn on_spawn_failed(&mut self, cx: &mut Context<'_>, process: ProcessId, reason: &str) {
        self.coming = self.coming.saturating_sub(1);
        let Some(control) = self.control.take_if(|it| it.id == process) else {
            return;
        };
        let directive = control.kind.directive();
        let text = format!("{directive}= could not be started: {reason}");
        cx.log(LogLevel::Error, text);
        self.note_result(SocketResult::Resources);
        self.command_over(cx, SocketResult::Resources);
    }

    /// Takes in that a process ended.
    pub fn on_exited(&mut self, cx: &mut Context<'_>, process: ProcessId, status: ProcessStatus) {
        let Some(control) = self.control.take_if(|it| it.id == process) else {
            return;
        };
        let same = |view: &&mut CommandView| {
            view.kind == control.kind && Some(view.index) == control.index
        };
        if let Some(record) = self.commands.iter_mut().find(same) {
            record.exit = cx.now;
            record.status = Some(status);
        }
        let mut outcome = of_command(status);
        if outcome != SocketResult::Success {
            let text = format!("{} {}", control.kind.directive(), describe(status));
            cx.log(LogLevel::Notice, text);
        }
        if control.ignores_failure() {
            outcome = SocketResult::Success;
        }
        self.note_result(outcome);
        let next = control.index.map(|index| index + 1);
        if let Some(next) = next
            && outcome == SocketResult::Success
            && self.goes_on_with(control.kind)
            && self.run(cx, control.kind, next)
        {
            return;
        }
        self.command_over(cx, outcome);
        cx.changed();
    }

    /// Whether the state still is the one in which this list is run.
    fn goes_on_with(&self, kind: CommandKind) -> bool {
        match kind {
            CommandKind::StartPre => self.state == SocketState::StartPre,
            CommandKind::StartPost => self.state == SocketState::StartPost,
            CommandKind::StopPre => self.state == SocketState::StopPre,
            CommandKind::StopPost => self.state == SocketState::StopPost,
            CommandKind::Condition
            | CommandKind::Start
            | CommandKind::Reload
            | CommandKind::Stop => false,
        }
    }

    /// Where the socket goes when a list of commands has ended, or failed on the way.
    fn command_over(&mut self, cx: &mut Context<'_>, outcome: SocketResult) {
        match self.state.phase() {
            Phase::Start if self.state != SocketState::StartChown => {
                self.start_commands_over(cx, outcome);
            }
            Phase::Stop => self.enter_stop_post(cx, outcome),
            Phase::Final
                if self.state == SocketState::StopPost && outcome == SocketResult::Success =>
            {
                self.enter_signal(cx, KillStage::FinalSigterm, outcome);
            }
            Phase::Final => self.enter_dead(cx, outcome),
            // No command runs in these states.
            Phase::Start | Phase::Up | Phase::Rest => {}
        }
    }
}

/// What the end of a command means; only 0 is good.
fn of_command(status: ProcessStatus) -> SocketResult {
    match status {
        ProcessStatus::Exited(0) => SocketResult::Success,
        ProcessStatus::Exited(_) => SocketResult::ExitCode,
        ProcessStatus::Killed(_) => SocketResult::Signal,
        ProcessStatus::Dumped(_) => SocketResult::CoreDump,
        ProcessStatus::Unknown => SocketResult::ExitCode,
    }
}
