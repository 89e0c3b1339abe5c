//! Lists of units, and the nodes between objects.

use super::dispatch::Call;
use super::encode::Rows;
use super::failure::Failure;
use super::path;
use super::value::{Body, Value};
use crate::engine::inspect::{ListedUnit, UnitView};
use crate::host::View;
use crate::unit::config::UnitConfig;
use glob::Pattern;
use std::borrow::Cow;

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
    let as_values = call.client.shows_answers();
    let select = move |view: &View<'_>| {
        let fits =
            |unit: &ListedUnit<'_>| in_states(unit, &states) && patterns.match_names(unit.config);
        match &names {
            Some(names) => {
                let named = names.iter().filter_map(|n| view.engine.listed_unit(n));
                rows(named.filter(fits), as_values)
            }
            None => rows(view.engine.listed_units().filter(fits), as_values),
        }
    };
    let rows = call.client.hub.handle.look_at(&wanted, select).await?;
    Ok(Body::one("a(ssssssouso)", rows))
}

/// The rows of these units: as values, or as bytes at once, which takes a tenth of the time.
fn rows<'a>(units: impl Iterator<Item = ListedUnit<'a>>, as_values: bool) -> Value {
    if as_values {
        return Value::Array(units.map(|unit| Row::of(&unit).into_value()).collect());
    }
    let mut rows = Rows::with_room(4096);
    for unit in units {
        Row::of(&unit).write(&mut rows);
    }
    rows.finish()
}

/// All loaded units, by name.
pub(super) fn all_units(view: &View<'_>) -> Vec<UnitView> {
    view.engine
        .unit_names()
        .iter()
        .filter_map(|name| view.engine.unit(name.as_str()))
        .collect()
}

fn in_states(unit: &ListedUnit<'_>, states: &[String]) -> bool {
    let words = [unit.config.load.as_str(), unit.active.as_str(), unit.sub];
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

/// What is shown of one unit.
struct Row<'a> {
    /// Name, description, LoadState, ActiveState, SubState, and whom it follows: nobody.
    texts: [&'a str; 6],
    path: String,
    job: u32,
    kind: &'static str,
    job_path: Cow<'static, str>,
}

impl<'a> Row<'a> {
    fn of(unit: &ListedUnit<'a>) -> Row<'a> {
        let config = unit.config;
        let (job, kind, job_path) = match unit.job {
            Some((id, kind)) => (id.0, kind.as_str(), path::of_job(id).into()),
            None => (0, "", "/".into()),
        };
        Row {
            texts: [
                config.name.as_str(),
                &config.unit.description,
                config.load.as_str(),
                unit.active.as_str(),
                unit.sub,
                "",
            ],
            path: path::of_unit(config.name.as_str()),
            job,
            kind,
            job_path,
        }
    }

    fn write(&self, rows: &mut Rows) {
        rows.begin();
        for text in self.texts {
            rows.text(text);
        }
        rows.text(&self.path);
        rows.number(self.job);
        rows.text(self.kind);
        rows.text(&self.job_path);
    }

    fn into_value(self) -> Value {
        let texts = self.texts.into_iter().map(Value::from);
        let behind = [
            Value::String(self.path),
            Value::U32(self.job),
            Value::Word(self.kind),
            Value::String(self.job_path.into_owned()),
        ];
        Value::Struct(texts.chain(behind).collect())
    }
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
