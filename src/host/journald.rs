//! The journal of a systemd that is there: entries as sd_journal_send(3) makes them, and the socket
//! that takes them (systemd.journal-fields(7)).
//!
//! Waits only where it is asked to; knows nothing of where else lines go.

use super::line_rules::LineRules;
use super::store::batch::{Batch, Entry};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// What the daemon's own lines are called.
const IDENTIFIER: &str = "dd-procmgrd";
/// The facility `daemon` of syslog(3).
const FACILITY: u8 = 3;

/// The way to a journal.
#[derive(Debug)]
pub(super) struct Journald {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journald {
    /// A way to the journal that takes entries at `path`; it need not be there yet.
    ///
    /// # Errors
    /// No descriptor is left.
    pub(super) fn new(path: &Path) -> io::Result<Journald> {
        Ok(Journald {
            socket: UnixDatagram::unbound()?,
            path: path.to_owned(),
        })
    }

    /// Waits no longer than this in [`Journald::send`].
    ///
    /// # Errors
    /// It is no time.
    pub(super) fn with_patience(self, patience: Duration) -> io::Result<Journald> {
        self.socket.set_write_timeout(Some(patience))?;
        Ok(self)
    }

    /// Finds the journal.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn connect(&self) -> io::Result<()> {
        self.socket.connect(&self.path)
    }

    /// Sends an entry, and waits until it is taken.
    ///
    /// # Errors
    /// There is no journal, or it takes nothing in time.
    pub(super) fn send(&self, entry: &[u8]) -> io::Result<()> {
        self.pass(entry, SendFlags::NOSIGNAL)
    }

    /// Sends an entry if it is taken at once.
    ///
    /// # Errors
    /// As [`Journald::send`]; `WouldBlock` if it would have to wait.
    pub(super) fn send_now(&self, entry: &[u8]) -> io::Result<()> {
        self.pass(entry, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// A journal that was started anew has another socket.
    fn pass(&self, entry: &[u8], flags: SendFlags) -> io::Result<()> {
        match self.pass_once(entry, flags) {
            Err(error) if is_gone(&error) => {
                self.connect()?;
                self.pass_once(entry, flags)
            }
            other => other,
        }
    }

    /// What is too large for a datagram goes as a sealed file in memory.
    fn pass_once(&self, entry: &[u8], flags: SendFlags) -> io::Result<()> {
        match rustix::net::send(&self.socket, entry, flags) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::MSGSIZE) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = File::from(memfd_create(
            "log-entry",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?);
        file.write_all(entry)?;
        let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&file, seals)?;
        let descriptors = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&self.socket, &[], &mut ancillary, flags)?;
        Ok(())
    }
}

impl AsFd for Journald {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotConnected
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}

/// An entry in the making.
#[derive(Debug, Default)]
pub struct JournalEntry(Vec<u8>);

impl JournalEntry {
    /// A line of the daemon's own; `priority` is a level of syslog(3).
    pub fn of_manager(priority: u8, message: &str) -> JournalEntry {
        let mut entry = JournalEntry::default();
        entry.begin(message, priority, FACILITY, IDENTIFIER);
        entry
    }

    fn begin(&mut self, message: &str, priority: u8, facility: u8, identifier: &str) {
        self.add("MESSAGE", message);
        self.add("PRIORITY", &priority.to_string());
        self.add("SYSLOG_FACILITY", &facility.to_string());
        self.add("SYSLOG_IDENTIFIER", identifier);
    }

    /// Adds a field.
    pub fn add(&mut self, name: &str, value: &str) {
        self.add_bytes(name.as_bytes(), value.as_bytes());
    }

    /// One field: a line, or a length and bytes where there are ends of lines in it.
    fn add_bytes(&mut self, name: &[u8], value: &[u8]) {
        let JournalEntry(entry) = self;
        entry.extend_from_slice(name);
        if value.contains(&b'\n') {
            entry.push(b'\n');
            entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            entry.push(b'=');
        }
        entry.extend_from_slice(value);
        entry.push(b'\n');
    }

    /// Says which unit it is about, and which run of it if that is known, under the names that systemd
    /// gives them in entries of its own: only the journal itself can write _SYSTEMD_UNIT=.
    pub fn about(&mut self, unit: &str, invocation: &str) {
        let root = nix::unistd::geteuid().is_root();
        let names = match root {
            true => ("UNIT", "INVOCATION_ID"),
            false => ("USER_UNIT", "USER_INVOCATION_ID"),
        };
        self.add(names.0, unit);
        if !invocation.is_empty() {
            self.add(names.1, invocation);
        }
    }

    /// A line that a process of a unit wrote, or one of the manager's where there are no rules. By
    /// OBJECT_PID= the journal adds what it knows of the process.
    pub(super) fn of_line(batch: &Batch, rules: Option<&LineRules>, line: Entry<'_>) -> Self {
        let origin = &batch.origin;
        let (text, fields) = line.parts();
        let Some(rules) = rules else {
            let mut entry = JournalEntry::of_manager(line.priority, &text);
            if let Some(unit) = &origin.unit {
                entry.about(unit.as_str(), &origin.invocation);
            }
            for (name, value) in &fields {
                entry.add(&name.to_uppercase(), value);
            }
            return entry;
        };
        let logging = &rules.settings.logging;
        let mut entry = JournalEntry::default();
        entry.begin(&text, line.priority, logging.facility, rules.name());
        entry.add("OBJECT_PID", &origin.pid.to_string());
        if line.goes_on() {
            entry.add("LINE_BREAK", "line-max");
        }
        entry.about(rules.unit(), &rules.settings.invocation);
        for extra in &logging.extra_fields {
            if let Some(at) = extra.iter().position(|byte| *byte == b'=') {
                entry.add_bytes(&extra[..at], &extra[at + 1..]);
            }
        }
        entry
    }

    /// As it is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::handle::Stream;
    use super::super::line_rules::Settings;
    use super::super::store::batch::Origin;
    use super::*;
    use crate::unit::config::{ExecConfig, LogSink, OutputTarget};
    use crate::unit::name::UnitName;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use std::io::{Read, Seek};
    use std::sync::Arc;

    fn text(entry: &JournalEntry) -> String {
        String::from_utf8_lossy(entry.bytes()).into_owned()
    }

    fn batch(unit: &UnitName, pid: i32, stream: Stream) -> Batch {
        let origin = Origin {
            unit: Some(unit.clone()),
            pid,
            stream,
            invocation: "0123".to_owned(),
            identifier: String::new(),
        };
        Batch::new(Arc::new(origin), 0)
    }

    #[test]
    fn an_entry_says_whose_it_is() {
        let unit = UnitName::parse("a.service").unwrap();
        let mut exec = ExecConfig {
            standard_output: OutputTarget::LogTo {
                sink: LogSink::Journal,
                console: false,
            },
            ..ExecConfig::default()
        };
        exec.logging.extra_fields = vec![b"TEAM=x".to_vec(), b"TWO=a\nb".to_vec()];
        let settings = Settings::new(&unit, Some(&exec), "/opt/agent", "0123");
        let rules = LineRules::new(settings, Arc::default());
        let mut batch = batch(&unit, 7, Stream::Stdout);
        batch.add(4, "hello", false);
        let line = batch.entries().next().unwrap();
        let text = text(&JournalEntry::of_line(&batch, Some(&rules), line));
        for part in [
            "MESSAGE=hello\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=agent\nOBJECT_PID=7\n",
            "UNIT=a.service\n",
            "INVOCATION_ID=0123\n",
            "TEAM=x\nTWO\n\x03\0\0\0\0\0\0\0a\nb\n",
        ] {
            assert!(text.contains(part), "{text:?}");
        }
    }

    #[test]
    fn the_managers_own_say_what_they_are_about() {
        let unit = UnitName::parse("a.service").unwrap();
        let mut batch = batch(&unit, 0, Stream::Manager);
        let fields = [("result".to_owned(), "signal".to_owned())];
        batch.add_with(4, "has failed", &fields.into());
        let line = batch.entries().next().unwrap();
        let text = text(&JournalEntry::of_line(&batch, None, line));
        let begin =
            "MESSAGE=has failed\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=dd-procmgrd\n";
        assert!(text.starts_with(begin), "{text:?}");
        assert!(text.contains("UNIT=a.service\n") && text.contains("INVOCATION_ID=0123\n"));
        assert!(text.ends_with("RESULT=signal\n"), "{text:?}");
    }

    #[test]
    fn a_large_entry_goes_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let sender = Journald::new(&path).unwrap();
        let large = vec![b'x'; 4 << 20];
        sender.send(&large).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut nothing = [0; 8];
        let mut places = [io::IoSliceMut::new(&mut nothing)];
        recvmsg(&journal, &mut places, &mut ancillary, flags).unwrap();
        let Some(RecvAncillaryMessage::ScmRights(mut files)) = ancillary.drain().next() else {
            panic!("no file");
        };
        let mut file = File::from(files.next().unwrap());
        let mut found = Vec::new();
        file.seek(io::SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut found).unwrap();
        assert!(found == large);
        sender.send_now(b"small").unwrap();
        assert_eq!(journal.recv(&mut nothing).unwrap(), 5);
        // Another one in its place is found, too.
        drop(journal);
        assert!(sender.send(b"x").is_err());
        std::fs::remove_file(&path).unwrap();
        let journal = UnixDatagram::bind(&path).unwrap();
        sender.send(b"again").unwrap();
        assert_eq!(journal.recv(&mut nothing).unwrap(), 5);
        let full = std::iter::repeat_with(|| sender.send_now(b"y")).find_map(Result::err);
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
