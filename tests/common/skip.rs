//! Skipping, never in silence: the reason is printed and appended to the file named by
//! DD_PM_SKIPS, which `make test` counts at its end.

use std::fmt;
use std::io::Write;

/// Debian's own Python, the one that has the modules of Debian's packages; the first on PATH may
/// be another.
pub const PYTHON: &str = "/usr/bin/python3";

/// What is missing.
#[derive(Debug, Clone, Copy)]
pub enum Missing {
    /// A program of a package that `make test` installs.
    Package,
    /// Data that are not part of the project.
    Data,
    /// A right that this user or container does not have.
    Privilege,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Package => "package",
            Missing::Data => "data",
            Missing::Privilege => "privilege",
        })
    }
}

/// Says that the running test is skipped, and why. Under CI=true a missing package fails.
pub fn skip(missing: Missing, reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the harness, which keeps what passing tests print.
    let line = format!("SKIP {test} ({missing}): {reason}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error can be written");
    if let Some(file) = std::env::var_os("DD_PM_SKIPS") {
        let line = format!("{missing}\t{test}\t{reason}\n");
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file named by DD_PM_SKIPS can be written");
    }
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(
        !(ci && matches!(missing, Missing::Package)),
        "under CI nothing is skipped for a missing package: {reason}"
    );
}

/// Whether this process is root; tests that need it skip otherwise.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether a program is on PATH.
pub fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(name).is_file()))
}
