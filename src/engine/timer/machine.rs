//! The timer itself: what it remembers, its states, and what happens to it.

use super::{Context, Transition};
use crate::engine::activation::NotStarted;
use crate::engine::effect::{Effect, LogLevel};
use crate::engine::ids::Timestamp;
use crate::engine::inspect::TimerView;
use crate::engine::state::{JobKind, TimerResult, TimerState};
use crate::unit::config::{TimerBase, TimerValue};
use serde::{Deserialize, Serialize};

/// What became of one of the times in the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Elapse {
    /// When next, or when last; monotonic or of the wall, 0 if never looked at.
    pub(super) next: u64,
    /// It is over, until it is started again, or what is activated changes.
    pub(super) disabled: bool,
}

/// The state machine of one timer unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timer {
    pub(super) state: TimerState,
    result: TimerResult,
    /// For each time in the configuration, in its order.
    pub(super) elapses: Vec<Elapse>,
    /// The next time on the monotonic clock.
    pub(super) monotonic: Option<u64>,
    /// The next time on the wall.
    pub(super) realtime: Option<u64>,
    /// When to look whether one of them has come; monotonic.
    pub(super) deadline: Option<u64>,
    /// When it last elapsed; of what a stamp tells only the time on the wall is known.
    pub(super) last_trigger: Timestamp,
    /// The order to read the stamp that the start waits for.
    stamp: Option<u64>,
}

impl Default for Timer {
    fn default() -> Timer {
        Timer {
            state: TimerState::Dead,
            result: TimerResult::Success,
            elapses: Vec::new(),
            monotonic: None,
            realtime: None,
            deadline: None,
            last_trigger: Timestamp::default(),
            stamp: None,
        }
    }
}

impl Timer {
    /// The present state.
    pub fn state(&self) -> TimerState {
        self.state
    }

    /// When [`Timer::on_elapsed`] is to be called, on the monotonic clock in microseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// When it last elapsed.
    pub fn last_trigger(&self) -> Timestamp {
        self.last_trigger
    }

    /// A picture of everything that is shown of a timer.
    pub fn view(&self) -> TimerView {
        let next = |time: Option<u64>| match self.state {
            TimerState::Waiting => time.unwrap_or(0),
            TimerState::Dead | TimerState::Running | TimerState::Elapsed | TimerState::Failed => {
                u64::MAX
            }
        };
        TimerView {
            result: self.result,
            next: Timestamp {
                monotonic: next(self.monotonic),
                realtime: next(self.realtime),
            },
            last_trigger: self.last_trigger,
            elapses: self.elapses.iter().map(|it| it.next).collect(),
        }
    }

    /// Runs a start job: conditions hold, the start limit was passed.
    ///
    /// # Errors
    /// See [`NotStarted`].
    pub fn start(&mut self, cx: &mut Context<'_>) -> Result<(), NotStarted> {
        match self.state {
            TimerState::Dead | TimerState::Failed => {}
            TimerState::Waiting | TimerState::Running | TimerState::Elapsed => {
                return Err(NotStarted::Already);
            }
        }
        if !cx.triggered.is_some_and(|it| it.loaded) {
            let text = "not started: the unit that it activates is not there";
            cx.log(LogLevel::Error, text);
            return Err(NotStarted::Failed);
        }
        self.last_trigger = Timestamp::default();
        if !cx.settings().persistent {
            self.begin(cx);
            return Ok(());
        }
        let order = cx.numbers.order();
        self.stamp = Some(order);
        cx.out.effects.push(Effect::ReadStamp {
            unit: cx.unit,
            order,
        });
        Ok(())
    }

    /// Takes in what the stamp tells of the last time (Persistent=).
    pub fn on_stamp(&mut self, cx: &mut Context<'_>, order: u64, time: Option<u64>) {
        if self.stamp.take_if(|it| *it == order).is_none() || cx.job != Some(JobKind::Start) {
            return;
        }
        match time {
            Some(time) if time < cx.now.realtime => self.last_trigger.realtime = time,
            Some(_) => {
                let text = "its stamp is of a time that has not come yet and counts for nothing";
                cx.log(LogLevel::Warning, text);
            }
            // It never ran: what comes from now on can be missed.
            None => self.write_stamp(cx),
        }
        self.begin(cx);
    }

    fn write_stamp(&self, cx: &mut Context<'_>) {
        cx.out.effects.push(Effect::WriteStamp {
            unit: cx.unit,
            time: cx.now.realtime,
        });
    }

    fn begin(&mut self, cx: &mut Context<'_>) {
        self.result = TimerResult::Success;
        self.enable(cx, &[TimerBase::Active]);
        self.enter_waiting(cx, false);
    }

    /// Times that count from these may come again.
    fn enable(&mut self, cx: &Context<'_>, bases: &[TimerBase]) {
        let values = &cx.settings().values;
        self.elapses.resize(values.len(), Elapse::default());
        for (value, elapse) in values.iter().zip(&mut self.elapses) {
            if let TimerValue::After(base, _) = value
                && bases.contains(base)
            {
                elapse.disabled = false;
            }
        }
    }

    /// Runs a stop job.
    ///
    /// # Errors
    /// It is down.
    pub fn stop(&mut self, cx: &mut Context<'_>) -> Result<(), NotStarted> {
        match self.state {
            TimerState::Dead | TimerState::Failed => Err(NotStarted::Already),
            TimerState::Waiting | TimerState::Running | TimerState::Elapsed => {
                self.enter_dead(cx, TimerResult::Success);
                Ok(())
            }
        }
    }

    /// Takes in that time has passed. Harmless when nothing is due.
    pub fn on_elapsed(&mut self, cx: &mut Context<'_>) {
        if self.state != TimerState::Waiting {
            return;
        }
        let has_come = |time: Option<u64>, now| time.is_some_and(|time| time <= now);
        if has_come(self.monotonic, cx.now.monotonic) || has_come(self.realtime, cx.now.realtime) {
            self.trigger(cx);
        } else {
            // The clock was slowed down meanwhile.
            self.arm(cx);
        }
    }

    fn trigger(&mut self, cx: &mut Context<'_>) {
        self.deadline = None;
        // Not if it is about to go down.
        cx.out.due = cx.job != Some(JobKind::Stop);
    }

    /// Takes in that what it activates has got a start job.
    pub fn triggered(&mut self, cx: &mut Context<'_>) {
        self.last_trigger = cx.now;
        if cx.settings().persistent {
            self.write_stamp(cx);
        }
        self.set_state(cx, TimerState::Running);
    }

    /// Takes in that there will be no start job.
    pub fn activation_failed(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, TimerResult::Resources);
    }

    /// Takes in that what it activates has changed, or that its job has ended.
    pub fn on_triggered_changed(&mut self, cx: &mut Context<'_>) {
        let Some(triggered) = cx.triggered.filter(|it| it.loaded) else {
            return;
        };
        self.enable(cx, &[TimerBase::UnitActive, TimerBase::UnitInactive]);
        let rests = triggered.state.is_inactive_or_failed();
        match self.state {
            TimerState::Waiting | TimerState::Elapsed => self.enter_waiting(cx, false),
            TimerState::Running if rests => self.enter_waiting(cx, false),
            TimerState::Running | TimerState::Dead | TimerState::Failed => {}
        }
    }

    /// Takes in that the clock on the wall was set.
    pub fn on_clock_jumped(&mut self, cx: &mut Context<'_>) {
        if self.state != TimerState::Waiting {
            return;
        }
        // It cannot have elapsed in the future: the clock was set back, and what comes again
        // counts again.
        let realtime = &mut self.last_trigger.realtime;
        *realtime = (*realtime).min(cx.now.realtime);
        if cx.settings().on_clock_change {
            self.trigger(cx);
        } else {
            self.enter_waiting(cx, true);
        }
    }

    /// Takes in that the machine's time zone is another one.
    pub fn on_zone_changed(&mut self, cx: &mut Context<'_>) {
        if self.state != TimerState::Waiting {
            return;
        }
        if cx.settings().on_timezone_change {
            self.trigger(cx);
        } else {
            self.enter_waiting(cx, false);
        }
    }

    /// Takes in new unit files (daemon-reload).
    pub fn on_reconfigured(&mut self, cx: &mut Context<'_>) {
        self.elapses.clear();
        if self.state == TimerState::Waiting {
            self.enter_waiting(cx, false);
        }
    }

    /// The start limit forbids the start.
    pub fn start_limit_hit(&mut self, cx: &mut Context<'_>) {
        self.enter_dead(cx, TimerResult::StartLimitHit);
    }

    /// Forgets a failure.
    pub fn reset_failed(&mut self, cx: &mut Context<'_>) {
        if self.state == TimerState::Failed {
            self.set_state(cx, TimerState::Dead);
        }
        self.result = TimerResult::Success;
    }

    /// Computes when it elapses next; it is over if it never does.
    fn enter_waiting(&mut self, cx: &mut Context<'_>, clock_jumped: bool) {
        if cx.triggered.is_none() {
            cx.log(LogLevel::Error, "the unit that it activates is gone");
            return self.enter_dead(cx, TimerResult::Resources);
        }
        let may_come_back = self.schedule(cx, clock_jumped);
        let settings = cx.settings();
        let waits = self.monotonic.is_some()
            || self.realtime.is_some()
            || settings.on_clock_change
            || settings.on_timezone_change;
        if waits {
            self.arm(cx);
            self.set_state(cx, TimerState::Waiting);
        } else if settings.remain_after_elapse || may_come_back {
            self.set_state(cx, TimerState::Elapsed);
        } else {
            self.enter_dead(cx, TimerResult::Success);
        }
    }

    fn enter_dead(&mut self, cx: &mut Context<'_>, result: TimerResult) {
        if self.result == TimerResult::Success {
            self.result = result;
        }
        let state = match self.result {
            TimerResult::Success => TimerState::Dead,
            TimerResult::Resources | TimerResult::StartLimitHit => TimerState::Failed,
        };
        self.set_state(cx, state);
    }

    /// The one way to another state.
    fn set_state(&mut self, cx: &mut Context<'_>, to: TimerState) {
        let from = self.state;
        if to != TimerState::Waiting {
            self.monotonic = None;
            self.realtime = None;
            self.deadline = None;
        }
        self.stamp = None;
        self.state = to;
        cx.out.transitions.push(Transition { from, to });
        let unit = cx.unit;
        cx.out.effects.push(Effect::Changed { unit });
    }
}
