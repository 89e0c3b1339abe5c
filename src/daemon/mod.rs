//! dd-procmgrd: start-up, settings, logging, shutdown.
//!
//! Everything that must happen while there is one thread only (umask, locks) happens here,
//! before the loop. On the way out nothing is left behind: sockets, locks and the directories
//! that were made go again.

mod arguments;
mod directories;
mod facade;
mod inherited;
mod logging;
mod serve;
mod serving;
mod settings;
mod setup;
mod signals;
mod socket;
mod termination;

use crate::host;
use clap::Parser;
use std::process::ExitCode;

/// Runs the daemon; returns its exit status: 0 after a clean shutdown, 1 if it could not
/// start, 2 for a command line it does not understand.
pub fn main() -> ExitCode {
    host::be_frugal_with_memory();
    let arguments = arguments::Arguments::parse();
    if arguments.keeper {
        return host::run_keeper();
    }
    if arguments.check_state {
        return host::check_state();
    }
    let make_fit = arguments.make_group_fit;
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if arguments.check_config {
        return check_config(arguments, environment);
    }
    // Before anything else opens a descriptor.
    let inherited = inherited::Inherited::take(&environment);
    let result = inherited.and_then(|inherited| {
        let setup = setup::Setup::resolve(arguments, environment)?;
        if make_fit {
            host::make_group_fit(&setup.cgroup_label)?;
            return Ok(ExitCode::SUCCESS);
        }
        serve::run(setup, inherited)
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dd-procmgrd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the settings; 1 if anything is.
fn check_config(arguments: arguments::Arguments, environment: Vec<(String, String)>) -> ExitCode {
    let findings = match setup::Setup::resolve(arguments, environment) {
        Ok(setup) => setup.warnings,
        Err(error) => vec![error.to_string()],
    };
    for finding in &findings {
        eprintln!("dd-procmgrd: {finding}");
    }
    if findings.is_empty() {
        println!("dd-procmgrd: the settings are in order");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
