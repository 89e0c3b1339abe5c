//! Lines that came together from one place, as bytes: the same in memory and on the disk.
//!
//! A line costs six bytes beside its text and no allocation. What is the same for all of a batch
//! stands once, so that every batch can be read alone.

use crate::host::handle::{LogLine, Stream};
use crate::unit::name::UnitName;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A batch that has so many bytes is full: what is kept in memory goes by whole batches.
pub(in crate::host) const FULL: usize = 32 * 1024;
/// How a batch begins on the disk.
const MARK: [u8; 4] = *b"DPL1";
/// Before the texts of a batch: mark, length, number, time, count, pid, stream, three lengths.
const HEADER: usize = 4 + 4 + 8 + 8 + 4 + 4 + 1 + 2 + 2 + 2;
/// Before the text of a line: length, priority, kind.
const LINE_HEADER: usize = 4 + 1 + 1;

/// A whole line.
const WHOLE: u8 = 0;
/// The line was too long; it goes on in the next one.
const GOES_ON: u8 = 1;
/// Text and fields as JSON.
const FIELDS: u8 = 2;

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) struct Origin {
    /// Whose; `None`: the manager's own.
    pub(in crate::host) unit: Option<UnitName>,
    /// 0 if unknown.
    pub(in crate::host) pid: i32,
    pub(in crate::host) stream: Stream,
    /// INVOCATION_ID= of the run; empty if there is none.
    pub(in crate::host) invocation: String,
    /// SyslogIdentifier=; empty if it is not set.
    pub(in crate::host) identifier: String,
}

impl Origin {
    /// The manager, about a unit or not.
    pub(in crate::host) fn of_manager(unit: Option<UnitName>) -> Origin {
        Origin {
            unit,
            pid: 0,
            stream: Stream::Manager,
            invocation: String::new(),
            identifier: String::new(),
        }
    }
}

/// Lines that came together.
#[derive(Debug)]
pub(in crate::host) struct Batch {
    pub(in crate::host) origin: Arc<Origin>,
    /// Number of the first line.
    pub(in crate::host) first: u64,
    /// When they came, CLOCK_REALTIME in microseconds.
    pub(in crate::host) realtime: u64,
    count: u32,
    lines: Vec<u8>,
}

/// A line of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) struct Entry<'a> {
    /// Level of syslog(3).
    pub(in crate::host) priority: u8,
    kind: u8,
    /// UTF-8, unless a disk has made something else of it.
    text: &'a [u8],
}

/// What a line with fields is on the disk.
#[derive(Debug, Serialize, Deserialize)]
struct WithFields<'a> {
    text: Cow<'a, str>,
    fields: Cow<'a, BTreeMap<String, String>>,
}

impl<'a> Entry<'a> {
    /// Whether the line was cut and goes on.
    pub(in crate::host) fn goes_on(self) -> bool {
        self.kind == GOES_ON
    }

    /// The text, and the fields if it has any.
    pub(in crate::host) fn parts(self) -> (Cow<'a, str>, BTreeMap<String, String>) {
        let text = String::from_utf8_lossy(self.text);
        match self.kind {
            FIELDS => match serde_json::from_str::<WithFields<'_>>(&text) {
                Ok(both) => {
                    let fields = both.fields.into_owned();
                    (Cow::Owned(both.text.into_owned()), fields)
                }
                Err(_) => (text, BTreeMap::new()),
            },
            GOES_ON => (
                text,
                BTreeMap::from([("line_break".into(), "line-max".into())]),
            ),
            _ => (text, BTreeMap::new()),
        }
    }
}

impl Batch {
    /// No lines so far.
    pub(in crate::host) fn new(origin: Arc<Origin>, realtime: u64) -> Batch {
        Batch {
            origin,
            first: 0,
            realtime,
            count: 0,
            lines: Vec::new(),
        }
    }

    /// Adds a line.
    pub(in crate::host) fn add(&mut self, priority: u8, text: &str, goes_on: bool) {
        self.push(priority, if goes_on { GOES_ON } else { WHOLE }, text);
    }

    /// Adds a line with fields.
    pub(in crate::host) fn add_with(
        &mut self,
        priority: u8,
        text: &str,
        fields: &BTreeMap<String, String>,
    ) {
        let both = WithFields {
            text: Cow::Borrowed(text),
            fields: Cow::Borrowed(fields),
        };
        // Texts under texts always become JSON.
        let json = serde_json::to_string(&both).unwrap_or_default();
        self.push(priority, FIELDS, &json);
    }

    fn push(&mut self, priority: u8, kind: u8, text: &str) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.lines.reserve(LINE_HEADER + text.len());
        self.lines.extend_from_slice(&length.to_le_bytes());
        self.lines.extend_from_slice(&[priority, kind]);
        self.lines.extend_from_slice(text.as_bytes());
        self.count += 1;
    }

    /// How many lines it has.
    pub(in crate::host) fn count(&self) -> u32 {
        self.count
    }

    pub(in crate::host) fn is_full(&self) -> bool {
        self.lines.len() >= FULL
    }

    /// Memory that it takes, in bytes.
    pub(in crate::host) fn size(&self) -> usize {
        self.lines.capacity() + size_of::<Batch>() + 64
    }

    /// Its lines.
    pub(in crate::host) fn entries(&self) -> Entries<'_> {
        Entries(&self.lines)
    }

    /// Its lines with all that is known of them.
    pub(in crate::host) fn lines(&self) -> impl Iterator<Item = LogLine> + '_ {
        lines(&self.origin, self.first, self.realtime, &self.lines)
    }

    /// Writes it as it is on the disk.
    pub(in crate::host) fn encode(&self, out: &mut Vec<u8>) {
        let origin = &*self.origin;
        let unit = origin.unit.as_ref().map_or("", UnitName::as_str);
        let texts = [unit, &origin.invocation, &origin.identifier];
        // Names have limits of their own; a longer one would make what follows unreadable.
        let texts = texts.map(|text| text.get(..text.len().min(4096)).unwrap_or(""));
        let length = HEADER + texts.iter().map(|text| text.len()).sum::<usize>();
        let length = length + self.lines.len();
        out.reserve(length);
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.realtime.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&origin.pid.to_le_bytes());
        out.push(match origin.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
            Stream::Manager => 0,
        });
        for text in texts {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_le_bytes());
        }
        for text in texts {
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&self.lines);
    }
}

/// The lines of a batch, one by one.
#[derive(Debug, Clone)]
pub(in crate::host) struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (header, rest) = self.0.split_at_checked(LINE_HEADER)?;
        let length = u32::from_le_bytes(header[..4].try_into().ok()?);
        let (text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Entry {
            priority: header[4],
            kind: header[5],
            text,
        })
    }
}

fn lines<'a>(
    origin: &'a Origin,
    first: u64,
    realtime: u64,
    entries: &'a [u8],
) -> impl Iterator<Item = LogLine> + 'a {
    (first..).zip(Entries(entries)).map(move |(number, entry)| {
        let (text, mut fields) = entry.parts();
        if !origin.identifier.is_empty() {
            fields.insert("identifier".to_owned(), origin.identifier.clone());
        }
        LogLine {
            number,
            realtime,
            unit: origin.unit.clone(),
            pid: origin.pid,
            stream: origin.stream,
            text: text.into_owned(),
            priority: entry.priority,
            invocation: origin.invocation.clone(),
            fields,
        }
    })
}

/// A batch as it is read from the disk.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) origin: Origin,
    pub(super) first: u64,
    pub(super) realtime: u64,
    pub(super) count: u32,
    entries: &'a [u8],
}

impl Stored<'_> {
    /// Its lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = LogLine> + '_ {
        lines(&self.origin, self.first, self.realtime, self.entries)
    }
}

/// Takes the first batch off; `None` if there is none that is whole.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Option<Stored<'a>> {
    let mut header = Fields(bytes.get(..HEADER)?);
    if header.array::<4>()? != MARK {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes(header.array()?)).ok()?;
    let (first, realtime) = (header.number()?, header.number()?);
    let count = u32::from_le_bytes(header.array()?);
    let pid = i32::from_le_bytes(header.array()?);
    let stream = match header.array::<1>()? {
        [1] => Stream::Stdout,
        [2] => Stream::Stderr,
        _ => Stream::Manager,
    };
    let mut lengths = [0; 3];
    for length in &mut lengths {
        *length = usize::from(u16::from_le_bytes(header.array()?));
    }
    let (batch, rest) = bytes.split_at_checked(length)?;
    let mut body = batch.get(HEADER..)?;
    let mut texts = [""; 3];
    for (text, length) in texts.iter_mut().zip(lengths) {
        let (found, rest) = body.split_at_checked(length)?;
        *text = std::str::from_utf8(found).ok()?;
        body = rest;
    }
    *bytes = rest;
    let [unit, invocation, identifier] = texts;
    Some(Stored {
        origin: Origin {
            unit: UnitName::parse(unit).ok(),
            pid,
            stream,
            invocation: invocation.to_owned(),
            identifier: identifier.to_owned(),
        },
        first,
        realtime,
        count,
        entries: body,
    })
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (found, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*found)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(text: &str) -> Batch {
        let origin = Origin {
            unit: UnitName::parse("a.service").ok(),
            pid: 7,
            stream: Stream::Stderr,
            invocation: "0123".to_owned(),
            identifier: "agent".to_owned(),
        };
        let mut batch = Batch::new(Arc::new(origin), 42);
        batch.first = 5;
        batch.add(4, text, true);
        let fields = BTreeMap::from([("event".to_owned(), "unit.started".to_owned())]);
        batch.add_with(6, "up", &fields);
        batch
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let (one, two) = (batch("ä"), batch(""));
        one.encode(&mut bytes);
        two.encode(&mut bytes);
        let mut left = &bytes[..];
        let first = take(&mut left).unwrap();
        assert_eq!((first.count, first.first, first.realtime), (2, 5, 42));
        assert!(first.lines().eq(one.lines()));
        let lines: Vec<LogLine> = first.lines().collect();
        assert_eq!((lines[0].text.as_str(), lines[0].priority), ("ä", 4));
        assert_eq!(lines[0].fields["line_break"], "line-max");
        assert_eq!((lines[1].text.as_str(), lines[1].number), ("up", 6));
        assert_eq!(lines[1].fields["event"], "unit.started");
        assert_eq!(lines[1].fields["identifier"], "agent");
        assert!(take(&mut left).unwrap().lines().eq(two.lines()));
        assert!(left.is_empty() && take(&mut left).is_none());
    }

    #[test]
    fn what_is_torn_is_not_read() {
        let mut bytes = Vec::new();
        batch("hello").encode(&mut bytes);
        for end in 0..bytes.len() {
            assert!(take(&mut &bytes[..end]).is_none(), "{end}");
        }
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0xff;
            // Whatever it is, it is read or not; nothing breaks.
            if let Some(batch) = take(&mut &changed[..]) {
                let _ = batch.lines().count();
            }
        }
    }
}
