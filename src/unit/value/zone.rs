//! Time zones: from moments to the time on the wall, and back as mktime(3) does it.
//!
//! Rules come as the bytes of a TZif file (tzfile(5)); which file is the business of whoever
//! reads files. Must not ask for the time or for the machine's zone.

use super::ValueError;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::fmt;
use std::sync::Arc;

const DAY: i64 = 86_400;
/// Both halves of a year in which no rule is known to change any more.
const HALVES: [i64; 2] = [2_114_380_800, 2_130_105_600];

/// A time zone with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A time on the wall. Fields may lie outside of their usual range, as in mktime(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct WallTime {
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
}

/// What is shown at a moment in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    /// Seconds east of UTC.
    seconds: i64,
    /// Daylight saving time.
    dst: bool,
}

impl Default for Zone {
    fn default() -> Zone {
        Zone::utc()
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Zone {
        Zone {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
        }
    }

    /// The zone that a TZif file describes.
    ///
    /// # Errors
    /// The file is none.
    pub fn from_file(name: &str, content: &[u8]) -> Result<Zone, ValueError> {
        let rules = TimeZone::tzif(name, content)
            .map_err(|error| ValueError(format!("no time zone {name}: {error}")))?;
        Ok(Zone {
            name: name.to_owned(),
            rules,
        })
    }

    /// The zone that a text such as `CET-1CEST,M3.5.0,M10.5.0/3` describes (tzset(3)).
    ///
    /// # Errors
    /// The text is none.
    pub fn from_rule(rule: &str) -> Result<Zone, ValueError> {
        let rules = TimeZone::posix(rule)
            .map_err(|error| ValueError(format!("\"{rule}\" is no time zone: {error}")))?;
        Ok(Zone {
            name: rule.to_owned(),
            rules,
        })
    }

    /// The zone under another name.
    #[cfg(test)]
    pub(super) fn named(self, name: &str) -> Zone {
        Zone {
            name: name.to_owned(),
            ..self
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is called at a moment, in seconds since the epoch: `CET`.
    pub fn abbreviation(&self, seconds: i64) -> String {
        self.rules
            .to_offset_info(moment(seconds))
            .abbreviation()
            .to_owned()
    }

    /// What its standard time and its daylight saving time are called, if it still has both.
    pub(super) fn abbreviations(&self) -> [Option<String>; 2] {
        let mut names = [None, None];
        for seconds in HALVES {
            let place = usize::from(self.offset(seconds).dst);
            names[place] = Some(self.abbreviation(seconds));
        }
        names
    }

    /// Its standard time, or its daylight saving time, the whole year.
    pub(super) fn half(&self, dst: bool) -> Option<Zone> {
        let halves = HALVES.map(|seconds| self.offset(seconds));
        let half = halves.into_iter().find(|half| half.dst == dst)?;
        let offset = Offset::from_seconds(i32::try_from(half.seconds).ok()?).ok()?;
        Some(Zone {
            name: self.name.clone(),
            rules: TimeZone::fixed(offset),
        })
    }

    /// The time on the wall at a moment, in seconds since the epoch.
    pub fn wall_time(&self, seconds: i64) -> WallTime {
        WallTime::of(seconds + self.offset(seconds).seconds)
    }

    fn offset(&self, seconds: i64) -> Shift {
        let info = self.rules.to_offset_info(moment(seconds));
        Shift {
            seconds: i64::from(info.offset().seconds()),
            dst: info.dst().is_dst(),
        }
    }
}

/// A moment as jiff knows it; one too far away is the last one.
fn moment(seconds: i64) -> Timestamp {
    let last = match seconds {
        0.. => Timestamp::MAX,
        _ => Timestamp::MIN,
    };
    Timestamp::from_second(seconds).unwrap_or(last)
}

impl WallTime {
    /// The time in UTC, in seconds since the epoch.
    pub(super) fn of(seconds: i64) -> WallTime {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        WallTime {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Seconds since the epoch if it were UTC.
    fn as_utc(&self) -> i64 {
        let months = self.year * 12 + self.month - 1;
        let days = days_before(months.div_euclid(12), months.rem_euclid(12) + 1) + self.day - 1;
        ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second
    }

    /// 0 (Monday) to 6, of a date in its usual range.
    pub fn weekday(&self) -> i64 {
        // The epoch was a Thursday.
        (self.as_utc().div_euclid(DAY) + 3).rem_euclid(7)
    }
}

/// Days from the epoch to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let in_year = (153 * month + 2) / 5;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

/// Year, month and day so many days after the epoch.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, day)
}

/// Finds the moment of a time on the wall, in the manner of mktime(3): a time that is there
/// twice is taken as near to the offset of the time before as can be, one that is skipped is
/// moved on by what is skipped.
#[derive(Debug)]
pub(super) struct Clockwork<'a> {
    zone: &'a Zone,
    /// The offset of the last answer.
    hint: i64,
}

impl<'a> Clockwork<'a> {
    /// For times near this moment.
    pub(super) fn new(zone: &'a Zone, seconds: i64) -> Clockwork<'a> {
        Clockwork {
            zone,
            hint: zone.offset(seconds).seconds,
        }
    }

    /// The moment, in seconds since the epoch; brings all fields into their usual range.
    pub(super) fn settle(&mut self, time: &mut WallTime) -> i64 {
        let wanted = time.as_utc();
        let seconds = self.find(wanted);
        self.hint = self.zone.offset(seconds).seconds;
        *time = WallTime::of(seconds + self.hint);
        seconds
    }

    fn find(&self, wanted: i64) -> i64 {
        let mut seconds = wanted - self.hint;
        let mut before = None;
        // Two steps are enough, unless the time is skipped and the steps go to and fro.
        for _ in 0..6 {
            let next = wanted - self.zone.offset(seconds).seconds;
            if next == seconds {
                break;
            }
            if before == Some(next) {
                return seconds.max(next);
            }
            before = Some(seconds);
            seconds = next;
        }
        seconds
    }
}

/// Where zones come from.
pub trait ZoneSource: Send + Sync {
    /// The machine's own zone.
    fn local(&self) -> Zone;
    /// Whether that is always the same, whatever happens to the machine's settings.
    fn is_fixed(&self) -> bool;
    /// The zone of this name, such as `Europe/Berlin`; `None` if there is none.
    fn find(&self, name: &str) -> Option<Zone>;
}

/// The zones of the machine; none but UTC by default.
#[derive(Clone, Default)]
pub struct Zones(Option<Arc<dyn ZoneSource>>);

impl Zones {
    /// Those of a source.
    pub fn new(source: Arc<dyn ZoneSource>) -> Zones {
        Zones(Some(source))
    }

    /// The machine's own zone.
    pub fn local(&self) -> Zone {
        self.0
            .as_ref()
            .map_or_else(Zone::utc, |source| source.local())
    }

    /// Whether the machine's own zone is always the same.
    pub fn is_fixed(&self) -> bool {
        self.0.as_ref().is_none_or(|source| source.is_fixed())
    }

    /// The zone of this name.
    pub fn find(&self, name: &str) -> Option<Zone> {
        match name {
            "UTC" => Some(Zone::utc()),
            name => self.0.as_ref()?.find(name),
        }
    }
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zones")
    }
}

/// Where zones come from makes no difference between machines.
impl PartialEq for Zones {
    fn eq(&self, _: &Zones) -> bool {
        true
    }
}

impl Eq for Zones {}

/// Whether a name can be that of a zone: it is looked for as a path below a directory.
pub fn is_zone_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_+/".contains(c);
    !name.is_empty()
        && name.len() < 256
        && !name.starts_with('/')
        && !name.ends_with('/')
        && !name.contains("//")
        && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> Zone {
        Zone::from_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(year: i64, month: i64, day: i64, hour: i64, minute: i64) -> WallTime {
        WallTime {
            year,
            month,
            day,
            hour,
            minute,
            second: 0,
        }
    }

    #[test]
    fn times_are_told_and_found() {
        let zone = berlin();
        let mut summer = at(2026, 7, 1, 12, 0);
        let seconds = Clockwork::new(&zone, 0).settle(&mut summer);
        assert_eq!(seconds, 1_782_900_000);
        assert_eq!(zone.wall_time(seconds), summer);
        assert_eq!(zone.abbreviation(seconds), "CEST");
        assert_eq!(
            zone.abbreviations(),
            [Some("CET".to_owned()), Some("CEST".to_owned())]
        );
        let mut over = at(2026, 13, 32, 24, 60);
        Clockwork::new(&zone, 0).settle(&mut over);
        assert_eq!(over, at(2027, 2, 2, 1, 0));
        assert_eq!(over.weekday(), 1);
    }

    #[test]
    fn a_time_that_is_skipped_moves_on_and_one_that_is_there_twice_stays_near() {
        let zone = berlin();
        let mut skipped = at(2026, 3, 29, 2, 30);
        Clockwork::new(&zone, 0).settle(&mut skipped);
        assert_eq!(skipped, at(2026, 3, 29, 3, 30));
        let twice = at(2026, 10, 25, 2, 30);
        let of = |near: i64| Clockwork::new(&zone, near).settle(&mut twice.clone());
        let (summer, winter) = (1_782_900_000, 1_767_225_600);
        assert_eq!(of(winter) - of(summer), 3600);
    }

    #[test]
    fn names_of_zones_do_not_lead_elsewhere() {
        for name in ["Europe/Berlin", "Etc/GMT+3", "UTC"] {
            assert!(is_zone_name(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../x", "a//b", "a b", "Europe/"] {
            assert!(!is_zone_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn dates_and_days_agree(seconds in -4_000_000_000_i64..8_000_000_000) {
            let time = WallTime::of(seconds);
            prop_assert_eq!(time.as_utc(), seconds);
            prop_assert!((1..=12).contains(&time.month) && (1..=31).contains(&time.day));
        }

        #[test]
        fn every_moment_is_found_again(seconds in 0_i64..4_000_000_000) {
            let zone = berlin();
            let mut time = zone.wall_time(seconds);
            prop_assert_eq!(Clockwork::new(&zone, seconds).settle(&mut time), seconds);
        }
    }
}
