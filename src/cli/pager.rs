//! Long texts go through a pager, on a terminal: DD_PM_PAGER, SYSTEMD_PAGER or PAGER, else
//! less(1).

use super::output::{Output, say};
use std::io::Write;
use std::process::{Command, Stdio};

/// Lines of the terminal, if it has any.
fn height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_row > 0).then_some(usize::from(size.ws_row))
}

/// Prints a text, through a pager if it is longer than the terminal.
pub(super) fn show(output: &Output, text: &str) {
    let lines = text.lines().count();
    let is_long = output.pages && height().is_some_and(|height| lines >= height);
    if !is_long || !through(text) {
        say(text);
    }
}

/// Whether a pager took it.
fn through(text: &str) -> bool {
    let set = |name: &str| std::env::var(name).ok();
    let chosen = set("DD_PM_PAGER").or_else(|| set("SYSTEMD_PAGER"));
    let pager = match chosen.or_else(|| set("PAGER")) {
        // An empty one says: none.
        Some(pager) if pager.is_empty() || pager == "cat" => return false,
        Some(pager) => pager,
        None => "less".to_owned(),
    };
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else {
        return false;
    };
    let child = Command::new(program)
        .args(words)
        .env("LESS", set("LESS").unwrap_or_else(|| "FRSXMK".to_owned()))
        .stdin(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return false;
    };
    if let Some(mut input) = child.stdin.take() {
        // Who quits early has read enough.
        let _ = input.write_all(text.as_bytes());
    }
    child.wait().is_ok()
}
