//! What processes write to standard output and error: one pipe per captured stream, read by a
//! task of its own until the last writer is gone.

use super::handle::Stream;
use super::line_rules::LineRules;
use super::lines::LineSplitter;
use super::log::Log;
use crate::unit::config::ExecConfig;
use crate::unit::name::UnitName;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;

/// Read at once, in bytes. On the stack while reading: hundreds of silent services must not
/// each keep a buffer.
const CHUNK: usize = 16 * 1024;

/// Both ends of the pipes of one process.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    readers: Vec<(Stream, OwnedFd)>,
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
        self.readers.push((stream, reader));
        Ok(writer)
    }

    /// The read ends, for [`Capture::start`].
    pub(super) fn take_readers(&mut self) -> Vec<(Stream, OwnedFd)> {
        std::mem::take(&mut self.readers)
    }
}

/// All tasks that read.
#[derive(Debug)]
pub(super) struct Capture {
    log: Arc<Log>,
    tasks: JoinSet<()>,
}

impl Capture {
    pub(super) fn new(log: Arc<Log>) -> Capture {
        Capture {
            log,
            tasks: JoinSet::new(),
        }
    }

    /// Reads the streams of a process from here on.
    pub(super) fn start(
        &mut self,
        unit: &UnitName,
        pid: i32,
        readers: Vec<(Stream, OwnedFd)>,
        rules: &Arc<LineRules>,
    ) {
        while self.tasks.try_join_next().is_some() {}
        for (stream, reader) in readers {
            match pipe::Receiver::from_owned_fd(reader) {
                Ok(receiver) => {
                    let log = self.log.clone();
                    let unit = unit.clone();
                    let from = From {
                        unit,
                        pid,
                        stream,
                        rules: rules.clone(),
                    };
                    self.tasks.spawn(read(receiver, log, from));
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

async fn read(receiver: pipe::Receiver, log: Arc<Log>, from: From) {
    let mut splitter = LineSplitter::default();
    loop {
        match receiver
            .readable()
            .await
            .and_then(|()| take(&receiver, &mut splitter))
        {
            Ok(None) => break,
            Ok(Some(lines)) => {
                for line in lines {
                    log.service(&from, &line);
                }
            }
            Err(error) => {
                tracing::warn!("cannot read the output of {}: {error}", from.unit);
                break;
            }
        }
        // One loud service must not keep the others' exits waiting.
        tokio::task::yield_now().await;
    }
    if let Some(line) = splitter.finish() {
        log.service(&from, &line);
    }
}

/// Takes what is there now and returns the lines it ends; `None` when the last writer is gone.
fn take(receiver: &pipe::Receiver, splitter: &mut LineSplitter) -> io::Result<Option<Vec<String>>> {
    let mut buffer = [0; CHUNK];
    match receiver.try_read(&mut buffer) {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(splitter.feed(&buffer[..count]))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(Vec::new())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_logged() {
        let log = Arc::new(Log::new());
        let mut capture = Capture::new(log.clone());
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
