//! A unit file in the making: assignments by section, and what was found on the way.

use super::yaml::{Node, Place, Value};
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::transient;
use crate::unit::value::TimeSpan;
use std::sync::Arc;

/// Sections in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Unit,
    Service,
    Socket,
    Liveness,
    Readiness,
    Procmgr,
    Install,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Section::Unit => "Unit",
            Section::Service => "Service",
            Section::Socket => "Socket",
            Section::Liveness => "X-LivenessProbe",
            Section::Readiness => "X-ReadinessProbe",
            Section::Procmgr => "X-Procmgr",
            Section::Install => "Install",
        }
    }
}

/// What a key is carried out by: the draft, the value, and why it cannot be.
pub(super) type Take = fn(&mut Draft<'_>, &Node) -> Result<(), Trouble>;

/// A key of a definition, with its other spellings.
pub(super) struct Key {
    names: &'static [&'static str],
    take: Take,
}

impl Key {
    pub(super) const fn new(names: &'static [&'static str], take: Take) -> Key {
        Key { names, take }
    }
}

/// Why a value cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) place: Place,
    pub(super) severity: Severity,
    pub(super) message: String,
}

impl Trouble {
    pub(super) fn error(node: &Node, message: impl Into<String>) -> Trouble {
        Trouble {
            place: node.place,
            severity: Severity::Error,
            message: message.into(),
        }
    }
}

/// See the module.
pub(super) struct Draft<'a> {
    file: Arc<str>,
    variables: &'a dyn Fn(&str) -> Option<String>,
    assignments: Vec<(Section, &'static str, String)>,
    pub(super) findings: Vec<Diagnostic>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(file: &str, variables: &'a dyn Fn(&str) -> Option<String>) -> Draft<'a> {
        Draft {
            file: file.into(),
            variables,
            assignments: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Takes all keys of a mapping; what no key of the table has is told and left out.
    pub(super) fn take_all(&mut self, root: &Node, keys: &[Key], handled: &[&str]) {
        let Value::Map(pairs) = &root.value else {
            let message = format!("this is {}, not a mapping of keys", root.kind());
            return self.find(root.place, Severity::Error, Rule::BadValue, message);
        };
        for (key, value) in pairs {
            let Value::Scalar(name) = &key.value else {
                continue;
            };
            if handled.contains(&name.as_str()) {
                continue;
            }
            let known = keys.iter().find(|key| key.names.contains(&name.as_str()));
            match known.map(|key| (key.take)(self, value)) {
                Some(Ok(())) => {}
                Some(Err(trouble)) => {
                    let message = format!("{name}: {}", trouble.message);
                    self.find(trouble.place, trouble.severity, Rule::BadValue, message);
                }
                None => {
                    let message = format!("{name} has no equivalent, left out");
                    self.find(key.place, Severity::Warning, Rule::NoEquivalent, message);
                }
            }
        }
    }

    /// Adds a finding.
    pub(super) fn find(&mut self, place: Place, severity: Severity, rule: Rule, message: String) {
        let position = Position {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
        };
        let finding = Diagnostic::new(severity, rule, position, message).length(place.length);
        self.findings.push(finding);
    }

    /// Tells of something that is not quite what it was.
    pub(super) fn note(&mut self, node: &Node, message: &str) {
        self.find(
            node.place,
            Severity::Warning,
            Rule::NoEquivalent,
            message.to_owned(),
        );
    }

    /// Adds an assignment.
    pub(super) fn set(
        &mut self,
        section: Section,
        directive: &'static str,
        value: impl Into<String>,
    ) {
        self.assignments.push((section, directive, value.into()));
    }

    /// Whether there is an assignment of this name.
    pub(super) fn has(&self, section: Section, directive: &str) -> bool {
        let mut all = self.assignments.iter();
        all.any(|(place, name, _)| (*place, *name) == (section, directive))
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut ordered: Vec<_> = self.assignments.iter().collect();
        ordered.sort_by_key(|(section, _, _)| *section);
        let mut text = String::new();
        let mut current = None;
        for (section, name, value) in ordered {
            if current != Some(*section) {
                let gap = if current.is_some() { "\n" } else { "" };
                text.push_str(&format!("{gap}[{}]\n", section.name()));
                current = Some(*section);
            }
            text.push_str(&format!("{name}={value}\n"));
        }
        text
    }

    /// A single value with its variables replaced.
    pub(super) fn scalar(&self, node: &Node) -> Result<String, Trouble> {
        match &node.value {
            Value::Scalar(text) => self.expand(node, text),
            Value::Null | Value::List(_) | Value::Map(_) => {
                let message = format!("a single value is needed, not {}", node.kind());
                Err(Trouble::error(node, message))
            }
        }
    }

    /// Single values, one or a list of them.
    pub(super) fn scalars(&self, node: &Node) -> Result<Vec<String>, Trouble> {
        match &node.value {
            Value::List(items) => items.iter().map(|item| self.scalar(item)).collect(),
            Value::Null => Ok(Vec::new()),
            Value::Scalar(_) | Value::Map(_) => Ok(vec![self.scalar(node)?]),
        }
    }

    /// A value that takes the rest of its line.
    pub(super) fn line(&self, node: &Node) -> Result<String, Trouble> {
        one_line(node, &self.scalar(node)?)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, node: &Node) -> Result<bool, Trouble> {
        let text = self.scalar(node)?;
        crate::unit::value::parse_boolean(&text)
            .map_err(|_| Trouble::error(node, format!("\"{text}\" is neither true nor false")))
    }

    /// A number of seconds, or a time span as unit files have it.
    pub(super) fn span(&self, node: &Node) -> Result<String, Trouble> {
        let text = self.scalar(node)?;
        match TimeSpan::parse(&text) {
            Ok(_) => Ok(text),
            Err(_) => Err(Trouble::error(node, format!("\"{text}\" is no time span"))),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, node: &Node) -> Result<u32, Trouble> {
        let text = self.scalar(node)?;
        text.parse()
            .map_err(|_| Trouble::error(node, format!("\"{text}\" is no whole number")))
    }

    /// Replaces `${NAME}`: unit files have variables in command lines only.
    fn expand(&self, node: &Node, text: &str) -> Result<String, Trouble> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            expanded.push_str(&rest[..at]);
            let behind = &rest[at + 2..];
            let Some((name, after)) = behind.split_once('}') else {
                return Err(Trouble::error(node, "\"${\" is not closed"));
            };
            let value = (self.variables)(name).ok_or_else(|| {
                let message = format!("the variable {name} is not set: give it with --define");
                Trouble::error(node, message)
            })?;
            expanded.push_str(&value);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// The value of `-${NAME}`, which stands for nothing where the variable is not set.
    pub(super) fn optional_variable(&self, node: &Node) -> Option<(String, Option<String>)> {
        let Value::Scalar(text) = &node.value else {
            return None;
        };
        let name = text.strip_prefix("-${")?.strip_suffix('}')?;
        Some((name.to_owned(), (self.variables)(name)))
    }
}

/// A text as the rest of a line; `%` would begin a specifier.
pub(super) fn one_line(node: &Node, text: &str) -> Result<String, Trouble> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        let message = "it must be one line, without control characters";
        return Err(Trouble::error(node, message));
    }
    Ok(text.replace('%', "%%"))
}

/// A command line of these words, in which nothing is expanded.
pub(super) fn command_line(words: &[String]) -> String {
    let line = transient::command_line(words);
    match line.strip_prefix(':') {
        // Nothing to expand: the mark says nothing.
        Some(bare) if !line.contains('$') => bare.to_owned(),
        _ => line,
    }
}
