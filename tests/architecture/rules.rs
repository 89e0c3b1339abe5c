//! The law of the source: who may use whom, what is pure, where unsafe code may be.
//!
//! Each rule takes one file and returns what it found, as `path:line: finding`.

use super::source::{Source, item_end, line_of};

/// What each top-level module may use of the others.
const ARROWS: &[(&str, &[&str])] = &[
    ("unit", &[]),
    ("engine", &["unit"]),
    ("sys", &[]),
    ("places", &[]),
    ("exec", &["unit", "sys"]),
    ("cgroup", &["unit", "sys"]),
    (
        "host",
        &["unit", "engine", "exec", "cgroup", "sys", "places"],
    ),
    ("bus", &["engine", "unit", "host"]),
    ("http", &["engine", "unit", "host"]),
    // What the command line answers without a daemon.
    ("offline", &["host", "bus", "engine", "unit"]),
    ("cli", &["places", "unit", "sys", "offline"]),
    (
        "daemon",
        &["host", "bus", "http", "engine", "places", "unit"],
    ),
];

/// Modules without clock, files, environment, threads, network, processes or chance.
const PURE_MODULES: &[&str] = &["unit", "engine"];

/// What a pure module must not name, by the beginning of a path.
const IMPURE: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::fs",
    "std::env",
    "std::thread",
    "std::net",
    "std::process",
    "std::os",
    "std::sync::mpsc",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "tokio",
    "tracing",
    "zbus",
    "clap",
    "libc",
    "nix",
    "rustix",
    "rand",
    "getrandom",
];

/// Crates that stay in their corner: where each may be named, by the beginning of the path.
const CORNERS: &[(&str, &[&str])] = &[
    ("zbus", &["bus/", "cli/client"]),
    ("clap", &["cli/", "daemon/"]),
    ("tokio", &["host/", "bus/", "http/", "daemon/", "cli/"]),
    ("hyper", &["host/probes/http", "host/stream", "http/"]),
    ("prometheus_client", &["http/"]),
    ("cadence", &["http/"]),
    ("configparser", &["daemon/"]),
];

/// Longer files are split; tables of rows may be longer.
const MOST_LINES: usize = 800;
/// Longer functions are split.
const MOST_LINES_OF_FUNCTION: usize = 100;

/// A line and what is wrong there.
type Finding = (usize, String);

pub(crate) fn check(source: &Source) -> Vec<String> {
    let rules: [fn(&Source) -> Vec<Finding>; 8] = [
        opens_with_its_purpose,
        is_not_too_long,
        has_no_long_function,
        goes_along_the_arrows,
        is_pure_where_it_must_be,
        keeps_crates_in_their_corners,
        has_unsafe_code_only_in_sys,
        does_not_unwrap,
    ];
    rules
        .iter()
        .flat_map(|rule| rule(source))
        .map(|(line, finding)| format!("{}:{line}: {finding}", source.path))
        .collect()
}

/// The modules that promise purity make the compiler forbid unsafe code.
pub(crate) fn forbids_unsafe(root_of_module: &Source) -> bool {
    root_of_module
        .code
        .lines()
        .any(|line| line.trim() == "#![forbid(unsafe_code)]")
}

pub(crate) fn pure_modules() -> &'static [&'static str] {
    PURE_MODULES
}

fn opens_with_its_purpose(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//!") || source.is_test {
        Vec::new()
    } else {
        vec![(1, "does not open with //!".to_owned())]
    }
}

fn is_not_too_long(source: &Source) -> Vec<Finding> {
    let lines = source.code.trim_end().lines().count();
    if lines <= MOST_LINES || source.path.contains("table") {
        return Vec::new();
    }
    vec![(lines, format!("{lines} lines; split at {MOST_LINES}"))]
}

fn has_no_long_function(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (offset, _) in words(&source.code, "fn") {
        let (start, end) = (
            line_of(&source.code, offset),
            line_of(&source.code, item_end(&source.code, offset)),
        );
        let lines = end - start + 1;
        if lines > MOST_LINES_OF_FUNCTION && !source.path.contains("table") {
            found.push((start, format!("a function of {lines} lines")));
        }
    }
    found
}

fn goes_along_the_arrows(source: &Source) -> Vec<Finding> {
    let module = source.module();
    if module == "lib" {
        return Vec::new();
    }
    let allowed: &[&str] = match ARROWS.iter().find(|(from, _)| *from == module) {
        Some((_, allowed)) => allowed,
        None if module == "bin" => &[],
        None => return vec![(1, format!("{module} has no place in the architecture"))],
    };
    let mut found = Vec::new();
    for (line, path) in source.paths() {
        let climbs = path.iter().take_while(|word| *word == "super").count();
        if climbs > 0 && climbs >= source.depth() {
            found.push((line, format!("{} leaves its module", path.join("::"))));
        }
        let Some([root, target]) = path.first_chunk() else {
            continue;
        };
        if root == "crate" && target != module && !allowed.contains(&target.as_str()) {
            found.push((line, format!("{module} may not use {target}")));
        }
    }
    found
}

fn is_pure_where_it_must_be(source: &Source) -> Vec<Finding> {
    if !PURE_MODULES.contains(&source.module()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, path) in source.paths() {
        let named = path.join("::");
        let impure = IMPURE.iter().any(|impure| {
            named
                .strip_prefix(impure)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if impure {
            found.push((line, format!("a pure module names {named}")));
        }
    }
    found
}

fn keeps_crates_in_their_corners(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, path) in source.paths() {
        let Some((name, corner)) = CORNERS.iter().find(|(name, _)| path[0] == *name) else {
            continue;
        };
        if !corner.iter().any(|place| source.path.starts_with(place)) {
            found.push((line, format!("{name} is not used here")));
        }
    }
    found
}

fn has_unsafe_code_only_in_sys(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (offset, after) in words(&source.code, "unsafe") {
        let line = line_of(&source.code, offset);
        if source.module() != "sys" {
            found.push((line, "unsafe code outside sys".to_owned()));
        } else if (after.starts_with('{') || after.starts_with("impl"))
            && !says_why_it_is_safe(&source.text, line)
        {
            found.push((line, "an unsafe block without a SAFETY line".to_owned()));
        }
    }
    found
}

/// Whether the statement that holds this line has a SAFETY comment right above it or in it.
fn says_why_it_is_safe(text: &str, line: usize) -> bool {
    let above: Vec<&str> = text.lines().take(line).collect();
    for (distance, text) in above.iter().rev().map(|text| text.trim()).enumerate() {
        if text.contains("SAFETY:") {
            return true;
        }
        let is_comment = text.starts_with("//") || text.starts_with("#[");
        let ends_a_statement =
            text.is_empty() || text.ends_with(';') || text.ends_with('}') || text.ends_with('{');
        if distance > 0 && !is_comment && ends_a_statement {
            return false;
        }
    }
    false
}

fn does_not_unwrap(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for call in [".unwrap()", "todo!(", "unimplemented!(", "dbg!("] {
        for (offset, _) in source.code.match_indices(call) {
            found.push((
                line_of(&source.code, offset),
                format!("{call} in the product"),
            ));
        }
    }
    found
}

/// Where a word stands alone, and what follows it.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(offset, _)| {
        let after = &code[offset + word.len()..];
        let alone = !code[..offset].ends_with(is_word) && !after.starts_with(is_word);
        alone.then_some((offset, after.trim_start()))
    })
}
