//! The last steps before execve: what the process can never get rid of again. Pure.

use super::{Inherited, Steps, status};
use crate::exec::filter::filters;
use crate::sys::program::Operation;
use crate::unit::config::ExecConfig;

/// Secure bits, no_new_privs, then the filters. Those imply no_new_privs without
/// CAP_SYS_ADMIN (systemd.exec(5), NoNewPrivileges=).
pub(super) fn add(steps: &mut Steps<'_>, exec: &ExecConfig, inherited: &Inherited) {
    if exec.secure_bits != 0 {
        let operation = Operation::SecureBits(exec.secure_bits);
        steps.push_for("SecureBits", exec, status::SECURE_BITS, operation);
    }
    let personality = exec.personality.unwrap_or(inherited.personality);
    let filters = filters(&exec.filters, personality);
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
