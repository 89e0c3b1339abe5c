//! Object paths: which object a path names, and the path of a unit or job.

use crate::engine::JobId;

/// The manager object.
pub(super) const MANAGER: &str = "/org/freedesktop/systemd1";
/// The object of org.freedesktop.LogControl1.
pub(super) const LOG: &str = "/org/freedesktop/LogControl1";
/// The node above all units.
pub(super) const UNITS: &str = "/org/freedesktop/systemd1/unit";
/// The node above all jobs.
pub(super) const JOBS: &str = "/org/freedesktop/systemd1/job";

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// The manager.
    Manager,
    /// A unit by any of its names, unescaped; not checked.
    Unit(String),
    /// A job.
    Job(JobId),
    /// The log of the manager.
    Log,
    /// A node that only has children: `/`, `/org`, `.../unit` and so on.
    Node,
    /// Nothing of ours.
    Unknown,
}

impl Object {
    /// Reads a path.
    pub(super) fn parse(path: &str) -> Object {
        if path == MANAGER {
            return Object::Manager;
        }
        if path == LOG {
            return Object::Log;
        }
        if let Some(label) = below(path, UNITS) {
            return unescape(label).map_or(Object::Unknown, Object::Unit);
        }
        if let Some(label) = below(path, JOBS) {
            return label
                .parse()
                .map_or(Object::Unknown, |id| Object::Job(JobId(id)));
        }
        if path == UNITS || path == JOBS || next_above_manager(path).is_some() {
            return Object::Node;
        }
        Object::Unknown
    }
}

fn below<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    path.strip_prefix(parent)?.strip_prefix('/')
}

/// The next element on the way from a node down to the manager.
pub(super) fn next_above_manager(path: &str) -> Option<&'static str> {
    next_above(path, MANAGER)
}

/// The next element on the way from a node down to an object.
pub(super) fn next_above(path: &str, object: &'static str) -> Option<&'static str> {
    let below = object.strip_prefix(path.trim_end_matches('/'))?;
    below.strip_prefix('/')?.split('/').next()
}

/// The path of a unit.
pub(super) fn of_unit(name: &str) -> String {
    let mut path = String::with_capacity(UNITS.len() + 2 * name.len() + 1);
    path.push_str(UNITS);
    path.push('/');
    escape_into(&mut path, name);
    path
}

/// The path of a job.
pub(super) fn of_job(id: JobId) -> String {
    format!("{JOBS}/{}", id.0)
}

/// Makes a path element of a name: every byte but ASCII letters and digits becomes `_xx`, and so does
/// a digit in front.
pub(super) fn escape(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 8);
    escape_into(&mut label, name);
    label
}

fn escape_into(label: &mut String, name: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if name.is_empty() {
        label.push('_');
    }
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            label.push(byte.into());
        } else {
            label.push('_');
            label.push(DIGITS[usize::from(byte >> 4)].into());
            label.push(DIGITS[usize::from(byte & 0xf)].into());
        }
    }
}

/// The name behind a path element; `None` if [`escape`] cannot have made it or it is no text.
pub(super) fn unescape(label: &str) -> Option<String> {
    if label == "_" {
        return Some(String::new());
    }
    let mut bytes = label.bytes();
    let mut name = Vec::with_capacity(label.len());
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'_' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte if byte.is_ascii_alphanumeric() => byte,
            _ => return None,
        });
    }
    String::from_utf8(name).ok().filter(|n| !n.is_empty())
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_labels() {
        assert_eq!(escape("datadog-agent.service"), "datadog_2dagent_2eservice");
        assert_eq!(escape("0a1"), "_30a1");
        assert_eq!(escape(""), "_");
        assert_eq!(unescape("a_2eb").as_deref(), Some("a.b"));
        assert_eq!(unescape("a_2"), None);
        assert_eq!(unescape("a-b"), None);
        assert_eq!(unescape("_ff"), None);
    }

    #[test]
    fn paths() {
        assert_eq!(Object::parse(MANAGER), Object::Manager);
        assert_eq!(Object::parse(LOG), Object::Log);
        assert_eq!(
            Object::parse(&of_unit("a@b.service")),
            Object::Unit("a@b.service".to_owned())
        );
        assert_eq!(Object::parse(&of_job(JobId(7))), Object::Job(JobId(7)));
        assert_eq!(
            Object::parse("/org/freedesktop/systemd1/job/x"),
            Object::Unknown
        );
        for node in ["/", "/org", "/org/freedesktop", UNITS, JOBS] {
            assert_eq!(Object::parse(node), Object::Node, "{node}");
        }
        assert_eq!(Object::parse("/org/freedesktop/DBus"), Object::Unknown);
        assert_eq!(Object::parse("/org/freed"), Object::Unknown);
        assert_eq!(next_above_manager("/"), Some("org"));
        assert_eq!(next_above_manager("/org"), Some("freedesktop"));
        assert_eq!(next_above_manager(MANAGER), None);
    }

    proptest! {
        #[test]
        fn escaping_can_be_undone(name in "\\PC{0,40}") {
            prop_assert_eq!(unescape(&escape(&name)), Some(name));
        }
    }
}
