//! The whole of the bus over a real socket, with the real engine behind it.

use super::member::Access;
use super::{own, serve, table_members};
use crate::host::small_loop_tests::small_loop;
use crate::host::{LogLine, Stream};
use crate::unit::config::{
    Command, CommandKind, LoadState, Privileges, ServiceConfig, UnitBody, UnitConfig,
};
use crate::unit::diagnostic::Position;
use crate::unit::name::UnitName;
use futures_util::StreamExt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::message::Type as MessageType;
use zbus::wire::DynamicType;
use zbus::{Connection, Message, MessageStream, OwnedObjectPath, OwnedVariant};

const MANAGER: &str = "/org/freedesktop/systemd1";
const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
const OWN: &str = "com.datadoghq.ProcessManager1";
const UNIT: &str = "/org/freedesktop/systemd1/unit/agent_2eservice";

fn agent() -> UnitConfig {
    let mut service = ServiceConfig::default();
    service.exec.environment = vec![
        ("DD_API_KEY".to_owned(), "0123456789".to_owned()),
        ("DD_SITE".to_owned(), "datadoghq.eu".to_owned()),
    ];
    service.commands.get_mut(CommandKind::Start).push(Command {
        program: "/bin/agent".to_owned(),
        argv: vec!["/bin/agent".to_owned(), "run".to_owned()],
        ignore_failure: false,
        no_expand: false,
        privileges: Privileges::Normal,
        position: Position {
            file: "test".into(),
            line: 1,
            column: 1,
        },
    });
    let mut config = UnitConfig::not_found(UnitName::parse("agent.service").unwrap());
    config.load = LoadState::Loaded;
    config.load_error = None;
    config.unit.description = "The agent".to_owned();
    config.body = UnitBody::Service(Box::new(service));
    config
}

fn line(number: u64, text: &str) -> LogLine {
    LogLine {
        number,
        realtime: number * 1000,
        unit: Some(UnitName::parse("agent.service").unwrap()),
        pid: 9,
        stream: Stream::Stdout,
        text: text.to_owned(),
        ..LogLine::default()
    }
}

fn text(text: &str) -> OwnedVariant {
    zbus::Variant::from(text).try_to_owned().unwrap()
}

struct TestClient {
    connection: Connection,
    stream: MessageStream,
    signals: Vec<Message>,
}

type Reply = Result<Message, (String, String)>;

impl TestClient {
    async fn connect(socket: &std::path::Path) -> TestClient {
        let stream = UnixStream::connect(socket).unwrap();
        let builder = Builder::unix_stream(stream).p2p();
        let stream = builder.build_message_stream().await.unwrap();
        TestClient {
            connection: Connection::from(&stream),
            stream,
            signals: Vec::new(),
        }
    }

    async fn call<B: Serialize + DynamicType>(
        &mut self,
        to: (Option<&str>, &str, &str, &str),
        body: &B,
    ) -> Reply {
        let (destination, path, interface, member) = to;
        let mut call = Message::method_call(path, member).interface(interface);
        if let Some(destination) = destination {
            call = call.destination(destination);
        }
        let call = call.build(body).unwrap();
        self.connection.send(&call).await.unwrap();
        let serial = call.primary_header().serial_num();
        loop {
            let message = self.stream.next().await.unwrap().unwrap();
            if message.header().reply_serial() != Some(serial) {
                self.signals.push(message);
                continue;
            }
            if message.message_type() == MessageType::Error {
                let name = message.header().error_name().unwrap().to_string();
                return Err((name, message.body().deserialize().unwrap()));
            }
            return Ok(message);
        }
    }

    async fn manager<B: Serialize + DynamicType>(&mut self, member: &str, body: &B) -> Reply {
        let to = (None, MANAGER, MANAGER_INTERFACE, member);
        self.call(to, body).await
    }

    async fn own<B: Serialize + DynamicType>(&mut self, member: &str, body: &B) -> Reply {
        self.call((None, MANAGER, OWN, member), body).await
    }

    async fn bus<B: Serialize + DynamicType>(&mut self, member: &str, body: &B) -> Reply {
        self.call((Some(BUS), BUS_PATH, BUS, member), body).await
    }

    async fn get_all(&mut self, path: &str, interface: &str) -> BTreeMap<String, OwnedVariant> {
        let to = (None, path, PROPERTIES, "GetAll");
        let reply = self.call(to, &interface).await.unwrap();
        reply.body().deserialize().unwrap()
    }

    async fn signal(&mut self, member: &str) -> Message {
        loop {
            if let Some(index) = self
                .signals
                .iter()
                .position(|m| m.header().member().is_some_and(|m| m.as_str() == member))
            {
                return self.signals.remove(index);
            }
            let message = self.stream.next().await.unwrap().unwrap();
            self.signals.push(message);
        }
    }
}

/// Runs a test against a server of its own, with a limit.
/// A log at one level that nothing goes to.
pub(super) struct NoLog;

impl super::LogControl for NoLog {
    fn level(&self) -> String {
        "info".to_owned()
    }

    fn set_level(&self, level: &str) -> Result<(), String> {
        match level {
            "debug" => Ok(()),
            other => Err(other.to_owned()),
        }
    }

    fn target(&self) -> String {
        "console".to_owned()
    }
}

fn with_server<F, T>(test: F)
where
    F: FnOnce(std::path::PathBuf) -> T,
    T: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("pm.sock");
    runtime.block_on(async {
        let listener = UnixListener::bind(&socket).unwrap();
        let lines = vec![line(1, "one"), line(2, "two")];
        let server = tokio::spawn(serve(
            listener,
            small_loop(vec![agent()], lines),
            Arc::new(NoLog),
            None,
        ));
        let test = tokio::time::timeout(Duration::from_secs(30), test(socket));
        test.await.expect("the test is done in time");
        server.abort();
    });
}

#[track_caller]
fn refused(reply: Reply, name: &str) -> String {
    let (error, message) = reply.map(|_| ()).expect_err("it is refused");
    assert_eq!(error, name, "{message}");
    message
}

#[test]
fn all_properties_of_a_unit_come_with_the_type_first() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let all = client.get_all(UNIT, "").await;
        assert_eq!(all["Id"], text("agent.service"));
        assert_eq!(all["MainPID"], OwnedVariant::from(0u32));
        assert_eq!(all["MemoryMax"], OwnedVariant::from(u64::MAX));
        assert!(all.len() > 300, "{}", all.len());
        let to = (None, UNIT, PROPERTIES, "GetAll");
        let raw = client.call(to, &"").await.unwrap();
        let raw = String::from_utf8_lossy(raw.body().data().bytes()).into_owned();
        let place = |name: &str| raw.find(&format!("{name}\0")).unwrap();
        assert!(place("MainPID") < place("KillMode"));
        assert!(place("KillMode") < place("InvocationID"));
        let unit = client.get_all(UNIT, "org.freedesktop.systemd1.Unit").await;
        assert!(unit.contains_key("ActiveState") && !unit.contains_key("MainPID"));
        let of_type = "org.freedesktop.systemd1.Service";
        let of_type = client.get_all(UNIT, of_type).await;
        assert!(of_type.contains_key("MainPID") && !of_type.contains_key("ActiveState"));
        let same = of_type.iter().filter(|(name, value)| all[*name] == **value);
        assert_eq!(same.count(), of_type.len());
    });
}

#[test]
fn secrets_are_not_shown() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        for path in [UNIT, MANAGER] {
            let all = client.get_all(path, "").await;
            let text = format!("{:?}", all["Environment"]);
            assert!(text.contains("DD_API_KEY=*****"), "{text}");
            assert!(!text.contains("0123"), "{text}");
        }
    });
}

#[test]
fn single_properties_and_their_refusals() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let to = |member| (None, UNIT, PROPERTIES, member);
        let unit = "org.freedesktop.systemd1.Unit";
        let reply = client.call(to("Get"), &(unit, "Description")).await;
        let value: OwnedVariant = reply.unwrap().body().deserialize().unwrap();
        assert_eq!(value, text("The agent"));
        let reply = client.call(to("Get"), &(unit, "Novel")).await;
        refused(reply, "org.freedesktop.DBus.Error.UnknownProperty");
        let reply = client.call(to("GetAll"), &"org.example.Novel").await;
        refused(reply, "org.freedesktop.DBus.Error.UnknownInterface");
        let value = zbus::Variant::from("x");
        let reply = client.call(to("Set"), &(unit, "Description", value)).await;
        refused(reply, "org.freedesktop.DBus.Error.PropertyReadOnly");
        assert!(client.get_all(UNIT, PROPERTIES).await.is_empty());
    });
}

#[test]
fn looking_at_a_unit_loads_it_and_bad_names_are_refused() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let reply = client.manager("GetUnit", &"novel.service").await;
        let message = refused(reply, "org.freedesktop.systemd1.NoSuchUnit");
        assert_eq!(message, "Unit novel.service not loaded.");
        let path = "/org/freedesktop/systemd1/unit/novel_2eservice";
        let all = client.get_all(path, "").await;
        assert_eq!(all["LoadState"], text("not-found"));
        client.manager("GetUnit", &"novel.service").await.unwrap();
        let to = (
            None,
            "/org/freedesktop/systemd1/unit/bad",
            PROPERTIES,
            "GetAll",
        );
        refused(
            client.call(to, &"").await,
            "org.freedesktop.DBus.Error.InvalidArgs",
        );
        let to = (None, "/org/example", PROPERTIES, "GetAll");
        refused(
            client.call(to, &"").await,
            "org.freedesktop.DBus.Error.UnknownObject",
        );
    });
}

#[test]
fn a_start_answers_before_its_job_ends_and_the_state_is_told_before_that() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let reply = client
            .manager("StartUnit", &("agent.service", "replace"))
            .await;
        let job: OwnedObjectPath = reply.unwrap().body().deserialize().unwrap();
        let early: Vec<_> = client
            .signals
            .iter()
            .map(|m| m.header().member().unwrap().to_string())
            .collect();
        assert!(!early.contains(&"JobRemoved".to_owned()), "{early:?}");
        let removed = client.signal("JobRemoved").await;
        let (_, path, unit, result): (u32, OwnedObjectPath, String, String) =
            removed.body().deserialize().unwrap();
        assert_eq!(
            (path, unit.as_str(), result.as_str()),
            (job, "agent.service", "done")
        );
        let changed = client.signal("PropertiesChanged").await;
        assert!(changed.recv_position() < removed.recv_position());
        let all = client.get_all(UNIT, "").await;
        assert_eq!(all["ActiveState"], text("active"));
        assert_eq!(all["MainPID"], OwnedVariant::from(100u32));
    });
}

#[test]
fn a_request_that_needs_no_job_still_ends() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let asked = ("agent.service", "replace");
        let reply = client.manager("TryRestartUnit", &asked).await.unwrap();
        let job: OwnedObjectPath = reply.body().deserialize().unwrap();
        let removed = client.signal("JobRemoved").await;
        let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
            removed.body().deserialize().unwrap();
        assert_eq!((path, result.as_str()), (job, "done"));
    });
}

#[test]
fn refusals_have_systemds_names() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let reply = client
            .manager("StartUnit", &("novel.service", "replace"))
            .await;
        let message = refused(reply, "org.freedesktop.systemd1.NoSuchUnit");
        assert_eq!(message, "Unit novel.service not found.");
        let reply = client
            .manager("StartUnit", &("agent.service", "novel"))
            .await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        let reply = client
            .manager("ReloadUnit", &("agent.service", "replace"))
            .await;
        refused(reply, "org.freedesktop.systemd1.JobTypeNotApplicable");
        let reply = client.manager("StartUnit", &"one argument").await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        let reply = client.manager("EnableUnitFiles", &()).await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        // The small loop has no unit directories at all.
        let arguments = (vec!["agent.service"], false, false);
        let reply = client.manager("EnableUnitFiles", &arguments).await;
        let message = refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        assert!(message.contains("no persistent directory"), "{message}");
        let reply = client.manager("AttachDevice", &()).await;
        refused(reply, "org.freedesktop.DBus.Error.UnknownMethod");
        refused(
            client.manager("GetJob", &99u32).await,
            "org.freedesktop.systemd1.NoSuchJob",
        );
        let reply = client.manager("CancelJob", &99u32).await;
        let message = refused(reply, "org.freedesktop.systemd1.NoSuchJob");
        assert_eq!(message, "Job 99 does not exist.");
        let path = "/org/freedesktop/systemd1/job/99";
        let to = (None, path, "org.freedesktop.systemd1.Job", "Cancel");
        let reply = client.call(to, &()).await;
        refused(reply, "org.freedesktop.DBus.Error.UnknownObject");
        client.manager("ClearJobs", &()).await.unwrap();
        let reply = client
            .manager("StartUnit", &("agent.service", "isolate"))
            .await;
        refused(reply, "org.freedesktop.systemd1.NoIsolation");
        let reply = client
            .manager("StopUnit", &("agent.service", "isolate"))
            .await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        let reply = client
            .manager("KillUnit", &("agent.service", "all", 99))
            .await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
    });
}

#[test]
fn units_are_listed_by_state_and_pattern() {
    with_server(|socket| async move {
        type Row = (
            String,
            String,
            String,
            String,
            String,
            String,
            OwnedObjectPath,
            u32,
            String,
            OwnedObjectPath,
        );
        let mut client = TestClient::connect(&socket).await;
        let none: Vec<String> = Vec::new();
        for (states, patterns, wanted) in [
            (vec!["inactive".to_owned()], vec!["ag*".to_owned()], 1),
            (vec!["active".to_owned()], vec!["ag*".to_owned()], 0),
            (none.clone(), vec!["**.service".to_owned()], 1),
            (none.clone(), vec!["x*".to_owned()], 0),
            (none.clone(), vec!["agent.service".to_owned()], 1),
        ] {
            let asked = (states, patterns);
            let reply = client.manager("ListUnitsByPatterns", &asked).await.unwrap();
            let rows: Vec<Row> = reply.body().deserialize().unwrap();
            assert_eq!(rows.len(), wanted, "{asked:?}");
        }
        let reply = client.own("List", &none).await.unwrap();
        let rows: Vec<(String, BTreeMap<String, OwnedVariant>)> =
            reply.body().deserialize().unwrap();
        let (name, row) = &rows[0];
        assert_eq!(name, "agent.service");
        let command = text("/bin/agent run");
        assert_eq!(row["Command"], command);
        assert_eq!(row["State"], text("created"));
    });
}

#[test]
fn the_log_is_read_and_followed() {
    with_server(|socket| async move {
        type Fields = std::collections::BTreeMap<String, String>;
        type Line = (u64, u64, String, i32, String, String, u8, String, Fields);
        let mut client = TestClient::connect(&socket).await;
        let asked = (vec!["agent.service"], 1u32);
        let reply = client.own("ReadLog", &asked).await.unwrap();
        let lines: Vec<Line> = reply.body().deserialize().unwrap();
        let wanted = (2, 2000, "agent.service".to_owned(), 9);
        assert_eq!(
            (lines[0].0, lines[0].1, lines[0].2.clone(), lines[0].3),
            wanted
        );
        assert_eq!(lines.len(), 1);
        let reply = client
            .own("FollowLog", &(vec!["agent.service"], 9u32))
            .await;
        let lines: Vec<Line> = reply.unwrap().body().deserialize().unwrap();
        assert_eq!(lines.len(), 2);
        let kill = ("agent.service", "all", 15);
        // There is nothing to kill, but the small loop logs the attempt.
        let _ = client.manager("KillUnit", &kill).await;
        let logged = client.signal("Logged").await;
        let line: Line = logged.body().deserialize().unwrap();
        assert_eq!((line.0, line.5.as_str()), (3, "was signalled"));
    });
}

#[test]
fn on_a_bus_signals_come_by_match_rule_and_replies_with_names() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let hello = client.bus("Hello", &()).await.unwrap();
        let name: String = hello.body().deserialize().unwrap();
        assert!(name.starts_with(":1."), "{name}");
        let reply = client.bus("Hello", &()).await;
        refused(reply, "org.freedesktop.DBus.Error.Failed");
        let reply = client
            .bus("GetNameOwner", &"org.freedesktop.systemd1")
            .await;
        let owner: String = reply.unwrap().body().deserialize().unwrap();
        assert_eq!(owner, ":1.0");
        let reply = client.bus("GetNameOwner", &"org.example.Novel").await;
        refused(reply, "org.freedesktop.DBus.Error.NameHasNoOwner");

        let rule = "type='signal',sender='org.freedesktop.systemd1',member='JobRemoved'";
        client.bus("AddMatch", &rule).await.unwrap();
        let to = (
            Some("org.freedesktop.systemd1"),
            MANAGER,
            MANAGER_INTERFACE,
            "StartUnit",
        );
        let reply = client
            .call(to, &("agent.service", "replace"))
            .await
            .unwrap();
        let header = reply.header();
        assert_eq!(header.sender().unwrap().as_str(), ":1.0");
        assert_eq!(header.destination().unwrap().as_str(), name);
        let removed = client.signal("JobRemoved").await;
        assert_eq!(removed.header().sender().unwrap().as_str(), ":1.0");
        let others: Vec<_> = client
            .signals
            .iter()
            .map(|m| m.header().member().unwrap().to_string())
            .collect();
        assert_eq!(others, ["NameAcquired"]);

        client.bus("RemoveMatch", &rule).await.unwrap();
        let reply = client.bus("RemoveMatch", &rule).await;
        refused(reply, "org.freedesktop.DBus.Error.MatchRuleNotFound");
        let reply = client.bus("AddMatch", &"type='novel'").await;
        refused(reply, "org.freedesktop.DBus.Error.MatchRuleInvalid");
        let to = (Some("org.freedesktop.login1"), "/", "org.example.A", "B");
        let reply = client.call(to, &()).await;
        refused(reply, "org.freedesktop.DBus.Error.ServiceUnknown");
    });
}

#[test]
fn the_answer_to_hello_is_the_first_that_a_client_hears() {
    with_server(|socket| async move {
        let mut early = TestClient::connect(&socket).await;
        let mut other = TestClient::connect(&socket).await;
        other
            .manager("StartUnit", &("agent.service", "replace"))
            .await
            .unwrap();
        other.signal("JobRemoved").await;
        early.bus("Hello", &()).await.unwrap();
        assert!(early.signals.is_empty(), "{:?}", early.signals);
        early.signal("NameAcquired").await;
    });
}

#[test]
fn a_monitor_sees_what_others_say_and_says_nothing() {
    with_server(|socket| async move {
        let mut monitor = TestClient::connect(&socket).await;
        monitor.bus("Hello", &()).await.unwrap();
        let monitoring = "org.freedesktop.DBus.Monitoring";
        let become_monitor = (Some(BUS), BUS_PATH, monitoring, "BecomeMonitor");
        let rules = vec![
            "type='method_call',member='GetUnit'",
            "sender='org.freedesktop.systemd1'",
        ];
        let bad = monitor.call(become_monitor, &(vec!["novel"], 0_u32)).await;
        refused(bad, "org.freedesktop.DBus.Error.MatchRuleInvalid");
        monitor.call(become_monitor, &(rules, 0_u32)).await.unwrap();
        monitor.signal("NameLost").await;
        let mut other = TestClient::connect(&socket).await;
        other.bus("Hello", &()).await.unwrap();
        let names: Vec<String> = {
            let reply = other.bus("ListNames", &()).await.unwrap();
            reply.body().deserialize().unwrap()
        };
        assert!(!names.contains(&":1.1".to_owned()), "{names:?}");
        other.manager("GetUnit", &"agent.service").await.unwrap();
        let call = monitor.stream.next().await.unwrap().unwrap();
        let header = call.header();
        assert_eq!(header.member().unwrap().as_str(), "GetUnit");
        assert_eq!(header.sender().unwrap().as_str(), ":1.2");
        let reply = monitor.stream.next().await.unwrap().unwrap();
        assert_eq!(reply.message_type(), MessageType::MethodReturn);
        assert_eq!(reply.header().destination().unwrap().as_str(), ":1.2");
        // Whoever says something is none any more.
        let call = Message::method_call(MANAGER, "ListUnits").interface(MANAGER_INTERFACE);
        let call = call.build(&()).unwrap();
        monitor.connection.send(&call).await.unwrap();
        assert!(!matches!(monitor.stream.next().await, Some(Ok(_))));
    });
}

#[test]
fn the_bus_shows_what_it_has() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let introspect = "org.freedesktop.DBus.Introspectable";
        for (path, wanted) in [
            (BUS_PATH, "<method name=\"BecomeMonitor\">"),
            ("/", "<node name=\"org\"/>"),
        ] {
            let to = (Some(BUS), path, introspect, "Introspect");
            let reply = client.call(to, &()).await.unwrap();
            let xml: String = reply.body().deserialize().unwrap();
            assert!(xml.contains(wanted), "{xml}");
        }
    });
}

#[test]
fn introspection_names_the_children_on_the_way_to_a_unit() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let introspectable = "org.freedesktop.DBus.Introspectable";
        for (path, wanted) in [
            ("/", "<node name=\"org\"/>"),
            ("/org/freedesktop", "<node name=\"systemd1\"/>"),
            (MANAGER, "<node name=\"unit\"/>"),
            (MANAGER, "<method name=\"StartUnit\">"),
            (
                "/org/freedesktop/systemd1/unit",
                "<node name=\"agent_2eservice\"/>",
            ),
            (UNIT, "<property name=\"MainPID\" type=\"u\""),
        ] {
            let to = (None, path, introspectable, "Introspect");
            let xml: String = client
                .call(to, &())
                .await
                .unwrap()
                .body()
                .deserialize()
                .unwrap();
            assert!(xml.contains(wanted), "{path}: {xml}");
        }
    });
}

#[test]
fn who_announces_a_huge_message_is_cut_off() {
    with_server(|socket| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut hostile = tokio::net::UnixStream::connect(&socket).await.unwrap();
        let handshake = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
        hostile.write_all(handshake).await.unwrap();
        let mut header = vec![b'l', 1, 0, 1];
        header.extend(100_000_000_u32.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        header.extend(0_u32.to_le_bytes());
        hostile.write_all(&header).await.unwrap();
        let mut answer = Vec::new();
        // The end of the stream, with whatever the handshake answered before it.
        let _ = hostile.read_to_end(&mut answer).await;
        let mut client = TestClient::connect(&socket).await;
        let to = (None, MANAGER, "org.freedesktop.DBus.Peer", "Ping");
        client.call(to, &()).await.unwrap();
    });
}

#[test]
fn a_client_without_handshake_does_no_harm() {
    with_server(|socket| async move {
        let silent = UnixStream::connect(&socket).unwrap();
        drop(UnixStream::connect(&socket).unwrap());
        let mut client = TestClient::connect(&socket).await;
        let to = (None, MANAGER, "org.freedesktop.DBus.Peer", "Ping");
        client.call(to, &()).await.unwrap();
        drop(silent);
    });
}

#[test]
fn another_user_may_look_and_change_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    with_server(|socket| async move {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o777);
        for path in [socket.as_path(), socket.parent().unwrap()] {
            std::fs::set_permissions(path, open.clone()).unwrap();
        }
        let (root, other) = (rustix::fs::Uid::ROOT, rustix::fs::Uid::from_raw(65534));
        // The server, which runs on this thread, knows by now who it is.
        TestClient::connect(&socket).await;
        // Of this thread alone.
        rustix::thread::set_thread_res_uid(root, other, root).unwrap();
        let mut client = TestClient::connect(&socket).await;
        rustix::thread::set_thread_res_uid(root, root, root).unwrap();
        let job = "/org/freedesktop/systemd1/job/1";
        let service = "org.freedesktop.systemd1.Service";
        let unit = "org.freedesktop.systemd1.Unit";
        let mut denied = 0;
        for (path, interface, methods) in [
            (MANAGER, MANAGER_INTERFACE, table_members::MANAGER),
            (MANAGER, OWN, own::METHODS),
            (UNIT, unit, table_members::UNIT),
            (UNIT, service, table_members::SERVICE),
        ] {
            for method in methods {
                let to = (None, path, interface, method.name);
                let reply = client.call(to, &()).await;
                let denial = "org.freedesktop.DBus.Error.AccessDenied";
                let is_denied = reply.is_err_and(|(name, _)| name == denial);
                assert_eq!(
                    is_denied,
                    method.access == Access::Change,
                    "{}",
                    method.name
                );
                denied += u32::from(is_denied);
            }
        }
        assert!(denied > 60, "{denied}");
        let log = "org.freedesktop.LogControl1";
        let to = (None, "/org/freedesktop/LogControl1", PROPERTIES, "Set");
        let level = zbus::Variant::from("debug");
        let reply = client.call(to, &(log, "LogLevel", level)).await;
        refused(reply, "org.freedesktop.DBus.Error.AccessDenied");
        let to = (None, job, "org.freedesktop.systemd1.Job", "Cancel");
        assert!(client.call(to, &()).await.is_err());
    });
}

#[test]
fn the_level_of_the_log_is_read_and_set() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let path = "/org/freedesktop/LogControl1";
        let all = client.get_all(path, "").await;
        assert_eq!(all["LogLevel"], text("info"));
        assert_eq!(all["LogTarget"], text("console"));
        let log = "org.freedesktop.LogControl1";
        let to = (None, path, PROPERTIES, "Set");
        let level = |word: &'static str| zbus::Variant::from(word);
        let reply = client.call(to, &(log, "LogLevel", level("debug"))).await;
        reply.unwrap();
        let reply = client.call(to, &(log, "LogLevel", level("loud"))).await;
        refused(reply, "org.freedesktop.DBus.Error.InvalidArgs");
        let reply = client.call(to, &(log, "LogTarget", level("kmsg"))).await;
        refused(reply, "org.freedesktop.DBus.Error.NotSupported");
        let reply = client
            .call(to, &(log, "SyslogIdentifier", level("x")))
            .await;
        refused(reply, "org.freedesktop.DBus.Error.PropertyReadOnly");
        let manager = client.get_all(MANAGER, "").await;
        assert_eq!(manager["LogLevel"], text("info"));
    });
}

#[test]
fn units_are_found_by_what_runs_in_them() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let path = |reply: Reply| -> String {
            let path: OwnedObjectPath = reply.unwrap().body().deserialize().unwrap();
            path.as_str().to_owned()
        };
        let start = ("agent.service", "replace");
        client.manager("StartUnit", &start).await.unwrap();
        client.signal("JobRemoved").await;
        let all = client.get_all(UNIT, "").await;
        let id: Vec<u8> = all["InvocationID"].clone().try_into().unwrap();
        assert_eq!(
            path(client.manager("GetUnitByInvocationID", &id).await),
            UNIT
        );
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let element = super::path::escape(&hex);
        let by_id = format!("/org/freedesktop/systemd1/unit/{element}");
        let same = client.get_all(&by_id, "").await;
        assert_eq!(same["Id"], text("agent.service"));
        let wrong = client
            .manager("GetUnitByInvocationID", &vec![1u8; 16])
            .await;
        refused(wrong, "org.freedesktop.systemd1.NoUnitForInvocationID");
        assert_eq!(path(client.manager("GetUnitByPID", &100u32).await), UNIT);
        let group = "/small/agent.service/below";
        assert_eq!(
            path(client.manager("GetUnitByControlGroup", &group).await),
            UNIT
        );
        let stranger = client.manager("GetUnitByControlGroup", &"/elsewhere").await;
        refused(stranger, "org.freedesktop.systemd1.NoSuchUnit");
    });
}

#[test]
fn a_job_is_told_with_what_comes_with_it() {
    with_server(|socket| async move {
        type Job = (u32, OwnedObjectPath, String, OwnedObjectPath, String);
        type All = (
            u32,
            OwnedObjectPath,
            String,
            OwnedObjectPath,
            String,
            Vec<Job>,
        );
        let mut client = TestClient::connect(&socket).await;
        let asked = ("agent.service", "start", "replace");
        let reply = client.manager("EnqueueUnitJob", &asked).await.unwrap();
        let (_, _, unit, path, kind, others): All = reply.body().deserialize().unwrap();
        assert_eq!((unit.as_str(), kind.as_str()), ("agent.service", "start"));
        assert_eq!(path.as_str(), UNIT);
        assert!(others.is_empty(), "{others:?}");
        let asked = ("agent.service", "novel", "replace");
        refused(
            client.manager("EnqueueUnitJob", &asked).await,
            "org.freedesktop.DBus.Error.InvalidArgs",
        );
        let asked = ("novel.service", "agent.service", "replace");
        refused(
            client.manager("StartUnitReplace", &asked).await,
            "org.freedesktop.systemd1.NoSuchJob",
        );
    });
}

#[test]
fn units_are_held_and_let_go_and_signals_are_asked_for_once() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let unit = &"agent.service";
        refused(
            client.manager("UnrefUnit", unit).await,
            "org.freedesktop.systemd1.NotReferenced",
        );
        client.manager("RefUnit", unit).await.unwrap();
        client.manager("UnrefUnit", unit).await.unwrap();
        for _ in 0..2 {
            client.manager("Subscribe", &()).await.unwrap();
        }
        let mut client = TestClient::connect(&socket).await;
        client.bus("Hello", &()).await.unwrap();
        refused(
            client.manager("Unsubscribe", &()).await,
            "org.freedesktop.systemd1.NotSubscribed",
        );
        client.manager("Subscribe", &()).await.unwrap();
        refused(
            client.manager("Subscribe", &()).await,
            "org.freedesktop.systemd1.AlreadySubscribed",
        );
    });
}

#[test]
fn everything_is_dumped_without_secrets() {
    with_server(|socket| async move {
        let mut client = TestClient::connect(&socket).await;
        let reply = client.manager("Dump", &()).await.unwrap();
        let text: String = reply.body().deserialize().unwrap();
        assert!(text.starts_with("Manager:\n"), "{text}");
        assert!(text.contains("-> Unit agent.service:\n"), "{text}");
        assert!(
            text.contains("DD_API_KEY=****") && !text.contains("0123"),
            "{text}"
        );
        let patterns = vec!["x*"];
        let reply = client.manager("DumpUnitsMatchingPatterns", &patterns).await;
        let text: String = reply.unwrap().body().deserialize().unwrap();
        assert_eq!(text, "");
    });
}
