//! What systemd 252 was seen to do, row by row, on our daemon with real processes: 160
//! experiments with dependencies, and every cause of an end with every Restart=. The tables are
//! not part of the project: DD_PM_REFERENCE is the directory that holds them.

#[path = "matrix/dependencies.rs"]
mod dependencies;
#[path = "matrix/restarts.rs"]
mod restarts;
#[path = "matrix/verdict.rs"]
mod verdict;

mod common;

use common::reference;
use verdict::{Exception, judge};

/// The order of jobs that nothing orders: compat/differences.md.
const BY_NAME: &str = "systemd runs jobs without an order between them by name, we as they came";

/// Rows that end otherwise here, each with the reason.
const EXCEPTIONS: &[Exception] = &[
    unordered("start Requires assertfail no-After", "0 active inactive"),
    unordered("start BindsTo assertfail no-After", "0 inactive inactive"),
    unordered("start Requisite good no-After", "1 active inactive"),
    unordered("start Requisite bad no-After", "1 active inactive"),
    unordered("start Requisite one no-After", "1 active inactive"),
    unordered("start Requisite condfail no-After", "1 active inactive"),
    unordered("start Requisite assertfail no-After", "1 active inactive"),
];

const fn unordered(what: &'static str, ours: &'static str) -> Exception {
    Exception {
        what,
        ours,
        reason: BY_NAME,
    }
}

#[test]
fn every_row_of_the_dependency_matrix_ends_as_on_systemd() {
    let Some(rows) = reference::table("dependency-matrix.tsv") else {
        return;
    };
    let played = dependencies::play(&rows);
    assert_eq!(played.len(), rows.len());
    let judged = judge(&played, EXCEPTIONS);
    println!("dependency matrix: {judged}");
    assert!(judged.findings.is_empty(), "{judged}");
}

#[test]
fn every_end_leads_to_a_restart_or_not_as_on_systemd() {
    let Some(rows) = reference::table("restart-table.tsv") else {
        return;
    };
    let played = restarts::play(&rows);
    let judged = judge(&played, &[]);
    println!("restart table: {judged}");
    assert!(judged.findings.is_empty(), "{judged}");
}
