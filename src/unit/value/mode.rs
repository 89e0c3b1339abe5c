//! Octal file modes and umasks.

use super::ValueError;

/// Reads an octal mode of at most 07777.
///
/// # Errors
/// The text is not octal, or too large.
pub fn parse_mode(text: &str) -> Result<u32, ValueError> {
    Err(ValueError(format!("\"{text}\" is not an octal mode")))
}
