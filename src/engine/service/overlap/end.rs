//! The generation beside is made to end, and nobody of it is left behind.

use super::super::Context;
use super::super::facts::KillStage;
use super::super::machine::{Service, deadline_after, settings};
use super::Stage;
use crate::engine::effect::{Effect, KillOrder};
use crate::unit::config::KillMode;
use crate::unit::value::{Signal, TimeSpan};

/// How often it is looked whether the last processes of a generation have gone.
const LOOK: TimeSpan = TimeSpan(50_000);

/// Sent to nobody: only asks who is there.
const NOTHING: Signal = Signal(0);

impl Service {
    /// KillSignal= to the generation beside, by KillMode=.
    pub(super) fn end_beside(&mut self, cx: &mut Context<'_>) {
        let kill = &settings(cx).kill;
        let restart = kill.restart_signal.unwrap_or(kill.signal);
        self.signal_beside(cx, Stage::Term, restart, KillStage::StopSigterm);
    }

    pub(super) fn signal_beside(
        &mut self,
        cx: &mut Context<'_>,
        stage: Stage,
        signal: Signal,
        reach: KillStage,
    ) {
        let timer = deadline_after(cx.now.monotonic, settings(cx).timeout_stop);
        let reaches_group = reach.reaches_group(settings(cx).kill.mode);
        let order = self.order_kill_beside(cx, signal, reaches_group);
        let Some(overlap) = &mut self.overlap else {
            return;
        };
        overlap.stage = stage;
        overlap.killed |= stage == Stage::Kill;
        overlap.timer = timer;
        overlap.order = order;
        // The answer to this order says when to look again.
        overlap.look = None;
        let alone = overlap.process.is_none() && overlap.control.is_none();
        if alone && reaches_group {
            // The answer says whether anybody else is there.
            overlap.stage = Stage::Rest;
        } else if alone {
            self.look_at_rest(cx);
        }
    }

    /// An order that reaches the generation beside and nobody else.
    fn order_kill_beside(&self, cx: &mut Context<'_>, signal: Signal, group: bool) -> Option<u64> {
        let overlap = self.overlap.as_ref()?;
        let order = cx.numbers.order();
        cx.out.effects.push(Effect::Kill(KillOrder {
            unit: cx.unit,
            order,
            processes: self.processes_beside().collect(),
            signal,
            group_signal: group.then_some(signal),
            generation: Some(overlap.generation),
            resume: signal != Signal::KILL && signal != NOTHING,
            hangup: false,
        }));
        Some(order)
    }

    /// Main process and commands of the generation beside may be gone: looks after the rest.
    pub(super) fn look_at_rest(&mut self, cx: &mut Context<'_>) {
        if !self.nobody_beside() {
            return;
        }
        let Some(overlap) = &self.overlap else { return };
        let kill = &settings(cx).kill;
        let first = overlap.stage != Stage::Rest;
        let signal = match kill.mode {
            KillMode::Process | KillMode::None => return self.overlap_over(cx),
            // Their turn has come only now.
            KillMode::Mixed if kill.send_sigkill => kill.final_signal,
            // They were told to end with their main process; but who was forked meanwhile was not.
            KillMode::ControlGroup if first && overlap.killed => kill.final_signal,
            KillMode::ControlGroup if first => kill.signal,
            KillMode::Mixed | KillMode::ControlGroup => NOTHING,
        };
        let order = self.order_kill_beside(cx, signal, true);
        if let Some(overlap) = &mut self.overlap {
            overlap.stage = Stage::Rest;
            overlap.order = order;
            overlap.look = None;
        }
    }

    /// A kill order was carried out; whether it was one of these.
    pub(in crate::engine::service) fn killed_beside(
        &mut self,
        cx: &mut Context<'_>,
        order: u64,
        remaining: bool,
    ) -> bool {
        let Some(overlap) = &mut self.overlap else {
            return false;
        };
        if overlap.order != Some(order) {
            return false;
        }
        overlap.order = None;
        if overlap.stage == Stage::Rest {
            if remaining {
                overlap.look = deadline_after(cx.now.monotonic, LOOK);
            } else {
                self.overlap_over(cx);
            }
        }
        true
    }
}
