//! Definitions of processes: one row per key.

use super::draft::Section::{Install, Procmgr, Service, Unit};
use super::draft::{Draft, Key, Section, Trouble, command_line, one_line};
use super::yaml::{Node, Value};
use super::{health, resources};
use crate::unit::transient;

/// Keys that [`take`] looks at together.
const HANDLED: [&str; 3] = ["command", "args", "auto_start"];

/// Takes over a definition.
pub(super) fn take(draft: &mut Draft<'_>, root: &Node) -> Result<(), Trouble> {
    draft.take_all(root, KEYS, &HANDLED);
    if !matches!(root.value, Value::Map(_)) {
        return Ok(());
    }
    let mut words = match child(root, "command") {
        Some(command) => vec![draft.scalar(command)?],
        None => return Err(Trouble::error(root, "command: it is needed")),
    };
    if let Some(args) = child(root, "args") {
        words.extend(draft.scalars(args)?);
    }
    if words.first().is_none_or(|word| word.trim().is_empty()) {
        return Err(Trouble::error(root, "command: it is empty"));
    }
    draft.set(Service, "ExecStart", command_line(&words));
    // Whoever defines a process wants it, unless told otherwise.
    let starts = child(root, "auto_start").map(|node| draft.boolean(node));
    if starts.transpose()?.unwrap_or(true) {
        draft.set(Install, "WantedBy", "multi-user.target");
    }
    Ok(())
}

/// The value of a key of a mapping.
pub(super) fn child<'n>(root: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(pairs) = &root.value else {
        return None;
    };
    let mut found = pairs
        .iter()
        .filter(|(key, _)| key.value == Value::Scalar(name.to_owned()));
    found.next().map(|(_, value)| value)
}

/// Units by their names; processes were named without a suffix.
fn units(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    let names = draft.scalars(node)?;
    let complete = |name: &String| unit_name(node, name);
    let names: Vec<String> = names.iter().map(complete).collect::<Result<_, _>>()?;
    if !names.is_empty() {
        draft.set(section, directive, names.join(" "));
    }
    Ok(())
}

/// The name of the unit that a definition becomes.
pub(super) fn unit_name(node: &Node, name: &str) -> Result<String, Trouble> {
    use crate::unit::name::UnitName;
    let complete = if UnitName::parse(name).is_ok() {
        name.to_owned()
    } else {
        format!("{name}.service")
    };
    match UnitName::parse(&complete) {
        Ok(_) => Ok(complete),
        Err(error) => Err(Trouble::error(node, error.to_string())),
    }
}

fn line(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    let value = draft.line(node)?;
    draft.set(section, directive, value);
    Ok(())
}

fn span(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    let value = draft.span(node)?;
    draft.set(section, directive, value);
    Ok(())
}

/// One assignment for each of the values.
pub(super) fn each(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    for value in draft.scalars(node)? {
        let value = one_line(node, &value)?;
        draft.set(section, directive, value);
    }
    Ok(())
}

/// All values in one assignment.
fn words(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    let values = draft.scalars(node)?;
    let values: Vec<String> = values
        .iter()
        .map(|value| one_line(node, value))
        .collect::<Result<_, _>>()?;
    draft.set(section, directive, values.join(" "));
    Ok(())
}

/// Variables, as a mapping or as a list of `NAME=VALUE`.
fn environment(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    let mut entries = Vec::new();
    match &node.value {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                let name = draft.scalar(key)?;
                if let Some(value) = variable(draft, &name, value)? {
                    entries.push(format!("{name}={value}"));
                }
            }
        }
        Value::List(_) | Value::Scalar(_) | Value::Null => entries = draft.scalars(node)?,
    }
    for entry in entries {
        draft.set(Service, "Environment", transient::word(&entry));
    }
    Ok(())
}

/// The value of a variable; `None` where it is to be left out.
fn variable(draft: &mut Draft<'_>, name: &str, node: &Node) -> Result<Option<String>, Trouble> {
    if node.value == Value::Null {
        return Ok(Some(String::new()));
    }
    let Some((other, value)) = draft.optional_variable(node) else {
        return draft.scalar(node).map(Some);
    };
    if value.is_none() {
        let message = format!("{name} is left out: {other} is not set now");
        draft.note(node, &message);
    }
    Ok(value)
}

fn restart(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    let value = draft.scalar(node)?.replace('_', "-").to_lowercase();
    let value = match value.as_str() {
        "never" | "no" | "false" => "no",
        "always" | "true" => "always",
        "on-failure" => "on-failure",
        "on-success" => "on-success",
        "on-abnormal" => "on-abnormal",
        "on-abort" => "on-abort",
        "on-watchdog" => "on-watchdog",
        _ => {
            let message = format!("\"{value}\" is no time for a restart");
            return Err(Trouble::error(node, message));
        }
    };
    draft.set(Service, "Restart", value);
    Ok(())
}

/// Where output goes. What was the manager's own output is its log here, which is the default.
fn output(draft: &mut Draft<'_>, node: &Node, directive: &'static str) -> Result<(), Trouble> {
    let value = draft.line(node)?;
    match value.as_str() {
        "inherit" | "journal" | "log" => return Ok(()),
        "null" => draft.set(Service, directive, "null"),
        path if path.starts_with('/') => {
            draft.set(Service, directive, format!("append:{path}"));
        }
        known if known.contains(':') => draft.set(Service, directive, known),
        _ => {
            let message = format!("\"{value}\" is no place for output");
            return Err(Trouble::error(node, message));
        }
    }
    Ok(())
}

fn inherit_environment(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    if draft.boolean(node)? {
        draft.note(
            node,
            "inherit_environment has no equivalent on a host, left out; in a container services \
             have the manager's environment anyway",
        );
    }
    Ok(())
}

pub(super) fn switch(
    draft: &mut Draft<'_>,
    node: &Node,
    section: Section,
    directive: &'static str,
) -> Result<(), Trouble> {
    let value = if draft.boolean(node)? { "yes" } else { "no" };
    draft.set(section, directive, value);
    Ok(())
}

static KEYS: &[Key] = &[
    Key::new(&["description"], |d, n| line(d, n, Unit, "Description")),
    Key::new(&["requires"], |d, n| units(d, n, Unit, "Requires")),
    Key::new(&["requisite"], |d, n| units(d, n, Unit, "Requisite")),
    Key::new(&["wants"], |d, n| units(d, n, Unit, "Wants")),
    Key::new(&["binds_to"], |d, n| units(d, n, Unit, "BindsTo")),
    Key::new(&["part_of"], |d, n| units(d, n, Unit, "PartOf")),
    Key::new(&["conflicts"], |d, n| units(d, n, Unit, "Conflicts")),
    Key::new(&["before"], |d, n| units(d, n, Unit, "Before")),
    Key::new(&["after"], |d, n| units(d, n, Unit, "After")),
    Key::new(&["condition_path_exists"], |d, n| {
        each(d, n, Unit, "ConditionPathExists")
    }),
    Key::new(
        &["start_limit_interval_sec", "start_limit_interval"],
        |d, n| span(d, n, Unit, "StartLimitIntervalSec"),
    ),
    Key::new(&["start_limit_burst"], |d, n| {
        let burst = d.number(n)?.to_string();
        d.set(Unit, "StartLimitBurst", burst);
        Ok(())
    }),
    Key::new(&["process_type", "type"], |d, n| {
        line(d, n, Service, "Type")
    }),
    Key::new(&["exec_start_pre"], |d, n| {
        each(d, n, Service, "ExecStartPre")
    }),
    Key::new(&["exec_start_post"], |d, n| {
        each(d, n, Service, "ExecStartPost")
    }),
    Key::new(&["exec_reload"], |d, n| each(d, n, Service, "ExecReload")),
    Key::new(&["exec_stop"], |d, n| each(d, n, Service, "ExecStop")),
    Key::new(&["exec_stop_post"], |d, n| {
        each(d, n, Service, "ExecStopPost")
    }),
    Key::new(&["pidfile", "pid_file"], |d, n| {
        line(d, n, Service, "PIDFile")
    }),
    Key::new(&["working_dir", "working_directory"], |d, n| {
        line(d, n, Service, "WorkingDirectory")
    }),
    Key::new(&["user"], |d, n| line(d, n, Service, "User")),
    Key::new(&["group"], |d, n| line(d, n, Service, "Group")),
    Key::new(&["supplementary_groups"], |d, n| {
        words(d, n, Service, "SupplementaryGroups")
    }),
    Key::new(&["umask"], |d, n| line(d, n, Service, "UMask")),
    Key::new(&["ambient_capabilities"], |d, n| {
        words(d, n, Service, "AmbientCapabilities")
    }),
    Key::new(&["runtime_directory"], |d, n| {
        words(d, n, Service, "RuntimeDirectory")
    }),
    Key::new(&["state_directory"], |d, n| {
        words(d, n, Service, "StateDirectory")
    }),
    Key::new(&["env", "environment"], environment),
    Key::new(&["environment_file"], |d, n| {
        each(d, n, Service, "EnvironmentFile")
    }),
    Key::new(&["inherit_environment"], inherit_environment),
    Key::new(&["restart"], restart),
    Key::new(&["restart_sec"], |d, n| span(d, n, Service, "RestartSec")),
    Key::new(&["restart_max_delay_sec", "restart_max_delay"], |d, n| {
        span(d, n, Service, "RestartMaxDelaySec")
    }),
    Key::new(&["runtime_success_sec"], |d, n| {
        span(d, n, Procmgr, "BackoffResetSec")
    }),
    Key::new(
        &["start_timeout", "timeout_start_sec", "timeout_start"],
        |d, n| span(d, n, Service, "TimeoutStartSec"),
    ),
    Key::new(
        &["stop_timeout", "timeout_stop_sec", "timeout_stop"],
        |d, n| span(d, n, Service, "TimeoutStopSec"),
    ),
    Key::new(&["kill_signal"], |d, n| line(d, n, Service, "KillSignal")),
    Key::new(&["kill_mode"], |d, n| line(d, n, Service, "KillMode")),
    Key::new(&["success_exit_status"], |d, n| {
        words(d, n, Service, "SuccessExitStatus")
    }),
    Key::new(&["remain_after_exit"], |d, n| {
        switch(d, n, Service, "RemainAfterExit")
    }),
    Key::new(&["stdout"], |d, n| output(d, n, "StandardOutput")),
    Key::new(&["stderr"], |d, n| output(d, n, "StandardError")),
    Key::new(&["resources", "resource_limits"], resources::take),
    Key::new(&["health_check"], health::take),
];
