//! systemd.kill(5).

use super::KILL;
use super::parse::{Choice, boolean, kill};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::config::KillMode;
use crate::unit::value::Signal;

const MODE: Choice<KillMode> = Choice {
    words: &["control-group", "mixed", "process", "none"],
    values: &[
        KillMode::ControlGroup,
        KillMode::Mixed,
        KillMode::Process,
        KillMode::None,
    ],
};

pub(super) static ROWS: &[Row] = &[
    Row::new(
        KILL,
        "KillMode",
        33,
        Kind::Choice(MODE.words),
        |r, v| {
            r.kill()?.mode = MODE.read(v)?;
            Ok(())
        },
        "Which processes of the unit are signalled when it stops.",
    )
    .show("KillMode", "s", |c| MODE.show(kill(c).mode)),
    Row::new(
        KILL,
        "KillSignal",
        33,
        Kind::Text,
        |r, v| {
            r.kill()?.signal = Signal::parse(v)?;
            Ok(())
        },
        "The signal that asks processes to end.",
    )
    .show("KillSignal", "i", |c| PropertyValue::I32(kill(c).signal.0)),
    Row::new(
        KILL,
        "RestartKillSignal",
        244,
        Kind::Text,
        |r, v| {
            r.kill()?.restart_signal = Some(Signal::parse(v)?);
            Ok(())
        },
        "The signal that asks processes to end when the unit is restarted; KillSignal= if unset.",
    )
    .show("RestartKillSignal", "i", |c| {
        let settings = kill(c);
        PropertyValue::I32(settings.restart_signal.unwrap_or(settings.signal).0)
    }),
    Row::new(
        KILL,
        "FinalKillSignal",
        240,
        Kind::Text,
        |r, v| {
            r.kill()?.final_signal = Signal::parse(v)?;
            Ok(())
        },
        "The signal for processes that are left when the time to stop is over.",
    )
    .show("FinalKillSignal", "i", |c| {
        PropertyValue::I32(kill(c).final_signal.0)
    }),
    Row::new(
        KILL,
        "SendSIGKILL",
        33,
        Kind::Boolean,
        |r, v| {
            r.kill()?.send_sigkill = boolean(v)?;
            Ok(())
        },
        "Whether processes that do not end in time are killed.",
    )
    .show("SendSIGKILL", "b", |c| {
        PropertyValue::Bool(kill(c).send_sigkill)
    }),
    Row::new(
        KILL,
        "SendSIGHUP",
        207,
        Kind::Boolean,
        |r, v| {
            r.kill()?.send_sighup = boolean(v)?;
            Ok(())
        },
        "Whether SIGHUP follows KillSignal= at once, for shells.",
    )
    .show("SendSIGHUP", "b", |c| {
        PropertyValue::Bool(kill(c).send_sighup)
    }),
    Row::new(
        KILL,
        "WatchdogSignal",
        240,
        Kind::Text,
        |r, v| {
            r.kill()?.watchdog_signal = Signal::parse(v)?;
            Ok(())
        },
        "The signal for a service that did not feed its watchdog in time.",
    )
    .show("WatchdogSignal", "i", |c| {
        PropertyValue::I32(kill(c).watchdog_signal.0)
    }),
];
