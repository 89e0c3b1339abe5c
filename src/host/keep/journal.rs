//! Writes every event down before the engine hears of it, and a new picture of everything from
//! time to time: after units were read, when the journal has grown, and when nothing happens.
//!
//! A line costs one write(2) to a file in memory, a few microseconds. Pictures are made on the
//! loop, which copies them, and written on a pool thread, one at a time.

use super::saved::{self, Entry, Saved};
use crate::engine::{Event, Timestamp};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A journal of this length, and longer than the picture it follows, makes a new picture due, in
/// bytes: so the work for pictures stays in proportion to what happens, however many units there are.
const LONG: usize = 256 * 1024;
/// So does a time without an event; and no two pictures come closer than this for less.
const QUIET: Duration = Duration::from_secs(1);

/// The journal behind the last picture.
#[derive(Debug)]
pub(in crate::host) struct Journal {
    directory: PathBuf,
    file: File,
    number: u64,
    length: usize,
    last: Instant,
    /// When the last picture was made.
    pictured: Instant,
    /// How long it is, in bytes.
    picture: usize,
    /// A pool thread is writing a picture.
    writing: bool,
    /// What has changed is not all in the journal.
    due: bool,
    line: Vec<u8>,
}

/// Room for a line that is kept, in bytes.
const USUAL: usize = 4096;

impl Journal {
    /// Begins with a first picture, in place of all that are there.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::host) fn begin(runtime: &Path, saved: &Saved) -> io::Result<Journal> {
        let directory = runtime.join(saved::DIRECTORY);
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let number = saved::last_number(&directory) + 1;
        let file = open(&directory, number)?;
        let picture = saved::write(&directory, number, saved)?;
        saved::remove_before(&directory, number);
        Ok(Journal {
            directory,
            file,
            number,
            length: 0,
            last: Instant::now(),
            pictured: Instant::now(),
            picture,
            writing: false,
            due: false,
            line: Vec::new(),
        })
    }

    /// Writes an event down.
    ///
    /// # Errors
    /// It cannot be written: what is on the disk does not hold any more.
    pub(in crate::host) fn event(&mut self, at: Timestamp, event: &Event) -> io::Result<()> {
        self.write(&Entry::Event(at, event))
    }

    /// Writes something else down.
    ///
    /// # Errors
    /// As [`Journal::event`].
    pub(in crate::host) fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.line.clear();
        // A load of thousands is one line, which is no measure for the next.
        self.line.shrink_to(USUAL);
        serde_json::to_writer(&mut self.line, entry).map_err(io::Error::other)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)?;
        self.length += self.line.len();
        self.last = Instant::now();
        Ok(())
    }

    /// A picture is to be made before the next event.
    pub(in crate::host) fn is_due(&self) -> bool {
        let may_be = self.due && self.pictured.elapsed() >= QUIET;
        !self.writing && (may_be || self.length >= self.picture.max(LONG))
    }

    /// There is more to be known than the journal says: units were read, or clients have set
    /// something.
    pub(in crate::host) fn make_due(&mut self) {
        self.due = true;
    }

    /// When a picture is to be made if nothing happens until then.
    pub(in crate::host) fn quiet(&self) -> Option<Instant> {
        let anything = self.due || self.length > 0;
        (!self.writing && anything).then(|| self.last.max(self.pictured) + QUIET)
    }

    /// Begins a journal behind a picture that is about to be written; where and under which
    /// number. To be followed by [`Journal::written`].
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::host) fn turn_over(&mut self) -> io::Result<(PathBuf, u64)> {
        self.file = open(&self.directory, self.number + 1)?;
        self.number += 1;
        self.length = 0;
        self.due = false;
        self.pictured = Instant::now();
        self.writing = true;
        Ok((self.directory.clone(), self.number))
    }

    /// The picture is there, and so long.
    pub(in crate::host) fn written(&mut self, length: usize) {
        self.writing = false;
        self.picture = length;
    }

    /// Removes everything: nobody is to take over.
    pub(in crate::host) fn remove(self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let path = self.directory.display();
            tracing::warn!("cannot remove {path}: {error}");
        }
    }
}

fn open(directory: &Path, number: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    options.open(saved::journal(directory, number))
}

/// Writes a picture and removes what came before it; on a pool thread. Returns its length in bytes.
///
/// # Errors
/// It cannot be written.
pub(in crate::host) fn write_picture(
    directory: &Path,
    number: u64,
    saved: &Saved,
) -> io::Result<usize> {
    let length = saved::write(directory, number, saved)?;
    saved::remove_before(directory, number);
    Ok(length)
}
