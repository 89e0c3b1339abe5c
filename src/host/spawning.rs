//! Starts processes: gathers what a plan needs, makes and runs it, on the loop where nothing
//! can block and on a pool thread otherwise.

use super::conditions;
use super::credentials;
use super::directories;
use super::dynamic_users::{DynamicUsers, Found};
use super::environment;
use super::generations;
use super::input_data;
use super::isolation::{Ground, MachineFiles, Shared};
use super::keep;
use super::killing::Shot;
use super::limits;
use super::line_rules::LineRules;
use super::made_directories::{self, Unmade};
use super::numa;
use super::output::{Pipes, Reader};
use super::placing::Placing;
use super::processes::Known;
use super::run::{Fact, Host, Options};
use super::sockets::Parcel;
use super::terminal;
use crate::engine::{Event, LogLevel, ProcessId, Role, Spawn, UnitId};
use crate::exec::environment::{EnvironmentInput, assemble};
use crate::exec::foresight::{self, Standing};
use crate::exec::mounts::{MountInput, Sources};
use crate::exec::plan::{Inherited, PlanInput, plan};
use crate::exec::{Child, Identity, IdentityError, identity, spawn};
use crate::sys::numbers::up;
use crate::sys::personality;
use crate::unit::config::{
    Command, CommandKind, ExecConfig, InputSource, OomPolicy, OutputTarget, SecurityLabel,
    UnitConfig,
};
use crate::unit::effective::{Extent, LeftOut};
use crate::unit::name::UnitName;
use crate::unit::specifier::SystemFacts;
use crate::unit::value::Signal;
use std::io;
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
    /// Who has which number with DynamicUser=.
    pub(super) dynamic_users: Arc<DynamicUsers>,
    /// What the daemon itself may do.
    pub(super) standing: Standing,
}

impl Common {
    /// What comes from the options of the loop.
    pub(super) fn new(
        options: &Options,
        notify_socket: &Path,
        system: &Arc<SystemFacts>,
    ) -> Common {
        let users = Path::new(&system.runtime_directory).join("systemd/dynamic-uid");
        Common {
            base: options.environment.clone(),
            own: options.own_environment.clone(),
            notify_socket: notify_socket.display().to_string(),
            system: system.clone(),
            kept: Arc::new(options.own_files.clone()),
            mounts: options.runtime.join("mounts"),
            closing: Arc::default(),
            standing: Standing::of_this_process(system),
            dynamic_users: Arc::new(DynamicUsers::new(users)),
        }
    }
}

/// One start, complete but for what may block to find out.
struct Start {
    order: Arc<Spawn>,
    common: Arc<Common>,
    placing: Placing,
    shared: Arc<Shared>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    parcel: Parcel,
}

/// What became of a start.
#[derive(Debug)]
pub(super) struct Started {
    order: Arc<Spawn>,
    /// When it was ordered.
    begun: Instant,
    /// How many groups of version 1 it was to join.
    joined: usize,
    readers: Vec<Reader>,
    /// The process and what is to be warned of, or why there is none.
    result: Result<(Child, Vec<String>), String>,
}

impl Host {
    /// Carries an order out; answered by `Spawned` or `SpawnFailed`, perhaps later.
    pub(super) fn spawn(&mut self, order: Arc<Spawn>) {
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
                    joined: 0,
                    readers: Vec::new(),
                    result: Err(reason),
                });
            }
        };
        let readers = pipes.take_readers();
        let joined = start.placing.legacy_count();
        let cleaning = self.cleaning.remove(&order.config.name);
        let limiting = self.limits.take_pending(&order.config.name);
        if cleaning.is_none() && limiting.is_none() && is_simple(&order.config) {
            let result = start.run();
            drop(start);
            return self.started(Started {
                order,
                begun,
                joined,
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
            // And its limits must stand.
            if let Some(limiting) = limiting {
                let _ = limiting.await;
            }
            let run = tokio::task::spawn_blocking(move || start.run());
            let result = match run.await {
                Ok(result) => result,
                Err(error) => Err(format!("the start was abandoned: {error}")),
            };
            let _ = facts.send(Fact::Started(Box::new(Started {
                order,
                begun,
                joined,
                readers,
                result,
            })));
        });
    }

    fn prepare(&mut self, order: &Arc<Spawn>, pipes: &mut Pipes) -> Result<Start, String> {
        let exec = exec_of(&order.config)?;
        let make = |stream| {
            let pipe = self.fresh_pipe()?;
            self.note_pipe(pipe.number, order.process, &order.config.name, stream);
            Ok(pipe)
        };
        *pipes = Pipes::open(exec, make)
            .map_err(|error: io::Error| format!("cannot make a pipe for the output: {error}"))?;
        let invocation = invocation_id(order.invocation);
        let resource = &order.config.resource;
        let ahead = self.groups.path_ahead(order.unit, resource);
        let group = ahead
            .map_or_else(|| limits::path_of(&order.config), Ok)
            .and_then(|path| {
                let name = &order.config.name;
                let place = path.clone();
                let group = self.groups.prepare(order.unit, name, place, &invocation)?;
                self.groups.is_placed_by(order.unit, &path, resource);
                Ok(group)
            })
            .map_err(|error| format!("cannot make the control group: {error}"))?;
        if order.first {
            self.warn_of_left_over(order);
            let found = group.as_ref().is_some_and(|group| group.was_found());
            self.limit(order.unit, &order.config, found);
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
            order: order.clone(),
            common: self.common.clone(),
            placing: self.placing(group, order),
            shared,
            stdout: pipes.stdout.take(),
            stderr: pipes.stderr.take(),
            parcel: self.sockets.parcel(order)?,
        })
    }

    /// What a process had to do without: told of once a run, and kept for EffectiveSettings.
    fn note_left_out(&mut self, order: &Spawn, left_out: Vec<LeftOut>) {
        let kept = self.left_out.entry(order.unit).or_default();
        if order.first {
            kept.clear();
        }
        for left_out in left_out {
            if kept.contains(&left_out) {
                continue;
            }
            let extent = match left_out.extent {
                Extent::Nothing => "is left out",
                Extent::Part => "is reduced",
            };
            let text = format!("{}= {extent}: {}", left_out.directive, left_out.reason);
            let name = Some(&order.config.name);
            self.log.manager(LogLevel::Warning, name, &text);
            kept.push(left_out);
        }
    }

    /// What becomes of the lines of a process.
    fn lines_of(&self, order: &Spawn) -> Arc<LineRules> {
        let name = &order.config.name;
        let command = command_of(order).ok();
        let program = command.map_or(name.as_str(), |command| command.program.as_str());
        let invocation = invocation_id(order.invocation);
        let exec = exec_of(&order.config).ok();
        self.log.rules(name, exec, program, &invocation)
    }

    /// The same of a process that an earlier daemon started.
    pub(super) fn lines_of_unit(&self, unit: &UnitName) -> Arc<LineRules> {
        let view = self.engine.unit(unit.as_str());
        let config = view.as_ref().map(|view| &view.config);
        let exec = config.and_then(|config| config.exec());
        let commands = config.and_then(|config| config.commands());
        let first = commands.and_then(|lists| lists.get(CommandKind::Start).first());
        let program = first.map_or(unit.as_str(), |command| command.program.as_str());
        let invocation = view.as_ref().map_or(0, |view| view.invocation);
        self.log
            .rules(unit, exec, program, &invocation_id(invocation))
    }

    /// As systemd does: what an earlier run left behind is told of and left alone.
    fn warn_of_left_over(&self, order: &Spawn) {
        let count = self.groups.left_over(order.unit, || self.known());
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
            joined,
            readers,
            result,
        } = started;
        let name = order.config.name.clone();
        let process = order.process;
        self.pulse.spawn(begun.elapsed());
        let (child, warnings) = match result {
            Ok(found) => found,
            Err(reason) => {
                self.processes.remove(process);
                self.groups.suspect(order.unit);
                return self.tell(Event::SpawnFailed { process, reason });
            }
        };
        for text in warnings {
            self.log.manager(LogLevel::Warning, Some(&name), &text);
        }
        let pid = child.pid;
        self.groups.joined(order.unit, pid, Some(order.generation));
        if order.first {
            self.watch_begun(order.unit, &order.config);
        }
        self.note_isolation(order.unit);
        self.look_at_joined(order.unit, joined);
        let lines = self.lines_of(&order);
        for reader in &readers {
            if let Some(pipe) = self.pipes.get_mut(&reader.number) {
                pipe.pid = pid;
            }
        }
        self.capture.start(&name, pid, readers, &lines);
        if let Err(reason) = self.watch_started(process, order.unit, pid, up(child.pidfd)) {
            return self.tell(Event::SpawnFailed { process, reason });
        }
        self.note_left_out(&order, child.left_out);
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
        let watched = self.processes.running(process, unit, known, &self.bells);
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
    /// Makes and runs the plan; may block. Returns what is to be warned of, too.
    fn run(&mut self) -> Result<(Child, Vec<String>), String> {
        let config = self.order.config.clone();
        let common = self.common.clone();
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
        let mut left_out = Vec::new();
        let identity = self.attainable(exec, command, &mut left_out);
        let known = identity.as_ref().ok().and_then(Option::as_ref);
        if let Some(identity) = known.filter(|identity| identity.user.is_some()) {
            self.shared.is(identity.uid, identity.gid);
        }
        let no_directory = self.directories(exec, &identity).err();
        let credentials = self.credentials(exec, known);
        let no_credentials = credentials.as_ref().err().cloned();
        let credentials = credentials.ok().flatten();
        let built_in = self.built_in(&config, exec, credentials.as_deref());
        let environment = assemble(
            exec,
            &EnvironmentInput {
                base: &common.base,
                built_in: &built_in,
                manager: &common.own,
                files: &files,
                identity: known,
            },
        );
        let ground = Ground::prepare(exec, &self.common.mounts, || {
            self.sources(exec, credentials, &mut left_out)
        })?;
        let data = input_data::descriptor(exec)?;
        let warnings = terminal::prepare(exec, &self.common.closing);
        let placed = self.placing.place(known)?;
        left_out.extend(placed.reduced);
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
            joins: placed.joins,
            no_access: placed.no_access,
            entered: self.shared.entered(&exec.isolation),
            not_applied: &self.order.config.not_applied,
            no_directory: no_directory.map(|unmade| (unmade.exit_status, unmade.reason)),
            stdout_pipe: self.stdout.as_ref().map(AsFd::as_fd),
            stderr_pipe: self.stderr.as_ref().map(AsFd::as_fd),
            passed: self.parcel.passed(),
            names: self.parcel.names(),
            listened: self.parcel.listened(),
            socket: self.parcel.stream(),
            labels: self.labels(exec, &mut left_out),
            processors: numa::processors(&exec.scheduling),
            streams: self.parcel.given(),
            input_data: data.as_ref().map(AsFd::as_fd),
        };
        let plan = plan(&input).map_err(|error| error.to_string())?;
        let group = placed.directory;
        if self.common.closing.load(Ordering::Relaxed) {
            return Err("the daemon ends".to_owned());
        }
        let group = group.as_ref().map(AsFd::as_fd);
        let mut child = spawn::spawn(&plan, group).map_err(|error| error.to_string())?;
        child.left_out.append(&mut left_out);
        let missing = plan.unset_variables().iter();
        let missing =
            missing.map(|name| format!("the command line uses ${name}, which is not set"));
        Ok((child, warnings.into_iter().chain(missing).collect()))
    }

    /// The labels that mean anything on this machine (systemd.exec(5), SELinuxContext=: no
    /// effect where SELinux is not in use; its kin the same).
    fn labels<'a>(
        &self,
        exec: &'a ExecConfig,
        left_out: &mut Vec<LeftOut>,
    ) -> Vec<&'a SecurityLabel> {
        let (some, none): (Vec<_>, Vec<_>) = exec
            .labels
            .iter()
            .partition(|label| conditions::is_module_used(label.module.as_str()));
        left_out.extend(none.into_iter().map(|label| LeftOut {
            directive: label.module.directive().to_owned(),
            reason: "this security module is not in use on the machine".to_owned(),
            extent: Extent::Nothing,
        }));
        some
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
    fn sources(
        &self,
        exec: &ExecConfig,
        credentials: Option<String>,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Sources, String> {
        let tmp = exec.isolation.private_tmp;
        let private_tmp = match tmp.then(|| self.shared.tmp(&self.order.config.name)) {
            None => None,
            Some(Ok(tmp)) => Some(tmp),
            Some(Err(reason)) if exec.allow_degraded.contains("PrivateTmp") => {
                left_out.push(LeftOut {
                    directive: "PrivateTmp".to_owned(),
                    reason,
                    extent: Extent::Nothing,
                });
                None
            }
            Some(Err(reason)) => return Err(reason),
        };
        Ok(Sources {
            private_tmp,
            writable: directories::writable(exec, &self.common.system),
            private: directories::private(exec, &self.common.system),
            notify_socket: self.order.notify.then(|| self.common.notify_socket.clone()),
            credentials,
        })
    }

    /// Who the process becomes, if that can be had; where it cannot but may be missed, what it
    /// does without. May block.
    fn attainable(
        &self,
        exec: &ExecConfig,
        command: &Command,
        left_out: &mut Vec<LeftOut>,
    ) -> Result<Option<Identity>, IdentityError> {
        let identity = self.identity(exec, command);
        let standing = &self.common.standing;
        let reason = match &identity {
            Ok(None) => return identity,
            Ok(Some(identity)) if standing.can_become(identity) => {
                return Ok(Some(identity.clone()));
            }
            Ok(Some(identity)) => format!(
                "become user {}, group {}: Operation not permitted",
                identity.uid, identity.gid
            ),
            Err(error) => error.to_string(),
        };
        let asked = foresight::accounts(exec);
        if !asked.iter().all(|it| exec.allow_degraded.contains(*it)) {
            return identity;
        }
        left_out.extend(asked.into_iter().map(|directive| LeftOut {
            directive: directive.to_owned(),
            reason: reason.clone(),
            extent: Extent::Nothing,
        }));
        Ok(None)
    }

    /// Who the unit says the process is. May block.
    fn identity(
        &self,
        exec: &ExecConfig,
        command: &Command,
    ) -> Result<Option<Identity>, IdentityError> {
        if !exec.dynamic_user {
            return identity::resolve(exec, command);
        }
        let owners = || directories::owners(exec, &self.common.system);
        let accounts = self
            .shared
            .accounts(&self.common.dynamic_users, exec, owners)
            .map_err(IdentityError::Dynamic)?;
        let user = match &accounts.user {
            Found::Dynamic(user) => Some(user.id),
            Found::Static(_) => None,
        };
        identity::resolve_dynamic(exec, user, accounts.group.id()).map(Some)
    }

    /// Makes the unit's directories, before its first command. Nothing is made for somebody who
    /// is not known.
    fn directories(
        &self,
        exec: &ExecConfig,
        identity: &Result<Option<Identity>, IdentityError>,
    ) -> Result<(), Unmade> {
        match identity {
            Ok(identity) if self.order.first => {
                let owner = identity
                    .as_ref()
                    .map(|identity| (identity.uid, identity.gid));
                made_directories::make(exec, &self.common.system, owner)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn built_in(
        &self,
        config: &UnitConfig,
        exec: &ExecConfig,
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
        if exec.uses_terminal() {
            let kind = terminal::kind(exec.terminal.path(), &self.common.own);
            built_in.push(("TERM".to_owned(), kind));
        }
        if let Some(directory) = credentials {
            built_in.push(("CREDENTIALS_DIRECTORY".to_owned(), directory.to_owned()));
        }
        built_in.extend(directories::variables(exec, &self.common.system));
        built_in.extend(self.placing.environment());
        if !self.placing.has_group() {
            built_in.extend(generations::variable_of(self.order.generation));
        }
        built_in.extend(self.parcel.environment(config));
        built_in.extend(self.order.environment.iter().cloned());
        built_in
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

/// As INVOCATION_ID= carries it: 32 hexadecimal digits. Made by hand, as one is at each start.
pub(super) fn invocation_id(invocation: u128) -> String {
    let digit = |at| char::from_digit((invocation >> (4 * at)) as u32 & 15, 16);
    (0..32).rev().filter_map(digit).collect()
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
            OutputTarget::Log
                | OutputTarget::LogTo { .. }
                | OutputTarget::Inherit
                | OutputTarget::Null
                | OutputTarget::Socket
                | OutputTarget::Descriptor(_)
        )
    };
    exec.user.is_none()
        && exec.group.is_none()
        && exec.supplementary_groups.is_empty()
        && exec.environment_files.is_empty()
        && exec.directories.is_empty()
        && exec.isolation.is_common()
        && !exec.credentials.any()
        && exec.working_directory.is_none()
        && !exec.terminal.is_prepared()
        && exec.labels.is_empty()
        && matches!(
            exec.standard_input,
            InputSource::Null | InputSource::Socket | InputSource::Descriptor(_)
        )
        && !opens
        && takes_no_file(&exec.standard_output)
        && takes_no_file(&exec.standard_error)
}
