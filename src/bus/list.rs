//! Lists of units, and the nodes between objects.

use super::dispatch::Call;
use super::failure::Failure;
use super::path;
use super::value::{Body, Value};
use crate::engine::inspect::UnitView;
use crate::host::View;
use crate::unit::config::UnitConfig;
use glob::Pattern;

/// Answers ListUnits and its filtering kin.
pub(super) async fn units(call: &Call<'_>) -> Result<Body, Failure> {
    let (states, patterns, names) = match call.member {
        "ListUnitsFiltered" => (call.arguments::<Vec<String>>()?, Vec::new(), None),
        "ListUnitsByPatterns" => {
            let (states, patterns) = call.arguments()?;
            (states, patterns, None)
        }
        "ListUnitsByNames" => (
            Vec::new(),
            Vec::new(),
            Some(call.arguments::<Vec<String>>()?),
        ),
        _ => (Vec::new(), Vec::new(), None),
    };
    let wanted = names.clone().unwrap_or_default();
    let patterns = Patterns::new(&patterns)?;
    let select = move |view: &View<'_>| {
        let named: Vec<UnitView> = match &names {
            Some(names) => names.iter().filter_map(|n| view.engine.unit(n)).collect(),
            None => all_units(view),
        };
        named
            .into_iter()
            .filter(|unit| in_states(unit, &states) && patterns.match_unit(unit))
            .collect::<Vec<_>>()
    };
    let units = call.client.hub.handle.look_at(&wanted, select).await?;
    let rows = units.iter().map(unit_row).collect();
    Ok(Body::one("a(ssssssouso)", Value::Array(rows)))
}

/// All loaded units, by name.
pub(super) fn all_units(view: &View<'_>) -> Vec<UnitView> {
    view.engine
        .unit_names()
        .iter()
        .filter_map(|name| view.engine.unit(name.as_str()))
        .collect()
}

fn in_states(unit: &UnitView, states: &[String]) -> bool {
    let words = [unit.load().as_str(), unit.active.as_str(), unit.sub];
    states.is_empty() || states.iter().any(|s| words.contains(&s.as_str()))
}

/// Name patterns as fnmatch(3) reads them; none match everything.
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// One is no pattern.
    pub(super) fn new(texts: &[String]) -> Result<Patterns, Failure> {
        let pattern = |text: &String| {
            // `**` means directories to the glob crate; in a name it means what `*` means.
            let mut text = text.clone();
            while text.contains("**") {
                text = text.replace("**", "*");
            }
            Pattern::new(&text).map_err(|e| Failure::invalid(format!("pattern {text}: {e}")))
        };
        texts
            .iter()
            .map(pattern)
            .collect::<Result<_, _>>()
            .map(Patterns)
    }

    /// Whether any name of the unit matches.
    pub(super) fn match_unit(&self, unit: &UnitView) -> bool {
        self.match_names(&unit.config)
    }

    /// The same, by its configuration.
    pub(super) fn match_names(&self, unit: &UnitConfig) -> bool {
        let mut names = std::iter::once(&unit.name).chain(&unit.aliases);
        self.0.is_empty() || names.any(|n| self.0.iter().any(|p| p.matches(n.as_str())))
    }
}

fn unit_row(unit: &UnitView) -> Value {
    let (id, kind, job) = match &unit.job {
        Some(job) => (
            job.id.0,
            job.kind.as_str(),
            Value::String(path::of_job(job.id)),
        ),
        None => (0, "", Value::Word("/")),
    };
    Value::Struct(vec![
        Value::Unit(unit.name().clone()),
        Value::from(unit.config.unit.description.as_str()),
        Value::Word(unit.load().as_str()),
        Value::Word(unit.active.as_str()),
        Value::Word(unit.sub),
        Value::Word(""),
        Value::String(path::of_unit(unit.name().as_str())),
        Value::U32(id),
        Value::Word(kind),
        job,
    ])
}

/// The names of the nodes below a node.
pub(super) async fn children(call: &Call<'_>, parent: &str) -> Result<Vec<String>, Failure> {
    let handle = &call.client.hub.handle;
    Ok(match parent {
        path::UNITS => {
            let names = handle.look(|view| view.engine.unit_names()).await?;
            names.iter().map(|n| path::escape(n.as_str())).collect()
        }
        path::JOBS => {
            let jobs = handle.look(|view| view.engine.jobs()).await?;
            jobs.iter().map(|job| job.id.0.to_string()).collect()
        }
        "/org/freedesktop" => vec!["LogControl1".to_owned(), "systemd1".to_owned()],
        _ => path::next_above_manager(parent)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}
