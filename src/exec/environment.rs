//! The environment of a process: who wins (checklist E5, E6). Pure.

use super::identity::Identity;
use crate::unit::config::ExecConfig;

/// The parts of an environment, lowest precedence first.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentInput<'a> {
    /// What every service gets: the manager's own in container mode, PATH and LANG in host mode.
    pub base: &'a [(String, String)],
    /// Built-ins known to the engine and host: INVOCATION_ID, MAINPID, RUNTIME_DIRECTORY,
    /// NOTIFY_SOCKET ...
    pub built_in: &'a [(String, String)],
    /// The manager's own environment, for PassEnvironment=.
    pub manager: &'a [(String, String)],
    /// What the environment files hold, in order.
    pub files: &'a [(String, String)],
    /// Who it runs as.
    pub identity: Option<&'a Identity>,
}

/// Puts an environment together; every name once, sorted.
pub fn assemble(exec: &ExecConfig, input: &EnvironmentInput<'_>) -> Vec<(String, String)> {
    let _ = (exec, input);
    Vec::new()
}
