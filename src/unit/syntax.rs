//! The line language of unit files (systemd.syntax(7); checklist U1-U7).
//!
//! Splits text into sections and assignments and remembers where everything stands. Knows no
//! directive and no section, so unknown ones are left for the loader to judge.
//!
//! Two steps: [`lines::Lines`] cuts bytes into physical lines, [`Logical`] joins continued
//! ones and maps each byte of the result to its place.

mod lines;

use super::diagnostic::{Diagnostic, Position, Rule, Severity};
use lines::{Line, Lines};
use std::sync::Arc;

/// Longest physical line and longest continued value, in bytes (checklist U4).
pub const LONGEST_LINE: usize = 1024 * 1024;

/// One `Key=value`, continuations joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section it stands in.
    pub section: String,
    /// The key.
    pub key: String,
    /// The value, trimmed.
    pub value: String,
    /// Where the key stands.
    pub key_position: Position,
    /// Places of the value: byte offset in `value` where a physical line begins, and the
    /// position of that byte; the first entry is the start of the value.
    pub value_lines: Vec<(usize, Position)>,
}

impl Assignment {
    /// The position of a byte of the value.
    pub fn position_at(&self, offset: usize) -> Position {
        self.position_from(None, offset)
    }

    /// As [`Assignment::position_at`], counting from a byte whose position is known, if that
    /// stands before it in the same line: who asks for many in a row counts each only once.
    pub fn position_from(&self, known: Option<&(usize, Position)>, offset: usize) -> Position {
        let lines = &self.value_lines;
        let behind = lines.partition_point(|(start, _)| *start <= offset);
        let Some((start, first)) = behind.checked_sub(1).and_then(|at| lines.get(at)) else {
            return self.key_position.clone();
        };
        let mut end = offset.min(self.value.len());
        while !self.value.is_char_boundary(end) {
            end -= 1;
        }
        let known = known.filter(|(at, _)| (*start..=end).contains(at));
        let (start, first) = known.map_or((start, first), |(at, position)| (at, position));
        let columns = self.value.get(*start..end).map_or(0, |t| t.chars().count());
        Position {
            file: first.file.clone(),
            line: first.line,
            column: first.column + columns as u32,
        }
    }

    /// Where the physical line that holds a byte of the value ends, as an offset in the value.
    pub fn line_end(&self, offset: usize) -> usize {
        let later = self
            .value_lines
            .partition_point(|(start, _)| *start <= offset);
        let next = self.value_lines.get(later).map(|(start, _)| *start);
        next.unwrap_or(self.value.len())
    }
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Section headers in order.
    pub sections: Vec<(String, Position)>,
    /// Assignments in order.
    pub assignments: Vec<Assignment>,
    /// Findings; an error among them means that the load fails (U4, U5), though what stands
    /// before it is kept.
    pub diagnostics: Vec<Diagnostic>,
}

/// Splits a file.
pub fn parse(file: &Arc<str>, content: &[u8]) -> Document {
    let mut parser = Parser {
        file,
        document: Document::default(),
        section: None,
    };
    // What stands before an error is kept; the error itself is among the diagnostics.
    if let Err(Finding { position, message }) = parser.read(content) {
        let finding = Diagnostic::new(Severity::Error, Rule::Syntax, position, message);
        parser.document.diagnostics.push(finding);
    }
    parser.document
}

/// The texts of the lines, cut as positions count them; what is not UTF-8 is replaced.
pub fn texts(content: &[u8]) -> Vec<String> {
    Lines::new(content)
        .map(|line| String::from_utf8_lossy(line.bytes).into_owned())
        .collect()
}

/// An error that ends the reading of the file.
struct Finding {
    position: Position,
    message: String,
}

struct Parser<'a> {
    file: &'a Arc<str>,
    document: Document,
    section: Option<String>,
}

impl Parser<'_> {
    fn read(&mut self, content: &[u8]) -> Result<(), Finding> {
        let mut logical = Logical::default();
        for line in Lines::new(content) {
            if line.bytes.len() >= LONGEST_LINE {
                return Err(self.finding((line.number, 1), "the line is longer than 1 MiB"));
            }
            // Before anything else, so that comments may stand inside a continued value (U1).
            if is_comment(line.bytes) {
                continue;
            }
            if logical.text.len() + line.bytes.len() > LONGEST_LINE {
                let message = "the continued value is longer than 1 MiB";
                return Err(self.finding((line.number, 1), message));
            }
            if logical.append(&line) == Continued::No {
                self.take(&logical)?;
                logical = Logical::default();
            }
        }
        // A backslash at the end of the file continues nothing.
        self.take(&logical)
    }

    /// Reads one logical line.
    fn take(&mut self, logical: &Logical) -> Result<(), Finding> {
        let Some(start) = logical.text.iter().position(|b| !is_blank(*b)) else {
            return Ok(());
        };
        let text = std::str::from_utf8(&logical.text).map_err(|error| {
            let place = logical.place(error.valid_up_to());
            self.finding(place, "the line is not valid UTF-8")
        })?;
        let trimmed = text.trim_matches(BLANKS);
        if trimmed.starts_with('[') {
            return self.take_header(trimmed, logical.place(start));
        }
        let place = logical.place(start);
        let Some(section) = self.section.clone() else {
            let length = trimmed.chars().count();
            self.warn(place, length, "assignment before any section");
            return Ok(());
        };
        let Some((key, value)) = trimmed.split_once('=') else {
            // Nobody but their owner knows what X- sections hold (U6).
            if !section.starts_with("X-") {
                self.warn(place, trimmed.chars().count(), "the line has no \"=\"");
            }
            return Ok(());
        };
        if key.is_empty() {
            self.warn(place, 1, "there is no key before \"=\"");
            return Ok(());
        }
        let behind = start + key.len() + 1;
        let leading = value.len() - value.trim_start_matches(BLANKS).len();
        let value = value.trim_matches(BLANKS);
        // An empty value stands right behind the "=", wherever the line ends.
        let value_start = behind + if value.is_empty() { 0 } else { leading };
        self.document.assignments.push(Assignment {
            section,
            key: key.trim_end_matches(BLANKS).to_owned(),
            value: value.to_owned(),
            key_position: self.position(place),
            value_lines: self.value_lines(logical, value_start, value.len()),
        });
        Ok(())
    }

    /// Reads `[Section]`.
    fn take_header(&mut self, text: &str, place: Place) -> Result<(), Finding> {
        let name = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let Some(name) = name else {
            return Err(self.finding(place, "the section header has no \"]\" at its end"));
        };
        if name.contains(|c: char| c.is_ascii_control() || "'\"\\".contains(c)) {
            return Err(self.finding(place, "the section header holds bad characters"));
        }
        self.section = Some(name.to_owned());
        let position = self.position(place);
        self.document.sections.push((name.to_owned(), position));
        Ok(())
    }

    /// The physical lines of a value that starts at a byte of the logical line.
    fn value_lines(
        &self,
        logical: &Logical,
        start: usize,
        length: usize,
    ) -> Vec<(usize, Position)> {
        let first = (0, self.position(logical.place(start)));
        let inside = start + 1..start + length;
        let later = logical.starts.iter().filter(|s| inside.contains(&s.offset));
        let later = later.map(|s| (s.offset - start, self.position((s.line, 1))));
        std::iter::once(first).chain(later).collect()
    }

    fn position(&self, (line, column): Place) -> Position {
        Position {
            file: self.file.clone(),
            line,
            column,
        }
    }

    fn finding(&self, place: Place, message: &str) -> Finding {
        Finding {
            position: self.position(place),
            message: message.to_owned(),
        }
    }

    fn warn(&mut self, place: Place, length: usize, message: &str) {
        let position = self.position(place);
        let finding = Diagnostic::new(Severity::Warning, Rule::Syntax, position, message);
        self.document.diagnostics.push(finding.length(length));
    }
}

/// Line and column, both from 1.
type Place = (u32, u32);

/// Whether a line asks for the next one.
#[derive(PartialEq, Eq)]
enum Continued {
    Yes,
    No,
}

/// A line with its continuations, backslashes made blanks.
#[derive(Default)]
struct Logical {
    text: Vec<u8>,
    starts: Vec<LineStart>,
}

/// Where in a logical line a physical one begins.
struct LineStart {
    offset: usize,
    line: u32,
}

impl Logical {
    /// Appends a physical line; its final backslash becomes a blank and asks for the next.
    fn append(&mut self, line: &Line<'_>) -> Continued {
        self.starts.push(LineStart {
            offset: self.text.len(),
            line: line.number,
        });
        self.text.extend_from_slice(line.bytes);
        let backslashes = line.bytes.iter().rev().take_while(|b| **b == b'\\').count();
        // Pairs of backslashes are characters of the value.
        if backslashes % 2 == 0 {
            return Continued::No;
        }
        if let Some(last) = self.text.last_mut() {
            *last = b' ';
        }
        Continued::Yes
    }

    /// Line and column of a byte; what stands before it is taken as UTF-8.
    fn place(&self, offset: usize) -> Place {
        let Some(start) = self.starts.iter().rev().find(|s| s.offset <= offset) else {
            return (1, 1);
        };
        let before = &self.text[start.offset..offset.min(self.text.len())];
        // Every byte but the continuing ones begins a character.
        let characters = before.iter().filter(|b| **b & 0xc0 != 0x80).count();
        (start.line, characters as u32 + 1)
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_comment(line: &[u8]) -> bool {
    let first = line.iter().find(|b| !is_blank(**b));
    matches!(first, Some(b'#' | b';'))
}

#[cfg(test)]
mod tests;
