//! Definitions of sockets: one row per key.

use super::draft::{Draft, Key, Section, Trouble};
use super::service::{child, each, switch, unit_name};
use super::yaml::{Node, Value};

/// Keys that [`take`] looks at together.
const HANDLED: [&str; 4] = ["service", "fd_name", "fd_env_var", "auto_start"];

/// What a socket changes in the service that it activates: the unit, and the drop-in for it.
pub(super) struct DropIn {
    pub(super) unit: String,
    pub(super) text: String,
}

/// Takes over a definition; `name` is the socket's own, without its suffix.
pub(super) fn take(
    draft: &mut Draft<'_>,
    root: &Node,
    name: &str,
) -> Result<Option<DropIn>, Trouble> {
    draft.take_all(root, KEYS, &HANDLED);
    if !matches!(root.value, Value::Map(_)) {
        return Ok(None);
    }
    let service = match child(root, "service") {
        Some(node) => {
            let service = unit_name(node, &draft.line(node)?)?;
            draft.set(Section::Socket, "Service", service.clone());
            service
        }
        None => format!("{name}.service"),
    };
    let starts = child(root, "auto_start").map(|node| draft.boolean(node));
    if starts.transpose()?.unwrap_or(true) {
        draft.set(Section::Install, "WantedBy", "sockets.target");
    }
    let variable = child(root, "fd_env_var").map(|node| draft.line(node));
    let variable = variable.transpose()?;
    let descriptor = match child(root, "fd_name") {
        Some(node) => Some(draft.line(node)?),
        // The variable is for one descriptor: it needs a name.
        None => variable.as_ref().map(|_| name.to_owned()),
    };
    if let Some(descriptor) = &descriptor {
        draft.set(Section::Socket, "FileDescriptorName", descriptor.clone());
    }
    Ok(descriptor
        .zip(variable)
        .map(|(descriptor, variable)| DropIn {
            unit: service,
            text: format!("[X-Procmgr]\nFileDescriptorEnvironment={descriptor}:{variable}\n"),
        }))
}

static KEYS: &[Key] = &[
    Key::new(&["description"], |d, n| {
        each(d, n, Section::Unit, "Description")
    }),
    Key::new(&["listen_stream", "listen_unix", "listen_tcp"], |d, n| {
        each(d, n, Section::Socket, "ListenStream")
    }),
    Key::new(&["listen_datagram", "listen_udp"], |d, n| {
        each(d, n, Section::Socket, "ListenDatagram")
    }),
    Key::new(&["listen_sequential_packet"], |d, n| {
        each(d, n, Section::Socket, "ListenSequentialPacket")
    }),
    Key::new(&["accept"], |d, n| switch(d, n, Section::Socket, "Accept")),
    Key::new(&["socket_user"], |d, n| {
        each(d, n, Section::Socket, "SocketUser")
    }),
    Key::new(&["socket_group"], |d, n| {
        each(d, n, Section::Socket, "SocketGroup")
    }),
    Key::new(&["socket_mode"], |d, n| {
        each(d, n, Section::Socket, "SocketMode")
    }),
    Key::new(&["directory_mode"], |d, n| {
        each(d, n, Section::Socket, "DirectoryMode")
    }),
    Key::new(&["backlog"], |d, n| each(d, n, Section::Socket, "Backlog")),
    Key::new(&["remove_on_stop"], |d, n| {
        switch(d, n, Section::Socket, "RemoveOnStop")
    }),
];
