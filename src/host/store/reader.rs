//! Reads the ring, from its newest file back.

use super::batch::{self, Stored};
use super::files;
use crate::host::handle::LogLine;
use crate::unit::name::UnitName;
use glob::{MatchOptions, Pattern};
use std::fs;
use std::io;
use std::path::Path;

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these units, names or patterns; none: all.
    pub units: Vec<Pattern>,
    /// Records of what happened, too.
    pub events: bool,
    /// Not older than this, CLOCK_REALTIME in microseconds.
    pub since: u64,
}

impl Filter {
    pub(super) fn takes_line(&self, line: &LogLine) -> bool {
        self.events || !line.fields.contains_key("event")
    }

    pub(super) fn takes(&self, batch: &Stored<'_>) -> bool {
        let options = MatchOptions {
            require_literal_leading_dot: false,
            require_literal_separator: false,
            case_sensitive: true,
        };
        let matches = |unit: &UnitName| {
            let mut patterns = self.units.iter();
            patterns.any(|pattern| pattern.matches_with(unit.as_str(), options))
        };
        batch.realtime >= self.since
            && (self.units.is_empty() || batch.origin.unit.as_ref().is_some_and(matches))
    }
}

/// The last `count` lines that are wanted, oldest first.
///
/// # Errors
/// The directory cannot be read, or a file that is there.
pub fn last(directory: &Path, filter: &Filter, count: usize) -> io::Result<Vec<LogLine>> {
    let mut found: Vec<Vec<LogLine>> = Vec::new();
    let mut missing = count;
    for (_, path, _) in files(directory)?.into_iter().rev() {
        if missing == 0 {
            break;
        }
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            // Rotated away since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let (mut left, mut lines) = (&bytes[..], Vec::new());
        let mut newest = 0;
        while let Some(batch) = batch::take(&mut left) {
            newest = newest.max(batch.realtime);
            if filter.takes(&batch) {
                lines.extend(batch.lines().filter(|line| filter.takes_line(line)));
            }
        }
        // What waited for the writer stands behind what came later.
        lines.sort_by_key(|line| line.number);
        lines.drain(..lines.len().saturating_sub(missing));
        missing -= lines.len();
        found.push(lines);
        if newest != 0 && newest < filter.since {
            break;
        }
    }
    let mut all: Vec<LogLine> = found.into_iter().rev().flatten().collect();
    all.sort_by_key(|line| line.number);
    Ok(all)
}
