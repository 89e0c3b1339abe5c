//! Who a process runs as. Asks the name service, which may block: never on the loop.

use crate::unit::config::{Command, ExecConfig};
use nix::unistd::{self, Gid, Group, Uid, User};
use std::ffi::CString;
use std::path::Path;

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
    /// 217, for a reason of DynamicUser=.
    #[error("DynamicUser=: {0}")]
    Dynamic(String),
    /// 216.
    #[error("Group= or SupplementaryGroups= names {0}, which the group database does not know")]
    Group(String),
}

impl IdentityError {
    /// 217 or 216.
    pub fn exit_status(&self) -> u8 {
        match self {
            IdentityError::User(_) | IdentityError::Dynamic(_) => 217,
            IdentityError::Group(_) => 216,
        }
    }
}

/// Resolves what the configuration names; `None` if it names nobody.
///
/// The command's prefix does not matter here: a command with full privileges (`+`) stays who
/// the manager is, but still gets USER and HOME of the unit's user, and its managed directories
/// still belong to that user. The plan decides what the process itself becomes.
///
/// # Errors
/// A name is unknown.
pub fn resolve(exec: &ExecConfig, command: &Command) -> Result<Option<Identity>, IdentityError> {
    let _ = command;
    let named = |name: &&String| !name.is_empty();
    let user_name = exec.user.as_ref().filter(named);
    let group_name = exec.group.as_ref().filter(named);
    if user_name.is_none() && group_name.is_none() && exec.supplementary_groups.is_empty() {
        return Ok(None);
    }
    let user = user_name.map(|name| find_user(name)).transpose()?;
    let gid = match (group_name, &user) {
        (Some(name), _) => find_group(name)?,
        (None, Some(user)) => user.gid,
        (None, None) => unistd::getegid(),
    };
    complete(exec, user, gid).map(Some)
}

/// The same with DynamicUser=, once it is known which numbers user and group have. `user` is
/// `None` where the machine knows the name of User= after all.
///
/// # Errors
/// A name is unknown.
pub fn resolve_dynamic(
    exec: &ExecConfig,
    user: Option<u32>,
    group: u32,
) -> Result<Identity, IdentityError> {
    let name = exec.user.clone().unwrap_or_default();
    let gid = Gid::from_raw(group);
    let Some(uid) = user else {
        let user = find_user(&name)?;
        return complete(exec, Some(user), gid);
    };
    let mut groups = vec![group];
    for name in &exec.supplementary_groups {
        let group = find_group(name)?.as_raw();
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    // No home and no shell: HOME and SHELL are not set.
    let user = UserEntry {
        name,
        home: String::new(),
        shell: String::new(),
    };
    Ok(Identity {
        uid,
        gid: group,
        groups,
        user: Some(user),
    })
}

fn complete(exec: &ExecConfig, user: Option<User>, gid: Gid) -> Result<Identity, IdentityError> {
    Ok(Identity {
        uid: user
            .as_ref()
            .map_or_else(unistd::geteuid, |u| u.uid)
            .as_raw(),
        gid: gid.as_raw(),
        groups: supplementary_groups(exec, user.as_ref(), gid)?,
        user: user.map(entry_of),
    })
}

/// A user or group that the machine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: u32,
}

/// The user of a name or number, if the machine knows it.
pub fn user_account(name: &str) -> Option<Account> {
    let user = find_user(name).ok()?;
    let id = user.uid.as_raw();
    Some(Account { id })
}

/// The group of a name or number, if the machine knows it.
pub fn group_account(name: &str) -> Option<Account> {
    let group = find_group(name).ok()?;
    let id = group.as_raw();
    Some(Account { id })
}

/// Whether the machine has a user or group of this number.
pub fn is_number_known(id: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(id));
    let group = Group::from_gid(Gid::from_raw(id));
    // An error may hide one.
    !matches!((user, group), (Ok(None), Ok(None)))
}

/// The numbers for a file's owner: SocketUser= and SocketGroup=. A user without a group brings
/// its own.
///
/// # Errors
/// Who is not known, in words.
pub fn owner(
    user: Option<&str>,
    group: Option<&str>,
) -> Result<(Option<u32>, Option<u32>), String> {
    let unknown = |kind: &str, name: &str| format!("{kind} {name} is not known");
    let found = match user {
        Some(name) => Some(find_user(name).map_err(|_| unknown("user", name))?),
        None => None,
    };
    let gid = match group {
        Some(name) => Some(find_group(name).map_err(|_| unknown("group", name))?),
        None => found.as_ref().map(|user| user.gid),
    };
    Ok((
        found.map(|user| user.uid.as_raw()),
        gid.map(|gid| gid.as_raw()),
    ))
}

/// A user by name, or by a number that the database knows as well (M20). Root is known
/// everywhere, also in an image without a user database.
fn find_user(name: &str) -> Result<User, IdentityError> {
    let found = match name.parse::<u32>() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    match found {
        Ok(Some(user)) => Ok(user),
        _ if name == "root" || name == "0" => Ok(root()),
        _ => Err(IdentityError::User(name.to_owned())),
    }
}

fn root() -> User {
    User {
        name: "root".to_owned(),
        passwd: CString::default(),
        uid: Uid::from_raw(0),
        gid: Gid::from_raw(0),
        gecos: CString::default(),
        dir: "/root".into(),
        shell: "/bin/sh".into(),
    }
}

fn find_group(name: &str) -> Result<Gid, IdentityError> {
    let found = match name.parse::<u32>() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(name),
    };
    match found {
        Ok(Some(group)) => Ok(group.gid),
        _ if name == "root" || name == "0" => Ok(Gid::from_raw(0)),
        _ => Err(IdentityError::Group(name.to_owned())),
    }
}

/// The database's groups of the user, unless its group is root, then those that are named;
/// without either, the manager's own stay (as systemd does with Group= alone).
fn supplementary_groups(
    exec: &ExecConfig,
    user: Option<&User>,
    gid: Gid,
) -> Result<Vec<u32>, IdentityError> {
    let from_database = user.filter(|_| gid.as_raw() != 0);
    let mut groups = match from_database {
        Some(user) => groups_of(user, gid)?,
        None if exec.supplementary_groups.is_empty() => own_groups(),
        None => Vec::new(),
    };
    for name in &exec.supplementary_groups {
        let group = find_group(name)?.as_raw();
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

fn groups_of(user: &User, gid: Gid) -> Result<Vec<u32>, IdentityError> {
    let failed = || IdentityError::Group(format!("the groups of {}", user.name));
    let name = CString::new(user.name.as_str()).map_err(|_| failed())?;
    let groups = unistd::getgrouplist(&name, gid).map_err(|_| failed())?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn own_groups() -> Vec<u32> {
    // It fails only for a bad address.
    let groups = unistd::getgroups().unwrap_or_default();
    groups.into_iter().map(Gid::as_raw).collect()
}

fn entry_of(user: User) -> UserEntry {
    UserEntry {
        home: valid_home(&user.dir),
        shell: valid_shell(&user.shell),
        name: user.name,
    }
}

fn valid_home(home: &Path) -> String {
    match home.to_str() {
        Some(text) if home.is_absolute() && home != Path::new("/") => text.to_owned(),
        _ => String::new(),
    }
}

/// Shells that say "may not log in", under the places they have.
const NO_SHELLS: [&str; 3] = ["nologin", "false", "true"];

fn valid_shell(shell: &Path) -> String {
    let is_no_shell = shell
        .file_name()
        .is_some_and(|name| NO_SHELLS.iter().any(|no| name == *no));
    match shell.to_str() {
        Some(text) if shell.is_absolute() && !is_no_shell => text.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::tests::command;

    fn resolve_for(exec: &ExecConfig) -> Result<Option<Identity>, IdentityError> {
        resolve(exec, &command(&["/bin/true"]))
    }

    fn user(name: &str) -> ExecConfig {
        ExecConfig {
            user: Some(name.to_owned()),
            ..ExecConfig::default()
        }
    }

    #[test]
    fn nobody_named_means_nobody() {
        assert_eq!(resolve_for(&ExecConfig::default()), Ok(None));
    }

    #[test]
    fn users_by_name_and_number() {
        let by_name = resolve_for(&user("root")).unwrap().unwrap();
        assert_eq!((by_name.uid, by_name.gid), (0, 0));
        assert_eq!(by_name.user.as_ref().unwrap().home, "/root");
        assert_eq!(resolve_for(&user("0")).unwrap().unwrap(), by_name);
    }

    #[test]
    fn unknown_names_carry_their_exit_status() {
        for name in ["no-such-user-here", "3999999999"] {
            let error = resolve_for(&user(name)).unwrap_err();
            assert_eq!(error.exit_status(), 217);
            assert!(error.to_string().contains(name));
        }
        let mut exec = ExecConfig {
            group: Some("no-such-group".into()),
            ..ExecConfig::default()
        };
        assert_eq!(resolve_for(&exec).unwrap_err().exit_status(), 216);
        exec.group = None;
        exec.supplementary_groups = vec!["3999999999".into()];
        assert_eq!(resolve_for(&exec).unwrap_err().exit_status(), 216);
    }

    #[test]
    fn a_group_alone_leaves_the_user() {
        let exec = ExecConfig {
            group: Some("0".into()),
            supplementary_groups: vec!["root".into()],
            ..ExecConfig::default()
        };
        let identity = resolve_for(&exec).unwrap().unwrap();
        assert_eq!(identity.uid, unistd::geteuid().as_raw());
        assert_eq!((identity.gid, identity.groups), (0, vec![0]));
        assert_eq!(identity.user, None);
    }

    #[test]
    fn homes_and_shells_that_are_none() {
        assert_eq!(valid_home(Path::new("/")), "");
        assert_eq!(valid_home(Path::new("relative")), "");
        assert_eq!(valid_home(Path::new("/home/x")), "/home/x");
        assert_eq!(valid_shell(Path::new("/usr/sbin/nologin")), "");
        assert_eq!(valid_shell(Path::new("/bin/false")), "");
        assert_eq!(valid_shell(Path::new("")), "");
        assert_eq!(valid_shell(Path::new("/bin/bash")), "/bin/bash");
    }
}
