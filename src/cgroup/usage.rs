//! What the processes of a group have used, as the kernel counts it; for v2 groups. What it does
//! not count for want of a controller is unknown.

use std::fs;
use std::path::Path;

/// What a group uses; `None` where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Nanoseconds of CPU time.
    pub cpu: Option<u64>,
    /// Processes and threads, if the controller `pids` counts them.
    pub tasks: Option<u64>,
    /// Bytes and operations read and written, of all devices.
    pub io: Option<Io>,
}

/// Input and output of block devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes read.
    pub read_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Writes.
    pub writes: u64,
}

/// Reads the usage of the group at a directory.
pub fn read(directory: &Path) -> Usage {
    let text = |file: &str| fs::read_to_string(directory.join(file)).ok();
    let number = |file: &str| text(file)?.trim().parse().ok();
    Usage {
        memory: number("memory.current"),
        cpu: text("cpu.stat").and_then(|text| cpu(&text)),
        tasks: number("pids.current"),
        io: text("io.stat").map(|text| io(&text)),
    }
}

fn cpu(text: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    value.parse::<u64>().ok()?.checked_mul(1000)
}

/// A line a device: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`.
fn io(text: &str) -> Io {
    let mut io = Io::default();
    for field in text.split_whitespace() {
        let Some((key, value)) = field.split_once('=') else {
            continue;
        };
        let value: u64 = value.parse().unwrap_or(0);
        let sum = match key {
            "rbytes" => &mut io.read_bytes,
            "rios" => &mut io.reads,
            "wbytes" => &mut io.written_bytes,
            "wios" => &mut io.writes,
            _ => continue,
        };
        *sum = sum.saturating_add(value);
    }
    io
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_missing_ones_are_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(read(dir.path()), Usage::default());
        write("memory.current", "4096\n");
        write("cpu.stat", "usage_usec 12\nuser_usec 5\n");
        write(
            "io.stat",
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=0 rios=1 wios=0 dbytes=9\n",
        );
        let usage = read(dir.path());
        assert_eq!((usage.memory, usage.cpu), (Some(4096), Some(12_000)));
        assert_eq!(usage.tasks, None);
        let io = Io {
            read_bytes: 11,
            reads: 4,
            written_bytes: 2,
            writes: 4,
        };
        assert_eq!(usage.io, Some(io));
        write("pids.current", "9\n");
        assert_eq!(read(dir.path()).tasks, Some(9));
    }
}
