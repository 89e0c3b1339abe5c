//! The crates we stand on: one async runtime, one D-Bus, one command line parser, and each in
//! one version.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Crates that would be a second stack of a kind we have.
const SECOND_STACKS: &[&str] = &[
    "actix-rt",
    "argh",
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-process",
    "async-std",
    "bpaf",
    "dbus",
    "docopt",
    "getopts",
    "glommio",
    "lexopt",
    "monoio",
    "pico-args",
    "polling",
    "rustbus",
    "smol",
    "structopt",
];

/// Crates of which two versions would be two stacks.
const ONE_VERSION: &[&str] = &["clap", "clap_builder", "mio", "tokio", "tracing", "zbus"];

/// Names to versions of everything that is linked into the programs.
fn linked() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--offline", "--locked", "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {error}");
    read(&String::from_utf8_lossy(&output.stdout))
}

fn read(tree: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            crates
                .entry(name.to_owned())
                .or_default()
                .insert(version.to_owned());
        }
    }
    crates
}

fn findings(crates: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let second = SECOND_STACKS
        .iter()
        .filter(|name| crates.contains_key(**name))
        .map(|name| format!("{name} is a second stack"));
    let double = ONE_VERSION
        .iter()
        .filter(|name| {
            crates
                .get(**name)
                .is_some_and(|versions| versions.len() > 1)
        })
        .map(|name| format!("{name} is there twice: {:?}", crates[*name]));
    second.chain(double).collect()
}

#[test]
fn there_is_no_second_async_or_command_line_stack() {
    let crates = linked();
    for name in ["tokio", "zbus", "clap"] {
        assert!(crates.contains_key(name), "{name} is not seen: {crates:?}");
    }
    assert_eq!(findings(&crates), Vec::<String>::new());
}

#[test]
fn the_check_can_fail() {
    let bad = read("tokio v1.54.1\nsmol v2.0.0\nclap v4.6.7\nclap v3.2.0 (*)\n");
    let found = findings(&bad);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("smol") && found[1].contains("clap"));
}
