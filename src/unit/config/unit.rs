//! What every unit has: names, load state, \[Unit\] and \[Install\].

use super::{
    Cold, Commands, ExecConfig, KeptValues, KillConfig, PathConfig, ResourceConfig, ScopeConfig,
    ServiceConfig, SocketConfig, TimerConfig,
};
use crate::unit::diagnostic::Diagnostic;
use crate::unit::name::UnitName;
use crate::unit::value::TimeSpan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Whether the unit's files could be read (systemctl(1), LOAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadState {
    /// Read, or built in.
    Loaded,
    /// No file, and nothing built in or in the kernel answers to the name.
    NotFound,
    /// A setting without which the unit makes no sense is wrong.
    BadSetting,
    /// The file could not be read as a unit file at all.
    Error,
    /// The file is empty or a link to /dev/null.
    Masked,
}

impl LoadState {
    /// systemd's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            LoadState::Loaded => "loaded",
            LoadState::NotFound => "not-found",
            LoadState::BadSetting => "bad-setting",
            LoadState::Error => "error",
            LoadState::Masked => "masked",
        }
    }
}

/// The kinds of dependency a unit file can state. Their inverses live in the engine's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum DependencyKind {
    Requires,
    Requisite,
    Wants,
    BindsTo,
    PartOf,
    Upholds,
    Conflicts,
    Before,
    After,
    OnFailure,
    OnSuccess,
    PropagatesReloadTo,
    ReloadPropagatedFrom,
    PropagatesStopTo,
    StopPropagatedFrom,
    JoinsNamespaceOf,
    /// From a socket, timer or path to what it activates.
    Triggers,
    /// The same, said by what is activated (Sockets=).
    TriggeredBy,
}

impl DependencyKind {
    /// The directive that states it; Triggers is stated by other settings of its unit.
    pub fn directive(self) -> &'static str {
        match self {
            DependencyKind::Requires => "Requires",
            DependencyKind::Requisite => "Requisite",
            DependencyKind::Wants => "Wants",
            DependencyKind::BindsTo => "BindsTo",
            DependencyKind::PartOf => "PartOf",
            DependencyKind::Upholds => "Upholds",
            DependencyKind::Conflicts => "Conflicts",
            DependencyKind::Before => "Before",
            DependencyKind::After => "After",
            DependencyKind::OnFailure => "OnFailure",
            DependencyKind::OnSuccess => "OnSuccess",
            DependencyKind::PropagatesReloadTo => "PropagatesReloadTo",
            DependencyKind::ReloadPropagatedFrom => "ReloadPropagatedFrom",
            DependencyKind::PropagatesStopTo => "PropagatesStopTo",
            DependencyKind::StopPropagatedFrom => "StopPropagatedFrom",
            DependencyKind::JoinsNamespaceOf => "JoinsNamespaceOf",
            DependencyKind::Triggers => "Triggers",
            DependencyKind::TriggeredBy => "Sockets",
        }
    }
}

/// Who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DependencyOrigin {
    /// A directive of the fragment or a drop-in.
    File,
    /// A `.wants/` or `.requires/` link.
    Link,
    /// Follows from another setting (Sockets=, Slice= ...).
    Implicit,
    /// DefaultDependencies=.
    Default,
}

/// One edge out of a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// What the edge means.
    pub kind: DependencyKind,
    /// The unit at its other end, as named (may be an alias there).
    pub target: UnitName,
    /// Who said so.
    pub origin: DependencyOrigin,
}

/// What a condition or assert looks at (systemd.unit(5), "CONDITIONS AND ASSERTS").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum ConditionKind {
    Architecture,
    Firmware,
    Virtualization,
    Host,
    KernelCommandLine,
    KernelVersion,
    Credential,
    Environment,
    Security,
    Capability,
    AcPower,
    NeedsUpdate,
    FirstBoot,
    PathExists,
    PathExistsGlob,
    PathIsDirectory,
    PathIsSymbolicLink,
    PathIsMountPoint,
    PathIsReadWrite,
    PathIsEncrypted,
    DirectoryNotEmpty,
    FileNotEmpty,
    FileIsExecutable,
    User,
    Group,
    ControlGroupController,
    Memory,
    Cpus,
    CpuFeature,
    OsRelease,
    MemoryPressure,
    CpuPressure,
    IoPressure,
    Version,
    KernelModuleLoaded,
}

impl ConditionKind {
    /// Every kind.
    pub const ALL: [ConditionKind; 35] = [
        ConditionKind::Architecture,
        ConditionKind::Firmware,
        ConditionKind::Virtualization,
        ConditionKind::Host,
        ConditionKind::KernelCommandLine,
        ConditionKind::KernelVersion,
        ConditionKind::Credential,
        ConditionKind::Environment,
        ConditionKind::Security,
        ConditionKind::Capability,
        ConditionKind::AcPower,
        ConditionKind::NeedsUpdate,
        ConditionKind::FirstBoot,
        ConditionKind::PathExists,
        ConditionKind::PathExistsGlob,
        ConditionKind::PathIsDirectory,
        ConditionKind::PathIsSymbolicLink,
        ConditionKind::PathIsMountPoint,
        ConditionKind::PathIsReadWrite,
        ConditionKind::PathIsEncrypted,
        ConditionKind::DirectoryNotEmpty,
        ConditionKind::FileNotEmpty,
        ConditionKind::FileIsExecutable,
        ConditionKind::User,
        ConditionKind::Group,
        ConditionKind::ControlGroupController,
        ConditionKind::Memory,
        ConditionKind::Cpus,
        ConditionKind::CpuFeature,
        ConditionKind::OsRelease,
        ConditionKind::MemoryPressure,
        ConditionKind::CpuPressure,
        ConditionKind::IoPressure,
        ConditionKind::Version,
        ConditionKind::KernelModuleLoaded,
    ];

    /// The part of the directive's name behind `Condition` or `Assert`.
    pub fn suffix(self) -> &'static str {
        match self {
            ConditionKind::Architecture => "Architecture",
            ConditionKind::Firmware => "Firmware",
            ConditionKind::Virtualization => "Virtualization",
            ConditionKind::Host => "Host",
            ConditionKind::KernelCommandLine => "KernelCommandLine",
            ConditionKind::KernelVersion => "KernelVersion",
            ConditionKind::Credential => "Credential",
            ConditionKind::Environment => "Environment",
            ConditionKind::Security => "Security",
            ConditionKind::Capability => "Capability",
            ConditionKind::AcPower => "ACPower",
            ConditionKind::NeedsUpdate => "NeedsUpdate",
            ConditionKind::FirstBoot => "FirstBoot",
            ConditionKind::PathExists => "PathExists",
            ConditionKind::PathExistsGlob => "PathExistsGlob",
            ConditionKind::PathIsDirectory => "PathIsDirectory",
            ConditionKind::PathIsSymbolicLink => "PathIsSymbolicLink",
            ConditionKind::PathIsMountPoint => "PathIsMountPoint",
            ConditionKind::PathIsReadWrite => "PathIsReadWrite",
            ConditionKind::PathIsEncrypted => "PathIsEncrypted",
            ConditionKind::DirectoryNotEmpty => "DirectoryNotEmpty",
            ConditionKind::FileNotEmpty => "FileNotEmpty",
            ConditionKind::FileIsExecutable => "FileIsExecutable",
            ConditionKind::User => "User",
            ConditionKind::Group => "Group",
            ConditionKind::ControlGroupController => "ControlGroupController",
            ConditionKind::Memory => "Memory",
            ConditionKind::Cpus => "CPUs",
            ConditionKind::CpuFeature => "CPUFeature",
            ConditionKind::OsRelease => "OSRelease",
            ConditionKind::MemoryPressure => "MemoryPressure",
            ConditionKind::CpuPressure => "CPUPressure",
            ConditionKind::IoPressure => "IOPressure",
            ConditionKind::Version => "Version",
            ConditionKind::KernelModuleLoaded => "KernelModuleLoaded",
        }
    }
}

/// One `Condition...=` or `Assert...=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub kind: ConditionKind,
    /// The rest of the value, specifiers expanded.
    pub parameter: String,
    /// `|`: at least one of these must hold.
    pub trigger: bool,
    /// `!`: must not hold.
    pub negate: bool,
}

/// How a job meets the jobs already queued (systemctl(1), `--job-mode=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum JobMode {
    #[default]
    Replace,
    Fail,
    ReplaceIrreversibly,
    Isolate,
    Flush,
    IgnoreDependencies,
    IgnoreRequirements,
    /// Only of stop: what would start the unit again is stopped, too.
    Triggering,
    /// Only of start, systemd 254: what depends on the unit is restarted.
    RestartDependencies,
}

/// What becomes of the manager when a unit ends or a job takes too long (systemd.unit(5),
/// FailureAction=). All but `none`, `exit` and `exit-force` are about a whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum SystemAction {
    #[default]
    None,
    Reboot,
    RebootForce,
    RebootImmediate,
    Poweroff,
    PoweroffForce,
    PoweroffImmediate,
    Exit,
    ExitForce,
    SoftReboot,
    SoftRebootForce,
    Kexec,
    KexecForce,
    Halt,
    HaltForce,
    HaltImmediate,
}

impl SystemAction {
    /// All, as unit files spell them.
    pub const WORDS: [(&'static str, SystemAction); 16] = [
        ("none", SystemAction::None),
        ("reboot", SystemAction::Reboot),
        ("reboot-force", SystemAction::RebootForce),
        ("reboot-immediate", SystemAction::RebootImmediate),
        ("poweroff", SystemAction::Poweroff),
        ("poweroff-force", SystemAction::PoweroffForce),
        ("poweroff-immediate", SystemAction::PoweroffImmediate),
        ("exit", SystemAction::Exit),
        ("exit-force", SystemAction::ExitForce),
        ("soft-reboot", SystemAction::SoftReboot),
        ("soft-reboot-force", SystemAction::SoftRebootForce),
        ("kexec", SystemAction::Kexec),
        ("kexec-force", SystemAction::KexecForce),
        ("halt", SystemAction::Halt),
        ("halt-force", SystemAction::HaltForce),
        ("halt-immediate", SystemAction::HaltImmediate),
    ];

    /// The word in unit files.
    pub fn as_str(self) -> &'static str {
        SystemAction::WORDS[self as usize].0
    }
}

/// When a unit that nobody needs is unloaded: CollectMode=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CollectMode {
    /// When it is inactive.
    #[default]
    Inactive,
    /// Also when it has failed.
    InactiveOrFailed,
}

/// The \[Unit\] section, dependencies and conditions apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitSection {
    /// Description=, or the unit's name.
    pub description: String,
    /// Documentation=.
    pub documentation: Vec<String>,
    /// Condition...= lines in order.
    pub conditions: Vec<Condition>,
    /// Assert...= lines in order.
    pub asserts: Vec<Condition>,
    /// DefaultDependencies=.
    pub default_dependencies: bool,
    /// StartLimitIntervalSec=: zero or infinite burst means no limit (M17).
    pub start_limit_interval: TimeSpan,
    /// StartLimitBurst=: starts allowed within the interval; zero means no limit.
    pub start_limit_burst: u32,
    /// OnFailureJobMode=.
    pub on_failure_job_mode: JobMode,
    /// OnSuccessJobMode=.
    pub on_success_job_mode: JobMode,
    /// RefuseManualStart=.
    pub refuse_manual_start: bool,
    /// RefuseManualStop=.
    pub refuse_manual_stop: bool,
    /// StopWhenUnneeded=.
    pub stop_when_unneeded: bool,
    /// CollectMode=.
    pub collect_mode: CollectMode,
    /// AllowIsolate=.
    pub allow_isolate: bool,
    /// IgnoreOnIsolate=; `None` until the loader has put in what units of the type have.
    pub ignore_on_isolate: Option<bool>,
    /// JobTimeoutSec=: from when a job is queued.
    pub job_timeout: TimeSpan,
    /// JobRunningTimeoutSec=: from when a job runs; `None`: as JobTimeoutSec=.
    pub job_running_timeout: Option<TimeSpan>,
    /// JobTimeoutAction=.
    pub job_timeout_action: SystemAction,
    /// StartLimitAction=.
    pub start_limit_action: SystemAction,
    /// FailureAction=.
    pub failure_action: SystemAction,
    /// FailureActionExitStatus=; `None`: the main process's.
    pub failure_action_status: Option<u8>,
    /// SuccessAction=.
    pub success_action: SystemAction,
    /// SuccessActionExitStatus=; `None`: the main process's.
    pub success_action_status: Option<u8>,
}

impl UnitSection {
    /// How long a job may run.
    pub fn job_running_timeout(&self) -> TimeSpan {
        self.job_running_timeout.unwrap_or(self.job_timeout)
    }

    /// Whether the unit stays when another one is isolated.
    pub fn stays_on_isolate(&self) -> bool {
        self.ignore_on_isolate == Some(true)
    }
}

impl Default for UnitSection {
    fn default() -> UnitSection {
        UnitSection {
            description: String::new(),
            documentation: Vec::new(),
            conditions: Vec::new(),
            asserts: Vec::new(),
            default_dependencies: true,
            start_limit_interval: TimeSpan::from_secs(10),
            start_limit_burst: 5,
            on_failure_job_mode: JobMode::Replace,
            on_success_job_mode: JobMode::Fail,
            refuse_manual_start: false,
            refuse_manual_stop: false,
            stop_when_unneeded: false,
            collect_mode: CollectMode::Inactive,
            allow_isolate: false,
            ignore_on_isolate: None,
            job_timeout: TimeSpan::INFINITY,
            job_running_timeout: None,
            job_timeout_action: SystemAction::None,
            start_limit_action: SystemAction::None,
            failure_action: SystemAction::None,
            failure_action_status: None,
            success_action: SystemAction::None,
            success_action_status: None,
        }
    }
}

/// The [X-Procmgr] section: our own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcmgrSection {
    /// RestartWithDependency=.
    pub restart_with_dependency: bool,
    /// RestartOverlap=: a restart that is asked for starts the new process beside the old one.
    pub restart_overlap: bool,
    /// BackoffResetSec=, a minute by default.
    pub backoff_reset: TimeSpan,
    /// ReadyWhen=.
    pub ready_when: ReadyWhen,
}

/// ReadyWhen=: how long those that are ordered After= a unit wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadyWhen {
    /// Until its start job is done, as in systemd.
    #[default]
    Active,
    /// Until its readiness probe was good once in this run, too.
    Probe,
}

impl Default for ProcmgrSection {
    fn default() -> ProcmgrSection {
        ProcmgrSection {
            restart_with_dependency: false,
            restart_overlap: false,
            backoff_reset: TimeSpan::from_secs(60),
            ready_when: ReadyWhen::Active,
        }
    }
}

/// The \[Install\] section; read by enable and its kin, without effect at run time (U12).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstallSection {
    /// WantedBy=.
    pub wanted_by: Vec<String>,
    /// RequiredBy=.
    pub required_by: Vec<String>,
    /// UpheldBy= (254).
    pub upheld_by: Vec<String>,
    /// Alias=.
    pub alias: Vec<String>,
    /// Also=.
    pub also: Vec<String>,
    /// DefaultInstance=.
    pub default_instance: Option<String>,
}

/// A directive that was read but that this build does not carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplied {
    /// The directive's name.
    pub directive: &'static str,
    /// Its value as written.
    pub value: String,
    /// Why, or which part is still to come.
    pub reason: &'static str,
    /// Whether the unit must not start without it: security settings are applied or refused.
    pub refuses_start: bool,
}

/// What the unit type adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitBody {
    /// A .service.
    Service(Box<ServiceConfig>),
    /// A .socket.
    Socket(Box<SocketConfig>),
    /// A .scope.
    Scope(Box<ScopeConfig>),
    /// A .timer.
    Timer(Box<TimerConfig>),
    /// A .path.
    Path(Box<PathConfig>),
    /// A .target.
    Target,
    /// A mount, device, slice or built-in target that holds (or not) by itself: it is active
    /// from the moment it is loaded and no job changes that.
    Fact,
    /// Any other type: loaded by name, cannot be started.
    Other,
}

/// Everything the files of one unit say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitConfig {
    /// The unit's own name (Id).
    pub name: UnitName,
    /// Its other names, by alias links.
    pub aliases: BTreeSet<UnitName>,
    /// Whether it could be read.
    pub load: LoadState,
    /// Why not, as systemd's LoadError message would say it, with file:line:column if known.
    pub load_error: Option<String>,
    /// The main file; `None` for built-in units and units without file.
    pub fragment: Option<String>,
    /// Drop-ins in the order they were applied.
    pub drop_ins: Vec<String>,
    /// All findings, in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// \[Unit\].
    pub unit: UnitSection,
    /// All edges: files, links, implicit, default; sorted, no duplicates of kind and target.
    pub dependencies: Vec<Dependency>,
    /// \[Install\].
    pub install: Cold<InstallSection>,
    /// [X-Procmgr].
    pub procmgr: ProcmgrSection,
    /// Its control group, if units of the type have one.
    pub resource: Cold<ResourceConfig>,
    /// What the type adds.
    pub body: UnitBody,
    /// Directives about processes that are set, by name.
    pub requested: BTreeSet<&'static str>,
    /// What was read but is not carried out.
    pub not_applied: Vec<NotApplied>,
    /// What settings that are read, but that nothing here acts on yet, were set to: by the
    /// name of the D-Bus property that shows them. What is not in it has its default.
    pub written: KeptValues,
}

impl UnitConfig {
    /// The same of another unit: for instances of a template of which the files say the same.
    pub fn renamed(&self, name: &UnitName) -> UnitConfig {
        let mut config = self.clone();
        if config.unit.description == self.name.as_str() {
            config.unit.description = name.to_string();
        }
        config.name = name.clone();
        config
    }

    /// A unit of this name of which nothing is known: not found.
    pub fn not_found(name: UnitName) -> UnitConfig {
        UnitConfig {
            unit: UnitSection {
                description: name.to_string(),
                ..UnitSection::default()
            },
            load_error: Some(format!("Unit {name} not found.")),
            name,
            aliases: BTreeSet::new(),
            load: LoadState::NotFound,
            fragment: None,
            drop_ins: Vec::new(),
            diagnostics: Vec::new(),
            dependencies: Vec::new(),
            install: Cold::default(),
            procmgr: ProcmgrSection::default(),
            resource: Cold::default(),
            body: UnitBody::Other,
            requested: BTreeSet::new(),
            not_applied: Vec::new(),
            written: KeptValues::default(),
        }
    }

    /// The service part, if it is a service.
    pub fn service(&self) -> Option<&ServiceConfig> {
        let UnitBody::Service(service) = &self.body else {
            return None;
        };
        Some(service)
    }

    /// What keeps the unit from starting: security settings that are not carried out, but for
    /// those that AllowDegraded= names.
    pub fn refusals(&self) -> impl Iterator<Item = &NotApplied> {
        let allowed = self.exec().map(|exec| &exec.allow_degraded);
        self.not_applied.iter().filter(move |record| {
            let may_go = allowed.is_some_and(|allowed| allowed.contains(record.directive));
            record.refuses_start && !may_go
        })
    }

    /// The socket part, if it is a socket.
    pub fn socket(&self) -> Option<&SocketConfig> {
        let UnitBody::Socket(socket) = &self.body else {
            return None;
        };
        Some(socket)
    }

    /// The scope part, if it is a scope.
    pub fn scope(&self) -> Option<&ScopeConfig> {
        let UnitBody::Scope(scope) = &self.body else {
            return None;
        };
        Some(scope)
    }

    /// The timer part, if it is a timer.
    pub fn timer(&self) -> Option<&TimerConfig> {
        let UnitBody::Timer(timer) = &self.body else {
            return None;
        };
        Some(timer)
    }

    /// The path part, if it is a path.
    pub fn path(&self) -> Option<&PathConfig> {
        let UnitBody::Path(path) = &self.body else {
            return None;
        };
        Some(path)
    }

    /// The execution environment, if processes of it are run.
    pub fn exec(&self) -> Option<&ExecConfig> {
        match &self.body {
            UnitBody::Service(service) => Some(&service.exec),
            UnitBody::Socket(socket) => Some(&socket.exec),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => None,
        }
    }

    /// The same, to change.
    pub fn exec_mut(&mut self) -> Option<&mut ExecConfig> {
        self.kept_exec_mut().map(|exec| &mut **exec)
    }

    /// The same, as it is kept.
    pub(in crate::unit) fn kept_exec_mut(&mut self) -> Option<&mut Cold<ExecConfig>> {
        match &mut self.body {
            UnitBody::Service(service) => Some(&mut service.exec),
            UnitBody::Socket(socket) => Some(&mut socket.exec),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => None,
        }
    }

    /// How its processes are ended, if any are run.
    pub fn kill(&self) -> Option<&KillConfig> {
        match &self.body {
            UnitBody::Service(service) => Some(&service.kill),
            UnitBody::Socket(socket) => Some(&socket.kill),
            UnitBody::Scope(scope) => Some(&scope.kill),
            UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => None,
        }
    }

    /// Its commands, if it has any.
    pub fn commands(&self) -> Option<&Commands> {
        match &self.body {
            UnitBody::Service(service) => Some(&service.commands),
            UnitBody::Socket(socket) => Some(&socket.commands),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => None,
        }
    }

    /// The same, to change.
    pub(in crate::unit) fn commands_mut(&mut self) -> Option<&mut Commands> {
        match &mut self.body {
            UnitBody::Service(service) => Some(&mut service.commands),
            UnitBody::Socket(socket) => Some(&mut socket.commands),
            UnitBody::Scope(_)
            | UnitBody::Timer(_)
            | UnitBody::Path(_)
            | UnitBody::Target
            | UnitBody::Fact
            | UnitBody::Other => None,
        }
    }

    /// The targets of one kind of dependency.
    pub fn dependencies_of(&self, kind: DependencyKind) -> impl Iterator<Item = &UnitName> {
        self.dependencies
            .iter()
            .filter(move |d| d.kind == kind)
            .map(|d| &d.target)
    }
}
