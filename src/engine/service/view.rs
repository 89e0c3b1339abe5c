//! What can be seen of a service.

use super::machine::Service;
use super::process::Process;
use crate::engine::ids::ProcessId;
use crate::engine::inspect::ServiceView;
use crate::engine::state::{ServiceResult, ServiceState};
use crate::unit::config::{CommandKind, ServiceType, UnitConfig};

impl Service {
    /// The present state.
    pub fn state(&self) -> ServiceState {
        self.state
    }

    /// Why the last run ended, or the present one is ending.
    pub fn result(&self) -> ServiceResult {
        self.result
    }

    /// The main process, from the order to start it until its end was handled.
    pub fn main_process(&self) -> Option<ProcessId> {
        let main = self.main.running().filter(|_| self.held.is_none());
        main.map(|process| process.id)
    }

    /// Whether its process waits for [`Service::release`].
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether its start is done as soon as there is the process that was ordered.
    pub fn is_being_made(&self, config: &UnitConfig) -> bool {
        let Some(service) = config.service() else {
            return false;
        };
        self.state == ServiceState::Start
            && matches!(
                service.service_type,
                ServiceType::Simple | ServiceType::Idle
            )
            && service.commands.get(CommandKind::StartPost).is_empty()
            && !super::probes::holds_back(service)
    }

    /// Whether more is to be logged than usual.
    pub fn is_debugging(&self) -> bool {
        self.debugging
    }

    /// The command that runs beside or instead of the main process.
    pub fn control_process(&self) -> Option<ProcessId> {
        self.control.as_ref().map(|process| process.id)
    }

    /// Main and control processes, as far as there are any.
    pub fn processes(&self) -> Vec<ProcessId> {
        self.main_process()
            .into_iter()
            .chain(self.control_process())
            .chain(self.processes_beside())
            .collect()
    }

    /// Whether the unit's group may hold a process, now or in a moment. One that is only held
    /// back counts as if it was there.
    pub(super) fn may_be_populated(&self) -> bool {
        self.populated || self.coming > 0 || self.held.is_some()
    }

    /// Whether any process may be in the unit's group, known or not.
    pub fn has_processes(&self) -> bool {
        self.may_be_populated()
            || self.main.running().is_some()
            || self.control.is_some()
            || !self.nobody_beside()
    }

    /// NRestarts.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// A picture of everything that is shown of a service.
    pub fn view(&self) -> ServiceView {
        let pid = |process: Option<&Process>| process.map_or(0, |process| process.pid);
        ServiceView {
            main_pid: pid(self.main.running()),
            control_pid: pid(self.control.as_ref()),
            result: self.result,
            reload_result: self.reload_result,
            restarts: self.restarts,
            runs: self.runs,
            status_text: self.status_text.clone(),
            status_errno: self.status_errno,
            status_bus_error: self.status_bus_error.clone(),
            status_varlink_error: self.status_varlink_error.clone(),
            watchdog_told: self.watchdog_told,
            watchdog_fed: self.watchdog_fed,
            exec_main_pid: self.main_record.pid,
            exec_main_start: self.main_record.start,
            exec_main_exit: self.main_record.exit,
            exec_main_status: self.main_record.status,
            commands: self.commands.clone(),
            probes: self.probing.records(),
            ends: self.ends.clone(),
            stop_asked: self.forbid_restart,
        }
    }
}
