//! The end of the daemon: dependents before what they depend on, TimeoutStopSec= honoured,
//! SIGKILL where nothing else helps, and nobody left.

mod common;

use common::daemon::Place;
use common::process::{lives, send};
use common::skip::{Missing, skip};
use common::{Daemon, monotonic_usec, wait_for};
use nix::sys::signal::Signal;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

const CORE: &str = "[Service]\nType=notify\nExecStart=stand-in-agent --name core --notify\n";

#[test]
fn dependents_end_before_what_they_depend_on() {
    let mut daemon = Daemon::with(&[
        ("core.service", CORE),
        (
            "middle.service",
            "[Unit]\nRequires=core.service\nAfter=core.service\n\
             [Service]\nExecStart=stand-in-agent --name middle --stop-delay 0.3\n",
        ),
        (
            "leaf.service",
            "[Unit]\nBindsTo=middle.service\nAfter=middle.service\n\
             [Service]\nExecStart=stand-in-agent --name leaf --stop-delay 0.3\n",
        ),
        (
            "probe.service",
            "[Unit]\nBefore=core.service\n[Service]\nExecStart=stand-in-agent --name probe\n",
        ),
    ]);
    daemon.ok(&["start", "leaf.service", "probe.service"]);
    for name in ["core", "middle", "leaf", "probe"] {
        daemon.wait_recorded(name, "ready", 1);
    }
    let status = daemon.terminate();
    assert!(status.success(), "{status}\n{}", daemon.log());
    let records = daemon.records();
    records.assert_before(("leaf", "stop"), ("middle", "term"));
    records.assert_before(("middle", "stop"), ("core", "term"));
    records.assert_before(("core", "stop"), ("probe", "term"));
    assert_eq!(daemon.survivors(), Vec::<i32>::new());
}

#[test]
fn a_double_forked_daemon_and_its_children_do_not_survive() {
    let pidfile = tempfile::tempdir().expect("a directory can be made");
    let pidfile = pidfile.path().join("daemon.pid");
    let mut daemon = Daemon::with(&[(
        "forker.service",
        &format!(
            "[Service]\nType=forking\nPIDFile={0}\nTimeoutStopSec=1\n\
             ExecStart=stand-in-agent --name forker --fork --pidfile {0} --children 3 \
             --children-ignore-term\n",
            pidfile.display()
        ),
    )]);
    daemon.ok(&["start", "forker.service"]);
    daemon.wait_state("forker.service", "active/running");
    let main = daemon.main_pid("forker.service");
    assert_eq!(daemon.records().last("forker", "start").pid, main);
    assert_eq!(daemon.survivors().len(), 4, "the daemon and three children");
    assert!(daemon.terminate().success());
    assert!(!lives(main));
    assert_eq!(daemon.survivors(), Vec::<i32>::new());
    assert!(!pidfile.exists(), "the PID file is gone too");
}

#[test]
fn orphans_of_a_killed_main_process_do_not_survive() {
    let mut daemon = Daemon::with(&[(
        "parent.service",
        "[Service]\nExecStart=stand-in-agent --name parent --children 2\n",
    )]);
    daemon.ok(&["start", "parent.service"]);
    daemon.wait_recorded("parent", "ready", 1);
    let main = daemon.main_pid("parent.service");
    common::process::send(main, nix::sys::signal::Signal::SIGKILL);
    daemon.wait_state("parent.service", "failed/failed");
    assert_eq!(daemon.survivors(), Vec::<i32>::new());
    assert!(daemon.terminate().success());
}

#[test]
fn sigkill_comes_after_timeout_stop_sec_and_not_before() {
    let mut daemon = Daemon::with(&[
        (
            "deaf.service",
            "[Service]\nTimeoutStopSec=1\nExecStart=stand-in-agent --name deaf --ignore-term\n",
        ),
        (
            "slow.service",
            "[Service]\nTimeoutStopSec=10\n\
             ExecStart=stand-in-agent --name slow --stop-delay 1.5\n",
        ),
    ]);
    daemon.ok(&["start", "deaf.service", "slow.service"]);
    daemon.wait_recorded("deaf", "ready", 1);
    daemon.wait_recorded("slow", "ready", 1);
    let asked = monotonic_usec();
    assert!(daemon.terminate().success());
    let took = monotonic_usec() - asked;
    let records = daemon.records();
    assert_eq!(records.of("deaf", "ignored").len(), 1, "one SIGTERM first");
    assert!(
        took >= 1_000_000,
        "TimeoutStopSec= was not waited for: {took} us"
    );
    let slow = records.last("slow", "stop").usec - records.last("slow", "term").usec;
    assert!(
        slow >= 1_500_000,
        "the slow one was not left its time: {slow} us"
    );
    assert_eq!(daemon.survivors(), Vec::<i32>::new());
}

#[test]
fn a_stop_that_needs_sigkill_fails_with_result_timeout() {
    let daemon = Daemon::with(&[(
        "deaf.service",
        "[Service]\nTimeoutStopSec=500ms\nExecStart=stand-in-agent --name deaf --ignore-term\n",
    )]);
    daemon.ok(&["start", "deaf.service"]);
    daemon.wait_recorded("deaf", "ready", 1);
    daemon.ok(&["stop", "deaf.service"]);
    assert_eq!(daemon.state("deaf.service"), "failed/failed");
    assert_eq!(daemon.show("deaf.service", "Result"), "timeout");
}

/// The directory of a unit's control group; `None` where there are none.
fn control_group(daemon: &Daemon, unit: &str) -> Option<PathBuf> {
    let name = daemon.show(unit, "ControlGroup");
    let name = name.strip_prefix('/')?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .map(|root| Path::new(root).join(name))
        .find(|path| path.join("cgroup.procs").exists())
}

#[test]
fn no_control_group_is_left_not_even_of_a_daemon_that_was_killed() {
    let text = "[Service]\nExecStart=/bin/sleep infinity\n";
    let mut daemon = Daemon::with(&[("stays.service", text), ("again.service", text)]);
    daemon.ok(&["start", "stays.service", "again.service"]);
    let Some(group) = control_group(&daemon, "stays.service") else {
        skip(Missing::Privilege, "units have no control groups");
        return;
    };
    let processes = ["stays.service", "again.service"].map(|unit| daemon.main_pid(unit));
    send(daemon.pid(), Signal::SIGKILL);
    daemon.wait_end();
    for process in processes {
        send(process, Signal::SIGKILL);
    }
    let tree = group.parent().expect("it lies in the daemon's").to_owned();
    assert!(group.exists(), "nobody was there to remove it");

    // The next one takes the tree over, with what was left in it.
    daemon.start_again();
    daemon.ok(&["start", "again.service"]);
    let again = control_group(&daemon, "again.service").expect("it had one before");
    assert_eq!(again.parent(), Some(tree.as_path()));
    let status = daemon.terminate();
    assert!(status.success(), "{status}\n{}", daemon.log());
    assert!(!tree.exists(), "{} is left", tree.display());
}

#[test]
fn the_group_that_waits_for_a_connection_goes_with_its_socket() {
    let place = Place::new();
    let path = place.file("web");
    let socket = format!("[Socket]\nListenStream={}\n", path.display());
    place.write_unit("web.socket", &socket);
    let text = "[Service]\nExecStart=stand-in-agent --name web --listen passed\n";
    place.write_unit("web.service", text);
    let daemon = place.start();
    daemon.ok(&["start", "web.socket"]);
    let connect = || UnixStream::connect(&path).expect("somebody listens");
    let _first = connect();
    daemon.wait_state("web.service", "active/running");
    let Some(group) = control_group(&daemon, "web.service") else {
        skip(Missing::Privilege, "units have no control groups");
        return;
    };
    daemon.ok(&["stop", "web.service"]);
    wait_for("the next run's group to be made", || match group.exists() {
        true => Ok(()),
        false => Err(daemon.log()),
    });
    assert_eq!(daemon.show("web.service", "ControlGroup"), "");
    let _second = connect();
    daemon.wait_state("web.service", "active/running");
    assert_eq!(control_group(&daemon, "web.service").as_ref(), Some(&group));
    daemon.ok(&["stop", "web.service"]);
    daemon.ok(&["stop", "web.socket"]);
    wait_for("its group to go", || match group.exists() {
        false => Ok(()),
        true => Err(daemon.log()),
    });
}
