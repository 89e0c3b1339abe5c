//! Processes as /proc has them: our own and those that descend from them, or all of the machine.
//!
//! A reading is a moment in the past: a number found here is only signalled through a pidfd
//! after it was looked at again (see `killing`).

use crate::sys::proc::{self, Stat};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Processes by number.
pub(super) type Table = BTreeMap<i32, Stat>;

/// How often the way down is gone until it is the same twice.
const WAYS: u32 = 8;

/// Reads all processes; those that go meanwhile are left out.
pub(super) fn scan() -> Table {
    read(proc::all().unwrap_or_default())
}

/// Reads these processes and those that descend from them: nobody else's are looked at. All are
/// where the kernel does not tell who descends from whom, or nothing stands still.
pub(super) fn scan_below(roots: &BTreeSet<i32>) -> Table {
    if proc::children(std::process::id() as i32).is_err() {
        return scan();
    }
    // Whoever loses its parent meanwhile is found elsewhere the next time.
    let mut before = descendants(roots);
    for _ in 0..WAYS {
        let now = descendants(roots);
        if now == before {
            return read(now);
        }
        before = now;
    }
    scan()
}

fn descendants(roots: &BTreeSet<i32>) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut left: Vec<i32> = roots.iter().copied().collect();
    while let Some(pid) = left.pop() {
        if found.insert(pid) {
            left.extend(proc::children(pid).unwrap_or_default());
        }
    }
    found
}

fn read(pids: impl IntoIterator<Item = i32>) -> Table {
    let pids = pids.into_iter();
    pids.filter_map(|pid| Some((pid, proc::stat(pid).ok()?)))
        .collect()
}

/// Ended, only not reaped.
pub(super) fn is_dead(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X')
}

/// A variable of the environment a process was executed with.
pub(super) fn environment_variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|b| *b == 0).find_map(|entry| {
        let value = std::str::from_utf8(entry).ok()?.strip_prefix(name)?;
        value.strip_prefix('=').map(str::to_owned)
    })
}

/// Whether a process runs the program of this daemon: a child that has not executed its own yet.
pub(super) fn runs_our_program(pid: i32) -> bool {
    let own = fs::metadata("/proc/self/exe");
    let its = fs::metadata(format!("/proc/{pid}/exe"));
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    matches!((own.map(place), its.map(place)), (Ok(own), Ok(its)) if own == its)
}

/// A process and its ancestors below `top`; `None` if it does not descend from it.
pub(super) fn way_up(pid: i32, top: i32, table: &Table) -> Option<Vec<(i32, &Stat)>> {
    let mut way = Vec::new();
    let mut current = pid;
    while current != top {
        let stat = table.get(&current)?;
        // The table is no snapshot: numbers used again could make a circle.
        if way.len() > table.len() {
            return None;
        }
        way.push((current, stat));
        current = stat.parent;
    }
    (!way.is_empty()).then_some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ourselves() {
        let me = std::process::id() as i32;
        assert!(!is_dead(&scan()[&me]));
        assert!(environment_variable(me, "PATH").is_some());
        assert!(environment_variable(me, "PAT").is_none());
    }

    #[test]
    fn looks_at_nobody_elses() {
        let me = std::process::id() as i32;
        let mut shell = std::process::Command::new("/bin/sh")
            .args(["-c", "sleep 100 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = shell.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        let (child, grandchild) = (shell.id() as i32, line.trim().parse::<i32>().unwrap());
        let of_child = scan_below(&BTreeSet::from([child]));
        assert_eq!(
            of_child.keys().copied().collect::<Vec<_>>(),
            [child, grandchild]
        );
        // Others run tests beside this one; whoever it descends from is nobody of its own.
        let ours = scan_below(&BTreeSet::from([me]));
        assert_eq!(ours[&grandchild].parent, child);
        assert!(!ours.contains_key(&1) && !ours.contains_key(&ours[&me].parent));
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(grandchild),
            nix::sys::signal::SIGKILL,
        )
        .unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn ways_up_end_at_the_daemon_or_nowhere() {
        let stat = |parent| Stat {
            state: 'S',
            parent,
            group: 0,
            session: 0,
            start_time: 0,
            exit_code: 0,
        };
        let table: Table = [(1, 0), (10, 1), (11, 10), (12, 11), (50, 51), (51, 50)]
            .map(|(pid, parent)| (pid, stat(parent)))
            .into();
        let way: Vec<i32> = way_up(12, 10, &table)
            .unwrap()
            .iter()
            .map(|(pid, _)| *pid)
            .collect();
        assert_eq!(way, [12, 11]);
        assert!(way_up(1, 10, &table).is_none());
        assert!(way_up(10, 10, &table).is_none());
        assert!(way_up(50, 10, &table).is_none());
    }
}
