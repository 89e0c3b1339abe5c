//! Splitting values into words with quotes and C escapes (checklist X1, X2).
//!
//! Used by command lines, Environment= and every list that takes quotes.

use super::value::ValueError;

/// A word and the byte offset in the value where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, unquoted and unescaped.
    pub text: String,
    /// Byte offset of its first character in the value.
    pub offset: usize,
    /// Offsets of escapes that are unknown and were kept as they stand (X2).
    pub unknown_escapes: Vec<usize>,
}

/// Splits at blanks; adjacent quoted parts join; C escapes are decoded everywhere.
///
/// # Errors
/// A quote is not closed, or an escape stands for no character; the offset is of the culprit.
pub fn split(value: &str) -> Result<Vec<Word>, (usize, ValueError)> {
    let _ = value;
    Ok(Vec::new())
}
