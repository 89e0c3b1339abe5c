//! \[Service\]: how services that take too long are ended, what their end is, and what others see
//! of a restart (systemd.service(5)).

use super::SERVICE;
use super::parse::{Choice, micros, service, span, timeout};
use super::row::{Kind, Row};
use crate::unit::config::{ExitType, OomPolicy, RestartMode, TimeoutFailure};
use crate::unit::value::{Signal, TimeSpan};

const FAILURE: Choice<TimeoutFailure> = Choice {
    words: &["terminate", "abort", "kill"],
    values: &[
        TimeoutFailure::Terminate,
        TimeoutFailure::Abort,
        TimeoutFailure::Kill,
    ],
};

const EXIT: Choice<ExitType> = Choice {
    words: &["main", "cgroup"],
    values: &[ExitType::Main, ExitType::Cgroup],
};

const RESTART: Choice<RestartMode> = Choice {
    words: &["normal", "direct", "debug"],
    values: &[RestartMode::Normal, RestartMode::Direct, RestartMode::Debug],
};

pub(super) const OOM: Choice<OomPolicy> = Choice {
    words: &["continue", "stop", "kill"],
    values: &[OomPolicy::Continue, OomPolicy::Stop, OomPolicy::Kill],
};

pub(super) static ROWS: &[Row] = &[
    Row::new(
        SERVICE,
        "TimeoutAbortSec",
        243,
        Kind::Span,
        |r, v| {
            r.service()?.timeout_abort = match v {
                "" => None,
                _ => Some(timeout(v)?),
            };
            Ok(())
        },
        "How long an aborted service may take to end; as TimeoutStopSec= if unset.",
    )
    .show("TimeoutAbortUSec", "t", |c| {
        micros(service(c).abort_timeout())
    }),
    Row::new(
        SERVICE,
        "TimeoutStartFailureMode",
        246,
        Kind::Choice(FAILURE.words),
        |r, v| {
            r.service()?.timeout_start_failure = FAILURE.read(v)?;
            Ok(())
        },
        "How a service is ended that did not start in time.",
    )
    .show("TimeoutStartFailureMode", "s", |c| {
        FAILURE.show(service(c).timeout_start_failure)
    }),
    Row::new(
        SERVICE,
        "TimeoutStopFailureMode",
        246,
        Kind::Choice(FAILURE.words),
        |r, v| {
            r.service()?.timeout_stop_failure = FAILURE.read(v)?;
            Ok(())
        },
        "How a service is ended that did not stop in time.",
    )
    .show("TimeoutStopFailureMode", "s", |c| {
        FAILURE.show(service(c).timeout_stop_failure)
    }),
    Row::new(
        SERVICE,
        "RuntimeRandomizedExtraSec",
        250,
        Kind::Span,
        |r, v| {
            r.service()?.runtime_random_extra = match v {
                "" => TimeSpan::ZERO,
                _ => span(v)?,
            };
            Ok(())
        },
        "Up to how much RuntimeMaxSec= is lengthened by chance.",
    )
    .show("RuntimeRandomizedExtraUSec", "t", |c| {
        micros(service(c).runtime_random_extra)
    }),
    Row::new(
        SERVICE,
        "ExitType",
        250,
        Kind::Choice(EXIT.words),
        |r, v| {
            r.service()?.exit_type = EXIT.read(v)?;
            Ok(())
        },
        "Whether the service has ended with its main process or with its last one.",
    )
    .show("ExitType", "s", |c| EXIT.show(service(c).exit_type)),
    Row::new(
        SERVICE,
        "RestartMode",
        254,
        Kind::Choice(RESTART.words),
        |r, v| {
            r.service()?.restart_mode = RESTART.read(v)?;
            Ok(())
        },
        "Whether dependents see a restart as an end and a start.",
    ),
    Row::new(
        SERVICE,
        "OOMPolicy",
        243,
        Kind::Choice(OOM.words),
        |r, v| {
            r.service()?.oom_policy = OOM.read(v)?;
            Ok(())
        },
        "What becomes of the service when the kernel kills a process of it for memory.",
    )
    .show("OOMPolicy", "s", |c| OOM.show(service(c).oom_policy)),
    Row::new(
        SERVICE,
        "ReloadSignal",
        253,
        Kind::Text,
        |r, v| {
            r.service()?.reload_signal = match v {
                "" => Signal::HUP,
                _ => Signal::parse(v)?,
            };
            Ok(())
        },
        "The signal that makes a Type=notify-reload service reload.",
    ),
];
