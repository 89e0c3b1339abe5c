//! SuccessAction=, FailureAction=, StartLimitAction= and JobTimeoutAction=: what the end of a
//! unit means for the manager as a whole (systemd.unit(5)).
//!
//! The engine only says that one is due and which exit status goes with it; whether it can be
//! carried out depends on where the daemon runs, which is the host's business.

use super::effect::Effect;
use super::engine::Engine;
use super::ids::UnitId;
use super::process::ProcessStatus;
use super::state::ActiveState;
use super::unit::Machine;
use crate::unit::config::SystemAction;

/// The exit status for a unit whose main process did not exit by itself.
const UNCLEAN: u8 = 255;

impl Engine {
    /// A unit came to rest. As in systemd an automatic restart that follows changes nothing:
    /// the unit has failed, or ended well, all the same.
    pub(super) fn act_on_end(&mut self, unit: UnitId, from: ActiveState, to: ActiveState) {
        let section = &self.graph.get(unit).config.unit;
        if to == ActiveState::Failed && from != ActiveState::Failed {
            let (action, status) = (section.failure_action, section.failure_action_status);
            let status = status.or_else(|| self.main_status(unit));
            self.act(unit, action, status, "it failed".to_owned());
        } else if to == ActiveState::Inactive && !from.is_inactive_or_failed() {
            let (action, status) = (section.success_action, section.success_action_status);
            let status = status.or_else(|| self.main_status(unit));
            self.act(unit, action, status, "it ended".to_owned());
        }
    }

    /// Says that an action is due, if it is one.
    pub(super) fn act(
        &mut self,
        unit: UnitId,
        action: SystemAction,
        status: Option<u8>,
        reason: String,
    ) {
        if action != SystemAction::None {
            self.effects.push_back(Effect::Act {
                unit,
                action,
                status,
                reason,
            });
        }
    }

    /// What the main process left as its exit status, if it has run.
    fn main_status(&self, unit: UnitId) -> Option<u8> {
        let Machine::Service(service) = &self.graph.get(unit).machine else {
            return None;
        };
        Some(match service.view().exec_main_status? {
            ProcessStatus::Exited(status) => status,
            ProcessStatus::Killed(_) | ProcessStatus::Dumped(_) | ProcessStatus::Unknown => UNCLEAN,
        })
    }
}
