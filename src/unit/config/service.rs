//! The \[Service\] section.

use super::{Cold, ExecConfig, KillConfig, PreserveMode, Probes};
use crate::unit::diagnostic::Position;
use crate::unit::value::{ExitStatusSet, Signal, TimeSpan};
use serde::{Deserialize, Serialize};

/// Type= (systemd.service(5), "OPTIONS").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceType {
    Simple,
    Exec,
    Forking,
    Oneshot,
    Dbus,
    Notify,
    NotifyReload,
    Idle,
}

/// Restart=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Restart {
    No,
    OnSuccess,
    OnFailure,
    OnAbnormal,
    OnWatchdog,
    OnAbort,
    Always,
}

/// NotifyAccess=: whose messages count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum NotifyAccess {
    None,
    Main,
    Exec,
    All,
}

impl NotifyAccess {
    /// All of them.
    pub const ALL: [NotifyAccess; 4] = [
        NotifyAccess::None,
        NotifyAccess::Main,
        NotifyAccess::Exec,
        NotifyAccess::All,
    ];
    /// Their words, in the same order.
    pub const WORDS: [&str; 4] = ["none", "main", "exec", "all"];

    /// What a word means.
    pub fn from_word(word: &str) -> Option<NotifyAccess> {
        let at = NotifyAccess::WORDS
            .iter()
            .position(|known| *known == word)?;
        Some(NotifyAccess::ALL[at])
    }
}

/// TimeoutStartFailureMode= and TimeoutStopFailureMode=: how a service is ended that took too
/// long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutFailure {
    /// KillSignal=, then FinalKillSignal=.
    Terminate,
    /// WatchdogSignal=, then FinalKillSignal=.
    Abort,
    /// FinalKillSignal= at once.
    Kill,
}

/// ExitType=: with which process the service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitType {
    /// The main process.
    Main,
    /// The last one of its control group.
    Cgroup,
}

/// RestartMode= (254): what others see of an automatic restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartMode {
    /// An end, and a start behind it.
    Normal,
    /// Only that the service is starting again.
    Direct,
    /// As normal; the service is told to say more, and more of it is logged (257).
    Debug,
}

/// OOMPolicy=: what becomes of the service when the kernel kills one of its processes for want
/// of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomPolicy {
    /// It goes on.
    Continue,
    /// It is stopped in order.
    Stop,
    /// The kernel kills all of its processes.
    Kill,
}

/// Which list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum CommandKind {
    Condition,
    StartPre,
    Start,
    StartPost,
    Reload,
    /// Of sockets only.
    StopPre,
    Stop,
    StopPost,
}

impl CommandKind {
    /// Every kind, in the order a service goes through them.
    pub const ALL: [CommandKind; 8] = [
        CommandKind::Condition,
        CommandKind::StartPre,
        CommandKind::Start,
        CommandKind::StartPost,
        CommandKind::Reload,
        CommandKind::StopPre,
        CommandKind::Stop,
        CommandKind::StopPost,
    ];

    /// The directive's name, `ExecStart` and so on.
    pub fn directive(self) -> &'static str {
        match self {
            CommandKind::Condition => "ExecCondition",
            CommandKind::StartPre => "ExecStartPre",
            CommandKind::Start => "ExecStart",
            CommandKind::StartPost => "ExecStartPost",
            CommandKind::Reload => "ExecReload",
            CommandKind::StopPre => "ExecStopPre",
            CommandKind::Stop => "ExecStop",
            CommandKind::StopPost => "ExecStopPost",
        }
    }
}

/// With which privileges a command runs (the `+`, `!`, `!!` prefixes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privileges {
    /// As User=, Group= and the sandbox say.
    #[default]
    Normal,
    /// `+`: as the manager, without sandbox.
    Full,
    /// `!`: sandbox but no change of user.
    NoUser,
    /// `!!`: as `!` only where ambient capabilities are missing; here always as Normal.
    Ambient,
}

/// One command line of an Exec...= directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What to execute: an absolute path, or a bare name looked up in ExecSearchPath= or PATH.
    pub program: String,
    /// argv, specifiers expanded, environment not yet (X4); never empty.
    pub argv: Vec<String>,
    /// `-`: failure does not count.
    pub ignore_failure: bool,
    /// `:`: no `$` expansion.
    pub no_expand: bool,
    /// `+`, `!`, `!!`.
    pub privileges: Privileges,
    /// Where it stands.
    pub position: Position,
}

/// The commands of a service or socket by kind.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    // Hardly any unit has more than one of the eight lists. Sorted by kind; some may be empty.
    lists: Vec<(CommandKind, Vec<Command>)>,
}

impl Commands {
    fn place(&self, kind: CommandKind) -> Result<usize, usize> {
        self.lists.binary_search_by_key(&kind, |(kind, _)| *kind)
    }

    /// The commands of a kind, in order.
    pub fn get(&self, kind: CommandKind) -> &[Command] {
        match self.place(kind) {
            Ok(at) => &self.lists[at].1,
            Err(_) => &[],
        }
    }

    /// The commands of a kind, to change.
    pub fn get_mut(&mut self, kind: CommandKind) -> &mut Vec<Command> {
        let at = self.place(kind).unwrap_or_else(|at| {
            self.lists.reserve_exact(1);
            self.lists.insert(at, (kind, Vec::new()));
            at
        });
        &mut self.lists[at].1
    }

    /// Takes no more room than it needs.
    pub(in crate::unit) fn shrink(&mut self) {
        self.lists.retain(|(_, list)| !list.is_empty());
        self.lists.shrink_to_fit();
        for (_, list) in &mut self.lists {
            list.shrink_to_fit();
            for command in list {
                command.argv.shrink_to_fit();
            }
        }
    }
}

impl PartialEq for Commands {
    fn eq(&self, other: &Commands) -> bool {
        CommandKind::ALL
            .iter()
            .all(|kind| self.get(*kind) == other.get(*kind))
    }
}

impl Eq for Commands {}

/// OpenFile= (253).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// Absolute path of a file or unix socket.
    pub path: String,
    /// The name that the descriptor is passed under.
    pub name: String,
    /// `read-only`.
    pub read_only: bool,
    /// `append`.
    pub append: bool,
    /// `truncate`.
    pub truncate: bool,
    /// `graceful`: go without it if it cannot be opened.
    pub graceful: bool,
}

/// FileDescriptorEnvironment= in [X-Procmgr]: the number of the first descriptor of this name is
/// also told in this variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptorVariable {
    /// As in LISTEN_FDNAMES.
    pub name: String,
    /// The variable.
    pub variable: String,
}

impl DescriptorVariable {
    /// The variable that tells of a first connection that was accepted already: `..._FD`
    /// becomes `..._CLIENT_FD`.
    pub fn of_client(&self) -> String {
        match self.variable.strip_suffix("_FD") {
            Some(stem) => format!("{stem}_CLIENT_FD"),
            None => format!("{}_CLIENT", self.variable),
        }
    }
}

/// Everything \[Service\] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Type=; simple by default, oneshot without ExecStart=, dbus with BusName= and no Type=.
    pub service_type: ServiceType,
    /// The Exec...= lists.
    pub commands: Commands,
    /// Restart=.
    pub restart: Restart,
    /// RestartSec=, 100 ms by default.
    pub restart_sec: TimeSpan,
    /// RestartSteps= (254), 0 is unset.
    pub restart_steps: u32,
    /// RestartMaxDelaySec= (254), infinite is unset.
    pub restart_max_delay: TimeSpan,
    /// RestartMode= (254).
    pub restart_mode: RestartMode,
    /// TimeoutStartSec=; 90 s, infinite for oneshot unless set (M8). 0 was made infinite (U15).
    pub timeout_start: TimeSpan,
    /// TimeoutStopSec=; 90 s. 0 was made infinite (U15).
    pub timeout_stop: TimeSpan,
    /// TimeoutAbortSec=; `None` is TimeoutStopSec=. 0 was made infinite (U15).
    pub timeout_abort: Option<TimeSpan>,
    /// TimeoutStartFailureMode=.
    pub timeout_start_failure: TimeoutFailure,
    /// TimeoutStopFailureMode=.
    pub timeout_stop_failure: TimeoutFailure,
    /// RuntimeMaxSec=.
    pub runtime_max: TimeSpan,
    /// RuntimeRandomizedExtraSec=.
    pub runtime_random_extra: TimeSpan,
    /// WatchdogSec=; zero is off.
    pub watchdog: TimeSpan,
    /// ExitType=.
    pub exit_type: ExitType,
    /// RemainAfterExit=.
    pub remain_after_exit: bool,
    /// GuessMainPID=.
    pub guess_main_pid: bool,
    /// PIDFile=, made absolute below the runtime directory (M14).
    pub pid_file: Option<String>,
    /// BusName=.
    pub bus_name: Option<String>,
    /// NotifyAccess= with what Type=notify and WatchdogSec= imply.
    pub notify_access: NotifyAccess,
    /// SuccessExitStatus=.
    pub success_exit_status: ExitStatusSet,
    /// RestartPreventExitStatus=.
    pub restart_prevent_exit_status: ExitStatusSet,
    /// RestartForceExitStatus=.
    pub restart_force_exit_status: ExitStatusSet,
    /// ReloadSignal= (253).
    pub reload_signal: Signal,
    /// OOMPolicy=; stop unless the unit looks after its own control groups (Delegate=).
    pub oom_policy: OomPolicy,
    /// PermissionsStartOnly=.
    pub permissions_start_only: bool,
    /// NonBlocking=.
    pub non_blocking: bool,
    /// FileDescriptorStoreMax=.
    pub descriptor_store_max: u32,
    /// FileDescriptorStorePreserve= (254).
    pub descriptor_store_preserve: PreserveMode,
    /// OpenFile= (253).
    pub open_files: Vec<OpenFile>,
    /// FileDescriptorEnvironment= in [X-Procmgr].
    pub descriptor_variables: Vec<DescriptorVariable>,
    /// [X-LivenessProbe] and its kin.
    pub probes: Cold<Probes>,
    /// The execution environment.
    pub exec: Cold<ExecConfig>,
    /// How processes are ended.
    pub kill: KillConfig,
}

impl ServiceConfig {
    /// How long an aborted service may take to end.
    pub fn abort_timeout(&self) -> TimeSpan {
        self.timeout_abort.unwrap_or(self.timeout_stop)
    }
}

impl Default for ServiceConfig {
    fn default() -> ServiceConfig {
        ServiceConfig {
            service_type: ServiceType::Simple,
            commands: Commands::default(),
            restart: Restart::No,
            restart_sec: TimeSpan::from_millis(100),
            restart_steps: 0,
            restart_max_delay: TimeSpan::INFINITY,
            restart_mode: RestartMode::Normal,
            timeout_start: TimeSpan::from_secs(90),
            timeout_stop: TimeSpan::from_secs(90),
            timeout_abort: None,
            timeout_start_failure: TimeoutFailure::Terminate,
            timeout_stop_failure: TimeoutFailure::Terminate,
            runtime_max: TimeSpan::INFINITY,
            runtime_random_extra: TimeSpan::ZERO,
            watchdog: TimeSpan::ZERO,
            exit_type: ExitType::Main,
            remain_after_exit: false,
            guess_main_pid: true,
            pid_file: None,
            bus_name: None,
            notify_access: NotifyAccess::None,
            success_exit_status: ExitStatusSet::default(),
            restart_prevent_exit_status: ExitStatusSet::default(),
            restart_force_exit_status: ExitStatusSet::default(),
            reload_signal: Signal::HUP,
            oom_policy: OomPolicy::Stop,
            permissions_start_only: false,
            non_blocking: false,
            descriptor_store_max: 0,
            descriptor_store_preserve: PreserveMode::Restart,
            open_files: Vec::new(),
            descriptor_variables: Vec::new(),
            probes: Cold::default(),
            exec: Cold::default(),
            kill: KillConfig::default(),
        }
    }
}
