//! What the stand-ins wrote down: when each started, was told to stop, and ended.

use std::path::{Path, PathBuf};

/// A line of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// CLOCK_MONOTONIC.
    pub usec: u64,
    pub name: String,
    pub event: String,
    pub pid: i32,
}

/// A file that stand-ins append to.
#[derive(Debug, Clone)]
pub struct Records(PathBuf);

impl Records {
    /// An empty record that every user may append to.
    pub fn create(path: &Path) -> Records {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, "").expect("a record can be made");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
            .expect("it can be opened to all");
        Records(path.to_owned())
    }

    /// One that was created before.
    pub fn existing(path: &Path) -> Records {
        Records(path.to_owned())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Everything, in the order of time.
    pub fn all(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(&self.0).expect("the record can be read");
        let mut entries: Vec<Entry> = text.lines().map(entry).collect();
        entries.sort_by_key(|entry| entry.usec);
        entries
    }

    /// The events of one name.
    pub fn of(&self, name: &str, event: &str) -> Vec<Entry> {
        let mut entries = self.all();
        entries.retain(|entry| entry.name == name && entry.event == event);
        entries
    }

    /// The latest event of this kind.
    #[track_caller]
    pub fn last(&self, name: &str, event: &str) -> Entry {
        self.of(name, event)
            .pop()
            .unwrap_or_else(|| panic!("{name} has no {event} in {:#?}", self.all()))
    }

    /// Asserts that one event came before another, by the latest of each.
    #[track_caller]
    pub fn assert_before(&self, first: (&str, &str), second: (&str, &str)) {
        let (a, b) = (self.last(first.0, first.1), self.last(second.0, second.1));
        assert!(
            a.usec < b.usec,
            "{first:?} at {} is not before {second:?} at {}; all: {:#?}",
            a.usec,
            b.usec,
            self.all()
        );
    }
}

fn entry(line: &str) -> Entry {
    let words: Vec<&str> = line.split(' ').collect();
    let [usec, name, event, pid] = words[..] else {
        panic!("no record: {line}");
    };
    Entry {
        usec: usec.parse().expect("the first word is a time"),
        name: name.to_owned(),
        event: event.to_owned(),
        pid: pid.parse().expect("the last word is a pid"),
    }
}
