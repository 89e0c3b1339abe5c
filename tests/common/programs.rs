//! The programs under test, and the stand-in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const DAEMON: &str = env!("CARGO_BIN_EXE_dd-procmgrd");
pub const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

/// The directory that holds `stand-in-agent`. `cargo test` builds it with the other examples,
/// `cargo test --test NAME` does not: then it is built here.
pub fn stand_in_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let profile = Path::new(DAEMON)
            .parent()
            .expect("a program is in a directory");
        let directory = profile.join("examples");
        if !directory.join("stand-in-agent").is_file() {
            build_stand_in(profile);
        }
        directory
    })
}

/// The stand-in itself.
pub fn stand_in() -> PathBuf {
    stand_in_directory().join("stand-in-agent")
}

fn build_stand_in(profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--offline",
        "--example",
        "stand-in-agent",
    ]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the stand-in does not build");
}
