//! Where lines are written to, in pieces that are written at once.

use super::super::journald::{JournalEntry, Journald};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A pipe that can be written to takes so much without a wait.
const AT_ONCE: usize = 4096;
/// Before each entry for the journal stands its length.
const LENGTH: usize = 4;

/// Where it is written to.
#[derive(Debug)]
pub(super) enum Target {
    Stdout,
    Stderr,
    File(OwnedFd),
    Journal(Journald),
    Nowhere,
}

impl Target {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Target::Stdout => Some(rustix::stdio::stdout()),
            Target::Stderr => Some(rustix::stdio::stderr()),
            Target::File(file) => Some(file.as_fd()),
            Target::Journal(journal) => Some(journal.as_fd()),
            Target::Nowhere => None,
        }
    }

    /// How many of these bytes are written at once: no more than goes without a wait, or one entry.
    pub(super) fn piece(&self, bytes: &[u8]) -> usize {
        let piece = match self {
            Target::Journal(_) => bytes.first_chunk().map_or(bytes.len(), |length| {
                LENGTH + u32::from_le_bytes(*length) as usize
            }),
            Target::Stdout | Target::Stderr | Target::File(_) | Target::Nowhere => AT_ONCE,
        };
        piece.min(bytes.len())
    }

    /// How many lines these bytes are.
    pub(super) fn count(&self, mut bytes: &[u8]) -> u64 {
        let Target::Journal(_) = self else {
            return memchr::memchr_iter(b'\n', bytes).count() as u64;
        };
        let mut count = 0;
        while !bytes.is_empty() {
            bytes = &bytes[self.piece(bytes)..];
            count += 1;
        }
        count
    }

    /// Writes a piece if that takes no wait; whether it did. What cannot be written at all is given
    /// up: there is no other place to say so.
    pub(super) fn write_now(&self, piece: &[u8]) -> bool {
        let Some(descriptor) = self.descriptor() else {
            return true;
        };
        if !is_writable(descriptor) {
            return false;
        }
        match self {
            Target::Journal(journal) => {
                let sent = journal.send_now(piece.get(LENGTH..).unwrap_or_default());
                !matches!(sent, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Target::Stdout | Target::Stderr | Target::File(_) | Target::Nowhere => {
                write_all(descriptor, piece);
                true
            }
        }
    }

    /// Writes everything, however long it takes; how many lines could not be.
    pub(super) fn write(&self, mut bytes: &[u8]) -> u64 {
        let Target::Journal(journal) = self else {
            if let Some(descriptor) = self.descriptor() {
                write_all(descriptor, bytes);
            }
            return 0;
        };
        let mut lost = 0;
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.piece(bytes));
            let sent = journal.send(piece.get(LENGTH..).unwrap_or_default());
            lost += u64::from(sent.is_err());
            bytes = rest;
        }
        lost
    }
}

/// Adds an entry to what is to be written to a journal.
pub(super) fn push_entry(entry: &JournalEntry, out: &mut Vec<u8>) {
    let length = u32::try_from(entry.bytes().len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(entry.bytes());
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

/// What cannot be written is given up.
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
