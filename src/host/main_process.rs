//! Finds main processes that were not started as such: from a PID file, as the only process
//! left, or because the service named it (checklist M14).

use super::pid_file::{self, PidFile, Watch};
use super::process_table;
use super::run::{Fact, Host};
use crate::engine::{Event, MainSource, ProcessId, Role, UnitId};
use crate::sys::{pidfd, proc};
use std::os::fd::{AsFd, OwnedFd};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    unit: UnitId,
    wait: bool,
    task: AbortHandle,
}

/// A process that may be a main process.
#[derive(Debug)]
struct Candidate {
    pid: i32,
    /// Somebody who may says so: it need not be in the unit.
    trusted: bool,
    /// The inode that its pidfd must have.
    inode: Option<u64>,
}

impl Candidate {
    fn plain(pid: i32, trusted: bool) -> Candidate {
        Candidate {
            pid,
            trusted,
            inode: None,
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    /// Carries an order out; answered by `MainFound` or `MainNotFound`, perhaps later.
    pub(super) fn find_main(&mut self, process: ProcessId, unit: UnitId, source: MainSource) {
        let found = match source {
            MainSource::PidFile { path, wait } => {
                return self.search(process, unit, path, wait);
            }
            MainSource::OnlyProcess => self
                .only_process(unit)
                .and_then(|pid| self.adopt(process, unit, &Candidate::plain(pid, false))),
            MainSource::Told { pid, inode } => {
                let trusted = self.told_by_root.remove(&unit) == Some(pid);
                let candidate = Candidate {
                    pid,
                    trusted,
                    inode,
                };
                self.adopt(process, unit, &candidate)
            }
        };
        self.answer_main(process, found);
    }

    /// Gives up a search, or the watch over a process that is not the main one any more.
    pub(super) fn forget_main(&mut self, process: ProcessId) {
        self.searches.remove(&process);
        if let Some(old) = self.processes.remove(process) {
            self.groups.suspect(old.unit);
        }
        // If it ended meanwhile, nobody else will wait for it.
        self.children_due = true;
    }

    fn search(&mut self, process: ProcessId, unit: UnitId, path: String, wait: bool) {
        let task = tokio::spawn(look_again_and_again(
            path,
            wait,
            process,
            self.facts.clone(),
        ));
        let task = task.abort_handle();
        self.searches.insert(process, Search { unit, wait, task });
    }

    /// A PID file was read.
    pub(super) fn pid_file_read(&mut self, process: ProcessId, read: Result<PidFile, String>) {
        let Some(search) = self.searches.get(&process) else {
            return;
        };
        let (unit, wait) = (search.unit, search.wait);
        let found = read.and_then(|file| {
            let candidate = Candidate::plain(file.pid, file.trusted);
            self.adopt(process, unit, &candidate)
        });
        if let (Err(reason), true) = (&found, wait) {
            tracing::debug!("still waiting for a main process: {reason}");
            return;
        }
        self.searches.remove(&process);
        self.answer_main(process, found);
    }

    fn answer_main(&mut self, process: ProcessId, found: Result<i32, String>) {
        self.tell(match found {
            Ok(pid) => Event::MainFound { process, pid },
            Err(reason) => Event::MainNotFound { process, reason },
        });
    }

    /// The one process of the unit that the engine does not know, if there is exactly one.
    fn only_process(&self, unit: UnitId) -> Result<i32, String> {
        let known = self.known();
        let mut others = self.groups.processes(unit, &known);
        others.retain(|pid| !known.contains_key(pid));
        match others.as_slice() {
            [pid] => Ok(*pid),
            [] => Err("no process is left that could be the main process".to_owned()),
            many => Err(format!(
                "{} processes are left, any of them could be the main process",
                many.len()
            )),
        }
    }

    /// Watches a process as the unit's main process, if it may be that.
    fn adopt(
        &mut self,
        process: ProcessId,
        unit: UnitId,
        candidate: &Candidate,
    ) -> Result<i32, String> {
        let (pid, trusted) = (candidate.pid, candidate.trusted);
        if pid <= 1 || pid == std::process::id() as i32 {
            return Err(format!("process {pid} cannot be a main process"));
        }
        let is_control = self.processes.all_running().any(|(_, process, running)| {
            running.pid == pid && matches!(process.role, Some(Role::Control(_)))
        });
        if is_control {
            return Err(format!("process {pid} is the control process"));
        }
        let descriptor =
            pidfd::open(pid).map_err(|error| format!("cannot watch process {pid}: {error}"))?;
        check_inode(&descriptor, candidate)?;
        // Looked at after it was opened: what is seen is the process that will be watched.
        if proc::stat(pid).map_or(true, |stat| process_table::is_dead(&stat)) {
            return Err(format!("process {pid} has ended"));
        }
        if !trusted && self.groups.unit_of(pid, &self.known()) != Some(unit) {
            return Err(format!("process {pid} does not belong to the unit"));
        }
        let foreign = !matches!(pidfd::is_child(descriptor.as_fd()), Ok(true));
        let known = self.in_custody(process, pid, descriptor, foreign);
        self.processes
            .running(process, unit, known, &self.bells)
            .map_err(|error| format!("cannot watch process {pid}: {error}"))?;
        self.groups.joined(unit, pid, None);
        Ok(pid)
    }
}

/// Kernels before 6.9 give all pidfds the same inode; there it says nothing.
fn check_inode(descriptor: &OwnedFd, candidate: &Candidate) -> Result<(), String> {
    let Some(wanted) = candidate.inode else {
        return Ok(());
    };
    let pid = candidate.pid;
    match pidfd::inode(descriptor.as_fd()) {
        Ok(Some(seen)) if seen != wanted => {
            Err(format!("process {pid} is not the one with inode {wanted}"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot look at process {pid}: {error}")),
    }
}

/// Reads the file now and, if it is waited for, after every change on the way to it.
async fn look_again_and_again(
    path: String,
    wait: bool,
    process: ProcessId,
    facts: UnboundedSender<Fact>,
) {
    let watch = match wait.then(|| Watch::new(&path)) {
        Some(Ok(watch)) => Some(watch),
        Some(Err(error)) => {
            tracing::warn!("cannot watch for the PID file {path}: {error}");
            None
        }
        None => None,
    };
    loop {
        let path = path.clone();
        let read = tokio::task::spawn_blocking(move || pid_file::read(&path)).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        if facts.send(Fact::PidFile(process, read)).is_err() {
            return;
        }
        match &watch {
            Some(watch) => watch.changed().await,
            None => return,
        }
    }
}
