//! `health_check` as probes.
//!
//! It has one check with two thresholds: how many failures make the process unhealthy
//! (`retries`), and how many get it killed (`restart_after`, 0 or absent: never). Here these are
//! two probes, for readiness and for liveness.

use super::draft::{Draft, Section, Trouble, command_line, one_line};
use super::service::child;
use super::yaml::{Node, Value};

/// Keys of the mapping; others have no equivalent.
const KEYS: [&str; 14] = [
    "type",
    "endpoint",
    "url",
    "method",
    "expected_status",
    "host",
    "port",
    "command",
    "args",
    "interval",
    "timeout",
    "retries",
    "start_period",
    "restart_after",
];

pub(super) fn take(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    let check = check(draft, node)?;
    let failures = |name| child(node, name).map(|value| draft.number(value));
    let unready = failures("retries").transpose()?;
    let deadly = failures("restart_after").transpose()?.unwrap_or(0);
    for (directive, value) in &check {
        draft.set(Section::Readiness, directive, value);
    }
    if let Some(count) = unready {
        draft.set(Section::Readiness, "FailureThreshold", count.to_string());
    }
    if deadly > 0 {
        for (directive, value) in &check {
            draft.set(Section::Liveness, directive, value);
        }
        draft.set(Section::Liveness, "FailureThreshold", deadly.to_string());
    }
    // What is left is told of.
    draft.take_all(node, &[], &KEYS);
    Ok(())
}

type Assignments = Vec<(&'static str, String)>;

/// What both probes have in common.
fn check(draft: &Draft<'_>, node: &Node) -> Result<Assignments, Trouble> {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("a mapping is needed, not {}", node.kind());
        return Err(Trouble::error(node, message));
    }
    let kind = match child(node, "type") {
        Some(kind) => draft.scalar(kind)?.to_lowercase(),
        None => return Err(Trouble::error(node, "type is needed: http, tcp or exec")),
    };
    let mut list = match kind.as_str() {
        "http" => http(draft, node)?,
        "tcp" => vec![("TCPSocket", tcp(draft, node)?)],
        "exec" => vec![("Exec", exec(draft, node)?)],
        _ => {
            let message = format!("\"{kind}\" is none of http, tcp and exec");
            return Err(Trouble::error(node, message));
        }
    };
    let times = [
        ("start_period", "InitialDelaySec"),
        ("interval", "PeriodSec"),
        ("timeout", "TimeoutSec"),
    ];
    for (key, directive) in times {
        if let Some(value) = child(node, key) {
            list.push((directive, draft.span(value)?));
        }
    }
    Ok(list)
}

fn http(draft: &Draft<'_>, node: &Node) -> Result<Assignments, Trouble> {
    let Some(endpoint) = child(node, "endpoint").or_else(|| child(node, "url")) else {
        return Err(Trouble::error(node, "endpoint is needed"));
    };
    let mut list = vec![("HTTPGet", draft.line(endpoint)?)];
    if let Some(method) = child(node, "method") {
        let method = draft.line(method)?.to_uppercase();
        if method != "GET" {
            list.push(("HTTPMethod", method));
        }
    }
    if let Some(status) = child(node, "expected_status") {
        list.push(("HTTPStatus", draft.number(status)?.to_string()));
    }
    Ok(list)
}

fn tcp(draft: &Draft<'_>, node: &Node) -> Result<String, Trouble> {
    let host = child(node, "host").map(|host| draft.line(host));
    let host = host.transpose()?.unwrap_or_else(|| "127.0.0.1".to_owned());
    let Some(port) = child(node, "port") else {
        return Err(Trouble::error(node, "port is needed"));
    };
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host
    };
    Ok(format!("{host}:{}", draft.number(port)?))
}

/// A command line, or a program with its arguments beside it.
fn exec(draft: &Draft<'_>, node: &Node) -> Result<String, Trouble> {
    let Some(command) = child(node, "command") else {
        return Err(Trouble::error(node, "command is needed"));
    };
    let arguments = child(node, "args").map(|args| draft.scalars(args));
    let arguments = arguments.transpose()?;
    match (&command.value, arguments) {
        (Value::Scalar(_), None) => one_line(command, &draft.scalar(command)?),
        (_, arguments) => {
            let mut words = draft.scalars(command)?;
            words.extend(arguments.unwrap_or_default());
            Ok(command_line(&words))
        }
    }
}
