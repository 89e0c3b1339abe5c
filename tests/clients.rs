//! Programs and libraries that talk to systemd, each in a session as its users have it, against a
//! daemon in private mounts where it stands in systemd's place. What each of them does: list,
//! start, stop, restart, wait for jobs, read properties, hear of changes.

mod common;

#[path = "clients/analyze.rs"]
mod analyze;
#[path = "clients/ansible.rs"]
mod ansible;
#[path = "clients/busctl.rs"]
mod busctl;
#[path = "clients/node_exporter.rs"]
mod node_exporter;
#[path = "clients/python.rs"]
mod python;
#[path = "clients/zbus_systemd.rs"]
mod zbus_systemd;

use common::daemon::Place;
use common::skip::has_program;
use common::{Daemon, Missing, namespace, skip};
use std::process::{Command, Output};

/// What the sessions are about.
const UNITS: &[(&str, &str)] = &[
    (
        "work.service",
        "[Unit]\nDescription=Works\nAfter=once.service\n[Service]\nExecStart=/bin/sleep 1000\n\
         ExecReload=/bin/true\n[Install]\nWantedBy=keep.target\n",
    ),
    (
        "once.service",
        "[Unit]\nDescription=Once\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.1\n",
    ),
    (
        "fails.service",
        "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    ),
    ("other.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
    ("door.socket", "[Socket]\nListenStream=/run/door\n"),
    ("door.service", "[Service]\nExecStart=/bin/sleep 1000\n"),
    (
        "keep.target",
        "[Unit]\nDescription=Keeps the others loaded\nWants=once.service door.socket\n\
         After=once.service work.service fails.service other.service\n",
    ),
];

/// What a session needs besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    /// Nothing.
    Plain,
    /// A network of its own.
    Network,
}

/// Runs a session with a daemon that runs keep.target.
fn with(session: Session, body: impl FnOnce(&Daemon) + Send) {
    let inside = || {
        // As packages bring units: below the directory in which links are made.
        let vendor = tempfile::tempdir().expect("a directory can be made");
        for (name, text) in UNITS {
            std::fs::write(vendor.path().join(name), text).expect("it is ours");
        }
        let daemon = Place::bare()
            .with_units(vendor.path())
            .with_argument("--systemd-facade")
            .with_argument("keep.target")
            .start();
        daemon.wait_state("keep.target", "active/active");
        body(&daemon);
    };
    match session {
        Session::Plain => namespace::private(inside),
        Session::Network => namespace::private_network(inside),
    }
}

/// Whether these programs are there; says so if not.
fn there(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| !has_program(program));
    if let Some(program) = missing {
        skip(Missing::Package, &format!("{program} is not installed"));
    }
    missing.is_none()
}

/// Runs a client to its end.
fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env("SYSTEMD_PAGER", "");
    command.env("SYSTEMD_COLORS", "0").env("LANG", "C.UTF-8");
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Standard output of a client that has to succeed.
#[track_caller]
fn ok(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let success = output.status.success();
    assert!(success, "{program} {arguments:?}:\n{text}{errors}");
    text
}
