//! Booleans and integers (checklist U13).

use super::ValueError;

/// What separates words and surrounds numbers, as everywhere in unit files.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads `1 yes y true t on` or `0 no n false f off`, in any case.
///
/// # Errors
/// The text is neither.
pub fn parse_boolean(text: &str) -> Result<bool, ValueError> {
    const YES: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];
    const NO: [&str; 6] = ["0", "no", "n", "false", "f", "off"];
    let is_one_of = |words: [&str; 6]| words.iter().any(|w| w.eq_ignore_ascii_case(text));
    if is_one_of(YES) {
        Ok(true)
    } else if is_one_of(NO) {
        Ok(false)
    } else {
        Err(ValueError(format!(
            "\"{text}\" is not a boolean (yes, no, true, false, on, off, 1 or 0)"
        )))
    }
}

/// Reads an integer within `low..=high`: decimal, or with the prefixes of C and Rust that
/// systemd takes too (`0x1f`, `0o17`, `017`, `0b101`).
///
/// # Errors
/// The text is no integer, or outside the range.
pub fn parse_integer(text: &str, low: i64, high: i64) -> Result<i64, ValueError> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = parse_unsigned(digits)
        .ok_or_else(|| ValueError(format!("\"{text}\" is not an integer")))?;
    let value = i128::from(magnitude) * if negative { -1 } else { 1 };
    match i64::try_from(value) {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        Ok(_) | Err(_) => Err(ValueError(format!(
            "{text} is outside the range {low} to {high}"
        ))),
    }
}

/// Reads digits of any base that [`parse_integer`] takes, without a sign.
pub(super) fn parse_unsigned(digits: &str) -> Option<u64> {
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)];
    let (digits, base) = prefixes
        .iter()
        .find_map(|(prefix, base)| Some((digits.strip_prefix(prefix)?, *base)))
        .unwrap_or(match digits.strip_prefix('0') {
            Some(rest) if !rest.is_empty() => (rest, 8),
            Some(_) | None => (digits, 10),
        });
    // from_str_radix would take a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u13_booleans() {
        for text in ["1", "yes", "y", "true", "t", "on", "YES", "True", "oN"] {
            assert_eq!(parse_boolean(text), Ok(true), "{text}");
        }
        for text in ["0", "no", "n", "false", "f", "off", "NO", "False", "oFF"] {
            assert_eq!(parse_boolean(text), Ok(false), "{text}");
        }
        for text in ["", "enabled", "2", "yes ", "ye", "-1"] {
            assert!(parse_boolean(text).is_err(), "{text}");
        }
    }

    #[test]
    fn integers_within_a_range() {
        for (text, value) in [
            ("5", 5),
            ("-20", -20),
            ("+3", 3),
            ("0", 0),
            ("0x5", 5),
            ("010", 8),
            ("0o7", 7),
            ("0b1", 1),
        ] {
            assert_eq!(parse_integer(text, -20, 19), Ok(value), "{text}");
        }
        for text in [
            "", "-", "3x", "1e2", "1.0", "--1", "+-1", "0x", "08", "20", "-21", " 1",
        ] {
            assert!(parse_integer(text, -20, 19).is_err(), "{text}");
        }
        assert_eq!(
            parse_integer("9223372036854775807", i64::MIN, i64::MAX),
            Ok(i64::MAX)
        );
        assert_eq!(
            parse_integer("-9223372036854775808", i64::MIN, i64::MAX),
            Ok(i64::MIN)
        );
        assert!(parse_integer("9223372036854775808", i64::MIN, i64::MAX).is_err());
        assert!(parse_integer("18446744073709551616", i64::MIN, i64::MAX).is_err());
    }

    #[test]
    fn the_error_names_the_range() {
        let error = parse_integer("-1001", -1000, 1000).unwrap_err();
        assert_eq!(error.0, "-1001 is outside the range -1000 to 1000");
    }
}
