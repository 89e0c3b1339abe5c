//! What always holds. Each check has a name, sees every event and effect, and keeps its own
//! books; none asks the engine what it could count itself.

mod activating;
mod descriptors;
mod generations;
mod jobs;
mod life;
mod loading;
mod processes;
mod relations;
mod sockets;

use super::picture::Picture;
use super::world::World;
use procmgr::engine::{Effect, Event, Role, Spawn, UnitId};
use procmgr::unit::config::{CommandKind, ServiceType};
use std::collections::BTreeSet;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Which check says so.
    pub(crate) check: &'static str,
    /// What it saw.
    pub(crate) text: String,
}

/// What a check sees.
pub(crate) struct Sight<'s, 'w> {
    pub(crate) world: &'s World<'w>,
}

impl Sight<'_, '_> {
    pub(crate) fn picture(&self) -> &Picture {
        &self.world.picture
    }
}

type Verdict = Result<(), String>;

/// One thing that always holds.
pub(crate) trait Check {
    fn name(&self) -> &'static str;
    /// An event is about to be handled.
    fn before(&mut self, _: &Sight<'_, '_>, _: &Event) -> Verdict {
        Ok(())
    }
    /// An effect came out; the picture does not have it yet.
    fn effect(&mut self, _: &Sight<'_, '_>, _: &Effect) -> Verdict {
        Ok(())
    }
    /// All effects of an event are out and in the picture; it may have been `Elapsed`.
    fn after(&mut self, _: &Sight<'_, '_>, _elapsed: bool) -> Verdict {
        Ok(())
    }
    /// Nothing is going on any more.
    fn rest(&mut self, _: &Sight<'_, '_>) -> Verdict {
        Ok(())
    }
}

/// All checks, fresh.
pub(crate) fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(processes::OneMain),
        Box::new(processes::Owners),
        Box::<generations::Generations>::default(),
        Box::<relations::Ordering>::default(),
        Box::<relations::Conflicts>::default(),
        Box::new(relations::Bound),
        Box::<jobs::Accounts>::default(),
        Box::<jobs::Replies>::default(),
        Box::<jobs::Stops>::default(),
        Box::<life::Orders>::default(),
        Box::<life::StartLimit>::default(),
        Box::<life::End>::default(),
        Box::<life::Deadlines>::default(),
        Box::new(life::Told),
        Box::<loading::Unloading>::default(),
        Box::new(sockets::OpenSockets),
        Box::new(descriptors::Descriptors),
        Box::<activating::Timers>::default(),
        Box::new(activating::Paths),
        Box::new(activating::Scopes),
    ]
}

/// What begins a start.
#[derive(Default)]
pub(crate) struct Starts {
    /// Begun by a look-out for a name: their first process comes later.
    watched: BTreeSet<UnitId>,
    /// Ended; what was last seen of them is of the run before.
    ended: BTreeSet<UnitId>,
}

impl Starts {
    /// Whether a unit is in none of these states of its start.
    fn is_at_rest(&mut self, sight: &Sight<'_, '_>, unit: UnitId, states: &[&str]) -> bool {
        self.ended.remove(&unit) || !states.contains(&sight.picture().unit(unit).sub)
    }

    /// The unit whose start begins with this effect.
    pub(crate) fn begun_by(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Option<UnitId> {
        match effect {
            // Unless it comes behind ExecCondition= or ExecStartPre=.
            Effect::WatchBusName { unit, .. }
                if self.is_at_rest(sight, *unit, &["condition", "start-pre"]) =>
            {
                self.watched.insert(*unit);
                Some(*unit)
            }
            // Unless they come behind ExecStartPre=.
            Effect::OpenSockets { unit, .. } => {
                let begins = self.is_at_rest(sight, *unit, &["start-pre"]);
                begins.then_some(*unit)
            }
            Effect::ForgetBusName { unit } => {
                self.watched.remove(unit);
                None
            }
            Effect::CleanUp { unit, .. } => {
                self.ended.insert(*unit);
                None
            }
            Effect::Spawn(spawn) => {
                self.ended.remove(&spawn.unit);
                let begins = begins_a_start(sight, spawn);
                let begun = begins && self.watched.remove(&spawn.unit);
                (begins && !begun).then_some(spawn.unit)
            }
            _ => None,
        }
    }
}

/// Whether the order begins a start. The main process of Type=idle is ordered when its start is
/// long over, even if it has become another type since, and ExecReload= may come before it; and a
/// start that never came to a process may end with ExecStopPost= as its first.
fn begins_a_start(sight: &Sight<'_, '_>, spawn: &Spawn) -> bool {
    if spawn.config.socket().is_some() {
        return spawn.first && spawn.kind == CommandKind::StartPre;
    }
    let service = spawn.config.service();
    let idle = service.is_some_and(|service| service.service_type == ServiceType::Idle);
    let picture = sight.picture();
    let was_idle = picture.reread.contains(&spawn.unit) && picture.unit(spawn.unit).is_up();
    let late = (idle || was_idle) && spawn.role == Role::Main;
    let begins = !matches!(
        spawn.kind,
        CommandKind::Reload | CommandKind::Stop | CommandKind::StopPost
    );
    spawn.first && !late && begins
}

/// The event's name.
pub(crate) fn kind_of_event(event: &Event) -> &'static str {
    match event {
        Event::Load { .. } => "Load",
        Event::Request { .. } => "Request",
        Event::Kill { .. } => "Kill",
        Event::ResetFailed { .. } => "ResetFailed",
        Event::Keep { .. } => "Keep",
        Event::Hold { .. } => "Hold",
        Event::Release { .. } => "Release",
        Event::HolderGone { .. } => "HolderGone",
        Event::Collect => "Collect",
        Event::Cancel { .. } => "Cancel",
        Event::Shutdown => "Shutdown",
        Event::Spawned { executed: true, .. } => "Spawned",
        Event::Spawned { .. } => "Spawned, not executed",
        Event::SpawnFailed { .. } => "SpawnFailed",
        Event::Exited { .. } => "Exited",
        Event::Killed { .. } => "Killed",
        Event::GroupEmpty { .. } => "GroupEmpty",
        Event::OutOfMemory { .. } => "OutOfMemory",
        Event::BusNameWatched { .. } => "BusNameWatched",
        Event::BusNameOwned { .. } => "BusNameOwned",
        Event::MainFound { .. } => "MainFound",
        Event::MainNotFound { .. } => "MainNotFound",
        Event::Notified { .. } => "Notified",
        Event::Checked { .. } => "Checked",
        Event::SocketsOpened { .. } => "SocketsOpened",
        Event::Traffic { .. } => "Traffic",
        Event::Connected { .. } => "Connected",
        Event::WatchFailed { .. } => "WatchFailed",
        Event::InstanceLoaded { .. } => "InstanceLoaded",
        Event::DescriptorGone { .. } => "DescriptorGone",
        Event::Streams { .. } => "Streams",
        Event::TakenIn { .. } => "TakenIn",
        Event::Control { .. } => "Control",
        Event::Abandon { .. } => "Abandon",
        Event::Probed { .. } => "Probed",
        Event::ProbeSkipped { .. } => "ProbeSkipped",
        Event::PathsSeen { .. } => "PathsSeen",
        Event::PathTouched { .. } => "PathTouched",
        Event::StampRead { .. } => "StampRead",
        Event::ClockJumped => "ClockJumped",
        Event::ZoneChanged => "ZoneChanged",
        Event::Elapsed => "Elapsed",
    }
}

/// The event as the trace has it.
pub(crate) fn words_of_event(event: &Event) -> String {
    match event {
        Event::Load { units } => {
            let names: Vec<&str> = units.iter().map(|unit| unit.name.as_str()).collect();
            format!("Load {}", names.join(" "))
        }
        other => format!("{other:?}"),
    }
}

/// The effect as the trace has it.
pub(crate) fn words_of_effect(effect: &Effect) -> String {
    match effect {
        Effect::Spawn(spawn) => format!(
            "Spawn {:?} {:?} {:?} {} [{}]",
            spawn.unit, spawn.process, spawn.role, spawn.config.name, spawn.index
        ),
        other => format!("{other:?}"),
    }
}
