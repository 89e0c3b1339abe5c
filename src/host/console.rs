//! Where the daemon's own log goes: its standard streams, with lines for people or JSON, or the
//! journal.
//!
//! The loop never waits for whoever takes them: what they do not take at once is kept, within a
//! bound, for the thread that writes the log. That thread waits.

mod form;
mod target;

use super::journald::{self, JournalEntry, Journald};
use super::line_rules::LineRules;
use super::store::batch::{Batch, Origin};
pub use form::{Form, merged_name, message_of, object};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use target::Target;

/// What is kept for a stream that takes nothing, in bytes.
const KEPT: usize = 256 * 1024;
/// No more than this waits for the end of a turn, in bytes.
const GATHERED: usize = 16 * 1024;

/// A stream or a journal, and what waits for it.
#[derive(Debug)]
pub struct Console {
    form: Form,
    target: Target,
    waiting: Mutex<Waiting>,
    /// Lines wait for [`Console::pass_on`].
    gathering: AtomicBool,
    /// Held by who writes; never taken while `waiting` is held.
    writing: Mutex<()>,
    /// Wakes the thread that may wait.
    waker: OnceLock<Waker>,
}

struct Waker(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that there was no room for.
    lost: u64,
}

impl Console {
    /// Text on standard error, JSON on standard output, entries into the journal once it is there.
    pub fn new(form: Form) -> Console {
        let target = match form {
            Form::Text { .. } => Target::Stderr,
            Form::Json { .. } => Target::Stdout,
            Form::Journal => {
                Journald::new(Path::new(journald::SOCKET)).map_or(Target::Nowhere, Target::Journal)
            }
        };
        Console::to(form, target)
    }

    /// Entries of the journal of this machine.
    ///
    /// # Errors
    /// There is none.
    pub fn journal() -> io::Result<Console> {
        let journal = Journald::new(Path::new(journald::SOCKET))?;
        journal.connect()?;
        Ok(Console::to(Form::Journal, Target::Journal(journal)))
    }

    /// Writes into a file.
    pub fn into_file(form: Form, file: OwnedFd) -> Console {
        Console::to(form, Target::File(file))
    }

    /// Writes nothing.
    pub fn nowhere() -> Console {
        Console::to(Form::Text { color: false }, Target::Nowhere)
    }

    fn to(form: Form, target: Target) -> Console {
        Console {
            form,
            target,
            waiting: Mutex::default(),
            gathering: AtomicBool::new(false),
            writing: Mutex::default(),
            waker: OnceLock::new(),
        }
    }

    /// How lines are written.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Who is to call [`Console::write`] when something waits.
    pub(super) fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        // A second one would be of a second log, in tests.
        let _ = self.waker.set(Waker(Box::new(waker)));
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines without ever waiting; what is too much is lost, and told of later.
    pub fn write_now(&self, lines: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.bytes.len() + lines.len() > KEPT {
            waiting.lost += self.target.count(lines);
            return;
        }
        waiting.bytes.extend_from_slice(lines);
        let many = waiting.bytes.len() > GATHERED;
        drop(waiting);
        if many || !self.gathering.load(Ordering::Relaxed) {
            self.flush_what_goes();
        }
    }

    /// Lines that need not wait do so from here on until [`Console::pass_on`].
    pub(super) fn gather(&self) {
        self.gathering.store(true, Ordering::Relaxed);
    }

    /// Writes what has waited, as far as it goes without a wait.
    pub(super) fn pass_on(&self) {
        self.gathering.store(false, Ordering::Relaxed);
        self.flush_what_goes();
    }

    /// Writes an entry of the journal, without ever waiting; only where that is the form.
    pub fn write_entry(&self, entry: &JournalEntry) {
        let mut piece = Vec::new();
        target::push_entry(entry, &mut piece);
        self.write_now(&piece);
    }

    /// Writes lines if nothing is in their way; whether it did.
    pub(super) fn write_if_free(&self, lines: &[u8]) -> bool {
        if self.target.piece(lines) < lines.len() {
            return false;
        }
        let guard = match self.writing.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let free = self.waiting().bytes.is_empty() && self.target.write_now(lines);
        drop(guard);
        self.flush_what_goes();
        free
    }

    /// Writes what waits as far as it goes without a wait.
    fn flush_what_goes(&self) {
        // Whoever holds the lock looks again after it has let go of it.
        while !self.waiting().bytes.is_empty() {
            let Ok(_guard) = self.writing.try_lock() else {
                return;
            };
            loop {
                let waiting = self.waiting();
                if waiting.bytes.is_empty() {
                    break;
                }
                let count = self.target.piece(&waiting.bytes);
                let piece = waiting.bytes[..count].to_vec();
                drop(waiting);
                if !self.target.write_now(&piece) {
                    if let Some(waker) = self.waker.get() {
                        (waker.0)();
                    }
                    return;
                }
                // Others only add at the end.
                self.waiting().bytes.drain(..count);
            }
        }
    }

    /// Writes what waits, and then lines, however long it takes.
    pub(super) fn write(&self, lines: &[u8]) {
        let guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut *self.waiting());
        let lost = waiting.lost + self.target.write(&waiting.bytes);
        if lost > 0 {
            let origin = Origin::of_manager(None);
            let mut batch = Batch::new(origin.into(), super::clock::now().realtime);
            let text = format!("{lost} lines of the manager are lost: nobody took them in time");
            batch.add(4, &text, false);
            let mut notice = Vec::new();
            self.render(&batch, None, &mut notice);
            self.target.write(&notice);
        }
        self.target.write(lines);
        drop(guard);
        self.flush_what_goes();
    }

    /// Gives what waits some time to go.
    pub fn drain(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.waiting().bytes.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
            self.flush_what_goes();
        }
    }

    /// Writes a batch down as it is to be shown; `rules` are those of the unit that wrote it.
    pub(super) fn render(&self, batch: &Batch, rules: Option<&LineRules>, out: &mut Vec<u8>) {
        self.form.render(batch, rules, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;

    #[test]
    fn nobody_waits_for_a_stream_that_nobody_reads() {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let console = Arc::new(Console::into_file(Form::Text { color: false }, writer));
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..1000 {
            console.write_now(&line);
        }
        assert!(!console.write_if_free(&line));
        let lost = console.waiting().lost;
        assert!(lost > 500, "{lost}");
        // The thread waits, and tells what is missing.
        let of_thread = console.clone();
        let thread = std::thread::spawn(move || of_thread.write(b"end\n"));
        let mut all = Vec::new();
        while !all.ends_with(b"end\n") {
            let mut bytes = [0; 65536];
            let count = rustix::io::read(&reader, &mut bytes).unwrap();
            all.extend_from_slice(&bytes[..count]);
        }
        thread.join().unwrap();
        let text = String::from_utf8(all).unwrap();
        let whole = text.lines().filter(|line| line.len() == 1023).count();
        assert_eq!(whole as u64 + lost, 1000);
        assert!(text.contains(&format!("{lost} lines of the manager are lost")));
        assert!(console.write_if_free(&line));
    }
    #[test]
    fn a_journal_gets_one_entry_at_a_time_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let target = Target::Journal(Journald::new(&path).unwrap());
        let console = Arc::new(Console::to(Form::Journal, target));
        for number in 0..1000 {
            console.write_entry(&JournalEntry::of_manager(6, &format!("line {number}")));
        }
        let of_thread = console.clone();
        let thread = std::thread::spawn(move || of_thread.write(&[]));
        let mut entry = [0; 4096];
        for number in 0..1000 {
            let count = journal.recv(&mut entry).unwrap();
            let begin = format!("MESSAGE=line {number}\nPRIORITY=6\n");
            assert!(entry[..count].starts_with(begin.as_bytes()));
        }
        thread.join().unwrap();
        assert_eq!(console.waiting().bytes.len(), 0);
    }
}
