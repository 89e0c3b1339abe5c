//! The kernel killed a process of the service for want of memory: OOMPolicy=
//! (systemd.service(5)).

use super::Context;
use super::facts::KillStage;
use super::machine::{Service, log, settings};
use crate::engine::effect::LogLevel;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::OomPolicy;

impl Service {
    /// Takes in that the kernel has killed a process of the unit for want of memory. Comes
    /// before the end of that process.
    pub fn on_out_of_memory(&mut self, cx: &mut Context<'_>) {
        log(
            cx,
            LogLevel::Warning,
            "a process was killed by the kernel for want of memory",
        );
        let oom = ServiceResult::OomKill;
        let kill = match settings(cx).oom_policy {
            OomPolicy::Continue => return,
            OomPolicy::Stop => false,
            OomPolicy::Kill => true,
        };
        match self.state {
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::Stop => {
                let stage = if kill {
                    KillStage::FinalSigkill
                } else {
                    KillStage::StopSigterm
                };
                self.enter_signal(cx, stage, oom);
            }
            ServiceState::Running
            | ServiceState::Exited
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify
                if kill =>
            {
                self.enter_signal(cx, KillStage::StopSigkill, oom);
            }
            ServiceState::Running | ServiceState::Exited => self.enter_stop(cx, oom),
            // What reloads it is ended with it.
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                self.enter_signal(cx, KillStage::StopSigterm, oom);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm => {
                self.enter_signal(cx, KillStage::StopSigkill, oom);
            }
            ServiceState::StopPost | ServiceState::FinalWatchdog | ServiceState::FinalSigterm => {
                self.enter_signal(cx, KillStage::FinalSigkill, oom);
            }
            ServiceState::StopSigkill | ServiceState::FinalSigkill => self.note_result(oom),
            // Nothing of it runs.
            ServiceState::Dead
            | ServiceState::Failed
            | ServiceState::DeadBeforeAutoRestart
            | ServiceState::FailedBeforeAutoRestart
            | ServiceState::AutoRestart
            | ServiceState::AutoRestartQueued => {}
        }
    }
}
