//! Unit files that exist only in memory, for tests of everything that loads units.

use super::{Entry, EntryKind, Source, Stamp};
use crate::unit::name::UnitName;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// A small file system: files and links by their absolute paths, directories implied.
#[derive(Debug, Clone, Default)]
pub struct MemorySource {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
    unreadable: BTreeSet<String>,
    held: BTreeSet<String>,
}

impl MemorySource {
    /// No files at all.
    pub fn new() -> MemorySource {
        MemorySource::default()
    }

    /// With a file.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> MemorySource {
        self.files
            .insert(path.to_owned(), content.as_ref().to_vec());
        self
    }

    /// With a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> MemorySource {
        self.links.insert(path.to_owned(), target.to_owned());
        self
    }

    /// With a file that cannot be read.
    #[must_use]
    pub fn unreadable(mut self, path: &str) -> MemorySource {
        self.files.insert(path.to_owned(), Vec::new());
        self.unreadable.insert(path.to_owned());
        self
    }

    /// With a directory that cannot be read.
    #[must_use]
    pub fn unreadable_directory(mut self, path: &str) -> MemorySource {
        self.unreadable.insert(path.to_owned());
        self
    }

    /// With something that the kernel has: a mount, device or swap by its unit name.
    #[must_use]
    pub fn hold(mut self, name: &str) -> MemorySource {
        self.held.insert(name.to_owned());
        self
    }

    fn follow<'a>(&'a self, path: &'a str) -> &'a str {
        let mut path = path;
        for _ in 0..16 {
            match self.links.get(path) {
                Some(target) => path = target,
                None => break,
            }
        }
        path
    }
}

impl Source for MemorySource {
    fn list(&self, directory: &str) -> io::Result<Vec<Entry>> {
        if self.unreadable.contains(directory) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let below = format!("{}/", directory.trim_end_matches('/'));
        let mut entries: BTreeMap<&str, EntryKind> = BTreeMap::new();
        let paths = self.files.keys().chain(self.links.keys());
        for path in paths.filter(|path| path.starts_with(&below)) {
            let rest = &path[below.len()..];
            let (name, kind) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Directory),
                None => match self.links.get(path) {
                    Some(target) => (rest, EntryKind::Link(target.clone())),
                    None => (rest, EntryKind::File),
                },
            };
            entries.insert(name, kind);
        }
        let entries = entries.into_iter();
        Ok(entries
            .map(|(name, kind)| Entry {
                name: name.to_owned(),
                kind,
            })
            .collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = self.follow(path);
        if self.unreadable.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let content = self.files.get(path);
        content
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read_stamped(&self, path: &str) -> io::Result<(Vec<u8>, Option<Stamp>)> {
        Ok((self.read(path)?, self.stamp(path)))
    }

    /// What is there says it: another content is another stamp.
    fn stamp(&self, path: &str) -> Option<Stamp> {
        let content = match self.read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("{:?}", self.list(path).ok()?).into_bytes()
            }
            Err(_) => return None,
        };
        let mut stamp = Stamp([content.len() as u64, 0, 0, 0, 0]);
        for (at, byte) in content.iter().enumerate() {
            let part = &mut stamp.0[1 + at % 4];
            *part = part.wrapping_mul(257).wrapping_add(1 + u64::from(*byte));
        }
        Some(stamp)
    }

    fn holds(&self, name: &UnitName) -> bool {
        self.held.contains(name.as_str())
    }
}
