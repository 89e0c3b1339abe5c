//! The command line.

fn main() -> std::process::ExitCode {
    procmgr::cli::main()
}
