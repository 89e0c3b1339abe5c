//! What is only so on a terminal: the screen of `top`, the line that tells of a long wait, colour,
//! the pager. Each command runs on a pseudo-terminal of its own.

mod common;

use common::{Daemon, wait_for, wait_until};
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const UNITS: [(&str, &str); 2] = [
    (
        "agent.service",
        "[Unit]\nDescription=The agent\n[Service]\nExecStart=/bin/sh -c 'echo hello; exec sleep 1000'\n",
    ),
    (
        "slow.service",
        "[Service]\nType=oneshot\nTimeoutStartSec=30s\nExecStart=/bin/sleep 2.5\n",
    ),
];

/// A command on a terminal, and what it has drawn.
struct Terminal {
    child: Child,
    keys: File,
    drawn: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    #[track_caller]
    fn run(daemon: &Daemon, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let ends = openpty(&size, None).expect("a terminal can be made");
        let end = || Stdio::from(ends.slave.try_clone().expect("a descriptor can be copied"));
        let child = daemon
            .command(arguments)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the command line is built");
        let keys = File::from(ends.master);
        let mut screen = keys.try_clone().expect("a descriptor can be copied");
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let into = drawn.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                let mut drawn = into.lock().expect("nobody panics with it");
                drawn.extend_from_slice(&buffer[..count]);
            }
        });
        Terminal {
            child,
            keys,
            drawn,
            reader,
        }
    }

    fn text(&self) -> String {
        let drawn = self.drawn.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&drawn).into_owned()
    }

    #[track_caller]
    fn wait_text(&self, wanted: &str) {
        wait_for(&format!("{wanted:?}"), || match self.text() {
            text if text.contains(wanted) => Ok(()),
            text => Err(text),
        });
    }

    #[track_caller]
    fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("somebody has the terminal open");
    }

    #[track_caller]
    fn wait_end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the command to end", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        wait_until("all that it wrote", || self.reader.is_finished());
        status.expect("it just ended")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_units_and_their_log_and_takes_keys() {
    // Nothing keeps it loaded once it is down; the screen does not lose it all the same.
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "agent"]);
    let mut top = Terminal::run(&daemon, &["top"], &[]);
    for text in ["agent.service", "running", "hello", "quit"] {
        top.wait_text(text);
    }
    let pid = daemon.main_pid("agent.service");
    top.press("r");
    wait_until("another process", || {
        let now = daemon.show("agent.service", "MainPID");
        now != "0" && now != pid.to_string()
    });
    top.press("t");
    wait_until("it to be unloaded", || {
        !daemon.ok(&["list"]).contains("agent")
    });
    top.wait_text("stopped");
    top.press("s");
    daemon.wait_state("agent.service", "active/running");
    top.press("q");
    assert!(top.wait_end().success());
    // The screen from before is shown again.
    top.wait_text("\u{1b}[?1049l");
}

#[test]
fn a_long_wait_is_told_of() {
    let daemon = Daemon::with(&UNITS);
    let mut start = Terminal::run(&daemon, &["start", "slow"], &[]);
    start.wait_text("waiting for start of slow.service (start): 1s of at most 30s");
    assert!(start.wait_end().success());
    // And the line is gone.
    assert!(start.text().ends_with("\r\u{1b}[K"), "{:?}", start.text());
    let mut start = Terminal::run(&daemon, &["-q", "restart", "slow"], &[]);
    assert!(start.wait_end().success());
    assert_eq!(start.text(), "");
}

#[test]
fn colour_and_pager_are_for_those_who_want_them() {
    let daemon = Daemon::with(&UNITS);
    daemon.ok(&["start", "agent"]);
    let run = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut terminal = Terminal::run(&daemon, arguments, environment);
        terminal.wait_end();
        terminal.wait_text("\n");
        terminal
    };
    run(&["status", "agent"], &[]).wait_text("\u{1b}[");
    let plain = run(&["status", "agent"], &[("NO_COLOR", "1")]);
    plain.wait_text("hello");
    assert!(!plain.text().contains('\u{1b}'), "{}", plain.text());
    // All properties are more than a screen.
    let pager = [("DD_PM_PAGER", "sed s/^/paged:/")];
    run(&["show", "agent"], &pager).wait_text("paged:Id=agent.service");
    let unpaged = run(&["show", "agent", "--no-pager"], &pager);
    unpaged.wait_text("Id=agent.service");
    assert!(!unpaged.text().contains("paged:"), "{}", unpaged.text());
    let short = run(&["is-active", "agent"], &pager);
    assert!(!short.text().contains("paged:"), "{}", short.text());
    assert_eq!(daemon.run(&["is-active", "-q", "agent"]).stdout, "");
    assert_eq!(daemon.run(&["enable", "--quiet", "agent"]).stderr, "");
}
