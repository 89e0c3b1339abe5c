//! Looks for the next time that an expression matches: from the year down to the second, each
//! part is moved on to its next value, and whenever one has none the part above it is.

use super::{Calendar, Chain, Component, SECOND, YEARS};
use crate::unit::value::zone::{Clockwork, WallTime, Zone};

/// Steps after which there is no next time; more than any expression takes.
const MOST_STEPS: u32 = 1000;

/// What became of a part.
enum Part {
    /// It matched as it was.
    Kept,
    /// It was moved on.
    Moved,
    /// No value is left.
    None,
}

/// How a time stands to the calendar: out of range, as after the end of a month, or skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    There,
    Beyond,
    Impossible,
}

struct Search<'a> {
    calendar: &'a Calendar,
    clock: Clockwork<'a>,
    time: WallTime,
    /// Microseconds within the second.
    micros: i64,
}

/// The first time behind `after`, in microseconds since the epoch.
pub(super) fn next(calendar: &Calendar, after: u64, zone: &Zone) -> Option<u64> {
    let from = i64::try_from(after).ok()?.checked_add(1)?;
    let seconds = from.div_euclid(SECOND);
    let mut search = Search {
        calendar,
        clock: Clockwork::new(zone, seconds),
        time: zone.wall_time(seconds),
        micros: from.rem_euclid(SECOND),
    };
    for _ in 0..MOST_STEPS {
        if search.step()? {
            let seconds = search.clock.settle(&mut search.time);
            return u64::try_from(seconds * SECOND + search.micros).ok();
        }
        search.clock.settle(&mut search.time);
    }
    None
}

impl Search<'_> {
    /// Moves one part on; whether all match, `None` if nothing ever will.
    fn step(&mut self) -> Option<bool> {
        match part(&self.calendar.year, &mut self.time.year) {
            Part::Moved => self.begin_year(),
            Part::None => return None,
            Part::Kept => {}
        }
        if self.standing() != Standing::There {
            return None;
        }
        let moved = part(&self.calendar.month, &mut self.time.month);
        if matches!(moved, Part::Moved) {
            self.begin_month();
        }
        if let Some(goes_on) = self.judge(&moved, |time| {
            time.year += 1;
            time.month = 1;
            time.day = 1;
        }) {
            return Some(goes_on);
        }
        let moved = self.day();
        if matches!(moved, Part::Moved) {
            self.begin_day();
        }
        if let Some(goes_on) = self.judge(&moved, |time| {
            time.month += 1;
            time.day = 1;
        }) {
            return Some(goes_on);
        }
        if !self.is_right_day() {
            self.time.day += 1;
            self.begin_day();
            return Some(false);
        }
        self.time_of_day()
    }

    fn time_of_day(&mut self) -> Option<bool> {
        let moved = part(&self.calendar.hour, &mut self.time.hour);
        if matches!(moved, Part::Moved) {
            self.begin_hour();
        }
        if let Some(goes_on) = self.judge(&moved, |time| time.day += 1) {
            return Some(goes_on);
        }
        let moved = part(&self.calendar.minute, &mut self.time.minute);
        if matches!(moved, Part::Moved) {
            self.begin_minute();
        }
        let standing = self.standing();
        if matches!(moved, Part::None) || standing == Standing::Impossible {
            self.time.hour += 1;
            self.begin_hour();
            return Some(false);
        }
        if standing == Standing::Beyond {
            return Some(false);
        }
        let mut second = self.time.second * SECOND + self.micros;
        let moved = part(&self.calendar.second, &mut second);
        (self.time.second, self.micros) = (second / SECOND, second % SECOND);
        let standing = self.standing();
        if matches!(moved, Part::None) || standing == Standing::Impossible {
            self.time.minute += 1;
            self.begin_minute();
            return Some(false);
        }
        Some(standing == Standing::There)
    }

    /// After a part from month to hour was looked at: `Some` to begin again.
    fn judge(&mut self, moved: &Part, move_above: impl FnOnce(&mut WallTime)) -> Option<bool> {
        let standing = self.standing();
        if matches!(moved, Part::None) || standing == Standing::Impossible {
            move_above(&mut self.time);
            self.begin_day();
            return Some(false);
        }
        (standing == Standing::Beyond).then_some(false)
    }

    fn standing(&mut self) -> Standing {
        if self.time.year > YEARS.1 {
            return Standing::Impossible;
        }
        let mut settled = self.time;
        self.clock.settle(&mut settled);
        match settled.cmp(&self.time) {
            std::cmp::Ordering::Equal => Standing::There,
            std::cmp::Ordering::Greater => Standing::Beyond,
            std::cmp::Ordering::Less => Standing::Impossible,
        }
    }

    fn day(&mut self) -> Part {
        if !self.calendar.end_of_month {
            return part(&self.calendar.day, &mut self.time.day);
        }
        let from_the_end = |day: i64| {
            let mut date = WallTime {
                month: self.time.month + 1,
                day: 1 - day,
                ..self.time
            };
            Clockwork::new(&Zone::utc(), 0).settle(&mut date);
            (date.month == self.time.month).then_some(date.day)
        };
        let turned = self.calendar.day.as_ref().map(|chain| {
            let turn = |it: &Component| {
                let start = from_the_end(it.start)?;
                let stop = it.stop.and_then(from_the_end);
                Some(Component {
                    start: stop.unwrap_or(start),
                    stop: stop.map(|_| start),
                    repeat: it.repeat,
                })
            };
            chain.iter().filter_map(turn).collect()
        });
        part(&turned, &mut self.time.day)
    }

    fn is_right_day(&mut self) -> bool {
        self.calendar
            .weekdays
            .is_none_or(|days| days & (1 << self.time.weekday()) != 0)
    }

    fn begin_year(&mut self) {
        self.time.month = 1;
        self.begin_month();
    }

    fn begin_month(&mut self) {
        self.time.day = 1;
        self.begin_day();
    }

    fn begin_day(&mut self) {
        self.time.hour = 0;
        self.begin_hour();
    }

    fn begin_hour(&mut self) {
        self.time.minute = 0;
        self.begin_minute();
    }

    fn begin_minute(&mut self) {
        self.time.second = 0;
        self.micros = 0;
    }
}

/// Moves a value on to the next one that a chain allows, which may be where it is.
fn part(chain: &Chain, value: &mut i64) -> Part {
    let Some(chain) = chain else {
        return Part::Kept;
    };
    let next = |it: &Component| {
        if it.start >= *value {
            return Some(it.start);
        }
        if it.repeat == 0 {
            return None;
        }
        let distance = *value - it.start;
        let steps = distance / it.repeat + i64::from(distance % it.repeat > 0);
        let candidate = it.start + steps * it.repeat;
        it.stop
            .is_none_or(|stop| candidate <= stop)
            .then_some(candidate)
    };
    match chain.iter().filter_map(next).min() {
        None => Part::None,
        Some(next) if next == *value => Part::Kept,
        Some(next) => {
            *value = next;
            Part::Moved
        }
    }
}
