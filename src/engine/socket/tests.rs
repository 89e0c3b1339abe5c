//! Sockets in the engine, without a kernel: what traffic, services and limits do.

use crate::engine::event::{Event, Notification, OpenFailure, Verb};
use crate::engine::process::ProcessStatus;
use crate::engine::state::{ActiveState, JobResult, SocketResult};
use crate::engine::tests::world::{UnitBuilder, World, unit};
use crate::engine::{DescriptorId, UnitId, WatchManner};
use crate::unit::config::{CommandKind, DescriptorVariable, JobMode, PreserveMode};
use crate::unit::value::TimeSpan;

fn web() -> [UnitBuilder; 2] {
    [unit("web.socket").listens(), unit("web.service")]
}

fn result(world: &World, socket: &str) -> SocketResult {
    world.engine.unit(socket).unwrap().socket.unwrap().result
}

const KILLED: ProcessStatus = ProcessStatus::Killed(crate::unit::value::Signal::KILL);

#[test]
fn k4_traffic_starts_the_service_with_the_sockets() {
    let mut world = World::new(web());
    world.must(Verb::Start, "web.socket");
    assert_eq!(world.sub("web.socket"), "listening");
    world.traffic("web.socket");
    assert_eq!(world.sub("web.socket"), "running");
    assert_eq!(world.take_trace(), ["web open", "web ExecStart"]);
    assert_eq!(world.passed["web ExecStart"], ["Socket web.socket"]);
    world.waiting.clear();
    world.must(Verb::Stop, "web.service");
    assert_eq!(world.sub("web.socket"), "listening");
    assert_eq!(world.state("web.service"), ActiveState::Inactive);
}

#[test]
fn k4_what_still_waits_when_the_service_goes_triggers_again() {
    let mut world = World::new(web());
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    world.end("web.service", ProcessStatus::Exited(0));
    assert_eq!(world.sub("web.socket"), "running");
    assert_eq!(world.state("web.service"), ActiveState::Active);
}

#[test]
fn k7_a_socket_whose_service_is_active_or_missing_does_not_start() {
    let mut world = World::new([
        unit("web.socket").listens(),
        unit("web.service"),
        unit("lone.socket").listens(),
    ]);
    world.must(Verb::Start, "web.service");
    for socket in ["web.socket", "lone.socket"] {
        let job = world.start(socket).unwrap();
        assert_eq!(world.results[&job], JobResult::Failed);
        assert_eq!(world.state(socket), ActiveState::Inactive);
        assert_eq!(result(&world, socket), SocketResult::Success);
    }
    assert!(world.open.is_empty());
}

#[test]
fn k7_stopping_the_socket_leaves_the_service() {
    let mut world = World::new(web());
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    world.must(Verb::Stop, "web.socket");
    assert!(world.open.is_empty());
    assert_eq!(world.state("web.service"), ActiveState::Active);
}

#[test]
fn k5_a_service_that_keeps_failing_fails_the_socket() {
    let mut world = World::new([
        unit("web.socket").listens(),
        unit("web.service").exec(CommandKind::Start, "false"),
    ]);
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    assert_eq!(world.sub("web.socket"), "failed");
    assert_eq!(
        result(&world, "web.socket"),
        SocketResult::ServiceStartLimitHit
    );
    assert!(world.open.is_empty());
    let starts = world.take_trace();
    let starts = starts.iter().filter(|line| *line == "web ExecStart");
    assert_eq!(starts.count(), 5);
}

#[test]
fn k6_a_service_whose_condition_is_false_runs_into_the_trigger_limit() {
    let mut world = World::new([
        unit("web.socket").listens(),
        unit("web.service").condition("/nonexistent", false),
    ]);
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    assert_eq!(result(&world, "web.socket"), SocketResult::TriggerLimitHit);
    let view = world.engine.unit("web.socket").unwrap().socket.unwrap();
    assert_eq!(view.refused, 1);
}

#[test]
fn a_paused_socket_listens_again() {
    let mut world = World::new([
        unit("web.socket")
            .listens()
            .socket(|socket| socket.pause = TimeSpan::from_secs(30)),
        unit("web.service").condition("/there", false),
    ]);
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    assert_eq!(world.state("web.socket"), ActiveState::Failed);
    world.paths.insert("/there".to_owned());
    world.wait();
    assert_eq!(world.sub("web.socket"), "running");
    assert_eq!(world.state("web.service"), ActiveState::Active);
}

#[test]
fn polls_that_are_too_many_pause_the_wait() {
    let mut world = World::new([
        unit("web.socket").listens().socket(|socket| {
            socket.poll_limit.interval = TimeSpan::from_secs(2);
            socket.poll_limit.burst = Some(3);
        }),
        unit("web.service").condition("/nonexistent", false),
    ]);
    world.must(Verb::Start, "web.socket");
    world.traffic("web.socket");
    assert_eq!(world.sub("web.socket"), "listening");
    world.waiting.clear();
    world.wait();
    assert!(world.watch_of("web.socket").is_some());
    assert_eq!(world.sub("web.socket"), "listening");
}

#[test]
fn k9_commands_around_the_sockets() {
    let mut world = World::new([
        unit("web.socket")
            .listens()
            .exec(CommandKind::StartPre, "true")
            .exec(CommandKind::StartPost, "true")
            .exec(CommandKind::StopPre, "true")
            .exec(CommandKind::StopPost, "true")
            .socket(|socket| socket.remove_on_stop = true),
        unit("web.service"),
    ]);
    world.must(Verb::Start, "web.socket");
    world.must(Verb::Stop, "web.socket");
    let trace = world.take_trace();
    let trace: Vec<&str> = trace.iter().map(String::as_str).collect();
    assert_eq!(
        trace,
        [
            "web ExecStartPre",
            "web ended",
            "web open",
            "web ExecStartPost",
            "web ended",
            "web ExecStopPre",
            "web ended",
            "web close and remove",
            "web ExecStopPost",
            "web ended",
        ]
    );
}

#[test]
fn k9_what_fails_on_the_way_up_ends_with_systemds_result() {
    for (kind, after) in [
        (CommandKind::StartPre, None),
        (CommandKind::StartPost, Some("web ExecStopPre")),
    ] {
        let mut world = World::new([
            unit("web.socket")
                .listens()
                .exec(kind, "false")
                .exec(CommandKind::StopPre, "true"),
            unit("web.service"),
        ]);
        let job = world.start("web.socket").unwrap();
        assert_eq!(world.results[&job], JobResult::Failed);
        assert_eq!(result(&world, "web.socket"), SocketResult::ExitCode);
        let ran = world.take_trace().contains(&"web ExecStopPre".to_owned());
        assert_eq!(ran, after.is_some(), "{kind:?}");
        assert!(world.open.is_empty());
    }
}

#[test]
fn k9_sockets_that_cannot_be_made() {
    for (failure, expected) in [
        (
            OpenFailure::Resources("address in use".to_owned()),
            SocketResult::Resources,
        ),
        (
            OpenFailure::Owner("user x is not known".to_owned()),
            SocketResult::ExitCode,
        ),
    ] {
        let mut world = World::new(web());
        world.unopenable.insert("web".to_owned(), failure);
        let job = world.start("web.socket").unwrap();
        assert_eq!(world.results[&job], JobResult::Failed);
        assert_eq!(world.sub("web.socket"), "failed");
        assert_eq!(result(&world, "web.socket"), expected);
        world.unopenable.clear();
        world.must(Verb::Start, "web.socket");
    }
}

#[test]
fn a_command_that_hangs_is_ended_in_time() {
    let mut world = World::new([
        unit("web.socket")
            .listens()
            .exec(CommandKind::StopPre, "stubborn"),
        unit("web.service"),
    ]);
    world.must(Verb::Start, "web.socket");
    let job = world.ask(Verb::Stop, "web.socket").unwrap();
    for state in ["stop-pre", "stop-pre-sigterm"] {
        assert_eq!(world.sub("web.socket"), state);
        world.wait();
    }
    assert_eq!(world.results[&job], JobResult::Done);
    assert_eq!(result(&world, "web.socket"), SocketResult::Timeout);
    assert_eq!(world.state("web.socket"), ActiveState::Failed);
}

fn per_connection(most: u32) -> World {
    let mut world = World::new([unit("in.socket")
        .socket(|socket| {
            socket.accept = true;
            socket.max_connections = most;
        })
        .listens()]);
    world.template = Some(unit);
    world.must(Verb::Start, "in.socket");
    world
}

#[test]
fn sockets_that_could_not_be_made_are_passed_to_nobody() {
    let [socket, service] = web();
    let mut world = World::new([socket.exec(CommandKind::StopPre, "stay"), service]);
    let failure = OpenFailure::Resources("address in use".to_owned());
    world.unopenable.insert("web".to_owned(), failure);
    world.start("web.socket").unwrap();
    assert_eq!(world.sub("web.socket"), "stop-pre");
    let mode = JobMode::IgnoreDependencies;
    world.ask_mode(Verb::Start, "web.service", mode).unwrap();
    assert_eq!(world.state("web.service"), ActiveState::Active);
    assert!(world.passed["web ExecStart"].is_empty());
}

#[test]
fn a_daemon_reload_leaves_an_instance_with_its_socket() {
    let mut world = per_connection(64);
    world.connect("in.socket", "a");
    let triggers = |world: &World| world.engine.dependencies("in.socket", "Triggers").len();
    assert_eq!(triggers(&world), 1);
    world.load([unit("in.socket").socket(|s| s.accept = true).listens()]);
    assert_eq!(triggers(&world), 1);
    world.end("in@0-1-a.service", ProcessStatus::Exited(0));
    assert_eq!(triggers(&world), 0);
}

#[test]
fn k8_each_connection_gets_an_instance_of_its_own() {
    let mut world = per_connection(64);
    let first = world.connect("in.socket", "a");
    world.connect("in.socket", "b");
    assert_eq!(world.state("in@0-1-a.service"), ActiveState::Active);
    assert_eq!(world.state("in@1-1-b.service"), ActiveState::Active);
    assert_eq!(
        world.passed["in@0-1-a ExecStart"],
        ["Connection connection"]
    );
    let environment = &world.environments["in@0-1-a ExecStart"];
    assert!(environment.contains(&("REMOTE_ADDR".to_owned(), "a".to_owned())));
    let triggers = world.engine.dependencies("in.socket", "Triggers");
    assert_eq!(triggers.len(), 2);
    let view = world.engine.unit("in.socket").unwrap().socket.unwrap();
    assert_eq!((view.accepted, view.connections, view.refused), (2, 2, 0));
    world.end("in@0-1-a.service", ProcessStatus::Exited(0));
    assert_eq!(world.closed, [first]);
    let view = world.engine.unit("in.socket").unwrap().socket.unwrap();
    assert_eq!((view.accepted, view.connections, view.refused), (2, 1, 0));
    assert_eq!(world.sub("in.socket"), "listening");
}

#[test]
fn k8_too_many_connections_are_refused() {
    let mut world = per_connection(2);
    let connections = ["a", "b", "c"].map(|source| world.connect("in.socket", source));
    assert_eq!(world.closed, connections[2..]);
    let view = world.engine.unit("in.socket").unwrap().socket.unwrap();
    assert_eq!((view.accepted, view.connections, view.refused), (2, 2, 1));
    world.end("in@0-1-a.service", KILLED);
    world.connect("in.socket", "d");
    assert_eq!(world.state("in@2-1-d.service"), ActiveState::Active);
}

#[test]
fn k8_too_many_connections_of_one_source_are_refused() {
    let mut world = World::new([unit("in.socket")
        .socket(|socket| {
            socket.accept = true;
            socket.max_connections_per_source = 1;
        })
        .listens()]);
    world.template = Some(unit);
    world.must(Verb::Start, "in.socket");
    world.connect("in.socket", "a");
    let again = world.connect("in.socket", "a");
    world.connect("in.socket", "b");
    assert_eq!(world.closed, [again]);
}

#[test]
fn a_connection_without_a_template_fails_the_socket() {
    let mut world = per_connection(64);
    world.template = None;
    let connection = world.connect("in.socket", "a");
    assert_eq!(world.closed, [connection]);
    assert_eq!(result(&world, "in.socket"), SocketResult::Resources);
    assert!(world.open.is_empty());
}

#[test]
fn a_stop_of_the_socket_waits_for_that_of_its_connection_and_no_longer() {
    let mut world = per_connection(64);
    world.template = Some(|name| unit(name).exec(CommandKind::Start, "stubborn"));
    world.connect("in.socket", "a");
    world.ask(Verb::Stop, "in@0-1-a.service").unwrap();
    let job = world.ask(Verb::Stop, "in.socket").unwrap();
    assert_eq!(world.state("in.socket"), ActiveState::Active);
    world.end("in@0-1-a.service", KILLED);
    assert_eq!(world.results.get(&job), Some(&JobResult::Done));
    assert_eq!(world.state("in.socket"), ActiveState::Inactive);
}

#[test]
fn a_connection_whose_service_may_not_be_started_is_closed_once() {
    let mut world = per_connection(64);
    world.load([unit("other.service").oneshot("stay")]);
    world.template = Some(|name| unit(name).conflicts("other.service"));
    let mode = JobMode::ReplaceIrreversibly;
    world.ask_mode(Verb::Start, "other.service", mode).unwrap();
    let connection = world.connect("in.socket", "a");
    assert_eq!(world.closed, [connection]);
    let view = world.engine.unit("in.socket").unwrap().socket.unwrap();
    assert_eq!((view.accepted, view.connections), (1, 0));
    assert_eq!(result(&world, "in.socket"), SocketResult::Resources);
}

#[test]
fn a_client_of_a_socket_that_has_gone_is_closed() {
    let mut world = World::new([]);
    let unit = UnitId(7);
    let client = world.descriptor();
    world.send(Event::Traffic {
        unit,
        watch: 1,
        client: Some((client, 0)),
    });
    assert_eq!(world.closed, [client]);
}

#[test]
fn a_first_client_is_handed_to_a_service_that_takes_it() {
    let variable = DescriptorVariable {
        name: "web.socket".to_owned(),
        variable: "WEB_FD".to_owned(),
    };
    let mut world = World::new([
        unit("web.socket")
            .listens()
            .socket(|socket| socket.ignore_empty_connections = true),
        unit("web.service").service(|service| service.descriptor_variables = vec![variable]),
    ]);
    world.must(Verb::Start, "web.socket");
    let (watch, manner) = world.watch_of("web.socket").unwrap();
    assert_eq!(manner, WatchManner::NotEmpty);
    let client = world.descriptor();
    let unit = world.engine.unit("web.socket").unwrap().id;
    world.send(Event::Traffic {
        unit,
        watch,
        client: Some((client, 0)),
    });
    assert_eq!(world.state("web.service"), ActiveState::Active);
    assert_eq!(world.closed, [], "it belongs to the service now");
}

#[test]
fn without_activation_the_service_starts_at_once() {
    let mut world = World::new(web());
    world.engine.without_socket_activation();
    world.must(Verb::Start, "web.socket");
    assert_eq!(world.take_trace(), ["web ExecStart"]);
    assert_eq!(world.passed["web ExecStart"], Vec::<String>::new());
    assert_eq!(world.state("web.socket"), ActiveState::Active);
    world.must(Verb::Stop, "web.service");
    assert_eq!(world.sub("web.socket"), "running");
    world.must(Verb::Stop, "web.socket");
}

fn keeper(most: u32, preserve: PreserveMode) -> World {
    let mut world = World::new([unit("keep.service").service(|service| {
        service.notify_access = crate::unit::config::NotifyAccess::All;
        service.descriptor_store_max = most;
        service.descriptor_store_preserve = preserve;
    })]);
    world.must(Verb::Start, "keep.service");
    world
}

fn say(world: &mut World, fields: &[(&str, &str)], descriptors: Vec<DescriptorId>) {
    let unit = world.engine.unit("keep.service").unwrap();
    let pid = unit.service.as_ref().unwrap().main_pid;
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    world.send(Event::Notified {
        unit: unit.id,
        process: None,
        pid,
        message: Notification {
            fields: fields.iter().map(own).collect(),
        },
        descriptors,
    });
}

#[test]
fn stored_descriptors_come_back_newest_first_and_go_with_the_service() {
    let mut world = keeper(3, PreserveMode::Restart);
    let all: Vec<DescriptorId> = (0..5).map(|_| world.descriptor()).collect();
    say(
        &mut world,
        &[("FDSTORE", "1"), ("FDNAME", "a")],
        vec![all[0]],
    );
    say(
        &mut world,
        &[("FDSTORE", "1"), ("FDNAME", "b:c")],
        vec![all[1]],
    );
    say(
        &mut world,
        &[("FDSTORE", "1"), ("FDNAME", "d")],
        vec![all[2], all[3]],
    );
    say(&mut world, &[("STATUS", "x")], vec![all[4]]);
    assert_eq!(world.closed, [all[3], all[4]], "one too many, one unasked");
    assert_eq!(world.engine.unit("keep.service").unwrap().stored, 3);
    world.must(Verb::Restart, "keep.service");
    assert_eq!(
        world.passed["keep ExecStart"],
        ["Stored d", "Stored stored", "Stored a"]
    );
    say(
        &mut world,
        &[("FDSTOREREMOVE", "1"), ("FDNAME", "d")],
        vec![],
    );
    assert_eq!(world.closed.last(), Some(&all[2]));
    world.must(Verb::Stop, "keep.service");
    assert_eq!(world.engine.unit("keep.service").unwrap().stored, 0);
}

#[test]
fn a_preserved_store_survives_a_stop() {
    let mut world = keeper(3, PreserveMode::Yes);
    let descriptor = world.descriptor();
    say(&mut world, &[("FDSTORE", "1")], vec![descriptor]);
    world.must(Verb::Stop, "keep.service");
    assert_eq!(world.closed, []);
    world.must(Verb::Start, "keep.service");
    assert_eq!(world.passed["keep ExecStart"], ["Stored stored"]);
}

#[test]
fn a_preserved_store_that_was_hung_up_keeps_nothing_loaded() {
    let mut world = keeper(3, PreserveMode::Yes);
    let descriptor = world.descriptor();
    say(&mut world, &[("FDSTORE", "1")], vec![descriptor]);
    world.must(Verb::Stop, "keep.service");
    assert_eq!(world.collect(), [""; 0]);
    let unit = world.engine.unit("keep.service").unwrap().id;
    world.send(Event::DescriptorGone { unit, descriptor });
    assert_eq!(world.collect(), ["keep.service"]);
}

#[test]
fn what_was_left_behind_stores_nothing_for_a_service_that_is_down() {
    let mut world = keeper(3, PreserveMode::Restart);
    world.must(Verb::Stop, "keep.service");
    let descriptor = world.descriptor();
    say(&mut world, &[("FDSTORE", "1")], vec![descriptor]);
    assert_eq!(world.closed, [descriptor]);
    assert_eq!(world.engine.unit("keep.service").unwrap().stored, 0);
}

#[test]
fn nothing_is_stored_for_who_may_not_speak() {
    let mut world = World::new([unit("keep.service").service(|service| {
        service.descriptor_store_max = 5;
    })]);
    world.must(Verb::Start, "keep.service");
    let descriptor = world.descriptor();
    say(&mut world, &[("FDSTORE", "1")], vec![descriptor]);
    assert_eq!(world.closed, [descriptor]);
}

#[test]
fn instances_are_unloaded_once_their_connection_has_ended() {
    let mut world = per_connection(64);
    world.connect("in.socket", "a");
    world.send(Event::Collect);
    assert!(world.engine.unit("in@0-1-a.service").is_some());
    world.end("in@0-1-a.service", ProcessStatus::Exited(0));
    world.send(Event::Collect);
    assert!(world.engine.unit("in@0-1-a.service").is_none());
    assert!(world.engine.unit("in.socket").is_some());
    let triggers = world.engine.dependencies("in.socket", "Triggers");
    assert!(triggers.is_empty());
}
