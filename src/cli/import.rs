//! `import`: definitions of processes and sockets in YAML to unit files, without a daemon.
//!
//! Exit status 0 if all were written, 1 if one was not, or for a warning that counts.

use super::args::Destination;
use super::args::more::Import;
use super::error::{FAILURE, Problem};
use super::output::{Output, complain, say};
use super::verify;
use crate::offline::import::{self, Imported, Target};
use crate::unit::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Imports what was named.
///
/// # Errors
/// There is no directory to write to, or one to read cannot be.
pub(super) fn run(
    output: &Output,
    destination: &Destination,
    arguments: &Import,
) -> Result<u8, Problem> {
    let Destination::Directory(directory) = destination else {
        let message = "the directory to write to is needed: -o DIR (./json for one of that name)";
        return Err(Problem::local(message));
    };
    let target = Target {
        directory,
        replace: arguments.force,
    };
    let given = definitions_of(&arguments.define)?;
    let variables = |name: &str| {
        given
            .get(name)
            .cloned()
            .or_else(|| std::env::var(name).ok())
    };
    let mut findings: Vec<Diagnostic> = Vec::new();
    let mut failed = false;
    let mut written = Vec::new();
    for file in files(&arguments.files)? {
        let name = file.to_string_lossy().into_owned();
        let imported = match std::fs::read_to_string(&file) {
            Ok(text) => import::convert(&name, &text, &variables),
            Err(error) => import::unreadable(&name, &error),
        };
        let refused = imported.has_errors() || arguments.strict && !imported.findings.is_empty();
        failed |= refused;
        if !refused {
            match import::store(&imported, &target) {
                Ok(paths) => written.extend(paths),
                Err(reason) => {
                    complain(&format!("{name}: nothing was written: {reason}"));
                    failed = true;
                }
            }
        }
        findings.extend(as_asked(imported, arguments.strict));
    }
    let mut report = output.clone();
    report.format = arguments.report;
    verify::show(&report, &findings);
    if report.is_text() {
        for path in &written {
            say(&format!("{}\n", path.display()));
        }
    }
    Ok(if failed { FAILURE } else { 0 })
}

/// The findings; all of them errors where they keep the file from being written.
fn as_asked(imported: Imported, strict: bool) -> impl Iterator<Item = Diagnostic> {
    imported.findings.into_iter().map(move |mut finding| {
        if strict {
            finding.severity = Severity::Error;
        }
        finding
    })
}

/// `NAME=VALUE` words.
fn definitions_of(words: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Problem::local(format!(
            "--define {word}: it is no NAME=VALUE"
        ))),
    };
    words.iter().map(pair).collect()
}

/// Files as they are named, those of directories in the order of their names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Problem> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error| Problem::local(format!("cannot read {}: {error}", path.display()));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_definition(&file) {
                found.push(file);
            }
        }
        if found.is_empty() {
            let message = format!("{} holds no .yaml file", path.display());
            return Err(Problem::local(message));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn is_definition(path: &Path) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    matches!(suffix, Some("yaml" | "yml"))
}
