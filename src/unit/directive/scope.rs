//! \[Scope\] (systemd.scope(5)).

use super::endings::OOM;
use super::parse::{micros, scope, span, timeout};
use super::row::{Kind, Row};
use crate::unit::value::TimeSpan;

const SCOPE: &[&str] = &["Scope"];

pub(super) static ROWS: &[Row] = &[
    Row::new(
        SCOPE,
        "TimeoutStopSec",
        209,
        Kind::Span,
        |r, v| {
            r.scope()?.timeout_stop = timeout(v)?;
            Ok(())
        },
        "How long processes of the scope may take to end after each signal; 0 is for ever.",
    )
    .show("TimeoutStopUSec", "t", |c| micros(scope(c).timeout_stop)),
    Row::new(
        SCOPE,
        "RuntimeMaxSec",
        244,
        Kind::Span,
        |r, v| {
            r.scope()?.runtime_max = span(v)?;
            Ok(())
        },
        "How long the scope may last before it is ended as failed.",
    )
    .show("RuntimeMaxUSec", "t", |c| micros(scope(c).runtime_max)),
    Row::new(
        SCOPE,
        "RuntimeRandomizedExtraSec",
        250,
        Kind::Span,
        |r, v| {
            r.scope()?.runtime_random_extra = match v {
                "" => TimeSpan::ZERO,
                _ => span(v)?,
            };
            Ok(())
        },
        "Up to how much RuntimeMaxSec= is lengthened by chance.",
    )
    .show("RuntimeRandomizedExtraUSec", "t", |c| {
        micros(scope(c).runtime_random_extra)
    }),
    Row::new(
        SCOPE,
        "OOMPolicy",
        253,
        Kind::Choice(OOM.words),
        |r, v| {
            r.scope()?.oom_policy = OOM.read(v)?;
            Ok(())
        },
        "What becomes of the scope when the kernel kills a process of it for memory.",
    )
    .show("OOMPolicy", "s", |c| OOM.show(scope(c).oom_policy)),
];
