//! Starts processes: gathers what a plan needs, makes and runs it, on the loop where nothing
//! can block and on a pool thread otherwise.

use super::credentials;
use super::directories;
use super::environment;
use super::input_data;
use super::isolation::{Ground, MachineFiles, Shared};
use super::keep;
use super::killing::Shot;
use super::output::{Pipes, Reader};
use super::processes::Known;
use super::run::{Fact, Host};
use super::sockets::Parcel;
use crate::cgroup::Group;
use crate::engine::{Event, LogLevel, ProcessId, Role, Spawn, UnitId};
use crate::exec::environment::{EnvironmentInput, assemble};
use crate::exec::mounts::{MountInput, Sources};
use crate::exec::plan::{Inherited, PlanInput, plan};
use crate::exec::{Child, Identity, identity, spawn};
use crate::sys::personality;
use crate::unit::config::{
    Command, CommandKind, ExecConfig, InputSource, Isolation, OomPolicy, OutputTarget, UnitConfig,
};
use crate::unit::effective::LeftOut;
use crate::unit::specifier::SystemFacts;
use crate::unit::value::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What every start is made with.
#[derive(Debug, Clone)]
pub(super) struct Common {
    /// What services' environments begin with.
    pub(super) base: Vec<(String, String)>,
    /// The manager's own environment, for PassEnvironment=.
    pub(super) own: Vec<(String, String)>,
    /// NOTIFY_SOCKET.
    pub(super) notify_socket: String,
    /// The machine.
    pub(super) system: Arc<SystemFacts>,
    /// The daemon's own files, which no clean-up may take away.
    pub(super) kept: Arc<Vec<PathBuf>>,
    /// Where the roots of units with mounts of their own are put together.
    pub(super) mounts: PathBuf,
    /// The daemon ends: nothing is started any more.
    pub(super) closing: Arc<AtomicBool>,
}

/// One start, complete but for what may block to find out.
struct Start {
    order: Box<Spawn>,
    common: Arc<Common>,
    group: Option<Arc<Group>>,
    shared: Arc<Shared>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    parcel: Parcel,
}

/// What became of a start.
#[derive(Debug)]
pub(super) struct Started {
    order: Box<Spawn>,
    /// When it was ordered.
    begun: Instant,
    readers: Vec<Reader>,
    /// The process and the variables its command line misses, or why there is none.
    result: Result<(Child, Vec<String>), String>,
}

impl Host {
    /// Carries an order out; answered by `Spawned` or `SpawnFailed`, perhaps later.
    pub(super) fn spawn(&mut self, order: Box<Spawn>) {
        let begun = Instant::now();
        let is_probe = matches!(order.role, Role::Probe(_));
        if is_probe && self.freezers.contains_key(&order.unit) {
            // Born into a frozen group it would keep its parent, the loop, waiting.
            let process = order.process;
            return self.tell(Event::ProbeSkipped { process });
        }
        self.processes
            .starting(order.process, order.unit, order.role);
        let mut pipes = Pipes::default();
        let mut start = match self.prepare(&order, &mut pipes) {
            Ok(start) => start,
            Err(reason) => {
                return self.started(Started {
                    order,
                    begun,
                    readers: Vec::new(),
                    result: Err(reason),
                });
            }
        };
        let readers = pipes.take_readers();
        let cleaning = self.cleaning.remove(&order.config.name);
        if cleaning.is_none() && is_simple(&order.config) {
            let result = start.run();
            drop(start);
            return self.started(Started {
                order,
                begun,
                readers,
                result,
            });
        }
        let facts = self.facts.clone();
        tokio::spawn(async move {
            // What the last run left must be gone before this one makes its own.
            if let Some(cleaning) = cleaning {
                let _ = cleaning.await;
            }
            let run = tokio::task::spawn_blocking(move || start.run());
            let result = match run.await {
                Ok(result) => result,
                Err(error) => Err(format!("the start was abandoned: {error}")),
            };
            let _ = facts.send(Fact::Started(Box::new(Started {
                order,
                begun,
                readers,
                result,
            })));
        });
    }

    fn prepare(&mut self, order: &Spawn, pipes: &mut Pipes) -> Result<Start, String> {
        let exec = exec_of(&order.config)?;
        *pipes = Pipes::open(exec)
            .map_err(|error| format!("cannot make a pipe for the output: {error}"))?;
        for reader in pipes.readers_mut() {
            let name = &order.config.name;
            let number = self.note_pipe(order.process, name, reader.stream);
            let key = keep::pipe_key(number);
            reader.kept = Some(self.custody.keep(key, &reader.descriptor));
        }
        let invocation = invocation_id(order.invocation);
        let group = self
            .groups
            .prepare(order.unit, &order.config.name, &invocation)
            .map_err(|error| format!("cannot make the control group: {error}"))?;
        if order.first {
            self.warn_of_left_over(order);
            let service = order.config.service();
            let together = service.is_some_and(|it| it.oom_policy == OomPolicy::Kill);
            self.groups
                .kill_together(order.unit, together)
                .map_err(|error| format!("cannot set OOMPolicy=: {error}"))?;
        }
        let isolation = exec_of(&order.config)?.isolation.clone();
        let peers = || self.engine.joined_namespaces(order.unit);
        let shared = self.isolations.of(order.unit, &isolation, peers);
        Ok(Start {
            order: Box::new(order.clone()),
            common: self.common.clone(),
            group,
            shared,
            stdout: pipes.stdout.take(),
            stderr: pipes.stderr.take(),
            parcel: self.sockets.parcel(order)?,
        })
    }

    /// As systemd does: what an earlier run left behind is told of and left alone.
    fn warn_of_left_over(&self, order: &Spawn) {
        let count = self.groups.left_over(order.unit, &self.known());
        if count > 0 {
            let text = format!("{count} processes of an earlier run are still there");
            self.log
                .manager(LogLevel::Warning, Some(&order.config.name), &text);
        }
    }

    /// The answer to an order is known.
    pub(super) fn started(&mut self, started: Started) {
        let Started {
            order,
            begun,
            readers,
            result,
        } = started;
        let name = order.config.name.clone();
        let process = order.process;
        self.pulse.spawn(begun.elapsed());
        let (child, missing) = match result {
            Ok(found) => found,
            Err(reason) => {
                self.processes.remove(process);
                self.groups.suspect(order.unit);
                return self.tell(Event::SpawnFailed { process, reason });
            }
        };
        for variable in missing {
            let text = format!("the command line uses ${variable}, which is not set");
            self.log.manager(LogLevel::Warning, Some(&name), &text);
        }
        let pid = child.pid;
        self.groups.joined(order.unit, pid);
        self.note_isolation(order.unit);
        self.capture.start(&name, pid, readers);
        for pipe in self.pipes.values_mut() {
            if pipe.process == process {
                pipe.pid = pid;
            }
        }
        if let Err(reason) = self.watch_started(process, order.unit, pid, child.pidfd) {
            return self.tell(Event::SpawnFailed { process, reason });
        }
        if order.first {
            self.left_out.remove(&order.unit);
        }
        for left_out in child.left_out {
            let text = format!("{}= is left out: {}", left_out.setting, left_out.reason);
            self.log.manager(LogLevel::Warning, Some(&name), &text);
            self.left_out.entry(order.unit).or_default().push(LeftOut {
                directive: left_out.setting.to_owned(),
                reason: left_out.reason,
            });
        }
        let executed = child.failure.is_none();
        if let Some(failure) = child.failure {
            self.log
                .manager(LogLevel::Error, Some(&name), &failure.message);
        }
        self.tell(Event::Spawned {
            process,
            pid,
            executed,
        });
    }
}

impl Host {
    /// Watches a process that was just started, and sends it what was meant for it meanwhile.
    fn watch_started(
        &mut self,
        process: ProcessId,
        unit: UnitId,
        pid: i32,
        descriptor: OwnedFd,
    ) -> Result<(), String> {
        let known = self.in_custody(process, pid, descriptor, false);
        let descriptor = known.pidfd.clone();
        let watched = self
            .processes
            .running(process, unit, known, self.ended.clone());
        match watched {
            Ok(shots) => {
                for shot in shots {
                    shot.send(descriptor.as_fd());
                }
                Ok(())
            }
            Err(error) => {
                // A process that cannot be watched must not run on; it is reaped as an orphan.
                Shot::plain(Signal::KILL).send(descriptor.as_fd());
                self.processes.remove(process);
                Err(format!("cannot watch the process: {error}"))
            }
        }
    }

    /// Puts a process's descriptor into custody, before the engine hears of it.
    pub(super) fn in_custody(
        &mut self,
        process: ProcessId,
        pid: i32,
        descriptor: OwnedFd,
        foreign: bool,
    ) -> Known {
        let pidfd = Arc::new(descriptor);
        let kept = self.custody.keep(keep::process_key(process), &pidfd);
        Known {
            identity: self.identify(process, pid, &pidfd, foreign),
            kept: Some(kept),
            pidfd,
        }
    }
}

impl Start {
    /// Makes and runs the plan; may block.
    fn run(&mut self) -> Result<(Child, Vec<String>), String> {
        let config = self.order.config.clone();
        let exec = exec_of(&config)?;
        let command = command_of(&self.order)?;
        if let Some(service) = config
            .service()
            .filter(|_| self.order.kind == CommandKind::Start)
        {
            self.parcel.open_files(service)?;
        }
        let files =
            environment::read_files(&exec.environment_files).map_err(|error| error.to_string())?;
        let identity = identity::resolve(exec, command);
        let known = identity.as_ref().ok().and_then(Option::as_ref);
        let credentials = self.credentials(exec, known);
        let no_credentials = credentials.as_ref().err().cloned();
        let credentials = credentials.ok().flatten();
        let environment = self.environment(&config, exec, &files, known, credentials.as_deref());
        let ground = Ground::prepare(exec, &self.common.mounts, || {
            self.sources(exec, credentials)
        })?;
        let data = input_data::descriptor(exec)?;
        let input = PlanInput {
            exec,
            command,
            identity: identity.as_ref().map(Option::as_ref).map_err(Clone::clone),
            environment: &environment,
            inherited: Inherited {
                personality: personality::current(),
            },
            mounts: ground.as_ref().map(|ground| MountInput {
                table: &ground.table,
                files: &MachineFiles,
                sources: &ground.sources,
                place: &ground.place,
            }),
            no_credentials,
            entered: self.shared.entered(&exec.isolation),
            not_applied: &self.order.config.not_applied,
            directories: self.directories(exec, known),
            stdout_pipe: self.stdout.as_ref().map(AsFd::as_fd),
            stderr_pipe: self.stderr.as_ref().map(AsFd::as_fd),
            passed: self.parcel.passed(),
            listened: self.parcel.listened(),
            socket: self.parcel.stream(),
            input_data: data.as_ref().map(AsFd::as_fd),
        };
        let plan = plan(&input).map_err(|error| error.to_string())?;
        let group = self.group.as_ref().map(|group| group.directory());
        if self.common.closing.load(Ordering::Relaxed) {
            return Err("the daemon ends".to_owned());
        }
        let child = spawn::spawn(&plan, group).map_err(|error| error.to_string())?;
        Ok((child, plan.unset_variables().to_vec()))
    }

    /// The directory of the unit's credentials, if it has any.
    fn credentials(
        &self,
        exec: &ExecConfig,
        identity: Option<&Identity>,
    ) -> Result<Option<String>, String> {
        if !exec.credentials.any() {
            return Ok(None);
        }
        let run = &self.common.system.runtime_directory;
        let directory = format!("{run}/credentials/{}", self.order.config.name);
        let own = self.common.own.iter();
        let inherited = own
            .clone()
            .find(|(name, _)| name == "CREDENTIALS_DIRECTORY");
        let inherited = inherited.map(|(_, path)| path.as_str());
        let owner = identity.map(|identity| (identity.uid, identity.gid));
        let make = || credentials::make(Path::new(&directory), &exec.credentials, inherited, owner);
        self.shared.credentials(&directory, make).map(Some)
    }

    /// What the daemon adds to the mounts of a unit.
    fn sources(&self, exec: &ExecConfig, credentials: Option<String>) -> Result<Sources, String> {
        let tmp = exec.isolation.private_tmp;
        let tmp = tmp.then(|| self.shared.tmp(&self.order.config.name));
        Ok(Sources {
            private_tmp: tmp.transpose()?,
            writable: directories::writable(exec, &self.common.system),
            notify_socket: self.order.notify.then(|| self.common.notify_socket.clone()),
            credentials,
        })
    }

    fn directories(
        &self,
        exec: &ExecConfig,
        identity: Option<&Identity>,
    ) -> Vec<crate::exec::plan::PlannedDirectory> {
        if !self.order.first {
            return Vec::new();
        }
        let owner = identity.map(|identity| (identity.uid, identity.gid));
        directories::planned(exec, &self.common.system, owner)
    }

    fn environment(
        &self,
        config: &UnitConfig,
        exec: &ExecConfig,
        files: &[(String, String)],
        identity: Option<&Identity>,
        credentials: Option<&str>,
    ) -> Vec<(String, String)> {
        let mut built_in = vec![(
            "INVOCATION_ID".to_owned(),
            invocation_id(self.order.invocation),
        )];
        if self.order.notify {
            let path = self.common.notify_socket.clone();
            built_in.push(("NOTIFY_SOCKET".to_owned(), path));
        }
        if let Some(path) = config.service().and_then(|it| it.pid_file.as_ref()) {
            built_in.push(("PIDFILE".to_owned(), path.clone()));
        }
        if let Some(directory) = credentials {
            built_in.push(("CREDENTIALS_DIRECTORY".to_owned(), directory.to_owned()));
        }
        built_in.extend(directories::variables(exec, &self.common.system));
        built_in.extend(self.parcel.environment(config));
        built_in.extend(self.order.environment.iter().cloned());
        let input = EnvironmentInput {
            base: &self.common.base,
            built_in: &built_in,
            manager: &self.common.own,
            files,
            identity,
        };
        assemble(exec, &input)
    }
}

fn exec_of(config: &UnitConfig) -> Result<&ExecConfig, String> {
    let none = || format!("{} runs no processes", config.name);
    config.exec().ok_or_else(none)
}

fn command_of(order: &Spawn) -> Result<&Command, String> {
    if let Role::Probe(kind) = order.role {
        let service = order.config.service();
        let command = service.and_then(|service| service.probes.command(kind));
        return command.ok_or_else(|| format!("the {} probe has no command", kind.as_str()));
    }
    let list = order.config.commands().map(|lists| lists.get(order.kind));
    list.and_then(|list| list.get(order.index)).ok_or_else(|| {
        let directive = order.kind.directive();
        format!("there is no command {} of {directive}=", order.index + 1)
    })
}

/// As INVOCATION_ID= carries it: 32 hexadecimal digits.
pub(super) fn invocation_id(invocation: u128) -> String {
    format!("{invocation:032x}")
}

/// Nothing on the way to the program can block: no name service, no files of the unit's choice.
fn is_simple(config: &UnitConfig) -> bool {
    let Some(exec) = config.exec() else {
        return true;
    };
    let opens = config
        .service()
        .is_some_and(|service| !service.open_files.is_empty());
    let takes_no_file = |target: &OutputTarget| {
        matches!(
            target,
            OutputTarget::Log | OutputTarget::Inherit | OutputTarget::Null | OutputTarget::Socket
        )
    };
    exec.user.is_none()
        && exec.group.is_none()
        && exec.supplementary_groups.is_empty()
        && exec.environment_files.is_empty()
        && exec.directories.is_empty()
        && exec.isolation == Isolation::default()
        && !exec.credentials.any()
        && exec.working_directory.is_none()
        && matches!(exec.standard_input, InputSource::Null | InputSource::Socket)
        && !opens
        && takes_no_file(&exec.standard_output)
        && takes_no_file(&exec.standard_error)
}
