//! `/healthz/live`, `/healthz/ready` and `/healthz/startup`: whether all is well, and what is not.

use crate::engine::inspect::{Health, UnitHealth};
use crate::engine::{ProbeRecord, Verdict};
use crate::unit::config::ProbeKind;
use std::collections::BTreeSet;
use std::fmt::Write;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The loop turns, and no wanted unit was given up.
    Live,
    /// The first jobs have ended, all wanted units are up and their probes good.
    Ready,
    /// The first jobs have ended, and no startup probe is waited for.
    Startup,
}

impl Question {
    /// What a path asks.
    pub(super) fn of_path(path: &str) -> Option<Question> {
        match path {
            "/healthz/live" | "/livez" | "/healthz" => Some(Question::Live),
            "/healthz/ready" | "/readyz" => Some(Question::Ready),
            "/healthz/startup" | "/startupz" => Some(Question::Startup),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Question::Live => "live",
            Question::Ready => "ready",
            Question::Startup => "startup",
        }
    }
}

/// How it is asked: `?verbose` and `?exclude=UNIT`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// Name the units that are well, too.
    pub(super) verbose: bool,
    /// Units that do not count.
    pub(super) exclude: BTreeSet<String>,
}

impl Manner {
    /// Reads a query; what is not known in it is ignored.
    pub(super) fn of_query(query: &str) -> Manner {
        let mut manner = Manner::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "verbose" => manner.verbose = !matches!(value, "0" | "false"),
                "exclude" => manner.exclude.extend(unescape(value)),
                _ => {}
            }
        }
        manner
    }
}

/// `%40` as `@`; nothing if that makes no text.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether all is well, and the page that says so. `up` says whether the first jobs have ended.
pub(super) fn answer(
    question: Question,
    manner: &Manner,
    units: &[UnitHealth],
    up: bool,
) -> (bool, String) {
    let counts = |unit: &&UnitHealth| {
        let short = unit
            .unit
            .as_str()
            .strip_suffix(".service")
            .unwrap_or_default();
        let named = |name: &String| name == unit.unit.as_str() || name == short;
        unit.wanted && !manner.exclude.iter().any(named)
    };
    let mut well = true;
    let mut page = String::new();
    if question != Question::Live {
        well &= up;
        let reason = if up {
            ""
        } else {
            "the first jobs have not ended"
        };
        tell(&mut page, manner, up, "jobs", reason);
    }
    for unit in units.iter().filter(counts) {
        let (good, reason) = verdict(question, unit);
        well &= good;
        tell(&mut page, manner, good, unit.unit.as_str(), &reason);
    }
    let word = question.word();
    let end = if well { "passed" } else { "failed" };
    match well && !manner.verbose {
        true => page = "ok\n".to_owned(),
        // Writing to a String cannot fail.
        false => drop(writeln!(page, "{word} check {end}")),
    }
    (well, page)
}

fn tell(page: &mut String, manner: &Manner, good: bool, name: &str, reason: &str) {
    if good && !manner.verbose {
        return;
    }
    let mark = if good { '+' } else { '-' };
    // As above.
    let _ = match reason {
        "" => writeln!(page, "[{mark}]{name} ok"),
        reason => writeln!(
            page,
            "[{mark}]{name} {}: {reason}",
            if good { "ok" } else { "failed" }
        ),
    };
}

fn verdict(question: Question, unit: &UnitHealth) -> (bool, String) {
    match question {
        Question::Live => {
            let reason = if unit.live { "" } else { unit.reason.as_str() };
            (unit.live, reason.to_owned())
        }
        Question::Ready => (unit.health.is_ready(), unit.reason.clone()),
        Question::Startup => {
            let awaited = |(kind, _, record): &(ProbeKind, _, ProbeRecord)| {
                *kind == ProbeKind::Startup && record.verdict != Verdict::Good
            };
            let starting = unit.health == Health::Starting && unit.probes().any(|it| awaited(&it));
            let reason = if starting { unit.reason.as_str() } else { "" };
            (!starting, reason.to_owned())
        }
    }
}
