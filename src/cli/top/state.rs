//! What the screen shows, and how keys and time change it.

use crate::cli::client::{Client, Line, Properties};
use crate::cli::error::Problem;
use crate::cli::fields::Fields;
use std::collections::BTreeMap;
use std::time::Instant;

/// Lines of log kept for the selected unit.
const LINES: u32 = 200;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Quit,
    Up,
    Down,
    First,
    Last,
    Start,
    Stop,
    Restart,
    /// Units of all types, or services only.
    All,
}

/// One unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: String,
    /// What probes and state make of it; empty where nobody asks for it.
    pub(super) health: String,
    pub(super) pid: u64,
    pub(super) restarts: u64,
    /// Per cent of one CPU since the last time; nothing at first.
    pub(super) cpu: Option<f64>,
    /// Bytes, if the kernel counts them.
    pub(super) memory: Option<u64>,
}

impl Row {
    /// What is left of it once it has ended.
    fn stopped(self) -> Row {
        Row {
            name: self.name,
            state: "stopped".to_owned(),
            restarts: self.restarts,
            ..Row::default()
        }
    }
}

/// Everything on the screen.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) manager: String,
    pub(super) rows: Vec<Row>,
    pub(super) selected: usize,
    pub(super) log: Vec<Line>,
    /// What became of the last key.
    pub(super) message: String,
    pub(super) all: bool,
    /// CPU time at the last look: nanoseconds, and when.
    pub(super) before: BTreeMap<String, (u64, Instant)>,
}

impl State {
    /// Asks for everything.
    pub(super) async fn refresh(&mut self, client: &mut Client) -> Result<(), Problem> {
        let about = client.status().await?;
        self.manager = format!(
            "{} {}: {} units, {} failed, {} jobs",
            about.text("Name"),
            about.text("State"),
            about.number("Units"),
            about.number("FailedUnits"),
            about.number("Jobs")
        );
        let selected = self.name().map(str::to_owned);
        let health: BTreeMap<String, Properties> = client
            .health(&["*".to_owned()])
            .await?
            .into_iter()
            .collect();
        let mut rows = Vec::new();
        for (name, listed) in client.list(&[]).await? {
            if listed.text("LoadState") != "not-found" && self.shows(&name) {
                let properties = client.unit(&name).await?;
                let mut row = self.row(name, &listed, &properties);
                if let Some(health) = health.get(&row.name) {
                    row.health = health.text("Health").to_owned();
                }
                rows.push(row);
            }
        }
        self.keep_the_gone(client, &mut rows).await?;
        self.rows = rows;
        self.select(selected.as_deref());
        self.log = match self.name().map(str::to_owned) {
            Some(name) => client.log(&[name], LINES, false).await?,
            None => Vec::new(),
        };
        Ok(())
    }

    fn shows(&self, name: &str) -> bool {
        self.all || name.ends_with(".service")
    }

    /// A unit that ended and was unloaded stays where it was, as stopped, for who wants to start it
    /// again; unless its file is gone, too.
    async fn keep_the_gone(
        &mut self,
        client: &mut Client,
        rows: &mut Vec<Row>,
    ) -> Result<(), Problem> {
        for old in std::mem::take(&mut self.rows) {
            let is_listed = rows.iter().any(|row| row.name == old.name);
            if is_listed || !self.shows(&old.name) {
                continue;
            }
            if client.unit(&old.name).await?.text("LoadState") == "loaded" {
                let place = rows.partition_point(|row| row.name < old.name);
                rows.insert(place, old.stopped());
            }
        }
        Ok(())
    }

    fn row(&mut self, name: String, listed: &Properties, properties: &Properties) -> Row {
        let known = |name: &str| {
            let number = properties.number(name);
            let is_there = properties.value(name).is_some() && number != u64::MAX;
            is_there.then_some(number)
        };
        let now = Instant::now();
        let cpu = known("CPUUsageNSec").and_then(|used| {
            let before = self.before.insert(name.clone(), (used, now));
            share(before, (used, now))
        });
        Row {
            state: listed.text("State").to_owned(),
            health: String::new(),
            pid: listed.number("MainPID"),
            restarts: listed.number("Restarts"),
            memory: known("MemoryCurrent"),
            cpu,
            name,
        }
    }

    /// The selected unit.
    pub(super) fn name(&self) -> Option<&str> {
        self.rows.get(self.selected).map(|row| row.name.as_str())
    }

    /// Keeps the selection on its unit, wherever that stands now.
    fn select(&mut self, name: Option<&str>) {
        let place = self
            .rows
            .iter()
            .position(|row| Some(row.name.as_str()) == name);
        let last = self.rows.len().saturating_sub(1);
        self.selected = place.unwrap_or(self.selected).min(last);
    }

    /// Does what a key asks for.
    pub(super) async fn take(&mut self, client: &mut Client, step: Step) -> Result<(), Problem> {
        let verb = match step {
            Step::Start => "start",
            Step::Stop => "stop",
            Step::Restart => "restart",
            Step::All => {
                self.all = !self.all;
                return self.refresh(client).await;
            }
            Step::Quit | Step::Up | Step::Down | Step::First | Step::Last => {
                self.walk(step);
                return self.refresh(client).await;
            }
        };
        let Some(name) = self.name().map(str::to_owned) else {
            return Ok(());
        };
        let asked = match step {
            Step::Stop => client.job("StopUnit", &name, "replace").await,
            Step::Restart => client.job("RestartUnit", &name, "replace").await,
            _ => client.start(&name, "replace").await.map(|(job, _)| job),
        };
        self.message = match asked {
            Ok(_) => format!("{verb} of {name} was asked for"),
            Err(problem) => format!("{verb} of {name} failed: {problem}"),
        };
        self.refresh(client).await
    }

    fn walk(&mut self, step: Step) {
        let last = self.rows.len().saturating_sub(1);
        self.selected = match step {
            Step::Up => self.selected.saturating_sub(1),
            Step::Down => (self.selected + 1).min(last),
            Step::First => 0,
            Step::Last => last,
            Step::Quit | Step::Start | Step::Stop | Step::Restart | Step::All => self.selected,
        };
    }
}

/// Per cent of one CPU between two looks.
fn share(before: Option<(u64, Instant)>, now: (u64, Instant)) -> Option<f64> {
    let (used, at) = before?;
    let time = now.1.duration_since(at).as_nanos() as f64;
    // A unit that was started anew counts from zero.
    let used = now.0.checked_sub(used)? as f64;
    (time > 0.0).then(|| used * 100.0 / time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_selection_stays_on_its_unit_and_inside() {
        let row = |name: &str| Row {
            name: name.to_owned(),
            ..Row::default()
        };
        let mut state = State {
            rows: vec![row("a"), row("b"), row("c")],
            ..State::default()
        };
        for (step, wanted) in [
            (Step::Up, 0),
            (Step::Down, 1),
            (Step::Last, 2),
            (Step::Down, 2),
            (Step::First, 0),
        ] {
            state.walk(step);
            assert_eq!(state.selected, wanted, "{step:?}");
        }
        state.selected = 1;
        state.rows.insert(0, row("0"));
        state.select(Some("b"));
        assert_eq!(state.name(), Some("b"));
        state.rows.truncate(1);
        state.select(Some("b"));
        assert_eq!(state.selected, 0);
        state.rows.clear();
        state.select(None);
        assert_eq!(state.name(), None);
    }

    #[test]
    fn shares_of_a_cpu() {
        let start = Instant::now();
        let later = start + Duration::from_secs(2);
        assert_eq!(share(None, (5, start)), None);
        assert_eq!(share(Some((0, start)), (1_000_000_000, later)), Some(50.0));
        assert_eq!(share(Some((9, start)), (5, later)), None);
        assert_eq!(share(Some((5, start)), (5, start)), None);
    }
}
