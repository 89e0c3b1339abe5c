//! Unit names and the unit types they end in (systemd.unit(5), "DESCRIPTION").
//!
//! A [`UnitName`] is always valid: it was checked when it was made.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Longest unit name, in bytes (checklist U19).
pub const MAX_LENGTH: usize = 255;

/// What a unit is, told by the suffix of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitType {
    /// `.service`: processes.
    Service,
    /// `.socket`: listening sockets that activate a service.
    Socket,
    /// `.target`: a synchronisation point.
    Target,
    /// `.timer`: activation by time.
    Timer,
    /// `.path`: activation by file system changes.
    Path,
    /// `.slice`: a node of the resource tree.
    Slice,
    /// `.scope`: processes made by somebody else.
    Scope,
    /// `.mount`: a mount point; only looked up, never made.
    Mount,
    /// `.automount`: known by name only.
    Automount,
    /// `.swap`: known by name only.
    Swap,
    /// `.device`: only looked up.
    Device,
}

impl UnitType {
    /// Every type, in the order systemd lists them.
    pub const ALL: [UnitType; 11] = [
        UnitType::Service,
        UnitType::Mount,
        UnitType::Swap,
        UnitType::Socket,
        UnitType::Target,
        UnitType::Device,
        UnitType::Automount,
        UnitType::Timer,
        UnitType::Path,
        UnitType::Slice,
        UnitType::Scope,
    ];

    /// The suffix without its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            UnitType::Service => "service",
            UnitType::Socket => "socket",
            UnitType::Target => "target",
            UnitType::Timer => "timer",
            UnitType::Path => "path",
            UnitType::Slice => "slice",
            UnitType::Scope => "scope",
            UnitType::Mount => "mount",
            UnitType::Automount => "automount",
            UnitType::Swap => "swap",
            UnitType::Device => "device",
        }
    }

    /// Whether a unit of the type may hold without a file: the kernel has it, or nothing is needed
    /// for it.
    pub fn needs_no_file(self) -> bool {
        match self {
            UnitType::Mount | UnitType::Device | UnitType::Swap | UnitType::Slice => true,
            UnitType::Service
            | UnitType::Socket
            | UnitType::Target
            | UnitType::Timer
            | UnitType::Path
            | UnitType::Scope
            | UnitType::Automount => false,
        }
    }

    /// The type whose suffix this is.
    pub fn from_suffix(suffix: &str) -> Option<UnitType> {
        UnitType::ALL.into_iter().find(|t| t.suffix() == suffix)
    }
}

impl fmt::Display for UnitType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}

/// Why a text is not a unit name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Longer than [`MAX_LENGTH`] bytes, or empty.
    #[error("unit name \"{0}\" is empty or longer than 255 bytes")]
    Length(String),
    /// A character outside `A-Z a-z 0-9 : - _ . \ @`.
    #[error("unit name \"{0}\" holds the character {1:?}, which unit names cannot have")]
    Character(String, char),
    /// No known `.suffix`.
    #[error("unit name \"{0}\" does not end in a known unit type such as .service")]
    Suffix(String),
    /// Nothing before the suffix or before `@`.
    #[error("unit name \"{0}\" has no name before its type")]
    Prefix(String),
}

/// A valid unit name such as `datadog-agent.service` or `getty@tty1.service`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(Arc<str>);

impl UnitName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// Says which rule of [`NameError`] the text breaks.
    pub fn parse(text: &str) -> Result<UnitName, NameError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(NameError::Length(text.chars().take(64).collect()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
        if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character(text.to_owned(), c));
        }
        let Some((stem, suffix)) = text.rsplit_once('.') else {
            return Err(NameError::Suffix(text.to_owned()));
        };
        if UnitType::from_suffix(suffix).is_none() {
            return Err(NameError::Suffix(text.to_owned()));
        }
        if stem.is_empty() || stem.starts_with('@') {
            return Err(NameError::Prefix(text.to_owned()));
        }
        Ok(UnitName(text.into()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the dot before the suffix is: a few bytes before the end, which takes less to look at one
    /// by one than to begin a search for.
    fn dot(&self) -> usize {
        let dot = self.0.bytes().rposition(|byte| byte == b'.');
        dot.expect("checked by UnitName::parse")
    }

    /// The unit type the suffix names.
    pub fn unit_type(&self) -> UnitType {
        let suffix = &self.0[self.dot() + 1..];
        UnitType::from_suffix(suffix).expect("checked by UnitName::parse")
    }

    /// The name without `.suffix` (specifier `%N`).
    pub fn stem(&self) -> &str {
        &self.0[..self.dot()]
    }

    /// What stands before the first `@`, or the stem (specifier `%p`).
    pub fn prefix(&self) -> &str {
        let stem = self.stem();
        stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
    }

    /// What stands between `@` and the suffix: `None` without `@`, empty for a template.
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// Whether this is `name@.type`.
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template of an instance: `a@.service` for `a@b.service`.
    pub fn template(&self) -> Option<UnitName> {
        match self.instance() {
            None | Some("") => None,
            Some(_) => Some(UnitName(
                format!("{}@.{}", self.prefix(), self.unit_type()).into(),
            )),
        }
    }

    /// The instance of a template: `a@b.service` for `a@.service` and `b`.
    ///
    /// # Errors
    /// The instance makes the name invalid.
    pub fn with_instance(&self, instance: &str) -> Result<UnitName, NameError> {
        UnitName::parse(&format!(
            "{}@{}.{}",
            self.prefix(),
            instance,
            self.unit_type()
        ))
    }

    /// Of a slice, the slices from the outermost to itself: `a.slice`, `a-b.slice` for
    /// `a-b.slice`; none for `-.slice`, which is all of them (systemd.slice(5)). `None` for what
    /// cannot be a slice, such as `a--b.slice`.
    pub fn slices(&self) -> Option<Vec<UnitName>> {
        let stem = self.stem();
        if self.unit_type() != UnitType::Slice || self.instance().is_some() {
            return None;
        }
        if stem == "-" {
            return Some(Vec::new());
        }
        if stem.split('-').any(str::is_empty) {
            return None;
        }
        let ends = stem.match_indices('-').map(|(at, _)| at);
        let names = ends.chain([stem.len()]);
        Some(
            names
                .map(|end| UnitName(format!("{}.slice", &stem[..end]).into()))
                .collect(),
        )
    }

    /// The name with another type: `a.service` for `a.socket` and [`UnitType::Service`].
    pub fn with_type(&self, unit_type: UnitType) -> UnitName {
        UnitName(format!("{}.{}", self.stem(), unit_type).into())
    }
}

impl TryFrom<String> for UnitName {
    type Error = NameError;

    fn try_from(text: String) -> Result<UnitName, NameError> {
        UnitName::parse(&text)
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> String {
        name.as_str().to_owned()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for UnitName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_name() {
        let name = UnitName::parse("foo-bar@tty\\x2d1.service").unwrap();
        assert_eq!(name.prefix(), "foo-bar");
        assert_eq!(name.instance(), Some("tty\\x2d1"));
        assert_eq!(name.unit_type(), UnitType::Service);
        assert_eq!(name.template().unwrap().as_str(), "foo-bar@.service");
        assert!(name.template().unwrap().is_template());
        assert_eq!(UnitName::parse("a.b.socket").unwrap().stem(), "a.b");
    }

    #[test]
    fn bad_names() {
        for (text, wanted) in [
            ("", "Length"),
            ("foo", "Suffix"),
            ("foo.exe", "Suffix"),
            (".service", "Prefix"),
            ("@x.service", "Prefix"),
            ("a b.service", "Character"),
            ("../a.service", "Character"),
        ] {
            let error = UnitName::parse(text).unwrap_err();
            assert!(
                format!("{error:?}").starts_with(wanted),
                "{text}: {error:?}"
            );
        }
        assert!(UnitName::parse(&format!("{}.service", "a".repeat(248))).is_err());
        assert!(UnitName::parse(&format!("{}.service", "a".repeat(247))).is_ok());
    }
}
