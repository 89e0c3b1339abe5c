//! Checks the arrows of the architecture from the source itself, and that the checks can fail.

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use source::Source;
use std::path::{Path, PathBuf};

fn files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).expect("src can be read");
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    files.sort();
    let sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).expect("it is below src");
            let text = std::fs::read_to_string(file).expect("a source file is text");
            Source::new(&path.to_string_lossy(), &text)
        })
        .collect();
    set_tests_apart(sources)
}

/// Marks the files that are modules for tests only, and what is below them.
fn set_tests_apart(sources: Vec<Source>) -> Vec<Source> {
    let tests: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    let is_test = |path: &str| {
        tests.iter().any(|module| {
            path.strip_prefix(module.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    sources
        .into_iter()
        .map(|source| {
            if is_test(&source.path) {
                source.into_test()
            } else {
                source
            }
        })
        .collect()
}

#[test]
fn the_source_keeps_the_law() {
    let sources = sources();
    assert!(sources.len() > 30, "only {} files seen", sources.len());
    let found: Vec<String> = sources.iter().flat_map(rules::check).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn pure_modules_forbid_unsafe_code() {
    let sources = sources();
    for module in rules::pure_modules() {
        let path = format!("{module}/mod.rs");
        let root = sources.iter().find(|source| source.path == path);
        let root = root.unwrap_or_else(|| panic!("{path} is not there"));
        assert!(rules::forbids_unsafe(root), "{path} lacks the attribute");
    }
}

/// What the rules find in a file with this text.
fn found(path: &str, text: &str) -> Vec<String> {
    rules::check(&Source::new(path, &format!("//! A sample.\n{text}")))
}

#[track_caller]
fn assert_finds(path: &str, text: &str, what: &str) {
    let all = found(path, text);
    assert!(
        all.len() == 1 && all[0].contains(what),
        "wanted one `{what}`, found {all:?} in {path}: {text}"
    );
}

#[track_caller]
fn assert_clean(path: &str, text: &str) {
    assert_eq!(found(path, text), Vec::<String>::new(), "{path}: {text}");
}

#[test]
fn arrows_that_are_not_drawn_are_found() {
    assert_finds(
        "unit/a.rs",
        "use crate::engine::Engine;",
        "unit may not use engine",
    );
    assert_finds(
        "engine/a.rs",
        "use crate::{unit::name, host};",
        "engine may not use host",
    );
    assert_finds(
        "bus/a.rs",
        "fn f() { crate::exec::spawn(); }",
        "bus may not use exec",
    );
    assert_finds("cli/a.rs", "use crate::bus;", "cli may not use bus");
    assert_finds(
        "unit/a.rs",
        "use super::super::engine;",
        "leaves its module",
    );
    assert_finds("places.rs", "use super::unit;", "leaves its module");
    assert_finds(
        "novel/a.rs",
        "use std::fmt;",
        "no place in the architecture",
    );
    assert_clean(
        "engine/a.rs",
        "use crate::unit::config::UnitConfig;\nuse crate::engine::ids;",
    );
    assert_clean("unit/value/a.rs", "use super::super::name::UnitName;");
    assert_clean(
        "bus/a.rs",
        "use crate::{engine::{inspect, event::Verb}, host::Handle, unit};",
    );
}

#[test]
fn impurity_is_found() {
    assert_finds(
        "unit/a.rs",
        "use std::{fmt, fs::File};",
        "names std::fs::File",
    );
    assert_finds(
        "engine/a.rs",
        "use std::time::Instant;",
        "names std::time::Instant",
    );
    assert_finds(
        "engine/a.rs",
        "fn f() { std::env::var(\"A\"); }",
        "names std::env::var",
    );
    assert_finds(
        "unit/a.rs",
        "use std::collections::{BTreeMap, HashMap};",
        "HashMap",
    );
    assert_finds(
        "engine/a.rs",
        "fn f() { ::rustix::fs::sync(); }",
        "rustix::fs",
    );
    assert_clean(
        "engine/a.rs",
        "use std::time::Duration;\nuse std::collections::BTreeMap;",
    );
    assert_clean(
        "unit/a.rs",
        "// std::fs is not used\nfn f() { g(\"std::fs\", 'x', r#\"std::env\"#); }",
    );
    assert_clean(
        "unit/a.rs",
        "#[cfg(test)]\nmod tests { use std::fs; fn f() { x.unwrap(); } }",
    );
}

#[test]
fn files_for_tests_only_are_told_from_the_others() {
    let files = set_tests_apart(vec![
        Source::new("unit/a.rs", "//! A.\n#[cfg(test)]\nmod tests;\nmod more;\n"),
        Source::new("unit/a/tests.rs", "use std::fs;\nfn f() { x.unwrap(); }"),
        Source::new("unit/a/tests/deep.rs", "use std::fs;"),
        Source::new("unit/a/more.rs", "//! B.\nuse std::fs;"),
        Source::new("unit/tests.rs", "//! Not declared for tests.\nuse std::fs;"),
    ]);
    let found: Vec<String> = files.iter().flat_map(rules::check).collect();
    assert_eq!(
        found,
        [
            "unit/a/more.rs:2: a pure module names std::fs",
            "unit/tests.rs:2: a pure module names std::fs"
        ]
    );
}

#[test]
fn crates_outside_their_corner_are_found() {
    assert_finds("host/a.rs", "use zbus::Message;", "zbus is not used here");
    assert_finds("cli/a.rs", "use zbus::Message;", "zbus is not used here");
    assert_finds("exec/a.rs", "use tokio::net;", "tokio is not used here");
    assert_finds("bus/a.rs", "use clap::Parser;", "clap is not used here");
    assert_clean(
        "cli/client.rs",
        "use zbus::Message;\nuse tokio::net::UnixStream;",
    );
    assert_clean("daemon/a.rs", "#[derive(clap::Parser)]\nstruct A;");
}

#[test]
fn unsafe_code_is_found() {
    assert_finds(
        "host/a.rs",
        "fn f() { unsafe { g() } }",
        "unsafe code outside sys",
    );
    assert_finds(
        "sys/a.rs",
        "fn f() {\n    unsafe { g() }\n}",
        "without a SAFETY line",
    );
    assert_finds(
        "sys/a.rs",
        "// SAFETY: of another\nlet a = 1;\nlet b = unsafe { g() };",
        "without",
    );
    assert_clean(
        "sys/a.rs",
        "fn f() {\n    // SAFETY: g has no\n    // conditions.\n    unsafe { g() }\n}",
    );
    assert_clean(
        "sys/a.rs",
        "// SAFETY: long\nlet b =\n    h(unsafe { g() });",
    );
    assert_clean(
        "host/a.rs",
        "#![forbid(unsafe_code)]\n// unsafe\nfn f() { \"unsafe\"; }",
    );
}

#[test]
fn careless_ends_and_sizes_are_found() {
    assert_finds("host/a.rs", "fn f() { g().unwrap(); }", ".unwrap()");
    assert_finds("cli/a.rs", "fn f() { todo!() }", "todo!(");
    assert_clean(
        "host/a.rs",
        "fn f() { g().unwrap_or(1); h().expect(\"why\"); }",
    );
    let long = "fn f() {\n".to_owned() + &"    g();\n".repeat(100) + "}\n";
    assert_finds("host/a.rs", &long, "a function of 102 lines");
    let many = "fn f() { g(); }\n".repeat(801);
    assert_finds("host/a.rs", &many, "split at 800");
    assert_clean("unit/directive/table.rs", &many);
    let silent = rules::check(&Source::new("host/a.rs", "use std::fmt;\n"));
    assert!(silent[0].contains("does not open with //!"), "{silent:?}");
}
