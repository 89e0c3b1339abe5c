//! Restarts with an overlap: services that can be restarted like that, and what people do with
//! them meanwhile.

use super::dice::Dice;
use super::scenario::{Act, Deed, Scenario, changed_units, mode};
use super::units;
use procmgr::engine::{KillWhom, Verb};
use procmgr::unit::config::{
    CommandKind, ExitType, JobMode, KillMode, ServiceType, UnitBody, UnitConfig,
};
use procmgr::unit::name::{UnitName, UnitType};
use procmgr::unit::value::Signal;
use std::sync::Arc;

impl Scenario {
    /// Some services have a socket and are restarted with an overlap.
    pub(crate) fn add_overlaps(&mut self, names: &[UnitName]) {
        let mut dice = Dice::of(self.seed, &[13]);
        if !dice.one_in(3) {
            return;
        }
        let mut last = self.acts.last().map_or(0, |act| act.at);
        let place = |unit: &Arc<UnitConfig>, dice: &mut Dice| {
            let is_service = unit.name.as_str().starts_with('s') && unit.service().is_some();
            is_service && dice.one_in(2)
        };
        for index in 0..self.units.len() {
            let unit = self.units[index].clone();
            if !place(&unit, &mut dice) {
                continue;
            }
            self.units[index] = Arc::new(settled(&mut dice, &unit));
            let socket = unit.name.with_type(UnitType::Socket);
            if !self.units.iter().any(|unit| unit.name == socket) {
                let socket = units::socket(&mut dice, &unit.name, names);
                self.units.push(Arc::new(socket));
            }
            last += 3_000_000;
            let first = dice.roll(last + 1);
            for name in [socket, unit.name.clone()] {
                let deed = Deed::Job(name, Verb::Start, JobMode::Replace);
                self.acts.push(Act { at: first, deed });
            }
            for _ in 0..1 + dice.roll(5) {
                let at = first + dice.roll(last + 1 - first);
                self.acts.push(Act {
                    at,
                    deed: restart(&mut dice, &unit.name),
                });
                if dice.one_in(3) {
                    let at = at + dice.pick(&[0, 1_000, 300_000, 2_000_000]);
                    let deed = meanwhile(&mut dice, &unit.name, names);
                    self.acts.push(Act { at, deed });
                }
            }
        }
        self.acts.sort_by_key(|act| act.at);
    }
}

/// A service that can be restarted with an overlap, mostly.
fn settled(dice: &mut Dice, unit: &UnitConfig) -> UnitConfig {
    use ServiceType as T;
    let mut unit = unit.clone();
    unit.procmgr.restart_overlap = dice.one_in(3);
    unit.not_applied.clear();
    if !dice.one_in(4) {
        unit.unit.conditions.clear();
        unit.unit.asserts.clear();
    }
    if let UnitBody::Service(service) = &mut unit.body {
        let types = [T::Simple, T::Exec, T::Notify, T::Notify, T::NotifyReload];
        service.service_type = dice.pick(&types);
        service.pid_file = None;
        service.exit_type = ExitType::Main;
        service.commands.get_mut(CommandKind::Start).truncate(1);
        if service.kill.mode == KillMode::None {
            service.kill.mode = KillMode::ControlGroup;
        }
    }
    unit
}

fn restart(dice: &mut Dice, name: &UnitName) -> Deed {
    let verb = dice.weighted(&[(Verb::RestartOverlap, 4), (Verb::Restart, 1)]);
    Deed::Job(name.clone(), verb, mode(dice))
}

/// What comes in between.
fn meanwhile(dice: &mut Dice, name: &UnitName, names: &[UnitName]) -> Deed {
    let name = name.clone();
    match dice.roll(8) {
        0 => Deed::Kill(
            name,
            dice.pick(&[KillWhom::All, KillWhom::Main, KillWhom::Control]),
            dice.pick(&[Signal::TERM, Signal::KILL, Signal::HUP]),
        ),
        1 => Deed::Cancel(Some(dice.roll(1000))),
        2 => Deed::Load(changed_units(dice, names)),
        3 => Deed::Job(name, Verb::Stop, mode(dice)),
        4 => Deed::Job(name, Verb::Reload, mode(dice)),
        5 => Deed::Job(name, Verb::Restart, mode(dice)),
        6 => Deed::Job(name, Verb::Start, mode(dice)),
        _ => Deed::Job(name, Verb::RestartOverlap, mode(dice)),
    }
}
