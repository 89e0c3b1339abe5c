//! The properties that services add.

use super::unit::{UnitSnapshot, clock, timestamp_name};
use crate::bus::value::Value;
use crate::engine::Timestamp;
use crate::engine::inspect::CommandView;
use crate::unit::config::{Command, CommandKind, Commands, Privileges};

/// The value of a service property that lives in the engine or the host.
pub(super) fn live(unit: &UnitSnapshot, name: &str) -> Option<Value> {
    if name == "ControlGroup" {
        return Some(Value::from(unit.control_group.as_str()));
    }
    let service = unit.view.service.as_ref()?;
    let status = service.exec_main_status;
    if name == "WatchdogUSec"
        && let Some(interval) = service.watchdog_told
    {
        return Some(Value::U64(interval.as_micros()));
    }
    Some(match name {
        "MainPID" => pid(service.main_pid),
        "ControlPID" => pid(service.control_pid),
        "Result" => Value::from(service.result.as_str()),
        "ReloadResult" => Value::from(service.reload_result.as_str()),
        "NRestarts" => Value::U32(service.restarts),
        "StatusText" => Value::from(service.status_text.as_str()),
        // Known once the service was started; until then it is as if there was none.
        "WatchdogUSec" if unit.view.times.inactive_exit == Timestamp::default() => {
            Value::U64(u64::MAX)
        }
        "NFileDescriptorStore" => Value::U32(unit.view.stored),
        "StatusErrno" => Value::I32(service.status_errno),
        "ExecMainPID" => pid(service.exec_main_pid),
        "ExecMainCode" => Value::I32(status.map_or(0, |s| s.code_number())),
        "ExecMainStatus" => Value::I32(status.map_or(0, |s| s.number())),
        _ => {
            if let Some((prefix, monotonic)) = timestamp_name(name) {
                return match prefix {
                    "ExecMainStart" => Some(clock(service.exec_main_start, monotonic)),
                    "Watchdog" => Some(clock(service.watchdog_fed, monotonic)),
                    "ExecMainExit" => Some(clock(service.exec_main_exit, monotonic)),
                    _ => None,
                };
            }
            let config = unit.view.config.service()?;
            let lifted = config.permissions_start_only;
            return commands(&config.commands, &service.commands, lifted, name);
        }
    })
}

pub(super) fn pid(pid: i32) -> Value {
    Value::U32(pid.try_into().unwrap_or(0))
}

/// `ExecStart` and kin, `a(sasbttttuii)`, or `ExecStartEx` and kin, `a(sasasttttuii)`.
pub(super) fn commands(
    lists: &Commands,
    runs: &[CommandView],
    start_only: bool,
    name: &str,
) -> Option<Value> {
    // Asked for every property of a service: most are told by how they begin.
    if !name.starts_with("Exec") {
        return None;
    }
    let (directive, extended) = match name.strip_suffix("Ex") {
        Some(directive) => (directive, true),
        None => (name, false),
    };
    let kind = CommandKind::ALL
        .into_iter()
        .find(|kind| kind.directive() == directive)?;
    let list = lists.get(kind).iter().enumerate();
    // PermissionsStartOnly= gives commands the prefix, but they are not shown with it.
    let lifted = start_only && kind != CommandKind::Start;
    let show = |(index, command): (usize, &Command)| {
        let run = runs
            .iter()
            .find(|run| run.kind == kind && run.index == index);
        command_value(command, run, extended, lifted)
    };
    Some(Value::Array(list.map(show).collect()))
}

fn command_value(
    command: &Command,
    run: Option<&CommandView>,
    extended: bool,
    lifted: bool,
) -> Value {
    let flags = if extended {
        let shown = flags(command).into_iter();
        Value::strings(shown.filter(|flag| !lifted || *flag != "privileged"))
    } else {
        Value::Bool(command.ignore_failure)
    };
    let start = run.map(|r| r.start).unwrap_or_default();
    let exit = run.map(|r| r.exit).unwrap_or_default();
    let status = run.and_then(|r| r.status);
    Value::Struct(vec![
        Value::from(command.program.as_str()),
        Value::strings(command.argv.iter().map(String::as_str)),
        flags,
        clock(start, false),
        clock(start, true),
        clock(exit, false),
        clock(exit, true),
        pid(run.map_or(0, |r| r.pid)),
        Value::I32(status.map_or(0, |s| s.code_number())),
        Value::I32(status.map_or(0, |s| s.number())),
    ])
}

fn flags(command: &Command) -> Vec<&'static str> {
    let mut flags = Vec::new();
    if command.ignore_failure {
        flags.push("ignore-failure");
    }
    match command.privileges {
        Privileges::Normal => {}
        Privileges::Full => flags.push("privileged"),
        Privileges::NoUser => flags.push("no-setuid"),
        Privileges::Ambient => flags.push("ambient"),
    }
    if command.no_expand {
        flags.push("no-env-expand");
    }
    flags
}
