//! What processes write to standard output and error: one pipe per captured stream, read by a
//! task of its own until the last writer is gone.
//!
//! Lines are taken out of a pipe after they were logged, and a line without its end stays there:
//! whoever reads on when this daemon was killed finds every line, the last one perhaps once more.

use super::handle::Stream;
use super::keep::custody::Kept;
use super::line_rules::LineRules;
use super::lines::LineSplitter;
use super::log::Log;
use super::readiness::Readable;
use crate::unit::config::ExecConfig;
use crate::unit::name::UnitName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, tee};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Read at once, in bytes. On the stack while reading: hundreds of silent services must not
/// each keep a buffer.
const CHUNK: usize = 16 * 1024;
/// An unended line longer than this is taken out of the pipe. Of what is shorter the kernel keeps
/// at most two buffers, so that it never keeps anybody from writing on.
const SHORT: usize = 4096;

/// The reading end of a stream.
#[derive(Debug)]
pub(super) struct Reader {
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
    pub(super) fn open(exec: &ExecConfig) -> io::Result<Pipes> {
        let mut pipes = Pipes::default();
        if exec.standard_output.is_captured() {
            pipes.stdout = Some(pipes.add(Stream::Stdout)?);
        }
        if exec.standard_error.is_captured() {
            pipes.stderr = Some(pipes.add(Stream::Stderr)?);
        }
        Ok(pipes)
    }

    fn add(&mut self, stream: Stream) -> io::Result<OwnedFd> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        self.readers.push(Reader {
            stream,
            descriptor: Arc::new(reader),
            kept: None,
        });
        Ok(writer)
    }

    /// The read ends, to be put into custody.
    pub(super) fn readers_mut(&mut self) -> &mut [Reader] {
        &mut self.readers
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
    tasks: JoinSet<()>,
}

impl Capture {
    /// Nothing is read so far.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new(log: Arc<Log>) -> io::Result<Capture> {
        Ok(Capture {
            log,
            scratch: scratch()?,
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
                        from: From {
                            unit: unit.clone(),
                            pid,
                            stream: reader.stream,
                            rules: rules.clone(),
                        },
                    };
                    let scratch = self.scratch.clone();
                    self.tasks.spawn(read(reader, readable, scratch, sink));
                }
                Err(error) => tracing::warn!("cannot read the output of {unit}: {error}"),
            }
        }
    }

    /// Waits until everything written was read: every writer must be gone.
    pub(super) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Where lines come from.
#[derive(Debug)]
pub(super) struct From {
    pub(super) unit: UnitName,
    pub(super) pid: i32,
    pub(super) stream: Stream,
    pub(super) rules: Arc<LineRules>,
}

fn scratch() -> io::Result<Scratch> {
    let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    Ok(Arc::new(Mutex::new(pipe)))
}

/// Where the lines go.
struct Sink {
    log: Arc<Log>,
    from: From,
}

impl Sink {
    fn line(&self, line: &str) {
        self.log.service(&self.from, line);
    }
}

/// What a look into a pipe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// Something was taken out of it: there may be more.
    More,
    /// There is nothing, or no more than the beginning of a line.
    Nothing,
    /// The last writer is gone, and everything is taken.
    End,
}

async fn read(reader: Reader, readable: Readable, scratch: Scratch, sink: Sink) {
    let mut splitter = LineSplitter::default();
    loop {
        match take(&reader.descriptor, &scratch, &mut splitter, &sink) {
            Ok(Looked::End) => break,
            // One loud service must not keep the others' exits waiting.
            Ok(Looked::More) => tokio::task::yield_now().await,
            Ok(Looked::Nothing) => readable.wait().await,
            Err(error) => {
                let unit = &sink.from.unit;
                tracing::warn!("cannot read the output of {unit}: {error}");
                break;
            }
        }
    }
    if let Some(line) = splitter.finish() {
        sink.line(&line);
    }
}

/// Logs the lines that are there and takes them out of the pipe.
fn take(
    pipe: &OwnedFd,
    scratch: &Scratch,
    splitter: &mut LineSplitter,
    sink: &Sink,
) -> io::Result<Looked> {
    let mut buffer = [0; CHUNK];
    // Before the look: what comes in between is there to be seen.
    let over = has_no_writer(pipe);
    let count = match look(pipe, scratch, &mut buffer) {
        Ok(0) => return Ok(if over { Looked::End } else { Looked::Nothing }),
        Ok(count) => count,
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(Looked::Nothing),
        Err(error) => return Err(error.into()),
    };
    let seen = &buffer[..count];
    let ended = seen.iter().rposition(|byte| *byte == b'\n');
    let ended = ended.map_or(0, |last| last + 1);
    let taken = match count - ended {
        tail if over || tail > SHORT || count == CHUNK => count,
        _ => ended,
    };
    if taken == 0 {
        return Ok(Looked::Nothing);
    }
    for line in splitter.feed(&seen[..taken]) {
        sink.line(&line);
    }
    let mut left = taken;
    while left > 0 {
        match rustix::io::read(pipe, &mut buffer[..left]) {
            Ok(0) => break,
            Ok(count) => left -= count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Looked::More)
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
fn look(pipe: &OwnedFd, scratch: &Scratch, buffer: &mut [u8]) -> Result<usize, Errno> {
    let scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
    let (out, into) = &*scratch;
    let count = tee(pipe, into, buffer.len(), SpliceFlags::NONBLOCK)?;
    let mut copied = 0;
    while copied < count {
        copied += rustix::io::read(out, &mut buffer[copied..count])?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_logged() {
        let log = Arc::new(Log::new());
        let mut capture = Capture::new(log.clone()).unwrap();
        let exec = ExecConfig {
            standard_error: crate::unit::config::OutputTarget::Log,
            ..ExecConfig::default()
        };
        let mut pipes = Pipes::open(&exec).unwrap();
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
        let log = Arc::new(Log::new());
        let (scratch, unit) = (scratch().unwrap(), UnitName::parse("a.service").unwrap());
        let sink = Sink {
            log: log.clone(),
            from: From {
                unit: unit.clone(),
                pid: 7,
                stream: Stream::Stdout,
                rules: log.rules(&unit, None, "a", ""),
            },
        };
        let mut splitter = LineSplitter::default();
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
        let mut take = || take(&reader, &scratch, &mut splitter, &sink).unwrap();
        assert_eq!(take(), Looked::Nothing);
        rustix::io::write(&writer, b"one\ntwo").unwrap();
        assert_eq!((take(), take()), (Looked::More, Looked::Nothing));
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), 3);
        // A long one does not, or it would keep the writer from writing on.
        rustix::io::write(&writer, &[b'x'; SHORT]).unwrap();
        assert_eq!((take(), take()), (Looked::More, Looked::Nothing));
        assert_eq!(rustix::io::ioctl_fionread(&reader).unwrap(), 0);
        rustix::io::write(&writer, b"\nthree").unwrap();
        assert_eq!(take(), Looked::More);
        drop(writer);
        assert_eq!((take(), take()), (Looked::More, Looked::End));
        assert_eq!(splitter.finish().as_deref(), Some("three"));
        let lines = log.last(Some(&unit), 10);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].text.len(), 3 + SHORT);
    }

    #[test]
    fn only_what_is_captured_gets_a_pipe() {
        let exec = ExecConfig::default();
        let pipes = Pipes::open(&exec).unwrap();
        assert!(pipes.stdout.is_some() && pipes.stderr.is_none());
        let exec = ExecConfig {
            standard_output: crate::unit::config::OutputTarget::Null,
            ..ExecConfig::default()
        };
        assert!(Pipes::open(&exec).unwrap().stdout.is_none());
    }
}
