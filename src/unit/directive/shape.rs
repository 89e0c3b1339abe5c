//! Values of directives that are read but not carried out, as D-Bus shows them: one function
//! per form of value. Nothing acts on these values; what has to protect is refused elsewhere.
//!
//! Each gives what is kept from now on, `None` for the default. It may take what was kept so
//! far and add to it, once nothing can go wrong any more: what it does not take stays if the
//! value turns out to be none.

mod access;
mod filter;
mod resource;
mod stream;

pub(super) use access::{addresses, bind_rules, devices};
pub(super) use filter::{
    address_families, architectures, call_error, name_filter, namespaces, system_calls,
};
pub(super) use resource::{
    block_device_weights, block_weight, controllers, cpu_quota, cpu_shares, cpu_weight,
    device_bytes, device_spans, device_weights, limit_bytes, pressure_watch, processors, slice,
    some_bytes, subgroup, tasks, weight,
};
pub(super) use stream::{
    binds, core_dump_filter, facility, io_class, level, log_fields, memory_policy, mount_flags,
    nanoseconds, personality, policy, secure_bits, security_label, temporary_file_systems,
};

use super::parse;
use super::read::{Reading, Trouble};
use super::row::PropertyValue;
use crate::unit::value::{self, TimeSpan};

/// What was kept before an assignment.
type Before<'a> = &'a mut Option<PropertyValue>;
/// What is kept after it.
type After = Result<Option<PropertyValue>, Trouble>;

/// yes or no.
pub(super) fn boolean(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(Some(PropertyValue::Bool(value::parse_boolean(value)?)))
}

/// Any text with specifiers.
pub(super) fn text(reading: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(parse::string(reading, value)?.map(PropertyValue::String))
}

/// One word of the row's choices.
pub(super) fn word(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(Some(parse::text(value)).filter(|_| !value.is_empty()))
}

/// A boolean in any spelling, or another word.
pub(super) fn degree(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(Some(match value::parse_boolean(value) {
        Ok(true) => parse::text("yes"),
        Ok(false) => parse::text("no"),
        Err(_) if value.is_empty() => return Ok(None),
        Err(_) => parse::text(value),
    }))
}

/// Words that add up.
pub(super) fn words(reading: &mut Reading<'_>, value: &str, before: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?.into_iter();
    let mut list = listed(before);
    list.extend(words.map(|(_, word)| word));
    Ok(Some(PropertyValue::Strings(list)))
}

/// Absolute paths that add up, each with `-` and `+` before it as written.
pub(super) fn paths(reading: &mut Reading<'_>, value: &str, before: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let mut list = listed(before);
    for (offset, word) in words {
        let path = word.trim_start_matches(['-', '+']);
        let prefix = &word[..word.len() - path.len()];
        match parse::absolute(path) {
            Ok(path) => list.push(format!("{prefix}{path}")),
            Err(_) => reading.warn(
                offset,
                &format!("\"{word}\" is not an absolute path, ignored"),
            ),
        }
    }
    Ok(Some(PropertyValue::Strings(list)))
}

/// One absolute path.
pub(super) fn path(reading: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(PropertyValue::String(parse::path(reading, value)?)))
}

/// A length of time.
pub(super) fn span(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(PropertyValue::U64(
        TimeSpan::parse(value)?.as_micros(),
    )))
}

/// A length of time where 0 means none at all.
pub(super) fn timeout(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(PropertyValue::U64(parse::timeout(value)?.as_micros())))
}

/// A `u`.
pub(super) fn unsigned(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(Some(PropertyValue::U32(parse::unsigned(value)?)))
}

/// An `i`.
pub(super) fn integer(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    let number = parse::small(value, i32::MIN, i32::MAX)?;
    Ok(Some(PropertyValue::I32(number)))
}

/// An access mode.
pub(super) fn mode(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    Ok(Some(PropertyValue::U32(value::parse_mode(value)?)))
}

/// Names of files and what they are, `NAME:VALUE`: `a(ss)`.
pub(super) fn pairs(reading: &mut Reading<'_>, value: &str, before: Before<'_>) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?;
    let mut list = items(before);
    for (_, word) in words {
        let (name, rest) = word.split_once(':').unwrap_or((&word, &word));
        let pair = vec![parse::text(name), parse::text(rest)];
        list.push(PropertyValue::Struct(pair));
    }
    Ok(Some(PropertyValue::Array(list)))
}

/// The words kept so far.
fn listed(before: Before<'_>) -> Vec<String> {
    match before.take() {
        Some(PropertyValue::Strings(list)) => list,
        _ => Vec::new(),
    }
}

/// The elements kept so far.
fn items(before: Before<'_>) -> Vec<PropertyValue> {
    match before.take() {
        Some(PropertyValue::Array(list)) => list,
        _ => Vec::new(),
    }
}
