//! Which descriptors a process begins with: 0, 1, 2, those passed from 3 on, and no other.
//! Pure.
//!
//! Descriptors of ours may have any number, also one that is to be filled, so all are copied
//! above everything first and put in place from there.

use super::{PlanError, PlanInput, Steps, c_string, status};
use crate::sys::program::Operation;
use crate::unit::config::{ExecConfig, InputSource, OutputTarget, TerminalWay};
use std::os::fd::{AsRawFd, BorrowedFd};

const STDIN: i32 = 0;
const STDOUT: i32 = 1;
const STDERR: i32 = 2;
const FIRST_PASSED: i32 = 3;

pub(super) fn add<'a>(steps: &mut Steps<'a>, input: &PlanInput<'a>) -> Result<(), PlanError> {
    let exec = input.exec;
    let end = FIRST_PASSED + input.passed.len() as i32;
    let mut stash = Stash::new(input, end);
    let stdout_pipe = input.stdout_pipe.map(|fd| stash.put(steps, fd));
    let stderr_pipe = input.stderr_pipe.map(|fd| stash.put(steps, fd));
    let socket = input.socket.map(|fd| stash.put(steps, fd));
    let data = input.input_data.map(|fd| stash.put(steps, fd));
    let passed: Vec<i32> = input
        .passed
        .iter()
        .map(|fd| stash.put(steps, *fd))
        .collect();
    let named: Vec<(&str, i32)> = input.names.iter().copied().zip(passed.clone()).collect();
    let sinks = |pipe| Sinks {
        pipe,
        socket,
        data,
        named: &named,
    };
    let given = input
        .streams
        .map(|stream| stream.map(|fd| stash.put(steps, fd)));
    let give = |from: i32, onto: i32| Operation::Pass { from, onto };
    steps.push(
        status::STDIN,
        match given[0] {
            Some(from) => give(from, STDIN),
            None => standard_input(exec, sinks(None))?,
        },
    );
    if given[0].is_some() {
        steps.push(status::STDIN, Operation::AdoptTerminal(STDIN));
    } else if let (InputSource::Terminal(_), Ok(Some(identity))) =
        (&exec.standard_input, &input.identity)
    {
        let user = identity.uid;
        steps.push(
            status::STDIN,
            Operation::OwnTerminal {
                number: STDIN,
                user,
            },
        );
    }
    let output_sinks = sinks(stdout_pipe.or(stderr_pipe));
    steps.push(
        status::STDOUT,
        match given[1] {
            Some(from) => give(from, STDOUT),
            None => standard_output(exec, output_sinks)?,
        },
    );
    let error_sinks = sinks(stderr_pipe.or(stdout_pipe));
    steps.push(
        status::STDERR,
        match given[2] {
            Some(from) => give(from, STDERR),
            None => standard_error(exec, error_sinks)?,
        },
    );
    for (from, onto) in passed.into_iter().zip(FIRST_PASSED..) {
        steps.push(status::FDS, Operation::Pass { from, onto });
    }
    steps.push(status::FDS, Operation::CloseFrom(end));
    Ok(())
}

/// Where a stream may lead that is there already.
#[derive(Clone, Copy)]
struct Sinks<'a> {
    pipe: Option<i32>,
    socket: Option<i32>,
    data: Option<i32>,
    /// Passed descriptors that have names.
    named: &'a [(&'a str, i32)],
}

impl Sinks<'_> {
    /// A passed descriptor by its name; of several the first.
    fn named(&self, directive: &'static str, name: &str) -> Result<i32, PlanError> {
        let found = self.named.iter().find(|(known, _)| *known == name);
        let missing = || PlanError::NoDescriptor(directive, name.to_owned());
        found.map(|(_, number)| *number).ok_or_else(missing)
    }
}

/// Numbers above every source and every target.
struct Stash {
    next: i32,
}

impl Stash {
    fn new(input: &PlanInput<'_>, end: i32) -> Stash {
        let pipes = input.stdout_pipe.iter().chain(&input.stderr_pipe);
        let all = pipes.chain(&input.passed).chain(&input.socket);
        let all = all.chain(&input.input_data);
        let all = all.chain(input.streams.iter().flatten());
        let highest = all.map(AsRawFd::as_raw_fd).max();
        Stash {
            next: end.max(highest.map_or(0, |number| number + 1)),
        }
    }

    fn put<'a>(&mut self, steps: &mut Steps<'a>, from: BorrowedFd<'a>) -> i32 {
        let onto = self.next;
        self.next += 1;
        steps.push(status::FDS, Operation::Stash { from, onto });
        onto
    }
}

fn standard_input<'a>(exec: &ExecConfig, sinks: Sinks<'_>) -> Result<Operation<'a>, PlanError> {
    match &exec.standard_input {
        InputSource::File(path) if is_file(&exec.standard_output, path) => {
            open(path, libc::O_RDWR | libc::O_CREAT, exec, STDIN)
        }
        InputSource::File(path) => open(path, libc::O_RDONLY, exec, STDIN),
        InputSource::Socket => match sinks.socket {
            Some(from) => Ok(Operation::Pass { from, onto: STDIN }),
            None => Err(PlanError::NoSocket("StandardInput")),
        },
        InputSource::Data => match sinks.data {
            Some(from) => Ok(Operation::Pass { from, onto: STDIN }),
            None => null(libc::O_RDONLY, STDIN),
        },
        InputSource::Descriptor(name) => Ok(Operation::Pass {
            from: sinks.named("StandardInput", name)?,
            onto: STDIN,
        }),
        InputSource::Terminal(way) => Ok(Operation::Terminal {
            path: c_string(exec.terminal.path())?,
            force: *way == TerminalWay::Force,
            onto: STDIN,
        }),
        InputSource::Null => null(libc::O_RDONLY, STDIN),
    }
}

/// systemd.exec(5), StandardInput=: input and output on one `file:` share one open file.
fn is_file(target: &OutputTarget, path: &str) -> bool {
    matches!(target, OutputTarget::File(other) if other == path)
}

fn standard_output<'a>(exec: &ExecConfig, sinks: Sinks<'_>) -> Result<Operation<'a>, PlanError> {
    let from_input = Operation::Pass {
        from: STDIN,
        onto: STDOUT,
    };
    match (&exec.standard_output, &exec.standard_input) {
        (
            OutputTarget::Inherit,
            InputSource::File(_)
            | InputSource::Socket
            | InputSource::Terminal(_)
            | InputSource::Descriptor(_),
        )
        | (OutputTarget::Terminal, InputSource::Terminal(_)) => Ok(from_input),
        (OutputTarget::File(path), InputSource::File(input)) if path == input => Ok(from_input),
        (target, _) => output(target, exec, sinks, STDOUT),
    }
}

fn standard_error<'a>(exec: &ExecConfig, sinks: Sinks<'_>) -> Result<Operation<'a>, PlanError> {
    let same_file = match &exec.standard_error {
        OutputTarget::Inherit => true,
        OutputTarget::File(_) | OutputTarget::Append(_) | OutputTarget::Truncate(_) => {
            exec.standard_error == exec.standard_output
        }
        OutputTarget::Log
        | OutputTarget::LogTo { .. }
        | OutputTarget::Null
        | OutputTarget::Socket
        | OutputTarget::Terminal
        | OutputTarget::Descriptor(_) => false,
    };
    let on_terminal = exec.standard_error == OutputTarget::Terminal
        && matches!(exec.standard_input, InputSource::Terminal(_));
    if on_terminal {
        return Ok(Operation::Pass {
            from: STDIN,
            onto: STDERR,
        });
    }
    if same_file {
        return Ok(Operation::Pass {
            from: STDOUT,
            onto: STDERR,
        });
    }
    output(&exec.standard_error, exec, sinks, STDERR)
}

fn output<'a>(
    target: &OutputTarget,
    exec: &ExecConfig,
    sinks: Sinks<'_>,
    onto: i32,
) -> Result<Operation<'a>, PlanError> {
    let written = libc::O_WRONLY | libc::O_CREAT;
    let directive = match onto {
        STDOUT => "StandardOutput",
        _ => "StandardError",
    };
    match target {
        OutputTarget::Log | OutputTarget::LogTo { .. } => match sinks.pipe {
            Some(from) => Ok(Operation::Pass { from, onto }),
            None => null(libc::O_WRONLY, onto),
        },
        OutputTarget::Socket => match sinks.socket {
            Some(from) => Ok(Operation::Pass { from, onto }),
            None => Err(PlanError::NoSocket(directive)),
        },
        OutputTarget::File(path) => open(path, written, exec, onto),
        OutputTarget::Append(path) => open(path, written | libc::O_APPEND, exec, onto),
        OutputTarget::Truncate(path) => open(path, written | libc::O_TRUNC, exec, onto),
        OutputTarget::Terminal => open(exec.terminal.path(), libc::O_WRONLY, exec, onto),
        OutputTarget::Descriptor(name) => Ok(Operation::Pass {
            from: sinks.named(directive, name)?,
            onto,
        }),
        OutputTarget::Null | OutputTarget::Inherit => null(libc::O_WRONLY, onto),
    }
}

fn null<'a>(flags: i32, onto: i32) -> Result<Operation<'a>, PlanError> {
    Ok(Operation::Open {
        path: c"/dev/null".to_owned(),
        flags: flags | libc::O_NOCTTY,
        mode: 0,
        onto,
    })
}

fn open<'a>(
    path: &str,
    flags: i32,
    exec: &ExecConfig,
    onto: i32,
) -> Result<Operation<'a>, PlanError> {
    Ok(Operation::Open {
        path: c_string(path)?,
        flags: flags | libc::O_NOCTTY,
        mode: 0o666 & !exec.umask,
        onto,
    })
}
