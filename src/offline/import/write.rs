//! Writes what was imported: all of a definition, or nothing of it.

use super::Imported;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where units go.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The unit directory; made if it is not there.
    pub directory: &'a Path,
    /// Whether files that are there may be replaced.
    pub replace: bool,
}

/// Writes files and links; what was written. Everything is written beside its place first.
///
/// # Errors
/// Something is there already, or cannot be written: what, and why. Then nothing was changed,
/// but for directories made.
pub fn store(imported: &Imported, target: &Target<'_>) -> Result<Vec<PathBuf>, String> {
    let mut steps: Vec<(PathBuf, PathBuf)> = Vec::new();
    let result = prepare(imported, target, &mut steps);
    if let Err(reason) = result {
        for (temporary, _) in &steps {
            let _ = fs::remove_file(temporary);
        }
        return Err(reason);
    }
    let mut done = Vec::new();
    for (temporary, path) in &steps {
        // A rename in one directory; what could go wrong went wrong before.
        fs::rename(temporary, path).map_err(|error| told("write", path, &error))?;
        done.push(path.clone());
    }
    Ok(done)
}

fn prepare(
    imported: &Imported,
    target: &Target<'_>,
    steps: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<(), String> {
    for (name, text) in &imported.files {
        let temporary = place(name, target, steps)?;
        fs::write(&temporary, text).map_err(|error| told("write", &temporary, &error))?;
    }
    for (name, leads_to) in &imported.links {
        let temporary = place(name, target, steps)?;
        std::os::unix::fs::symlink(leads_to, &temporary)
            .map_err(|error| told("make the link", &temporary, &error))?;
    }
    Ok(())
}

/// Makes the directory of a file, and finds the name to write it under first.
fn place(
    name: &str,
    target: &Target<'_>,
    steps: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<PathBuf, String> {
    let path = target.directory.join(name);
    if !target.replace && path.symlink_metadata().is_ok() {
        return Err(format!("{} is there already", path.display()));
    }
    let directory = path.parent().unwrap_or(target.directory);
    fs::create_dir_all(directory).map_err(|error| told("make", directory, &error))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{file}.{}", std::process::id()));
    // Whoever had this number before left it behind.
    let _ = fs::remove_file(&temporary);
    steps.push((temporary.clone(), path));
    Ok(temporary)
}

fn told(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}
