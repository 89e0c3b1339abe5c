//! Splitting values into words with quotes and C escapes (checklist X1, X2).
//!
//! Used by command lines, Environment= and every list that takes quotes. A word is found in
//! one pass over its bytes; nothing is looked at twice.

use super::value::ValueError;

/// A word and the byte offset in the value where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text, unquoted and unescaped.
    pub text: String,
    /// Byte offset of its first character in the value, an opening quote included.
    pub offset: usize,
    /// Offsets of escapes that are unknown and were kept as they stand (X2).
    pub unknown_escapes: Vec<usize>,
}

/// What a backslash means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// C escapes are decoded, unknown ones kept (command lines, Environment=).
    Decode,
    /// It is a character like any other (unit names, paths, lists of names).
    Keep,
    /// It goes, and the character behind it stays; a quote that is not closed ends with the
    /// text (values of variables, X5). With this, splitting never fails.
    Remove,
}

/// Splits at blanks; adjacent quoted parts join; C escapes are decoded everywhere.
///
/// # Errors
/// A quote is not closed, or an escape stands for no character; the offset is of the culprit.
pub fn split(value: &str) -> Result<Vec<Word>, (usize, ValueError)> {
    split_with(value, Escapes::Decode)
}

/// As [`split`], but a backslash is a plain character: for lists of unit names, whose `\x2d`
/// belongs to the name.
///
/// # Errors
/// A quote is not closed; the offset is of the quote.
pub fn split_keeping_escapes(value: &str) -> Result<Vec<Word>, (usize, ValueError)> {
    split_with(value, Escapes::Keep)
}

/// As [`split`], with the meaning of a backslash chosen.
///
/// # Errors
/// As [`split`], but none with [`Escapes::Remove`].
pub fn split_with(value: &str, escapes: Escapes) -> Result<Vec<Word>, (usize, ValueError)> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some((word, behind)) = next_word(value, at, escapes)? {
        words.push(word);
        at = behind;
    }
    Ok(words)
}

/// The next word at or behind the byte `at`, and where the text behind it and its blanks
/// begins; `None` if only blanks are left.
///
/// # Errors
/// As [`split`].
pub fn next_word(
    value: &str,
    at: usize,
    escapes: Escapes,
) -> Result<Option<(Word, usize)>, (usize, ValueError)> {
    let start = skip_blanks(value, at);
    if start >= value.len() {
        return Ok(None);
    }
    let mut reader = Reader {
        value,
        at: start,
        escapes,
        text: Vec::new(),
        unknown_escapes: Vec::new(),
        high_escape: None,
    };
    reader.read_word()?;
    let culprit = reader.high_escape.unwrap_or(start);
    let text = String::from_utf8(reader.text).map_err(|_| {
        let message = "the escape stands for a byte that makes the word no UTF-8 text";
        (culprit, ValueError(message.to_owned()))
    })?;
    let word = Word {
        text,
        offset: start,
        unknown_escapes: reader.unknown_escapes,
    };
    Ok(Some((word, skip_blanks(value, reader.at))))
}

/// Where the first byte that is no blank stands, at or behind `at`.
pub(super) fn skip_blanks(value: &str, at: usize) -> usize {
    let rest = value.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| is_blank(**b)).count()
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads one word. Every byte with a meaning is ASCII, so bytes are enough.
struct Reader<'a> {
    value: &'a str,
    at: usize,
    escapes: Escapes,
    text: Vec<u8>,
    unknown_escapes: Vec<usize>,
    /// The first escape that stands for a byte beyond ASCII: only these can spoil the text.
    high_escape: Option<usize>,
}

impl Reader<'_> {
    fn read_word(&mut self) -> Result<(), (usize, ValueError)> {
        let bytes = self.value.as_bytes();
        let mut quote: Option<(u8, usize)> = None;
        while let Some(byte) = bytes.get(self.at).copied() {
            match (byte, quote) {
                (b'\\', _) if self.escapes != Escapes::Keep => {
                    self.read_escape();
                    continue;
                }
                (b'\'' | b'"', None) => quote = Some((byte, self.at)),
                (_, Some((open, _))) if byte == open => quote = None,
                (_, None) if is_blank(byte) => return Ok(()),
                (_, None | Some(_)) => self.text.push(byte),
            }
            self.at += 1;
        }
        match quote {
            Some((_, opened)) if self.escapes != Escapes::Remove => {
                let message = "the quote that begins here is not closed";
                Err((opened, ValueError(message.to_owned())))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a backslash and what it stands for.
    fn read_escape(&mut self) {
        let behind = &self.value.as_bytes()[self.at + 1..];
        if self.escapes == Escapes::Remove {
            self.text.extend(behind.first());
            self.at += 1 + usize::from(!behind.is_empty());
            return;
        }
        match decode_escape(behind) {
            Some((Decoded::Byte(byte), used)) => {
                if !byte.is_ascii() {
                    self.high_escape.get_or_insert(self.at);
                }
                self.text.push(byte);
                self.at += 1 + used;
            }
            Some((Decoded::Char(c), used)) => {
                let mut buffer = [0; 4];
                self.text
                    .extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                self.at += 1 + used;
            }
            None => {
                self.unknown_escapes.push(self.at);
                self.text.push(b'\\');
                self.at += 1;
                // What stands behind is plain, a blank too: `foo\ bar` is one word.
                self.text.extend(behind.first());
                self.at += usize::from(!behind.is_empty());
            }
        }
    }
}

/// The bytes that a text with escapes of C stands for; escapes that are none stay as they are.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let decoded = (*first == b'\\').then(|| decode_escape(behind)).flatten();
        rest = match decoded {
            Some((Decoded::Byte(byte), used)) => {
                bytes.push(byte);
                &behind[used..]
            }
            Some((Decoded::Char(c), used)) => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                &behind[used..]
            }
            None => {
                bytes.push(*first);
                behind
            }
        };
    }
    bytes
}

/// Decodes the escapes of a text that is no list of words and knows no other backslash.
///
/// # Errors
/// An escape that is unknown or stands for no character; the offset is of its backslash.
pub fn unescape_known(value: &str) -> Result<String, (usize, ValueError)> {
    let bad = |at, message: &str| (at, ValueError(message.to_owned()));
    let mut text = Vec::with_capacity(value.len());
    let mut first = 0;
    let mut at = 0;
    while let Some(byte) = value.as_bytes().get(at).copied() {
        at += 1;
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        let behind = value.as_bytes().get(at..).unwrap_or_default();
        let (decoded, used) =
            decode_escape(behind).ok_or_else(|| bad(at - 1, "this escape is unknown"))?;
        match decoded {
            Decoded::Byte(byte) => text.push(byte),
            Decoded::Char(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        first = if first == 0 { at - 1 } else { first };
        at += used;
    }
    String::from_utf8(text).map_err(|_| bad(first, "escapes make bytes that are no UTF-8"))
}

/// What an escape stands for.
enum Decoded {
    Byte(u8),
    Char(char),
}

/// Decodes what stands behind a backslash; the number is of the bytes used. `None` for an
/// escape that is unknown or stands for NUL or for no character.
fn decode_escape(behind: &[u8]) -> Option<(Decoded, usize)> {
    let simple = |byte| Some((Decoded::Byte(byte), 1));
    let (value, used) = match *behind.first()? {
        b'a' => return simple(0x07),
        b'b' => return simple(0x08),
        b'f' => return simple(0x0c),
        b'n' => return simple(b'\n'),
        b'r' => return simple(b'\r'),
        b't' => return simple(b'\t'),
        b'v' => return simple(0x0b),
        b's' => return simple(b' '),
        byte @ (b'\\' | b'"' | b'\'') => return simple(byte),
        b'x' => (number(behind.get(1..3)?, 16)?, 3),
        b'0'..=b'7' => (number(behind.get(..3)?, 8)?, 3),
        b'u' => {
            let c = char::from_u32(number(behind.get(1..5)?, 16)?)?;
            return (c != '\0').then_some((Decoded::Char(c), 5));
        }
        b'U' => {
            let c = char::from_u32(number(behind.get(1..9)?, 16)?)?;
            return (c != '\0').then_some((Decoded::Char(c), 9));
        }
        _ => return None,
    };
    let byte = u8::try_from(value).ok().filter(|b| *b != 0)?;
    Some((Decoded::Byte(byte), used))
}

/// Digits of a base, nothing else.
fn number(digits: &[u8], base: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, byte| {
        let digit = char::from(*byte).to_digit(base)?;
        sum.checked_mul(base)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(value: &str) -> Vec<String> {
        split(value).unwrap().into_iter().map(|w| w.text).collect()
    }

    #[test]
    fn escapes_of_a_text_that_is_no_list() {
        assert_eq!(
            unescape_known(r#"a\tb 'c' \\ \u00e9"#).unwrap(),
            "a\tb 'c' \\ \u{e9}"
        );
        assert_eq!(unescape_known(r"\xc3\xa9").unwrap(), "\u{e9}");
        for (bad, at) in [(r"ab\q", 2), (r"ab\", 2), (r"a\x00", 1), (r"a\xff", 1)] {
            assert_eq!(unescape_known(bad).unwrap_err().0, at, "{bad}");
        }
    }

    #[test]
    fn x1_words_and_quotes() {
        for (value, words) in [
            ("", &[][..]),
            (" \t ", &[]),
            ("a b\t\tc", &["a", "b", "c"]),
            ("  a  ", &["a"]),
            ("'a b' \"c d\"", &["a b", "c d"]),
            ("a\"b c\"d", &["ab cd"]),
            ("'a'\"b\"c", &["abc"]),
            ("\"\" ''", &["", ""]),
            ("\"it's\" 'say \"x\"'", &["it's", "say \"x\""]),
            ("\u{e9}t\u{e9} \u{65e5}", &["\u{e9}t\u{e9}", "\u{65e5}"]),
        ] {
            assert_eq!(texts(value), words, "{value}");
        }
    }

    #[test]
    fn x1_escapes_are_decoded_everywhere() {
        let all = r#"\a\b\f\n\r\t\v\\\"\'\s\x41\102\u00e9\U0001F600"#;
        let decoded = "\x07\x08\x0c\n\r\t\x0b\\\"' AB\u{e9}\u{1f600}";
        assert_eq!(texts(all), [decoded]);
        assert_eq!(texts(&format!("'{all}'")), [decoded]);
        assert_eq!(texts(&format!("\"{all}\"")), [decoded]);
        assert_eq!(texts(r"a\sb c"), ["a b", "c"]);
        assert_eq!(texts(r"\xc3\xa9"), ["\u{e9}"]);
    }

    #[test]
    fn x2_unknown_escapes_are_kept() {
        for (value, words, unknown) in [
            (r"a\qb c", &[r"a\qb", "c"][..], &[1][..]),
            (r"foo\ bar", &[r"foo\ bar"], &[3]),
            (r"\$ONE", &[r"\$ONE"], &[0]),
            (r"'\d'", &[r"\d"], &[1]),
            (r"\x00", &[r"\x00"], &[0]),
            (r"\xg1", &[r"\xg1"], &[0]),
            (r"\x4", &[r"\x4"], &[0]),
            (r"\400 \18", &[r"\400", r"\18"], &[0]),
            (r"\ud800", &[r"\ud800"], &[0]),
            (r"\U00110000", &[r"\U00110000"], &[0]),
            (r"\u+041", &[r"\u+041"], &[0]),
            ("a\\", &["a\\"], &[1]),
            ("\\\u{e9}", &["\\\u{e9}"], &[0]),
        ] {
            let found = split(value).unwrap();
            assert_eq!(texts(value), words, "{value}");
            assert_eq!(found[0].unknown_escapes, unknown, "{value}");
        }
    }

    #[test]
    fn offsets_are_those_of_the_culprits() {
        let words = split("  a  'b c'").unwrap();
        assert_eq!([words[0].offset, words[1].offset], [2, 5]);
        assert_eq!(split("ab \"c 'd'").unwrap_err().0, 3);
        assert_eq!(split("a'b").unwrap_err().0, 1);
        assert_eq!(split(r#"a "b\""#).unwrap_err().0, 2);
        assert_eq!(split("\"\\").unwrap_err().0, 0);
        assert_eq!(split(r"a b\xff").unwrap_err().0, 3);
    }

    #[test]
    fn names_keep_their_escapes() {
        let words = split_keeping_escapes(r"dev-a\x2db.device 'c\d' e\").unwrap();
        let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
        assert_eq!(texts, [r"dev-a\x2db.device", r"c\d", r"e\"]);
        assert!(words.iter().all(|w| w.unknown_escapes.is_empty()));
        assert_eq!(split_keeping_escapes("a 'b").unwrap_err().0, 2);
    }

    #[test]
    fn values_of_variables_lose_theirs() {
        for (value, words) in [
            (r"a\ b c", &["a b", "c"][..]),
            (r"a\n", &["an"]),
            ("'b c", &["b c"]),
            ("a\\", &["a"]),
            ("'a\\", &["a"]),
            ("\\\u{e9}x", &["\u{e9}x"]),
        ] {
            let found = split_with(value, Escapes::Remove).unwrap();
            let texts: Vec<String> = found.into_iter().map(|w| w.text).collect();
            assert_eq!(texts, words, "{value}");
        }
    }

    proptest! {
        #[test]
        fn splitting_never_panics(value in r#"[ab '"\\\\xuU0-9\t\u{e9}]{0,40}|.*"#) {
            for escapes in [Escapes::Decode, Escapes::Keep, Escapes::Remove] {
                match split_with(&value, escapes) {
                    Ok(words) => {
                        for word in words {
                            prop_assert!(value.is_char_boundary(word.offset));
                        }
                    }
                    Err((offset, _)) => {
                        prop_assert!(value.is_char_boundary(offset));
                        prop_assert!(offset < value.len());
                        prop_assert!(escapes != Escapes::Remove);
                    }
                }
            }
        }

        #[test]
        fn quoted_text_is_itself(words in proptest::collection::vec("[a-z \"$%\u{e9}]*", 0..6)) {
            let line: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
            prop_assert_eq!(texts(&line.join(" ")), words);
        }
    }
}
