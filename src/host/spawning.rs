//! Starts processes: gathers what a plan needs, makes and runs it, on the loop where nothing
//! can block and on a pool thread otherwise.

use super::directories;
use super::environment;
use super::handle::Stream;
use super::isolation::{Ground, MachineFiles, Shared};
use super::killing::Shot;
use super::output::Pipes;
use super::run::{Fact, Host};
use crate::cgroup::Group;
use crate::engine::{Event, LogLevel, Spawn};
use crate::exec::environment::{EnvironmentInput, assemble};
use crate::exec::mounts::{MountInput, Sources};
use crate::exec::plan::{Inherited, PlanInput, plan};
use crate::exec::{Child, Identity, identity, spawn};
use crate::sys::personality;
use crate::unit::config::{
    Command, ExecConfig, InputSource, Isolation, OomPolicy, OutputTarget, ServiceConfig,
};
use crate::unit::specifier::SystemFacts;
use crate::unit::value::Signal;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

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
}

/// One start, complete but for what may block to find out.
struct Start {
    order: Box<Spawn>,
    common: Arc<Common>,
    group: Option<Arc<Group>>,
    shared: Arc<Shared>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

/// What became of a start.
#[derive(Debug)]
pub(super) struct Started {
    order: Box<Spawn>,
    readers: Vec<(Stream, OwnedFd)>,
    /// The process and the variables its command line misses, or why there is none.
    result: Result<(Child, Vec<String>), String>,
}

impl Host {
    /// Carries an order out; answered by `Spawned` or `SpawnFailed`, perhaps later.
    pub(super) fn spawn(&mut self, order: Box<Spawn>) {
        self.processes
            .starting(order.process, order.unit, order.role);
        let mut pipes = Pipes::default();
        let start = match self.prepare(&order, &mut pipes) {
            Ok(start) => start,
            Err(reason) => {
                return self.started(Started {
                    order,
                    readers: Vec::new(),
                    result: Err(reason),
                });
            }
        };
        let readers = pipes.take_readers();
        let cleaning = self.cleaning.remove(&order.config.name);
        let exec = order.config.service().map(|service| &service.exec);
        if cleaning.is_none() && exec.is_some_and(is_simple) {
            let result = start.run();
            drop(start);
            return self.started(Started {
                order,
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
                readers,
                result,
            })));
        });
    }

    fn prepare(&mut self, order: &Spawn, pipes: &mut Pipes) -> Result<Start, String> {
        let service = service_of(order)?;
        *pipes = Pipes::open(&service.exec)
            .map_err(|error| format!("cannot make a pipe for the output: {error}"))?;
        let invocation = invocation_id(order.invocation);
        let group = self
            .groups
            .prepare(order.unit, &order.config.name, &invocation)
            .map_err(|error| format!("cannot make the control group: {error}"))?;
        if order.first {
            self.warn_of_left_over(order);
            self.groups
                .kill_together(order.unit, service.oom_policy == OomPolicy::Kill)
                .map_err(|error| format!("cannot set OOMPolicy=: {error}"))?;
        }
        Ok(Start {
            order: Box::new(order.clone()),
            common: self.common.clone(),
            group,
            shared: self.isolations.of(order.unit),
            stdout: pipes.stdout.take(),
            stderr: pipes.stderr.take(),
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
            readers,
            result,
        } = started;
        let name = order.config.name.clone();
        let process = order.process;
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
        self.capture.start(&name, pid, readers);
        let descriptor = child.pidfd.try_clone();
        let watched =
            self.processes
                .running(process, order.unit, pid, child.pidfd, self.ended.clone());
        match watched {
            Ok(shots) => {
                for shot in shots {
                    if let Some(running) = self.processes.get_running(process) {
                        shot.send(running.pidfd.as_fd());
                    }
                }
            }
            Err(error) => {
                // A process that cannot be watched must not run on; it is reaped as an orphan.
                if let Ok(descriptor) = descriptor {
                    Shot::plain(Signal::KILL).send(descriptor.as_fd());
                }
                self.processes.remove(process);
                let reason = format!("cannot watch the process: {error}");
                return self.tell(Event::SpawnFailed { process, reason });
            }
        }
        for left_out in child.left_out {
            let text = format!("{}= is left out: {}", left_out.setting, left_out.reason);
            self.log.manager(LogLevel::Warning, Some(&name), &text);
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

impl Start {
    /// Makes and runs the plan; may block.
    fn run(&self) -> Result<(Child, Vec<String>), String> {
        let service = service_of(&self.order)?;
        let command = command_of(&self.order, service)?;
        let files = environment::read_files(&service.exec.environment_files)
            .map_err(|error| error.to_string())?;
        let identity = identity::resolve(&service.exec, command);
        let known = identity.as_ref().ok().and_then(Option::as_ref);
        let environment = self.environment(service, &files, known);
        let exec = &service.exec;
        let ground = Ground::prepare(exec, &self.common.mounts, || self.sources(exec))?;
        let input = PlanInput {
            service,
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
            entered: self.shared.entered(&exec.isolation),
            not_applied: &self.order.config.not_applied,
            directories: self.directories(&service.exec, known),
            stdout_pipe: self.stdout.as_ref().map(AsFd::as_fd),
            stderr_pipe: self.stderr.as_ref().map(AsFd::as_fd),
            passed: Vec::new(),
        };
        let plan = plan(&input).map_err(|error| error.to_string())?;
        let group = self.group.as_ref().map(|group| group.directory());
        let child = spawn::spawn(&plan, group).map_err(|error| error.to_string())?;
        Ok((child, plan.unset_variables().to_vec()))
    }

    /// What the daemon adds to the mounts of a unit.
    fn sources(&self, exec: &ExecConfig) -> Result<Sources, String> {
        let tmp = exec.isolation.private_tmp;
        let tmp = tmp.then(|| self.shared.tmp(&self.order.config.name));
        Ok(Sources {
            private_tmp: tmp.transpose()?,
            writable: directories::writable(exec, &self.common.system),
            notify_socket: self.order.notify.then(|| self.common.notify_socket.clone()),
            credentials: None,
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
        service: &ServiceConfig,
        files: &[(String, String)],
        identity: Option<&Identity>,
    ) -> Vec<(String, String)> {
        let mut built_in = vec![(
            "INVOCATION_ID".to_owned(),
            invocation_id(self.order.invocation),
        )];
        if self.order.notify {
            let path = self.common.notify_socket.clone();
            built_in.push(("NOTIFY_SOCKET".to_owned(), path));
        }
        if let Some(path) = &service.pid_file {
            built_in.push(("PIDFILE".to_owned(), path.clone()));
        }
        built_in.extend(directories::variables(&service.exec, &self.common.system));
        built_in.extend(self.order.environment.iter().cloned());
        let input = EnvironmentInput {
            base: &self.common.base,
            built_in: &built_in,
            manager: &self.common.own,
            files,
            identity,
        };
        assemble(&service.exec, &input)
    }
}

fn service_of(order: &Spawn) -> Result<&ServiceConfig, String> {
    order
        .config
        .service()
        .ok_or_else(|| format!("{} is no service", order.config.name))
}

fn command_of<'a>(order: &Spawn, service: &'a ServiceConfig) -> Result<&'a Command, String> {
    let list = service.commands.get(order.kind);
    list.get(order.index).ok_or_else(|| {
        let directive = order.kind.directive();
        format!("there is no command {} of {directive}=", order.index + 1)
    })
}

/// As INVOCATION_ID= carries it: 32 hexadecimal digits.
fn invocation_id(invocation: u128) -> String {
    format!("{invocation:032x}")
}

/// Nothing on the way to the program can block: no name service, no files of the unit's choice.
fn is_simple(exec: &ExecConfig) -> bool {
    let takes_no_file = |target: &OutputTarget| {
        matches!(
            target,
            OutputTarget::Log | OutputTarget::Inherit | OutputTarget::Null
        )
    };
    exec.user.is_none()
        && exec.group.is_none()
        && exec.supplementary_groups.is_empty()
        && exec.environment_files.is_empty()
        && exec.directories.is_empty()
        && exec.isolation == Isolation::default()
        && exec.working_directory.is_none()
        && exec.standard_input == InputSource::Null
        && takes_no_file(&exec.standard_output)
        && takes_no_file(&exec.standard_error)
}
