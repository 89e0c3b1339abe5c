//! What the end of a process means (checklist row M5).

use crate::engine::process::ProcessStatus;
use crate::engine::state::ServiceResult;
use crate::unit::config::{CommandKind, ServiceConfig, ServiceType};
use crate::unit::value::{ExitStatusSet, Signal};

/// Signals that end a daemon cleanly: whoever sends them means "stop".
const CLEAN_DAEMON_SIGNALS: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::TERM, Signal::PIPE];

/// Whether a set names this status.
pub(super) fn is_named(set: &ExitStatusSet, status: ProcessStatus) -> bool {
    match status {
        ProcessStatus::Exited(code) => set.codes.contains(&code),
        ProcessStatus::Killed(signal) | ProcessStatus::Dumped(signal) => {
            set.signals.contains(&signal)
        }
        ProcessStatus::Unknown => false,
    }
}

/// What a process of the service ended with. Long-running ExecStart= processes may also end by
/// one of the signals that ask for an end; every other command may not.
pub(super) fn of_process(
    config: &ServiceConfig,
    kind: CommandKind,
    status: ProcessStatus,
) -> ServiceResult {
    let daemon = kind == CommandKind::Start && config.service_type != ServiceType::Oneshot;
    if is_clean(status, daemon, &config.success_exit_status) {
        return ServiceResult::Success;
    }
    match status {
        // An end that nobody saw may have been a bad one: Restart= is to bring it back.
        ProcessStatus::Exited(_) | ProcessStatus::Unknown => ServiceResult::ExitCode,
        ProcessStatus::Killed(_) => ServiceResult::Signal,
        ProcessStatus::Dumped(_) => ServiceResult::CoreDump,
    }
}

fn is_clean(status: ProcessStatus, daemon: bool, success: &ExitStatusSet) -> bool {
    let by_itself = match status {
        ProcessStatus::Exited(code) => code == 0,
        ProcessStatus::Killed(signal) => daemon && CLEAN_DAEMON_SIGNALS.contains(&signal),
        ProcessStatus::Dumped(_) | ProcessStatus::Unknown => false,
    };
    // A core dump is never clean, not even when the signal is listed (SuccessExitStatus= speaks
    // of the ways a daemon ends on purpose).
    let listed = !matches!(status, ProcessStatus::Dumped(_)) && is_named(success, status);
    by_itself || listed
}

/// How a status reads in a log line.
pub(in crate::engine) fn describe(status: ProcessStatus) -> String {
    match status {
        ProcessStatus::Exited(code) => format!("exited with status {code}"),
        ProcessStatus::Killed(signal) => format!("was ended by {signal}"),
        ProcessStatus::Dumped(signal) => format!("was ended by {signal} and dumped core"),
        ProcessStatus::Unknown => "ended, exit status unknown".to_owned(),
    }
}
