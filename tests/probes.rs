//! Probes from the unit file to their consequences, with servers that are sick on demand.

mod common;

use common::daemon::{Daemon, Place};
use common::process::lives;
use common::{skip, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Asks the stand-in for a page, which may change it.
fn ask(socket: &Path, page: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the stand-in listens");
    write!(stream, "GET {page} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// A place with a service `agent` that serves HTTP at its socket, and more sections.
fn place(options: &str, service: &str, sections: &str) -> Place {
    let place = Place::new();
    place.write_unit(
        "agent.service",
        &format!(
            "[Service]\nExecStart=stand-in-agent --name agent --http unix:{} {options}\n\
             {service}\n{}",
            place.file("http").display(),
            sections.replace("@DIR@", &place.path().display().to_string()),
        ),
    );
    place
}

const LIVENESS: &str = "[X-LivenessProbe]\nHTTPGet=unix:@DIR@/http:/live\nPeriodSec=100ms\n\
                        FailureThreshold=2\n";
const READINESS: &str = "[X-ReadinessProbe]\nHTTPGet=unix:@DIR@/http:/ready\nPeriodSec=100ms\n";

/// A property that the probes have come to.
fn probes(daemon: &Daemon) -> String {
    daemon.show("agent.service", "Probes")
}

#[test]
fn a_sick_service_is_ended_whole_with_result_probe() {
    let daemon = place("--children 2", "Restart=no", LIVENESS).start();
    daemon.ok(&["start", "agent.service"]);
    wait_until("the probe is good", || probes(&daemon).contains("good"));
    let main = daemon.main_pid("agent.service");
    let status = daemon.json(&["status", "-o", "json", "agent.service"]);
    let processes = status[0]["processes"].as_array().expect("a list").clone();
    assert_eq!(processes.len(), 3, "{status}");
    ask(&daemon.file("http"), "/sick");
    daemon.wait_state("agent.service", "failed/failed");
    assert_eq!(daemon.show("agent.service", "Result"), "probe");
    for process in processes {
        let pid = process["pid"].as_i64().expect("a number") as i32;
        wait_until("it has ended", || !lives(pid));
    }
    assert!(!lives(main));
    let line = probes(&daemon);
    assert!(line.contains("HTTP status 503: sick"), "{line}");
    assert!(
        line.contains("unix:") && line.contains("period=100ms"),
        "{line}"
    );
    let status = daemon.run(&["status", "agent.service"]);
    assert!(
        status.stdout.contains("Probe: liveness: unknown"),
        "{}",
        status.stdout
    );
    assert!(
        daemon
            .log()
            .contains("the liveness probe failed 2 times in a row: HTTP status 503")
    );
}

#[test]
fn restart_decides_what_follows() {
    let daemon = place("", "Restart=on-failure\nRestartSec=10ms", LIVENESS).start();
    daemon.ok(&["start", "agent.service"]);
    let before = daemon.main_pid("agent.service");
    wait_until("the probe is good", || probes(&daemon).contains("good"));
    ask(&daemon.file("http"), "/sick");
    wait_until("it was restarted", || {
        let restarts = daemon.show("agent.service", "NRestarts");
        restarts != "0" && daemon.state("agent.service") == "active/running"
    });
    assert_ne!(daemon.main_pid("agent.service"), before);
    daemon.ok(&["health", "--wait", "--timeout", "30s", "agent"]);
}

#[test]
fn readiness_is_told_and_ends_nothing() {
    let daemon = place("", "", READINESS).start();
    daemon.ok(&["start", "agent.service"]);
    let well = daemon.ok(&["health", "--wait", "--timeout", "30s", "agent.service"]);
    assert!(
        well.contains("healthy") && well.contains("READINESS"),
        "{well}"
    );
    let pid = daemon.main_pid("agent.service");
    ask(&daemon.file("http"), "/sick");
    wait_until("it is told", || probes(&daemon).contains("readiness: bad"));
    let sick = daemon.run(&["health", "agent.service"]);
    assert_eq!(sick.code, 1);
    assert!(sick.stdout.contains("unhealthy"), "{}", sick.stdout);
    let json = daemon.run(&["health", "-o", "json", "agent.service"]);
    let rows: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(rows[0]["ready"], false);
    assert_eq!(rows[0]["live"], true);
    assert_eq!(rows[0]["probes"][0]["verdict"], "bad");
    assert_eq!(
        rows[0]["probes"][0]["failure"],
        "HTTP status 503: not ready"
    );
    let timed_out = daemon.run(&["health", "--wait", "--timeout", "200ms", "agent.service"]);
    assert_eq!(timed_out.code, 1);
    ask(&daemon.file("http"), "/well");
    daemon.ok(&["health", "--wait", "--timeout", "30s", "agent.service"]);
    assert_eq!(daemon.main_pid("agent.service"), pid);
    assert_eq!(daemon.run(&["health", "nobody.service"]).code, 4);
}

#[test]
fn units_wait_for_readiness_where_they_are_told_to() {
    let section = format!("{READINESS}[X-Procmgr]\nReadyWhen=probe\n");
    let place = place("", "", &section);
    place.write_unit(
        "after.service",
        "[Unit]\nRequires=agent.service\nAfter=agent.service\n\
         [Service]\nExecStart=stand-in-agent --name after\n",
    );
    // Sick from its first moment on.
    place.write_unit(
        "agent.service.d/sick.conf",
        "[Service]\nEnvironment=STAND_IN_READY_AFTER=3600\n",
    );
    let daemon = place.start();
    daemon.ok(&["start", "--no-block", "after.service"]);
    wait_until("it was probed", || probes(&daemon).contains("503"));
    assert_eq!(daemon.state("agent.service"), "active/running");
    assert_eq!(daemon.state("after.service"), "inactive/dead");
    daemon.ok(&["stop", "agent.service"]);
    fs::remove_file(daemon.file("units/agent.service.d/sick.conf")).expect("it is there");
    daemon.ok(&["daemon-reload"]);
    daemon.ok(&["start", "after.service"]);
    assert!(probes(&daemon).contains("readiness: good"));
    assert_eq!(daemon.state("after.service"), "active/running");
}

#[test]
fn the_start_waits_for_the_startup_probe() {
    let section = "[X-StartupProbe]\nHTTPGet=unix:@DIR@/http:/ready\nPeriodSec=100ms\n\
                   FailureThreshold=1000\n";
    // Long enough to be looked at on a busy machine.
    let daemon = place("--ready-after 3", "", &format!("{section}{LIVENESS}")).start();
    daemon.ok(&["start", "--no-block", "agent.service"]);
    wait_until("it was probed", || probes(&daemon).contains("503"));
    assert_eq!(daemon.state("agent.service"), "activating/start");
    let health = daemon.run(&["health", "agent.service"]);
    assert!(
        health.stdout.contains("it waits for its startup probe"),
        "{}",
        health.stdout
    );
    daemon.ok(&["start", "agent.service"]);
    assert_eq!(daemon.state("agent.service"), "active/running");
    assert!(
        probes(&daemon).contains("startup: good"),
        "{}",
        probes(&daemon)
    );
    daemon.ok(&["stop", "agent.service"]);
    let place = place("--ready-after 3600", "TimeoutStartSec=1", section);
    let daemon = place.start();
    assert_eq!(daemon.run(&["start", "agent.service"]).code, 1);
    assert_eq!(daemon.show("agent.service", "Result"), "timeout");
}

#[test]
fn commands_run_as_the_service_does() {
    if !skip::is_root() {
        let reason = "only root can run services as somebody else";
        return skip::skip(skip::Missing::Privilege, reason);
    }
    let place = Place::new();
    let out = place.file("out");
    fs::create_dir(&out).expect("it can be made");
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&out, all).expect("it is ours");
    place.write_unit(
        "agent.service",
        &format!(
            "[Service]\nUser=65534\nExecStart=/bin/sleep 3600\nEnvironment=COLOR=green\n\
             [X-LivenessProbe]\nPeriodSec=100ms\n\
             Exec=/bin/sh -c 'id -u > {0}/uid; cat /proc/self/cgroup > {0}/probe; \
             cat /proc/$MAINPID/cgroup > {0}/main; echo $COLOR > {0}/color; \
             test ! -e {0}/sick'\n",
            out.display()
        ),
    );
    let daemon = place.start();
    daemon.ok(&["start", "agent.service"]);
    wait_until("it was probed", || probes(&daemon).contains("good"));
    let read = |name: &str| fs::read_to_string(out.join(name)).expect("the probe wrote it");
    assert_eq!(read("uid"), "65534\n");
    assert_eq!(read("color"), "green\n");
    assert_eq!(read("probe"), read("main"));
    fs::write(out.join("sick"), "").expect("it can be written");
    daemon.wait_state("agent.service", "failed/failed");
    assert_eq!(daemon.show("agent.service", "Result"), "probe");
    assert!(
        probes(&daemon).contains("exited with status 1"),
        "{}",
        probes(&daemon)
    );
}
