//! How `show` prints a property's value: by its name and what came, as systemctl does.

use super::time;
use crate::unit::value::{Signal, TimeSpan};
use serde_json::Value as Json;

/// The text of a value; `None` if it is of a shape that is not printed.
pub(super) fn text(name: &str, value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::Bool(value) => yes_no(*value).to_owned(),
        Json::String(value) => value.clone(),
        Json::Number(number) => number_text(name, number),
        Json::Array(items) => array(name, items),
        Json::Object(_) => value.to_string(),
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn number_text(name: &str, number: &serde_json::Number) -> String {
    let Some(value) = number.as_u64() else {
        return signed(name, number);
    };
    if name.ends_with("Timestamp") || matches!(name, "NextElapseUSecRealtime" | "LastTriggerUSec") {
        return time::timestamp(value);
    }
    if name.ends_with("USec") || name.ends_with("USecMonotonic") {
        return TimeSpan(value).to_string();
    }
    if name.ends_with("Mode") || name == "UMask" {
        return format!("{value:04o}");
    }
    match name {
        "CoredumpFilter" => return format!("{value:#x}"),
        "RestrictNamespaces" if value & NAMESPACES == NAMESPACES => return "no".to_owned(),
        "SystemCallErrorNumber" => return value.to_string(),
        _ => {}
    }
    if value == u64::MAX {
        return unset(name).to_owned();
    }
    if value == u64::from(u32::MAX) && matches!(name, "UID" | "GID") {
        return "[not set]".to_owned();
    }
    value.to_string()
}

/// All kinds of namespaces: none is restricted.
const NAMESPACES: u64 = 0x7e02_0080;

/// What 2^64-1 means.
fn unset(name: &str) -> &'static str {
    let is_limit = name.starts_with("Limit")
        || name.starts_with("DefaultLimit")
        || name.starts_with("Memory") && !name.ends_with("Current") && !name.ends_with("Peak")
        || name.starts_with("StartupMemory")
        || name.starts_with("DefaultMemory")
        || name.ends_with("TasksMax");
    if is_limit {
        "infinity"
    } else if name.starts_with("IPIngress") || name.starts_with("IPEgress") {
        "[no data]"
    } else {
        "[not set]"
    }
}

fn signed(name: &str, number: &serde_json::Number) -> String {
    match number.as_i64() {
        Some(-1) if name.ends_with("ActionExitStatus") => "[not set]".to_owned(),
        Some(-1) if name == "NUMAPolicy" => "n/a".to_owned(),
        _ => number.to_string(),
    }
}

fn array(name: &str, items: &[Json]) -> String {
    match name {
        "Job" => match items.first().and_then(Json::as_u64) {
            None | Some(0) => String::new(),
            Some(id) => id.to_string(),
        },
        "Unit" => items.first().map_or_else(String::new, plain),
        "EffectiveSettings" => {
            let lines: Vec<String> = items.iter().map(plain).collect();
            lines.join("; ")
        }
        "LoadError" => load_error(items),
        "InvocationID" => items.iter().map(hex).collect(),
        "EnvironmentFiles" => each(items, environment_file),
        "Conditions" | "Asserts" => each(items, condition),
        "Listen" | "Paths" => each(items, listen),
        "TimersMonotonic" => each(items, |item| {
            elapse(item, |time| TimeSpan(time).to_string())
        }),
        "TimersCalendar" => each(items, |item| elapse(item, time::timestamp)),
        "SuccessExitStatus" | "RestartPreventExitStatus" | "RestartForceExitStatus" => {
            exit_statuses(items)
        }
        "Environment" | "PassEnvironment" | "UnsetEnvironment" => {
            let words: Vec<String> = items.iter().map(|i| quoted(&plain(i))).collect();
            words.join(" ")
        }
        _ if name.starts_with("Exec") && name != "ExecSearchPath" => {
            each(items, |item| command(item, name.ends_with("Ex")))
        }
        _ if is_filter(items) => filter(items),
        _ => {
            let words: Vec<String> = items.iter().map(plain).collect();
            words.join(" ")
        }
    }
}

/// One of the times of a timer, and when it elapses.
fn elapse(item: &[Json], next: impl Fn(u64) -> String) -> String {
    let value = |at: usize| item.get(at).cloned().unwrap_or(Json::Null);
    let when = match value(1) {
        Json::Number(span) => TimeSpan(span.as_u64().unwrap_or(0)).to_string(),
        text => plain(&text),
    };
    let next = match next(value(2).as_u64().unwrap_or(0)) {
        text if text.is_empty() => "n/a".to_owned(),
        text => text,
    };
    format!("{{ {}={when} ; next_elapse={next} }}", plain(&value(0)))
}

/// An address or a watched path, and its kind.
fn listen(item: &[Json]) -> String {
    let text = |at: usize| item.get(at).map_or_else(String::new, plain);
    format!("{} ({})", text(1), text(0))
}

/// Elements one after the other, each printed by `show`.
fn each(items: &[Json], show: impl Fn(&[Json]) -> String) -> String {
    let texts: Vec<String> = items
        .iter()
        .map(|item| item.as_array().map_or_else(|| plain(item), |i| show(i)))
        .collect();
    texts.join(" ; ")
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Bool(value) => yes_no(*value).to_owned(),
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn hex(byte: &Json) -> String {
    format!("{:02x}", byte.as_u64().unwrap_or(0))
}

fn load_error(items: &[Json]) -> String {
    match items {
        [Json::String(name), Json::String(message)] if !name.is_empty() => {
            format!("{name} \"{message}\"")
        }
        _ => String::new(),
    }
}

fn environment_file(item: &[Json]) -> String {
    let path = item.first().map_or_else(String::new, plain);
    let optional = item.get(1).and_then(Json::as_bool).unwrap_or(false);
    format!("{path} (ignore_errors={})", yes_no(optional))
}

/// `ConditionPathExists=|!/etc/x`, with what came of it.
fn condition(item: &[Json]) -> String {
    let flag = |index: usize| item.get(index).and_then(Json::as_bool).unwrap_or(false);
    let state = match item.get(4).and_then(Json::as_i64) {
        Some(1) => "held",
        Some(-1) => "failed",
        _ => "untested",
    };
    format!(
        "{}={}{}{} ({state})",
        item.first().map_or_else(String::new, plain),
        if flag(1) { "|" } else { "" },
        if flag(2) { "!" } else { "" },
        item.get(3).map_or_else(String::new, plain),
    )
}

fn exit_statuses(items: &[Json]) -> String {
    let numbers = |index: usize| {
        items
            .get(index)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
    };
    let codes = numbers(0).map(plain);
    let signals = numbers(1)
        .filter_map(Json::as_i64)
        .filter_map(|n| i32::try_from(n).ok())
        .map(|n| Signal(n).name());
    codes.chain(signals).collect::<Vec<_>>().join(" ")
}

/// `(bas)`: an allow list, or with `~` a deny list.
fn is_filter(items: &[Json]) -> bool {
    matches!(items, [Json::Bool(_), Json::Array(_)])
}

fn filter(items: &[Json]) -> String {
    let allow = items.first().and_then(Json::as_bool).unwrap_or(false);
    let names = items.get(1).map_or_else(String::new, plain);
    if allow { names } else { format!("~{names}") }
}

/// A word as a shell or a unit file would want it.
fn quoted(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || "\"\\`$".contains(c);
    if !word.contains(special) {
        return word.to_owned();
    }
    let escaped: String = word
        .chars()
        .flat_map(|c| {
            let escape = "\"\\`$".contains(c).then_some('\\');
            escape.into_iter().chain(std::iter::once(c))
        })
        .collect();
    format!("\"{escaped}\"")
}

/// One element of ExecStart and kin.
fn command(item: &[Json], extended: bool) -> String {
    let at = |index: usize| item.get(index).cloned().unwrap_or(Json::Null);
    let number = |index: usize| at(index).as_u64().unwrap_or(0);
    let when = |micros: u64| match micros {
        0 => "n/a".to_owned(),
        micros => time::timestamp(micros),
    };
    let flags = if extended {
        format!("flags={}", plain(&at(2)))
    } else {
        format!("ignore_errors={}", yes_no(at(2).as_bool().unwrap_or(false)))
    };
    let code = at(8).as_i64().unwrap_or(0);
    format!(
        "{{ path={} ; argv[]={} ; {flags} ; start_time=[{}] ; stop_time=[{}] ; pid={} ; \
         code={} ; status={} }}",
        plain(&at(0)),
        plain(&at(1)),
        when(number(3)),
        when(number(5)),
        number(7),
        code_word(code),
        status(code, at(9).as_i64().unwrap_or(0)),
    )
}

/// The word for a CLD_ number.
pub(super) fn code_word(code: i64) -> &'static str {
    match code {
        1 => "exited",
        2 => "killed",
        3 => "dumped",
        _ => "(null)",
    }
}

fn status(code: i64, status: i64) -> String {
    let name = match code {
        2 | 3 => i32::try_from(status).map_or_else(|_| String::new(), |n| Signal(n).name()),
        _ => String::new(),
    };
    if name.is_empty() {
        format!("{status}/0")
    } else {
        format!("{status}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_by_name() {
        for (name, value, wanted) in [
            ("MemoryMax", json!(u64::MAX), "infinity"),
            ("MemoryCurrent", json!(u64::MAX), "[not set]"),
            ("IPIngressBytes", json!(u64::MAX), "[no data]"),
            ("UID", json!(u32::MAX), "[not set]"),
            ("UMask", json!(0o22), "0022"),
            ("StateDirectoryMode", json!(0o755), "0755"),
            ("FailureActionExitStatus", json!(-1), "[not set]"),
            ("MainPID", json!(71), "71"),
            ("ActiveEnterTimestamp", json!(0), ""),
            ("ActiveEnterTimestampMonotonic", json!(5), "5"),
            ("RestrictNamespaces", json!(0x7e02_0080), "no"),
            ("Nice", json!(-5), "-5"),
        ] {
            assert_eq!(text(name, &value), wanted, "{name}");
        }
    }

    #[test]
    fn structures_by_name() {
        let start = json!([[
            "/bin/sleep",
            ["/bin/sleep", "9"],
            false,
            0,
            0,
            0,
            0,
            71,
            0,
            0
        ]]);
        for (name, value, wanted) in [
            (
                "Names",
                json!(["a.service", "b.service"]),
                "a.service b.service",
            ),
            ("Job", json!([0, "/"]), ""),
            ("Job", json!([7, "/x"]), "7"),
            ("InvocationID", json!([1, 171]), "01ab"),
            ("LoadError", json!(["", ""]), ""),
            ("LoadError", json!(["a.B", "no"]), "a.B \"no\""),
            (
                "EnvironmentFiles",
                json!([["/e", true]]),
                "/e (ignore_errors=yes)",
            ),
            ("Environment", json!(["A=1", "B=x y"]), "A=1 \"B=x y\""),
            ("SystemCallFilter", json!([false, []]), "~"),
            ("SystemCallFilter", json!([true, ["read"]]), "read"),
            (
                "Conditions",
                json!([["ConditionPathExists", false, true, "/x", -1]]),
                "ConditionPathExists=!/x (failed)",
            ),
            (
                "ExecStart",
                start,
                "{ path=/bin/sleep ; argv[]=/bin/sleep 9 ; ignore_errors=no ; start_time=[n/a] ; \
                 stop_time=[n/a] ; pid=71 ; code=(null) ; status=0/0 }",
            ),
        ] {
            assert_eq!(text(name, &value), wanted, "{name}");
        }
    }
}
