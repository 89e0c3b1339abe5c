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

/// The files of units, each split once, and what one unit says in them.
pub(super) struct Places<'a> {
    source: &'a dyn Source,
    settings: &'a Settings,
    documents: BTreeMap<String, Split>,
    /// The unit that was asked about last, and where its directives say what.
    unit: Option<UnitName>,
    said: BTreeMap<String, Said>,
    /// How many assignments may still be looked through.
    patience: usize,
}

/// A file, with its assignments by the names of their rows.
struct Split {
    document: Document,
    by_row: BTreeMap<&'static str, Vec<usize>>,
}

/// What the values of a directive say, and where they say it last.
#[derive(Default)]
struct Said {
    /// By word, specifiers expanded.
    words: BTreeMap<String, Place>,
    /// By unit; a template stands for its instance, too.
    units: BTreeMap<UnitName, Place>,
    /// By position.
    lengths: BTreeMap<Position, usize>,
    /// Keys, by value as written.
    keys: BTreeMap<String, Place>,
    /// The last value.
    last: Option<Place>,
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
            unit: None,
            said: BTreeMap::new(),
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
        let place = self.said(unit, row).units.get(target).cloned();
        place
            .or_else(|| self.of_link(unit, row, target))
            .unwrap_or_else(|| Places::top(unit))
    }

    /// The last time that a directive has a word, specifiers expanded.
    pub(super) fn of_word(&mut self, unit: &UnitConfig, row: &str, word: &str) -> Place {
        let place = self.said(unit, row).words.get(word).cloned();
        place.unwrap_or_else(|| Places::top(unit))
    }

    /// The last value of a directive.
    pub(super) fn of_value(&mut self, unit: &UnitConfig, row: &str) -> Place {
        let place = self.said(unit, row).last.clone();
        place.unwrap_or_else(|| Places::top(unit))
    }

    /// The key of the last assignment of a value, as written, to a directive.
    pub(super) fn of_key(&mut self, unit: &UnitConfig, row: &str, value: &str) -> Place {
        let place = self.said(unit, row).keys.get(value).cloned();
        place.unwrap_or_else(|| Places::top(unit))
    }

    /// The word that begins at a position; a command knows where it stands.
    pub(super) fn at(&mut self, unit: &UnitConfig, row: &str, position: &Position) -> Place {
        let length = self.said(unit, row).lengths.get(position);
        Place {
            position: position.clone(),
            length: length.copied().unwrap_or(0),
        }
    }

    /// What a directive of a unit says, looked through once as long as the unit stays the same.
    fn said(&mut self, unit: &UnitConfig, row: &str) -> &Said {
        if self.unit.as_ref() != Some(&unit.name) {
            self.unit = Some(unit.name.clone());
            self.said.clear();
        }
        if !self.said.contains_key(row) {
            let said = self.look_through(unit, row);
            self.said.insert(row.to_owned(), said);
        }
        &self.said[row]
    }

    fn look_through(&mut self, unit: &UnitConfig, row: &str) -> Said {
        let mut said = Said::default();
        let system = &self.settings.system;
        let context = SpecifierContext {
            unit: &unit.name,
            fragment: unit.fragment.as_deref(),
            system,
        };
        for file in unit.fragment.iter().chain(&unit.drop_ins) {
            let patience = self.patience;
            let split = self.document(file);
            let places = split.by_row.get(row).map_or(&[][..], Vec::as_slice);
            // Looking at nothing costs something, too.
            let Some(left) = patience.checked_sub(places.len() + 1) else {
                break;
            };
            for assignment in places.iter().map(|at| &split.document.assignments[*at]) {
                said.add(assignment, &context);
            }
            self.patience = left;
        }
        said
    }

    fn document(&mut self, file: &str) -> &Split {
        if !self.documents.contains_key(file) {
            let content = self.source.read(file).unwrap_or_default();
            let document = syntax::parse(&file.into(), &content);
            let mut by_row: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
            for (at, assignment) in document.assignments.iter().enumerate() {
                if let Some(row) = directive::find(&assignment.section, &assignment.key) {
                    by_row.entry(row.name).or_default().push(at);
                }
            }
            self.documents
                .insert(file.to_owned(), Split { document, by_row });
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

impl Said {
    /// Adds an assignment, which stands behind those that were added before.
    fn add(&mut self, assignment: &Assignment, context: &SpecifierContext<'_>) {
        let key = Place {
            position: assignment.key_position.clone(),
            length: assignment.key.chars().count(),
        };
        self.keys.insert(assignment.value.clone(), key);
        let first = assignment.value.get(..assignment.line_end(0)).unwrap_or("");
        let mut last = (0, assignment.position_at(0));
        self.last = Some(Place {
            position: last.1.clone(),
            length: first.trim_end().chars().count(),
        });
        let words = words::split_keeping_escapes(&assignment.value).unwrap_or_default();
        for word in words {
            let position = assignment.position_from(Some(&last), word.offset);
            last = (word.offset, position.clone());
            let length = word_length(&assignment.value, word.offset);
            self.lengths.insert(position.clone(), length);
            if let Ok(text) = specifier::expand(&word.text, context) {
                self.add_word(text, &Place { position, length }, context.unit);
            }
        }
    }

    fn add_word(&mut self, text: String, place: &Place, unit: &UnitName) {
        if let Ok(name) = UnitName::parse(&text) {
            let instance = unit.instance().unwrap_or_else(|| unit.prefix());
            if let Ok(own) = name.with_instance(instance)
                && name.is_template()
            {
                self.units.insert(own, place.clone());
            }
            self.units.insert(name, place.clone());
        }
        self.words.insert(text, place.clone());
    }
}

fn word_length(value: &str, offset: usize) -> usize {
    let rest = value.get(offset..).unwrap_or("");
    let end = rest.find([' ', '\t']).unwrap_or(rest.len());
    rest[..end].chars().count()
}
