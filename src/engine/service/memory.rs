//! The kernel killed a process of the service for want of memory: OOMPolicy=
//! (systemd.service(5)).

use super::Context;
use super::facts::KillStage;
use super::machine::{Service, log, settings};
use crate::engine::effect::LogLevel;
use crate::engine::state::{ServicePhase as Phase, ServiceResult, ServiceState};
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
            ServiceState::Stop if kill => self.enter_signal(cx, KillStage::FinalSigkill, oom),
            ServiceState::Stop => self.enter_signal(cx, KillStage::StopSigterm, oom),
            ServiceState::StopSigkill | ServiceState::FinalSigkill => self.note_result(oom),
            other => match other.phase() {
                Phase::Prepare | Phase::Start if kill => {
                    self.enter_signal(cx, KillStage::FinalSigkill, oom);
                }
                Phase::Prepare | Phase::Start => {
                    self.enter_signal(cx, KillStage::StopSigterm, oom);
                }
                Phase::Up | Phase::Reload if kill => {
                    self.enter_signal(cx, KillStage::StopSigkill, oom);
                }
                Phase::Up => self.enter_stop(cx, oom),
                // What reloads it is ended with it.
                Phase::Reload => self.enter_signal(cx, KillStage::StopSigterm, oom),
                Phase::Stop => self.enter_signal(cx, KillStage::StopSigkill, oom),
                Phase::Final => self.enter_signal(cx, KillStage::FinalSigkill, oom),
                // Nothing of it runs.
                Phase::Rest | Phase::Pause => {}
            },
        }
    }
}
