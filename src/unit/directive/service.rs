//! \[Service\]: what is carried out (systemd.service(5)).

use super::SERVICE;
use super::parse::{
    Choice, boolean, micros, modern_run, optional, service, span, string, tidy, timeout,
    unit_names, unsigned,
};
use super::read::{Reading, Trouble};
use super::row::{Kind, PropertyValue, Row};
use crate::unit::command;
use crate::unit::config::{
    CommandKind, DependencyKind, DependencyOrigin, NotifyAccess, Restart, ServiceType,
};
use crate::unit::name::UnitType;
use crate::unit::value::{ExitStatusSet, TimeSpan};

const TYPE: Choice<ServiceType> = Choice {
    words: &[
        "simple",
        "exec",
        "forking",
        "oneshot",
        "dbus",
        "notify",
        "notify-reload",
        "idle",
    ],
    values: &[
        ServiceType::Simple,
        ServiceType::Exec,
        ServiceType::Forking,
        ServiceType::Oneshot,
        ServiceType::Dbus,
        ServiceType::Notify,
        ServiceType::NotifyReload,
        ServiceType::Idle,
    ],
};

const RESTART: Choice<Restart> = Choice {
    words: &[
        "no",
        "on-success",
        "on-failure",
        "on-abnormal",
        "on-watchdog",
        "on-abort",
        "always",
    ],
    values: &[
        Restart::No,
        Restart::OnSuccess,
        Restart::OnFailure,
        Restart::OnAbnormal,
        Restart::OnWatchdog,
        Restart::OnAbort,
        Restart::Always,
    ],
};

const NOTIFY_ACCESS: Choice<NotifyAccess> = Choice {
    words: &NotifyAccess::WORDS,
    values: &NotifyAccess::ALL,
};

/// Adds the commands of one line; an empty one starts anew. A line that cannot be read makes
/// the unit bad-setting, or is dropped where its failure would not count (U9).
pub(super) fn commands(
    reading: &mut Reading<'_>,
    value: &str,
    kind: CommandKind,
) -> Result<(), Trouble> {
    if value.is_empty() {
        reading.commands()?.get_mut(kind).clear();
        return Ok(());
    }
    let expand = |word: &str| reading.expand(word);
    let parsed = command::parse_assignment(reading.assignment, &expand);
    match parsed {
        Ok(parsed) => {
            for (offset, message) in &parsed.warnings {
                reading.warn(*offset, message);
            }
            let list = reading.commands()?.get_mut(kind);
            list.extend(parsed.commands);
            Ok(())
        }
        Err(error) if error.ignorable => Err(Trouble::Ignored {
            offset: error.offset,
            message: error.message,
        }),
        Err(error) => Err(Trouble::Fatal {
            offset: error.offset,
            message: error.message,
        }),
    }
}

/// Adds to a set of statuses; an empty value starts anew.
fn statuses(set: &mut ExitStatusSet, value: &str) -> Result<(), Trouble> {
    if value.is_empty() {
        *set = ExitStatusSet::default();
    }
    Ok(set.extend(value)?)
}

/// A set as D-Bus shows it: exit codes, then signals.
fn show_statuses(set: &ExitStatusSet) -> PropertyValue {
    let codes = set
        .codes
        .iter()
        .map(|code| PropertyValue::I32(i32::from(*code)));
    let signals = set
        .signals
        .iter()
        .map(|signal| PropertyValue::I32(signal.0));
    PropertyValue::Struct(vec![
        PropertyValue::Array(codes.collect()),
        PropertyValue::Array(signals.collect()),
    ])
}

/// PIDFile=: a relative path lies below the runtime directory (M14).
fn pid_file(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let path = string(reading, value)?.map(|path| {
        if path.starts_with('/') {
            modern_run(tidy(&path))
        } else {
            tidy(&format!("{}/{path}", reading.system.runtime_directory))
        }
    });
    if path
        .as_deref()
        .is_some_and(|p| p.split('/').any(|part| part == ".."))
    {
        return Err(Trouble::ignored(format!("\"{value}\" leads upwards")));
    }
    reading.service()?.pid_file = path;
    Ok(())
}

/// BusName=: at least two elements of letters, digits, `_` and `-`, none of them beginning with
/// a digit.
fn bus_name(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    let name = string(reading, value)?;
    let element = |e: &str| {
        !e.is_empty()
            && !e.starts_with(|c: char| c.is_ascii_digit())
            && e.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    let valid = |n: &String| n.len() <= 255 && n.contains('.') && n.split('.').all(element);
    if name.as_ref().is_some_and(|name| !valid(name)) {
        return Err(Trouble::ignored(format!("\"{value}\" is not a bus name")));
    }
    reading.service()?.bus_name = name;
    Ok(())
}

/// Sockets=: the service wants and follows them.
fn sockets(reading: &mut Reading<'_>, value: &str) -> Result<(), Trouble> {
    for (offset, name) in unit_names(reading, value)? {
        if name.unit_type() != UnitType::Socket {
            reading.warn(offset, &format!("{name} is not a socket unit, ignored"));
            continue;
        }
        for kind in [
            DependencyKind::Wants,
            DependencyKind::After,
            DependencyKind::TriggeredBy,
        ] {
            reading.draft.depend(kind, &name, DependencyOrigin::File);
        }
    }
    Ok(())
}

const fn exec_list(name: &'static str, since: u16, parse: super::Parse, doc: &'static str) -> Row {
    Row::new(SERVICE, name, since, Kind::Commands, parse, doc)
}

pub(super) static ROWS: &[Row] = &[
    Row::new(
        SERVICE,
        "Type",
        33,
        Kind::Choice(TYPE.words),
        |r, v| {
            r.service()?.service_type = TYPE.read(v)?;
            Ok(())
        },
        "How the service tells that it is up, and what its main process is.",
    )
    .show("Type", "s", |c| TYPE.show(service(c).service_type)),
    exec_list(
        "ExecCondition",
        243,
        |r, v| commands(r, v, CommandKind::Condition),
        "Commands that decide whether the service starts: an exit with 1 to 254 skips it.",
    ),
    exec_list(
        "ExecStartPre",
        33,
        |r, v| commands(r, v, CommandKind::StartPre),
        "Commands that run one after the other before the service starts.",
    ),
    exec_list(
        "ExecStart",
        33,
        |r, v| commands(r, v, CommandKind::Start),
        "The command that is the service; several only for Type=oneshot.",
    ),
    exec_list(
        "ExecStartPost",
        33,
        |r, v| commands(r, v, CommandKind::StartPost),
        "Commands that run once the service is up.",
    ),
    exec_list(
        "ExecReload",
        33,
        |r, v| commands(r, v, CommandKind::Reload),
        "Commands that make the service read its settings again.",
    ),
    exec_list(
        "ExecStop",
        33,
        |r, v| commands(r, v, CommandKind::Stop),
        "Commands that stop a running service; what they leave is signalled.",
    ),
    exec_list(
        "ExecStopPost",
        33,
        |r, v| commands(r, v, CommandKind::StopPost),
        "Commands that run when the service has ended, however it did.",
    ),
    Row::new(
        SERVICE,
        "Restart",
        33,
        Kind::Choice(RESTART.words),
        |r, v| {
            r.service()?.restart = RESTART.read(v)?;
            Ok(())
        },
        "After which ends of the main process the service is started again.",
    )
    .show("Restart", "s", |c| RESTART.show(service(c).restart)),
    Row::new(
        SERVICE,
        "RestartSec",
        33,
        Kind::Span,
        |r, v| {
            r.service()?.restart_sec = span(v)?;
            Ok(())
        },
        "How long to wait before a restart.",
    )
    .show("RestartUSec", "t", |c| micros(service(c).restart_sec)),
    Row::new(
        SERVICE,
        "RestartSteps",
        254,
        Kind::Number,
        |r, v| {
            r.service()?.restart_steps = unsigned(v)?;
            Ok(())
        },
        "In how many restarts the wait grows from RestartSec= to RestartMaxDelaySec=.",
    ),
    Row::new(
        SERVICE,
        "RestartMaxDelaySec",
        254,
        Kind::Span,
        |r, v| {
            r.service()?.restart_max_delay = span(v)?;
            Ok(())
        },
        "The longest wait that growing restarts come to.",
    ),
    Row::new(
        SERVICE,
        "TimeoutStartSec",
        188,
        Kind::Span,
        |r, v| {
            r.service()?.timeout_start = timeout(v)?;
            Ok(())
        },
        "How long each step of a start may take; 0 is for ever.",
    )
    .show("TimeoutStartUSec", "t", |c| {
        micros(service(c).timeout_start)
    }),
    Row::new(
        SERVICE,
        "TimeoutStopSec",
        188,
        Kind::Span,
        |r, v| {
            r.service()?.timeout_stop = timeout(v)?;
            Ok(())
        },
        "How long each step of a stop may take; 0 is for ever.",
    )
    .show("TimeoutStopUSec", "t", |c| micros(service(c).timeout_stop)),
    Row::new(
        SERVICE,
        "TimeoutSec",
        33,
        Kind::Span,
        |r, v| {
            let limit = timeout(v)?;
            let service = r.service()?;
            service.timeout_start = limit;
            service.timeout_stop = limit;
            Ok(())
        },
        "TimeoutStartSec= and TimeoutStopSec= in one.",
    ),
    Row::new(
        SERVICE,
        "RuntimeMaxSec",
        229,
        Kind::Span,
        |r, v| {
            r.service()?.runtime_max = span(v)?;
            Ok(())
        },
        "How long the service may run before it is ended as failed.",
    )
    .show("RuntimeMaxUSec", "t", |c| micros(service(c).runtime_max)),
    Row::new(
        SERVICE,
        "WatchdogSec",
        41,
        Kind::Span,
        |r, v| {
            let interval = span(v)?;
            r.service()?.watchdog = if interval.is_infinite() {
                TimeSpan::ZERO
            } else {
                interval
            };
            Ok(())
        },
        "Within which time the service must report that it is alive; 0 is never.",
    )
    .show("WatchdogUSec", "t", |c| {
        let interval = service(c).watchdog;
        micros(if interval == TimeSpan::ZERO {
            TimeSpan::INFINITY
        } else {
            interval
        })
    }),
    Row::new(
        SERVICE,
        "RemainAfterExit",
        33,
        Kind::Boolean,
        |r, v| {
            r.service()?.remain_after_exit = boolean(v)?;
            Ok(())
        },
        "Whether the service counts as active when its processes have ended well.",
    )
    .show("RemainAfterExit", "b", |c| {
        PropertyValue::Bool(service(c).remain_after_exit)
    }),
    Row::new(
        SERVICE,
        "GuessMainPID",
        33,
        Kind::Boolean,
        |r, v| {
            r.service()?.guess_main_pid = boolean(v)?;
            Ok(())
        },
        "Whether the one process that a forking service leaves is taken for its main one.",
    )
    .show("GuessMainPID", "b", |c| {
        PropertyValue::Bool(service(c).guess_main_pid)
    }),
    Row::new(
        SERVICE,
        "PIDFile",
        33,
        Kind::Text,
        pid_file,
        "The file in which the service leaves the number of its main process.",
    )
    .show("PIDFile", "s", |c| optional(service(c).pid_file.as_ref())),
    Row::new(
        SERVICE,
        "BusName",
        33,
        Kind::Text,
        bus_name,
        "The D-Bus name that the service takes when it is up.",
    )
    .show("BusName", "s", |c| optional(service(c).bus_name.as_ref())),
    Row::new(
        SERVICE,
        "NotifyAccess",
        33,
        Kind::Choice(NOTIFY_ACCESS.words),
        |r, v| {
            r.service()?.notify_access = NOTIFY_ACCESS.read(v)?;
            Ok(())
        },
        "Whose status messages are heard.",
    )
    .show("NotifyAccess", "s", |c| {
        NOTIFY_ACCESS.show(service(c).notify_access)
    }),
    Row::new(
        SERVICE,
        "SuccessExitStatus",
        189,
        Kind::List,
        |r, v| statuses(&mut r.service()?.success_exit_status, v),
        "Ends of the main process that count as a success besides the usual ones.",
    )
    .show("SuccessExitStatus", "(aiai)", |c| {
        show_statuses(&service(c).success_exit_status)
    }),
    Row::new(
        SERVICE,
        "RestartPreventExitStatus",
        189,
        Kind::List,
        |r, v| statuses(&mut r.service()?.restart_prevent_exit_status, v),
        "Ends of the main process after which there is no restart, whatever Restart= says.",
    )
    .show("RestartPreventExitStatus", "(aiai)", |c| {
        show_statuses(&service(c).restart_prevent_exit_status)
    }),
    Row::new(
        SERVICE,
        "RestartForceExitStatus",
        215,
        Kind::List,
        |r, v| statuses(&mut r.service()?.restart_force_exit_status, v),
        "Ends of the main process after which there is a restart, whatever Restart= says.",
    )
    .show("RestartForceExitStatus", "(aiai)", |c| {
        show_statuses(&service(c).restart_force_exit_status)
    }),
    Row::new(
        SERVICE,
        "PermissionsStartOnly",
        33,
        Kind::Boolean,
        |r, v| {
            r.draft.permissions_start_only = boolean(v)?;
            Ok(())
        },
        "Whether all commands but ExecStart= run as if they had the prefix +.",
    ),
    Row::new(
        SERVICE,
        "Sockets",
        33,
        Kind::Dependencies,
        sockets,
        "Socket units whose sockets the service is handed.",
    ),
];
