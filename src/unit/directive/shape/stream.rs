//! Values of systemd.exec(5), systemd.timer(5) and systemd.path(5) that have a form of their
//! own: mounts, scheduling, logging, times, watched paths.

use super::{After, Before, items};
use crate::unit::directive::parse;
use crate::unit::directive::read::{Reading, Trouble};
use crate::unit::directive::row::PropertyValue;
use crate::unit::value::TimeSpan;

/// Flags of mount(2) that MountFlags= and bind mounts use.
const RECURSIVE: u64 = 0x4000;

/// The place of a word in a list, as a number of systemd or the kernel.
fn number(value: &str, words: &[(&str, i32)], low: i32, high: i32) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let named = words.iter().find(|(word, _)| *word == value);
    let number = match named {
        Some((_, number)) => *number,
        None => parse::small(value, low, high)?,
    };
    Ok(Some(PropertyValue::I32(number)))
}

/// IOSchedulingClass=.
pub(in crate::unit::directive) fn io_class(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    let words = [
        ("none", 0),
        ("realtime", 1),
        ("best-effort", 2),
        ("idle", 3),
    ];
    number(value, &words, 0, 3)
}

/// CPUSchedulingPolicy=.
pub(in crate::unit::directive) fn policy(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    let words = [
        ("other", 0),
        ("fifo", 1),
        ("rr", 2),
        ("batch", 3),
        ("idle", 5),
    ];
    number(value, &words, 0, 5)
}

/// NUMAPolicy=: a mode of set_mempolicy(2).
pub(in crate::unit::directive) fn memory_policy(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    let words = [
        ("default", 0),
        ("preferred", 1),
        ("bind", 2),
        ("interleave", 3),
        ("local", 4),
    ];
    number(value, &words, 0, 4)
}

/// What Linux puts into core dumps unless told otherwise.
const CORE_DUMP_DEFAULT: u64 = 0x33;

/// CoredumpFilter=: bits of /proc/PID/coredump_filter (core(5)) by name, or as a hexadecimal
/// mask; they add up.
pub(in crate::unit::directive) fn core_dump_filter(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = [
        ("private-anonymous", 1),
        ("shared-anonymous", 1 << 1),
        ("private-file-backed", 1 << 2),
        ("shared-file-backed", 1 << 3),
        ("elf-headers", 1 << 4),
        ("private-huge", 1 << 5),
        ("shared-huge", 1 << 6),
        ("private-dax", 1 << 7),
        ("shared-dax", 1 << 8),
        ("default", CORE_DUMP_DEFAULT),
        ("all", u64::MAX),
    ];
    let mut bits = match before {
        Some(PropertyValue::U64(bits)) => *bits,
        _ => 0,
    };
    for (offset, word) in parse::words(reading, value)? {
        let named = words.iter().find(|(name, _)| *name == word);
        let digits = word.trim_start_matches("0x");
        bits |= match named {
            Some((_, bit)) => *bit,
            None => u64::from_str_radix(digits, 16).map_err(|_| Trouble::Ignored {
                offset,
                message: format!("\"{word}\" is neither a kind of memory nor a mask"),
            })?,
        };
    }
    Ok(Some(PropertyValue::U64(bits)))
}

/// TimerSlackNSec=: nanoseconds unless there is a unit.
pub(in crate::unit::directive) fn nanoseconds(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let plain = value.strip_suffix("nsec").or(value.strip_suffix("ns"));
    let number = match plain.unwrap_or(value).trim().parse::<u64>() {
        Ok(number) => number,
        Err(_) => TimeSpan::parse(value)?.as_micros().saturating_mul(1000),
    };
    Ok(Some(PropertyValue::U64(number)))
}

/// SyslogLevel= and LogLevelMax=.
pub(in crate::unit::directive) fn level(_: &mut Reading<'_>, value: &str, _: Before<'_>) -> After {
    let words = [
        ("emerg", 0),
        ("alert", 1),
        ("crit", 2),
        ("err", 3),
        ("warning", 4),
        ("notice", 5),
        ("info", 6),
        ("debug", 7),
    ];
    number(value, &words, 0, 7)
}

/// SyslogFacility=.
pub(in crate::unit::directive) fn facility(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    let words = [
        ("kern", 0),
        ("user", 1),
        ("mail", 2),
        ("daemon", 3),
        ("auth", 4),
        ("syslog", 5),
        ("lpr", 6),
        ("news", 7),
        ("uucp", 8),
        ("cron", 9),
        ("authpriv", 10),
        ("ftp", 11),
        ("local0", 16),
        ("local1", 17),
        ("local2", 18),
        ("local3", 19),
        ("local4", 20),
        ("local5", 21),
        ("local6", 22),
        ("local7", 23),
    ];
    number(value, &words, 0, 127)
}

/// SecureBits=: bits of prctl(2).
pub(in crate::unit::directive) fn secure_bits(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = [
        ("keep-caps", 4),
        ("keep-caps-locked", 5),
        ("no-setuid-fixup", 2),
        ("no-setuid-fixup-locked", 3),
        ("noroot", 0),
        ("noroot-locked", 1),
    ];
    let mut bits = match before {
        Some(PropertyValue::I32(bits)) => *bits,
        _ => 0,
    };
    for (offset, word) in parse::words(reading, value)? {
        match words.iter().find(|(name, _)| *name == word) {
            Some((_, bit)) => bits |= 1 << bit,
            None => reading.warn(offset, &format!("\"{word}\" is not known, ignored")),
        }
    }
    Ok(Some(PropertyValue::I32(bits)))
}

/// MountFlags=: a kind of propagation as a flag of mount(2).
pub(in crate::unit::directive) fn mount_flags(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    Ok(match value {
        "" => None,
        "shared" => Some(PropertyValue::U64(1 << 20)),
        "slave" => Some(PropertyValue::U64(1 << 19)),
        "private" => Some(PropertyValue::U64(1 << 18)),
        _ => {
            let message = format!("\"{value}\" is none of shared, slave, private");
            return Err(Trouble::ignored(message));
        }
    })
}

/// Personality=.
pub(in crate::unit::directive) fn personality(
    _: &mut Reading<'_>,
    value: &str,
    _: Before<'_>,
) -> After {
    match value {
        "" => Ok(None),
        "x86" | "x86-64" | "arm64" | "arm" | "ppc" | "ppc-le" | "ppc64" | "ppc64-le" | "s390"
        | "s390x" => Ok(Some(parse::text(value))),
        _ => Err(Trouble::ignored(format!(
            "\"{value}\" is not an architecture"
        ))),
    }
}

/// LogExtraFields=: `aay`.
pub(in crate::unit::directive) fn log_fields(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let words = parse::words(reading, value)?.into_iter();
    let mut list = items(before);
    list.extend(words.map(|(_, word)| PropertyValue::Bytes(word.into_bytes())));
    Ok(Some(PropertyValue::Array(list)))
}

/// BindPaths= and BindReadOnlyPaths=: `a(ssbt)`, from, to, whether it may be missing, flags.
pub(in crate::unit::directive) fn binds(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let mut more = Vec::new();
    for (_, word) in parse::words(reading, value)? {
        let (optional, spec) = match word.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, word.as_str()),
        };
        let mut parts = spec.splitn(3, ':');
        let from = parse::absolute(parts.next().unwrap_or_default())?;
        let to = match parts.next() {
            Some(to) if !to.is_empty() => parse::absolute(to)?,
            Some(_) | None => from.clone(),
        };
        let flags = match parts.next() {
            None | Some("" | "rbind") => RECURSIVE,
            Some("norbind") => 0,
            Some(other) => {
                return Err(Trouble::ignored(format!(
                    "\"{other}\" is not a way to bind"
                )));
            }
        };
        more.push(PropertyValue::Struct(vec![
            PropertyValue::String(from),
            PropertyValue::String(to),
            PropertyValue::Bool(optional),
            PropertyValue::U64(flags),
        ]));
    }
    let mut list = items(before);
    list.append(&mut more);
    Ok(Some(PropertyValue::Array(list)))
}

/// TemporaryFileSystem=: `a(ss)`, path and mount options.
pub(in crate::unit::directive) fn temporary_file_systems(
    reading: &mut Reading<'_>,
    value: &str,
    before: Before<'_>,
) -> After {
    if value.is_empty() {
        return Ok(None);
    }
    let mut more = Vec::new();
    for (_, word) in parse::words(reading, value)? {
        let (path, options) = word.split_once(':').unwrap_or((&word, ""));
        let entry = vec![
            PropertyValue::String(parse::absolute(path)?),
            parse::text(options),
        ];
        more.push(PropertyValue::Struct(entry));
    }
    let mut list = items(before);
    list.append(&mut more);
    Ok(Some(PropertyValue::Array(list)))
}
