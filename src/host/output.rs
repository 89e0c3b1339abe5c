//! What processes write to standard output and error: one pipe per captured stream, read by a
//! task of its own until the last writer is gone.
//!
//! Lines are taken out of a pipe after they were written to where the log goes, and a line without
//! its end stays there: whoever reads on when this daemon was killed finds every line, the last ones
//! perhaps once more. While something stays there, the kernel does not always tell of more: somebody
//! whose one write fills the pipe is put to sleep, and only who waits at an empty pipe hears of it.
//! So a pipe that is left with something in it is looked at again after a while. A service that writes
//! faster than that waits, as its pipe is full; unless LogBackpressure=drop says that its lines are to
//! be thrown away then.

use super::clock;
use super::handle::Stream;
use super::keep::custody::Kept;
use super::line_rules::LineRules;
use super::lines::LineSplitter;
use super::log::Log;
use super::readiness::Readable;
use super::spare_pipe::FreshPipe;
use super::store::batch::{Batch, Origin};
use crate::engine::LogLevel;
use crate::unit::config::ExecConfig;
use crate::unit::name::UnitName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, tee};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, oneshot};
use tokio::task::JoinSet;

/// Read at once, in bytes. What is read is kept only while it is looked at: hundreds of silent
/// services must not each keep a buffer.
const CHUNK: usize = 64 * 1024;
/// An unended line longer than this is taken out of the pipe. Of what is shorter the kernel keeps
/// at most two buffers, so that it never keeps anybody from writing on.
const SHORT: usize = 4096;
/// How soon a pipe is looked at again that was left with the beginning of a line; twice as long
/// each time, as long as nothing comes.
const SOON: Duration = Duration::from_millis(1);
/// And no later than this.
const LATE: Duration = Duration::from_secs(1);

/// The reading end of a stream.
#[derive(Debug)]
pub(super) struct Reader {
    /// The pipe's.
    pub(super) number: u64,
    pub(super) stream: Stream,
    pub(super) descriptor: Arc<OwnedFd>,
    /// Its place in custody.
    pub(super) kept: Option<Kept>,
}

/// Both ends of the pipes of one process.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    readers: Vec<Reader>,
    /// For the child.
    pub(super) stdout: Option<OwnedFd>,
    /// For the child; `None` where standard error goes with standard output.
    pub(super) stderr: Option<OwnedFd>,
}

impl Pipes {
    /// Makes the pipes that the configuration asks for.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn open(
        exec: &ExecConfig,
        mut make: impl FnMut(Stream) -> io::Result<FreshPipe>,
    ) -> io::Result<Pipes> {
        let mut pipes = Pipes::default();
        if exec.standard_output.is_captured() {
            pipes.stdout = Some(pipes.add(Stream::Stdout, make(Stream::Stdout)?));
        }
        if exec.standard_error.is_captured() {
            pipes.stderr = Some(pipes.add(Stream::Stderr, make(Stream::Stderr)?));
        }
        Ok(pipes)
    }

    fn add(&mut self, stream: Stream, pipe: FreshPipe) -> OwnedFd {
        self.readers.push(Reader {
            number: pipe.number,
            stream,
            descriptor: pipe.reader,
            kept: Some(pipe.kept),
        });
        pipe.writer
    }

    /// The read ends, for [`Capture::start`].
    pub(super) fn take_readers(&mut self) -> Vec<Reader> {
        std::mem::take(&mut self.readers)
    }
}

/// A pipe of our own, for a look at what is in another one. Empty between two looks.
type Scratch = Arc<Mutex<(OwnedFd, OwnedFd)>>;

/// All tasks that read.
#[derive(Debug)]
pub(super) struct Capture {
    log: Arc<Log>,
    scratch: Scratch,
    /// Held for reading by who has looked at lines and not taken them out of their pipe yet.
    at_it: Arc<RwLock<()>>,
    tasks: JoinSet<()>,
}

/// Nothing is read while this is there.
pub(super) type Pause = OwnedRwLockWriteGuard<()>;

impl Capture {
    /// Nothing is read so far.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new(log: Arc<Log>) -> io::Result<Capture> {
        Ok(Capture {
            log,
            scratch: scratch()?,
            at_it: Arc::default(),
            tasks: JoinSet::new(),
        })
    }

    /// Reads the streams of a process from here on.
    pub(super) fn start(
        &mut self,
        unit: &UnitName,
        pid: i32,
        readers: Vec<Reader>,
        rules: &Arc<LineRules>,
    ) {
        while self.tasks.try_join_next().is_some() {}
        for reader in readers {
            let readable = rustix::io::ioctl_fionbio(&reader.descriptor, true)
                .map_err(io::Error::from)
                .and_then(|()| Readable::new(reader.descriptor.clone()));
            match readable {
                Ok(readable) => {
                    let sink = Sink {
                        log: self.log.clone(),
                        from: From::new(unit, pid, reader.stream, rules),
                        cut: None,
                    };
                    let (scratch, at_it) = (self.scratch.clone(), self.at_it.clone());
                    self.tasks
                        .spawn(read(reader, readable, scratch, at_it, sink));
                }
                Err(error) => tracing::warn!("cannot read the output of {unit}: {error}"),
            }
        }
    }

    /// Waits until nothing is logged that is still in its pipe.
    pub(super) async fn pause(&self) -> Pause {
        self.at_it.clone().write_owned().await
    }

    /// Waits until everything written was read: every writer must be gone.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Where lines come from, and what becomes of them.
#[derive(Debug)]
pub(super) struct From {
    pub(super) unit: UnitName,
    pub(super) origin: Arc<Origin>,
    pub(super) rules: Arc<LineRules>,
}

impl From {
    /// A stream of a process.
    pub(super) fn new(unit: &UnitName, pid: i32, stream: Stream, rules: &Arc<LineRules>) -> From {
        let origin = Origin {
            unit: Some(unit.clone()),
            pid,
            stream,
            invocation: rules.settings.invocation.clone(),
            identifier: rules.identifier().unwrap_or("").to_owned(),
        };
        From {
            unit: unit.clone(),
            origin: Arc::new(origin),
            rules: rules.clone(),
        }
    }
}

fn scratch() -> io::Result<Scratch> {
    let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    Ok(Arc::new(Mutex::new(pipe)))
}

/// Where the lines go.
struct Sink {
    log: Arc<Log>,
    from: From,
    /// A line that was too long goes on: its level, unless it is left out.
    cut: Option<Option<u8>>,
}

/// Word of when lines are written; `None` if nobody is to wait for it.
type Written = Option<oneshot::Receiver<()>>;

impl Sink {
    /// Logs the lines that `feed` tells of. What becomes of all pieces of a line is settled by the
    /// first one.
    fn log(&mut self, feed: impl FnOnce(&mut dyn FnMut(&[u8], bool))) -> Written {
        let now = clock::now();
        let new = || Batch::new(self.from.origin.clone(), now.realtime);
        let (mut batch, mut last) = (new(), None);
        feed(&mut |line, goes_on| {
            let line = String::from_utf8_lossy(line);
            let (level, text) = match self.cut {
                Some(level) => (level, &*line),
                None => {
                    let judged = self.from.rules.judge(&line, now.monotonic);
                    if let Some(text) = &judged.notice {
                        let unit = Some(&self.from.unit);
                        self.log.manager(LogLevel::Notice, unit, text);
                    }
                    judged
                        .line
                        .map_or((None, ""), |(level, text)| (Some(level), text))
                }
            };
            self.cut = goes_on.then_some(level);
            let Some(level) = level else {
                return;
            };
            batch.add(level, text, goes_on);
            if batch.is_full() {
                let full = std::mem::replace(&mut batch, new());
                last = Some(self.log.take(&self.from, full));
            }
        });
        if batch.count() > 0 {
            last = Some(self.log.take(&self.from, batch));
        }
        // They are written in order: the last one is written last.
        last.filter(|_| !self.from.rules.drops())
    }

    /// Whether lines are thrown away now.
    fn drops(&self) -> bool {
        let rules = &self.from.rules;
        if !rules.drops() || self.log.is_behind() {
            return rules.drops();
        }
        if let Some(count) = rules.take_dropped() {
            let text = format!("{count} lines were dropped: the log did not take them in time");
            let unit = Some(&self.from.unit);
            self.log.manager(LogLevel::Warning, unit, &text);
        }
        false
    }
}

/// What a look into a pipe came to.
#[derive(Debug)]
enum Looked {
    /// So many bytes are to be taken out of it once they are written: there may be more.
    More(usize, Written),
    /// There is nothing.
    Nothing,
    /// There is no more than the beginning of a line.
    Beginning,
    /// The last writer is gone, and everything is taken.
    End,
}

async fn read(
    mut reader: Reader,
    readable: Readable,
    scratch: Scratch,
    at_it: Arc<RwLock<()>>,
    mut sink: Sink,
) {
    let mut splitter = LineSplitter::default();
    let mut patience = SOON;
    loop {
        let guard = at_it.read().await;
        match look_and_log(&reader.descriptor, &scratch, &mut splitter, &mut sink) {
            Ok(Looked::End) => {
                // The end of the process comes next, and perhaps the start of another one.
                if let Some(kept) = reader.kept.take() {
                    kept.give_up_later();
                }
                break;
            }
            Ok(Looked::More(count, written)) => {
                if let Some(written) = written {
                    // It fails only if nothing is written any more.
                    let _ = written.await;
                }
                if let Err(error) = take_out(&reader.descriptor, count) {
                    return tell_unreadable(&sink, &error);
                }
                drop(guard);
                patience = SOON;
                // One loud service must not keep the others' exits waiting.
                tokio::task::yield_now().await;
            }
            Ok(Looked::Nothing) => {
                drop(guard);
                readable.wait().await;
            }
            Ok(Looked::Beginning) => {
                drop(guard);
                // Whether there is more is found by looking.
                let _ = tokio::time::timeout(patience, readable.wait()).await;
                patience = (patience * 2).min(LATE);
            }
            Err(error) => return tell_unreadable(&sink, &error),
        }
    }
    if let Some(written) = sink.log(|tell| splitter.finish(tell)) {
        let _ = written.await;
    }
}

fn tell_unreadable(sink: &Sink, error: &io::Error) {
    let unit = &sink.from.unit;
    tracing::warn!("cannot read the output of {unit}: {error}");
}

/// Logs the lines that are there; they stay in the pipe.
fn look_and_log(
    pipe: &OwnedFd,
    scratch: &Scratch,
    splitter: &mut LineSplitter,
    sink: &mut Sink,
) -> io::Result<Looked> {
    // Before the look: what comes in between is there to be seen.
    let over = has_no_writer(pipe);
    let seen = match look(pipe, scratch) {
        Ok(seen) if seen.is_empty() => {
            return Ok(if over { Looked::End } else { Looked::Nothing });
        }
        Ok(seen) => seen,
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(Looked::Nothing),
        Err(error) => return Err(error.into()),
    };
    let count = seen.len();
    let ended = memchr::memrchr(b'\n', &seen).map_or(0, |last| last + 1);
    if ended > 0 && sink.drops() {
        splitter.forget();
        sink.cut = None;
        let lines = memchr::memchr_iter(b'\n', &seen[..ended]).count();
        sink.from.rules.add_dropped(lines as u64);
        return Ok(Looked::More(ended, None));
    }
    // The beginning of a line stays, also behind whole ones: it would be gone with this daemon.
    let taken = match ended {
        0 if over || count > SHORT => count,
        _ => ended,
    };
    if taken == 0 {
        return Ok(Looked::Beginning);
    }
    let written = sink.log(|tell| splitter.feed(&seen[..taken], tell));
    Ok(Looked::More(taken, written))
}

/// Takes bytes out of a pipe that are in it.
fn take_out(pipe: &OwnedFd, count: usize) -> io::Result<()> {
    let mut buffer = vec![0; count];
    let mut left = count;
    while left > 0 {
        match rustix::io::read(pipe, &mut buffer[..left]) {
            Ok(0) => break,
            Ok(count) => left -= count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn has_no_writer(pipe: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(pipe, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut watched, Some(&now)).is_ok() && watched[0].revents().contains(PollFlags::HUP)
}

/// Copies what is in a pipe, as far as it fits; it stays there.
fn look(pipe: &OwnedFd, scratch: &Scratch) -> Result<Vec<u8>, Errno> {
    let scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
    let (out, into) = &*scratch;
    let count = tee(pipe, into, CHUNK, SpliceFlags::NONBLOCK)?;
    // No larger than needed: there is nothing at the end of most processes.
    let mut buffer = vec![0; count];
    let mut copied = 0;
    while copied < count {
        copied += rustix::io::read(out, &mut buffer[copied..])?;
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::super::keep::custody::Custody;
    use super::*;

    fn open(exec: &ExecConfig) -> Pipes {
        let custody = Custody::nobody();
        Pipes::open(exec, |_| FreshPipe::new(1, &custody)).unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_logged() {
        let log = Arc::new(Log::in_memory());
        let mut capture = Capture::new(log.clone()).unwrap();
        let exec = ExecConfig {
            standard_error: crate::unit::config::OutputTarget::Log,
            ..ExecConfig::default()
        };
        let mut pipes = open(&exec);
        let unit = UnitName::parse("a.service").unwrap();
        let rules = log.rules(&unit, None, "a", "");
        capture.start(&unit, 7, pipes.take_readers(), &rules);
        let (stdout, stderr) = (pipes.stdout.take().unwrap(), pipes.stderr.take().unwrap());
        rustix::io::write(&stdout, b"one\ntwo").unwrap();
        rustix::io::write(&stderr, b"three\n").unwrap();
        drop((stdout, stderr));
        capture.finish().await;
        let lines = log.last(Some(&unit), 10);
        let mut texts: Vec<_> = lines.iter().map(|l| (l.stream, l.text.as_str())).collect();
        texts.sort_by_key(|(_, text)| *text);
        assert_eq!(
            texts,
            [
                (Stream::Stdout, "one"),
                (Stream::Stderr, "three"),
                (Stream::Stdout, "two")
            ]
        );
        assert!(lines.iter().all(|line| line.pid == 7));
    }

    #[tokio::test]
    async fn the_beginning_of_a_line_waits_in_the_pipe() {
        let log = Arc::new(Log::in_memory());
        let (scratch, unit) = (scratch().unwrap(), UnitName::parse("a.service").unwrap());
        let mut sink = Sink {
            log: log.clone(),
            from: From::new(&unit, 7, Stream::Stdout, &log.rules(&unit, None, "a", "")),
            cut: None,
        };
        let mut splitter = LineSplitter::default();
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut take = || match look_and_log(&reader, &scratch, &mut splitter, &mut sink).unwrap() {
            Looked::More(count, _) => {
                take_out(&reader, count).unwrap();
                "more"
            }
            Looked::Nothing => "nothing",
            Looked::Beginning => "beginning",
            Looked::End => "end",
        };
        assert_eq!(take(), "nothing");
        rustix::io::write(&writer, b"one\ntwo").unwrap();
        assert_eq!((take(), take()), ("more", "beginning"));
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), 3);
        // A long one does not, or it would keep the writer from writing on.
        rustix::io::write(&writer, &[b'x'; SHORT]).unwrap();
        assert_eq!((take(), take()), ("more", "nothing"));
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), 0);
        rustix::io::write(&writer, b"\nthree").unwrap();
        assert_eq!(take(), "more");
        drop(writer);
        assert_eq!((take(), take()), ("more", "end"));
        let mut last = Vec::new();
        splitter.finish(|line, _| last.extend_from_slice(line));
        assert_eq!(last, b"three");
        let lines = log.last(Some(&unit), 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].text.len(), 3 + SHORT);
    }

    #[tokio::test]
    async fn who_fills_a_pipe_behind_the_beginning_of_a_line_is_heard() {
        let log = Arc::new(Log::in_memory());
        let mut capture = Capture::new(log.clone()).unwrap();
        let mut pipes = open(&ExecConfig::default());
        let unit = UnitName::parse("a.service").unwrap();
        let rules = log.rules(&unit, None, "a", "");
        let readers = pipes.take_readers();
        let reader = readers[0].descriptor.clone();
        capture.start(&unit, 7, readers, &rules);
        let stdout = pipes.stdout.take().unwrap();
        rustix::io::write(&stdout, b"one\nbegin").unwrap();
        while rustix::io::ioctl_fionread(&reader).unwrap() != 5 {
            tokio::task::yield_now().await;
        }
        // Now it has been looked at, or will have been: many times over.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        // More than fits, at once.
        let writing = tokio::task::spawn_blocking(move || {
            let line = [&[b'x'; 99][..], b"\n"].concat();
            let mut left = &*line.repeat(4000);
            while !left.is_empty() {
                left = &left[rustix::io::write(&stdout, left).unwrap()..];
            }
        });
        let patience = Duration::from_secs(20);
        let all = tokio::time::timeout(patience, async {
            writing.await.unwrap();
            capture.finish().await;
        });
        all.await.expect("the writer is waited for in vain");
        assert_eq!(log.counts()[&unit], 4001);
    }

    #[tokio::test]
    async fn the_pieces_of_a_line_have_its_level() {
        let log = Arc::new(Log::in_memory());
        let unit = UnitName::parse("a.service").unwrap();
        let mut sink = Sink {
            log: log.clone(),
            from: From::new(&unit, 7, Stream::Stdout, &log.rules(&unit, None, "a", "")),
            cut: None,
        };
        let mut log_pieces = |pieces: &[(&str, bool)]| {
            drop(sink.log(|tell| {
                for (piece, goes_on) in pieces {
                    tell(piece.as_bytes(), *goes_on);
                }
            }));
        };
        log_pieces(&[("<3>bad", true), ("<7>more", true)]);
        log_pieces(&[("end", false), ("next", false)]);
        let lines = log.last(Some(&unit), 10);
        let seen = |line: &Arc<crate::host::LogLine>| (line.priority, line.text.clone());
        let seen: Vec<_> = lines.iter().map(seen).collect();
        let text = |level, text: &str| (level, text.to_owned());
        let all = [
            text(3, "bad"),
            text(3, "<7>more"),
            text(3, "end"),
            text(6, "next"),
        ];
        assert_eq!(seen, all);
    }

    #[test]
    fn only_what_is_captured_gets_a_pipe() {
        let exec = ExecConfig::default();
        let pipes = open(&exec);
        assert!(pipes.stdout.is_some() && pipes.stderr.is_none());
        let exec = ExecConfig {
            standard_output: crate::unit::config::OutputTarget::Null,
            ..ExecConfig::default()
        };
        assert!(open(&exec).stdout.is_none());
    }
}
