//! Whether a service that ended by itself is started again, and after how long.

use super::result::is_named;
use crate::engine::process::ProcessStatus;
use crate::engine::state::ServiceResult;
use crate::unit::config::{Restart, ServiceConfig};
use crate::unit::value::TimeSpan;

/// Whether a restart is due by configuration (checklist row M15): first the two lists of
/// statuses of the main process, then Restart=.
pub(super) fn is_due(
    config: &ServiceConfig,
    result: ServiceResult,
    main: Option<ProcessStatus>,
) -> bool {
    if main.is_some_and(|status| is_named(&config.restart_prevent_exit_status, status)) {
        return false;
    }
    if main.is_some_and(|status| is_named(&config.restart_force_exit_status, status)) {
        return true;
    }
    restarts_on(config.restart, result)
}

/// The table of systemd.service(5), "Restart=".
fn restarts_on(restart: Restart, result: ServiceResult) -> bool {
    let clean = result == ServiceResult::Success;
    let skipped = result == ServiceResult::ExecCondition;
    match restart {
        Restart::No => false,
        Restart::Always => !skipped,
        Restart::OnSuccess => clean,
        Restart::OnFailure => !clean && !skipped,
        Restart::OnAbnormal => !clean && !skipped && result != ServiceResult::ExitCode,
        // A probe is a watchdog that asks.
        Restart::OnWatchdog => {
            matches!(result, ServiceResult::Watchdog | ServiceResult::Probe)
        }
        Restart::OnAbort => matches!(result, ServiceResult::Signal | ServiceResult::CoreDump),
    }
}

/// How long to wait before the next restart (checklist row M16). `restarts` is how many there
/// were before it; `backoff` the same since the service last ran for a while.
///
/// With RestartSteps= the delay grows from RestartSec= to RestartMaxDelaySec= on systemd's
/// curve. RestartMaxDelaySec= alone, which systemd ignores, doubles it each time.
pub(super) fn delay(config: &ServiceConfig, restarts: u32, backoff: u32) -> TimeSpan {
    let first = config.restart_sec;
    let longest = config.restart_max_delay;
    if longest.is_infinite() || first >= longest || first == TimeSpan::ZERO {
        return first;
    }
    if config.restart_steps == 0 {
        return doubled(first, backoff).min(longest);
    }
    if restarts >= config.restart_steps {
        return longest;
    }
    let steps = f64::from(restarts) / f64::from(config.restart_steps);
    let growth = (longest.as_micros() as f64 / first.as_micros() as f64).powf(steps);
    TimeSpan((first.as_micros() as f64 * growth) as u64)
}

fn doubled(span: TimeSpan, times: u32) -> TimeSpan {
    let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
    TimeSpan(span.as_micros().saturating_mul(factor))
}
