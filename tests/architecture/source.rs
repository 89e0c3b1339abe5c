//! Rust source, read just far enough to check it: comments and literals blanked, test code
//! blanked, paths collected with their lines.

/// A source file of the library or a program.
pub(crate) struct Source {
    /// Path below src/, such as `unit/name.rs`.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// Comments, literals and test code replaced by blanks; lines stay where they are.
    pub(crate) code: String,
    /// Compiled for tests only.
    pub(crate) is_test: bool,
}

const TEST_MARK: &str = "#[cfg(test)]";

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: without_tests(&without_literals(text)),
            is_test: false,
        }
    }

    /// The same file as one that is compiled for tests only: nothing in it is product.
    pub(crate) fn into_test(mut self) -> Source {
        self.code.clear();
        self.is_test = true;
        self
    }

    /// The modules in files of their own that this one has for tests only, as paths below src/
    /// without `.rs`: `#[cfg(test)] mod tests;` in `host/log.rs` is `host/log/tests`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let directory = stem.strip_suffix("/mod").unwrap_or(stem);
        let code = without_literals(&self.text);
        code.match_indices(TEST_MARK)
            .filter_map(|(start, _)| {
                let after = code[start + TEST_MARK.len()..].trim_start();
                let name = after.strip_prefix("mod ")?.split_once(';')?.0;
                (!name.contains('{')).then(|| format!("{directory}/{name}"))
            })
            .collect()
    }

    /// The top-level module it belongs to: `unit`, `places`, `bin`, or `lib` for the root.
    pub(crate) fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How deep its module is: 0 for the root, 1 for `unit` and `places`, 2 for `unit::name`.
    pub(crate) fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path == "lib.rs" {
            0
        } else if self.path.ends_with("/mod.rs") {
            parts - 1
        } else {
            parts
        }
    }

    /// All paths in the code, use trees spread out: line and segments.
    pub(crate) fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            at = read_path(&tokens, at, &[], &mut found);
        }
        found
    }
}

/// The line, from 1, that a byte is in.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Blanks comments, strings and characters; code and line ends stay.
fn without_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at).unwrap_or(at);
        if end == at {
            out.push(char::from(bytes[at]));
            at += 1;
        } else {
            blank(&bytes[at..end], &mut out);
            at = end;
        }
    }
    out
}

fn blank(bytes: &[u8], out: &mut String) {
    out.extend(bytes.iter().map(|b| if *b == b'\n' { '\n' } else { ' ' }));
}

/// Where the comment or literal that begins here ends.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let line = rest.iter().position(|b| *b == b'\n');
        return Some(at + line.unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(at + block_comment(rest));
    }
    if rest[0] == b'"' {
        return Some(at + 1 + quoted(&rest[1..]));
    }
    if rest[0] == b'r' && !continues_word(bytes, at) {
        return raw_string(rest).map(|length| at + length);
    }
    if rest[0] == b'\'' {
        return character(rest).map(|length| at + length);
    }
    None
}

/// `r` as the first letter of a literal may have a `b` or `c` before it, no other letter.
fn continues_word(bytes: &[u8], at: usize) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at >= 2 && is_word(bytes[at - 2]),
        Some(before) => is_word(before),
        None => false,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// Length up to and with the closing quote.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let body = &rest[2 + hashes..];
    let end = body.windows(close.len()).position(|w| w == close);
    Some(2 + hashes + end.map_or(body.len(), |end| end + close.len()))
}

/// A character literal; a lifetime has no closing quote so near.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest[3..].iter().position(|b| *b == b'\'')?;
        return Some(3 + close + 1);
    }
    // One character of up to four bytes.
    let close = rest.iter().take(6).skip(2).position(|b| *b == b'\'')?;
    let body = &rest[1..2 + close];
    (std::str::from_utf8(body).ok()?.chars().count() == 1).then_some(close + 3)
}

/// Blanks every item under `#[cfg(test)]`. Takes code without literals.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find(TEST_MARK) {
        let end = item_end(&out, start + TEST_MARK.len());
        let mut blanked = String::new();
        blank(&out.as_bytes()[start..end], &mut blanked);
        out.replace_range(start..end, &blanked);
    }
    out
}

/// Where the item that begins here ends: at its semicolon or its closing brace.
pub(crate) fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b';' if depth == 0 => return offset + 1,
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Words, `::`, and single characters, with their lines.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    let bytes = code.as_bytes();
    while at < bytes.len() {
        let start = at;
        if bytes[at].is_ascii_alphabetic() || bytes[at] == b'_' {
            while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                at += 1;
            }
        } else if code[at..].starts_with("::") {
            at += 2;
        } else {
            at += 1;
        }
        match &code[start..at] {
            "\n" => line += 1,
            blank if blank.trim().is_empty() => {}
            token => found.push((line, token)),
        }
    }
    found
}

/// Reads the path or use tree at `at`; returns where to go on.
fn read_path(
    tokens: &[(usize, &str)],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    let is_word = |token: &str| token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let mut path = prefix.to_vec();
    let line = tokens[at].0;
    // A path may begin with `::`.
    if tokens[at].1 == "::" {
        at += 1;
    }
    while at < tokens.len() {
        if is_word(tokens[at].1) {
            path.push(tokens[at].1.to_owned());
            at += 1;
        } else if tokens[at].1 == "{" && !path.is_empty() && tokens[at - 1].1 == "::" {
            return read_group(tokens, at + 1, &path, found);
        } else {
            break;
        }
        if tokens.get(at).map(|token| token.1) != Some("::") {
            break;
        }
        at += 1;
    }
    if path.len() > prefix.len() {
        found.push((line, path));
        at
    } else {
        at + 1
    }
}

fn read_group(
    tokens: &[(usize, &str)],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    while at < tokens.len() && tokens[at].1 != "}" {
        at = read_path(tokens, at, prefix, found);
    }
    at + 1
}
