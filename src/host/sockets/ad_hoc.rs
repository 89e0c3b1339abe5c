//! One command for some sockets, without a unit or a daemon (`dd-procmgr socket-activate`).

use super::super::readiness::Readable;
use super::open;
use super::watch::state_of;
use crate::engine::OpenFailure;
use crate::exec::environment;
use crate::exec::plan::{Entered, Inherited, PlanInput, plan};
use crate::exec::{Child, spawn};
use crate::sys::pidfd::{self, How};
use crate::unit::config::{
    Command, ExecConfig, InputSource, ListenKind, OutputTarget, Privileges, SocketConfig,
    WorkingDirectory, WorkingDirectoryPlace,
};
use crate::unit::diagnostic::Position;
use crate::unit::directive::read_listen;
use rustix::net::SocketFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Addresses as in ListenStream=.
    pub listen: Vec<String>,
    /// What kind of sockets.
    pub kind: ListenKind,
    /// Once for each connection.
    pub accept: bool,
    /// The connection becomes standard input and output.
    pub inetd: bool,
    /// Names of the sockets: one for all, or one for each.
    pub names: Vec<String>,
    /// The environment, complete but for what the sockets add.
    pub environment: Vec<(String, String)>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: String,
    /// Where it is looked for.
    pub search_path: Vec<String>,
}

/// Listens, waits for traffic, and runs the command; the exit status of the command. With
/// `accept` it goes on until a signal ends it. `say` is told what happens.
///
/// # Errors
/// What cannot be done, in words.
pub async fn run(activation: &Activation, say: &dyn Fn(&str)) -> Result<u8, String> {
    let sockets = listen(activation)?;
    for (index, address) in activation.listen.iter().enumerate() {
        say(&format!("Listening on {address} as {}.", index + 3));
    }
    let mut signals = Signals::new()?;
    let (sender, mut ready) = mpsc::unbounded_channel();
    for (index, socket) in sockets.iter().enumerate() {
        let readable = Readable::of(socket).map_err(|error| format!("cannot wait: {error}"))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            loop {
                readable.wait().await;
                if sender.send(index).is_err() {
                    return;
                }
            }
        });
    }
    loop {
        let index = tokio::select! {
            Some(index) = ready.recv() => index,
            signal = signals.next() => return Ok(128 + u8::try_from(signal).unwrap_or(0)),
        };
        let socket = &sockets[index];
        if !activation.accept {
            if state_of(socket.as_fd()).is_empty() {
                continue;
            }
            return serve(activation, &sockets, &mut signals, say).await;
        }
        while let Ok(connection) = rustix::net::accept_with(socket, SocketFlags::CLOEXEC) {
            let child = start_for_connection(activation, &connection)?;
            say(&format!("Started PID {} for a connection.", child.pid));
            tokio::spawn(async move {
                let _ = end_of(child).await;
            });
        }
    }
}

fn listen(activation: &Activation) -> Result<Vec<Arc<OwnedFd>>, String> {
    let mut config = SocketConfig::default();
    for address in &activation.listen {
        config.listen.push(read_listen(activation.kind, address)?);
    }
    let opened = open::open(&config).map_err(|failure| match failure {
        OpenFailure::Resources(reason) | OpenFailure::Owner(reason) => reason,
    })?;
    Ok(opened.sockets.into_iter().map(Arc::new).collect())
}

/// Runs the command with the sockets themselves.
async fn serve(
    activation: &Activation,
    sockets: &[Arc<OwnedFd>],
    signals: &mut Signals,
    say: &dyn Fn(&str),
) -> Result<u8, String> {
    let passed: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    for socket in &passed {
        // The other side of the same open file: it is the command's from here on.
        let _ = rustix::io::ioctl_fionbio(socket, false);
    }
    let names = match activation.names.as_slice() {
        [] => vec!["unknown"; passed.len()],
        [name] => vec![name.as_str(); passed.len()],
        names if names.len() == passed.len() => names.iter().map(String::as_str).collect(),
        names => {
            return Err(format!(
                "{} names were given for {} sockets",
                names.len(),
                passed.len()
            ));
        }
    };
    let child = start(activation, passed, &names.join(":"), None)?;
    say(&format!("Started PID {}.", child.pid));
    let process = child.pidfd.try_clone().map_err(|error| error.to_string())?;
    let end = end_of(child);
    tokio::pin!(end);
    loop {
        tokio::select! {
            status = &mut end => return status,
            signal = signals.next() => {
                let _ = pidfd::send_signal(process.as_fd(), signal);
            }
        }
    }
}

fn start_for_connection(activation: &Activation, connection: &OwnedFd) -> Result<Child, String> {
    if activation.inetd {
        return start(activation, Vec::new(), "", Some(connection.as_fd()));
    }
    let name = activation
        .names
        .first()
        .map_or("connection", String::as_str);
    start(activation, vec![connection.as_fd()], name, None)
}

fn start(
    activation: &Activation,
    passed: Vec<BorrowedFd<'_>>,
    names: &str,
    stream: Option<BorrowedFd<'_>>,
) -> Result<Child, String> {
    let exec = ExecConfig {
        working_directory: Some(WorkingDirectory {
            place: WorkingDirectoryPlace::Path(activation.directory.clone()),
            optional: false,
        }),
        search_path: activation.search_path.clone(),
        ignore_sigpipe: false,
        // Our own standard input, unless it is the connection.
        standard_input: InputSource::Socket,
        standard_output: if stream.is_some() {
            OutputTarget::Socket
        } else {
            OutputTarget::Log
        },
        standard_error: OutputTarget::Log,
        ..ExecConfig::default()
    };
    let mut environment = environment::borrowed(&activation.environment);
    if !passed.is_empty() {
        environment.push(("LISTEN_FDNAMES".into(), names.into()));
    }
    let command = command_of(activation);
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let input = PlanInput {
        exec: &exec,
        command: &command,
        identity: Ok(None),
        environment: &environment,
        inherited: Inherited::default(),
        mounts: None,
        entered: Entered::default(),
        no_credentials: None,
        input_data: None,
        labels: Vec::new(),
        processors: Ok(Vec::new()),
        not_applied: &[],
        no_directory: None,
        joins: Vec::new(),
        no_access: Vec::new(),
        stdout_pipe: Some(stdout.as_fd()),
        stderr_pipe: Some(stderr.as_fd()),
        names: Vec::new(),
        listened: passed.len(),
        passed,
        streams: [None; 3],
        socket: Some(stream.unwrap_or(stdin.as_fd())),
    };
    let plan = plan(&input).map_err(|error| error.to_string())?;
    let child = spawn::spawn(&plan, None).map_err(|error| error.to_string())?;
    match child.failure {
        Some(failure) => Err(format!("cannot {}", failure.message)),
        None => Ok(child),
    }
}

fn command_of(activation: &Activation) -> Command {
    Command {
        program: activation.command.first().cloned().unwrap_or_default(),
        argv: activation.command.clone(),
        ignore_failure: false,
        no_expand: true,
        // As we are: no limits, no other user.
        privileges: Privileges::Full,
        position: Position::top(""),
    }
}

/// Waits for a process; its exit status, or 128 and the signal that ended it.
async fn end_of(child: Child) -> Result<u8, String> {
    let readable = Readable::of(&child.pidfd).map_err(|error| error.to_string())?;
    loop {
        if let Some(ended) = pidfd::reap(child.pidfd.as_fd()).map_err(|error| error.to_string())? {
            let base = match ended.how {
                How::Exited => 0,
                How::Killed | How::Dumped => 128,
            };
            return Ok(u8::try_from(base + ended.status).unwrap_or(u8::MAX));
        }
        readable.wait().await;
    }
}

/// Signals that are the command's.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals, String> {
        let new = |kind| signal(kind).map_err(|error| error.to_string());
        Ok(Signals {
            terminate: new(SignalKind::terminate())?,
            interrupt: new(SignalKind::interrupt())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => libc::SIGTERM,
            _ = self.interrupt.recv() => libc::SIGINT,
        }
    }
}
