//! Command lines of Exec...= (systemd.service(5), "COMMAND LINES"; checklist X1-X10).

use super::config::Command;
use super::diagnostic::Position;
use super::value::ValueError;

/// Expands the specifiers of one word.
pub type Expand<'a> = &'a dyn Fn(&str) -> Result<String, ValueError>;

/// What became of one Exec...= value.
#[derive(Debug, Default)]
pub struct ParsedCommands {
    /// The commands, usually one; more with a bare `;` (X3).
    pub commands: Vec<Command>,
    /// Byte offset in the value and text of each thing worth a warning.
    pub warnings: Vec<(usize, String)>,
}

/// Parses one value; `position` is where the value starts.
///
/// # Errors
/// The offset and what is wrong. The caller drops the line if its prefix held `-`
/// (`ignorable`), and makes the unit bad-setting otherwise (U9).
pub fn parse(
    value: &str,
    position: &Position,
    expand: Expand<'_>,
) -> Result<ParsedCommands, CommandError> {
    let _ = (value, position, expand);
    Ok(ParsedCommands::default())
}

/// A command line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Byte offset in the value.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
    /// The prefix held `-`.
    pub ignorable: bool,
}
