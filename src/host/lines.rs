//! Splits what a process writes into lines.

/// Longest line kept whole, in bytes; a longer one is cut into several (as journald does with
/// its LineMax=48K).
pub(super) const MAX_LINE: usize = 48 * 1024;

/// Collects bytes and gives out whole lines, those without a break in the bytes themselves as
/// slices of them.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    rest: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes in and tells of each line they end, and whether it goes on in the next one
    /// because it is too long. Empty lines are left out.
    pub(super) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(&[u8], bool)) {
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[begin..end];
            begin = end + 1;
            if self.rest.is_empty() && line.len() <= MAX_LINE {
                tell_line(line, &mut tell);
                continue;
            }
            self.rest.extend_from_slice(line);
            self.cut(&mut tell);
            self.finish(&mut tell);
        }
        self.rest.extend_from_slice(&bytes[begin..]);
        self.cut(&mut tell);
    }

    /// The unended line at the end of the stream.
    pub(super) fn finish(&mut self, mut tell: impl FnMut(&[u8], bool)) {
        let line = std::mem::take(&mut self.rest);
        tell_line(&line, &mut tell);
    }

    /// Throws the beginning of a line away.
    pub(super) fn forget(&mut self) {
        self.rest.clear();
    }

    fn cut(&mut self, tell: &mut impl FnMut(&[u8], bool)) {
        let mut begin = 0;
        while self.rest.len() - begin > MAX_LINE {
            let mut end = begin + MAX_LINE;
            // Not inside a character: continuation bytes of UTF-8 begin with 10.
            while end > begin + MAX_LINE - 4 && self.rest[end] & 0xc0 == 0x80 {
                end -= 1;
            }
            tell(&self.rest[begin..end], true);
            begin = end;
        }
        self.rest.drain(..begin);
    }
}

fn tell_line(line: &[u8], tell: &mut impl FnMut(&[u8], bool)) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        tell(line, false);
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

    fn feed(splitter: &mut LineSplitter, bytes: &[u8]) -> Vec<(String, bool)> {
        let mut lines = Vec::new();
        splitter.feed(bytes, |line, goes_on| {
            lines.push((String::from_utf8_lossy(line).into_owned(), goes_on));
        });
        lines
    }

    fn finish(splitter: &mut LineSplitter) -> Option<String> {
        let mut last = None;
        splitter.finish(|line, _| last = Some(String::from_utf8_lossy(line).into_owned()));
        last
    }

    #[test]
    fn lines_over_several_reads() {
        let mut splitter = LineSplitter::default();
        let whole = |text: &str| (text.to_owned(), false);
        assert_eq!(feed(&mut splitter, b"one\ntw"), [whole("one")]);
        assert_eq!(feed(&mut splitter, b"o\r\n\n\xffthree"), [whole("two")]);
        assert_eq!(finish(&mut splitter).as_deref(), Some("\u{fffd}three"));
        assert_eq!(finish(&mut splitter), None);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let mut splitter = LineSplitter::default();
        let text = format!("x{}", "ä".repeat(MAX_LINE));
        let lines = feed(&mut splitter, text.as_bytes());
        assert!(
            lines
                .iter()
                .all(|(line, goes_on)| *goes_on && line.len() <= MAX_LINE)
        );
        let mut whole: String = lines.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines.len(), 2);
        whole.extend(finish(&mut splitter));
        assert_eq!(whole, text);
        let exact = format!("{}\nnext\n", "y".repeat(MAX_LINE));
        let lines = feed(&mut LineSplitter::default(), exact.as_bytes());
        assert!(lines.len() == 2 && lines.iter().all(|(_, goes_on)| !goes_on));
        let over = format!("{}z\n", "y".repeat(MAX_LINE));
        let lines = feed(&mut LineSplitter::default(), over.as_bytes());
        assert_eq!(lines[1], ("z".to_owned(), false));
        assert!(lines[0].1);
    }

    #[test]
    fn levels() {
        assert_eq!(split_level("<3>bad"), (Some(3), "bad"));
        assert_eq!(split_level("<9>bad"), (None, "<9>bad"));
        assert_eq!(split_level("<3"), (None, "<3"));
    }
}
