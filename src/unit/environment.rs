//! Environment= words and the syntax of environment files (checklist E1, E3, E4).

use super::value::ValueError;

/// Whether a name can be an environment variable: letters, digits, `_`, no leading digit.
pub fn is_valid_name(name: &str) -> bool {
    let _ = name;
    true
}

/// Reads the assignments of an environment file, in order.
///
/// # Errors
/// The bytes are not UTF-8 where they would be a value (E4).
pub fn parse_file(content: &[u8]) -> Result<Vec<(String, String)>, ValueError> {
    let _ = content;
    Ok(Vec::new())
}
