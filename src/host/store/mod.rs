//! The log on the disk: a ring of files, written by the daemon alone and read by anybody who may,
//! also when the daemon is gone.
//!
//! A file is a sequence of batches as [`batch::Batch::encode`] writes them. A daemon begins a new
//! file; whoever reads skips the end of one that was not written whole.

pub(in crate::host) mod batch;
mod follow;
mod reader;
mod segments;

pub use follow::Follower;
pub use reader::{Filter, last};
pub(in crate::host) use segments::Segments;

/// Names of the files: a number that grows, in hexadecimal.
const SUFFIX: &str = ".log";

/// The number of a file of the ring.
fn number_of(name: &std::ffi::OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_suffix(SUFFIX)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// All files of the ring, oldest first: number, path, size in bytes.
fn files(directory: &std::path::Path) -> std::io::Result<Vec<(u64, std::path::PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(number) = number_of(&entry.file_name()) {
            // It may just have been rotated away.
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            found.push((number, entry.path(), size));
        }
    }
    found.sort();
    Ok(found)
}
