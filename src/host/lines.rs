//! Splits what a process writes into lines.

/// Longest line kept whole, in bytes; a longer one is cut into several (as journald does with
/// its LineMax=48K).
pub(super) const MAX_LINE: usize = 48 * 1024;

/// Collects bytes and gives back whole lines.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    rest: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes in and returns the lines they end. Empty lines are left out.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut bytes = bytes;
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.rest.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.cut(&mut lines);
            lines.extend(self.finish());
        }
        self.rest.extend_from_slice(bytes);
        self.cut(&mut lines);
        lines
    }

    /// The unended line at the end of the stream.
    pub(super) fn finish(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.rest);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        (!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned())
    }

    fn cut(&mut self, lines: &mut Vec<String>) {
        while self.rest.len() > MAX_LINE {
            let mut end = MAX_LINE;
            // Not inside a character: continuation bytes of UTF-8 begin with 10.
            while end > MAX_LINE - 4 && self.rest[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            let tail = self.rest.split_off(end);
            let head = std::mem::replace(&mut self.rest, tail);
            lines.push(String::from_utf8_lossy(&head).into_owned());
        }
    }
}

/// Takes the level a line begins with (`<3>`, sd-daemon(3)) off it.
pub(super) fn split_level(line: &str) -> (Option<u8>, &str) {
    match line.as_bytes() {
        [b'<', level @ b'0'..=b'7', b'>', ..] => (Some(level - b'0'), &line[3..]),
        _ => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_several_reads() {
        let mut splitter = LineSplitter::default();
        assert_eq!(splitter.feed(b"one\ntw"), ["one"]);
        assert_eq!(splitter.feed(b"o\r\n\n\xffthree"), ["two"]);
        assert_eq!(splitter.finish().as_deref(), Some("\u{fffd}three"));
        assert_eq!(splitter.finish(), None);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let mut splitter = LineSplitter::default();
        let text = format!("x{}", "ä".repeat(MAX_LINE));
        let mut lines = splitter.feed(text.as_bytes());
        lines.extend(splitter.finish());
        assert!(lines.iter().all(|l| l.len() <= MAX_LINE));
        assert_eq!(lines.len(), 3);
        assert_eq!(lines.concat(), text);
        let exact = format!("{}\nnext\n", "y".repeat(MAX_LINE));
        assert_eq!(LineSplitter::default().feed(exact.as_bytes()).len(), 2);
    }

    #[test]
    fn levels() {
        assert_eq!(split_level("<3>bad"), (Some(3), "bad"));
        assert_eq!(split_level("<9>bad"), (None, "<9>bad"));
        assert_eq!(split_level("<3"), (None, "<3"));
    }
}
