//! How a unit's processes are ended (systemd.kill(5)).

use crate::unit::value::Signal;

/// KillMode=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KillMode {
    ControlGroup,
    Mixed,
    Process,
    None,
}

/// The kill settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillConfig {
    /// KillMode=.
    pub mode: KillMode,
    /// KillSignal=.
    pub signal: Signal,
    /// RestartKillSignal=; `None` is KillSignal=.
    pub restart_signal: Option<Signal>,
    /// FinalKillSignal=.
    pub final_signal: Signal,
    /// SendSIGKILL=.
    pub send_sigkill: bool,
    /// SendSIGHUP=.
    pub send_sighup: bool,
    /// WatchdogSignal=.
    pub watchdog_signal: Signal,
}

impl Default for KillConfig {
    fn default() -> KillConfig {
        KillConfig {
            mode: KillMode::ControlGroup,
            signal: Signal::TERM,
            restart_signal: None,
            final_signal: Signal::KILL,
            send_sigkill: true,
            send_sighup: false,
            watchdog_signal: Signal::ABRT,
        }
    }
}
