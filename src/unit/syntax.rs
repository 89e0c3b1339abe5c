//! The line language of unit files (systemd.syntax(7); checklist U1-U7).
//!
//! Splits text into sections and assignments and remembers where everything stands. Knows no
//! directive.

use super::diagnostic::{Diagnostic, Position};
use std::sync::Arc;

/// One `Key=value`, continuations joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section it stands in.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, trimmed.
    pub value: String,
    /// Where the key stands.
    pub key_position: Position,
    /// Places of the value: byte offset in `value` where a physical line begins, and the
    /// position of that byte; the first entry is the start of the value.
    pub value_lines: Vec<(usize, Position)>,
}

impl Assignment {
    /// The position of a byte of the value.
    pub fn position_at(&self, offset: usize) -> Position {
        let Some((start, first)) = self.value_lines.iter().rev().find(|(s, _)| *s <= offset) else {
            return self.key_position.clone();
        };
        let end = offset.min(self.value.len());
        let columns = self.value.get(*start..end).map_or(0, |t| t.chars().count());
        Position {
            file: first.file.clone(),
            line: first.line,
            column: first.column + columns as u32,
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Section headers in order.
    pub sections: Vec<(String, Position)>,
    /// Assignments in order.
    pub assignments: Vec<Assignment>,
    /// Findings; an error among them means that the load fails (U4, U5), though what stands
    /// before it is kept.
    pub diagnostics: Vec<Diagnostic>,
}

/// Splits a file.
pub fn parse(file: &Arc<str>, content: &[u8]) -> Document {
    let _ = (file, content);
    Document::default()
}
