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

/// Rows that end otherwise here, each with the reason.
const EXCEPTIONS: &[Exception] = &[Exception {
    what: "start Requisite one no-After",
    ours: "1 inactive inactive",
    reason: "the other unit is first by name here, as in the rows beside it, and is found wanting",
}];

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
