//! systemd.exec(5): what is known but still to come, apart from the sandbox.

use super::parse::text;
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row, Support};
use super::shape;
use super::unit::dropped;
use super::{EXEC, Parse};

const SCHEDULING: &str = "scheduling settings are not built yet; the unit runs without";
const LOGGING: &str = "there is one log here, and no journal of its own; lines go there";
const IDENTITY: &str = "not built yet; the unit runs without";
const ACCOUNTING: &str = "quotas of managed directories are not built yet; there is no limit";

const fn scheduling(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, SCHEDULING, false);
    Row::new(EXEC, name, since, kind, parse, doc).support(Support::Planned(SCHEDULING))
}

const fn terminal(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    Row::new(EXEC, name, since, kind, |r, v| r.applied(v), doc)
}

/// CPUAffinity=: a list, which adds up, or `numa`, which takes its place.
fn processors(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    const FROM_NODES: &str = "CPUAffinityFromNUMA";
    if value == "numa" {
        reading.applied("")?;
        let written = &mut reading.draft.config.written;
        written.insert(FROM_NODES, PropertyValue::Bool(true));
    } else {
        reading.applied(value)?;
        reading.draft.config.written.remove(FROM_NODES);
    }
    Ok(())
}

const fn logging(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, LOGGING, false);
    Row::new(EXEC, name, since, kind, parse, doc).support(Support::Planned(LOGGING))
}

const fn plain(name: &'static str, since: u16, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, IDENTITY, false);
    Row::new(EXEC, name, since, kind, parse, doc).support(Support::Planned(IDENTITY))
}

const fn quota(name: &'static str, kind: Kind, doc: &'static str) -> Row {
    let parse: Parse = |r, v| r.not_applied(v, ACCOUNTING, false);
    Row::new(EXEC, name, 258, kind, parse, doc)
        .neutral(&["off"])
        .support(Support::Planned(ACCOUNTING))
}

const fn number(row: Row, value: super::Get) -> Row {
    let name = row.name;
    row.show(name, "i", value)
}

pub(super) static ROWS: &[Row] = &[
    number(
        scheduling(
            "IOSchedulingClass",
            33,
            Kind::Text,
            "The input/output class of processes.",
        ),
        |_| PropertyValue::I32(2),
    )
    .kept(shape::io_class)
    .carried_out(),
    number(
        scheduling(
            "IOSchedulingPriority",
            33,
            Kind::Number,
            "The priority within the input/output class.",
        ),
        |_| PropertyValue::I32(4),
    )
    .kept(shape::integer)
    .carried_out(),
    number(
        scheduling(
            "CPUSchedulingPolicy",
            33,
            Kind::Text,
            "The processor scheduling policy of processes.",
        )
        .neutral(&["other"]),
        |_| PropertyValue::I32(0),
    )
    .kept(shape::policy)
    .carried_out(),
    number(
        scheduling(
            "CPUSchedulingPriority",
            33,
            Kind::Number,
            "The priority of real-time policies.",
        ),
        |_| PropertyValue::I32(0),
    )
    .kept(shape::integer)
    .carried_out(),
    scheduling(
        "CPUSchedulingResetOnFork",
        33,
        Kind::Boolean,
        "Whether children fall back to the usual policy.",
    )
    .off()
    .carried_out(),
    Row::new(
        EXEC,
        "CPUAffinity",
        33,
        Kind::List,
        processors,
        "The processors that processes may run on.",
    )
    .show("CPUAffinity", "ay", |_| PropertyValue::Bytes(Vec::new()))
    .kept(shape::processors)
    .show("CPUAffinityFromNUMA", "b", |_| PropertyValue::Bool(false)),
    number(
        scheduling(
            "NUMAPolicy",
            243,
            Kind::Text,
            "The memory policy of processes on machines with several memory nodes.",
        )
        .neutral(&["default"]),
        |_| PropertyValue::I32(-1),
    )
    .kept(shape::memory_policy)
    .carried_out(),
    scheduling(
        "NUMAMask",
        243,
        Kind::Text,
        "The memory nodes of NUMAPolicy=.",
    )
    .show("NUMAMask", "ay", |_| PropertyValue::Bytes(Vec::new()))
    .kept(shape::processors)
    .carried_out(),
    scheduling(
        "TimerSlackNSec",
        33,
        Kind::Text,
        "How late timers of processes may come.",
    )
    .show("TimerSlackNSec", "t", |_| PropertyValue::U64(50_000))
    .kept(shape::nanoseconds)
    .carried_out(),
    scheduling(
        "CoredumpFilter",
        246,
        Kind::Text,
        "Which memory core dumps hold.",
    )
    .show("CoredumpFilter", "t", |_| PropertyValue::U64(0x33))
    .kept(shape::core_dump_filter)
    .carried_out(),
    scheduling(
        "MemoryKSM",
        254,
        Kind::Boolean,
        "Whether equal memory pages of processes are merged.",
    ),
    scheduling(
        "MemoryTHP",
        260,
        Kind::Text,
        "How processes use huge pages.",
    )
    .neutral(&["inherit"]),
    scheduling(
        "Personality",
        209,
        Kind::Text,
        "The architecture that uname(2) tells processes.",
    )
    .no_text()
    .kept(shape::personality)
    .carried_out(),
    terminal("TTYPath", 33, Kind::Text, "The terminal of tty streams.")
        .no_text()
        .kept(shape::path)
        .carried_out(),
    terminal(
        "TTYReset",
        33,
        Kind::Boolean,
        "Whether the terminal is reset.",
    )
    .off()
    .carried_out(),
    terminal(
        "TTYVHangup",
        33,
        Kind::Boolean,
        "Whether others are cut off from the terminal.",
    )
    .off()
    .carried_out(),
    terminal(
        "TTYVTDisallocate",
        33,
        Kind::Boolean,
        "Whether the virtual terminal is cleared.",
    )
    .off()
    .carried_out(),
    terminal("TTYRows", 250, Kind::Number, "The height of the terminal.")
        .show("TTYRows", "q", |_| PropertyValue::U32(u32::from(u16::MAX)))
        .kept(shape::unsigned)
        .carried_out(),
    terminal(
        "TTYColumns",
        250,
        Kind::Number,
        "The width of the terminal.",
    )
    .show("TTYColumns", "q", |_| {
        PropertyValue::U32(u32::from(u16::MAX))
    })
    .kept(shape::unsigned)
    .carried_out(),
    logging(
        "SyslogFacility",
        33,
        Kind::Text,
        "The facility of lines in the log.",
    )
    .neutral(&["daemon"])
    .show("SyslogFacility", "i", |_| PropertyValue::I32(3))
    .kept(shape::facility)
    .carried_out(),
    logging(
        "SyslogLevel",
        33,
        Kind::Text,
        "The level of lines that have none of their own.",
    )
    .neutral(&["info"])
    .show("SyslogLevel", "i", |_| PropertyValue::I32(6))
    .kept(shape::level)
    .carried_out(),
    logging(
        "SyslogLevelPrefix",
        33,
        Kind::Boolean,
        "Whether a level such as <3> before a line is taken for its level.",
    )
    .neutral(&["yes"])
    .show("SyslogLevelPrefix", "b", |_| PropertyValue::Bool(true))
    .kept(shape::boolean)
    .carried_out(),
    logging(
        "LogLevelMax",
        236,
        Kind::Text,
        "The least important level that is logged.",
    )
    .neutral(&["debug"])
    .show("LogLevelMax", "i", |_| PropertyValue::I32(-1))
    .kept(shape::level)
    .carried_out(),
    logging(
        "LogRateLimitIntervalSec",
        240,
        Kind::Span,
        "The time within which LogRateLimitBurst= lines are logged.",
    )
    .neutral(&["0"])
    .show("LogRateLimitIntervalUSec", "t", |_| PropertyValue::U64(0))
    .kept(shape::span)
    .carried_out(),
    logging(
        "LogRateLimitBurst",
        240,
        Kind::Number,
        "How many lines are logged within LogRateLimitIntervalSec=.",
    )
    .neutral(&["0"])
    .show("LogRateLimitBurst", "u", |_| PropertyValue::U32(0))
    .kept(shape::unsigned)
    .carried_out(),
    logging(
        "LogExtraFields",
        236,
        Kind::List,
        "Fields that every line of the unit gets in the log.",
    )
    .show(
        "LogExtraFields",
        "aay",
        |_| PropertyValue::Array(Vec::new()),
    )
    .kept(shape::log_fields)
    .carried_out(),
    logging(
        "LogNamespace",
        245,
        Kind::Text,
        "The journal that lines go to.",
    )
    .no_text(),
    logging(
        "BindLogSockets",
        257,
        Kind::Boolean,
        "Whether the log's sockets are there in the sandbox.",
    ),
    plain(
        "RemoveIPC",
        236,
        Kind::Boolean,
        "Whether System V and POSIX IPC objects of the user go with the unit.",
    )
    .off()
    .carried_out(),
    plain(
        "SetLoginEnvironment",
        255,
        Kind::Boolean,
        "Whether HOME, LOGNAME and SHELL are set.",
    ),
    plain(
        "TimeoutCleanSec",
        243,
        Kind::Span,
        "How long cleaning the unit's directories may take.",
    )
    .neutral(&["infinity"])
    .unlimited("TimeoutCleanUSec", shape::span),
    plain(
        "UtmpIdentifier",
        33,
        Kind::Text,
        "The name of a record in utmp.",
    )
    .no_text(),
    plain(
        "UtmpMode",
        225,
        Kind::Choice(&["init", "login", "user"]),
        "The kind of record in utmp.",
    )
    .neutral(&["init"])
    .show("UtmpMode", "s", |_| text("init"))
    .kept(shape::word),
    quota(
        "StateDirectoryAccounting",
        Kind::Boolean,
        "Whether the size of StateDirectory= is counted.",
    ),
    quota(
        "StateDirectoryQuota",
        Kind::Text,
        "The most that StateDirectory= may hold.",
    ),
    quota(
        "CacheDirectoryAccounting",
        Kind::Boolean,
        "Whether the size of CacheDirectory= is counted.",
    ),
    quota(
        "CacheDirectoryQuota",
        Kind::Text,
        "The most that CacheDirectory= may hold.",
    ),
    quota(
        "LogsDirectoryAccounting",
        Kind::Boolean,
        "Whether the size of LogsDirectory= is counted.",
    ),
    quota(
        "LogsDirectoryQuota",
        Kind::Text,
        "The most that LogsDirectory= may hold.",
    ),
    dropped(EXEC, "Capabilities", 33),
];
