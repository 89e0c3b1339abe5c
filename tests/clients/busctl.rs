//! busctl of systemd: every way in which it looks at an object, and what others say on the bus.

use super::{Session, ok, run, there, with};
use crate::common::{Daemon, process, wait_for};
use nix::sys::signal::Signal;
use std::fs::File;
use std::process::{Child, Command, Stdio};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
const WORK: &str = "/org/freedesktop/systemd1/unit/work_2eservice";

#[test]
fn busctl_looks_at_objects() {
    if !there(&["busctl"]) {
        return;
    }
    with(Session::Plain, |daemon| {
        let busctl = |arguments: &[&str]| ok("busctl", arguments);
        let list = busctl(&["list", "--unique", "--acquired", "--no-legend"]);
        assert!(list.contains(SYSTEMD) && list.contains(":1.0 "), "{list}");
        let status = busctl(&["status", SYSTEMD]);
        assert!(
            status.contains(&format!("PID={}\n", daemon.pid())),
            "{status}"
        );
        let tree = busctl(&["tree", "--list", SYSTEMD]);
        assert!(tree.lines().any(|line| line == WORK), "{tree}");
        let manager = "org.freedesktop.systemd1.Manager";
        let unit = "org.freedesktop.systemd1.Unit";
        let seen = busctl(&["introspect", SYSTEMD, WORK]);
        for line in [
            ".ActiveState",
            ".ExecMainPID",
            ".StartTransientUnit",
            ".Kill",
            ".Ping",
        ] {
            assert_eq!(
                seen.contains(&format!("\n{line} ")),
                line != ".StartTransientUnit",
                "{line}"
            );
        }
        let get = |property: &str| busctl(&["get-property", SYSTEMD, WORK, unit, property]);
        assert_eq!(get("ActiveState"), "s \"inactive\"\n");
        let call = |words: &[&str]| busctl(&[&["call", SYSTEMD, MANAGER, manager], words].concat());
        let job = call(&["StartUnit", "ss", "work.service", "replace"]);
        assert!(
            job.starts_with("o \"/org/freedesktop/systemd1/job/"),
            "{job}"
        );
        daemon.wait_state("work.service", "active/running");
        assert_eq!(get("ActiveState"), "s \"active\"\n");
        let answer = busctl(&[
            "--json=short",
            "call",
            SYSTEMD,
            MANAGER,
            manager,
            "GetUnit",
            "s",
            "work.service",
        ]);
        assert_eq!(
            answer,
            format!("{{\"type\":\"o\",\"data\":[\"{WORK}\"]}}\n")
        );
        let level = [
            "/org/freedesktop/LogControl1",
            "org.freedesktop.LogControl1",
            "LogLevel",
        ];
        let set = [&["set-property", SYSTEMD], &level[..], &["s", "debug"]].concat();
        busctl(&set);
        let level = busctl(&[&["get-property", SYSTEMD], &level[..]].concat());
        assert_eq!(level, "s \"debug\"\n");
        let refused = run(
            "busctl",
            &[
                "set-property",
                SYSTEMD,
                MANAGER,
                manager,
                "Version",
                "s",
                "1",
            ],
        );
        assert_eq!(refused.status.code(), Some(1));
    });
}

/// busctl beside the test, with what it prints in a file.
struct Monitor {
    child: Child,
    output: std::path::PathBuf,
}

impl Monitor {
    #[track_caller]
    fn start(daemon: &Daemon, name: &str, arguments: &[&str]) -> Monitor {
        let output = daemon.file(name);
        let file = File::create(&output).expect("a file can be made");
        let child = Command::new("busctl")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a descriptor can be copied"))
            .stderr(file)
            .spawn()
            .expect("it is on PATH");
        let monitor = Monitor { child, output };
        monitor.wait_text("Monitoring bus message stream.");
        monitor
    }

    fn text(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    fn wait_text(&self, wanted: &str) {
        wait_for(&format!("{wanted:?}"), || match self.text() {
            text if text.contains(wanted) => Ok(()),
            text => Err(text),
        });
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        process::send(self.child.id().cast_signed(), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[test]
fn busctl_monitors_what_others_say() {
    if !there(&["busctl", "systemctl"]) {
        return;
    }
    with(Session::Plain, |daemon| {
        let all = Monitor::start(daemon, "all", &["monitor", "--json=short"]);
        let rule = "type='signal',member='JobRemoved'";
        let ends = Monitor::start(
            daemon,
            "ends",
            &["monitor", "--json=short", "--match", rule],
        );
        let mine = Monitor::start(daemon, "mine", &["monitor", "--json=short", SYSTEMD]);
        let packets = Monitor::start(daemon, "packets", &["capture"]);
        ok("systemctl", &["start", "work.service"]);
        daemon.wait_state("work.service", "active/running");
        ok(
            "busctl",
            &[
                "call",
                SYSTEMD,
                MANAGER,
                "org.freedesktop.systemd1.Manager",
                "GetUnit",
                "s",
                "work.service",
            ],
        );
        for monitor in [&all, &mine] {
            monitor.wait_text("\"member\":\"StartUnit\"");
            monitor.wait_text("\"member\":\"JobRemoved\"");
            monitor.wait_text("\"member\":\"PropertiesChanged\"");
            // The call with its sender, and the answer.
            monitor.wait_text("\"member\":\"GetUnit\"");
            monitor.wait_text(&format!("\"type\":\"o\",\"data\":[\"{WORK}\"]"));
        }
        let text = all.text();
        let line = text
            .lines()
            .find(|line| line.contains("\"GetUnit\""))
            .expect("it is there");
        assert!(line.contains("\"sender\":\":1."), "{line}");
        ends.wait_text("\"data\":[");
        let members = |text: &str| text.matches("\"member\":").count();
        assert_eq!(
            members(&ends.text()),
            ends.text().matches("JobRemoved").count()
        );
        packets.wait_text("StartUnit");
        // A monitor is nobody that can be called any more.
        let list = ok("busctl", &["list", "--unique", "--no-legend"]);
        assert!(!list.contains(&all.child.id().to_string()), "{list}");
    });
}
