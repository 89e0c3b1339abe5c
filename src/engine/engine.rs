//! The engine's face: events in, effects out, the next deadline, and views.

use super::effect::Effect;
use super::event::Event;
use super::ids::Timestamp;
use super::inspect::{JobView, UnitView};
use crate::unit::name::UnitName;

/// All units, jobs and services of one manager.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// An empty engine; `seed` is all the randomness it will ever have (invocation IDs).
    pub fn new(seed: u128) -> Engine {
        let _ = seed;
        Engine {}
    }

    /// Takes one event in. Effects are waiting afterwards.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        let _ = (now, event);
    }

    /// The next effect, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    /// When `Event::Elapsed` is due, on the monotonic clock in microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// The names of all loaded units, sorted, aliases left out.
    pub fn unit_names(&self) -> Vec<UnitName> {
        Vec::new()
    }

    /// A unit by any of its names.
    pub fn unit(&self, name: &str) -> Option<UnitView> {
        let _ = name;
        None
    }

    /// A unit by its number.
    pub fn unit_by_id(&self, id: super::ids::UnitId) -> Option<UnitView> {
        let _ = id;
        None
    }

    /// The targets of one of [`super::inspect::DEPENDENCY_PROPERTIES`], sorted.
    pub fn dependencies(&self, unit: &str, property: &str) -> Vec<UnitName> {
        let _ = (unit, property);
        Vec::new()
    }

    /// All installed jobs, by number.
    pub fn jobs(&self) -> Vec<JobView> {
        Vec::new()
    }
}
