//! The last steps before execve: what the process can never get rid of again. Pure.

use super::{Inherited, Steps, status};
use crate::exec::filter::filters;
use crate::sys::program::{OnFailure, Operation};
use crate::unit::config::{ExecConfig, SecurityLabel, SecurityModule};

/// What the next program is labelled with.
pub(super) fn add_labels(steps: &mut Steps<'_>, exec: &ExecConfig, labels: &[&SecurityLabel]) {
    for SecurityLabel {
        module,
        label,
        optional,
    } in labels
    {
        let (exit_status, paths, value) = match module {
            SecurityModule::SELinux => (
                status::SELINUX_CONTEXT,
                vec![c"/proc/self/attr/exec"],
                label.clone(),
            ),
            SecurityModule::AppArmor => (
                status::APPARMOR_PROFILE,
                vec![c"/proc/self/attr/apparmor/exec", c"/proc/self/attr/exec"],
                format!("exec {label}"),
            ),
            SecurityModule::Smack => (
                status::SMACK_PROCESS_LABEL,
                vec![c"/proc/self/attr/smack/current", c"/proc/self/attr/current"],
                label.clone(),
            ),
        };
        let paths = paths.into_iter().map(std::ffi::CStr::to_owned).collect();
        let operation = Operation::Attribute { paths, value };
        if *optional {
            let setting = module.directive();
            steps.add(setting, OnFailure::Skip(0), exit_status, operation);
        } else {
            steps.push_for(module.directive(), exec, exit_status, operation);
        }
    }
}

/// Secure bits, no_new_privs, then the filters. Those imply no_new_privs without
/// CAP_SYS_ADMIN (systemd.exec(5), NoNewPrivileges=).
pub(super) fn add(steps: &mut Steps<'_>, exec: &ExecConfig, inherited: &Inherited) {
    if exec.secure_bits != 0 {
        let operation = Operation::SecureBits(exec.secure_bits);
        steps.push_for("SecureBits", exec, status::SECURE_BITS, operation);
    }
    let personality = exec.personality.unwrap_or(inherited.personality);
    let filters = match exec.filters.is_common() {
        true => Vec::new(),
        false => filters(&exec.filters, personality),
    };
    if exec.no_new_privileges {
        steps.push(status::NO_NEW_PRIVILEGES, Operation::NoNewPrivileges);
    } else if !filters.is_empty() {
        steps.push(status::NO_NEW_PRIVILEGES, Operation::ImplyNoNewPrivileges);
    }
    steps.sealed_from = Some(steps.list.len());
    for filter in filters {
        let exit_status = match filter.setting {
            "RestrictAddressFamilies" => status::ADDRESS_FAMILIES,
            _ => status::SECCOMP,
        };
        let operation = match filter.program {
            Some(program) => Operation::Filter(program),
            None => Operation::Refuse(format!("the filter of {}= is too long", filter.setting)),
        };
        steps.push_for(filter.setting, exec, exit_status, operation);
    }
}
