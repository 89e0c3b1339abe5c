//! Reads the ring on as it is written.

use super::batch;
use super::files;
use super::reader::Filter;
use crate::host::handle::LogLine;
use crate::host::readiness::Readable;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Goes on where it was, over files that come and daemons that go.
pub struct Follower {
    directory: PathBuf,
    watch: Inotify,
    readable: Readable,
    filter: Filter,
    /// The file that is read, and up to where.
    number: u64,
    place: u64,
}

impl Follower {
    /// Begins behind what is there now; inside a tokio runtime.
    ///
    /// # Errors
    /// The directory cannot be watched.
    pub fn new(directory: &Path, filter: Filter) -> io::Result<Follower> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(
            directory,
            AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE,
        )?;
        let readable = Readable::of(&watch)?;
        let mut follower = Follower {
            directory: directory.to_owned(),
            watch,
            readable,
            filter,
            number: 0,
            place: 0,
        };
        if let Some((number, _, size)) = files(directory)?.pop() {
            (follower.number, follower.place) = (number, size);
            // The end of the file may be amid a batch: read up to the last whole one.
            follower.place = follower.whole(size)?;
        }
        Ok(follower)
    }

    /// The end of the last whole batch of the file.
    fn whole(&self, size: u64) -> io::Result<u64> {
        let Some((_, path, _)) = files(&self.directory)?
            .into_iter()
            .find(|it| it.0 == self.number)
        else {
            return Ok(size);
        };
        let mut bytes = std::fs::read(path)?;
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        let mut left = &bytes[..];
        while batch::take(&mut left).is_some() {}
        Ok((bytes.len() - left.len()) as u64)
    }

    /// The next lines, as soon as there are any.
    ///
    /// # Errors
    /// A file cannot be read.
    pub async fn next(&mut self) -> io::Result<Vec<LogLine>> {
        loop {
            let lines = self.read()?;
            if !lines.is_empty() {
                return Ok(lines);
            }
            if self.watch.read_events().is_err() {
                self.readable.wait().await;
            }
        }
    }

    /// What is new.
    fn read(&mut self) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        for (number, path, size) in files(&self.directory)? {
            if number < self.number || number == self.number && size <= self.place {
                continue;
            }
            if number > self.number {
                (self.number, self.place) = (number, 0);
            }
            let mut file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            file.seek(SeekFrom::Start(self.place))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let mut left = &bytes[..];
            while let Some(batch) = batch::take(&mut left) {
                if self.filter.takes(&batch) {
                    lines.extend(batch.lines().filter(|line| self.filter.takes_line(line)));
                }
            }
            self.place += (bytes.len() - left.len()) as u64;
        }
        Ok(lines)
    }
}
