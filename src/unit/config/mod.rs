//! Typed configuration: what a unit's files say, with every default filled in.
//!
//! Only data. What a default is stands in the `Default` of each section, once; the directive
//! table writes here and the engine, exec plan and D-Bus properties read.

mod cold;
mod credential;
mod exec;
mod filter;
mod isolation;
mod kept;
mod kill;
mod logging;
mod network;
mod path;
mod probe;
mod resource;
mod scheduling;
mod scope;
mod service;
mod socket;
mod terminal;
mod timer;
mod unit;

pub use cold::{Cold, Common};
pub use credential::{Credentials, Secret};
pub use exec::{
    Directories, DirectoryKind, EnvironmentFile, ExecConfig, InputSource, OutputTarget,
    PreserveMode, WorkingDirectory, WorkingDirectoryPlace,
};
pub use filter::{CallAction, CallList, FamilyList, Filters};
pub use isolation::{
    Bind, Isolation, PathRule, ProtectHome, ProtectSystem, SecurityLabel, SecurityModule, Temporary,
};
pub use kept::{KeptValues, SharedValues};
pub use kill::{KillConfig, KillMode};
pub use logging::{Backpressure, LogPattern, LogSink, Logging};
pub use network::{BindRule, Interfaces, NetworkAccess, Prefix};
pub use path::{PathConfig, PathKind, WatchedPath};
pub use probe::{HttpTarget, ProbeAction, ProbeAddress, ProbeConfig, ProbeKind, Probes};
pub use resource::{
    Accounting, CpuLimits, DeviceLimit, DevicePolicy, IoLimits, MemoryLimits, Phased,
    PressureWatch, ResourceConfig,
};
pub use scheduling::{KeyringMode, ProcessorPolicy, Scheduling};
pub use scope::ScopeConfig;
pub use service::{
    Command, CommandKind, Commands, DescriptorVariable, ExitType, NotifyAccess, OomPolicy,
    OpenFile, Privileges, Restart, RestartMode, ServiceConfig, ServiceType, TimeoutFailure,
};
pub use socket::{
    BindIpv6Only, Listen, ListenKind, Place, RateLimit, SocketConfig, SocketOptions,
    SocketProtocol, Timestamping,
};
pub use terminal::{Terminal, TerminalWay};
pub use timer::{TimerBase, TimerConfig, TimerValue};
pub use unit::{
    CollectMode, Condition, ConditionKind, Dependency, DependencyKind, DependencyOrigin,
    InstallSection, JobMode, LoadState, NotApplied, ProcmgrSection, ReadyWhen, SystemAction,
    UnitBody, UnitConfig, UnitSection,
};
