//! How the process is scheduled, and its keyring. Pure.

use super::{Steps, status};
use crate::sys::program::{OnFailure, Operation};
use crate::unit::config::{ExecConfig, KeyringMode};

/// SCHED_RESET_ON_FORK of sched_setscheduler(2).
const RESET_ON_FORK: u32 = 0x4000_0000;

/// In systemd's order: OOM score, core dumps, nice value, processor, memory, I/O, timers,
/// personality.
pub(super) fn add(steps: &mut Steps<'_>, exec: &ExecConfig, of_nodes: &Result<Vec<u8>, String>) {
    let scheduling = &exec.scheduling;
    let mut add = |setting, exit_status, operation: Option<Operation<'static>>| {
        if let Some(operation) = operation {
            steps.push_for(setting, exec, exit_status, operation);
        }
    };
    let score = exec.oom_score_adjust.map(|score| score.to_string());
    let score = score.map(Operation::OomScoreAdjust);
    add("OOMScoreAdjust", status::OOM_ADJUST, score);
    let filter = scheduling.core_dump_filter;
    let filter = filter.map(|bits| Operation::CoreDumpFilter(format!("{bits:#x}")));
    add("CoredumpFilter", status::LIMITS, filter);
    add("Nice", status::NICE, exec.nice.map(Operation::Nice));
    let policy = scheduling.processor.map(|of| Operation::Schedule {
        policy: of.policy | if of.reset_on_fork { RESET_ON_FORK } else { 0 },
        priority: of.priority,
    });
    add("CPUSchedulingPolicy", status::SET_SCHEDULER, policy);
    let listed = Some(&scheduling.processors).filter(|set| !set.is_empty());
    let processors = match of_nodes {
        Ok(set) if scheduling.processors_of_nodes => Some(Operation::Processors(words(set))),
        Err(reason) if scheduling.processors_of_nodes => Some(Operation::Refuse(reason.clone())),
        Ok(_) | Err(_) => listed.map(|set| Operation::Processors(words(set))),
    };
    add("CPUAffinity", status::CPU_AFFINITY, processors);
    let memory = scheduling
        .memory
        .as_ref()
        .map(|(mode, nodes)| Operation::MemoryPolicy {
            mode: *mode,
            nodes: words(nodes),
        });
    add("NUMAPolicy", status::NUMA_POLICY, memory);
    let io = scheduling.io_priority.map(Operation::IoPriority);
    add("IOSchedulingClass", status::IO_PRIORITY, io);
    let slack = scheduling.timer_slack.map(Operation::TimerSlack);
    add("TimerSlackNSec", status::TIMER_SLACK, slack);
    let personality = exec.personality.map(Operation::Personality);
    add("Personality", status::PERSONALITY, personality);
}

/// Bits in bytes as the kernel takes them, in whole words.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |chunk: &[u8]| {
        let bytes = chunk.iter().enumerate();
        bytes.fold(0, |word, (at, byte)| word | u64::from(*byte) << (8 * at))
    };
    bytes.chunks(8).map(word).collect()
}

/// A keyring of the unit's own unless it wants the daemon's. Where nothing is said, it goes
/// without where that cannot be had, as in most containers.
pub(super) fn add_keyring(steps: &mut Steps<'_>, exec: &ExecConfig, owner: Option<(u32, u32)>) {
    let shared = match exec.keyring {
        Some(KeyringMode::Inherit) => return,
        Some(KeyringMode::Shared) => true,
        Some(KeyringMode::Private) | None => false,
    };
    let operation = Operation::Keyring { shared, owner };
    if exec.keyring.is_some() {
        steps.push_for("KeyringMode", exec, status::KEYRING, operation);
    } else {
        steps.add("", OnFailure::Skip(0), status::KEYRING, operation);
    }
}
