//! `analyze`: how the units came up, from the times the daemon keeps.

mod calendar;
mod chain;
mod dot;
mod plot;

pub(super) use calendar::{calendar, timespan};

use super::args::more::Analyze;
use super::client::{Client, Properties};
use super::error::{FAILURE, Problem};
use super::fields::Fields;
use super::output::{Output, complain, say};
use super::time;
use serde_json::json;

/// When a unit began to start and was up, CLOCK_MONOTONIC in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Started {
    name: String,
    begun: u64,
    /// 0 if it never was.
    up: u64,
    /// When it was down again; 0 if it never was.
    down: u64,
}

impl Started {
    fn of(properties: &Properties) -> Started {
        Started {
            name: properties.text("Id").to_owned(),
            begun: properties.number("InactiveExitTimestampMonotonic"),
            up: properties.number("ActiveEnterTimestampMonotonic"),
            down: properties.number("InactiveEnterTimestampMonotonic"),
        }
    }

    /// How long it took to be up, or to end without ever having been, as commands do that run
    /// once; nothing if it was never begun, or is on its way.
    fn took(&self) -> Option<u64> {
        let ready = self.up.checked_sub(self.begun);
        let ended = || self.down.checked_sub(self.begun);
        (self.begun > 0).then(|| ready.or_else(ended))?
    }
}

/// Prints what is asked for.
pub(super) async fn run(
    client: &mut Client,
    output: &Output,
    wanted: &Analyze,
) -> Result<u8, Problem> {
    match wanted {
        Analyze::Time => whole(client, output).await,
        Analyze::Blame => blame(client, output).await,
        Analyze::CriticalChain { units } => chain::run(client, output, units).await,
        Analyze::Plot => plot::run(client).await,
        // Answered before there is a connection.
        Analyze::Calendar { .. } | Analyze::Timespan { .. } => Ok(FAILURE),
        Analyze::Dot { patterns, edges } => dot::run(client, patterns, *edges).await,
    }
}

/// All loaded units with their times.
async fn all(client: &mut Client) -> Result<Vec<Started>, Problem> {
    let mut units = Vec::new();
    for row in client.list_units(&[], &[]).await? {
        units.push(Started::of(&client.unit(&row.name).await?));
    }
    Ok(units)
}

/// The manager's own times: begun, loading, loaded, finished.
async fn steps(client: &mut Client) -> Result<[u64; 4], Problem> {
    let manager = client.manager_properties().await?;
    Ok([
        "UserspaceTimestampMonotonic",
        "UnitsLoadStartTimestampMonotonic",
        "UnitsLoadFinishTimestampMonotonic",
        "FinishTimestampMonotonic",
    ]
    .map(|name| manager.number(name)))
}

async fn whole(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let [begun, loading, loaded, finished] = steps(client).await?;
    if finished == 0 {
        complain("The first start has not finished yet; see \"dd-procmgr list-jobs\".");
        return Ok(FAILURE);
    }
    let (load, total) = (
        loaded.saturating_sub(loading),
        finished.saturating_sub(begun),
    );
    if output.is_text() {
        say(&format!(
            "Started in {}, of which reading unit files {}\n",
            exact(total),
            exact(load)
        ));
    } else {
        output.json(&json!({ "total": total, "load": load }));
    }
    Ok(0)
}

async fn blame(client: &mut Client, output: &Output) -> Result<u8, Problem> {
    let mut units: Vec<(u64, String)> = all(client)
        .await?
        .into_iter()
        .filter_map(|unit| Some((unit.took()?, unit.name)))
        .filter(|(took, _)| *took > 0)
        .collect();
    units.sort_by(|a, b| b.cmp(a));
    if output.is_text() {
        let line = |(took, name): &(u64, String)| format!("{:>10} {name}\n", exact(*took));
        say(&units.iter().map(line).collect::<String>());
    } else {
        let entry = |(took, name): &(u64, String)| json!({ "unit": name, "took": took });
        output.json(&units.iter().map(entry).collect::<Vec<_>>());
    }
    Ok(0)
}

/// `1.204s`, `12ms`: to the millisecond.
fn exact(micros: u64) -> String {
    match micros {
        60_000_000.. => time::rough(micros),
        1_000_000.. => format!("{}.{:03}s", micros / 1_000_000, micros % 1_000_000 / 1000),
        _ => time::rough(micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(exact(1_204_567), "1.204s");
        assert_eq!(exact(12_999), "12ms");
        assert_eq!(exact(61_000_000), "1min 1s");
        let unit = |begun, up, down| Started {
            name: "a".to_owned(),
            begun,
            up,
            down,
        };
        assert_eq!(unit(5, 9, 0).took(), Some(4));
        assert_eq!(unit(0, 9, 0).took(), None);
        assert_eq!(unit(9, 5, 0).took(), None);
        assert_eq!(unit(9, 0, 12).took(), Some(3));
    }
}
