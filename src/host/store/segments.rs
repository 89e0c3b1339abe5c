//! Writes the ring: batches are appended to the newest file, the oldest goes when all together
//! have become too large.
//!
//! Used by the thread that writes the log alone: a disk may hang. Nothing is synced: what was
//! written outlives the daemon, not the machine's power.

use super::batch::{self, Batch};
use super::{SUFFIX, files};
use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Of so many parts the ring is; one of them is thrown away at a time.
const PARTS: u64 = 8;
/// How long nothing is written after the disk has refused.
const PAUSE: Duration = Duration::from_secs(10);

/// The ring of files.
#[derive(Debug)]
pub(in crate::host) struct Segments {
    directory: PathBuf,
    /// Bytes that all files together may have.
    limit: u64,
    /// All files, oldest first: number and size.
    all: VecDeque<(u64, u64)>,
    current: Option<File>,
    buffer: Vec<u8>,
    /// Nothing is tried before that.
    refused: Option<Instant>,
}

impl Segments {
    /// The ring in the first directory that can be written to, and the number of the last line in
    /// it.
    ///
    /// # Errors
    /// None can; the error is that of the last.
    pub(in crate::host) fn open(places: &[(PathBuf, u64)]) -> io::Result<(Segments, u64)> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (directory, limit) in places {
            match Segments::open_in(directory, *limit) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    let text = format!("{}: {error}", directory.display());
                    last = io::Error::new(error.kind(), text);
                }
            }
        }
        Err(last)
    }

    fn open_in(directory: &Path, limit: u64) -> io::Result<(Segments, u64)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(directory)?;
        let found = files(directory)?;
        let last = found.iter().rev().find_map(|(_, path, _)| last_of(path));
        let mut segments = Segments {
            directory: directory.to_owned(),
            limit,
            all: found
                .iter()
                .map(|(number, _, size)| (*number, *size))
                .collect(),
            current: None,
            buffer: Vec::new(),
            refused: None,
        };
        segments.begin()?;
        Ok((segments, last.unwrap_or(0)))
    }

    /// Where it is.
    pub(in crate::host) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Begins a new file, and throws away what is too much.
    fn begin(&mut self) -> io::Result<()> {
        let number = self.all.back().map_or(1, |(last, _)| last + 1);
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o640);
        self.current = Some(options.open(self.path(number))?);
        self.all.push_back((number, 0));
        self.shrink(self.limit - self.limit / PARTS);
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016x}{SUFFIX}"))
    }

    fn shrink(&mut self, limit: u64) {
        let mut total: u64 = self.all.iter().map(|(_, size)| size).sum();
        while total > limit && self.all.len() > 1 {
            let Some((number, size)) = self.all.pop_front() else {
                return;
            };
            total -= size;
            // If somebody else was faster, it is gone all the same.
            let _ = fs::remove_file(self.path(number));
        }
    }

    /// Appends a batch. What the disk does not take is given up, and tried again some time later.
    ///
    /// # Errors
    /// The first time in a row that the disk refuses.
    pub(in crate::host) fn append(&mut self, batch: &Batch) -> io::Result<()> {
        if self.refused.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        batch.encode(&mut buffer);
        let mut result = self.write(&buffer);
        if result.is_err() {
            // The disk may be full, and we may have our part in it.
            self.shrink(0);
            result = self.begin().and_then(|()| self.write(&buffer));
        }
        self.buffer = buffer;
        match result {
            Ok(()) => {
                self.refused = None;
                Ok(())
            }
            Err(error) => match self.refused.replace(Instant::now()) {
                Some(_) => Ok(()),
                None => Err(error),
            },
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let size = self.all.back().map_or(0, |(_, size)| *size);
        if self.current.is_none() || size >= self.limit / PARTS {
            self.begin()?;
        }
        let (Some(file), Some((_, size))) = (&mut self.current, self.all.back_mut()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        match file.write_all(bytes) {
            Ok(()) => *size += bytes.len() as u64,
            Err(error) => {
                // Part of it may be there: nothing goes behind that.
                self.current = None;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The number of the last line of a file.
fn last_of(path: &Path) -> Option<u64> {
    let bytes = fs::read(path).ok()?;
    let mut left = &bytes[..];
    let mut last = None;
    while let Some(batch) = batch::take(&mut left) {
        last = Some(batch.first + u64::from(batch.count).saturating_sub(1));
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::batch::Origin;
    use super::super::{Filter, last};
    use super::*;
    use crate::host::handle::Stream;
    use crate::unit::name::UnitName;
    use std::sync::Arc;

    fn batch(number: u64, text: &str) -> Batch {
        let origin = Origin {
            unit: UnitName::parse("a.service").ok(),
            pid: 7,
            stream: Stream::Stdout,
            invocation: String::new(),
            identifier: String::new(),
        };
        let mut batch = Batch::new(Arc::new(origin), number);
        batch.first = number;
        batch.add(6, text, false);
        batch
    }

    fn numbers(directory: &Path, count: usize) -> Vec<u64> {
        let lines = last(directory, &Filter::default(), count).unwrap();
        lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let place = [(dir.path().join("log"), 64 * 1024)];
        let (mut ring, none) = Segments::open(&place).unwrap();
        assert_eq!(none, 0);
        for number in 1..=1000 {
            ring.append(&batch(number, &"x".repeat(1000))).unwrap();
        }
        let all = numbers(&place[0].0, usize::MAX);
        assert!((40..70).contains(&all.len()), "{}", all.len());
        assert_eq!((all.last(), all.is_sorted()), (Some(&1000), true));
        let size: u64 = files(&place[0].0).unwrap().iter().map(|it| it.2).sum();
        assert!(size <= place[0].1, "{size}");
        // The next daemon goes on.
        drop(ring);
        let (mut ring, last) = Segments::open(&place).unwrap();
        assert_eq!(last, 1000);
        ring.append(&batch(1001, "next")).unwrap();
        assert_eq!(numbers(&place[0].0, 2), [1000, 1001]);
    }

    #[test]
    fn the_first_place_that_works_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let places = [(dir.path().join("file/log"), 1), (dir.path().join("b"), 1)];
        let (ring, _) = Segments::open(&places).unwrap();
        assert_eq!(ring.directory(), places[1].0);
        assert!(Segments::open(&places[..1]).is_err());
    }

    #[test]
    fn what_is_torn_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let place = [(dir.path().to_owned(), 1 << 20)];
        let (mut ring, _) = Segments::open(&place).unwrap();
        ring.append(&batch(1, "one")).unwrap();
        ring.append(&batch(2, "two")).unwrap();
        let (_, path, size) = files(dir.path()).unwrap().pop().unwrap();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(size - 1).unwrap();
        let (mut ring, last) = Segments::open(&place).unwrap();
        assert_eq!(last, 1);
        ring.append(&batch(2, "again")).unwrap();
        assert_eq!(numbers(dir.path(), 9), [1, 2]);
    }
}
