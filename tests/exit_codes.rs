//! The exit codes that systemd gives processes it could not set up (checklist rows M19, M20): each
//! that can be provoked with what this build applies, by a unit that asks for what cannot be had.

mod common;

use common::daemon::Place;
use common::{Daemon, namespace};
use nix::mount::{MsFlags, mount};
use std::fs;

/// A name for the unit, what it asks for, and the code it gets.
type Row = (&'static str, &'static str, u8);

/// What fails for everybody.
const ANYWHERE: &[Row] = &[
    ("chdir", "WorkingDirectory=/nonexistent/directory", 200),
    ("exec", "ExecStart=\nExecStart=/nonexistent/program", 203),
    ("exec-directory", "ExecStart=\nExecStart=/tmp", 203),
    ("stdin", "StandardInput=file:/nonexistent/file", 208),
    ("stdout", "StandardOutput=file:/nonexistent/file", 209),
    (
        "stdout-append",
        "StandardOutput=append:/nonexistent/file",
        209,
    ),
    ("stderr", "StandardError=file:/nonexistent/file", 222),
    ("group", "Group=no-such-group-here", 216),
    (
        "supplementary",
        "SupplementaryGroups=no-such-group-here",
        216,
    ),
    ("user", "User=no-such-user-here", 217),
    ("user-number", "User=4294900000", 217),
    (
        "capabilities",
        "CapabilityBoundingSet=CAP_CHOWN\nAmbientCapabilities=CAP_NET_RAW",
        218,
    ),
];

/// What fails where a file of the same name is in the way.
const DIRECTORIES: &[Row] = &[
    ("runtime", "RuntimeDirectory=taken", 233),
    ("state", "StateDirectory=taken", 238),
    ("cache", "CacheDirectory=taken", 239),
    ("logs", "LogsDirectory=taken", 240),
    // As in systemd, a file in the place of the directory itself is left at that.
    ("configuration", "ConfigurationDirectory=taken/below", 241),
];

fn write_units(place: &Place, rows: &[Row]) {
    for (name, settings, _) in rows {
        place.write_unit(
            &format!("{name}.service"),
            &format!("[Service]\nType=exec\nExecStart=/bin/true\n{settings}\n"),
        );
        place.write_unit(
            &format!("ignored-{name}.service"),
            &format!("[Service]\nType=oneshot\nExecStart=-/bin/true\n{settings}\n"),
        );
    }
}

fn check(daemon: &Daemon, rows: &[Row]) {
    for (name, settings, code) in rows {
        let unit = format!("{name}.service");
        assert_eq!(daemon.run(&["start", &unit]).code, 1, "{settings}");
        let status = daemon.show(&unit, "ExecMainStatus");
        assert_eq!(status, code.to_string(), "{settings}\n{}", daemon.log());
        assert_eq!(daemon.show(&unit, "Result"), "exit-code", "{settings}");
        assert_eq!(daemon.show(&unit, "ExecMainCode"), "1");
    }
}

#[test]
fn what_cannot_be_set_up_has_its_code() {
    let place = Place::new();
    write_units(&place, ANYWHERE);
    let daemon = place.start();
    check(&daemon, ANYWHERE);
    // `-` ignores these codes as any other, where there is a process to leave with one.
    for (name, _, _) in ANYWHERE {
        if !name.starts_with("exec") {
            daemon.ok(&["start", &format!("ignored-{name}.service")]);
        }
    }
}

#[test]
fn managed_directories_that_cannot_be_made_have_their_codes() {
    namespace::private(|| {
        for directory in ["/var/lib", "/var/cache", "/var/log"] {
            mount(
                Some("tmpfs"),
                directory,
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            )
            .expect("root may mount in a namespace of its own");
        }
        for directory in ["/run", "/var/lib", "/var/cache", "/var/log", "/etc"] {
            fs::write(format!("{directory}/taken"), "").expect("it is ours");
        }
        let place = Place::new();
        write_units(&place, DIRECTORIES);
        let daemon = place.start();
        check(&daemon, DIRECTORIES);
    });
}

#[test]
fn what_cannot_even_begin_has_no_process() {
    let daemon = Daemon::with(&[(
        "file.service",
        "[Service]\nType=exec\nEnvironmentFile=/nonexistent/file\nExecStart=/bin/true\n",
    )]);
    assert_eq!(daemon.run(&["start", "file.service"]).code, 1);
    assert_eq!(daemon.show("file.service", "Result"), "resources");
    assert_eq!(daemon.show("file.service", "ExecMainPID"), "0");
}
