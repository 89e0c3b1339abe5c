//! The keeper: a process that holds descriptors for the daemon and does nothing else, so that
//! they outlive the daemon's death. It ends when it is told to, or when its socket has gone.
//!
//! Messages are packets on a unix socket, one byte and then a key: `+` with a descriptor to hold
//! in place of any of that key, `-` to let one go, `~` to be told (`.`) that all this is done, `?`
//! to be sent all of them (`=` each, then `.`), `!` to end (`.` with its number). One daemon is
//! served at a time.

use crate::sys::{cmsg, pidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest message, in bytes.
const MAX_MESSAGE: usize = 256;
/// How often a keeper whom nobody talks to looks whether its socket is still there.
const LOOK: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};
/// How long a daemon may take to read what it asked for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the keeper may take to take something.
const BUSY: Duration = Duration::from_millis(200);

/// How long the keeper may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Sends a message, waiting a moment where there is no room.
///
/// # Errors
/// The other side is gone, or does not read.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    kind: u8,
    key: &str,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let kind = [kind];
    let parts = [IoSlice::new(&kind), IoSlice::new(key.as_bytes())];
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let until = Instant::now() + BUSY;
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        match rustix::net::sendmsg(socket, &parts, &mut control, flags) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                wait(socket, PollFlags::OUT, BUSY)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a descriptor is ready; whether it may be.
///
/// # Errors
/// The kernel refuses.
pub(super) fn wait(
    socket: BorrowedFd<'_>,
    what: PollFlags,
    patience: Duration,
) -> io::Result<bool> {
    let mut watched = [PollFd::from_borrowed_fd(socket, what)];
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut watched, Some(&patience)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Asks the keeper behind a socket for everything it holds.
///
/// # Errors
/// It does not answer.
pub(super) fn ask_for_all(socket: BorrowedFd<'_>) -> io::Result<BTreeMap<String, OwnedFd>> {
    send(socket, b'?', "", None)?;
    let mut found = BTreeMap::new();
    let until = Instant::now() + PATIENCE;
    let mut buffer = [0; MAX_MESSAGE];
    loop {
        let Some(datagram) = cmsg::receive(socket, &mut buffer)? else {
            if Instant::now() > until || !wait(socket, PollFlags::IN, PATIENCE)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            continue;
        };
        let key = buffer.get(1..datagram.length).unwrap_or_default();
        match (buffer[0], datagram.length) {
            (_, 0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            (b'.', _) => return Ok(found),
            (_, _) => {
                let key = String::from_utf8_lossy(key).into_owned();
                let mut descriptors = datagram.descriptors.into_iter();
                found.extend(descriptors.next().map(|descriptor| (key, descriptor)));
            }
        }
    }
}

/// Makes the socket of a keeper; a dead one's is replaced.
///
/// # Errors
/// The kernel refuses.
pub(super) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600))?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o600))?;
    rustix::net::listen(&socket, 4)?;
    Ok(socket)
}

/// Connects to the keeper that listens there.
///
/// # Errors
/// There is none.
pub(super) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// The life of the keeper; its socket is standard input. Returns when it is to end.
pub fn run() -> ExitCode {
    match keep() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is there to be told.
        Err(_) => ExitCode::FAILURE,
    }
}

fn keep() -> io::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    // It is no part of anybody's terminal, and no directory is held by it.
    let _ = nix::unistd::setsid();
    std::env::set_current_dir("/")?;
    let mut blocked = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGPIPE] {
        blocked.add(signal);
    }
    blocked.thread_block()?;
    // It is handed something at each start, and would take the processor of what is started.
    crate::sys::background::enter();
    let listener = io::stdin().as_fd().try_clone_to_owned()?;
    let place = Place::of(&listener)?;
    let mut kept = BTreeMap::new();
    while place.is_there() {
        if !wait(
            listener.as_fd(),
            PollFlags::IN,
            Duration::try_from(LOOK).unwrap_or(BUSY),
        )? {
            continue;
        }
        let connection = rustix::net::accept_with(&listener, SocketFlags::CLOEXEC)?;
        if serve(&connection, &mut kept) {
            return Ok(());
        }
    }
    Ok(())
}

/// Where the keeper's socket is, and which one it is.
struct Place {
    path: std::path::PathBuf,
    inode: u64,
}

impl Place {
    fn of(listener: &OwnedFd) -> io::Result<Place> {
        let address = rustix::net::getsockname(listener)?;
        let address = SocketAddrUnix::try_from(address)?;
        let path = address.path_bytes().unwrap_or_default().to_owned();
        let path: std::path::PathBuf =
            <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(path).into();
        let inode = fs::symlink_metadata(&path)?.ino();
        Ok(Place { path, inode })
    }

    /// Another daemon's keeper may be there by now.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode)
    }
}

/// Serves one daemon until it goes; whether the keeper is to end.
pub(super) fn serve(connection: &OwnedFd, kept: &mut BTreeMap<String, OwnedFd>) -> bool {
    let mut buffer = [0; MAX_MESSAGE];
    loop {
        let waited = wait(connection.as_fd(), PollFlags::IN, Duration::from_secs(3600));
        if waited.is_err() {
            return false;
        }
        let datagram = match cmsg::receive(connection.as_fd(), &mut buffer) {
            Ok(Some(datagram)) => datagram,
            Ok(None) => continue,
            // Too large, or of descriptors that do not fit: it is gone.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
            // A daemon was killed with a word of ours unread: the kernel says so first, and then
            // what it had sent before.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => continue,
            Err(_) => return false,
        };
        let Some((kind, key)) = buffer[..datagram.length].split_first() else {
            return false;
        };
        let key = String::from_utf8_lossy(key).into_owned();
        match kind {
            b'+' => kept.extend(datagram.descriptors.into_iter().next().map(|it| (key, it))),
            b'-' => drop(kept.remove(&key)),
            b'~' if send(connection.as_fd(), b'.', "", None).is_err() => return false,
            b'?' if send_all(connection, kept).is_err() => return false,
            b'!' => {
                let own = std::process::id().to_string();
                let _ = send(connection.as_fd(), b'.', &own, None);
                return true;
            }
            _ => {}
        }
    }
}

fn send_all(connection: &OwnedFd, kept: &BTreeMap<String, OwnedFd>) -> io::Result<()> {
    for (key, descriptor) in kept {
        patiently(|| send(connection.as_fd(), b'=', key, Some(descriptor.as_fd())))?;
    }
    patiently(|| send(connection.as_fd(), b'.', "", None))
}

fn patiently(send: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {}
            result => return result,
        }
    }
}

/// Waits until the keeper has done what it was told before it was asked (`~`).
pub(super) fn wait_for_word(socket: BorrowedFd<'_>) {
    let mut buffer = [0; MAX_MESSAGE];
    let until = Instant::now() + BUSY;
    while Instant::now() < until && wait(socket, PollFlags::IN, BUSY).unwrap_or(false) {
        // Whatever it says: it has come as far as this.
        match cmsg::receive(socket, &mut buffer) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

/// Tells the keeper to end and waits until it has.
pub(super) fn end(socket: BorrowedFd<'_>) {
    if send(socket, b'!', "", None).is_err() {
        return;
    }
    // It says who it is.
    let mut buffer = [0; MAX_MESSAGE];
    let _ = wait(socket, PollFlags::IN, GOODBYE);
    let Ok(Some(datagram)) = cmsg::receive(socket, &mut buffer) else {
        return;
    };
    let said = buffer.get(1..datagram.length).unwrap_or_default();
    let pid = std::str::from_utf8(said)
        .ok()
        .and_then(|pid| pid.parse().ok());
    if let Some(Ok(keeper)) = pid.map(pidfd::open) {
        let _ = wait(keeper.as_fd(), PollFlags::IN, GOODBYE);
    }
}
