//! dd-procmgrd: start-up, settings, logging, shutdown.

/// Runs the daemon; returns its exit status.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
