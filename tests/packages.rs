//! The packages: what packaging/files/list names is there, scripts are scripts, and no shell stumbles.
//! `make test-packages` installs, upgrades and purges one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Source, target and mode.
fn entries(list: &str) -> Vec<(String, String, String)> {
    list.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words.len(), 3, "{line}");
            (words[0].into(), words[1].into(), words[2].into())
        })
        .collect()
}

fn matches(pattern: &str) -> Vec<PathBuf> {
    let pattern = root().join(pattern).display().to_string();
    let found = glob::glob(&pattern).expect("it is a pattern");
    found.filter_map(Result::ok).collect()
}

#[test]
fn everything_that_is_installed_is_there() {
    let list = fs::read_to_string(root().join("packaging/files/list")).expect("it is here");
    let mut count = 0;
    for (source, target, mode) in entries(&list) {
        assert!(["644", "755"].contains(&mode.as_str()), "{target}: {mode}");
        assert!(!target.starts_with('/'), "{target} is below a root");
        // Built, or generated.
        if !source.starts_with(['@', '%']) {
            assert!(!matches(&source).is_empty(), "there is no {source}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
    assert!(matches("units/agent/*.automount").is_empty(), "it can fail");
}

/// Each manual page goes somewhere.
#[test]
fn no_page_is_forgotten() {
    let list = fs::read_to_string(root().join("packaging/files/list")).expect("it is here");
    let mut listed: Vec<PathBuf> = entries(&list)
        .iter()
        .filter(|(source, ..)| source.starts_with("man/"))
        .flat_map(|(source, ..)| matches(source))
        .collect();
    listed.sort();
    assert_eq!(listed, matches("man/*"));
}

#[test]
fn every_script_is_one() {
    let shells = [
        ("sh", "packaging/files/maintain"),
        ("sh", "packaging/debian/*"),
        ("sh", "packaging/rpm/*"),
        ("bash", "packaging/*.sh"),
        ("bash", "packaging/ci/*.sh"),
    ];
    let parses = |shell: &str, file: &Path| {
        let output = Command::new(shell).arg("-n").arg(file).output();
        output.expect("there is a shell").status.success()
    };
    for (shell, pattern) in shells {
        let files = matches(pattern);
        assert!(!files.is_empty(), "{pattern}");
        for file in files {
            assert!(parses(shell, &file), "{}", file.display());
        }
    }
    assert!(!parses("sh", &root().join("LICENSE")), "it can fail");
}
