//! Findings about unit files: what is wrong, where, and how bad it is.
//!
//! A warning never keeps a unit from loading; an error says why the unit is `bad-setting`
//! or `error`. Lines and columns count from 1; columns count characters, not bytes.

use std::fmt;
use std::sync::Arc;

/// A place in a unit file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file as it was named to the loader.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The assignment or section is ignored, the unit loads.
    Warning,
    /// The unit does not load.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub position: Position,
    /// What is wrong, as a sentence without its final stop.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: warning: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{}: {word}: {}", self.position, self.message)
    }
}
