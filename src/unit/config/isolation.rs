//! What processes see of the machine (systemd.exec(5), "PATHS" and "SANDBOXING").

/// ProtectSystem=.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ProtectSystem {
    #[default]
    No,
    Yes,
    Full,
    Strict,
}

/// ProtectHome=.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ProtectHome {
    #[default]
    No,
    Yes,
    ReadOnly,
    Tmpfs,
}

/// SELinuxContext=, AppArmorProfile= or SmackProcessLabel=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityLabel {
    /// Of which of the machine's security modules.
    pub module: SecurityModule,
    /// What processes are labelled with.
    pub label: String,
    /// `-`: they may go without.
    pub optional: bool,
}

/// What labels processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SecurityModule {
    SELinux,
    AppArmor,
    Smack,
}

impl SecurityModule {
    /// The directive for its label.
    pub fn directive(self) -> &'static str {
        match self {
            SecurityModule::SELinux => "SELinuxContext",
            SecurityModule::AppArmor => "AppArmorProfile",
            SecurityModule::Smack => "SmackProcessLabel",
        }
    }

    /// What ConditionSecurity= calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            SecurityModule::SELinux => "selinux",
            SecurityModule::AppArmor => "apparmor",
            SecurityModule::Smack => "smack",
        }
    }
}

/// A path with a rule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// Absolute.
    pub path: String,
    /// `-`: may be missing.
    pub optional: bool,
    /// `+`: below RootDirectory=, not below the machine's own root.
    pub in_root: bool,
}

/// BindPaths= and BindReadOnlyPaths=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Absolute, on the machine.
    pub from: String,
    /// Absolute, in the unit's root.
    pub to: String,
    /// `-`: may be missing.
    pub optional: bool,
    /// What is mounted below comes along.
    pub recursive: bool,
    /// Cannot be written there.
    pub read_only: bool,
}

/// TemporaryFileSystem=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temporary {
    /// Absolute.
    pub path: String,
    /// As for mount(8).
    pub options: String,
}

/// Everything that takes namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Isolation {
    /// RootDirectory=; `None` is the machine's own root.
    pub root: Option<String>,
    /// MountAPIVFS=.
    pub mount_api: bool,
    /// ReadWritePaths=.
    pub read_write: Vec<PathRule>,
    /// ReadOnlyPaths=.
    pub read_only: Vec<PathRule>,
    /// InaccessiblePaths=.
    pub inaccessible: Vec<PathRule>,
    /// ExecPaths=.
    pub executable: Vec<PathRule>,
    /// NoExecPaths=.
    pub not_executable: Vec<PathRule>,
    /// BindPaths= and BindReadOnlyPaths=.
    pub binds: Vec<Bind>,
    /// TemporaryFileSystem=.
    pub temporary: Vec<Temporary>,
    /// MountFlags=: MS_SHARED, MS_SLAVE or MS_PRIVATE.
    pub propagation: Option<u64>,
    /// PrivateMounts=.
    pub private_mounts: bool,
    /// PrivateTmp=.
    pub private_tmp: bool,
    /// PrivateDevices=.
    pub private_devices: bool,
    /// PrivateNetwork=.
    pub private_network: bool,
    /// NetworkNamespacePath=.
    pub network_path: Option<String>,
    /// PrivateIPC=.
    pub private_ipc: bool,
    /// IPCNamespacePath=.
    pub ipc_path: Option<String>,
    /// PrivateUsers=.
    pub private_users: bool,
    /// ProtectSystem=.
    pub protect_system: ProtectSystem,
    /// ProtectHome=.
    pub protect_home: ProtectHome,
    /// ProtectHostname=.
    pub protect_hostname: bool,
    /// ProtectKernelTunables=.
    pub protect_tunables: bool,
    /// ProtectKernelModules=.
    pub protect_modules: bool,
    /// ProtectKernelLogs=.
    pub protect_logs: bool,
    /// ProtectControlGroups=.
    pub protect_control_groups: bool,
    /// ProtectProc= as the option hidepid= of proc(5) has it: 1, 2 or 4.
    pub hide_processes: Option<u8>,
    /// ProcSubset=pid.
    pub processes_only: bool,
}

/// MS_SHARED of mount(2).
const SHARED: u64 = 1 << 20;

impl Isolation {
    /// The directives that need a mount namespace, of those that are set.
    pub fn mount_settings(&self) -> Vec<&'static str> {
        let ipc = self.private_ipc || self.ipc_path.is_some();
        let binds = |read_only| self.binds.iter().any(|bind| bind.read_only == read_only);
        let propagates = self.propagation.is_some_and(|flag| flag != SHARED);
        let all = [
            ("RootDirectory", self.root.is_some()),
            ("ReadWritePaths", !self.read_write.is_empty()),
            ("ReadOnlyPaths", !self.read_only.is_empty()),
            ("InaccessiblePaths", !self.inaccessible.is_empty()),
            ("ExecPaths", !self.executable.is_empty()),
            ("NoExecPaths", !self.not_executable.is_empty()),
            ("BindPaths", binds(false)),
            ("BindReadOnlyPaths", binds(true)),
            ("TemporaryFileSystem", !self.temporary.is_empty()),
            ("MountFlags", propagates),
            ("PrivateMounts", self.private_mounts),
            ("PrivateTmp", self.private_tmp),
            ("PrivateDevices", self.private_devices),
            ("PrivateIPC", ipc),
            ("ProtectSystem", self.protect_system != ProtectSystem::No),
            ("ProtectHome", self.protect_home != ProtectHome::No),
            ("ProtectKernelTunables", self.protect_tunables),
            ("ProtectKernelModules", self.protect_modules),
            ("ProtectKernelLogs", self.protect_logs),
            ("ProtectControlGroups", self.protect_control_groups),
            ("ProtectProc", self.hide_processes.is_some()),
            ("ProcSubset", self.processes_only),
        ];
        let set = all.into_iter().filter(|(_, set)| *set);
        set.map(|(name, _)| name).collect()
    }
}
