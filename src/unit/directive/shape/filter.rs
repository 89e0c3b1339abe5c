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
    for (_, word) in words {
        let (name, error) = match word.split_once(':') {
            Some((name, error)) => (name, format!(":{error}")),
            None => (word.as_str(), String::new()),
        };
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
        None => filter.merge(inverted, &format!("{name}{error}")),
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
    names(reading, value, before, |name| name.starts_with("AF_"))
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
    for (_, word) in words {
        if let Err(at) = list.binary_search(&word) {
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

/// Numbers of errno(3) by name, as Linux has them on most architectures.
const ERRORS: [(&str, i32); 34] = [
    ("EPERM", 1),
    ("ENOENT", 2),
    ("ESRCH", 3),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("E2BIG", 7),
    ("ENOEXEC", 8),
    ("EBADF", 9),
    ("ECHILD", 10),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("ENOTBLK", 15),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("EXDEV", 18),
    ("ENODEV", 19),
    ("ENOTDIR", 20),
    ("EISDIR", 21),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("ENOTTY", 25),
    ("ETXTBSY", 26),
    ("EFBIG", 27),
    ("ENOSPC", 28),
    ("ESPIPE", 29),
    ("EROFS", 30),
    ("EMLINK", 31),
    ("EPIPE", 32),
    ("ENOSYS", 38),
    ("EUCLEAN", 117),
];

/// SystemCallErrorNumber=: an error's name or number; `kill` is the default.
pub(in crate::unit::directive) fn call_error(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    if value.is_empty() || value == "kill" {
        return Ok(None);
    }
    let named = ERRORS.iter().find(|(name, _)| *name == value);
    let number = match named {
        Some((_, number)) => *number,
        None => parse::small(value, 1, 4095)?,
    };
    Ok(Some(PropertyValue::I32(number)))
}
