//! Directories that the daemon makes for itself and takes away again.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Directories that were made, outermost first; removed when dropped, unless somebody put
/// something into them.
#[derive(Debug, Default)]
pub(super) struct MadeDirectories(Vec<PathBuf>);

impl MadeDirectories {
    /// Those that an earlier daemon has made.
    pub(super) fn take_over(directories: Vec<PathBuf>) -> MadeDirectories {
        MadeDirectories(directories)
    }

    /// What was made.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        self.0.clone()
    }

    /// Makes a directory and what is missing above it, all with mode 0755.
    ///
    /// # Errors
    /// One of them cannot be made, or something else is in its place.
    pub(super) fn make(&mut self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
        missing.reverse();
        for directory in missing {
            match DirBuilder::new().mode(0o755).create(directory) {
                Ok(()) => self.0.push(directory.to_owned()),
                // Another daemon was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at(directory, &error)),
            }
        }
        if path.is_dir() {
            return Ok(());
        }
        Err(at(path, &io::Error::from(io::ErrorKind::NotADirectory)))
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("cannot make the directory {}: {error}", path.display());
    io::Error::new(error.kind(), text)
}

impl Drop for MadeDirectories {
    fn drop(&mut self) {
        for directory in self.0.iter().rev() {
            // Fails if it is not empty, and then it should.
            let _ = fs::remove_dir(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_and_is_empty_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = MadeDirectories::default();
        made.make(&dir.path().join("a/b")).unwrap();
        made.make(&dir.path().join("a/b/c")).unwrap();
        made.make(&dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/kept"), "").unwrap();
        assert!(made.make(&dir.path().join("d/kept")).is_err());
        drop(made);
        assert!(!dir.path().join("a").exists());
        assert!(dir.path().join("d/kept").exists());
    }
}
