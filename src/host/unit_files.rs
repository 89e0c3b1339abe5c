//! Carries plans of `unit::install` out on the disk: all of one or nothing.
//!
//! New links are made in place, which fails if something has come there meanwhile; links that
//! replace others come by rename. What is removed is first renamed to a hidden name beside it,
//! so that it can come back, and is deleted when everything else is done.

use super::disk::DiskSource;
use crate::unit::install::{self, Edit, Plan, Request, Trouble};
use crate::unit::load::Settings;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One plan at a time: what is planned must still hold when it is carried out.
static EDITING: Mutex<()> = Mutex::new(());

/// Why unit files were not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no plan.
    #[error("{}", first(.0))]
    Refused(Vec<Trouble>),
    /// It could not be carried out; everything is as it was before.
    #[error("{0}")]
    Failed(io::Error),
}

fn first(troubles: &[Trouble]) -> String {
    troubles.first().map(Trouble::to_string).unwrap_or_default()
}

/// Plans a request and carries it out. Blocks on the disk: not for the loop's thread.
///
/// # Errors
/// See [`EditError`]; nothing was changed.
pub fn carry_out(request: &Request, settings: &Settings) -> Result<Plan, EditError> {
    let _one = EDITING.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = install::plan(request, settings, &DiskSource).map_err(EditError::Refused)?;
    apply(&plan.edits).map_err(EditError::Failed)?;
    Ok(plan)
}

/// Carries edits out.
///
/// # Errors
/// One failed; those before it were taken back.
pub fn apply(edits: &[Edit]) -> io::Result<()> {
    let mut work = Work::default();
    for edit in edits {
        if let Err((path, error)) = work.carry_out(edit) {
            work.take_back();
            let text = format!("{}: {error}", path.display());
            return Err(io::Error::new(error.kind(), text));
        }
    }
    work.finish();
    Ok(())
}

/// How to take a step back.
enum Undo {
    /// A link was made.
    Unlink(PathBuf),
    /// A link was replaced that led there.
    Relink(PathBuf, PathBuf),
    /// Something was hidden: where it is, where it was.
    Return(PathBuf, PathBuf),
    /// A directory was made.
    RemoveDirectory(PathBuf),
}

#[derive(Default)]
struct Work {
    undo: Vec<Undo>,
    /// Hidden files and directories, to be deleted.
    hidden: Vec<PathBuf>,
    /// Directories to be removed if they are empty, up to the second one.
    maybe_empty: Vec<(PathBuf, PathBuf)>,
}

type Failure = (PathBuf, io::Error);

impl Work {
    fn carry_out(&mut self, edit: &Edit) -> Result<(), Failure> {
        let (path, done) = match edit {
            Edit::Link { path, target } => (path, self.link(Path::new(path), target)),
            Edit::Remove { path, within } => {
                let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
                self.maybe_empty
                    .push((directory.to_owned(), PathBuf::from(within)));
                (path, self.hide(Path::new(path)))
            }
            Edit::RemoveTree { path } => (path, self.hide(Path::new(path))),
        };
        done.map_err(|error| (PathBuf::from(path), error))
    }

    fn link(&mut self, path: &Path, target: &str) -> io::Result<()> {
        self.make_directories(path.parent().unwrap_or(Path::new("/")))?;
        let old = match fs::read_link(path) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                symlink(target, path)?;
                self.undo.push(Undo::Unlink(path.to_owned()));
                return Ok(());
            }
            // Not a link.
            Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        };
        replace(path, Path::new(target))?;
        self.undo.push(Undo::Relink(path.to_owned(), old));
        Ok(())
    }

    fn make_directories(&mut self, directory: &Path) -> io::Result<()> {
        let missing: Vec<&Path> = directory
            .ancestors()
            .take_while(|ancestor| !ancestor.exists())
            .collect();
        for directory in missing.into_iter().rev() {
            fs::create_dir(directory)?;
            self.undo.push(Undo::RemoveDirectory(directory.to_owned()));
        }
        Ok(())
    }

    fn hide(&mut self, path: &Path) -> io::Result<()> {
        let hidden = beside(path, self.undo.len());
        match fs::rename(path, &hidden) {
            Ok(()) => {
                self.hidden.push(hidden.clone());
                self.undo.push(Undo::Return(hidden, path.to_owned()));
                Ok(())
            }
            // Gone already, as wanted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn take_back(self) {
        for step in self.undo.into_iter().rev() {
            let (path, done) = match step {
                Undo::Unlink(path) => (path.clone(), fs::remove_file(path)),
                Undo::Relink(path, old) => (path.clone(), replace(&path, &old)),
                Undo::Return(hidden, path) => (path.clone(), fs::rename(hidden, path)),
                Undo::RemoveDirectory(path) => (path.clone(), fs::remove_dir(path)),
            };
            if let Err(error) = done {
                tracing::error!("cannot take a change of {} back: {error}", path.display());
            }
        }
    }

    fn finish(self) {
        for path in self.hidden {
            let is_directory = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
            let gone = if is_directory {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            if let Err(error) = gone {
                tracing::warn!("cannot delete {}: {error}", path.display());
            }
        }
        for (directory, within) in self.maybe_empty {
            let mut above = directory.as_path();
            // The first that is not empty ends it.
            while above != within && above.starts_with(&within) && fs::remove_dir(above).is_ok() {
                above = above.parent().unwrap_or(Path::new("/"));
            }
        }
    }
}

/// Puts a link in the place of another one at once.
fn replace(path: &Path, target: &Path) -> io::Result<()> {
    let new = beside(path, 0);
    symlink(target, &new)?;
    fs::rename(&new, path).inspect_err(|_| {
        // The rename's error is the one to report.
        let _ = fs::remove_file(&new);
    })
}

/// A name beside a file that no reader of unit files looks at.
fn beside(path: &Path, number: usize) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".#{name}.{}.{number}~", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(path: &Path, target: &str) -> Edit {
        Edit::Link {
            path: path.to_str().unwrap().to_owned(),
            target: target.to_owned(),
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn links_come_and_go_with_their_directories() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("m.target.wants/a.service");
        apply(&[link(&path, "/x"), link(&path, "/y")]).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/y"));
        apply(&[Edit::Remove {
            path: path.to_str().unwrap().to_owned(),
            within: place.path().to_str().unwrap().to_owned(),
        }])
        .unwrap();
        assert_eq!(names(place.path()), [] as [&str; 0]);
    }

    #[test]
    fn what_fails_halfway_leaves_everything_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        symlink("/old", at("replaced.service")).unwrap();
        fs::write(at("removed.service"), "text").unwrap();
        fs::create_dir(at("tree.service.d")).unwrap();
        fs::write(at("tree.service.d/x.conf"), "y").unwrap();
        fs::write(at("in-the-way.service"), "").unwrap();
        let before = names(place.path());
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        let error = apply(&[
            link(&at("new.target.wants/a.service"), "/a"),
            link(&at("replaced.service"), "/new"),
            Edit::Remove {
                path: text("removed.service"),
                within: place.path().to_str().unwrap().to_owned(),
            },
            Edit::RemoveTree {
                path: text("tree.service.d"),
            },
            link(&at("in-the-way.service"), "/b"),
        ])
        .unwrap_err();
        assert!(error.to_string().contains("in-the-way"), "{error}");
        assert_eq!(names(place.path()), before);
        assert_eq!(
            fs::read_link(at("replaced.service")).unwrap(),
            Path::new("/old")
        );
        assert_eq!(fs::read_to_string(at("removed.service")).unwrap(), "text");
        assert!(at("tree.service.d/x.conf").exists());
    }
}
