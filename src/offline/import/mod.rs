//! Definitions of processes and sockets, as the agent's own process manager reads them from
//! `processes.d`, to unit files.
//!
//! A definition is a YAML file. `NAME.yaml` becomes `NAME.service`, `NAME.socket.yaml` becomes
//! `NAME.socket`. What has no equivalent is told with its place; what cannot be right is an
//! error, and then nothing of that file is written. What is written was read back by the loader
//! without an error.

mod draft;
mod health;
mod resources;
mod service;
mod socket;
#[cfg(test)]
mod tests;
mod write;
mod yaml;

pub use write::{Target, store};

use crate::unit::config::LoadState;
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::load::{self, MemorySource, Settings};
use crate::unit::name::UnitName;
use draft::{Draft, Section, Trouble};
use std::collections::BTreeSet;
use std::path::Path;

/// What becomes of a definition.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Files by their paths below the unit directory, and what is in them; none after an error.
    pub files: Vec<(String, String)>,
    /// Links that enabling the units would make, below the unit directory, and where they lead.
    pub links: Vec<(String, String)>,
    /// What was found: errors, what has no equivalent, what is not quite the same.
    pub findings: Vec<Diagnostic>,
}

impl Imported {
    /// Whether something in it cannot be right.
    pub fn has_errors(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Error)
    }
}

/// Converts one definition. `variables` are what `${NAME}` stands for.
pub fn convert(file: &str, text: &str, variables: &dyn Fn(&str) -> Option<String>) -> Imported {
    let mut draft = Draft::new(file, variables);
    let mut imported = Imported::default();
    match make(&mut draft, file, text) {
        Ok((name, drop_in)) => finish(&mut imported, &mut draft, &name, drop_in),
        Err(trouble) => draft.find(
            trouble.place,
            trouble.severity,
            Rule::BadValue,
            trouble.message,
        ),
    }
    imported.findings = draft.findings;
    // By place: that is how they are read.
    imported
        .findings
        .sort_by(|one, other| one.position.cmp(&other.position));
    if imported.has_errors() {
        imported.files.clear();
        imported.links.clear();
    }
    imported
}

/// Fills the draft; the unit's name, and a drop-in for another one.
fn make(
    draft: &mut Draft<'_>,
    file: &str,
    text: &str,
) -> Result<(UnitName, Option<socket::DropIn>), Trouble> {
    let root = yaml::read(text).map_err(|(place, message)| Trouble {
        place,
        severity: Severity::Error,
        message,
    })?;
    let stem = stem(file);
    let (stem, is_socket) = match stem.strip_suffix(".socket") {
        Some(stem) => (stem, true),
        None => (stem, false),
    };
    let suffix = if is_socket { "socket" } else { "service" };
    let name = UnitName::parse(&format!("{stem}.{suffix}"))
        .map_err(|error| Trouble::error(&root, format!("the file's name: {error}")))?;
    let drop_in = if is_socket {
        socket::take(draft, &root, stem)?
    } else {
        service::take(draft, &root)?;
        None
    };
    Ok((name, drop_in))
}

/// The name of a file without directories and without `.yaml`.
fn stem(file: &str) -> &str {
    let name = Path::new(file).file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    let suffixes = [".yaml", ".yml"];
    let mut bare = suffixes
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix));
    bare.next().unwrap_or(name)
}

fn finish(
    imported: &mut Imported,
    draft: &mut Draft<'_>,
    name: &UnitName,
    drop_in: Option<socket::DropIn>,
) {
    let text = draft.text();
    check(draft, name, &text);
    for target in ["multi-user.target", "sockets.target"] {
        if text.contains(&format!("WantedBy={target}\n")) && draft.has(Section::Install, "WantedBy")
        {
            let link = format!("{target}.wants/{name}");
            imported.links.push((link, format!("../{name}")));
        }
    }
    imported.files.push((name.to_string(), text));
    if let Some(drop_in) = drop_in {
        let path = format!(
            "{}.d/50-{}.conf",
            drop_in.unit,
            name.as_str().replace('.', "-")
        );
        imported.files.push((path, drop_in.text));
    }
}

/// Where units are while they are checked.
const PLACE: &str = "/import";

/// Reads the unit as the daemon will; what keeps it from loading is an error of the definition.
fn check(draft: &mut Draft<'_>, name: &UnitName, text: &str) {
    let settings = Settings {
        path: vec![PLACE.to_owned()],
        ..Settings::default()
    };
    let mut source = MemorySource::new().file(&format!("{PLACE}/{name}"), text);
    if name.as_str().ends_with(".socket") {
        // Its service is another definition.
        for line in text
            .lines()
            .filter_map(|line| line.strip_prefix("Service="))
        {
            source = source.file(
                &format!("{PLACE}/{line}"),
                "[Service]\nExecStart=/bin/true\n",
            );
        }
    }
    let names = BTreeSet::from([name.clone()]);
    let units = load::load_closure(&names, &BTreeSet::new(), &settings, &source);
    let Some(unit) = units.get(name) else {
        return;
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut explained = false;
    for finding in unit.diagnostics.iter().filter(|finding| matters(finding)) {
        explained = true;
        let at = (finding.position.line as usize).saturating_sub(1);
        let line = lines.get(at).copied().unwrap_or_default();
        let message = format!("what comes of it is no unit: {line}: {}", finding.message);
        draft.find(yaml::Place::TOP, Severity::Error, finding.rule, message);
    }
    if unit.load != LoadState::Loaded && !explained {
        let reason = unit.load_error.as_deref().unwrap_or("it does not load");
        let message = format!("what comes of it is no unit: {reason}");
        draft.find(
            yaml::Place::TOP,
            Severity::Error,
            Rule::Contradiction,
            message,
        );
    }
}

/// Whether the loader left something out or gave up.
fn matters(finding: &Diagnostic) -> bool {
    let lost = [Rule::BadValue, Rule::UnknownDirective, Rule::Syntax];
    finding.severity == Severity::Error || lost.contains(&finding.rule)
}

/// A file that could not be read at all.
pub fn unreadable(file: &str, error: &std::io::Error) -> Imported {
    let message = format!("cannot read the file: {error}");
    let finding = Diagnostic::new(
        Severity::Error,
        Rule::Unreadable,
        Position::top(file),
        message,
    );
    Imported {
        findings: vec![finding],
        ..Imported::default()
    }
}
