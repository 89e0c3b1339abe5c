//! What systemd-analyze of systemd 252 said (`systemd.tsv`: zone, moment, expression, normalized
//! form or `-`, the next times), and laws.

use super::*;
use crate::unit::value::zone::ZoneSource;
use proptest::prelude::*;
use std::sync::Arc;

/// The zones of `systemd.tsv`, as rules.
const RULES: [(&str, &str); 5] = [
    ("UTC", "UTC0"),
    ("BERLIN", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("NEW_YORK", "EST5EDT,M3.2.0,M11.1.0"),
    ("LORD_HOWE", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"),
    ("DUBLIN", "IST-1GMT0,M10.5.0,M3.5.0/1"),
];

struct Machine(Zone);

impl ZoneSource for Machine {
    fn local(&self) -> Zone {
        self.0.clone()
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn find(&self, name: &str) -> Option<Zone> {
        let rule = match name {
            "Europe/Berlin" | "CET" => RULES[1].1,
            "EST" => "EST5",
            "Etc/UTC" => "UTC0",
            _ => return None,
        };
        Zone::from_rule(rule).ok().map(|zone| zone.named(name))
    }
}

fn machine(zone: &str) -> Zones {
    let rule = RULES.iter().find(|(name, _)| *name == zone);
    let rule = rule.map_or("UTC0", |(_, rule)| rule);
    Zones::new(Arc::new(Machine(Zone::from_rule(rule).unwrap())))
}

#[test]
fn expressions_are_read_and_come_next_as_in_systemd() {
    let mut wrong = Vec::new();
    for line in include_str!("systemd.tsv").lines() {
        let [zone, moment, text, normal, times] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let zones = machine(zone);
        let calendar = Calendar::parse(text, &zones).ok();
        let shown = calendar
            .as_ref()
            .map_or("-".to_owned(), Calendar::to_string);
        let mut after: u64 = moment.parse::<u64>().unwrap() * 1_000_000;
        let mut found = Vec::new();
        for _ in times.split_whitespace() {
            let next = calendar
                .as_ref()
                .and_then(|it| it.next(after, &zones.local()));
            after = next.unwrap_or(u64::MAX);
            found.push((after / 1_000_000).to_string());
        }
        let is_last = times.split_whitespace().count() < 3;
        let more = calendar
            .as_ref()
            .and_then(|it| it.next(after, &zones.local()));
        if shown != normal || found.join(" ") != times || (is_last && more.is_some()) {
            wrong.push(format!(
                "{line}\n  here: {shown} {} {more:?}",
                found.join(" ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_local_name_of_a_time_is_that_time_the_whole_year() {
    let zones = machine("BERLIN");
    for (text, hour) in [("02:30 CET", 1), ("02:30 cest", 0)] {
        let calendar = Calendar::parse(text, &zones).unwrap();
        // Before midnight UTC on both days on which the clocks change.
        for day in [1_774_738_800, 1_792_882_800] {
            let next = calendar.next(day * 1_000_000, &zones.local()).unwrap();
            assert_eq!(next / 1_000_000 % 86_400, hour * 3600 + 1800, "{text}");
        }
        assert_eq!(
            calendar.to_string(),
            format!("*-*-* 02:30:00 {}", &text[6..].to_uppercase())
        );
    }
}

#[test]
fn fractions_of_seconds_count() {
    let zones = machine("UTC");
    let calendar = Calendar::parse("*:*:0.25/0.5", &zones).unwrap();
    assert_eq!(calendar.to_string(), "*-*-* *:*:00.250000/0.500000");
    assert_eq!(calendar.next(0, &Zone::utc()), Some(250_000));
    assert_eq!(calendar.next(250_000, &Zone::utc()), Some(750_000));
}

proptest! {
    #[test]
    fn the_normalized_form_stands_for_the_same(
        days in "(Mon|Tue\\.\\.Fri|Sat,Sun)?",
        date in "(20[0-9]{2}|\\*)-(1|0?[1-9],12|1/3|\\*)[-~](1/2|3\\.\\.5|[1-9]|\\*)",
        time in "([0-9]|1?[0-9]/2|\\*):(5|0/7|1\\.\\.30/4|\\*):(0|\\*|1/1.5)",
        after in 0_u64..4_000_000_000_000_000,
    ) {
        let zones = machine("BERLIN");
        let text = format!("{days} {date} {time}");
        if let Ok(calendar) = Calendar::parse(text.trim(), &zones) {
            let again = Calendar::parse(&calendar.to_string(), &zones);
            prop_assert_eq!(again.as_ref(), Ok(&calendar));
            if let Some(next) = calendar.next(after, &zones.local()) {
                prop_assert!(next > after);
                // What lies between was not skipped.
                prop_assert_eq!(calendar.next(next - 1, &zones.local()), Some(next));
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in "[-~*/.,:0-9 ]{0,24}|[a-zA-Z. ]{0,12}|.*", after: u64) {
        let zones = machine("BERLIN");
        if let Ok(calendar) = Calendar::parse(&text, &zones) {
            calendar.next(after, &zones.local());
        }
    }
}
