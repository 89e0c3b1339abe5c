//! `edit`: a drop-in, or with `--full` a copy of the whole file, from standard input or an
//! editor. Files are written beside their place and renamed into it.

use super::Desk;
use crate::cli::args::EditArguments;
use crate::cli::error::{FAILURE, Problem};
use crate::cli::fields::Fields;
use crate::cli::names;
use crate::cli::output::{Output, complain};
use crate::cli::verify;
use crate::offline::unit_files as files;
use crate::unit::install::Directories;
use crate::unit::load::Settings;
use crate::unit::name::UnitName;
use serde_json::json;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Editors that are tried in turn where the environment names none.
const EDITORS: [&str; 4] = ["editor", "nano", "vim", "vi"];

/// Edits the files of units, then has them read again.
pub(crate) async fn run(
    desk: &mut Desk,
    output: &Output,
    arguments: &EditArguments,
) -> Result<u8, Problem> {
    let settings = settings(desk).await?;
    let place = place(&settings, arguments.runtime)?;
    let given = if arguments.stdin {
        Some(standard_input()?)
    } else {
        None
    };
    let mut status = 0;
    let mut written = Vec::new();
    for unit in &arguments.units {
        let unit = names::complete(unit);
        match edit(&unit, &place, &settings, arguments, given.as_deref()) {
            Ok(path) => {
                complain(&format!(
                    "Successfully installed edited file \"{}\".",
                    path.display()
                ));
                written.push(json!({"unit": unit, "path": path}));
            }
            Err(problem) => {
                complain(&problem.message);
                status = FAILURE;
            }
        }
    }
    if !output.is_text() {
        output.json(&written);
    }
    if let (Desk::Daemon(client), false) = (desk, written.is_empty() || arguments.no_reload) {
        let reloaded = client.reload().await;
        reloaded.map_err(|p| p.during("Failed to reload the units"))?;
    }
    Ok(status)
}

/// The daemon's unit path, or one's own.
async fn settings(desk: &mut Desk) -> Result<Settings, Problem> {
    match desk {
        Desk::Daemon(client) => {
            let properties = client.manager_properties().await?;
            verify::settings(Some(&properties.texts("UnitPath").join(":")))
        }
        Desk::Disk(settings) => Ok((**settings).clone()),
    }
}

fn place(settings: &Settings, runtime: bool) -> Result<PathBuf, Problem> {
    let directories = Directories::of(settings);
    let (place, kind) = if runtime {
        (directories.runtime, "run-time")
    } else {
        (directories.persistent, "persistent")
    };
    place.map(PathBuf::from).ok_or_else(|| {
        let path = settings.path.join(":");
        Problem::local(format!(
            "There is no {kind} directory in the unit path \"{path}\"."
        ))
    })
}

fn standard_input() -> Result<Vec<u8>, Problem> {
    let mut content = Vec::new();
    let read = io::stdin().read_to_end(&mut content);
    read.map_err(|e| Problem::local(format!("Failed to read standard input: {e}")))?;
    Ok(content)
}

/// Edits one unit; the path of what was written.
fn edit(
    unit: &str,
    place: &Path,
    settings: &Settings,
    arguments: &EditArguments,
    given: Option<&[u8]>,
) -> Result<PathBuf, Problem> {
    let name = UnitName::parse(unit).map_err(|e| Problem::local(e.to_string()))?;
    let file = match files::file_of(unit, settings) {
        Ok(file) => Some(file),
        Err(_) if arguments.force => None,
        Err(trouble) => {
            let hint = "Run with --force to make one that is not there yet.";
            return Err(Problem::local(format!("{trouble}\n{hint}")));
        }
    };
    let path = if arguments.full {
        place.join(name.as_str())
    } else {
        let drop_in = file_name(&arguments.drop_in)?;
        place.join(format!("{name}.d")).join(drop_in)
    };
    // An edited copy begins as what is in use now.
    let origin = if arguments.full && !path.exists() {
        file.map(PathBuf::from)
    } else {
        Some(path.clone())
    };
    let content = match given {
        Some(content) => content.to_vec(),
        None => with_editor(unit, &path, origin.as_deref())?,
    };
    write(&path, &content).map_err(|e| Problem::local(format!("{}: {e}", path.display())))?;
    Ok(path)
}

/// The name of a drop-in, `.conf` added.
fn file_name(name: &str) -> Result<String, Problem> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        let message = format!("\"{name}\" cannot be the name of a drop-in.");
        return Err(Problem::local(message));
    }
    let stem = name.strip_suffix(".conf").unwrap_or(name);
    Ok(format!("{stem}.conf"))
}

/// Lets the user edit a copy.
fn with_editor(unit: &str, path: &Path, origin: Option<&Path>) -> Result<Vec<u8>, Problem> {
    let local = |e: io::Error| Problem::local(format!("{}: {e}", path.display()));
    let start = match origin.map(fs::read) {
        Some(Ok(content)) => content,
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(local(error)),
        Some(Err(_)) | None => {
            let file = path.display();
            format!("# {file}\n# Settings of {unit} go below; without any, nothing is written.\n\n")
                .into_bytes()
        }
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let made = missing(directory);
    fs::create_dir_all(directory).map_err(local)?;
    let copy = hidden(path);
    let edited = fs::write(&copy, &start)
        .and_then(|()| call_editor(&copy))
        .and_then(|()| fs::read(&copy));
    // Whatever came of it, the copy has had its use.
    let _ = fs::remove_file(&copy);
    let edited = edited.map_err(local).and_then(|content| {
        if says_nothing(&content) {
            let message = format!("Editing \"{}\" canceled: it says nothing.", path.display());
            return Err(Problem::local(message));
        }
        Ok(content)
    });
    if edited.is_err() {
        // Directories made for nothing go; one that is not empty stays.
        made.iter().for_each(|directory| {
            let _ = fs::remove_dir(directory);
        });
    }
    edited
}

/// The directories that are not there yet, the deepest first.
fn missing(directory: &Path) -> Vec<PathBuf> {
    let above = directory.ancestors();
    above
        .take_while(|d| !d.exists())
        .map(Path::to_owned)
        .collect()
}

/// Only comments and empty lines.
fn says_nothing(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with(['#', ';']))
}

/// Runs the editor that the environment names, else the first there is.
fn call_editor(file: &Path) -> io::Result<()> {
    let named = ["SYSTEMD_EDITOR", "EDITOR", "VISUAL"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.trim().is_empty());
    let candidates: Vec<String> = match named {
        Some(command) => vec![command],
        None => EDITORS.map(str::to_owned).to_vec(),
    };
    for command in candidates {
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        match Command::new(program).args(words).arg(file).status() {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => return Err(io::Error::other(format!("{program} failed: {status}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no editor is there; set EDITOR"))
}

fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".#{name}.{}~", std::process::id()))
}

/// Writes a file at once. A link in its place, such as an alias or a mask, is replaced.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    let new = hidden(path);
    fs::write(&new, content)?;
    fs::rename(&new, path).inspect_err(|_| {
        // The rename's error is the one to report.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_have_plain_names() {
        assert_eq!(file_name("override").ok().as_deref(), Some("override.conf"));
        assert_eq!(file_name("x.conf").ok().as_deref(), Some("x.conf"));
        assert!(file_name("a/b").is_err() && file_name("").is_err());
    }

    #[test]
    fn comments_say_nothing() {
        assert!(says_nothing(b"# a\n\n ; b\n"));
        assert!(!says_nothing(b"# a\n[Service]\n"));
    }
}
