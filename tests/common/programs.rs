//! The programs under test, and the stand-in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const DAEMON: &str = env!("CARGO_BIN_EXE_dd-procmgrd");
pub const CLIENT: &str = env!("CARGO_BIN_EXE_dd-procmgr");

/// The programs that tests run as services: `cargo test` builds them with the other examples,
/// `cargo test --test NAME` does not: then they are built here.
const EXAMPLES: [&str; 2] = ["stand-in-agent", "sandbox-probe"];

/// The directory that holds `stand-in-agent` and `sandbox-probe`.
pub fn stand_in_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let profile = Path::new(DAEMON)
            .parent()
            .expect("a program is in a directory");
        let directory = profile.join("examples");
        for example in EXAMPLES {
            if !directory.join(example).is_file() {
                build(example, profile);
            }
        }
        directory
    })
}

/// The stand-in itself.
pub fn stand_in() -> PathBuf {
    stand_in_directory().join("stand-in-agent")
}

fn build(example: &str, profile: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--offline",
        "--example",
        example,
    ]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "{example} does not build");
}
