//! Facts about processes, from /proc.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub pid: i32,
    pub parent: i32,
    /// R, S, D, Z ...
    pub state: char,
    /// In clock ticks since boot.
    pub started: u64,
}

/// A process, unless it is gone.
pub fn see(pid: i32) -> Option<Seen> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; behind it are plain fields, the third first.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Seen {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Whether it is there and no zombie.
pub fn lives(pid: i32) -> bool {
    see(pid).is_some_and(|seen| !matches!(seen.state, 'Z' | 'X'))
}

/// Its arguments; empty if it is gone.
pub fn command_line(pid: i32) -> Vec<String> {
    let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    text.split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// All processes.
pub fn all() -> Vec<Seen> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(see)
        .collect()
}

/// The living processes with `NAME=value` in their environment.
pub fn marked(name: &str, value: &str) -> Vec<i32> {
    let mark = format!("{name}={value}");
    all()
        .iter()
        .filter(|seen| !matches!(seen.state, 'Z' | 'X'))
        .filter(|seen| {
            fs::read(format!("/proc/{}/environ", seen.pid))
                .is_ok_and(|text| text.split(|byte| *byte == 0).any(|v| v == mark.as_bytes()))
        })
        .map(|seen| seen.pid)
        .collect()
}

/// Whether the kernel made `first` before `second`: by start time, and within one tick by
/// number, which the kernel counts up and wraps.
pub fn made_before(first: &Seen, second: &Seen) -> bool {
    const HALF: i32 = 16384;
    let ahead = second.pid - first.pid;
    first.started < second.started
        || (first.started == second.started && !(-HALF..=0).contains(&ahead))
}

/// Sends a signal by its number: libraries have no names for the real-time ones.
pub fn send_number(pid: i32, number: i32) {
    let script = format!("kill -{number} {pid}");
    let sent = std::process::Command::new("/bin/sh")
        .args(["-c", &script])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "{script}");
}

pub fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

/// The fields of /proc/PID/status.
pub fn status(pid: i32) -> BTreeMap<String, String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_else(|error| panic!("status of {pid}: {error}"));
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Soft and hard limit of a row of /proc/PID/limits, such as `Max open files`.
pub fn limit(pid: i32, row: &str) -> (String, String) {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits can be read");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(row))
        .unwrap_or_else(|| panic!("no {row} in\n{text}"));
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut word = || words.next().expect("a row has two limits");
    (word(), word())
}

/// What a daemon holds of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Number to what it is, socket and pipe numbers left out.
    pub fds: Vec<String>,
    pub threads: usize,
    pub zombies: usize,
}

pub fn holdings(pid: i32) -> Holdings {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors can be listed");
    let mut fds: Vec<String> = links
        .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
        .map(kind_of)
        .collect();
    fds.sort();
    Holdings {
        fds,
        threads: fs::read_dir(format!("/proc/{pid}/task"))
            .expect("its threads can be listed")
            .count(),
        zombies: all()
            .iter()
            .filter(|seen| seen.parent == pid && seen.state == 'Z')
            .count(),
    }
}

fn kind_of(link: PathBuf) -> String {
    let text = link.to_string_lossy().into_owned();
    // A new one is begun from time to time.
    if text.contains("/saved/journal-") {
        return "journal".to_owned();
    }
    match text.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None => text,
    }
}

/// Resident memory in KiB, counted page by page.
pub fn resident_kib(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .expect("its memory map can be read");
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no Rss in\n{text}"))
}

/// Memory in use, in kilobytes, as /proc/PID/status has it under a name: VmRSS, RssAnon ...
pub fn kilobytes(pid: i32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {text}"))
}
