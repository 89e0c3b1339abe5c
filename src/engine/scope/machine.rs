//! The scope itself: what it remembers, and what each event makes of it.

use super::{Context, Controller, Transition};
use crate::engine::effect::{Effect, KillOrder, LogLevel};
use crate::engine::inspect::ScopeView;
use crate::engine::random;
use crate::engine::service::{NotNow, deadline_after};
use crate::engine::state::{ScopeResult, ScopeState};
use crate::unit::config::{KillMode, OomPolicy};
use crate::unit::value::{Signal, TimeSpan};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The state machine of one scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scope {
    state: ScopeState,
    /// Why it ended or is ending; the first failure stays.
    result: ScopeResult,
    /// The order whose answer the state waits for: to take processes in, or to kill.
    order: Option<u64>,
    /// When the present state has lasted too long; monotonic microseconds.
    timer: Option<u64>,
    /// Whether a process has been in the unit's group since that was last known to be empty.
    populated: bool,
    /// Who looks after it. Clients do not outlive the daemon's process.
    #[serde(skip)]
    controller: Option<Controller>,
}

impl Default for Scope {
    fn default() -> Scope {
        Scope {
            state: ScopeState::Dead,
            result: ScopeResult::Success,
            order: None,
            timer: None,
            populated: false,
            controller: None,
        }
    }
}

/// The two stages in which processes are signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KillStage {
    Sigterm,
    Sigkill,
}

impl KillStage {
    fn state(self) -> ScopeState {
        match self {
            KillStage::Sigterm => ScopeState::StopSigterm,
            KillStage::Sigkill => ScopeState::StopSigkill,
        }
    }

    fn of(state: ScopeState) -> Option<KillStage> {
        match state {
            ScopeState::StopSigterm => Some(KillStage::Sigterm),
            ScopeState::StopSigkill => Some(KillStage::Sigkill),
            ScopeState::Dead
            | ScopeState::StartChown
            | ScopeState::Running
            | ScopeState::Abandoned
            | ScopeState::Failed => None,
        }
    }
}

impl Scope {
    /// The present state.
    pub fn state(&self) -> ScopeState {
        self.state
    }

    /// Whether the unit's group may hold a process.
    pub fn may_be_populated(&self) -> bool {
        self.populated
    }

    /// A picture of everything that is shown of a scope.
    pub fn view(&self) -> ScopeView {
        ScopeView {
            result: self.result,
            controller: self.controller.as_ref().map(|it| it.name.clone()),
        }
    }

    /// The client that looks after it.
    pub fn holder(&self) -> Option<u64> {
        self.controller.as_ref().map(|it| it.holder)
    }

    /// Names the client that looks after it, or takes that back.
    pub fn set_controller(&mut self, cx: &mut Context<'_>, controller: Option<Controller>) {
        self.controller = controller;
        cx.changed();
    }

    /// A client has gone.
    pub fn client_gone(&mut self, cx: &mut Context<'_>, holder: u64) {
        if self
            .controller
            .as_ref()
            .is_some_and(|it| it.holder == holder)
        {
            self.set_controller(cx, None);
        }
    }

    /// Runs a start job: has the processes moved into the unit's group.
    ///
    /// # Errors
    /// [`NotNow::Again`] while it is being stopped, [`NotNow::Already`] if it is up.
    pub fn start(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        match self.state {
            ScopeState::Dead | ScopeState::Failed => {}
            ScopeState::StartChown => return Ok(()),
            ScopeState::Running | ScopeState::Abandoned => return Err(NotNow::Already),
            ScopeState::StopSigterm | ScopeState::StopSigkill => return Err(NotNow::Again),
        }
        self.result = ScopeResult::Success;
        let order = cx.numbers.order();
        self.set_state(cx, ScopeState::StartChown);
        self.order = Some(order);
        cx.out.effects.push(Effect::TakeIn {
            unit: cx.unit,
            order,
            config: Arc::clone(cx.config),
            invocation: cx.invocation,
        });
        Ok(())
    }

    /// Takes in that the processes are in the unit's group, or why they are not.
    pub fn on_taken_in(&mut self, cx: &mut Context<'_>, order: u64, result: Result<(), String>) {
        if self.order != Some(order) || self.state != ScopeState::StartChown {
            return;
        }
        self.order = None;
        match result {
            Ok(()) => {
                self.populated = true;
                self.set_state(cx, ScopeState::Running);
                let extra = random_extra(cx);
                let most = cx.settings().runtime_max;
                if !most.is_infinite() {
                    self.arm(cx, TimeSpan(most.0.saturating_add(extra.0)));
                }
            }
            Err(reason) => {
                cx.log(LogLevel::Warning, reason);
                self.enter_dead(cx, ScopeResult::Resources);
            }
        }
    }

    /// Runs a stop job.
    ///
    /// # Errors
    /// [`NotNow::Already`] if it is down, [`NotNow::Again`] while processes are moved in.
    pub fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), NotNow> {
        match self.state {
            ScopeState::Dead | ScopeState::Failed => Err(NotNow::Already),
            ScopeState::StartChown => Err(NotNow::Again),
            ScopeState::StopSigterm | ScopeState::StopSigkill => Ok(()),
            ScopeState::Running | ScopeState::Abandoned => {
                self.enter_signal(cx, KillStage::Sigterm, ScopeResult::Success);
                Ok(())
            }
        }
    }

    /// Nobody looks after it any more, and it goes on as long as its processes do; whether it
    /// was up to be abandoned.
    pub fn abandon(&mut self, cx: &mut Context<'_>) -> bool {
        match self.state {
            ScopeState::Running | ScopeState::Abandoned => {
                self.controller = None;
                self.set_state(cx, ScopeState::Abandoned);
                true
            }
            ScopeState::Dead
            | ScopeState::StartChown
            | ScopeState::StopSigterm
            | ScopeState::StopSigkill
            | ScopeState::Failed => false,
        }
    }

    /// When [`Scope::on_elapsed`] is due, on the monotonic clock in microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.timer
    }

    /// Takes in that time has passed.
    pub fn on_elapsed(&mut self, cx: &mut Context<'_>) {
        if self.timer.is_none_or(|due| due > cx.now.monotonic) {
            return;
        }
        self.timer = None;
        let timeout = ScopeResult::Timeout;
        match self.state {
            ScopeState::Running => {
                cx.log(LogLevel::Warning, "lasted for RuntimeMaxSec=; stopping it");
                self.enter_signal(cx, KillStage::Sigterm, timeout);
            }
            ScopeState::StopSigterm if cx.settings().kill.send_sigkill => {
                cx.log(LogLevel::Warning, "the stop timed out");
                self.enter_signal(cx, KillStage::Sigkill, timeout);
            }
            ScopeState::StopSigterm => {
                cx.log(LogLevel::Warning, "the stop timed out");
                self.enter_dead(cx, timeout);
            }
            ScopeState::StopSigkill => {
                let text = "processes are still there after the last signal; not waiting longer";
                cx.log(LogLevel::Error, text);
                self.enter_dead(cx, timeout);
            }
            // No timer runs in these states.
            ScopeState::Dead
            | ScopeState::StartChown
            | ScopeState::Abandoned
            | ScopeState::Failed => {}
        }
    }

    /// Takes in that no process is left in the unit's group.
    pub fn on_group_empty(&mut self, cx: &mut Context<'_>) {
        self.populated = false;
        match self.state {
            ScopeState::Running
            | ScopeState::Abandoned
            | ScopeState::StopSigterm
            | ScopeState::StopSigkill => self.enter_dead(cx, ScopeResult::Success),
            ScopeState::Dead | ScopeState::StartChown | ScopeState::Failed => {}
        }
    }

    /// Takes in the answer to a kill order: whether anybody was there to be waited for.
    pub fn on_killed(&mut self, cx: &mut Context<'_>, order: u64, remaining: bool) {
        if self.order != Some(order) {
            return;
        }
        self.order = None;
        if let Some(stage) = KillStage::of(self.state).filter(|_| !remaining) {
            self.stage_over(cx, stage);
        }
    }

    /// Takes in that the kernel has killed a process of the unit for want of memory.
    pub fn on_out_of_memory(&mut self, cx: &mut Context<'_>) {
        let text = "a process was killed by the kernel for want of memory";
        cx.log(LogLevel::Warning, text);
        let oom = ScopeResult::OomKill;
        match cx.settings().oom_policy {
            OomPolicy::Continue => return,
            // With `kill` the kernel has ended all of them.
            OomPolicy::Stop | OomPolicy::Kill => {}
        }
        match self.state {
            ScopeState::Running => self.enter_signal(cx, KillStage::Sigterm, oom),
            ScopeState::StopSigterm => self.enter_signal(cx, KillStage::Sigkill, oom),
            ScopeState::StopSigkill => self.note_result(oom),
            ScopeState::Dead
            | ScopeState::StartChown
            | ScopeState::Abandoned
            | ScopeState::Failed => {}
        }
    }

    /// Forgets a failure.
    pub fn reset_failed(&mut self, cx: &mut Context<'_>) {
        if self.state == ScopeState::Failed {
            self.set_state(cx, ScopeState::Dead);
        }
        self.result = ScopeResult::Success;
        cx.changed();
    }

    /// Signals the processes, or goes on where nobody is reached. Whoever looks after the scope
    /// is asked first.
    fn enter_signal(&mut self, cx: &mut Context<'_>, stage: KillStage, result: ScopeResult) {
        self.note_result(result);
        let unit = cx.unit;
        if stage == KillStage::Sigterm
            && let Some(controller) = self.controller.as_ref().map(|it| it.name.clone())
        {
            self.set_state(cx, stage.state());
            self.arm(cx, cx.settings().timeout_stop);
            let ask = Effect::RequestStop { unit, controller };
            cx.out.effects.push(ask);
            return;
        }
        match self.kill_order(cx, stage) {
            Some(order) => {
                self.set_state(cx, stage.state());
                self.order = Some(order.order);
                self.arm(cx, cx.settings().timeout_stop);
                cx.out.effects.push(Effect::Kill(order));
            }
            None => self.stage_over(cx, stage),
        }
    }

    fn kill_order(&self, cx: &mut Context<'_>, stage: KillStage) -> Option<KillOrder> {
        let kill = &cx.settings().kill;
        let is_kill = stage == KillStage::Sigkill;
        // No process is the main one here.
        let reaches_group = match kill.mode {
            KillMode::ControlGroup => true,
            KillMode::Mixed => is_kill,
            KillMode::Process | KillMode::None => false,
        };
        if !reaches_group || !self.populated {
            return None;
        }
        let signal = if is_kill {
            kill.final_signal
        } else {
            kill.signal
        };
        Some(KillOrder {
            unit: cx.unit,
            order: cx.numbers.order(),
            processes: Vec::new(),
            signal,
            group_signal: Some(signal),
            generation: None,
            resume: signal != Signal::KILL && signal != Signal::CONT,
            hangup: kill.send_sighup && !is_kill && signal != Signal::HUP,
        })
    }

    fn stage_over(&mut self, cx: &mut Context<'_>, stage: KillStage) {
        match stage {
            KillStage::Sigterm => {
                self.enter_signal(cx, KillStage::Sigkill, ScopeResult::Success);
            }
            KillStage::Sigkill => self.enter_dead(cx, ScopeResult::Success),
        }
    }

    /// The end: dead or failed.
    fn enter_dead(&mut self, cx: &mut Context<'_>, result: ScopeResult) {
        self.note_result(result);
        if self.result == ScopeResult::Success {
            self.set_state(cx, ScopeState::Dead);
        } else {
            let text = format!("failed with result '{}'", self.result.as_str());
            cx.log(LogLevel::Warning, text);
            self.set_state(cx, ScopeState::Failed);
        }
        cx.out.effects.push(Effect::CleanUp {
            unit: cx.unit,
            runtime_directories: false,
        });
    }

    /// The one way to another state.
    fn set_state(&mut self, cx: &mut Context<'_>, to: ScopeState) {
        let from = self.state;
        self.timer = None;
        self.order = None;
        self.state = to;
        cx.out.transitions.push(Transition { from, to });
        cx.changed();
    }

    fn note_result(&mut self, result: ScopeResult) {
        if self.result == ScopeResult::Success {
            self.result = result;
        }
    }

    fn arm(&mut self, cx: &Context<'_>, span: TimeSpan) {
        self.timer = deadline_after(cx.now.monotonic, span);
    }
}

/// What chance adds to RuntimeMaxSec= (RuntimeRandomizedExtraSec=).
fn random_extra(cx: &mut Context<'_>) -> TimeSpan {
    match cx.settings().runtime_random_extra {
        TimeSpan::ZERO => TimeSpan::ZERO,
        most => TimeSpan(random::up_to(cx.random, most.as_micros())),
    }
}
