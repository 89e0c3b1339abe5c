//! Who a process runs as. Asks the name service, which may block: never on the loop.

use crate::unit::config::{Command, ExecConfig};

/// A resolved User=, Group= and SupplementaryGroups=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Supplementary groups, resolved.
    pub groups: Vec<u32>,
    /// Name, home and shell; `None` when only Group= is set (E6: no USER, HOME, SHELL).
    pub user: Option<UserEntry>,
}

/// What the user database says of User=.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// USER and LOGNAME.
    pub name: String,
    /// HOME; empty if there is no valid one.
    pub home: String,
    /// SHELL; empty for nologin shells.
    pub shell: String,
}

/// Why an identity cannot be had; carries the exit status systemd would give (M20).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// 217.
    #[error("User= names {0}, which the user database does not know")]
    User(String),
    /// 216.
    #[error("Group= or SupplementaryGroups= names {0}, which the group database does not know")]
    Group(String),
}

impl IdentityError {
    /// 217 or 216.
    pub fn exit_status(&self) -> u8 {
        match self {
            IdentityError::User(_) => 217,
            IdentityError::Group(_) => 216,
        }
    }
}

/// Resolves what the configuration names for this command; `None`: stay as the manager is.
///
/// # Errors
/// A name is unknown.
pub fn resolve(exec: &ExecConfig, command: &Command) -> Result<Option<Identity>, IdentityError> {
    let _ = (exec, command);
    Ok(None)
}
