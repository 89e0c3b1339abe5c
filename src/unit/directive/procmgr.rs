//! [X-Procmgr]: what units say beyond systemd, which ignores sections that begin with `X-`.

use super::parse::{Choice, boolean, descriptor_name, micros, span, words};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use super::{PROCMGR, table};
use crate::unit::config::{Backpressure, DescriptorVariable, ReadyWhen, SocketConfig};
use crate::unit::value::TimeSpan;

const READY: Choice<ReadyWhen> = Choice {
    words: &["active", "probe"],
    values: &[ReadyWhen::Active, ReadyWhen::Probe],
};

const BACKPRESSURE: Choice<Backpressure> = Choice {
    words: &["block", "drop"],
    values: &[Backpressure::Block, Backpressure::Drop],
};

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

/// FileDescriptorEnvironment=: `NAME:VARIABLE` words that add up.
fn descriptor_environment(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.service().map_err(for_services)?;
        reading.service()?.descriptor_variables.clear();
        return Ok(());
    }
    for (offset, word) in words(reading, value)? {
        match descriptor_variable(&word) {
            Ok(pair) => {
                let service = reading.service().map_err(for_services)?;
                service.descriptor_variables.push(pair);
            }
            Err(message) => reading.warn(offset, &format!("{message}, ignored")),
        }
    }
    Ok(())
}

fn descriptor_variable(word: &str) -> Result<DescriptorVariable, String> {
    let wrong = || format!("\"{word}\" is not a descriptor's name, a colon and a variable");
    let (name, variable) = word.rsplit_once(':').ok_or_else(wrong)?;
    let name = descriptor_name(name).map_err(|_| wrong())?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = !variable.starts_with(|c: char| c.is_ascii_digit());
    if variable.is_empty() || !begins || !variable.chars().all(fits) {
        return Err(wrong());
    }
    Ok(DescriptorVariable {
        name,
        variable: variable.to_owned(),
    })
}

fn for_services(_: Trouble) -> Trouble {
    Trouble::ignored("it is for services")
}

fn socket<'a>(reading: &'a mut Reading<'_>) -> Result<&'a mut SocketConfig, Trouble> {
    let wrong = |_| Trouble::ignored("it is for sockets");
    reading.socket().map_err(wrong)
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
        "RestartOverlap",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.config.procmgr.restart_overlap = boolean(v)?;
            Ok(())
        },
        "Whether a restart that is asked for starts the new process beside the old one, on the \
         same sockets, and stops the old one when the new one is ready.",
    )
    .show("RestartOverlap", "b", |c| {
        PropertyValue::Bool(c.procmgr.restart_overlap)
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
        "ReadyWhen",
        33,
        Kind::Choice(READY.words),
        |r, v| {
            r.draft.config.procmgr.ready_when = READY.read(v)?;
            Ok(())
        },
        "Whether units that are ordered after this one also wait for its readiness probe.",
    )
    .show("ReadyWhen", "s", |c| READY.show(c.procmgr.ready_when)),
    Row::new(
        PROCMGR,
        "LogBackpressure",
        33,
        Kind::Choice(BACKPRESSURE.words),
        |r, v| {
            r.exec()?.logging.backpressure = BACKPRESSURE.read(v)?;
            Ok(())
        },
        "Whether processes wait whose lines the log does not take in time, or lines are dropped \
         and counted.",
    ),
    Row::new(
        PROCMGR,
        "AllowDegraded",
        33,
        Kind::List,
        allow_degraded,
        "Directives that may be left out where they cannot be carried out.",
    ),
    Row::new(
        PROCMGR,
        "FileDescriptorEnvironment",
        33,
        Kind::List,
        descriptor_environment,
        "Variables that tell the numbers of passed file descriptors, each as NAME:VARIABLE.",
    ),
    Row::new(
        PROCMGR,
        "IgnoreEmptyConnections",
        33,
        Kind::Boolean,
        |r, v| {
            socket(r)?.ignore_empty_connections = boolean(v)?;
            Ok(())
        },
        "Whether a client that sends nothing before it leaves does not activate the service.",
    ),
    Row::new(
        PROCMGR,
        "PauseSec",
        33,
        Kind::Span,
        |r, v| {
            let pause = if v.is_empty() {
                TimeSpan::INFINITY
            } else {
                span(v)?
            };
            socket(r)?.pause = pause;
            Ok(())
        },
        "After which time a socket listens again that failed because of its service.",
    ),
];
