//! dd-procmgr: the command line.

/// Runs the command line; returns its exit status (systemctl's: 0, 1, 3, 4, 5).
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
