//! \[Socket\] (systemd.socket(5)): addresses, what they activate, and the unit's own behaviour.

use super::parse::{
    absolute, boolean, descriptor_name, micros, modern_run, optional, socket, span, string,
    strings, text, tidy, timeout, unsigned, words,
};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::service::commands;
use super::{Parse, SOCKET};
use crate::unit::config::{CommandKind, Listen, ListenKind, Place, UnitConfig};
use crate::unit::name::{UnitName, UnitType};
use crate::unit::value::{self, SocketAddress, parse_netlink};

const USB: &str = "USB functions are not served: they need a gadget controller of the machine";

/// Adds an address; an empty value drops those of every kind.
fn listen(reading: &mut Reading<'_>, value: &str, kind: ListenKind) -> Result<(), Trouble> {
    let Some(address) = string(reading, value)? else {
        reading.socket()?.listen.clear();
        return Ok(());
    };
    let listen = parse_listen(kind, address)?;
    reading.socket()?.listen.push(listen);
    Ok(())
}

/// Reads what one of the Listen...= takes, without specifiers.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_listen(kind: ListenKind, address: &str) -> Result<Listen, String> {
    parse_listen(kind, address.to_owned()).map_err(|trouble| match trouble {
        Trouble::Ignored { message, .. } | Trouble::Fatal { message, .. } => message,
        Trouble::NotRun => format!("\"{address}\" cannot be listened at"),
    })
}

fn parse_listen(kind: ListenKind, address: String) -> Result<Listen, Trouble> {
    let path = |address: &str| Ok::<_, Trouble>(modern_run(absolute(address)?));
    let (address, place) = match kind {
        ListenKind::Stream | ListenKind::Datagram | ListenKind::SequentialPacket => {
            let address = if address.starts_with('/') {
                modern_run(tidy(&address))
            } else {
                address
            };
            let parsed = SocketAddress::parse(&address)?;
            let unix = matches!(parsed, SocketAddress::Path(_) | SocketAddress::Abstract(_));
            if kind == ListenKind::SequentialPacket && !unix {
                return Err(Trouble::ignored(format!(
                    "\"{address}\": sequential packets are for unix sockets only"
                )));
            }
            (address, Place::Address(parsed))
        }
        ListenKind::Fifo | ListenKind::Special | ListenKind::UsbFunction => {
            let address = path(&address)?;
            (address.clone(), Place::Path(address))
        }
        ListenKind::Netlink => {
            let (family, group) = parse_netlink(&address)?;
            (address, Place::Netlink { family, group })
        }
        ListenKind::MessageQueue => {
            let name = address.strip_prefix('/').unwrap_or_default();
            if name.is_empty() || name.contains(['/', '\0']) {
                return Err(Trouble::ignored(format!(
                    "\"{address}\" is not the name of a message queue, such as /name"
                )));
            }
            (address.clone(), Place::Queue(address))
        }
    };
    Ok(Listen {
        kind,
        address,
        place,
    })
}

/// An address that nobody can listen at keeps the unit from starting.
fn listen_usb(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    listen(reading, value, ListenKind::UsbFunction)?;
    reading.not_applied(value, USB, true)
}

impl ListenKind {
    /// The directive's name without `Listen`, as D-Bus and list-sockets show it.
    pub fn word(self) -> &'static str {
        match self {
            ListenKind::Stream => "Stream",
            ListenKind::Datagram => "Datagram",
            ListenKind::SequentialPacket => "SequentialPacket",
            ListenKind::Fifo => "FIFO",
            ListenKind::Special => "Special",
            ListenKind::Netlink => "Netlink",
            ListenKind::MessageQueue => "MessageQueue",
            ListenKind::UsbFunction => "USBFunction",
        }
    }
}

fn show_listen(config: &UnitConfig) -> PropertyValue {
    let entries = socket(config).listen.iter().map(|listen| {
        let address = match &listen.place {
            // As systemd prints addresses of sockets; others are shown as written.
            Place::Address(address) => address.to_string().replace('\\', "\\\\"),
            Place::Path(_) | Place::Queue(_) | Place::Netlink { .. } => listen.address.clone(),
        };
        PropertyValue::Struct(vec![
            text(listen.kind.word()),
            PropertyValue::String(address),
        ])
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

/// Symlinks=: absolute paths that add up.
fn symlinks(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.socket()?.symlinks.clear();
        return Ok(());
    }
    for (offset, word) in words(reading, value)? {
        match absolute(&word) {
            Ok(path) => reading.socket()?.symlinks.push(path),
            Err(_) => {
                let message = format!("\"{word}\" is not an absolute path, ignored");
                reading.warn(offset, &message);
            }
        }
    }
    Ok(())
}

fn name_of_descriptors(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let name = string(reading, value)?;
    let name = name.map(|name| descriptor_name(&name)).transpose()?;
    reading.socket()?.descriptor_name = name;
    Ok(())
}

/// A switch of the unit.
const fn switch(
    name: &'static str,
    since: u16,
    parse: Parse,
    get: fn(&UnitConfig) -> PropertyValue,
    doc: &'static str,
) -> Row {
    Row::new(SOCKET, name, since, Kind::Boolean, parse, doc).show(name, "b", get)
}

const fn address(name: &'static str, since: u16, parse: Parse, doc: &'static str) -> Row {
    Row::new(SOCKET, name, since, Kind::List, parse, doc)
}

const fn command_list(name: &'static str, parse: Parse, doc: &'static str) -> Row {
    Row::new(SOCKET, name, 33, Kind::Commands, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    address(
        "ListenStream",
        33,
        |r, v| listen(r, v, ListenKind::Stream),
        "Addresses that connections are taken at.",
    )
    .show("Listen", "a(ss)", show_listen),
    address(
        "ListenDatagram",
        33,
        |r, v| listen(r, v, ListenKind::Datagram),
        "Addresses that datagrams are received at.",
    ),
    address(
        "ListenSequentialPacket",
        33,
        |r, v| listen(r, v, ListenKind::SequentialPacket),
        "Addresses that connections with message borders are taken at.",
    ),
    address(
        "ListenFIFO",
        33,
        |r, v| listen(r, v, ListenKind::Fifo),
        "Paths of named pipes.",
    ),
    address(
        "ListenSpecial",
        33,
        |r, v| listen(r, v, ListenKind::Special),
        "Device or kernel files that are opened.",
    ),
    address(
        "ListenNetlink",
        33,
        |r, v| listen(r, v, ListenKind::Netlink),
        "Netlink families that are listened to.",
    ),
    address(
        "ListenMessageQueue",
        33,
        |r, v| listen(r, v, ListenKind::MessageQueue),
        "Names of POSIX message queues.",
    ),
    address(
        "ListenUSBFunction",
        227,
        listen_usb,
        "Endpoints of a USB function.",
    )
    .support(Support::Refused(USB)),
    switch(
        "Accept",
        33,
        |r, v| {
            r.socket()?.accept = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(socket(c).accept),
        "Whether each connection gets an instance of the service of its own.",
    ),
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
            let value = string(r, v)?;
            r.socket()?.user = value;
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
            let value = string(r, v)?;
            r.socket()?.group = value;
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
            let value = value::parse_mode(v)?;
            r.socket()?.mode = value;
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
            let value = value::parse_mode(v)?;
            r.socket()?.directory_mode = value;
            Ok(())
        },
        "The access mode of directories made for the sockets' nodes.",
    )
    .show("DirectoryMode", "u", |c| {
        PropertyValue::U32(socket(c).directory_mode)
    }),
    switch(
        "RemoveOnStop",
        214,
        |r, v| {
            r.socket()?.remove_on_stop = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(socket(c).remove_on_stop),
        "Whether the sockets' nodes go when the unit stops.",
    ),
    Row::new(
        SOCKET,
        "Symlinks",
        214,
        Kind::List,
        symlinks,
        "Links that are made to the socket's node.",
    )
    .show("Symlinks", "as", |c| strings(&socket(c).symlinks)),
    switch(
        "Writable",
        227,
        |r, v| {
            r.socket()?.writable = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(socket(c).writable),
        "Whether ListenSpecial= files are opened for writing, too.",
    ),
    switch(
        "FlushPending",
        247,
        |r, v| {
            r.socket()?.flush_pending = boolean(v)?;
            Ok(())
        },
        |c| PropertyValue::Bool(socket(c).flush_pending),
        "Whether data that waits when the service ends is thrown away.",
    ),
    Row::new(
        SOCKET,
        "MaxConnections",
        33,
        Kind::Number,
        |r, v| {
            let value = unsigned(v)?;
            r.socket()?.max_connections = value;
            Ok(())
        },
        "How many instances may serve connections at a time.",
    )
    .show("MaxConnections", "u", |c| {
        PropertyValue::U32(socket(c).max_connections)
    }),
    Row::new(
        SOCKET,
        "MaxConnectionsPerSource",
        232,
        Kind::Number,
        |r, v| {
            let value = unsigned(v)?;
            r.socket()?.max_connections_per_source = value;
            Ok(())
        },
        "How many connections one peer may have at a time.",
    )
    .show("MaxConnectionsPerSource", "u", |c| {
        PropertyValue::U32(socket(c).max_connections_per_source)
    }),
    Row::new(
        SOCKET,
        "FileDescriptorName",
        227,
        Kind::Text,
        name_of_descriptors,
        "The name that the sockets are passed under.",
    )
    .show("FileDescriptorName", "s", |c| {
        match &socket(c).descriptor_name {
            Some(name) => text(name),
            None => text(c.name.as_str()),
        }
    }),
    Row::new(
        SOCKET,
        "TriggerLimitIntervalSec",
        230,
        Kind::Span,
        |r, v| {
            let value = span(v)?;
            r.socket()?.trigger_limit.interval = value;
            Ok(())
        },
        "The time within which TriggerLimitBurst= activations are allowed.",
    )
    .show("TriggerLimitIntervalUSec", "t", |c| {
        micros(socket(c).trigger_limit.interval)
    }),
    Row::new(
        SOCKET,
        "TriggerLimitBurst",
        230,
        Kind::Number,
        |r, v| {
            let value = Some(unsigned(v)?);
            r.socket()?.trigger_limit.burst = value;
            Ok(())
        },
        "How many activations are allowed within TriggerLimitIntervalSec=.",
    )
    .show("TriggerLimitBurst", "u", |c| {
        PropertyValue::U32(socket(c).trigger_burst())
    }),
    Row::new(
        SOCKET,
        "PollLimitIntervalSec",
        255,
        Kind::Span,
        |r, v| {
            let value = span(v)?;
            r.socket()?.poll_limit.interval = value;
            Ok(())
        },
        "The time within which PollLimitBurst= wake-ups are allowed.",
    ),
    Row::new(
        SOCKET,
        "PollLimitBurst",
        255,
        Kind::Number,
        |r, v| {
            let value = Some(unsigned(v)?);
            r.socket()?.poll_limit.burst = value;
            Ok(())
        },
        "How many wake-ups are allowed within PollLimitIntervalSec=.",
    ),
    command_list(
        "ExecStartPre",
        |r, v| commands(r, v, CommandKind::StartPre),
        "Commands that run before the sockets are made.",
    ),
    command_list(
        "ExecStartPost",
        |r, v| commands(r, v, CommandKind::StartPost),
        "Commands that run when the sockets are made.",
    ),
    command_list(
        "ExecStopPre",
        |r, v| commands(r, v, CommandKind::StopPre),
        "Commands that run before the sockets are closed.",
    ),
    command_list(
        "ExecStopPost",
        |r, v| commands(r, v, CommandKind::StopPost),
        "Commands that run when the sockets are closed.",
    ),
    Row::new(
        SOCKET,
        "TimeoutSec",
        33,
        Kind::Span,
        |r, v| {
            let value = timeout(v)?;
            r.socket()?.timeout = value;
            Ok(())
        },
        "How long each command of the socket unit may take.",
    )
    .show("TimeoutUSec", "t", |c| micros(socket(c).timeout)),
];
