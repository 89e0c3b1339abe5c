//! [Socket] (systemd.socket(5)): what is read into the configuration, and what is known but
//! still to come. Socket units are not run yet, so nothing here keeps one from starting.

use super::parse::{boolean, modern_run, optional, socket, string, text, tidy};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::{Parse, SOCKET};
use crate::unit::config::{Listen, ListenKind, UnitConfig};
use crate::unit::name::{UnitName, UnitType};
use crate::unit::value;

const SOCKETS: &str = "socket activation is not built yet";

/// Adds an address; an empty value drops those of every kind.
fn listen(reading: &mut Reading<'_>, value: &str, kind: ListenKind) -> Result<(), Trouble> {
    let address = string(reading, value)?;
    let list = &mut reading.socket()?.listen;
    match address {
        None => list.clear(),
        Some(address) if address.starts_with('/') && kind != ListenKind::MessageQueue => {
            let address = modern_run(tidy(&address));
            list.push(Listen { kind, address });
        }
        Some(address) => list.push(Listen { kind, address }),
    }
    Ok(())
}

fn show_listen(config: &UnitConfig) -> PropertyValue {
    let entries = socket(config).listen.iter().map(|listen| {
        let kind = match listen.kind {
            ListenKind::Stream => "Stream",
            ListenKind::Datagram => "Datagram",
            ListenKind::SequentialPacket => "SequentialPacket",
            ListenKind::Fifo => "FIFO",
            ListenKind::Special => "Special",
            ListenKind::Netlink => "Netlink",
            ListenKind::MessageQueue => "MessageQueue",
            ListenKind::UsbFunction => "USBFunction",
        };
        let path = listen.address.starts_with(['/', '@']);
        let port = listen.address.bytes().all(|byte| byte.is_ascii_digit());
        let address = if port && !listen.address.is_empty() {
            format!("[::]:{}", listen.address)
        } else {
            // As systemd prints addresses of sockets; others are shown as written.
            match listen.kind {
                ListenKind::Stream | ListenKind::Datagram | ListenKind::SequentialPacket
                    if path =>
                {
                    listen.address.replace('\\', "\\\\")
                }
                _ => listen.address.clone(),
            }
        };
        PropertyValue::Struct(vec![text(kind), PropertyValue::String(address)])
    });
    PropertyValue::Array(entries.collect())
}

/// Service=: a service that is no template.
fn service(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let name = match string(reading, value)? {
        None => None,
        Some(name) => {
            let name = UnitName::parse(&name).map_err(|e| Trouble::ignored(e.to_string()))?;
            if name.unit_type() != UnitType::Service || name.is_template() {
                return Err(Trouble::ignored(format!("{name} is not a service")));
            }
            Some(name)
        }
    };
    reading.socket()?.service = name;
    Ok(())
}

fn zero(_: &UnitConfig) -> PropertyValue {
    PropertyValue::U64(0)
}

fn unset(_: &UnitConfig) -> PropertyValue {
    PropertyValue::I32(-1)
}

const fn later(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SOCKETS, false);
    Row::new(SOCKET, name, since, kind, parse, doc).support(Support::Planned(SOCKETS))
}

/// A setting that protects.
const fn refused(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SOCKETS, true);
    Row::new(SOCKET, name, since, kind, parse, doc).support(Support::Planned(SOCKETS))
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        SOCKET,
        "ListenStream",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::Stream),
        "Addresses that connections are taken at.",
    )
    .show("Listen", "a(ss)", show_listen),
    Row::new(
        SOCKET,
        "ListenDatagram",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::Datagram),
        "Addresses that datagrams are received at.",
    ),
    Row::new(
        SOCKET,
        "ListenSequentialPacket",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::SequentialPacket),
        "Addresses that connections with message borders are taken at.",
    ),
    Row::new(
        SOCKET,
        "ListenFIFO",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::Fifo),
        "Paths of named pipes.",
    ),
    Row::new(
        SOCKET,
        "ListenSpecial",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::Special),
        "Device or kernel files that are opened.",
    ),
    Row::new(
        SOCKET,
        "ListenNetlink",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::Netlink),
        "Netlink families that are listened to.",
    ),
    Row::new(
        SOCKET,
        "ListenMessageQueue",
        33,
        Kind::List,
        |r, v| listen(r, v, ListenKind::MessageQueue),
        "Names of POSIX message queues.",
    ),
    Row::new(
        SOCKET,
        "ListenUSBFunction",
        227,
        Kind::List,
        |r, v| listen(r, v, ListenKind::UsbFunction),
        "Endpoints of a USB function.",
    ),
    Row::new(
        SOCKET,
        "Accept",
        33,
        Kind::Boolean,
        |r, v| {
            r.socket()?.accept = boolean(v)?;
            Ok(())
        },
        "Whether each connection gets an instance of the service of its own.",
    )
    .show("Accept", "b", |c| PropertyValue::Bool(socket(c).accept)),
    Row::new(
        SOCKET,
        "Service",
        33,
        Kind::Text,
        service,
        "The service that traffic activates; the one of the same name if unset.",
    ),
    Row::new(
        SOCKET,
        "SocketUser",
        214,
        Kind::Text,
        |r, v| {
            let user = string(r, v)?;
            r.socket()?.user = user;
            Ok(())
        },
        "The user that the sockets' nodes belong to.",
    )
    .show("SocketUser", "s", |c| optional(socket(c).user.as_ref())),
    Row::new(
        SOCKET,
        "SocketGroup",
        214,
        Kind::Text,
        |r, v| {
            let group = string(r, v)?;
            r.socket()?.group = group;
            Ok(())
        },
        "The group that the sockets' nodes belong to.",
    )
    .show("SocketGroup", "s", |c| optional(socket(c).group.as_ref())),
    Row::new(
        SOCKET,
        "SocketMode",
        33,
        Kind::Number,
        |r, v| {
            r.socket()?.mode = value::parse_mode(v)?;
            Ok(())
        },
        "The access mode of the sockets' nodes.",
    )
    .show("SocketMode", "u", |c| PropertyValue::U32(socket(c).mode)),
    Row::new(
        SOCKET,
        "DirectoryMode",
        33,
        Kind::Number,
        |r, v| {
            r.socket()?.directory_mode = value::parse_mode(v)?;
            Ok(())
        },
        "The access mode of directories made for the sockets' nodes.",
    )
    .show("DirectoryMode", "u", |c| {
        PropertyValue::U32(socket(c).directory_mode)
    }),
    Row::new(
        SOCKET,
        "RemoveOnStop",
        214,
        Kind::Boolean,
        |r, v| {
            r.socket()?.remove_on_stop = boolean(v)?;
            Ok(())
        },
        "Whether the sockets' nodes go when the unit stops.",
    )
    .show("RemoveOnStop", "b", |c| {
        PropertyValue::Bool(socket(c).remove_on_stop)
    }),
    later(
        "SocketProtocol",
        229,
        Kind::Text,
        "The transport protocol of the sockets.",
    )
    .show("SocketProtocol", "i", |_| PropertyValue::I32(0)),
    later(
        "BindIPv6Only",
        33,
        Kind::Choice(&["default", "both", "ipv6-only"]),
        "Whether IPv6 sockets also take IPv4.",
    )
    .neutral(&["default"])
    .show("BindIPv6Only", "s", |_| text("default"))
    .kept(shape::word),
    later(
        "Backlog",
        33,
        Kind::Number,
        "How many connections may wait to be taken.",
    )
    .show("Backlog", "u", |_| PropertyValue::U32(2_147_483_647))
    .kept(shape::unsigned),
    refused(
        "BindToDevice",
        33,
        Kind::Text,
        "The network interface that the sockets are bound to.",
    )
    .no_text(),
    later(
        "ExecStartPre",
        33,
        Kind::Commands,
        "Commands that run before the sockets are made.",
    ),
    later(
        "ExecStartPost",
        33,
        Kind::Commands,
        "Commands that run when the sockets are made.",
    ),
    later(
        "ExecStopPre",
        33,
        Kind::Commands,
        "Commands that run before the sockets are closed.",
    ),
    later(
        "ExecStopPost",
        33,
        Kind::Commands,
        "Commands that run when the sockets are closed.",
    ),
    later(
        "TimeoutSec",
        33,
        Kind::Span,
        "How long each command of the socket unit may take.",
    )
    .show("TimeoutUSec", "t", |_| PropertyValue::U64(90_000_000))
    .kept(shape::timeout),
    later(
        "FlushPending",
        247,
        Kind::Boolean,
        "Whether data that waits when the service ends is thrown away.",
    )
    .off(),
    later(
        "Writable",
        227,
        Kind::Boolean,
        "Whether ListenSpecial= files are opened for writing, too.",
    )
    .off(),
    later(
        "MaxConnections",
        33,
        Kind::Number,
        "How many instances may serve connections at a time.",
    )
    .show("MaxConnections", "u", |_| PropertyValue::U32(64))
    .kept(shape::unsigned),
    later(
        "MaxConnectionsPerSource",
        232,
        Kind::Number,
        "How many connections one peer may have at a time.",
    )
    .show("MaxConnectionsPerSource", "u", |_| PropertyValue::U32(0))
    .kept(shape::unsigned),
    later(
        "KeepAlive",
        33,
        Kind::Boolean,
        "Whether TCP asks quiet peers for a sign of life.",
    )
    .off(),
    later(
        "KeepAliveTimeSec",
        216,
        Kind::Span,
        "How long a peer may be quiet before TCP asks.",
    )
    .show("KeepAliveTimeUSec", "t", zero)
    .kept(shape::span),
    later(
        "KeepAliveIntervalSec",
        216,
        Kind::Span,
        "How long TCP waits between two questions.",
    )
    .show("KeepAliveIntervalUSec", "t", zero)
    .kept(shape::span),
    later(
        "KeepAliveProbes",
        216,
        Kind::Number,
        "How often TCP asks before it gives a peer up.",
    )
    .show("KeepAliveProbes", "u", |_| PropertyValue::U32(0))
    .kept(shape::unsigned),
    later(
        "DeferAcceptSec",
        216,
        Kind::Span,
        "How long a connection may wait for its first data.",
    )
    .show("DeferAcceptUSec", "t", zero)
    .kept(shape::span),
    later(
        "NoDelay",
        216,
        Kind::Boolean,
        "Whether TCP sends small packets at once.",
    )
    .off(),
    later("Priority", 33, Kind::Number, "The priority of packets.")
        .show("Priority", "i", unset)
        .kept(shape::integer),
    later(
        "ReceiveBuffer",
        33,
        Kind::Text,
        "The size of the buffer for what comes in.",
    )
    .show("ReceiveBuffer", "t", zero)
    .kept(shape::bytes),
    later(
        "SendBuffer",
        33,
        Kind::Text,
        "The size of the buffer for what goes out.",
    )
    .show("SendBuffer", "t", zero)
    .kept(shape::bytes),
    later(
        "IPTOS",
        33,
        Kind::Text,
        "The type of service of IP packets.",
    )
    .show("IPTOS", "i", unset),
    later(
        "IPTTL",
        33,
        Kind::Number,
        "How many hops IP packets may take.",
    )
    .show("IPTTL", "i", unset)
    .kept(shape::integer),
    later(
        "Mark",
        33,
        Kind::Number,
        "The mark of packets for the packet filter.",
    )
    .show("Mark", "i", unset)
    .kept(shape::integer),
    later("PipeSize", 33, Kind::Text, "The size of FIFOs.")
        .show("PipeSize", "t", zero)
        .kept(shape::bytes),
    later(
        "FreeBind",
        33,
        Kind::Boolean,
        "Whether addresses may be bound that the host does not have yet.",
    )
    .off(),
    later(
        "Transparent",
        33,
        Kind::Boolean,
        "Whether addresses of others may be bound.",
    )
    .off(),
    later(
        "Broadcast",
        33,
        Kind::Boolean,
        "Whether broadcasts may be sent.",
    )
    .off(),
    later(
        "PassCredentials",
        38,
        Kind::Boolean,
        "Whether messages carry who sent them.",
    )
    .off(),
    later(
        "PassFileDescriptorsToExec",
        256,
        Kind::Boolean,
        "Whether Exec...= commands of the socket unit get the sockets.",
    ),
    later(
        "PassSecurity",
        44,
        Kind::Boolean,
        "Whether messages carry the sender's security label.",
    )
    .off(),
    later(
        "PassPacketInfo",
        246,
        Kind::Boolean,
        "Whether packets carry where they came in.",
    )
    .off(),
    later(
        "PassPIDFD",
        258,
        Kind::Boolean,
        "Whether messages carry a handle of the sender's process.",
    ),
    later(
        "AcceptFileDescriptors",
        258,
        Kind::Boolean,
        "Whether messages may carry file descriptors.",
    )
    .neutral(&["yes"]),
    later(
        "Timestamping",
        247,
        Kind::Choice(&["off", "us", "ns"]),
        "Whether packets carry when they came in.",
    )
    .neutral(&["off"])
    .show("Timestamping", "s", |_| text("off"))
    .kept(shape::timestamps),
    later(
        "TCPCongestion",
        33,
        Kind::Text,
        "How TCP avoids congestion.",
    )
    .no_text(),
    later(
        "ReusePort",
        209,
        Kind::Boolean,
        "Whether others may bind the same port.",
    )
    .off(),
    later(
        "MessageQueueMaxMessages",
        33,
        Kind::Number,
        "How many messages a message queue holds.",
    )
    .show("MessageQueueMaxMessages", "x", |_| PropertyValue::I64(0))
    .kept(shape::long),
    later(
        "MessageQueueMessageSize",
        33,
        Kind::Number,
        "How long messages of a message queue may be.",
    )
    .show("MessageQueueMessageSize", "x", |_| PropertyValue::I64(0))
    .kept(shape::long),
    later(
        "Symlinks",
        214,
        Kind::List,
        "Links that are made to the socket's node.",
    )
    .no_list()
    .kept(shape::paths),
    later(
        "FileDescriptorName",
        227,
        Kind::Text,
        "The name that the sockets are passed under.",
    )
    .show("FileDescriptorName", "s", |c| text(c.name.as_str()))
    .kept(shape::text),
    later(
        "TriggerLimitIntervalSec",
        230,
        Kind::Span,
        "The time within which TriggerLimitBurst= activations are allowed.",
    )
    .show("TriggerLimitIntervalUSec", "t", |_| {
        PropertyValue::U64(2_000_000)
    })
    .kept(shape::span),
    later(
        "TriggerLimitBurst",
        230,
        Kind::Number,
        "How many activations are allowed within TriggerLimitIntervalSec=.",
    )
    .show("TriggerLimitBurst", "u", |_| PropertyValue::U32(20))
    .kept(shape::unsigned),
    later(
        "PollLimitIntervalSec",
        255,
        Kind::Span,
        "The time within which PollLimitBurst= wake-ups are allowed.",
    ),
    later(
        "PollLimitBurst",
        255,
        Kind::Number,
        "How many wake-ups are allowed within PollLimitIntervalSec=.",
    ),
    later(
        "DeferTrigger",
        258,
        Kind::Text,
        "Whether activation waits for the service's conflicts to be over.",
    )
    .neutral(&["no"]),
    later(
        "DeferTriggerMaxSec",
        258,
        Kind::Span,
        "How long DeferTrigger= waits.",
    )
    .neutral(&["infinity"]),
    refused(
        "SmackLabel",
        196,
        Kind::Text,
        "The SMACK label of the sockets.",
    )
    .no_text(),
    refused(
        "SmackLabelIPIn",
        196,
        Kind::Text,
        "The SMACK label of packets that come in.",
    )
    .no_text(),
    refused(
        "SmackLabelIPOut",
        196,
        Kind::Text,
        "The SMACK label of packets that go out.",
    )
    .no_text(),
    refused(
        "SELinuxContextFromNet",
        249,
        Kind::Boolean,
        "Whether instances get their SELinux context from the peer.",
    ),
];
