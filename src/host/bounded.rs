//! Files that somebody else names, read without waiting for ever and without end.
//!
//! Only regular files are read, and devices that answer at once: a FIFO that nobody writes to
//! would hold the reading thread, /dev/zero would fill the memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a regular file or a device, without waiting.
///
/// # Errors
/// It cannot be opened, or is something else.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_char_device() || kind.is_block_device() {
        return Ok(file);
    }
    Err(io::Error::other("not a regular file"))
}

/// Whether a file is a device.
pub(super) fn is_device(file: &File) -> io::Result<bool> {
    let kind = file.metadata()?.file_type();
    Ok(kind.is_char_device() || kind.is_block_device())
}

/// Reads to the end of what may have `limit` bytes at most.
///
/// # Errors
/// It cannot be read, or there is more.
pub(super) fn read_to_end(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let text = format!("larger than {} MiB", limit >> 20);
        return Err(io::Error::other(text));
    }
    Ok(content)
}
