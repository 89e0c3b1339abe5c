//! What is wrong with units beyond the language of their files: dependencies that lead
//! nowhere, circles, programs and users that are not there, settings that this build does not
//! carry out.
//!
//! Pure like all of `unit`: files come through [`Source`], facts about the machine through
//! [`Machine`]. Findings come in the order of files and lines, each once, however many units
//! lead to the file.
//!
//! What depends on the machine, or on what this build can do, is never more than a warning:
//! units are often checked elsewhere than where they run, and run by others, too. What keeps
//! a unit from starting anywhere is an error.

mod conflicts;
mod cycles;
mod dependencies;
mod machine;
mod places;
mod support;
#[cfg(test)]
mod tests;

use super::config::{LoadState, UnitConfig};
use super::diagnostic::{Diagnostic, Position, Rule, Severity};
use super::load::{self, Settings, Source};
use super::name::UnitName;
use places::Places;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can be executed at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// A file that may be executed.
    Executable,
    /// Something that may not.
    NotExecutable,
    /// Nothing.
    Missing,
}

/// What is asked of the machine that units are to run on.
pub trait Machine {
    /// What is at an absolute path.
    fn program(&self, path: &str) -> Program;

    /// Whether a program of this bare name is in one of the directories, or in the usual ones
    /// if there are none.
    fn finds_program(&self, name: &str, directories: &[String]) -> bool;

    /// Whether a file is there that a path or glob stands for.
    fn has_file(&self, pattern: &str) -> bool;

    /// Whether a directory is there.
    fn has_directory(&self, path: &str) -> bool;

    /// Whether there is a user of this name or number.
    fn has_user(&self, name: &str) -> bool;

    /// Whether there is a group of this name or number.
    fn has_group(&self, name: &str) -> bool;
}

/// Loaded units by their own names.
type Units = BTreeMap<UnitName, Arc<UnitConfig>>;

/// Loads units with all they name, and says what is wrong with any of them.
///
/// A template is looked at as its instance `instance`.
pub fn verify(
    names: &BTreeSet<UnitName>,
    settings: &Settings,
    source: &dyn Source,
    machine: &dyn Machine,
) -> Vec<Diagnostic> {
    let names: BTreeSet<UnitName> = names.iter().map(instantiated).collect();
    let closure = load::load(&names, &BTreeSet::new(), settings, source);
    let check = Check {
        settings,
        units: &closure.units,
        own_names: own_names(&closure.units),
        known: load::all_names(settings, source),
        installed_to: installed_to(&closure.units, settings, source),
    };
    let mut places = Places::new(source, settings);
    let mut findings = closure.unreadable;
    findings.extend(names.iter().filter_map(|name| check.unusable(name)));
    for unit in closure.units.values() {
        findings.extend(unit.diagnostics.iter().cloned());
        findings.extend(dependencies::check(&check, unit, &mut places));
        findings.extend(machine::check(unit, settings, machine, &mut places));
        findings.extend(support::check(unit, &mut places));
    }
    findings.extend(cycles::check(&check, &mut places));
    findings.extend(conflicts::check(&check, &mut places));
    in_order(findings)
}

/// What the checks look at.
struct Check<'a> {
    settings: &'a Settings,
    units: &'a Units,
    /// Own names by every name.
    own_names: BTreeMap<&'a UnitName, &'a UnitName>,
    /// All names of the unit path, for hints.
    known: BTreeSet<UnitName>,
    /// The units that \[Install\] sections name and that exist.
    installed_to: BTreeSet<UnitName>,
}

impl Check<'_> {
    /// The unit that answers to a name, if it was loaded.
    fn find(&self, name: &UnitName) -> Option<&UnitConfig> {
        let own = self.own_names.get(name).copied().unwrap_or(name);
        self.units.get(own).map(Arc::as_ref)
    }

    /// The own name of the unit that answers to a name.
    fn own_name<'s>(&'s self, name: &'s UnitName) -> &'s UnitName {
        self.own_names.get(name).copied().unwrap_or(name)
    }

    /// What is wrong with a unit that was asked for and whose files do not say it.
    fn unusable(&self, name: &UnitName) -> Option<Diagnostic> {
        let unit = self.find(name)?;
        let explained = unit
            .diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error);
        let (rule, message) = match unit.load {
            LoadState::NotFound => (Rule::MissingUnit, "there is no such unit".to_owned()),
            LoadState::BadSetting | LoadState::Error if !explained => (
                Rule::Contradiction,
                unit.load_error.clone().unwrap_or_default(),
            ),
            LoadState::Loaded | LoadState::BadSetting | LoadState::Error | LoadState::Masked => {
                return None;
            }
        };
        let top = Position::top(name.as_str());
        Some(Diagnostic::new(Severity::Error, rule, top, message).hint(self.similar(name)))
    }

    /// The name that was probably meant by one that nothing answers to.
    fn similar(&self, name: &UnitName) -> Option<String> {
        let with_template = name.template().filter(|t| self.known.contains(t));
        if with_template.is_some() {
            return None;
        }
        let others = self.known.iter().filter(|known| *known != name);
        let known = others.map(UnitName::as_str);
        let near = super::directive::nearest_of(known, name.as_str())?;
        Some(format!("did you mean {near}?"))
    }
}

fn instantiated(name: &UnitName) -> UnitName {
    if !name.is_template() {
        return name.clone();
    }
    name.with_instance("instance")
        .unwrap_or_else(|_| name.clone())
}

fn own_names(units: &Units) -> BTreeMap<&UnitName, &UnitName> {
    let mut names = BTreeMap::new();
    for unit in units.values() {
        names.insert(&unit.name, &unit.name);
        names.extend(unit.aliases.iter().map(|alias| (alias, &unit.name)));
    }
    names
}

/// The units that \[Install\] sections name, as far as they exist.
fn installed_to(units: &Units, settings: &Settings, source: &dyn Source) -> BTreeSet<UnitName> {
    let named: BTreeSet<UnitName> = units
        .values()
        .flat_map(|unit| dependencies::install_names(unit, settings))
        .map(|(_, name)| name)
        .collect();
    let closure = load::load(&named, &BTreeSet::new(), settings, source);
    let mut exist = BTreeSet::new();
    for unit in closure.units.values() {
        if unit.load != LoadState::NotFound {
            exist.insert(unit.name.clone());
            exist.extend(unit.aliases.iter().cloned());
        }
    }
    exist
}

/// By place, each once.
fn in_order(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by(|a, b| {
        let by_place = a.position.cmp(&b.position);
        by_place
            .then(b.severity.cmp(&a.severity))
            .then_with(|| (a.rule, &a.message).cmp(&(b.rule, &b.message)))
    });
    findings.dedup();
    findings
}
