//! Data written as text (RFC 4648, section 4), blanks anywhere (systemd.exec(5),
//! StandardInputData=).

use super::ValueError;

/// Decodes base64 with its padding.
///
/// # Errors
/// Another character, or an end in the middle of a byte.
pub fn parse_base64(text: &str) -> Result<Vec<u8>, ValueError> {
    let bad = || ValueError(format!("\"{text}\" is not base64"));
    let plain: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let padding = plain.iter().rev().take_while(|b| **b == b'=').count();
    let digits = &plain[..plain.len() - padding];
    if !plain.len().is_multiple_of(4) || padding > 2 {
        return Err(bad());
    }
    let mut data = Vec::with_capacity(plain.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for place in 0..4 {
            let digit = group.get(place).copied().map_or(Some(0), sextet);
            bits = bits << 6 | digit.ok_or_else(bad)?;
        }
        // A byte less for each digit that is missing.
        data.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    Ok(data)
}

/// The data as base64 with its padding.
pub fn encode_base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            // Two digits for one byte, three for two.
            let is_there = place <= group.len();
            text.push(if is_there {
                char::from(DIGITS[digit as usize])
            } else {
                '='
            });
        }
    }
    text
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_any_length() {
        for (text, data) in [
            ("", &b""[..]),
            ("QQ==", b"A"),
            ("QUI=", b"AB"),
            ("QUJD", b"ABC"),
            (" QU JD\tREU= ", b"ABCDE"),
            ("+/+/AP8=", &[0xfb, 0xff, 0xbf, 0, 0xff]),
        ] {
            assert_eq!(parse_base64(text).unwrap(), data, "{text}");
            if !text.contains(' ') {
                assert_eq!(encode_base64(data), text);
            }
        }
        for bad in [
            "Q", "QQ", "QQ=", "QQ===", "====", "=QQ=", "QU=D", "QU_D", "!!!!",
        ] {
            assert!(parse_base64(bad).is_err(), "{bad}");
        }
    }
}
