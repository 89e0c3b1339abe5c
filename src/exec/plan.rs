//! The complete plan of a process, made before the clone. Pure.
//!
//! The steps are in the order systemd takes them: session, streams, OOM score and nice value,
//! directories, umask, limits, groups, capabilities, user, working directory (by then with the
//! rights of the user, who may be the only one to have them), secure bits, no_new_privs, filters
//! of system calls, execve.

mod image;
mod isolation;
mod scheduling;
mod seal;
mod stdio;

use super::environment::Variable;
use super::exit_status as status;
use super::identity::{Identity, IdentityError};
use super::mounts::MountInput;
use crate::sys::program::{OnFailure, Operation, Program, Step};
use crate::unit::config::{
    Command, ExecConfig, NotApplied, Privileges, SecurityLabel, WorkingDirectoryPlace,
};
use crate::unit::value::{Limit, LimitKind};
pub use isolation::Entered;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The execution environment.
    pub exec: &'a ExecConfig,
    /// The command.
    pub command: &'a Command,
    /// Who it runs as; an error becomes exit status 216 or 217 of a process that was made, as
    /// in systemd.
    pub identity: Result<Option<&'a Identity>, IdentityError>,
    /// The finished environment.
    pub environment: &'a [Variable<'a>],
    /// What the child has of us before it changes it.
    pub inherited: Inherited,
    /// What mounts are made from; `None` where the unit asks for none.
    pub mounts: Option<MountInput<'a>>,
    /// Control groups of version 1 to join.
    pub joins: Vec<Join>,
    /// Why access to devices or to the network cannot be restricted as the unit asks for, each
    /// with its directive.
    pub no_access: Vec<(&'static str, String)>,
    /// Namespaces that the unit's processes share.
    pub entered: Entered<'a>,
    /// Why the credentials that the unit asks for are not there.
    pub no_credentials: Option<String>,
    /// What the unit's files say but this build does not carry out.
    pub not_applied: &'a [NotApplied],
    /// Why a managed directory that the unit asks for is not there, with the exit status for
    /// it (233, 238-241).
    pub no_directory: Option<(u8, String)>,
    /// Write end of the pipe for captured standard output, if any stream is captured.
    pub stdout_pipe: Option<BorrowedFd<'a>>,
    /// The same for standard error; `None`: into the pipe of standard output.
    pub stderr_pipe: Option<BorrowedFd<'a>>,
    /// Descriptors to pass from 3 on.
    pub passed: Vec<BorrowedFd<'a>>,
    /// Names of the first of them, for StandardInput=fd: and its kin.
    pub names: Vec<&'a str>,
    /// How many of them, the first ones, LISTEN_FDS tells of; LISTEN_PID follows, their names
    /// (LISTEN_FDNAMES) are in the environment.
    pub listened: usize,
    /// The socket for standard streams that are one.
    pub socket: Option<BorrowedFd<'a>>,
    /// Labels of security modules that are in use.
    pub labels: Vec<&'a SecurityLabel>,
    /// The processors of CPUAffinity=numa, bit n for processor n, or why they are not known.
    pub processors: Result<Vec<u8>, String>,
    /// What a client gave for standard input, output and error: in place of what the unit says.
    pub streams: [Option<BorrowedFd<'a>>; 3],
    /// Where the data for standard input is read, if there are any.
    pub input_data: Option<BorrowedFd<'a>>,
}

/// A control group of version 1 that the process joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Its file `tasks`.
    pub tasks: CString,
    /// The directive that is lost without.
    pub setting: &'static str,
}

/// What a child has of its parent that a plan depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inherited {
    /// personality(2) of the daemon.
    pub personality: u32,
}

/// Where a captured stream goes.
#[derive(Debug)]
pub struct Output {
    /// Read end, for the host.
    pub reader: OwnedFd,
    /// Write end, for the child.
    pub writer: OwnedFd,
}

/// Why no plan can be made: no process is started (result `resources`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A NUL byte in a path, word or variable.
    #[error("{0} holds a NUL byte")]
    Nul(String),
    /// A setting this build does not carry out and must not skip.
    #[error("{0} is set, but this build does not apply it; the unit is not started without it")]
    Unsupported(String),
    /// StandardInput=fd: or its kin names a descriptor that is not passed.
    #[error("{0}=fd:{1} is set, but no descriptor of that name is passed")]
    NoDescriptor(&'static str, String),
    /// StandardInput=socket or its kin without a socket to pass.
    #[error("{0}=socket is set, but there is no socket to pass")]
    NoSocket(&'static str),
}

/// Everything the child does, with all memory it needs.
#[derive(Debug)]
pub struct ExecPlan<'fd> {
    program: Program<'fd>,
    /// The directive each step is for; empty for what every process needs.
    settings: Vec<&'static str>,
    /// More directives that a step is for.
    further: BTreeMap<usize, Vec<&'static str>>,
    unset_variables: Vec<String>,
}

impl<'fd> ExecPlan<'fd> {
    /// For `spawn`.
    pub(super) fn program(&self) -> &Program<'fd> {
        &self.program
    }

    /// The directives that a step is for.
    pub(super) fn settings_of(&self, step: usize) -> impl Iterator<Item = &'static str> {
        let first = self
            .settings
            .get(step)
            .filter(|setting| !setting.is_empty());
        let further = self.further.get(&step).into_iter().flatten();
        first.into_iter().chain(further).copied()
    }

    /// Variables that the command line uses but that are not set: worth a warning (X8).
    pub fn unset_variables(&self) -> &[String] {
        &self.unset_variables
    }
}

/// Makes the plan.
///
/// # Errors
/// See [`PlanError`].
pub fn plan<'a>(input: &PlanInput<'a>) -> Result<ExecPlan<'a>, PlanError> {
    refuse_unsupported(input)?;
    let (image, unset_variables) = image::image(input)?;
    let steps = match &input.identity {
        Ok(identity) => steps(input, *identity)?,
        Err(error) => refusal(error.to_string(), error.exit_status()),
    };
    Ok(ExecPlan {
        program: Program {
            sealed_from: steps.sealed_from.unwrap_or(steps.list.len()),
            steps: steps.list,
            image,
        },
        settings: steps.settings,
        further: steps.further,
        unset_variables,
    })
}

/// The child's steps as they come together.
#[derive(Debug, Default)]
struct Steps<'fd> {
    list: Vec<Step<'fd>>,
    settings: Vec<&'static str>,
    further: BTreeMap<usize, Vec<&'static str>>,
    sealed_from: Option<usize>,
}

impl<'fd> Steps<'fd> {
    /// With room for what most processes need.
    fn new() -> Steps<'fd> {
        const MOSTLY: usize = 32;
        Steps {
            list: Vec::with_capacity(MOSTLY),
            settings: Vec::with_capacity(MOSTLY),
            ..Steps::default()
        }
    }

    fn push(&mut self, exit_status: u8, operation: Operation<'fd>) {
        self.add("", OnFailure::End, exit_status, operation);
    }

    /// A step that a directive asks for, which may be left out if AllowDegraded= names it.
    fn push_for(
        &mut self,
        setting: &'static str,
        exec: &ExecConfig,
        exit_status: u8,
        operation: Operation<'fd>,
    ) {
        let on_failure = if exec.allow_degraded.contains(setting) {
            OnFailure::Skip(0)
        } else {
            OnFailure::End
        };
        self.add(setting, on_failure, exit_status, operation);
    }

    // A function of its own: `steps` calls it a dozen times, and cold code is what a start costs.
    #[inline(never)]
    fn add(
        &mut self,
        setting: &'static str,
        on_failure: OnFailure,
        exit_status: u8,
        operation: Operation<'fd>,
    ) {
        self.settings.push(setting);
        self.list.push(Step {
            operation,
            exit_status,
            on_failure,
        });
    }
}

fn refusal(reason: String, exit_status: u8) -> Steps<'static> {
    let mut steps = Steps::default();
    steps.push(status::SETSID, Operation::NewSession);
    steps.push(exit_status, Operation::Refuse(reason));
    steps
}

fn refuse_unsupported(input: &PlanInput<'_>) -> Result<(), PlanError> {
    let exec = input.exec;
    let unsupported =
        |directive: &str, value: &str| Err(PlanError::Unsupported(format!("{directive}={value}")));
    let refuses = |n: &&NotApplied| n.refuses_start && !exec.allow_degraded.contains(n.directive);
    match input.not_applied.iter().find(refuses) {
        Some(refused) => unsupported(refused.directive, &refused.value),
        None => Ok(()),
    }
}

fn steps<'a>(input: &PlanInput<'a>, identity: Option<&Identity>) -> Result<Steps<'a>, PlanError> {
    let exec = input.exec;
    // systemd.service(5), "Special executable prefixes".
    let (sandboxed, as_user) = match input.command.privileges {
        Privileges::Normal | Privileges::Ambient => (true, true),
        Privileges::NoUser => (true, false),
        Privileges::Full => (false, false),
    };
    let identity_taken = identity.filter(|_| as_user);
    let isolated = sandboxed && !exec.isolation.is_common();
    let mut steps = Steps::new();
    steps.push(status::SETSID, Operation::NewSession);
    for join in &input.joins {
        let tasks = join.tasks.clone();
        // A limit that cannot be had is reported, and the process runs without.
        let operation = Operation::Join(tasks);
        steps.add(join.setting, OnFailure::Skip(0), status::CGROUP, operation);
    }
    for (directive, reason) in &input.no_access {
        let operation = Operation::Refuse(reason.clone());
        steps.push_for(directive, exec, status::CGROUP, operation);
    }
    // Files below get exactly the mode they are given.
    steps.push(status::EXCEPTION, Operation::Umask(0));
    if isolated {
        isolation::enter(&mut steps, exec, &input.entered);
    }
    stdio::add(&mut steps, input)?;
    scheduling::add(&mut steps, exec, &input.processors);
    if let Some((exit_status, reason)) = &input.no_directory {
        steps.push(*exit_status, Operation::Refuse(reason.clone()));
    }
    if let Some(reason) = &input.no_credentials {
        let operation = Operation::Refuse(reason.clone());
        steps.push(status::CREDENTIALS, operation);
    }
    if isolated {
        isolation::add(&mut steps, input)?;
    }
    steps.push(status::EXCEPTION, Operation::Umask(exec.umask));
    let owner = identity_taken.map(|identity| (identity.uid, identity.gid));
    scheduling::add_keyring(&mut steps, exec, owner);
    if sandboxed {
        add_limits(&mut steps, exec);
    }
    if let Some(identity) = identity_taken {
        let groups = Operation::Groups(identity.groups.clone());
        steps.push(status::GROUP, groups);
        steps.push(status::GROUP, Operation::Group(identity.gid));
    }
    if isolated {
        isolation::add_users(&mut steps, exec, identity_taken);
    }
    add_user(&mut steps, exec, sandboxed, identity_taken);
    add_working_directory(&mut steps, input, identity)?;
    if exec.ignore_sigpipe {
        let pipe = crate::unit::value::Signal::PIPE.0;
        steps.push(status::SIGNAL_MASK, Operation::IgnoreSignal(pipe));
    }
    if sandboxed {
        seal::add_labels(&mut steps, exec, &input.labels);
        seal::add(&mut steps, exec, &input.inherited);
    }
    Ok(steps)
}

fn add_limits(steps: &mut Steps<'_>, exec: &ExecConfig) {
    for kind in LimitKind::ALL {
        let set = exec.limits.get(&kind).copied();
        let Some(Limit { soft, hard }) = set.or(kind.default_limit()) else {
            continue;
        };
        let resource = kind as u32;
        let operation = Operation::Limit {
            resource,
            soft,
            hard,
        };
        if set.is_some() {
            steps.push_for(kind.directive(), exec, status::LIMITS, operation);
        } else {
            steps.push(status::LIMITS, operation);
        }
    }
}

/// The bounding set while we still may, then the user, then the ambient set, which a change of
/// user would clear.
fn add_user(
    steps: &mut Steps<'_>,
    exec: &ExecConfig,
    sandboxed: bool,
    identity: Option<&Identity>,
) {
    let ambient = exec.ambient_capabilities.0;
    if sandboxed {
        if let Some(keep) = exec.capability_bounding_set {
            steps.push(status::CAPABILITIES, Operation::KeepBounding(keep.0));
        }
        if ambient != 0 {
            steps.push(status::CAPABILITIES, Operation::PrepareAmbient(ambient));
        }
    }
    if let Some(identity) = identity.filter(|identity| identity.user.is_some()) {
        steps.push(status::USER, Operation::User(identity.uid));
    }
    if sandboxed {
        // Also an empty one: what the daemon itself has is not the unit's.
        steps.push(status::CAPABILITIES, Operation::SetAmbient(ambient));
    }
}

fn add_working_directory(
    steps: &mut Steps<'_>,
    input: &PlanInput<'_>,
    identity: Option<&Identity>,
) -> Result<(), PlanError> {
    let (path, optional) = match &input.exec.working_directory {
        None => ("/", false),
        Some(directory) => match &directory.place {
            WorkingDirectoryPlace::Path(path) => (path.as_str(), directory.optional),
            WorkingDirectoryPlace::Home => (home(input, identity), directory.optional),
        },
    };
    if path.is_empty() {
        let reason = "WorkingDirectory=~ is set, but the user has no home directory";
        steps.push(status::CHDIR, Operation::Refuse(reason.to_owned()));
        return Ok(());
    }
    let path = c_string(path)?;
    steps.push(status::CHDIR, Operation::ChangeDirectory { path, optional });
    Ok(())
}

/// The home of User=; without User= what the environment says.
fn home<'a>(input: &PlanInput<'a>, identity: Option<&'a Identity>) -> &'a str {
    match identity.and_then(|identity| identity.user.as_ref()) {
        Some(user) => &user.home,
        None => variable(input.environment, "HOME").unwrap_or_default(),
    }
}

fn variable<'a>(environment: &'a [Variable<'_>], name: &str) -> Option<&'a str> {
    environment
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| &**value)
}

/// The text as the kernel takes it.
fn c_string(text: impl Into<String>) -> Result<CString, PlanError> {
    CString::new(text.into()).map_err(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\\0");
        PlanError::Nul(text)
    })
}

#[cfg(test)]
mod tests;
