//! Byte sizes, base 1024 (checklist U16).

use super::ValueError;
use super::scalar::BLANKS;

/// A number of bytes; `u64::MAX` is infinity.
pub type ByteSize = u64;

/// Suffixes from the largest; a part without suffix counts bytes.
const SUFFIXES: [(&str, u64); 8] = [
    ("E", 1 << 60),
    ("P", 1 << 50),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
    ("", 1),
];

/// Reads `512`, `1.5G`, `64 K`, `1G 512M`; suffixes B K M G T P E in upper case, each part
/// with a smaller one than the part before.
///
/// # Errors
/// The text is no size, or does not fit.
pub fn parse_size(text: &str) -> Result<ByteSize, ValueError> {
    let bad = || ValueError(format!("\"{text}\" is not a size (512, 64K, 1.5G)"));
    let mut rest = text;
    let mut next_suffix = 0;
    let mut total: u64 = 0;
    loop {
        rest = rest.trim_start_matches(BLANKS);
        rest = rest.strip_prefix('+').unwrap_or(rest);
        let (whole, after) = take_digits(rest);
        rest = after;
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            (fraction, rest) = take_digits(after);
        }
        rest = rest.trim_start_matches(BLANKS);
        let found = SUFFIXES[next_suffix..]
            .iter()
            .position(|(suffix, _)| rest.starts_with(suffix))
            .ok_or_else(bad)?;
        let (suffix, factor) = SUFFIXES[next_suffix + found];
        next_suffix += found + 1;
        rest = &rest[suffix.len()..];
        total = whole
            .checked_mul(factor)
            .and_then(|n| n.checked_add(scale_fraction(fraction, factor)?))
            .and_then(|n| n.checked_add(total))
            .ok_or_else(|| ValueError(format!("\"{text}\" is too large for a size")))?;
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// Splits a text behind its leading decimal digits.
pub(super) fn take_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The digits behind the point times the factor, rounded down; `None` if there are more digits
/// than anybody means.
fn scale_fraction(digits: &str, factor: u64) -> Option<u64> {
    if digits.is_empty() {
        return Some(0);
    }
    let numerator = u128::from(digits.parse::<u64>().ok()?);
    // More than 38 digits can only be leading zeros, as the number itself fits in 64 bits.
    let scaled = match 10u128.checked_pow(u32::try_from(digits.len()).ok()?) {
        Some(denominator) => numerator * u128::from(factor) / denominator,
        None => 0,
    };
    u64::try_from(scaled).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn u16_sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("1K", 1024),
            ("64 K", 65536),
            ("1.5G", 3 << 29),
            ("10.M", 10 << 20),
            ("0.1K", 102),
            ("1.5", 1),
            ("1G 5M", (1 << 30) + (5 << 20)),
            ("1K1", 1025),
            ("1B5", 6),
            ("2T", 2 << 40),
            ("3P", 3 << 50),
            ("15E", 15 << 60),
            ("+5", 5),
            ("18446744073709551615", u64::MAX),
            (
                "1.00000000000000000000000000000000000000000000000000K",
                1024,
            ),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            " ",
            "k",
            "1k",
            "1KB",
            "1KiB",
            "max",
            "infinity",
            "-1",
            "16E",
            "5M 1G",
            "1K 2K",
            "1 5",
            ".5K",
            "1..5K",
            "18446744073709551616",
            "18446744073709551615 B1",
            "0x10",
            "1e3",
            "5%",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_of_bytes_mean_themselves(bytes in any::<u64>()) {
            prop_assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn any_text_is_answered(text in "[0-9.KMGTPEB +-]{0,24}|.*") {
            let _ = parse_size(&text);
        }
    }
}
