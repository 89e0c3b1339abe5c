//! Executes the program anew, from its file as it is now, in the same process: services keep
//! their parent, and every descriptor comes along. Before anything is given up, the new program is
//! asked whether it understands the state; what it does not understand leaves the old one running.

use super::super::handle::ControlError;
use super::super::operations::Trouble;
use super::super::output::Pause;
use super::super::run::Host;
use super::custody::Recovered;
use super::saved::Saved;
use crate::sys::inherited;
use crate::unit::value::LimitKind;
use nix::sys::signal::SigSet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The variable with the number of the descriptor that the state comes in.
pub(crate) const VARIABLE: &str = "DD_PM_RESUME";
/// How long starts and reads that are under way may take to be done.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the new program may take to read the state.
const CHECK: Duration = Duration::from_secs(10);
/// What it says when it has.
const UNDERSTOOD: &str = "understood";

/// What goes over execve.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    saved: Saved,
    /// Numbers of descriptors, by key.
    descriptors: BTreeMap<String, i32>,
}

impl Carried {
    /// What an earlier program of this process has left, if there was one: `variable` looks the
    /// environment up. To be called once, before any other thread runs.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn take(variable: impl Fn(&str) -> Option<String>) -> io::Result<Option<Recovered>> {
        let Some(number) = variable(VARIABLE) else {
            return Ok(None);
        };
        let number = number.parse().map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        File::from(inherited::take(number)?).read_to_end(&mut bytes)?;
        let carried: Carried = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
        let mut descriptors = BTreeMap::new();
        for (key, number) in carried.descriptors {
            descriptors.insert(key, inherited::take(number)?);
        }
        Ok(Some(Recovered {
            saved: carried.saved,
            journal: Vec::new(),
            keeper: descriptors.remove(super::KEEPER),
            descriptors,
            same_process: true,
        }))
    }
}

/// Reads a state from standard input and says whether it is understood.
pub fn check_state() -> ExitCode {
    let mut bytes = Vec::new();
    let read = io::stdin().read_to_end(&mut bytes);
    let read = read.map_err(|error| error.to_string());
    let read = read
        .and_then(|_| serde_json::from_slice::<Carried>(&bytes).map_err(|error| error.to_string()));
    match read {
        Ok(_) => {
            println!("{UNDERSTOOD}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Host {
    /// Executes the program anew; returns only if that is not possible.
    pub(in crate::host) async fn reexecute(&mut self) -> ControlError {
        let result = match self.come_to_rest().await {
            Ok(_pause) => self.execute_anew().map_err(|error| error.to_string()),
            Err(reason) => Err(reason),
        };
        let reason = match result {
            Ok(never) => match never {},
            Err(reason) => reason,
        };
        self.tell_ready();
        tracing::error!("not executed anew: {reason}; this daemon goes on as it is");
        ControlError::Trouble(Trouble::Failed, format!("Not executed anew: {reason}"))
    }

    /// Lets threads finish what they are at, as they do not come along. Meanwhile nothing new is
    /// taken in.
    async fn come_to_rest(&mut self) -> Result<Pause, String> {
        if self.engine.is_shutting_down() {
            return Err("everything is being stopped".to_owned());
        }
        let until = Instant::now() + PATIENCE;
        for (unit, task) in &mut self.cleaning {
            if timeout_at(until, task).await.is_err() {
                return Err(format!("the clean-up of {unit} hangs"));
            }
        }
        self.cleaning.clear();
        while self.processes.any_starting() || self.requests.loading {
            let Ok(Some(fact)) = timeout_at(until, self.next_fact()).await else {
                return Err("a start or a look at unit files hangs".to_owned());
            };
            self.take_fact(fact);
            self.settle();
            if self.is_over() {
                return Err("the daemon ends".to_owned());
            }
        }
        let Ok(pause) = timeout_at(until, self.capture.pause()).await else {
            return Err("the log is not taken".to_owned());
        };
        // Every line is in its pipe or where it goes to.
        let _ = timeout_at(until, self.log.written()).await;
        Ok(pause)
    }

    fn execute_anew(&mut self) -> io::Result<Infallible> {
        let mut saved = self.saved();
        saved.host.lines = self.kept_lines();
        let mut carried: BTreeMap<String, Arc<OwnedFd>> = self.custody.all();
        carried.extend(self.options.carried.iter().cloned());
        let keeper = self.custody.keeper_copy().map(Arc::new);
        carried.extend(keeper.map(|keeper| (super::KEEPER.to_owned(), keeper)));
        let numbers = carried.iter();
        let carrying = Carried {
            saved,
            descriptors: numbers
                .map(|(key, descriptor)| (key.clone(), descriptor.as_raw_fd()))
                .collect(),
        };
        let state = memory_file(&serde_json::to_vec(&carrying).map_err(io::Error::other)?)?;
        self.ask_new_program(&state)?;
        tracing::info!("executing {} anew", self.options.program.display());
        self.tell_reloading("Executing the program anew");
        let keep_open = |keep: bool| {
            let all = carried.values().map(|descriptor| descriptor.as_fd());
            for descriptor in all.chain([state.as_fd()]) {
                inherited::keep_open(descriptor, keep)?;
            }
            Ok::<(), io::Error>(())
        };
        let raised = getrlimit(Resource::Nofile);
        // What the new program finds is what services get where they say nothing.
        if let Some(limit) = self.options.system.limits.get(&LimitKind::Nofile) {
            let _ = setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: (limit.soft != u64::MAX).then_some(limit.soft),
                    maximum: raised.maximum,
                },
            );
        }
        // A signal that comes before the new program listens waits for that.
        let signals = SigSet::all();
        signals.thread_block()?;
        let Err(error) = keep_open(true).and_then(|()| self.execute(state.as_raw_fd()));
        let _ = setrlimit(Resource::Nofile, raised);
        keep_open(false)?;
        signals.thread_unblock()?;
        Err(error)
    }

    /// Whether the program in the file understands the state.
    fn ask_new_program(&self, state: &File) -> io::Result<()> {
        let program = &self.options.program;
        let failed = |text: String| {
            let path = program.display();
            io::Error::other(format!("{path} does not take the state over: {text}"))
        };
        // The loop waits for every child, if not here.
        let mut child = Command::new(program)
            .arg("--check-state")
            .stdin(state.try_clone()?)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut answer = String::new();
        if let Some(mut output) = child.stdout.take() {
            let until = Instant::now() + CHECK;
            let mut ready = false;
            // Signals interrupt the wait: children end meanwhile.
            while !ready && Instant::now() < until {
                ready = is_readable(&output);
            }
            if !ready {
                child.kill()?;
                child.wait()?;
                return Err(failed("it does not answer".to_owned()));
            }
            output.read_to_string(&mut answer)?;
        }
        child.wait()?;
        (&*state).rewind()?;
        match answer.trim() {
            UNDERSTOOD => Ok(()),
            "" => Err(failed("it knows of no such thing".to_owned())),
            reason => Err(failed(reason.to_owned())),
        }
    }

    fn execute(&self, state: i32) -> io::Result<Infallible> {
        let text = |text: OsString| CString::new(text.into_vec()).map_err(io::Error::other);
        let program = text(self.options.program.clone().into_os_string())?;
        let arguments: Vec<CString> = std::env::args_os().map(text).collect::<Result<_, _>>()?;
        let own = std::env::vars_os().filter(|(name, _)| name.to_str() != Some(VARIABLE));
        let resume = (VARIABLE.into(), state.to_string().into());
        let environment = own.chain([resume]).map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            text(name)
        });
        let environment: Vec<CString> = environment.collect::<Result<_, _>>()?;
        Ok(nix::unistd::execve(&program, &arguments, &environment)?)
    }
}

/// Waits a moment for an answer.
fn is_readable(output: &impl AsFd) -> bool {
    let moment = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(output, PollFlags::IN)];
    poll(&mut watched, Some(&moment)).is_ok_and(|count| count > 0)
}

/// Takes in the signals that came before the new program listened.
///
/// # Errors
/// The kernel refuses.
pub fn let_signals_through() -> io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let file = rustix::fs::memfd_create("dd-procmgrd state", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
