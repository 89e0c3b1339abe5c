//! Spawns real processes. Parallel and in any order: each test uses its own files, and what
//! counts descriptors runs in a process of its own.

mod descriptors;
mod privileges;
mod process;

use super::*;
use crate::exec::environment::borrowed;
use crate::exec::identity::resolve;
use crate::exec::plan::{Entered, Inherited, PlanInput, plan};
use crate::exec::tests::command;
use crate::sys::pidfd::{self, Ended, How};
use crate::unit::config::{ExecConfig, Privileges, ServiceConfig};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::fd::AsFd;

/// A command, and what a test wants to be different.
struct Try {
    service: ServiceConfig,
    words: Vec<String>,
    privileges: Privileges,
    ignore_failure: bool,
    environment: Vec<(String, String)>,
}

/// What became of it.
struct Outcome {
    pid: i32,
    ended: Ended,
    failure: Option<StepFailure>,
    output: String,
}

impl Try {
    fn new(words: &[&str]) -> Try {
        Try {
            service: ServiceConfig::default(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            privileges: Privileges::Normal,
            ignore_failure: false,
            environment: vec![],
        }
    }

    /// A process that shows its /proc/self/status.
    fn status() -> Try {
        Try::new(&["/bin/cat", "/proc/self/status"])
    }

    fn exec(mut self, change: impl FnOnce(&mut ExecConfig)) -> Try {
        change(&mut self.service.exec);
        self
    }

    /// Runs it to its end.
    fn run(&self) -> Outcome {
        let (reader, writer) = std::io::pipe().unwrap();
        let child = self.spawn(&writer, &[]);
        drop(writer);
        let output = text(reader);
        Outcome {
            pid: child.pid,
            ended: wait(&child),
            failure: child.failure,
            output,
        }
    }

    fn spawn(&self, output: &impl AsFd, passed: &[BorrowedFd<'_>]) -> Child {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let mut command = command(&words);
        command.privileges = self.privileges;
        command.ignore_failure = self.ignore_failure;
        let identity = resolve(&self.service.exec, &command);
        let input = PlanInput {
            exec: &self.service.exec,
            command: &command,
            identity: identity.as_ref().map(Option::as_ref).map_err(Clone::clone),
            environment: &borrowed(&self.environment),
            inherited: Inherited::default(),
            mounts: None,
            no_credentials: None,
            entered: Entered::default(),
            not_applied: &[],
            no_directory: None,
            joins: Vec::new(),
            no_access: Vec::new(),
            stdout_pipe: Some(output.as_fd()),
            stderr_pipe: None,
            passed: passed.to_vec(),
            names: Vec::new(),
            listened: passed.len(),
            socket: None,
            streams: [None; 3],
            input_data: None,
            labels: Vec::new(),
            processors: Ok(Vec::new()),
        };
        spawn(&plan(&input).unwrap(), None).unwrap()
    }
}

impl Outcome {
    /// It was executed and left with 0; what it wrote.
    fn success(self) -> String {
        assert_eq!(self.failure, None);
        assert_eq!((self.ended.how, self.ended.status), (How::Exited, 0));
        self.output
    }

    /// It was not executed and left with this status; why.
    fn failure(self, exit_status: u8) -> String {
        let failure = self.failure.expect("it was executed");
        assert_eq!(failure.exit_status, exit_status, "{}", failure.message);
        let left_with = (self.ended.how, self.ended.status);
        assert_eq!(left_with, (How::Exited, i32::from(exit_status)));
        failure.message
    }
}

/// A line of a /proc/PID/status.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .expect("the kernel shows this field")
        .trim()
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

fn end(child: &Child) {
    pidfd::send_signal(child.pidfd.as_fd(), libc::SIGKILL).unwrap();
    assert_eq!(wait(child).status, libc::SIGKILL);
}

/// Whether the test can use what only root may; says so if not.
fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("SKIP: needs root");
    }
    root
}

const ALONE: &str = "PROCMGR_TEST_ALONE";

/// Whether this is a process for this test alone. If not, the test is run in one, there given
/// the user if it is to be another one.
fn is_alone(test: &str, user: Option<u32>) -> bool {
    use std::os::unix::process::CommandExt;
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut process = std::process::Command::new("/proc/self/exe");
    process
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1");
    if let Some(user) = user {
        process.uid(user).gid(user);
    }
    let output = process.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{test} does not exist: {text}");
    false
}
