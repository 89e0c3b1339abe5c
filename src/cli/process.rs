//! Processes in `status`: the main one, and commands that ended.

use super::client::Properties;
use super::fields::Fields;
use super::status::ended;
use crate::unit::value::{Signal, exit_status_name};
use serde_json::Value as Json;

/// `1/FAILURE` for exit codes, `TERM` for signals.
pub(super) fn status_word(code: i64, status: i64) -> String {
    if code != 1 {
        let signal = i32::try_from(status).unwrap_or(0);
        return Signal(signal).name();
    }
    // As systemctl: the names of sysexits(3), 64 to 78, are not shown.
    let code = u8::try_from(status).ok().filter(|c| !(64..=78).contains(c));
    match code.and_then(exit_status_name) {
        Some(name) => format!("{status}/{name}"),
        None => status.to_string(),
    }
}

/// The main process: `71 (sleep)`, or how it ended; empty if there was none.
pub(super) fn main_pid(p: &Properties) -> String {
    let pid = p.number("MainPID");
    if pid > 0 {
        return match name(pid) {
            Some(name) => format!("{pid} ({name})"),
            None => pid.to_string(),
        };
    }
    let pid = p.number("ExecMainPID");
    let code = p.signed("ExecMainCode");
    match code {
        _ if pid == 0 => String::new(),
        // Nobody saw its end, but that.
        0 if p.number("ExecMainExitTimestamp") != 0 => format!("{pid} (exit status unknown)"),
        0 => String::new(),
        code => format!("{pid} ({})", ended(code, p.signed("ExecMainStatus"))),
    }
}

/// The name of a process, if it is in our pid namespace.
fn name(pid: u64) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// Bytes as systemctl writes them: `512B`, `4.0K`, `1.5M`.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = 1_u64;
    let mut suffix = "B";
    for next in ["K", "M", "G", "T"] {
        if bytes / unit < 1024 {
            break;
        }
        unit *= 1024;
        suffix = next;
    }
    match unit {
        1 => format!("{bytes}B"),
        unit => format!("{}.{}{suffix}", bytes / unit, bytes % unit * 10 / unit),
    }
}

/// What a unit uses: traffic, tasks, memory and CPU time, with their limits; those that are known.
pub(super) fn usage(p: &Properties) -> Vec<(&'static str, String)> {
    let known = |name: &str| {
        let number = p.number(name);
        (p.value(name).is_some() && number != u64::MAX).then_some(number)
    };
    let with_limit = |value: Option<String>, limit: Option<String>| match (value, limit) {
        (Some(value), Some(limit)) => Some(format!("{value} (limit: {limit})")),
        (value, _) => value,
    };
    let tasks = known("TasksCurrent").map(|count| count.to_string());
    let tasks = with_limit(tasks, known("TasksMax").map(|count| count.to_string()));
    let memory = known("MemoryCurrent").map(size);
    let memory = with_limit(memory, known("MemoryMax").map(size));
    let cpu = known("CPUUsageNSec").map(|nanoseconds| super::time::rough(nanoseconds / 1000));
    let (came, went) = (known("IPIngressBytes"), known("IPEgressBytes"));
    let traffic = came.zip(went);
    let traffic = traffic.map(|(came, went)| format!("{} in, {} out", size(came), size(went)));
    [
        ("IP", traffic),
        ("Tasks", tasks),
        ("Memory", memory),
        ("CPU", cpu),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}

/// The commands beside the main process that ended: `72 ExecStartPre=/bin/x (code=...)`.
pub(super) fn finished_commands(p: &Properties) -> Vec<String> {
    let mut lines = Vec::new();
    for list in [
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecReload",
        "ExecStop",
        "ExecStopPost",
    ] {
        let commands = p.items(list).iter().filter_map(Json::as_array);
        lines.extend(commands.filter_map(|command| finished(p, list, command)));
    }
    lines
}

fn finished(p: &Properties, list: &str, command: &[Json]) -> Option<String> {
    let pid = command.get(7)?.as_u64()?;
    let code = command.get(8)?.as_i64()?;
    if pid == 0 || code == 0 || pid == p.number("ExecMainPID") {
        return None;
    }
    let argv: Vec<&str> = command
        .get(1)?
        .as_array()?
        .iter()
        .filter_map(Json::as_str)
        .collect();
    let how = ended(code, command.get(9)?.as_i64()?);
    Some(format!("{pid} {list}={} ({how})", argv.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_main_process_or_how_it_ended() {
        let of = |code: i64, status: i64, exit: u64| {
            let entries = [
                ("ExecMainPID", json!(71)),
                ("ExecMainCode", json!(code)),
                ("ExecMainStatus", json!(status)),
                ("ExecMainExitTimestamp", json!(exit)),
            ];
            let entries = entries.into_iter();
            main_pid(
                &entries
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
            )
        };
        assert_eq!(of(1, 7, 5), "71 (code=exited, status=7/NOTRUNNING)");
        assert_eq!(of(2, 9, 5), "71 (code=killed, signal=KILL)");
        assert_eq!(of(0, 0, 5), "71 (exit status unknown)");
        assert_eq!(of(0, 0, 0), "");
    }

    #[test]
    fn sizes_and_usage() {
        assert_eq!(size(512), "512B");
        assert_eq!(size(4096), "4.0K");
        assert_eq!(size(1536 * 1024), "1.5M");
        let p: Properties = vec![
            ("TasksCurrent".to_owned(), json!(3)),
            ("TasksMax".to_owned(), json!(10)),
            ("IPIngressBytes".to_owned(), json!(0)),
            ("IPEgressBytes".to_owned(), json!(2048)),
            ("MemoryCurrent".to_owned(), json!(u64::MAX)),
            ("CPUUsageNSec".to_owned(), json!(5_000_000)),
        ];
        let wanted = [
            ("IP", "0B in, 2.0K out".to_owned()),
            ("Tasks", "3 (limit: 10)".to_owned()),
            ("CPU", "5ms".to_owned()),
        ];
        assert_eq!(usage(&p), wanted);
    }

    #[test]
    fn endings_have_names() {
        assert_eq!(status_word(1, 203), "203/EXEC");
        assert_eq!(status_word(1, 42), "42");
        assert_eq!(ended(1, 0), "code=exited, status=0/SUCCESS");
        assert!(ended(2, 9).starts_with("code=killed, signal="));
    }

    #[test]
    fn only_commands_that_ended_and_are_not_main_are_listed() {
        let command = |pid: u64, code: i64| {
            json!(["/bin/x", ["/bin/x", "1"], false, 0, 0, 0, 0, pid, code, 0])
        };
        let p: Properties = vec![
            ("ExecMainPID".to_owned(), json!(9)),
            (
                "ExecStartPre".to_owned(),
                json!([command(8, 1), command(0, 0)]),
            ),
            ("ExecStart".to_owned(), json!([command(9, 1)])),
            ("ExecStartPost".to_owned(), json!([command(10, 0)])),
        ];
        assert_eq!(
            finished_commands(&p),
            ["8 ExecStartPre=/bin/x 1 (code=exited, status=0/SUCCESS)"]
        );
    }
}
