//! How lines look: for people, as JSON, as entries of the journal.

use super::super::journald::JournalEntry;
use super::super::line_rules::LineRules;
use super::super::store::batch::{Batch, Entry, Origin};
use super::target::push_entry;
use serde_json::{Map, Value as Json};
use std::io::Write;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `time level unit[pid]: text`.
    Text {
        /// With colours.
        color: bool,
    },
    /// An object a line.
    Json {
        /// A line that is an object itself is taken into it.
        merge: bool,
    },
    /// Entries of the journal.
    Journal,
}

impl Form {
    /// Writes a batch down as it is to be shown; `rules` are those of the unit that wrote it.
    pub(in crate::host) fn render(
        self,
        batch: &Batch,
        rules: Option<&LineRules>,
        out: &mut Vec<u8>,
    ) {
        let time = match self {
            Form::Text { .. } | Form::Json { .. } => utc(batch.realtime),
            Form::Journal => String::new(),
        };
        for entry in batch.entries() {
            match self {
                Form::Text { color } => text_line(&batch.origin, &time, entry, color, out),
                Form::Json { merge } => json_line(&batch.origin, &time, entry, merge, out),
                Form::Journal => push_entry(&JournalEntry::of_line(batch, rules, entry), out),
            }
        }
    }
}

/// `2026-11-25T22:40:19.123456Z`.
pub(super) fn utc(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that the leap day is the last; eras have 400 of them.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

/// The word of a level, with its colour.
fn level_word(priority: u8) -> (&'static str, &'static str) {
    match priority {
        0..=3 => ("error", "31"),
        4 => ("warn ", "33"),
        7 => ("debug", "34"),
        _ => ("info ", "32"),
    }
}

fn text_line(origin: &Origin, time: &str, entry: Entry<'_>, color: bool, out: &mut Vec<u8>) {
    let (word, number) = level_word(entry.priority);
    out.extend_from_slice(time.as_bytes());
    // Writing into memory cannot fail.
    let _ = match color {
        true => write!(out, " \x1b[{number}m{word}\x1b[0m "),
        false => write!(out, " {word} "),
    };
    let unit = origin.unit.as_ref().map_or("", |unit| unit.as_str());
    let name = match origin.identifier.is_empty() {
        true => unit,
        false => &origin.identifier,
    };
    let _ = match (name, origin.pid) {
        ("", 0) => Ok(()),
        (name, 0) => write!(out, "{name}: "),
        (name, pid) => write!(out, "{name}[{pid}]: "),
    };
    let (text, _) = entry.parts();
    push_clean(&text, out);
    if entry.goes_on() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'\n');
}

/// What a service writes must not steer the terminal of who reads it.
pub(super) fn push_clean(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) || byte == b'\t';
    if text.bytes().all(plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut bytes = [0; 4];
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
        }
    }
}

fn json_line(origin: &Origin, time: &str, entry: Entry<'_>, merge: bool, out: &mut Vec<u8>) {
    let (text, fields) = entry.parts();
    let level = match entry.priority {
        0..=3 => "ERROR",
        4 => "WARN",
        7 => "DEBUG",
        _ => "INFO",
    };
    let own = merge.then(|| object(&text)).flatten();
    let said = own.as_ref().and_then(message_of);
    let _ = write!(
        out,
        "{{\"timestamp\":\"{time}\",\"level\":\"{level}\",\"message\":"
    );
    push_string(said.unwrap_or(&text), out);
    let mut add = |name: &str, value: &str| {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        push_string(value, out);
    };
    if let Some(unit) = &origin.unit {
        add("unit", unit.as_str());
    }
    if !origin.identifier.is_empty() {
        add("identifier", &origin.identifier);
    }
    add("stream", origin.stream.as_str());
    if !origin.invocation.is_empty() {
        add("invocation", &origin.invocation);
    }
    for (name, value) in &fields {
        add(name, value);
    }
    if origin.pid != 0 {
        let _ = write!(out, ",\"pid\":{}", origin.pid);
    }
    let _ = write!(out, ",\"priority\":{},\"target\":\"unit\"", entry.priority);
    for (name, value) in own.iter().flatten() {
        if said.is_some() && MESSAGES.contains(&name.as_str()) && value.as_str() == said {
            continue;
        }
        out.push(b',');
        push_string(&merged_name(name, |name| OURS.contains(&name)), out);
        let _ = write!(out, ":{value}");
    }
    out.extend_from_slice(b"}\n");
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    // Texts always become JSON, and memory takes everything.
    let _ = serde_json::to_writer(out, text);
}

/// Names of our own in an object.
const OURS: &[&str] = &[
    "timestamp",
    "level",
    "message",
    "unit",
    "identifier",
    "stream",
    "invocation",
    "line_break",
    "pid",
    "priority",
    "target",
];
/// Where services put their message.
const MESSAGES: &[&str] = &["message", "msg"];

/// The object that a line of a service is.
pub fn object(line: &str) -> Option<Map<String, Json>> {
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str(line).ok()
}

/// The message in an object of a service.
pub fn message_of(object: &Map<String, Json>) -> Option<&str> {
    MESSAGES.iter().find_map(|name| object.get(*name)?.as_str())
}

/// The name of a service's field among ours.
pub fn merged_name(name: &str, is_ours: impl Fn(&str) -> bool) -> String {
    match is_ours(name) {
        true => format!("json_{name}"),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::handle::Stream;
    use super::*;
    use crate::unit::name::UnitName;
    use std::sync::Arc;

    fn batch(lines: &[(u8, &str, bool)]) -> Batch {
        let origin = Origin {
            unit: UnitName::parse("a.service").ok(),
            pid: 7,
            stream: Stream::Stdout,
            invocation: "0123".to_owned(),
            identifier: String::new(),
        };
        let mut batch = Batch::new(Arc::new(origin), 1_700_000_000_123_456);
        for (priority, text, goes_on) in lines {
            batch.add(*priority, text, *goes_on);
        }
        batch
    }

    fn shown(form: Form, batch: &Batch) -> String {
        let mut out = Vec::new();
        form.render(batch, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(utc(1_709_210_096_000_001), "2024-02-29T12:34:56.000001Z");
        assert_eq!(utc(4_102_444_799_999_999), "2099-12-31T23:59:59.999999Z");
    }

    #[test]
    fn lines_for_people() {
        let text = shown(
            Form::Text { color: false },
            &batch(&[(6, "red \x1b[31m", false), (3, "ä", true)]),
        );
        let time = "2023-11-14T22:13:20.123456Z";
        assert_eq!(
            text,
            format!(
                "{time} info  a.service[7]: red \\u{{1b}}[31m\n{time} error a.service[7]: ä…\n"
            )
        );
    }

    #[test]
    fn objects_of_services_are_taken_in_if_asked() {
        let line = r#"{"msg":"hi","count":3,"unit":"mine","a":{"b":[1]}}"#;
        let lines = batch(&[(4, line, false), (6, "{no", false)]);
        let parse = |text: &str| -> Vec<Json> {
            let lines = text.lines();
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let apart = parse(&shown(Form::Json { merge: false }, &lines));
        assert_eq!(apart[0]["message"], line);
        assert_eq!(
            (&apart[0]["level"], &apart[0]["pid"]),
            (&"WARN".into(), &7.into())
        );
        let merged = parse(&shown(Form::Json { merge: true }, &lines));
        let first = &merged[0];
        assert_eq!(
            (&first["message"], &first["count"]),
            (&"hi".into(), &3.into())
        );
        assert_eq!(first["unit"], "a.service");
        assert_eq!(
            (&first["json_unit"], &first["a"]["b"][0]),
            (&"mine".into(), &1.into())
        );
        assert_eq!(
            (first.get("msg"), &merged[1]["message"]),
            (None, &"{no".into())
        );
    }
}
