//! D-Bus by hand over a socket, as little of it as tests and benchmarks need: no library stands
//! between the clock and the daemon, and nothing has to be well-formed.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

const SYSTEMD: &str = "org.freedesktop.systemd1";
pub const MANAGER: &str = "/org/freedesktop/systemd1";
pub const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Bytes before the fields of a header.
const FIXED: usize = 16;
const METHOD_RETURN: u8 = 2;
const REPLY_SERIAL: u8 = 5;

/// A connection without a bus.
#[derive(Debug)]
pub struct Wire {
    pub stream: UnixStream,
    serial: u32,
}

impl Wire {
    /// Connects and says who it is, as sd-bus does, in one write.
    ///
    /// # Errors
    /// Nobody listens, or the daemon hangs up.
    pub fn connect(socket: &Path) -> io::Result<Wire> {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")?;
        let (mut lines, mut byte) = (0, [0]);
        while lines < 3 {
            stream.read_exact(&mut byte)?;
            lines += usize::from(byte == *b"\n");
        }
        Ok(Wire { stream, serial: 0 })
    }

    /// The same, and says Hello: from then on it is treated as on a bus.
    ///
    /// # Errors
    /// As [`Wire::connect`].
    pub fn connect_as_on_a_bus(socket: &Path) -> io::Result<Wire> {
        let mut wire = Wire::connect(socket)?;
        wire.serial += 1;
        let bus = "org.freedesktop.DBus";
        let hello = call_to(bus, wire.serial, "/org/freedesktop/DBus", bus, "Hello", &[]);
        wire.stream.write_all(&hello)?;
        wire.answer()?;
        Ok(wire)
    }

    /// Calls and waits for the answer, past signals: its body.
    ///
    /// # Errors
    /// The connection broke, or the answer is an error.
    pub fn ask(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        arguments: &[&str],
    ) -> io::Result<Vec<u8>> {
        self.serial += 1;
        let call = call(self.serial, path, interface, member, arguments);
        self.stream.write_all(&call)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let message = self.message()?;
            if message.answers != Some(self.serial) {
                continue;
            }
            return match message.kind {
                METHOD_RETURN => Ok(message.body),
                _ => Err(io::Error::other(
                    String::from_utf8_lossy(&message.body).into_owned(),
                )),
            };
        }
    }

    fn message(&mut self) -> io::Result<Message> {
        let mut fixed = [0; FIXED];
        self.stream.read_exact(&mut fixed)?;
        let fields_length = number(&fixed, 12) as usize;
        let mut rest = vec![0; fields_length.next_multiple_of(8) + number(&fixed, 4) as usize];
        self.stream.read_exact(&mut rest)?;
        let body = rest.split_off(fields_length.next_multiple_of(8));
        rest.truncate(fields_length);
        Ok(Message {
            kind: fixed[1],
            answers: reply_serial(&rest),
            body,
        })
    }
}

struct Message {
    kind: u8,
    answers: Option<u32>,
    body: Vec<u8>,
}

/// A method call whose arguments are strings.
pub fn call(serial: u32, path: &str, interface: &str, member: &str, arguments: &[&str]) -> Vec<u8> {
    call_to(SYSTEMD, serial, path, interface, member, arguments)
}

fn call_to(
    destination: &str,
    serial: u32,
    path: &str,
    interface: &str,
    member: &str,
    arguments: &[&str],
) -> Vec<u8> {
    let mut fields = Vec::new();
    for (code, kind, text) in [
        (1, b'o', path),
        (2, b's', interface),
        (3, b's', member),
        (6, b's', destination),
    ] {
        pad(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        string(&mut fields, text);
    }
    if !arguments.is_empty() {
        pad(&mut fields, 8);
        fields.extend([8, 1, b'g', 0, u8::try_from(arguments.len()).expect("a few")]);
        fields.extend(arguments.iter().map(|_| b's'));
        fields.push(0);
    }
    let mut body = Vec::new();
    for argument in arguments {
        pad(&mut body, 4);
        string(&mut body, argument);
    }
    let mut message = vec![b'l', 1, 0, 1];
    for length in [body.len(), serial as usize, fields.len()] {
        message.extend(u32::try_from(length).expect("it is short").to_le_bytes());
    }
    message.extend(fields);
    pad(&mut message, 8);
    message.extend(body);
    message
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(
        u32::try_from(text.len())
            .expect("it is short")
            .to_le_bytes(),
    );
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index]))
}

/// Which call a message answers, from its fields.
fn reply_serial(fields: &[u8]) -> Option<u32> {
    let mut at = 0;
    while at + 8 <= fields.len() {
        if fields[at] == REPLY_SERIAL {
            return Some(number(fields, at + 4));
        }
        let length = match fields[at + 2] {
            b'u' => 4,
            b'g' => usize::from(fields[at + 4]) + 2,
            _ => number(fields, at + 4) as usize + 5,
        };
        at = (at + 4 + length).next_multiple_of(8);
    }
    None
}
