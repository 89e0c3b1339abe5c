//! Sets of exit statuses and signals (SuccessExitStatus= and kin; checklist U18).

use super::{Signal, ValueError};
use std::collections::BTreeSet;

/// Exit codes and terminating signals that a directive names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExitStatusSet {
    /// Exit codes 0-255.
    pub codes: BTreeSet<u8>,
    /// Terminating signals.
    pub signals: BTreeSet<Signal>,
}

impl ExitStatusSet {
    /// Adds the words of one assignment: numbers, names such as `TEMPFAIL`, signals.
    ///
    /// # Errors
    /// A word is none of these; the set is left as it was.
    pub fn extend(&mut self, text: &str) -> Result<(), ValueError> {
        Err(ValueError(format!("\"{text}\" is not an exit status")))
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.signals.is_empty()
    }
}
