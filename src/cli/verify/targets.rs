//! From what was typed to units and the directories to look for them in.

use crate::cli::error::Problem;
use crate::cli::names;
use crate::offline;
use crate::places::Places;
use crate::unit::diagnostic::{Diagnostic, Position, Rule, Severity};
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The settings of the loader for the unit path given, or that of the environment.
///
/// # Errors
/// A directory's name is not UTF-8.
pub(in crate::cli) fn settings(unit_path: Option<&str>) -> Result<Settings, Problem> {
    let env = |name: &str| std::env::var(name).ok();
    let root = nix::unistd::geteuid().is_root();
    let places = Places::of(root, "main", &env);
    let directories = match unit_path {
        Some(path) => places.join_unit_path(path),
        None => places.unit_path,
    };
    let directories: Result<Vec<String>, Problem> =
        directories.iter().map(|path| absolute(path)).collect();
    Ok(offline::settings(directories?, &env))
}

/// What is wrong with the files and units named, or with all units of the path.
///
/// # Errors
/// The unit path cannot be used.
pub(super) fn verify(
    named: &[String],
    unit_path: Option<&str>,
) -> Result<Vec<Diagnostic>, Problem> {
    let settings = settings(unit_path)?;
    if named.is_empty() {
        return Ok(offline::verify(&offline::all_names(&settings), &settings));
    }
    let mut findings = Vec::new();
    // Files of one directory are looked at together; of two directories that hold the same
    // name, neither hides the other.
    let mut groups: BTreeMap<Option<String>, BTreeSet<UnitName>> = BTreeMap::new();
    for text in named {
        match target(text, &settings) {
            Ok((directory, units)) => groups.entry(directory).or_default().extend(units),
            Err(finding) => findings.push(*finding),
        }
    }
    for (directory, units) in groups {
        let mut settings = settings.clone();
        settings.path.splice(0..0, directory);
        findings.extend(offline::verify(&units, &settings));
    }
    Ok(without_repetition(findings))
}

/// A directory to look in first, and units.
type Target = (Option<String>, BTreeSet<UnitName>);

/// What a word of the command line stands for: with a slash, or where nothing but a file has
/// that name, a path; else a unit.
fn target(text: &str, settings: &Settings) -> Result<Target, Box<Diagnostic>> {
    let path = Path::new(text);
    let unit = UnitName::parse(&names::complete(text));
    let is_path = text.contains('/')
        || path.exists()
            && unit
                .as_ref()
                .map_or(true, |name| !offline::all_names(settings).contains(name));
    if is_path {
        return of_path(path).map_err(|message| wrong(text, message));
    }
    match unit {
        Ok(name) => Ok((None, BTreeSet::from([name]))),
        Err(error) => Err(wrong(text, error.to_string())),
    }
}

fn wrong(text: &str, message: String) -> Box<Diagnostic> {
    let top = Position::top(text);
    Box::new(Diagnostic::new(
        Severity::Error,
        Rule::Unreadable,
        top,
        message,
    ))
}

fn of_path(path: &Path) -> Result<Target, String> {
    let metadata = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?;
    let full = absolute(path).map_err(|problem| problem.message)?;
    if metadata.is_dir() {
        let alone = Settings {
            path: vec![full.clone()],
            ..Settings::default()
        };
        return Ok((Some(full), offline::all_names(&alone)));
    }
    let (directory, name) = split(&full).ok_or("is not a file in a directory")?;
    // A drop-in is looked at with its unit.
    if let Some(unit) = directory
        .strip_suffix(".d")
        .filter(|_| name.ends_with(".conf"))
    {
        let (directory, unit) = split(unit).ok_or("is not a drop-in of a unit")?;
        let unit = UnitName::parse(unit).map_err(|e| e.to_string())?;
        return Ok((Some(directory.to_owned()), BTreeSet::from([unit])));
    }
    let unit = UnitName::parse(name).map_err(|e| e.to_string())?;
    Ok((Some(directory.to_owned()), BTreeSet::from([unit])))
}

fn split(path: &str) -> Option<(&str, &str)> {
    let (directory, name) = path.rsplit_once('/')?;
    Some((if directory.is_empty() { "/" } else { directory }, name))
}

fn absolute(path: &Path) -> Result<String, Problem> {
    let full = std::path::absolute(path);
    let full: PathBuf = full.map_err(|e| Problem::local(format!("{}: {e}", path.display())))?;
    let text = full.into_os_string().into_string();
    let text = text.map_err(|name| Problem::local(format!("{name:?} is not UTF-8")))?;
    Ok(match text.trim_end_matches('/') {
        "" => "/".to_owned(),
        trimmed => trimmed.to_owned(),
    })
}

fn without_repetition(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(findings.len());
    let mut seen = BTreeSet::new();
    for finding in findings {
        if seen.insert(finding.to_string()) {
            kept.push(finding);
        }
    }
    kept
}
