//! Logs beside our own, for units that name one: the journal, the kernel's ring buffer, the
//! console (systemd.exec(5), StandardOutput=).
//!
//! Used by the thread that writes the log: it waits for a journal, but not for ever. What a log
//! does not take goes to the daemon's own.

use super::journald::{self, JournalEntry, Journald};
use super::line_rules::LineRules;
use super::store::batch::{Batch, Entry};
use crate::unit::config::LogSink;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// Where the kernel takes lines, from the privileged.
const KERNEL: &str = "/dev/kmsg";
const CONSOLE: &str = "/dev/console";
/// How long a journal may take nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// The most the kernel takes at once, in bytes.
const LONGEST_FOR_KERNEL: usize = 900;

/// What stays open.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    journal: OnceLock<Option<Journald>>,
    kernel: OnceLock<Option<File>>,
}

impl Sinks {
    /// Passes lines of a process on to where its unit wants them; whether a log took them all.
    pub(super) fn take(&self, batch: &Batch, rules: &LineRules) -> bool {
        let route = rules.route(batch.origin.stream);
        if route.console {
            for entry in batch.entries() {
                let (text, _) = entry.parts();
                let line = format!("{}[{}]: {text}\n", rules.name(), batch.origin.pid);
                // Nobody may be there to read it.
                let _ = write_to_console(line.as_bytes());
            }
        }
        let pass = |entry| match route.sink {
            Some(LogSink::Journal) => self.journal(batch, rules, entry).is_ok(),
            Some(LogSink::Kernel) => self.kernel(batch, rules, entry).is_ok(),
            None => false,
        };
        // Stops at the first that is not taken: the daemon's own log gets all of them then.
        batch.entries().all(pass)
    }

    fn journal(&self, batch: &Batch, rules: &LineRules, line: Entry<'_>) -> io::Result<()> {
        let journal = self.journal.get_or_init(|| {
            let journal = Journald::new(Path::new(journald::SOCKET)).ok()?;
            journal.with_patience(PATIENCE).ok()
        });
        let journal = journal.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        journal.send(JournalEntry::of_line(batch, Some(rules), line).bytes())
    }

    fn kernel(&self, batch: &Batch, rules: &LineRules, entry: Entry<'_>) -> io::Result<()> {
        let file = self.kernel.get_or_init(|| {
            let mut options = OpenOptions::new();
            options
                .write(true)
                .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
            options.open(KERNEL).ok()
        });
        let mut file = file.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let facility = rules.settings.logging.facility;
        let priority = u32::from(facility) << 3 | u32::from(entry.priority);
        let (text, _) = entry.parts();
        let mut line = format!("<{priority}>{}[{}]: {text}", rules.name(), batch.origin.pid);
        let mut end = LONGEST_FOR_KERNEL.min(line.len());
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        file.write_all(line.as_bytes())
    }
}

fn write_to_console(line: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    options.write(true).custom_flags(flags.bits());
    options.open(CONSOLE)?.write_all(line)
}
