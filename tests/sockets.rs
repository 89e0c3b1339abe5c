//! Socket activation with real sockets: what the kernel sees, what services get, and what
//! goes wrong.

mod common;

use common::daemon::Place;
use common::{Daemon, wait_for};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A port that nobody had a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// Everything that the other side says before it closes.
fn hear(mut stream: impl Read) -> String {
    let mut text = String::new();
    // A reset says as much as an end.
    let _ = stream.read_to_string(&mut text);
    text
}

fn ask_unix(path: &Path) -> String {
    let stream = UnixStream::connect(path).expect("somebody listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("it can be set");
    hear(stream)
}

fn ask_port(port: u16) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("it can be set");
    hear(stream)
}

/// A daemon whose units may name its directory as `@DIR@`.
fn with(units: &[(&str, &str)]) -> Daemon {
    place_with(units).start()
}

fn place_with(units: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let directory = place.path().display().to_string();
    for (name, text) in units {
        place.write_unit(name, &text.replace("@DIR@", &directory));
    }
    place
}

#[track_caller]
fn start(daemon: &Daemon, unit: &str) {
    let run = daemon.run(&["start", unit]);
    assert_eq!(run.code, 0, "{run:?}\n{}", daemon.log());
}

fn show(daemon: &Daemon, unit: &str, property: &str) -> String {
    let run = daemon.run(&["show", unit, "-p", property, "--value"]);
    run.stdout.trim().to_owned()
}

#[track_caller]
fn wait_show(daemon: &Daemon, unit: &str, property: &str, value: &str) {
    wait_for(&format!("{unit} to have {property}={value}"), || {
        let seen = show(daemon, unit, property);
        if seen == value {
            Ok(())
        } else {
            Err(format!("{seen}\n{}", daemon.log()))
        }
    });
}

const WEB: &str = "[Service]\nExecStart=stand-in-agent --name web --listen passed\n";

#[test]
fn the_first_connection_starts_the_service_and_is_answered() {
    let port = free_port();
    let socket = format!("[Socket]\nListenStream=@DIR@/web\nListenStream=127.0.0.1:{port}\n");
    let daemon = with(&[("web.socket", &socket), ("web.service", WEB)]);
    start(&daemon, "web.socket");
    assert_eq!(show(&daemon, "web.socket", "SubState"), "listening");
    assert_eq!(show(&daemon, "web.service", "ActiveState"), "inactive");
    let path = daemon.place().file("web");
    assert!(ask_unix(&path).starts_with("web "), "{}", daemon.log());
    assert!(ask_port(port).starts_with("web "));
    assert_eq!(show(&daemon, "web.socket", "SubState"), "running");
    assert_eq!(daemon.place().records().of("web", "ready").len(), 1);
    assert_eq!(daemon.run(&["stop", "web.service"]).code, 0);
    wait_show(&daemon, "web.socket", "SubState", "listening");
    assert!(ask_port(port).starts_with("web "));
}

/// What a service wrote down of its environment.
#[track_caller]
fn environment(daemon: &Daemon) -> std::collections::BTreeMap<String, String> {
    let file = daemon.place().file("env");
    let text = wait_for("the environment to be written", || {
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        if text.ends_with("END=1\n") {
            Ok(text)
        } else {
            Err(text)
        }
    });
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A service that writes its environment down and stays.
const TELL: &str = "[Service]\nExecStart=/bin/sh -c 'env >@DIR@/env; echo END=1 >>@DIR@/env; \
                    exec sleep 60'\n";

#[test]
fn k2_k10_descriptors_names_and_pid_are_as_sd_listen_fds_wants_them() {
    let daemon = with(&[
        (
            "all.socket",
            "[Socket]\nListenStream=@DIR@/s\nListenDatagram=@DIR@/d\n\
             ListenSequentialPacket=@DIR@/q\nListenFIFO=@DIR@/f\n\
             ListenNetlink=kobject-uevent 0\nListenStream=@@DIR@/abstract\n\
             FileDescriptorName=one\n",
        ),
        (
            "more.socket",
            "[Socket]\nListenStream=@DIR@/m\nService=all.service\n",
        ),
        ("all.service", TELL),
    ]);
    start(&daemon, "all.socket");
    start(&daemon, "more.socket");
    start(&daemon, "all.service");
    let environment = environment(&daemon);
    let pid = show(&daemon, "all.service", "MainPID");
    assert_eq!(environment["LISTEN_PID"], pid);
    assert_eq!(environment["LISTEN_FDS"], "7");
    let names: Vec<&str> = environment["LISTEN_FDNAMES"].split(':').collect();
    assert_eq!(names.iter().filter(|name| **name == "one").count(), 6);
    assert!(names.contains(&"more.socket"));
    for number in 3..10 {
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"))
            .unwrap_or_else(|error| panic!("descriptor {number}: {error}"));
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap_or("0").trim(), 8).unwrap_or(0);
        assert_eq!(flags & 0o4000, 0, "descriptor {number} does not block");
        assert_eq!(flags & 0o2_000_000, 0, "descriptor {number} closes on exec");
    }
    assert!(!Path::new(&format!("/proc/{pid}/fd/10")).exists());
    wait_show(&daemon, "all.socket", "SubState", "running");
}

#[test]
fn every_kind_of_traffic_starts_its_service() {
    let service = "[Service]\nExecStart=/bin/sleep 60\n";
    let daemon = with(
        &[
            ("d.socket", "[Socket]\nListenDatagram=@DIR@/d\n"),
            ("d.service", service),
            ("f.socket", "[Socket]\nListenFIFO=@DIR@/f\nPipeSize=8K\n"),
            ("f.service", service),
            // There is always something to read from it.
            ("r.socket", "[Socket]\nListenSpecial=/dev/random\n"),
            ("r.service", service),
            ("q.socket", "[Socket]\nListenSequentialPacket=@DIR@/q\n"),
            ("q.service", service),
            ("u.socket", "[Socket]\nListenDatagram=127.0.0.1:@PORT@\n"),
            ("u.service", service),
        ]
        .map(|(name, text)| (name, text.replace("@PORT@", &free_port().to_string())))
        .each_ref()
        .map(|(name, text)| (*name, text.as_str())),
    );
    let daemon = &daemon;
    for unit in ["d", "f", "q", "u"] {
        start(daemon, &format!("{unit}.socket"));
        let state = show(daemon, &format!("{unit}.service"), "ActiveState");
        assert_eq!(state, "inactive");
    }
    let at = |name: &str| daemon.place().file(name);
    let datagram = std::os::unix::net::UnixDatagram::unbound().expect("a socket can be made");
    datagram.send_to(b"x", at("d")).expect("it is taken");
    std::fs::write(at("f"), "x").expect("somebody reads");
    let address = show(daemon, "u.socket", "Listen");
    let address = address.split(' ').next().unwrap_or_default().to_owned();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    udp.send_to(b"x", address).expect("it is sent");
    let packets = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None)
        .expect("a socket can be made");
    let q = socket2::SockAddr::unix(at("q")).expect("the path is short");
    packets.connect(&q).expect("somebody listens");
    start(daemon, "r.socket");
    for unit in ["d", "f", "q", "u", "r"] {
        wait_show(daemon, &format!("{unit}.service"), "ActiveState", "active");
    }
}

#[test]
fn k8_each_connection_gets_an_instance_that_serves_it_as_standard_input() {
    let port = free_port();
    let daemon = with(&[
        (
            "in.socket",
            &format!(
                "[Socket]\nListenStream=127.0.0.1:{port}\nListenStream=@DIR@/in\nAccept=yes\n\
                 MaxConnections=4\n"
            ),
        ),
        (
            "in@.service",
            "[Unit]\nDescription=One\n[Service]\nStandardInput=socket\n\
             ExecStart=/bin/sh -c 'read word; echo \"$word $REMOTE_ADDR:$REMOTE_PORT \
             [$LISTEN_FDS]\"'\n",
        ),
    ]);
    start(&daemon, "in.socket");
    let clients: Vec<TcpStream> = (0..3)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("somebody listens"))
        .collect();
    wait_show(&daemon, "in.socket", "NConnections", "3");
    let remote = clients[0].local_addr().expect("it is connected");
    let instance = format!("in@0-127.0.0.1:{port}-{remote}.service");
    wait_show(&daemon, &instance, "ActiveState", "active");
    assert_eq!(
        show(&daemon, &instance, "Description"),
        format!("One ({remote})")
    );
    for mut client in clients {
        let own = client.local_addr().expect("it is connected");
        client.write_all(b"hello\n").expect("it is read");
        assert_eq!(hear(client), format!("hello {own} []\n"));
    }
    let mut unix = UnixStream::connect(daemon.place().file("in")).expect("somebody listens");
    unix.write_all(b"hi\n").expect("it is read");
    assert_eq!(hear(unix), "hi : []\n");
    wait_show(&daemon, "in.socket", "NConnections", "0");
    assert_eq!(show(&daemon, "in.socket", "NAccepted"), "4");
    assert_eq!(show(&daemon, "in.socket", "NRefused"), "0");
}

#[test]
fn k8_the_next_connection_is_served_as_the_files_say_then() {
    let daemon = with(&[
        (
            "in.socket",
            "[Socket]\nListenStream=@DIR@/in\nAccept=yes\nTriggerLimitBurst=0\n",
        ),
        ("in@.service", &echo("one")),
    ]);
    start(&daemon, "in.socket");
    let ask = || ask_unix(&daemon.place().file("in"));
    assert_eq!([ask(), ask()], ["one\n", "one\n"]);
    daemon.place().write_unit("in@.service", &echo("two"));
    assert_eq!([ask(), ask()], ["two\n", "two\n"]);
    daemon.place().write_unit(
        "in@.service.d/x.conf",
        "[Service]\nExecStart=\nExecStart=/bin/echo three\n",
    );
    assert_eq!([ask(), ask()], ["three\n", "three\n"]);
}

/// A service that says a word to whoever connects.
fn echo(word: &str) -> String {
    format!("[Service]\nStandardInput=socket\nExecStart=/bin/echo {word}\n")
}

#[test]
fn k8_connections_beyond_the_most_are_closed_at_once() {
    let daemon = with(&[
        (
            "in.socket",
            "[Socket]\nListenStream=@DIR@/in\nAccept=yes\nMaxConnections=2\n",
        ),
        ("in@.service", "[Service]\nExecStart=/bin/sleep 60\n"),
    ]);
    start(&daemon, "in.socket");
    let connect = || UnixStream::connect(daemon.place().file("in")).expect("somebody listens");
    let _first = [connect(), connect()];
    wait_show(&daemon, "in.socket", "NConnections", "2");
    assert_eq!(hear(connect()), "");
    wait_show(&daemon, "in.socket", "NRefused", "1");
    assert_eq!(show(&daemon, "in.socket", "NConnections"), "2");
    assert_eq!(show(&daemon, "in.socket", "SubState"), "listening");
}

#[test]
fn no_connection_is_lost_while_the_service_is_killed_again_and_again() {
    let port = free_port();
    let daemon = with(&[
        (
            "web.socket",
            &format!("[Socket]\nListenStream=127.0.0.1:{port}\nTriggerLimitBurst=0\n"),
        ),
        (
            "web.service",
            &format!("[Unit]\nStartLimitIntervalSec=0\n{WEB}"),
        ),
    ]);
    start(&daemon, "web.socket");
    assert!(ask_port(port).starts_with("web "));
    let before = daemon.holdings().fds.len();
    for _ in 0..15 {
        let pid = show(&daemon, "web.service", "MainPID");
        if let Ok(pid) = pid.parse::<i32>()
            && pid > 0
        {
            common::process::send(pid, nix::sys::signal::Signal::SIGKILL);
        }
        // One that was taken by the service that died is reset; one that was not is served by
        // the next.
        wait_for("an answer", || {
            let answer = ask_port(port);
            if answer.starts_with("web ") {
                Ok(())
            } else {
                Err(format!("{answer:?}"))
            }
        });
    }
    wait_for("the descriptors to be as before", || {
        let now = daemon.holdings().fds.len();
        if now <= before {
            Ok(())
        } else {
            Err(format!("{before} then, {now} now"))
        }
    });
}

#[test]
fn k5_k6_a_service_that_cannot_run_fails_its_socket_and_clients_are_told() {
    let daemon = with(&[
        ("fail.socket", "[Socket]\nListenStream=@DIR@/fail\n"),
        ("fail.service", "[Service]\nExecStart=/bin/false\n"),
        ("cond.socket", "[Socket]\nListenStream=@DIR@/cond\n"),
        (
            "cond.service",
            "[Unit]\nConditionPathExists=@DIR@/nonexistent\n[Service]\nExecStart=/bin/true\n",
        ),
        ("fine.socket", "[Socket]\nListenStream=@DIR@/fine\n"),
        ("fine.service", WEB),
    ]);
    for unit in ["fail.socket", "cond.socket", "fine.socket"] {
        start(&daemon, unit);
    }
    for (unit, result) in [
        ("fail", "service-start-limit-hit"),
        ("cond", "trigger-limit-hit"),
    ] {
        assert_eq!(ask_unix(&daemon.place().file(unit)), "");
        let socket = format!("{unit}.socket");
        wait_show(&daemon, &socket, "ActiveState", "failed");
        assert_eq!(show(&daemon, &socket, "Result"), result);
        let path = daemon.place().file(unit);
        assert!(
            UnixStream::connect(path).is_err(),
            "nobody listens any more"
        );
    }
    assert!(ask_unix(&daemon.place().file("fine")).starts_with("web "));
}

#[test]
fn a_paused_socket_recovers_by_itself() {
    let daemon = with(&[
        (
            "cond.socket",
            "[Socket]\nListenStream=@DIR@/cond\n[X-Procmgr]\nPauseSec=200ms\n",
        ),
        (
            "cond.service",
            "[Unit]\nConditionPathExists=@DIR@/there\n[Service]\n\
             ExecStart=stand-in-agent --name web --listen passed\n",
        ),
    ]);
    start(&daemon, "cond.socket");
    let path = daemon.place().file("cond");
    assert_eq!(ask_unix(&path), "");
    std::fs::write(daemon.place().file("there"), "").expect("it can be written");
    wait_for("the socket to listen again", || {
        match UnixStream::connect(&path) {
            Ok(stream) => match hear(stream).starts_with("web ") {
                true => Ok(()),
                false => Err("no answer".to_owned()),
            },
            Err(error) => Err(error.to_string()),
        }
    });
}

#[test]
fn bad_sockets_fail_with_a_clear_reason_and_harm_nobody() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it is bound").port();
    let service = "[Service]\nExecStart=/bin/sleep 60\n";
    let place = place_with(&[
        ("fine.socket", "[Socket]\nListenStream=@DIR@/fine\n"),
        ("fine.service", WEB),
        (
            "twin.socket",
            "[Socket]\nListenStream=@DIR@/fine\nService=a.service\n",
        ),
        (
            "used.socket",
            &format!("[Socket]\nListenStream=127.0.0.1:{port}\nService=a.service\n"),
        ),
        (
            "file.socket",
            "[Socket]\nListenStream=@DIR@/file\nService=a.service\n",
        ),
        (
            "dir.socket",
            "[Socket]\nListenStream=@DIR@/units\nService=a.service\n",
        ),
        (
            "blocked.socket",
            "[Socket]\nListenStream=@DIR@/file/below\nService=a.service\n",
        ),
        (
            "fifo.socket",
            "[Socket]\nListenFIFO=@DIR@/file\nService=a.service\n",
        ),
        (
            "who.socket",
            "[Socket]\nListenStream=@DIR@/who\nSocketUser=no-such-user\nService=a.service\n",
        ),
        (
            "where.socket",
            // Directories are made on the way where they can be.
            "[Socket]\nListenStream=/proc/no-such-directory/s\nService=a.service\n",
        ),
        (
            "gone.socket",
            "[Socket]\nListenStream=@DIR@/gone\nService=no-such.service\n",
        ),
        (
            "special.socket",
            "[Socket]\nListenSpecial=/etc/hostname\nService=a.service\n",
        ),
        (
            "port.socket",
            "[Socket]\nListenStream=99999\nService=a.service\n",
        ),
        (
            "usb.socket",
            "[Socket]\nListenUSBFunction=/dev/ffs\nService=a.service\n",
        ),
        ("a.service", service),
    ]);
    std::fs::write(place.file("file"), "precious").expect("it can be written");
    let daemon = place.start();
    start(&daemon, "fine.socket");
    for (unit, state, result, reason) in [
        (
            "twin",
            "failed",
            "resources",
            "somebody listens there already",
        ),
        ("used", "failed", "resources", "Address already in use"),
        (
            "file",
            "failed",
            "resources",
            "a regular file is there already",
        ),
        ("dir", "failed", "resources", "a directory is there already"),
        ("blocked", "failed", "resources", "Not a directory"),
        (
            "where",
            "failed",
            "resources",
            "cannot make the directory /proc/no-such-directory",
        ),
        (
            "fifo",
            "failed",
            "resources",
            "something that is no FIFO is there",
        ),
        (
            "who",
            "failed",
            "exit-code",
            "user no-such-user is not known",
        ),
        (
            "gone",
            "inactive",
            "success",
            "the service that it activates is not there",
        ),
        ("special", "failed", "resources", "cannot wait for traffic"),
        (
            "port",
            "inactive",
            "success",
            "\"99999\" is not a port (1 to 65535)",
        ),
        ("usb", "inactive", "success", "USB functions are not served"),
    ] {
        let socket = format!("{unit}.socket");
        let run = daemon.run(&["start", &socket]);
        assert_ne!(run.code, 0, "{socket}: {run:?}");
        wait_show(&daemon, &socket, "ActiveState", state);
        assert_eq!(show(&daemon, &socket, "Result"), result, "{socket}");
        let log = daemon.log();
        let said = log.lines().filter(|line| line.contains(&socket));
        let reasons = said.filter(|line| line.contains(reason)).count();
        // What is not applied is told of when it is read, too.
        let times = if unit == "usb" { 2 } else { 1 };
        assert_eq!(reasons, times, "{socket}: \"{reason}\" in\n{log}");
    }
    let kept = std::fs::read_to_string(daemon.place().file("file"));
    assert_eq!(kept.expect("it is there still"), "precious");
    assert!(ask_unix(&daemon.place().file("fine")).starts_with("web "));
}

#[test]
fn k3_nodes_have_modes_and_links_and_go_if_they_should() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let daemon = with(&[
        (
            "web.socket",
            "[Socket]\nListenStream=@DIR@/new/deep/web\nSocketMode=0620\nDirectoryMode=0710\n\
             Symlinks=@DIR@/link @DIR@/linked/two\nRemoveOnStop=yes\n",
        ),
        ("web.service", WEB),
        (
            "stay.socket",
            "[Socket]\nListenStream=@DIR@/stay\nService=web.service\n",
        ),
        (
            "queue.socket",
            "[Socket]\nListenFIFO=@DIR@/fifo\nSocketMode=0600\nService=web.service\nRemoveOnStop=yes\n",
        ),
    ]);
    let at = |name: &str| daemon.place().file(name);
    // What one that died has left there.
    drop(std::os::unix::net::UnixListener::bind(at("stay")).expect("it can be bound"));
    for unit in ["web.socket", "stay.socket", "queue.socket"] {
        start(&daemon, unit);
    }
    let mode = |name: &str| {
        let status = std::fs::symlink_metadata(at(name)).expect("it is there");
        status.permissions().mode() & 0o7777
    };
    assert_eq!(mode("new/deep/web"), 0o620);
    assert_eq!(mode("new"), 0o710);
    assert_eq!(mode("stay"), 0o666);
    assert_eq!(mode("fifo"), 0o600);
    let target = std::fs::read_link(at("linked/two")).expect("it is a link");
    assert_eq!(target, at("new/deep/web"));
    assert!(ask_unix(&at("link")).starts_with("web "));
    for unit in ["web.socket", "stay.socket", "queue.socket"] {
        assert_eq!(daemon.run(&["stop", unit]).code, 0);
    }
    assert_eq!(show(&daemon, "web.service", "ActiveState"), "active");
    let left = std::fs::symlink_metadata(at("stay")).expect("it stays");
    assert!(left.file_type().is_socket());
    for name in ["new/deep/web", "link", "linked/two", "fifo"] {
        assert!(
            std::fs::symlink_metadata(at(name)).is_err(),
            "{name} is gone"
        );
    }
}

#[test]
fn k3_what_a_failed_start_has_made_goes_if_it_should() {
    let daemon = with(&[
        (
            "half.socket",
            "[Socket]\nListenStream=@DIR@/first\nListenFIFO=@DIR@/queue\n\
             ListenStream=/dev/null/second\nRemoveOnStop=yes\nService=web.service\n",
        ),
        (
            "who.socket",
            "[Socket]\nListenStream=@DIR@/who\nSocketGroup=no-such-group\nRemoveOnStop=yes\n\
             Service=web.service\n",
        ),
        ("web.service", WEB),
    ]);
    for unit in ["half.socket", "who.socket"] {
        assert_ne!(daemon.run(&["start", unit]).code, 0);
        wait_show(&daemon, unit, "ActiveState", "failed");
    }
    for name in ["first", "queue", "who"] {
        assert!(!daemon.place().file(name).exists(), "{name}");
    }
}

#[test]
fn k11_a_restarted_socket_takes_its_address_again_at_once() {
    let port = free_port();
    let daemon = with(&[
        (
            "in.socket",
            &format!(
                "[Unit]\nStartLimitIntervalSec=0\n[Socket]\nListenStream=@DIR@/in\nListenStream=127.0.0.1:{port}\nAccept=yes\n"
            ),
        ),
        (
            "in@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/echo hello\n",
        ),
    ]);
    start(&daemon, "in.socket");
    for _ in 0..5 {
        assert_eq!(ask_unix(&daemon.place().file("in")), "hello\n");
        daemon.ok(&["restart", "in.socket"]);
        assert_eq!(ask_port(port), "hello\n");
        daemon.ok(&["restart", "in.socket"]);
    }
}

#[test]
fn k11_restarts_and_reloads_keep_the_sockets() {
    let daemon = with(&[
        ("web.socket", "[Socket]\nListenStream=@DIR@/web\n"),
        ("web.service", WEB),
    ]);
    start(&daemon, "web.socket");
    start(&daemon, "web.service");
    let socket = |daemon: &Daemon| {
        let pid = show(daemon, "web.service", "MainPID");
        std::fs::read_link(format!("/proc/{pid}/fd/3")).expect("it was passed")
    };
    let first = socket(&daemon);
    assert_eq!(daemon.run(&["daemon-reload"]).code, 0);
    assert_eq!(daemon.run(&["restart", "web.service"]).code, 0);
    assert_eq!(socket(&daemon), first);
    assert!(ask_unix(&daemon.place().file("web")).starts_with("web "));
}

#[test]
fn stored_descriptors_are_kept_over_a_restart_and_lost_with_a_stop() {
    let daemon = with(&[(
        "keep.service",
        "[Service]\nType=notify\nFileDescriptorStoreMax=4\nNotifyAccess=all\n\
         ExecStart=stand-in-agent --name keep --notify --store mine --print-env @DIR@/env\n",
    )]);
    let names = || {
        let text = std::fs::read_to_string(daemon.place().file("env")).unwrap_or_default();
        let names = text
            .lines()
            .find_map(|line| line.strip_prefix("LISTEN_FDNAMES="));
        names.unwrap_or_default().to_owned()
    };
    start(&daemon, "keep.service");
    assert_eq!(names(), "");
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "1");
    assert_eq!(daemon.run(&["daemon-reload"]).code, 0);
    assert_eq!(daemon.run(&["restart", "keep.service"]).code, 0);
    assert_eq!(names(), "mine");
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "2");
    assert_eq!(daemon.run(&["stop", "keep.service"]).code, 0);
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "0");
    start(&daemon, "keep.service");
    assert_eq!(names(), "");
}

#[test]
fn stored_descriptors_that_are_hung_up_go() {
    let daemon = with(&[(
        "keep.service",
        "[Service]\nType=notify\nFileDescriptorStoreMax=4\nFileDescriptorStorePreserve=yes\n\
         ExecStart=stand-in-agent --name keep --notify --store stays --store-until-end goes\n",
    )]);
    start(&daemon, "keep.service");
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "2");
    let stored = daemon.holdings().fds;
    // What ends with the process is dropped; the other, sent with FDPOLL=0, is hung up as well.
    let pid = daemon.main_pid("keep.service");
    common::process::send(pid, nix::sys::signal::Signal::SIGKILL);
    wait_show(&daemon, "keep.service", "ActiveState", "failed");
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "1");
    assert!(daemon.holdings().fds.len() < stored.len());
    start(&daemon, "keep.service");
    wait_show(&daemon, "keep.service", "NFileDescriptorStore", "3");
}

/// Sends a word to a message queue, for which there is no safe interface here.
const SEND: &str = "import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
queue = libc.mq_open(sys.argv[1].encode(), os.O_WRONLY)
assert queue >= 0 and libc.mq_send(queue, b'word', 4, 0) == 0, os.strerror(ctypes.get_errno())
";

#[test]
fn a_message_starts_its_service_and_the_queue_goes_with_its_socket() {
    if !common::skip::has_program("python3") {
        return common::skip(common::Missing::Package, "needs python3");
    }
    let name = format!("/ddpm-{}", free_port());
    let daemon = with(&[
        (
            "queue.socket",
            &format!(
                "[Socket]\nListenMessageQueue={name}\nSocketMode=0600\nRemoveOnStop=yes\n\
                 MessageQueueMaxMessages=2\nMessageQueueMessageSize=64\n"
            ),
        ),
        ("queue.service", TELL),
    ]);
    let send = || {
        let mut python = std::process::Command::new("python3");
        let output = python.args(["-c", SEND, &name]).output();
        output.expect("it is installed")
    };
    start(&daemon, "queue.socket");
    assert_eq!(show(&daemon, "queue.service", "ActiveState"), "inactive");
    assert!(send().status.success(), "{:?}", send());
    let environment = environment(&daemon);
    assert_eq!(environment["LISTEN_FDNAMES"], "queue.socket");
    let pid = show(&daemon, "queue.service", "MainPID");
    let queue = std::fs::read_link(format!("/proc/{pid}/fd/3")).expect("it was passed");
    assert_eq!(queue, Path::new(&name));
    assert_eq!(
        daemon.run(&["stop", "queue.socket", "queue.service"]).code,
        0
    );
    assert!(!send().status.success(), "it is gone");
}

#[test]
fn virtual_machine_sockets_serve_and_say_who_connects() {
    use socket2::{Domain, SockAddr, Socket, Type};
    // The machine's own address for itself; the kernel may lack the transport for it.
    const LOCAL: u32 = 1;
    let make = || Socket::new(Domain::VSOCK, Type::STREAM, None);
    let port = u32::from(free_port()) + 100_000;
    let works = make().and_then(|listener| {
        listener.bind(&SockAddr::vsock(LOCAL, port))?;
        listener.listen(1)?;
        make()?.connect(&SockAddr::vsock(LOCAL, port))
    });
    if let Err(error) = works {
        let reason = format!("the kernel has no local vsock: {error}");
        return common::skip(common::Missing::Privilege, &reason);
    }
    let daemon = with(&[
        (
            "vm.socket",
            &format!("[Socket]\nListenStream=vsock:{LOCAL}:{port}\nAccept=yes\n"),
        ),
        (
            "vm@.service",
            "[Service]\nStandardInput=socket\nExecStart=/bin/sh -c 'echo $REMOTE_ADDR'\n",
        ),
    ]);
    start(&daemon, "vm.socket");
    let client = make().expect("it worked before");
    client
        .connect(&SockAddr::vsock(LOCAL, port))
        .expect("somebody listens");
    assert_eq!(hear(client), format!("vsock:{LOCAL}\n"));
}

#[test]
fn open_files_are_passed_behind_the_sockets() {
    let place = place_with(&[
        ("file.socket", "[Socket]\nListenStream=@DIR@/s\n"),
        (
            "file.service",
            "[Service]\nType=oneshot\nOpenFile=@DIR@/data:data:read-only\n\
             OpenFile=@DIR@/none::graceful\n\
             ExecStart=/bin/sh -c 'cat <&4 >@DIR@/copy; echo $LISTEN_FDS $LISTEN_FDNAMES >>@DIR@/copy'\n",
        ),
        (
            "bad.service",
            "[Service]\nOpenFile=@DIR@/none\nExecStart=/bin/true\n",
        ),
    ]);
    std::fs::write(place.file("data"), "content\n").expect("it can be written");
    let daemon = place.start();
    start(&daemon, "file.socket");
    start(&daemon, "file.service");
    let copy = std::fs::read_to_string(daemon.place().file("copy")).expect("it was written");
    assert_eq!(copy, "content\n2 file.socket:data\n");
    assert_ne!(daemon.run(&["start", "bad.service"]).code, 0);
    assert_eq!(show(&daemon, "bad.service", "Result"), "resources");
}

#[test]
fn an_empty_connection_wakes_nobody_and_a_real_first_client_loses_nothing() {
    let port = free_port();
    let daemon = with(&[
        (
            "apm.socket",
            &format!(
                "[Socket]\nListenStream=127.0.0.1:{port}\nFileDescriptorName=apm\n\
                 [X-Procmgr]\nIgnoreEmptyConnections=yes\n"
            ),
        ),
        (
            "apm.service",
            "[Service]\nExecStart=/bin/sh -c 'env >@DIR@/env; echo END=1 >>@DIR@/env; eval \"read word <&$APM_CLIENT_FD\"; \
             eval \"echo got $word >&$APM_CLIENT_FD; exec $APM_CLIENT_FD>&-\"; exec sleep 60'\n\
             [X-Procmgr]\nFileDescriptorEnvironment=apm:APM_FD\n",
        ),
    ]);
    start(&daemon, "apm.socket");
    for _ in 0..5 {
        drop(TcpStream::connect(("127.0.0.1", port)).expect("somebody listens"));
    }
    let mut silent = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    // A request goes through the loop, which has looked at the others by then.
    for _ in 0..3 {
        assert_eq!(
            show(&daemon, "apm.socket", "SubState"),
            "listening",
            "{}",
            daemon.log()
        );
    }
    assert_eq!(show(&daemon, "apm.service", "ActiveState"), "inactive");
    silent.write_all(b"trace\n").expect("it is read");
    assert_eq!(hear(silent), "got trace\n", "{}", daemon.log());
    let environment = environment(&daemon);
    assert_eq!(environment["LISTEN_FDS"], "1");
    assert_eq!(environment["APM_FD"], "3");
    assert_eq!(environment["APM_CLIENT_FD"], "4");
    assert_eq!(show(&daemon, "apm.service", "ActiveState"), "active");
}

#[test]
fn in_kubernetes_mode_services_start_at_once_unless_told_otherwise() {
    let units = [
        ("web.socket", "[Socket]\nListenStream=@DIR@/web\n"),
        (
            "web.service",
            "[Service]\nExecStart=stand-in-agent --name web --listen unix:@DIR@/own\n",
        ),
    ];
    let daemon = place_with(&units)
        .with_argument("--mode=kubernetes")
        .start();
    start(&daemon, "web.socket");
    wait_show(&daemon, "web.service", "ActiveState", "active");
    assert!(!daemon.place().file("web").exists());
    assert!(
        daemon
            .log()
            .contains("socket activation is off in this mode")
    );
    let daemon = place_with(&units)
        .with_argument("--mode=kubernetes")
        .with_argument("--sockets=on")
        .start();
    start(&daemon, "web.socket");
    assert_eq!(show(&daemon, "web.service", "ActiveState"), "inactive");
    assert!(daemon.place().file("web").exists());
}

#[test]
fn sockets_are_listed() {
    let daemon = with(&[
        (
            "web.socket",
            "[Socket]\nListenStream=@DIR@/web\nListenDatagram=@name-@DIR@\n",
        ),
        ("web.service", WEB),
    ]);
    start(&daemon, "web.socket");
    let list = daemon.ok(&["list-sockets"]);
    let path = daemon.place().file("web").display().to_string();
    let row = list.lines().find(|line| line.starts_with(&path));
    let words: Vec<&str> = row.unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        words[1..],
        ["Stream", "web.socket", "0", "0", "web.service"]
    );
    let json = daemon.json(&["list-sockets", "web", "-o", "json"]);
    assert_eq!(json.as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json[0]["activates"][0], "web.service");
    assert_eq!(json[0]["active"], true);
    let own = daemon.ok(&[
        "show",
        "web.socket",
        "-p",
        "CanStart,CanStop,Triggers,Listen",
    ]);
    assert!(
        own.contains("CanStart=yes") && own.contains("CanStop=yes"),
        "{own}"
    );
    assert!(own.contains("Triggers=web.service"), "{own}");
    assert!(own.contains(&format!("{path} (Stream)")), "{own}");
}

#[test]
fn socket_activate_runs_a_command_when_somebody_comes() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let agent = common::programs::stand_in_directory().join("stand-in-agent");
    let mut child = std::process::Command::new(common::programs::CLIENT)
        .args(["socket-activate", "-l", &address, "--fdname", "web", "--"])
        .arg(agent)
        .args([
            "--name",
            "web",
            "--listen",
            "passed",
            "--run-for",
            "1",
            "--exit-code",
            "7",
        ])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it is built");
    wait_for("it to listen", || {
        TcpStream::connect(&address).map_err(|error| error.to_string())
    });
    assert!(ask_port(port).starts_with("web "));
    assert_eq!(child.wait().expect("it ends").code(), Some(7));
}

#[test]
fn socket_activate_serves_each_connection_like_inetd() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("s");
    let mut child = std::process::Command::new(common::programs::CLIENT)
        .args([
            "socket-activate",
            "--accept",
            "--inetd",
            "-E",
            "WHO=me",
            "-l",
        ])
        .arg(&path)
        .args(["/bin/sh", "-c", "read word; echo $word $WHO"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it is built");
    for _ in 0..3 {
        let mut stream = wait_for("it to listen", || {
            UnixStream::connect(&path).map_err(|error| error.to_string())
        });
        stream.write_all(b"hi\n").expect("it is read");
        assert_eq!(hear(stream), "hi me\n");
    }
    let pid = i32::try_from(child.id()).expect("pids fit");
    common::process::send(pid, nix::sys::signal::Signal::SIGTERM);
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}
