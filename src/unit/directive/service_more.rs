//! [Service]: what is known but still to come.

use super::parse::{micros, service, text};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::unit::dropped;
use super::{Parse, SERVICE};
use crate::unit::config::UnitConfig;

const FAILURES: &str = "failure modes of timeouts are not built yet; SIGTERM, then SIGKILL is sent";
const STORE: &str = "the store of file descriptors is not built yet";
const SOCKETS: &str = "socket activation is not built yet";
const MAIN_PROCESS: &str = "not built yet; the main process alone decides";
const RELOAD: &str = "not built yet; a reload goes without it";
const RESTART: &str = "not built yet; restarts pass through inactive";
const OPEN_FILES: &str = "opening files for a service is not built yet";
const OOM: &str = "watching for kills by the kernel for want of memory is not built yet";
const ROOT: &str = "other root directories are not built yet";
const RANDOM: &str = "not built yet; RuntimeMaxSec= counts as it stands";

const fn later(name: &'static str, since: u16, kind: Kind, parse: Parse, doc: &'static str) -> Row {
    Row::new(SERVICE, name, since, kind, parse, doc)
}

const fn failure_mode(name: &'static str, doc: &'static str) -> Row {
    let words: &[&str] = &["terminate", "abort", "kill"];
    let parse: Parse = |r, v| r.not_applied(v, FAILURES, false);
    later(name, 246, Kind::Choice(words), parse, doc)
        .neutral(&["terminate"])
        .support(Support::Planned(FAILURES))
        .show(name, "s", |_| text("terminate"))
        .kept(shape::word)
}

/// What is left to itself is left to itself in this, too.
fn oom_policy(config: &UnitConfig) -> PropertyValue {
    let delegated = config.written.get("Delegate") == Some(&PropertyValue::Bool(true));
    text(if delegated { "continue" } else { "stop" })
}

pub(super) static ROWS: &[Row] = &[
    later(
        "TimeoutAbortSec",
        243,
        Kind::Span,
        |r, v| r.not_applied(v, FAILURES, false),
        "How long an aborted service may take to end; as TimeoutStopSec= if unset.",
    )
    .support(Support::Planned(FAILURES))
    .show("TimeoutAbortUSec", "t", |c| micros(service(c).timeout_stop))
    .kept(shape::timeout),
    failure_mode(
        "TimeoutStartFailureMode",
        "How a service is ended that did not start in time.",
    ),
    failure_mode(
        "TimeoutStopFailureMode",
        "How a service is ended that did not stop in time.",
    ),
    later(
        "RuntimeRandomizedExtraSec",
        250,
        Kind::Span,
        |r, v| r.not_applied(v, RANDOM, false),
        "Up to how much RuntimeMaxSec= is lengthened by chance.",
    )
    .neutral(&["0"])
    .support(Support::Planned(RANDOM))
    .show("RuntimeRandomizedExtraUSec", "t", |_| PropertyValue::U64(0))
    .kept(shape::span),
    later(
        "ExitType",
        250,
        Kind::Choice(&["main", "cgroup"]),
        |r, v| r.not_applied(v, MAIN_PROCESS, false),
        "Whether the service has ended with its main process or with its last one.",
    )
    .neutral(&["main"])
    .support(Support::Planned(MAIN_PROCESS))
    .show("ExitType", "s", |_| text("main"))
    .kept(shape::word),
    later(
        "RestartMode",
        254,
        Kind::Choice(&["normal", "direct", "debug"]),
        |r, v| r.not_applied(v, RESTART, false),
        "Whether dependents see a restart as an end and a start.",
    )
    .neutral(&["normal"])
    .support(Support::Planned(RESTART)),
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
        "OOMPolicy",
        243,
        Kind::Choice(&["continue", "stop", "kill"]),
        |r, v| r.not_applied(v, OOM, false),
        "What becomes of the service when the kernel kills a process of it for memory.",
    )
    .neutral(&["continue", "stop"])
    .support(Support::Planned(OOM))
    .show("OOMPolicy", "s", oom_policy)
    .kept(shape::word),
    later(
        "OpenFile",
        253,
        Kind::List,
        |r, v| r.not_applied(v, OPEN_FILES, true),
        "Files that are opened before privileges drop and handed to the service.",
    )
    .support(Support::Planned(OPEN_FILES)),
    later(
        "ReloadSignal",
        253,
        Kind::Text,
        |r, v| r.not_applied(v, RELOAD, false),
        "The signal that makes a Type=notify-reload service reload.",
    )
    .neutral(&["SIGHUP", "HUP", "1"])
    .support(Support::Planned(RELOAD)),
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
