//! Values as they are written in unit files.

use super::Trouble;
use crate::unit::directive::{Kind, PropertyValue, Row};
use crate::unit::value::Signal;
use core::net::{Ipv4Addr, Ipv6Addr};

/// What a part of the whole is counted in: 2^32-1 is all.
const WHOLE: f64 = u32::MAX as f64;

/// The values of the assignments that set a property; several for a list of commands.
pub(super) fn values(row: &Row, name: &str, value: &PropertyValue) -> Result<Vec<String>, Trouble> {
    match value {
        PropertyValue::Array(items) if is_command(row) => commands(name, items),
        PropertyValue::Array(items) => list(row, name, items),
        PropertyValue::Strings(words) => strings(row, name, words),
        other => Ok(vec![single(row, name, other)?]),
    }
}

fn is_command(row: &Row) -> bool {
    row.kind == Kind::Commands
}

fn wrong(name: &str) -> Trouble {
    Trouble::Type(name.to_owned())
}

/// A `t` that is a limit.
pub(super) fn number(name: &str, value: &PropertyValue) -> Result<String, Trouble> {
    match value {
        PropertyValue::U64(u64::MAX) => Ok("infinity".to_owned()),
        PropertyValue::U64(number) => Ok(number.to_string()),
        _ => Err(wrong(name)),
    }
}

fn single(row: &Row, name: &str, value: &PropertyValue) -> Result<String, Trouble> {
    Ok(match value {
        PropertyValue::Bool(true) => "yes".to_owned(),
        PropertyValue::Bool(false) => "no".to_owned(),
        PropertyValue::String(text) => plain(name, text)?,
        PropertyValue::U32(part) if name.ends_with("Scale") => percent(*part),
        PropertyValue::U32(mode) if name.ends_with("Mode") || name == "UMask" => {
            format!("{mode:04o}")
        }
        PropertyValue::U32(number) => number.to_string(),
        PropertyValue::I32(number) => number.to_string(),
        PropertyValue::I64(number) => number.to_string(),
        PropertyValue::U64(number) => unsigned(row, name, *number),
        PropertyValue::Struct(fields) => structure(name, fields)?,
        PropertyValue::Bytes(_) | PropertyValue::Strings(_) | PropertyValue::Array(_) => {
            return Err(Trouble::Value(
                name.to_owned(),
                "it cannot be written in a unit file",
            ));
        }
    })
}

fn unsigned(row: &Row, name: &str, number: u64) -> String {
    match (name, number) {
        // Per cent of one CPU.
        ("CPUQuotaPerSecUSec", u64::MAX) => String::new(),
        ("CPUQuotaPerSecUSec", number) => {
            format!("{}%", number as f64 / 10_000.0)
        }
        // No weight of its own.
        (name, u64::MAX) if name.ends_with("Weight") || name.ends_with("Shares") => String::new(),
        (_, u64::MAX) => "infinity".to_owned(),
        (name, number) if row.kind == Kind::Span || name.ends_with("USec") => {
            format!("{number}us")
        }
        (name, number) if name.ends_with("NSec") => format!("{number}ns"),
        (_, number) => number.to_string(),
    }
}

fn percent(part: u32) -> String {
    let percent = f64::from(part) * 100.0 / WHOLE;
    // Two places are all that a unit file takes.
    format!("{}%", (percent * 100.0).round() / 100.0)
}

/// A text that takes the rest of its line; `%` would begin a specifier.
pub(super) fn plain(name: &str, text: &str) -> Result<String, Trouble> {
    if text.chars().any(char::is_control) {
        return Err(Trouble::Value(
            name.to_owned(),
            "it holds control characters",
        ));
    }
    Ok(text.replace('%', "%%"))
}

/// A word in double quotes where it needs them.
pub(super) fn quoted(text: &str) -> String {
    let is_simple = |c: char| c.is_alphanumeric() || "-_./:=,@+~^".contains(c);
    if !text.is_empty() && text.chars().all(is_simple) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '%' => word.push_str("%%"),
            '"' | '\\' => {
                word.push('\\');
                word.push(c);
            }
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            c if c.is_control() && u32::from(c) < 0x80 => {
                word.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

/// Words on one line; none is the empty assignment that starts a list anew.
fn strings(row: &Row, name: &str, words: &[String]) -> Result<Vec<String>, Trouble> {
    match row.kind {
        Kind::List | Kind::Dependencies => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            Ok(vec![words.join(" ")])
        }
        _ => words.iter().map(|word| plain(name, word)).collect(),
    }
}

/// `a(sasb)` or, with flags instead of the truth, `a(sasas)`.
fn commands(name: &str, items: &[PropertyValue]) -> Result<Vec<String>, Trouble> {
    if items.is_empty() {
        return Ok(vec![String::new()]);
    }
    items.iter().map(|item| command(name, item)).collect()
}

fn command(name: &str, item: &PropertyValue) -> Result<String, Trouble> {
    let PropertyValue::Struct(fields) = item else {
        return Err(wrong(name));
    };
    let [
        PropertyValue::String(path),
        PropertyValue::Strings(argv),
        how,
    ] = fields.as_slice()
    else {
        return Err(wrong(name));
    };
    let flags: Vec<&str> = match how {
        PropertyValue::Bool(true) => vec!["ignore-failure"],
        PropertyValue::Bool(false) => Vec::new(),
        PropertyValue::Strings(flags) => flags.iter().map(String::as_str).collect(),
        _ => return Err(wrong(name)),
    };
    let mut line = String::new();
    for flag in flags {
        line.push_str(match flag {
            "ignore-failure" => "-",
            "privileged" => "+",
            "no-setuid" => "!",
            "ambient" => "!!",
            "no-env-expand" => ":",
            _ => return Err(Trouble::Value(name.to_owned(), "a flag is not known")),
        });
    }
    let (first, arguments) = match argv.split_first() {
        Some((first, arguments)) => (first.as_str(), arguments),
        None => (path.as_str(), &[][..]),
    };
    // The program may be called by another name.
    let own_name = if first == path { "" } else { "@" };
    line.push_str(own_name);
    line.push_str(&quoted(path));
    if !own_name.is_empty() {
        line.push(' ');
        line.push_str(&quoted(first));
    }
    for argument in arguments {
        line.push(' ');
        line.push_str(&argument_word(argument));
    }
    Ok(line)
}

/// An argument; `;` alone would begin the next command.
fn argument_word(text: &str) -> String {
    match text {
        ";" => "\\;".to_owned(),
        text => quoted(text),
    }
}

/// Lists of structs, each in the form of its directive.
fn list(row: &Row, name: &str, items: &[PropertyValue]) -> Result<Vec<String>, Trouble> {
    if items.is_empty() {
        return Ok(vec![String::new()]);
    }
    let items = items.iter().map(|item| match item {
        PropertyValue::Struct(fields) => item_text(row, name, fields),
        _ => Err(wrong(name)),
    });
    items.collect()
}

fn item_text(row: &Row, name: &str, fields: &[PropertyValue]) -> Result<String, Trouble> {
    use PropertyValue::{Bool, Bytes, I32, String as Text, U32, U64};
    Ok(match (row.name, fields) {
        ("EnvironmentFile", [Text(path), Bool(optional)]) => {
            let mark = if *optional { "-" } else { "" };
            format!("{mark}{}", plain(name, path)?)
        }
        (_, [I32(family), Bytes(address), U32(prefix)]) => {
            let address = address_text(name, *family, address)?;
            format!("{address}/{prefix}")
        }
        (
            "BindPaths" | "BindReadOnlyPaths",
            [Text(source), Text(target), Bool(optional), U64(_)],
        ) => {
            let mark = if *optional { "-" } else { "" };
            quoted(&format!("{mark}{source}:{target}"))
        }
        (
            "TemporaryFileSystem" | "LoadCredential" | "LoadCredentialEncrypted",
            [Text(a), Text(b)],
        ) => match b.as_str() {
            "" => quoted(a),
            b => quoted(&format!("{a}:{b}")),
        },
        (_, [Text(a), Text(b)]) => format!("{} {}", quoted(a), plain(name, b)?),
        (_, [Text(device), U64(u64::MAX)]) => format!("{} infinity", quoted(device)),
        (_, [Text(device), U64(number)]) => format!("{} {number}", quoted(device)),
        _ => return Err(wrong(name)),
    })
}

fn address_text(name: &str, family: i32, bytes: &[u8]) -> Result<String, Trouble> {
    let v4 = <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from);
    // AF_INET and AF_INET6.
    match (family, v4, v6) {
        (2, Ok(address), _) => Ok(address.to_string()),
        (10, _, Ok(address)) => Ok(address.to_string()),
        _ => Err(Trouble::Value(name.to_owned(), "it is no address")),
    }
}

/// `(bas)`, `(aiai)` and `(bs)`.
fn structure(name: &str, fields: &[PropertyValue]) -> Result<String, Trouble> {
    use PropertyValue::{Array, Bool, String as Text, Strings};
    Ok(match fields {
        [Bool(allow), Strings(words)] => {
            let mark = if *allow { "" } else { "~" };
            format!("{mark}{}", words.join(" "))
        }
        [Array(codes), Array(signals)] => {
            let mut words = Vec::new();
            for (list, is_signal) in [(codes, false), (signals, true)] {
                for number in list {
                    let PropertyValue::I32(number) = number else {
                        return Err(wrong(name));
                    };
                    words.push(match is_signal {
                        true => format!("SIG{}", Signal(*number).name()),
                        false => number.to_string(),
                    });
                }
            }
            words.join(" ")
        }
        [Bool(optional), Text(text)] => {
            let mark = if *optional { "-" } else { "" };
            format!("{mark}{}", plain(name, text)?)
        }
        _ => return Err(wrong(name)),
    })
}
