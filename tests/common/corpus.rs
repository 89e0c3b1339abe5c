//! The Datadog Agent's own unit files: data to run against that are not part of the project.

use super::skip::{Missing, skip};
use std::path::{Path, PathBuf};

/// The directory with the unit files as the deb and rpm packages install them, or a skip.
pub fn debrpm() -> Option<PathBuf> {
    let found = root().map(|root| root.join("sd-debrpm"));
    if found.is_none() {
        skip(
            Missing::Data,
            "no corpus of agent unit files: set DD_PM_CORPUS to it",
        );
    }
    found
}

/// DD_PM_CORPUS, which then must be right, else a `corpus/datadog` in a directory beside the
/// checkout or beside the directory around it.
fn root() -> Option<PathBuf> {
    if let Some(set) = std::env::var_os("DD_PM_CORPUS") {
        let set = PathBuf::from(set);
        assert!(
            set.join("sd-debrpm").is_dir(),
            "DD_PM_CORPUS is {}, where no sd-debrpm is",
            set.display()
        );
        return Some(set);
    }
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    checkout.ancestors().skip(1).take(2).find_map(beside)
}

fn beside(directory: &Path) -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> = std::fs::read_dir(directory)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("corpus/datadog")))
        .filter(|path| path.join("sd-debrpm").is_dir())
        .collect();
    candidates.sort();
    candidates.into_iter().next()
}
