//! Spawns real processes. Parallel and in any order: each test uses its own files, and counts
//! descriptors of a process of its own.

use super::*;
use crate::exec::plan::{PlanInput, plan};
use crate::exec::tests::command;
use crate::sys::pidfd::{self, Ended, How};
use crate::unit::config::ServiceConfig;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;

/// A service and a command, and what a test wants to be different.
struct Try {
    service: ServiceConfig,
    words: Vec<&'static str>,
}

impl Try {
    fn new(words: &[&'static str]) -> Try {
        Try {
            service: ServiceConfig::default(),
            words: words.to_vec(),
        }
    }

    /// Runs it to its end: how it ended, why it was not executed, what it wrote.
    fn run(&self) -> (Ended, Option<StepFailure>, String) {
        let command = command(&self.words);
        let (reader, writer) = std::io::pipe().unwrap();
        let input = PlanInput {
            service: &self.service,
            command: &command,
            identity: Ok(None),
            environment: &[],
            not_applied: &[],
            directories: vec![],
            stdout_pipe: Some(writer.as_fd()),
            stderr_pipe: None,
            passed: vec![],
        };
        let child = spawn(&plan(&input).unwrap(), None).unwrap();
        drop(input);
        drop(writer);
        let output = text(reader);
        (wait(&child), child.failure, output)
    }
}

fn text(mut reader: impl Read) -> String {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// Waits for the end, at most ten seconds.
fn wait(child: &Child) -> Ended {
    let mut watched = [PollFd::new(&child.pidfd, PollFlags::IN)];
    let deadline = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let ready = poll(&mut watched, Some(&deadline)).unwrap();
    assert_eq!(ready, 1, "the process still runs");
    pidfd::reap(child.pidfd.as_fd()).unwrap().unwrap()
}

#[test]
fn true_is_executed() {
    let (ended, failure, _) = Try::new(&["/bin/true"]).run();
    assert_eq!(failure, None);
    assert_eq!((ended.how, ended.status), (How::Exited, 0));
}

#[test]
fn output_is_captured() {
    let (ended, _, output) = Try::new(&["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]).run();
    assert_eq!(output, "out\nerr\n");
    assert_eq!((ended.how, ended.status), (How::Exited, 7));
}

#[test]
fn a_missing_program_is_203() {
    let (ended, failure, _) = Try::new(&["/no/such/program"]).run();
    assert_eq!((ended.how, ended.status), (How::Exited, 203));
    let failure = failure.unwrap();
    assert_eq!(failure.exit_status, 203);
    assert_eq!(
        failure.message,
        "execute /no/such/program: No such file or directory"
    );
}
