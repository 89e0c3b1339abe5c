//! ReadyWhen=probe: those that are ordered After= a service start only when its readiness probe
//! was good once in the present run.
//!
//! The start job of the service itself ends as always: it is up, only not ready yet, and a probe
//! that never becomes good fails nobody's start. Who waits is limited by JobTimeoutSec=. A service
//! that ends for good is not waited for any longer; what its end means is for Requires= and its
//! kin to say.

use super::engine::Engine;
use super::ids::UnitId;
use super::job::Ordered;
use super::state::JobKind;
use super::unit::Machine;
use crate::unit::config::ReadyWhen;

impl Engine {
    /// Whether a job of a unit that is ordered after `other` has to wait for its probe.
    pub(super) fn is_yet_to_be_ready(&self, other: UnitId, mine: Ordered) -> bool {
        mine.kind == JobKind::Start && !mine.ignore_order && self.awaits_readiness(other)
    }

    /// The unit has changed its state: it may not be waited for any more.
    pub(super) fn tell_those_who_wait_for_a_probe(&mut self, unit: UnitId) {
        let config = &self.graph.get(unit).config;
        if config.procmgr.ready_when == ReadyWhen::Probe {
            self.wake_neighbours(unit);
        }
    }

    fn awaits_readiness(&self, unit: UnitId) -> bool {
        let unit = self.graph.get(unit);
        let waits = unit.config.procmgr.ready_when == ReadyWhen::Probe;
        let Machine::Service(service) = &unit.machine else {
            return false;
        };
        waits && service.awaits_readiness(&unit.config)
    }
}
