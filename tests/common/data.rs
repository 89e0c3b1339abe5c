//! Data to test against that are not part of the project, wherever they are on this machine.

use super::skip::{Missing, skip};
use std::path::{Path, PathBuf};

/// A directory that holds `content`, or a skip: the value of `variable`, which then must be
/// right, else `place` in a directory beside the checkout or beside the directory around it.
pub fn find(variable: &str, place: &str, content: &str) -> Option<PathBuf> {
    if let Some(set) = std::env::var_os(variable) {
        let set = PathBuf::from(set);
        assert!(
            set.join(content).exists(),
            "{variable} is {}, where no {content} is",
            set.display()
        );
        return Some(set);
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let around = checkout.ancestors().skip(1).take(2);
    let found = around
        .filter_map(|directory| beside(directory, place, content))
        .next();
    if found.is_none() {
        let reason = format!("no {place} with {content} beside the checkout: set {variable} to it");
        skip(Missing::Data, &reason);
    }
    found
}

fn beside(directory: &Path, place: &str, content: &str) -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join(place)))
        .filter(|path| path.join(content).exists())
        .collect();
    candidates.sort();
    candidates.into_iter().next()
}
