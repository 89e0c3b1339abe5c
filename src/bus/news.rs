//! From the loop's news to signals: built once, told to everybody.
//!
//! Changes of a unit are gathered: one PropertiesChanged pair per unit and turn, sent before
//! the end of the unit's job, with the state as it is then.

use super::MANAGER_UNIQUE_NAME;
use super::dispatch::PROPERTIES;
use super::hub::Hub;
use super::manager::NO_JOB;
use super::own;
use super::path;
use super::properties::row::{Emits, Row};
use super::properties::{
    MANAGER_INTERFACE, OF_CHANGES, UNIT_INTERFACE, UnitSnapshot, type_interface, type_rows,
    unit_rows,
};
use super::scope;
use super::value::{Body, Value};
use crate::engine::{JobId, JobResult};
use crate::host::{News, View};
use crate::unit::name::{UnitName, UnitType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc::UnboundedReceiver;
use zbus::Message;

/// News handled in one turn.
const TURN: usize = 1024;

/// Tells clients what happens, until the loop is gone.
pub(super) async fn pump(hub: Arc<Hub>, mut news: Receiver<News>) {
    let mut ends = Ends::new(hub.handle.job_ends());
    loop {
        let mut turn = Vec::new();
        let mut missed = match news.recv().await {
            Ok(item) => {
                turn.push(item);
                false
            }
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return,
        };
        let mut all = false;
        while turn.len() < TURN && !all {
            match news.try_recv() {
                Ok(item) => turn.push(item),
                Err(TryRecvError::Lagged(_)) => missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => all = true,
            }
        }
        if missed {
            tracing::warn!("the control socket fell behind; some signals were not sent");
        }
        if missed || turn.iter().any(|item| matches!(item, News::Reloading(_))) {
            hub.forget_file_states();
        }
        let turn = ends.mend(turn, missed, all);
        // Nothing is lost of it, so that it may be much: clients get their turn in between.
        for part in turn.chunks(TURN) {
            if hub.is_empty() {
                break;
            }
            let Some(snapshots) = changed_units(&hub, part).await else {
                return;
            };
            tell_turn(&hub, part, snapshots);
            tokio::task::yield_now().await;
        }
    }
}

/// The ends of jobs, of which none gets lost: nobody is to wait for ever.
struct Ends {
    /// All of them, in the order of the news.
    all: UnboundedReceiver<News>,
    /// Those that were told before they came among the news.
    early: BTreeSet<JobId>,
}

impl Ends {
    fn new(all: UnboundedReceiver<News>) -> Ends {
        Ends {
            all,
            early: BTreeSet::new(),
        }
    }

    /// The news of a turn with the ends of jobs that were `missed`; `all`: there are no more so far.
    fn mend(&mut self, mut turn: Vec<News>, missed: bool, all: bool) -> Vec<News> {
        let id_of = |item: &News| match item {
            News::JobRemoved(id, ..) => Some(*id),
            News::UnitNew(_)
            | News::UnitRemoved(_)
            | News::Changed(_)
            | News::JobNew(..)
            | News::Probe(..)
            | News::Happened(_)
            | News::StartupFinished(_)
            | News::RequestStop(..)
            | News::Reloading(_) => None,
        };
        turn.retain(|item| id_of(item).is_none_or(|id| !self.early.remove(&id)));
        let mut here: BTreeSet<JobId> = turn.iter().filter_map(id_of).collect();
        let mut lost = Vec::new();
        while missed || !here.is_empty() {
            let Ok(end) = self.all.try_recv() else {
                break;
            };
            let Some(id) = id_of(&end) else { continue };
            if !here.remove(&id) {
                self.early.insert(id);
                lost.push(end);
            }
        }
        if all {
            self.early.clear();
        }
        lost.append(&mut turn);
        lost
    }
}

/// Snapshots of the units that changed; `None`: the loop is gone.
async fn changed_units(hub: &Hub, turn: &[News]) -> Option<BTreeMap<UnitName, UnitSnapshot>> {
    let changed: BTreeSet<UnitName> = turn
        .iter()
        .filter_map(|item| match item {
            News::Changed(unit) => Some(unit.clone()),
            News::UnitNew(_)
            | News::UnitRemoved(_)
            | News::JobNew(..)
            | News::JobRemoved(..)
            | News::Probe(..)
            | News::Happened(_)
            | News::StartupFinished(_)
            | News::RequestStop(..)
            | News::Reloading(_) => None,
        })
        .collect();
    if changed.is_empty() {
        return Some(BTreeMap::new());
    }
    let look = move |view: &View<'_>| {
        changed
            .into_iter()
            .filter_map(|name| {
                let snapshot = UnitSnapshot::take_for(view, name.as_str(), Some(OF_CHANGES))?;
                Some((name, snapshot))
            })
            .collect()
    };
    hub.handle.look(look).await.ok()
}

fn tell_turn(hub: &Hub, turn: &[News], mut changed: BTreeMap<UnitName, UnitSnapshot>) {
    for item in turn {
        match item {
            News::Changed(unit) => tell_changes(hub, unit, &mut changed),
            News::JobRemoved(_, unit, ..) => {
                // The unit's new state is to be known when its job ends.
                tell_changes(hub, unit, &mut changed);
                tell(hub, manager_signal(item));
            }
            News::UnitRemoved(unit) => {
                tell_changes(hub, unit, &mut changed);
                tell(hub, manager_signal(item));
            }
            News::RequestStop(unit, controller) => match scope::request_stop(unit, controller) {
                Ok(signal) => hub.tell_one(controller, &signal),
                Err(error) => tracing::error!("cannot build a signal: {error}"),
            },
            News::Probe(unit, ..) => {
                tell_changes(hub, unit, &mut changed);
                tell(hub, manager_signal(item));
            }
            News::UnitNew(_)
            | News::JobNew(..)
            | News::Happened(_)
            | News::StartupFinished(_)
            | News::Reloading(_) => {
                tell(hub, manager_signal(item));
            }
        }
    }
}

fn tell_changes(hub: &Hub, unit: &UnitName, changed: &mut BTreeMap<UnitName, UnitSnapshot>) {
    let Some(snapshot) = changed.remove(unit) else {
        return;
    };
    let unit_type = snapshot.unit_type();
    tell(hub, properties_changed(&snapshot, Some(unit_type)));
    tell(hub, properties_changed(&snapshot, None));
}

fn tell(hub: &Hub, signal: Option<zbus::Result<Message>>) {
    match signal {
        Some(Ok(message)) => hub.tell(&message),
        Some(Err(error)) => tracing::error!("cannot build a signal: {error}"),
        None => {}
    }
}

fn signal(path: &str, interface: &str, member: &str, body: &Body) -> zbus::Result<Message> {
    Message::signal(path, interface, member)
        .sender(MANAGER_UNIQUE_NAME)
        .build(body)
}

fn manager_signal(item: &News) -> Option<zbus::Result<Message>> {
    let job = |id: &JobId| Value::String(path::of_job(*id));
    let (member, body) = match item {
        News::UnitNew(unit) => ("UnitNew", named(unit)),
        News::UnitRemoved(unit) => ("UnitRemoved", named(unit)),
        News::JobNew(id, unit, _) => {
            let arguments = vec![Value::U32(id.0), job(id), Value::from(unit.as_str())];
            ("JobNew", Body::of("uos", arguments))
        }
        News::JobRemoved(id, unit, _, result) => {
            return Some(job_removed(*id, unit.as_str(), *result));
        }
        News::StartupFinished(took) => {
            // Firmware, loader, kernel, initrd: not ours.
            let times = [0, 0, 0, 0, *took, *took].map(Value::U64);
            ("StartupFinished", Body::of("tttttt", times.to_vec()))
        }
        News::Reloading(active) => ("Reloading", Body::one("b", Value::Bool(*active))),
        News::Probe(unit, kind, verdict, reason) => {
            let words = [unit.as_str(), kind.as_str(), verdict.as_str(), reason];
            let body = Body::of("ssss", words.map(Value::from).to_vec());
            return Some(signal(path::MANAGER, own::INTERFACE, "ProbeChanged", &body));
        }
        News::Happened(happening) => {
            let body = own::happened(happening);
            return Some(signal(path::MANAGER, own::INTERFACE, "Happened", &body));
        }
        News::Changed(_) | News::RequestStop(..) => return None,
    };
    Some(signal(path::MANAGER, MANAGER_INTERFACE, member, &body))
}

/// A unit's name and object.
fn named(unit: &UnitName) -> Body {
    let object = Value::String(path::of_unit(unit.as_str()));
    Body::of("so", vec![Value::from(unit.as_str()), object])
}

fn job_removed(id: JobId, unit: &str, result: JobResult) -> zbus::Result<Message> {
    let arguments = vec![
        Value::U32(id.0),
        Value::String(path::of_job(id)),
        Value::from(unit),
        Value::from(result.as_str()),
    ];
    let body = Body::of("uoss", arguments);
    signal(path::MANAGER, MANAGER_INTERFACE, "JobRemoved", &body)
}

/// Tells of the end of a job that there was no need to make.
pub(super) fn tell_nothing_done(hub: &Hub, unit: &str) {
    tell(hub, Some(job_removed(NO_JOB, unit, JobResult::Done)));
}

/// Tells that links of unit files came or went.
pub(super) fn tell_unit_files_changed(hub: &Hub) {
    let changed = signal(
        path::MANAGER,
        MANAGER_INTERFACE,
        "UnitFilesChanged",
        &Body::EMPTY,
    );
    tell(hub, Some(changed));
}

/// PropertiesChanged of one interface; `None` if nothing in it ever changes.
fn properties_changed(
    unit: &UnitSnapshot,
    unit_type: Option<UnitType>,
) -> Option<zbus::Result<Message>> {
    let (interface, rows) = match unit_type {
        Some(unit_type) => (type_interface(unit_type), type_rows(unit_type)),
        None => (UNIT_INTERFACE, unit_rows()),
    };
    let of = |emits: Emits| rows.iter().filter(move |row| row.emits == emits);
    let show = |row: &'static Row| Some((row.name, row.signature, unit.value(row, unit_type)?));
    let changed: Vec<_> = of(Emits::Change).filter_map(show).collect();
    if changed.is_empty() {
        return None;
    }
    let invalidated = of(Emits::Invalidate).map(|row| row.name);
    let body = Body::of(
        "sa{sv}as",
        vec![
            Value::from(interface),
            Value::properties(changed),
            Value::strings(invalidated),
        ],
    );
    let path = path::of_unit(unit.view.name().as_str());
    Some(signal(&path, PROPERTIES, "PropertiesChanged", &body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::JobKind;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn units_that_come_and_go_are_told_by_name_and_object() {
        let name = UnitName::parse("a-b.service").unwrap();
        for (news, member) in [
            (News::UnitNew(name.clone()), "UnitNew"),
            (News::UnitRemoved(name.clone()), "UnitRemoved"),
        ] {
            let message = manager_signal(&news).unwrap().unwrap();
            assert_eq!(message.header().member().unwrap().as_str(), member);
            let (unit, object): (String, zbus::OwnedObjectPath) =
                message.body().deserialize().unwrap();
            assert_eq!(unit, "a-b.service");
            assert_eq!(object.as_str(), path::of_unit("a-b.service"));
        }
    }

    fn unit() -> UnitName {
        UnitName::parse("a.service").unwrap()
    }

    fn end(id: u32) -> News {
        News::JobRemoved(JobId(id), unit(), JobKind::Start, JobResult::Done)
    }

    fn ids(turn: &[News]) -> Vec<u32> {
        let ends = turn.iter().filter_map(|item| match item {
            News::JobRemoved(id, ..) => Some(id.0),
            _ => None,
        });
        ends.collect()
    }

    #[test]
    fn the_end_of_no_job_is_lost_or_told_twice() {
        let (sender, all) = unbounded_channel();
        let mut ends = Ends::new(all);
        (1..=9).for_each(|id| sender.send(end(id)).unwrap());
        let plain = ends.mend(vec![News::Changed(unit()), end(1)], false, true);
        assert_eq!((plain.len(), ids(&plain)), (2, vec![1]));
        // 2 to 4 were lost; 6 to 9 are still among the news.
        let mended = ends.mend(vec![end(5)], true, false);
        assert_eq!(ids(&mended), [2, 3, 4, 6, 7, 8, 9, 5]);
        assert!(ids(&ends.mend(vec![end(6), end(7)], false, false)).is_empty());
        sender.send(end(10)).unwrap();
        let last = ends.mend(vec![end(8), end(9), end(10)], false, true);
        assert_eq!((ids(&last), ends.early.len()), (vec![10], 0));
    }
}
