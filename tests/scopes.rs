//! Scopes: processes that somebody else has started, with the daemon's own command line, with
//! Debian's systemd-run and with plain calls, with control groups and without.

mod common;

use common::daemon::Place;
use common::skip::has_program;
use common::{Daemon, Missing, namespace, process, skip, wait_until};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const MANAGER: [&str; 3] = [
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
];

fn daemon() -> Daemon {
    Daemon::with(&[])
}

/// A process of the test's, ended with it.
struct Stranger(Child);

impl Stranger {
    fn new() -> Stranger {
        let child = Command::new("/bin/sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn();
        Stranger(child.expect("there is a sleep"))
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("pids fit")
    }

    /// Whether it ends by itself.
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_some()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A call to the manager by busctl.
fn call(daemon: &Daemon, words: &[&str]) -> Output {
    let address = format!("--address=unix:path={}", daemon.place().socket().display());
    Command::new("busctl")
        .arg(address)
        .arg("call")
        .args(MANAGER)
        .args(words)
        .output()
        .expect("busctl is there")
}

#[track_caller]
fn calls(daemon: &Daemon, words: &[&str]) {
    let output = call(daemon, words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {complaint}");
}

/// A call that is refused; why.
#[track_caller]
fn refused(daemon: &Daemon, words: &[&str]) -> String {
    let output = call(daemon, words);
    assert!(!output.status.success(), "{words:?}");
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

const START: [&str; 2] = ["StartTransientUnit", "ssa(sv)a(sa(sv))"];

#[track_caller]
fn start_scope(daemon: &Daemon, name: &str, pid: i32, more: &[&str]) {
    let pid = pid.to_string();
    let count = (1 + more.len() / 3).to_string();
    let mut words = START.to_vec();
    words.extend([name, "fail", &count, "PIDs", "au", "1", &pid]);
    words.extend(more);
    words.push("0");
    calls(daemon, &words);
    daemon.wait_state(name, "active/running");
}

fn lacks(program: &str) -> bool {
    let lacks = !has_program(program);
    if lacks {
        skip(Missing::Package, &format!("{program} is not installed"));
    }
    lacks
}

fn group_of(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("0::"));
    line.unwrap_or_default().to_owned()
}

#[test]
fn run_scope_is_the_command_itself() {
    let daemon = daemon();
    let script = "echo pid $$ id $INVOCATION_ID var $A; cat /proc/self/cgroup; exit 7";
    let words = [
        "run", "--scope", "-u", "mine", "-E", "A=b", "--", "sh", "-c", script,
    ];
    let child = daemon.command(&words).stdout(Stdio::piped()).spawn();
    let child = child.expect("the command line is built");
    let pid = child.id();
    let output = child.wait_with_output().expect("it is our child");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(7), "{text}");
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("pid {pid} id ")), "{text}");
    let id = first.split(' ').nth(3).unwrap_or_default();
    assert_eq!(id.len(), 32, "{text}");
    assert!(first.ends_with("var b"), "{text}");
    assert!(text.contains("/mine.scope\n"), "{text}");
    // It goes with its last process.
    daemon.wait_state("mine.scope", "inactive/dead");
    assert_eq!(daemon.show("mine.scope", "LoadState"), "not-found");
}

#[test]
fn a_scope_is_shown_and_stopped() {
    if lacks("busctl") {
        return;
    }
    let daemon = daemon();
    let mut stranger = Stranger::new();
    let pid = stranger.pid();
    start_scope(&daemon, "a.scope", pid, &["Description", "s", "Mine"]);
    let group = daemon.show("a.scope", "ControlGroup");
    assert!(group.ends_with("/a.scope"), "{group}");
    assert_eq!(group_of(pid), group);
    for (property, value) in [
        ("Description", "Mine"),
        ("Transient", "yes"),
        ("Result", "success"),
        ("CanStart", "no"),
        ("CanStop", "yes"),
        ("TimeoutStopUSec", "1min 30s"),
        ("RuntimeMaxUSec", "infinity"),
        ("OOMPolicy", "stop"),
        ("Slice", "system.slice"),
        ("Controller", ""),
        ("UnitFileState", "transient"),
    ] {
        assert_eq!(daemon.show("a.scope", property), value, "{property}");
    }
    let pid_text = pid.to_string();
    let by_pid = call(&daemon, &["GetUnitByPID", "u", &pid_text]);
    let by_pid = String::from_utf8_lossy(&by_pid.stdout).into_owned();
    assert!(by_pid.contains("a_2escope"), "{by_pid}");
    let status = daemon.ok(&["status", "a.scope"]);
    assert!(status.contains("sleep 1000"), "{status}");
    assert_eq!(daemon.run(&["restart", "a.scope"]).code, 3);
    // It outlives a reload of the unit files.
    daemon.ok(&["daemon-reload"]);
    assert_eq!(daemon.state("a.scope"), "active/running");
    daemon.ok(&["stop", "a.scope"]);
    wait_until("the process to end", || stranger.has_ended());
    assert_eq!(daemon.show("a.scope", "LoadState"), "not-found");
}

#[test]
fn a_scope_that_lasts_too_long_or_has_nobody_fails() {
    if lacks("busctl") {
        return;
    }
    let daemon = daemon();
    let mut stranger = Stranger::new();
    start_scope(
        &daemon,
        "a.scope",
        stranger.pid(),
        &["RuntimeMaxUSec", "t", "100000"],
    );
    wait_until("the process to end", || stranger.has_ended());
    daemon.wait_state("a.scope", "failed/failed");
    assert_eq!(daemon.show("a.scope", "Result"), "timeout");
    // Once is enough.
    let again = daemon.run(&["start", "a.scope"]);
    assert_eq!(again.code, 1, "{again:?}");
    daemon.ok(&["reset-failed", "a.scope"]);
    assert_eq!(daemon.show("a.scope", "LoadState"), "not-found");

    let gone = stranger.pid().to_string();
    let start = |more: &[&str]| {
        let words: Vec<&str> = START.iter().chain(more).copied().collect();
        refused(&daemon, &words)
    };
    for (words, complaint) in [
        (&["b.scope", "fail", "0", "0"][..], "needs processes"),
        (
            &["b.scope", "fail", "1", "PIDs", "au", "1", &gone, "0"],
            "does not exist",
        ),
        (
            &["b.scope", "fail", "1", "PIDs", "au", "1", "1", "0"],
            "Process 1 is a manager process, refusing.",
        ),
        (
            &["b.scope", "fail", "1", "PIDs", "au", "1", "2147483649", "0"],
            "Process identifier -2147483647 is not valid.",
        ),
        (
            &["b.service", "fail", "1", "PIDs", "au", "1", "0", "0"],
            "Cannot set property PIDs, or unknown property.",
        ),
        (
            &[
                "b.scope",
                "fail",
                "2",
                "PIDs",
                "au",
                "1",
                "0",
                "Controller",
                "s",
                "foo",
                "0",
            ],
            "Controller 'foo' is not a valid bus name.",
        ),
    ] {
        let seen = start(words);
        assert!(seen.contains(complaint), "{words:?}: {seen}");
    }
    assert_eq!(daemon.show("b.scope", "LoadState"), "not-found");
}

#[test]
fn a_file_makes_no_scope() {
    let daemon = Daemon::with(&[("a.scope", "[Scope]\nRuntimeMaxSec=3\n")]);
    assert_eq!(daemon.run(&["start", "a.scope"]).code, 5);
    assert_eq!(daemon.show("a.scope", "LoadState"), "not-found");
}

#[test]
fn abandoned_and_attached() {
    if lacks("busctl") {
        return;
    }
    let daemon = daemon();
    let first = Stranger::new();
    start_scope(&daemon, "a.scope", first.pid(), &["Delegate", "b", "yes"]);
    calls(&daemon, &["AbandonScope", "s", "a.scope"]);
    assert_eq!(daemon.state("a.scope"), "active/abandoned");
    let second = Stranger::new();
    let pid = second.pid().to_string();
    let group = daemon.show("a.scope", "ControlGroup");
    calls(
        &daemon,
        &["AttachProcessesToUnit", "ssau", "a.scope", "", "1", &pid],
    );
    assert_eq!(group_of(second.pid()), group);
    let attach = |below: &str| {
        refused(
            &daemon,
            &["AttachProcessesToUnit", "ssau", "a.scope", below, "1", &pid],
        )
    };
    assert!(attach("x").contains("Control group path is not absolute: x"));
    assert!(attach("/../x").contains("Control group path is not normalized"));
    assert!(attach("/x").contains("Failed to attach processes to control group"));
    drop(first);
    assert_eq!(daemon.state("a.scope"), "active/abandoned");
    drop(second);
    daemon.wait_state("a.scope", "inactive/dead");
    let complaint = refused(&daemon, &["AbandonScope", "s", "a.scope"]);
    assert!(
        complaint.contains("Unit a.scope not loaded."),
        "{complaint}"
    );
    let third = Stranger::new();
    start_scope(&daemon, "b.scope", third.pid(), &[]);
    let pid = third.pid().to_string();
    let complaint = refused(
        &daemon,
        &["AttachProcessesToUnit", "ssau", "b.scope", "", "1", &pid],
    );
    assert!(complaint.contains("non-delegated units"), "{complaint}");
}

/// A client that says it looks after a scope is asked to stop it, in place of a signal.
#[test]
fn who_looks_after_a_scope_is_asked_to_stop_it() {
    let daemon = daemon();
    let mut stranger = Stranger::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime can be made").block_on(async {
        let address = format!("unix:path={}", daemon.place().socket().display());
        let connection = zbus::connection::Builder::address(address.as_str())
            .build()
            .await
            .expect("the daemon lets us in");
        let mut messages = zbus::MessageStream::from(&connection);
        let name = connection.unique_name().expect("a bus names us");
        let pids = vec![stranger.pid().cast_unsigned()];
        let properties = vec![
            ("PIDs", zbus::Variant::from(pids)),
            ("Controller", zbus::Variant::from(name.as_str())),
        ];
        let auxiliary: Vec<(&str, Vec<(&str, zbus::Variant<'_>)>)> = Vec::new();
        connection
            .call_method(
                Some(MANAGER[0]),
                MANAGER[1],
                Some(MANAGER[2]),
                "StartTransientUnit",
                &("a.scope", "fail", properties, auxiliary),
            )
            .await
            .expect("the scope is made");
        daemon.wait_state("a.scope", "active/running");
        assert_eq!(daemon.show("a.scope", "Controller"), name.as_str());
        daemon.ok(&["stop", "--no-block", "a.scope"]);
        daemon.wait_state("a.scope", "deactivating/stop-sigterm");
        let asked = async {
            while let Some(Ok(message)) = futures_util::StreamExt::next(&mut messages).await {
                let header = message.header();
                let member = header.member().map(|member| member.as_str().to_owned());
                if member.as_deref() == Some("RequestStop") {
                    let path = header.path().map(|path| path.as_str().to_owned());
                    return path.unwrap_or_default();
                }
            }
            panic!("the connection ended")
        };
        let path = tokio::time::timeout(common::DEADLINE, asked).await;
        let path = path.expect("the signal comes");
        assert!(path.ends_with("/a_2escope"), "{path}");
        assert!(!stranger.has_ended(), "nobody signalled it");
        stranger.0.kill().expect("it is our child");
        stranger.0.wait().expect("it is our child");
        daemon.wait_state("a.scope", "inactive/dead");
    });
}

/// Where no control group can be made, descent tells who is in a scope.
#[test]
fn scopes_without_control_groups() {
    if lacks("busctl") {
        return;
    }
    namespace::private(|| {
        if let Err(reason) = namespace::tmpfs(Path::new("/sys/fs/cgroup")) {
            return skip(Missing::Privilege, &reason);
        }
        let daemon = daemon();
        let script = "sleep 1000 & echo $!; wait";
        let mut parent = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut line = String::new();
        let mut output = std::io::BufReader::new(parent.stdout.take().expect("it is piped"));
        std::io::BufRead::read_line(&mut output, &mut line).expect("it writes a line");
        let child: i32 = line.trim().parse().expect("a number");
        let pid = i32::try_from(parent.id()).expect("pids fit");
        let bystander = Stranger::new();
        start_scope(&daemon, "a.scope", pid, &[]);
        assert_eq!(daemon.show("a.scope", "ControlGroup"), "");
        let by_pid = call(&daemon, &["GetUnitByPID", "u", &child.to_string()]);
        assert!(String::from_utf8_lossy(&by_pid.stdout).contains("a_2escope"));
        daemon.ok(&["stop", "a.scope"]);
        parent.wait().expect("it is our child");
        wait_until("its child to end", || !process::lives(child));
        assert!(process::lives(bystander.pid()));
        let mut second = Stranger::new();
        start_scope(&daemon, "b.scope", second.pid(), &[]);
        second.0.kill().expect("it is our child");
        second.0.wait().expect("it is our child");
        daemon.wait_state("b.scope", "inactive/dead");
    });
}

/// What Debian's systemd-run does with scopes.
#[test]
fn systemd_run_scope() {
    for program in ["systemd-run", "systemctl"] {
        if lacks(program) {
            return;
        }
    }
    namespace::private(|| {
        let daemon = Place::new().with_argument("--systemd-facade").start();
        let run = |words: &[&str]| {
            let output = Command::new("systemd-run").args(words).output();
            let output = output.expect("it is on PATH");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), text, complaint)
        };
        let script = "echo id $INVOCATION_ID; cat /proc/self/cgroup; \
                      systemctl show xx.scope -p ActiveState -p Description; exit 3";
        let (code, text, complaint) = run(&[
            "--scope",
            "--unit=xx",
            "--description=Some words",
            "-p",
            "RuntimeMaxSec=100",
            "sh",
            "-c",
            script,
        ]);
        assert_eq!(code, Some(3), "{text}{complaint}\n{}", daemon.log());
        assert_eq!(complaint, "Running scope as unit: xx.scope\n");
        assert!(text.starts_with("id "), "{text}");
        assert!(text.contains("/xx.scope\n"), "{text}");
        assert!(text.contains("ActiveState=active\n"), "{text}");
        assert!(text.contains("Description=Some words\n"), "{text}");
        let (code, text, complaint) = run(&["--scope", "--collect", "--user-nothing"]);
        assert_eq!(code, Some(1), "{text}{complaint}");
        let (code, text, complaint) = run(&["--scope", "-q", "--uid=dd-agent", "id", "-un"]);
        assert_eq!(
            (code, text.as_str()),
            (Some(0), "dd-agent\n"),
            "{complaint}"
        );
        let mine = daemon.run(&[
            "run", "--scope", "-q", "--uid", "dd-agent", "--", "id", "-Gn",
        ]);
        assert_eq!(
            (mine.code, mine.stdout.as_str()),
            (0, "dd-agent dd-extra\n")
        );
    });
}
