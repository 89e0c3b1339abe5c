//! Descriptors in custody: a second hold on everything that must not be lost with the daemon,
//! under a key, at the keeper or in the store of the service manager above.

use super::keeper;
use super::saved::{self, ReadError, Record, Saved};
use rustix::event::PollFlags;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who holds what services need while no daemon is there (KeepServices=).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Keep {
    /// Nobody: services lose what they share with the daemon when it is killed.
    #[default]
    Nobody,
    /// A process of its own, started from this program.
    Keeper(PathBuf),
    /// The store of the service manager that runs the daemon (FDSTORE=1).
    Manager,
}

/// Why the keeper cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// What was saved cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The keeper does not answer.
    #[error("cannot get back what {0} holds of an earlier daemon: {1}")]
    Keeper(PathBuf, io::Error),
}

/// What an earlier daemon has left for this one.
#[derive(Debug)]
pub struct Recovered {
    pub(in crate::host) saved: Saved,
    pub(in crate::host) journal: Vec<Record>,
    pub(in crate::host) descriptors: BTreeMap<String, OwnedFd>,
    /// The connection to the keeper that held them.
    pub(in crate::host) keeper: Option<OwnedFd>,
    /// It was this very process: its children are still ours.
    pub(in crate::host) same_process: bool,
}

impl Recovered {
    /// Takes a descriptor that is for somebody else than the loop.
    pub fn take(&mut self, key: &str) -> Option<OwnedFd> {
        self.descriptors.remove(key)
    }

    /// Directories that the earlier daemon made and that go with the last one.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.saved.host.directories.clone()
    }

    /// Whether it had begun to do anything.
    pub fn has_begun(&self) -> bool {
        self.saved.host.begun || self.journal.iter().any(Record::begins)
    }
}

/// Looks for what a daemon that was killed has left in its runtime directory; `passed` are
/// descriptors out of the store of the service manager. Nothing is changed. To be called with the
/// lock of the directory held.
///
/// # Errors
/// It cannot be read, or is of another version: it is left as it is.
pub fn recover(
    runtime: &Path,
    keep: &Keep,
    passed: BTreeMap<String, OwnedFd>,
) -> Result<Option<Recovered>, KeepError> {
    let Some((saved, journal)) = saved::read(&runtime.join(saved::DIRECTORY))? else {
        return Ok(None);
    };
    let path = runtime.join(SOCKET);
    let (keeper, mut descriptors) = match keeper::connect(&path) {
        Ok(socket) => {
            let all = keeper::ask_for_all(socket.as_fd());
            let all = all.map_err(|error| KeepError::Keeper(path, error))?;
            (matches!(keep, Keep::Keeper(_)).then_some(socket), all)
        }
        // It has died as well: what it held is lost.
        Err(_) => (None, BTreeMap::new()),
    };
    descriptors.extend(passed);
    Ok(Some(Recovered {
        saved,
        journal,
        descriptors,
        keeper,
        same_process: false,
    }))
}

/// How long the service manager may take to read what it is told.
const MANAGER_PATIENCE: Duration = Duration::from_millis(500);
/// The keeper's socket, in the runtime directory.
const SOCKET: &str = "keeper";

/// All descriptors that another process has to get.
#[derive(Debug)]
pub(in crate::host) struct Custody {
    keep: Keep,
    path: PathBuf,
    held: Mutex<BTreeMap<String, Arc<OwnedFd>>>,
    given_up: Mutex<GivenUp>,
    keeper: Mutex<Option<OwnedFd>>,
    lost: AtomicBool,
}

/// What waits for [`Custody::pass_on`].
#[derive(Debug, Default)]
struct GivenUp {
    keys: Vec<String>,
    /// Everything that is given up waits.
    gathers: bool,
}

/// One of them; with this it is given up.
#[derive(Debug)]
pub(in crate::host) struct Kept {
    custody: Arc<Custody>,
    key: String,
    descriptor: Arc<OwnedFd>,
    /// Nobody waits for it to be closed elsewhere, too.
    can_wait: bool,
}

/// So many may wait while nothing happens.
const MOST_WAITING: usize = 64;

impl Kept {
    /// Gives it up; whoever holds it learns of it when there is something else to be done. For what
    /// nobody can use any more, such as a pipe that nobody writes to.
    pub(in crate::host) fn give_up_later(mut self) {
        self.can_wait = true;
    }
}

impl Custody {
    /// The keys that wait to be told of.
    #[cfg(test)]
    pub(in crate::host) fn waiting(&self) -> Vec<String> {
        lock(&self.given_up).keys.clone()
    }

    /// Nothing outlives the process but over execve.
    #[cfg(test)]
    pub(in crate::host) fn nobody() -> Arc<Custody> {
        Arc::new(Custody {
            keep: Keep::Nobody,
            path: PathBuf::new(),
            held: Mutex::default(),
            given_up: Mutex::default(),
            keeper: Mutex::default(),
            lost: AtomicBool::new(false),
        })
    }

    /// Starts a keeper, or goes on with the one that is there.
    pub(in crate::host) fn new(
        keep: Keep,
        runtime: &Path,
        keeper: Option<OwnedFd>,
    ) -> Arc<Custody> {
        let custody = Custody {
            lost: AtomicBool::new(keeper.is_none() && matches!(keep, Keep::Keeper(_))),
            keep,
            path: runtime.join(SOCKET),
            held: Mutex::default(),
            given_up: Mutex::default(),
            keeper: Mutex::new(keeper),
        };
        custody.mend();
        Arc::new(custody)
    }

    /// Whether anything outlives this process.
    pub(in crate::host) fn outlives(&self) -> bool {
        self.keep != Keep::Nobody
    }

    /// Puts a descriptor into custody.
    pub(in crate::host) fn keep(
        self: &Arc<Custody>,
        key: String,
        descriptor: &Arc<OwnedFd>,
    ) -> Kept {
        self.put(&key, descriptor.as_fd());
        self.held().insert(key.clone(), descriptor.clone());
        Kept {
            custody: self.clone(),
            key,
            descriptor: descriptor.clone(),
            can_wait: false,
        }
    }

    /// All that is held, by key.
    pub(in crate::host) fn all(&self) -> BTreeMap<String, Arc<OwnedFd>> {
        self.held().clone()
    }

    /// The connection to the keeper, if there is one.
    pub(super) fn keeper_copy(&self) -> Option<OwnedFd> {
        let keeper = lock(&self.keeper);
        keeper.as_ref().and_then(|socket| socket.try_clone().ok())
    }

    /// Whether something of this key is held.
    pub(in crate::host) fn has(&self, key: &str) -> bool {
        self.held().contains_key(key)
    }

    /// Lets go of what an earlier daemon has put there and nobody needs any more.
    pub(in crate::host) fn forget(&self, key: &str) {
        match self.keep {
            Keep::Nobody => {}
            Keep::Keeper(_) => self.tell(b'-', key, None),
            Keep::Manager => {
                let remove = [
                    sd_notify::NotifyState::FdStoreRemove,
                    sd_notify::NotifyState::FdName(key),
                ];
                self.note(sd_notify::notify(&remove));
            }
        }
    }

    /// From here on it waits for [`Custody::pass_on`] to be told what is given up: there is no
    /// hurry, and whoever holds it would take the processor from what is being started.
    pub(in crate::host) fn gather(&self) {
        lock(&self.given_up).gathers = true;
    }

    /// Tells of what was given up; nothing waits any more.
    pub(in crate::host) fn pass_on(&self) {
        lock(&self.given_up).gathers = false;
        self.catch_up();
    }

    /// Tells of what was given up so far.
    fn catch_up(&self) {
        let keys = std::mem::take(&mut lock(&self.given_up).keys);
        for key in keys {
            self.forget(&key);
        }
    }

    /// Waits until what was given up is closed elsewhere, too; not for long.
    pub(in crate::host) fn settle(&self) {
        self.catch_up();
        match self.keep {
            Keep::Nobody => {}
            Keep::Keeper(_) => {
                self.tell(b'~', "", None);
                let keeper = lock(&self.keeper);
                if let Some(socket) = keeper.as_ref() {
                    keeper::wait_for_word(socket.as_fd());
                }
            }
            Keep::Manager => self.note(manager_barrier()),
        }
    }

    fn put(&self, key: &str, descriptor: BorrowedFd<'_>) {
        let given_up = lock(&self.given_up);
        let again = given_up.keys.iter().any(|given_up| given_up == key);
        drop(given_up);
        if again {
            self.catch_up();
        }
        match self.keep {
            Keep::Nobody => {}
            Keep::Keeper(_) => self.tell(b'+', key, Some(descriptor)),
            Keep::Manager => {
                // Not to be dropped when the other end has gone: there may be something to read.
                let store = [
                    sd_notify::NotifyState::FdStore,
                    sd_notify::NotifyState::FdName(key),
                    sd_notify::NotifyState::Custom("FDPOLL=0"),
                ];
                self.note(sd_notify::notify_with_fds(&store, &[descriptor]));
            }
        }
    }

    fn tell(&self, kind: u8, key: &str, descriptor: Option<BorrowedFd<'_>>) {
        let mut keeper = lock(&self.keeper);
        let Some(socket) = keeper.as_ref() else {
            return;
        };
        if let Err(error) = keeper::send(socket.as_fd(), kind, key, descriptor) {
            tracing::warn!("the keeper does not answer ({error}); another one takes its place");
            *keeper = None;
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    fn note(&self, result: io::Result<()>) {
        if let Err(error) = result
            && !self.lost.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("the service manager does not take descriptors: {error}");
        }
    }

    /// Starts another keeper if the last one was lost, and gives it everything.
    pub(in crate::host) fn mend(&self) {
        let Keep::Keeper(program) = &self.keep else {
            return;
        };
        if !self.lost.swap(false, Ordering::Relaxed) {
            return;
        }
        match launch(program, &self.path) {
            Ok(socket) => *lock(&self.keeper) = Some(socket),
            Err(error) => {
                tracing::error!(
                    "cannot start a keeper: {error}; services lose their sockets and their \
                     output if this daemon is killed"
                );
                return;
            }
        }
        for (key, descriptor) in self.all() {
            self.put(&key, descriptor.as_fd());
        }
    }

    /// The daemon ends in order: nobody will ask any more.
    pub(in crate::host) fn close(&self) {
        if let Some(socket) = lock(&self.keeper).take() {
            keeper::end(socket.as_fd());
        }
        if matches!(self.keep, Keep::Keeper(_)) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Arc<OwnedFd>>> {
        lock(&self.held)
    }
}

/// Waits until the service manager has read all it was told (sd_notify_barrier(3)).
fn manager_barrier() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let barrier = [sd_notify::NotifyState::Custom("BARRIER=1")];
    sd_notify::notify_with_fds(&barrier, &[writer.as_fd()])?;
    drop(writer);
    keeper::wait(reader.as_fd(), PollFlags::IN, MANAGER_PATIENCE).map(|_| ())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut held = self.custody.held();
        // Another one may have come under the same key.
        if held
            .get(&self.key)
            .is_some_and(|it| Arc::ptr_eq(it, &self.descriptor))
        {
            held.remove(&self.key);
            drop(held);
            let mut given_up = lock(&self.custody.given_up);
            let can_wait = self.can_wait && given_up.keys.len() < MOST_WAITING;
            if given_up.gathers || can_wait {
                return given_up.keys.push(std::mem::take(&mut self.key));
            }
            drop(given_up);
            self.custody.forget(&self.key);
        }
    }
}

/// Starts a keeper and connects to it. It belongs to nobody's terminal or session.
fn launch(program: &Path, path: &Path) -> io::Result<OwnedFd> {
    let listener = keeper::listen(path)?;
    let connection = keeper::connect(path)?;
    // Its end is seen by the loop, which waits for all children.
    Command::new(program)
        .arg("--keeper")
        .env_clear()
        .stdin(Stdio::from(listener))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(connection)
}
