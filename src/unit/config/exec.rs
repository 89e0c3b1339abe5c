//! The execution environment of a unit's processes (systemd.exec(5)).

use super::cold::Cold;
use super::credential::Credentials;
use super::filter::Filters;
use super::isolation::{Isolation, SecurityLabel};
use super::logging::{LogSink, Logging};
use super::scheduling::{KeyringMode, Scheduling};
use super::terminal::{Terminal, TerminalWay};
use crate::unit::value::{CapabilitySet, Limit, LimitKind};
use std::collections::{BTreeMap, BTreeSet};

/// EnvironmentFile=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFile {
    /// Absolute path or glob.
    pub path: String,
    /// `-`: may be missing.
    pub optional: bool,
}

/// Where WorkingDirectory= points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkingDirectoryPlace {
    /// An absolute path.
    Path(String),
    /// `~`: the home of User=.
    Home,
}

/// WorkingDirectory=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingDirectory {
    /// Where.
    pub place: WorkingDirectoryPlace,
    /// `-`: may be missing.
    pub optional: bool,
}

/// StandardInput=.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InputSource {
    /// /dev/null.
    #[default]
    Null,
    /// `file:`.
    File(String),
    /// `socket`: the only socket that is passed (K8).
    Socket,
    /// `data`: what [`ExecConfig::input_data`] holds.
    Data,
    /// `tty` and its kin: the terminal of TTYPath=, for the process alone.
    Terminal(TerminalWay),
    /// `fd`: the passed descriptor of this name.
    Descriptor(String),
}

/// StandardOutput= and StandardError=.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OutputTarget {
    /// Captured into our log.
    #[default]
    Log,
    /// `journal`, `kmsg`: captured, and passed on.
    LogTo {
        /// Where to.
        sink: LogSink,
        /// `+console`: there, too.
        console: bool,
    },
    /// `inherit`: as standard input for output (so /dev/null here), as output for error.
    Inherit,
    /// `null`.
    Null,
    /// `file:`: opened without truncation, at offset 0.
    File(String),
    /// `append:`.
    Append(String),
    /// `truncate:`.
    Truncate(String),
    /// `socket`: the only socket that is passed.
    Socket,
    /// `tty`: the terminal of TTYPath=.
    Terminal,
    /// `fd`: the passed descriptor of this name.
    Descriptor(String),
}

impl OutputTarget {
    /// Whether we read what is written there.
    pub fn is_captured(&self) -> bool {
        match self {
            OutputTarget::Log | OutputTarget::LogTo { .. } => true,
            OutputTarget::Inherit
            | OutputTarget::Null
            | OutputTarget::File(_)
            | OutputTarget::Append(_)
            | OutputTarget::Truncate(_)
            | OutputTarget::Socket
            | OutputTarget::Terminal
            | OutputTarget::Descriptor(_) => false,
        }
    }
}

/// Which managed directory (RuntimeDirectory= and kin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum DirectoryKind {
    Runtime,
    State,
    Cache,
    Logs,
    Configuration,
}

impl DirectoryKind {
    /// All kinds, in systemd's order.
    pub const ALL: [DirectoryKind; 5] = [
        DirectoryKind::Runtime,
        DirectoryKind::State,
        DirectoryKind::Cache,
        DirectoryKind::Logs,
        DirectoryKind::Configuration,
    ];

    /// The word for `systemctl clean --what=`.
    pub fn as_str(self) -> &'static str {
        match self {
            DirectoryKind::Runtime => "runtime",
            DirectoryKind::State => "state",
            DirectoryKind::Cache => "cache",
            DirectoryKind::Logs => "logs",
            DirectoryKind::Configuration => "configuration",
        }
    }
}

/// One `...Directory=` setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Relative paths, each once, sorted.
    pub paths: Vec<String>,
    /// Links to them, relative too: the path of the directory and that of the link.
    pub links: Vec<(String, String)>,
    /// `...DirectoryMode=`, 0755 by default.
    pub mode: u32,
}

impl Default for Directories {
    fn default() -> Directories {
        Directories {
            paths: Vec::new(),
            links: Vec::new(),
            mode: 0o755,
        }
    }
}

/// RuntimeDirectoryPreserve=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum PreserveMode {
    #[default]
    No,
    Restart,
    Yes,
}

impl ExecConfig {
    /// Whether processes get to do with a terminal: they are told its kind then (TERM).
    pub fn uses_terminal(&self) -> bool {
        matches!(self.standard_input, InputSource::Terminal(_))
            || self.standard_output == OutputTarget::Terminal
            || self.standard_error == OutputTarget::Terminal
            || self.terminal.path.is_some()
    }

    /// Whether the directories of a kind lie behind one that only root can enter, as those of
    /// a dynamic user do: their owner's number may be another user's next.
    pub fn is_private(&self, kind: DirectoryKind) -> bool {
        let lasts = match kind {
            DirectoryKind::Configuration => false,
            DirectoryKind::Runtime => self.runtime_directory_preserve != PreserveMode::No,
            DirectoryKind::State | DirectoryKind::Cache | DirectoryKind::Logs => true,
        };
        self.dynamic_user && lasts
    }

    /// Whether a standard stream is the socket: then it is passed there and nowhere else.
    pub fn uses_socket(&self) -> bool {
        self.standard_input == InputSource::Socket
            || self.standard_output == OutputTarget::Socket
            || self.standard_error == OutputTarget::Socket
    }
}

/// What systemd.exec(5) settings a unit has, as far as this build carries them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecConfig {
    /// User=.
    pub user: Option<String>,
    /// Group=.
    pub group: Option<String>,
    /// SupplementaryGroups=.
    pub supplementary_groups: Vec<String>,
    /// DynamicUser=: user and group, unless the machine knows them, exist only while a unit
    /// uses them.
    pub dynamic_user: bool,
    /// RemoveIPC=, for users other than root.
    pub remove_ipc: bool,
    /// WorkingDirectory=; `/` when unset.
    pub working_directory: Option<WorkingDirectory>,
    /// UMask=, 0022.
    pub umask: u32,
    /// Environment=, later wins.
    pub environment: Vec<(String, String)>,
    /// EnvironmentFile=, in order.
    pub environment_files: Vec<EnvironmentFile>,
    /// PassEnvironment=.
    pub pass_environment: Vec<String>,
    /// UnsetEnvironment=: names or exact assignments.
    pub unset_environment: Vec<String>,
    /// ExecSearchPath=.
    pub search_path: Vec<String>,
    /// LimitX=.
    pub limits: BTreeMap<LimitKind, Limit>,
    /// Nice=.
    pub nice: Option<i32>,
    /// OOMScoreAdjust=.
    pub oom_score_adjust: Option<i32>,
    /// AmbientCapabilities=.
    pub ambient_capabilities: CapabilitySet,
    /// CapabilityBoundingSet=; `None` leaves it whole.
    pub capability_bounding_set: Option<CapabilitySet>,
    /// NoNewPrivileges=.
    pub no_new_privileges: bool,
    /// AllowDegraded= of [X-Procmgr]: directives that may be left out where they cannot be
    /// carried out.
    pub allow_degraded: BTreeSet<String>,
    /// SELinuxContext= and its kin.
    pub labels: Vec<SecurityLabel>,
    /// SecureBits=, as prctl(2) takes them.
    pub secure_bits: u32,
    /// Personality=, as personality(2) takes it.
    pub personality: Option<u32>,
    /// How processes are scheduled.
    pub scheduling: Cold<Scheduling>,
    /// KeyringMode=; unset it is private for services as far as that is possible.
    pub keyring: Option<KeyringMode>,
    /// LoadCredential= and its kin.
    pub credentials: Cold<Credentials>,
    /// What processes see of the machine.
    pub isolation: Cold<Isolation>,
    /// What processes may ask of the kernel.
    pub filters: Cold<Filters>,
    /// IgnoreSIGPIPE=.
    pub ignore_sigpipe: bool,
    /// RuntimeDirectory= and kin.
    pub directories: BTreeMap<DirectoryKind, Directories>,
    /// RuntimeDirectoryPreserve=.
    pub runtime_directory_preserve: PreserveMode,
    /// StandardInput=.
    pub standard_input: InputSource,
    /// StandardInputText= and StandardInputData=, in their order.
    pub input_data: Vec<u8>,
    /// StandardOutput=.
    pub standard_output: OutputTarget,
    /// StandardError=.
    pub standard_error: OutputTarget,
    /// The lines that are captured.
    pub logging: Cold<Logging>,
    /// The terminal of streams that are one.
    pub terminal: Cold<Terminal>,
}

impl Default for ExecConfig {
    fn default() -> ExecConfig {
        ExecConfig {
            user: None,
            group: None,
            supplementary_groups: Vec::new(),
            dynamic_user: false,
            remove_ipc: false,
            working_directory: None,
            umask: 0o022,
            environment: Vec::new(),
            environment_files: Vec::new(),
            pass_environment: Vec::new(),
            unset_environment: Vec::new(),
            search_path: Vec::new(),
            limits: BTreeMap::new(),
            nice: None,
            oom_score_adjust: None,
            ambient_capabilities: CapabilitySet::EMPTY,
            capability_bounding_set: None,
            no_new_privileges: false,
            allow_degraded: BTreeSet::new(),
            labels: Vec::new(),
            secure_bits: 0,
            personality: None,
            scheduling: Cold::default(),
            keyring: None,
            credentials: Cold::default(),
            isolation: Cold::default(),
            filters: Cold::default(),
            ignore_sigpipe: true,
            directories: BTreeMap::new(),
            runtime_directory_preserve: PreserveMode::No,
            standard_input: InputSource::Null,
            input_data: Vec::new(),
            standard_output: OutputTarget::Log,
            standard_error: OutputTarget::Inherit,
            logging: Cold::default(),
            terminal: Cold::default(),
        }
    }
}
