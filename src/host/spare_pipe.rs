//! Pipes for what processes write: each is in custody before its process begins, so that what the
//! process writes is not lost with the daemon. To make one and to hand it over takes the time of
//! some of the start and wakes whoever holds it, so that the next one is made ahead, once what is
//! to be started is.
//!
//! A spare one is in no journal: a daemon that takes over lets go of it.

use super::keep;
use super::keep::custody::{Custody, Kept};
use super::run::Host;
use crate::sys::numbers::up;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A pipe in custody.
#[derive(Debug)]
pub(super) struct FreshPipe {
    /// Its own; never used again.
    pub(super) number: u64,
    pub(super) reader: Arc<OwnedFd>,
    pub(super) writer: OwnedFd,
    pub(super) kept: Kept,
}

impl FreshPipe {
    /// Makes it and puts it into custody.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn new(number: u64, custody: &Arc<Custody>) -> io::Result<FreshPipe> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let reader = Arc::new(up(reader));
        let kept = custody.keep(keep::pipe_key(number), &reader);
        Ok(FreshPipe {
            number,
            reader,
            writer,
            kept,
        })
    }
}

/// The one that was made ahead.
#[derive(Debug, Default)]
pub(super) struct SparePipe {
    pipe: Option<FreshPipe>,
    /// One was needed: there may soon be another start.
    is_wanted: bool,
}

impl Host {
    /// A pipe for a process that is about to be started.
    ///
    /// # Errors
    /// No descriptors are left.
    pub(super) fn fresh_pipe(&mut self) -> io::Result<FreshPipe> {
        self.spare.is_wanted = true;
        match self.spare.pipe.take() {
            Some(pipe) => Ok(pipe),
            None => self.make_pipe(),
        }
    }

    fn make_pipe(&mut self) -> io::Result<FreshPipe> {
        self.last_pipe += 1;
        FreshPipe::new(self.last_pipe, &self.custody)
    }

    /// Makes the next one if the last one was taken.
    pub(super) fn make_spare_pipe(&mut self) {
        if std::mem::take(&mut self.spare.is_wanted) && self.spare.pipe.is_none() {
            // Where there are no descriptors left the next start says so.
            self.spare.pipe = self.make_pipe().ok();
        }
    }
}
