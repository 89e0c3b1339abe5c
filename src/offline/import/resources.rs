//! `resources`: limits and requests as a pod has them, as settings of a control group.

use super::draft::{Draft, Section, Trouble};
use super::service::child;
use super::yaml::{Node, Value};

/// Suffixes of quantities of memory, longest first, with what they stand for.
const SUFFIXES: [(&str, u64); 10] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("K", 1 << 10),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

/// Thousandths of a CPU that weigh as much as a group that was told nothing.
const USUAL_MILLI: u64 = 1000;

pub(super) fn take(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    if !matches!(node.value, Value::Map(_)) {
        let message = format!("a mapping is needed, not {}", node.kind());
        return Err(Trouble::error(node, message));
    }
    if let Some(limits) = child(node, "limits") {
        take_limits(draft, limits)?;
    }
    if let Some(requests) = child(node, "requests") {
        take_requests(draft, requests)?;
    }
    draft.take_all(node, &[], &["limits", "requests"]);
    Ok(())
}

fn take_limits(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    if let Some(cpu) = child(node, "cpu") {
        let percent = milli(draft, cpu)?.div_ceil(10).max(1);
        draft.set(Section::Service, "CPUQuota", format!("{percent}%"));
    }
    if let Some(memory) = child(node, "memory") {
        let bytes = bytes(draft, memory)?.to_string();
        draft.set(Section::Service, "MemoryMax", bytes);
    }
    if let Some(pids) = child(node, "pids") {
        let count = draft.number(pids)?.to_string();
        draft.set(Section::Service, "TasksMax", count);
    }
    draft.take_all(node, &[], &["cpu", "memory", "pids"]);
    Ok(())
}

/// What is asked for is what a group gets before others: protection of memory, weight of CPU.
fn take_requests(draft: &mut Draft<'_>, node: &Node) -> Result<(), Trouble> {
    if let Some(cpu) = child(node, "cpu") {
        let weight = (milli(draft, cpu)? * 100 / USUAL_MILLI).clamp(1, 10_000);
        draft.set(Section::Service, "CPUWeight", weight.to_string());
        draft.note(
            cpu,
            "a request for CPU is a weight here, 100 for a whole one: others may have the rest",
        );
    }
    if let Some(memory) = child(node, "memory") {
        let bytes = bytes(draft, memory)?.to_string();
        draft.set(Section::Service, "MemoryLow", bytes);
    }
    draft.take_all(node, &[], &["cpu", "memory"]);
    Ok(())
}

/// Thousandths of a CPU: `500m`, `2`, `0.5`.
fn milli(draft: &Draft<'_>, node: &Node) -> Result<u64, Trouble> {
    let text = draft.scalar(node)?;
    let value = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().ok(),
        None => text.parse::<f64>().ok().map(|whole| whole * 1000.0),
    };
    match value {
        Some(value) if value.is_finite() && value > 0.0 && value < 1e9 => Ok(value.ceil() as u64),
        _ => Err(Trouble::error(
            node,
            format!("\"{text}\" is no share of CPUs"),
        )),
    }
}

/// Bytes: `512Mi`, `1G`, `1048576`.
fn bytes(draft: &Draft<'_>, node: &Node) -> Result<u64, Trouble> {
    let text = draft.scalar(node)?;
    let wrong = || Trouble::error(node, format!("\"{text}\" is no size of memory"));
    let bare = text.strip_suffix('B').unwrap_or(&text);
    let split = SUFFIXES.iter().find_map(|(suffix, unit)| {
        let number = bare.strip_suffix(suffix)?;
        number.parse::<f64>().ok().map(|number| (number, *unit))
    });
    let (number, unit) = split.ok_or_else(wrong)?;
    let bytes = number * unit as f64;
    if !bytes.is_finite() || bytes < 1.0 || bytes >= u64::MAX as f64 {
        return Err(wrong());
    }
    Ok(bytes as u64)
}
