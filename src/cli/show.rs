//! `show`: properties as `Name=value`, in the daemon's order.

use super::args::Show;
use super::client::{Client, Properties};
use super::error::Problem;
use super::names;
use super::output::Output;
use super::pager;
use super::property;
use super::verify;
use crate::offline;
use crate::unit::name::UnitName;
use serde_json::{Map, Value as Json};

/// What became of the settings of a unit, how its probes are, and what it
/// uses that systemd 252 does not tell.
const OWN: [&str; 6] = [
    "EffectiveSettings",
    "Probes",
    "MemoryPeak",
    "MemorySwapCurrent",
    "MemorySwapPeak",
    "MemoryZSwapCurrent",
];

/// What to show of each object.
struct Selection<'a> {
    /// Only these; all if empty.
    names: &'a [String],
    /// Values without names.
    value_only: bool,
    /// Empty ones too; implied for those asked for by name.
    all: bool,
}

impl Selection<'_> {
    fn of(wanted: &Show) -> Selection<'_> {
        let names = match wanted.values.is_empty() {
            true => &wanted.properties,
            false => &wanted.values,
        };
        Selection {
            names,
            value_only: wanted.value || !wanted.values.is_empty(),
            all: wanted.all,
        }
    }
}

/// Prints properties of units, or of the manager if none is named.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    wanted: &Show,
) -> Result<u8, Problem> {
    let units = &wanted.units;
    let selection = Selection::of(wanted);
    let mut objects = Vec::new();
    if units.is_empty() {
        objects.push(client.manager_properties().await?);
    }
    for unit in names::expand(client, units).await? {
        let failed = |problem: Problem| problem.during(&format!("Failed to show {unit}"));
        let mut properties = client.unit(&unit).await.map_err(failed)?;
        properties.extend(client.own_settings(&unit).await.map_err(failed)?);
        // Systemd 252 has none such, so they are shown only to those who ask.
        if selection.names.iter().any(|n| OWN.contains(&n.as_str())) {
            properties.extend(client.own_unit(&unit).await.map_err(failed)?);
        }
        objects.push(properties);
    }
    print(output, units, objects, &selection);
    Ok(0)
}

/// Prints properties of units as their files have them, never started.
///
/// # Errors
/// No unit is named, or a pattern, or what can be no name.
pub(super) fn offline(output: &Output, wanted: &Show) -> Result<u8, Problem> {
    let units = &wanted.units;
    if units.is_empty() {
        return Err(Problem::local("show --offline needs the name of a unit"));
    }
    let settings = verify::settings(wanted.unit_path.as_deref())?;
    let mut objects = Vec::new();
    for unit in units {
        let name = UnitName::parse(&names::complete(unit))
            .map_err(|error| Problem::local(format!("Failed to show {unit}: {error}")))?;
        objects.push(offline::show(&name, &settings));
    }
    print(output, units, objects, &Selection::of(wanted));
    Ok(0)
}

fn print(output: &Output, units: &[String], objects: Vec<Properties>, selection: &Selection<'_>) {
    if output.is_text() {
        let texts: Vec<String> = objects.iter().map(|o| lines(o, selection)).collect();
        pager::show(output, &texts.join("\n"));
    } else {
        let objects = objects.into_iter().map(|o| object(o, selection));
        match units {
            // One object for one thing asked for, else an array.
            [] => output.json(&objects.collect::<Vec<_>>()[0]),
            [one] if !names::is_pattern(one) => output.json(&objects.collect::<Vec<_>>()[0]),
            _ => output.json(&objects.collect::<Vec<_>>()),
        }
    }
}

fn is_selected(name: &str, selection: &Selection<'_>) -> bool {
    selection.names.is_empty() || selection.names.iter().any(|n| n == name)
}

fn lines(properties: &Properties, selection: &Selection<'_>) -> String {
    let mut text = String::new();
    for (name, value) in properties {
        if !is_selected(name, selection) {
            continue;
        }
        let value = property::text(name, value);
        if value.is_empty() && selection.names.is_empty() && !selection.all {
            continue;
        }
        if !selection.value_only {
            text.push_str(name);
            text.push('=');
        }
        text.push_str(&value);
        text.push('\n');
    }
    text
}

fn object(properties: Properties, selection: &Selection<'_>) -> Json {
    let selected = properties
        .into_iter()
        .filter(|(name, _)| is_selected(name, selection));
    Json::Object(selected.collect::<Map<String, Json>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn properties() -> Properties {
        vec![
            ("Type".to_owned(), json!("simple")),
            ("PIDFile".to_owned(), json!("")),
            ("MainPID".to_owned(), json!(7)),
        ]
    }

    fn show(names: &[&str], value_only: bool, all: bool) -> String {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let selection = Selection {
            names: &names,
            value_only,
            all,
        };
        lines(&properties(), &selection)
    }

    #[test]
    fn empty_values_are_left_out_unless_asked_for() {
        assert_eq!(show(&[], false, false), "Type=simple\nMainPID=7\n");
        assert_eq!(show(&[], false, true), "Type=simple\nPIDFile=\nMainPID=7\n");
        assert_eq!(show(&["PIDFile"], false, false), "PIDFile=\n");
    }

    #[test]
    fn selected_properties_keep_the_daemons_order() {
        assert_eq!(show(&["MainPID", "Type"], true, false), "simple\n7\n");
        assert_eq!(show(&["Novel"], false, false), "");
    }
}
