//! What is done to the terminal of a unit before its processes have it, and when the unit is
//! dead (systemd.exec(5), TTYPath= and its kin). May block.

use crate::sys::terminal::{disallocate, hang_up, open_to_others};
use crate::unit::config::{ExecConfig, InputSource, Terminal, TerminalWay};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::termios::{
    self, ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector,
    SpecialCodeIndex,
};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often it is looked whether a terminal is free.
const LOOK: Duration = Duration::from_millis(100);
/// What clears a terminal: colours and margins as at first, top left, nothing on it.
const CLEAR: &[u8] = b"\x1b[r\x1b[H\x1b[2J\x1b[3J";

/// Brings the terminal into the state that the unit asks for, and waits until it is free where
/// the unit waits for that. Returns what could not be done, in sentences.
pub(super) fn prepare(exec: &ExecConfig, closing: &AtomicBool) -> Vec<String> {
    let terminal = &exec.terminal;
    let mut failures = revert(terminal);
    if exec.standard_input == InputSource::Terminal(TerminalWay::Wait) {
        while is_taken(terminal.path()) && !closing.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK);
        }
    }
    if terminal.rows.is_some() || terminal.columns.is_some() {
        note(
            &mut failures,
            terminal,
            "TTYRows=, TTYColumns=",
            resize(terminal),
        );
    }
    failures
}

/// Cuts others off, resets and clears the terminal, as far as the unit asks for it.
pub(super) fn revert(terminal: &Terminal) -> Vec<String> {
    let mut failures = Vec::new();
    let path = terminal.path();
    if terminal.hang_up {
        let done = take(path).and_then(|opened| hang_up(opened.as_fd()));
        note(&mut failures, terminal, "TTYVHangup=", done);
    }
    if terminal.reset {
        let done = take(path).and_then(|opened| reset(&opened));
        note(&mut failures, terminal, "TTYReset=", done);
    }
    if terminal.clear {
        note(&mut failures, terminal, "TTYVTDisallocate=", clear(path));
    }
    failures
}

fn note(failures: &mut Vec<String>, terminal: &Terminal, setting: &str, done: io::Result<()>) {
    if let Err(error) = done {
        failures.push(format!("{setting} of {}: {error}", terminal.path()));
    }
}

fn take(path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match open(path, flags, Mode::empty()) {
        // Somebody hung it up at this moment.
        Err(Errno::IO) => Ok(open(path, flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// As a terminal is at first.
fn reset(terminal: &OwnedFd) -> io::Result<()> {
    open_to_others(terminal.as_fd())?;
    let mut state = termios::tcgetattr(terminal)?;
    state.input_modes -= InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::ISTRIP
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::IUCLC;
    state.input_modes |= InputModes::ICRNL | InputModes::IMAXBEL | InputModes::IUTF8;
    state.output_modes |= OutputModes::ONLCR | OutputModes::OPOST;
    state.control_modes |= ControlModes::CREAD;
    state.local_modes = LocalModes::ISIG
        | LocalModes::ICANON
        | LocalModes::IEXTEN
        | LocalModes::ECHO
        | LocalModes::ECHOE
        | LocalModes::ECHOK
        | LocalModes::ECHOCTL
        | LocalModes::ECHOKE;
    for (key, code) in KEYS {
        state.special_codes[key] = code;
    }
    termios::tcsetattr(terminal, OptionalActions::Now, &state)?;
    termios::tcflush(terminal, QueueSelector::IOFlush)?;
    Ok(())
}

/// ^C, ^\, DEL, ^U, ^D, ^Q, ^S, ^Z, ^V, ^W, ^R; nothing ends a line but its end.
const KEYS: [(SpecialCodeIndex, u8); 15] = [
    (SpecialCodeIndex::VINTR, 3),
    (SpecialCodeIndex::VQUIT, 28),
    (SpecialCodeIndex::VERASE, 127),
    (SpecialCodeIndex::VKILL, 21),
    (SpecialCodeIndex::VEOF, 4),
    (SpecialCodeIndex::VSTART, 17),
    (SpecialCodeIndex::VSTOP, 19),
    (SpecialCodeIndex::VSUSP, 26),
    (SpecialCodeIndex::VLNEXT, 22),
    (SpecialCodeIndex::VWERASE, 23),
    (SpecialCodeIndex::VREPRINT, 18),
    (SpecialCodeIndex::VEOL, 0),
    (SpecialCodeIndex::VEOL2, 0),
    (SpecialCodeIndex::VTIME, 0),
    (SpecialCodeIndex::VMIN, 1),
];

fn resize(terminal: &Terminal) -> io::Result<()> {
    let opened = take(terminal.path())?;
    let mut size = termios::tcgetwinsize(&opened)?;
    size.ws_row = terminal.rows.unwrap_or(size.ws_row);
    size.ws_col = terminal.columns.unwrap_or(size.ws_col);
    termios::tcsetwinsize(&opened, size)?;
    Ok(())
}

/// A virtual terminal goes with all that was on it; one that is in use, and any other, is
/// cleared.
fn clear(path: &str) -> io::Result<()> {
    if let Some(number) = virtual_terminal(path) {
        let any = take("/dev/tty0")?;
        match disallocate(any.as_fd(), number) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
            done => return done,
        }
    }
    rustix::io::write(&take(path)?, CLEAR)?;
    Ok(())
}

fn virtual_terminal(path: &str) -> Option<u32> {
    path.strip_prefix("/dev/tty")?
        .parse()
        .ok()
        .filter(|number| *number > 0)
}

/// Whether a session has the terminal.
fn is_taken(path: &str) -> bool {
    let Ok(terminal) = fs::metadata(path) else {
        return false;
    };
    let (major, minor) = (
        rustix::fs::major(terminal.rdev()),
        rustix::fs::minor(terminal.rdev()),
    );
    // As proc(5) has it: minor in bits 31-20 and 7-0, major in 15-8.
    let number = (minor & 0xff) | (major << 8) | (minor & !0xff) << 12;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .any(|stat| terminal_of(&stat) == Some(number))
}

/// The terminal in a line of /proc/PID/stat: the fifth field behind the name.
fn terminal_of(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let number: i32 = rest.split(' ').nth(4)?.parse().ok()?;
    Some(number as u32).filter(|number| *number != 0)
}

/// What to call the terminal in TERM: the manager's own word for its console, else what the
/// kernel's own terminals or a plain one is.
pub(super) fn kind(path: &str, own: &[(String, String)]) -> String {
    let term = own.iter().find(|(name, _)| name == "TERM");
    match term {
        Some((_, kind)) if path == "/dev/console" => kind.clone(),
        _ if virtual_terminal(path).is_some() => "linux".to_owned(),
        _ => "vt220".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    fn terminal() -> (OwnedFd, Terminal) {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&own).unwrap();
        unlockpt(&own).unwrap();
        let path = ptsname(&own, Vec::new()).unwrap().into_string().unwrap();
        let terminal = Terminal {
            path: Some(path),
            ..Terminal::default()
        };
        (own, terminal)
    }

    #[test]
    fn a_terminal_is_reset_and_gets_its_size() {
        let (own, mut asked) = terminal();
        let user = take(asked.path()).unwrap();
        let mut state = termios::tcgetattr(&user).unwrap();
        state.local_modes = LocalModes::empty();
        termios::tcsetattr(&user, OptionalActions::Now, &state).unwrap();
        asked.reset = true;
        asked.rows = Some(17);
        asked.clear = true;
        let exec = ExecConfig {
            terminal: asked.into(),
            ..ExecConfig::default()
        };
        let none: [&str; 0] = [];
        assert_eq!(prepare(&exec, &AtomicBool::new(false)), none);
        let state = termios::tcgetattr(&user).unwrap();
        assert!(
            state
                .local_modes
                .contains(LocalModes::ICANON | LocalModes::ECHO)
        );
        assert_eq!(termios::tcgetwinsize(&user).unwrap().ws_row, 17);
        let mut seen = [0; 64];
        let count = rustix::io::read(&own, &mut seen).unwrap();
        assert_eq!(&seen[..count], CLEAR);
    }

    #[test]
    fn who_has_a_terminal_is_read_from_the_kernel() {
        assert_eq!(terminal_of("7 (a) b) S 1 7 7 34817 7 0"), Some(34_817));
        assert_eq!(terminal_of("7 (a) S 1 7 7 0 -1 0"), None);
        let (_own, asked) = terminal();
        assert!(!is_taken(asked.path()));
        assert!(!is_taken("/nonexistent"));
    }

    #[test]
    fn kinds() {
        let own = [("TERM".to_owned(), "xterm".to_owned())];
        assert_eq!(kind("/dev/console", &own), "xterm");
        assert_eq!(kind("/dev/console", &[]), "vt220");
        assert_eq!(kind("/dev/tty3", &own), "linux");
        assert_eq!(kind("/dev/ttyS0", &own), "vt220");
    }
}
