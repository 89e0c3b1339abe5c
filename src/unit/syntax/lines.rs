//! Physical lines of a file, whatever ends them (checklist U3).

/// One physical line.
pub(super) struct Line<'a> {
    /// Number, from 1.
    pub(super) number: u32,
    /// The bytes without what ends the line.
    pub(super) bytes: &'a [u8],
}

/// Cuts a file at LF, CR, CRLF, LFCR and NUL; a UTF-8 byte order mark at the start is dropped.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Lines<'a> {
    pub(super) fn new(content: &'a [u8]) -> Lines<'a> {
        Lines {
            rest: content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content),
            number: 0,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| is_end(*b));
        let (bytes, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = &rest[end_length(rest)..];
        self.number = self.number.saturating_add(1);
        Some(Line {
            number: self.number,
            bytes,
        })
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0)
}

/// How many bytes end the line: different ones in a row are one end, the same one twice is
/// two, and nothing goes on behind NUL.
fn end_length(rest: &[u8]) -> usize {
    let mut length = 0;
    while let Some(byte) = rest.get(length).filter(|b| is_end(**b)) {
        if rest[..length].contains(byte) || rest[..length].contains(&0) {
            break;
        }
        length += 1;
    }
    length
}
