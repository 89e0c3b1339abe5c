//! Dump: all that is known of units and jobs as text, for people who look for mistakes. Its form
//! is promised to nobody.

use super::dispatch::Call;
use super::failure::{Failure, names};
use super::list::{Patterns, all_units};
use super::properties::{ManagerSnapshot, Shown, UnitSnapshot};
use super::unit;
use super::value::{Body, Value};
use crate::host::{self, View};
use std::fmt::Write as _;

/// Answers Dump, DumpUnitsMatchingPatterns, and the same by a descriptor to read from.
pub(super) async fn call(call: &Call<'_>) -> Result<Body, Failure> {
    let text = text(call).await?;
    if !call.member.ends_with("ByFileDescriptor") {
        return Ok(Body::one("s", Value::String(text)));
    }
    let file = host::memory_file("dump", text.as_bytes());
    let file = file
        .map_err(|error| Failure::new(names::FAILED, format!("cannot keep the text: {error}")))?;
    Ok(Body::one("h", Value::from(file)))
}

async fn text(call: &Call<'_>) -> Result<String, Failure> {
    let texts: Vec<String> = match call.member {
        "Dump" | "DumpByFileDescriptor" => Vec::new(),
        _ => call.arguments()?,
    };
    let all = texts.is_empty();
    let patterns = Patterns::new(&texts)?;
    let look = move |view: &View<'_>| {
        let units = all_units(view).into_iter();
        let units: Vec<UnitSnapshot> = units
            .filter(|unit| patterns.match_unit(unit))
            .filter_map(|unit| UnitSnapshot::take(view, unit.name().as_str()))
            .collect();
        (ManagerSnapshot::take(view), view.engine.jobs(), units)
    };
    let (manager, jobs, units) = call.client.hub.handle.look(look).await?;
    let mut text = String::new();
    if all {
        text.push_str("Manager:\n");
        properties(&mut text, manager.properties());
        for job in jobs {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "-> Job {}:\n\tAction: {} -> {}",
                job.id.0,
                job.unit,
                job.kind.as_str()
            );
            let state = if job.running { "running" } else { "waiting" };
            let _ = writeln!(text, "\tState: {state}");
        }
    }
    for snapshot in units {
        let _ = writeln!(text, "-> Unit {}:", snapshot.view.name());
        properties(&mut text, unit::get_all(&snapshot, "")?);
    }
    Ok(text)
}

/// Those that say something, one a line.
fn properties(text: &mut String, shown: impl IntoIterator<Item = Shown>) {
    for (name, signature, value) in shown {
        if value != Value::zero(signature) {
            let _ = writeln!(text, "\t{name}: {value}");
        }
    }
}
