//! The stream under a connection: bytes in and out, and a limit on how long a message may be.
//!
//! zbus makes room for a message as soon as its header says how long it is, up to 128 MiB. So the
//! headers are read on the way, and who announces more than clients need is cut off before any
//! room is made. Descriptors are not passed: no method takes any.

use std::io;
use std::sync::Arc;
use tokio::net::UnixStream;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// The longest message taken, in bytes: a transient unit with every setting is some kilobytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// What the header has before the lengths are known.
const HEADER: usize = 16;

/// The end of the handshake; messages begin behind it.
const BEGIN: &[u8] = b"BEGIN\r\n";

/// A client's stream.
#[derive(Debug)]
pub(super) struct ClientSocket(pub(super) UnixStream);

impl Socket for ClientSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let stream = Arc::new(self.0);
        let reader = Reader {
            stream: stream.clone(),
            framing: Framing::default(),
        };
        Split::new(reader, Writer(stream))
    }
}

/// What comes from a client.
#[derive(Debug)]
pub(super) struct Reader {
    stream: Arc<UnixStream>,
    framing: Framing,
}

/// What goes to it.
#[derive(Debug)]
pub(super) struct Writer(Arc<UnixStream>);

#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(
        &mut self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, Vec<std::os::fd::OwnedFd>)> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.framing.take(&buffer[..count])?;
                    return Ok((count, Vec::new()));
                }
            }
        }
    }

    async fn peer_credentials(&mut self) -> io::Result<zbus::fdo::ConnectionCredentials> {
        let peer = self.stream.peer_cred()?;
        Ok(zbus::fdo::ConnectionCredentials::default().set_unix_user_id(peer.uid()))
    }
}

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(
        &mut self,
        buffer: &[u8],
        _: &[std::os::fd::BorrowedFd<'_>],
    ) -> io::Result<usize> {
        loop {
            self.0.writable().await?;
            match self.0.try_write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        // The other half may still be reading.
        Ok(rustix::net::shutdown(
            &*self.0,
            rustix::net::Shutdown::Both,
        )?)
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where in the stream of bytes messages begin and how long they are.
#[derive(Debug, Default)]
struct Framing {
    /// How much of [`BEGIN`] was seen, all of it once messages come.
    begun: usize,
    header: [u8; HEADER],
    /// How much of the header was seen.
    seen: usize,
    /// What is left of a message behind its header.
    rest: usize,
}

impl Framing {
    /// Looks at what came.
    ///
    /// # Errors
    /// A message is too long, or is none.
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((&first, behind)) = bytes.split_first() {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = &bytes[skipped..];
            } else if self.begun < BEGIN.len() {
                self.begun = match first {
                    byte if byte == BEGIN[self.begun] => self.begun + 1,
                    byte if byte == BEGIN[0] => 1,
                    _ => 0,
                };
                bytes = behind;
            } else {
                self.header[self.seen] = first;
                self.seen += 1;
                bytes = behind;
                if self.seen == HEADER {
                    self.seen = 0;
                    self.rest = self.length()? - HEADER;
                }
            }
        }
        Ok(())
    }

    /// The length of the whole message whose header is complete.
    fn length(&self) -> io::Result<usize> {
        let number = |at: usize| {
            let bytes = [0, 1, 2, 3].map(|index| self.header[at + index]);
            let number = match self.header[0] {
                b'l' => u32::from_le_bytes(bytes),
                _ => u32::from_be_bytes(bytes),
            };
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        let (body, fields) = (number(4), number(12));
        // The fields are filled up to a multiple of eight.
        let length = fields
            .checked_next_multiple_of(8)
            .and_then(|fields| fields.checked_add(HEADER)?.checked_add(body));
        length
            .filter(|length| *length <= LONGEST)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message is too long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: u32, fields: u32) -> Vec<u8> {
        let mut bytes = vec![b'l', 1, 0, 1];
        bytes.extend(body.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(fields.to_le_bytes());
        let padded = fields.min(4096).next_multiple_of(8) + body.min(4096);
        bytes.extend(std::iter::repeat_n(0, padded as usize));
        bytes
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let mut stream = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGBEGIN\r\n".to_vec();
        for (body, fields) in [(0, 5), (100, 16), (7, 0)] {
            stream.extend(message(body, fields));
        }
        for size in [1, 3, 16, 1000] {
            let mut framing = Framing::default();
            for part in stream.chunks(size) {
                framing.take(part).unwrap();
            }
            assert_eq!((framing.rest, framing.seen), (0, 0), "{size}");
        }
    }

    #[test]
    fn who_announces_too_much_is_refused_at_once() {
        for (body, fields) in [(5_000_000, 0), (0, 5_000_000), (u32::MAX, u32::MAX)] {
            let mut framing = Framing::default();
            framing.take(BEGIN).unwrap();
            let header = &message(body, fields)[..HEADER];
            assert!(framing.take(header).is_err(), "{body} {fields}");
        }
    }
}
