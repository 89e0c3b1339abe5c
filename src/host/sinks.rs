//! Logs beside our own, for units that name one: the journal, the kernel's ring buffer, the
//! console (systemd.exec(5), StandardOutput=).
//!
//! Never waits: what a log does not take at once goes to the daemon's own.

use super::line_rules::LineRules;
use super::output::From;
use crate::unit::config::LogSink;
use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;

/// Where the journal takes entries (systemd.journal-fields(7)).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where the kernel takes lines, from the privileged.
const KERNEL: &str = "/dev/kmsg";
const CONSOLE: &str = "/dev/console";
/// The most the kernel takes at once, in bytes.
const LONGEST_FOR_KERNEL: usize = 900;

/// What stays open.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    journal: OnceLock<Option<UnixDatagram>>,
    kernel: OnceLock<Option<File>>,
}

impl Sinks {
    /// Passes a line on to where its unit wants it; whether a log took it.
    pub(super) fn take(&self, from: &From, level: u8, text: &str) -> bool {
        let route = from.rules.route(from.stream);
        if route.console {
            let line = format!("{}[{}]: {text}\n", from.rules.name(), from.pid);
            // Nobody may be there to read it.
            let _ = write_to_console(line.as_bytes());
        }
        match route.sink {
            Some(LogSink::Journal) => self.journal(from, level, text).is_ok(),
            Some(LogSink::Kernel) => self.kernel(from, level, text).is_ok(),
            None => false,
        }
    }

    fn journal(&self, from: &From, level: u8, text: &str) -> io::Result<()> {
        let socket = self.journal.get_or_init(|| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        });
        let socket = socket.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        socket.send_to(&entry(from, level, text), JOURNAL)?;
        Ok(())
    }

    fn kernel(&self, from: &From, level: u8, text: &str) -> io::Result<()> {
        let file = self.kernel.get_or_init(|| {
            let mut options = OpenOptions::new();
            options
                .write(true)
                .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
            options.open(KERNEL).ok()
        });
        let mut file = file.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let facility = from.rules.settings.logging.facility;
        let priority = u32::from(facility) << 3 | u32::from(level);
        let mut line = format!("<{priority}>{}[{}]: {text}", from.rules.name(), from.pid);
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

/// An entry of the journal, as sd_journal_send(3) makes it. The unit's name and run stand under
/// the names that systemd gives them in entries of its own about a unit: only the journal itself
/// can write _SYSTEMD_UNIT=. By OBJECT_PID= it adds what it knows of the process.
fn entry(from: &From, level: u8, text: &str) -> Vec<u8> {
    let rules: &LineRules = &from.rules;
    let logging = &rules.settings.logging;
    let mut entry = Vec::new();
    let mut add = |name: &str, value: &str| field(&mut entry, name.as_bytes(), value.as_bytes());
    add("MESSAGE", text);
    add("PRIORITY", &level.to_string());
    add("SYSLOG_FACILITY", &logging.facility.to_string());
    add("SYSLOG_IDENTIFIER", rules.name());
    add("OBJECT_PID", &from.pid.to_string());
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
    use super::*;
    use crate::unit::config::{ExecConfig, OutputTarget};
    use crate::unit::name::UnitName;
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
        let from = From {
            unit,
            pid: 7,
            stream: Stream::Stdout,
            rules: Arc::new(LineRules::new(settings, None)),
        };
        let text = String::from_utf8_lossy(&entry(&from, 4, "hello")).into_owned();
        for part in [
            "MESSAGE=hello\nPRIORITY=4\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=agent\nOBJECT_PID=7\n",
            "UNIT=a.service\n",
            "INVOCATION_ID=0123\n",
            "TEAM=x\nTWO\n\x03\0\0\0\0\0\0\0a\nb\n",
        ] {
            assert!(text.contains(part), "{text:?}");
        }
    }
}
