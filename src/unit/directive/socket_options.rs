//! \[Socket\] (systemd.socket(5)): what is set on the sockets themselves.

use super::parse::{Choice, boolean, micros, optional, small, socket, span, string, unsigned};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::{Parse, SOCKET};
use crate::unit::config::{BindIpv6Only, SocketOptions, SocketProtocol, Timestamping, UnitConfig};
use crate::unit::value::{self, parse_size};

const NO_PIDFD: &str = "handles of senders are not asked for by this build";
const DEFERRED: &str = "activation does not wait; the service's start job does";
const OWN_COMMANDS: &str = "Exec...= commands of sockets get no descriptors";
const NO_LABELS: &str = "labels of SELinux and SMACK are left to the policy of the machine";

const BIND: Choice<BindIpv6Only> = Choice {
    words: &["default", "both", "ipv6-only"],
    values: &[
        BindIpv6Only::Default,
        BindIpv6Only::Both,
        BindIpv6Only::Ipv6Only,
    ],
};

const TIMESTAMPS: Choice<Timestamping> = Choice {
    words: &["off", "us", "ns"],
    values: &[
        Timestamping::Off,
        Timestamping::Microseconds,
        Timestamping::Nanoseconds,
    ],
};

/// IPTOS= by name (linux/ip.h).
const TOS: [(&str, i32); 4] = [
    ("low-delay", 16),
    ("throughput", 8),
    ("reliability", 4),
    ("low-cost", 2),
];

fn options(config: &UnitConfig) -> &SocketOptions {
    &socket(config).options
}

/// Changes the options.
fn set(reading: &mut Reading<'_>, change: impl FnOnce(&mut SocketOptions)) -> Result<(), Trouble> {
    change(&mut reading.socket()?.options);
    Ok(())
}

/// A number that is not set if it is negative.
fn number(value: &str) -> Result<Option<i32>, Trouble> {
    let number = small(value, i32::MIN, i32::MAX)?;
    Ok(Some(number).filter(|number| *number >= 0))
}

/// A number, -1 if it is not set.
fn show_number(number: Option<i32>) -> PropertyValue {
    PropertyValue::I32(number.unwrap_or(-1))
}

fn timestamping(value: &str) -> Result<Timestamping, Trouble> {
    match value {
        "" => Ok(Timestamping::Off),
        "usec" | "\u{b5}s" => Ok(Timestamping::Microseconds),
        "nsec" => Ok(Timestamping::Nanoseconds),
        other => TIMESTAMPS.read(other),
    }
}

fn protocol(value: &str) -> Result<Option<SocketProtocol>, Trouble> {
    match value {
        "" => Ok(None),
        "udplite" => Ok(Some(SocketProtocol::UdpLite)),
        "sctp" => Ok(Some(SocketProtocol::Sctp)),
        _ => Err(Trouble::ignored(format!(
            "\"{value}\" is none of udplite, sctp"
        ))),
    }
}

fn tos(value: &str) -> Result<Option<i32>, Trouble> {
    match TOS.iter().find(|(name, _)| *name == value) {
        Some((_, number)) => Ok(Some(*number)),
        None => Ok(Some(small(value, -1, 255)?).filter(|number| *number >= 0)),
    }
}

fn long(value: &str) -> Result<i64, Trouble> {
    Ok(value::parse_integer(value, i64::MIN, i64::MAX)?)
}

const fn option(
    name: &'static str,
    since: u16,
    kind: Kind,
    parse: Parse,
    doc: &'static str,
) -> Row {
    Row::new(SOCKET, name, since, kind, parse, doc)
}

/// Parsed and told of, without effect.
const fn accepted(
    name: &'static str,
    since: u16,
    parse: Parse,
    reason: &'static str,
    doc: &'static str,
) -> Row {
    Row::new(SOCKET, name, since, Kind::Text, parse, doc).support(Support::Accepted(reason))
}

pub(super) static ROWS: &[Row] = &[
    option(
        "SocketProtocol",
        229,
        Kind::Text,
        |r, v| {
            let value = protocol(v)?;
            set(r, |o| o.protocol = value)
        },
        "The transport protocol of the sockets.",
    )
    .show("SocketProtocol", "i", |c| {
        PropertyValue::I32(options(c).protocol.map_or(0, SocketProtocol::number))
    }),
    option(
        "BindIPv6Only",
        33,
        Kind::Choice(&["default", "both", "ipv6-only"]),
        |r, v| {
            let value = BIND.read(v)?;
            set(r, |o| o.bind_ipv6_only = value)
        },
        "Whether IPv6 sockets also take IPv4.",
    )
    .show("BindIPv6Only", "s", |c| {
        BIND.show(options(c).bind_ipv6_only)
    }),
    option(
        "Backlog",
        33,
        Kind::Number,
        |r, v| {
            let value = unsigned(v)?;
            set(r, |o| o.backlog = value)
        },
        "How many connections may wait to be taken.",
    )
    .show("Backlog", "u", |c| PropertyValue::U32(options(c).backlog)),
    option(
        "BindToDevice",
        33,
        Kind::Text,
        |r, v| {
            let value = string(r, v)?;
            set(r, |o| o.bind_to_device = value)
        },
        "The network interface that the sockets are bound to.",
    )
    .show("BindToDevice", "s", |c| {
        optional(options(c).bind_to_device.as_ref())
    }),
    option(
        "ReusePort",
        209,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.reuse_port = value)
        },
        "Whether others may bind the same port.",
    )
    .show("ReusePort", "b", |c| {
        PropertyValue::Bool(options(c).reuse_port)
    }),
    option(
        "FreeBind",
        33,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.free_bind = value)
        },
        "Whether addresses may be bound that the host does not have yet.",
    )
    .show("FreeBind", "b", |c| {
        PropertyValue::Bool(options(c).free_bind)
    }),
    option(
        "Transparent",
        33,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.transparent = value)
        },
        "Whether addresses of others may be bound.",
    )
    .show("Transparent", "b", |c| {
        PropertyValue::Bool(options(c).transparent)
    }),
    option(
        "Broadcast",
        33,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.broadcast = value)
        },
        "Whether broadcasts may be sent.",
    )
    .show("Broadcast", "b", |c| {
        PropertyValue::Bool(options(c).broadcast)
    }),
    option(
        "PassCredentials",
        38,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.pass_credentials = value)
        },
        "Whether messages carry who sent them.",
    )
    .show("PassCredentials", "b", |c| {
        PropertyValue::Bool(options(c).pass_credentials)
    }),
    option(
        "PassSecurity",
        44,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.pass_security = value)
        },
        "Whether messages carry the sender's security label.",
    )
    .show("PassSecurity", "b", |c| {
        PropertyValue::Bool(options(c).pass_security)
    }),
    option(
        "PassPacketInfo",
        246,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.pass_packet_info = value)
        },
        "Whether packets carry where they came in.",
    )
    .show("PassPacketInfo", "b", |c| {
        PropertyValue::Bool(options(c).pass_packet_info)
    }),
    option(
        "Timestamping",
        247,
        Kind::Choice(&["off", "us", "ns"]),
        |r, v| {
            let value = timestamping(v)?;
            set(r, |o| o.timestamping = value)
        },
        "Whether packets carry when they came in.",
    )
    .show("Timestamping", "s", |c| {
        TIMESTAMPS.show(options(c).timestamping)
    }),
    option(
        "KeepAlive",
        33,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.keep_alive = value)
        },
        "Whether TCP asks quiet peers for a sign of life.",
    )
    .show("KeepAlive", "b", |c| {
        PropertyValue::Bool(options(c).keep_alive)
    }),
    option(
        "KeepAliveTimeSec",
        216,
        Kind::Span,
        |r, v| {
            let value = span(v)?;
            set(r, |o| o.keep_alive_time = value)
        },
        "How long a peer may be quiet before TCP asks.",
    )
    .show("KeepAliveTimeUSec", "t", |c| {
        micros(options(c).keep_alive_time)
    }),
    option(
        "KeepAliveIntervalSec",
        216,
        Kind::Span,
        |r, v| {
            let value = span(v)?;
            set(r, |o| o.keep_alive_interval = value)
        },
        "How long TCP waits between two questions.",
    )
    .show("KeepAliveIntervalUSec", "t", |c| {
        micros(options(c).keep_alive_interval)
    }),
    option(
        "DeferAcceptSec",
        216,
        Kind::Span,
        |r, v| {
            let value = span(v)?;
            set(r, |o| o.defer_accept = value)
        },
        "How long a connection may wait for its first data.",
    )
    .show("DeferAcceptUSec", "t", |c| micros(options(c).defer_accept)),
    option(
        "KeepAliveProbes",
        216,
        Kind::Number,
        |r, v| {
            let value = unsigned(v)?;
            set(r, |o| o.keep_alive_probes = value)
        },
        "How often TCP asks before it gives a peer up.",
    )
    .show("KeepAliveProbes", "u", |c| {
        PropertyValue::U32(options(c).keep_alive_probes)
    }),
    option(
        "NoDelay",
        216,
        Kind::Boolean,
        |r, v| {
            let value = boolean(v)?;
            set(r, |o| o.no_delay = value)
        },
        "Whether TCP sends small packets at once.",
    )
    .show("NoDelay", "b", |c| PropertyValue::Bool(options(c).no_delay)),
    option(
        "Priority",
        33,
        Kind::Number,
        |r, v| {
            let value = number(v)?;
            set(r, |o| o.priority = value)
        },
        "The priority of packets.",
    )
    .show("Priority", "i", |c| show_number(options(c).priority)),
    option(
        "ReceiveBuffer",
        33,
        Kind::Text,
        |r, v| {
            let value = parse_size(v)?;
            set(r, |o| o.receive_buffer = value)
        },
        "The size of the buffer for what comes in.",
    )
    .show("ReceiveBuffer", "t", |c| {
        PropertyValue::U64(options(c).receive_buffer)
    }),
    option(
        "SendBuffer",
        33,
        Kind::Text,
        |r, v| {
            let value = parse_size(v)?;
            set(r, |o| o.send_buffer = value)
        },
        "The size of the buffer for what goes out.",
    )
    .show("SendBuffer", "t", |c| {
        PropertyValue::U64(options(c).send_buffer)
    }),
    option(
        "PipeSize",
        33,
        Kind::Text,
        |r, v| {
            let value = parse_size(v)?;
            set(r, |o| o.pipe_size = value)
        },
        "The size of FIFOs.",
    )
    .show("PipeSize", "t", |c| {
        PropertyValue::U64(options(c).pipe_size)
    }),
    option(
        "IPTOS",
        33,
        Kind::Text,
        |r, v| {
            let value = tos(v)?;
            set(r, |o| o.ip_tos = value)
        },
        "The type of service of IP packets.",
    )
    .show("IPTOS", "i", |c| show_number(options(c).ip_tos)),
    option(
        "IPTTL",
        33,
        Kind::Number,
        |r, v| {
            let value = number(v)?;
            set(r, |o| o.ip_ttl = value)
        },
        "How many hops IP packets may take.",
    )
    .show("IPTTL", "i", |c| show_number(options(c).ip_ttl)),
    option(
        "Mark",
        33,
        Kind::Number,
        |r, v| {
            let value = number(v)?;
            set(r, |o| o.mark = value)
        },
        "The mark of packets for the packet filter.",
    )
    .show("Mark", "i", |c| show_number(options(c).mark)),
    option(
        "TCPCongestion",
        33,
        Kind::Text,
        |r, v| {
            let value = string(r, v)?;
            set(r, |o| o.tcp_congestion = value)
        },
        "How TCP avoids congestion.",
    )
    .show("TCPCongestion", "s", |c| {
        optional(options(c).tcp_congestion.as_ref())
    }),
    option(
        "MessageQueueMaxMessages",
        33,
        Kind::Number,
        |r, v| {
            let value = long(v)?;
            set(r, |o| o.queue_messages = value)
        },
        "How many messages a message queue holds.",
    )
    .show("MessageQueueMaxMessages", "x", |c| {
        PropertyValue::I64(options(c).queue_messages)
    }),
    option(
        "MessageQueueMessageSize",
        33,
        Kind::Number,
        |r, v| {
            let value = long(v)?;
            set(r, |o| o.queue_message_size = value)
        },
        "How long messages of a message queue may be.",
    )
    .show("MessageQueueMessageSize", "x", |c| {
        PropertyValue::I64(options(c).queue_message_size)
    }),
    accepted(
        "PassFileDescriptorsToExec",
        256,
        |r, v| r.not_applied(v, OWN_COMMANDS, false),
        OWN_COMMANDS,
        "Whether Exec...= commands of the socket unit get the sockets.",
    )
    .neutral(&["no"]),
    accepted(
        "PassPIDFD",
        258,
        |r, v| r.not_applied(v, NO_PIDFD, false),
        NO_PIDFD,
        "Whether messages carry a handle of the sender's process.",
    )
    .neutral(&["no"]),
    accepted(
        "AcceptFileDescriptors",
        258,
        |r, v| r.not_applied(v, NO_PIDFD, false),
        NO_PIDFD,
        "Whether messages may carry file descriptors.",
    )
    .neutral(&["yes"]),
    accepted(
        "DeferTrigger",
        258,
        |r, v| r.not_applied(v, DEFERRED, false),
        DEFERRED,
        "Whether activation waits for the service's conflicts to be over.",
    )
    .neutral(&["no"]),
    accepted(
        "DeferTriggerMaxSec",
        258,
        |r, v| r.not_applied(v, DEFERRED, false),
        DEFERRED,
        "How long DeferTrigger= waits.",
    )
    .neutral(&["infinity"]),
    accepted(
        "SmackLabel",
        196,
        |r, v| r.not_applied(v, NO_LABELS, false),
        NO_LABELS,
        "The SMACK label of the sockets.",
    )
    .no_text(),
    accepted(
        "SmackLabelIPIn",
        196,
        |r, v| r.not_applied(v, NO_LABELS, false),
        NO_LABELS,
        "The SMACK label of packets that come in.",
    )
    .no_text(),
    accepted(
        "SmackLabelIPOut",
        196,
        |r, v| r.not_applied(v, NO_LABELS, false),
        NO_LABELS,
        "The SMACK label of packets that go out.",
    )
    .no_text(),
    accepted(
        "SELinuxContextFromNet",
        249,
        |r, v| r.not_applied(v, NO_LABELS, false),
        NO_LABELS,
        "Whether instances get their SELinux context from the peer.",
    )
    .neutral(&["no"]),
];
