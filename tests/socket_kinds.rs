//! What services written on the crates listenfd, sd-notify and libsystemd see of every kind of
//! socket: the descriptors, their names, and what the crates take them for.

mod common;

use common::daemon::Place;
use common::{Daemon, Missing, skip, wait_for};
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;

/// A kind: the socket's name, its lines, and for each what the stand-in is to write of it behind
/// the name; `@PID@` is the daemon's pid.
struct Kind {
    name: &'static str,
    lines: String,
    seen: Vec<String>,
}

fn kind(name: &'static str, lines: String, seen: &[String]) -> Kind {
    Kind {
        name,
        lines,
        seen: seen.to_vec(),
    }
}

/// An address that nobody has, if there is such a family of addresses here.
fn free(host: &str, kind: Type) -> Option<String> {
    let address: std::net::SocketAddr = format!("{host}:0").parse().ok()?;
    let socket = Socket::new(Domain::for_address(address), kind, None).ok()?;
    socket.bind(&address.into()).ok()?;
    Some(socket.local_addr().ok()?.as_socket()?.to_string())
}

fn paths(place: &Place) -> Vec<Kind> {
    let directory = place.path().display();
    let queue = format!("/dd-procmgr-test-{}", std::process::id());
    vec![
        kind(
            "unix-stream",
            format!("ListenStream={directory}/stream"),
            &[format!("{directory}/stream | unix | unix listener")],
        ),
        kind(
            "unix-datagram",
            format!("ListenDatagram={directory}/datagram"),
            &[format!("{directory}/datagram | unix | unix datagram")],
        ),
        kind(
            "unix-packets",
            format!("ListenSequentialPacket={directory}/packets"),
            &[format!("{directory}/packets | unix | unix packets")],
        ),
        kind(
            "abstract",
            format!("ListenStream=@{directory}/a\nListenDatagram=@{directory}/d"),
            &[
                format!("@\"{directory}/a\" | unix | unix listener"),
                format!("@\"{directory}/d\" | unix | unix datagram"),
            ],
        ),
        kind(
            "fifo",
            format!("ListenFIFO={directory}/fifo"),
            &[format!("{directory}/fifo | fifo | other")],
        ),
        kind(
            "queue",
            format!("ListenMessageQueue={queue}\nRemoveOnStop=yes"),
            // Their file system is one of ordinary files.
            &[format!("{queue} | special | other")],
        ),
        kind(
            "netlink",
            "ListenNetlink=kobject-uevent 1".to_owned(),
            &["pid: @PID@ groups: 1 | unknown | other".to_owned()],
        ),
    ]
}

fn networks() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (name, host, udp) in [
        ("ipv4", "127.0.0.1", "ipv4-datagram"),
        ("ipv6", "[::1]", "ipv6-datagram"),
    ] {
        let (Some(tcp_address), Some(udp_address)) =
            (free(host, Type::STREAM), free(host, Type::DGRAM))
        else {
            skip(Missing::Privilege, &format!("there is no {name} here"));
            continue;
        };
        kinds.push(kind(
            name,
            format!("ListenStream={tcp_address}"),
            &[format!("{tcp_address} | inet | tcp listener")],
        ));
        kinds.push(kind(
            udp,
            format!("ListenDatagram={udp_address}"),
            &[format!("{udp_address} | inet | udp socket")],
        ));
    }
    // Any machine, and a port that no other test takes.
    let port = 0x4000_0000 | std::process::id();
    let vsock = Socket::new(Domain::VSOCK, Type::STREAM, None)
        .and_then(|socket| socket.bind(&SockAddr::vsock(libc::VMADDR_CID_ANY, port)));
    match vsock {
        Ok(()) => kinds.push(kind(
            "vsock",
            format!("ListenStream=vsock::{port}"),
            &[format!(
                "cid: {} port: {port} | unknown | other",
                libc::VMADDR_CID_ANY
            )],
        )),
        Err(error) => skip(Missing::Privilege, &format!("vsock: {error}")),
    }
    kinds
}

/// A service that writes down what it was passed.
fn seen(place: &Place) -> String {
    let file = place.file("passed");
    format!(
        "[Service]\nExecStart=stand-in-agent --name seen --passed-to {}\n",
        file.display()
    )
}

/// What the stand-in wrote: names to what is behind them, in the order of the descriptors.
fn written(daemon: &Daemon) -> BTreeMap<String, Vec<String>> {
    let file = daemon.file("passed");
    let text = wait_for("what was passed to be written down", || {
        fs::read_to_string(&file).map_err(|error| format!("{error}\n{}", daemon.log()))
    });
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let (name, rest) = line.split_once(' ').expect("a name is in front");
        written
            .entry(name.to_owned())
            .or_default()
            .push(rest.to_owned());
    }
    written
}

#[test]
fn crates_get_every_kind_of_socket_under_its_name() {
    let place = Place::new();
    let mut kinds = paths(&place);
    kinds.extend(networks());
    // There is always something to read from it, so it comes last, and starts the service.
    kinds.push(kind(
        "special",
        "ListenSpecial=/dev/random\nListenSpecial=/proc/self/mounts".to_owned(),
        &[
            "/dev/random | unknown | other".to_owned(),
            "/proc/@PID@/mounts | special | other".to_owned(),
        ],
    ));
    for Kind { name, lines, .. } in &kinds {
        place.write_unit(
            &format!("{name}.socket"),
            &format!("[Socket]\n{lines}\nFileDescriptorName={name}\nService=seen.service\n"),
        );
    }
    place.write_unit("seen.service", &seen(&place));
    let daemon = place.start();
    for Kind { name, .. } in &kinds {
        daemon.ok(&["start", &format!("{name}.socket")]);
    }
    let written = written(&daemon);
    let pid = daemon.pid().to_string();
    for Kind { name, seen, .. } in &kinds {
        let seen: Vec<String> = seen.iter().map(|s| s.replace("@PID@", &pid)).collect();
        assert_eq!(written.get(*name), Some(&seen), "{name}: {written:?}");
    }
    assert_eq!(written.len(), kinds.len(), "{written:?}");
    // The service goes on with them; each socket waits for its end.
    for Kind { name, .. } in &kinds {
        assert_eq!(daemon.state(&format!("{name}.socket")), "active/running");
    }
}

#[test]
fn crates_get_a_connection_of_their_own_as_connection() {
    let place = Place::new();
    let path = place.file("each");
    place.write_unit(
        "each.socket",
        &format!("[Socket]\nListenStream={}\nAccept=yes\n", path.display()),
    );
    place.write_unit("each@.service", &seen(&place));
    let daemon = place.start();
    daemon.ok(&["start", "each.socket"]);
    let _client = UnixStream::connect(&path).expect("somebody listens");
    // No crate asks whether it listens.
    let line = format!("{} | unix | unix listener", path.display());
    let expected = BTreeMap::from([("connection".to_owned(), vec![line])]);
    assert_eq!(written(&daemon), expected);
}
