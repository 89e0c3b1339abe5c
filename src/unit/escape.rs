//! Escaping of strings and paths for unit names (systemd.unit(5), "STRING ESCAPING FOR
//! INCLUSION IN UNIT NAMES"), and the path rules this rests on.

use super::value::ValueError;

/// Escapes any text: `/` becomes `-`, every byte that unit names cannot have, `-` itself and
/// a dot at the start become `\xHH`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'.');
        if byte == b'/' {
            escaped.push('-');
        } else if plain && !(byte == b'.' && at == 0) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    escaped
}

/// Reverses [`escape`].
///
/// # Errors
/// A backslash without `xHH` behind it, NUL, or bytes that are no text.
pub fn unescape(name: &str) -> Result<String, ValueError> {
    let bad = |what: &str| ValueError(format!("\"{name}\" cannot be unescaped: {what}"));
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match first {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let byte = escaped_byte(behind).ok_or_else(|| bad("\\ needs xHH behind it"))?;
                bytes.push(byte);
                rest = &behind[3..];
            }
            0 => return Err(bad("it holds NUL")),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad("it stands for bytes that are no UTF-8 text"))
}

/// The byte that `xHH` stands for; NUL is in no text.
fn escaped_byte(behind: &[u8]) -> Option<u8> {
    let digits = behind.get(..3)?.strip_prefix(b"x")?;
    let high = char::from(digits[0]).to_digit(16)?;
    let low = char::from(digits[1]).to_digit(16)?;
    u8::try_from(high * 16 + low).ok().filter(|b| *b != 0)
}

/// Escapes a path: `/` alone becomes `-`; slashes at its ends and doubled ones go.
///
/// # Errors
/// The path has a `..` in it.
pub fn escape_path(path: &str) -> Result<String, ValueError> {
    let simple = simplify_path(path);
    if has_dots(&simple) {
        return Err(ValueError(format!(
            "\"{path}\" cannot be escaped: a path in a unit name has no \"..\""
        )));
    }
    match simple.trim_matches('/') {
        "" => Ok("-".to_owned()),
        inner => Ok(escape(inner)),
    }
}

/// Reverses [`escape_path`]; the result is absolute.
///
/// # Errors
/// As [`unescape`], or the name is not what a path is escaped to.
pub fn unescape_path(name: &str) -> Result<String, ValueError> {
    if name == "-" {
        return Ok("/".to_owned());
    }
    let inner = unescape(name)?;
    let clean = !inner.is_empty()
        && inner == simplify_path(&inner)
        && !inner.starts_with('/')
        && !has_dots(&inner);
    if !clean {
        return Err(ValueError(format!("\"{name}\" is not an escaped path")));
    }
    Ok(format!("/{inner}"))
}

/// A path without doubled slashes, `.` components and slashes at its end.
pub fn simplify_path(path: &str) -> String {
    let components: Vec<&str> = path
        .split('/')
        .filter(|c| !c.is_empty() && *c != ".")
        .collect();
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", components.join("/"))
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|c| matches!(c, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strings() {
        for (text, escaped) in [
            ("", ""),
            ("foo", "foo"),
            ("/foo/bar", "-foo-bar"),
            ("foo-bar", r"foo\x2dbar"),
            (".hidden.d", r"\x2ehidden.d"),
            ("a b@c", r"a\x20b\x40c"),
            ("a:b_c.d", "a:b_c.d"),
            (r"\", r"\x5c"),
            ("\u{e9}", r"\xc3\xa9"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(unescape(escaped).as_deref(), Ok(text));
        }
        assert_eq!(unescape(r"\x2D").as_deref(), Ok("-"));
        for bad in [
            r"\", r"\x", r"\x2", r"\x2g", r"\y2d", r"\x00", r"\xff", r"\x+1", "a\0",
        ] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths() {
        for (path, escaped) in [
            ("/", "-"),
            ("//", "-"),
            ("", "-"),
            ("/foo//bar/baz/", "foo-bar-baz"),
            ("/foo/./bar", "foo-bar"),
            ("foo", "foo"),
            ("/sys/kernel/debug", "sys-kernel-debug"),
            ("/a-b/.c", r"a\x2db-.c"),
            ("/.c", r"\x2ec"),
        ] {
            assert_eq!(escape_path(path).as_deref(), Ok(escaped));
        }
        assert!(escape_path("/a/../b").is_err());
        for (name, path) in [("-", "/"), ("foo-bar", "/foo/bar"), (r"a\x2db", "/a-b")] {
            assert_eq!(unescape_path(name).as_deref(), Ok(path));
        }
        for bad in ["", "-a", "a-", "a--b", "a-..-b", "a-.", r"a\"] {
            assert!(unescape_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn simple_paths() {
        for (path, simple) in [
            ("/bin//ls", "/bin/ls"),
            ("/./bin/./ls/", "/bin/ls"),
            ("/", "/"),
            ("a/", "a"),
            ("/a/../b", "/a/../b"),
        ] {
            assert_eq!(simplify_path(path), simple);
        }
    }

    proptest! {
        #[test]
        fn unescape_reverses_escape(text in "[^\0]*") {
            prop_assert_eq!(unescape(&escape(&text)), Ok(text));
        }

        #[test]
        fn unescape_path_reverses_escape_path(path in "(/[a-z.-]{1,4}){0,4}") {
            if let Ok(escaped) = escape_path(&path) {
                let simple = simplify_path(&path);
                let wanted = if simple.is_empty() { "/".to_owned() } else { simple };
                prop_assert_eq!(unescape_path(&escaped), Ok(wanted));
            }
        }

        #[test]
        fn any_name_is_answered(name in r"[a\\x2d./-]{0,12}|.*") {
            let _ = unescape(&name);
            let _ = unescape_path(&name);
        }
    }
}
