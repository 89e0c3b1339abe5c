//! Debian's own clients against a daemon with many units, in a private mount namespace: by the
//! facade, where they look for systemd, and by the bus personality alone. What they are to print
//! and to return was observed with systemd 252; compat/verbs compares more, with both running.

mod common;

use common::daemon::Place;
use common::namespace;
use common::skip::has_program;
use common::{Daemon, Missing, skip};
use std::process::Command;

/// Units of all kinds: a few with a part to play, and a crowd.
fn units() -> Vec<(String, String)> {
    let sleeps = "[Service]\nExecStart=/bin/sleep 1000\n";
    let mut units: Vec<(String, String)> = [
        ("s-main.service", "[Unit]\nDescription=The main one\nAfter=s-once.service\n\
          [Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\n[Install]\nWantedBy=s-all.target\n"),
        ("s-once.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"),
        ("s-fail.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"),
        ("s-manual.service", "[Unit]\nRefuseManualStart=yes\n[Service]\nExecStart=/bin/sleep 1000\n"),
        ("s-all.target", "[Unit]\nDescription=All\nWants=s-main.service\n"),
        ("s-sock.socket", "[Socket]\nListenStream=/run/s-sock\n"),
        ("s-sock.service", sleeps),
        ("s-time.timer", "[Timer]\nOnBootSec=1h\n"),
        ("s-time.service", sleeps),
        ("s-path.path", "[Path]\nPathExists=/nonexistent\n"),
        ("s-path.service", sleeps),
        ("s-part.slice", "[Unit]\nDescription=A slice\n"),
        ("s-inst@.service", "[Unit]\nDescription=Instance %i\n[Service]\nExecStart=/bin/sleep 1000\n"),
    ]
    .iter()
    .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
    .collect();
    units.extend((0..50).map(|n| (format!("s-crowd{n}.service"), sleeps.to_owned())));
    units
}

/// A command line, its exit status, and what its output and complaints must hold.
const TABLE: &[(&str, i32, &str)] = &[
    (
        "systemctl start s-once.service s-main.service s-inst@a.service",
        0,
        "",
    ),
    ("systemctl is-active s-main.service", 0, "active\n"),
    ("systemctl is-active s-none.service", 3, "inactive\n"),
    (
        "systemctl status s-main.service -n 0",
        0,
        "● s-main.service - The main one",
    ),
    (
        "systemctl status s-none.service",
        4,
        "Unit s-none.service could not be found.",
    ),
    (
        "systemctl list-units s-*",
        0,
        "s-inst@a.service loaded active running Instance a",
    ),
    (
        "systemctl list-unit-files s-crowd1*",
        0,
        "11 unit files listed.",
    ),
    (
        "systemctl list-dependencies s-all.target",
        0,
        "└─s-main.service",
    ),
    ("systemctl list-jobs", 0, "No jobs running."),
    (
        "systemctl show -p Type --value s-once.service",
        0,
        "oneshot\n",
    ),
    ("systemctl cat s-once.service", 0, "RemainAfterExit=yes"),
    (
        "systemctl start s-fail.service",
        1,
        "the control process exited with error code",
    ),
    ("systemctl is-failed s-fail.service", 0, "failed\n"),
    ("systemctl is-system-running", 1, "degraded\n"),
    ("systemctl reset-failed s-fail.service", 0, ""),
    ("systemctl is-system-running", 0, "running\n"),
    (
        "systemctl start s-manual.service",
        4,
        "may be requested by dependency only",
    ),
    (
        "systemctl start s-none.service",
        5,
        "Unit s-none.service not found.",
    ),
    ("systemctl reload s-main.service", 0, ""),
    (
        "systemctl reload s-once.service",
        3,
        "Job type reload is not applicable",
    ),
    ("systemctl restart s-main.service", 0, ""),
    ("systemctl try-restart s-crowd1.service", 0, ""),
    ("systemctl reload-or-restart s-crowd1.service", 0, ""),
    ("systemctl kill s-crowd1.service", 0, ""),
    (
        "systemctl kill --kill-whom=main s-once.service",
        1,
        "No main process to kill",
    ),
    ("systemctl stop s-inst@*", 0, ""),
    ("systemctl is-enabled s-main.service", 1, "disabled\n"),
    ("systemctl enable s-main.service", 0, "Created symlink"),
    ("systemctl is-enabled s-main.service", 0, "enabled\n"),
    ("systemctl disable s-main.service", 0, "Removed"),
    ("systemctl mask s-crowd2.service", 0, "/dev/null"),
    (
        "systemctl start s-crowd2.service",
        1,
        "Unit s-crowd2.service is masked.",
    ),
    ("systemctl unmask s-crowd2.service", 0, "Removed"),
    (
        "systemctl set-property --runtime s-main.service CPUWeight=50",
        0,
        "",
    ),
    (
        "systemctl show -p CPUWeight s-main.service",
        0,
        "CPUWeight=50\n",
    ),
    ("systemctl set-environment S_ONE=1", 0, ""),
    ("systemctl show-environment", 0, "S_ONE=1\n"),
    ("systemctl unset-environment S_ONE", 0, ""),
    ("systemctl log-level debug", 0, ""),
    ("systemctl log-level", 0, "debug\n"),
    ("systemctl log-level info", 0, ""),
    ("systemctl daemon-reload", 0, ""),
    ("systemd-run --wait -q /bin/true", 0, ""),
    ("systemd-analyze time", 0, "Startup finished in"),
    ("systemd-analyze blame", 0, "s-once.service"),
    (
        "systemd-analyze critical-chain s-main.service",
        0,
        "s-main.service",
    ),
    ("busctl list", 0, "org.freedesktop.systemd1"),
    (
        "busctl tree --list org.freedesktop.systemd1",
        0,
        "unit/s_2dmain_2eservice\n",
    ),
    (
        "busctl introspect org.freedesktop.systemd1 /org/freedesktop/systemd1/unit/s_2dmain_2eservice",
        0,
        ".ExecMainPID",
    ),
    (
        "busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
         org.freedesktop.systemd1.Manager SystemState",
        0,
        "s \"running\"\n",
    ),
];

fn play(daemon: &Daemon, force_bus: bool) {
    for (line, code, text) in TABLE {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env("SYSTEMD_PAGER", "")
            .env("SYSTEMD_COLORS", "0");
        if force_bus {
            command
                .env("SYSTEMCTL_FORCE_BUS", "1")
                .env("DBUS_SYSTEM_BUS_ADDRESS", bus_address(daemon));
        }
        let output = command.output().expect("it is on PATH");
        let mut seen = String::from_utf8_lossy(&output.stdout).into_owned();
        seen.push_str(&String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(*code), "{line}:\n{seen}");
        assert!(seen.contains(text), "{line}: no {text:?} in\n{seen}");
    }
}

fn bus_address(daemon: &Daemon) -> String {
    format!("unix:path={}", daemon.place().socket().display())
}

#[test]
fn debians_clients_find_what_they_know() {
    for program in ["systemctl", "busctl", "systemd-run", "systemd-analyze"] {
        if !has_program(program) {
            skip(Missing::Package, &format!("{program} is not installed"));
            return;
        }
    }
    namespace::private(|| {
        for force_bus in [false, true] {
            // As packages bring them: below the directory in which links are made.
            let vendor = tempfile::tempdir().expect("a directory can be made");
            for (name, text) in units() {
                std::fs::write(vendor.path().join(name), text).expect("it is ours");
            }
            let place = Place::bare()
                .with_units(vendor.path())
                .with_argument("--systemd-facade");
            let mut daemon = place.start();
            play(&daemon, force_bus);
            daemon.terminate();
            // Nothing of the facade stays.
            assert!(!std::path::Path::new("/run/systemd").exists());
            assert!(!std::path::Path::new("/run/dbus").exists());
        }
    });
}
