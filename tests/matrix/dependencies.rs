//! Two units, one dependency between them, and something that happens to the second.
//!
//! A `start` row starts the first unit and looks at both; in the other rows both run when the
//! second is stopped, restarted, or its process gets a signal. Each row has units of its own, so
//! that a few daemons, side by side, serve them all.

use super::common::daemon::Place;
use super::common::process::send;
use super::common::reference::Row;
use super::common::states::{self, States};
use super::common::{Daemon, wait_for};
use super::verdict::Played;
use nix::sys::signal::Signal;
use std::os::unix::fs::symlink;

/// Daemons that share the rows.
const DAEMONS: usize = 4;

const HEAD: &str = "[Unit]\nDefaultDependencies=no\n";
const RUNS: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// Plays all rows, in their order.
pub(crate) fn play(rows: &[Row]) -> Vec<Played> {
    let share = rows.len().div_ceil(DAEMONS).max(1);
    std::thread::scope(|scope| {
        let players: Vec<_> = rows
            .chunks(share)
            .map(|rows| scope.spawn(|| play_share(rows)))
            .collect();
        players
            .into_iter()
            .flat_map(|player| player.join().expect("a player says what it saw"))
            .collect()
    })
}

/// A row with its place among those of one daemon.
struct Experiment<'a> {
    row: &'a Row,
    number: usize,
}

impl Experiment<'_> {
    fn has(&self, column: &str, value: &str) -> bool {
        self.row[column] == value
    }

    /// The unit with the dependency.
    fn unit(&self) -> String {
        format!("row{:03}-unit.service", self.number)
    }

    /// The unit it depends on.
    fn other(&self) -> String {
        format!("row{:03}-other.service", self.number)
    }

    fn units(&self) -> Vec<String> {
        vec![self.unit(), self.other()]
    }

    fn is_start(&self) -> bool {
        self.has("event", "start")
    }

    fn write(&self, place: &Place) {
        let other = self.other();
        let kinds = match self.row["type"].as_str() {
            "both" => vec!["Requires", "PartOf"],
            kind => vec![kind],
        };
        let mut text = HEAD.to_owned();
        for kind in kinds {
            text.push_str(&format!("{kind}={other}\n"));
        }
        if self.has("ordering", "with-After") {
            text.push_str(&format!("After={other}\n"));
        }
        place.write_unit(&self.unit(), &(text + RUNS));
        if let Some(text) = self.text_of_other() {
            place.write_unit(&other, &text);
        } else if self.has("D_variant", "t-masked") {
            let link = place.file("units").join(other);
            symlink("/dev/null", link).expect("a link can be made");
        }
    }

    fn text_of_other(&self) -> Option<String> {
        let once = |program| format!("{HEAD}[Service]\nType=oneshot\nExecStart={program}\n");
        Some(match self.row["D_variant"].as_str() {
            "good" => format!("{HEAD}{RUNS}"),
            "bad" => once("/bin/false"),
            "one" => once("/bin/true"),
            "condfail" => format!("{HEAD}ConditionPathExists=/nonexistent\n{RUNS}"),
            "assertfail" => format!("{HEAD}AssertPathExists=/nonexistent\n{RUNS}"),
            "brokenload" => format!("{HEAD}[Service]\nExecStart=bin/not absolute\n"),
            "notfound" | "t-masked" => return None,
            variant => {
                let restart = variant
                    .strip_prefix("dep-")
                    .expect("all variants are known");
                format!("{HEAD}{RUNS}{restart}\n")
            }
        })
    }

    /// What the table says came of it.
    fn observed(&self) -> String {
        let (rc, unit, other) = (
            &self.row["rc"],
            &self.row["unit_after"],
            &self.row["dep_after"],
        );
        format!("{rc} {unit} {other}")
    }

    /// The row in words.
    fn what(&self) -> String {
        let columns = ["event", "type", "D_variant", "ordering"];
        columns.map(|column| self.row[column].as_str()).join(" ")
    }
}

fn play_share(rows: &[Row]) -> Vec<Played> {
    let experiments: Vec<Experiment<'_>> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| Experiment { row, number })
        .collect();
    let place = Place::new();
    for experiment in &experiments {
        experiment.write(&place);
    }
    let daemon = place.start();
    let all: Vec<String> = experiments.iter().flat_map(Experiment::units).collect();
    // Requisite= wants the other to be there already.
    for unit in [Experiment::other, Experiment::unit] {
        let running = experiments
            .iter()
            .filter(|experiment| !experiment.is_start());
        for experiment in running {
            daemon.ok(&["start", &unit(experiment)]);
        }
    }
    let before = states::at_rest(&daemon, &all);
    let codes: Vec<String> = experiments
        .iter()
        .map(|experiment| happen(&daemon, experiment))
        .collect();
    let after = states::at_rest(&daemon, &all);
    experiments
        .iter()
        .zip(codes)
        .map(|(experiment, code)| Played {
            what: experiment.what(),
            race: experiment.has("ordering", "no-After"),
            theirs: experiment.observed(),
            ours: seen(experiment, &code, &before, &after),
        })
        .collect()
}

/// Lets the event happen; the exit status of a start, `-` of anything else.
fn happen(daemon: &Daemon, experiment: &Experiment<'_>) -> String {
    let other = experiment.other();
    match experiment.row["event"].as_str() {
        "start" => return daemon.run(&["start", &experiment.unit()]).code.to_string(),
        event @ ("stop" | "restart") => {
            daemon.ok(&[event, &other]);
        }
        "kill" => end(daemon, &other, Signal::SIGKILL),
        "term" => end(daemon, &other, Signal::SIGTERM),
        event => panic!("no event is called {event}"),
    }
    "-".to_owned()
}

/// Sends a signal to the main process from outside, and waits until the daemon has seen it end.
fn end(daemon: &Daemon, unit: &str, signal: Signal) {
    let pid = daemon.main_pid(unit);
    send(pid, signal);
    wait_for("the end to be noticed", || {
        match daemon.show(unit, "MainPID") {
            now if now == pid.to_string() => Err(daemon.state(unit)),
            _ => Ok(()),
        }
    });
}

/// What became of a row, in the table's words.
fn seen(experiment: &Experiment<'_>, code: &str, before: &States, after: &States) -> String {
    let (unit, other) = (experiment.unit(), experiment.other());
    let state = after[&unit]["ActiveState"].as_str();
    let invocation = |states: &States| states[&unit]["InvocationID"].clone();
    let unit_after = if experiment.is_start() {
        state.to_owned()
    } else if state != "active" {
        format!("stopped({state})")
    } else if invocation(before) == invocation(after) {
        format!("same({state})")
    } else {
        format!("restarted({state})")
    };
    format!("{code} {unit_after} {}", after[&other]["ActiveState"])
}
