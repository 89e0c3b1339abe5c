//! The picture of the loop's own state, and when it is made.

use super::super::clock;
use super::super::operations::Freezer;
use super::super::run::{Fact, Host};
use super::journal::{self, Journal};
use super::saved::{self, Entry, HostState, Line, PipeOf, Saved, UnitState};
use super::{identity::Identity, pipe_key};
use crate::engine::{Event, ProcessId, Timestamp, UnitId};
use crate::host::handle::Stream;
use crate::sys::memory::give_back;
use crate::unit::effective::Extent;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use tokio::time::Instant;

/// From so many pipes on it is looked which of them are still read.
pub(in crate::host) const MOST_PIPES: usize = 64;

impl Host {
    /// Everything as it is between two events.
    pub(super) fn saved(&self) -> Saved {
        Saved::new(self.host_state(), self.engine.snapshot())
    }

    fn host_state(&self) -> HostState {
        let processes = self.processes.all_running();
        let pipes = self.pipes.iter();
        let pipes = pipes.filter(|(number, _)| self.custody.has(&pipe_key(**number)));
        HostState {
            machine: saved::machine(),
            begun: self.begun,
            processes: processes
                .map(|(id, _, running)| (id, running.identity))
                .collect(),
            pipes: pipes.map(|(id, pipe)| (*id, pipe.clone())).collect(),
            last_pipe: self.last_pipe,
            line: *self.log.lines().borrow(),
            lines: Vec::new(),
            environment: self.client_environment.clone(),
            tree: self.groups.place(),
            units: self.unit_states(),
            startup: self.startup.into(),
            directories: self.options.directories.clone(),
        }
    }

    fn unit_states(&self) -> BTreeMap<UnitId, UnitState> {
        let left_out = self.left_out.keys();
        let shared: Vec<UnitId> = self.isolations.units().collect();
        let known: BTreeSet<&UnitId> = left_out
            .chain(self.last_usage.keys())
            .chain(self.freezers.keys())
            .chain(&shared)
            .collect();
        let state = |unit: &UnitId| UnitState {
            left_out: self.left_out.get(unit).map_or_else(Vec::new, |left_out| {
                let pairs = left_out.iter();
                pairs
                    .map(|it| {
                        let part = it.extent == Extent::Part;
                        (it.directive.clone(), it.reason.clone(), part)
                    })
                    .collect()
            }),
            last_cpu: self.last_usage.get(unit).and_then(|usage| usage.cpu),
            frozen: self.freezers.get(unit) == Some(&Freezer::Frozen),
            isolation: self.isolations.state(*unit),
        };
        known.into_iter().map(|unit| (*unit, state(unit))).collect()
    }

    /// The lines of log that are kept.
    pub(super) fn kept_lines(&self) -> Vec<Line> {
        let lines = self.log.last(None, usize::MAX);
        lines.iter().map(|line| Line::from(&**line)).collect()
    }

    /// Writes down what the engine is about to hear.
    pub(in crate::host) fn note(&mut self, at: Timestamp, event: &Event) {
        self.begun |= matches!(event, Event::Request { .. });
        if let Some(journal) = &mut self.journal {
            let written = journal.event(at, event);
            self.check_journal(written);
        }
    }

    /// Who a process is that the engine is about to hear of.
    pub(in crate::host) fn identify(
        &mut self,
        process: ProcessId,
        pid: i32,
        descriptor: &impl AsFd,
        foreign: bool,
    ) -> Identity {
        let identity = Identity::of(pid, descriptor.as_fd(), foreign);
        if let Some(journal) = &mut self.journal {
            let written = journal.write(&Entry::Process(process, identity));
            self.check_journal(written);
        }
        identity
    }

    /// A pipe is there for a process that is about to be started.
    pub(in crate::host) fn note_pipe(
        &mut self,
        number: u64,
        process: ProcessId,
        unit: &UnitName,
        stream: Stream,
    ) {
        let pipe = PipeOf {
            process,
            unit: unit.clone(),
            stream,
            pid: 0,
        };
        if let Some(journal) = &mut self.journal {
            let written = journal.write(&Entry::Pipe(number, &pipe));
            self.check_journal(written);
        }
        if self.pipes.len() >= self.most_pipes {
            self.forget_pipes();
            self.most_pipes = MOST_PIPES.max(2 * self.pipes.len());
        }
        self.pipes.insert(number, pipe);
    }

    /// Forgets the pipes that nobody reads any more.
    fn forget_pipes(&mut self) {
        let custody = &self.custody;
        self.pipes
            .retain(|number, _| custody.has(&pipe_key(*number)));
    }

    /// What the processes of a unit share, after one was started.
    pub(in crate::host) fn note_isolation(&mut self, unit: UnitId) {
        self.isolations.put_in_custody(unit, &self.custody);
        let Some(state) = self.isolations.state(unit) else {
            return;
        };
        if let Some(journal) = &mut self.journal {
            let written = journal.write(&Entry::Isolation(unit, state));
            self.check_journal(written);
        }
    }

    fn check_journal(&mut self, written: io::Result<()>) {
        let Err(error) = written else {
            return;
        };
        tracing::error!(
            "cannot write the journal of this daemon: {error}; were it killed, its services \
             could not be taken over"
        );
        if let Some(journal) = self.journal.take() {
            journal.remove();
        }
    }

    /// What was changed is not all in the journal.
    pub(in crate::host) fn picture_is_due(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.make_due();
        }
    }

    /// When a picture is to be made if nothing happens until then.
    pub(in crate::host) fn quiet(&self) -> Option<Instant> {
        self.journal.as_ref().and_then(Journal::quiet)
    }

    /// Between two events: replaces a keeper that was lost, and makes a picture if one is due.
    pub(in crate::host) fn keep_up(&mut self) {
        self.custody.mend();
        if self.next_word().is_some_and(|due| due <= Instant::now()) {
            self.speak();
        }
        if self.journal.as_ref().is_some_and(Journal::is_due) {
            self.make_picture();
        }
    }

    /// Copies everything and has it written.
    pub(in crate::host) fn make_picture(&mut self) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let (directory, number) = match journal.turn_over() {
            Ok(place) => place,
            Err(error) => return self.check_journal(Err(error)),
        };
        let begun = clock::now().monotonic;
        self.forget_pipes();
        let saved = self.saved();
        let took = clock::now().monotonic - begun;
        tracing::trace!(took, number, "a picture was made");
        let facts = self.facts.clone();
        tokio::task::spawn_blocking(move || {
            let written = journal::write_picture(&directory, number, &saved);
            drop(saved);
            // As much as everything there is was copied for it.
            give_back();
            let _ = facts.send(Fact::Pictured(written));
        });
    }

    /// The picture is written, or cannot be.
    pub(in crate::host) fn pictured(&mut self, written: io::Result<usize>) {
        if let Some(journal) = &mut self.journal {
            journal.written(*written.as_ref().unwrap_or(&0));
        }
        self.check_journal(written.map(|_| ()));
    }

    /// Begins a journal with a picture that is there before anything else is done.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::host) fn begin_journal(&mut self) -> io::Result<()> {
        let runtime = &self.options.runtime;
        if self.custody.outlives() {
            self.journal = Some(Journal::begin(runtime, &self.saved())?);
            return Ok(());
        }
        // What an earlier daemon wrote is true no more.
        match std::fs::remove_dir_all(runtime.join(saved::DIRECTORY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
