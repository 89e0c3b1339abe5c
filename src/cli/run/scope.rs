//! `run --scope`: the command in the place of this process, within a scope that is made for it.

use super::description;
use crate::cli::args::more::Run;
use crate::cli::client::{Client, Properties};
use crate::cli::error::Problem;
use crate::cli::fields::Fields;
use crate::cli::output::{Output, complain};
use crate::cli::{jobs, names};
use nix::unistd::{Gid, Group, Uid, User};
use std::convert::Infallible;
use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the scope with this process in it, and executes the command; returns only if that fails.
pub(super) async fn run(client: &mut Client, output: &Output, wanted: &Run) -> Result<u8, Problem> {
    let unit = match &wanted.unit {
        Some(unit) if unit.contains('.') => unit.clone(),
        Some(unit) => format!("{unit}.scope"),
        None => format!("run-{}.scope", std::process::id()),
    };
    let user = user(wanted)?;
    let started = client
        .start_transient(&[(names::complete(&unit), assignments(wanted))], &[])
        .await;
    let job = started.map_err(|p| p.during("Failed to start transient scope unit"))?;
    let status = jobs::wait_for(client, &unit, &job).await?;
    if status != 0 {
        return Ok(status);
    }
    let invocation = invocation(&client.unit(&unit).await?);
    if !output.quiet && output.is_text() {
        complain(&format!("Running scope as unit: {unit}"));
    }
    match become_command(wanted, user.as_ref(), &invocation) {
        Ok(never) => match never {},
        Err(problem) => Err(problem),
    }
}

/// The settings of the scope, as they stand in a unit file.
fn assignments(wanted: &Run) -> Vec<String> {
    let mut list = vec![description(wanted)];
    list.extend(wanted.properties.iter().cloned());
    list
}

/// The invocation ID as the environment has it.
fn invocation(properties: &Properties) -> String {
    let bytes = properties.items("InvocationID").iter();
    let bytes = bytes.filter_map(|byte| byte.as_u64());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Who the command is to run as.
struct Account {
    name: Option<CString>,
    uid: Uid,
    gid: Gid,
}

/// The account behind `--uid` and `--gid`, looked up before anything is made.
fn user(wanted: &Run) -> Result<Option<Account>, Problem> {
    let unknown = |kind: &str, name: &str| Problem::local(format!("there is no {kind} {name}"));
    if wanted.uid.is_none() && wanted.gid.is_none() {
        return Ok(None);
    }
    let mut account = Account {
        name: None,
        uid: nix::unistd::getuid(),
        gid: nix::unistd::getgid(),
    };
    if let Some(name) = &wanted.uid {
        let by_number = || name.parse().ok().map(Uid::from_raw);
        let found = User::from_name(name).ok().flatten();
        let found = found.or_else(|| User::from_uid(by_number()?).ok().flatten());
        match (found, by_number()) {
            (Some(user), _) => {
                account.uid = user.uid;
                account.gid = user.gid;
                account.name = CString::new(user.name).ok();
            }
            (None, Some(uid)) => account.uid = uid,
            (None, None) => return Err(unknown("user", name)),
        }
    }
    if let Some(name) = &wanted.gid {
        let by_number = || name.parse().ok().map(Gid::from_raw);
        let found = Group::from_name(name).ok().flatten().map(|group| group.gid);
        account.gid = found
            .or_else(by_number)
            .ok_or_else(|| unknown("group", name))?;
    }
    Ok(Some(account))
}

fn take_account(account: &Account) -> nix::Result<()> {
    match &account.name {
        Some(name) => nix::unistd::initgroups(name, account.gid)?,
        None => nix::unistd::setgroups(&[account.gid])?,
    }
    nix::unistd::setgid(account.gid)?;
    nix::unistd::setuid(account.uid)
}

/// Executes the command in the place of this process.
fn become_command(
    wanted: &Run,
    account: Option<&Account>,
    invocation: &str,
) -> Result<Infallible, Problem> {
    if let Some(account) = account {
        take_account(account)
            .map_err(|error| Problem::local(format!("cannot become another user: {error}")))?;
    }
    let (program, words) = wanted
        .command
        .split_first()
        .ok_or_else(|| Problem::local("there is no command"))?;
    let mut command = Command::new(program);
    command.args(words).env("INVOCATION_ID", invocation);
    for variable in &wanted.environment {
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
    }
    if let Some(directory) = &wanted.working_directory {
        command.current_dir(directory);
    }
    let error: io::Error = command.exec();
    Err(Problem::local(format!("cannot execute {program}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_invocation_is_written_as_digits() {
        let bytes: Vec<u8> = (0..16).map(|n| n * 16 + 1).collect();
        let properties = vec![("InvocationID".to_owned(), json!(bytes))];
        assert_eq!(
            invocation(&properties),
            "0111213141516171819\
            1a1b1c1d1e1f1"
        );
    }
}
