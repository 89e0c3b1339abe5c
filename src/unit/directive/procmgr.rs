//! [X-Procmgr]: what systemd has no setting for. It leaves the section alone without a word.

use super::PROCMGR;
use super::parse::{boolean, micros, span};
use super::row::{Kind, PropertyValue, Row};

pub(super) static ROWS: &[Row] = &[
    Row::new(
        PROCMGR,
        "RestartWithDependency",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.procmgr.restart_with_dependency = boolean(v)?;
            Ok(())
        },
        "Whether the unit comes back when a unit that it requires or is bound to, and whose \
         failure had taken it down or kept it from starting, is active again.",
    )
    .show("RestartWithDependency", "b", |c| {
        PropertyValue::Bool(c.procmgr.restart_with_dependency)
    }),
    Row::new(
        PROCMGR,
        "BackoffResetSec",
        33,
        Kind::Span,
        |r, v| {
            r.draft.config.procmgr.backoff_reset = span(v)?;
            Ok(())
        },
        "A run of a service this long sets the delay that doubles with RestartMaxDelaySec= back \
         to RestartSec=.",
    )
    .show("BackoffResetUSec", "t", |c| micros(c.procmgr.backoff_reset)),
];
