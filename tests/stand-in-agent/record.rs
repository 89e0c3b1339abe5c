//! The record of what happened when: the tests read the order of events from it.

use crate::options::Options;
use nix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions};
use std::io::Write;

/// A file that several stand-ins append to, one line a write, so that lines never mix.
pub(crate) struct Record {
    file: Option<File>,
    name: String,
}

impl Record {
    pub(crate) fn open(options: &Options) -> std::io::Result<Record> {
        let file = match &options.record {
            None => None,
            Some(path) => Some(OpenOptions::new().append(true).create(true).open(path)?),
        };
        Ok(Record {
            file,
            name: options.name.clone(),
        })
    }

    /// Appends `MONOTONIC_USEC NAME EVENT PID`.
    pub(crate) fn write(&self, event: &str) {
        let Some(mut file) = self.file.as_ref() else {
            return;
        };
        let usec = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |time| time.tv_sec() * 1_000_000 + time.tv_nsec() / 1000);
        let line = format!("{usec} {} {event} {}\n", self.name, std::process::id());
        if let Err(error) = file.write_all(line.as_bytes()) {
            eprintln!("{}: cannot record {event}: {error}", self.name);
        }
    }
}
