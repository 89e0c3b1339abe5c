//! What the processes of a group have used, as the kernel counts it: in version 2 as far as its
//! controllers are there, and in the groups of version 1 that the processes are in. What is not
//! counted is unknown.

use super::controller::Controller;
use super::network::{self, Traffic};
use super::plan::set_bits;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

/// What a group uses; `None` where the kernel does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// The most there ever were.
    pub memory_peak: Option<u64>,
    /// Bytes that it may still get before a limit of it or of a slice above is hit; without a
    /// limit there is no saying.
    pub memory_available: Option<u64>,
    /// Bytes of swap.
    pub swap: Option<u64>,
    /// The most there ever were.
    pub swap_peak: Option<u64>,
    /// Bytes of compressed swap.
    pub zswap: Option<u64>,
    /// Nanoseconds of CPU time.
    pub cpu: Option<u64>,
    /// Processes and threads.
    pub tasks: Option<u64>,
    /// Bytes and operations read and written, of all devices.
    pub io: Option<Io>,
    /// Packets and bytes of the network.
    pub traffic: Option<Traffic>,
    /// The processors it may run on, where that is restricted.
    pub processors: Option<BTreeSet<u32>>,
    /// The memory nodes it may use, the same.
    pub nodes: Option<BTreeSet<u32>>,
    /// The number of the group (ControlGroupId).
    pub id: Option<u64>,
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

/// Where the groups of one unit are.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// In version 2.
    pub unified: Option<PathBuf>,
    /// The subtree in version 2, whose limits are the last that are looked at.
    pub root: PathBuf,
    /// In version 1.
    pub legacy: BTreeMap<Controller, PathBuf>,
    /// Whether traffic of the network is counted, which is worth a question to the kernel.
    pub counts_traffic: bool,
}

impl Places {
    fn unified(&self, file: &str) -> Option<String> {
        let directory = self.unified.as_ref()?;
        read_text(&directory.join(file))
    }

    fn legacy(&self, controller: Controller, file: &str) -> Option<String> {
        let directory = self.legacy.get(&controller)?;
        fs::read_to_string(directory.join(file)).ok()
    }

    fn one(&self, ours: &str, controller: Controller, theirs: &str) -> Option<u64> {
        number(self.unified(ours)).or_else(|| number(self.legacy(controller, theirs)))
    }
}

/// A file of the kernel's, mostly in one read: some are asked for at every end of a unit.
fn read_text(path: &Path) -> Option<String> {
    let mut file = fs::File::open(path).ok()?;
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let (read, rest) = rustix::io::read(&file, &mut buffer[..]).ok()?;
    let mut bytes = read.to_vec();
    if rest.is_empty() {
        file.read_to_end(&mut bytes).ok()?;
    }
    String::from_utf8(bytes).ok()
}

fn number(text: Option<String>) -> Option<u64> {
    text?.trim().parse().ok()
}

/// Reads what is still worth knowing of a group when it is gone.
pub fn read_last(places: &Places) -> Usage {
    let io = || {
        let bytes = places.legacy(Controller::Io, "blkio.throttle.io_service_bytes_recursive")?;
        let operations = places.legacy(Controller::Io, "blkio.throttle.io_serviced_recursive")?;
        Some(legacy_io(&bytes, &operations))
    };
    Usage {
        memory_peak: places.one(
            "memory.peak",
            Controller::Memory,
            "memory.max_usage_in_bytes",
        ),
        swap_peak: number(places.unified("memory.swap.peak")),
        cpu: places
            .unified("cpu.stat")
            .and_then(|text| cpu(&text))
            .or_else(|| number(places.legacy(Controller::CpuAccounting, "cpuacct.usage"))),
        io: places
            .unified("io.stat")
            .map(|text| self::io(&text))
            .or_else(io),
        traffic: match places.counts_traffic {
            true => places.unified.as_deref().and_then(network::traffic),
            false => None,
        },
        ..Usage::default()
    }
}

/// Reads the usage of a group.
pub fn read(places: &Places) -> Usage {
    let memory = places.one(
        "memory.current",
        Controller::Memory,
        "memory.usage_in_bytes",
    );
    let both = number(places.legacy(Controller::Memory, "memory.memsw.usage_in_bytes"));
    let both = both.and_then(|both| both.checked_sub(memory?));
    let set = |file: &str| places.unified(file).map(|text| set_bits(&text));
    Usage {
        memory,
        memory_available: available(places),
        swap: number(places.unified("memory.swap.current")).or(both),
        zswap: number(places.unified("memory.zswap.current")),
        tasks: places
            .one("pids.current", Controller::Tasks, "pids.current")
            .or_else(|| threads(places.unified.as_ref()?)),
        processors: set("cpuset.cpus.effective"),
        nodes: set("cpuset.mems.effective"),
        id: places.unified.as_ref().and_then(|directory| id(directory)),
        ..read_last(places)
    }
}

/// A group's number is that of its directory.
fn id(directory: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(fs::metadata(directory).ok()?.ino())
}

/// The least that limits leave in the group and those above it, down to our subtree.
fn available(places: &Places) -> Option<u64> {
    let mut least: Option<u64> = None;
    let mut look = |directory: &Path, current: &str, limits: &[&str]| {
        let number = |file: &str| {
            let text = fs::read_to_string(directory.join(file)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let Some(current) = number(current) else {
            return;
        };
        // No limit is a word in version 2, and a very large number in version 1.
        let limits = limits.iter().filter_map(|file| number(file));
        for limit in limits.filter(|limit| *limit < i64::MAX.unsigned_abs() / 2) {
            let left = limit.saturating_sub(current);
            least = Some(least.map_or(left, |least| least.min(left)));
        }
    };
    if let Some(directory) = &places.unified {
        let levels = directory.ancestors();
        for level in levels.take_while(|level| level.starts_with(&places.root)) {
            look(level, "memory.current", &["memory.max", "memory.high"]);
        }
    }
    if let Some(directory) = places.legacy.get(&Controller::Memory) {
        look(
            directory,
            "memory.usage_in_bytes",
            &["memory.limit_in_bytes"],
        );
    }
    least
}

/// Threads in a group and below, where no controller counts them.
fn threads(directory: &Path) -> Option<u64> {
    let text = fs::read_to_string(directory.join("cgroup.threads")).ok()?;
    let mut count = text.lines().count() as u64;
    for child in super::children(directory).ok()? {
        count += threads(&child).unwrap_or(0);
    }
    Some(count)
}

/// Lines `8:0 Read 123`, one file for bytes and one for operations.
fn legacy_io(bytes: &str, operations: &str) -> Io {
    let sum = |text: &str, what: &str| {
        let lines = text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            (fields.next()? == what).then_some(())?;
            fields.next()?.parse::<u64>().ok()
        });
        lines.fold(0, u64::saturating_add)
    };
    Io {
        read_bytes: sum(bytes, "Read"),
        reads: sum(operations, "Read"),
        written_bytes: sum(bytes, "Write"),
        writes: sum(operations, "Write"),
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

    fn places(directory: &Path) -> Places {
        Places {
            unified: Some(directory.to_owned()),
            root: directory.to_owned(),
            ..Places::default()
        }
    }

    #[test]
    fn files_are_read_and_missing_ones_are_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        let read = || Usage {
            id: None,
            ..read(&places(dir.path()))
        };
        assert_eq!(read(), Usage::default());
        write("memory.current", "4096\n");
        write("memory.peak", "8192\n");
        write("cpu.stat", "usage_usec 12\nuser_usec 5\n");
        write(
            "io.stat",
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=0 rios=1 wios=0 dbytes=9\n",
        );
        write("cpuset.cpus.effective", "0-1\n");
        let usage = read();
        assert_eq!((usage.memory, usage.cpu), (Some(4096), Some(12_000)));
        assert_eq!(usage.memory_peak, Some(8192));
        assert_eq!((usage.tasks, usage.memory_available), (None, None));
        assert_eq!(usage.processors, Some([0, 1].into()));
        let io = Io {
            read_bytes: 11,
            reads: 4,
            written_bytes: 2,
            writes: 4,
        };
        assert_eq!(usage.io, Some(io));
        write("cgroup.threads", "4\n5\n");
        assert_eq!(read().tasks, Some(2));
        write("pids.current", "9\n");
        assert_eq!(read().tasks, Some(9));
    }

    #[test]
    fn limits_above_count_for_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a.service");
        fs::create_dir(&inner).unwrap();
        let write = |directory: &Path, file: &str, text: &str| {
            fs::write(directory.join(file), text).unwrap();
        };
        write(&inner, "memory.current", "100\n");
        write(&inner, "memory.max", "max\n");
        write(&inner, "memory.high", "1000\n");
        let places = Places {
            unified: Some(inner.clone()),
            ..places(dir.path())
        };
        assert_eq!(read(&places).memory_available, Some(900));
        write(dir.path(), "memory.current", "600\n");
        write(dir.path(), "memory.max", "700\n");
        assert_eq!(read(&places).memory_available, Some(100));
    }

    #[test]
    fn version_1_is_read_where_processes_are_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        write("memory.usage_in_bytes", "4096\n");
        write("memory.memsw.usage_in_bytes", "5000\n");
        write("memory.limit_in_bytes", "10000\n");
        write(
            "blkio.throttle.io_service_bytes_recursive",
            "8:0 Read 5\n8:0 Write 7\n8:0 Total 12\nTotal 12\n",
        );
        write(
            "blkio.throttle.io_serviced_recursive",
            "8:0 Read 1\n8:0 Write 2\n",
        );
        let here = || dir.path().to_owned();
        let legacy = [(Controller::Memory, here()), (Controller::Io, here())];
        let usage = read(&Places {
            legacy: legacy.into(),
            ..Places::default()
        });
        assert_eq!((usage.memory, usage.swap), (Some(4096), Some(904)));
        assert_eq!(usage.memory_available, Some(5904));
        let io = usage.io.unwrap();
        assert_eq!((io.read_bytes, io.writes), (5, 2));
    }
}
