//! Byte sizes, base 1024 (checklist U16).

use super::ValueError;

/// A number of bytes; `u64::MAX` is infinity.
pub type ByteSize = u64;

/// Reads `512`, `1.5G`, `64 K`; suffixes B K M G T P E in upper case.
///
/// # Errors
/// The text is no size, or does not fit.
pub fn parse_size(text: &str) -> Result<ByteSize, ValueError> {
    Err(ValueError(format!("\"{text}\" is not a size")))
}
