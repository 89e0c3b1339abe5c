//! Where results go: text or JSON on standard output, colour only on a terminal that wants it.

use super::args::{Common, Format};
use super::table::paint;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Green, for what runs.
pub(super) const GOOD: &str = "32";
/// Yellow, for what is on the way.
pub(super) const MOVING: &str = "33";
/// Red, for what failed.
pub(super) const BAD: &str = "1;31";
/// Grey, for what is not there.
pub(super) const FAINT: &str = "2";
/// Bold.
pub(super) const STRONG: &str = "1";

/// How to print.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// The format asked for.
    pub(super) format: Format,
    /// Whether tables have a header.
    pub(super) legend: bool,
    /// Columns of the terminal; `None` where there is no terminal and nothing is cut.
    pub(super) width: Option<usize>,
    /// Whether colour may be used.
    pub(super) color: bool,
    /// Whether long texts may go through a pager.
    pub(super) pages: bool,
    /// Whether only exit statuses and errors are wanted.
    pub(super) quiet: bool,
}

impl Output {
    /// What the options and the environment say.
    pub(super) fn new(common: &Common) -> Output {
        let terminal = std::io::stdout().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        Output {
            format: common.output.format(),
            legend: !common.no_legend,
            width: terminal.then(width).flatten(),
            color: terminal && !no_color && !dumb,
            pages: terminal && !dumb && !common.no_pager && common.output.format() == Format::Text,
            quiet: common.quiet,
        }
    }

    /// Text without colour or limits, for tests.
    #[cfg(test)]
    pub(super) fn plain() -> Output {
        Output {
            format: Format::Text,
            legend: true,
            width: None,
            color: false,
            pages: false,
            quiet: false,
        }
    }

    /// Whether people read it.
    pub(super) fn is_text(&self) -> bool {
        self.format == Format::Text
    }

    /// Whether there is to be any colour.
    pub(super) fn is_colored(&self) -> bool {
        self.color
    }

    /// A colour, if there is to be any.
    pub(super) fn color(&self, color: &'static str) -> &'static str {
        if self.color { color } else { "" }
    }

    /// A text in a colour.
    pub(super) fn painted(&self, text: &str, color: &'static str) -> String {
        paint(text, self.color(color))
    }

    /// The colour of a word for a state.
    pub(super) fn state_color(&self, state: &str) -> &'static str {
        self.color(match state {
            "running" | "active" | "reloading" => GOOD,
            "failed" | "crashed" => BAD,
            "starting" | "stopping" | "activating" | "deactivating" => MOVING,
            _ => "",
        })
    }

    /// Prints a value as JSON, in the form asked for.
    pub(super) fn json(&self, value: &impl Serialize) {
        let text = match self.format {
            Format::JsonPretty => serde_json::to_string_pretty(value),
            Format::Text | Format::Json | Format::Short | Format::Sarif | Format::Dot => {
                serde_json::to_string(value)
            }
        };
        match text {
            Ok(text) => say(&(text + "\n")),
            Err(error) => complain(&format!("cannot print as JSON: {error}")),
        }
    }
}

fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Prints to standard output. A reader that went away (`| head`) ends the program quietly.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

/// Prints a line to standard error.
pub(super) fn complain(text: &str) {
    // There is nowhere to say that standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
