//! What always holds. Each check has a name, sees every event and effect, and keeps its own
//! books; none asks the engine what it could count itself.

mod jobs;
mod life;
mod processes;
mod relations;

use super::picture::Picture;
use super::world::World;
use procmgr::engine::{Effect, Event, Role, Spawn};
use procmgr::unit::config::{CommandKind, ServiceType};

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
    ]
}

/// Whether the order begins a start. The main process of Type=idle is ordered when its start is
/// long over, and a start that never came to a process may end with ExecStopPost= as its first.
pub(crate) fn begins_a_start(spawn: &Spawn) -> bool {
    let service = spawn.config.service();
    let idle = service.is_some_and(|service| service.service_type == ServiceType::Idle);
    let late = idle && spawn.role == Role::Main;
    spawn.first && !late && !matches!(spawn.kind, CommandKind::Stop | CommandKind::StopPost)
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
