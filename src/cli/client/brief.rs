//! One question over a connection of its own, asked and answered without a runtime: for what scripts
//! run again and again, where building all the rest takes longer than the question.
//!
//! Whatever is not as it should be is no answer; then it is for [`super::Client`] to ask again and
//! to say what is wrong.

use super::{MANAGER, MANAGER_PATH};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use zbus::Message;

/// Message types.
const METHOD_RETURN: u8 = 2;
const SIGNAL: u8 = 4;

/// Bytes before the length of a message is known.
const HEADER: usize = 16;

/// The longest answer that is read, in bytes: some words a unit.
const LONGEST: usize = 1 << 20;

/// Texts of a row of ListUnitsByNames before its object path, and which of them are wanted.
const TEXTS: usize = 6;
const LOAD_STATE: usize = 2;
const ACTIVE_STATE: usize = 3;

/// LoadState and ActiveState of units, which are loaded if need be; `None` if they are not all told.
pub(in crate::cli) fn states(socket: &Path, units: &[String]) -> Option<Vec<(String, String)>> {
    let call = Message::method_call(MANAGER_PATH, "ListUnitsByNames")
        .interface(MANAGER)
        .build(&units)
        .ok()?;
    let uid = nix::unistd::geteuid().to_string();
    let uid: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut question = format!("\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").into_bytes();
    question.extend_from_slice(call.data().bytes());
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(&question).ok()?;
    let mut answer = Answer {
        stream,
        bytes: Vec::new(),
    };
    let line = loop {
        if let Some(end) = answer.bytes.windows(2).position(|pair| pair == b"\r\n") {
            break answer.bytes.drain(..end + 2).collect::<Vec<u8>>();
        }
        answer.read()?;
    };
    let body = line.starts_with(b"OK ").then(|| answer.body())??;
    let rows = Reading::new(&body).rows()?;
    (rows.len() == units.len()).then_some(rows)
}

/// What came and was not looked at.
struct Answer {
    stream: UnixStream,
    bytes: Vec<u8>,
}

impl Answer {
    /// Reads on; `None` at the end.
    fn read(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer).ok()?;
        self.bytes.extend_from_slice(&buffer[..count]);
        (count > 0 && self.bytes.len() <= LONGEST).then_some(())
    }

    /// The arguments of the next message that is no signal, if it is an answer and no error.
    fn body(&mut self) -> Option<Vec<u8>> {
        loop {
            while self.bytes.len() < HEADER {
                self.read()?;
            }
            let kind = self.bytes[1];
            let body = Reading::at(&self.bytes, 4).number()?;
            let fields = Reading::at(&self.bytes, 12).number()?;
            let begin = fields.checked_next_multiple_of(8)?.checked_add(HEADER)?;
            let end = begin.checked_add(body)?;
            while self.bytes.len() < end {
                self.read()?;
            }
            let message: Vec<u8> = self.bytes.drain(..end).collect();
            match kind {
                SIGNAL => {}
                METHOD_RETURN => return message.get(begin..).map(<[u8]>::to_vec),
                _ => return None,
            }
        }
    }
}

/// Values of a body one after the other, little-endian as this daemon sends them.
struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    fn new(bytes: &'a [u8]) -> Reading<'a> {
        Reading::at(bytes, 0)
    }

    fn at(bytes: &'a [u8], at: usize) -> Reading<'a> {
        Reading { bytes, at }
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn number(&mut self) -> Option<usize> {
        self.align(4);
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 4;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let end = self.at.checked_add(length)?;
        let text = self.bytes.get(self.at..end)?;
        self.at = end + 1;
        std::str::from_utf8(text).ok()
    }

    /// LoadState and ActiveState of `a(ssssssouso)`.
    fn rows(mut self) -> Option<Vec<(String, String)>> {
        let length = self.number()?;
        self.align(8);
        let end = self.at.checked_add(length)?;
        let mut rows = Vec::new();
        while self.at < end {
            self.align(8);
            let mut texts = [""; TEXTS];
            for text in &mut texts {
                *text = self.text()?;
            }
            self.text()?;
            self.number()?;
            self.text()?;
            self.text()?;
            rows.push((texts[LOAD_STATE].to_owned(), texts[ACTIVE_STATE].to_owned()));
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Vec<u8> {
        let path = || zbus::OwnedObjectPath::try_from("/a/b").unwrap();
        let row = |load: &'static str, active: &'static str| {
            let own = ("a.service", "A service", load, active, "dead", "");
            (
                own.0,
                own.1,
                own.2,
                own.3,
                own.4,
                own.5,
                path(),
                7_u32,
                "start",
                path(),
            )
        };
        let rows = vec![row("loaded", "active"), row("not-found", "inactive")];
        let call = Message::method_call("/", "A").build(&rows).unwrap();
        call.body().data().bytes().to_vec()
    }

    #[test]
    fn rows_are_read_as_zbus_writes_them() {
        let body = body();
        let expected = [("loaded", "active"), ("not-found", "inactive")];
        let expected = expected.map(|(load, active)| (load.to_owned(), active.to_owned()));
        assert_eq!(Reading::new(&body).rows().unwrap(), expected);
    }

    #[test]
    fn what_ends_early_is_no_answer() {
        let body = body();
        for length in 0..body.len() - 1 {
            assert_eq!(Reading::new(&body[..length]).rows(), None, "{length}");
        }
    }
}
