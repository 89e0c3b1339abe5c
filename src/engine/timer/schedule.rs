//! When a timer elapses next.

use super::Context;
use super::coalesce::coalesce;
use super::machine::{Elapse, Timer};
use crate::engine::ids::Timestamp;
use crate::engine::random;
use crate::engine::state::TimerState;
use crate::unit::config::{TimerBase, TimerValue};
use crate::unit::value::Calendar;

/// What tells the offset of RandomizedOffsetSec= from the delay of FixedRandomDelay=.
const OFFSET: u64 = 1;

impl Timer {
    /// Computes the next time of each value, and the soonest on either clock. Whether it may
    /// come back once there is none: what it activates decides.
    pub(super) fn schedule(&mut self, cx: &mut Context<'_>, clock_jumped: bool) -> bool {
        let settings = cx.settings();
        self.elapses
            .resize(settings.values.len(), Elapse::default());
        (self.monotonic, self.realtime) = (None, None);
        let mut may_come_back = false;
        for (at, value) in settings.values.iter().enumerate() {
            if self.elapses[at].disabled {
                continue;
            }
            match value {
                TimerValue::Calendar(calendar) => {
                    if let Some(next) = self.next_of(calendar, cx) {
                        self.elapses[at].next = next;
                        self.realtime = sooner(self.realtime, next);
                    }
                }
                TimerValue::After(base, span) => {
                    may_come_back |=
                        matches!(base, TimerBase::UnitActive | TimerBase::UnitInactive);
                    let Some(from) = self.base(*base, cx) else {
                        continue;
                    };
                    // A clock that is set changes no time on this one. One that never was computed,
                    // as what it counts from had not been, has still to be.
                    if !clock_jumped || self.elapses[at].next == 0 {
                        self.elapses[at].next = from.saturating_add(span.as_micros());
                    }
                    let next = self.elapses[at].next;
                    let is_past = next < cx.now.monotonic || next <= self.last_trigger.monotonic;
                    let has_elapsed = self.last_trigger != Timestamp::default();
                    let is_over = is_past && has_elapsed && !clock_jumped;
                    if is_over && comes_once(*base) {
                        self.elapses[at].disabled = true;
                    } else {
                        self.monotonic = sooner(self.monotonic, next);
                    }
                }
            }
        }
        self.monotonic = self.monotonic.map(|time| delayed(time, cx));
        self.realtime = self.realtime.map(|time| delayed(time, cx));
        may_come_back
    }

    /// The next time of the calendar: behind the last one, or the start of the timer.
    fn next_of(&self, calendar: &Calendar, cx: &Context<'_>) -> Option<u64> {
        let mut after = if self.last_trigger.realtime > 0 {
            self.last_trigger.realtime
        } else if self.is_up() {
            cx.inactive_exit.realtime
        } else {
            cx.now.realtime
        };
        if cx.settings().defer_reactivation
            && let Some(triggered) = cx.triggered
        {
            after = after.max(triggered.inactive_enter.realtime);
        }
        let next = calendar.next(after, &cx.place.zone)?;
        // What was missed before the manager was there counts from its start, so that random
        // delays are of use then, too.
        let age = cx.now.monotonic.saturating_sub(cx.began.monotonic);
        Some(next.max(cx.now.realtime.saturating_sub(age)))
    }

    /// What a span is counted from, monotonic; `None` if that has not been yet.
    fn base(&self, base: TimerBase, cx: &Context<'_>) -> Option<u64> {
        let of_unit = |time: fn(&super::Triggered) -> Timestamp| {
            let time = cx.triggered.map_or(0, |it| time(&it).monotonic);
            Some(time.max(self.last_trigger.monotonic)).filter(|time| *time > 0)
        };
        match base {
            TimerBase::Active if self.is_up() => Some(cx.inactive_exit.monotonic),
            TimerBase::Active => Some(cx.now.monotonic),
            // The monotonic clock begins with the machine.
            TimerBase::Boot if !cx.place.container => Some(0),
            TimerBase::Boot | TimerBase::Startup => Some(cx.began.monotonic),
            TimerBase::UnitActive => of_unit(|it| it.inactive_exit),
            TimerBase::UnitInactive => of_unit(|it| it.inactive_enter),
        }
    }

    fn is_up(&self) -> bool {
        match self.state {
            TimerState::Waiting | TimerState::Running | TimerState::Elapsed => true,
            TimerState::Dead | TimerState::Failed => false,
        }
    }

    /// Arms the deadline for the sooner of both times.
    pub(super) fn arm(&mut self, cx: &Context<'_>) {
        let accuracy = cx.settings().accuracy.as_micros();
        let at = |time: u64| coalesce(time, accuracy, cx.place.perturbation);
        let monotonic = self.monotonic.map(at);
        let realtime = self.realtime.map(|time| {
            let left = at(time).saturating_sub(cx.now.realtime);
            cx.now.monotonic.saturating_add(left)
        });
        let soonest = monotonic.into_iter().chain(realtime).min();
        self.deadline = soonest.filter(|time| *time < u64::MAX);
    }
}

fn sooner(known: Option<u64>, time: u64) -> Option<u64> {
    Some(known.map_or(time, |known| known.min(time)))
}

/// Whether a span counts from something that happens but once in the life of a timer.
fn comes_once(base: TimerBase) -> bool {
    match base {
        TimerBase::Active | TimerBase::Boot | TimerBase::Startup => true,
        TimerBase::UnitActive | TimerBase::UnitInactive => false,
    }
}

/// A time with what chance adds to it (RandomizedDelaySec=, RandomizedOffsetSec=).
fn delayed(time: u64, cx: &mut Context<'_>) -> u64 {
    let settings = cx.settings();
    let name = cx.config.name.as_str();
    let most = |span: crate::unit::value::TimeSpan| span.as_micros().checked_sub(1);
    let stable = |most: u64, salt: u64| random::of_name(cx.place.identity, name, salt, most);
    let offset = most(settings.randomized_offset).map_or(0, |most| stable(most, OFFSET));
    let delay = match most(settings.randomized_delay) {
        None => 0,
        Some(most) if settings.fixed_random_delay => stable(most, 0),
        Some(most) => random::up_to(cx.random, most),
    };
    time.saturating_add(offset).saturating_add(delay)
}
