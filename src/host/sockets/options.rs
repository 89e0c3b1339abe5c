//! Options of sockets that are bound already. As in systemd one that the kernel does not take
//! is told of, and the socket goes without; those that protect are set before (`open`).

use super::open::reason;
use crate::sys::sockopt::set_number;
use crate::unit::config::{SocketOptions, Timestamping};
use crate::unit::value::TimeSpan;
use socket2::{Domain, SockAddr, SockRef, Type};
use std::io;
use std::os::fd::BorrowedFd;

/// One option as the kernel takes it.
type Setting = (&'static str, i32, i32, i32);

/// Sets what the unit asks for on a socket of its own, or on a connection that it accepted;
/// warnings of what did not work.
pub(super) fn apply(
    socket: BorrowedFd<'_>,
    address: &SockAddr,
    kind: Type,
    options: &SocketOptions,
) -> Vec<String> {
    let domain = address.domain();
    let ip = domain == Domain::IPV4 || domain == Domain::IPV6;
    let mut settings = of_any(options);
    if ip {
        settings.extend(of_ip(domain == Domain::IPV6, options));
    }
    if ip && kind == Type::STREAM {
        settings.extend(of_tcp(options));
    }
    if domain == Domain::UNIX {
        settings.extend(of_unix(options));
    }
    let mut warnings = set_all(socket, &settings);
    warnings.extend(set_sizes(socket, options));
    if let Some(name) = options.tcp_congestion.as_ref().filter(|_| ip) {
        let result = SockRef::from(&socket).set_tcp_congestion(name.as_bytes());
        warnings.extend(warning("TCPCongestion", result));
    }
    warnings
}

/// The same for netlink sockets.
pub(super) fn apply_netlink(socket: BorrowedFd<'_>, options: &SocketOptions) -> Vec<String> {
    let mut settings = of_any(options);
    settings.extend(of_unix(options));
    if options.pass_packet_info {
        let packet_info = libc::NETLINK_PKTINFO;
        settings.push(("PassPacketInfo", libc::SOL_NETLINK, packet_info, 1));
    }
    let mut warnings = set_all(socket, &settings);
    warnings.extend(set_sizes(socket, options));
    warnings
}

/// Transparent=, to be set before bind(2).
pub(super) fn set_transparent(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    if v6 {
        set_number(socket, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, 1)
    } else {
        set_number(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)
    }
}

fn warning(directive: &str, result: io::Result<()>) -> Option<String> {
    let error = result.err()?;
    Some(format!("{directive}= was not set: {}", reason(&error)))
}

fn set_all(socket: BorrowedFd<'_>, settings: &[Setting]) -> Vec<String> {
    let set = settings
        .iter()
        .filter_map(|(directive, level, option, value)| {
            warning(directive, set_number(socket, *level, *option, *value))
        });
    set.collect()
}

fn of_any(options: &SocketOptions) -> Vec<Setting> {
    let level = libc::SOL_SOCKET;
    let mut settings = Vec::new();
    if options.broadcast {
        settings.push(("Broadcast", level, libc::SO_BROADCAST, 1));
    }
    if let Some(priority) = options.priority {
        settings.push(("Priority", level, libc::SO_PRIORITY, priority));
    }
    if let Some(mark) = options.mark {
        settings.push(("Mark", level, libc::SO_MARK, mark));
    }
    match options.timestamping {
        Timestamping::Off => {}
        Timestamping::Microseconds => {
            settings.push(("Timestamping", level, libc::SO_TIMESTAMP, 1));
        }
        Timestamping::Nanoseconds => {
            settings.push(("Timestamping", level, libc::SO_TIMESTAMPNS, 1));
        }
    }
    settings
}

fn of_unix(options: &SocketOptions) -> Vec<Setting> {
    let level = libc::SOL_SOCKET;
    let mut settings = Vec::new();
    if options.pass_credentials {
        settings.push(("PassCredentials", level, libc::SO_PASSCRED, 1));
    }
    if options.pass_security {
        settings.push(("PassSecurity", level, libc::SO_PASSSEC, 1));
    }
    settings
}

fn of_ip(v6: bool, options: &SocketOptions) -> Vec<Setting> {
    let (v4_level, v6_level) = (libc::IPPROTO_IP, libc::IPPROTO_IPV6);
    let mut settings = Vec::new();
    if let Some(tos) = options.ip_tos {
        settings.push(("IPTOS", v4_level, libc::IP_TOS, tos));
    }
    if let Some(ttl) = options.ip_ttl {
        settings.push(("IPTTL", v4_level, libc::IP_TTL, ttl));
        if v6 {
            settings.push(("IPTTL", v6_level, libc::IPV6_UNICAST_HOPS, ttl));
        }
    }
    if options.pass_packet_info {
        settings.push(if v6 {
            ("PassPacketInfo", v6_level, libc::IPV6_RECVPKTINFO, 1)
        } else {
            ("PassPacketInfo", v4_level, libc::IP_PKTINFO, 1)
        });
    }
    settings
}

fn of_tcp(options: &SocketOptions) -> Vec<Setting> {
    let level = libc::IPPROTO_TCP;
    let mut settings = Vec::new();
    if options.keep_alive {
        settings.push(("KeepAlive", libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1));
    }
    for (directive, option, span) in [
        (
            "KeepAliveTimeSec",
            libc::TCP_KEEPIDLE,
            options.keep_alive_time,
        ),
        (
            "KeepAliveIntervalSec",
            libc::TCP_KEEPINTVL,
            options.keep_alive_interval,
        ),
        (
            "DeferAcceptSec",
            libc::TCP_DEFER_ACCEPT,
            options.defer_accept,
        ),
    ] {
        if span > TimeSpan::ZERO {
            settings.push((directive, level, option, seconds(span)));
        }
    }
    if options.keep_alive_probes > 0 {
        let probes = i32::try_from(options.keep_alive_probes).unwrap_or(i32::MAX);
        settings.push(("KeepAliveProbes", level, libc::TCP_KEEPCNT, probes));
    }
    if options.no_delay {
        settings.push(("NoDelay", level, libc::TCP_NODELAY, 1));
    }
    settings
}

/// Whole seconds, at least one.
fn seconds(span: TimeSpan) -> i32 {
    let seconds = (span.as_micros() / 1_000_000).max(1);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// ReceiveBuffer= and SendBuffer=: beyond the machine's limit where we may.
fn set_sizes(socket: BorrowedFd<'_>, options: &SocketOptions) -> Vec<String> {
    let sizes = [
        (
            "ReceiveBuffer",
            options.receive_buffer,
            libc::SO_RCVBUFFORCE,
            libc::SO_RCVBUF,
        ),
        (
            "SendBuffer",
            options.send_buffer,
            libc::SO_SNDBUFFORCE,
            libc::SO_SNDBUF,
        ),
    ];
    let set = sizes.into_iter().filter(|(_, size, _, _)| *size > 0);
    set.filter_map(|(directive, size, force, plain)| {
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let forced = set_number(socket, libc::SOL_SOCKET, force, size);
        let result = forced.or_else(|_| set_number(socket, libc::SOL_SOCKET, plain, size));
        warning(directive, result)
    })
    .collect()
}

/// The same on a connection that was accepted, where the kernel does not hand them down; what
/// it does not take was told of when the socket was made.
pub(super) fn apply_to_connection(connection: BorrowedFd<'_>, options: &SocketOptions) {
    if let Ok(address) = SockRef::from(&connection).local_addr() {
        let kind = SockRef::from(&connection).r#type().unwrap_or(Type::STREAM);
        let _ = apply(connection, &address, kind, options);
    }
}
