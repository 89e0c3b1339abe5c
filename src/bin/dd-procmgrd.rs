//! The daemon.

fn main() -> std::process::ExitCode {
    procmgr::daemon::main()
}
