//! LimitX= (systemd.exec(5), "PROCESS PROPERTIES"; checklist U17).

use super::EXEC;
use super::parse::exec;
use super::read::{Reading, Trouble};
use super::row::{Kind, Parse, PropertyValue, Row};
use crate::unit::config::UnitConfig;
use crate::unit::value::{Limit, LimitKind};

fn read(reading: &mut Reading<'_>, value: &str, kind: LimitKind) -> Result<(), Trouble> {
    let limit = kind.parse(value)?;
    reading.exec()?.limits.insert(kind, limit);
    Ok(())
}

/// What a process has: as set, else what systemd and Linux give by default.
fn limit(config: &UnitConfig, kind: LimitKind) -> Limit {
    let set = exec(config).limits.get(&kind).copied();
    if let Some(limit) = set.or(kind.default_limit()) {
        return limit;
    }
    let (soft, hard) = match kind {
        LimitKind::Stack => (8 << 20, u64::MAX),
        LimitKind::Core => (0, u64::MAX),
        LimitKind::Memlock => (8 << 20, 8 << 20),
        LimitKind::Msgqueue => (819_200, 819_200),
        LimitKind::Nice | LimitKind::Rtprio => (0, 0),
        LimitKind::Cpu
        | LimitKind::Fsize
        | LimitKind::Data
        | LimitKind::Rss
        | LimitKind::Nproc
        | LimitKind::Nofile
        | LimitKind::As
        | LimitKind::Locks
        | LimitKind::Sigpending
        | LimitKind::Rttime => (u64::MAX, u64::MAX),
    };
    Limit { soft, hard }
}

fn hard(config: &UnitConfig, kind: LimitKind) -> PropertyValue {
    PropertyValue::U64(limit(config, kind).hard)
}

fn soft(config: &UnitConfig, kind: LimitKind) -> PropertyValue {
    PropertyValue::U64(limit(config, kind).soft)
}

const fn row(name: &'static str, parse: Parse, doc: &'static str) -> Row {
    Row::new(EXEC, name, 33, Kind::Text, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    row(
        "LimitCPU",
        |r, v| read(r, v, LimitKind::Cpu),
        "Processor time of a process.",
    )
    .show("LimitCPU", "t", |c| hard(c, LimitKind::Cpu))
    .show("LimitCPUSoft", "t", |c| soft(c, LimitKind::Cpu)),
    row(
        "LimitFSIZE",
        |r, v| read(r, v, LimitKind::Fsize),
        "Size of a file that a process writes.",
    )
    .show("LimitFSIZE", "t", |c| hard(c, LimitKind::Fsize))
    .show("LimitFSIZESoft", "t", |c| soft(c, LimitKind::Fsize)),
    row(
        "LimitDATA",
        |r, v| read(r, v, LimitKind::Data),
        "Size of the data segment of a process.",
    )
    .show("LimitDATA", "t", |c| hard(c, LimitKind::Data))
    .show("LimitDATASoft", "t", |c| soft(c, LimitKind::Data)),
    row(
        "LimitSTACK",
        |r, v| read(r, v, LimitKind::Stack),
        "Size of the stack of a process.",
    )
    .show("LimitSTACK", "t", |c| hard(c, LimitKind::Stack))
    .show("LimitSTACKSoft", "t", |c| soft(c, LimitKind::Stack)),
    row(
        "LimitCORE",
        |r, v| read(r, v, LimitKind::Core),
        "Size of a core dump.",
    )
    .show("LimitCORE", "t", |c| hard(c, LimitKind::Core))
    .show("LimitCORESoft", "t", |c| soft(c, LimitKind::Core)),
    row(
        "LimitRSS",
        |r, v| read(r, v, LimitKind::Rss),
        "Resident memory of a process; without effect on Linux.",
    )
    .show("LimitRSS", "t", |c| hard(c, LimitKind::Rss))
    .show("LimitRSSSoft", "t", |c| soft(c, LimitKind::Rss)),
    row(
        "LimitNOFILE",
        |r, v| read(r, v, LimitKind::Nofile),
        "One more than the highest file descriptor of a process.",
    )
    .show("LimitNOFILE", "t", |c| hard(c, LimitKind::Nofile))
    .show("LimitNOFILESoft", "t", |c| soft(c, LimitKind::Nofile)),
    row(
        "LimitAS",
        |r, v| read(r, v, LimitKind::As),
        "Size of the address space of a process.",
    )
    .show("LimitAS", "t", |c| hard(c, LimitKind::As))
    .show("LimitASSoft", "t", |c| soft(c, LimitKind::As)),
    row(
        "LimitNPROC",
        |r, v| read(r, v, LimitKind::Nproc),
        "Processes of the user.",
    )
    .show("LimitNPROC", "t", |c| hard(c, LimitKind::Nproc))
    .show("LimitNPROCSoft", "t", |c| soft(c, LimitKind::Nproc)),
    row(
        "LimitMEMLOCK",
        |r, v| read(r, v, LimitKind::Memlock),
        "Memory that a process may lock.",
    )
    .show("LimitMEMLOCK", "t", |c| hard(c, LimitKind::Memlock))
    .show("LimitMEMLOCKSoft", "t", |c| soft(c, LimitKind::Memlock)),
    row(
        "LimitLOCKS",
        |r, v| read(r, v, LimitKind::Locks),
        "File locks of a process; without effect on Linux.",
    )
    .show("LimitLOCKS", "t", |c| hard(c, LimitKind::Locks))
    .show("LimitLOCKSSoft", "t", |c| soft(c, LimitKind::Locks)),
    row(
        "LimitSIGPENDING",
        |r, v| read(r, v, LimitKind::Sigpending),
        "Signals queued for the user.",
    )
    .show("LimitSIGPENDING", "t", |c| hard(c, LimitKind::Sigpending))
    .show("LimitSIGPENDINGSoft", "t", |c| {
        soft(c, LimitKind::Sigpending)
    }),
    row(
        "LimitMSGQUEUE",
        |r, v| read(r, v, LimitKind::Msgqueue),
        "Bytes in message queues of the user.",
    )
    .show("LimitMSGQUEUE", "t", |c| hard(c, LimitKind::Msgqueue))
    .show("LimitMSGQUEUESoft", "t", |c| soft(c, LimitKind::Msgqueue)),
    row(
        "LimitNICE",
        |r, v| read(r, v, LimitKind::Nice),
        "How far the niceness may be lowered.",
    )
    .show("LimitNICE", "t", |c| hard(c, LimitKind::Nice))
    .show("LimitNICESoft", "t", |c| soft(c, LimitKind::Nice)),
    row(
        "LimitRTPRIO",
        |r, v| read(r, v, LimitKind::Rtprio),
        "The highest real-time priority.",
    )
    .show("LimitRTPRIO", "t", |c| hard(c, LimitKind::Rtprio))
    .show("LimitRTPRIOSoft", "t", |c| soft(c, LimitKind::Rtprio)),
    row(
        "LimitRTTIME",
        |r, v| read(r, v, LimitKind::Rttime),
        "Processor time of a real-time process between two waits.",
    )
    .show("LimitRTTIME", "t", |c| hard(c, LimitKind::Rttime))
    .show("LimitRTTIMESoft", "t", |c| soft(c, LimitKind::Rttime)),
];
