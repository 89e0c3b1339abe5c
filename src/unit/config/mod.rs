//! Typed configuration: what a unit's files say, with every default filled in.
//!
//! Only data. What a default is stands in the `Default` of each section, once; the directive
//! table writes here and the engine, exec plan and D-Bus properties read.

mod exec;
mod kill;
mod service;
mod socket;
mod unit;

pub use exec::{
    Directories, DirectoryKind, EnvironmentFile, ExecConfig, InputSource, OutputTarget,
    PreserveMode, WorkingDirectory, WorkingDirectoryPlace,
};
pub use kill::{KillConfig, KillMode};
pub use service::{
    Command, CommandKind, Commands, NotifyAccess, Privileges, Restart, ServiceConfig, ServiceType,
};
pub use socket::{Listen, ListenKind, SocketConfig};
pub use unit::{
    CollectMode, Condition, ConditionKind, Dependency, DependencyKind, DependencyOrigin,
    InstallSection, JobMode, LoadState, NotApplied, ProcmgrSection, UnitBody, UnitConfig,
    UnitSection,
};
