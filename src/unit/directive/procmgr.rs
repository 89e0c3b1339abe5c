//! [X-Procmgr]: what systemd has no setting for. It leaves the section alone without a word.

use super::parse::{boolean, micros, span, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use super::{PROCMGR, table};

/// Names of directives; what is none is left out with a warning.
fn allow_degraded(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.exec()?.allow_degraded.clear();
    }
    for (offset, name) in words(reading, value)? {
        if table().any(|row| row.name == name) {
            reading.exec()?.allow_degraded.insert(name);
        } else {
            let message = format!("\"{name}\" is not the name of a directive, ignored");
            reading.warn(offset, &message);
        }
    }
    Ok(())
}

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
    Row::new(
        PROCMGR,
        "AllowDegraded",
        33,
        Kind::List,
        allow_degraded,
        "Directives that may be left out where they cannot be carried out.",
    ),
];
