//! Processes that slip away from their parent: the double fork of old daemons, and children
//! that are left behind. Both are done by running the program again, so no fork is needed; the
//! shape of the process tree is the same.

use crate::options::Options;
use nix::sys::signal::{SigSet, Signal};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// Which process of the family this one is.
pub(crate) enum Stage {
    /// Started by somebody else.
    First,
    /// Makes its own session and starts the next, which is thereby orphaned.
    Session,
    /// The daemon.
    Daemon,
    /// A child that was left behind.
    Child,
}

const STAGE: &str = "STAND_IN_STAGE";
const STAGE_AFTER: &str = "STAND_IN_STAGE_AFTER";

pub(crate) fn stage() -> Stage {
    match std::env::var(STAGE).as_deref() {
        Ok("session") => Stage::Session,
        Ok("daemon") => Stage::Daemon,
        Ok("child") => Stage::Child,
        _ => Stage::First,
    }
}

/// Starts the daemon by way of a process between, waits until it is ready, and leaves.
pub(crate) fn launch() -> std::io::Result<u8> {
    let (mut reader, writer) = std::io::pipe()?;
    let mut between = again("session")?
        .env(STAGE_AFTER, "daemon")
        .stdin(Stdio::from(writer))
        .spawn()?;
    between.wait()?;
    let mut answer = [0];
    // End of file without an answer: the daemon ended before it was ready.
    Ok(u8::from(reader.read(&mut answer)? == 0))
}

/// The process between: own session, then the next one, then gone.
pub(crate) fn go_on_as_daemon() -> std::io::Result<u8> {
    nix::unistd::setsid()?;
    let next = std::env::var(STAGE_AFTER).unwrap_or_else(|_| "daemon".to_owned());
    again(&next)?.env_remove(STAGE_AFTER).spawn()?;
    Ok(0)
}

/// The daemon is ready: lets the first process go, which waits at the other end of our
/// standard input.
pub(crate) fn release_parent() -> std::io::Result<()> {
    if let Stage::Daemon = stage() {
        let mut parent = File::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        parent.write_all(b"r")?;
    }
    Ok(())
}

/// Leaves processes behind, each in its own session and nobody's child.
pub(crate) fn leave_children(options: &Options) -> std::io::Result<()> {
    for _ in 0..options.children {
        let mut between = again("session")?
            .env(STAGE_AFTER, "child")
            .stdin(Stdio::null())
            .spawn()?;
        between.wait()?;
    }
    Ok(())
}

/// The life of such a child.
pub(crate) fn sleep_as_child(options: &Options) -> ExitCode {
    // The mask is inherited, so it is set in either case.
    let mut blocked = SigSet::empty();
    if options.children_ignore_term {
        blocked.add(Signal::SIGTERM);
        blocked.add(Signal::SIGHUP);
    }
    if let Err(error) = blocked.thread_set_mask() {
        eprintln!("{}: {error}", options.name);
        return ExitCode::FAILURE;
    }
    loop {
        std::thread::park();
    }
}

/// This program again, with the same arguments, as another stage.
fn again(stage: &str) -> std::io::Result<Command> {
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(STAGE, stage);
    Ok(command)
}
