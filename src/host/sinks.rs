//! Logs beside our own, for units that name one: the journal, the kernel's ring buffer, the
//! console (systemd.exec(5), StandardOutput=).
//!
//! Used by the thread that writes the log: it waits for a journal, but not for ever. What a log
//! does not take goes to the daemon's own.

use super::line_rules::LineRules;
use super::store::batch::{Batch, Entry};
use crate::unit::config::LogSink;
use nix::fcntl::OFlag;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr,
};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// Where the journal takes entries (systemd.journal-fields(7)).
const JOURNAL: &str = "/run/systemd/journal/socket";
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
    journal: OnceLock<Option<UnixDatagram>>,
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
        let socket = self.journal.get_or_init(|| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_write_timeout(Some(PATIENCE)).ok()?;
            Some(socket)
        });
        let socket = socket.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        send(socket, &entry(batch, rules, line), Path::new(JOURNAL))
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

/// Sends an entry; one that is too large for a datagram goes as a sealed file in memory, as
/// journald takes it.
fn send(socket: &UnixDatagram, entry: &[u8], to: &Path) -> io::Result<()> {
    match socket.send_to(entry, to) {
        Ok(_) => return Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {}
        Err(error) => return Err(error),
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("log-entry", flags)?);
    file.write_all(entry)?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals)?;
    let descriptors = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let address = SocketAddrUnix::new(to)?;
    sendmsg_addr(socket, &address, &[], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn write_to_console(line: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    options.write(true).custom_flags(flags.bits());
    options.open(CONSOLE)?.write_all(line)
}

/// An entry of the journal, as sd_journal_send(3) makes it. The unit's name and run stand under
/// the names that systemd gives them in entries of its own about a unit: only the journal itself
/// can write _SYSTEMD_UNIT=. By OBJECT_PID= it adds what it knows of the process.
fn entry(batch: &Batch, rules: &LineRules, line: Entry<'_>) -> Vec<u8> {
    let logging = &rules.settings.logging;
    let mut entry = Vec::new();
    let mut add = |name: &str, value: &str| field(&mut entry, name.as_bytes(), value.as_bytes());
    let (text, _) = line.parts();
    add("MESSAGE", &text);
    add("PRIORITY", &line.priority.to_string());
    add("SYSLOG_FACILITY", &logging.facility.to_string());
    add("SYSLOG_IDENTIFIER", rules.name());
    add("OBJECT_PID", &batch.origin.pid.to_string());
    if line.goes_on() {
        add("LINE_BREAK", "line-max");
    }
    let root = nix::unistd::geteuid().is_root();
    let (unit, invocation) = match root {
        true => ("UNIT", "INVOCATION_ID"),
        false => ("USER_UNIT", "USER_INVOCATION_ID"),
    };
    add(unit, rules.unit());
    add(invocation, &rules.settings.invocation);
    for extra in &logging.extra_fields {
        if let Some(at) = extra.iter().position(|byte| *byte == b'=') {
            field(&mut entry, &extra[..at], &extra[at + 1..]);
        }
    }
    entry
}

/// One field: a line, or a length and bytes where there are ends of lines in it.
fn field(entry: &mut Vec<u8>, name: &[u8], value: &[u8]) {
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

#[cfg(test)]
mod tests {
    use super::super::handle::Stream;
    use super::super::line_rules::Settings;
    use super::super::store::batch::Origin;
    use super::*;
    use crate::unit::config::{ExecConfig, OutputTarget};
    use crate::unit::name::UnitName;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use std::io::{Read, Seek};
    use std::sync::Arc;

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
        let rules = LineRules::new(settings, None);
        let batch = batch(unit, "hello");
        let line = batch.entries().next().unwrap();
        let text = String::from_utf8_lossy(&entry(&batch, &rules, line)).into_owned();
        for part in [
            "MESSAGE=hello\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=agent\nOBJECT_PID=7\n",
            "UNIT=a.service\n",
            "INVOCATION_ID=0123\n",
            "TEAM=x\nTWO\n\x03\0\0\0\0\0\0\0a\nb\n",
        ] {
            assert!(text.contains(part), "{text:?}");
        }
    }

    fn batch(unit: UnitName, text: &str) -> Batch {
        let origin = Origin {
            unit: Some(unit),
            pid: 7,
            stream: Stream::Stdout,
            invocation: String::new(),
            identifier: String::new(),
        };
        let mut batch = Batch::new(Arc::new(origin), 0);
        batch.add(4, text, false);
        batch
    }

    #[test]
    fn a_large_entry_goes_as_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let large = vec![b'x'; 4 << 20];
        send(&sender, &large, &path).unwrap();
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
        send(&sender, b"small", &path).unwrap();
        assert_eq!(journal.recv(&mut nothing).unwrap(), 5);
        assert!(send(&sender, b"x", &dir.path().join("gone")).is_err());
    }
}
