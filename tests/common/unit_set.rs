//! A set of units of the repository: its files, what their programs are stood in for by, and what
//! the real systemd has to say about them.

use super::namespace::{self, install_stand_in};
use super::skip::has_program;
use super::{Missing, programs, skip};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of a set.
pub fn directory(set: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("units")
        .join(set)
}

/// Its unit files, in order.
pub fn files(set: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(set)).expect("they are here");
    let mut files: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    files.sort();
    files
}

/// Stand-ins for every program of the agent's that its units name.
pub fn install_agents(set: &str) {
    for file in files(set) {
        let text = fs::read_to_string(&file).expect("it can be read");
        let commands = text
            .lines()
            .filter_map(|line| line.strip_prefix("ExecStart="));
        for command in commands {
            let program = command.split(' ').next().unwrap_or_default();
            if program.starts_with("/opt/") {
                install_stand_in(program);
            }
        }
    }
}

/// Our own check finds nothing but these rules broken.
#[track_caller]
pub fn assert_verified(set: &str, but: &[&str]) {
    let mut verify = Command::new(programs::CLIENT);
    verify
        .args(["verify", "-o", "json", "--unit-path"])
        .arg(directory(set));
    let output = verify.output().expect("it is built");
    let findings: Vec<serde_json::Value> =
        serde_json::from_slice(&output.stdout).expect("findings are JSON");
    for finding in &findings {
        let rule = finding["rule"].as_str().unwrap_or_default();
        assert!(but.contains(&rule), "{finding}");
    }
}

/// systemd ignores what is ours without a word.
pub fn assert_silent_in_systemd(set: &'static str) {
    if !has_program("systemd-analyze") {
        return skip(Missing::Package, "systemd-analyze is of systemd");
    }
    namespace::private(move || {
        install_agents(set);
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(files(set))
            .env(
                "SYSTEMD_UNIT_PATH",
                directory(set).display().to_string() + ":",
            )
            .output()
            .expect("it is there");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let names: Vec<String> = files(set)
            .iter()
            .filter_map(|file| Some(file.file_name()?.to_str()?.to_owned()))
            .collect();
        let own: Vec<&str> = text
            .lines()
            .filter(|line| names.iter().any(|name| line.contains(name.as_str())))
            .collect();
        assert!(own.is_empty(), "{own:#?}");
    });
}
