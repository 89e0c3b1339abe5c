//! Where in its files a unit says something. Configurations do not keep that (a daemon would
//! carry it around for nothing), so the files are read again.

use crate::unit::config::UnitConfig;
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::directive;
use crate::unit::load::{Settings, Source};
use crate::unit::name::UnitName;
use crate::unit::specifier::{self, SpecifierContext};
use crate::unit::syntax::{self, Assignment, Document};
use crate::unit::words;
use std::collections::BTreeMap;

/// A place and how many characters of it count.
#[derive(Debug, Clone)]
pub(super) struct Place {
    position: Position,
    length: usize,
}

impl Place {
    /// The beginning of a file, or of what has none.
    pub(super) fn top(file: &str) -> Place {
        Place {
            position: Position::top(file),
            length: 0,
        }
    }

    /// A warning here.
    pub(super) fn warning(self, rule: Rule, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, rule, self.position, message).length(self.length)
    }

    /// An error here.
    pub(super) fn error(self, rule: Rule, message: impl Into<String>) -> Diagnostic {
        let mut finding = self.warning(rule, message);
        finding.severity = Severity::Error;
        finding
    }
}

/// The files of units, each split once.
pub(super) struct Places<'a> {
    source: &'a dyn Source,
    settings: &'a Settings,
    documents: BTreeMap<String, Document>,
    /// How many assignments may still be looked through.
    patience: usize,
}

/// How many assignments are looked through in all before findings stand at the beginning of
/// their files: far more than real units need, and no file can make the search endless.
const PATIENCE: usize = 5_000_000;

impl<'a> Places<'a> {
    /// No file read yet.
    pub(super) fn new(source: &'a dyn Source, settings: &'a Settings) -> Places<'a> {
        Places {
            source,
            settings,
            documents: BTreeMap::new(),
            patience: PATIENCE,
        }
    }

    /// The beginning of the unit's main file.
    pub(super) fn top(unit: &UnitConfig) -> Place {
        Place::top(unit.fragment.as_deref().unwrap_or(unit.name.as_str()))
    }

    /// Where a directive, by the name of its row, names a unit; else the link that does, else
    /// the beginning of the file.
    pub(super) fn of_unit(&mut self, unit: &UnitConfig, row: &str, target: &UnitName) -> Place {
        self.of_word(unit, row, &|word| is_name_of(word, target, unit))
            .or_else(|| self.of_link(unit, row, target))
            .unwrap_or_else(|| Places::top(unit))
    }

    /// The last word of a directive that satisfies `matches`, specifiers expanded.
    pub(super) fn of_word(
        &mut self,
        unit: &UnitConfig,
        row: &str,
        matches: &dyn Fn(&str) -> bool,
    ) -> Option<Place> {
        let settings = self.settings;
        let context = SpecifierContext {
            unit: &unit.name,
            fragment: unit.fragment.as_deref(),
            system: &settings.system,
        };
        self.last(unit, row, &|assignment| {
            let words = words::split_keeping_escapes(&assignment.value).ok()?;
            let word = words.into_iter().rev().find(|word| {
                specifier::expand(&word.text, &context).is_ok_and(|text| matches(&text))
            })?;
            Some(place_in(
                assignment,
                word.offset,
                word_length(&assignment.value, word.offset),
            ))
        })
    }

    /// The last value of a directive that satisfies `matches`, as written.
    pub(super) fn of_value(
        &mut self,
        unit: &UnitConfig,
        row: &str,
        matches: &dyn Fn(&str) -> bool,
    ) -> Place {
        let found = self.last(unit, row, &|assignment| {
            matches(&assignment.value).then(|| {
                let end = assignment.line_end(0);
                let line = assignment.value.get(..end).unwrap_or("").trim_end();
                place_in(assignment, 0, line.chars().count())
            })
        });
        found.unwrap_or_else(|| Places::top(unit))
    }

    /// The key of the last assignment of a directive that satisfies `matches`.
    pub(super) fn of_key(
        &mut self,
        unit: &UnitConfig,
        row: &str,
        matches: &dyn Fn(&str) -> bool,
    ) -> Place {
        let found = self.last(unit, row, &|assignment| {
            matches(&assignment.value).then(|| Place {
                position: assignment.key_position.clone(),
                length: assignment.key.chars().count(),
            })
        });
        found.unwrap_or_else(|| Places::top(unit))
    }

    /// The word that begins at a position; a command knows where it stands.
    pub(super) fn at(&mut self, unit: &UnitConfig, row: &str, position: &Position) -> Place {
        let found = self.last(unit, row, &|assignment| {
            let starts = words::split_keeping_escapes(&assignment.value).ok()?;
            let word = starts
                .into_iter()
                .find(|word| assignment.position_at(word.offset) == *position)?;
            Some(place_in(
                assignment,
                word.offset,
                word_length(&assignment.value, word.offset),
            ))
        });
        found.unwrap_or_else(|| Place {
            position: position.clone(),
            length: 0,
        })
    }

    fn last(
        &mut self,
        unit: &UnitConfig,
        row: &str,
        place: &dyn Fn(&Assignment) -> Option<Place>,
    ) -> Option<Place> {
        let files = unit.fragment.iter().chain(&unit.drop_ins);
        let files: Vec<&String> = files.rev().collect();
        files.into_iter().find_map(|file| {
            let cost = self.document(file).assignments.len();
            self.patience = self.patience.checked_sub(cost)?;
            let document = self.document(file);
            document
                .assignments
                .iter()
                .rev()
                .filter(|a| directive::find(&a.section, &a.key).is_some_and(|r| r.name == row))
                .find_map(place)
        })
    }

    fn document(&mut self, file: &str) -> &Document {
        if !self.documents.contains_key(file) {
            let content = self.source.read(file).unwrap_or_default();
            let document = syntax::parse(&file.into(), &content);
            self.documents.insert(file.to_owned(), document);
        }
        &self.documents[file]
    }

    /// The link in a `.wants` directory or its kin.
    fn of_link(&self, unit: &UnitConfig, row: &str, target: &UnitName) -> Option<Place> {
        let suffix = row.to_lowercase();
        let names = std::iter::once(&unit.name).chain(&unit.aliases);
        names
            .flat_map(|name| self.settings.path.iter().map(move |path| (path, name)))
            .map(|(path, name)| format!("{path}/{name}.{suffix}"))
            .find(|directory| {
                let entries = self.source.list(directory).unwrap_or_default();
                entries.iter().any(|entry| entry.name == target.as_str())
            })
            .map(|directory| Place::top(&format!("{directory}/{target}")))
    }
}

/// Whether a word names the target for this unit: a template stands for its instance.
fn is_name_of(word: &str, target: &UnitName, unit: &UnitConfig) -> bool {
    let Ok(name) = UnitName::parse(word) else {
        return false;
    };
    let instance = unit.name.instance().unwrap_or_else(|| unit.name.prefix());
    name == *target
        || name.is_template()
            && name
                .with_instance(instance)
                .is_ok_and(|name| name == *target)
}

fn place_in(assignment: &Assignment, offset: usize, length: usize) -> Place {
    Place {
        position: assignment.position_at(offset),
        length,
    }
}

fn word_length(value: &str, offset: usize) -> usize {
    let rest = value.get(offset..).unwrap_or("");
    let end = rest.find([' ', '\t']).unwrap_or(rest.len());
    rest[..end].chars().count()
}
