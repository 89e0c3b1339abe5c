//! Namespaces and mounts. Pure.

use super::{PlanError, PlanInput, Steps, status};
use crate::exec::identity::Identity;
use crate::exec::mounts::{MountError, mounts};
use crate::sys::program::{OnFailure, Operation};
use crate::unit::config::ExecConfig;
use std::os::fd::BorrowedFd;

// CLONE_NEW... of clone(2).
const MOUNTS: u64 = 0x0002_0000;
const HOST_NAME: u64 = 0x0400_0000;
const IPC: u64 = 0x0800_0000;
const NETWORK: u64 = 0x4000_0000;

/// Namespaces that are there already, by descriptor, or why they are not: entered first, as
/// descriptors of ours are closed behind.
#[derive(Debug, Clone, Default)]
pub struct Entered<'a> {
    /// PrivateNetwork= or NetworkNamespacePath=.
    pub network: Option<Result<BorrowedFd<'a>, String>>,
    /// PrivateIPC= or IPCNamespacePath=.
    pub ipc: Option<Result<BorrowedFd<'a>, String>>,
}

/// Enters the namespaces that the unit's processes share.
pub(super) fn enter<'a>(steps: &mut Steps<'a>, exec: &ExecConfig, entered: &Entered<'a>) {
    let isolation = &exec.isolation;
    let mut add =
        |setting, exit_status, kind, namespace: &Option<Result<BorrowedFd<'a>, String>>| {
            let operation = match namespace {
                Some(Ok(namespace)) => Operation::Enter {
                    namespace: *namespace,
                    kind,
                },
                Some(Err(reason)) => Operation::Refuse(reason.clone()),
                None => return,
            };
            steps.push_for(setting, exec, exit_status, operation);
        };
    let setting = match isolation.network_path {
        Some(_) => "NetworkNamespacePath",
        None => "PrivateNetwork",
    };
    add(setting, status::NETWORK, NETWORK, &entered.network);
    let setting = match isolation.ipc_path {
        Some(_) => "IPCNamespacePath",
        None => "PrivateIPC",
    };
    add(setting, status::NAMESPACE, IPC, &entered.ipc);
}

/// The unit's own host name and view of the files.
pub(super) fn add<'a>(steps: &mut Steps<'a>, input: &PlanInput<'a>) -> Result<(), PlanError> {
    let exec = input.exec;
    if exec.isolation.protect_hostname {
        let operation = Operation::Unshare(HOST_NAME);
        steps.push_for("ProtectHostname", exec, status::NAMESPACE, operation);
    }
    let settings = exec.isolation.mount_settings();
    if settings.is_empty() {
        return Ok(());
    }
    let allowed = |setting: &str| exec.allow_degraded.contains(setting);
    let Some(mount_input) = &input.mounts else {
        let reason = "what is mounted is not known".to_owned();
        steps.push(status::NAMESPACE, Operation::Refuse(reason));
        return Ok(());
    };
    let list = match mounts(exec, mount_input) {
        Ok(list) => list,
        Err(MountError::Nul(text)) => return Err(PlanError::Nul(text)),
        Err(error @ MountError::Missing(setting, _)) => {
            let operation = Operation::Refuse(error.to_string());
            steps.add(setting, OnFailure::End, status::NAMESPACE, operation);
            return Ok(());
        }
    };
    // Without the namespace nothing of it may happen: it would happen to the machine.
    let on_failure = match settings.iter().all(|setting| allowed(setting)) {
        true => OnFailure::Skip(list.len()),
        false => OnFailure::End,
    };
    let first = settings.first().copied().unwrap_or("");
    let further = settings.iter().skip(1).copied().collect();
    steps.further.insert(steps.list.len(), further);
    steps.add(
        first,
        on_failure,
        status::NAMESPACE,
        Operation::Unshare(MOUNTS),
    );
    for step in list {
        steps.push_for(step.setting, exec, status::NAMESPACE, step.operation);
    }
    Ok(())
}

/// PrivateUsers=: root and the unit's own user and group, as they are; nobody else. Behind
/// everything that takes privilege over the machine.
pub(super) fn add_users(steps: &mut Steps<'_>, exec: &ExecConfig, identity: Option<&Identity>) {
    if !exec.isolation.private_users {
        return;
    }
    let map = |id: Option<u32>| match id.filter(|id| *id != 0) {
        Some(id) => format!("0 0 1\n{id} {id} 1\n"),
        None => "0 0 1\n".to_owned(),
    };
    let operation = Operation::UserNamespace {
        users: map(identity.map(|identity| identity.uid)),
        groups: map(identity.map(|identity| identity.gid)),
    };
    steps.push_for("PrivateUsers", exec, status::USER, operation);
}
