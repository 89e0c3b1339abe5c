//! A service that ends for some cause, with every value of Restart=.
//!
//! RestartSec= is an hour, so that a restart that is coming stays to be seen as `auto-restart`.

use super::common::daemon::Place;
use super::common::process::send;
use super::common::reference::Row;
use super::common::{Daemon, states};
use super::verdict::Played;
use nix::sys::signal::Signal;

const MODES: &[&str] = &[
    "no",
    "on-success",
    "on-failure",
    "on-abnormal",
    "on-watchdog",
    "on-abort",
    "always",
];

const SLEEPS: &str = "ExecStart=/bin/sleep infinity";

/// How a service comes to its end.
struct Cause {
    /// The beginning of the table's word for it.
    column: &'static str,
    /// Part of the unit's name.
    name: &'static str,
    /// Lines of its [Service].
    lines: String,
    /// What its main process gets from outside.
    signal: Option<Signal>,
}

fn causes() -> Vec<Cause> {
    let by_itself = |column, name, lines: &str| Cause {
        column,
        name,
        lines: lines.to_owned(),
        signal: None,
    };
    let by_signal = |column, name, signal| Cause {
        column,
        name,
        lines: format!("IgnoreSIGPIPE=no\n{SLEEPS}"),
        signal: Some(signal),
    };
    let sleeping = |column, name, setting: &str| Cause {
        column,
        name,
        lines: format!("{setting}\n{SLEEPS}"),
        signal: None,
    };
    let skips = |status| format!("ExecCondition=/bin/sh -c 'exit {status}'");
    vec![
        by_itself("exit status 0", "good", "ExecStart=/bin/true"),
        by_itself("exit status 1", "bad", "ExecStart=/bin/false"),
        by_itself(
            "binary missing",
            "missing",
            "ExecStart=/nonexistent/program",
        ),
        by_signal("SIGTERM", "term", Signal::SIGTERM),
        by_signal("SIGTERM", "hup", Signal::SIGHUP),
        by_signal("SIGTERM", "int", Signal::SIGINT),
        by_signal("SIGTERM", "pipe", Signal::SIGPIPE),
        by_signal("SIGKILL", "kill", Signal::SIGKILL),
        by_signal("SIGSEGV", "segv", Signal::SIGSEGV),
        sleeping(
            "start timeout",
            "late",
            "Type=notify\nTimeoutStartSec=400ms",
        ),
        sleeping("RuntimeMaxSec", "long", "RuntimeMaxSec=400ms"),
        sleeping("watchdog", "watchdog", "WatchdogSec=400ms"),
        sleeping("ExecCondition", "skip1", &skips(1)),
        sleeping("ExecCondition", "skip254", &skips(254)),
    ]
}

/// A cause with a value of Restart=.
struct Cell<'a> {
    cause: &'a Cause,
    mode: &'static str,
    row: &'a Row,
}

impl Cell<'_> {
    fn unit(&self) -> String {
        format!("{}-{}.service", self.cause.name, self.mode)
    }

    fn text(&self) -> String {
        format!(
            "[Unit]\nDefaultDependencies=no\n[Service]\nRestartSec=1h\nLimitCORE=0\n\
             TimeoutStopSec=5\nRestart={}\n{}\n",
            self.mode, self.cause.lines
        )
    }
}

/// Plays every cell of the table.
pub(crate) fn play(rows: &[Row]) -> Vec<Played> {
    let causes = causes();
    let cells: Vec<Cell<'_>> = rows.iter().flat_map(|row| of_row(row, &causes)).collect();
    let place = Place::new();
    let names: Vec<String> = cells.iter().map(Cell::unit).collect();
    for cell in &cells {
        place.write_unit(&cell.unit(), &cell.text());
    }
    // Who is named by a unit that is active stays loaded, with its Result.
    let keeper = format!(
        "[Unit]\nDefaultDependencies=no\nAfter={}\n",
        names.join(" ")
    );
    place.write_unit("keeper.target", &keeper);
    let daemon = place.start();
    daemon.ok(&["start", "keeper.target"]);
    for cell in &cells {
        // Some starts fail, as they should.
        daemon.run(&["start", "--no-block", &cell.unit()]);
    }
    for cell in &cells {
        if let Some(signal) = cell.cause.signal {
            daemon.wait_state(&cell.unit(), "active/running");
            send(daemon.main_pid(&cell.unit()), signal);
        }
    }
    ends(&daemon, &cells, &names)
}

fn of_row<'a>(row: &'a Row, causes: &'a [Cause]) -> Vec<Cell<'a>> {
    let cells: Vec<Cell<'_>> = causes
        .iter()
        .filter(|cause| row["cause"].starts_with(cause.column))
        .flat_map(|cause| MODES.iter().map(move |mode| Cell { cause, mode, row }))
        .collect();
    assert!(!cells.is_empty(), "nothing plays {:?}", row["cause"]);
    cells
}

/// Waits for every end; none of the services runs on.
fn ends(daemon: &Daemon, cells: &[Cell<'_>], names: &[String]) -> Vec<Played> {
    super::common::wait_for("every service to end", || {
        let now = states::show(daemon, names, &["ActiveState"]);
        match now.iter().find(|(_, unit)| unit["ActiveState"] == "active") {
            Some((name, _)) => Err(format!("{name} is active\n{}", daemon.log())),
            None => Ok(()),
        }
    });
    states::at_rest(daemon, names);
    let after = states::show(daemon, names, &["SubState", "Result"]);
    cells
        .iter()
        .map(|cell| {
            let unit = &after[&cell.unit()];
            let restarts = match unit["SubState"].as_str() {
                "auto-restart" => "yes",
                _ => "no",
            };
            // Whether there is a core is the machine's choice.
            let result = match unit["Result"].as_str() {
                "core-dump" if cell.row["Result"] == "signal" => "signal",
                result => result,
            };
            Played {
                what: format!("{} Restart={}", cell.cause.name, cell.mode),
                race: false,
                theirs: format!("{} {}", cell.row[cell.mode], cell.row["Result"]),
                ours: format!("{restarts} {result}"),
            }
        })
        .collect()
}
