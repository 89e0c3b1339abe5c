//! The socket services speak to with sd_notify(3).
//!
//! Who speaks is told by the kernel (SCM_CREDENTIALS), never by the message. Must be drained
//! before a process is reaped: afterwards its number says nothing.

use super::readiness::Readable;
use crate::engine::Notification;
use crate::sys::cmsg;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest message read, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// A message and its sender.
#[derive(Debug)]
pub(super) struct Received {
    /// The sender's number.
    pub(super) pid: i32,
    /// The sender's user.
    pub(super) uid: u32,
    /// What was said.
    pub(super) message: Notification,
    /// Descriptors for the store (FDSTORE=1); others are closed already.
    pub(super) descriptors: Vec<OwnedFd>,
}

/// The bound socket; unlinked when dropped.
#[derive(Debug)]
pub(super) struct NotifySocket {
    socket: Arc<OwnedFd>,
    readable: Readable,
    path: PathBuf,
    /// Where messages are received; made once, since it is looked into at every end of a process.
    buffer: Vec<u8>,
}

impl NotifySocket {
    /// Binds the socket; whatever a daemon that died left at the path is replaced. The caller
    /// holds the lock of the directory.
    ///
    /// # Errors
    /// The socket cannot be made or bound.
    pub(super) fn bind(path: &Path) -> io::Result<NotifySocket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Services run as any user; what they say is judged by who they are.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        cmsg::pass_credentials(socket.as_fd())?;
        // A burst of messages must not make services block or lose READY=1.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 1 << 20);
        NotifySocket::take_over(socket, path)
    }

    /// The socket that an earlier daemon bound there.
    ///
    /// # Errors
    /// It cannot be waited on.
    pub(super) fn take_over(socket: OwnedFd, path: &Path) -> io::Result<NotifySocket> {
        Ok(NotifySocket {
            readable: Readable::of(&socket)?,
            socket: Arc::new(socket),
            path: path.to_owned(),
            buffer: vec![0; MAX_MESSAGE],
        })
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// What services get as NOTIFY_SOCKET.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until there is something to receive.
    pub(super) async fn readable(&self) {
        self.readable.wait().await;
    }

    /// The next message, `None` when there is none left.
    pub(super) fn receive(&mut self) -> Option<Received> {
        loop {
            match receive(&self.socket, &mut self.buffer) {
                Ok(Next::Message(received)) => return Some(received),
                Ok(Next::None) => return None,
                Ok(Next::Nonsense(what)) => tracing::warn!("ignored a notify message {what}"),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!("ignored a notify message: {error}");
                }
                Err(error) => {
                    tracing::warn!("cannot receive from the notify socket: {error}");
                    return None;
                }
            }
        }
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

enum Next {
    Message(Received),
    Nonsense(&'static str),
    None,
}

/// Takes one datagram. Descriptors that come along are closed unless they are for the store:
/// that is also how BARRIER=1 is answered, all earlier messages having been read.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<Next> {
    let Some(datagram) = cmsg::receive(socket.as_fd(), buffer)? else {
        return Ok(Next::None);
    };
    let Some(sender) = datagram.sender.filter(|sender| sender.pid > 0) else {
        return Ok(Next::Nonsense("from an unknown process"));
    };
    Ok(match parse(&buffer[..datagram.length]) {
        Some(message) => Next::Message(Received {
            pid: sender.pid,
            uid: sender.uid,
            // Any other message's are dropped here and now: that is how BARRIER=1 is answered.
            descriptors: if message.get("FDSTORE") == Some("1") {
                datagram.descriptors
            } else {
                Vec::new()
            },
            message,
        }),
        None => Next::Nonsense("that is not UTF-8"),
    })
}

/// Splits a message into `KEY=value` lines; the first occurrence of a key counts, lines
/// without `=` say nothing. `None` if it is not UTF-8.
fn parse(bytes: &[u8]) -> Option<Notification> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split('\n') {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        if !fields.iter().any(|(known, _)| known == key) {
            fields.push((key.to_owned(), value.to_owned()));
        }
    }
    Some(Notification { fields })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn lines_and_first_keys() {
        let message = parse(b"READY=1\nSTATUS=a=b\nnonsense\nREADY=0\n").unwrap();
        assert_eq!(message.get("READY"), Some("1"));
        assert_eq!(message.get("STATUS"), Some("a=b"));
        assert_eq!(message.fields.len(), 2);
        assert!(parse(b"STATUS=\xff").is_none());
    }

    #[tokio::test]
    async fn the_kernel_names_the_sender_and_barriers_are_released() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        std::fs::write(&path, "left over").unwrap();
        let mut socket = NotifySocket::bind(&path).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"READY=1", &path).unwrap();
        client.send_to(b"STATUS=\xff\xfe", &path).unwrap();
        client.send_to(&vec![b'x'; MAX_MESSAGE + 1], &path).unwrap();
        client.send_to(b"STATUS=last", &path).unwrap();
        socket.readable().await;
        let first = socket.receive().unwrap();
        assert_eq!(first.pid, std::process::id() as i32);
        assert_eq!(first.uid, nix::unistd::getuid().as_raw());
        assert_eq!(first.message.get("READY"), Some("1"));
        let second = socket.receive().unwrap();
        assert_eq!(second.message.get("STATUS"), Some("last"));
        assert!(socket.receive().is_none());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn descriptors_are_closed() {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
        let dir = tempfile::tempdir().unwrap();
        let mut socket = NotifySocket::bind(&dir.path().join("notify")).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect(socket.path()).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let descriptors = [writer.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let text = [std::io::IoSlice::new(b"BARRIER=1")];
        rustix::net::sendmsg(&client, &text, &mut ancillary, SendFlags::empty()).unwrap();
        drop(writer);
        assert_eq!(socket.receive().unwrap().message.get("BARRIER"), Some("1"));
        // End of file: nobody holds the write end any more.
        assert_eq!(rustix::io::read(&reader, &mut [0u8; 1]).unwrap(), 0);
    }
}
