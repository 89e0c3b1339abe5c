//! All processes of the machine, as /proc has them.
//!
//! A reading is a moment in the past: a number found here is only signalled through a pidfd
//! after it was looked at again (see `killing`).

use crate::sys::proc::{self, Stat};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Processes by number.
pub(super) type Table = BTreeMap<i32, Stat>;

/// Reads all processes; those that go meanwhile are left out.
pub(super) fn scan() -> Table {
    let pids = proc::all().unwrap_or_default();
    pids.into_iter()
        .filter_map(|pid| Some((pid, proc::stat(pid).ok()?)))
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
}
