//! recvmsg(2) with who sent it: datagrams of sd_notify(3).
//!
//! Parses the control messages itself: a sender in another pid namespace has pid 0, which
//! libraries take for impossible, and descriptors of a kind a library does not know would stay
//! open for ever.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The most descriptors the kernel puts into one message (SCM_MAX_FD).
const MOST_DESCRIPTORS: usize = 253;

/// Room for every control message that such a socket can get, with 64 bytes to spare.
const CONTROL_SIZE: usize =
    (MOST_DESCRIPTORS * size_of::<RawFd>()) + size_of::<libc::ucred>() + 2 * 16 + 64;

/// Who sent a datagram, as the kernel vouches for it (SO_PASSCRED, unix(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Process, or 0 if our pid namespace does not know it.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A datagram.
#[derive(Debug)]
pub struct Datagram {
    /// Bytes of the buffer that it fills.
    pub length: usize,
    /// Who sent it; `None` if SO_PASSCRED was not set when it was sent.
    pub sender: Option<Sender>,
    /// Descriptors that came with it, close-on-exec. Dropping them closes them.
    pub descriptors: Vec<OwnedFd>,
}

/// Makes the kernel tell who sends to this socket.
///
/// # Errors
/// It is no unix socket.
pub fn pass_credentials(socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_passcred(socket, true)?)
}

/// Takes the next datagram; `None` if there is none now.
///
/// # Errors
/// The kernel refuses; or `InvalidData` for a datagram larger than `buffer` or with more
/// control messages than there can be: it is gone, and its descriptors are closed.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = Control([MaybeUninit::zeroed(); CONTROL_SIZE]);
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all zeros is a valid value: no address, no parts, no control messages.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_SIZE as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header names one part and a control buffer, both valid for their lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: the header is as recvmsg(2) left it, and read only this once.
    let (sender, descriptors) = unsafe { control_messages(&header) };
    let invalid = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    if header.msg_flags & libc::MSG_CTRUNC != 0 {
        return invalid("the datagram's control messages were cut off");
    }
    if header.msg_flags & libc::MSG_TRUNC != 0 {
        return invalid("the datagram is too large");
    }
    Ok(Some(Datagram {
        length: length as usize,
        sender,
        descriptors,
    }))
}

/// Aligned as control messages must be.
#[repr(align(8))]
struct Control([MaybeUninit<u8>; CONTROL_SIZE]);

/// Takes sender and descriptors out of a received header.
///
/// # Safety
/// `header` is as recvmsg(2) left it, its buffer is alive, and this is called once for it: the
/// descriptors in it become owned.
unsafe fn control_messages(header: &libc::msghdr) -> (Option<Sender>, Vec<OwnedFd>) {
    let mut sender = None;
    let mut descriptors = Vec::new();
    // SAFETY: the header is valid.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !at.is_null() {
        // SAFETY: the macros return null or a whole message inside the buffer, whose data has
        // the length that its header says.
        let (message, data) = unsafe { (&*at, libc::CMSG_DATA(at)) };
        // SAFETY: computes a number only.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        // The length is not of one type in every C library.
        #[allow(clippy::unnecessary_cast)]
        let size = (message.cmsg_len as usize).saturating_sub(head);
        match (message.cmsg_level, message.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if size >= size_of::<libc::ucred>() => {
                // SAFETY: the kernel wrote such a structure there; it may be unaligned.
                let who = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                sender = Some(Sender {
                    pid: who.pid,
                    uid: who.uid,
                    gid: who.gid,
                });
            }
            (libc::SOL_SOCKET, libc::SCM_RIGHTS | SCM_PIDFD) => {
                for index in 0..size / size_of::<RawFd>() {
                    // SAFETY: inside the data; the kernel made the descriptor for us, and each
                    // is taken once.
                    descriptors.push(unsafe {
                        OwnedFd::from_raw_fd(data.cast::<RawFd>().add(index).read_unaligned())
                    });
                }
            }
            // No other kind carries descriptors.
            _ => {}
        }
        // SAFETY: `at` is a message of this header.
        at = unsafe { libc::CMSG_NXTHDR(header, at) };
    }
    (sender, descriptors)
}

/// linux/socket.h: comes only with SO_PASSPIDFD, which we do not set.
const SCM_PIDFD: i32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
        socketpair,
    };
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        let (ours, theirs) = socketpair(
            rustix::net::AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        pass_credentials(ours.as_fd()).unwrap();
        (ours, theirs)
    }

    fn send(socket: &OwnedFd, text: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = vec![MaybeUninit::uninit(); 2048];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(
            socket,
            &[IoSlice::new(text)],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
    }

    #[test]
    fn who_sent_what() {
        let (ours, theirs) = pair();
        let mut buffer = [0; 64];
        assert!(receive(ours.as_fd(), &mut buffer).unwrap().is_none());
        send(&theirs, b"READY=1", &[]);
        let datagram = receive(ours.as_fd(), &mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..datagram.length], b"READY=1");
        let sender = datagram.sender.unwrap();
        assert_eq!(sender.pid, std::process::id() as i32);
        assert_eq!(sender.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(sender.gid, nix::unistd::getegid().as_raw());
        assert!(datagram.descriptors.is_empty());
    }

    #[test]
    fn as_many_descriptors_as_fit() {
        let (ours, theirs) = pair();
        let (reader, writer) = std::io::pipe().unwrap();
        let many = vec![writer.as_fd(); MOST_DESCRIPTORS];
        send(&theirs, b"FDSTORE=1", &many);
        drop(writer);
        let mut buffer = [0; 64];
        let datagram = receive(ours.as_fd(), &mut buffer).unwrap().unwrap();
        assert_eq!(datagram.descriptors.len(), MOST_DESCRIPTORS);
        assert!(datagram.sender.is_some());
        for descriptor in &datagram.descriptors {
            let flags = rustix::io::fcntl_getfd(descriptor).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        drop(datagram);
        assert!(is_at_end(reader), "a write end stayed open");
    }

    #[test]
    fn what_does_not_fit_is_refused_and_closed() {
        let (ours, theirs) = pair();
        let (reader, writer) = std::io::pipe().unwrap();
        send(&theirs, b"0123456789", &[writer.as_fd()]);
        send(&theirs, b"next", &[]);
        drop(writer);
        let mut buffer = [0; 4];
        let error = receive(ours.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(is_at_end(reader), "a write end stayed open");
        let datagram = receive(ours.as_fd(), &mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..datagram.length], b"next");
    }

    /// Whether all write ends get closed; a child that another test starts just now has copies
    /// until it executes, hence the deadline.
    fn is_at_end(reader: std::io::PipeReader) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let deadline = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        let mut watched = [PollFd::new(&reader, PollFlags::IN)];
        poll(&mut watched, Some(&deadline)).unwrap() == 1
            && watched[0].revents().contains(PollFlags::HUP)
    }
}
