//! Data for standard input (systemd.exec(5), StandardInput=data): a file in memory that nobody
//! can change, one for each process, since reading moves its place.

use crate::unit::config::{ExecConfig, InputSource};
use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;

/// The descriptor of a unit's data; `None` where there are none or they are not wanted.
///
/// # Errors
/// The file cannot be made.
pub(super) fn descriptor(exec: &ExecConfig) -> Result<Option<OwnedFd>, String> {
    if exec.standard_input != InputSource::Data || exec.input_data.is_empty() {
        return Ok(None);
    }
    let made = memory_file("standard-input", &exec.input_data);
    made.map(Some)
        .map_err(|error| format!("cannot keep the data for standard input: {error}"))
}

/// A file in memory with these contents, that nobody can change, to be read from its beginning.
///
/// # Errors
/// It cannot be made.
pub fn memory_file(name: &str, data: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(name, flags)?);
    file.write_all(data)?;
    file.rewind()?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn data_are_read_from_their_beginning_and_not_written() {
        let mut exec = ExecConfig {
            input_data: b"one\n".to_vec(),
            ..ExecConfig::default()
        };
        assert!(descriptor(&exec).unwrap().is_none(), "nobody asks for them");
        exec.standard_input = InputSource::Data;
        let mut file = File::from(descriptor(&exec).unwrap().unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\n");
        assert!(file.write_all(b"x").is_err());
        exec.input_data.clear();
        assert!(descriptor(&exec).unwrap().is_none());
    }
}
