//! Reads the assignments of one file into a draft: finds each one's row, lets it record the
//! value, and turns what went wrong into findings.

use super::read::{Draft, Reading, Trouble};
use super::row::Row;
use super::{find, hint, is_of_probes, known_sections, sections_of};
use crate::unit::config::LoadState;
use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use crate::unit::specifier::SystemFacts;
use crate::unit::syntax::{Assignment, Document};

/// Why a directive of a unit that is not run yet is without effect.
pub const NOT_RUN: &str = "units of this type are not run yet";

/// Reads a document into the draft; `main` tells the main file from a drop-in.
///
/// What the syntax could not make out fails the unit in the main file and costs only the rest
/// of the file in a drop-in (U4, U5). A setting without which the unit makes no sense makes
/// it bad-setting wherever it stands (U9).
pub fn apply(document: &Document, draft: &mut Draft, system: &SystemFacts, main: bool) {
    let mut findings = document.diagnostics.clone();
    for finding in &mut findings {
        if !main {
            finding.severity = Severity::Warning;
        } else if finding.severity == Severity::Error {
            fail(draft, LoadState::Error, finding);
        }
    }
    findings.extend(foreign_sections(document, draft));
    for assignment in &document.assignments {
        findings.extend(assign(assignment, draft, system));
    }
    draft.drop_taken_back();
    findings.sort_by_key(|finding| (finding.position.line, finding.position.column));
    draft.config.diagnostics.extend(findings);
}

/// Makes the unit unusable; the first reason stays.
pub fn fail(draft: &mut Draft, state: LoadState, finding: &Diagnostic) {
    let config = &mut draft.config;
    if config.load == LoadState::Loaded {
        config.load = state;
        config.load_error = Some(format!("{}: {}", finding.position, finding.message));
    }
}

/// A warning for each section header that a unit of this type does not have (U6).
fn foreign_sections(document: &Document, draft: &Draft) -> Vec<Diagnostic> {
    let unit_type = draft.config.name.unit_type();
    let known = sections_of(unit_type);
    document
        .sections
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()) && !name.starts_with("X-"))
        .map(|(name, position)| {
            let (rule, message, hint) = if known_sections().contains(&name.as_str()) {
                let message =
                    format!("section [{name}] does not belong in a .{unit_type} unit, ignored");
                (Rule::MisplacedSection, message, None)
            } else {
                let near = hint::nearest_of(known.iter().copied(), name);
                let hint = near.map(|near| format!("did you mean [{near}]?"));
                let message = format!("unknown section [{name}], ignored");
                (Rule::UnknownSection, message, hint)
            };
            Diagnostic::new(Severity::Warning, rule, position.clone(), message)
                .length(name.chars().count() + 2)
                .hint(hint)
        })
        .collect()
}

fn assign(assignment: &Assignment, draft: &mut Draft, system: &SystemFacts) -> Vec<Diagnostic> {
    let known = sections_of(draft.config.name.unit_type());
    let section = assignment.section.as_str();
    if !known.contains(&section) || assignment.key.starts_with("X-") {
        return Vec::new();
    }
    let Some(row) = find(section, &assignment.key) else {
        return vec![unknown(assignment)];
    };
    record(row, assignment, draft, system)
}

/// Lets a row record its value.
fn record(
    row: &'static Row,
    assignment: &Assignment,
    draft: &mut Draft,
    system: &SystemFacts,
) -> Vec<Diagnostic> {
    let mut reading = Reading {
        draft,
        row,
        assignment,
        system,
        findings: Vec::new(),
        last: None,
    };
    let mut outcome = (row.parse)(&mut reading, &assignment.value);
    if outcome == Err(Trouble::NotRun) {
        outcome = reading.not_applied(&assignment.value, NOT_RUN, false);
    }
    let mut fatal = false;
    match outcome {
        Ok(()) if is_of_probes(row) => {}
        Ok(()) => {
            let position = assignment.key_position.clone();
            reading.draft.set.insert(row.name, position);
        }
        Err(Trouble::NotRun) => {}
        Err(Trouble::Ignored { offset, message }) => {
            reading.warn(offset, &format!("{message}, ignored"));
            if let Some(last) = reading.findings.last_mut() {
                last.hint = hint::of_value(row.kind, &assignment.value);
            }
        }
        Err(Trouble::Fatal { offset, message }) => {
            reading.report(Severity::Error, offset, &message);
            reading.draft.bad.insert(row.name);
            fatal = true;
        }
    }
    let findings = reading.findings;
    if let Some(last) = findings.last().filter(|_| fatal) {
        fail(draft, LoadState::BadSetting, last);
    }
    findings
}

/// The warning for a key without row, with what was probably meant (U6).
fn unknown(assignment: &Assignment) -> Diagnostic {
    let (section, key) = (assignment.section.as_str(), assignment.key.as_str());
    let elsewhere: Vec<String> = known_sections()
        .iter()
        .filter(|other| find(other, key).is_some())
        .map(|other| format!("[{other}]"))
        .collect();
    let (rule, hint) = if !elsewhere.is_empty() {
        let hint = format!("it belongs in {}", elsewhere.join(" or "));
        (Rule::MisplacedDirective, Some(hint))
    } else {
        let near = hint::nearest(section, key);
        let hint = near.map(|near| format!("did you mean {near}=?"));
        (Rule::UnknownDirective, hint)
    };
    let position = assignment.key_position.clone();
    let message = format!("unknown key {key}= in section [{section}], ignored");
    Diagnostic::new(Severity::Warning, rule, position, message)
        .length(key.chars().count())
        .hint(hint)
}
