//! What is on the disk for another process to take over: a picture of everything between two
//! events, and the events since.
//!
//! Pictures are numbered. `state-N.json` comes to be with a rename, so it is whole or not there;
//! `journal-N` has a line for each event after it. Until picture N is there, picture N-1 with both
//! journals says the same. A version that is not known, and a field too many or too few, is refused:
//! nothing is guessed.

use super::identity::Identity;
use crate::cgroup::TreePlace;
use crate::engine::{Event, ProcessId, Snapshot, Timestamp, UnitId};
use crate::host::handle::{LogLine, Startup, Stream};
use crate::unit::name::UnitName;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// The version of the form that this build writes, and the only one it reads.
const VERSION: u32 = 1;
/// A picture is written in pieces of so many bytes.
const BLOCK: usize = 64 * 1024;
/// Where it is, below the runtime directory.
pub(in crate::host) const DIRECTORY: &str = "saved";

/// Why what an earlier daemon has left cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {0}, which an earlier daemon has left: {1}")]
    Io(PathBuf, io::Error),
    /// It is of another version, or damaged.
    #[error(
        "cannot understand {0}, which an earlier daemon has left: {1}; its services run on, but \
         this daemon cannot take them over. To begin anew, stop them and remove {2}"
    )]
    Form(PathBuf, String, PathBuf),
}

/// A picture of everything.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Saved {
    // Stands first, so that it is looked at first.
    #[serde(deserialize_with = "known_version")]
    version: u32,
    pub(in crate::host) host: HostState,
    pub(in crate::host) engine: Snapshot,
}

impl Saved {
    /// Of this version.
    pub(in crate::host) fn new(host: HostState, engine: Snapshot) -> Saved {
        Saved {
            version: VERSION,
            host,
            engine,
        }
    }
}

fn known_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        VERSION => Ok(VERSION),
        version => Err(serde::de::Error::custom(format!(
            "it is of version {version}, and this build reads version {VERSION}"
        ))),
    }
}

/// The part of the picture that the engine knows nothing of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct HostState {
    /// Of which boot of the machine, and which pid namespace: elsewhere numbers say nothing.
    pub(in crate::host) machine: String,
    /// Units were asked for.
    pub(in crate::host) begun: bool,
    /// Who the processes are that the engine counts on.
    pub(in crate::host) processes: BTreeMap<ProcessId, Identity>,
    /// The pipes that are read.
    pub(in crate::host) pipes: BTreeMap<u64, PipeOf>,
    /// The highest number that a pipe had.
    pub(in crate::host) last_pipe: u64,
    /// The number of the last line of log.
    pub(in crate::host) line: u64,
    /// Lines of log that are kept; only for an execve.
    pub(in crate::host) lines: Vec<Line>,
    /// What clients added to the environment of services.
    pub(in crate::host) environment: Vec<(String, String)>,
    /// Where the units' control groups are.
    pub(in crate::host) tree: Option<TreePlace>,
    /// What is kept of each unit.
    pub(in crate::host) units: BTreeMap<UnitId, UnitState>,
    /// The steps of coming up.
    pub(in crate::host) startup: [Timestamp; 4],
    /// Directories that the daemon made.
    pub(in crate::host) directories: Vec<PathBuf>,
}

/// What is kept of a unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct UnitState {
    /// What the last start went without: directive, reason, and whether it had a part of it.
    pub(in crate::host) left_out: Vec<(String, String, bool)>,
    /// Nanoseconds of CPU used when its group went.
    pub(in crate::host) last_cpu: Option<u64>,
    /// It is frozen.
    pub(in crate::host) frozen: bool,
    /// What its processes share.
    pub(in crate::host) isolation: Option<IsolationState>,
}

/// What the processes of a unit share (see `isolation`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct IsolationState {
    /// The number of the part that others may share.
    pub(in crate::host) spaces: u64,
    pub(in crate::host) tmp: Option<(String, String)>,
    pub(in crate::host) network: bool,
    pub(in crate::host) ipc: bool,
    pub(in crate::host) credentials: Option<String>,
}

/// A pipe: whose output it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct PipeOf {
    pub(in crate::host) process: ProcessId,
    pub(in crate::host) unit: UnitName,
    pub(in crate::host) stream: Stream,
    /// The process's number; 0 until it is known.
    pub(in crate::host) pid: i32,
}

/// A line of log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Line {
    number: u64,
    realtime: u64,
    unit: Option<UnitName>,
    pid: i32,
    stream: Stream,
    text: String,
    #[serde(default = "info")]
    priority: u8,
    #[serde(default)]
    invocation: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
}

/// The level of lines that were saved without one.
fn info() -> u8 {
    6
}

impl From<&LogLine> for Line {
    fn from(line: &LogLine) -> Line {
        Line {
            number: line.number,
            realtime: line.realtime,
            unit: line.unit.clone(),
            pid: line.pid,
            stream: line.stream,
            text: line.text.clone(),
            priority: line.priority,
            invocation: line.invocation.clone(),
            fields: line.fields.clone(),
        }
    }
}

impl From<Line> for LogLine {
    fn from(line: Line) -> LogLine {
        LogLine {
            number: line.number,
            realtime: line.realtime,
            unit: line.unit,
            pid: line.pid,
            stream: line.stream,
            text: line.text,
            priority: line.priority,
            invocation: line.invocation,
            fields: line.fields,
        }
    }
}

impl From<Startup> for [Timestamp; 4] {
    fn from(startup: Startup) -> [Timestamp; 4] {
        let Startup {
            begun,
            loading,
            loaded,
            finished,
        } = startup;
        [begun, loading, loaded, finished]
    }
}

impl From<[Timestamp; 4]> for Startup {
    fn from([begun, loading, loaded, finished]: [Timestamp; 4]) -> Startup {
        Startup {
            begun,
            loading,
            loaded,
            finished,
        }
    }
}

/// A line of the journal.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::host) enum Record {
    /// What the engine was told.
    Event(Timestamp, Event),
    /// Who a process is that the engine is about to hear of.
    Process(ProcessId, Identity),
    /// A pipe was made for a process.
    Pipe(u64, PipeOf),
    /// What the processes of a unit share from now on.
    Isolation(UnitId, IsolationState),
}

impl Record {
    /// Whether with it the daemon begins to do something.
    pub(super) fn begins(&self) -> bool {
        matches!(self, Record::Event(_, Event::Request { .. }))
    }
}

/// The same, to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::host) enum Entry<'a> {
    Event(Timestamp, &'a Event),
    Process(ProcessId, Identity),
    Pipe(u64, &'a PipeOf),
    Isolation(UnitId, IsolationState),
}

/// The machine and pid namespace of this process.
pub(in crate::host) fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), space.display())
}

/// The file of a picture, and of the journal behind it.
pub(in crate::host) fn picture(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("state-{number}.json"))
}

/// See [`picture`].
pub(in crate::host) fn journal(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("journal-{number}"))
}

/// The numbers of the files whose names begin and end like this.
fn numbers(directory: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<u64>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| {
            let number = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
            number.parse().ok()
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The highest number in use, 0 if there is none.
pub(in crate::host) fn last_number(directory: &Path) -> u64 {
    let last = |prefix, suffix| numbers(directory, prefix, suffix).ok()?.pop();
    last("state-", ".json")
        .max(last("journal-", ""))
        .unwrap_or(0)
}

/// Removes pictures and journals before this number.
pub(in crate::host) fn remove_before(directory: &Path, number: u64) {
    let old = |prefix, suffix| {
        let found = numbers(directory, prefix, suffix).unwrap_or_default();
        found.into_iter().filter(move |it| *it < number)
    };
    for number in old("state-", ".json") {
        // A file too many is never read.
        let _ = fs::remove_file(picture(directory, number));
    }
    for number in old("journal-", "") {
        let _ = fs::remove_file(journal(directory, number));
    }
}

/// Writes a picture, whole or not at all, without holding all of its text; its length in bytes.
///
/// # Errors
/// It cannot be written.
pub(in crate::host) fn write(directory: &Path, number: u64, saved: &Saved) -> io::Result<usize> {
    let path = picture(directory, number);
    let aside = directory.join("new");
    let mut file = BufWriter::with_capacity(BLOCK, fs::File::create(&aside)?);
    serde_json::to_writer(&mut file, saved).map_err(io::Error::other)?;
    let file = file.into_inner().map_err(|error| error.into_error())?;
    let length = file.metadata()?.len();
    fs::rename(aside, path)?;
    Ok(usize::try_from(length).unwrap_or(usize::MAX))
}

/// Reads the last picture and what follows; `None` if there is none, or if it is of another boot
/// or pid namespace, where nothing of it can be there any more.
///
/// # Errors
/// It cannot be read, or not be understood.
pub(in crate::host) fn read(directory: &Path) -> Result<Option<(Saved, Vec<Record>)>, ReadError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| ReadError::Io(path, error)
    };
    let pictures = numbers(directory, "state-", ".json").map_err(io(directory))?;
    let Some(last) = pictures.last() else {
        return Ok(None);
    };
    let path = picture(directory, *last);
    let form = |path: &Path, error: serde_json::Error| {
        ReadError::Form(path.to_owned(), error.to_string(), directory.to_owned())
    };
    let bytes = fs::read(&path).map_err(io(&path))?;
    let saved: Saved = parse(&bytes).map_err(|error| form(&path, error))?;
    if saved.host.machine != machine() {
        return Ok(None);
    }
    let mut records = Vec::new();
    let journals = numbers(directory, "journal-", "").map_err(io(directory))?;
    for number in journals.into_iter().filter(|number| number >= last) {
        let path = journal(directory, number);
        let bytes = fs::read(&path).map_err(io(&path))?;
        // What is behind the last line end was being written when the daemon was killed: nobody
        // has acted on it.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        for line in bytes[..whole].split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                records.push(serde_json::from_slice(line).map_err(|error| form(&path, error))?);
            }
        }
    }
    Ok(Some((saved, records)))
}

/// Reads a picture.
///
/// # Errors
/// It is of another version, or damaged.
pub(in crate::host) fn parse(bytes: &[u8]) -> Result<Saved, serde_json::Error> {
    serde_json::from_slice(bytes)
}
