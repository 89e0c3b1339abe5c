//! Octal file modes and umasks.

use super::ValueError;

/// Reads an octal mode of at most 07777.
///
/// # Errors
/// The text is not octal, or too large.
pub fn parse_mode(text: &str) -> Result<u32, ValueError> {
    // from_str_radix alone would take a sign.
    let octal = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    octal
        .then(|| u32::from_str_radix(text, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| ValueError(format!("\"{text}\" is not an octal mode of at most 7777")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, mode) in [
            ("0755", 0o755),
            ("22", 0o22),
            ("7777", 0o7777),
            ("0", 0),
            ("00000000000755", 0o755),
        ] {
            assert_eq!(parse_mode(text), Ok(mode), "{text}");
        }
        for text in ["", "8", "10000", "+22", "-1", "0o22", "0x1", "u=rwx", "77 "] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
