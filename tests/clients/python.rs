//! The libraries for Python that Debian has, by Debian's Python: the sessions are programs beside
//! this.

use super::{Session, run, with};
use crate::common::skip::PYTHON;
use crate::common::{Missing, skip};

/// Plays a session with these modules, of these packages.
#[track_caller]
fn play(script: &str, modules: &[&str], packages: &str) {
    let import = format!("import {}", modules.join(", "));
    if !std::path::Path::new(PYTHON).exists() || !run(PYTHON, &["-c", &import]).status.success() {
        skip(Missing::Package, &format!("{packages} not installed"));
        return;
    }
    let script = format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    with(Session::Plain, |daemon| {
        let output = run(PYTHON, &["-B", &script]);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let complete = output.status.success() && text.contains("session complete");
        assert!(complete, "{text}{errors}\n{}", daemon.log());
    });
}

#[test]
fn python_dbus() {
    let modules = ["dbus", "gi.repository.GLib"];
    play("dbus_python.py", &modules, "python3-dbus, python3-gi");
}

#[test]
fn python_dasbus() {
    let modules = ["dasbus", "gi.repository.GLib"];
    play("dasbus_session.py", &modules, "python3-dasbus");
}

#[test]
fn python_pystemd() {
    play("pystemd_session.py", &["pystemd"], "python3-pystemd");
}
