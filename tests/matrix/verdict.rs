//! Whether what was played is as it was observed, and which exceptions hold.

use std::fmt;

/// An experiment that was played.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    /// What was done, as one line.
    pub(crate) what: String,
    /// Decided by a race on both sides: equal today may be different tomorrow.
    pub(crate) race: bool,
    /// How it ended on systemd.
    pub(crate) theirs: String,
    /// How it ended here.
    pub(crate) ours: String,
}

/// A row that may end otherwise, since it does so for a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exception {
    /// `Played::what`.
    pub(crate) what: &'static str,
    /// How it ends here.
    pub(crate) ours: &'static str,
    /// Why that is right.
    pub(crate) reason: &'static str,
}

/// What came of all rows.
#[derive(Debug)]
pub(crate) struct Judged {
    rows: usize,
    equal: usize,
    excepted: Vec<String>,
    /// Rows that differ without an exception, exceptions that no row needs.
    pub(crate) findings: Vec<String>,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let excepted = self.excepted.len();
        write!(
            f,
            "{} rows, {} equal, {excepted} excepted",
            self.rows, self.equal
        )?;
        for line in self.excepted.iter().chain(&self.findings) {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// Holds each row against what was observed. An exception must be met to the letter; one whose
/// row has become equal is itself a finding, unless that row is a race.
pub(crate) fn judge(played: &[Played], exceptions: &[Exception]) -> Judged {
    let mut judged = Judged {
        rows: played.len(),
        equal: 0,
        excepted: Vec::new(),
        findings: Vec::new(),
    };
    for row in played {
        let exception = exceptions
            .iter()
            .find(|exception| exception.what == row.what);
        let equal = row.ours == row.theirs;
        match exception {
            None if equal => judged.equal += 1,
            Some(_) if equal && row.race => judged.equal += 1,
            Some(exception) if equal => judged.findings.push(format!(
                "{}: equal now, its exception goes: {}",
                row.what, exception.reason
            )),
            Some(exception) if row.ours == exception.ours => judged
                .excepted
                .push(format!("{}: {}", row.what, exception.reason)),
            _ => judged.findings.push(format!(
                "{}: systemd {}, here {}",
                row.what, row.theirs, row.ours
            )),
        }
    }
    for exception in exceptions {
        if !played.iter().any(|row| row.what == exception.what) {
            judged
                .findings
                .push(format!("no row is {}", exception.what));
        }
    }
    judged
}

#[test]
fn each_kind_of_finding_is_found() {
    let row = |what: &str, race, ours: &str| Played {
        what: what.to_owned(),
        race,
        theirs: "active".to_owned(),
        ours: ours.to_owned(),
    };
    let exception = |what| Exception {
        what,
        ours: "failed",
        reason: "a reason",
    };
    let played = [
        row("equal", false, "active"),
        row("race won", true, "active"),
        row("race lost", true, "failed"),
        row("excepted", false, "failed"),
        row("outdated", false, "active"),
        row("otherwise", false, "inactive"),
        row("different", false, "failed"),
    ];
    let names = [
        "race won",
        "race lost",
        "excepted",
        "outdated",
        "otherwise",
        "gone",
    ];
    let judged = judge(&played, &names.map(exception));
    assert_eq!(
        (judged.rows, judged.equal, judged.excepted.len()),
        (7, 2, 2)
    );
    let findings: Vec<&str> = judged
        .findings
        .iter()
        .filter_map(|finding| finding.split([':', ',']).next())
        .collect();
    assert_eq!(
        findings,
        ["outdated", "otherwise", "different", "no row is gone"]
    );
}
