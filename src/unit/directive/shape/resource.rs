//! Values of systemd.resource-control(5): shares, sizes, sets of processors, controllers.

use super::{After, Before, items};
use crate::unit::directive::parse;
use crate::unit::directive::read::{Reading, Trouble};
use crate::unit::directive::row::PropertyValue;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::value::{self, TimeSpan};
use std::collections::BTreeSet;

/// Controllers of control groups in the order of systemd's bits.
const CONTROLLERS: [&str; 11] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "io",
    "blkio",
    "memory",
    "devices",
    "pids",
    "bpf-firewall",
    "bpf-devices",
    "bpf-foreign",
];

/// What Delegate=yes hands over: the controllers of the unified hierarchy.
const UNIFIED: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

/// CPUWeight=: 1 to 10000; `idle` is 0.
pub(in crate::unit::directive) fn cpu_weight(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    match value {
        "idle" => Ok(Some(PropertyValue::U64(0))),
        _ => weight(reading, value, before),
    }
}

/// A weight from 1 to 10000.
pub(in crate::unit::directive) fn weight(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    number(value, 1, 10_000)
}

/// CPUShares=.
pub(in crate::unit::directive) fn cpu_shares(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    number(value, 2, 262_144)
}

/// BlockIOWeight=.
pub(in crate::unit::directive) fn block_weight(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    number(value, 10, 1000)
}

fn number(value: &str, low: i64, high: i64) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let number = value::parse_integer(value, low, high)?;
    Ok(Some(PropertyValue::U64(number.unsigned_abs())))
}

/// As [`limit_bytes`], but nothing at all cannot be meant.
pub(in crate::unit::directive) fn some_bytes(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    match limit_bytes(reading, value, before)? {
        Some(PropertyValue::U64(0)) => Err(Trouble::ignored("no memory at all cannot be meant")),
        other => Ok(other),
    }
}

/// Slice=: the name of a slice; a slice itself is in the one that its name says.
pub(in crate::unit::directive) fn slice(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let own = &reading.draft.config.name;
    let expanded = reading.expand(value)?;
    let slice = UnitName::parse(&expanded)
        .ok()
        .filter(|name| name.unit_type() == UnitType::Slice && name.slices().is_some());
    match slice {
        None => Err(Trouble::ignored(format!(
            "\"{expanded}\" is not the name of a slice"
        ))),
        Some(slice) if own.unit_type() == UnitType::Slice => {
            let parent = own.slices().and_then(|all| all.into_iter().nth_back(1));
            match parent.is_none_or(|parent| parent == slice) {
                true => Ok(before.take()),
                false => Err(Trouble::ignored("a slice is in the one that its name says")),
            }
        }
        Some(slice) => Ok(Some(PropertyValue::String(slice.to_string()))),
    }
}

/// DelegateSubgroup=: the name of a directory.
pub(in crate::unit::directive) fn subgroup(
    reading: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let name = reading.expand(value)?;
    let bad = name.contains('/') || name.starts_with(['.', '_']) || name.starts_with("cgroup.");
    match bad {
        true => Err(Trouble::ignored(format!(
            "\"{name}\" cannot be the name of a control group"
        ))),
        false => Ok(Some(PropertyValue::String(name))),
    }
}

/// MemoryPressureWatch=: yes, no, auto or skip.
pub(in crate::unit::directive) fn pressure_watch(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    let word = match (value, value::parse_boolean(value)) {
        ("", _) => return Ok(None),
        ("auto" | "skip", _) => value,
        (_, Ok(true)) => "yes",
        (_, Ok(false)) => "no",
        (_, Err(error)) => return Err(error.into()),
    };
    Ok(Some(parse::text(word)))
}

/// A size, `infinity`, or a part of the machine's memory in percent.
pub(in crate::unit::directive) fn limit_bytes(
    reading: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    match value {
        "" => Ok(None),
        "infinity" => Ok(Some(PropertyValue::U64(u64::MAX))),
        _ if value.ends_with('%') => {
            let part = part_of(reading.system.memory, value)?;
            Ok(part.map(whole_pages))
        }
        _ => Ok(Some(PropertyValue::U64(value::parse_size(value)?))),
    }
}

/// A size cut down to pages of 4 KiB.
fn whole_pages(size: PropertyValue) -> PropertyValue {
    match size {
        PropertyValue::U64(bytes) => PropertyValue::U64(bytes & !4095),
        other => other,
    }
}

/// TasksMax=: a number, `infinity`, or a part of what the machine allows in percent.
pub(in crate::unit::directive) fn tasks(
    reading: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    match value {
        "" => Ok(None),
        "infinity" => Ok(Some(PropertyValue::U64(u64::MAX))),
        _ if value.ends_with('%') => part_of(reading.system.tasks, value),
        _ => {
            let number = value::parse_integer(value, 1, i64::MAX)?;
            Ok(Some(PropertyValue::U64(number.unsigned_abs())))
        }
    }
}

/// A part in percent of a number that may not be known.
fn part_of(whole: u64, value: &str) -> After {
    let permyriad = hundredths(value)?;
    let part = u128::from(whole) * u128::from(permyriad) / 10_000;
    Ok(u64::try_from(part)
        .ok()
        .filter(|_| whole > 0)
        .map(PropertyValue::U64))
}

/// CPUQuota=: percent of one processor, shown as microseconds per second.
pub(in crate::unit::directive) fn cpu_quota(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    match hundredths(value)?.checked_mul(100) {
        Some(micros) if micros > 0 => Ok(Some(PropertyValue::U64(micros))),
        Some(_) | None => Err(Trouble::ignored("no time at all cannot be meant")),
    }
}

/// A number in percent with up to two decimal places, in hundredths of a percent.
fn hundredths(value: &str) -> Result<u64, Trouble> {
    let bad = || Trouble::ignored(format!("\"{value}\" is not a part in percent (20%, 150%)"));
    let number = value.strip_suffix('%').ok_or_else(bad)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = whole.chars().chain(part.chars());
    if part.len() > 2 || whole.is_empty() || !digits.clone().all(|c| c.is_ascii_digit()) {
        return Err(bad());
    }
    format!("{whole}{part:0<2}").parse().map_err(|_| bad())
}

/// Numbers and ranges such as `0-3 5`, as a set of bits.
pub(in crate::unit::directive) fn processors(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let mut bits = match before {
        Some(PropertyValue::Bytes(bits)) => bits.clone(),
        _ => Vec::new(),
    };
    let expanded = reading.expand(value)?;
    for part in expanded.split([' ', ',', '\t']).filter(|p| !p.is_empty()) {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        for number in parse::small(low, 0, 8191)?..=parse::small(high, 0, 8191)? {
            let number = usize::try_from(number).unwrap_or(0);
            if bits.len() <= number / 8 {
                bits.resize(number / 8 + 1, 0);
            }
            bits[number / 8] |= 1 << (number % 8);
        }
    }
    Ok(Some(PropertyValue::Bytes(bits)))
}

/// Delegate=: yes, no or controllers; DelegateControllers names them.
pub(in crate::unit::directive) fn controllers(
    reading: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    let chosen: BTreeSet<String> = match value::parse_boolean(value) {
        Ok(true) => UNIFIED.iter().map(|name| (*name).to_owned()).collect(),
        Ok(false) => BTreeSet::new(),
        Err(_) => {
            let words = parse::words(reading, value)?.into_iter();
            let known = words.filter(|(_, word)| CONTROLLERS.contains(&word.as_str()));
            known.map(|(_, word)| word).collect()
        }
    };
    let off = value::parse_boolean(value) == Ok(false);
    let ordered = CONTROLLERS.iter().filter(|name| chosen.contains(**name));
    let names = ordered.map(|name| (*name).to_owned()).collect();
    let written = &mut reading.draft.config.written;
    written.insert("DelegateControllers", PropertyValue::Strings(names));
    Ok(Some(PropertyValue::Bool(!off)))
}

/// `DEVICE BYTES`: `a(st)`.
pub(in crate::unit::directive) fn device_bytes(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    device(reading, value, before, |amount| {
        if amount == "infinity" {
            return Ok(u64::MAX);
        }
        // As in systemd these count in thousands.
        let digits = amount.trim_end_matches(['K', 'M', 'G', 'T']);
        let factor = match &amount[digits.len()..] {
            "" => 1,
            "K" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            _ => 1_000_000_000_000,
        };
        let number = value::parse_integer(digits, 0, i64::MAX)?;
        Ok(number.unsigned_abs().saturating_mul(factor))
    })
}

/// `DEVICE WEIGHT`: `a(st)`.
pub(in crate::unit::directive) fn device_weights(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    device(reading, value, before, |amount| {
        Ok(value::parse_integer(amount, 1, 10_000)?.unsigned_abs())
    })
}

/// The same for BlockIODeviceWeight=.
pub(in crate::unit::directive) fn block_device_weights(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    device(reading, value, before, |amount| {
        Ok(value::parse_integer(amount, 10, 1000)?.unsigned_abs())
    })
}

/// `DEVICE SPAN`: `a(st)`, in microseconds.
pub(in crate::unit::directive) fn device_spans(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    device(reading, value, before, |amount| {
        Ok(TimeSpan::parse(amount)?.as_micros())
    })
}

fn device(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
    read: fn(&str) -> Result<u64, Trouble>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let [(_, path), (_, amount)] = words.as_slice() else {
        return Err(Trouble::ignored("expected a device and a number"));
    };
    let entry = vec![
        PropertyValue::String(parse::absolute(path)?),
        PropertyValue::U64(read(amount)?),
    ];
    let mut list = items(before);
    // systemd shows the last one first.
    list.insert(0, PropertyValue::Struct(entry));
    Ok(Some(PropertyValue::Array(list)))
}
