//! Bytes of a stream with the descriptors that came along, for connections of clients.

use crate::sys::cmsg;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Reads what is there: how many bytes, and descriptors, close-on-exec. No bytes are the end.
///
/// # Errors
/// `WouldBlock` if nothing is there; or the kernel refuses, also for want of descriptors.
pub fn receive(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    match cmsg::receive(stream, buffer)? {
        Some(received) => Ok((received.length, received.descriptors)),
        None => Err(io::ErrorKind::WouldBlock.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn bytes_come_in_pieces_and_end() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buffer = [0; 4];
        let nothing = receive(ours.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"abcdef").unwrap();
        drop(theirs);
        let mut seen = Vec::new();
        loop {
            let (count, descriptors) = receive(ours.as_fd(), &mut buffer).unwrap();
            assert!(descriptors.is_empty());
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(seen, b"abcdef");
    }
}
