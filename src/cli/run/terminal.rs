//! `run --pty`: a terminal for the service, and ours joined to it.
//!
//! Two threads copy, since terminals and pipes can be read in no better way; they end with the
//! other end of the terminal, or with this process.

use crate::cli::error::Problem;
use nix::pty::openpty;
use rustix::termios::{OptionalActions, Termios, Winsize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long the last output may take to arrive once the service is down.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// `^]`: pressed three times within a second it disconnects, as with systemd-run.
const ESCAPE: u8 = 0x1d;
const ESCAPES: usize = 3;
const ESCAPE_TIME: Duration = Duration::from_secs(1);
/// `^D`: the end of what is typed.
const END: u8 = 0x04;

/// Both ends of a new terminal.
pub(super) struct Terminal {
    outside: OwnedFd,
    inside: OwnedFd,
}

/// A terminal whose other end is the service's.
pub(super) struct Connected {
    outside: File,
    left: Arc<AtomicBool>,
    done: mpsc::Receiver<()>,
    /// Puts our own terminal back when it is dropped.
    _raw: Option<Raw>,
}

fn failed(attempt: &str, error: &dyn std::fmt::Display) -> Problem {
    Problem::local(format!("cannot {attempt}: {error}"))
}

impl Terminal {
    /// Makes one, as large as ours.
    ///
    /// # Errors
    /// There is none left.
    pub(super) fn open() -> Result<Terminal, Problem> {
        let pair = openpty(None, None).map_err(|error| failed("make a terminal", &error))?;
        let terminal = Terminal {
            outside: pair.master,
            inside: pair.slave,
        };
        copy_size(&terminal.outside);
        Ok(terminal)
    }

    /// The service's end.
    pub(super) fn inside(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }

    /// Lets go of the service's end, which the daemon has, and joins ours to it.
    ///
    /// # Errors
    /// A descriptor or a thread cannot be had.
    pub(super) fn connect(self) -> Result<Connected, Problem> {
        let outside = File::from(self.outside);
        drop(self.inside);
        let copy = || {
            let copy = outside.try_clone();
            copy.map_err(|error| failed("copy a descriptor", &error))
        };
        let (reader, writer) = (copy()?, copy()?);
        let raw = Raw::enter();
        let left = Arc::new(AtomicBool::new(false));
        let (sender, done) = mpsc::channel();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(|error| failed("start a thread", &error))
        };
        spawn(
            "output",
            Box::new(move || {
                show(reader, io::stdout());
                // Nobody waits if the receiver has gone.
                let _ = sender.send(());
            }),
        )?;
        let flag = left.clone();
        spawn(
            "input",
            Box::new(move || {
                if type_in(io::stdin(), writer) {
                    flag.store(true, Ordering::Relaxed);
                }
            }),
        )?;
        Ok(Connected {
            outside,
            left,
            done,
            _raw: raw,
        })
    }
}

impl Connected {
    /// Whether the user wants to be rid of it.
    pub(super) fn is_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Makes it as large as ours.
    pub(super) fn follow_size(&self) {
        copy_size(&self.outside);
    }

    /// Waits for what was written last, unless somebody else still has the terminal.
    pub(super) fn finish(self) {
        if !self.is_left() {
            let _ = self.done.recv_timeout(LAST_WORDS);
        }
    }
}

/// Ours may be none at all.
fn copy_size(to: &impl AsFd) {
    let Ok(ours) = rustix::termios::tcgetwinsize(io::stdout()) else {
        return;
    };
    let same = |theirs: Winsize| (theirs.ws_row, theirs.ws_col) == (ours.ws_row, ours.ws_col);
    if !rustix::termios::tcgetwinsize(to).is_ok_and(same) {
        // It keeps its size, then.
        let _ = rustix::termios::tcsetwinsize(to, ours);
    }
}

/// Copies until the other end is closed, which reads as an error.
fn show(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                // Who reads us has gone; the service goes on writing.
                let _ = to.write_all(&buffer[..count]).and_then(|()| to.flush());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Copies what is typed; whether it ended with the wish to disconnect.
fn type_in(mut from: impl Read, mut to: impl Write) -> bool {
    let mut buffer = [0; 1024];
    let mut escapes: Vec<Instant> = Vec::new();
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => {
                let _ = to.write_all(&[END]);
                return false;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return false,
        };
        let typed = &buffer[..count];
        for byte in typed {
            if *byte == ESCAPE {
                escapes.push(Instant::now());
            } else {
                escapes.clear();
            }
        }
        escapes.retain(|at| at.elapsed() < ESCAPE_TIME);
        if escapes.len() >= ESCAPES {
            return true;
        }
        if to.write_all(typed).is_err() {
            return false;
        }
    }
}

/// Our terminal passing everything on as it is typed, until this is dropped.
struct Raw(Termios);

impl Raw {
    /// Nothing if standard input is no terminal.
    fn enter() -> Option<Raw> {
        let before = rustix::termios::tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // If it cannot be put back there is nobody to tell on it.
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_passed_on_until_its_end() {
        let mut written = Vec::new();
        assert!(!type_in(&b"one\x1dtwo"[..], &mut written));
        assert_eq!(written, b"one\x1dtwo\x04");
        let mut written = Vec::new();
        assert!(type_in(&b"one\x1d\x1d\x1d"[..], &mut written));
        assert_eq!(written, b"", "those keys are for us");
        assert!(!type_in(&b"\x1d\x1dx\x1d"[..], &mut Vec::new()));
    }

    #[test]
    fn a_terminal_shows_what_its_other_end_writes() {
        let terminal = Terminal::open().unwrap();
        let mut inside = File::from(terminal.inside.try_clone().unwrap());
        inside.write_all(b"hello\n").unwrap();
        drop((inside, terminal.inside));
        let mut shown = Vec::new();
        show(File::from(terminal.outside), &mut shown);
        assert_eq!(shown, b"hello\r\n");
    }
}
