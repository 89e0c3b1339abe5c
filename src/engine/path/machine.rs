//! The path itself: what it remembers, its states, and what happens to it.

use super::{Context, Transition};
use crate::engine::activation::NotStarted;
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::state::{JobKind, PathResult, PathState};
use crate::engine::window::Window;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why the host was asked to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Reason {
    /// The unit is being started.
    Start,
    /// What it activates has changed.
    Triggered,
    /// Something happened at a path, or the settings are others.
    Touched,
}

/// The state machine of one path unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Path {
    state: PathState,
    result: PathResult,
    /// The look whose answer is waited for.
    look: Option<(u64, Reason)>,
    /// The watch that tells of the paths.
    watch: Option<u64>,
    /// Whether each path was there when it was last looked at.
    seen: Vec<bool>,
    /// The path that started, or is to start, what is activated.
    trigger: String,
    triggers: Window,
}

impl Default for Path {
    fn default() -> Path {
        Path {
            state: PathState::Dead,
            result: PathResult::Success,
            look: None,
            watch: None,
            seen: Vec::new(),
            trigger: String::new(),
            triggers: Window::default(),
        }
    }
}

impl Path {
    /// The present state.
    pub fn state(&self) -> PathState {
        self.state
    }

    /// Result.
    pub fn result(&self) -> PathResult {
        self.result
    }

    /// The path that last started what is activated.
    pub fn trigger_path(&self) -> &str {
        &self.trigger
    }

    /// Runs a start job: conditions hold, the start limit was passed.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start(&mut self, cx: &mut Context<'_>) -> Result<(), NotStarted> {
        match self.state {
            PathState::Dead | PathState::Failed => {}
            PathState::Waiting | PathState::Running => return Err(NotStarted::Already),
        }
        if !cx.triggered.is_some_and(|it| it.loaded) {
            let text = "not started: the unit that it activates is not there";
            cx.log(LogLevel::Error, text);
            return Err(NotStarted::Failed);
        }
        self.seen.clear();
        self.look(cx, Reason::Start);
        Ok(())
    }

    /// Has the host watch all paths from now on, and look at them then.
    fn look(&mut self, cx: &mut Context<'_>, reason: Reason) {
        let order = cx.numbers.order();
        self.look = Some((order, reason));
        self.watch = None;
        cx.out.effects.push(Effect::WatchPaths {
            unit: cx.unit,
            order,
            config: Arc::clone(cx.config),
            make: reason == Reason::Start && cx.settings().make_directory,
        });
    }

    /// Takes in which of the paths are there: exist, match something, have something in them.
    pub fn on_seen(&mut self, cx: &mut Context<'_>, order: u64, result: Result<Vec<bool>, String>) {
        let Some((_, reason)) = self.look.take_if(|(number, _)| *number == order) else {
            return;
        };
        if reason == Reason::Start && cx.job != Some(JobKind::Start) {
            return self.unwatch(cx);
        }
        let seen = match result {
            Ok(seen) => seen,
            Err(error) => {
                cx.log(LogLevel::Warning, format!("cannot wait: {error}"));
                return self.enter_dead(cx, PathResult::Resources);
            }
        };
        if reason == Reason::Start {
            self.result = PathResult::Success;
        }
        let good = self.first_good(cx, &seen, reason);
        self.seen = seen;
        self.watch = Some(order);
        match good {
            Some(index) => self.trigger(cx, index, reason == Reason::Start),
            None => self.set_state(cx, PathState::Waiting),
        }
    }

    /// The first path that starts what is activated.
    fn first_good(&self, cx: &Context<'_>, seen: &[bool], reason: Reason) -> Option<usize> {
        let is_good = |index: usize| {
            let now = seen.get(index).copied().unwrap_or(false);
            let before = self.seen.get(index).copied().unwrap_or(false);
            match cx.settings().paths[index].kind.is_lasting() {
                true => now,
                false => reason == Reason::Touched && now != before,
            }
        };
        // The last one that was written comes first, as in systemd.
        let mut all = (0..cx.settings().paths.len()).rev();
        all.find(|index| is_good(*index))
    }

    /// Takes in that something happened at a path: it `changed` itself, or something on the way to
    /// it did.
    pub fn on_touched(&mut self, cx: &mut Context<'_>, watch: u64, index: usize, changed: bool) {
        if self.watch != Some(watch) || self.state != PathState::Waiting {
            return;
        }
        if changed {
            self.trigger(cx, index, false);
        } else {
            self.look(cx, Reason::Touched);
        }
    }

    /// Has what is activated started, unless that was too often.
    fn trigger(&mut self, cx: &mut Context<'_>, index: usize, starts: bool) {
        if cx.job == Some(JobKind::Stop) && !starts {
            return;
        }
        let settings = cx.settings();
        let (interval, burst) = (
            settings.trigger_limit_interval,
            settings.trigger_limit_burst,
        );
        if !self.triggers.allow(cx.now.monotonic, interval, burst) {
            cx.log(
                LogLevel::Warning,
                "trigger-limit-hit: it activates too often",
            );
            return self.enter_dead(cx, PathResult::TriggerLimitHit);
        }
        let path = settings.paths.get(index);
        self.trigger = path.map(|it| it.path.clone()).unwrap_or_default();
        cx.out.due = true;
    }

    /// Takes in that what it activates has got a start job.
    pub fn triggered(&mut self, cx: &mut Context<'_>) {
        self.set_state(cx, PathState::Running);
    }

    /// Takes in that there will be no start job.
    pub fn activation_failed(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, PathResult::Resources);
    }

    /// Takes in that what it activates has changed, or that its job has ended.
    pub fn on_triggered_changed(&mut self, cx: &mut Context<'_>) {
        let Some(triggered) = cx.triggered.filter(|it| it.loaded) else {
            return;
        };
        let rests = triggered.state.is_inactive_or_failed();
        match self.state {
            PathState::Dead | PathState::Failed => {}
            PathState::Waiting | PathState::Running if triggered.start_limit_hit => {
                self.enter_dead(cx, PathResult::UnitStartLimitHit);
            }
            PathState::Waiting | PathState::Running if triggered.has_job => {}
            // Somebody else has started it.
            PathState::Waiting if !rests => self.set_state(cx, PathState::Running),
            PathState::Running if rests => self.look(cx, Reason::Triggered),
            PathState::Waiting | PathState::Running => {}
        }
    }

    /// Takes in new unit files (daemon-reload).
    pub fn on_reconfigured(&mut self, cx: &mut Context<'_>) {
        match self.state {
            PathState::Waiting => {
                // What was seen was seen of other paths, perhaps.
                self.look(cx, Reason::Triggered);
            }
            PathState::Running | PathState::Dead | PathState::Failed => {}
        }
    }

    /// Runs a stop job.
    ///
    /// # Errors
    /// It is down.
    pub fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), NotStarted> {
        match self.state {
            PathState::Dead | PathState::Failed => Err(NotStarted::Already),
            PathState::Waiting | PathState::Running => {
                self.enter_dead(cx, PathResult::Success);
                Ok(())
            }
        }
    }

    /// The start limit forbids the start.
    pub fn start_limit_hit(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, PathResult::StartLimitHit);
    }

    /// Forgets a failure.
    pub fn reset_failed(&mut self, cx: &mut Context<'_>) {
        if self.state == PathState::Failed {
            self.set_state(cx, PathState::Dead);
        }
        self.result = PathResult::Success;
    }

    fn enter_dead(&mut self, cx: &mut Context<'_>, result: PathResult) {
        if self.result == PathResult::Success {
            self.result = result;
        }
        let state = match self.result {
            PathResult::Success => PathState::Dead,
            PathResult::Resources
            | PathResult::StartLimitHit
            | PathResult::UnitStartLimitHit
            | PathResult::TriggerLimitHit => PathState::Failed,
        };
        self.set_state(cx, state);
    }

    /// The one way to another state.
    fn set_state(&mut self, cx: &mut Context<'_>, to: PathState) {
        let from = self.state;
        self.look = None;
        if to != PathState::Waiting {
            self.unwatch(cx);
        }
        self.state = to;
        cx.out.transitions.push(Transition { from, to });
        let unit = cx.unit;
        cx.out.effects.push(Effect::Changed { unit });
    }

    fn unwatch(&mut self, cx: &mut Context<'_>) {
        self.watch = None;
        let unit = cx.unit;
        cx.out.effects.push(Effect::UnwatchPaths { unit });
    }
}
