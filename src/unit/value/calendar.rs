//! Calendar expressions (systemd.time(7), "CALENDAR EVENTS"): what OnCalendar= takes, the form
//! that systemd normalizes it to, and when it comes next.
//!
//! `parse` reads them, `search` looks for the next time. Must not ask for the time.

mod parse;
mod search;
#[cfg(test)]
mod tests;

use super::ValueError;
use super::zone::{Zone, Zones};
use std::fmt;

/// The years there are.
const YEARS: (i64, i64) = (1970, 2199);
/// What seconds are counted in.
const SECOND: i64 = 1_000_000;
/// All days of the week.
const ALL_DAYS: u8 = 0x7f;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// One element of a list of values: `5`, `1..5`, `0/10` or `0..30/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    start: i64,
    stop: Option<i64>,
    /// The distance of repetitions; 0 for none.
    repeat: i64,
}

impl Component {
    fn of(start: i64) -> Component {
        Component {
            start,
            stop: None,
            repeat: 0,
        }
    }
}

/// Values that a part of a time may have; `None` for any.
type Chain = Option<Vec<Component>>;

/// What the zone of an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// None is written: the machine's.
    Local,
    /// The machine's, standard time or daylight saving time, as it calls them.
    LocalHalf(bool, String),
    Utc,
    Named(Zone),
}

/// When something happens again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// A bit for each day from Monday on; `None` for any day.
    weekdays: Option<u8>,
    year: Chain,
    month: Chain,
    day: Chain,
    /// Days count from the end of the month.
    end_of_month: bool,
    hour: Chain,
    minute: Chain,
    /// Seconds, in microseconds.
    second: Chain,
    place: Place,
}

impl Calendar {
    /// Reads an expression.
    ///
    /// # Errors
    /// It is none, or names a zone that is not there.
    pub fn parse(text: &str, zones: &Zones) -> Result<Calendar, ValueError> {
        parse::parse(text, zones).ok_or_else(|| {
            ValueError(format!(
                "\"{text}\" is not a calendar expression (Mon..Fri *-*-* 09:00, daily, *:0/15, ...)"
            ))
        })
    }

    /// The first time behind `after`, both in microseconds since the epoch; `None` if there is
    /// none (any more). `local` is the machine's zone.
    pub fn next(&self, after: u64, local: &Zone) -> Option<u64> {
        match &self.place {
            Place::Local => search::next(self, after, local),
            Place::LocalHalf(dst, _) => {
                // The machine may have moved to where there is no such half.
                let half = local.half(*dst);
                search::next(self, after, half.as_ref().unwrap_or(local))
            }
            Place::Utc => search::next(self, after, &Zone::utc()),
            Place::Named(zone) => search::next(self, after, zone),
        }
    }

    /// Brings it into the one form that all ways to write the same have (systemd's).
    fn normalize(mut self) -> Calendar {
        self.weekdays = self.weekdays.filter(|days| *days != 0 && *days != ALL_DAYS);
        self.end_of_month &= self.day.is_some();
        for component in self.year.iter_mut().flatten() {
            component.start = whole_year(component.start);
            component.stop = component.stop.map(whole_year);
        }
        let chains = [
            &mut self.year,
            &mut self.month,
            &mut self.day,
            &mut self.hour,
            &mut self.minute,
            &mut self.second,
        ];
        for chain in chains.into_iter().flatten() {
            for component in chain.iter_mut() {
                if let Some(stop) = component.stop.as_mut()
                    && *stop > component.start
                    && component.repeat > 0
                {
                    *stop -= (*stop - component.start) % component.repeat;
                }
                if component.stop == Some(component.start) {
                    *component = Component::of(component.start);
                }
            }
            chain.sort_by_key(|it| (it.start, it.stop.unwrap_or(-1), it.repeat));
            chain.dedup();
        }
        self
    }

    /// Whether every value lies in its range, and every repetition comes about.
    fn is_valid(&self) -> bool {
        let second = (0, 60 * SECOND - 1);
        // Every month has so many.
        let last_day = if self.end_of_month { 28 } else { 31 };
        fits(&self.year, YEARS, false)
            && fits(&self.month, (1, 12), false)
            && fits(&self.day, (1, last_day), self.end_of_month)
            && fits(&self.hour, (0, 23), false)
            && fits(&self.minute, (0, 59), false)
            && fits(&self.second, second, false)
    }
}

/// A year of two digits is one near ours.
fn whole_year(year: i64) -> i64 {
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        year => year,
    }
}

fn fits(chain: &Chain, (from, to): (i64, i64), end_of_month: bool) -> bool {
    chain.iter().flatten().all(|it| {
        let inside = |value: i64| (from..=to).contains(&value);
        let repeats = match it.stop {
            Some(stop) => inside(stop) && it.start + it.repeat <= stop,
            None if end_of_month => it.start - it.repeat >= from,
            None => it.start + it.repeat <= to,
        };
        inside(it.start) && it.repeat <= to - from && repeats
    })
}

impl fmt::Display for Calendar {
    /// The normalized form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(days) = self.weekdays {
            write!(f, "{} ", weekdays(days))?;
        }
        let before_day = if self.end_of_month { '~' } else { '-' };
        let (year, month) = (list(&self.year, 4, 1), list(&self.month, 2, 1));
        let day = list(&self.day, 2, 1);
        let (hour, minute) = (list(&self.hour, 2, 1), list(&self.minute, 2, 1));
        let second = list(&self.second, 2, SECOND);
        write!(
            f,
            "{year}-{month}{before_day}{day} {hour}:{minute}:{second}"
        )?;
        match &self.place {
            Place::Local => Ok(()),
            Place::LocalHalf(_, name) => write!(f, " {name}"),
            Place::Utc => f.write_str(" UTC"),
            Place::Named(zone) => write!(f, " {}", zone.name()),
        }
    }
}

/// Days in the order of the week, runs of three and more as a range.
fn weekdays(days: u8) -> String {
    let is_set = |day: usize| days & (1 << day) != 0;
    let mut runs = Vec::new();
    let mut day = 0;
    while day < DAYS.len() {
        let length = (day..DAYS.len()).take_while(|day| is_set(*day)).count();
        match length {
            0 => {}
            1 => runs.push(DAYS[day].to_owned()),
            2 => runs.push(format!("{},{}", DAYS[day], DAYS[day + 1])),
            _ => runs.push(format!("{}..{}", DAYS[day], DAYS[day + length - 1])),
        }
        day += length.max(1);
    }
    runs.join(",")
}

/// A chain as it is written, values of so many digits counted in `unit`.
fn list(chain: &Chain, digits: usize, unit: i64) -> String {
    let Some(chain) = chain else {
        return "*".to_owned();
    };
    let every_second = Component {
        repeat: SECOND,
        ..Component::of(0)
    };
    if unit == SECOND && chain.as_slice() == [every_second] {
        return "*".to_owned();
    }
    let number = |value: i64, digits: usize| match value % unit {
        0 => format!("{:0digits$}", value / unit),
        rest => format!("{:0digits$}.{rest:06}", value / unit),
    };
    let element = |it: &Component| {
        let mut text = number(it.start, digits);
        let stop = it.stop.filter(|stop| *stop > 0);
        if let Some(stop) = stop {
            text.push_str("..");
            text.push_str(&number(stop, digits));
        }
        if it.repeat > 0 && !(stop.is_some() && it.repeat == unit) {
            text.push('/');
            text.push_str(&number(it.repeat, 1));
        }
        text
    };
    chain.iter().map(element).collect::<Vec<_>>().join(",")
}
