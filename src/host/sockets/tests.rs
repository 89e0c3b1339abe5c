//! Sockets by themselves, without a daemon: what a unit file says, as the kernel has it.

use super::open::{Opened, open};
use crate::sys::sockopt;
use crate::unit::load::{MemorySource, Settings, load_closure};
use crate::unit::name::UnitName;
use socket2::{SockRef, Socket};
use std::os::fd::AsFd;

/// Makes the sockets of a unit with these lines; `PORT` stands for a port that is free.
fn opened(lines: &str) -> Opened {
    let free = std::net::TcpListener::bind("[::1]:0").and_then(|it| it.local_addr());
    let free = free.or_else(|_| std::net::TcpListener::bind("127.0.0.1:0")?.local_addr());
    let lines = &lines.replace("PORT", &free.unwrap().port().to_string());
    let text = format!("[Socket]\nService=x.service\n{lines}\n");
    let source = MemorySource::new().file("/u/x.socket", text);
    let settings = Settings {
        path: vec!["/u".to_owned()],
        ..Settings::default()
    };
    let name = UnitName::parse("x.socket").unwrap();
    let units = load_closure(&[name.clone()].into(), &[].into(), &settings, &source);
    let unit = &units[&name];
    assert!(
        unit.diagnostics.is_empty(),
        "{lines}: {:?}",
        unit.diagnostics
    );
    open(unit.socket().unwrap()).unwrap_or_else(|error| panic!("{lines}: {error:?}"))
}

const TCP: &str = "ListenStream=127.0.0.1:PORT";
const TCP6: &str = "ListenStream=[::1]:PORT";
/// With an address of its own a socket is IPv6 only whatever is said.
const ANY6: &str = "ListenStream=[::]:PORT";
const UDP: &str = "ListenDatagram=127.0.0.1:PORT";
const UDP6: &str = "ListenDatagram=[::1]:PORT";
const UNIX: &str = "ListenDatagram=@procmgr-PORT";
const NETLINK: &str = "ListenNetlink=kobject-uevent 0";

/// Address, option, where the kernel has it, and its value.
type Row = (&'static str, &'static str, i32, i32, i32);

/// Options that anybody may set.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    (TCP, "KeepAlive=yes", libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
    (TCP, "KeepAliveTimeSec=11min", libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 660),
    (TCP, "KeepAliveIntervalSec=21", libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 21),
    (TCP, "KeepAliveProbes=7", libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 7),
    (TCP, "NoDelay=yes", libc::IPPROTO_TCP, libc::TCP_NODELAY, 1),
    (TCP, "ReusePort=yes", libc::SOL_SOCKET, libc::SO_REUSEPORT, 1),
    (TCP, "FreeBind=yes", libc::IPPROTO_IP, libc::IP_FREEBIND, 1),
    (TCP6, "FreeBind=yes", libc::IPPROTO_IPV6, libc::IPV6_FREEBIND, 1),
    (TCP, "Priority=5", libc::SOL_SOCKET, libc::SO_PRIORITY, 5),
    (TCP, "IPTOS=low-delay", libc::IPPROTO_IP, libc::IP_TOS, 16),
    (TCP, "IPTTL=33", libc::IPPROTO_IP, libc::IP_TTL, 33),
    (TCP6, "IPTTL=34", libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, 34),
    (ANY6, "BindIPv6Only=ipv6-only", libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1),
    (ANY6, "BindIPv6Only=both", libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0),
    // The kernel doubles it (socket(7)).
    (TCP, "ReceiveBuffer=48K", libc::SOL_SOCKET, libc::SO_RCVBUF, 98_304),
    (TCP, "SendBuffer=32K", libc::SOL_SOCKET, libc::SO_SNDBUF, 65_536),
    (UDP, "Broadcast=yes", libc::SOL_SOCKET, libc::SO_BROADCAST, 1),
    (UDP, "PassPacketInfo=yes", libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    (UDP6, "PassPacketInfo=yes", libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    (UDP, "Timestamping=us", libc::SOL_SOCKET, libc::SO_TIMESTAMP, 1),
    (UDP, "Timestamping=ns", libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
    (UDP, "SocketProtocol=udplite", libc::SOL_SOCKET, libc::SO_PROTOCOL, libc::IPPROTO_UDPLITE),
    (UNIX, "PassCredentials=yes", libc::SOL_SOCKET, libc::SO_PASSCRED, 1),
    (UNIX, "PassSecurity=yes", libc::SOL_SOCKET, libc::SO_PASSSEC, 1),
    (NETLINK, "PassCredentials=yes", libc::SOL_SOCKET, libc::SO_PASSCRED, 1),
    (NETLINK, "ReceiveBuffer=48K", libc::SOL_SOCKET, libc::SO_RCVBUF, 98_304),
];

/// Options that need CAP_NET_ADMIN: set for those who have it, told of for others.
#[rustfmt::skip]
const PRIVILEGED: &[Row] = &[
    (TCP, "Mark=77", libc::SOL_SOCKET, libc::SO_MARK, 77),
    (TCP, "Priority=7", libc::SOL_SOCKET, libc::SO_PRIORITY, 7),
    (TCP, "Transparent=yes", libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1),
    (TCP6, "Transparent=yes", libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1),
];

#[test]
fn options_are_on_the_socket() {
    for (listen, line, level, option, value) in ROWS {
        let made = opened(&format!("{listen}\n{line}"));
        assert_eq!(made.warnings, [] as [&str; 0], "{listen} {line}");
        let seen = sockopt::number(made.sockets[0].as_fd(), *level, *option);
        assert_eq!(seen.ok(), Some(*value), "{listen} {line}");
        // It does not have that value by itself.
        let plain = opened(listen);
        let usual = sockopt::number(plain.sockets[0].as_fd(), *level, *option);
        let is_usual = usual.ok() == Some(*value);
        assert_eq!(is_usual, *line == "BindIPv6Only=both", "{listen} {line}");
    }
}

#[test]
fn privileged_options_are_on_the_socket_or_told_of() {
    for (listen, line, level, option, value) in PRIVILEGED {
        let made = opened(&format!("{listen}\n{line}"));
        let seen = sockopt::number(made.sockets[0].as_fd(), *level, *option).unwrap();
        let name = line.split('=').next().unwrap();
        match made.warnings.as_slice() {
            [] => assert_eq!(seen, *value, "{listen} {line}"),
            [warning] => {
                assert!(warning.starts_with(name), "{warning}");
                assert_ne!(seen, *value, "{listen} {line}");
            }
            more => panic!("{listen} {line}: {more:?}"),
        }
    }
}

#[test]
fn options_that_are_no_plain_numbers() {
    let made = opened(&format!("{TCP}\nBindToDevice=lo"));
    let device = SockRef::from(&made.sockets[0]).device().unwrap();
    assert_eq!(device.as_deref(), Some(b"lo".as_slice()));
    let made = opened(&format!("{TCP}\nTCPCongestion=reno"));
    let mut name = SockRef::from(&made.sockets[0]).tcp_congestion().unwrap();
    name.retain(|byte| *byte != 0);
    assert_eq!(name, b"reno");
    // The kernel answers in the steps in which it sends again.
    let made = opened(&format!("{TCP}\nDeferAcceptSec=3"));
    let option = libc::TCP_DEFER_ACCEPT;
    let seconds = sockopt::number(made.sockets[0].as_fd(), libc::IPPROTO_TCP, option).unwrap();
    assert!((3..=7).contains(&seconds), "{seconds}");
    let made = opened("ListenSequentialPacket=@procmgr-PORT\nBacklog=3");
    let socket = SockRef::from(&made.sockets[0]);
    assert_eq!(socket.r#type().unwrap(), socket2::Type::SEQPACKET);
    assert!(socket.is_listener().unwrap());
}

/// Backlog=: whoever comes when the queue is full has to wait.
#[test]
fn the_backlog_is_the_length_of_the_queue() {
    let made = opened("ListenStream=@procmgr-PORT\nBacklog=2");
    let address = SockRef::from(&made.sockets[0]).local_addr().unwrap();
    let connect = || {
        let client = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        client.connect(&address).map(|()| client)
    };
    // The kernel takes one more than it is told.
    let _waiting: Vec<Socket> = (0..3).map(|_| connect().unwrap()).collect();
    let full = connect().unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
}
