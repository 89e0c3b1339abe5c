//! What a .scope says (systemd.scope(5)).

use super::{KillConfig, OomPolicy};
use crate::unit::value::TimeSpan;

/// The \[Scope\] section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeConfig {
    /// RuntimeMaxSec=; infinite by default.
    pub runtime_max: TimeSpan,
    /// RuntimeRandomizedExtraSec=.
    pub runtime_random_extra: TimeSpan,
    /// TimeoutStopSec=: how long each signal may take. Has no entry in the manual page, but is
    /// what clients set as TimeoutStopUSec.
    pub timeout_stop: TimeSpan,
    /// OOMPolicy=.
    pub oom_policy: OomPolicy,
    /// systemd.kill(5).
    pub kill: KillConfig,
}

impl Default for ScopeConfig {
    fn default() -> ScopeConfig {
        ScopeConfig {
            runtime_max: TimeSpan::INFINITY,
            runtime_random_extra: TimeSpan::ZERO,
            timeout_stop: TimeSpan::from_secs(90),
            oom_policy: OomPolicy::Stop,
            kill: KillConfig::default(),
        }
    }
}
