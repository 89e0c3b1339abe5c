//! Brings what is asked of paths into order: one entry a path, parents first, without what
//! changes nothing. Pure.

use super::entries::{Entry, Mode};
use super::table::is_within;
use super::{Files, Found, MountError};

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arranged {
    /// In the unit's root, links followed.
    pub(super) path: String,
    pub(super) mode: Mode,
    pub(super) found: Found,
    /// Whether it cannot be written; `None` says nothing about that.
    pub(super) read_only: Option<bool>,
    /// Whether nothing can be executed.
    pub(super) no_execute: Option<bool>,
    pub(super) setting: &'static str,
}

/// What is missing and not optional goes to `missing`.
///
/// # Errors
/// A path that cannot be one.
pub(super) fn arrange(
    entries: Vec<Entry>,
    root: &str,
    files: &dyn Files,
    missing: &mut Vec<MountError>,
) -> Result<Vec<Arranged>, MountError> {
    let mut arranged = Vec::new();
    for entry in entries {
        match found(entry, root, files) {
            Ok(found) => arranged.extend(found),
            Err(error @ MountError::Missing(..)) => missing.push(error),
            Err(error @ MountError::Nul(_)) => return Err(error),
        }
    }
    arranged.sort_by(|a, b| parts(&a.path).cmp(parts(&b.path)).then(a.mode.cmp(&b.mode)));
    Ok(without_effectless(merged(arranged)))
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// The entry with its path as it is; nothing if it may be missing and is.
fn found(entry: Entry, root: &str, files: &dyn Files) -> Result<Option<Arranged>, MountError> {
    let (path, found) = files.find(root, &entry.path);
    let (needed, setting) = match &entry.mode {
        // These are made.
        Mode::Temporary { .. } | Mode::Queues | Mode::MachinesOwn => (false, entry.setting),
        Mode::Bind { from, .. } => {
            let missing = files.find("/", from).1 == Found::Missing;
            if missing && entry.optional {
                return Ok(None);
            }
            if missing {
                return Err(MountError::Missing(entry.setting, from.clone()));
            }
            (false, entry.setting)
        }
        Mode::Inaccessible
        | Mode::Devices
        | Mode::Processes(_)
        | Mode::ReadOnly
        | Mode::ReadWrite
        | Mode::NoExecute
        | Mode::Execute => (!entry.made, entry.setting),
    };
    if needed && found == Found::Missing {
        return match entry.optional {
            true => Ok(None),
            false => Err(MountError::Missing(setting, entry.path)),
        };
    }
    let (read_only, no_execute) = restrictions(&entry.mode);
    Ok(Some(Arranged {
        path,
        mode: entry.mode,
        found,
        read_only,
        no_execute,
        setting,
    }))
}

/// What a mode says about writing and executing.
fn restrictions(mode: &Mode) -> (Option<bool>, Option<bool>) {
    match mode {
        Mode::Inaccessible => (Some(true), None),
        Mode::Bind { read_only, .. } => (Some(*read_only), None),
        Mode::Temporary { flags, .. } => (Some(flags & 1 != 0), None),
        // Made as it is to be.
        Mode::Devices | Mode::Processes(_) | Mode::Queues | Mode::MachinesOwn => {
            (Some(false), None)
        }
        Mode::ReadOnly => (Some(true), None),
        Mode::ReadWrite => (Some(false), None),
        Mode::NoExecute => (None, Some(true)),
        Mode::Execute => (None, Some(false)),
    }
}

/// One entry a path: the first mode, the strictest restrictions.
fn merged(sorted: Vec<Arranged>) -> Vec<Arranged> {
    let mut list: Vec<Arranged> = Vec::new();
    for entry in sorted {
        match list.last_mut().filter(|last| last.path == entry.path) {
            Some(last) => {
                last.read_only = strictest(last.read_only, entry.read_only);
                last.no_execute = strictest(last.no_execute, entry.no_execute);
            }
            None => list.push(entry),
        }
    }
    list
}

fn strictest(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (None, said) | (said, None) => said,
        (Some(one), Some(other)) => Some(one || other),
    }
}

/// Leaves out what lies below something inaccessible, and what only says again what holds there
/// already.
fn without_effectless(sorted: Vec<Arranged>) -> Vec<Arranged> {
    let mut list: Vec<Arranged> = Vec::new();
    for entry in sorted {
        let above = |known: &&Arranged| is_within(&entry.path, &known.path);
        let closed = |known: &&Arranged| known.mode == Mode::Inaccessible;
        if list.iter().filter(above).any(|known| closed(&known)) {
            continue;
        }
        let nearest = |said: fn(&Arranged) -> Option<bool>| {
            let mut around = list.iter().rev().filter(above);
            around.find_map(said).unwrap_or(false)
        };
        let says_more = entry
            .read_only
            .is_some_and(|own| own != nearest(|e| e.read_only))
            || entry
                .no_execute
                .is_some_and(|own| own != nearest(|e| e.no_execute));
        let only_restricts = match entry.mode {
            Mode::ReadOnly | Mode::ReadWrite | Mode::NoExecute | Mode::Execute => true,
            Mode::Inaccessible
            | Mode::Bind { .. }
            | Mode::Devices
            | Mode::MachinesOwn
            | Mode::Processes(_)
            | Mode::Temporary { .. }
            | Mode::Queues => false,
        };
        if says_more || !only_restricts {
            list.push(entry);
        }
    }
    list
}
