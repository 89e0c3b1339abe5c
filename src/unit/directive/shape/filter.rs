//! Lists that permit or, behind `~`, forbid what they name: `(bas)`, the first value sorted,
//! and what goes with them (systemd.exec(5), "SYSTEM CALL FILTERING").

use super::{After, Before, listed};
use crate::unit::directive::parse;
use crate::unit::directive::read::{Reading, Trouble};
use crate::unit::directive::row::PropertyValue;
use crate::unit::value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Groups of system calls.
static GROUPS: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let lines = include_str!("syscalls.txt").lines();
    lines
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next().filter(|name| name.starts_with('@'))?;
            Some((name, words.collect()))
        })
        .collect()
});

/// Whether some group names a call; some of them no longer exist anywhere.
fn is_member(name: &str) -> bool {
    GROUPS.values().any(|members| members.contains(&name))
}

/// A list that permits or forbids.
struct Filter {
    permits: bool,
    /// Sorted, each once.
    names: Vec<String>,
}

impl Filter {
    fn from(before: Before<'_>) -> Option<Filter> {
        let Some(PropertyValue::Struct(mut fields)) = before.take() else {
            return None;
        };
        match fields.as_mut_slice() {
            [PropertyValue::Bool(permits), PropertyValue::Strings(names)] => Some(Filter {
                permits: *permits,
                names: std::mem::take(names),
            }),
            _ => None,
        }
    }

    /// Names of the list's own direction are added, names of the other one taken out. A name
    /// comes at most once, whatever error stands behind it.
    fn merge_call(&mut self, inverted: bool, name: &str, error: &str) {
        let place = self.names.binary_search_by(|known| {
            let known = known
                .split_once(':')
                .map_or(known.as_str(), |(name, _)| name);
            known.cmp(name)
        });
        let own = inverted != self.permits;
        match place {
            Ok(at) if own || !error.is_empty() => self.names[at] = format!("{name}{error}"),
            Ok(at) => drop(self.names.remove(at)),
            Err(at) if own || !error.is_empty() => {
                self.names.insert(at, format!("{name}{error}"));
            }
            Err(_) => {}
        }
    }

    /// Names of the list's own direction are added, names of the other one taken out.
    fn merge(&mut self, inverted: bool, name: &str) {
        let place = self
            .names
            .binary_search_by(|known| known.as_str().cmp(name));
        match (place, inverted == self.permits) {
            (Ok(at), true) => drop(self.names.remove(at)),
            (Err(at), false) => self.names.insert(at, name.to_owned()),
            (Ok(_), false) | (Err(_), true) => {}
        }
    }

    fn shown(self) -> PropertyValue {
        PropertyValue::Struct(vec![
            PropertyValue::Bool(self.permits),
            PropertyValue::Strings(self.names),
        ])
    }
}

/// The rest of a value behind `~`, and whether there was one.
fn inverted(value: &str) -> (bool, &str) {
    match value.strip_prefix('~') {
        Some(rest) => (true, rest),
        None => (false, value),
    }
}

/// SystemCallFilter= and SystemCallLog=: groups by their members.
pub(in crate::unit::directive) fn system_calls(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let (inverted, list) = inverted(value);
    let words = parse::words(reading, list)?;
    let first = before.is_none();
    let mut filter = Filter::from(before).unwrap_or(Filter {
        permits: !inverted,
        names: Vec::new(),
    });
    if first && filter.permits && reading.row.name == "SystemCallFilter" {
        merge_call(&mut filter, false, "@default", "");
    }
    for (offset, word) in words {
        let (name, error) = match word.split_once(':') {
            Some((name, error)) if error == "kill" || value::parse_errno(error).is_ok() => {
                (name, format!(":{error}"))
            }
            Some((_, error)) => {
                let message = format!("\"{error}\" is neither an error nor kill, ignored");
                reading.warn(offset, &message);
                continue;
            }
            None => (word.as_str(), String::new()),
        };
        if !GROUPS.contains_key(name) && !value::is_syscall(name) && !is_member(name) {
            reading.warn(offset, &format!("there is no system call {name}, ignored"));
            continue;
        }
        merge_call(&mut filter, inverted, name, &error);
    }
    Ok(Some(filter.shown()))
}

fn merge_call(filter: &mut Filter, inverted: bool, name: &str, error: &str) {
    match GROUPS.get(name) {
        Some(members) => {
            for member in members {
                merge_call(filter, inverted, member, error);
            }
        }
        None if name.starts_with('@') => {}
        None => filter.merge_call(inverted, name, error),
    }
}

/// RestrictAddressFamilies=.
pub(in crate::unit::directive) fn address_families(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value == "none" {
        let none = Filter {
            permits: true,
            names: Vec::new(),
        };
        return Ok(Some(none.shown()));
    }
    names(reading, value, before, |name| {
        value::address_family(name).is_some()
    })
}

/// Names of anything else.
pub(in crate::unit::directive) fn name_filter(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    names(reading, value, before, |_| true)
}

fn names(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
    known: fn(&str) -> bool,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let (inverted, list) = inverted(value);
    let words = parse::words(reading, list)?;
    let mut filter = Filter::from(before).unwrap_or(Filter {
        permits: !inverted,
        names: Vec::new(),
    });
    for (offset, name) in words {
        if known(&name) {
            filter.merge(inverted, &name);
        } else {
            reading.warn(offset, &format!("\"{name}\" is not known, ignored"));
        }
    }
    Ok(Some(filter.shown()))
}

/// What SystemCallArchitectures= may name.
const ARCHITECTURES: [&str; 19] = [
    "native",
    "x86",
    "x86-64",
    "x32",
    "arm",
    "arm64",
    "loongarch64",
    "mips",
    "mips64",
    "mips64-n32",
    "mips-le",
    "mips64-le",
    "mips64-le-n32",
    "parisc",
    "ppc",
    "ppc64",
    "ppc64-le",
    "riscv64",
    "s390x",
];

/// SystemCallArchitectures=: sorted, each once.
pub(in crate::unit::directive) fn architectures(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let mut list = listed(before);
    for (offset, word) in words {
        if !ARCHITECTURES.contains(&word.as_str()) {
            reading.warn(
                offset,
                &format!("\"{word}\" is not an architecture, ignored"),
            );
        } else if let Err(at) = list.binary_search(&word) {
            list.insert(at, word);
        }
    }
    Ok(Some(PropertyValue::Strings(list)))
}

/// Namespaces by the bits of clone(2) that make them.
const NAMESPACES: [(&str, u64); 7] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

/// RestrictNamespaces=: the kinds that may still be made, as bits.
pub(in crate::unit::directive) fn namespaces(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    let every = NAMESPACES.iter().fold(0, |bits, (_, bit)| bits | bit);
    if value.is_empty() {
        return Ok(None);
    }
    match value::parse_boolean(value) {
        Ok(true) => return Ok(Some(PropertyValue::U64(0))),
        Ok(false) => return Ok(Some(PropertyValue::U64(every))),
        Err(_) => {}
    }
    let (inverted, list) = inverted(value);
    let mut named = 0;
    for (offset, word) in parse::words(reading, list)? {
        match NAMESPACES.iter().find(|(name, _)| *name == word) {
            Some((_, bit)) => named |= bit,
            None => {
                return Err(Trouble::Ignored {
                    offset,
                    message: format!("\"{word}\" is not a kind of namespace"),
                });
            }
        }
    }
    let bits = match (before, inverted) {
        (Some(PropertyValue::U64(bits)), true) => *bits & !named,
        (Some(PropertyValue::U64(bits)), false) => *bits | named,
        (_, true) => every & !named,
        (_, false) => named,
    };
    Ok(Some(PropertyValue::U64(bits & every)))
}

/// SystemCallErrorNumber=: an error's name or number; `kill` is the default.
pub(in crate::unit::directive) fn call_error(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    if value.is_empty() || value == "kill" {
        return Ok(None);
    }
    Ok(Some(PropertyValue::I32(value::parse_errno(value)?)))
}
