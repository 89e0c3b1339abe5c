//! The manager on a real message bus: its objects under a name of its own, who may do what there,
//! signals, and a bus that comes and goes.

mod common;

use common::bus::Bus;
use common::daemon::Place;
use common::skip::{has_program, is_root};
use common::{Daemon, Missing, namespace, skip, wait_for, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const NAME: &str = "com.datadoghq.ProcessManager1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

fn lacks_programs() -> bool {
    for (program, package) in [("dbus-daemon", "dbus"), ("busctl", "systemd")] {
        if !has_program(program) {
            skip(
                Missing::Package,
                &format!("no {program} (package {package})"),
            );
            return true;
        }
    }
    false
}

/// A place whose daemon is to be served on the bus of this place.
fn place() -> Place {
    let place = Place::new();
    let address = Bus::address(place.path());
    place.write_unit("a.service", "[Service]\nExecStart=/bin/sleep 1000\n");
    place.with_argument("--bus").with_argument(&address)
}

fn busctl(daemon: &Daemon, words: &[&str]) -> Command {
    let mut command = Command::new("busctl");
    let address = Bus::address(daemon.place().path());
    command.arg(format!("--address={address}")).args(words);
    command
}

fn run(mut command: Command) -> (bool, String) {
    let output: Output = command.output().expect("it is on PATH");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// Waits until somebody has the name on the bus.
fn wait_served(daemon: &Daemon, name: &str) {
    wait_for(&format!("{name} to be on the bus"), || {
        let (_, text) = run(busctl(daemon, &["list", "--acquired", "--no-legend"]));
        match text.lines().any(|line| line.starts_with(name)) {
            true => Ok(()),
            false => Err(format!("{text}\n{}", daemon.log())),
        }
    });
}

#[test]
fn the_objects_are_served_under_our_name_and_no_other() {
    if lacks_programs() {
        return;
    }
    let place = place();
    let _bus = Bus::start(place.path());
    let daemon = place.start();
    wait_served(&daemon, NAME);
    let (_, names) = run(busctl(&daemon, &["list", "--acquired", "--no-legend"]));
    assert!(!names.contains("org.freedesktop.systemd1"), "{names}");
    let call = |member: &str, more: &[&str]| {
        let words = ["call", NAME, PATH, MANAGER, member];
        run(busctl(&daemon, &[&words[..], more].concat()))
    };
    let (fine, text) = call("StartUnit", &["ss", "a.service", "fail"]);
    assert!(fine && text.contains("/job/"), "{text}");
    daemon.wait_state("a.service", "active/running");
    let (fine, text) = call("GetUnit", &["s", "a.service"]);
    assert!(fine && text.contains("a_2eservice"), "{text}");
    let (fine, text) = call("StartUnit", &["ss", "nothing.service", "fail"]);
    assert!(
        !fine && text.contains("Unit nothing.service not found."),
        "{text}"
    );
    let unit = format!("{PATH}/unit/a_2eservice");
    let words = [
        "get-property",
        NAME,
        &unit,
        "org.freedesktop.systemd1.Unit",
        "ActiveState",
    ];
    let (_, text) = run(busctl(&daemon, &words));
    assert_eq!(text, "s \"active\"\n");
    let (fine, text) = run(busctl(&daemon, &["tree", "--list", NAME]));
    assert!(fine && text.contains("a_2eservice"), "{text}");
    let (fine, text) = run(busctl(&daemon, &["introspect", NAME, &unit]));
    assert!(fine && text.contains(".ExecMainPID"), "{text}");
    // Who is it that calls?
    let (fine, text) = call("GetUnitByPID", &["u", "0"]);
    assert!(
        !fine && text.contains("does not belong to any loaded unit"),
        "{text}"
    );
    let words = ["call", NAME, PATH, NAME, "FollowLog", "asu", "0", "0"];
    let (fine, text) = run(busctl(&daemon, &words));
    assert!(
        !fine && text.contains("on the control socket only"),
        "{text}"
    );
}

#[test]
fn signals_reach_whoever_has_called() {
    if lacks_programs() {
        return;
    }
    let place = place();
    place.write_unit("b.service", "[Service]\nExecStart=/bin/sleep 1000\n");
    let _bus = Bus::start(place.path());
    let daemon = place.start();
    wait_served(&daemon, NAME);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        let address = Bus::address(daemon.place().path());
        let connection = zbus::connection::Builder::address(address.as_str())
            .build()
            .await
            .expect("the bus lets us in");
        let rule = format!("type='signal',sender='{NAME}',interface='{MANAGER}'");
        let bus = "org.freedesktop.DBus";
        connection
            .call_method(
                Some(bus),
                "/org/freedesktop/DBus",
                Some(bus),
                "AddMatch",
                &rule,
            )
            .await
            .expect("the rule is taken");
        let mut messages = zbus::MessageStream::from(&connection);
        let reply = connection
            .call_method(
                Some(NAME),
                PATH,
                Some(MANAGER),
                "StartUnit",
                &("a.service", "fail"),
            )
            .await
            .expect("it is started");
        let job: zbus::OwnedObjectPath = reply.body().deserialize().expect("a path");
        let mut replied = false;
        let removed = async {
            while let Some(Ok(message)) = futures_util::StreamExt::next(&mut messages).await {
                let header = message.header();
                replied |= message.message_type() == zbus::message::Type::MethodReturn;
                let member = header.member().map(|member| member.as_str().to_owned());
                if member.as_deref() == Some("JobRemoved") {
                    type Removed = (u32, zbus::OwnedObjectPath, String, String);
                    let removed: Removed = message.body().deserialize().expect("uoss");
                    return removed;
                }
            }
            panic!("the connection ended")
        };
        let removed = tokio::time::timeout(common::DEADLINE, removed).await;
        let (_, path, unit, result) = removed.expect("the signal comes");
        assert_eq!(
            (path, unit.as_str(), result.as_str()),
            (job, "a.service", "done")
        );
        assert!(replied, "the reply is first");
        // What it holds is let go of when it leaves.
        connection
            .call_method(Some(NAME), PATH, Some(MANAGER), "RefUnit", &"b.service")
            .await
            .expect("it is held");
        assert!(daemon.ok(&["list-units", "--all"]).contains("b.service"));
    });
    wait_until("what it held to go", || {
        !daemon.ok(&["list-units", "--all"]).contains("b.service")
    });
}

#[test]
fn another_user_may_look_at_most() {
    if lacks_programs() {
        return;
    }
    if !is_root() || !has_program("setpriv") {
        skip(Missing::Privilege, "only root can be somebody else");
        return;
    }
    for (access, may_look) in [("none", false), ("all", true)] {
        let place = place();
        let settings = place.file("settings");
        fs::write(&settings, format!("[Manager]\nReadAccess={access}\n")).expect("it is ours");
        let _bus = Bus::start(place.path());
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(Bus::socket(place.path()), open).expect("it is ours");
        let daemon = place
            .with_argument("--config")
            .with_argument(&settings.to_string_lossy())
            .start();
        wait_served(&daemon, NAME);
        let as_nobody = |member: &str, more: &[&str]| {
            let mut command = Command::new("setpriv");
            let address = format!("--address={}", Bus::address(daemon.place().path()));
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "busctl"])
                .args([&address, "call", NAME, PATH, MANAGER, member])
                .args(more);
            run(command)
        };
        let (fine, text) = as_nobody("ListUnits", &[]);
        assert_eq!(fine, may_look, "{access}: {text}\n{}", daemon.log());
        let (fine, text) = as_nobody("StartUnit", &["ss", "a.service", "fail"]);
        assert!(!fine && text.contains("Access denied"), "{access}: {text}");
        assert_eq!(daemon.state("a.service"), "inactive/dead");
    }
}

#[test]
fn a_bus_comes_and_goes() {
    if lacks_programs() {
        return;
    }
    let daemon = place()
        .with_argument("--bus-name")
        .with_argument("org.freedesktop.systemd1")
        .with_argument("--bus-name")
        .with_argument("com.example.Other")
        .start();
    // It serves its socket without.
    daemon.ok(&["start", "a.service"]);
    wait_until("the daemon to say that the bus is not there", || {
        daemon.log().contains("bus.sock is not there")
    });
    for _ in 0..2 {
        let _bus = Bus::start(daemon.place().path());
        wait_served(&daemon, "org.freedesktop.systemd1");
        wait_served(&daemon, "com.example.Other");
        let (_, names) = run(busctl(&daemon, &["list", "--acquired", "--no-legend"]));
        assert!(!names.contains(NAME), "{names}");
    }
    daemon.ok(&["stop", "a.service"]);
}

#[test]
fn a_name_that_is_taken_is_waited_for() {
    if lacks_programs() {
        return;
    }
    let place = place();
    let _bus = Bus::start(place.path());
    let address = Bus::address(place.path());
    let other = Place::new()
        .with_argument("--bus")
        .with_argument(&address)
        .start();
    wait_until("the first to have the name", || {
        other.log().contains(&format!("served as {NAME}"))
    });
    let daemon = place.start();
    wait_until("the second to wait", || {
        daemon.log().contains("waiting in line")
    });
    drop(other);
    wait_for("the second to have it", || {
        let words = ["call", NAME, PATH, MANAGER, "GetUnit", "s", "basic.target"];
        match run(busctl(&daemon, &words)) {
            (true, _) => Ok(()),
            (false, text) => Err(text),
        }
    });
}

/// Debian's systemctl by a real bus, where the daemon was told to be systemd there.
#[test]
fn systemctl_by_a_real_bus() {
    if lacks_programs() || !has_program("systemctl") {
        return;
    }
    namespace::private(|| {
        let place = place()
            .with_argument("--bus-name")
            .with_argument("org.freedesktop.systemd1");
        fs::create_dir_all("/run/systemd/system").expect("the private place can be written");
        let _bus = Bus::start(place.path());
        let daemon = place.start();
        wait_served(&daemon, "org.freedesktop.systemd1");
        let systemctl = |words: &[&str]| {
            let mut command = Command::new("systemctl");
            command.args(words).env("SYSTEMCTL_FORCE_BUS", "1").env(
                "DBUS_SYSTEM_BUS_ADDRESS",
                Bus::address(daemon.place().path()),
            );
            run(command)
        };
        let (fine, text) = systemctl(&["start", "a.service"]);
        assert!(fine, "{text}\n{}", daemon.log());
        assert_eq!(systemctl(&["is-active", "a.service"]).1, "active\n");
        let (_, text) = systemctl(&["status", "a.service", "-n", "0"]);
        assert!(text.contains("Active: active (running)"), "{text}");
        let (fine, text) = systemctl(&["restart", "a.service"]);
        assert!(fine, "{text}");
        let (fine, text) = systemctl(&["daemon-reload"]);
        assert!(fine, "{text}");
        let (fine, text) = systemctl(&["stop", "a.service"]);
        assert!(fine, "{text}");
        assert_eq!(systemctl(&["is-active", "a.service"]).1, "inactive\n");
    });
}
