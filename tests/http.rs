//! Health, metrics and DogStatsD of a running daemon, as machines read them.

mod common;

use common::daemon::{Daemon, Place};
use common::skip::{Missing, PYTHON, has_program, skip};
use common::wait_until;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

const WEB: &str = "[Service]\nExecStart=stand-in-agent --name web --http unix:@DIR@/web\n\
                   [X-ReadinessProbe]\nHTTPGet=unix:@DIR@/web:/ready\nPeriodSec=100ms\n";

fn place() -> Place {
    let place = Place::new();
    let directory = place.path().display().to_string();
    place.write_unit("web.service", &WEB.replace("@DIR@", &directory));
    place.write_unit(
        "all.target",
        "[Unit]\nWants=web.service listen.socket\nAfter=web.service listen.socket\n",
    );
    place.write_unit(
        "listen.socket",
        &format!("[Socket]\nListenStream={directory}/listen\nService=task.service\n"),
    );
    place.write_unit("task.service", "[Service]\nExecStart=/bin/sleep 3600\n");
    let address = format!("unix:{directory}/http");
    place
        .with_argument("--http")
        .with_argument(&address)
        .with_argument("--node-metrics")
        .with_argument("all.target")
}

fn get(daemon: &Daemon, path: &str, accept: &str) -> (u32, String) {
    let mut stream = UnixStream::connect(daemon.file("http")).expect("the daemon serves");
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.expect("a status"), body.to_owned())
}

fn ask(daemon: &Daemon, page: &str) {
    let mut stream = UnixStream::connect(daemon.file("web")).expect("the stand-in listens");
    write!(stream, "GET {page} HTTP/1.0\r\n\r\n").expect("it reads");
    stream.read_to_end(&mut Vec::new()).expect("it answers");
}

#[test]
fn health_follows_the_units() {
    let daemon = place().start();
    let status = |path: &str| get(&daemon, path, "*/*").0;
    wait_until("all is ready", || status("/healthz/ready") == 200);
    for path in [
        "/healthz/live",
        "/healthz/startup",
        "/livez",
        "/readyz",
        "/startupz",
    ] {
        assert_eq!(status(path), 200, "{path}");
    }
    ask(&daemon, "/sick");
    wait_until("it is told", || status("/readyz") == 503);
    assert_eq!(status("/livez"), 200, "it is up");
    let page = get(&daemon, "/readyz?verbose", "*/*").1;
    assert!(page.contains("[-]web.service failed: the readiness probe failed: HTTP status 503"));
    assert!(page.contains("[+]listen.socket ok"), "{page}");
    assert!(
        !page.contains("task.service"),
        "nobody asked for it: {page}"
    );
    assert_eq!(status("/readyz?exclude=web.service"), 200);
    daemon.run(&["kill", "-s", "KILL", "web.service"]);
    wait_until("it is given up", || status("/livez") == 503);
    daemon.ok(&["start", "web.service"]);
    wait_until("all is well again", || status("/readyz") == 200);
    let node = daemon.file("http");
    let mut daemon = daemon;
    daemon.terminate();
    assert!(!node.exists(), "the socket goes with the daemon");
}

#[test]
fn metrics_say_what_units_do() {
    let daemon = place().start();
    wait_until("all is ready", || get(&daemon, "/readyz", "*/*").0 == 200);
    let page = get(&daemon, "/metrics", "*/*").1;
    let has = |line: &str| {
        assert!(
            page.lines().any(|it| it == line),
            "{line} is not in\n{page}"
        )
    };
    has("process_manager_unit_state{unit=\"web.service\",state=\"active\"} 1");
    has("process_manager_unit_state{unit=\"web.service\",state=\"failed\"} 0");
    has("process_manager_service_starts_total{unit=\"web.service\"} 1");
    has("process_manager_probe_good{unit=\"web.service\",probe=\"readiness\"} 1");
    has("process_manager_socket_accepted_connections_total{unit=\"listen.socket\"} 0");
    has("node_systemd_unit_state{name=\"web.service\",state=\"active\",type=\"simple\"} 1");
    has("node_systemd_system_running 1");
    has("# TYPE process_manager_spawn_latency_seconds histogram");
    let starts = |name: &str| page.lines().any(|line| line.starts_with(name));
    for name in [
        "process_manager_unit_uptime_seconds{unit=\"web.service\"} ",
        "process_manager_unit_start_duration_seconds{unit=\"web.service\"} ",
        "process_manager_unit_open_fds{unit=\"web.service\"} ",
        "process_manager_probe_duration_seconds{unit=\"web.service\",probe=\"readiness\"} ",
        "process_manager_loop_latency_seconds_bucket{le=\"+Inf\"} ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(starts(name), "{name} is not in\n{page}");
    }
    daemon.run(&["kill", "-s", "KILL", "web.service"]);
    daemon.wait_state("web.service", "failed/failed");
    let page = get(&daemon, "/metrics", "*/*").1;
    assert!(
        page.contains(
            "process_manager_service_ends_total{unit=\"web.service\",result=\"signal\"} 1"
        )
    );
    assert!(
        page.contains(
            "process_manager_service_exit_status{unit=\"web.service\",code=\"killed\"} 9"
        )
    );
}

/// Feeds a page to a program that judges it; its complaints.
fn judge(program: &str, arguments: &[&str], page: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(page.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{program}: {text}");
    text
}

#[test]
fn other_programs_accept_the_pages() {
    let daemon = place().start();
    wait_until("all is ready", || get(&daemon, "/readyz", "*/*").0 == 200);
    let open = get(
        &daemon,
        "/metrics",
        "application/openmetrics-text;version=1.0.0",
    )
    .1;
    let plain = get(&daemon, "/metrics", "text/plain").1;
    let there = Command::new(PYTHON)
        .args(["-c", "import prometheus_client"])
        .stderr(Stdio::null())
        .status();
    if there.is_ok_and(|status| status.success()) {
        let count = |module: &str, page: &str| {
            let script = format!(
                "import sys\nfrom prometheus_client.{module} import \
                 text_string_to_metric_families as parse\n\
                 print(sum(len(f.samples) for f in parse(sys.stdin.read())))"
            );
            let text = judge(PYTHON, &["-c", &script], page);
            text.trim().parse::<usize>().expect("a number")
        };
        assert!(count("openmetrics.parser", &open) > 50, "{open}");
        assert!(count("parser", &plain) > 50, "{plain}");
    } else {
        skip(
            Missing::Package,
            "Debian's python3 has no prometheus_client",
        );
    }
    if has_program("promtool") {
        // It has an opinion on names that are not ours to choose.
        let ours = |line: &&str| !line.contains("node_systemd_");
        let page: Vec<&str> = plain.lines().filter(ours).collect();
        let found = judge("promtool", &["check", "metrics"], &(page.join("\n") + "\n"));
        assert_eq!(found, "", "{plain}");
    } else {
        skip(
            Missing::Package,
            "promtool is not installed (package prometheus)",
        );
    }
}

#[test]
fn a_dogstatsd_server_hears_of_everything() {
    let place = place();
    let path = place.file("statsd");
    let server = UnixDatagram::bind(&path).expect("it can be bound");
    server
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("it can be set");
    let target = format!("unix:{}", path.display());
    let daemon = place
        .with_argument("--dogstatsd")
        .with_argument(&target)
        .start();
    let wait_line = |wanted: &[&str]| {
        loop {
            let mut bytes = [0; 4096];
            let length = server.recv(&mut bytes).expect("lines go on coming");
            let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if wanted.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    };
    wait_line(&[
        "process.health|",
        "the readiness probe of web.service is good",
    ]);
    daemon.run(&["kill", "-s", "KILL", "web.service"]);
    let crashed = wait_line(&["process.crashed|", "web.service"]);
    assert!(
        crashed.contains("result 'signal'") && crashed.contains("t:error"),
        "{crashed}"
    );
    daemon.ok(&["start", "web.service"]);
    wait_line(&["process.started|", "web.service"]);
    let gauge = wait_line(&["process_manager.process.running:", "unit:web.service"]);
    assert!(gauge.contains(":1|g|#"), "{gauge}");
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_with_a_reason() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has one").to_string();
    let run = |address: &str| {
        Command::new(env!("CARGO_BIN_EXE_dd-procmgrd"))
            .args(["--http", address, "--socket"])
            .arg(place.file("pm.sock"))
            .arg("--runtime-dir")
            .arg(place.file("run"))
            .output()
            .expect("it runs")
    };
    for (address, reason) in [
        (address.as_str(), "cannot serve HTTP at"),
        ("somewhere", "is not ADDRESS:PORT"),
    ] {
        let output = run(address);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}
