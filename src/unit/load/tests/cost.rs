//! Loading costs as much as there is to read: four times the lines, about four times the time.

use super::*;
use std::time::{Duration, Instant};

const FEW: usize = 2_000;

/// How long a unit with so many lines takes to load.
fn time(lines: usize, line: &dyn Fn(usize) -> String) -> Duration {
    let mut text = "[Service]\nType=oneshot\nExecStart=/bin/a\n".to_owned();
    text.extend((0..lines).map(line));
    text.push('\n');
    let source = MemorySource::new().file("/etc/u/a.service", &text);
    let start = Instant::now();
    let unit = one(&source, "a.service");
    let taken = start.elapsed();
    assert_eq!(unit.load, LoadState::Loaded);
    taken
}

/// A busy machine may spoil a measurement, but not all of them.
fn grows_with_its_lines(what: &str, line: &dyn Fn(usize) -> String) {
    let mut seen = Vec::new();
    for _ in 0..5 {
        let (few, many) = (time(FEW, line), time(4 * FEW, line));
        if many < few * 8 {
            return;
        }
        seen.push((few, many));
    }
    panic!("{what}: {seen:?}");
}

#[test]
fn variables_are_not_searched() {
    grows_with_its_lines("lines", &|n| format!("Environment=A{n}=1\n"));
    grows_with_its_lines("words of one value", &|n| match n {
        0 => "Environment=A=1 \\\n".to_owned(),
        n => format!("A{n}=1 \\\n"),
    });
}

#[test]
fn lists_that_are_only_shown_are_not_copied() {
    grows_with_its_lines("paths", &|n| format!("BindPaths=/tmp/{n}\n"));
}

#[test]
fn records_of_other_directives_are_not_searched() {
    grows_with_its_lines("switches", &|n| {
        format!("BindPaths=/tmp/{n}\nPrivateTmp=yes\n")
    });
}

#[test]
fn many_findings_in_one_line_are_placed_in_one_go() {
    grows_with_its_lines("escapes", &|n| match n {
        0 => "ExecStart=/bin/b ".to_owned(),
        _ => "\\q".to_owned(),
    });
}
