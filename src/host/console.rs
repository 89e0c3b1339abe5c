//! The daemon's own standard streams as a log: lines for people, or JSON.
//!
//! The loop never waits for whoever reads them: what they do not take at once is kept, within a
//! bound, for the thread that writes the log. That thread waits.

use super::store::batch::{Batch, Entry, Origin};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::{Map, Value as Json};
use std::io::Write;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// What is kept for a stream that takes nothing, in bytes.
const KEPT: usize = 256 * 1024;
/// A pipe that can be written to takes so much without a wait.
const AT_ONCE: usize = 4096;

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
}

/// Where it is written to.
#[derive(Debug)]
enum Target {
    Stdout,
    Stderr,
    File(OwnedFd),
    Nowhere,
}

/// A stream, and what waits for it.
#[derive(Debug)]
pub struct Console {
    form: Form,
    target: Target,
    waiting: Mutex<Waiting>,
    /// Held by who writes; never taken while `waiting` is held.
    writing: Mutex<()>,
    /// Wakes the thread that may wait.
    waker: OnceLock<Waker>,
}

struct Waker(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that there was no room for.
    lost: u64,
}

impl Console {
    /// Text on standard error, JSON on standard output.
    pub fn new(form: Form) -> Console {
        let target = match form {
            Form::Text { .. } => Target::Stderr,
            Form::Json { .. } => Target::Stdout,
        };
        Console::to(form, target)
    }

    /// Writes into a file.
    pub fn into_file(form: Form, file: OwnedFd) -> Console {
        Console::to(form, Target::File(file))
    }

    /// Writes nothing.
    pub fn nowhere() -> Console {
        Console::to(Form::Text { color: false }, Target::Nowhere)
    }

    fn to(form: Form, target: Target) -> Console {
        Console {
            form,
            target,
            waiting: Mutex::default(),
            writing: Mutex::default(),
            waker: OnceLock::new(),
        }
    }

    /// How lines are written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Who is to call [`Console::flush`] when something waits.
    pub(super) fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        // A second one would be of a second log, in tests.
        let _ = self.waker.set(Waker(Box::new(waker)));
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        match &self.target {
            Target::Stdout => Some(rustix::stdio::stdout()),
            Target::Stderr => Some(rustix::stdio::stderr()),
            Target::File(file) => Some(file.as_fd()),
            Target::Nowhere => None,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines without ever waiting; what is too much is lost, and told of later.
    pub fn write_now(&self, lines: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.bytes.len() + lines.len() > KEPT {
            waiting.lost += memchr::memchr_iter(b'\n', lines).count() as u64;
            return;
        }
        waiting.bytes.extend_from_slice(lines);
        drop(waiting);
        self.flush_what_goes();
    }

    /// Writes lines if nothing is in their way; whether it did.
    pub(super) fn write_if_free(&self, lines: &[u8]) -> bool {
        let Some(descriptor) = self.descriptor() else {
            return true;
        };
        if lines.len() > AT_ONCE {
            return false;
        }
        let guard = match self.writing.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let free = self.waiting().bytes.is_empty() && is_writable(descriptor);
        if free {
            write_all(descriptor, lines);
        }
        drop(guard);
        self.flush_what_goes();
        free
    }

    /// Writes what waits as far as it goes without a wait.
    fn flush_what_goes(&self) {
        let Some(descriptor) = self.descriptor() else {
            self.waiting().bytes.clear();
            return;
        };
        // Whoever holds the lock looks again after it has let go of it.
        while !self.waiting().bytes.is_empty() {
            let Ok(_guard) = self.writing.try_lock() else {
                return;
            };
            loop {
                let mut waiting = self.waiting();
                if waiting.bytes.is_empty() {
                    break;
                }
                if !is_writable(descriptor) {
                    drop(waiting);
                    if let Some(waker) = self.waker.get() {
                        (waker.0)();
                    }
                    return;
                }
                let piece = waiting.bytes.len().min(AT_ONCE);
                let piece: Vec<u8> = waiting.bytes.drain(..piece).collect();
                drop(waiting);
                write_all(descriptor, &piece);
            }
        }
    }

    /// Writes what waits, and then lines, however long it takes.
    pub(super) fn write(&self, lines: &[u8]) {
        let Some(descriptor) = self.descriptor() else {
            return;
        };
        let guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut *self.waiting());
        write_all(descriptor, &waiting.bytes);
        if waiting.lost > 0 {
            let origin = Origin::of_manager(None);
            let mut batch = Batch::new(origin.into(), super::clock::now().realtime);
            let text = format!(
                "{} lines of the manager are lost: nobody took them in time",
                waiting.lost
            );
            batch.add(4, &text, false);
            let mut notice = Vec::new();
            self.render(&batch, &mut notice);
            write_all(descriptor, &notice);
        }
        write_all(descriptor, lines);
        drop(guard);
        self.flush_what_goes();
    }

    /// Gives what waits some time to go.
    pub fn drain(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.waiting().bytes.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            self.flush_what_goes();
        }
    }

    /// Writes a batch down as it is to be shown.
    pub(super) fn render(&self, batch: &Batch, out: &mut Vec<u8>) {
        let time = utc(batch.realtime);
        for entry in batch.entries() {
            match self.form {
                Form::Text { color } => text_line(&batch.origin, &time, entry, color, out),
                Form::Json { merge } => json_line(&batch.origin, &time, entry, merge, out),
            }
        }
    }
}

fn is_writable(descriptor: BorrowedFd<'_>) -> bool {
    let mut watched = [PollFd::new(&descriptor, PollFlags::OUT)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // Where there is nobody left to read, a write fails, and waits for nobody.
    poll(&mut watched, Some(&now)).is_ok_and(|count| count > 0)
}

/// What cannot be written is given up: there is no other place to say so.
fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut watched = [PollFd::new(&descriptor, PollFlags::OUT)];
                if poll(&mut watched, None).is_err_and(|error| error != Errno::INTR) {
                    return;
                }
            }
            Err(_) => return,
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
    use super::super::handle::Stream;
    use super::*;
    use crate::unit::name::UnitName;
    use rustix::pipe::{PipeFlags, pipe_with};
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
        Console::to(form, Target::Nowhere).render(batch, &mut out);
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

    #[test]
    fn nobody_waits_for_a_stream_that_nobody_reads() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let console = Arc::new(Console::into_file(Form::Text { color: false }, writer));
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..1000 {
            console.write_now(&line);
        }
        assert!(!console.write_if_free(&line));
        let lost = console.waiting().lost;
        assert!(lost > 500, "{lost}");
        // The thread waits, and tells what is missing.
        let of_thread = console.clone();
        let thread = std::thread::spawn(move || of_thread.write(b"end\n"));
        let mut all = Vec::new();
        while !all.ends_with(b"end\n") {
            let mut bytes = [0; 65536];
            let count = rustix::io::read(&reader, &mut bytes).unwrap();
            all.extend_from_slice(&bytes[..count]);
        }
        thread.join().unwrap();
        let text = String::from_utf8(all).unwrap();
        let whole = text.lines().filter(|line| line.len() == 1023).count();
        assert_eq!(whole as u64 + lost, 1000);
        assert!(text.contains(&format!("{lost} lines of the manager are lost")));
        assert!(console.write_if_free(&line));
    }
}
