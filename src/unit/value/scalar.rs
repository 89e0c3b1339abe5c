//! Booleans and integers (checklist U13).

use super::ValueError;

/// Reads `1 yes y true t on` or `0 no n false f off`, in any case.
///
/// # Errors
/// The text is neither.
pub fn parse_boolean(text: &str) -> Result<bool, ValueError> {
    Err(ValueError(format!("\"{text}\" is not a boolean")))
}

/// Reads a decimal integer within `low..=high`.
///
/// # Errors
/// The text is no integer, or outside the range.
pub fn parse_integer(text: &str, low: i64, high: i64) -> Result<i64, ValueError> {
    let _ = (low, high);
    Err(ValueError(format!("\"{text}\" is not an integer")))
}
