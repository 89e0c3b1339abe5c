//! What /proc says of processes: parents, sessions, environments, control groups.
//!
//! A reading is a moment in the past: a number found here is only signalled through a pidfd
//! after its start time was compared again (see `killing`).

use std::collections::BTreeMap;
use std::fs;

/// One process as /proc/PID/stat shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// In clock ticks since boot; with the number it names a process for good.
    pub(super) start: u64,
}

impl Stat {
    /// Ended, only not reaped.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Reads one process; `None` if it is gone.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold blanks and parentheses itself.
    let (head, tail) = text.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    Some(Stat {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// All processes by number.
pub(super) fn scan() -> BTreeMap<i32, Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

/// A variable of the environment a process was executed with.
pub(super) fn environment_variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|b| *b == 0).find_map(|entry| {
        let value = std::str::from_utf8(entry).ok()?.strip_prefix(name)?;
        value.strip_prefix('=').map(str::to_owned)
    })
}

/// The v2 control group of a process, as /proc/PID/cgroup names it.
pub(super) fn control_group(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned)
}

/// The command line for people: words joined by blanks, or the name in brackets.
pub(super) fn command_line(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = bytes
        .split(|b| *b == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("[{}]", name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_confuse() {
        let line = "42 (a) S 1 (b) R 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 99 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.state, stat.parent), (42, 'R', 7));
        assert_eq!((stat.group, stat.session, stat.start), (42, 41, 99));
        assert_eq!(parse_stat("42 (a"), None);
    }

    #[test]
    fn finds_ourselves() {
        let me = std::process::id() as i32;
        assert_eq!(scan()[&me].pid, me);
        assert!(!command_line(me).is_empty());
        assert!(environment_variable(me, "PATH").is_some());
        assert!(environment_variable(me, "PAT").is_none());
    }
}
