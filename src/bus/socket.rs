//! The stream under a connection: bytes in and out, and limits on what a stranger may make the
//! daemon hold.
//!
//! zbus makes room for a message as soon as its header says how long it is, up to 128 MiB, and
//! gathers handshakes of any length. So bytes are gathered here: a message is handed on when it
//! is complete, no more room is made than there are bytes, and who announces more than clients
//! need is cut off at once. Descriptors are gathered with them; a few may come with one message, so
//! that the queue of one client cannot hold all that the daemon may have.

use super::header;
use crate::host;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UnixStream;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// The longest message taken, in bytes: a transient unit with every setting is some kilobytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Descriptors that may come before the message is complete that they belong to.
const MOST_DESCRIPTORS: usize = 16;

/// What the header has before the lengths are known.
const HEADER: usize = 16;

/// Bytes read at a time, and kept by a connection that is idle: more than nearly every call has, and
/// few enough that making room for them takes no time.
const READ: usize = 2048;

/// The end of the handshake; messages begin behind it.
const BEGIN: &[u8] = b"BEGIN\r\n";

/// The longest handshake taken, in bytes.
const HANDSHAKE: usize = 4096;

/// A client's stream.
#[derive(Debug)]
pub(super) struct ClientSocket(pub(super) Arc<UnixStream>);

impl Socket for ClientSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let reader = Reader {
            stream: self.0.clone(),
            handshake: Handshake::default(),
        };
        Split::new(reader, Writer(self.0))
    }
}

/// What comes from a client.
#[derive(Debug)]
pub(super) struct Reader {
    stream: Arc<UnixStream>,
    handshake: Handshake,
}

/// What goes to it during the handshake.
#[derive(Debug)]
pub(super) struct Writer(Arc<UnixStream>);

impl Reader {
    /// Reads what there is; what comes first decides how much.
    async fn read(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            self.stream.readable().await?;
            let receive = || host::receive(self.stream.as_fd(), buffer);
            match self.stream.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }

    /// Reads behind what there is already; an end in between is an error.
    async fn read_more(&self, bytes: &mut Vec<u8>, passed: &mut Vec<OwnedFd>) -> io::Result<()> {
        loop {
            self.stream.readable().await?;
            // Not held while waiting: idle connections have no buffer.
            let mut buffer = [0; READ];
            let mut received = None;
            let receive = || {
                let (count, descriptors) = host::receive(self.stream.as_fd(), &mut buffer)?;
                // What is behind descriptors comes by itself; else there was no more than this, and
                // the next wait need not find that out.
                let is_all = (1..READ).contains(&count) && descriptors.is_empty();
                received = Some((count, descriptors));
                match is_all {
                    true => Err(io::ErrorKind::WouldBlock.into()),
                    false => Ok(()),
                }
            };
            let result = self.stream.try_io(Interest::READABLE, receive);
            match (received, result) {
                (Some((0, _)), _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (Some((count, descriptors)), _) => {
                    bytes.extend_from_slice(&buffer[..count]);
                    passed.extend(descriptors);
                    return limit(passed);
                }
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, Err(error)) => return Err(error),
                (None, Ok(())) => {}
            }
        }
    }
}

/// # Errors
/// There are too many descriptors.
fn limit(descriptors: &[OwnedFd]) -> io::Result<()> {
    if descriptors.len() <= MOST_DESCRIPTORS {
        return Ok(());
    }
    let text = "too many descriptors in a message";
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}

#[async_trait]
impl ReadHalf for Reader {
    async fn receive_message(
        &mut self,
        number: u64,
        bytes: &mut Vec<u8>,
        descriptors: &mut Vec<OwnedFd>,
    ) -> zbus::Result<zbus::Message> {
        while !is_whole(bytes)? {
            self.read_more(bytes, descriptors).await?;
        }
        // Of what has come, the first belong to the first message; the next one may be here, too.
        let own = header::descriptors(bytes).min(descriptors.len());
        let mut own: Vec<OwnedFd> = descriptors.drain(..own).collect();
        let message = Gathered.receive_message(number, bytes, &mut own).await;
        if bytes.is_empty() {
            bytes.shrink_to(READ);
            // They belong to nothing.
            descriptors.clear();
        }
        message
    }

    /// Only the handshake asks for bytes.
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let (count, descriptors) = self.read(buffer).await?;
        limit(&descriptors)?;
        self.handshake.take(&buffer[..count])?;
        Ok((count, descriptors))
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }

    async fn peer_credentials(&mut self) -> io::Result<zbus::fdo::ConnectionCredentials> {
        let peer = self.stream.peer_cred()?;
        Ok(zbus::fdo::ConnectionCredentials::default().set_unix_user_id(peer.uid()))
    }
}

/// Takes messages apart whose bytes are all there.
#[derive(Debug)]
struct Gathered;

#[async_trait]
impl ReadHalf for Gathered {
    async fn recvmsg(&mut self, _: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(
        &mut self,
        buffer: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        send(&self.0, buffer, descriptors).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
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

/// Writes as much as there is room for, with the descriptors that go with the first byte.
///
/// # Errors
/// The client has gone, or these are too many descriptors.
pub(super) async fn send(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    loop {
        stream.writable().await?;
        let try_to = || try_send(stream, bytes, descriptors);
        match stream.try_io(Interest::WRITABLE, try_to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

fn try_send(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        let text = "too many descriptors in a reply";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let sent = rustix::net::sendmsg(stream, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(sent)
}

/// Whether the first message is complete.
///
/// # Errors
/// It is too long.
fn is_whole(bytes: &[u8]) -> io::Result<bool> {
    match bytes.first_chunk() {
        Some(header) => Ok(bytes.len() >= length(header)?),
        None => Ok(false),
    }
}

/// The length of the whole message with this header.
fn length(header: &[u8; HEADER]) -> io::Result<usize> {
    let number = |at: usize| {
        let bytes = [0, 1, 2, 3].map(|index| header[at + index]);
        let number = match header[0] {
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

/// How much of the handshake was seen.
#[derive(Debug, Default)]
struct Handshake {
    bytes: usize,
    last: u8,
    /// How much of [`BEGIN`] was seen, all of it at the end.
    begun: usize,
}

impl Handshake {
    /// Looks at what came. What comes behind the end is of no concern.
    ///
    /// # Errors
    /// It is too long, or a line ends otherwise than lines do: zbus cannot bear that.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bad = |reason| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        for &byte in bytes {
            if self.begun == BEGIN.len() {
                break;
            }
            self.bytes += 1;
            if self.bytes > HANDSHAKE {
                return bad("the handshake is too long");
            }
            if byte == b'\n' && self.last != b'\r' {
                return bad("a line of the handshake ends badly");
            }
            self.last = byte;
            self.begun = match byte {
                byte if byte == BEGIN[self.begun] => self.begun + 1,
                byte if byte == BEGIN[0] => 1,
                _ => 0,
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(body: u32, fields: u32) -> [u8; HEADER] {
        let mut bytes = vec![b'l', 1, 0, 1];
        bytes.extend(body.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(fields.to_le_bytes());
        bytes.try_into().unwrap()
    }

    #[test]
    fn messages_are_whole_once_all_is_there() {
        for (body, fields, whole) in [(0, 5, 24), (100, 16, 132), (7, 0, 23)] {
            let mut bytes = header(body, fields).to_vec();
            bytes.resize(whole - 1, 0);
            assert!(!is_whole(&bytes[..HEADER - 1]).unwrap());
            assert!(!is_whole(&bytes).unwrap());
            bytes.push(0);
            assert!(is_whole(&bytes).unwrap());
        }
    }

    #[test]
    fn who_announces_too_much_is_refused_at_once() {
        for (body, fields) in [(5_000_000, 0), (0, 5_000_000), (u32::MAX, u32::MAX)] {
            assert!(is_whole(&header(body, fields)).is_err(), "{body} {fields}");
        }
    }

    #[test]
    fn a_handshake_is_short_and_of_lines() {
        let good = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGBEGIN\r\nl\n\n and what follows";
        for size in [1, 3, 16, 1000] {
            let mut handshake = Handshake::default();
            for part in good.chunks(size) {
                handshake.take(part).unwrap();
            }
            handshake.take(&[0; HANDSHAKE + 1]).unwrap();
        }
        for bad in [
            &b"\n"[..],
            b"\0AUTH\n",
            b"\0AUTH\r\n\n",
            &[b'a'; HANDSHAKE + 1],
        ] {
            assert!(Handshake::default().take(bad).is_err());
        }
    }
}
