//! Environment= words and the syntax of environment files (checklist E1, E3, E4).

mod file;

pub use file::parse_file;

use super::value::ValueError;
use super::words::{self, Escapes};

/// Whether a name can be an environment variable: letters, digits, `_`, no leading digit.
pub fn is_valid_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(allowed)
}

/// Splits `NAME=VALUE`; `None` without `=` or with a name that is none.
pub fn split_assignment(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| is_valid_name(name))
}

/// What one Environment= value holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedEnvironment {
    /// Names and values in order; a later one wins.
    pub assignments: Vec<(String, String)>,
    /// Byte offset in the value and text of each thing that was skipped.
    pub warnings: Vec<(usize, String)>,
}

/// Parses one value of Environment=: words of `NAME=VALUE`, specifiers expanded in each, `$`
/// without meaning (E1).
///
/// A word that is no assignment is skipped. An open quote or an unknown escape, which command
/// lines bear with, ends the value; what stands before it counts.
pub fn parse_assignments(
    value: &str,
    expand: &dyn Fn(&str) -> Result<String, ValueError>,
) -> ParsedEnvironment {
    let mut parsed = ParsedEnvironment::default();
    let mut at = 0;
    loop {
        let word = match words::next_word(value, at, Escapes::Decode) {
            Ok(Some((word, behind))) => {
                at = behind;
                word
            }
            Ok(None) => return parsed,
            Err((offset, ValueError(message))) => {
                let message = format!("{message}; ignoring it and what follows");
                parsed.warnings.push((offset, message));
                return parsed;
            }
        };
        if let Some(offset) = word.unknown_escapes.first() {
            let message = "unknown escape; ignoring the word and what follows".to_owned();
            parsed.warnings.push((*offset, message));
            return parsed;
        }
        match expand(&word.text) {
            Ok(text) => match split_assignment(&text) {
                Some((name, value)) => {
                    let assignment = (name.to_owned(), value.to_owned());
                    parsed.assignments.push(assignment);
                }
                None => {
                    let message = format!("\"{text}\" is not an assignment NAME=VALUE");
                    parsed.warnings.push((word.offset, message));
                }
            },
            Err(ValueError(message)) => parsed.warnings.push((word.offset, message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `%n` is `unit`, everything else behind `%` an error.
    fn expand(word: &str) -> Result<String, ValueError> {
        let text = word.replace("%n", "unit");
        match text.find('%') {
            Some(_) => Err(ValueError("unknown specifier".to_owned())),
            None => Ok(text),
        }
    }

    /// `NAME=VALUE` of each assignment, and the offsets of the warnings.
    fn read(value: &str) -> (Vec<String>, Vec<usize>) {
        let parsed = parse_assignments(value, &expand);
        let texts = parsed.assignments.iter().map(|(n, v)| format!("{n}={v}"));
        let offsets = parsed.warnings.iter().map(|(at, _)| *at);
        (texts.collect(), offsets.collect())
    }

    #[test]
    fn names() {
        for name in ["A", "_", "a1", "PATH", "DD_API_KEY"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "1X", "BAD-X", "a b", "a.b", "\u{e9}", "A=", "A\n"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn e1_assignments() {
        let (texts, warnings) = read(r#"A=1 "B=b c" C='d e'f D= E=$A${B} F=x=y G=a\x20b H=%n A=2"#);
        assert_eq!(
            texts,
            [
                "A=1", "B=b c", "C=d ef", "D=", "E=$A${B}", "F=x=y", "G=a b", "H=unit", "A=2"
            ]
        );
        assert_eq!(warnings, [0; 0]);
        assert_eq!(read(""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn e1_bad_words_are_skipped() {
        assert_eq!(
            read("BAD-X=1 1X=2 junk =y A=%Z OK=1"),
            (vec!["OK=1".to_owned()], vec![0, 8, 13, 18, 21])
        );
    }

    #[test]
    fn e1_bad_syntax_ends_the_value() {
        assert_eq!(read("A=1 \"B=2 C=3"), (vec!["A=1".to_owned()], vec![4]));
        assert_eq!(read(r"A=1 B=\q C=3"), (vec!["A=1".to_owned()], vec![6]));
    }

    proptest! {
        #[test]
        fn any_value_is_answered(value in r#"[A1=%n '"\\]{0,32}|.*"#) {
            let parsed = parse_assignments(&value, &expand);
            prop_assert!(parsed.assignments.iter().all(|(name, _)| is_valid_name(name)));
            prop_assert!(parsed.warnings.iter().all(|(at, _)| value.is_char_boundary(*at)));
        }
    }
}
