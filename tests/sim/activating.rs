//! Timers and paths with the services that they start, and scopes: which there are, and what
//! happens to them.

use super::dice::Dice;
use super::scenario::{Act, Deed, Scenario, mode};
use super::units;
use procmgr::engine::Verb;
use procmgr::unit::config::{
    Dependency, DependencyKind, DependencyOrigin, JobMode, KillMode, PathConfig, PathKind,
    ScopeConfig, TimerBase, TimerConfig, TimerValue, UnitBody, UnitConfig, WatchedPath,
};
use procmgr::unit::name::{UnitName, UnitType};
use procmgr::unit::value::{Calendar, TimeSpan, Zones};
use std::sync::Arc;

/// The paths that there may be.
pub(crate) const PATHS: [&str; 4] = ["/a", "/b", "/c", "/d"];

impl Scenario {
    /// Some services have timers and paths, and there are scopes.
    pub(crate) fn add_activating(&mut self, names: &[UnitName]) {
        let mut dice = Dice::of(self.seed, &[11]);
        self.activating = dice.one_in(3);
        if !self.activating {
            return;
        }
        let last = self.acts.last().map_or(0, |act| act.at);
        for name in names {
            let unit_type = name.unit_type();
            if !matches!(unit_type, UnitType::Service | UnitType::Target) {
                continue;
            }
            if dice.one_in(3) {
                self.add(&mut dice, last, |dice| timer(dice, name, names));
            }
            if dice.one_in(5) {
                let path = self.add(&mut dice, last, |dice| path(dice, name, names));
                self.add_touches(&mut dice, &path, last);
            }
        }
        for number in 0..dice.roll(3) {
            let text = format!("x{number}.scope");
            let name = UnitName::parse(&text).expect("it is a name");
            self.add(&mut dice, last, |dice| scope(dice, &name, names));
            if dice.one_in(3) {
                self.add_deed(&mut dice, last, Deed::Abandon(name));
            }
        }
        for _ in 0..dice.roll(3) {
            let deed = match dice.one_in(3) {
                true => Deed::ZoneChange,
                false => Deed::ClockJump(dice.pick(&[-3_600, -5, 5, 3_600])),
            };
            self.add_deed(&mut dice, last, deed);
        }
        self.acts.sort_by_key(|act| act.at);
    }

    /// Adds a unit with some of what people do with it; may have its file read anew.
    fn add(
        &mut self,
        dice: &mut Dice,
        last: u64,
        make: impl Fn(&mut Dice) -> UnitConfig,
    ) -> UnitConfig {
        let unit = make(dice);
        let name = unit.name.clone();
        let start = Deed::Job(name.clone(), Verb::Start, JobMode::Replace);
        self.add_deed(dice, last, start);
        for _ in 0..dice.roll(3) {
            let verb = dice.pick(&[Verb::Start, Verb::Stop, Verb::Restart, Verb::TryRestart]);
            let mode = mode(dice);
            self.add_deed(dice, last, Deed::Job(name.clone(), verb, mode));
        }
        if dice.one_in(4) {
            let again = match dice.one_in(4) {
                true => UnitConfig::not_found(name),
                false => make(dice),
            };
            self.add_deed(dice, last, Deed::Load(vec![Arc::new(again)]));
        }
        self.units.push(Arc::new(unit.clone()));
        unit
    }

    fn add_touches(&mut self, dice: &mut Dice, unit: &UnitConfig, last: u64) {
        let watched = unit.path().map_or(&[][..], |it| &it.paths);
        for _ in 0..2 + dice.roll(4) {
            let at = dice.roll(watched.len() as u64) as usize;
            let path = watched[at].path.clone();
            let there = dice.pick(&[None, Some(true), Some(false)]);
            self.add_deed(dice, last, Deed::Touch(path, there));
        }
    }

    fn add_deed(&mut self, dice: &mut Dice, last: u64, deed: Deed) {
        let at = dice.roll(last + 1);
        self.acts.push(Act { at, deed });
    }
}

/// A unit of this name with such a body, which may need others.
fn with_body(dice: &mut Dice, name: UnitName, names: &[UnitName], body: UnitBody) -> UnitConfig {
    let mut config = units::loaded(name);
    config.body = body;
    units::section(dice, &mut config);
    config.not_applied.clear();
    if dice.one_in(4) {
        let other = &names[dice.roll(names.len() as u64) as usize];
        let kind = dice.pick(&[
            DependencyKind::Requires,
            DependencyKind::PartOf,
            DependencyKind::Conflicts,
            DependencyKind::BindsTo,
        ]);
        state(&mut config, &[kind, DependencyKind::After], other);
    }
    config
}

fn state(config: &mut UnitConfig, kinds: &[DependencyKind], target: &UnitName) {
    let edges = kinds.iter().map(|kind| Dependency {
        kind: *kind,
        target: target.clone(),
        origin: DependencyOrigin::Implicit,
    });
    config.dependencies.extend(edges);
}

/// What starts another unit: by itself it has nothing else to do with it.
fn activator(
    dice: &mut Dice,
    activated: &UnitName,
    names: &[UnitName],
    unit_type: UnitType,
    body: UnitBody,
) -> UnitConfig {
    let mut config = with_body(dice, activated.with_type(unit_type), names, body);
    config.dependencies.retain(|edge| edge.target != *activated);
    let kinds = [DependencyKind::Triggers, DependencyKind::Before];
    state(&mut config, &kinds, activated);
    config
}

fn timer(dice: &mut Dice, activated: &UnitName, names: &[UnitName]) -> UnitConfig {
    let mut timer = TimerConfig {
        accuracy: TimeSpan(dice.pick(&[1, 1, 0, 1_000_000, 60_000_000])),
        persistent: dice.one_in(4),
        remain_after_elapse: !dice.one_in(4),
        on_clock_change: dice.one_in(8),
        on_timezone_change: dice.one_in(8),
        fixed_random_delay: dice.one_in(2),
        defer_reactivation: dice.one_in(6),
        ..TimerConfig::default()
    };
    if dice.one_in(5) {
        timer.randomized_delay = TimeSpan::from_secs(dice.pick(&[1, 10]));
    }
    for _ in 0..1 + dice.roll(3) {
        timer.values.push(time(dice));
    }
    let body = UnitBody::Timer(Box::new(timer));
    activator(dice, activated, names, UnitType::Timer, body)
}

/// Nothing that comes at once again and again: whatever ends at once would never come to rest.
fn time(dice: &mut Dice) -> TimerValue {
    let base = dice.weighted(&[
        (Some(TimerBase::Active), 4),
        (Some(TimerBase::UnitActive), 3),
        (Some(TimerBase::UnitInactive), 3),
        (Some(TimerBase::Boot), 1),
        (Some(TimerBase::Startup), 1),
        (None, 3),
    ]);
    let Some(base) = base else {
        let text = dice.pick(&["*:*:0/7", "*:*:30", "*:0/5", "2023-11-14 22:13:25"]);
        let calendar = Calendar::parse(text, &Zones::default()).expect("it is a calendar");
        return TimerValue::Calendar(Box::new(calendar));
    };
    TimerValue::After(base, TimeSpan::from_secs(dice.pick(&[1, 2, 5, 20])))
}

fn path(dice: &mut Dice, activated: &UnitName, names: &[UnitName]) -> UnitConfig {
    let mut path = PathConfig {
        trigger_limit_burst: dice.pick(&[3, 10, 200]),
        ..PathConfig::default()
    };
    for _ in 0..1 + dice.roll(2) {
        let kind = dice.weighted(&[
            (PathKind::Exists, 3),
            (PathKind::DirectoryNotEmpty, 1),
            (PathKind::Changed, 2),
            (PathKind::Modified, 1),
        ]);
        let path_name = dice.pick(&PATHS).to_owned();
        path.paths.push(WatchedPath {
            kind,
            path: path_name,
        });
    }
    let body = UnitBody::Path(Box::new(path));
    activator(dice, activated, names, UnitType::Path, body)
}

fn scope(dice: &mut Dice, name: &UnitName, names: &[UnitName]) -> UnitConfig {
    let mut scope = ScopeConfig {
        timeout_stop: TimeSpan::from_secs(dice.pick(&[1, 2, 90])),
        ..ScopeConfig::default()
    };
    if dice.one_in(4) {
        scope.runtime_max = TimeSpan::from_secs(dice.pick(&[1, 10]));
    }
    scope.kill.mode = dice.weighted(&[
        (KillMode::ControlGroup, 4),
        (KillMode::Mixed, 2),
        (KillMode::Process, 1),
    ]);
    scope.kill.send_sigkill = !dice.one_in(10);
    with_body(dice, name.clone(), names, UnitBody::Scope(Box::new(scope)))
}
