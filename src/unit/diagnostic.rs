//! Findings about unit files: what is wrong, where, and how bad it is.
//!
//! A warning never keeps a unit from loading; an error says why the unit is `bad-setting`
//! or `error`, or that it cannot do what it is there for. Lines and columns count from 1;
//! columns count characters, not bytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A place in a unit file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The file as it was named to the loader.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The beginning of a file.
    pub fn top(file: &str) -> Position {
        Position {
            file: file.into(),
            line: 1,
            column: 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The assignment or section is ignored, the unit loads.
    Warning,
    /// The unit does not load.
    Error,
}

impl Severity {
    /// `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Rule {
    Syntax,
    UnknownSection,
    MisplacedSection,
    UnknownDirective,
    MisplacedDirective,
    BadValue,
    Contradiction,
    Unreadable,
    BadLink,
    MissingUnit,
    OrderingCycle,
    ConflictingRequirement,
    MissingProgram,
    NotExecutable,
    MissingUser,
    MissingGroup,
    MissingFile,
    MissingDirectory,
    Refused,
    NoEffect,
    NoEquivalent,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 21] = [
        Rule::Syntax,
        Rule::UnknownSection,
        Rule::MisplacedSection,
        Rule::UnknownDirective,
        Rule::MisplacedDirective,
        Rule::BadValue,
        Rule::Contradiction,
        Rule::Unreadable,
        Rule::BadLink,
        Rule::MissingUnit,
        Rule::OrderingCycle,
        Rule::ConflictingRequirement,
        Rule::MissingProgram,
        Rule::NotExecutable,
        Rule::MissingUser,
        Rule::MissingGroup,
        Rule::MissingFile,
        Rule::MissingDirectory,
        Rule::Refused,
        Rule::NoEffect,
        Rule::NoEquivalent,
    ];

    /// The name by which reports refer to it; never changes once released.
    pub fn id(self) -> &'static str {
        match self {
            Rule::Syntax => "syntax",
            Rule::UnknownSection => "unknown-section",
            Rule::MisplacedSection => "misplaced-section",
            Rule::UnknownDirective => "unknown-directive",
            Rule::MisplacedDirective => "misplaced-directive",
            Rule::BadValue => "bad-value",
            Rule::Contradiction => "contradiction",
            Rule::Unreadable => "unreadable",
            Rule::BadLink => "bad-link",
            Rule::MissingUnit => "missing-unit",
            Rule::OrderingCycle => "ordering-cycle",
            Rule::ConflictingRequirement => "conflicting-requirement",
            Rule::MissingProgram => "missing-program",
            Rule::NotExecutable => "not-executable",
            Rule::MissingUser => "missing-user",
            Rule::MissingGroup => "missing-group",
            Rule::MissingFile => "missing-file",
            Rule::MissingDirectory => "missing-directory",
            Rule::Refused => "refused",
            Rule::NoEffect => "no-effect",
            Rule::NoEquivalent => "no-equivalent",
        }
    }

    /// What it finds, in a sentence.
    pub fn describe(self) -> &'static str {
        match self {
            Rule::Syntax => "The file is not in the language of unit files.",
            Rule::UnknownSection => "No unit has a section of this name.",
            Rule::MisplacedSection => "Units of this type do not have this section.",
            Rule::UnknownDirective => "No directive has this name.",
            Rule::MisplacedDirective => "The directive belongs in another section.",
            Rule::BadValue => "The directive cannot have this value.",
            Rule::Contradiction => "Settings do not go together, or one that is needed is not set.",
            Rule::Unreadable => "A file or directory of the unit path cannot be read.",
            Rule::BadLink => {
                "A .wants, .requires or .upholds directory holds what is no link to a unit."
            }
            Rule::MissingUnit => "A unit is named that does not exist.",
            Rule::OrderingCycle => "Units wait for each other in a circle.",
            Rule::ConflictingRequirement => "A unit conflicts with what it needs, or with itself.",
            Rule::MissingProgram => "A program to be run does not exist.",
            Rule::NotExecutable => "A program to be run cannot be executed.",
            Rule::MissingUser => "The user to run as does not exist.",
            Rule::MissingGroup => "A group to run as does not exist.",
            Rule::MissingFile => "A file to be read at the start does not exist.",
            Rule::MissingDirectory => "The directory to start in does not exist.",
            Rule::Refused => {
                "A setting that this build cannot carry out keeps the unit from starting."
            }
            Rule::NoEffect => "A setting is accepted but has no effect in this build.",
            Rule::NoEquivalent => "What is imported has no exact equivalent in a unit file.",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub position: Position,
    /// How many characters of the line it is about, from the position on; 0 if it is about no
    /// characters in particular.
    pub length: u32,
    /// Which kind it is.
    pub rule: Rule,
    /// What is wrong, as a sentence without its final stop.
    pub message: String,
    /// What to do about it, or what would be right, in the same form.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A finding without length and hint.
    pub fn new(
        severity: Severity,
        rule: Rule,
        position: Position,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            position,
            length: 0,
            rule,
            message: message.into(),
            hint: None,
        }
    }

    /// The finding about this many characters.
    #[must_use]
    pub fn length(mut self, characters: usize) -> Diagnostic {
        self.length = u32::try_from(characters).unwrap_or(u32::MAX);
        self
    }

    /// The finding with a hint, if there is one.
    #[must_use]
    pub fn hint(mut self, hint: Option<String>) -> Diagnostic {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: warning: message; hint`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.severity.as_str();
        write!(f, "{}: {word}: {}", self.position, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}
