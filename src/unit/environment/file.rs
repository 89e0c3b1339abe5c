//! The syntax of environment files (systemd.exec(5), EnvironmentFile=; checklist E3, E4).
//!
//! It is neither that of command lines nor that of a shell: quotes mean something only where
//! a value begins, and nothing is expanded. One state per byte, as systemd 252 has it.

use super::is_valid_name;
use crate::unit::value::ValueError;

/// Reads the assignments of an environment file, in order; a later one wins. Lines that
/// assign to no valid name are skipped.
///
/// # Errors
/// The bytes are not UTF-8 where they would be a name or value, or hold NUL (E4).
pub fn parse_file(content: &[u8]) -> Result<Vec<(String, String)>, ValueError> {
    if content.contains(&0) {
        return Err(ValueError("the environment file holds NUL".to_owned()));
    }
    let mut reader = Reader::default();
    for byte in content {
        reader.take(*byte)?;
    }
    reader.finish()
}

/// Where in the file a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    BeforeKey,
    Key,
    BeforeValue,
    Value,
    ValueEscape,
    SingleQuotes,
    DoubleQuotes,
    DoubleQuotesEscape,
    Comment,
    CommentEscape,
}

#[derive(Default)]
struct Reader {
    state: State,
    /// Line feeds seen.
    line: usize,
    /// Line of the key, from 1.
    key_line: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    /// How much of the value stays when the blanks at its end go: an escaped or quoted blank
    /// is none of these.
    kept: usize,
    assignments: Vec<(String, String)>,
}

impl Reader {
    fn take(&mut self, byte: u8) -> Result<(), ValueError> {
        let ends_line = matches!(byte, b'\n' | b'\r');
        self.line += usize::from(byte == b'\n');
        self.state = match self.state {
            State::BeforeKey => match byte {
                b'#' | b';' => State::Comment,
                _ if is_blank(byte) => State::BeforeKey,
                _ => {
                    self.key.push(byte);
                    self.key_line = self.line + 1;
                    State::Key
                }
            },
            State::Key if ends_line => {
                // No "=": the line is nothing.
                self.key.clear();
                State::BeforeKey
            }
            State::Key if byte == b'=' => State::BeforeValue,
            State::Key => {
                self.key.push(byte);
                State::Key
            }
            State::BeforeValue | State::Value if ends_line => {
                self.assign()?;
                State::BeforeKey
            }
            State::BeforeValue => self.begin_value(byte),
            State::Value if byte == b'\\' => State::ValueEscape,
            State::Value => {
                self.push_plain(byte);
                State::Value
            }
            State::ValueEscape => {
                // An escaped line end goes altogether, and no blank takes its place.
                if !ends_line {
                    self.push(byte);
                }
                self.kept = self.value.len();
                State::Value
            }
            // Behind the quote may follow another one, or plain text.
            State::SingleQuotes if byte == b'\'' => State::BeforeValue,
            State::DoubleQuotes if byte == b'"' => State::BeforeValue,
            State::DoubleQuotes if byte == b'\\' => State::DoubleQuotesEscape,
            State::SingleQuotes | State::DoubleQuotes => {
                self.push(byte);
                self.state
            }
            State::DoubleQuotesEscape => {
                self.push_escaped(byte);
                State::DoubleQuotes
            }
            State::Comment if byte == b'\\' => State::CommentEscape,
            State::Comment if ends_line => State::BeforeKey,
            // A backslash carries a comment over the line end; systemd 254 and later stop it.
            State::Comment | State::CommentEscape => State::Comment,
        };
        Ok(())
    }

    /// The first byte of a value, or of its next part behind a quoted one.
    fn begin_value(&mut self, byte: u8) -> State {
        match byte {
            b'\'' => State::SingleQuotes,
            b'"' => State::DoubleQuotes,
            b'\\' => State::ValueEscape,
            _ if is_blank(byte) => State::BeforeValue,
            _ => {
                self.push(byte);
                State::Value
            }
        }
    }

    /// A byte behind a backslash in double quotes: only what a shell would expand is escaped.
    fn push_escaped(&mut self, byte: u8) {
        match byte {
            b'"' | b'\\' | b'`' | b'$' => self.push(byte),
            b'\n' => {}
            _ => {
                self.push(b'\\');
                self.push(byte);
            }
        }
    }

    /// A byte that stays, also if it is a blank at the end.
    fn push(&mut self, byte: u8) {
        self.value.push(byte);
        self.kept = self.value.len();
    }

    /// A byte of an unquoted value, where blanks at the end do not count.
    fn push_plain(&mut self, byte: u8) {
        self.value.push(byte);
        if !is_blank(byte) {
            self.kept = self.value.len();
        }
    }

    /// Ends an assignment.
    fn assign(&mut self) -> Result<(), ValueError> {
        self.value.truncate(self.kept);
        self.kept = 0;
        let key = self.text(self.key.trim_ascii_end().to_vec())?;
        let value = self.text(self.value.clone())?;
        self.key.clear();
        self.value.clear();
        if is_valid_name(&key) {
            self.assignments.push((key, value));
        }
        Ok(())
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, ValueError> {
        String::from_utf8(bytes).map_err(|_| {
            ValueError(format!(
                "the assignment in line {} of the environment file is not UTF-8",
                self.key_line
            ))
        })
    }

    /// The end of the file ends an assignment too, open quotes or not.
    fn finish(mut self) -> Result<Vec<(String, String)>, ValueError> {
        match self.state {
            State::BeforeKey | State::Key | State::Comment | State::CommentEscape => {}
            State::BeforeValue
            | State::Value
            | State::ValueEscape
            | State::SingleQuotes
            | State::DoubleQuotes
            | State::DoubleQuotesEscape => self.assign()?,
        }
        Ok(self.assignments)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `NAME=VALUE` of each assignment.
    fn read(content: impl AsRef<[u8]>) -> Vec<String> {
        let all = parse_file(content.as_ref()).unwrap();
        all.iter().map(|(n, v)| format!("{n}={v}")).collect()
    }

    #[track_caller]
    fn check(content: &str, wanted: &[&str]) {
        assert_eq!(read(content), wanted, "{content:?}");
    }

    #[test]
    fn e3_blanks_and_comments() {
        check("A=1\nB=2", &["A=1", "B=2"]);
        check("  A  =  x y  \n", &["A=x y"]);
        check("\n\n# A=1\n ; B=2\nC=3 # data\n", &["C=3 # data"]);
        check("A=\nB= \n", &["A=", "B="]);
        check("A=1\r\nB=2\rC=3", &["A=1", "B=2", "C=3"]);
        check("A=1\nA=2\n", &["A=1", "A=2"]);
        check("# x \\\nA=1\nB=2\n", &["B=2"]);
    }

    #[test]
    fn e3_escapes() {
        check(r"A=a\bc\\\$", &[r"A=abc\$"]);
        check("A=a\\\nb\\\n  c\n", &["A=ab  c"]);
        check("A=a\\ \n", &["A=a "]);
        check("A=a \\\n\nB=1", &["A=a ", "B=1"]);
        check(r"A=\'x\'", &["A='x'"]);
        check("A=x\\", &["A=x"]);
    }

    #[test]
    fn e3_quotes() {
        check("A=un\"quo\"ted", &["A=un\"quo\"ted"]);
        check("A=\"a\"b\"c\"", &["A=ab\"c\""]);
        check("A=\"a\" 'b'  \"c\" ", &["A=abc"]);
        check("A=\"a\" b \n", &["A=ab"]);
        check("A=' a '\n", &["A= a "]);
        check(r#"A="\"\\\$\`\n\'""#, &[r#"A="\$`\n\'"#]);
        check(r"A='\n$x\'", &[r"A=\n$x\"]);
        check("A=\"x\ny\\\nz\"\nB=1", &["A=x\nyz", "B=1"]);
        check("A='x\ny'\nB=1", &["A=x\ny", "B=1"]);
        check("A=\"open\nB=1", &["A=open\nB=1"]);
    }

    #[test]
    fn e4_what_is_ignored() {
        check(
            "export A=b\nA-B=1\n1A=2\njunk\n=x\nB=$A ${A}\n",
            &["B=$A ${A}"],
        );
    }

    #[test]
    fn e4_bytes_that_are_no_text() {
        for content in [&b"A=1\nB=\xff\n"[..], b"\xff=1", b"A='\xc3", b"A=1\0\n"] {
            assert!(parse_file(content).is_err(), "{content:?}");
        }
        assert_eq!(
            parse_file(b"A=1\n\n B='\n\xff'").unwrap_err().0,
            "the assignment in line 3 of the environment file is not UTF-8"
        );
        assert_eq!(read(b"# \xff\n\xff\nA=\xc3\xa9"), ["A=\u{e9}"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(assignments) = parse_file(&content) {
                prop_assert!(assignments.iter().all(|(name, _)| is_valid_name(name)));
            }
        }

        #[test]
        fn single_quotes_keep_everything(value in "[^'\0]*") {
            let content = format!("A='{value}'\n");
            prop_assert_eq!(parse_file(content.as_bytes()), Ok(vec![("A".to_owned(), value)]));
        }
    }
}
