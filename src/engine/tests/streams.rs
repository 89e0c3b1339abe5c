//! Standard streams that a client gives to a service that it makes.

use super::world::{World, unit};
use crate::engine::event::{Event, Verb};
use crate::engine::ids::DescriptorId;
use crate::engine::process::ProcessStatus;
use crate::unit::config::{CommandKind, Restart};
use crate::unit::name::UnitName;

fn give(world: &mut World, name: &str, all: bool) -> Vec<DescriptorId> {
    let streams = [true, all, all].map(|it| it.then(|| world.descriptor()));
    let unit = UnitName::parse(name).unwrap();
    world.send(Event::Streams { unit, streams });
    streams.into_iter().flatten().collect()
}

#[test]
fn every_command_has_them_and_they_are_closed_at_the_end() {
    let mut world = World::new([unit("a.service").exec(CommandKind::StopPost, "true")]);
    let streams = give(&mut world, "a.service", true);
    world.must(Verb::Start, "a.service");
    assert_eq!(world.closed, []);
    world.end("a.service", ProcessStatus::Exited(0));
    for command in ["a ExecStart", "a ExecStopPost"] {
        assert_eq!(world.passed[command], ["Stream 0", "Stream 1", "Stream 2"]);
    }
    assert_eq!(world.closed, streams);
    // Another run has none.
    world.must(Verb::Start, "a.service");
    assert_eq!(world.passed["a ExecStart"], [""; 0]);
}

#[test]
fn an_automatic_restart_keeps_them() {
    let mut world = World::new([unit("a.service").restart(Restart::Always)]);
    let streams = give(&mut world, "a.service", false);
    world.must(Verb::Start, "a.service");
    world.end("a.service", ProcessStatus::Exited(1));
    assert_eq!(world.sub("a.service"), "auto-restart");
    world.passed.clear();
    world.wait();
    assert_eq!(world.passed["a ExecStart"], ["Stream 0"]);
    assert_eq!(world.closed, []);
    world.must(Verb::Stop, "a.service");
    assert_eq!(world.closed, streams);
}

#[test]
fn a_unit_that_never_ran_takes_them_along() {
    let mut world = World::new([unit("a.service")]);
    let first = give(&mut world, "a.service", true);
    let second = give(&mut world, "a.service", true);
    assert_eq!(world.closed, first, "given once more");
    world.closed.clear();
    // Looked at by whoever made it.
    let unit = UnitName::parse("a.service").unwrap();
    let (request, holder) = (crate::engine::RequestId(77), 1);
    world.send(Event::Hold {
        request,
        unit,
        holder,
    });
    world.send(Event::HolderGone { holder });
    assert_eq!(world.collect(), ["a.service"]);
    assert_eq!(world.closed, second);
    world.closed.clear();
    let lost = give(&mut world, "a.service", true);
    assert_eq!(world.closed, lost, "there is no such unit");
}
