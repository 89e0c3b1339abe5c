//! Reads calendar expressions.

use super::{Calendar, Chain, Component, Place, SECOND};
use crate::unit::value::zone::{WallTime, Zones, is_zone_name};

/// More elements than anybody writes.
const MOST_COMPONENTS: usize = 240;

const WEEKDAYS: [(&str, u8); 14] = [
    ("Monday", 0),
    ("Mon", 0),
    ("Tuesday", 1),
    ("Tue", 1),
    ("Wednesday", 2),
    ("Wed", 2),
    ("Thursday", 3),
    ("Thu", 3),
    ("Friday", 4),
    ("Fri", 4),
    ("Saturday", 5),
    ("Sat", 5),
    ("Sunday", 6),
    ("Sun", 6),
];

/// The expression that a text is; `None` if it is none.
pub(super) fn parse(text: &str, zones: &Zones) -> Option<Calendar> {
    let (place, rest) = place(text, zones);
    if rest.is_empty() {
        return None;
    }
    let mut calendar = match word(rest) {
        Some(calendar) => calendar,
        None => parts(rest)?,
    };
    if calendar.place == Place::Local {
        calendar.place = place;
    }
    let calendar = calendar.normalize();
    calendar.is_valid().then_some(calendar)
}

/// What matches any time of the day 0:00:00.
fn midnight() -> Calendar {
    Calendar {
        weekdays: None,
        year: None,
        month: None,
        day: None,
        end_of_month: false,
        hour: just(&[0]),
        minute: just(&[0]),
        second: just(&[0]),
        place: Place::Local,
    }
}

fn just(values: &[i64]) -> Chain {
    Some(values.iter().map(|value| Component::of(*value)).collect())
}

/// A word for a whole expression.
fn word(text: &str) -> Option<Calendar> {
    let months = |months: &[i64]| Calendar {
        month: just(months),
        day: just(&[1]),
        ..midnight()
    };
    Some(match text.to_ascii_lowercase().as_str() {
        "minutely" => Calendar {
            hour: None,
            minute: None,
            ..midnight()
        },
        "hourly" => Calendar {
            hour: None,
            ..midnight()
        },
        "daily" => midnight(),
        "weekly" => Calendar {
            weekdays: Some(1),
            ..midnight()
        },
        "monthly" => Calendar {
            day: just(&[1]),
            ..midnight()
        },
        "quarterly" => months(&[1, 4, 7, 10]),
        "biannually" | "bi-annually" | "semiannually" | "semi-annually" => months(&[1, 7]),
        "yearly" | "annually" | "anually" => months(&[1]),
        _ => return None,
    })
}

/// Takes the zone off the end.
fn place<'a>(text: &'a str, zones: &Zones) -> (Place, &'a str) {
    if let Some(rest) = without_end(text, "UTC") {
        return (Place::Utc, rest);
    }
    let Some((before, last)) = text.rsplit_once(' ') else {
        return (Place::Local, text);
    };
    if !last.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return (Place::Local, text);
    }
    let halves = zones.local().abbreviations();
    for (dst, name) in [false, true].into_iter().zip(halves) {
        if let Some(name) = name.filter(|name| name.eq_ignore_ascii_case(last)) {
            return (Place::LocalHalf(dst, name), before);
        }
    }
    match zones.find(last).filter(|_| is_zone_name(last)) {
        Some(zone) => (Place::Named(zone), before),
        None => (Place::Local, text),
    }
}

fn without_end<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (before, last) = text.rsplit_once(' ')?;
    last.eq_ignore_ascii_case(name).then_some(before)
}

/// What is left of a text.
#[derive(Debug, Clone, Copy)]
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn next(&self) -> Option<char> {
        self.0.chars().next()
    }

    /// At its end, or at one of these.
    fn ends_or(&self, stops: &str) -> bool {
        self.next().is_none_or(|c| stops.contains(c))
    }

    fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn digits(&mut self) -> Option<i64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        digits.parse().ok()
    }

    /// A number; of seconds, with a fraction if it has one, in microseconds.
    fn number(&mut self, seconds: bool) -> Option<i64> {
        let mut value = self.digits()?;
        if seconds {
            value = value.checked_mul(SECOND)?;
            // One point is a decimal point, two are a range.
            if self.0.starts_with('.') && !self.0.starts_with("..") {
                self.take(".");
                value = value.checked_add(self.fraction()?)?;
            }
        }
        i32::try_from(value).ok().map(i64::from)
    }

    /// Digits behind a point, rounded to microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        let first: String = digits.chars().take(6).collect();
        let value: i64 = format!("{first:0<6}")
            .parse()
            .ok()
            .filter(|_| !first.is_empty())?;
        let rounds_up = digits.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
        Some(value + i64::from(rounds_up))
    }

    fn chain(&mut self, seconds: bool) -> Option<Chain> {
        if self.take("*") {
            let every = Component {
                repeat: SECOND,
                ..Component::of(0)
            };
            return Some(seconds.then(|| vec![every]));
        }
        let mut list = Vec::new();
        loop {
            list.push(self.component(seconds)?);
            if list.len() > MOST_COMPONENTS {
                return None;
            }
            if !self.take(",") {
                return Some(Some(list));
            }
        }
    }

    fn component(&mut self, seconds: bool) -> Option<Component> {
        let unit = if seconds { SECOND } else { 1 };
        let mut component = Component::of(self.number(seconds)?);
        if self.take("..") {
            component.stop = Some(self.number(seconds)?);
            component.repeat = unit;
        }
        if self.take("/") {
            component.repeat = self.number(seconds).filter(|repeat| *repeat > 0)?;
        } else if seconds
            && component
                .stop
                .is_some_and(|stop| component.start + component.repeat > stop)
        {
            return None;
        }
        self.ends_or(" ,-~:").then_some(component)
    }
}

/// Days of the week, a date, a time; each may be missing.
fn parts(text: &str) -> Option<Calendar> {
    let mut rest = Rest(text);
    let mut calendar = midnight();
    calendar.weekdays = days(&mut rest)?;
    if let Some(moment) = rest.0.strip_prefix('@') {
        return Some(Calendar {
            weekdays: calendar.weekdays,
            ..of_moment(moment)?
        });
    }
    date(&mut rest, &mut calendar)?;
    time(&mut rest, &mut calendar)?;
    Some(calendar)
}

/// `@` and seconds since the epoch.
fn of_moment(text: &str) -> Option<Calendar> {
    let seconds: i64 = text.parse().ok()?;
    if !text.starts_with(|c: char| c.is_ascii_digit()) || seconds > 253_402_300_799 {
        return None;
    }
    let time = WallTime::of(seconds);
    Some(Calendar {
        weekdays: None,
        year: just(&[time.year]),
        month: just(&[time.month]),
        day: just(&[time.day]),
        end_of_month: false,
        hour: just(&[time.hour]),
        minute: just(&[time.minute]),
        second: just(&[time.second * SECOND]),
        place: Place::Utc,
    })
}

/// Days and ranges of days; none at all if the text does not begin with one.
fn days(rest: &mut Rest<'_>) -> Option<Option<u8>> {
    let mut bits = 0u8;
    let mut from: Option<u8> = None;
    let mut first = true;
    loop {
        let known = WEEKDAYS.iter().find(|(name, _)| {
            let start = rest.0.get(..name.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(name))
        });
        let Some((name, day)) = known else {
            return first.then_some(None);
        };
        rest.0 = &rest.0[name.len()..];
        if !rest.ends_or("-., ") {
            return None;
        }
        if from.is_some_and(|from| from > *day) {
            return None;
        }
        for day in from.unwrap_or(*day)..=*day {
            bits |= 1 << day;
        }
        if rest.ends_or(" ") {
            rest.skip_blanks();
            return Some(Some(bits));
        }
        from = if rest.take(",") {
            None
        } else if from.is_none() && (rest.take("..") || rest.take("-")) {
            Some(*day)
        } else {
            return None;
        };
        if rest.ends_or(" ") {
            rest.skip_blanks();
            return from.is_none().then_some(Some(bits));
        }
        first = false;
    }
}

/// Year, month and day, or month and day; nothing if it is a time.
fn date(rest: &mut Rest<'_>, calendar: &mut Calendar) -> Option<()> {
    if rest.0.is_empty() {
        return Some(());
    }
    let mut ahead = *rest;
    let first = ahead.chain(false)?;
    if ahead.ends_or(":") {
        return Some(());
    }
    let mut end_of_month = dash(&mut ahead)?;
    let second = ahead.chain(false)?;
    if ahead.ends_or(" ") {
        (calendar.month, calendar.day) = (first, second);
    } else {
        if end_of_month {
            return None;
        }
        end_of_month = dash(&mut ahead)?;
        let third = ahead.chain(false)?;
        if !ahead.ends_or(" ") {
            return None;
        }
        (calendar.year, calendar.month, calendar.day) = (first, second, third);
    }
    calendar.end_of_month = end_of_month;
    ahead.skip_blanks();
    *rest = ahead;
    Some(())
}

/// What stands between the parts of a date; whether days count from the end.
fn dash(rest: &mut Rest<'_>) -> Option<bool> {
    if rest.take("~") {
        return Some(true);
    }
    rest.take("-").then_some(false)
}

/// Hours and minutes, and seconds if they are there; midnight if nothing is.
fn time(rest: &mut Rest<'_>, calendar: &mut Calendar) -> Option<()> {
    if rest.0.is_empty() {
        return Some(());
    }
    calendar.hour = rest.chain(false)?;
    if !rest.take(":") {
        return None;
    }
    calendar.minute = rest.chain(false)?;
    if rest.take(":") {
        calendar.second = rest.chain(true)?;
    }
    rest.0.is_empty().then_some(())
}
