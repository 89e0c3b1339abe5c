//! What differs between two readings of a unit's files, setting by setting.
//!
//! Settings are compared as they are shown, so two ways to write the same are no difference.

use super::config::{Command, CommandKind, Condition, DependencyKind, ProbeKind, UnitConfig};
use super::directive::{self, Kind, PropertyValue, Row};
use super::value::TimeSpan;
use std::collections::BTreeSet;

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The directive.
    pub name: &'static str,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
    /// Whether a unit that is up only takes it over when it is started again.
    pub at_start: bool,
}

/// The settings in which two readings of one unit differ, in the order of the manual pages;
/// commands, dependencies and conditions last.
pub fn differences(before: &UnitConfig, after: &UnitConfig) -> Vec<Difference> {
    let sections = directive::sections_of(after.name.unit_type());
    let mut found = Vec::new();
    let mut properties = BTreeSet::new();
    let rows = directive::table().filter(|row| row.sections.iter().any(|s| sections.contains(s)));
    for row in rows.filter(|row| row.kind != Kind::Condition) {
        // Directives may share a property.
        let fresh = row
            .properties
            .iter()
            .flatten()
            .all(|p| properties.insert(p.name));
        let (before, after) = (shown(row, before), shown(row, after));
        if fresh && before != after {
            found.push(Difference {
                name: row.name,
                before,
                after,
                at_start: directive::takes_effect_at_start(row),
            });
        }
    }
    found.extend(commands(before, after));
    found.extend(probes(before, after));
    found.extend(dependencies(before, after));
    found.extend(conditions(before, after));
    found
}

/// The values of a row's properties.
fn shown(row: &Row, config: &UnitConfig) -> String {
    let properties = row.properties.iter().flatten();
    let values: Vec<String> = properties
        .map(|property| {
            let value = property.value(config);
            match value {
                PropertyValue::U64(micros) if property.name.ends_with("USec") => {
                    TimeSpan(micros).to_string()
                }
                value => text(&value),
            }
        })
        .collect();
    values.join(":")
}

fn text(value: &PropertyValue) -> String {
    match value {
        PropertyValue::Bool(true) => "yes".to_owned(),
        PropertyValue::Bool(false) => "no".to_owned(),
        PropertyValue::I32(number) => number.to_string(),
        PropertyValue::U32(number) => number.to_string(),
        PropertyValue::I64(number) => number.to_string(),
        PropertyValue::U64(u64::MAX) => "infinity".to_owned(),
        PropertyValue::U64(number) => number.to_string(),
        PropertyValue::String(text) => text.clone(),
        PropertyValue::Bytes(bytes) => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            numbers.join(" ")
        }
        PropertyValue::Strings(texts) => texts.join(" "),
        PropertyValue::Struct(values) | PropertyValue::Array(values) => {
            let values: Vec<String> = values.iter().map(text).collect();
            values.join(" ")
        }
    }
}

fn commands(before: &UnitConfig, after: &UnitConfig) -> Vec<Difference> {
    let list = |config: &UnitConfig, kind| {
        let commands = config.service().map(|service| service.commands.get(kind));
        let lines: Vec<String> = commands.into_iter().flatten().map(line).collect();
        lines.join(" ; ")
    };
    let differ = |kind: CommandKind| {
        let (before, after) = (list(before, kind), list(after, kind));
        (before != after).then(|| Difference {
            name: kind.directive(),
            before,
            after,
            at_start: directive::find("Service", kind.directive())
                .is_some_and(directive::takes_effect_at_start),
        })
    };
    CommandKind::ALL.into_iter().filter_map(differ).collect()
}

fn probes(before: &UnitConfig, after: &UnitConfig) -> Vec<Difference> {
    let line = |config: &UnitConfig, kind| {
        let probe = config
            .service()
            .and_then(|service| service.probes.get(kind));
        probe.map_or_else(String::new, ToString::to_string)
    };
    let differ = |kind: ProbeKind| {
        let (before, after) = (line(before, kind), line(after, kind));
        (before != after).then(|| Difference {
            name: kind.section(),
            before,
            after,
            at_start: false,
        })
    };
    ProbeKind::ALL.into_iter().filter_map(differ).collect()
}

/// A command line with its prefixes; where it stands in the file makes no difference.
fn line(command: &Command) -> String {
    use super::config::Privileges;
    let mut line = String::new();
    line.push_str(if command.ignore_failure { "-" } else { "" });
    line.push_str(if command.no_expand { ":" } else { "" });
    line.push_str(match command.privileges {
        Privileges::Normal => "",
        Privileges::Full => "+",
        Privileges::NoUser => "!",
        Privileges::Ambient => "!!",
    });
    let other_name = command.argv.first() != Some(&command.program);
    line.push_str(if other_name { "@" } else { "" });
    line.push_str(&command.program);
    for word in command.argv.iter().skip(usize::from(!other_name)) {
        line.push(' ');
        line.push_str(word);
    }
    line
}

fn dependencies(before: &UnitConfig, after: &UnitConfig) -> Vec<Difference> {
    let kinds: BTreeSet<DependencyKind> = [before, after]
        .into_iter()
        .flat_map(|config| config.dependencies.iter().map(|d| d.kind))
        .collect();
    let list = |config: &UnitConfig, kind| {
        let names: Vec<&str> = config.dependencies_of(kind).map(|n| n.as_str()).collect();
        names.join(" ")
    };
    let differ = |kind: DependencyKind| {
        let (before, after) = (list(before, kind), list(after, kind));
        (before != after).then_some(Difference {
            name: kind.directive(),
            before,
            after,
            at_start: false,
        })
    };
    kinds.into_iter().filter_map(differ).collect()
}

fn conditions(before: &UnitConfig, after: &UnitConfig) -> Vec<Difference> {
    let list = |conditions: &[Condition]| {
        let one = |c: &Condition| {
            let trigger = if c.trigger { "|" } else { "" };
            let negate = if c.negate { "!" } else { "" };
            format!("{}={trigger}{negate}{}", c.kind.suffix(), c.parameter)
        };
        let all: Vec<String> = conditions.iter().map(one).collect();
        all.join(" ")
    };
    let pairs = [
        (
            "Condition...",
            &before.unit.conditions,
            &after.unit.conditions,
        ),
        ("Assert...", &before.unit.asserts, &after.unit.asserts),
    ];
    let differ = |(name, before, after): (_, &Vec<Condition>, &Vec<Condition>)| {
        (before != after).then(|| Difference {
            name,
            before: list(before),
            after: list(after),
            at_start: true,
        })
    };
    pairs.into_iter().filter_map(differ).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::load::{MemorySource, Settings, load_closure};
    use crate::unit::name::UnitName;

    fn read(text: &str) -> UnitConfig {
        let source = MemorySource::new().file("/u/a.service", text);
        let settings = Settings {
            path: vec!["/u".to_owned()],
            default_dependencies: false,
            ..Settings::default()
        };
        let name = UnitName::parse("a.service").unwrap();
        let units = load_closure(&[name.clone()].into(), &BTreeSet::new(), &settings, &source);
        UnitConfig::clone(&units[&name])
    }

    #[test]
    fn says_what_differs_and_when_it_counts() {
        let before = read("[Service]\nExecStart=/bin/a b\nRestart=no\nRestartSec=1500ms\n");
        let after = read(
            "[Unit]\nWants=b.service\nConditionPathExists=!/x\n\n[Service]\nRestart=always\n\
             ExecStart=/bin/a c\nRestartSec=1.5\nUser=nobody\n",
        );
        let found = differences(&before, &after);
        let told: Vec<(&str, &str, &str, bool)> = found
            .iter()
            .map(|d| (d.name, d.before.as_str(), d.after.as_str(), d.at_start))
            .collect();
        assert_eq!(
            told,
            [
                ("Restart", "no", "always", false),
                ("User", "", "nobody", true),
                ("ExecStart", "/bin/a b", "/bin/a c", true),
                ("Wants", "", "b.service", false),
                ("Condition...", "", "PathExists=!/x", true),
            ]
        );
        assert!(differences(&before, &before).is_empty());
    }
}
