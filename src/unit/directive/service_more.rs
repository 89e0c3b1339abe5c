//! [Service]: what is known but still to come.

use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::unit::dropped;
use super::{Parse, SERVICE};

const STORE: &str = "the store of file descriptors is not built yet";
const SOCKETS: &str = "socket activation is not built yet";
const RELOAD: &str = "not built yet; a reload goes without it";
const OPEN_FILES: &str = "opening files for a service is not built yet";
const ROOT: &str = "other root directories are not built yet";

const fn later(name: &'static str, since: u16, kind: Kind, parse: Parse, doc: &'static str) -> Row {
    Row::new(SERVICE, name, since, kind, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    later(
        "RootDirectoryStartOnly",
        33,
        Kind::Boolean,
        |r, v| r.not_applied(v, ROOT, false),
        "Whether RootDirectory= is for ExecStart= alone.",
    )
    .support(Support::Planned(ROOT))
    .off(),
    later(
        "NonBlocking",
        33,
        Kind::Boolean,
        |r, v| r.not_applied(v, SOCKETS, false),
        "Whether passed sockets are set not to block.",
    )
    .support(Support::Planned(SOCKETS))
    .off(),
    later(
        "FileDescriptorStoreMax",
        219,
        Kind::Number,
        |r, v| r.not_applied(v, STORE, false),
        "How many file descriptors the manager keeps for the service.",
    )
    .neutral(&["0"])
    .support(Support::Planned(STORE))
    .show("FileDescriptorStoreMax", "u", |_| PropertyValue::U32(0))
    .kept(shape::unsigned),
    later(
        "FileDescriptorStorePreserve",
        254,
        Kind::Choice(&["no", "restart", "yes"]),
        |r, v| r.not_applied(v, STORE, false),
        "How long stored file descriptors are kept.",
    )
    .neutral(&["restart"])
    .support(Support::Planned(STORE)),
    later(
        "OpenFile",
        253,
        Kind::List,
        |r, v| r.not_applied(v, OPEN_FILES, true),
        "Files that are opened before privileges drop and handed to the service.",
    )
    .support(Support::Planned(OPEN_FILES)),
    later(
        "ExecReloadPost",
        259,
        Kind::Commands,
        |r, v| r.not_applied(v, RELOAD, false),
        "Commands that run when the service has reloaded.",
    )
    .support(Support::Planned(RELOAD)),
    later(
        "RefreshOnReload",
        260,
        Kind::Text,
        |r, v| r.not_applied(v, RELOAD, false),
        "What a reload brings up to date besides the service itself.",
    )
    .neutral(&["no"])
    .support(Support::Planned(RELOAD)),
    later(
        "USBFunctionDescriptors",
        227,
        Kind::Text,
        |r, v| r.not_applied(v, SOCKETS, false),
        "The file with the descriptors of a USB function.",
    )
    .support(Support::Planned(SOCKETS))
    .no_text(),
    later(
        "USBFunctionStrings",
        227,
        Kind::Text,
        |r, v| r.not_applied(v, SOCKETS, false),
        "The file with the strings of a USB function.",
    )
    .support(Support::Planned(SOCKETS))
    .no_text(),
    dropped(SERVICE, "SysVStartPriority", 218),
    dropped(SERVICE, "BusPolicy", 221),
];
